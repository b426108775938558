//! The plain mode: what goes in, what comes out.

mod living;
mod order;
mod player;
#[path = "../stage/mod.rs"]
mod stage;
