//! Floor 3: data as bytes to be kept or sent, and back. Codecs only: nothing here knows a path, a
//! file or a socket.
//!
//! [`rdb`] is the snapshot format: what BGSAVE writes, what a full resync sends, what a node loads
//! when it starts. [`aof`] is the log of commands: its manifest, and what its files hold.

pub mod aof;
pub mod rdb;

use bytes::Bytes;

use crate::keyspace::Snapshot;
use crate::machine::{ReplicationMeta, SaveForm};

/// A snapshot as bytes, chunk by chunk, in either form.
#[derive(Debug)]
pub enum Encoder {
    /// As RDB.
    Rdb(rdb::Encoder),
    /// As commands.
    Commands(aof::Encoder),
}

impl Encoder {
    /// Encodes `snapshot`; `meta` goes into an RDB's header.
    pub fn new(snapshot: Snapshot, meta: ReplicationMeta, form: SaveForm) -> Self {
        match form {
            SaveForm::Rdb { compress } => Self::Rdb(rdb::Encoder::new(snapshot, meta, compress)),
            SaveForm::Commands => Self::Commands(aof::Encoder::new(snapshot)),
        }
    }

    /// The next bytes, up to `keys_max` more keys (at least one). `None` when all has been given.
    pub fn next_chunk(&mut self, keys_max: usize) -> Option<Bytes> {
        match self {
            Self::Rdb(encoder) => encoder.next_chunk(keys_max),
            Self::Commands(encoder) => encoder.next_chunk(keys_max),
        }
    }

    /// Keys encoded so far.
    pub fn keys(&self) -> u64 {
        match self {
            Self::Rdb(encoder) => encoder.keys(),
            Self::Commands(encoder) => encoder.keys(),
        }
    }

    /// Bytes given out so far.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Rdb(encoder) => encoder.bytes(),
            Self::Commands(encoder) => encoder.bytes(),
        }
    }
}
