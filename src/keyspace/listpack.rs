//! The listpack: strings and integers one after the other in one string, as Redis keeps small
//! collections in memory and in snapshots.
//!
//! `bytes(u32 LE) count(u16 LE) element* FF`; an element is encoding, data, and the size of both
//! once more, to be read from behind.

use std::borrow::Cow;

use crate::base::number;

/// Where the first element is.
pub const HEADER_BYTES: usize = 6;
/// A count that means "walk it".
const COUNT_UNKNOWN: u16 = u16::MAX;
const END: u8 = 0xff;

/// An element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    /// A string that is the canonical text of an integer.
    Int(i64),
    /// Any other string.
    Str(&'a [u8]),
}

impl<'a> Element<'a> {
    /// The element that a string becomes.
    pub fn of(bytes: &'a [u8]) -> Self {
        number::parse_i64(bytes).map_or(Self::Str(bytes), Self::Int)
    }

    /// The string that it stands for.
    pub fn into_bytes(self) -> Cow<'a, [u8]> {
        match self {
            Self::Int(n) => Cow::Owned(number::text_i64(n).into_bytes()),
            Self::Str(bytes) => Cow::Borrowed(bytes),
        }
    }
}

/// Why a string is no listpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// The elements of a listpack, validated as they are reached. Nothing is known to be valid until the
/// last one was, and nothing is to be used after an error.
#[derive(Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    /// Elements still to come, where the header says how many there are.
    left: Option<u16>,
}

/// The elements of the listpack that `bytes` is.
pub fn elements(bytes: &[u8]) -> Result<Elements<'_>, Invalid> {
    let Some(([b0, b1, b2, b3, c0, c1], rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Invalid("it has no header"));
    };
    if u32::from_le_bytes([*b0, *b1, *b2, *b3]) as usize != bytes.len() {
        return Err(Invalid("its size is not what it says"));
    }
    let count = u16::from_le_bytes([*c0, *c1]);
    Ok(Elements { rest, left: (count != COUNT_UNKNOWN).then_some(count) })
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Invalid>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.rest, &mut self.left) {
            ([END], None | Some(0)) => None,
            ([END], Some(_)) => Some(Err(Invalid("it has fewer entries than it says"))),
            (_, Some(0)) => Some(Err(Invalid("it has more entries than it says"))),
            (_, left) => {
                *left = left.map(|left| left - 1);
                match split(self.rest) {
                    Some((element, rest)) => {
                        self.rest = rest;
                        Some(Ok(element))
                    }
                    None => Some(Err(Invalid("an entry is invalid"))),
                }
            }
        }
    }
}

/// A listpack that can be changed. Positions are those of the bytes of elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listpack(Vec<u8>);

impl Default for Listpack {
    fn default() -> Self {
        Self(vec![HEADER_BYTES as u8 + 1, 0, 0, 0, 0, 0, END])
    }
}

impl Listpack {
    /// The listpack that `bytes` is, if all of it is valid.
    pub fn of_bytes(bytes: Vec<u8>) -> Result<Self, Invalid> {
        elements(&bytes)?.try_for_each(|element| element.map(drop))?;
        Ok(Self(bytes))
    }

    /// All bytes of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes reserved on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Gives back what is reserved for more elements: by a copy, since an allocator that shrinks in
    /// place keeps the rest.
    pub fn shrink(&mut self) {
        self.0 = self.0.as_slice().to_vec();
    }

    /// The element at a position, and the position of the next; `None` at the end.
    pub fn get(&self, at: usize) -> Option<(Element<'_>, usize)> {
        let (element, rest) = split(self.0.get(at..)?)?;
        Some((element, self.0.len() - rest.len()))
    }

    /// The position after the last element.
    pub fn end(&self) -> usize {
        self.0.len() - 1
    }

    /// Adds an element.
    pub fn push(&mut self, element: Element<'_>) {
        self.0.pop();
        put(&mut self.0, element);
        self.0.push(END);
        let count = u16::from_le_bytes([self.0[4], self.0[5]]).saturating_add(1);
        self.0[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
        self.note_size();
    }

    /// Replaces the element at a position by an integer.
    pub fn replace(&mut self, at: usize, n: i64) {
        let Some((_, end)) = self.get(at) else { return };
        if let (0..0x80, Some(byte @ 0..0x80)) = (n, self.0.get_mut(at)) {
            *byte = n as u8;
            return;
        }
        let mut new = Vec::with_capacity(16);
        put(&mut new, Element::Int(n));
        self.0.splice(at..end, new);
        self.note_size();
    }

    fn note_size(&mut self) {
        let size = self.0.len() as u32;
        self.0[..4].copy_from_slice(&size.to_le_bytes());
    }
}

/// The first element and what follows it.
fn split(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&first, tail) = bytes.split_first()?;
    let (element, rest) = match first {
        0..0x80 => (Element::Int(first.into()), tail),
        0x80..0xc0 => split_string(tail, usize::from(first & 0x3f))?,
        0xc0..0xe0 => {
            let (&low, rest) = tail.split_first()?;
            let unsigned = i64::from(first & 0x1f) << 8 | i64::from(low);
            (Element::Int(if unsigned < 1 << 12 { unsigned } else { unsigned - (1 << 13) }), rest)
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
    Some((element, skip_back_length(rest, bytes.len() - rest.len())?))
}

fn split_string(bytes: &[u8], length: usize) -> Option<(Element<'_>, &[u8])> {
    bytes.split_at_checked(length).map(|(string, rest)| (Element::Str(string), rest))
}

fn split_integer<const N: usize>(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (integer, rest) = bytes.split_first_chunk::<N>()?;
    Some((Element::Int(number::signed_le(*integer)), rest))
}

fn put(out: &mut Vec<u8>, element: Element<'_>) {
    let start = out.len();
    match element {
        Element::Int(n) => put_integer(out, n),
        Element::Str(bytes) => {
            match bytes.len() {
                length @ 0..0x40 => out.push(0x80 | length as u8),
                length @ 0x40..0x1000 => {
                    out.extend_from_slice(&(0xe000 | length as u16).to_be_bytes());
                }
                length => {
                    out.push(0xf0);
                    out.extend_from_slice(&(length as u32).to_le_bytes());
                }
            }
            out.extend_from_slice(bytes);
        }
    }
    let size = out.len() - start;
    let groups = back_groups(size);
    for nth in (0..groups).rev() {
        out.push(back_group(size, nth, groups));
    }
}

/// In the fewest bytes.
fn put_integer(out: &mut Vec<u8>, n: i64) {
    let bytes = n.to_le_bytes();
    let (encoding, size) = match n {
        0..0x80 => return out.push(n as u8),
        -0x1000..0x1000 => {
            return out.extend_from_slice(&(0xc000 | (n as u16 & 0x1fff)).to_be_bytes());
        }
        -0x8000..0x8000 => (0xf1, 2),
        -0x80_0000..0x80_0000 => (0xf2, 3),
        -0x8000_0000..0x8000_0000 => (0xf3, 4),
        _ => (0xf4, 8),
    };
    out.push(encoding);
    out.extend_from_slice(&bytes[..size]);
}

/// Skips the size of an element, which must be `size`.
fn skip_back_length(bytes: &[u8], size: usize) -> Option<&[u8]> {
    let groups = back_groups(size);
    let (back, rest) = bytes.split_at_checked(groups)?;
    let is_valid =
        back.iter().rev().enumerate().all(|(nth, byte)| *byte == back_group(size, nth, groups));
    is_valid.then_some(rest)
}

/// In how many groups of 7 bits the size of an element is written behind it.
fn back_groups(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// The `nth` of these groups seen from behind, the lowest; the top bit says that more follow.
fn back_group(size: usize, nth: usize, groups: usize) -> u8 {
    let more = if nth + 1 < groups { 0x80 } else { 0 };
    (size >> (7 * nth) & 0x7f) as u8 | more
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Element<'_>>, Invalid> {
        elements(bytes)?.collect()
    }

    /// A listpack that says it holds `count` elements.
    fn listpack(count: u16, body: &[u8]) -> Vec<u8> {
        let bytes = 7 + body.len() as u32;
        [&bytes.to_le_bytes()[..], &count.to_le_bytes(), body, b"\xff"].concat()
    }

    fn fault(bytes: &[u8]) -> &'static str {
        read(bytes).unwrap_err().0
    }

    #[test]
    fn elements_are_strings_and_integers() {
        let body = b"\x0c\x01\xdf\xff\x02\x82hi\x03\xf2\xff\xff\x7f\x04";
        let read_back =
            vec![Element::Int(12), Element::Int(-1), Element::Str(b"hi"), Element::Int(8_388_607)];
        assert_eq!(read(&listpack(4, body)), Ok(read_back.clone()));
        assert_eq!(read(&listpack(0, b"")), Ok(vec![]));
        let mut written = Listpack::default();
        read_back.into_iter().for_each(|element| written.push(element));
        assert_eq!(written.as_bytes(), listpack(4, body));
    }

    #[test]
    fn an_unknown_count_is_accepted() {
        assert_eq!(read(&listpack(u16::MAX, b"\x01\x01")), Ok(vec![Element::Int(1)]));
    }

    #[test]
    fn long_elements_have_long_back_lengths() {
        let string = [b'x'; 300];
        let body = [b"\xe1\x2c", &string[..], b"\x02\xae"].concat();
        assert_eq!(read(&listpack(1, &body)), Ok(vec![Element::Str(&string)]));
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

    proptest! {
        #[test]
        fn what_is_pushed_and_replaced_is_read_back(
            strings in prop::collection::vec(string(), 1..30),
            replaced in any::<prop::sample::Index>(),
            n in any::<i64>(),
            shift in 0..64u32,
        ) {
            let mut pack = Listpack::default();
            let mut positions = Vec::new();
            for string in &strings {
                positions.push(pack.end());
                pack.push(Element::of(string));
            }
            let mut expected = strings.clone();
            let index = replaced.index(strings.len());
            let n = n >> shift;
            pack.replace(positions[index], n);
            expected[index] = n.to_string().into_bytes();
            let read = read(pack.as_bytes()).unwrap();
            let read: Vec<_> = read.into_iter().map(|e| e.into_bytes().into_owned()).collect();
            prop_assert_eq!(read, expected);
        }
    }

    fn string() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..70),
            (0..20_000usize).prop_map(|length| vec![b'x'; length]),
            (any::<i64>(), 0..64u32).prop_map(|(n, shift)| (n >> shift).to_string().into_bytes()),
        ]
    }
}
