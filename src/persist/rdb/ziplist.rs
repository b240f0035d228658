//! The ziplist, what Redis before 7.0 used for the listpack's purpose.
//!
//! `bytes(u32 LE) tail(u32 LE) count(u16 LE) entry* FF`; an entry is the size of the entry before
//! it, encoding, data. `tail` is where the last entry begins.

use super::error::Reason;
use super::input::Text;
use crate::base::number::signed_le;

const HEADER_BYTES: usize = 10;
/// A count that means "walk it".
const COUNT_UNKNOWN: u16 = u16::MAX;
const END: u8 = 0xff;

/// The entries of a ziplist, validated as they are reached. Nothing is known to be valid until the
/// last one was, and nothing is to be used after an error.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    /// Entries still to come, where the header says how many there are.
    left: Option<u16>,
    previous_bytes: usize,
    /// From the next entry to the end mark of the list.
    tail: usize,
    at: usize,
}

/// The entries of the ziplist that `blob` is.
pub(super) fn entries(blob: &[u8]) -> Result<Entries<'_>, Reason> {
    let Some(([b0, b1, b2, b3, t0, t1, t2, t3, c0, c1], rest)) =
        blob.split_first_chunk::<HEADER_BYTES>()
    else {
        return Err(corrupt("it has no header"));
    };
    if u32::from_le_bytes([*b0, *b1, *b2, *b3]) as usize != blob.len() {
        return Err(corrupt("its size is not what it says"));
    }
    let count = u16::from_le_bytes([*c0, *c1]);
    Ok(Entries {
        rest,
        left: (count != COUNT_UNKNOWN).then_some(count),
        previous_bytes: 0,
        tail: u32::from_le_bytes([*t0, *t1, *t2, *t3]) as usize,
        at: HEADER_BYTES,
    })
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Text<'a>, Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.rest, &mut self.left) {
            ([END], None | Some(0)) if self.tail + self.previous_bytes == self.at => None,
            ([END], None | Some(0)) => Some(Err(corrupt("its last entry is not where it says"))),
            ([END], Some(_)) => Some(Err(corrupt("it has fewer entries than it says"))),
            (_, Some(0)) => Some(Err(corrupt("it has more entries than it says"))),
            (_, left) => {
                *left = left.map(|left| left - 1);
                let Some((text, rest)) = split_entry(self.rest, self.previous_bytes) else {
                    return Some(Err(corrupt("an entry is invalid")));
                };
                self.previous_bytes = self.rest.len() - rest.len();
                self.at += self.previous_bytes;
                self.rest = rest;
                Some(Ok(text))
            }
        }
    }
}

/// The first entry and what follows it.
fn split_entry(bytes: &[u8], previous_bytes: usize) -> Option<(Text<'_>, &[u8])> {
    let (previous, bytes) = match bytes.split_first()? {
        (0xfe, rest) => {
            let (size, rest) = rest.split_first_chunk()?;
            (u32::from_le_bytes(*size) as usize, rest)
        }
        (size, rest) => (usize::from(*size), rest),
    };
    if previous != previous_bytes {
        return None;
    }
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..0x40 => split_string(rest, usize::from(first)),
        0x40..0x80 => {
            let (&low, rest) = rest.split_first()?;
            split_string(rest, usize::from(first & 0x3f) << 8 | usize::from(low))
        }
        0x80 => {
            let (length, rest) = rest.split_first_chunk()?;
            split_string(rest, u32::from_be_bytes(*length) as usize)
        }
        0xc0 => split_integer::<2>(rest),
        0xd0 => split_integer::<4>(rest),
        0xe0 => split_integer::<8>(rest),
        0xf0 => split_integer::<3>(rest),
        0xfe => split_integer::<1>(rest),
        0xf1..=0xfd => Some((Text::Int(i64::from(first) - 0xf1), rest)),
        _ => None,
    }
}

fn split_string(bytes: &[u8], length: usize) -> Option<(Text<'_>, &[u8])> {
    bytes.split_at_checked(length).map(|(string, rest)| (Text::Bytes(string), rest))
}

fn split_integer<const N: usize>(bytes: &[u8]) -> Option<(Text<'_>, &[u8])> {
    let (integer, rest) = bytes.split_first_chunk::<N>()?;
    Some((Text::Int(signed_le(*integer)), rest))
}

fn corrupt(fault: &'static str) -> Reason {
    Reason::Corrupt { structure: "ziplist", fault }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Text, entries};

    fn read(blob: &[u8]) -> Result<Vec<Text<'_>>, Reason> {
        entries(blob)?.collect()
    }

    /// A ziplist that says it holds `count` entries of which the last begins at `tail`.
    fn ziplist(tail: u32, count: u16, body: &[u8]) -> Vec<u8> {
        let bytes = 11 + body.len() as u32;
        [&bytes.to_le_bytes()[..], &tail.to_le_bytes(), &count.to_le_bytes(), body, b"\xff"]
            .concat()
    }

    fn fault(blob: &[u8]) -> &'static str {
        match read(blob) {
            Err(Reason::Corrupt { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_are_strings_and_integers() {
        let body = b"\0\xfd\x02\x02hi\x04\xfe\xff\x03\xf0\xff\xff\x7f";
        let texts = vec![Text::Int(12), Text::Bytes(b"hi"), Text::Int(-1), Text::Int(8_388_607)];
        assert_eq!(read(&ziplist(19, 4, body)), Ok(texts.clone()));
        assert_eq!(read(&ziplist(19, u16::MAX, body)), Ok(texts));
        assert_eq!(read(&ziplist(10, 0, b"")), Ok(vec![]));
    }

    #[test]
    fn every_bound_is_checked() {
        assert_eq!(fault(b"\x0a\0\0\0"), "it has no header");
        assert_eq!(fault(b"\x0c\0\0\0\x0a\0\0\0\0\0\xff"), "its size is not what it says");
        assert_eq!(fault(&ziplist(10, 2, b"\0\xf1")), "it has fewer entries than it says");
        assert_eq!(fault(&ziplist(10, 0, b"\0\xf1")), "it has more entries than it says");
        assert_eq!(fault(&ziplist(11, 1, b"\0\xf1")), "its last entry is not where it says");
        assert_eq!(fault(&ziplist(10, 2, b"\0\xf1\x03\xf1")), "an entry is invalid");
        assert_eq!(fault(&ziplist(10, 1, b"\0\x05abc")), "an entry is invalid");
        assert_eq!(fault(&ziplist(10, 1, b"\0\xff")), "an entry is invalid");
        assert_eq!(fault(&ziplist(10, 1, b"\0\x80\xff\xff\xff\xff")), "an entry is invalid");
    }
}
