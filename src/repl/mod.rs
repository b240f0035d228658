//! To come.

mod history;
mod id;
mod line;
mod payload;
mod psync;
mod replica;
mod stream;
mod verdict;

pub use self::history::{History, Previous};
pub use self::id::ReplId;
pub use self::psync::{Decision, NO_REPLID, Request, continue_line};
pub use self::replica::{Credentials, Failure, Handshake, Introduction, Retry, Step, ack};
pub use self::stream::{BACKLOG_BYTES_MIN, Stream};
