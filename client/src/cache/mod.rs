//! The account's logs on disk, so that a client shows something before there is a network and reads back without one.
//!
//! Owns a thread, and the queue to it. It follows the client's events ([`Cache::follow`]) and answers with [`CacheEvent`]s. It stands here and
//! not in the terminal's crate because the rules of the log hold for it (one contiguous part of each channel, up to the last entry that
//! was handed on), and a bot may want it as well.
//!
//! It is only ever a copy: what is damaged, of another version or not to be opened is begun anew or gone without, and no error of it
//! stops a client. One file for each account at each relay, mode 0600 on Unix. A logout removes it.
//!
//! Invariants: nobody waits for the disk; what stands in it of a channel is contiguous, in the state of its last entry, and words that were deleted are
//! in it no more once their deletion is; the queue is bounded: an answer that does not fit is not asked for, and of entries that do not
//! fit the next ones behind them begin the channel's part anew, since a hole would hide what is in it.

mod jobs;
mod schema;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use mechat_protocol::reply::ChannelInfo;
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{AccountName, ChannelId, Entry, Epoch, RelayAddress, Seq};

use crate::event::SignedOut;
use crate::unread::Unread;
use crate::{Command, Event};
use jobs::{Change, Job, Worker};

/// Jobs that wait for the thread, each a page of entries at most.
const JOBS_MAX: usize = 256;
/// Entries of a page that is read, and of the newest that come with the opening.
pub const PAGE_ENTRIES: usize = 200;

/// What the cache says. What is of a relay and an account that was closed meanwhile is the user's to ignore.
#[derive(Debug)]
pub enum CacheEvent {
    /// It is open; empty where there was none, or none that could be read.
    Opened {
        /// At which relay.
        relay: RelayAddress,
        /// Whose.
        account: AccountName,
        /// What it holds.
        snapshot: Snapshot,
    },
    /// A page that was asked for. Empty where the cache does not have what lies at its edge.
    Page {
        /// The channel.
        channel: ChannelId,
        /// From the request.
        range: HistoryRange,
        /// Ascending, contiguous.
        entries: Vec<Entry>,
        /// Whether there is more in the range's direction, here or at the relay.
        more: bool,
    },
    /// It cannot be written, for this reason; told once until it is `Whole`.
    Fails(String),
    /// It can again.
    Whole,
}

/// What a cache holds when it is opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The channels that the account was in, by number.
    pub channels: Vec<CachedChannel>,
    /// The one that was shown last.
    pub shown: Option<ChannelId>,
}

/// A channel as the cache has it.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedChannel {
    /// As the relay last told of it, with the marks as they are known.
    pub info: ChannelInfo,
    /// The life of its log and the last entry; `None` while there is none of it.
    pub stands: Option<(Epoch, Seq)>,
    /// What is unread.
    pub unread: Unread,
    /// The newest entries, of the channel that was shown last only.
    pub newest: Vec<Entry>,
    /// Whether nothing lies before the first of them.
    pub at_start: bool,
}

/// A handle on the cache's thread, which ends when it is dropped and everything before is written.
#[derive(Debug)]
pub struct Cache {
    jobs: Option<SyncSender<Job>>,
    /// The account logged out, and its job found no room: nothing of it may stay all the same.
    erase: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Cache {
    /// Starts the thread. `tell` is called on it, and may block.
    pub fn start(directory: PathBuf, tell: impl Fn(CacheEvent) + Send + 'static) -> Self {
        let (jobs, queue) = sync_channel(JOBS_MAX);
        let erase = Arc::new(AtomicBool::new(false));
        let worker = Worker::new(directory, Arc::clone(&erase), tell);
        let spawned = std::thread::Builder::new().name("cache".into()).spawn(move || worker.run(&queue));
        let thread =
            spawned.inspect_err(|error| tracing::error!(%error, "there is no thread for the cache")).ok();
        Self { jobs: thread.is_some().then_some(jobs), erase, thread }
    }

    /// Opens the cache of an account instead of any other; answered by [`CacheEvent::Opened`]. False if it will not be.
    pub fn open(&self, relay: RelayAddress, account: AccountName) -> bool {
        self.ask(Job::Open(relay, account))
    }

    /// Reads a page; answered by [`CacheEvent::Page`]. False if it will not be: ask the relay.
    pub fn read(&self, channel: ChannelId, range: HistoryRange) -> bool {
        self.ask(Job::Read(channel, range))
    }

    /// Writes what an event tells of the logs.
    pub fn follow(&self, event: &Event) {
        let change = match event {
            Event::Channels(channels) => {
                Change::Channels(channels.iter().filter(|info| info.joined).cloned().collect())
            }
            Event::Joined(info) => Change::Joined(Box::new(info.clone())),
            Event::Left(channel) => Change::Left(*channel),
            Event::Appended { channel, entries, .. } => Change::Appended(*channel, entries.clone()),
            Event::History { channel, range: HistoryRange::Before { .. }, entries, more } => {
                Change::Older(*channel, entries.clone(), !more)
            }
            Event::Reset(channel) | Event::Skipped { channel, .. } => Change::Begun(*channel),
            Event::Marks { channel, marks } => Change::Marked(*channel, *marks),
            Event::SignedOut(SignedOut::LoggedOut) => return self.erase(),
            _ => return,
        };
        self.ask(Job::Change(change));
    }

    /// Writes what a command says of what was read, so that it counts though it may not have reached the relay.
    pub fn follow_command(&self, command: &Command) {
        if let Command::Mark { channel, read: Some(read), .. } = command {
            self.ask(Job::Change(Change::Read(*channel, *read)));
        }
    }

    /// Remembers which channel is shown.
    pub fn shown(&self, channel: ChannelId) {
        self.ask(Job::Change(Change::Shown(channel)));
    }

    /// Closes the cache and removes its file.
    pub fn erase(&self) {
        if !self.ask(Job::Erase) {
            // The thread looks here between two jobs.
            self.erase.store(true, Ordering::Release);
        }
    }

    /// Lets the thread write what is queued, and returns it to be waited for.
    pub fn finish(mut self) -> Option<std::thread::JoinHandle<()>> {
        self.jobs = None;
        self.thread.take()
    }

    fn ask(&self, job: Job) -> bool {
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => true,
            Some(Err(TrySendError::Full(job))) => {
                tracing::warn!(?job, "the cache is too slow: it goes without");
                false
            }
            Some(Err(TrySendError::Disconnected(_))) | None => false,
        }
    }
}
