//! Floor 1: the wire protocol (RESP2, RESP3 and inline commands), both directions, as pure codecs.
//!
//! [`request`] reads what clients send, [`reply`] writes what a node answers, [`read`] reads
//! replies (the lab is a client of its own nodes). All are incremental: they keep how far they
//! got, never the bytes, and never allocate because of a length that somebody declared.

pub mod read;
pub mod reply;
pub mod request;

pub use self::read::{Answer, read_answer};
pub use self::reply::{Protocol, Reply};
pub use self::request::{Limits, ProtocolError, Request};

use bytes::BufMut;

/// Appends a command as an array of bulk strings: the form of the replication stream, of requests,
/// and of an append-only file.
pub fn write_command<W: BufMut, A: AsRef<[u8]>>(out: &mut W, words: &[A]) {
    write_header(out, b'*', words.len());
    for word in words {
        let word = word.as_ref();
        write_header(out, b'$', word.len());
        out.put_slice(word);
        out.put_slice(b"\r\n");
    }
}

/// A command as bytes.
pub fn command<A: AsRef<[u8]>>(words: &[A]) -> bytes::Bytes {
    let mut out = bytes::BytesMut::new();
    write_command(&mut out, words);
    out.freeze()
}

fn write_header<W: BufMut>(out: &mut W, kind: u8, n: usize) {
    out.put_u8(kind);
    out.put_slice(itoa::Buffer::new().format(n).as_bytes());
    out.put_slice(b"\r\n");
}
