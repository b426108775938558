//! Any sequence of inputs to a hub: connections, frames, answers, refusals, time.
//!
//! What must hold stands in the hub's own tests, of which this is the same world: no panic, no effect for who is not there,
//! entries in order and each once, bounded waiting, and nothing is left when all have gone. A byte of 255 begins a frame that
//! the protocol's decoder reads, so that whatever a client can say is heard; other bytes are steps, three at a time.
#![no_main]

#[path = "../../hub/tests/decisions/requests.rs"]
#[expect(dead_code, reason = "the hub's tables of decisions use the rest")]
mod requests;
#[path = "../../hub/tests/decisions/shown.rs"]
mod shown;
#[path = "../../hub/tests/decisions/stage.rs"]
#[expect(dead_code, reason = "the hub's tables of decisions use the rest")]
mod stage;
#[path = "../../hub/tests/decisions/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;
use mechat_protocol::codec::decode;
use mechat_protocol::message::Sender;
use world::Event;

fuzz_target!(|bytes: &[u8]| world::live_through(Events(bytes)));

/// The rest of the input.
struct Events<'a>(&'a [u8]);

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let [what, who, arg, rest @ ..] = self.0 else { return None };
        if *what < u8::MAX {
            self.0 = rest;
            return Some(Event::Step((*what, *who, *arg)));
        }
        let (value, rest) = rest.split_at(usize::from(*arg).min(rest.len()));
        self.0 = rest;
        Some(Event::Heard(*who, decode(value, Sender::Client)))
    }
}
