//! Identifiers: one newtype for each thing that is numbered, so that they cannot be mixed up.
//!
//! It never makes one: storage numbers channels and entries, clients choose request ids and nonces.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Chosen by the client for each request, echoed by its reply. Unique among those in flight.
    RequestId(u32)
);
number!(
    /// An account, numbered by the storage; never reused. Not on the wire: there an account is its name.
    AccountId(u64)
);
number!(
    /// A channel, numbered by the storage; never reused.
    ChannelId(u64)
);
number!(
    /// One life of a channel's log. A restored or rolled-back storage mints a new one.
    Epoch(u32)
);
number!(
    /// The place of an entry in its channel's log: contiguous from 1. 0 is before the first.
    Seq(u64)
);
number!(
    /// Milliseconds since 1970-01-01T00:00:00Z, by the relay's clock.
    UnixMillis(i64)
);

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The one after; the last stays the last.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Names one message of one sender for good: a resend carries the same nonce and gets the same seq.
/// `UUIDv7` (RFC 9562), chosen by the client, 16 bytes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(pub Uuid);

/// One sign-in of one account on one device, from login until logout or expiry, across any number of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

/// An entry's place: channel, epoch, seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The channel.
    pub channel: ChannelId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The place in it.
    pub seq: Seq,
}
