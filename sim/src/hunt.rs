//! Many seeds, on all cores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::{Counts, Detail, Mutation, Violation, run};

/// A seed whose run broke something.
#[derive(Debug, Clone)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// What it broke.
    pub violation: Violation,
}

/// What came of a hunt.
#[derive(Debug, Clone, Default)]
pub struct Hunt {
    /// The smallest seed that broke something, of those that were run.
    pub found: Option<Found>,
    /// Runs.
    pub runs: u64,
    /// How much happened in all of them.
    pub counts: Counts,
}

/// Runs the worlds of `first` and the seeds after it, and stops soon after one broke something.
pub fn hunt(first: u64, seeds: u64, mutation: Option<Mutation>) -> Hunt {
    let next = AtomicU64::new(0);
    let hunt = Mutex::new(Hunt::default());
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let offset = next.fetch_add(1, Ordering::Relaxed)
                    && offset < seeds
                {
                    let seed = first.wrapping_add(offset);
                    let run = run(seed, mutation, Detail::Nothing);
                    let mut hunt = hunt.lock().unwrap_or_else(PoisonError::into_inner);
                    hunt.runs += 1;
                    hunt.counts.add(run.counts);
                    let Some(violation) = run.violation else { continue };
                    next.store(seeds, Ordering::Relaxed);
                    if hunt.found.as_ref().is_none_or(|found| seed < found.seed) {
                        hunt.found = Some(Found { seed, violation });
                    }
                }
            });
        }
    });
    hunt.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Counts {
    const fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.faults += other.faults;
        self.said += other.said;
        self.entries += other.entries;
        self.acks += other.acks;
        self.applied += other.applied;
        self.lags += other.lags;
        self.relays += other.relays;
    }
}
