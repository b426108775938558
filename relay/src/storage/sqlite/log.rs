//! Entries as they are read: pages, one by its place, and one by its nonce.

use mechat_protocol::request::{HistoryRange, Selection};
use mechat_protocol::{AccountId, Body, ChannelId, Entry, Epoch, Nonce, Seq, UnixMillis};
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

    pub(super) fn read_posts(
        &mut self,
        channel: ChannelId,
        which: Selection,
        after: Seq,
        limit: usize,
    ) -> rusqlite::Result<LogPart> {
        let (connection, names) = (&self.connection, &mut self.names);
        let (id, after, limit_and_one) = (signed(channel.0), signed(after.0), signed(limit as u64 + 1));
        let found: Vec<Seq> = match which {
            Selection::Pinned => connection
                .prepare_cached(PINNED)?
                .query_map([id, after, limit_and_one], |row| seq(row, 0))?
                .collect::<rusqlite::Result<_>>()?,
            Selection::Replies { seq: named } => connection
                .prepare_cached(REPLIES)?
                .query_map([id, after, limit_and_one, signed(named.0)], |row| seq(row, 0))?
                .collect::<rusqlite::Result<_>>()?,
        };
        let mut entries = Vec::new();
        for seq in found {
            // One that was deleted between the two readings is not missed.
            entries.extend(by_seq(connection, names, channel, seq)?);
        }
        entries.retain(|entry| matches!(entry.body, Body::Message(_)));
        Ok(selection::oldest(entries.into_iter(), limit))
    }
}

/// What an entry is to the one that it names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Naming {
    /// A message that answers it.
    Reply,
    /// An edit of it.
    Edit,
}

impl Naming {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Reply => 0,
            Self::Edit => 1,
        }
    }
}

const BEFORE: &str = "SELECT channel, seq, epoch, at_ms, sender, nonce, body FROM log \
    WHERE channel = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
const AFTER: &str = "SELECT channel, seq, epoch, at_ms, sender, nonce, body FROM log \
    WHERE channel = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
const PINNED: &str = "SELECT seq FROM pins WHERE channel = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
const REPLIES: &str = "SELECT seq FROM namings \
    WHERE channel = ?1 AND named = ?4 AND kind = 0 AND seq > ?2 ORDER BY seq LIMIT ?3";
const BY_SEQ: &str = "SELECT channel, seq, epoch, at_ms, sender, nonce, body FROM log \
    WHERE channel = ?1 AND seq = ?2";
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

pub(super) fn by_seq(
    connection: &Connection,
    names: &mut Names,
    channel: ChannelId,
    seq: Seq,
) -> rusqlite::Result<Option<Entry>> {
    connection
        .prepare_cached(BY_SEQ)?
        .query_row([signed(channel.0), signed(seq.0)], |row| entry(row, connection, names))
        .optional()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::accounts::LOADING;
    use crate::storage::sqlite::{SqliteOptions, schema};

    /// What SQLite will do for a query, step by step.
    fn plan(connection: &Connection, query: &str) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).expect("prepares");
        let nothing = rusqlite::params_from_iter(vec![rusqlite::types::Null; statement.parameter_count()]);
        let steps = statement.query_map(nothing, |row| row.get::<_, String>(3)).expect("explains");
        steps.map(|step| step.expect("text")).collect::<Vec<_>>().join("; ")
    }

    fn prepared() -> (tempfile::TempDir, Connection) {
        let directory = tempfile::tempdir().expect("directory");
        let mut connection = Connection::open(directory.path().join("a.db")).expect("opens");
        schema::prepare(&mut connection, &SqliteOptions::default()).expect("prepares");
        (directory, connection)
    }

    /// A page of a log of ten million entries costs as much as one of a hundred.
    #[test]
    fn an_entry_is_found_by_an_index_and_comes_in_order() {
        let (_directory, connection) = prepared();
        for query in [BEFORE, AFTER] {
            let plan = plan(&connection, query);
            assert!(plan.starts_with("SEARCH log USING PRIMARY KEY (channel=? AND seq"), "{plan}");
            assert!(!plan.contains("SCAN") && !plan.contains("B-TREE"), "{plan}");
        }
        for (query, index) in [(PINNED, "pins"), (REPLIES, "namings"), (BY_SEQ, "log")] {
            let plan = plan(&connection, query);
            assert!(plan.contains(&format!("SEARCH {index} USING PRIMARY KEY")), "{plan}");
            assert!(!plan.contains("SCAN") && !plan.contains("B-TREE"), "{plan}");
        }
        let plan = plan(&connection, BY_NONCE);
        assert_eq!(plan, "SEARCH log USING INDEX log_by_nonce (nonce=? AND sender=?)");
    }

    /// A start takes as long as there are accounts, channels and members, however much was said.
    #[test]
    fn a_start_does_not_touch_the_log() {
        let (_directory, connection) = prepared();
        for query in LOADING {
            let plan = plan(&connection, query);
            assert!(!plan.contains("log"), "{plan}");
        }
        let read = |connection: &Connection| {
            LOADING.map(|query| {
                let mut statement = connection.prepare(query).expect("prepares");
                let rows = statement.query_map([], |_| Ok(())).expect("reads").count();
                (rows, statement.get_status(rusqlite::StatementStatus::VmStep))
            })
        };
        let empty = read(&connection);
        connection
            .execute_batch(
                "PRAGMA foreign_keys = OFF;
                 WITH RECURSIVE n (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < 10000)
                 INSERT INTO log (channel, seq, epoch, at_ms, sender, body) SELECT 1, seq, 1, 0, 1, x'00' FROM n;",
            )
            .expect("fills");
        assert_eq!(read(&connection), empty, "not one step more");
    }
}
