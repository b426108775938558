//! How long to wait before the next attempt: full jitter between bounds that grow.
//!
//! Full jitter (Brooker, "Exponential Backoff And Jitter", 2015) spreads a herd best: each delay is drawn from zero to a cap.

use std::time::Duration;

/// Cap of the first delay.
const CAP_FIRST_MS: u64 = 500;
/// Cap of all later ones.
const CAP_LAST_MS: u64 = 30_000;

/// The delay after `failures` failed attempts (from 1), drawn with `random`.
/// The cap grows by half each time: a relay that comes up seconds later is found within seconds.
pub fn delay(failures: u32, random: u64) -> Duration {
    let mut cap = CAP_FIRST_MS;
    for _ in 1..failures {
        cap = (cap + cap / 2).min(CAP_LAST_MS);
        if cap == CAP_LAST_MS {
            break;
        }
    }
    Duration::from_millis(random % (cap + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_grow_from_half_a_second_to_thirty() {
        let longest = |failures| (0..40_000).map(|random| delay(failures, random)).max();
        assert_eq!(longest(1), Some(Duration::from_millis(500)));
        assert_eq!(longest(2), Some(Duration::from_millis(750)));
        assert_eq!(longest(100), Some(Duration::from_secs(30)));
        assert_eq!(delay(5, 0), Duration::ZERO);
    }
}
