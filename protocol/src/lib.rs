//! The words of MeChat: what a relay and a client say to each other.
//!
//! Owns the one tagged [`Message`] enum, the identifiers, names, positions, limits, codes, and the
//! codec that turns them into frames. It never touches sockets, clocks, randomness or a runtime.
//!
//! Invariants: bytes become a [`Message`] only through [`codec`], which checks length, structure and
//! direction before serde sees them; every name in a message is valid; every limit stands in [`limits`].

pub mod address;
pub mod amendment;
pub mod code;
pub mod codec;
pub mod content;
pub mod event;
pub mod fingerprint;
pub mod id;
pub mod invite;
pub mod limits;
pub mod message;
pub mod name;
pub mod page;
pub mod reply;
pub mod request;
pub mod scan;
pub mod secret;

pub use address::RelayAddress;
pub use amendment::{Amendment, Emoji, Post, Reaction, Topic};
pub use code::{CloseCode, ErrorCode, Retry, RuleBroken};
pub use content::{Body, Content, Entry};
pub use fingerprint::Fingerprint;
pub use id::{AccountId, ChannelId, Epoch, Nonce, Position, RequestId, Seq, SessionId, UnixMillis};
pub use invite::Invite;
pub use message::Message;
pub use name::{AccountName, ChannelName};
