//! Deterministic simulation of the whole: the real hub and several real client sessions over a simulated network, storage
//! and clock, checked after each step against a small reference model.
//!
//! Owns worlds made of seeds: one seed, one run, always the same. It never touches real time, real sockets or a real disk, and
//! needs nobody's runtime.
//!
//! Invariant: a run depends on its seed and its mutation alone.

mod agenda;
mod commits;
mod credentials;
mod device;
mod dice;
mod faults;
mod hunt;
mod model;
mod mutation;
mod outbound;
mod people;
mod plan;
mod relay;
mod store;
mod streams;
mod trace;
mod wire;
mod world;

pub use hunt::{Found, Hunt, hunt};
pub use model::Violation;
pub use mutation::Mutation;
pub use trace::Detail;
pub use world::Counts;

use world::World;

/// What came of one run.
#[derive(Debug)]
pub struct Run {
    /// What was broken first, if anything was.
    pub violation: Option<Violation>,
    /// How much happened.
    pub counts: Counts,
    /// Over everything that was noted; 0 differences mean the same run.
    pub hash: u64,
    /// The lines that were kept.
    pub lines: Vec<String>,
}

/// Runs the world of a seed.
pub fn run(seed: u64, mutation: Option<Mutation>, detail: Detail) -> Run {
    let mut world = World::new(seed, mutation, detail);
    world.run();
    Run {
        violation: world.violation,
        counts: world.counts,
        hash: world.trace.hash(),
        lines: world.trace.into_lines(),
    }
}
