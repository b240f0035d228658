//! The transcripts in `tests/golden/command` are what the real redis-server says.
//!
//! With `REPLAB_RECORD=1` in the environment they are written anew from it (with
//! `REPLAB_RECORD=list` one of them): put commands into a file, record, and read what came as prose.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(dead_code, unused_imports, reason = "the bench has more than this test needs")]

mod kit;
#[path = "golden/transcript.rs"]
mod transcript;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kit::{Client, Node, comes_true};
use replab::persist::rdb::Decoder;
use replab::resp;
use transcript::{Stage, play};

/// A client that has got no reply after this time gets none.
const SILENCE: Duration = Duration::from_millis(100);

/// The real server, with named clients and a connection that its stream goes to.
struct Real<'a> {
    node: &'a Node,
    control: Client,
    replica: Client,
    /// How much of the stream the replica has read.
    offset: u64,
    clients: BTreeMap<String, Client>,
}

impl<'a> Real<'a> {
    fn new(node: &'a Node) -> Self {
        let (control, mut replica) = (node.client(), node.client());
        replica.send(b"SYNC\r\n");
        let header = std::iter::repeat_with(|| replica.line()).find(|line| !line.is_empty());
        let payload = header.and_then(|header| header.strip_prefix('$')?.parse().ok());
        let payload = replica.bytes(payload.expect("a snapshot's length"));
        let mut decoder = Decoder::new(None);
        decoder.feed(&payload).expect("a sound snapshot");
        // Not what INFO says: the first PING may be on the stream already.
        let stream = decoder.finish().expect("a whole snapshot").stream;
        let offset = stream.expect("where the stream begins").offset;
        let mut real = Self { node, control, replica, offset, clients: BTreeMap::new() };
        real.control.ok(&["FLUSHALL"]);
        real.streamed();
        real
    }

    fn stream_end(&mut self) -> u64 {
        let info = self.control.text(&["INFO", "replication"]);
        let offset = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
        offset.and_then(|offset| offset.parse().ok()).expect("an offset")
    }

    fn client(&mut self, name: &str) -> &mut Client {
        self.clients.entry(name.to_owned()).or_insert_with(|| {
            let mut client = self.node.client();
            // Once it is answered, the server knows it.
            let greeting: &[&str] = if name.starts_with('3') { &["HELLO", "3"] } else { &["PING"] };
            client.call(greeting);
            client
        })
    }

    /// The line of CLIENT LIST that tells of a client; empty if the server has closed it.
    fn line(&mut self, name: &str) -> String {
        let address = format!(" addr=127.0.0.1:{} ", self.client(name).local_port());
        let list = self.control.text(&["CLIENT", "LIST"]);
        list.lines().find(|line| line.contains(&address)).unwrap_or_default().to_owned()
    }

    fn is_waiting(&mut self, name: &str) -> bool {
        let line = self.line(name);
        line.split(' ').any(|field| field.starts_with("flags=") && field.contains('b'))
    }

    /// What a client was sent, now that the server has written it.
    fn received(&mut self, name: &str) -> Vec<u8> {
        self.control.call(&["PING"]);
        self.client(name).pending()
    }
}

impl Stage for Real<'_> {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
        since.as_millis() as i64
    }

    fn wait(&mut self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }

    fn ask(&mut self, name: &str, words: &[Vec<u8>]) -> Vec<u8> {
        self.client(name).send(&resp::command(words));
        let mut reply = Vec::new();
        // A client that does not wait and gets no reply has asked for none.
        comes_true(SILENCE, || {
            reply.extend(self.received(name));
            !reply.is_empty() || self.client(name).is_closed() || self.is_waiting(name)
        });
        reply.extend(self.received(name));
        reply
    }

    fn identity(&mut self, name: &str) -> (String, String) {
        let line = self.line(name);
        let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name));
        let field = |name: &str| field(name).expect("a client").to_owned();
        (field("id="), field("addr="))
    }

    fn heard(&mut self) -> Vec<(String, Vec<u8>)> {
        self.control.call(&["PING"]);
        let clients = self.clients.iter_mut();
        let heard = clients.map(|(name, client)| (name.clone(), client.pending()));
        heard.filter(|(_, data)| !data.is_empty()).collect()
    }

    fn closed(&mut self) -> Vec<String> {
        let closed = self.clients.extract_if(.., |_, client| client.is_closed());
        closed.map(|(name, _)| name).collect()
    }

    fn streamed(&mut self) -> Vec<u8> {
        let offset = self.stream_end();
        let streamed = self.replica.bytes((offset - self.offset) as usize);
        self.offset = offset;
        streamed
    }
}

/// As many transcripts are played at a time: most of the time they wait.
const PLAYERS: usize = 6;

#[test]
fn the_real_server_says_what_is_written() {
    let record = std::env::var("REPLAB_RECORD").ok();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/command");
    let entries = std::fs::read_dir(folder).expect("a folder of transcripts");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_wanted = |path: &PathBuf| {
        record.as_deref().is_none_or(|wanted| wanted == "1" || path.file_stem().unwrap() == wanted)
    };
    let paths: Vec<_> = paths.filter(is_wanted).collect();
    std::thread::scope(|scope| {
        for player in 0..PLAYERS {
            let share = paths.iter().skip(player).step_by(PLAYERS);
            scope.spawn(|| share.for_each(|path| replay(path, record.is_some())));
        }
    });
}

/// Holds a transcript against a real server, or writes it anew.
fn replay(path: &Path, record: bool) {
    let settings = [("repl-diskless-sync", "no"), ("repl-ping-replica-period", "3600")];
    let node = Node::start(kit::Kind::Real, &settings);
    let written = std::fs::read_to_string(path).expect("a transcript");
    let said = play(&mut Real::new(&node), &written);
    if record {
        std::fs::write(path, said).expect("a transcript written");
        return;
    }
    for (number, (said, written)) in said.lines().zip(written.lines()).enumerate() {
        assert_eq!(said, written, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(said.lines().count(), written.lines().count(), "{}", path.display());
}
