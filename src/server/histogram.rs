//! How long a command took, call by call, in buckets an eighth of their size wide.

const BUCKETS: usize = 64 * 8;

/// A distribution of microseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// A call took so long.
    pub fn add(&mut self, micros: u64) {
        self.counts[bucket(micros)] += 1;
        self.total += 1;
    }

    /// Calls.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Microseconds within which so many percent of the calls were done.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = (percent / 100.0 * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, last_of)
    }

    /// Powers of two and how many calls took at most so long, as far as they differ.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut steps = Vec::new();
        for bound in (0..63).map(|power| 1u64 << power) {
            let upto = (0..BUCKETS).take_while(|b| last_of(*b) <= bound);
            let count: u64 = upto.map(|b| self.counts[b]).sum();
            if count > steps.last().map_or(0, |(_, before)| *before) {
                steps.push((bound, count));
            }
            if count == self.total {
                break;
            }
        }
        steps
    }
}

/// Values up to 16 have buckets of their own; above, each doubling has eight.
fn bucket(micros: u64) -> usize {
    if micros < 16 {
        return micros as usize;
    }
    let power = micros.ilog2();
    let eighth = (micros >> (power - 3)) & 7;
    (power as usize - 2) * 8 + eighth as usize
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    if bucket < 16 {
        return bucket as u64;
    }
    let (power, eighth) = ((bucket / 8 + 2) as u32, (bucket % 8) as u64);
    if power > 62 {
        return u64::MAX;
    }
    ((8 + eighth + 1) << (power - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_the_bucket_that_ends_at_or_after_it() {
        for micros in (0..5000).chain([1 << 20, (1 << 40) + 12345]) {
            let bucket = bucket(micros);
            assert!(last_of(bucket) >= micros, "{micros}");
            assert!(bucket == 0 || last_of(bucket - 1) < micros, "{micros}");
        }
    }

    #[test]
    fn percentiles_are_within_an_eighth() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|micros| histogram.add(micros));
        assert!((500..=570).contains(&histogram.percentile(50.0)));
        assert!((990..=1120).contains(&histogram.percentile(99.0)));
        assert_eq!(histogram.total(), 1000);
    }
}
