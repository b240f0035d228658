//! Ours and the real server, side by side, each with a replica that only listens.

use replab::resp::{Answer, write_command};

use super::speaker::Line;
use crate::kit::{Client, Kind, Node};

/// Few elements make a collection large, so that all encodings are met.
const SETTINGS: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "6"),
    ("hash-max-listpack-value", "20"),
    ("list-max-listpack-size", "4"),
    ("set-max-intset-entries", "5"),
    ("zset-max-listpack-entries", "6"),
    ("zset-max-listpack-value", "20"),
    ("stream-node-max-entries", "4"),
    ("repl-ping-replica-period", "3600"),
    // Whoever waits in vain is answered at a tick.
    ("hz", "500"),
    ("repl-diskless-sync", "no"),
    ("client-output-buffer-limit", "replica 0 0 0"),
];

/// Both servers.
pub struct Pair {
    pub ours: Side,
    pub real: Side,
}

/// One server, a client of it, and what it sends to replicas.
pub struct Side {
    node: Node,
    client: Client,
    /// Asks about the data without taking part.
    witness: Client,
    stream: Client,
    rounds: u64,
}

impl Pair {
    pub fn start() -> Self {
        Self { ours: Side::start(Kind::Ours), real: Side::start(Kind::Real) }
    }

    /// Does the same on both.
    pub fn both<T>(&mut self, mut act: impl FnMut(&mut Side) -> T) -> (T, T) {
        (act(&mut self.ours), act(&mut self.real))
    }

    /// Both are empty, and clients begin anew.
    pub fn begin_anew(&mut self) {
        self.both(|side| {
            side.client = side.node.client();
            side.witness.ok(&["FLUSHALL"]);
            side.effects();
        });
    }
}

impl Side {
    fn start(kind: Kind) -> Self {
        let node = Node::start(kind, SETTINGS);
        let (client, witness, mut stream) = (node.client(), node.client(), node.client());
        stream.send(b"*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
        let len = loop {
            // Empty lines keep the connection alive until the snapshot is there.
            if let Some(len) = stream.line().strip_prefix('$') {
                break len.parse().expect("a length");
            }
        };
        stream.bytes(len);
        Self { node, client, witness, stream, rounds: 0 }
    }

    /// The replies to these commands, sent in one piece.
    pub fn replies(&mut self, lines: &[Line]) -> Vec<Answer> {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| write_command(&mut bytes, line));
        self.client.send(&bytes);
        let reply = |line: &Line| match self.client.next_answer() {
            Ok(answer) => answer,
            Err(problem) => panic!("{problem} in the place of the reply to {line:?}"),
        };
        lines.iter().map(reply).collect()
    }

    /// What went to replicas since the last time.
    pub fn effects(&mut self) -> Vec<Line> {
        self.rounds += 1;
        let mark = self.rounds.to_string();
        self.witness.call(&["PUBLISH", "mark", &mark]);
        // Who says nothing for long is not listened to any more.
        self.stream.send(b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n");
        let mut effects = Vec::new();
        loop {
            let Answer::Array(words) = self.stream.next_answer().expect("a command") else {
                continue;
            };
            let words: Line = words
                .into_iter()
                .map(|word| match word {
                    Answer::Bulk(bytes) => bytes,
                    other => panic!("not a word: {other:?}"),
                })
                .collect();
            match &words[..] {
                [publish, channel, m] if publish == b"PUBLISH" && channel == b"mark" => {
                    if m == mark.as_bytes() {
                        return effects;
                    }
                }
                _ => effects.push(words),
            }
        }
    }

    /// `DEBUG DIGEST`
    pub fn digest(&mut self) -> String {
        self.witness.text(&["DEBUG", "DIGEST"])
    }

    /// Any other question.
    pub fn ask(&mut self, words: &[&str]) -> Answer {
        self.witness.call(words)
    }

    pub fn witness(&mut self) -> &mut Client {
        &mut self.witness
    }
}
