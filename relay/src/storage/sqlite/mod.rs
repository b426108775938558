//! The embedded database: one file, nothing to install.
//!
//! Owns two threads with a connection each: one writes, one reads, and with WAL neither waits for the
//! other. `synchronous=FULL` makes a commit survive power loss, which is what `fsync` in `welcome` says.
//!
//! Invariants: only the writing thread changes anything; a schema newer than this program is refused, never guessed at.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use mechat_protocol::ChannelId;
use mechat_protocol::SessionId;
use mechat_protocol::UnixMillis;
use mechat_protocol::name::NameKey;
use mechat_protocol::reply::Durability;
use mechat_protocol::request::HistoryRange;
use rusqlite::{Connection, OpenFlags};

use super::{
    AccountCreated, Contents, Credential, LogPart, NameState, NewAccount, NewToken, Rotation, Storage,
    StorageError, TokenHash, Write, Written,
};

mod accounts;
mod columns;
mod log;
mod schema;
mod thread;
mod tokens;

use thread::SqliteThread;

/// A database file.
#[derive(Debug)]
pub struct SqliteStorage {
    writer: SqliteThread,
    reader: SqliteThread,
}

impl SqliteStorage {
    /// Opens the file, makes it if it is missing, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let fail = |error: &rusqlite::Error| StorageError::new("opening the database", &explain(path, error));
        create_private(path).map_err(|error| StorageError::new("making the database", &error))?;
        let mut connection = Connection::open(path).map_err(|error| fail(&error))?;
        schema::prepare(&mut connection)
            .map_err(|error| StorageError::new("preparing the database", &error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reading = Connection::open_with_flags(path, flags).map_err(|error| fail(&error))?;
        Ok(Self {
            writer: SqliteThread::start("sqlite-write", connection)?,
            reader: SqliteThread::start("sqlite-read", reading)?,
        })
    }
}

/// What people wrote is theirs: the file is its owner's alone, and so are the files that the database makes beside it.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn explain(path: &Path, error: &rusqlite::Error) -> String {
    format!(
        "{}: {error}; is it a database of MeChat, and may this user write to its directory?",
        PathBuf::from(path).display()
    )
}

#[async_trait]
impl Storage for SqliteStorage {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    async fn load(&self) -> Result<Contents, StorageError> {
        self.reader.call("loading", |connection| accounts::load(connection)).await
    }

    async fn name_state(&self, name: &NameKey) -> Result<NameState, StorageError> {
        let name = name.clone();
        self.reader.call("looking up a name", move |connection| accounts::name_state(connection, &name)).await
    }

    async fn create_account(&self, account: NewAccount) -> Result<AccountCreated, StorageError> {
        self.writer.call("making an account", move |connection| accounts::create(connection, &account)).await
    }

    async fn credential(&self, folded: &str) -> Result<Option<Credential>, StorageError> {
        let folded = folded.to_owned();
        self.reader
            .call("reading a credential", move |connection| accounts::credential(connection, &folded))
            .await
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, StorageError> {
        self.writer.call("committing", move |connection| log::commit(connection, &batch)).await
    }

    async fn read_log(
        &self,
        channel: ChannelId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<LogPart, StorageError> {
        self.reader
            .call("reading a log", move |connection| log::read(connection, channel, range, limit))
            .await
    }

    async fn insert_token(&self, token: NewToken) -> Result<(), StorageError> {
        self.writer.call("keeping a token", move |connection| tokens::insert(connection, &token)).await
    }

    async fn rotate_token(
        &self,
        old: TokenHash,
        next: TokenHash,
        now: UnixMillis,
        next_expires: UnixMillis,
    ) -> Result<Rotation, StorageError> {
        self.writer
            .call("replacing a token", move |connection| {
                tokens::rotate(connection, old, next, now, next_expires)
            })
            .await
    }

    async fn revoke_session(&self, session: SessionId) -> Result<(), StorageError> {
        self.writer.call("revoking a session", move |connection| tokens::revoke(connection, session)).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.reader.stop().await;
        // Statistics for the next start: worth a try, not worth a failed stop.
        if let Err(error) =
            self.writer.call("closing", |connection| connection.execute_batch("PRAGMA optimize;")).await
        {
            tracing::warn!(%error, "the database was not optimised");
        }
        self.writer.stop().await;
        Ok(())
    }
}
