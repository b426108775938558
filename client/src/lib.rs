//! The headless client: what the terminal, bots, tests and benchmarks share.
//!
//! Owns the session's state machine (pure: events and time in, outputs out) and the thin [`driver`] that
//! gives it a socket and a clock. It never touches a terminal, and nothing else in the project opens a connection to a relay.
//!
//! Invariants: entries of a channel are handed on in seq order, each once; a password never leaves the process;
//! nothing a relay sends can make it panic.

pub mod backoff;
pub mod cache;
pub mod command;
pub mod driver;
pub mod event;
mod file_name;
mod journal;
mod keeper;
mod link;
pub mod outbox;
pub mod session;
mod timeline;
pub mod unread;

pub use cache::{Cache, CacheEvent};
pub use command::{Command, KnownLog};
pub use driver::{Client, Config};
pub use event::{Event, Link, OutboxFile, OutboxState, RequestKind, SignedIn, SignedOut};
pub use outbox::Utterance;
pub use unread::Unread;
