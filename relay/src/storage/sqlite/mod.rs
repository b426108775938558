//! The embedded database: one file, nothing to install.
//!
//! Owns a thread that writes and some that read, each with a connection of its own: with WAL neither waits for the
//! other. `synchronous=FULL` makes a commit survive power loss, which is what `fsync` in `welcome` says.
//!
//! Invariants: only the writing thread changes anything; a schema newer than this program is refused, never guessed at.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use mechat_protocol::name::NameKey;
use mechat_protocol::reply::Durability;
use mechat_protocol::request::{HistoryRange, Selection};
use mechat_protocol::{ChannelId, Seq};
use rusqlite::{Connection, OpenFlags};

use super::{Contents, Credential, Found, LogPart, NameState, Search, Storage, StorageError, Write, Written};

mod accounts;
mod amend;
mod batch;
mod columns;
mod index;
mod log;
mod marks;
mod schema;
mod searcher;
mod thread;
mod tokens;

use batch::Writer;
use log::Reader;
use searcher::Searcher;
use thread::SqliteThread;

/// Threads that read: one long page does not hold up another.
const READERS: usize = 2;

/// A database file.
#[derive(Debug)]
pub struct SqliteStorage {
    writer: SqliteThread<Writer>,
    readers: Vec<SqliteThread<Reader>>,
    searcher: Arc<Searcher>,
    /// Whose turn it is to read.
    turn: AtomicUsize,
    synchronous: Synchronous,
}

/// How a database is opened beyond its path. A relay opens it by default; a test puts a disk of its own under it.
#[derive(Debug, Clone, Default)]
#[doc(hidden)]
pub struct SqliteOptions {
    /// SQLite's name of what stands between it and the disk; `None` is the operating system's.
    pub vfs: Option<String>,
    /// What is synced.
    pub synchronous: Synchronous,
    /// Pages of the write-ahead log from which on a commit moves them into the database; `None` is a relay's own.
    pub checkpoint_pages: Option<u32>,
    /// Keeps no index to search in, whose own thread would change the disk whenever it likes.
    pub no_index: bool,
}

/// What SQLite waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(hidden)]
pub enum Synchronous {
    /// Each commit, until it is on the disk.
    #[default]
    Full,
    /// Only checkpoints: the last commits do not survive power loss. It exists so that a test can see the difference.
    Normal,
}

impl SqliteStorage {
    /// Opens the file, makes it if it is missing, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        create_private(path).map_err(|error| StorageError::new("making the database", &error))?;
        Self::open_with(path, &SqliteOptions::default())
    }

    /// The same with options. The file is made by SQLite, if it is missing.
    #[doc(hidden)]
    pub fn open_with(path: &Path, options: &SqliteOptions) -> Result<Self, StorageError> {
        let connect = |flags: OpenFlags| {
            let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            match &options.vfs {
                Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
                None => Connection::open_with_flags(path, flags),
            }
            .map_err(|error| StorageError::new("opening the database", &explain(path, &error)))
        };
        let mut writing = connect(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        schema::prepare(&mut writing, options)
            .map_err(|error| StorageError::new("preparing the database", &error))?;
        let searcher = if options.no_index {
            Searcher::without_index()
        } else {
            Searcher::start(path, connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?)?
        };
        let reader = |_| {
            let reading = connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            SqliteThread::start("sqlite-read", Reader::new(reading))
        };
        Ok(Self {
            readers: (0..READERS).map(reader).collect::<Result<_, _>>()?,
            writer: SqliteThread::start("sqlite-write", Writer::new(writing))?,
            searcher: Arc::new(searcher),
            turn: AtomicUsize::new(0),
            synchronous: options.synchronous,
        })
    }

    fn reader(&self) -> &SqliteThread<Reader> {
        &self.readers[self.turn.fetch_add(1, Ordering::Relaxed) % READERS]
    }
}

/// What people wrote is theirs: the file is its owner's alone, and so are the files that the database makes beside it.
pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
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
        match self.synchronous {
            Synchronous::Full => Durability::Fsync,
            Synchronous::Normal => Durability::Commit,
        }
    }

    async fn load(&self) -> Result<Contents, StorageError> {
        let contents = self.reader().call("loading", |reader| accounts::load(&reader.connection)).await?;
        self.searcher.follow();
        Ok(contents)
    }

    async fn name_state(&self, name: &NameKey) -> Result<NameState, StorageError> {
        let name = name.clone();
        self.reader()
            .call("looking up a name", move |reader| accounts::name_state(&reader.connection, &name))
            .await
    }

    async fn credential(&self, folded: &str) -> Result<Option<Credential>, StorageError> {
        let folded = folded.to_owned();
        self.reader()
            .call("reading a credential", move |reader| accounts::credential(&reader.connection, &folded))
            .await
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, StorageError> {
        let written = self.writer.call("committing", move |writer| writer.commit(batch)).await?;
        self.searcher.committed(&written);
        Ok(written)
    }

    async fn read_log(
        &self,
        channel: ChannelId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<LogPart, StorageError> {
        self.reader().call("reading a log", move |reader| reader.read(channel, range, limit)).await
    }

    async fn read_posts(
        &self,
        channel: ChannelId,
        which: Selection,
        after: Seq,
        limit: usize,
    ) -> Result<LogPart, StorageError> {
        self.reader()
            .call("reading posts", move |reader| reader.read_posts(channel, which, after, limit))
            .await
    }

    async fn search(&self, search: Search) -> Result<Found, StorageError> {
        self.searcher.search(search).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.searcher.stop().await;
        for reader in &self.readers {
            reader.stop().await;
        }
        // Statistics for the next start: worth a try, not worth a failed stop.
        if let Err(error) = self.writer.call("closing", Writer::optimize).await {
            tracing::warn!(%error, "the database was not optimised");
        }
        self.writer.stop().await;
        Ok(())
    }
}
