//! The words of what was said, in a database of their own beside the log.
//!
//! Owns the full-text index: it follows the log entry by entry, and says which messages have which words. It holds nothing that the
//! log does not: when it is missing, damaged, of another version or of another log, it is made anew.
//!
//! Invariants: of a channel everything up to its place is entered, in the state of then or later; a message is found at most once; words
//! that were deleted are overwritten.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use mechat_protocol::limits::PAGE_LEN_MAX;
use mechat_protocol::{Amendment, Body, ChannelId, Content, Entry, Epoch, Seq, UnixMillis};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::accounts::Names;
use super::columns::{blob, seq, signed, unsigned, unsigned32};
use super::{create_private, log};
use crate::storage::query::{NUMBERS_PER_MS, Terms, first_number};
use crate::storage::selection::encoded_len_max;
use crate::storage::{Found, Search};

/// Of the tables below. An index of another version is made anew.
const VERSION: i64 = 1;
/// Messages that are looked at for one page, found by their words and perhaps said in another channel.
const LOOKED_AT_MAX: usize = 10_000;

/// `posts.id` grows with the time of a message, and is the `rowid` of its words: newest first is their order.
const TABLES: &str = "
    CREATE TABLE places (
        channel     INTEGER PRIMARY KEY,
        epoch       INTEGER NOT NULL,
        seq         INTEGER NOT NULL,
        at_ms       INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE posts (
        id          INTEGER PRIMARY KEY,
        channel     INTEGER NOT NULL,
        seq         INTEGER NOT NULL,
        sender      INTEGER NOT NULL,
        UNIQUE (channel, seq)
    ) STRICT;
    CREATE INDEX posts_by_sender ON posts (sender, id);
    CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = \"unicode61 remove_diacritics 2\", prefix = '2 3');
    INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
";

/// The index and the log that it follows.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    log: Connection,
    names: Names,
    /// None until it is needed, and after it was found damaged.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// How far each channel is entered.
    places: HashMap<ChannelId, Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    epoch: Epoch,
    seq: Seq,
}

impl Index {
    /// At `path`, of the log that the connection reads. Nothing is opened yet.
    pub(super) fn new(path: PathBuf, log: Connection) -> Self {
        Self { path, log, names: Names::default(), open: None }
    }

    /// Enters up to `max` entries of the log; whether that was all.
    pub(super) fn follow(&mut self, max: usize) -> rusqlite::Result<bool> {
        let followed = self.opened().and_then(|(open, log, _)| open.follow(log, max));
        self.mended(followed)
    }

    pub(super) fn find(&mut self, search: &Search) -> rusqlite::Result<Found> {
        let found = self.opened().and_then(|(open, log, names)| open.find(log, names, search));
        self.mended(found)
    }

    fn opened(&mut self) -> rusqlite::Result<(&mut Open, &Connection, &mut Names)> {
        let open = match self.open.take() {
            Some(open) => open,
            None => open_or_make(&self.path, &self.log)?,
        };
        Ok((self.open.insert(open), &self.log, &mut self.names))
    }

    /// A damaged index is made anew when it is next needed.
    fn mended<T>(&mut self, result: rusqlite::Result<T>) -> rusqlite::Result<T> {
        if let Err(error) = &result
            && is_damage(error)
        {
            tracing::warn!(%error, path = %self.path.display(), "the search index is damaged and made anew");
            self.open = None;
            remove(&self.path);
        }
        result
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn open_or_make(path: &Path, log: &Connection) -> rusqlite::Result<Open> {
    match open(path, log) {
        Ok(Some(open)) => return Ok(open),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the search index cannot be used: it is made anew");
        }
    }
    remove(path);
    let made = open(path, log)?;
    made.ok_or_else(|| {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), None)
    })
}

/// `None` for one that does not belong to this version or to this log.
fn open(path: &Path, log: &Connection) -> rusqlite::Result<Option<Open>> {
    let cannot = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    create_private(path).map_err(cannot)?;
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(32);
    // Synced only when the write-ahead log is moved into it: what a power loss takes is entered again.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;",
    )?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
    } else if version != VERSION {
        return Ok(None);
    }
    let mut places = HashMap::new();
    let mut statement = connection.prepare("SELECT channel, epoch, seq, at_ms FROM places")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (channel, epoch, seq) = (unsigned(row, 0)?, Epoch(unsigned32(row, 1)?), seq(row, 2)?);
        let at_ms: i64 = row.get(3)?;
        let known: Option<bool> = log
            .prepare_cached("SELECT epoch = ?3 AND at_ms = ?4 FROM log WHERE channel = ?1 AND seq = ?2")?
            .query_row(params![signed(channel), signed(seq.0), epoch.0, at_ms], |row| row.get(0))
            .optional()?;
        if known != Some(true) {
            return Ok(None);
        }
        places.insert(ChannelId(channel), Place { epoch, seq });
    }
    drop(rows);
    drop(statement);
    Ok(Some(Open { connection, places }))
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        // What is not there need not go; what cannot go is told by the next that opens it.
        let _ = std::fs::remove_file(file);
    }
}

/// An entry as the index needs it.
struct Row {
    seq: Seq,
    at_ms: i64,
    sender: i64,
    body: Body,
}

const HEADS: &str = "SELECT id, epoch, head FROM channels WHERE head > 0";
const ENTRIES: &str =
    "SELECT seq, at_ms, sender, body FROM log WHERE channel = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
const ONE: &str = "SELECT seq, at_ms, sender, body FROM log WHERE channel = ?1 AND seq = ?2";

impl Open {
    fn follow(&mut self, log: &Connection, max: usize) -> rusqlite::Result<bool> {
        let mut room = max;
        let mut heads = log.prepare_cached(HEADS)?;
        let mut rows = heads.query([])?;
        while let Some(row) = rows.next()? {
            let (channel, head) = (ChannelId(unsigned(row, 0)?), seq(row, 2)?);
            let epoch = Epoch(unsigned32(row, 1)?);
            while let Some(from) = self.behind(channel, epoch, head) {
                if room == 0 {
                    return Ok(false);
                }
                room -= self.enter(log, channel, from, room)?;
            }
        }
        Ok(true)
    }

    /// From where on a channel is to be entered, if it is.
    fn behind(&self, channel: ChannelId, epoch: Epoch, head: Seq) -> Option<Place> {
        match self.places.get(&channel) {
            Some(place) if place.epoch == epoch => (place.seq < head).then_some(*place),
            _ => Some(Place { epoch, seq: Seq::ZERO }),
        }
    }

    /// Enters some entries of a channel in one transaction; how many.
    fn enter(
        &mut self,
        log: &Connection,
        channel: ChannelId,
        from: Place,
        room: usize,
    ) -> rusqlite::Result<usize> {
        let rows: Vec<Row> = log
            .prepare_cached(ENTRIES)?
            .query_map([signed(channel.0), signed(from.seq.0), signed(room as u64)], read)?
            .collect::<rusqlite::Result<_>>()?;
        let Some(last) = rows.last() else { return Err(rusqlite::Error::QueryReturnedNoRows) };
        let (last, at_ms) = (last.seq, last.at_ms);
        let transaction = self.connection.transaction()?;
        if from.seq == Seq::ZERO {
            forget_channel(&transaction, channel)?;
        }
        for row in &rows {
            match &row.body {
                Body::Message(_) => set(&transaction, channel, row, None)?,
                Body::Amended { amendment: Amendment::Edit { seq, .. } | Amendment::Delete { seq } } => {
                    let present = log
                        .prepare_cached(ONE)?
                        .query_row([signed(channel.0), signed(seq.0)], read)
                        .optional()?;
                    let number = forget(&transaction, channel, *seq)?;
                    present.map_or(Ok(()), |row| set(&transaction, channel, &row, number))?;
                }
                _ => {}
            }
        }
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO places (channel, epoch, seq, at_ms) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![signed(channel.0), from.epoch.0, signed(last.0), at_ms])?;
        transaction.commit()?;
        self.places.insert(channel, Place { epoch: from.epoch, seq: last });
        Ok(rows.len())
    }

    fn find(&self, log: &Connection, names: &mut Names, search: &Search) -> rusqlite::Result<Found> {
        let terms = Terms::of(&search.query);
        let sender = Sender::of(log, &terms)?;
        let before = search.after.map_or(i64::MAX, signed);
        let (query, words) = match (terms.expression(), sender) {
            (_, Sender::Nobody) | (None, Sender::Anybody) => return Ok(Found::Page(Vec::new(), None)),
            (Some(words), _) => (
                "SELECT p.id, p.channel, p.seq, p.sender FROM words w CROSS JOIN posts p ON p.id = w.rowid \
                 WHERE w.words MATCH ?1 AND w.rowid < ?2 ORDER BY w.rowid DESC",
                rusqlite::types::Value::from(words),
            ),
            (None, Sender::Account(sender)) => (
                "SELECT id, channel, seq, sender FROM posts WHERE sender = ?1 AND id < ?2 ORDER BY id DESC",
                rusqlite::types::Value::from(sender),
            ),
        };
        let channels: HashSet<ChannelId> = search.channels.iter().copied().collect();
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(params![words, before])?;
        let (mut entries, mut len, mut last) = (Vec::<Entry>::new(), 0, None);
        let mut looked_at = 0;
        while let Some(row) = rows.next()? {
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX {
                return Ok(Found::Page(entries, last));
            }
            let (id, channel, said_by) =
                (unsigned(row, 0)?, ChannelId(unsigned(row, 1)?), row.get::<_, i64>(3)?);
            if channels.contains(&channel)
                && sender.may_be(said_by)
                && let Some(entry) = log::by_seq(log, names, channel, seq(row, 2)?)?
                && matches!(entry.body, Body::Message(_))
            {
                len += encoded_len_max(&entry);
                if entries.len() == search.limit || (len > PAGE_LEN_MAX && !entries.is_empty()) {
                    return Ok(Found::Page(entries, last));
                }
                entries.push(entry);
            }
            last = Some(id);
        }
        Ok(Found::Page(entries, None))
    }
}

/// Who must have said it.
#[derive(Clone, Copy)]
enum Sender {
    Anybody,
    Account(i64),
    /// There is no such account, or two were named.
    Nobody,
}

impl Sender {
    fn of(log: &Connection, terms: &Terms) -> rusqlite::Result<Self> {
        let Some((first, others)) = terms.from.split_first() else { return Ok(Self::Anybody) };
        if others.iter().any(|other| other != first) {
            return Ok(Self::Nobody);
        }
        let found = log
            .prepare_cached("SELECT id FROM accounts WHERE folded = ?1")?
            .query_row([first], |row| row.get(0))
            .optional()?;
        Ok(found.map_or(Self::Nobody, Self::Account))
    }

    const fn may_be(self, account: i64) -> bool {
        match self {
            Self::Anybody => true,
            Self::Account(wanted) => wanted == account,
            Self::Nobody => false,
        }
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { seq: seq(row, 0)?, at_ms: row.get(1)?, sender: row.get(2)?, body: blob(row, 3)? })
}

/// Enters the words of a message, if it has some; under the number that it had.
fn set(connection: &Connection, channel: ChannelId, row: &Row, number: Option<i64>) -> rusqlite::Result<()> {
    let Body::Message(post) = &row.body else { return Ok(()) };
    let Content::Text { text } = &post.content else { return Ok(()) };
    let id = number.map_or_else(|| free_number(connection, row.at_ms), Ok)?;
    connection
        .prepare_cached("INSERT INTO posts (id, channel, seq, sender) VALUES (?1, ?2, ?3, ?4)")?
        .execute([id, signed(channel.0), signed(row.seq.0), row.sender])?;
    connection
        .prepare_cached("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?
        .execute(params![id, text.as_str()])
        .map(drop)
}

/// A number of its own for a message of that time.
fn free_number(connection: &Connection, at_ms: i64) -> rusqlite::Result<i64> {
    let mut first = signed(first_number(UnixMillis(at_ms)));
    // Ever more at a time: where a clock stood still, very many have the same time.
    let mut room = signed(NUMBERS_PER_MS);
    loop {
        let end = first.saturating_add(room);
        let last: Option<i64> = connection
            .prepare_cached("SELECT max(id) FROM posts WHERE id >= ?1 AND id < ?2")?
            .query_row([first, end], |row| row.get(0))?;
        match last {
            None => return Ok(first),
            Some(last) if last + 1 < end => return Ok(last + 1),
            Some(_) => (first, room) = (end, room.saturating_mul(16)),
        }
    }
}

/// Takes a message out; the number that it had.
fn forget(connection: &Connection, channel: ChannelId, seq: Seq) -> rusqlite::Result<Option<i64>> {
    let id: Option<i64> = connection
        .prepare_cached("DELETE FROM posts WHERE channel = ?1 AND seq = ?2 RETURNING id")?
        .query_row([signed(channel.0), signed(seq.0)], |row| row.get(0))
        .optional()?;
    if let Some(id) = id {
        connection.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([id])?;
    }
    Ok(id)
}

/// A log that begins anew has none of what was entered before.
fn forget_channel(connection: &Connection, channel: ChannelId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM words WHERE rowid IN (SELECT id FROM posts WHERE channel = ?1)")?
        .execute([signed(channel.0)])?;
    connection.prepare_cached("DELETE FROM posts WHERE channel = ?1")?.execute([signed(channel.0)]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_moment_have_numbers_of_their_own_in_their_order() {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(TABLES).expect("makes");
        let mut last = 0;
        for seq in 1..=20_000 {
            let number = free_number(&connection, 1_767_225_600_000).expect("reads");
            assert!(number > last, "{number} follows {last}");
            last = number;
            connection
                .prepare_cached("INSERT INTO posts (id, channel, seq, sender) VALUES (?1, 1, ?2, 1)")
                .and_then(|mut insert| insert.execute([number, seq]))
                .expect("a number of its own");
        }
        let later = free_number(&connection, 1_767_225_600_001).expect("reads");
        assert!(later > last, "what was borrowed is not given twice");
        assert!(last < 1 << 53);
        assert_eq!(free_number(&connection, i64::MIN).expect("reads"), 1);
    }
}
