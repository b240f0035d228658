//! Reading the atoms of the format from bytes of which more may come.

use std::borrow::Cow;

use super::error::Reason;
use super::lzf;
use crate::base::number;

/// Why reading stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// There must be at least so many bytes before it makes sense to try again.
    Short(usize),
    /// Wrong, whatever follows.
    Bad(Reason),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Bad(reason)
    }
}

/// A place in bytes. After [`Stop::Short`] the reader is thrown away and reading begins again from
/// where the caller last was.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from `at` on.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The index of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// All bytes before the next.
    pub fn before(&self) -> &'a [u8] {
        &self.bytes[..self.at]
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.saturating_add(count);
        let taken = self.bytes.get(self.at..end).ok_or(Stop::Short(end))?;
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let (taken, _) =
            self.bytes[self.at..].split_first_chunk().ok_or(Stop::Short(self.at + N))?;
        self.at += N;
        Ok(*taken)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Stop> {
        self.array().map(|[byte]| byte)
    }

    /// A length.
    pub fn length(&mut self) -> Result<u64, Stop> {
        let first = self.byte()?;
        self.length_after(first)?.ok_or(Stop::Bad(Reason::Length(first)))
    }

    /// A string.
    pub fn string(&mut self) -> Result<Text<'a>, Stop> {
        let first = self.byte()?;
        if let Some(length) = self.length_after(first)? {
            return Ok(Text::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?));
        }
        match first {
            0xc0 => Ok(Text::Int(i8::from_le_bytes(self.array()?).into())),
            0xc1 => Ok(Text::Int(i16::from_le_bytes(self.array()?).into())),
            0xc2 => Ok(Text::Int(i32::from_le_bytes(self.array()?).into())),
            0xc3 => {
                let packed = usize::try_from(self.length()?).unwrap_or(usize::MAX);
                let length = self.length()?;
                let unpacked = lzf::unpack(self.take(packed)?, length).ok_or(Reason::Lzf)?;
                Ok(Text::Unpacked(unpacked))
            }
            _ => Err(Stop::Bad(Reason::String(first))),
        }
    }

    /// The length that `first` begins, if it begins one.
    fn length_after(&mut self, first: u8) -> Result<Option<u64>, Stop> {
        Ok(Some(match first {
            0..0x40 => first.into(),
            0x40..0x80 => u16::from_be_bytes([first & 0x3f, self.byte()?]).into(),
            0x80 => u32::from_be_bytes(self.array()?).into(),
            0x81 => u64::from_be_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }
}

/// A string as it stands in the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text<'a> {
    /// As is.
    Bytes(&'a [u8]),
    /// The canonical text of a number.
    Int(i64),
    /// It was compressed.
    Unpacked(Vec<u8>),
}

impl<'a> Text<'a> {
    /// The bytes of the string.
    pub fn into_bytes(self) -> Cow<'a, [u8]> {
        match self {
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            Self::Int(n) => Cow::Owned(number::text_i64(n).into_bytes()),
            Self::Unpacked(bytes) => Cow::Owned(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Reason, Stop, Text};

    fn length(bytes: &[u8]) -> Result<u64, Stop> {
        Reader::new(bytes, 0).length()
    }

    fn string(bytes: &[u8]) -> Result<Text<'_>, Stop> {
        Reader::new(bytes, 0).string()
    }

    #[test]
    fn lengths_take_1_2_5_or_9_bytes() {
        assert_eq!(length(&[0x3f]), Ok(63));
        assert_eq!(length(&[0x41, 0x02]), Ok(258));
        assert_eq!(length(&[0x80, 0, 1, 0, 0]), Ok(65536));
        assert_eq!(length(&[0x81, 0, 0, 0, 1, 0, 0, 0, 0]), Ok(1 << 32));
        assert_eq!(length(&[0x82]), Err(Stop::Bad(Reason::Length(0x82))));
        assert_eq!(length(&[0xc0]), Err(Stop::Bad(Reason::Length(0xc0))));
    }

    #[test]
    fn integers_in_strings_are_little_endian_and_signed() {
        assert_eq!(string(&[0xc0, 0xff]), Ok(Text::Int(-1)));
        assert_eq!(string(&[0xc1, 0x00, 0x80]), Ok(Text::Int(-32768)));
        assert_eq!(string(&[0xc2, 1, 0, 0, 0x10]), Ok(Text::Int(0x1000_0001)));
        assert_eq!(string(&[0xc4]), Err(Stop::Bad(Reason::String(0xc4))));
    }

    #[test]
    fn a_compressed_string_unpacks() {
        let packed = b"\xc3\x09\x40\x64\x01aa\xe0\x57\x00\x01aa";
        assert_eq!(string(packed), Ok(Text::Unpacked(vec![b'a'; 100])));
    }

    #[test]
    fn too_few_bytes_say_how_many_are_needed() {
        assert_eq!(length(&[]), Err(Stop::Short(1)));
        assert_eq!(length(&[0x80, 0]), Err(Stop::Short(5)));
        assert_eq!(string(b"\x05ab"), Err(Stop::Short(6)));
        let hostile = [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(string(&hostile), Err(Stop::Short(usize::MAX)));
    }
}
