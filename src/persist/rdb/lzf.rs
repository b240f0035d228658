//! LZF: runs of literal bytes, and copies of what came a little earlier.
//!
//! ```text
//! 000nnnnn                       n + 1 literal bytes follow
//! nnnddddd dddddddd              n + 2 bytes, as they were d + 1 bytes before, n not 0 or 7
//! 111ddddd nnnnnnnn dddddddd     n + 9 bytes
//! ```

const LITERALS_MAX: usize = 32;
const DISTANCE_MAX: usize = 1 << 13;
const COPY_MIN: usize = 3;
const COPY_MAX: usize = 264;

/// A packed byte stands for at most so many unpacked ones.
const EXPANSION_MAX: usize = COPY_MAX / 3;

/// What must be saved for packing to be worth it, as Redis judges.
const SAVED_BYTES_MIN: usize = 4;

/// Where beginnings of copies were seen last: this many bits of a hash of three bytes.
const SLOT_BITS: u32 = 12;

/// Packs strings, one after the other.
#[derive(Debug, Default)]
pub(super) struct Packer {
    /// By hash: one more than the place in the string, 0 for none.
    seen: Vec<u32>,
    packed: Vec<u8>,
}

impl Packer {
    /// A string packed; `None` if that saves nothing worth having.
    pub fn pack(&mut self, text: &[u8]) -> Option<&[u8]> {
        let most = text.len().checked_sub(SAVED_BYTES_MIN)?;
        u32::try_from(text.len()).ok()?;
        self.seen.clear();
        self.seen.resize(1 << SLOT_BITS, 0);
        self.packed.clear();
        let (mut at, mut literals_from) = (0, 0);
        while let Some(&[a, b, c]) = text[at..].first_chunk::<COPY_MIN>() {
            match self.seen_before(at, [a, b, c]).map(|from| (from, alike(text, from, at))) {
                Some((from, count)) if count >= COPY_MIN => {
                    self.put_literals(&text[literals_from..at]);
                    self.put_copy(at - from, count);
                    at += count;
                    literals_from = at;
                }
                _ => at += 1,
            }
            if self.packed.len() + (at - literals_from) > most {
                return None;
            }
        }
        self.put_literals(&text[literals_from..]);
        (self.packed.len() <= most).then_some(&self.packed)
    }

    /// Where these three bytes may have stood last, near enough; they stand here now.
    fn seen_before(&mut self, at: usize, bytes: [u8; COPY_MIN]) -> Option<usize> {
        let [a, b, c] = bytes;
        let mixed = u32::from_be_bytes([0, a, b, c]).wrapping_mul(0x9e37_79b1);
        let slot = &mut self.seen[(mixed >> (u32::BITS - SLOT_BITS)) as usize];
        let from = std::mem::replace(slot, at as u32 + 1).checked_sub(1)? as usize;
        (at - from <= DISTANCE_MAX).then_some(from)
    }

    fn put_literals(&mut self, literals: &[u8]) {
        for run in literals.chunks(LITERALS_MAX) {
            self.packed.push(run.len() as u8 - 1);
            self.packed.extend_from_slice(run);
        }
    }

    fn put_copy(&mut self, distance: usize, count: usize) {
        let [far, near] = (distance as u16 - 1).to_be_bytes();
        match count - 2 {
            short @ 1..7 => self.packed.push((short as u8) << 5 | far),
            long => self.packed.extend([7 << 5 | far, (long - 7) as u8]),
        }
        self.packed.push(near);
    }
}

/// How many bytes at two places are the same, as far as one copy goes.
fn alike(text: &[u8], from: usize, at: usize) -> usize {
    let pairs = text[from..].iter().zip(&text[at..]).take(COPY_MAX);
    pairs.take_while(|(one, other)| one == other).count()
}

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
    use proptest::prelude::*;

    use super::{Packer, unpack};

    /// Words of few letters, so that there is something to copy.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let word = prop::collection::vec(0..4_u8, 1..9);
        let words = prop::collection::vec((word, 1..200_usize), 0..40);
        words.prop_map(|words| words.iter().flat_map(|(word, times)| word.repeat(*times)).collect())
    }

    proptest! {
        #[test]
        fn what_was_packed_is_shorter_and_is_unpacked(text in texts()) {
            if let Some(packed) = Packer::default().pack(&text) {
                prop_assert!(packed.len() + 4 <= text.len());
                prop_assert_eq!(unpack(packed, text.len() as u64), Some(text));
            }
        }
    }

    #[test]
    fn a_string_is_packed_as_if_it_were_the_first() {
        let mut packer = Packer::default();
        let text = b"to be or not to be, that is to be asked".repeat(3);
        let first = packer.pack(&text).map(<[u8]>::to_vec);
        assert!(first.as_ref().is_some_and(|packed| packed.len() < 50), "{first:?}");
        assert_eq!(packer.pack(b"not to be packed"), None);
        assert_eq!(packer.pack(&text), first.as_deref());
    }

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
