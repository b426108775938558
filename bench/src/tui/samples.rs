//! Times, each kept as it was measured: a percentile is one of them.

use std::time::Duration;

/// Measured times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub(crate) fn record(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Adds those of another run.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The least time that `per_mille` of all do not exceed (nearest rank); `None` if there are none.
    pub(crate) fn per_mille(&self, per_mille: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * per_mille).div_ceil(1_000);
        sorted.get(rank.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.per_mille(500), None, "of nothing there is no middle");
        for ms in (1..=500).rev() {
            samples.record(Duration::from_millis(ms));
        }
        let at = |per_mille| samples.per_mille(per_mille).map(|time| time.as_millis());
        assert_eq!((at(500), at(990), at(1_000)), (Some(250), Some(495), Some(500)));
        let mut one = Samples::default();
        one.record(Duration::from_millis(7));
        one.extend(&samples);
        assert_eq!(one.len(), 501);
    }
}
