//! Writing the atoms of the format.

use bytes::{BufMut, BytesMut};

use super::lzf::Packer;
use crate::base::number;

/// The longest text of an integer of 32 bits.
const INT32_TEXT_BYTES: usize = 11;

/// Shorter strings are not worth packing.
const PACKED_BYTES_MIN: usize = 21;

/// What is written, before it is given out.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub bytes: BytesMut,
    packer: Option<Packer>,
}

impl Writer {
    /// With `compress`, long strings are packed if that makes them shorter.
    pub fn new(compress: bool) -> Self {
        Self { bytes: BytesMut::new(), packer: compress.then(Packer::default) }
    }

    /// A length.
    pub fn length(&mut self, length: usize) {
        const U32_MAX: usize = u32::MAX as usize;
        match length {
            0..0x40 => self.bytes.put_u8(length as u8),
            0x40..0x4000 => self.bytes.put_u16(0x4000 | length as u16),
            0x4000..=U32_MAX => {
                self.bytes.put_u8(0x80);
                self.bytes.put_u32(length as u32);
            }
            _ => {
                self.bytes.put_u8(0x81);
                self.bytes.put_u64(length as u64);
            }
        }
    }

    /// A string: as an integer where it is the canonical text of one that fits in 32 bits.
    pub fn string(&mut self, text: &[u8]) {
        match (text.len() <= INT32_TEXT_BYTES).then(|| number::parse_i64(text)).flatten() {
            Some(n) if i32::try_from(n).is_ok() => self.integer(n),
            _ if text.len() < PACKED_BYTES_MIN => self.plain(text),
            _ => self.packed(text),
        }
    }

    /// A string that is the canonical text of a number.
    pub fn integer(&mut self, n: i64) {
        if let Ok(n) = i8::try_from(n) {
            self.bytes.put_u8(0xc0);
            self.bytes.put_i8(n);
        } else if let Ok(n) = i16::try_from(n) {
            self.bytes.put_u8(0xc1);
            self.bytes.put_i16_le(n);
        } else if let Ok(n) = i32::try_from(n) {
            self.bytes.put_u8(0xc2);
            self.bytes.put_i32_le(n);
        } else {
            self.plain(number::text_i64(n).as_bytes());
        }
    }

    fn packed(&mut self, text: &[u8]) {
        let Some(mut packer) = self.packer.take() else { return self.plain(text) };
        match packer.pack(text) {
            Some(packed) => {
                self.bytes.put_u8(0xc3);
                self.length(packed.len());
                self.length(text.len());
                self.bytes.extend_from_slice(packed);
            }
            None => self.plain(text),
        }
        self.packer = Some(packer);
    }

    fn plain(&mut self, text: &[u8]) {
        self.length(text.len());
        self.bytes.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::input::Reader;
    use super::Writer;

    /// What is written of a string, after it was read back.
    fn written(text: &str, compress: bool) -> Vec<u8> {
        let mut out = Writer::new(compress);
        out.string(text.as_bytes());
        let back = Reader::new(&out.bytes, 0).string().map(|t| t.into_bytes().into_owned());
        assert_eq!(back, Ok(text.as_bytes().to_vec()));
        out.bytes.to_vec()
    }

    #[test]
    fn long_strings_are_packed_if_that_makes_them_shorter() {
        let (short, long) = ("a".repeat(20), "a".repeat(21));
        let mixed = "abcdefghijklmnopqrstuvwxyz0123456789";
        assert_eq!(written(&short, true), [b"\x14", short.as_bytes()].concat());
        assert_eq!(written(&long, false), [b"\x15", long.as_bytes()].concat());
        assert_eq!(written(&long, true), b"\xc3\x05\x15\x00a\xe0\x0b\x00");
        assert_eq!(written(mixed, true), [b"\x24", mixed.as_bytes()].concat());
    }

    #[test]
    fn lengths_are_read_back() {
        for length in [0, 63, 64, 16383, 16384, u32::MAX as usize, u32::MAX as usize + 1] {
            let mut out = Writer::default();
            out.length(length);
            assert_eq!(Reader::new(&out.bytes, 0).length(), Ok(length as u64));
        }
    }

    #[test]
    fn only_canonical_32_bit_integers_are_written_as_such() {
        let written = |text: &str| written(text, false)[0];
        assert_eq!(written("0"), 0xc0);
        assert_eq!(written("-128"), 0xc0);
        assert_eq!(written("128"), 0xc1);
        assert_eq!(written("-2147483648"), 0xc2);
        assert_eq!(written("2147483648"), 10);
        assert_eq!(written("007"), 3);
        assert_eq!(written("-0"), 2);
        assert_eq!(written(""), 0);
    }
}
