//! AOF: a dataset as the commands that made it, in several files (Redis 7's multi-part AOF).
//!
//! # Files
//!
//! A *manifest* names the files in the order in which they are to be read: one *base*, a snapshot
//! or the commands that make the same data; then the *increments*, each with the commands since.
//! A *history* file was replaced by a rewrite and is to be deleted. [`Manifest`] reads and writes
//! this list.
//!
//! # Content
//!
//! A file is commands as they go over the wire, and lines that begin with `#` (annotations: `#TS:`
//! and seconds since the epoch). It may begin with a whole RDB; a base mostly is nothing else.
//! [`Reader`] takes a file in pieces of any size and knows at every moment how much of it is good:
//! up to the end of the last command that is not inside an open MULTI block. [`Encoder`] makes the
//! commands of a base from a snapshot.
//!
//! # Differences from Redis
//!
//! - A file that ends inside a MULTI block is good up to that block. A real server cuts it there
//!   only if the last command is whole; else it leaves the MULTI, and what it appends later is
//!   inside a block without end, lost at the next start.

mod encoder;
mod manifest;
mod reader;

pub use self::encoder::Encoder;
pub use self::manifest::{Manifest, ManifestError, Part};
pub use self::reader::{AofError, Entry, Fault, Reader};
