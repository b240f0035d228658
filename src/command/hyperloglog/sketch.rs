//! The string that a HyperLogLog is.
//!
//! A header of 16 bytes: `HYLL`, the form of the rest (0 dense, 1 sparse), three zeros, and the
//! last count in little endian, whose highest bit says that it is out of date.
//!
//! The *dense* form is 2^14 registers of 6 bits each, the lowest bits first. The *sparse* form is
//! a sequence of runs of equal registers: `00llllll` is up to 64 zeros, `01llllll llllllll` up to
//! 2^14 zeros, `1vvvvvll` up to 4 times a value from 1 to 32. It becomes dense when it would be
//! longer than `hll-sparse-max-bytes`, or a value does not fit.
//!
//! Where runs are split and joined follows Redis, so that the same elements give the same bytes.

use crate::keyspace::Blob;

/// How many registers there are.
pub(super) const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;

/// The largest value that six bits hold.
pub(super) const VALUE_MAX: u8 = 63;
const SPARSE_VALUE_MAX: u8 = 32;

const HEADER_BYTES: usize = 16;
const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
const FORM: usize = 4;
const COUNT: std::ops::Range<usize> = 8..16;
const OUT_OF_DATE: u8 = 0x80;

const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// The runs do not add up to all registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Corrupt;

/// All registers, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registers(Box<[u8]>);

impl Default for Registers {
    fn default() -> Self {
        Self(vec![0; REGISTERS].into())
    }
}

impl Registers {
    /// The largest value that a hash gives: all bits but those of the index are zero.
    pub const HASHED_MAX: u8 = (64 - INDEX_BITS + 1) as u8;

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        self.0.iter().copied()
    }
}

/// The bytes of a HyperLogLog whose header is right.
#[derive(Debug, Clone)]
pub(super) struct Sketch(Vec<u8>);

impl Default for Sketch {
    /// Empty and sparse.
    fn default() -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..4].copy_from_slice(b"HYLL");
        bytes[FORM] = SPARSE;
        Run::zeros(REGISTERS).put(&mut bytes);
        let mut sketch = Self(bytes);
        sketch.forget_count();
        sketch
    }
}

/// Registers in a row that have the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    value: u8,
    len: usize,
    /// The bytes it takes.
    bytes: usize,
}

impl Run {
    fn zeros(len: usize) -> Self {
        Self { value: 0, len, bytes: if len > 64 { 2 } else { 1 } }
    }

    fn of(value: u8, len: usize) -> Self {
        if value == 0 { Self::zeros(len) } else { Self { value, len, bytes: 1 } }
    }

    /// The run that bytes begin with.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        let low = usize::from(first & 0x3f);
        Some(match first >> 6 {
            0 => Self { value: 0, len: low + 1, bytes: 1 },
            1 => Self { value: 0, len: (low << 8 | usize::from(*rest.first()?)) + 1, bytes: 2 },
            _ => Self { value: (first >> 2 & 0x1f) + 1, len: (low & 3) + 1, bytes: 1 },
        })
    }

    fn put(self, out: &mut Vec<u8>) {
        let len = self.len - 1;
        match self {
            Self { value: 0, bytes: 1, .. } => out.push(len as u8),
            Self { value: 0, .. } => out.extend([0x40 | (len >> 8) as u8, len as u8]),
            Self { value, .. } => out.push(0x80 | (value - 1) << 2 | len as u8),
        }
    }

    fn is_wide_zeros(self) -> bool {
        self.bytes == 2
    }
}

impl Sketch {
    /// The HyperLogLog that a string is.
    pub fn of(text: &[u8]) -> Option<Self> {
        let is_right = text.len() >= HEADER_BYTES
            && text.starts_with(b"HYLL")
            && (text[FORM] == SPARSE || (text[FORM] == DENSE && text.len() == DENSE_BYTES));
        is_right.then(|| Self(text.to_vec()))
    }

    /// The string that it is.
    pub fn into_blob(self) -> Blob {
        Blob::from(self.0)
    }

    /// Whether it is in the short form.
    pub fn is_sparse(&self) -> bool {
        self.0[FORM] == SPARSE
    }

    /// The last count, if nothing has changed since.
    pub fn known_count(&self) -> Option<u64> {
        let bytes = self.0[COUNT].try_into().ok()?;
        let is_current = self.0[COUNT.end - 1] & OUT_OF_DATE == 0;
        is_current.then(|| u64::from_le_bytes(bytes))
    }

    /// Keeps a count until something changes.
    pub fn remember_count(&mut self, count: u64) {
        self.0[COUNT].copy_from_slice(&count.to_le_bytes());
    }

    /// The last count is out of date.
    pub fn forget_count(&mut self) {
        self.0[COUNT.end - 1] |= OUT_OF_DATE;
    }

    /// Adds an element; returns whether a register changed.
    pub fn add(&mut self, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Corrupt> {
        let hash = murmur64a(element);
        let index = hash as usize % REGISTERS;
        let rest = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
        self.raise(index, rest.trailing_zeros() as u8 + 1, sparse_bytes_max)
    }

    /// Makes a register hold at least `value`; returns whether it changed.
    pub fn raise(
        &mut self,
        index: usize,
        value: u8,
        sparse_bytes_max: usize,
    ) -> Result<bool, Corrupt> {
        if self.is_sparse() {
            if value <= SPARSE_VALUE_MAX
                && let Some(changed) = self.raise_sparse(index, value, sparse_bytes_max)?
            {
                return Ok(changed);
            }
            self.make_dense()?;
        }
        let is_less = self.dense(index) < value;
        if is_less {
            self.set_dense(index, value);
        }
        Ok(is_less)
    }

    /// [`Sketch::raise`] in the sparse form; `None` if that would become too long.
    fn raise_sparse(
        &mut self,
        index: usize,
        value: u8,
        bytes_max: usize,
    ) -> Result<Option<bool>, Corrupt> {
        let (mut at, mut before, mut first) = (HEADER_BYTES, HEADER_BYTES, 0);
        let run = loop {
            let run = Run::read(&self.0[at..]).ok_or(Corrupt)?;
            if index < first + run.len {
                break run;
            }
            (before, at, first) = (at, at + run.bytes, first + run.len);
        };
        if run.value >= value {
            return Ok(Some(false));
        }
        let mut pieces = Vec::with_capacity(5);
        let after = first + run.len - 1 - index;
        for (value, len) in [(run.value, index - first), (value, 1), (run.value, after)] {
            if len > 0 {
                Run::of(value, len).put(&mut pieces);
            }
        }
        let is_longer = pieces.len() > run.bytes;
        if is_longer && self.0.len() + pieces.len() - run.bytes > bytes_max {
            return Ok(None);
        }
        self.0.splice(at..at + run.bytes, pieces);
        self.join(before);
        Ok(Some(true))
    }

    /// Joins equal values that lie beside each other, in the five runs from `at` on.
    fn join(&mut self, mut at: usize) {
        for _ in 0..5 {
            let Some(run) = Run::read(&self.0[at..]) else { return };
            let next = Run::read(&self.0[at + run.bytes..]);
            match next.filter(|next| run.value > 0 && next.value == run.value) {
                Some(next) if run.len + next.len <= 4 => {
                    let mut joined = Vec::with_capacity(1);
                    Run::of(run.value, run.len + next.len).put(&mut joined);
                    self.0.splice(at..at + 2, joined);
                }
                _ => at += run.bytes,
            }
        }
    }

    /// Makes it dense, if it is not.
    pub fn make_dense(&mut self) -> Result<(), Corrupt> {
        if !self.is_sparse() {
            return Ok(());
        }
        let mut registers = Registers::default();
        self.merge_into(&mut registers)?;
        self.0.truncate(HEADER_BYTES);
        self.0.resize(DENSE_BYTES, 0);
        self.0[FORM] = DENSE;
        for (index, value) in registers.iter().enumerate().filter(|(_, value)| *value > 0) {
            self.set_dense(index, value);
        }
        Ok(())
    }

    /// Raises registers to what they are here.
    pub fn merge_into(&self, registers: &mut Registers) -> Result<(), Corrupt> {
        if !self.is_sparse() {
            let all = registers.0.iter_mut().enumerate();
            all.for_each(|(index, register)| *register = self.dense(index).max(*register));
            return Ok(());
        }
        let mut first = 0;
        for run in self.runs() {
            let part = registers.0.get_mut(first..first + run.len).ok_or(Corrupt)?;
            part.iter_mut().for_each(|register| *register = run.value.max(*register));
            first += run.len;
        }
        if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
    }

    /// The runs of the sparse form in words: `Z` many zeros, `z` a few, `v` a value.
    pub fn spelt_out(&self) -> String {
        let runs = self.runs().map(|run| match run {
            Run { value: 0, len, .. } if run.is_wide_zeros() => format!("Z:{len}"),
            Run { value: 0, len, .. } => format!("z:{len}"),
            Run { value, len, .. } => format!("v:{value},{len}"),
        });
        runs.collect::<Vec<_>>().join(" ")
    }

    fn runs(&self) -> impl Iterator<Item = Run> {
        let mut rest = &self.0[HEADER_BYTES..];
        std::iter::from_fn(move || {
            let run = Run::read(rest)?;
            rest = &rest[run.bytes..];
            Some(run)
        })
    }

    /// A register of the dense form. Its six bits begin in one byte and may end in the next.
    fn dense(&self, index: usize) -> u8 {
        let (byte, shift) = Self::place(index);
        let next = self.0.get(byte + 1).copied().unwrap_or(0);
        (u16::from_le_bytes([self.0[byte], next]) >> shift) as u8 & VALUE_MAX
    }

    fn set_dense(&mut self, index: usize, value: u8) {
        let (byte, shift) = Self::place(index);
        let next = self.0.get(byte + 1).copied().unwrap_or(0);
        let both = u16::from_le_bytes([self.0[byte], next]) & !(u16::from(VALUE_MAX) << shift);
        let bytes = (both | u16::from(value) << shift).to_le_bytes();
        self.0[byte] = bytes[0];
        if let Some(next) = self.0.get_mut(byte + 1) {
            *next = bytes[1];
        }
    }

    /// The byte that a register begins in, and at which bit.
    fn place(index: usize) -> (usize, usize) {
        (HEADER_BYTES + index * 6 / 8, index * 6 % 8)
    }
}

/// MurmurHash64A with the seed of Redis: Austin Appleby's hash, which all HyperLogLogs share.
fn murmur64a(data: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = SEED ^ (data.len() as u64).wrapping_mul(M);
    let (words, rest) = data.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> R
}

#[cfg(test)]
mod tests {
    use super::{REGISTERS, Registers, Run, Sketch};
    use crate::base::rng::Dice;

    #[test]
    fn both_forms_hold_what_was_raised() {
        let mut dice = Dice::new(5);
        for sparse_bytes_max in [0, 500, 3000, usize::MAX] {
            let (mut sketch, mut model) = (Sketch::default(), Registers::default());
            for _ in 0..5000 {
                let index = dice.below(REGISTERS as u64) as usize;
                let highest = if dice.chance(1, 3000) { 51 } else { 9 };
                let value = dice.below(highest) as u8 + 1;
                let changes = model.0[index] < value;
                model.0[index] = model.0[index].max(value);
                assert_eq!(sketch.raise(index, value, sparse_bytes_max), Ok(changes));
            }
            let mut registers = Registers::default();
            assert_eq!(sketch.merge_into(&mut registers), Ok(()));
            assert_eq!(registers, model);
            let again = Sketch::of(&sketch.clone().into_blob()).unwrap();
            assert_eq!(again.0, sketch.0);
        }
    }

    #[test]
    fn runs_are_read_as_they_are_written() {
        let zeros = [1, 64, 65, 256, REGISTERS].map(Run::zeros);
        let values = [(1, 1), (32, 4), (7, 3)].map(|(value, len)| Run::of(value, len));
        for run in zeros.into_iter().chain(values) {
            let mut bytes = Vec::new();
            run.put(&mut bytes);
            assert_eq!(Run::read(&bytes), Some(run));
            assert_eq!(bytes.len(), run.bytes);
        }
        assert_eq!(Run::read(&[0x40]), None);
    }
}
