//! The tables of the cache, and how its file is opened.
//!
//! Invariant: a file of another version is not migrated: what is in it can be read from the relay again.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Of the tables and of what stands in them.
const VERSION: i32 = 1;
/// How long another client of the same account may be in the middle of a write.
const BUSY: Duration = Duration::from_millis(500);

/// `first`..=`last` of `entry` are there, or none if `last` is null. `whole`: nothing may be read before `first`. `weight` is 0, 1 or 2 as
/// of [`Weight`](crate::unread::Weight).
const TABLES: &str = "
    CREATE TABLE channel (
        id     INTEGER PRIMARY KEY,
        info   BLOB    NOT NULL,
        epoch  INTEGER NOT NULL,
        first  INTEGER,
        last   INTEGER,
        whole  INTEGER NOT NULL DEFAULT 0,
        read   INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE entry (
        channel INTEGER NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
        seq     INTEGER NOT NULL,
        weight  INTEGER NOT NULL,
        body    BLOB    NOT NULL,
        PRIMARY KEY (channel, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX news ON entry (channel, seq) WHERE weight > 0;
    CREATE TABLE shown (one INTEGER PRIMARY KEY CHECK (one = 1), channel INTEGER NOT NULL) STRICT;
";

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub(super) enum CacheError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The database refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// What stands in it cannot be understood.
    #[error("the cache holds what cannot be read: {0}")]
    Foreign(String),
}

/// Opens a file, making it if it is not there.
pub(super) fn open(path: &Path) -> Result<Connection, CacheError> {
    let failed = |source| CacheError::Io { path: path.to_owned(), source };
    path.parent().map_or(Ok(()), create_directory).and_then(|()| create_private(path)).map_err(failed)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // NORMAL: what a power loss takes is read from the relay again, and the file stays whole. What is deleted is overwritten.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -1024; PRAGMA journal_size_limit = 1048576;",
    )?;
    match connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0))? {
        VERSION => {}
        0 => {
            connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        other => return Err(CacheError::Foreign(format!("version {other}"))),
    }
    Ok(connection)
}

/// Removes a cache; one that is not there is removed.
pub(super) fn remove(path: &Path) -> Result<(), CacheError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CacheError::Io { path: file, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

fn create_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// What people write is for their eyes: mode 0600. The files beside it take that over from it.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
