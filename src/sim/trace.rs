//! One number for all that was delivered: two runs that differ anywhere differ in it.

use crate::machine::{Input, JobEvent, Millis};
use crate::world::{ClientId, NodeId};

/// A running hash. Not for outside input: it only tells runs apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace(u64);

impl Trace {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// What a node is told.
    pub(super) fn input(&mut self, at: Millis, node: NodeId, input: &Input<'_>) {
        self.word(at << 16 | node.0 as u64);
        match input {
            Input::Started => self.word(1),
            Input::Accepted { conn, .. } => self.words([2, conn.number()]),
            Input::Dialled { conn, .. } => self.words([3, conn.number()]),
            Input::Received { conn, data } => {
                self.words([4, conn.number()]);
                self.bytes(data);
            }
            Input::Unsent { conn, bytes } => {
                self.words([5, conn.number()]);
                self.word(*bytes as u64);
            }
            Input::Closed { conn, reason } => {
                self.words([6, conn.number()]);
                self.bytes(reason.as_bytes());
            }
            Input::Job { id, event } => {
                self.words([7, id.0]);
                if let JobEvent::Chunk(chunk) = event {
                    self.bytes(chunk);
                }
            }
            Input::Tick => self.word(8),
            Input::Turn => self.word(9),
            Input::Stop(_) => self.word(10),
            Input::Arranged(result) => self.words([11, u64::from(result.is_ok())]),
            Input::LogFailed { .. } => self.word(12),
        }
    }

    /// What one of the lab's clients is told.
    pub(super) fn client(&mut self, at: Millis, client: ClientId, data: &[u8]) {
        self.words([at, client.0]);
        self.bytes(data);
    }

    fn words(&mut self, words: [u64; 2]) {
        for word in words {
            self.word(word);
        }
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.word(u64::from(*byte));
        }
    }

    pub(super) fn value(self) -> u64 {
        self.0 ^ (self.0 >> 31)
    }
}
