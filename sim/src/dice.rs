//! Randomness that a seed decides.
//!
//! SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014): small, fast, and the same on
//! every machine. It never draws from anywhere else.

/// A source of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform over all values.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// From 0 up to below `end`; 0 if `end` is.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The upper half of a product: Lemire's reduction, whose bias is beyond notice here.
        u64::try_from((u128::from(self.next()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// From `first` to `last`, both included.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// From `first` to `last` such that each doubling is as likely as the next: small ones are not rare.
    pub(crate) fn spread(&mut self, first: u64, last: u64) -> u64 {
        let doublings = u64::from((last / first.max(1)).max(1).ilog2());
        let low = first << self.between(0, doublings);
        self.between(low.min(last), (2 * low).min(last))
    }

    /// An index below `len`.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// Whether something happens that does so in `percent` of all cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them; `None` if there is none.
    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.index(from.len())].clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_seeds_and_stay_in_their_bounds() {
        let (mut one, mut same, mut other) = (Dice::new(7), Dice::new(7), Dice::new(8));
        assert_eq!(one.next(), same.next());
        assert_ne!(one.next(), other.next());
        for _ in 0..1_000 {
            assert!((3..=9).contains(&one.between(3, 9)));
            assert!((100..=5_000).contains(&one.spread(100, 5_000)));
        }
        assert!(
            (0..200).any(|_| one.spread(100, 5_000) < 200)
                && (0..200).any(|_| one.spread(100, 5_000) > 3_200)
        );
        assert_eq!((one.below(0), one.percent(0), one.percent(100)), (0, false, true));
    }
}
