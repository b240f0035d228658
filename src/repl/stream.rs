//! The replication stream: one sequence of blocks that backlog and all replicas share.
//!
//! Commands are copied once, into the block being filled. Reading cuts what was filled since the
//! last read into a piece that shares the block's memory, so that any number of replicas costs no
//! further copy. A block that was cut into many small pieces is joined when it is full, which
//! keeps the books of the backlog small however often the stream was read.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::machine::BacklogView;

/// The smallest `repl-backlog-size`.
pub const BACKLOG_BYTES_MIN: usize = 16 << 10;

/// Blocks are a sixteenth of the backlog, so that trimming whole blocks stays close to its size,
/// within these bounds.
const BLOCK_BYTES_MIN: usize = 16 << 10;
const BLOCK_BYTES_MAX: usize = 64 << 10;

/// A full block in more pieces than this is joined into one.
const PIECES_MAX: usize = 16;

/// The stream of one history and its retained tail.
///
/// Offsets count bytes from 1: byte `offset()` is the last one. Whoever reads keeps the offset of
/// the next byte it wants.
#[derive(Debug)]
pub struct Stream {
    offset: u64,
    backlog_size: usize,
    backlog: Option<Backlog>,
}

#[derive(Debug, Default)]
struct Backlog {
    pieces: VecDeque<Piece>,
    /// What was appended after the last piece, with the rest of the block as spare capacity.
    filling: BytesMut,
    /// Pieces of the block being filled, at the end of `pieces`.
    pieces_of_block: usize,
    /// Bytes retained, `filling` included.
    len: usize,
}

#[derive(Debug)]
struct Piece {
    /// Offset of its first byte.
    start: u64,
    data: Bytes,
}

impl Piece {
    /// The offset after its last byte.
    fn end(&self) -> u64 {
        self.start + self.data.len() as u64
    }
}

impl Stream {
    /// A stream at offset 0 that will keep at least `backlog_size` bytes once it has a backlog.
    pub fn new(backlog_size: usize) -> Self {
        Self { offset: 0, backlog_size: backlog_size.max(BACKLOG_BYTES_MIN), backlog: None }
    }

    /// The last byte of the stream.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// `repl-backlog-size` in force.
    pub fn backlog_size(&self) -> usize {
        self.backlog_size
    }

    /// Whether there is a backlog, so that bytes are retained and counted.
    pub fn is_open(&self) -> bool {
        self.backlog.is_some()
    }

    /// The retained tail, if there is a backlog.
    pub fn backlog(&self) -> Option<BacklogView> {
        let len = self.backlog.as_ref()?.len as u64;
        Some(BacklogView { size: self.backlog_size as u64, first: self.offset + 1 - len, len })
    }

    /// Bytes of memory that the stream holds for the backlog and its readers.
    pub fn buffer_bytes(&self) -> usize {
        let unfilled = |b: &Backlog| b.filling.capacity() - b.filling.len();
        self.backlog.as_ref().map_or(0, |backlog| backlog.len + unfilled(backlog))
    }

    /// Starts to retain bytes from the next one on; nothing if it does already.
    pub fn open_backlog(&mut self) {
        self.backlog.get_or_insert_default();
    }

    /// Drops the backlog; bytes are not counted from now on. The history must be renamed, since
    /// nobody can tell any more what it contains.
    pub fn free_backlog(&mut self) {
        self.backlog = None;
    }

    /// Goes to another history's `offset`, without a backlog.
    pub fn restart_at(&mut self, offset: u64) {
        self.backlog = None;
        self.offset = offset;
    }

    /// Changes `repl-backlog-size`. What is too much goes with the next [`Stream::trim`].
    pub fn resize(&mut self, backlog_size: usize) {
        self.backlog_size = backlog_size.max(BACKLOG_BYTES_MIN);
    }

    /// Adds bytes to the stream. Without a backlog nothing happens and the offset stays.
    pub fn append(&mut self, mut data: &[u8]) {
        let Some(backlog) = &mut self.backlog else { return };
        backlog.len += data.len();
        while !data.is_empty() {
            let room = backlog.filling.capacity() - backlog.filling.len();
            if room == 0 {
                backlog.cut(self.offset);
                backlog.next_block(self.backlog_size);
                continue;
            }
            let (now, later) = data.split_at(room.min(data.len()));
            backlog.filling.extend_from_slice(now);
            self.offset += now.len() as u64;
            data = later;
        }
    }

    /// Whether everything from byte `from` on can be read. The next byte to be produced counts.
    pub fn holds(&self, from: u64) -> bool {
        self.backlog().is_some_and(|held| (held.first..=held.first + held.len).contains(&from))
    }

    /// The bytes from `from` to the end, sharing the stream's memory; none if they are not
    /// [held](Stream::holds).
    pub fn read_from(&mut self, from: u64) -> impl Iterator<Item = Bytes> {
        let (held, offset) = (self.holds(from), self.offset);
        self.backlog.as_mut().filter(|_| held).into_iter().flat_map(move |backlog| {
            backlog.cut(offset);
            let first = backlog.pieces.partition_point(|piece| piece.end() <= from);
            backlog
                .pieces
                .range(first..)
                .map(move |piece| piece.data.slice(from.saturating_sub(piece.start) as usize..))
        })
    }

    /// A copy of the bytes from `from` to the end, if they are [held](Stream::holds).
    pub fn copy_from(&self, from: u64) -> Option<Vec<u8>> {
        let backlog = self.backlog.as_ref().filter(|_| self.holds(from))?;
        let mut copy = Vec::new();
        let first = backlog.pieces.partition_point(|piece| piece.end() <= from);
        for piece in backlog.pieces.range(first..) {
            copy.extend_from_slice(&piece.data[from.saturating_sub(piece.start) as usize..]);
        }
        let filling = self.offset + 1 - backlog.filling.len() as u64;
        copy.extend_from_slice(&backlog.filling[from.saturating_sub(filling) as usize..]);
        Some(copy)
    }

    /// Forgets the oldest blocks that neither the backlog's size nor a reader needs. `needed` is
    /// the lowest offset that a reader still wants.
    pub fn trim(&mut self, needed: Option<u64>) {
        let Some(backlog) = &mut self.backlog else { return };
        while let Some(oldest) = backlog.pieces.front() {
            let rest = backlog.len - oldest.data.len();
            if rest < self.backlog_size || needed.is_some_and(|needed| needed < oldest.end()) {
                break;
            }
            backlog.len = rest;
            backlog.pieces.pop_front();
        }
    }
}

impl Backlog {
    /// Makes a piece of what was filled in; the rest of the block goes on being filled.
    fn cut(&mut self, offset: u64) {
        if self.filling.is_empty() {
            return;
        }
        let data = self.filling.split().freeze();
        self.pieces.push_back(Piece { start: offset + 1 - data.len() as u64, data });
        self.pieces_of_block += 1;
    }

    /// Begins a new block, and joins the old one if it is in many pieces.
    fn next_block(&mut self, backlog_size: usize) {
        let block_size = (backlog_size / 16).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
        let count = self.pieces_of_block.min(self.pieces.len());
        if count > PIECES_MAX {
            let pieces = self.pieces.drain(self.pieces.len() - count..);
            let mut joined = BytesMut::with_capacity(block_size);
            let mut start = None;
            for piece in pieces {
                start.get_or_insert(piece.start);
                joined.extend_from_slice(&piece.data);
            }
            if let Some(start) = start {
                self.pieces.push_back(Piece { start, data: joined.freeze() });
            }
        }
        self.pieces_of_block = 0;
        self.filling = BytesMut::with_capacity(block_size);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(backlog_size: usize, bytes: usize) -> Stream {
        let mut stream = Stream::new(backlog_size);
        stream.open_backlog();
        stream.append(&vec![b'x'; bytes]);
        stream
    }

    fn all_from(stream: &mut Stream, from: u64) -> Vec<u8> {
        stream.read_from(from).fold(Vec::new(), |mut all, piece| {
            all.extend_from_slice(&piece);
            all
        })
    }

    #[test]
    fn without_a_backlog_the_offset_stays() {
        let mut stream = Stream::new(0);
        stream.append(b"lost");
        assert_eq!((stream.offset(), stream.backlog()), (0, None));
        assert!(!stream.holds(1));
        assert_eq!(stream.read_from(1).count(), 0);
    }

    #[test]
    fn an_empty_backlog_starts_at_the_next_byte() {
        let mut stream = Stream::new(1 << 20);
        stream.restart_at(50);
        stream.open_backlog();
        assert_eq!(stream.backlog(), Some(BacklogView { size: 1 << 20, first: 51, len: 0 }));
        assert!(stream.holds(51));
        assert!(!stream.holds(50) && !stream.holds(52));
    }

    #[test]
    fn the_size_has_a_minimum() {
        let mut stream = Stream::new(1);
        assert_eq!(stream.backlog_size(), BACKLOG_BYTES_MIN);
        stream.resize(2);
        assert_eq!(stream.backlog_size(), BACKLOG_BYTES_MIN);
    }

    #[test]
    fn readers_share_the_memory_of_the_stream() {
        let mut stream = filled(1 << 20, 100);
        let one: Vec<Bytes> = stream.read_from(1).collect();
        let two: Vec<Bytes> = stream.read_from(51).collect();
        assert_eq!(one[0][50..].as_ptr(), two[0].as_ptr());
        stream.append(b"more");
        let next: Vec<Bytes> = stream.read_from(101).collect();
        assert_eq!(next[0].as_ptr(), one[0].as_ptr_range().end, "filling goes on in the block");
    }

    #[test]
    fn a_block_read_after_every_command_is_joined_when_full() {
        let mut stream = filled(1 << 20, 0);
        for _ in 0..10_000 {
            stream.append(b"*1\r\n$4\r\nPING\r\n");
            let _ = stream.read_from(stream.offset()).count();
        }
        let pieces = stream.read_from(1).count();
        assert!(pieces < 140_000 / 14 / 2, "{pieces} pieces");
        assert_eq!(all_from(&mut stream, 1).len(), 140_000);
    }

    #[test]
    fn trimming_keeps_the_size_and_what_a_reader_needs() {
        let mut stream = filled(BACKLOG_BYTES_MIN, 10 * BACKLOG_BYTES_MIN);
        stream.trim(Some(1));
        assert_eq!(stream.backlog().unwrap().first, 1, "a reader still wants byte 1");
        let wanted = 3 * BACKLOG_BYTES_MIN as u64 + 5;
        stream.trim(Some(wanted));
        assert!(stream.holds(wanted) && !stream.holds(1));
        stream.trim(None);
        let len = stream.backlog().unwrap().len as usize;
        assert!((BACKLOG_BYTES_MIN..BACKLOG_BYTES_MIN + BLOCK_BYTES_MAX).contains(&len), "{len}");
    }

    #[test]
    fn a_smaller_size_only_trims() {
        let mut stream = filled(1 << 20, 1 << 20);
        stream.resize(BACKLOG_BYTES_MIN);
        stream.trim(None);
        let held = stream.backlog().unwrap();
        assert!(held.len >= BACKLOG_BYTES_MIN as u64 && held.len < 200_000, "{held:?}");
        assert_eq!(held.first + held.len, (1 << 20) + 1);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Append(Vec<u8>),
        Read(u64),
        Trim(Option<u64>),
        Resize(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..60);
        let back = 0..300_000u64;
        prop_oneof![
            6 => bytes().prop_map(Op::Append),
            3 => (any::<u8>(), 1..70_000usize).prop_map(|(b, n)| Op::Append(vec![b; n])),
            6 => back.clone().prop_map(Op::Read),
            3 => proptest::option::of(back).prop_map(Op::Trim),
            1 => (0..200_000usize).prop_map(Op::Resize),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_the_tail_of_everything_appended(
            start in 0..1000u64,
            ops in proptest::collection::vec(op(), 1..120),
        ) {
            let mut stream = Stream::new(0);
            stream.restart_at(start);
            stream.open_backlog();
            let mut model: Vec<u8> = Vec::new();
            for op in ops {
                let end = start + model.len() as u64;
                match op {
                    Op::Append(data) => {
                        stream.append(&data);
                        model.extend(data);
                    }
                    Op::Read(back) => {
                        let from = (end + 2).saturating_sub(back);
                        let copy = stream.copy_from(from);
                        prop_assert_eq!(copy.is_some(), stream.holds(from));
                        prop_assert_eq!(copy.unwrap_or_default(), all_from(&mut stream, from));
                        let got = all_from(&mut stream, from);
                        if stream.holds(from) {
                            prop_assert_eq!(&got, &model[(from - start - 1) as usize..]);
                        } else {
                            prop_assert!(got.is_empty());
                        }
                    }
                    Op::Trim(back) => {
                        let before = stream.backlog().unwrap();
                        let needed = back.map(|back| (end + 1).saturating_sub(back));
                        stream.trim(needed);
                        let after = stream.backlog().unwrap();
                        prop_assert!(after.len >= before.len.min(before.size));
                        if let Some(needed) = needed.filter(|n| *n >= before.first) {
                            prop_assert!(stream.holds(needed));
                        } else if needed.is_none() {
                            prop_assert!(after.len < after.size + BLOCK_BYTES_MAX as u64);
                        }
                    }
                    Op::Resize(size) => stream.resize(size),
                }
                let held = stream.backlog().unwrap();
                prop_assert_eq!(stream.offset(), start + model.len() as u64);
                prop_assert_eq!(held.first + held.len, stream.offset() + 1);
                prop_assert_eq!(
                    all_from(&mut stream, held.first),
                    &model[(held.first - start - 1) as usize..]
                );
            }
        }
    }
}
