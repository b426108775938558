//! The thread that keeps the index up to the log and searches in it.
//!
//! Owns when that happens: after so many commits, before each search, and once after the start. The thread that commits is never
//! waited for and never waits.
//!
//! Invariant: a search is answered only when the index is as far as the log was when it was asked.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::index::Index;
use super::thread::SqliteThread;
use crate::storage::{Found, Search, StorageError, Written};

/// Entries that may be committed before the index follows. A search brings it up to them in a few milliseconds.
const UNINDEXED_MAX: usize = 256;
/// Entries that are entered at a time: searches come between.
const SLICE: usize = 1_024;
/// Entries up to which a search follows the log by itself; when it is further behind, it is told to come later.
const CATCH_UP_MAX: usize = 4_096;
/// How long a search may wait for others.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Searcher {
    thread: Option<SqliteThread<Index>>,
    /// Entries that were committed since the index last followed.
    unindexed: AtomicUsize,
    /// It is about to, or does.
    following: AtomicBool,
}

impl Searcher {
    /// For the database at `path`, read by the connection.
    pub(super) fn start(path: &Path, log: Connection) -> Result<Self, StorageError> {
        let index = Index::new(path.with_added_extension("search"), log);
        Ok(Self::on(Some(SqliteThread::start("sqlite-search", index)?)))
    }

    pub(super) fn without_index() -> Self {
        Self::on(None)
    }

    fn on(thread: Option<SqliteThread<Index>>) -> Self {
        Self { thread, unindexed: AtomicUsize::new(0), following: AtomicBool::new(false) }
    }

    /// Notes what was committed.
    pub(super) fn committed(self: &Arc<Self>, written: &[Written]) {
        let is_entry = |written: &&Written| matches!(written, Written::New(_) | Written::Amended(..));
        let entries = written.iter().filter(is_entry).count();
        if self.unindexed.fetch_add(entries, Ordering::Relaxed) + entries >= UNINDEXED_MAX {
            self.follow();
        }
    }

    /// Brings the index up to the log, in its own time.
    pub(super) fn follow(self: &Arc<Self>) {
        if self.thread.is_some() && !self.following.swap(true, Ordering::Relaxed) {
            let searcher = Arc::clone(self);
            tokio::spawn(async move {
                while searcher.follow_a_slice().await {}
                searcher.following.store(false, Ordering::Relaxed);
            });
        }
    }

    /// Whether there is more.
    async fn follow_a_slice(&self) -> bool {
        let Some(thread) = &self.thread else { return false };
        self.unindexed.store(0, Ordering::Relaxed);
        match thread.call("indexing", |index| index.follow(SLICE)).await {
            Ok(is_whole) => !is_whole,
            Err(error) => {
                tracing::warn!(%error, "what is said is not searchable for now");
                false
            }
        }
    }

    pub(super) async fn search(&self, search: Search) -> Result<Found, StorageError> {
        let no_index = || StorageError::new("searching", &"this storage was opened without an index");
        let thread = self.thread.as_ref().ok_or_else(no_index)?;
        let found = thread.call("searching", move |index| {
            if index.follow(CATCH_UP_MAX)? { index.find(&search) } else { Ok(Found::Behind) }
        });
        tokio::time::timeout(PATIENCE, found).await.unwrap_or(Ok(Found::Behind))
    }

    pub(super) async fn stop(&self) {
        if let Some(thread) = &self.thread {
            thread.stop().await;
        }
    }
}
