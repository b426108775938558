//! What a client asks: one struct a request.
//!
//! Every request has an `id` that its reply echoes. Names and contents are validated while they are decoded.

use serde::{Deserialize, Deserializer, Serialize};

use crate::amendment::Amendment;
use crate::code::{ErrorCode, RuleBroken};
use crate::content::Content;
use crate::id::{ChannelId, Nonce, RequestId, Seq};
use crate::limits::QUERY_LEN_MAX;
use crate::name::{AccountName, ChannelName};
use crate::secret::{OpaqueBytes, Token};

/// Opens the conversation. Must be the first message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Echoed by `welcome`.
    pub id: RequestId,
    /// Lowest protocol version the client speaks.
    pub version_min: u16,
    /// Highest protocol version the client speaks; `version_min <= version_max`.
    pub version_max: u16,
    /// The client's software and version, for people; at most `AGENT_LEN_MAX` bytes.
    pub agent: String,
}

/// First step of registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterStart {
    /// Echoed by `register_challenge`.
    pub id: RequestId,
    /// The name to register.
    pub account: AccountName,
    /// OPAQUE `RegistrationRequest` (RFC 9807 §5.1), 32 bytes.
    pub message: OpaqueBytes,
}

/// Second step of registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterFinish {
    /// Echoed by `registered`.
    pub id: RequestId,
    /// OPAQUE `RegistrationRecord` (RFC 9807 §5.1), 192 bytes.
    pub message: OpaqueBytes,
}

/// What a login is bound to besides the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The TLS connection: the OPAQUE context is 32 bytes of its exporter (RFC 8446 §7.5), label `EXPORTER-mechat-login`.
    TlsExporter,
    /// Nothing: the OPAQUE context is empty. For clients without access to an exporter.
    None,
}

/// First step of a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginStart {
    /// Echoed by `login_challenge`.
    pub id: RequestId,
    /// Who.
    pub account: AccountName,
    /// OPAQUE `KE1` (RFC 9807 §6.1), 96 bytes.
    pub message: OpaqueBytes,
    /// What the login is bound to.
    pub binding: Binding,
}

/// Second step of a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginFinish {
    /// Echoed by `signed_in`.
    pub id: RequestId,
    /// OPAQUE `KE3` (RFC 9807 §6.1), 64 bytes.
    pub message: OpaqueBytes,
}

/// Sign-in with the token of an earlier sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Echoed by `signed_in`.
    pub id: RequestId,
    /// The latest token received.
    pub token: Token,
}

/// Ends the session and revokes its token; the connection may sign in again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logout {
    /// Echoed by `logged_out`.
    pub id: RequestId,
}

/// Asks for a sign of life; also keeps a connection from being closed as silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Echoed by `pong`.
    pub id: RequestId,
}

/// Who may enter a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Anyone, by name.
    Public,
    /// Those who were invited.
    Private,
    /// Two people.
    Direct,
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

/// Makes a channel; the maker is its host and first member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateChannel {
    /// Echoed by `joined`.
    pub id: RequestId,
    /// Its name.
    pub name: ChannelName,
    /// Who may enter.
    pub kind: ChannelKind,
}

/// Becomes a member. Joining twice is not an error and adds no entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Echoed by `joined`.
    pub id: RequestId,
    /// The channel's name.
    pub name: ChannelName,
}

/// Ends a membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// Echoed by `left`.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
}

/// Asks for a page of channels, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListChannels {
    /// Echoed by `channels`.
    pub id: RequestId,
    /// The last name of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ChannelName>,
}

/// Asks for a page of participants, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListParticipants {
    /// Echoed by `participants`.
    pub id: RequestId,
    /// The channel whose members are meant; absent for everyone on the relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    /// The last name of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AccountName>,
}

/// Asks for a page of connections and sessions. For admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListConnections {
    /// Echoed by `connections`.
    pub id: RequestId,
    /// The last `row` of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// Says something in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// Echoed by `ack`.
    pub id: RequestId,
    /// Where.
    pub channel: ChannelId,
    /// The message's name for good: resend with the same one until it is acknowledged.
    pub nonce: Nonce,
    /// What.
    pub content: Content,
    /// The entry it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<Seq>,
}

/// Changes something that was said, or the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amend {
    /// Echoed by `ack`.
    pub id: RequestId,
    /// Where.
    pub channel: ChannelId,
    /// The amendment's name for good, as of a message: resend with the same one until it is acknowledged.
    pub nonce: Nonce,
    /// What, and how.
    pub amendment: Amendment,
}

/// Which news of a channel a person wants to be told of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every message.
    #[default]
    All,
    /// Those that name them.
    Mentions,
    /// None: the channel is muted.
    None,
    /// A level of a later version.
    #[serde(other)]
    Unknown,
}

/// Says how far one has read, or of what one wants to be told. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Echoed by `marked`.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
    /// Read up to here. Less than what was said before changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Seq>,
    /// Of what one wants to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// Says that one is writing something; again after `TYPING_INTERVAL_MS` as long as one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTyping {
    /// Echoed by `done`.
    pub id: RequestId,
    /// Where.
    pub channel: ChannelId,
}

/// Searches what was said, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Echoed by `found`.
    pub id: RequestId,
    /// For what.
    pub query: Query,
    /// Where; absent for every channel of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many; the relay caps it at `PAGE_ENTRIES_MAX` and at `PAGE_LEN_MAX` bytes.
    pub limit: u16,
}

/// What is searched for: 1 to `QUERY_LEN_MAX` bytes. Words, `"phrases"` and `from:NAME`, all of which must fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Query(String);

impl Query {
    /// Checks the length.
    pub fn new(text: String) -> Result<Self, RuleBroken> {
        match text.trim().len() {
            0 => Err(RuleBroken::new(ErrorCode::Malformed, "what is searched for is empty: give a word")),
            _ if text.len() > QUERY_LEN_MAX => Err(RuleBroken::new(
                ErrorCode::TooLarge,
                format!("what is searched for has at most {QUERY_LEN_MAX} bytes; this has {}", text.len()),
            )),
            _ => Ok(Self(text)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Which messages of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Selection {
    /// Those that are pinned.
    Pinned,
    /// Those that answer one entry.
    Replies {
        /// The entry.
        seq: Seq,
    },
}

/// Asks for a page of some of a channel's messages, always returned in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPosts {
    /// Echoed by `posts`.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
    /// Which.
    pub which: Selection,
    /// The last seq of the page before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
}

/// Asks who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadProfile {
    /// Echoed by `profile`.
    pub id: RequestId,
    /// Who.
    pub account: AccountName,
}

/// Asks for a page of a channel's log, always returned in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadHistory {
    /// Echoed by `history`.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
    /// Which part of it.
    pub range: HistoryRange,
    /// At most so many entries; the relay caps it at `PAGE_ENTRIES_MAX` and at `PAGE_LEN_MAX` bytes.
    pub limit: u16,
}

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HistoryRange {
    /// The newest entries.
    Latest,
    /// The newest entries with a smaller seq.
    Before {
        /// Exclusive.
        seq: Seq,
    },
    /// The oldest entries with a larger seq.
    After {
        /// Exclusive.
        seq: Seq,
    },
}
