//! Floor 3: data as bytes to be kept or sent, and back. Codecs only: nothing here knows a path, a
//! file or a socket.
//!
//! [`rdb`] is the snapshot format: what BGSAVE writes, what a full resync sends, what a node loads
//! when it starts. [`aof`] is the log of commands: its manifest, and what its files hold.

pub mod aof;
pub mod rdb;
