//! What the hub is told.

use mechat_protocol::codec::Refusal;
use mechat_protocol::page::EncodedEntries;
use mechat_protocol::reply::Marks;
use mechat_protocol::request::ChannelKind;
use mechat_protocol::secret::{OpaqueBytes, Token};
use mechat_protocol::{
    AccountName, ChannelId, ChannelName, Entry, Epoch, Message, RequestId, Seq, SessionId, Topic, UnixMillis,
};

use crate::{AccountId, ConnId, Ticket};

/// The time of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since some fixed moment; never goes back. Deadlines use it.
    pub mono_ms: u64,
    /// What a clock on the wall shows; may jump. Entries carry it.
    pub wall: UnixMillis,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A TLS connection stands.
    Opened {
        /// Its number, never used before.
        conn: ConnId,
        /// The peer, `IP:PORT`.
        address: String,
    },
    /// It sent a message that a client may send.
    Message {
        /// Which.
        conn: ConnId,
        /// What.
        message: Message,
    },
    /// It sent a frame that was refused while it was decoded.
    Refused {
        /// Which.
        conn: ConnId,
        /// Why.
        refusal: Refusal,
    },
    /// The transport is gone. Also follows an [`Effect::Close`](crate::Effect::Close).
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// The credentials answered an [`Effect::Credential`](crate::Effect::Credential).
    Credential {
        /// Who asked.
        conn: ConnId,
        /// The request that it answers.
        id: RequestId,
        /// The answer.
        answer: CredentialAnswer,
    },
    /// The storage answered an [`Effect::Store`](crate::Effect::Store).
    Stored {
        /// From the effect.
        ticket: Ticket,
        /// The answer.
        answer: Result<StoreAnswer, Failure>,
    },
    /// Time passed; due at [`Hub::next_deadline`](crate::Hub::next_deadline).
    Tick,
    /// The relay stops: tell everyone to go. Nothing new is accepted after it.
    ShutDown {
        /// Randomness for the delays that clients are asked to wait.
        seed: u64,
    },
    /// Nothing is unanswered any more, or the relay will not wait longer: close everyone.
    Drained,
}

/// The storage or the credentials failed; what was asked did not happen as far as anyone can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure;

/// What the credentials say.
#[derive(Debug)]
pub enum CredentialAnswer {
    /// To `register_start`.
    RegisterChallenge(OpaqueBytes),
    /// To `register_finish`: the account is stored.
    Registered(AccountRecord),
    /// To `register_*`: somebody has the name.
    NameTaken,
    /// To `register_*`: the name looks too much like another.
    NameTooSimilar,
    /// To `login_start`, whether the account exists or not.
    LoginChallenge(OpaqueBytes),
    /// To `login_finish` and `resume`.
    Authenticated(Authenticated),
    /// To `login_*`: wrong name or password, or a message that is none.
    InvalidCredentials,
    /// To `resume`: unknown, expired or revoked.
    InvalidToken,
    /// To `resume`: the token was used before and its successor too, so the session is revoked.
    Replayed(SessionId),
    /// To `logout`: the session's token is revoked.
    Revoked(SessionId),
    /// The message is not what OPAQUE expects here.
    Malformed,
    /// The storage failed.
    Failed,
}

/// A checked sign-in: only the credentials make one.
#[derive(Debug)]
pub struct Authenticated {
    /// Who.
    pub account: AccountId,
    /// The session, kept by a resume.
    pub session: SessionId,
    /// The token for the next resume.
    pub token: Token,
    /// Until when it is good.
    pub token_expires: UnixMillis,
    /// The same token was resumed with before, and the session's latest token is not used yet: a lost reply, or a thief.
    pub again: bool,
}

/// An account as the storage has it, without its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its number.
    pub id: AccountId,
    /// Its name as registered.
    pub name: AccountName,
    /// Whether it is an admin.
    pub admin: bool,
    /// When it was registered.
    pub created: UnixMillis,
}

/// A channel as the storage has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRecord {
    /// Its number.
    pub id: ChannelId,
    /// Its name.
    pub name: ChannelName,
    /// Who may enter.
    pub kind: ChannelKind,
    /// Who made it; `None` for the relay itself.
    pub host: Option<AccountId>,
    /// When it was made.
    pub created: UnixMillis,
    /// The life of its log.
    pub epoch: Epoch,
    /// Its newest entry; 0 if it has none.
    pub head: Seq,
    /// What it is about.
    pub topic: Topic,
}

/// A membership as the storage has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberRecord {
    /// Of what.
    pub channel: ChannelId,
    /// Who.
    pub account: AccountId,
    /// How far they read it, and of what they want to be told.
    pub marks: Marks,
}

/// What the storage held when the relay started.
#[derive(Debug, Default, Clone)]
pub struct Snapshot {
    /// All accounts.
    pub accounts: Vec<AccountRecord>,
    /// All channels.
    pub channels: Vec<ChannelRecord>,
    /// Who is a member of what.
    pub members: Vec<MemberRecord>,
}

/// What the storage says to a [`StoreOp`](crate::StoreOp).
#[derive(Debug)]
pub enum StoreAnswer {
    /// The channel exists, with its maker as its first member.
    ChannelCreated(ChannelRecord, Entry),
    /// A channel of this name exists.
    ChannelExists,
    /// What became of an append.
    Appended(AppendOutcome),
    /// The marks as they are now.
    Marked(Marks),
    /// A part of a log.
    HistoryRead(HistoryRead),
    /// Some of a channel's messages.
    PostsRead(PostsRead),
    /// What was searched for.
    Found(Found),
}

/// What became of an append. Appends of one channel are answered in seq order.
#[derive(Debug)]
pub enum AppendOutcome {
    /// A new entry, committed.
    New(Entry),
    /// The sender's nonce is known: the entry it named first.
    Known(Entry),
    /// A join of a member or a leave of somebody else: no entry.
    Unchanged,
    /// A message of somebody who is not a member any more: no entry.
    NotAMember,
    /// A new entry that amends something.
    Amended(Amended),
    /// What an amendment asks for is so already: no entry. The message that it names, or the channel's newest entry.
    Same(Entry),
    /// What an amendment asks for cannot be: no entry.
    Refused(AmendRefusal),
}

/// An amendment, committed, and what it changed.
#[derive(Debug)]
pub struct Amended {
    /// Its entry.
    pub entry: Entry,
    /// Entries of before that read otherwise from now on.
    pub changed: Vec<Entry>,
}

/// Why there is no amendment. Only the storage knows what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmendRefusal {
    /// It names no message, or one that was deleted.
    NoSuchMessage,
    /// The message is somebody else's.
    NotTheSenders,
    /// The message has `REACTIONS_MAX` of them.
    TooManyReactions,
    /// The channel has `PINS_MAX` of them.
    TooManyPins,
}

/// A part of a log, ascending, contiguous.
#[derive(Debug)]
pub struct HistoryRead {
    /// The entries.
    pub entries: EncodedEntries,
    /// Whether the range goes on beyond them.
    pub more: bool,
}

/// Some of a channel's messages, ascending.
#[derive(Debug)]
pub struct PostsRead {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether there are more after the last.
    pub more: bool,
}

/// What a search came to.
#[derive(Debug)]
pub enum Found {
    /// A page, newest first, and where the next one begins.
    Page(Vec<Entry>, Option<u64>),
    /// The index is not as far as what is acknowledged.
    Behind,
}
