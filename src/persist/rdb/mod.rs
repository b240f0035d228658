//! RDB: a whole dataset as bytes.
//!
//! # Layout
//!
//! ```text
//! "REDIS" version(4 digits) | aux* | { SELECTDB | RESIZEDB | [expiry] key value * }* | EOF | crc64
//! ```
//!
//! Everything is built of two atoms, a *length* (1, 2, 5 or 9 bytes) and a *string* (a length and
//! bytes, or an integer of 1, 2 or 4 bytes, or LZF-compressed bytes). A key is preceded by the
//! number of its value's type. The checksum covers all before it; zeros mean "not computed".
//!
//! # Writing
//!
//! [`Encoder`] turns a [`Snapshot`](crate::keyspace::Snapshot) into chunks. It writes version 10 and
//! only the plain encoding of each data type, which every peer since Redis 7.0 loads. Streams have
//! one form only, that of the blocks they are kept in.
//!
//! # Reading
//!
//! [`Decoder`] takes bytes in pieces of any size, of versions 1 to 11, with the compact encodings
//! that real servers write. All is validated: lengths against the bytes that are really there,
//! compact encodings entry by entry, elements that must be distinct, the checksum. A dataset that
//! cannot be read whole is not returned at all.
//!
//! Collections go through one type whatever their encoding, which is also where they become a
//! [`Value`](crate::keyspace::Value). A kind of collection that the keyspace does not hold is
//! refused there by name.
//!
//! # Differences from Redis
//!
//! - Bytes after the end are an error, Redis ignores them.
//! - Function libraries are read over, since there are no functions to load them into.
//! - Zipmaps (Redis before 2.6) and modules are refused by name.

mod collection;
mod decoder;
mod encoder;
mod error;
mod format;
mod input;
mod intset;
mod lzf;
mod output;
mod payload;
mod stream;
mod ziplist;

pub use self::decoder::Decoder;
pub use self::encoder::{Encoder, serialized_len};
pub use self::error::{RdbError, Reason};
pub use self::format::REDIS_VERSION;
pub use self::payload::{PayloadError, dump, restore};

#[cfg(test)]
mod tests;
