//! What reads something from outside, and what must hold of it.

use replab::keyspace::digest;
use replab::lab::topology::Topology;
use replab::machine::{Input, Machine, Now, Outbox, Output, ReplicationMeta};
use replab::persist::aof::{AofError, Entry, Fault, Manifest, Reader};
use replab::persist::rdb::{Decoder, Encoder, RdbError};
use replab::resp::{Answer, Limits, Request, command, read_answer};
use replab::sentinel::{Config as SentinelConfig, Sentinel};
use replab::server::Config;
use replab::server::config::file;

use super::bench::{Bench, Files};
use super::corpus::CORPUS;
use super::shape::Shape;
use super::uses::{save_and_load, use_all};

/// Something that reads inputs.
pub struct Target {
    pub name: &'static str,
    pub shape: Shape,
    /// Good inputs.
    pub seeds: Vec<Vec<u8>>,
    /// Reads an input, checks what must hold, and tells whether the input was accepted.
    pub read: fn(&[u8]) -> bool,
}

/// All of them.
pub fn all() -> Vec<Target> {
    let target =
        |name, shape, seeds: &[Vec<u8>], read| Target { name, shape, seeds: seeds.to_vec(), read };
    let logs = &CORPUS.logs;
    let manifests: Vec<_> = logs.iter().map(|log| log.manifest.clone()).collect();
    let bases: Vec<_> = logs.iter().map(|log| log.base.clone()).collect();
    let increments: Vec<_> = logs.iter().map(|log| log.increment.clone()).collect();
    vec![
        target("requests", Shape::Commands, &CORPUS.requests, requests),
        target("replies", Shape::Bytes, &CORPUS.replies, replies),
        target("rdb", Shape::Snapshot, &CORPUS.snapshots, snapshot),
        target("dump", Shape::Payload, &CORPUS.payloads, payload),
        target("aof-manifest", Shape::Lines, &manifests, manifest),
        target("aof-base", Shape::Commands, &bases, base),
        target("aof-increment", Shape::Commands, &increments, increment),
        target("redis.conf", Shape::Lines, &CORPUS.server_files, server_file),
        target("sentinel.conf", Shape::Lines, &CORPUS.sentinel_files, sentinel_file),
        target("topology", Shape::Lines, &CORPUS.topologies, topology),
    ]
}

fn config() -> Config {
    let directives = [("enable-debug-command", "yes"), ("save", "")];
    Config::from_directives(&directives.map(|(n, v)| (n.to_owned(), v.to_owned())))
        .expect("known directives")
}

/// In pieces of any size they are the same requests, and who sends them harms nobody else.
fn requests(input: &[u8]) -> bool {
    let pieces = [usize::MAX, 1 + input.len() / 3].map(|size| requests_of(input, size));
    assert_eq!(pieces[0], pieces[1], "it matters how requests are cut into pieces");
    let mut bench = Bench::start(config(), Files::new());
    let (stranger, friend) = (bench.connect_deaf(), bench.connect());
    bench.send(stranger, input);
    let pong = bench.ask(friend, &[vec![b"PING"]]);
    assert_eq!(pong, [Answer::Simple("PONG".to_owned())]);
    pieces[0].is_ok()
}

fn requests_of(input: &[u8], size: usize) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let (mut request, mut requests) = (Request::default(), Vec::new());
    let (mut start, mut end) = (0, 0);
    while end < input.len() {
        end = end.saturating_add(size).min(input.len());
        while let Some(taken) = request
            .read(&input[start..end], &Limits::default())
            .map_err(|error| error.to_string())?
        {
            let words = request.words(&input[start..end]);
            requests.push(words.iter().map(|word| word.to_vec()).collect());
            start += taken;
        }
    }
    Ok(requests)
}

/// A reply is whole at its last byte and not before, and can be shown.
fn replies(input: &[u8]) -> bool {
    let mut rest = input;
    loop {
        match read_answer(rest) {
            Err(_) => return false,
            Ok(None) => return rest.is_empty(),
            Ok(Some((answer, taken))) => {
                for cut in [taken - 1, taken / 2] {
                    assert_eq!(read_answer(&rest[..cut]), Ok(None), "cut at {cut}");
                }
                let _ = answer.to_string();
                rest = &rest[taken..];
            }
        }
    }
}

/// In pieces it is the same, what it is can be written again, and used.
fn snapshot(input: &[u8]) -> bool {
    let decode = |size: usize| -> Result<_, RdbError> {
        let mut decoder = Decoder::new(None);
        input.chunks(size).try_for_each(|piece| decoder.feed(piece))?;
        Ok(decoder.finish()?.keyspace)
    };
    let data = decode(usize::MAX);
    let told = |data: &Result<_, RdbError>| data.as_ref().map(digest).map_err(Clone::clone);
    assert_eq!(told(&data), told(&decode(1 + input.len() / 3)), "in pieces");
    let Ok(data) = data else { return false };
    let mut encoder = Encoder::new(data.snapshot(), ReplicationMeta::default(), true);
    let mut decoder = Decoder::new(None);
    while let Some(chunk) = encoder.next_chunk(5) {
        decoder.feed(&chunk).expect("what is written can be read");
    }
    let again = decoder.finish().expect("it is written to its end").keyspace;
    assert_eq!(digest(&again), digest(&data), "written and read");
    let files = [("dump.rdb".to_owned(), input.to_vec())];
    let mut bench = Bench::start(config(), Files::from(files));
    assert!(!bench.is_over(), "a server loads what can be decoded");
    use_all(&mut bench);
    true
}

fn payload(input: &[u8]) -> bool {
    let mut bench = Bench::start(config(), Files::new());
    let conn = bench.connect();
    let answers = bench.ask(conn, &[vec![b"RESTORE", b"key", b"0", input]]);
    let is_taken = answers[0].error().is_none();
    use_all(&mut bench);
    is_taken
}

fn manifest(input: &[u8]) -> bool {
    if let Ok(manifest) = Manifest::parse(input)
        && !manifest.is_empty()
    {
        let again = Manifest::parse(&manifest.format());
        let names = |manifest: &Manifest| -> Vec<_> {
            manifest.parts().map(|part| part.name.clone()).collect()
        };
        assert_eq!(again.as_ref().map(names), Ok(names(&manifest)), "written and read");
    }
    let log = &CORPUS.logs[0];
    play(input, &log.base, &log.increment)
}

fn base(input: &[u8]) -> bool {
    cut_to_what_is_good(input);
    let log = &CORPUS.logs[0];
    play(&log.manifest, input, &log.increment)
}

fn increment(input: &[u8]) -> bool {
    cut_to_what_is_good(input);
    let log = &CORPUS.logs[0];
    play(&log.manifest, &log.base, input)
}

/// What `check-aof --fix` leaves of a file is good; it leaves snapshots alone.
fn cut_to_what_is_good(input: &[u8]) {
    let judge = |file: &[u8]| {
        let mut reader = Reader::new(Decoder::new(None));
        let mut read = || {
            for piece in file.chunks(1000) {
                reader.feed(piece);
                while let Some(entry) = reader.next()? {
                    let is_snapshot = matches!(entry, Entry::Snapshot(_));
                    assert!(!is_snapshot || file.starts_with(b"REDIS"));
                }
            }
            reader.finish()
        };
        let verdict = read();
        (reader.good() as usize, verdict)
    };
    let (good, verdict) = judge(input);
    if !matches!(verdict, Err(AofError { fault: Fault::Snapshot(_), .. })) {
        assert_eq!(judge(&input[..good]), (good, Ok(())), "what is left");
    }
}

/// A server starts with these files, or refuses them and ends.
fn play(manifest: &[u8], base: &[u8], increment: &[u8]) -> bool {
    let mut config = config();
    let log = [("appendonly", "yes"), ("aof-load-truncated", "yes")];
    config
        .set_all(&log.map(|(n, v)| (n.to_owned(), v.to_owned())), true)
        .expect("known directives");
    let name = |kind: &str| format!("appendonlydir/appendonly.aof.{kind}");
    let files = [
        (name("manifest"), manifest.to_vec()),
        // A base may be either.
        (name("2.base.rdb"), base.to_vec()),
        (name("2.base.aof"), base.to_vec()),
        (name("2.incr.aof"), increment.to_vec()),
    ];
    let mut bench = Bench::start(config, Files::from(files));
    if bench.is_over() {
        return false;
    }
    save_and_load(&mut bench);
    true
}

/// What is rewritten is the same configuration, and a server runs with it.
fn server_file(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut include = |_: &str| Err("there are no other files".to_owned());
    let Ok(directives) = file::parse(text, &mut include) else { return false };
    let Ok(config) = Config::from_directives(&directives) else { return false };
    let rewritten = file::rewrite(text, &config);
    let again = file::parse(&rewritten, &mut include).expect("what is written can be read");
    let again = Config::from_directives(&again).expect("what is written can be followed");
    assert_eq!(again.matching("*"), config.matching("*"), "{rewritten}");
    let mut bench = Bench::start(config, Files::new());
    if !bench.is_over() {
        let conn = bench.connect();
        bench.send(conn, &command(&["PING"]));
    }
    true
}

/// What a Sentinel writes at its start it can read again.
fn sentinel_file(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(config) = SentinelConfig::parse(text) else { return false };
    let name = config.file.clone();
    let mut sentinel = Sentinel::new(config, 26379, 1);
    for mono in 0..20 {
        let now = Now { mono: mono * 500, wall_us: 1_700_000_000_000_000 };
        let mut out = Outbox::new();
        let input = if mono == 0 { Input::Started } else { Input::Tick };
        sentinel.step(now, input, &mut out);
        sentinel.step(now, Input::Turn, &mut out);
        for output in out.drain() {
            match output {
                Output::StartJob { id, .. } if mono == 0 => {
                    let mut out = Outbox::new();
                    let event =
                        replab::machine::JobEvent::Done(replab::machine::JobOutcome::NoFile);
                    sentinel.step(now, Input::Job { id, event }, &mut out);
                }
                Output::WriteFile { name: written, data } if written == name => {
                    let text = String::from_utf8(data.to_vec()).expect("text");
                    SentinelConfig::parse(&text)
                        .unwrap_or_else(|error| panic!("its own file: {error}\n{text}"));
                }
                _ => {}
            }
        }
    }
    true
}

/// Whatever is wrong with it can be shown.
fn topology(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    match Topology::parse("fuzz.toml", text) {
        Ok(topology) => {
            topology.lints.render(false);
            true
        }
        Err(errors) => {
            errors.render(false);
            false
        }
    }
}
