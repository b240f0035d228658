//! The intset, a set of integers in one string: `width(u32 LE) count(u32 LE) integer*`, each integer
//! of 2, 4 or 8 bytes, little-endian, in ascending order.

use super::error::Reason;
use crate::base::number::signed_le;

/// The integers of the intset that `blob` is.
pub(super) fn integers(blob: &[u8]) -> Result<Vec<i64>, Reason> {
    let Some(([w0, w1, w2, w3, c0, c1, c2, c3], body)) = blob.split_first_chunk() else {
        return Err(corrupt("it has no header"));
    };
    let integers = match u32::from_le_bytes([*w0, *w1, *w2, *w3]) {
        2 => split::<2>(body),
        4 => split::<4>(body),
        8 => split::<8>(body),
        _ => return Err(corrupt("its integers are not of 2, 4 or 8 bytes")),
    };
    let count = u32::from_le_bytes([*c0, *c1, *c2, *c3]) as usize;
    match integers {
        Some(integers) if integers.len() == count => {
            if integers.is_sorted_by(|a, b| a < b) {
                Ok(integers)
            } else {
                Err(corrupt("its integers do not ascend"))
            }
        }
        _ => Err(corrupt("its size is not what it says")),
    }
}

fn split<const N: usize>(body: &[u8]) -> Option<Vec<i64>> {
    let (integers, rest) = body.as_chunks::<N>();
    rest.is_empty().then(|| integers.iter().map(|integer| signed_le(*integer)).collect())
}

fn corrupt(fault: &'static str) -> Reason {
    Reason::Corrupt { structure: "intset", fault }
}

#[cfg(test)]
mod tests {
    use super::integers;

    #[test]
    fn integers_of_each_width_are_read() {
        assert_eq!(integers(b"\x02\0\0\0\x02\0\0\0\xff\xff\x01\0"), Ok(vec![-1, 1]));
        assert_eq!(integers(b"\x04\0\0\0\x01\0\0\0\xff\xff\x01\0"), Ok(vec![0x1ffff]));
        let widest = b"\x08\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\x80";
        assert_eq!(integers(widest), Ok(vec![i64::MIN]));
    }

    #[test]
    fn what_is_not_a_sorted_set_is_refused() {
        let fault = |blob: &[u8]| integers(blob).map_err(|e| e.to_string()).unwrap_err();
        assert_eq!(fault(b"\x02\0\0\0\0\0\0"), "corrupt intset: it has no header");
        assert!(fault(b"\x03\0\0\0\0\0\0\0").ends_with("not of 2, 4 or 8 bytes"));
        assert!(fault(b"\x02\0\0\0\x03\0\0\0\0\0\x01\0").ends_with("size is not what it says"));
        assert!(fault(b"\x02\0\0\0\x01\0\0\0\0\0\x01").ends_with("size is not what it says"));
        assert!(fault(b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0").ends_with("do not ascend"));
    }
}
