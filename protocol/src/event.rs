//! What a relay says unasked; [`Entry`](crate::Entry) is one more such event. Events have no `id`.

use serde::{Deserialize, Serialize};

use crate::code::{CloseCode, Retry};
use crate::id::{ChannelId, Seq};
use crate::name::AccountName;
use crate::reply::{Marks, Participant};

/// People came or went. Only the latest state of each is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceChanged {
    /// At most `PRESENCE_CHANGES_MAX`.
    pub changes: Vec<Participant>,
}

/// The account's marks in a channel changed on another of its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarksChanged {
    /// The channel.
    pub channel: ChannelId,
    /// As they are now.
    pub marks: Marks,
}

/// Who is writing something in a channel. Replaces what was said before; holds for `TYPING_MS`. Not every change is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// The channel.
    pub channel: ChannelId,
    /// Who, the latest first; at most `TYPISTS_MAX`.
    pub accounts: Vec<AccountName>,
}

/// Entries of the channel were dropped from this connection's queue: read from the last one seen up to `head`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lagged {
    /// The channel.
    pub channel: ChannelId,
    /// Its newest entry.
    pub head: Seq,
}

/// The relay will stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoAway {
    /// Reconnect after so many milliseconds, chosen at random for each client.
    pub delay_ms: u64,
}

/// The last message of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// Why, for programs.
    pub code: CloseCode,
    /// Why, for people. At most `REASON_LEN_MAX` bytes.
    pub reason: String,
    /// What may be done about it.
    pub retry: Retry,
}

impl Close {
    /// A close with its code's retry class.
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), retry: code.retry() }
    }
}
