//! Transcripts of the real server, held against ours: replies to the byte, and what goes to
//! replicas. `tests/golden.rs` holds them against the real one.

use std::collections::BTreeMap;

use crate::machine::ConnId;
use crate::resp;
use crate::server::testing::Bench;

#[path = "../../tests/golden/transcript.rs"]
mod transcript;

use transcript::{Stage, play};

/// A server on a bench, with named clients.
struct Ours {
    bench: Bench,
    clients: BTreeMap<String, ConnId>,
    /// Where the part of the stream begins that was not looked at.
    from: u64,
}

impl Ours {
    fn new() -> Self {
        let mut ours = Self { bench: Bench::new(&[]), clients: BTreeMap::new(), from: 1 };
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

impl Stage for Ours {
    fn now_ms(&self) -> i64 {
        self.bench.now.wall_ms()
    }

    fn wait(&mut self, ms: u64) {
        self.bench.advance(ms);
    }

    fn ask(&mut self, client: &str, words: &[Vec<u8>]) -> Vec<u8> {
        let conn = self.client(client);
        self.bench.send(conn, &resp::command(words)).to_vec()
    }

    fn heard(&mut self) -> Vec<(String, Vec<u8>)> {
        let bench = &mut self.bench;
        let clients = self.clients.iter();
        let heard = clients.map(|(name, conn)| (name.clone(), bench.received(*conn).to_vec()));
        heard.filter(|(_, data)| !data.is_empty()).collect()
    }

    fn streamed(&mut self) -> Vec<u8> {
        let streamed = self.bench.streamed(self.from);
        self.from += streamed.len() as u64;
        streamed.to_vec()
    }
}

fn assert_replays(transcript: &str) {
    let ours = play(&mut Ours::new(), transcript);
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

transcripts!(
    string key list hash set zset wait bitmap hyperloglog geo sort dump events
    stream stream_group stream_claim stream_info stream_wait script
);
