//! The cache's thread: takes jobs in order, writes together what waits together, and tells what came of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use mechat_protocol::reply::{ChannelInfo, Marks};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{AccountName, ChannelId, Entry, RelayAddress, Seq};

use super::schema::{self, CacheError};
use super::store::Store;
use super::{CacheEvent, Snapshot};
use crate::file_name;

/// Jobs that are written in one transaction at most: a page that is asked for waits no longer than for these.
const BATCH_MAX: usize = 64;

/// What is asked of the thread.
#[derive(Debug)]
pub(super) enum Job {
    Open(RelayAddress, AccountName),
    Change(Change),
    Read(ChannelId, HistoryRange),
    Erase,
}

/// What becomes otherwise.
#[derive(Debug)]
pub(super) enum Change {
    /// All channels that the account is in.
    Channels(Vec<ChannelInfo>),
    /// One of them.
    Joined(Box<ChannelInfo>),
    Left(ChannelId),
    /// Entries at the end.
    Appended(ChannelId, Vec<Entry>),
    /// Entries before the first, and whether nothing is before them.
    Older(ChannelId, Vec<Entry>, bool),
    /// What stands there is of no use any more.
    Begun(ChannelId),
    Marked(ChannelId, Marks),
    Read(ChannelId, Seq),
    Shown(ChannelId),
}

/// What the thread has.
pub(super) struct Worker<T> {
    directory: PathBuf,
    erase: Arc<AtomicBool>,
    tell: T,
    open: Option<Open>,
    /// The user was told that it fails.
    fails: bool,
}

/// An account's cache; without a store it is gone without, but its file can be removed.
struct Open {
    path: PathBuf,
    store: Option<Store>,
}

impl<T: Fn(CacheEvent)> Worker<T> {
    pub(super) const fn new(directory: PathBuf, erase: Arc<AtomicBool>, tell: T) -> Self {
        Self { directory, erase, tell, open: None, fails: false }
    }

    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(job) = queue.recv() {
            let batch: Vec<Job> = std::iter::once(job).chain(queue.try_iter().take(BATCH_MAX - 1)).collect();
            self.perform(batch);
        }
        self.erase_if_asked();
    }

    fn perform(&mut self, jobs: Vec<Job>) {
        let mut changes = Vec::new();
        for job in jobs {
            self.erase_if_asked();
            match job {
                Job::Change(change) => changes.push(change),
                Job::Open(relay, account) => {
                    self.write(std::mem::take(&mut changes));
                    self.open(relay, account);
                }
                Job::Read(channel, range) => {
                    self.write(std::mem::take(&mut changes));
                    self.read(channel, range);
                }
                Job::Erase => {
                    changes.clear();
                    self.erase();
                }
            }
        }
        self.write(changes);
        self.erase_if_asked();
    }

    fn open(&mut self, relay: RelayAddress, account: AccountName) {
        self.open = None;
        let path = self.directory.join(file_name::of_account(&relay, &account, "cache"));
        let (store, snapshot) = match open_store(&path, &account) {
            Ok((store, snapshot)) => {
                self.is_well();
                (Some(store), snapshot)
            }
            Err(error) => {
                self.failed(&error);
                (None, Snapshot::default())
            }
        };
        self.open = Some(Open { path, store });
        (self.tell)(CacheEvent::Opened { relay, account, snapshot });
    }

    fn write(&mut self, changes: Vec<Change>) {
        let Some(open) = self.open.as_mut().filter(|_| !changes.is_empty()) else { return };
        let Some(store) = &mut open.store else { return };
        match store.apply(changes) {
            Ok(()) => self.is_well(),
            Err(error) => {
                // What is damaged is begun anew at the next start; a full disk may have room again for the next batch.
                if error.is_damage() {
                    open.store = None;
                }
                self.failed(&error);
            }
        }
    }

    fn read(&mut self, channel: ChannelId, range: HistoryRange) {
        let page = self.store().map(|store| store.page(channel, range));
        let (entries, more) = match page {
            Some(Ok(page)) => page,
            Some(Err(error)) => {
                self.failed(&error);
                (Vec::new(), true)
            }
            None => (Vec::new(), true),
        };
        (self.tell)(CacheEvent::Page { channel, range, entries, more });
    }

    fn store(&mut self) -> Option<&mut Store> {
        self.open.as_mut()?.store.as_mut()
    }

    /// There was no room for the job that asks for it.
    fn erase_if_asked(&mut self) {
        if self.open.is_some() && self.erase.swap(false, Ordering::AcqRel) {
            self.erase();
        }
    }

    fn erase(&mut self) {
        if let Some(Open { path, store }) = self.open.take() {
            drop(store);
            if let Err(error) = schema::remove(&path) {
                (self.tell)(CacheEvent::Fails(format!("what you read here is still on disk: {error}")));
            }
        }
    }

    fn failed(&mut self, error: &CacheError) {
        tracing::warn!(%error, "the cache fails");
        if !std::mem::replace(&mut self.fails, true) {
            (self.tell)(CacheEvent::Fails(error.to_string()));
        }
    }

    fn is_well(&mut self) {
        if std::mem::take(&mut self.fails) {
            (self.tell)(CacheEvent::Whole);
        }
    }
}

/// What cannot be read is begun anew, once.
fn open_store(path: &Path, account: &AccountName) -> Result<(Store, Snapshot), CacheError> {
    let attempt = || {
        let mut store = Store::new(schema::open(path)?, account.clone());
        let snapshot = store.snapshot()?;
        Ok((store, snapshot))
    };
    match attempt() {
        Err(CacheError::Io { path, source }) => Err(CacheError::Io { path, source }),
        Err(error) => {
            tracing::warn!(%error, "the cache is begun anew");
            schema::remove(path)?;
            attempt()
        }
        opened => opened,
    }
}
