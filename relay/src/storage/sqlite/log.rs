//! Entries as they are read: pages, and one by its nonce.

use mechat_protocol::request::HistoryRange;
use mechat_protocol::{AccountId, ChannelId, Entry, Epoch, Nonce, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::accounts::Names;
use super::columns::{blob, seq, signed, unsigned, unsigned32};
use crate::storage::{LogPart, selection};

/// The connection that pages are read by.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    names: Names,
}

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, names: Names::default() }
    }

    pub(super) fn read(
        &mut self,
        channel: ChannelId,
        range: HistoryRange,
        limit: usize,
    ) -> rusqlite::Result<LogPart> {
        let (query, seq) = match range {
            HistoryRange::Latest => (BEFORE, i64::MAX),
            HistoryRange::Before { seq } => (BEFORE, signed(seq.0)),
            HistoryRange::After { seq } => (AFTER, signed(seq.0)),
        };
        let (connection, names) = (&self.connection, &mut self.names);
        let mut statement = connection.prepare_cached(query)?;
        // One more than asked for tells whether there is more.
        let limit_and_one = signed(limit as u64 + 1);
        let mut rows = statement.query(params![signed(channel.0), seq, limit_and_one])?;
        let mut failed = None;
        let entries = std::iter::from_fn(|| match rows.next() {
            Ok(row) => entry(row?, connection, names).map_err(|error| failed = Some(error)).ok(),
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        let part = match range {
            HistoryRange::After { .. } => selection::oldest(entries, limit),
            HistoryRange::Latest | HistoryRange::Before { .. } => selection::newest(entries, limit),
        };
        failed.map_or(Ok(part), Err)
    }
}

const BEFORE: &str = "SELECT channel, seq, epoch, at_ms, sender, nonce, body FROM log \
    WHERE channel = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
const AFTER: &str = "SELECT channel, seq, epoch, at_ms, sender, nonce, body FROM log \
    WHERE channel = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
const BY_NONCE: &str = "SELECT channel, seq, epoch, at_ms, sender, nonce, body FROM log \
    WHERE sender = ?1 AND nonce = ?2";

fn entry(row: &Row<'_>, connection: &Connection, names: &mut Names) -> rusqlite::Result<Entry> {
    let nonce: Option<[u8; 16]> = row.get(5)?;
    Ok(Entry {
        channel: ChannelId(unsigned(row, 0)?),
        seq: seq(row, 1)?,
        epoch: Epoch(unsigned32(row, 2)?),
        at_ms: UnixMillis(row.get(3)?),
        sender: names.of(connection, AccountId(unsigned(row, 4)?))?,
        nonce: nonce.map(|bytes| Nonce(Uuid::from_bytes(bytes))),
        body: blob(row, 6)?,
    })
}

pub(super) fn by_nonce(
    connection: &Connection,
    names: &mut Names,
    sender: AccountId,
    nonce: Nonce,
) -> rusqlite::Result<Option<Entry>> {
    connection
        .prepare_cached(BY_NONCE)?
        .query_row(params![signed(sender.0), nonce.0.as_bytes()], |row| entry(row, connection, names))
        .optional()
}
