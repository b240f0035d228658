//! Writing the atoms of the format.

use bytes::{BufMut, BytesMut};

use crate::base::number;

/// A length.
pub(super) fn put_length(out: &mut BytesMut, length: usize) {
    const U32_MAX: usize = u32::MAX as usize;
    match length {
        0..0x40 => out.put_u8(length as u8),
        0x40..0x4000 => out.put_u16(0x4000 | length as u16),
        0x4000..=U32_MAX => {
            out.put_u8(0x80);
            out.put_u32(length as u32);
        }
        _ => {
            out.put_u8(0x81);
            out.put_u64(length as u64);
        }
    }
}

/// A string: as an integer where it is the canonical text of one that fits in 32 bits.
pub(super) fn put_string(out: &mut BytesMut, bytes: &[u8]) {
    const LONGEST_INT32: usize = 11;
    match (bytes.len() <= LONGEST_INT32).then(|| number::parse_i64(bytes)).flatten() {
        Some(n) if i32::try_from(n).is_ok() => put_integer(out, n),
        _ => put_bytes(out, bytes),
    }
}

/// A string that is the canonical text of a number.
pub(super) fn put_integer(out: &mut BytesMut, n: i64) {
    if let Ok(n) = i8::try_from(n) {
        out.put_u8(0xc0);
        out.put_i8(n);
    } else if let Ok(n) = i16::try_from(n) {
        out.put_u8(0xc1);
        out.put_i16_le(n);
    } else if let Ok(n) = i32::try_from(n) {
        out.put_u8(0xc2);
        out.put_i32_le(n);
    } else {
        put_bytes(out, number::text_i64(n).as_bytes());
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::input::Reader;
    use super::{put_length, put_string};

    #[test]
    fn lengths_are_read_back() {
        for length in [0, 63, 64, 16383, 16384, u32::MAX as usize, u32::MAX as usize + 1] {
            let mut out = BytesMut::new();
            put_length(&mut out, length);
            assert_eq!(Reader::new(&out, 0).length(), Ok(length as u64));
        }
    }

    #[test]
    fn only_canonical_32_bit_integers_are_written_as_such() {
        let written = |text: &str| {
            let mut out = BytesMut::new();
            put_string(&mut out, text.as_bytes());
            let back = Reader::new(&out, 0).string().map(|t| t.into_bytes().into_owned());
            assert_eq!(back, Ok(text.as_bytes().to_vec()));
            out[0]
        };
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
