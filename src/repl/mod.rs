//! Floor 3: replication, without a socket, a clock or data.
//!
//! # What is replicated
//!
//! A primary turns every change into a command of the *stream*. The stream's bytes are counted;
//! the count is the *offset*. A *history* is a stream with a name, the *replid*. Two nodes with the
//! same replid and offset hold the same data, and a replica that was away asks for what it missed
//! by exactly these two: `PSYNC <replid> <offset + 1>`.
//!
//! # Who is who
//!
//! - [`Stream`]: the bytes. Its retained tail is the backlog; every replica is a cursor into it, so
//!   that ten replicas cost one copy.
//! - [`History`]: the stream with its name and the name it had before a promotion.
//! - [`Decision`]: what a primary answers to PSYNC.
//! - [`Announced`] and [`Replica`]: one replica as its primary sees it, from REPLCONF to ACK.
//! - [`Handshake`]: the other side. One attempt of a replica to reach its primary, from the call
//!   through the snapshot to the stream.
//!
//! Nothing here acts. Methods take the time and bytes, and answer with data: lines to send,
//! [`Step`]s to take, in Redis's words where tools wait for them.
//!
//! # A session
//!
//! ```text
//! replica                                        primary
//! PING                                        -> +PONG
//! REPLCONF listening-port 7002                -> +OK
//! REPLCONF capa eof capa psync2               -> +OK
//! PSYNC ? -1                                  -> +FULLRESYNC <replid> 50      a snapshot begins
//!                                             <- $EOF:<mark> snapshot <mark>
//! REPLCONF ACK 50                             <- the stream from byte 51 on
//!          the link breaks and is made again
//! PSYNC <replid> 152                          -> +CONTINUE <replid>
//!                                             <- the stream from byte 152 on
//! ```
//!
//! # Differences from Redis
//!
//! - The mark that ends a snapshot is found wherever it stands, not only at the end of a read.
//! - A link that ends while its snapshot loads does not spoil the snapshot: it is resumed
//!   afterwards.
//! - `+CONTINUE` to a replica that knows no history is answered like any senseless reply.
//! - Timeouts are exact, not rounded to the seconds of a cron.
//! - The words of `rdb-filter-only` cannot be quoted.

mod history;
mod id;
mod introduction;
mod line;
mod payload;
mod primary;
mod psync;
mod replconf;
mod replica;
mod stream;
mod verdict;

pub use self::history::{History, Previous};
pub use self::id::ReplId;
pub use self::introduction::{Credentials, Introduction, ack};
pub use self::primary::{AfterSnapshot, OutputLimit, Replica, Stage};
pub use self::psync::{Decision, NO_REPLID, Request, continue_line};
pub use self::replconf::{Announced, Content, Replconf, ReplconfError};
pub use self::replica::{Failure, Handshake, Retry, Step};
pub use self::stream::{BACKLOG_BYTES_MIN, Stream};
