//! Transcripts of the real server, held against ours: replies to the byte, and what goes to
//! replicas. `tests/golden.rs` holds them against the real one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::machine::{ConnId, Input, Job, JobEvent, JobId, JobOutcome, Output};
use crate::resp;
use crate::server::testing::{Bench, peer_of};

#[path = "../../tests/golden/coverage.rs"]
mod coverage;
#[path = "../../tests/golden/transcript.rs"]
mod transcript;

use transcript::{Stage, play};

/// As those of the real one.
const SETTINGS: [(&str, &str); 2] = [("enable-debug-command", "yes"), ("save", "")];

/// A server on a bench, with named clients.
struct Ours {
    bench: Bench,
    clients: BTreeMap<String, ConnId>,
    /// Where the part of the stream begins that was not looked at.
    from: u64,
}

impl Ours {
    fn new() -> Self {
        let mut ours = Self { bench: Bench::new(&SETTINGS), clients: BTreeMap::new(), from: 1 };
        ours.streamed();
        ours.ask("", &[b"FLUSHALL".to_vec()]);
        ours.streamed();
        ours
    }

    fn client(&mut self, name: &str) -> ConnId {
        let bench = &mut self.bench;
        *self.clients.entry(name.to_owned()).or_insert_with(|| {
            let conn = bench.connect();
            if name.starts_with('3') {
                bench.send(conn, b"HELLO 3\r\n");
            }
            conn
        })
    }
}

impl Ours {
    /// Ends the jobs that were begun: as on a real machine, after some time.
    fn end_jobs(&mut self) {
        let mut rest = std::mem::take(&mut self.bench.outputs);
        while let Some(at) = rest.iter().position(|out| outcome(out).is_some()) {
            if let Some((id, outcome)) = outcome(&rest.remove(at)) {
                self.bench.step(Input::Job { id, event: JobEvent::Done(outcome) });
            }
            rest.append(&mut self.bench.outputs);
        }
        self.bench.outputs = rest;
    }
}

/// How a job ends that a server without files begins.
fn outcome(output: &Output) -> Option<(JobId, JobOutcome)> {
    match output {
        Output::StartJob { id, job: Job::Save { .. } } => {
            Some((*id, JobOutcome::Saved { bytes: 100 }))
        }
        Output::StartJob { id, job: Job::ReadFile { .. } } => Some((*id, JobOutcome::NoFile)),
        _ => None,
    }
}

impl Stage for Ours {
    fn now_ms(&self) -> i64 {
        self.bench.now.wall_ms()
    }

    fn wait(&mut self, ms: u64) {
        self.end_jobs();
        self.bench.advance(ms);
        self.end_jobs();
    }

    fn ask(&mut self, client: &str, words: &[Vec<u8>]) -> Vec<u8> {
        let conn = self.client(client);
        let reply = self.bench.send(conn, &resp::command(words)).to_vec();
        if !words[0].eq_ignore_ascii_case(b"SAVE") || !reply.is_empty() {
            return reply;
        }
        self.end_jobs();
        self.bench.received(conn).to_vec()
    }

    fn identity(&mut self, client: &str) -> (String, String) {
        let conn = self.client(client);
        (conn.number().to_string(), peer_of(conn).to_string())
    }

    fn heard(&mut self) -> Vec<(String, Vec<u8>)> {
        let bench = &mut self.bench;
        let clients = self.clients.iter();
        let heard = clients.map(|(name, conn)| (name.clone(), bench.received(*conn).to_vec()));
        heard.filter(|(_, data)| !data.is_empty()).collect()
    }

    fn closed(&mut self) -> Vec<String> {
        let outputs = self.bench.outputs.extract_if(.., |out| matches!(out, Output::Close { .. }));
        let closed: Vec<_> = outputs
            .filter_map(|out| match out {
                Output::Close { conn, .. } => Some(conn),
                _ => None,
            })
            .collect();
        let gone = self.clients.extract_if(.., |_, conn| closed.contains(conn));
        gone.map(|(name, _)| name).collect()
    }

    fn streamed(&mut self) -> Vec<u8> {
        let streamed = self.bench.streamed(self.from);
        self.from += streamed.len() as u64;
        streamed.to_vec()
    }
}

fn written(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/command");
    std::fs::read_to_string(folder.join(name).with_extension("txt")).expect("a transcript")
}

fn assert_replays(name: &str) {
    let transcript = written(name);
    let ours = play(&mut Ours::new(), &transcript);
    let differences: Vec<_> = steps(&ours)
        .iter()
        .zip(steps(&transcript))
        .filter(|(ours, theirs)| *ours != theirs)
        .map(|(ours, theirs)| format!("ours:\n{ours}theirs:\n{theirs}"))
        .collect();
    assert!(differences.is_empty(), "{name}.txt:\n{}", differences.join("\n"));
}

/// A transcript's lines, each with what came of it.
fn steps(transcript: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for line in transcript.lines() {
        match steps.last_mut() {
            Some(step) if line.starts_with("    ") => {
                step.push_str(&format!("{line}\n"));
            }
            _ => steps.push(format!("{line}\n")),
        }
    }
    steps
}

macro_rules! transcripts {
    ($($name:ident)*) => {
        const TRANSCRIPTS: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            assert_replays(stringify!($name));
        })*
    };
}

transcripts!(
    string key list hash set zset wait bitmap hyperloglog geo sort dump events
    stream stream_group stream_claim stream_info stream_wait script
    connection client transaction pubsub acl command server config debug replication persistence
    odd refused encoding cluster arity types resp3 effects expired
);
