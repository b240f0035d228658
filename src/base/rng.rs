//! Dice with a seed. Every random choice of a machine or of the simulated world comes from one of
//! these, so that a seed replays a run.

/// A small, fast generator (xoshiro256++ seeded by SplitMix64). Not for secrets: replication IDs
/// and run IDs only need to be unlikely to collide.
#[derive(Debug, Clone)]
pub struct Dice {
    state: [u64; 4],
}

impl Dice {
    /// Equal seeds give equal sequences.
    pub fn new(seed: u64) -> Self {
        let mut mix = seed;
        let state = std::array::from_fn(|_| {
            mix = mix.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = mix;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { state }
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number in `0..n`, or 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// True with probability `numerator / denominator`.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// 40 lower-case hex characters: the form of replication IDs and run IDs.
    pub fn hex40(&mut self) -> String {
        (0..40).map(|_| char::from(b"0123456789abcdef"[self.below(16) as usize])).collect()
    }

    /// A generator for a part of this one's owner, independent of how often either is used later.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self::new(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn a_seed_replays() {
        let (mut a, mut b) = (Dice::new(7), Dice::new(7));
        assert!((0..100).all(|_| a.bits() == b.bits()));
        assert_ne!(Dice::new(8).bits(), Dice::new(7).bits());
    }

    #[test]
    fn below_stays_below_and_reaches_everything() {
        let mut dice = Dice::new(1);
        let mut seen = [false; 6];
        for _ in 0..200 {
            seen[dice.below(6) as usize] = true;
        }
        assert_eq!(seen, [true; 6]);
        assert_eq!(dice.below(0), 0);
    }

    #[test]
    fn hex40_is_forty_hex_characters() {
        let id = Dice::new(3).hex40();
        assert_eq!(id.len(), 40);
        assert!(id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    }
}
