//! The transcripts in `tests/golden/command` are what the real redis-server says.
//!
//! With `REPLAB_RECORD=1` in the environment they are written anew from it: put commands into a
//! file, record, and read what came as prose.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails so")]
#![allow(dead_code, unused_imports, reason = "the bench has more than this test needs")]

mod kit;
#[path = "golden/transcript.rs"]
mod transcript;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kit::{Client, Node, eventually};
use replab::resp;
use transcript::{Stage, play};

/// The real server, with named clients and a connection that its stream goes to.
struct Real<'a> {
    node: &'a Node,
    control: Client,
    replica: Client,
    /// How much of the stream the replica has read.
    offset: u64,
    /// With the ids that the server gave them.
    clients: BTreeMap<String, (Client, String)>,
}

impl<'a> Real<'a> {
    fn new(node: &'a Node) -> Self {
        let (control, mut replica) = (node.client(), node.client());
        replica.send(b"SYNC\r\n");
        let header = std::iter::repeat_with(|| replica.line()).find(|line| !line.is_empty());
        let payload = header.and_then(|header| header.strip_prefix('$')?.parse().ok());
        replica.bytes(payload.expect("a snapshot's length"));
        let mut real = Self { node, control, replica, offset: 0, clients: BTreeMap::new() };
        real.offset = real.node.state().offset;
        real.control.ok(&["FLUSHALL"]);
        real.streamed();
        real
    }

    fn is_waiting(&mut self, id: &str) -> bool {
        let line = self.control.text(&["CLIENT", "LIST", "ID", id]);
        line.split(' ').any(|field| field.starts_with("flags=") && field.contains('b'))
    }

    /// What a client was sent, now that the server has written it.
    fn received(&mut self, name: &str) -> Vec<u8> {
        self.control.call(&["PING"]);
        self.clients.get_mut(name).map(|(client, _)| client.pending()).unwrap_or_default()
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
        if !self.clients.contains_key(name) {
            let mut client = self.node.client();
            if name.starts_with('3') {
                client.call(&["HELLO", "3"]);
            }
            let id = client.call(&["CLIENT", "ID"]).to_string().replace("(integer) ", "");
            self.clients.insert(name.to_owned(), (client, id));
        }
        let (client, id) = self.clients.get_mut(name).expect("a client");
        let id = id.clone();
        client.send(&resp::command(words));
        let mut reply = Vec::new();
        eventually("a reply or a wait", || {
            reply.extend(self.received(name));
            !reply.is_empty() || self.is_waiting(&id)
        });
        reply.extend(self.received(name));
        reply
    }

    fn heard(&mut self) -> Vec<(String, Vec<u8>)> {
        self.control.call(&["PING"]);
        let clients = self.clients.iter_mut();
        let heard = clients.map(|(name, (client, _))| (name.clone(), client.pending()));
        heard.filter(|(_, data)| !data.is_empty()).collect()
    }

    fn streamed(&mut self) -> Vec<u8> {
        let offset = self.node.state().offset;
        let streamed = self.replica.bytes((offset - self.offset) as usize);
        self.offset = offset;
        streamed
    }
}

#[test]
fn the_real_server_says_what_is_written() {
    let settings = [("repl-diskless-sync", "no"), ("repl-ping-replica-period", "3600")];
    let node = Node::start(kit::Kind::Real, &settings);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/command");
    for entry in std::fs::read_dir(folder).expect("a folder of transcripts") {
        let path = entry.expect("an entry").path();
        let written = std::fs::read_to_string(&path).expect("a transcript");
        let said = play(&mut Real::new(&node), &written);
        if std::env::var_os("REPLAB_RECORD").is_some() {
            std::fs::write(&path, said).expect("a transcript written");
            continue;
        }
        for (number, (said, written)) in said.lines().zip(written.lines()).enumerate() {
            assert_eq!(said, written, "{}:{}", path.display(), number + 1);
        }
        assert_eq!(said.lines().count(), written.lines().count(), "{}", path.display());
    }
}
