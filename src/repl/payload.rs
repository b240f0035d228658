//! How a snapshot is framed on the link: by its length, or by a random mark at its end.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use crate::base::number::parse_i64;

/// Bytes of the mark.
const MARK_BYTES: usize = 40;

/// The line before the snapshot.
#[derive(Debug)]
pub(super) enum Header {
    /// An empty line while the snapshot is being made.
    Keepalive,
    /// `-...`: the primary gives up.
    Aborted,
    /// `$<length>` or `$EOF:<mark>`.
    Payload(Payload),
    /// Not Redis speaking.
    Foreign,
}

impl Header {
    pub(super) fn of(line: &[u8]) -> Self {
        match line {
            [] => Self::Keepalive,
            [b'-', ..] => Self::Aborted,
            [b'$', b'E', b'O', b'F', b':', mark @ ..] => match mark.try_into() {
                Ok(mark) => Self::Payload(Payload::Marked { mark, held: BytesMut::new() }),
                Err(_) => Self::Foreign,
            },
            [b'$', length @ ..] => match parse_i64(length).map(u64::try_from) {
                Some(Ok(length)) => Self::Payload(Payload::Sized { length, left: length }),
                _ => Self::Foreign,
            },
            _ => Self::Foreign,
        }
    }
}

/// A snapshot being received.
#[derive(Debug)]
pub(super) enum Payload {
    /// So many bytes, and the stream follows.
    Sized {
        /// In all.
        length: u64,
        /// Still to come.
        left: u64,
    },
    /// Bytes until the mark.
    Marked {
        /// Ends the snapshot and is no part of it.
        mark: [u8; MARK_BYTES],
        /// The last bytes, which may be the beginning of the mark.
        held: BytesMut,
    },
}

impl Payload {
    /// Length in bytes, if it is known beforehand.
    pub(super) fn total(&self) -> Option<u64> {
        match self {
            Self::Sized { length, .. } => Some(*length),
            Self::Marked { .. } => None,
        }
    }

    /// Takes what belongs to the snapshot from `data`; what follows the snapshot stays there.
    /// Answers the bytes, which may be none, and whether the snapshot is complete.
    pub(super) fn take(&mut self, data: &mut &[u8]) -> (Bytes, bool) {
        match self {
            Self::Sized { left, .. } => {
                let count = data.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let (part, rest) = data.split_at(count);
                *data = rest;
                *left -= count as u64;
                (Bytes::copy_from_slice(part), *left == 0)
            }
            Self::Marked { mark, held } => {
                let held_before = held.len();
                let mut all = BytesMut::with_capacity(held_before + data.len());
                all.extend_from_slice(held);
                all.extend_from_slice(data);
                if let Some(at) = memmem::find(&all, mark) {
                    *data = &data[at + MARK_BYTES - held_before..];
                    held.clear();
                    all.truncate(at);
                    return (all.freeze(), true);
                }
                *data = &[];
                *held = all.split_off(all.len().saturating_sub(MARK_BYTES - 1));
                (all.freeze(), false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARK: &[u8; 40] = b"mmmmmmmmmmmmmmmmmmmmnnnnnnnnnnnnnnnnnnnn";

    fn payload(header: &[u8]) -> Payload {
        match Header::of(header) {
            Header::Payload(payload) => payload,
            other => panic!("{other:?}"),
        }
    }

    fn marked() -> Payload {
        payload(&[b"$EOF:", &MARK[..]].concat())
    }

    /// Feeds pieces until the snapshot is complete; answers it and what is left over.
    fn feed(mut payload: Payload, pieces: &[&[u8]]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut snapshot, mut over, mut done) = (Vec::new(), Vec::new(), false);
        for mut piece in pieces.iter().copied() {
            if !done {
                let bytes;
                (bytes, done) = payload.take(&mut piece);
                snapshot.extend_from_slice(&bytes);
            }
            over.extend_from_slice(piece);
        }
        done.then_some((snapshot, over))
    }

    #[test]
    fn the_header_table() {
        assert!(matches!(Header::of(b""), Header::Keepalive));
        assert!(matches!(Header::of(b"-ERR no"), Header::Aborted));
        assert_eq!(payload(b"$187").total(), Some(187));
        assert_eq!(payload(b"$0").total(), Some(0));
        assert_eq!(marked().total(), None);
        for foreign in [&b"xx"[..], b"$", b"$-1", b"$x", b"$EOF:short", b"+OK"] {
            assert!(matches!(Header::of(foreign), Header::Foreign), "{foreign:?}");
        }
    }

    #[test]
    fn the_mark_is_found_at_every_split_and_the_stream_after_it_is_left() {
        let snapshot = b"REDIS0010 mmmm mmmmmmmmmmmmmmmmmmmmmnn, almost";
        let whole = [&snapshot[..], MARK, b"stream"].concat();
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                let expected = Some((snapshot.to_vec(), b"stream".to_vec()));
                assert_eq!(feed(marked(), &pieces), expected, "split at {first} and {second}");
            }
        }
    }

    #[test]
    fn without_the_whole_mark_the_snapshot_is_not_complete() {
        let mut almost = MARK.to_vec();
        almost.pop();
        assert_eq!(feed(marked(), &[b"abc", &almost]), None);
    }

    #[test]
    fn a_sized_snapshot_ends_at_its_length_at_every_split() {
        let whole = b"0123456789stream";
        for at in 0..=whole.len() {
            assert_eq!(
                feed(payload(b"$10"), &[&whole[..at], &whole[at..]]),
                Some((b"0123456789".to_vec(), b"stream".to_vec()))
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_come_out_whole(
            snapshot in proptest::collection::vec(prop_oneof![Just(b'm'), Just(b'n'), any::<u8>()], 0..300),
            sizes in proptest::collection::vec(1..50usize, 1..20),
        ) {
            prop_assume!(memmem::find(&snapshot, MARK).is_none());
            let whole = [&snapshot[..], MARK].concat();
            // The mark may begin earlier than where it was appended only if the snapshot
            // overlaps it, which 40 random bytes do not.
            prop_assume!(memmem::find(&whole, MARK) == Some(snapshot.len()));
            let (mut pieces, mut rest, mut sizes) = (Vec::new(), &whole[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                pieces.push(piece);
                rest = later;
            }
            prop_assert_eq!(feed(marked(), &pieces), Some((snapshot, Vec::new())));
        }
    }
}
