//! Times by the million: counts in buckets that are at most 1/64 wide, so a percentile is right to 1.6 %.

use std::time::Duration;

/// Sub-buckets of each power of two, as a power of two.
const PRECISION_BITS: u32 = 6;
const BUCKETS: usize = (64 - PRECISION_BITS as usize + 1) << PRECISION_BITS;

/// A histogram of durations.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max_ns: 0 }
    }
}

/// The first values stand for themselves; above, each power of two has as many buckets.
fn bucket(ns: u64) -> usize {
    let shift = (ns | 1).ilog2().saturating_sub(PRECISION_BITS);
    let within = usize::try_from(ns >> shift).expect("a number of PRECISION_BITS + 1 bits");
    ((shift as usize) << PRECISION_BITS) + within
}

/// The middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let shift = (bucket >> PRECISION_BITS).saturating_sub(1);
    let first = (bucket - (shift << PRECISION_BITS)) as u64;
    (first << shift) + ((1 << shift) >> 1)
}

impl Histogram {
    /// Counts one.
    pub(crate) fn record(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The duration that `per_mille` of all do not exceed; zero if there are none.
    pub(crate) fn per_mille(&self, per_mille: u64) -> Duration {
        let rank = (self.total * per_mille).div_ceil(1_000);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                return Duration::from_nanos(middle(bucket).min(self.max_ns));
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_two_percent() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.per_mille(500), Duration::ZERO);
        for n in 1..=100_000 {
            histogram.record(n * 1_000);
        }
        for (per_mille, expected) in
            [(10, 1_000_000), (500, 50_000_000), (990, 99_000_000), (999, 99_900_000)]
        {
            let found = histogram.per_mille(per_mille).as_nanos().abs_diff(expected);
            assert!(found * 50 < expected, "{per_mille}: off by {found}");
        }
        assert_eq!(histogram.per_mille(1_000), Duration::from_millis(100));
    }

    #[test]
    fn every_value_has_a_bucket_near_it() {
        for ns in [0, 1, 63, 64, 127, 128, 129, 1_000_000_007, u64::MAX / 2, u64::MAX] {
            let found = middle(bucket(ns));
            assert!(found.abs_diff(ns) <= ns / 64, "{ns}: {found}");
        }
    }
}
