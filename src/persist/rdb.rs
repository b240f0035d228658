//! The RDB codec: a stand-in of its interface until the codec is here.

use bytes::Bytes;

use crate::keyspace::{Keyspace, Snapshot};
use crate::machine::{Loaded, ReplicationMeta};

const MAGIC: &[u8] = b"REDIS0010\xff";

/// Why an RDB was refused.
#[derive(Debug, thiserror::Error)]
pub enum RdbError {
    /// It does not start as an RDB does.
    #[error("offset 0: not an RDB file")]
    BadMagic,
    /// It ends too early.
    #[error("offset {0}: unexpected end of file")]
    Truncated(u64),
}

/// Makes an RDB of a snapshot, chunk by chunk.
#[derive(Debug)]
pub struct Encoder {
    bytes: u64,
}

impl Encoder {
    /// Starts an RDB.
    pub fn new(_snapshot: Snapshot, _meta: ReplicationMeta) -> Self {
        Self { bytes: 0 }
    }

    /// The next bytes, or `None` when the RDB is complete.
    pub fn next_chunk(&mut self, _keys_max: usize) -> Option<Bytes> {
        (self.bytes == 0).then(|| {
            self.bytes = MAGIC.len() as u64;
            Bytes::from_static(MAGIC)
        })
    }

    /// Keys so far.
    pub fn keys(&self) -> u64 {
        0
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Reads an RDB that arrives in pieces.
#[derive(Debug)]
pub struct Decoder {
    read: Vec<u8>,
}

impl Decoder {
    /// Starts reading.
    pub fn new(_expire_before: Option<i64>) -> Self {
        Self { read: Vec::new() }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, data: &[u8]) -> Result<(), RdbError> {
        self.read.extend_from_slice(data);
        let known = self.read.len().min(MAGIC.len());
        if self.read[..known] == MAGIC[..known] { Ok(()) } else { Err(RdbError::BadMagic) }
    }

    /// Whether the end was read.
    pub fn is_complete(&self) -> bool {
        self.read.len() >= MAGIC.len()
    }

    /// Keys so far.
    pub fn keys(&self) -> u64 {
        0
    }

    /// The dataset.
    pub fn finish(self) -> Result<Loaded, RdbError> {
        let bytes = self.read.len() as u64;
        if !self.is_complete() {
            return Err(RdbError::Truncated(bytes));
        }
        Ok(Loaded {
            keyspace: Keyspace::default(),
            stream: None,
            keys: 0,
            expired: Vec::new(),
            bytes,
        })
    }
}
