//! The writing connection: a batch is one transaction.
//!
//! Owns what a batch remembers while it is written, so that a row that many of its writes need is read and written once: the
//! heads of its channels, and who is a member of them. What an amendment changes is in `amend`. Nothing of that outlives the transaction.
//!
//! Invariants: what is remembered is what the transaction sees; heads are in the table before the commit; after a
//! failure the connection writes nothing more, not even the checkpoint of its own end.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use mechat_protocol::request::ChannelKind;
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, ChannelName, Entry, Epoch, Nonce, Post, Seq, Topic, UnixMillis,
};
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OptionalExtension, TransactionBehavior, ffi, params};

use super::accounts::{self, Names};
use super::columns::{kind_text, seq, signed, unsigned, unsigned32};
use super::log::Naming;
use super::{amend, log, marks, tokens};
use crate::storage::{ChannelRow, Write, Written};

/// Ack before commit, on purpose: the outcome of entries goes out while the transaction is open, and the next batch commits it. An
/// account is committed all the same, or nobody could sign in to see what is lost.
#[cfg(feature = "mutations")]
fn end(mut transaction: rusqlite::Transaction<'_>, is_talk: bool) -> rusqlite::Result<()> {
    if is_talk {
        transaction.set_drop_behavior(rusqlite::DropBehavior::Ignore);
        return Ok(());
    }
    transaction.commit()
}

#[cfg(feature = "mutations")]
fn commit_the_one_before(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("COMMIT") }
}

/// The connection that changes things.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    names: Names,
    failed: bool,
}

impl Writer {
    pub(super) fn new(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(64);
        Self { connection, names: Names::default(), failed: false }
    }

    /// Writes a batch, all or nothing. After an error every later call is one too: what reached the disk is known only to
    /// who opens the database anew, and a second fsync may claim success for pages that the first one lost.
    pub(super) fn commit(&mut self, writes: Vec<Write>) -> rusqlite::Result<Vec<Written>> {
        if self.failed {
            return Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_READONLY),
                Some("a commit failed before; the database must be opened anew".into()),
            ));
        }
        let written = self.transact(writes);
        if let Err(error) = &written {
            self.failed = true;
            let quiet = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            if let Err(why) = quiet {
                tracing::error!(%error, %why, "the database may be checkpointed once more after a failed commit");
            }
        }
        written
    }

    fn transact(&mut self, writes: Vec<Write>) -> rusqlite::Result<Vec<Written>> {
        #[cfg(feature = "mutations")]
        commit_the_one_before(&self.connection)?;
        #[cfg(feature = "mutations")]
        let is_talk = writes.iter().all(|write| matches!(write, Write::Append { .. } | Write::Mark { .. }));
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::begin(&transaction, &mut self.names)?;
        let written = writes.into_iter().map(|write| batch.apply(write)).collect::<rusqlite::Result<_>>()?;
        batch.finish()?;
        #[cfg(not(feature = "mutations"))]
        transaction.commit()?;
        #[cfg(feature = "mutations")]
        end(transaction, is_talk)?;
        Ok(written)
    }

    /// Writes down statistics for the next start.
    pub(super) fn optimize(&mut self) -> rusqlite::Result<()> {
        if self.failed { Ok(()) } else { self.connection.execute_batch("PRAGMA optimize;") }
    }
}

/// A transaction under way.
struct Batch<'a> {
    connection: &'a Connection,
    names: &'a mut Names,
    insert: CachedStatement<'a>,
    /// Channels that were looked up; `None` for one that does not exist.
    places: HashMap<ChannelId, Option<Place>>,
    members: HashMap<(ChannelId, AccountId), bool>,
    /// The latest time at which a token was shown.
    tokens_at: Option<UnixMillis>,
    /// A body on its way into the database.
    body: Vec<u8>,
}

/// Where a channel's log ends.
#[derive(Clone, Copy)]
struct Place {
    epoch: Epoch,
    head: Seq,
    /// Whether `head` is not yet in the table.
    moved: bool,
}

/// An entry before it has its place.
struct Draft {
    channel: ChannelId,
    sender: AccountId,
    sender_name: AccountName,
    nonce: Option<Nonce>,
    at: UnixMillis,
    body: Body,
    moderates: bool,
}

impl Draft {
    fn at_place(self, place: Place) -> Entry {
        let Self { channel, sender: _, sender_name: sender, nonce, at: at_ms, body, moderates: _ } = self;
        Entry { channel, epoch: place.epoch, seq: place.head.next(), at_ms, sender, nonce, body }
    }
}

/// A nonce that its sender used before makes no row. Any other conflict is an error.
const INSERT: &str = "INSERT INTO log (channel, seq, epoch, at_ms, sender, nonce, body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (nonce, sender) WHERE nonce IS NOT NULL DO NOTHING";

impl<'a> Batch<'a> {
    fn begin(connection: &'a Connection, names: &'a mut Names) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            names,
            insert: connection.prepare_cached(INSERT)?,
            places: HashMap::new(),
            members: HashMap::new(),
            tokens_at: None,
            body: Vec::new(),
        })
    }

    fn apply(&mut self, write: Write) -> rusqlite::Result<Written> {
        match write {
            Write::Append { channel, sender, sender_name, nonce, at, body, moderates } => {
                self.append(Draft { channel, sender, sender_name, nonce, at, body, moderates })
            }
            Write::Mark { channel, account, read, level } => {
                let Some(place) = self.place(channel)? else { return Ok(Written::NoSuchChannel) };
                let read = read.map(|seq| seq.min(place.head));
                marks::advance(self.connection, (channel, place.epoch), account, read, level)
            }
            Write::CreateChannel { name, kind, host, at } => self.create_channel(name, kind, host, at),
            Write::CreateAccount(account) => accounts::create(self.connection, account),
            Write::InsertToken(token) => {
                tokens::insert(self.connection, &token).map(|()| Written::TokenInserted)
            }
            Write::RotateToken(change) => {
                self.tokens_at = self.tokens_at.max(Some(change.now));
                tokens::rotate(self.connection, &change).map(Written::Token)
            }
            Write::RevokeSession(session) => {
                tokens::revoke(self.connection, session).map(|()| Written::Revoked)
            }
        }
    }

    /// Brings the tables up to what was remembered.
    fn finish(self) -> rusqlite::Result<()> {
        for (channel, place) in &self.places {
            if let Some(Place { head, moved: true, .. }) = place {
                self.connection
                    .prepare_cached("UPDATE channels SET head = ?2 WHERE id = ?1")?
                    .execute([signed(channel.0), signed(head.0)])?;
            }
        }
        self.tokens_at.map_or(Ok(()), |now| tokens::forget_expired(self.connection, now))
    }

    fn create_channel(
        &mut self,
        name: ChannelName,
        kind: ChannelKind,
        host: Option<(AccountId, AccountName)>,
        created: UnixMillis,
    ) -> rusqlite::Result<Written> {
        let host_id = host.as_ref().map(|(id, _)| *id);
        let made: Option<u64> = self.connection
            .prepare_cached(
                "INSERT INTO channels (name, folded, kind, host, created_ms, epoch, head) VALUES (?1, ?2, ?3, ?4, ?5, 1, 0)
                 ON CONFLICT (folded) DO NOTHING RETURNING id",
            )?
            .query_row(
                params![name.as_str(), name.key().folded, kind_text(kind), host_id.map(|id| signed(id.0)), created.0],
                |row| unsigned(row, 0),
            )
            .optional()?;
        let Some(id) = made.map(ChannelId) else { return Ok(Written::ChannelExists) };
        // A write before it in the batch may have named a channel of this number, in vain.
        self.places.remove(&id);
        let mut row = ChannelRow {
            id,
            name,
            kind,
            host: host_id,
            created,
            epoch: Epoch(1),
            head: Seq::ZERO,
            topic: Topic::default(),
        };
        let Some((sender, sender_name)) = host else { return Ok(Written::Channel(row, None)) };
        let body = Body::Joined;
        let first =
            Draft { channel: id, sender, sender_name, nonce: None, at: created, body, moderates: false };
        match self.append(first)? {
            Written::New(entry) => {
                row.head = entry.seq;
                Ok(Written::Channel(row, Some(entry)))
            }
            other => Ok(other),
        }
    }

    fn append(&mut self, draft: Draft) -> rusqlite::Result<Written> {
        let place = self.place(draft.channel)?;
        let refused = self.refusal(&draft, place.is_some())?;
        let (Some(place), None) = (place, &refused) else {
            let refused = refused.unwrap_or(Written::NoSuchChannel);
            return Ok(self.known(&draft)?.map_or(refused, Written::Known));
        };
        if matches!(draft.body, Body::Amended { .. }) {
            return self.amend(place, draft);
        }
        let sender = draft.sender;
        let entry = draft.at_place(place);
        if !self.insert(&entry, sender)? {
            let known = entry.nonce.map(|nonce| log::by_nonce(self.connection, self.names, sender, nonce));
            let known = known.transpose()?.flatten();
            return known.map(Written::Known).ok_or(rusqlite::Error::QueryReturnedNoRows);
        }
        self.places.insert(entry.channel, Some(Place { head: entry.seq, moved: true, ..place }));
        match &entry.body {
            Body::Joined | Body::Left => self.change_membership(&entry, sender)?,
            Body::Message(Post { in_reply_to: Some(named), .. }) => {
                amend::note_naming(self.connection, &entry, *named, Naming::Reply)?;
            }
            _ => {}
        }
        Ok(Written::New(entry))
    }

    /// An amendment is decided before it has a row, so its nonce is looked up first.
    fn amend(&mut self, place: Place, draft: Draft) -> rusqlite::Result<Written> {
        if let Some(known) = self.known(&draft)? {
            return Ok(Written::Known(known));
        }
        let (sender, moderates) = (draft.sender, draft.moderates);
        let entry = draft.at_place(place);
        let changed = match amend::apply(self.connection, self.names, &entry, moderates)? {
            Ok(changed) => changed,
            Err(written) => return Ok(*written),
        };
        if !self.insert(&entry, sender)? {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        }
        self.places.insert(entry.channel, Some(Place { head: entry.seq, moved: true, ..place }));
        Ok(Written::Amended(entry, changed))
    }

    /// Why there will be no entry.
    fn refusal(&mut self, draft: &Draft, exists: bool) -> rusqlite::Result<Option<Written>> {
        if !exists {
            return Ok(Some(Written::NoSuchChannel));
        }
        let is_member = self.is_member(draft.channel, draft.sender)?;
        Ok(match draft.body {
            Body::Joined => is_member.then_some(Written::Unchanged),
            Body::Left => (!is_member).then_some(Written::Unchanged),
            _ => (!is_member).then_some(Written::NotAMember),
        })
    }

    /// Whether there is a new row. If not, the sender used the nonce before.
    fn insert(&mut self, entry: &Entry, sender: AccountId) -> rusqlite::Result<bool> {
        self.body.clear();
        rmp_serde::encode::write_named(&mut self.body, &entry.body)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let nonce = entry.nonce.as_ref().map(|nonce| &nonce.0.as_bytes()[..]);
        let Entry { channel, seq, epoch, at_ms, .. } = entry;
        let (channel, seq, sender) = (signed(channel.0), signed(seq.0), signed(sender.0));
        self.insert
            .execute(params![channel, seq, epoch.0, at_ms.0, sender, nonce, self.body])
            .map(|rows| rows == 1)
    }

    fn known(&mut self, draft: &Draft) -> rusqlite::Result<Option<Entry>> {
        let Some(nonce) = draft.nonce else { return Ok(None) };
        log::by_nonce(self.connection, self.names, draft.sender, nonce)
    }

    fn place(&mut self, channel: ChannelId) -> rusqlite::Result<Option<Place>> {
        if let Some(place) = self.places.get(&channel) {
            return Ok(*place);
        }
        let place = self
            .connection
            .prepare_cached("SELECT head, epoch FROM channels WHERE id = ?1")?
            .query_row([signed(channel.0)], |row| {
                Ok(Place { head: seq(row, 0)?, epoch: Epoch(unsigned32(row, 1)?), moved: false })
            })
            .optional()?;
        self.places.insert(channel, place);
        Ok(place)
    }

    fn is_member(&mut self, channel: ChannelId, account: AccountId) -> rusqlite::Result<bool> {
        match self.members.entry((channel, account)) {
            Slot::Occupied(known) => Ok(*known.get()),
            Slot::Vacant(slot) => {
                let found = self
                    .connection
                    .prepare_cached("SELECT 1 FROM members WHERE channel = ?1 AND account = ?2")?
                    .exists([signed(channel.0), signed(account.0)])?;
                Ok(*slot.insert(found))
            }
        }
    }

    /// Membership is the log's index: it changes with its entry.
    fn change_membership(&mut self, entry: &Entry, account: AccountId) -> rusqlite::Result<()> {
        let is_member = entry.body == Body::Joined;
        if is_member {
            marks::joined(self.connection, entry, account)?;
        } else {
            self.connection
                .prepare_cached("DELETE FROM members WHERE channel = ?1 AND account = ?2")?
                .execute([signed(entry.channel.0), signed(account.0)])?;
        }
        self.members.insert((entry.channel, account), is_member);
        Ok(())
    }
}
