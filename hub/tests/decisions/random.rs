//! Anything in any order, from random bytes; `fuzz/fuzz_targets/hub.rs` has the same led by coverage.
//!
//! A failure prints the smallest sequence it was found with.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{self, Step};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn anything_in_any_order_does_no_harm_and_leaves_nothing(steps in vec(any::<Step>(), 0..400)) {
        world::live_through(steps.into_iter().map(world::Event::Step));
    }
}
