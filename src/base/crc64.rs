//! CRC-64 with the Jones polynomial, reflected, starting from 0: the checksum of an RDB.

use crc::{CRC_64_REDIS, Crc, Digest, Table};

static TABLES: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// A checksum that is fed piece by piece.
#[derive(Clone)]
pub struct Crc64(Digest<'static, u64, Table<16>>);

impl Crc64 {
    /// The checksum of nothing.
    pub fn new() -> Self {
        Self(TABLES.digest())
    }

    /// Adds bytes to what is summed up.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.clone().finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Crc64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crc64({:016x})", self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::Crc64;

    #[test]
    fn the_check_value_is_the_catalogue_s_however_the_bytes_are_split() {
        for split in 0..=9 {
            let (head, tail) = b"123456789".split_at(split);
            let mut crc = Crc64::new();
            crc.update(head);
            crc.update(tail);
            assert_eq!(crc.value(), 0xe9c6_d914_c4b8_d9ca);
        }
    }
}
