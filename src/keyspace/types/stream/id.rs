//! The IDs of entries: a time and a number.

use std::fmt;

/// The ID of an entry, written `ms-seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct StreamId {
    /// Milliseconds since the epoch, if the ID was not chosen by a client.
    pub ms: u64,
    /// Tells IDs of one millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// Before the ID of any entry.
    pub const MIN: Self = Self::new(0, 0);
    /// The last one.
    pub const MAX: Self = Self::new(u64::MAX, u64::MAX);

    /// An ID of its parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The ID after this one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self::new(self.ms, seq)),
            None => Some(Self::new(self.ms.checked_add(1)?, 0)),
        }
    }

    /// The ID before this one; `None` before the first.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self::new(self.ms, seq)),
            None => Some(Self::new(self.ms.checked_sub(1)?, u64::MAX)),
        }
    }

    /// The ID as it is in snapshots: its bytes are in the order of IDs.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The ID that these bytes are.
    pub fn of_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self::new((both >> 64) as u64, both as u64)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::StreamId;

    #[test]
    fn ids_follow_each_other() {
        let (last_of_5, first_of_6) = (StreamId::new(5, u64::MAX), StreamId::new(6, 0));
        assert_eq!(last_of_5.next(), Some(first_of_6));
        assert_eq!(first_of_6.previous(), Some(last_of_5));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
        assert_eq!(StreamId::of_bytes(last_of_5.to_bytes()), last_of_5);
        assert!(last_of_5.to_bytes() < first_of_6.to_bytes());
    }
}
