//! Lines of the handshake, put together from whatever pieces arrive.

use crate::machine::Millis;

/// A line must be complete this long after its first byte.
const LINE_MS_MAX: Millis = 5000;

/// Longer lines are not Redis speaking.
const LINE_BYTES_MAX: usize = 1024;

/// The line being received.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    bytes: Vec<u8>,
    since: Option<Millis>,
}

/// The line grew beyond any that a primary sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineTooLong;

impl LineReader {
    /// Takes bytes up to the end of a line from `data`. The line comes without its end, which is
    /// `\n` or `\r\n`.
    pub(super) fn read(
        &mut self,
        data: &mut &[u8],
        now: Millis,
    ) -> Result<Option<Vec<u8>>, LineTooLong> {
        let end = memchr::memchr(b'\n', data);
        let (part, rest) = data.split_at(end.map_or(data.len(), |end| end + 1));
        if self.bytes.len() + part.len() > LINE_BYTES_MAX {
            return Err(LineTooLong);
        }
        *data = rest;
        self.bytes.extend_from_slice(part);
        if end.is_none() {
            self.since.get_or_insert(now);
            return Ok(None);
        }
        self.since = None;
        let mut line = std::mem::take(&mut self.bytes);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    /// When patience with a half line ends.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.since.map(|since| since + LINE_MS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_come_in_pieces_and_with_either_end() {
        let mut reader = LineReader::default();
        assert_eq!(reader.read(&mut &b"+PO"[..], 7), Ok(None));
        assert_eq!(reader.deadline(), Some(5007));
        let mut data = &b"NG\r\n\nrest"[..];
        assert_eq!(reader.read(&mut data, 9), Ok(Some(b"+PONG".to_vec())));
        assert_eq!(reader.deadline(), None);
        assert_eq!(reader.read(&mut data, 9), Ok(Some(Vec::new())));
        assert_eq!(data, b"rest");
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = LineReader::default();
        assert_eq!(reader.read(&mut &[b'x'; 1000][..], 0), Ok(None));
        assert_eq!(reader.read(&mut &[b'x'; 1000][..], 0), Err(LineTooLong));
    }
}
