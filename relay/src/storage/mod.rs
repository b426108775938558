//! What is kept: accounts, channels, logs, tokens. Behind one trait, with one contract.
//!
//! Owns the [`Storage`] trait and its words. It never imports the hub and never decides who may do what.
//!
//! Invariants: the log is the only truth, and membership is its index: `Joined` and `Left` change
//! both in one transaction. A message is kept in its present state: an amendment changes it in the transaction of its own entry, and
//! what was deleted is not kept. Seq is contiguous from 1 in each channel and assigned here. One (sender, nonce) has one entry for good.

use std::fmt;

use async_trait::async_trait;
use mechat_protocol::name::NameKey;
use mechat_protocol::reply::{Durability, Marks};
use mechat_protocol::request::{ChannelKind, HistoryRange, Level, Query, Selection};
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, ChannelName, Entry, Epoch, Nonce, Seq, SessionId, Topic,
    UnixMillis,
};
use sha2::{Digest, Sha256};

mod amendments;
mod memory;
mod query;
pub mod selection;
mod sqlite;
mod writer;

pub use memory::MemoryStorage;
pub use sqlite::SqliteStorage;
#[doc(hidden)]
pub use sqlite::{SqliteOptions, Synchronous};
pub use writer::{Committed, StorageWriter};

/// The storage failed. What was asked is not known to have happened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {why}")]
pub struct StorageError {
    /// What was tried.
    pub what: &'static str,
    /// What the engine said.
    pub why: String,
}

impl StorageError {
    pub(crate) fn new(what: &'static str, why: &impl fmt::Display) -> Self {
        Self { what, why: why.to_string() }
    }
}

/// An account without its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its number.
    pub id: AccountId,
    /// Its name as registered.
    pub name: AccountName,
    /// Whether it is an admin.
    pub admin: bool,
    /// When it was registered.
    pub created: UnixMillis,
}

/// An account to be made.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Its name.
    pub name: AccountName,
    /// The OPAQUE registration record.
    pub credential: Vec<u8>,
    /// When.
    pub at: UnixMillis,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAccount").field("name", &self.name).field("at", &self.at).finish_non_exhaustive()
    }
}

/// Whether a name can be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameState {
    /// Nobody has it, nor one like it.
    Free,
    /// Somebody has it.
    Taken,
    /// Somebody has one that looks like it.
    TooSimilar,
}

/// What a login is checked against.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose.
    pub account: AccountId,
    /// The OPAQUE registration record.
    pub record: Vec<u8>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// Its number.
    pub id: ChannelId,
    /// Its name.
    pub name: ChannelName,
    /// Who may enter.
    pub kind: ChannelKind,
    /// Who made it; `None` for the relay itself.
    pub host: Option<AccountId>,
    /// When.
    pub created: UnixMillis,
    /// The life of its log.
    pub epoch: Epoch,
    /// Its newest entry.
    pub head: Seq,
    /// What it is about.
    pub topic: Topic,
}

/// A membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberRow {
    /// Of what.
    pub channel: ChannelId,
    /// Who.
    pub account: AccountId,
    /// How far they read it, in its log's present life, and of what they want to be told.
    pub marks: Marks,
}

/// All that a relay holds in memory from its start on.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Contents {
    /// All accounts.
    pub accounts: Vec<AccountRow>,
    /// All channels.
    pub channels: Vec<ChannelRow>,
    /// Who is a member of what.
    pub members: Vec<MemberRow>,
}

/// One write of a batch.
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes a channel; with a host, its `Joined` is the first entry.
    CreateChannel {
        /// Its name.
        name: ChannelName,
        /// Who may enter.
        kind: ChannelKind,
        /// Who makes it, and their name.
        host: Option<(AccountId, AccountName)>,
        /// When.
        at: UnixMillis,
    },
    /// Appends an entry.
    Append {
        /// The channel.
        channel: ChannelId,
        /// Who causes it.
        sender: AccountId,
        /// Their name.
        sender_name: AccountName,
        /// Their name for it.
        nonce: Option<Nonce>,
        /// When.
        at: UnixMillis,
        /// What. `Joined` and `Left` change the membership too, an amendment what it names; what is said needs a membership, unless
        /// its nonce is known.
        body: Body,
        /// Whether the sender may delete what others said.
        moderates: bool,
    },
    /// Moves a member's marks, `read` only forward and not beyond the head. What is absent stays.
    Mark {
        /// The channel.
        channel: ChannelId,
        /// Whose.
        account: AccountId,
        /// Read up to here.
        read: Option<Seq>,
        /// Of what they want to be told.
        level: Option<Level>,
    },
    /// Makes an account, unless its folded name is taken or its skeleton is somebody else's.
    CreateAccount(NewAccount),
    /// Keeps the first token of a session.
    InsertToken(NewToken),
    /// Replaces a token by its successor, if it is good.
    RotateToken(TokenChange),
    /// Makes every token of a session worthless.
    RevokeSession(SessionId),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The channel exists. The entry is its host's `Joined`.
    Channel(ChannelRow, Option<Entry>),
    /// A channel of this name exists.
    ChannelExists,
    /// A new entry.
    New(Entry),
    /// The sender used the nonce before: the entry it named first.
    Known(Entry),
    /// A join of a member, or a leave of somebody else.
    Unchanged,
    /// A message of somebody who is not a member.
    NotAMember,
    /// There is no such channel.
    NoSuchChannel,
    /// A new entry that amends something, and the entries of before that read otherwise from now on.
    Amended(Entry, Vec<Entry>),
    /// What an amendment asks for is so already: the message that it names, or the channel's newest entry.
    Same(Entry),
    /// What an amendment asks for cannot be.
    Refused(Refusal),
    /// The marks as they are now.
    Marked(Marks),
    /// The account exists. The first one of a storage is an admin.
    Account(AccountRow),
    /// The account's name is not free.
    NameRefused(NameState),
    /// The token is good from now on.
    TokenInserted,
    /// What became of a rotation.
    Token(Rotation),
    /// The session has no good token, whether it had one before or not.
    Revoked,
}

/// Why there is no amendment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It names no message, or one that was deleted.
    NoSuchMessage,
    /// The message is somebody else's.
    NotTheSenders,
    /// The message has `REACTIONS_MAX` of them.
    TooManyReactions,
    /// The channel has `PINS_MAX` of them.
    TooManyPins,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Messages, newest first, and where the next page begins, if there may be one.
    Page(Vec<Entry>, Option<u64>),
    /// The index is not as far as what is committed: later.
    Behind,
}

/// What is searched for, and where.
#[derive(Debug, Clone)]
pub struct Search {
    /// Words, phrases, senders.
    pub query: Query,
    /// In these channels and no others.
    pub channels: Vec<ChannelId>,
    /// The end of the page before.
    pub after: Option<u64>,
    /// At most so many entries.
    pub limit: usize,
}

/// A part of a log, ascending and contiguous; or some of its messages, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether the range goes on beyond them.
    pub more: bool,
}

/// SHA-256 of a token. The token itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Of a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A token to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewToken {
    /// Its hash.
    pub hash: TokenHash,
    /// Whose.
    pub account: AccountId,
    /// The session that it resumes.
    pub session: SessionId,
    /// Until when.
    pub expires: UnixMillis,
}

/// A token that is to be replaced. A second time with the same pair is told as such as long as `next` is unused;
/// after that `old` revokes its whole session.
#[derive(Debug, Clone, Copy)]
pub struct TokenChange {
    /// What was shown.
    pub old: TokenHash,
    /// What is good from then on.
    pub next: TokenHash,
    /// The moment at which `old` must be good.
    pub now: UnixMillis,
    /// Until when `next` is.
    pub next_expires: UnixMillis,
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The successor is good from now on.
    Rotated {
        /// Whose.
        account: AccountId,
        /// The session.
        session: SessionId,
    },
    /// The token and its successor were both used before: the session is revoked.
    Replayed(SessionId),
    /// The same again: `next` became good at the first time and is not used yet.
    Again {
        /// Whose.
        account: AccountId,
        /// The session.
        session: SessionId,
    },
    /// Unknown, expired or revoked.
    Refused,
}

/// The contract. One suite runs over every implementation.
///
/// Every method is atomic: after an error or a crash either all of it happened or nothing.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// What a successful [`Storage::commit`] promises.
    fn durability(&self) -> Durability;

    /// Everything but logs and credentials.
    async fn load(&self) -> Result<Contents, StorageError>;

    /// Whether a name can be registered. Only [`Write::CreateAccount`] decides for good.
    async fn name_state(&self, name: &NameKey) -> Result<NameState, StorageError>;

    /// What a login as the folded name is checked against.
    async fn credential(&self, folded: &str) -> Result<Option<Credential>, StorageError>;

    /// Writes a batch in its order, all or nothing, durable as promised when it returns. It is the only method that
    /// changes anything. One outcome for each write. Seq is contiguous: what is not a new entry consumes none.
    /// After an error nothing more is committed: what is on disk is known only to a storage that is opened anew.
    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, StorageError>;

    /// Reads a part of a log: at most `limit` entries and about `PAGE_LEN_MAX` bytes, at least one if there is one.
    /// Never waits for a commit in progress.
    async fn read_log(
        &self,
        channel: ChannelId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<LogPart, StorageError>;

    /// Reads the messages of a selection that follow `after`, ascending, cut like a part of the log.
    async fn read_posts(
        &self,
        channel: ChannelId,
        which: Selection,
        after: Seq,
        limit: usize,
    ) -> Result<LogPart, StorageError>;

    /// Finds messages by their present words: everything that was committed before, or [`Found::Behind`]. Every word must be in
    /// it, in any case and without regard to accents; the last also as a beginning. A page may be short of `limit` though there is
    /// a next one: how much is looked through for one is bounded.
    async fn search(&self, search: Search) -> Result<Found, StorageError>;

    /// Flushes and closes. Nothing is asked after it.
    async fn close(&self) -> Result<(), StorageError>;
}
