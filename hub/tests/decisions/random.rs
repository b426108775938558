//! Anything in any order, from random bytes; `fuzz/fuzz_targets/hub.rs` has the same led by coverage.
//!
//! A failure prints the smallest sequence it was found with.

use mechat_protocol::codec::decode;
use mechat_protocol::message::Sender;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{Event, live_through};

/// Mostly a step; now and then a frame of any bytes.
fn event() -> impl Strategy<Value = Event> {
    let heard = |(who, bytes): (u8, Vec<u8>)| Event::Heard(who, decode(&bytes, Sender::Client));
    prop_oneof![
        9 => any::<(u8, u8, u8)>().prop_map(Event::Step),
        1 => (any::<u8>(), vec(any::<u8>(), 0..40)).prop_map(heard),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn anything_in_any_order_does_no_harm_and_leaves_nothing(events in vec(event(), 0..400)) {
        live_through(events);
    }
}
