//! Tables, versions, and how a connection is set up.
//!
//! Invariants: a migration, once released, is never edited; each runs in one transaction with its version number.

use mechat_protocol::{Body, Post};
use rusqlite::{Connection, params};

use super::columns::{blob, signed};
use super::log::Naming;
use super::{SqliteOptions, Synchronous};

/// Migration n brings `user_version` from n to n + 1.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE accounts (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        name        TEXT    NOT NULL,
        folded      TEXT    NOT NULL UNIQUE,
        skeleton    TEXT    NOT NULL UNIQUE,
        credential  BLOB    NOT NULL,
        admin       INTEGER NOT NULL,
        created_ms  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE channels (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        name        TEXT    NOT NULL,
        folded      TEXT    NOT NULL UNIQUE,
        kind        TEXT    NOT NULL,
        host        INTEGER REFERENCES accounts (id),
        created_ms  INTEGER NOT NULL,
        epoch       INTEGER NOT NULL,
        head        INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE members (
        channel     INTEGER NOT NULL REFERENCES channels (id),
        account     INTEGER NOT NULL REFERENCES accounts (id),
        PRIMARY KEY (channel, account)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE log (
        channel     INTEGER NOT NULL REFERENCES channels (id),
        seq         INTEGER NOT NULL,
        epoch       INTEGER NOT NULL,
        at_ms       INTEGER NOT NULL,
        sender      INTEGER NOT NULL REFERENCES accounts (id),
        nonce       BLOB,
        body        BLOB    NOT NULL,
        PRIMARY KEY (channel, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX log_by_nonce ON log (sender, nonce) WHERE nonce IS NOT NULL;
    CREATE TABLE tokens (
        hash        BLOB    PRIMARY KEY,
        account     INTEGER NOT NULL REFERENCES accounts (id),
        session     BLOB    NOT NULL,
        expires_ms  INTEGER NOT NULL,
        successor   BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tokens_by_session ON tokens (session);
    CREATE INDEX tokens_by_expiry ON tokens (expires_ms);
", "
    -- A nonce begins with its time: with it in front, what many people say at once changes one page and not one for each.
    DROP INDEX log_by_nonce;
    CREATE UNIQUE INDEX log_by_nonce ON log (nonce, sender) WHERE nonce IS NOT NULL;
", "
    ALTER TABLE channels ADD COLUMN topic TEXT NOT NULL DEFAULT '';
    -- How far a member has read, in which life of the log, and of what they want to be told. Who was here before has read all.
    ALTER TABLE members ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE members ADD COLUMN read INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE members ADD COLUMN level TEXT NOT NULL DEFAULT 'all';
    UPDATE members SET (epoch, read) = (SELECT epoch, head FROM channels WHERE id = members.channel);
    CREATE TABLE pins (
        channel     INTEGER NOT NULL,
        seq         INTEGER NOT NULL,
        PRIMARY KEY (channel, seq)
    ) STRICT, WITHOUT ROWID;
    -- Which entries name another: 0 answers it, 1 edits it.
    CREATE TABLE namings (
        channel     INTEGER NOT NULL,
        named       INTEGER NOT NULL,
        kind        INTEGER NOT NULL,
        seq         INTEGER NOT NULL,
        PRIMARY KEY (channel, named, kind, seq)
    ) STRICT, WITHOUT ROWID;
"];

/// The version in which `namings` came: what was said before is looked through once.
const NAMINGS_SINCE: usize = 3;

/// Pages of 4 KiB in the write-ahead log from which on a commit moves them into the database. A page that changed many times
/// is moved once: with SQLite's 1,000 a second's sign-ins took three times as long, and no commit waits longer for these.
const CHECKPOINT_PAGES: u32 = 4_000;

/// The database cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(
        "its schema has version {found}, this relay knows up to {known}: run the newer relay that made it, or restore a backup"
    )]
    Newer { found: usize, known: usize },
    #[error(
        "it cannot be switched to write-ahead logging (journal_mode is `{0}`): is its file system a network share?"
    )]
    NoWal(String),
}

/// Sets a writing connection up and migrates.
pub(super) fn prepare(connection: &mut Connection, options: &SqliteOptions) -> Result<(), SchemaError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(SchemaError::NoWal(mode));
    }
    connection.execute_batch(match options.synchronous {
        Synchronous::Full => "PRAGMA synchronous = FULL;",
        Synchronous::Normal => "PRAGMA synchronous = NORMAL;",
    })?;
    // What is deleted is overwritten, and not only left out.
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")?;
    let pages = options.checkpoint_pages.unwrap_or(CHECKPOINT_PAGES);
    connection.pragma_update(None, "wal_autocheckpoint", pages)?;
    migrate(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), SchemaError> {
    // Immediate: two relays that start at once must not both migrate.
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: usize = transaction
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?
        .try_into()
        .unwrap_or(usize::MAX);
    if found > MIGRATIONS.len() {
        return Err(SchemaError::Newer { found, known: MIGRATIONS.len() });
    }
    for migration in &MIGRATIONS[found..] {
        transaction.execute_batch(migration)?;
    }
    if found < NAMINGS_SINCE {
        note_replies(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    Ok(transaction.commit()?)
}

/// Enters the replies of a log that was kept without them. Only messages that may be some are taken apart.
fn note_replies(connection: &Connection) -> rusqlite::Result<()> {
    let mut messages = connection
        .prepare("SELECT channel, seq, body FROM log WHERE instr(body, CAST('in_reply_to' AS BLOB)) > 0")?;
    let mut insert =
        connection.prepare("INSERT INTO namings (channel, named, kind, seq) VALUES (?1, ?2, ?3, ?4)")?;
    let mut rows = messages.query([])?;
    while let Some(row) = rows.next()? {
        let (channel, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        if let Body::Message(Post { in_reply_to: Some(named), .. }) = blob(row, 2)? {
            insert.execute(params![channel, signed(named.0), Naming::Reply.number(), seq])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_newer_schema_and_leaves_it_alone() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("newer.db");
        let mut connection = Connection::open(&path).expect("opens");
        prepare(&mut connection, &SqliteOptions::default()).expect("prepares");
        connection.pragma_update(None, "user_version", 99).expect("sets");
        let error = prepare(&mut connection, &SqliteOptions::default()).expect_err("newer").to_string();
        assert!(error.contains("version 99") && error.contains("backup"), "{error}");
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("reads");
        assert_eq!(version, 99);
    }

    #[test]
    fn an_older_schema_is_brought_up_to_date_with_what_it_holds() {
        let directory = tempfile::tempdir().expect("directory");
        let mut connection = Connection::open(directory.path().join("older.db")).expect("opens");
        connection.execute_batch(MIGRATIONS[0]).expect("the first schema");
        connection
            .execute_batch(
                "PRAGMA user_version = 1; PRAGMA foreign_keys = OFF;
                 INSERT INTO log (channel, seq, epoch, at_ms, sender, nonce, body) VALUES (1, 1, 1, 0, 1, x'07', x'00');",
            )
            .expect("fills");
        prepare(&mut connection, &SqliteOptions::default()).expect("prepares");
        let found: i64 = connection
            .query_row("SELECT seq FROM log INDEXED BY log_by_nonce WHERE nonce = x'07'", [], |row| {
                row.get(0)
            })
            .expect("found by its nonce");
        let version: usize = connection
            .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
            .map(|version| version.try_into().expect("small"))
            .expect("reads");
        assert_eq!((found, version), (1, MIGRATIONS.len()));
    }

    #[test]
    fn who_was_a_member_before_there_were_marks_has_read_all_and_replies_are_known() {
        use mechat_protocol::{Content, Seq};
        let directory = tempfile::tempdir().expect("directory");
        let mut connection = Connection::open(directory.path().join("older.db")).expect("opens");
        connection.execute_batch(&MIGRATIONS[..2].concat()).expect("the second schema");
        connection
            .execute_batch(
                "PRAGMA user_version = 2; PRAGMA foreign_keys = OFF;
                 INSERT INTO channels (id, name, folded, kind, created_ms, epoch, head) VALUES (1, 'a', 'a', 'public', 0, 7, 3);
                 INSERT INTO members (channel, account) VALUES (1, 1);",
            )
            .expect("fills");
        let said = |seq: i64, words: &str, to: Option<Seq>| {
            let body = Body::said(Content::text(words).expect("a text"), to);
            let body = rmp_serde::to_vec_named(&body).expect("encodes");
            connection
                .execute(
                    "INSERT INTO log (channel, seq, epoch, at_ms, sender, body) VALUES (1, ?1, 7, 0, 1, ?2)",
                    params![seq, body],
                )
                .expect("says");
        };
        said(1, "what?", None);
        said(2, "that", Some(Seq(1)));
        said(3, "the field is called in_reply_to", None);
        prepare(&mut connection, &SqliteOptions::default()).expect("prepares");
        let marks: (i64, i64, String) = connection
            .query_row("SELECT epoch, read, level FROM members", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .expect("reads");
        assert_eq!(marks, (7, 3, "all".to_owned()));
        let mut statement = connection.prepare("SELECT named, kind, seq FROM namings").expect("prepares");
        let namings: Vec<(i64, i64, i64)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .expect("reads")
            .collect::<Result<_, _>>()
            .expect("reads");
        assert_eq!(namings, [(1, 0, 2)]);
    }

    #[test]
    fn commits_are_synced() {
        let directory = tempfile::tempdir().expect("directory");
        let mut connection = Connection::open(directory.path().join("a.db")).expect("opens");
        prepare(&mut connection, &SqliteOptions::default()).expect("prepares");
        let pragma = |name: &str| -> i64 {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).expect("reads")
        };
        assert_eq!((pragma("synchronous"), pragma("foreign_keys")), (2, 1), "FULL is 2");
    }
}
