//! Unpacking LZF: runs of literal bytes, and copies of what came a little earlier.

/// A packed byte stands for at most so many unpacked ones: three bytes copy 264.
const EXPANSION_MAX: usize = 264 / 3;

/// Unpacks exactly `length` bytes. `None` if that is not what `packed` holds.
pub(super) fn unpack(packed: &[u8], length: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(length).ok()?;
    // Refused before anything is allocated: what is promised is more than could be there.
    if length > packed.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    let mut rest = packed;
    while let Some((&control, after)) = rest.split_first() {
        if control < 32 {
            let (literals, after) = after.split_at_checked(usize::from(control) + 1)?;
            out.extend_from_slice(literals);
            rest = after;
        } else {
            let (long, after) = if control >> 5 == 7 { split_byte(after)? } else { (0, after) };
            let (near, after) = split_byte(after)?;
            rest = after;
            let count = usize::from(control >> 5) + long + 2;
            let distance = usize::from(control & 31) * 256 + near + 1;
            let from = out.len().checked_sub(distance)?;
            if out.len() + count > length {
                return None;
            }
            for index in from..from + count {
                out.push(out[index]);
            }
        }
    }
    (out.len() == length).then_some(out)
}

fn split_byte(bytes: &[u8]) -> Option<(usize, &[u8])> {
    bytes.split_first().map(|(byte, rest)| (usize::from(*byte), rest))
}

#[cfg(test)]
mod tests {
    use super::unpack;

    #[test]
    fn copies_may_overlap_what_they_write() {
        assert_eq!(unpack(b"\x01aa\xe0\x57\x00\x01aa", 100), Some(vec![b'a'; 100]));
        assert_eq!(unpack(b"\x02abc\x20\x02", 6), Some(b"abcabc".to_vec()));
    }

    #[test]
    fn what_does_not_fit_its_bounds_is_refused() {
        assert_eq!(unpack(b"\x02ab", 3), None, "literals are missing");
        assert_eq!(unpack(b"\x00a\x20\x01", 4), None, "copies from before the beginning");
        assert_eq!(unpack(b"\x00a\x20", 4), None, "ends within a copy");
        assert_eq!(unpack(b"\x00a\xe0", 4), None, "ends within a long copy");
        assert_eq!(unpack(b"\x00a", 2), None, "shorter than promised");
        assert_eq!(unpack(b"\x00a\x20\x00", 3), None, "longer than promised");
        assert_eq!(unpack(b"\x00a", u64::MAX), None, "promises the impossible");
    }
}
