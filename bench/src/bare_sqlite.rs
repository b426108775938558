//! SQLite and nothing round it: the same row, the same index, the same durability, in batches of one size.
//!
//! What the relay's storage is measured against: no threads, no queue, no checks, no network.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::crowd::float;

/// Bytes of an entry's body as the relay stores it, for a text of 100 bytes.
const BODY_LEN: usize = 143;

/// Its command line.
#[derive(Debug, Args)]
pub(crate) struct BareArguments {
    /// Where the database is made.
    #[arg(long)]
    directory: PathBuf,
    /// Rows of one transaction.
    #[arg(long)]
    batch: u64,
    /// How long.
    #[arg(long)]
    millis: u64,
}

/// Prints rows a second.
#[expect(clippy::print_stdout, reason = "the process that measures reads it")]
pub(crate) fn run(arguments: &BareArguments) -> anyhow::Result<()> {
    let rate = rate(&arguments.directory, arguments.batch, Duration::from_millis(arguments.millis))?;
    println!("{rate}");
    Ok(())
}

fn rate(directory: &Path, batch: u64, time: Duration) -> anyhow::Result<f64> {
    let mut connection = Connection::open(directory.join("bare.db"))?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    ensure!(mode == "wal", "journal_mode is {mode}");
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
        CREATE TABLE log (
            channel INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, at_ms INTEGER NOT NULL,
            sender INTEGER NOT NULL, nonce BLOB, body BLOB NOT NULL,
            PRIMARY KEY (channel, seq)
        ) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX log_by_nonce ON log (sender, nonce) WHERE nonce IS NOT NULL;",
    )?;
    let body = vec![b'x'; BODY_LEN];
    let (began, mut rows) = (Instant::now(), 0_u64);
    while began.elapsed() < time {
        let transaction = connection.transaction()?;
        for channel in 1..=batch {
            // As the senders of the relay's measurement: one message of each in each batch.
            let (channel, seq) = (i64::try_from(channel)?, i64::try_from(rows / batch + 1)?);
            transaction
                .prepare_cached("INSERT INTO log VALUES (?1, ?2, 1, ?2, ?1, ?3, ?4)")?
                .execute(params![channel, seq, Uuid::now_v7().as_bytes(), body])?;
        }
        transaction.commit()?;
        rows += batch;
    }
    Ok(float(rows) / began.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(rate(directory.path(), 16, Duration::from_millis(20)).expect("measures") > 0.0);
        let connection = Connection::open(directory.path().join("bare.db")).expect("opens");
        let (rows, batches): (i64, i64) = connection
            .query_row("SELECT count(*), max(seq) FROM log", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("counts");
        assert!(batches > 0 && rows == batches * 16);
    }
}
