//! To come.

mod history;
mod id;
mod psync;
mod stream;

pub use self::history::{History, Previous};
pub use self::id::ReplId;
pub use self::psync::{Decision, NO_REPLID, Request, continue_line};
pub use self::stream::{BACKLOG_BYTES_MIN, Stream};
