//! One file of an AOF, read in pieces.

use smallvec::SmallVec;

use crate::machine::Loaded;
use crate::persist::rdb::{Decoder, RdbError};
use crate::resp::{Limits, Request};

/// An annotation is at most this long.
const NOTE_BYTES_MAX: usize = 1024;

/// What a file may begin with, if it is not a command.
const RDB: &[u8] = b"REDIS";

/// Reads a file of an AOF.
#[derive(Debug)]
pub struct Reader {
    /// The RDB that the file begins with, while it is read; `None` after it.
    snapshot: Option<Box<Decoder>>,
    /// Whether the first bytes were looked at.
    begun: bool,
    request: Request,
    /// Bytes that have arrived and are in no entry yet, after `taken` bytes that were given out.
    unread: Vec<u8>,
    taken: usize,
    /// Bytes before those.
    before: u64,
    /// Where an open MULTI block begins.
    block: Option<u64>,
}

/// What a file is made of.
#[derive(Debug)]
pub enum Entry<'a> {
    /// The snapshot that it begins with.
    Snapshot(Box<Loaded>),
    /// A command, its name first.
    Command(SmallVec<[&'a [u8]; 8]>),
    /// A line that begins with `#`.
    Note(&'a [u8]),
}

/// Where a file of an AOF cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {fault}")]
pub struct AofError {
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a file of an AOF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither a command nor an annotation.
    #[error("{0}")]
    Format(String),
    /// The file ends inside a command.
    #[error("the file ends in the middle of a command")]
    Short,
    /// The file ends inside a MULTI block.
    #[error("the file ends before the EXEC of a MULTI")]
    OpenBlock,
    /// The snapshot that it begins with cannot be read.
    #[error("the snapshot cannot be read: {0}")]
    Snapshot(#[from] RdbError),
}

impl Reader {
    /// A reader that decodes a snapshot, if there is one, with `decoder`.
    pub fn new(decoder: Decoder) -> Self {
        Self {
            snapshot: Some(Box::new(decoder)),
            begun: false,
            request: Request::default(),
            unread: Vec::new(),
            taken: 0,
            before: 0,
            block: None,
        }
    }

    /// Takes the next bytes. [`Reader::next`] gives what is whole now.
    pub fn feed(&mut self, data: &[u8]) {
        self.unread.drain(..self.taken);
        self.before += std::mem::take(&mut self.taken) as u64;
        self.unread.extend_from_slice(data);
    }

    /// The next entry; `None` until more bytes come.
    #[expect(clippy::should_implement_trait, reason = "an entry borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, AofError> {
        if !self.begun && self.unread.len() < RDB.len() && RDB.starts_with(&self.unread) {
            return Ok(None);
        }
        if !std::mem::replace(&mut self.begun, true) && !self.unread.starts_with(RDB) {
            self.snapshot = None;
        }
        if self.snapshot.is_some() {
            return self.read_snapshot();
        }
        let start = self.taken;
        match self.unread.get(start) {
            None => Ok(None),
            Some(b'#') => self.read_note(),
            Some(b'*') => self.read_command(),
            Some(byte) => {
                let byte = byte.escape_ascii();
                Err(self.fault(Fault::Format(format!("expected '*' or '#', got '{byte}'"))))
            }
        }
    }

    /// Bytes given out so far as entries.
    pub fn offset(&self) -> u64 {
        self.before + self.taken as u64
    }

    /// Up to where the file is good: behind the last entry that is not inside an open block.
    pub fn good(&self) -> u64 {
        self.block.unwrap_or(self.offset())
    }

    /// Bytes taken so far.
    pub fn len(&self) -> u64 {
        self.before + self.unread.len() as u64
    }

    /// Whether it was given nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file ends here: an error if that is in the middle of something.
    pub fn finish(&self) -> Result<(), AofError> {
        let is_short = self.taken < self.unread.len();
        match &self.snapshot {
            Some(decoder) if self.begun => Err(self.fault(Fault::Snapshot(decoder.cut_short()))),
            _ if is_short => Err(self.fault(Fault::Short)),
            _ if self.block.is_some() => Err(self.fault(Fault::OpenBlock)),
            _ => Ok(()),
        }
    }

    fn fault(&self, fault: Fault) -> AofError {
        AofError { offset: self.offset(), fault }
    }

    fn read_snapshot(&mut self) -> Result<Option<Entry<'_>>, AofError> {
        let Some(decoder) = &mut self.snapshot else { return Ok(None) };
        let fed = decoder.feed_front(&self.unread[self.taken..]);
        let is_whole = decoder.is_complete();
        match fed {
            Ok(used) => self.taken += used,
            Err(error) => {
                let offset = error.offset;
                return Err(AofError { offset, fault: error.into() });
            }
        }
        let Some(decoder) = self.snapshot.take_if(|_| is_whole) else { return Ok(None) };
        let loaded = decoder.finish().map_err(|error| self.fault(error.into()))?;
        Ok(Some(Entry::Snapshot(Box::new(loaded))))
    }

    fn read_note(&mut self) -> Result<Option<Entry<'_>>, AofError> {
        let line = &self.unread[self.taken..];
        let Some(end) = memchr::memchr(b'\n', line) else {
            if line.len() > NOTE_BYTES_MAX {
                return Err(self.fault(Fault::Format("an annotation without end".to_owned())));
            }
            return Ok(None);
        };
        let start = self.taken;
        self.taken += end + 1;
        Ok(Some(Entry::Note(self.unread[start..start + end].trim_ascii_end())))
    }

    fn read_command(&mut self) -> Result<Option<Entry<'_>>, AofError> {
        let start = self.taken;
        let limits = Limits { bulk_bytes_max: u64::MAX, ..Limits::default() };
        let read = self.request.read(&self.unread[start..], &limits);
        let read = read.map_err(|error| self.fault(Fault::Format(error.to_string())))?;
        let Some(length) = read else { return Ok(None) };
        let at = self.offset();
        let words = self.request.words(&self.unread[start..start + length]);
        match words.first() {
            None => {
                let fault = Fault::Format("a command without words".to_owned());
                return Err(AofError { offset: at, fault });
            }
            Some(name) if name.eq_ignore_ascii_case(b"multi") => {
                self.block.get_or_insert(at);
            }
            Some(name) if name.eq_ignore_ascii_case(b"exec") => self.block = None,
            Some(_) => {}
        }
        self.taken += length;
        Ok(Some(Entry::Command(words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{Keyspace, Value};
    use crate::machine::ReplicationMeta;
    use crate::persist::rdb::Encoder;

    fn reader() -> Reader {
        Reader::new(Decoder::new(None))
    }

    /// What is found in a file that comes in pieces of `piece` bytes, one line each, and how it ends.
    fn read(file: &[u8], piece: usize) -> (Vec<String>, Reader, Result<(), AofError>) {
        let (mut reader, mut lines) = (reader(), Vec::new());
        let end = file
            .chunks(piece)
            .try_for_each(|data| {
                reader.feed(data);
                while let Some(entry) = reader.next()? {
                    lines.push(line(&entry));
                }
                Ok(())
            })
            .and_then(|()| reader.finish());
        (lines, reader, end)
    }

    fn line(entry: &Entry<'_>) -> String {
        match entry {
            Entry::Snapshot(loaded) => format!("snapshot of {}", loaded.keys),
            Entry::Command(words) => String::from_utf8_lossy(&words.join(&b' ')).into_owned(),
            Entry::Note(note) => String::from_utf8_lossy(note).into_owned(),
        }
    }

    fn snapshot() -> Vec<u8> {
        let mut data = Keyspace::default();
        data.db_mut(0).set(b"k", Value::from("v"));
        let mut encoder = Encoder::new(data.snapshot(), ReplicationMeta::default(), true);
        std::iter::from_fn(|| encoder.next_chunk(9)).flatten().collect()
    }

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
    const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

    #[test]
    fn a_file_is_read_the_same_in_pieces_of_any_size() {
        let file = [&snapshot()[..], b"#TS:1700000000\r\n", SET, MULTI, SET, EXEC].concat();
        for piece in 1..=file.len() {
            let (lines, reader, end) = read(&file, piece);
            let expected =
                ["snapshot of 1", "#TS:1700000000", "SET a 1", "MULTI", "SET a 1", "EXEC"];
            assert_eq!(lines, expected, "{piece}");
            assert_eq!((end, reader.good()), (Ok(()), file.len() as u64));
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_good_up_to_its_last_whole_unit() {
        let file = [SET, MULTI, SET, EXEC, SET].concat();
        let (one, block) = (SET.len(), MULTI.len() + SET.len() + EXEC.len());
        let ends = [0, one, one + block, file.len()];
        for cut in 0..file.len() {
            let (_, reader, end) = read(&file[..cut], 7);
            let good = ends.iter().rev().find(|end| **end <= cut).unwrap();
            assert_eq!(reader.good(), *good as u64, "{cut}");
            assert_eq!(end.is_ok(), ends.contains(&cut), "{cut}");
        }
    }

    #[test]
    fn a_cut_snapshot_is_no_good_at_all() {
        let file = snapshot();
        for cut in 1..file.len() {
            let (lines, _, end) = read(&file[..cut], 8);
            assert!(lines.is_empty() && end.is_err(), "{cut}");
        }
    }

    #[test]
    fn an_error_says_where_and_what() {
        let error = |file: &[u8]| read(file, 5).2.unwrap_err().to_string();
        assert_eq!(error(&[SET, b"xxxxx"].concat()), "at byte 27: expected '*' or '#', got 'x'");
        assert_eq!(error(b"*x\r\n$1\r\n"), "at byte 0: invalid multibulk length");
        assert_eq!(error(b"*0\r\n*0\r\n"), "at byte 0: a command without words");
        assert_eq!(error(b"*1\r\n+OK\r\n"), "at byte 0: expected '$', got '+'");
        assert_eq!(error(&SET[..20]), "at byte 0: the file ends in the middle of a command");
        assert_eq!(error(MULTI), "at byte 15: the file ends before the EXEC of a MULTI");
        let endless = [b"#".repeat(2000), SET.to_vec()].concat();
        assert_eq!(error(&endless), "at byte 0: an annotation without end");
        assert!(error(b"REDIS0099\xfa").contains("RDB version 99"));
    }
}
