//! The listpack, a list of short strings and integers in one string.
//!
//! `bytes(u32 LE) count(u16 LE) entry* FF`; an entry is encoding, data, and the size of both once
//! more, to be read from behind.

use super::error::Reason;
use super::input::Text;

const HEADER_BYTES: usize = 6;
/// A count that means "walk it".
const COUNT_UNKNOWN: u16 = u16::MAX;
const END: u8 = 0xff;

/// The entries of a listpack, validated as they are reached. Nothing is known to be valid until the
/// last one was, and nothing is to be used after an error.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    /// Entries still to come, where the header says how many there are.
    left: Option<u16>,
}

/// The entries of the listpack that `blob` is.
pub(super) fn entries(blob: &[u8]) -> Result<Entries<'_>, Reason> {
    let Some(([b0, b1, b2, b3, c0, c1], rest)) = blob.split_first_chunk::<HEADER_BYTES>() else {
        return Err(corrupt("it has no header"));
    };
    if u32::from_le_bytes([*b0, *b1, *b2, *b3]) as usize != blob.len() {
        return Err(corrupt("its size is not what it says"));
    }
    let count = u16::from_le_bytes([*c0, *c1]);
    Ok(Entries { rest, left: (count != COUNT_UNKNOWN).then_some(count) })
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Text<'a>, Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.rest, &mut self.left) {
            ([END], None | Some(0)) => None,
            ([END], Some(_)) => Some(Err(corrupt("it has fewer entries than it says"))),
            (_, Some(0)) => Some(Err(corrupt("it has more entries than it says"))),
            (_, left) => {
                *left = left.map(|left| left - 1);
                match split_entry(self.rest) {
                    Some((text, rest)) => {
                        self.rest = rest;
                        Some(Ok(text))
                    }
                    None => Some(Err(corrupt("an entry is invalid"))),
                }
            }
        }
    }
}

/// The first entry and what follows it.
fn split_entry(bytes: &[u8]) -> Option<(Text<'_>, &[u8])> {
    let (&first, tail) = bytes.split_first()?;
    let (text, rest) = match first {
        0..0x80 => (Text::Int(first.into()), tail),
        0x80..0xc0 => split_string(tail, usize::from(first & 0x3f))?,
        0xc0..0xe0 => {
            let (&low, rest) = tail.split_first()?;
            let unsigned = i64::from(first & 0x1f) << 8 | i64::from(low);
            (Text::Int(if unsigned < 1 << 12 { unsigned } else { unsigned - (1 << 13) }), rest)
        }
        0xe0..0xf0 => {
            let (&low, rest) = tail.split_first()?;
            split_string(rest, usize::from(first & 0x0f) << 8 | usize::from(low))?
        }
        0xf0 => {
            let (length, rest) = tail.split_first_chunk()?;
            split_string(rest, u32::from_le_bytes(*length) as usize)?
        }
        0xf1 => split_integer::<2>(tail)?,
        0xf2 => split_integer::<3>(tail)?,
        0xf3 => split_integer::<4>(tail)?,
        0xf4 => split_integer::<8>(tail)?,
        _ => return None,
    };
    Some((text, skip_back_length(rest, bytes.len() - rest.len())?))
}

fn split_string(bytes: &[u8], length: usize) -> Option<(Text<'_>, &[u8])> {
    bytes.split_at_checked(length).map(|(string, rest)| (Text::Bytes(string), rest))
}

fn split_integer<const N: usize>(bytes: &[u8]) -> Option<(Text<'_>, &[u8])> {
    let (integer, rest) = bytes.split_first_chunk::<N>()?;
    Some((Text::Int(signed_le(*integer)), rest))
}

/// A signed little-endian integer of up to 8 bytes.
pub(super) fn signed_le<const N: usize>(bytes: [u8; N]) -> i64 {
    let unused = 64 - 8 * N as u32;
    bytes.iter().rev().fold(0, |n, byte| n << 8 | i64::from(*byte)) << unused >> unused
}

/// Skips the size of an entry, which must be `size`, in as few groups of 7 bits as it takes: read
/// from behind, the lowest comes first and the top bit says that more follow.
fn skip_back_length(bytes: &[u8], size: usize) -> Option<&[u8]> {
    let groups = match size {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    let (back, rest) = bytes.split_at_checked(groups)?;
    let valid = back.iter().rev().enumerate().all(|(nth, byte)| {
        let more = if nth + 1 < groups { 0x80 } else { 0 };
        usize::from(*byte) == (size >> (7 * nth) & 0x7f | more)
    });
    valid.then_some(rest)
}

fn corrupt(fault: &'static str) -> Reason {
    Reason::Corrupt { structure: "listpack", fault }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Text, entries, skip_back_length};

    fn read(blob: &[u8]) -> Result<Vec<Text<'_>>, Reason> {
        entries(blob)?.collect()
    }

    /// A listpack that says it holds `count` entries.
    fn listpack(count: u16, body: &[u8]) -> Vec<u8> {
        let bytes = 7 + body.len() as u32;
        [&bytes.to_le_bytes()[..], &count.to_le_bytes(), body, b"\xff"].concat()
    }

    fn fault(blob: &[u8]) -> &'static str {
        match read(blob) {
            Err(Reason::Corrupt { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_are_strings_and_integers() {
        let body = b"\x0c\x01\xdf\xff\x02\x82hi\x03\xf2\xff\xff\x7f\x04";
        let texts = vec![Text::Int(12), Text::Int(-1), Text::Bytes(b"hi"), Text::Int(8_388_607)];
        assert_eq!(read(&listpack(4, body)), Ok(texts));
        assert_eq!(read(&listpack(0, b"")), Ok(vec![]));
    }

    #[test]
    fn an_unknown_count_is_accepted() {
        assert_eq!(read(&listpack(u16::MAX, b"\x01\x01")), Ok(vec![Text::Int(1)]));
    }

    #[test]
    fn long_entries_have_long_back_lengths() {
        let string = [b'x'; 300];
        let body = [b"\xe1\x2c", &string[..], b"\x02\xae"].concat();
        assert_eq!(read(&listpack(1, &body)), Ok(vec![Text::Bytes(&string)]));
    }

    #[test]
    fn back_lengths_grow_where_those_of_the_real_server_do() {
        for (size, back) in [
            (127, &b"\x7f"[..]),
            (128, b"\x01\x80"),
            (16_382, b"\x7f\xfe"),
            (16_383, b"\x00\xff\xff"),
            (16_384, b"\x01\x80\x80"),
        ] {
            assert_eq!(skip_back_length(back, size), Some(&b""[..]), "{size}");
        }
    }

    #[test]
    fn every_bound_is_checked() {
        assert_eq!(fault(b"\x07\0\0\0\0"), "it has no header");
        assert_eq!(fault(b"\x08\0\0\0\0\0\xff"), "its size is not what it says");
        assert_eq!(fault(&listpack(2, b"\x01\x01")), "it has fewer entries than it says");
        assert_eq!(fault(&listpack(1, b"\x01\x01\x01\x01")), "it has more entries than it says");
        assert_eq!(fault(&listpack(1, b"\x01\x02")), "an entry is invalid");
        assert_eq!(fault(&listpack(1, b"\xf5\x01")), "an entry is invalid");
        assert_eq!(fault(&listpack(1, b"\xf0\xff\xff\xff\xffx\x06")), "an entry is invalid");
        assert_eq!(fault(&listpack(1, b"\x01")), "an entry is invalid");
        assert_eq!(fault(b"\x06\0\0\0\x01\0"), "an entry is invalid");
    }
}
