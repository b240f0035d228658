//! Transcripts of the real server, held against ours: replies to the byte, and what goes to
//! replicas.
//!
//! A transcript has a command a line (a leading `~` if the order of the answer means nothing),
//! below it its reply (a space for each line end), and each command that it put on the stream after
//! a `>`. `<+1000>` is the time a second from now in milliseconds, `<+1000s>` in seconds.

use crate::machine::ConnId;
use crate::resp::{command, read_answer};
use crate::server::testing::Bench;

/// Plays a transcript and returns ours in the same form.
fn replay(transcript: &str) -> String {
    let mut bench = Bench::new(&[]);
    let conn = bench.connect();
    let mut from = 1;
    bench.streamed(from);
    bench.ask(conn, "FLUSHALL");
    from += bench.streamed(from).len() as u64;
    let mut ours = String::new();
    for line in transcript.lines().filter(|line| !line.starts_with("    ")) {
        ours += &format!("{line}\n");
        if let Some(ms) = line.strip_prefix("wait ") {
            bench.advance(ms.parse().unwrap());
        } else if !line.starts_with('#') && !line.is_empty() {
            ours += &format!("    {}\n", reply(&mut bench, conn, line));
            let streamed = bench.streamed(from);
            from += streamed.len() as u64;
            ours += &effects(&streamed, bench.now.wall_ms());
        }
    }
    ours
}

fn reply(bench: &mut Bench, conn: ConnId, line: &str) -> String {
    let now = bench.now.wall_ms();
    let unordered = line.starts_with('~');
    let words: Vec<_> =
        line.trim_start_matches('~').split(' ').map(|word| unescaped(word, now)).collect();
    let data = bench.send(conn, &command(&words));
    let text = if unordered { escaped(&sorted(&data)) } else { escaped(&data) };
    let text = text.trim_end();
    match text.strip_prefix(':') {
        Some(number) => format!(":{}", relative(number, now)),
        None => text.to_owned(),
    }
}

/// An array's elements in the order of their bytes.
fn sorted(data: &[u8]) -> Vec<u8> {
    let start = memchr::memchr(b'\n', data).unwrap() + 1;
    let (mut rest, mut elements) = (&data[start..], Vec::new());
    while let Some((_, taken)) = read_answer(rest).unwrap() {
        elements.push(&rest[..taken]);
        rest = &rest[taken..];
    }
    elements.sort_unstable();
    [&data[..start], &elements.concat()].concat()
}

/// The commands on the stream, but not those of the replication itself.
fn effects(mut streamed: &[u8], now: i64) -> String {
    let mut text = String::new();
    while let Some((answer, taken)) = read_answer(streamed).unwrap() {
        let crate::resp::Answer::Array(words) = answer else { panic!("{answer} on the stream") };
        let words: Vec<_> = words
            .iter()
            .map(|word| match word {
                crate::resp::Answer::Bulk(bytes) if bytes.is_empty() => "\"\"".to_owned(),
                crate::resp::Answer::Bulk(bytes) => relative(&escaped(bytes), now),
                other => panic!("{other} on the stream"),
            })
            .collect();
        if words != ["PING"] {
            text += &format!("    > {}\n", words.join(" "));
        }
        streamed = &streamed[taken..];
    }
    text
}

/// A word as it is sent.
fn unescaped(word: &str, now: i64) -> Vec<u8> {
    if word == "\"\"" {
        return Vec::new();
    }
    if let Some(time) = word.strip_prefix('<').and_then(|time| time.strip_suffix('>')) {
        let (time, unit) = time.strip_suffix('s').map_or((time, 1), |time| (time, 1000));
        let offset: i64 = time.parse().unwrap();
        return ((now + offset) / unit).to_string().into_bytes();
    }
    let mut pieces = word.split("\\x");
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

fn escaped(data: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = data;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'\r', [b'\n', tail @ ..]) => {
                text.push(' ');
                rest = tail;
            }
            (b' '..=b'~', _) if *byte != b'\\' => text.push(char::from(*byte)),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    text
}

/// A time in milliseconds as its distance from now, to the second.
fn relative(word: &str, now: i64) -> String {
    match word.parse::<i64>() {
        Ok(at) if word.len() == 13 && (at - now).abs() < 10_000_000_000 => {
            format!("<{:+}>", (at - now + 500).div_euclid(1000) * 1000)
        }
        _ => word.to_owned(),
    }
}

fn assert_replays(transcript: &str) {
    let ours = replay(transcript);
    for (number, (ours, theirs)) in ours.lines().zip(transcript.lines()).enumerate() {
        let command = transcript.lines().take(number + 1).filter(|l| !l.starts_with("    ")).last();
        assert_eq!(ours, theirs, "line {}: {}", number + 1, command.unwrap_or_default());
    }
    assert_eq!(ours.lines().count(), transcript.lines().count());
}

macro_rules! transcripts {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            assert_replays(include_str!(concat!(
                "../../tests/golden/command/",
                stringify!($name),
                ".txt"
            )));
        }
    )*};
}

transcripts!(string key list);
