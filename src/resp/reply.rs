//! Writing replies, in the protocol version that the client chose with HELLO.

use bytes::{BufMut, Bytes, BytesMut};

use super::write_header;

/// Protocol version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Since ever; every connection starts with it.
    #[default]
    Resp2,
    /// With maps, sets, doubles, booleans, nulls and pushes.
    Resp3,
}

/// Replies on their way to one client.
#[derive(Debug, Default)]
pub struct Reply {
    out: BytesMut,
    protocol: Protocol,
}

/// The place of an array whose length becomes known only after its elements.
#[derive(Debug, Clone, Copy)]
pub struct Later(usize);

impl Reply {
    /// An empty reply.
    pub fn new(protocol: Protocol) -> Self {
        Self { out: BytesMut::new(), protocol }
    }

    /// The protocol version that is written.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol version from here on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Bytes written and not taken.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// Takes what was written.
    pub fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// Drops what was written after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// Writes something else in place of `len` bytes that were written `at` bytes from the start.
    pub fn replace(&mut self, at: usize, len: usize, write: impl FnOnce(&mut Self)) {
        let rest = self.out.split_off((at + len).min(self.out.len()));
        self.out.truncate(at);
        write(self);
        self.raw(&rest);
    }

    /// Bytes that are already in the protocol's form.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// `+OK`
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// `+text`. The text must be one line.
    pub fn simple(&mut self, text: &str) {
        self.out.put_u8(b'+');
        self.raw(text.as_bytes());
        self.raw(b"\r\n");
    }

    /// `-CODE text`. Line ends in it become spaces, as Redis has it.
    pub fn error(&mut self, text: &str) {
        self.out.put_u8(b'-');
        for byte in text.bytes() {
            self.out.put_u8(if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
        }
        self.raw(b"\r\n");
    }

    /// `:n`
    pub fn int(&mut self, n: i64) {
        self.out.put_u8(b':');
        self.raw(itoa::Buffer::new().format(n).as_bytes());
        self.raw(b"\r\n");
    }

    /// A count, as an integer.
    pub fn count(&mut self, n: usize) {
        self.int(n as i64);
    }

    /// A bulk string.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        write_header(&mut self.out, b'$', bytes.len());
        self.raw(bytes);
        self.raw(b"\r\n");
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, n: i64) {
        self.bulk(itoa::Buffer::new().format(n));
    }

    /// No value.
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"$-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// No array.
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"*-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// The header of an array of `len` elements.
    pub fn array(&mut self, len: usize) {
        write_header(&mut self.out, b'*', len);
    }

    /// The header of a map of `pairs` pairs; a flat array in RESP2.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => write_header(&mut self.out, b'*', pairs * 2),
            Protocol::Resp3 => write_header(&mut self.out, b'%', pairs),
        }
    }

    /// The header of a set of `len` elements; an array in RESP2.
    pub fn set(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => write_header(&mut self.out, b'*', len),
            Protocol::Resp3 => write_header(&mut self.out, b'~', len),
        }
    }

    /// The header of a message that is no reply (pub/sub) of `len` elements; an array in RESP2.
    pub fn push(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => write_header(&mut self.out, b'*', len),
            Protocol::Resp3 => write_header(&mut self.out, b'>', len),
        }
    }

    /// A floating point number given as its text; a bulk string in RESP2.
    pub fn double(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.out.put_u8(b',');
                self.raw(text.as_bytes());
                self.raw(b"\r\n");
            }
        }
    }

    /// True or false; 1 or 0 in RESP2.
    pub fn boolean(&mut self, yes: bool) {
        match (self.protocol, yes) {
            (Protocol::Resp2, _) => self.int(i64::from(yes)),
            (Protocol::Resp3, true) => self.raw(b"#t\r\n"),
            (Protocol::Resp3, false) => self.raw(b"#f\r\n"),
        }
    }

    /// Text with a three-letter format ("txt"); a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                write_header(&mut self.out, b'=', text.len() + 4);
                self.raw(format.as_bytes());
                self.out.put_u8(b':');
                self.raw(text);
                self.raw(b"\r\n");
            }
        }
    }

    /// Starts an array whose length is not known yet.
    pub fn array_later(&mut self) -> Later {
        Later(self.out.len())
    }

    /// Says how many elements were written since [`Reply::array_later`].
    pub fn end_array(&mut self, start: Later, len: usize) {
        let elements = self.out.split_off(start.0);
        self.array(len);
        self.out.put_slice(&elements);
    }

    /// [`Reply::end_array`], if what was written is so many pairs of a map.
    pub fn end_map(&mut self, start: Later, pairs: usize) {
        let elements = self.out.split_off(start.0);
        self.map(pairs);
        self.out.put_slice(&elements);
    }
}

#[cfg(test)]
mod tests {
    use super::{Protocol, Reply};

    fn written(protocol: Protocol, write: impl Fn(&mut Reply)) -> String {
        let mut reply = Reply::new(protocol);
        write(&mut reply);
        String::from_utf8_lossy(reply.as_bytes()).into_owned()
    }

    #[test]
    fn each_form_in_both_versions() {
        type Case = (fn(&mut Reply), &'static str, &'static str);
        let cases: [Case; 9] = [
            (|r| r.null(), "$-1\r\n", "_\r\n"),
            (|r| r.null_array(), "*-1\r\n", "_\r\n"),
            (|r| r.map(2), "*4\r\n", "%2\r\n"),
            (|r| r.set(2), "*2\r\n", "~2\r\n"),
            (|r| r.push(3), "*3\r\n", ">3\r\n"),
            (|r| r.double("1.5"), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (|r| r.boolean(true), ":1\r\n", "#t\r\n"),
            (|r| r.verbatim("txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
            (|r| r.error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
        ];
        for (write, resp2, resp3) in cases {
            assert_eq!(written(Protocol::Resp2, write), resp2);
            assert_eq!(written(Protocol::Resp3, write), resp3);
        }
    }

    #[test]
    fn an_array_may_learn_its_length_last() {
        let text = written(Protocol::Resp2, |reply| {
            reply.ok();
            let later = reply.array_later();
            reply.int(1);
            reply.bulk("x");
            reply.end_array(later, 2);
        });
        assert_eq!(text, "+OK\r\n*2\r\n:1\r\n$1\r\nx\r\n");
    }
}
