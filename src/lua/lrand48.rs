//! The dice of scripts: those of every server begin with the same.

/// The generator of POSIX `lrand48`.
#[derive(Debug, Clone, Copy)]
pub struct Lrand48(u64);

const MASK: u64 = (1 << 48) - 1;

impl Default for Lrand48 {
    /// As it begins where nobody called `srand48`.
    fn default() -> Self {
        Self(0x1234_abcd_330e)
    }
}

impl Lrand48 {
    /// As `srand48` begins.
    pub fn new(seed: i32) -> Self {
        Self(u64::from(seed as u32) << 16 | 0x330e)
    }

    /// A number below 2^31.
    pub fn roll(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & MASK;
        (self.0 >> 17) as i32
    }
}
