//! What stands in the cache: channels, one contiguous part of each one's log, marks.
//!
//! Nothing is remembered beside the database, so that two clients of one account may share a file: each change is judged by what it finds.

use mechat_protocol::reply::{ChannelInfo, Marks};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{AccountName, Amendment, Body, ChannelId, Entry, Epoch, Seq};
use rusqlite::types::Type;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::jobs::Change;
use super::schema::CacheError;
use super::{CachedChannel, PAGE_ENTRIES, Snapshot};
use crate::unread::{News, UNREAD_MAX, Unread, Weight, weight};

/// Statements that are kept prepared: all that there are.
const STATEMENTS: usize = 24;

type Result<T, E = CacheError> = std::result::Result<T, E>;

impl CacheError {
    /// Whether the file is not what it was, rather than not to be written for now.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                )
            }
            Self::Foreign(_) => true,
            Self::Io { .. } => false,
        }
    }
}

/// An open cache.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    me: AccountName,
}

/// A channel's row without its info.
#[derive(Debug, Clone, Copy)]
struct Part {
    epoch: Epoch,
    /// The first and the last entry that are there.
    range: Option<(Seq, Seq)>,
    whole: bool,
    read: Seq,
}

impl Part {
    const COLUMNS: &str = "epoch, first, last, whole, read";

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let range = row.get::<_, Option<i64>>(1)?.zip(row.get::<_, Option<i64>>(2)?);
        Ok(Self {
            epoch: Epoch(row.get(0)?),
            range: range.map(|(first, last)| (Seq(first.cast_unsigned()), Seq(last.cast_unsigned()))),
            whole: row.get(3)?,
            read: Seq(row.get::<_, i64>(4)?.cast_unsigned()),
        })
    }
}

impl Store {
    pub(super) fn new(connection: Connection, me: AccountName) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self { connection, me }
    }

    /// Everything that is needed to show something.
    pub(super) fn snapshot(&mut self) -> Result<Snapshot> {
        // One look, whatever another client writes meanwhile.
        let transaction = self.connection.transaction()?;
        let shown = transaction
            .query_row("SELECT channel FROM shown", [], |row| row.get(0).map(channel_of))
            .optional()?;
        let mut statement =
            transaction.prepare(&format!("SELECT {}, info FROM channel ORDER BY id", Part::COLUMNS))?;
        let rows = statement.query_map([], |row| Ok((Part::of(row)?, decoded::<ChannelInfo>(row, 5)?)))?;
        let rows: Vec<(Part, ChannelInfo)> = rows.collect::<rusqlite::Result<_>>()?;
        drop(statement);
        let mut channels = Vec::with_capacity(rows.len());
        for (part, mut info) in rows {
            if let Some(marks) = &mut info.marks {
                marks.read = marks.read.max(part.read);
            }
            info.head = info.head.max(part.range.map_or(Seq::ZERO, |(_, last)| last));
            let newest = match part.range {
                Some((_, last)) if shown == Some(info.channel) => {
                    before(&transaction, info.channel, last.next())?
                }
                _ => Vec::new(),
            };
            let first = part.range.map(|(first, _)| first);
            channels.push(CachedChannel {
                at_start: part.whole && newest.first().map(|entry| entry.seq) == first,
                stands: part.range.map(|(_, last)| (part.epoch, last)),
                unread: unread(&transaction, info.channel, part)?,
                newest,
                info,
            });
        }
        Ok(Snapshot { channels, shown })
    }

    /// Writes changes in order, all or none.
    pub(super) fn apply(&mut self, changes: Vec<Change>) -> Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut erases = false;
        for change in changes {
            erases |= apply(&transaction, &self.me, change)?;
        }
        transaction.commit()?;
        if erases {
            // Words that were deleted stand in the log of writes until it is moved into the file.
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// A page, and whether there is more in its direction.
    pub(super) fn page(&mut self, channel: ChannelId, range: HistoryRange) -> Result<(Vec<Entry>, bool)> {
        let transaction = self.connection.transaction()?;
        let Some(Part { range: Some((first, last)), whole, .. }) = part_of(&transaction, channel)? else {
            return Ok((Vec::new(), true));
        };
        let reaches = |seq: Seq| first <= seq && seq <= last;
        let entries = match range {
            HistoryRange::Latest => before(&transaction, channel, last.next())?,
            HistoryRange::Before { seq } if reaches(Seq(seq.0.saturating_sub(1))) => {
                before(&transaction, channel, seq)?
            }
            HistoryRange::After { seq } if reaches(seq.next()) => after(&transaction, channel, seq)?,
            HistoryRange::Before { .. } | HistoryRange::After { .. } => Vec::new(),
        };
        let more = match range {
            HistoryRange::After { .. } => entries.last().is_none_or(|entry| entry.seq < last),
            _ => !(whole && entries.first().is_some_and(|entry| entry.seq == first)),
        };
        Ok((entries, more))
    }
}

/// Whether something is gone that was there.
fn apply(transaction: &Transaction<'_>, me: &AccountName, change: Change) -> Result<bool> {
    match change {
        Change::Channels(infos) => {
            let mut erases = false;
            for id in channels(transaction)? {
                if !infos.iter().any(|info| info.channel == id) {
                    erases |= leave(transaction, id)?;
                }
            }
            infos.iter().try_for_each(|info| keep_info(transaction, info))?;
            Ok(erases)
        }
        Change::Joined(info) => keep_info(transaction, &info).map(|()| false),
        Change::Left(channel) => leave(transaction, channel),
        Change::Appended(channel, entries) => append(transaction, me, channel, &entries),
        Change::Older(channel, entries, whole) => {
            prepend(transaction, me, channel, &entries, whole).map(|()| false)
        }
        Change::Begun(channel) => begin(transaction, channel, None).map(|()| true),
        Change::Marked(channel, marks) => marked(transaction, channel, marks).map(|()| false),
        Change::Read(channel, read) => read_up_to(transaction, channel, read).map(|()| false),
        Change::Shown(channel) => {
            let id = number(channel.0)?;
            transaction.execute("INSERT OR REPLACE INTO shown (one, channel) VALUES (1, ?)", [id])?;
            Ok(false)
        }
    }
}

fn channels(transaction: &Transaction<'_>) -> Result<Vec<ChannelId>> {
    let mut statement = transaction.prepare_cached("SELECT id FROM channel")?;
    let ids = statement.query_map([], |row| row.get(0).map(channel_of))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

fn part_of(transaction: &Transaction<'_>, channel: ChannelId) -> Result<Option<Part>> {
    let mut statement =
        transaction.prepare_cached(&format!("SELECT {} FROM channel WHERE id = ?", Part::COLUMNS))?;
    Ok(statement.query_row([number(channel.0)?], Part::of).optional()?)
}

fn info_of(transaction: &Transaction<'_>, channel: ChannelId) -> Result<Option<ChannelInfo>> {
    let mut statement = transaction.prepare_cached("SELECT info FROM channel WHERE id = ?")?;
    Ok(statement.query_row([number(channel.0)?], |row| decoded(row, 0)).optional()?)
}

/// Takes what the relay says of a channel; how far was read only goes on within one life of the log.
fn keep_info(transaction: &Transaction<'_>, info: &ChannelInfo) -> Result<()> {
    let read = info.marks.map_or(Seq::ZERO, |marks| marks.read);
    let sql = "INSERT INTO channel (id, info, epoch, read) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET info = ?2,
        read = CASE WHEN epoch = ?3 THEN max(read, ?4) ELSE ?4 END";
    let mut statement = transaction.prepare_cached(sql)?;
    statement.execute(params![number(info.channel.0)?, encoded(info)?, info.epoch.0, number(read.0)?])?;
    let Some(part) = part_of(transaction, info.channel)? else { return Ok(()) };
    if part.epoch != info.epoch {
        begin(transaction, info.channel, Some(info.epoch))?;
        read_up_to(transaction, info.channel, read)?;
    }
    Ok(())
}

fn leave(transaction: &Transaction<'_>, channel: ChannelId) -> Result<bool> {
    Ok(transaction.execute("DELETE FROM channel WHERE id = ?", [number(channel.0)?])? > 0)
}

/// Forgets a channel's entries, and with another life of its log how far it was read.
fn begin(transaction: &Transaction<'_>, channel: ChannelId, epoch: Option<Epoch>) -> Result<()> {
    let id = number(channel.0)?;
    transaction.prepare_cached("DELETE FROM entry WHERE channel = ?")?.execute([id])?;
    transaction.execute("UPDATE channel SET first = NULL, last = NULL, whole = 0 WHERE id = ?", [id])?;
    if let Some(epoch) = epoch {
        transaction.execute("UPDATE channel SET epoch = ?2, read = 0 WHERE id = ?1", params![id, epoch.0])?;
    }
    Ok(())
}

/// Takes entries at the end. Those behind a hole, or of another life of the log, begin anew.
fn append(
    transaction: &Transaction<'_>,
    me: &AccountName,
    channel: ChannelId,
    entries: &[Entry],
) -> Result<bool> {
    let Some(next) = entries.first() else { return Ok(false) };
    // A channel that is not known of is told of before its next entries; these are read again then.
    let Some(part) = part_of(transaction, channel)? else { return Ok(false) };
    let follows = part.range.is_some_and(|(_, last)| next.seq <= last.next()) && part.epoch == next.epoch;
    let mut erases = false;
    if !follows {
        erases = part.range.is_some();
        begin(transaction, channel, Some(next.epoch).filter(|epoch| *epoch != part.epoch))?;
    }
    let known = part.range.filter(|_| follows).map(|(_, last)| last);
    let mut new = entries.iter().filter(|entry| known.is_none_or(|last| entry.seq > last)).peekable();
    let Some(last) = entries.last().filter(|_| new.peek().is_some()) else { return Ok(erases) };
    for entry in new {
        insert(transaction, me, entry)?;
        erases |= amend(transaction, me, entry)?;
    }
    let first = part.range.filter(|_| follows).map_or(next.seq, |(first, _)| first);
    transaction
        .prepare_cached("UPDATE channel SET first = ?2, last = ?3, whole = whole OR ?4 WHERE id = ?1")?
        .execute(params![number(channel.0)?, number(first.0)?, number(last.seq.0)?, first <= Seq(1)])?;
    Ok(erases)
}

/// Takes entries that end right before the first.
fn prepend(
    transaction: &Transaction<'_>,
    me: &AccountName,
    channel: ChannelId,
    entries: &[Entry],
    whole: bool,
) -> Result<()> {
    let Some(Part { epoch, range: Some((first, _)), .. }) = part_of(transaction, channel)? else {
        return Ok(());
    };
    let id = number(channel.0)?;
    let older: Vec<&Entry> =
        entries.iter().filter(|entry| entry.seq < first && entry.epoch == epoch).collect();
    match (older.first(), older.last()) {
        (Some(new_first), Some(last)) if last.seq.next() == first => {
            older.iter().try_for_each(|entry| insert(transaction, me, entry))?;
            let sql = "UPDATE channel SET first = ?2, whole = whole OR ?3 WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![id, number(new_first.seq.0)?, whole])?;
        }
        (None, None) if whole && entries.is_empty() => {
            transaction.execute("UPDATE channel SET whole = 1 WHERE id = ?", [id])?;
        }
        _ => {}
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, me: &AccountName, entry: &Entry) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO entry (channel, seq, weight, body) VALUES (?, ?, ?, ?)";
    let row =
        params![number(entry.channel.0)?, number(entry.seq.0)?, weight(entry, me) as u8, encoded(entry)?];
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Brings what an entry names up to date; whether words are gone.
fn amend(transaction: &Transaction<'_>, me: &AccountName, by: &Entry) -> Result<bool> {
    let Body::Amended { amendment } = &by.body else { return Ok(false) };
    if let Amendment::SetTopic { topic } = amendment
        && let Some(mut info) = info_of(transaction, by.channel)?
    {
        info.topic = topic.clone();
        let sql = "UPDATE channel SET info = ?2 WHERE id = ?1";
        transaction.execute(sql, params![number(by.channel.0)?, encoded(&info)?])?;
    }
    let Some(seq) = amendment.target() else { return Ok(false) };
    let sql = "SELECT body FROM entry WHERE channel = ? AND seq = ?";
    let key = (number(by.channel.0)?, number(seq.0)?);
    let target =
        transaction.prepare_cached(sql)?.query_row(key, |row| decoded::<Entry>(row, 0)).optional()?;
    if let Some(mut target) = target
        && target.amend(by)
    {
        insert(transaction, me, &target)?;
        return Ok(matches!(amendment, Amendment::Delete { .. } | Amendment::Edit { .. }));
    }
    Ok(false)
}

fn marked(transaction: &Transaction<'_>, channel: ChannelId, marks: Marks) -> Result<()> {
    if let Some(mut info) = info_of(transaction, channel)? {
        info.marks = Some(marks);
        let sql = "UPDATE channel SET info = ?2 WHERE id = ?1";
        transaction.execute(sql, params![number(channel.0)?, encoded(&info)?])?;
        read_up_to(transaction, channel, marks.read)?;
    }
    Ok(())
}

fn read_up_to(transaction: &Transaction<'_>, channel: ChannelId, read: Seq) -> Result<()> {
    let mut statement =
        transaction.prepare_cached("UPDATE channel SET read = max(read, ?2) WHERE id = ?1")?;
    statement.execute([number(channel.0)?, number(read.0)?])?;
    Ok(())
}

/// What is unread, the newest of it: it is complete from there on.
fn unread(transaction: &Transaction<'_>, channel: ChannelId, part: Part) -> Result<Unread> {
    let Some((first, _)) = part.range else { return Ok(Unread::new(part.read, part.read.next())) };
    let sql = "SELECT seq, weight FROM entry WHERE channel = ? AND seq > ? AND weight > 0 ORDER BY seq DESC LIMIT ?";
    let limit = i64::try_from(UNREAD_MAX + 1).unwrap_or(i64::MAX);
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map([number(channel.0)?, number(part.read.0)?, limit], |row| {
        let (seq, weight) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, u8>(1)?);
        Ok(News { seq: Seq(seq), mention: weight == Weight::Mention as u8 })
    })?;
    let mut news = rows.collect::<rusqlite::Result<Vec<News>>>()?;
    let dropped = if news.len() > UNREAD_MAX { news.pop() } else { None };
    let from = dropped.map_or(first, |dropped| dropped.seq.next());
    Ok(Unread::of(part.read, from, news.into_iter().rev()))
}

fn before(transaction: &Transaction<'_>, channel: ChannelId, seq: Seq) -> Result<Vec<Entry>> {
    let sql = "SELECT body FROM entry WHERE channel = ? AND seq < ? ORDER BY seq DESC LIMIT ?";
    let mut entries = select(transaction, sql, channel, seq)?;
    entries.reverse();
    Ok(entries)
}

fn after(transaction: &Transaction<'_>, channel: ChannelId, seq: Seq) -> Result<Vec<Entry>> {
    let sql = "SELECT body FROM entry WHERE channel = ? AND seq > ? ORDER BY seq LIMIT ?";
    select(transaction, sql, channel, seq)
}

fn select(transaction: &Transaction<'_>, sql: &str, channel: ChannelId, seq: Seq) -> Result<Vec<Entry>> {
    let mut statement = transaction.prepare_cached(sql)?;
    let limit = i64::try_from(PAGE_ENTRIES).unwrap_or(i64::MAX);
    let rows = statement.query_map([number(channel.0)?, number(seq.0)?, limit], |row| decoded(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Numbers of the protocol are unsigned, those of the database are not.
fn number(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| CacheError::Foreign(format!("the number {number}")))
}

const fn channel_of(id: i64) -> ChannelId {
    ChannelId(id.cast_unsigned())
}

fn encoded<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(|error| CacheError::Foreign(error.to_string()))
}

fn decoded<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let bytes = row.get_ref(column)?.as_blob()?;
    rmp_serde::from_slice(bytes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}
