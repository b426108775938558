//! The relay's hands: listener, TLS, connections, fan-out, storage, credentials.
//!
//! [`Relay::start`] runs a relay inside any tokio program; `mechat-relay` is a command line round it, and
//! `mechat-tui host` a client beside it. Decisions are the hub's; this crate performs them.
//!
//! Invariants: `storage` never imports the hub; [`driver`] alone translates between them; a certificate that
//! is reloaded drops nobody.

pub mod admission;
pub mod config;
pub mod connection;
pub mod credentials;
mod descriptors;
pub mod driver;
pub mod fanout;
mod listener;
mod pacing;
mod relay;
mod sign_ins;
pub mod storage;
mod translate;
pub mod transport;

pub use config::Config;
pub use relay::{Relay, ReloadHandle, open_storage};
