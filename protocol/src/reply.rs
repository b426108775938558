//! What a relay answers: one struct a reply, each with the `id` of its request.

use serde::{Deserialize, Serialize};

use crate::amendment::Topic;
use crate::code::{ErrorCode, Retry};
use crate::content::Entry;
use crate::id::{ChannelId, Epoch, Position, RequestId, Seq, SessionId, UnixMillis};
use crate::name::{AccountName, ChannelName};
use crate::request::{ChannelKind, Level};
use crate::secret::{OpaqueBytes, Token};

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Synced to disk before the acknowledgement: survives power loss.
    Fsync,
    /// Committed by a storage that syncs later: survives the relay's crash.
    Commit,
    /// Kept as long as the storage runs.
    BestEffort,
    /// A promise of a later version.
    #[serde(other)]
    Unknown,
}

/// The limits a client must respect. Bytes, unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest frame without its prefix, once signed in.
    pub frame_len_max: u32,
    /// Longest frame without its prefix, before sign-in.
    pub frame_len_max_pending: u32,
    /// Longest text.
    pub text_len_max: u32,
    /// Longest data block.
    pub data_len_max: u32,
    /// Characters of a name.
    pub name_chars_max: u32,
    /// Entries of a history page.
    pub page_entries_max: u32,
    /// Requests in flight.
    pub in_flight_max: u32,
    /// Milliseconds of silence after which a connection is closed before sign-in.
    pub pending_timeout_ms: u64,
    /// Milliseconds of silence after which a connection is closed.
    pub idle_timeout_ms: u64,
}

/// Answers `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The request.
    pub id: RequestId,
    /// The version spoken from here on.
    pub version: u16,
    /// The relay's software and version, for people.
    pub agent: String,
    /// What the client must respect.
    pub limits: Limits,
    /// What an `ack` promises.
    pub durability: Durability,
    /// Message of the day, at most `MOTD_LEN_MAX` bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motd: Option<String>,
    /// Whether `list_participants` is answered before sign-in.
    pub participants_before_sign_in: bool,
}

/// Answers `register_start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterChallenge {
    /// The request.
    pub id: RequestId,
    /// OPAQUE `RegistrationResponse` (RFC 9807 §5.1), 64 bytes.
    pub message: OpaqueBytes,
}

/// Answers `register_finish`: the account exists and is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The request.
    pub id: RequestId,
    /// The name as registered.
    pub account: AccountName,
}

/// Answers `login_start`. Looks the same whether the account exists or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginChallenge {
    /// The request.
    pub id: RequestId,
    /// OPAQUE `KE2` (RFC 9807 §6.1), 320 bytes.
    pub message: OpaqueBytes,
}

/// Answers `login_finish` and `resume`. From here on the relay sends the entries of the account's channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The request.
    pub id: RequestId,
    /// The name as registered.
    pub account: AccountName,
    /// The session; a resume keeps it.
    pub session: SessionId,
    /// Resumes the session after a lost connection. Replaces every earlier one.
    pub token: Token,
    /// Until when, unless it is used before.
    pub token_expires_ms: UnixMillis,
    /// Whether the account is an admin of the relay.
    pub admin: bool,
}

/// Answers `logout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedOut {
    /// The request.
    pub id: RequestId,
}

/// Answers `ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The request.
    pub id: RequestId,
}

/// A channel as one account sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// Its number.
    pub channel: ChannelId,
    /// Its name.
    pub name: ChannelName,
    /// Who may enter.
    pub kind: ChannelKind,
    /// Who made it; `relay` for those that the relay made itself.
    pub host: AccountName,
    /// When it was made.
    pub created_ms: UnixMillis,
    /// How many members it has.
    pub members: u32,
    /// The life of its log.
    pub epoch: Epoch,
    /// Its newest entry; 0 if it has none.
    pub head: Seq,
    /// Whether the asking account is a member.
    pub joined: bool,
    /// What it is about; absent for nothing in particular.
    #[serde(default, skip_serializing_if = "Topic::is_empty")]
    pub topic: Topic,
    /// The asking account's own marks; absent if it is no member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<Marks>,
}

/// What an account's devices share about a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Read up to here; 0 for nothing.
    pub read: Seq,
    /// Of what it wants to be told.
    pub level: Level,
}

/// Answers `join` and `create_channel`. The membership is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The request.
    pub id: RequestId,
    /// The channel; its `head` includes the entry of this join.
    pub channel: ChannelInfo,
}

/// Answers `leave`. Nothing of the channel is sent after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The request.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
}

/// Answers `list_channels`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPage {
    /// The request.
    pub id: RequestId,
    /// At most `LIST_ROWS_MAX`, by name.
    pub channels: Vec<ChannelInfo>,
    /// Whether there are more after the last.
    pub more: bool,
}

/// Whether a person is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Signed in on at least one connection.
    Connected,
    /// Not signed in.
    Disconnected,
    /// A state of a later version.
    #[serde(other)]
    Unknown,
}

/// A person and whether they are here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Who.
    pub account: AccountName,
    /// Whether they are here.
    pub presence: Presence,
}

/// Answers `list_participants`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantPage {
    /// The request.
    pub id: RequestId,
    /// At most `LIST_ROWS_MAX`, by name.
    pub participants: Vec<Participant>,
    /// Whether there are more after the last.
    pub more: bool,
}

/// Where a connection or a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Connected, not signed in.
    Pending,
    /// Signed in.
    Connected,
    /// The session exists, its connection is gone.
    Disconnected,
    /// A state of a later version.
    #[serde(other)]
    Unknown,
}

/// One connection that is not signed in, or one session; never both for the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// The row's number, ascending.
    pub row: u64,
    /// Where it stands.
    pub state: ConnectionState,
    /// Whose it is; absent while pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// The session; absent while pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The peer's address, `IP:PORT`, of the latest connection.
    pub address: String,
    /// Since when it is in this state.
    pub since_ms: UnixMillis,
}

/// Answers `list_connections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionPage {
    /// The request.
    pub id: RequestId,
    /// At most `LIST_ROWS_MAX`.
    pub connections: Vec<ConnectionRow>,
    /// Whether there are more after the last.
    pub more: bool,
}

/// Answers `send`: the entry is durable at the level that `welcome` stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The request.
    pub id: RequestId,
    /// Where the entry stands; the first place if the nonce was known.
    pub position: Position,
    /// When the relay took it first.
    pub at_ms: UnixMillis,
}

/// Answers `read_history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// The request.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The channel's newest entry when the page was read.
    pub head: Seq,
    /// Contiguous, ascending.
    pub entries: Vec<Entry>,
    /// Whether the range goes on beyond this page.
    pub more: bool,
}

/// Answers `mark`, once it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// The request.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
    /// As they are now.
    pub marks: Marks,
}

/// Answers what needs no more words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The request.
    pub id: RequestId,
}

/// Answers `search`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The request.
    pub id: RequestId,
    /// Newest first, in their present state.
    pub entries: Vec<Entry>,
    /// For `after` of the next page; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Answers `list_posts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posts {
    /// The request.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
    /// Ascending, in their present state.
    pub entries: Vec<Entry>,
    /// Whether there are more after the last.
    pub more: bool,
}

/// Answers `read_profile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The request.
    pub id: RequestId,
    /// The name as registered.
    pub account: AccountName,
    /// When it was.
    pub registered_ms: UnixMillis,
    /// Whether it is an admin of the relay.
    pub admin: bool,
    /// Whether they are here.
    pub presence: Presence,
}

/// Answers any request that was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// The request; absent where the frame had none that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, for people: the rule, what is valid, a hint. At most `REASON_LEN_MAX` bytes.
    pub message: String,
    /// What may be done about it.
    pub retry: Retry,
    /// Not before so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorReply {
    /// An error with its code's retry class.
    pub fn new(id: Option<RequestId>, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { id, code, message: message.into(), retry: code.retry(), retry_after_ms: None }
    }
}
