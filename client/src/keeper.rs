//! Runs the journal off the runtime's threads.
//!
//! Owns the order of what is asked of the disk: whatever queued while the last batch was written is the next one. It decides nothing.
//!
//! What power loss means here: a message is handed to the system before it is sent, and forced to the disk within `SYNC_AFTER`; so is that
//! it is gone. The end of this program, however violent, loses nothing. The end of this machine may lose what was said in that moment and
//! had not reached the relay, and may bring back what was failed in that moment. Waiting for the disk before each sending would close that moment too, at the price of the disk's latency on every line typed.
//!
//! What a disk failed to sync may be lost though the next try succeeds: nothing is reported as kept again until the file was written anew.
//!
//! Invariants: outcomes come in the order of the jobs; a job is never lost; what waits is bounded by the outbox's own limits, since each
//! message is kept once and forgotten once.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use mechat_protocol::{AccountName, Nonce, RelayAddress};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use crate::journal::{Journal, Left};
use crate::outbox::Unsent;
use crate::session::Input;

/// Between what was written first since the last time and the order to force it to the disk.
const SYNC_AFTER: Duration = Duration::from_secs(1);
/// How long the order waits for a batch that is being written.
const SYNC_AGAIN: Duration = Duration::from_millis(20);
/// Between two tries to write the file anew while nothing is said.
const RENEW_AGAIN: Duration = Duration::from_secs(30);

/// What is asked of the disk.
#[derive(Debug)]
pub(crate) enum Job {
    Open(AccountName),
    Keep(Unsent),
    Forget(Nonce),
    /// Write the file anew, if it is not sure what the disk has of it.
    Renew,
    Close,
}

/// What stands behind the jobs.
#[derive(Debug)]
enum Slot {
    Closed,
    Open(AccountName, Box<Journal>),
    /// It could not be opened, or broke, for this reason.
    Refused(Option<AccountName>, String),
}

impl Slot {
    /// Whose it is.
    const fn account(&self) -> Option<&AccountName> {
        match self {
            Self::Open(account, _) => Some(account),
            Self::Refused(account, _) => account.as_ref(),
            Self::Closed => None,
        }
    }
}

/// Where the journals are.
#[derive(Debug, Clone)]
struct Place {
    directory: PathBuf,
    relay: RelayAddress,
}

/// A batch's end: the slot comes back with what the session is to hear.
type Done = (Slot, Vec<Input>);

/// Whose file was forced to the disk, and whether it is there.
type Synced = (AccountName, io::Result<()>);

/// The journal's shell.
#[derive(Debug)]
pub(crate) struct Keeper {
    place: Place,
    slot: Slot,
    jobs: Vec<Job>,
    running: Option<JoinHandle<Done>>,
    /// Messages of the batch that runs, and whose outbox is open at its end.
    writing: (Option<AccountName>, Vec<Nonce>),
    outcomes: VecDeque<Input>,
    sync_at: Option<Instant>,
    syncing: Option<JoinHandle<Synced>>,
}

impl Keeper {
    pub(crate) const fn new(directory: PathBuf, relay: RelayAddress) -> Self {
        Self {
            place: Place { directory, relay },
            slot: Slot::Closed,
            jobs: Vec::new(),
            running: None,
            writing: (None, Vec::new()),
            outcomes: VecDeque::new(),
            sync_at: None,
            syncing: None,
        }
    }

    /// Queues a job.
    pub(crate) fn push(&mut self, job: Job) {
        self.jobs.push(job);
    }

    /// Begins with what is queued, unless a batch runs: its end begins the next.
    pub(crate) fn begin(&mut self) {
        if self.running.is_some() || self.jobs.is_empty() {
            return;
        }
        let jobs = std::mem::take(&mut self.jobs);
        let account = jobs.iter().rev().find_map(Job::opened).or(self.slot.account()).cloned();
        self.writing = (account, jobs.iter().filter_map(Job::kept).collect());
        let slot = std::mem::replace(&mut self.slot, Slot::Closed);
        let place = self.place.clone();
        self.running = Some(spawn_blocking(move || work(slot, &place, jobs)));
    }

    /// The next outcome. May be dropped and called again. Where none is wished it never ends, and has the work done all the same: the
    /// disk does not wait for people.
    pub(crate) async fn next(&mut self, is_wished: bool) -> Input {
        loop {
            if is_wished && let Some(outcome) = self.outcomes.pop_front() {
                return outcome;
            }
            tokio::select! {
                done = join(&mut self.running) => self.done(done),
                () = until(self.sync_at), if self.syncing.is_none() => self.sync(),
                synced = join(&mut self.syncing) => self.synced(synced),
            }
        }
    }

    /// Waits until everything that was queued is on disk.
    pub(crate) async fn finish(&mut self) {
        self.finish_begun().await;
        // The sync that was under way may not have had the last of it, or failed.
        if self.sync_at.is_some() {
            self.sync();
            self.finish_begun().await;
        }
        for outcome in self.outcomes.drain(..) {
            if let Input::NotKept { reason, .. } = outcome {
                tracing::error!(%reason, "the outbox on disk may not hold what it should, and nobody is left to be told");
            }
        }
    }

    async fn finish_begun(&mut self) {
        while self.running.is_some() {
            let done = join(&mut self.running).await;
            self.done(done);
        }
        if self.syncing.is_some() {
            let synced = join(&mut self.syncing).await;
            self.synced(synced);
        }
    }

    fn done(&mut self, done: Option<Done>) {
        let (account, nonces) = std::mem::take(&mut self.writing);
        let (slot, outcomes) = done.unwrap_or_else(|| {
            let reason = "the outbox's writer broke".to_owned();
            (Slot::Refused(account.clone(), reason.clone()), vec![Input::NotKept { account, nonces, reason }])
        });
        let has_written = outcomes.iter().any(|outcome| matches!(outcome, Input::Kept { .. }));
        self.slot = slot;
        let doubt = self.doubt().map(str::to_owned);
        self.outcomes.extend(outcomes.into_iter().map(|outcome| match (outcome, &doubt) {
            (Input::Kept { account, nonces }, Some(reason)) if account.as_ref() == self.slot.account() => {
                Input::NotKept { account, nonces, reason: reason.clone() }
            }
            (outcome, _) => outcome,
        }));
        if has_written {
            self.sync_within(SYNC_AFTER);
        } else if doubt.is_some() {
            self.sync_within(RENEW_AGAIN);
        }
        self.begin();
    }

    /// Why it is not sure that the disk has what it took.
    fn doubt(&self) -> Option<&str> {
        match &self.slot {
            Slot::Open(_, journal) => journal.doubt(),
            Slot::Closed | Slot::Refused(..) => None,
        }
    }

    fn sync_within(&mut self, time: Duration) {
        let latest = Instant::now() + time;
        self.sync_at = Some(self.sync_at.map_or(latest, |at| at.min(latest)));
    }

    /// Forces to the disk what is written, beside further writes; or begins anew with the file.
    fn sync(&mut self) {
        match &self.slot {
            Slot::Open(_, journal) if journal.doubt().is_some() => {
                self.sync_at = None;
                self.push(Job::Renew);
                self.begin();
            }
            Slot::Open(account, journal) => {
                let (account, handle) = (account.clone(), journal.handle());
                self.sync_at = None;
                self.syncing =
                    Some(spawn_blocking(move || (account, handle.and_then(|handle| handle.sync()))));
            }
            // A batch has the journal: a moment later.
            Slot::Closed if self.running.is_some() => self.sync_at = Some(Instant::now() + SYNC_AGAIN),
            // Who closed it has synced it.
            Slot::Closed | Slot::Refused(..) => self.sync_at = None,
        }
    }

    /// The disk may have lost what it took before; a second try that succeeds would not prove otherwise, so the user is told.
    fn synced(&mut self, synced: Option<Synced>) {
        if let Some((account, Err(error))) = synced {
            self.sync_within(SYNC_AFTER);
            self.outcomes.push_back(not_kept(Some(account), Vec::new(), &error));
        }
    }
}

impl Job {
    const fn kept(&self) -> Option<Nonce> {
        match self {
            Self::Keep(message) => Some(message.nonce),
            Self::Open(_) | Self::Forget(_) | Self::Renew | Self::Close => None,
        }
    }

    const fn opened(&self) -> Option<&AccountName> {
        match self {
            Self::Open(account) => Some(account),
            Self::Keep(_) | Self::Forget(_) | Self::Renew | Self::Close => None,
        }
    }
}

fn not_kept(account: Option<AccountName>, nonces: Vec<Nonce>, why: &impl ToString) -> Input {
    Input::NotKept { account, nonces, reason: why.to_string() }
}

/// What a batch noted in the journal since it was last settled.
#[derive(Debug, Default)]
struct Noted {
    kept: Vec<Nonce>,
    has_forgotten: bool,
    failed: Option<io::Error>,
}

/// Performs jobs in order; written together where nothing stands between.
fn work(mut slot: Slot, place: &Place, jobs: Vec<Job>) -> Done {
    let mut outcomes = Vec::new();
    let mut noted = Noted::default();
    for job in jobs {
        match (job, &mut slot) {
            (Job::Open(account), _) => {
                settle(&mut slot, &mut noted, &mut outcomes);
                slot = open(place, account, &mut outcomes);
            }
            (Job::Renew, slot) => {
                settle(slot, &mut noted, &mut outcomes);
                renew(slot, &mut outcomes);
            }
            (Job::Close, _) => {
                settle(&mut slot, &mut noted, &mut outcomes);
                close(&mut slot, &mut outcomes);
            }
            (Job::Keep(message), slot) => {
                noted.kept.push(message.nonce);
                if let Slot::Open(_, journal) = slot {
                    noted.failed = journal.keep(message).err().or(noted.failed);
                }
            }
            (Job::Forget(nonce), Slot::Open(_, journal)) => {
                noted.has_forgotten = true;
                noted.failed = journal.forget(nonce).err().or(noted.failed);
            }
            (Job::Forget(_), Slot::Closed | Slot::Refused(..)) => {}
        }
    }
    settle(&mut slot, &mut noted, &mut outcomes);
    (slot, outcomes)
}

/// Writes what was noted, and says of each message whether it is on disk; without one, whether what is gone is gone from there.
fn settle(slot: &mut Slot, noted: &mut Noted, outcomes: &mut Vec<Input>) {
    let Noted { kept: nonces, has_forgotten, failed } = std::mem::take(noted);
    if nonces.is_empty() && !has_forgotten {
        return;
    }
    let reason = match slot {
        Slot::Open(_, journal) => failed.or(journal.flush().err()).map(|error| error.to_string()),
        Slot::Refused(_, reason) => Some(reason.clone()),
        Slot::Closed => Some("the outbox on disk is closed".to_owned()),
    };
    let account = slot.account().cloned();
    outcomes.push(match reason {
        None => Input::Kept { account, nonces },
        Some(reason) => Input::NotKept { account, nonces, reason },
    });
}

/// Everything is on disk again if this succeeds. If not that was told before.
fn renew(slot: &mut Slot, outcomes: &mut Vec<Input>) {
    let Slot::Open(account, journal) = slot else { return };
    match journal.renew() {
        Ok(()) => outcomes.push(Input::Kept { account: Some(account.clone()), nonces: Vec::new() }),
        Err(error) => tracing::warn!(%error, "the outbox's file could not be written anew"),
    }
}

/// Forces to the disk what is written: nobody does later.
fn close(slot: &mut Slot, outcomes: &mut Vec<Input>) {
    if let Slot::Open(account, mut journal) = std::mem::replace(slot, Slot::Closed)
        && let Err(error) = journal.renew().and_then(|()| journal.handle()?.sync())
    {
        outcomes.push(not_kept(Some(account), Vec::new(), &error));
    }
}

fn open(place: &Place, account: AccountName, outcomes: &mut Vec<Input>) -> Slot {
    match Journal::open(&place.directory, &place.relay, &account) {
        Ok((journal, Left { messages, damage })) => {
            outcomes.push(Input::Restored { account: account.clone(), messages, damage });
            Slot::Open(account, Box::new(journal))
        }
        Err(error) => {
            outcomes.push(not_kept(Some(account.clone()), Vec::new(), &error));
            Slot::Refused(Some(account), error.to_string())
        }
    }
}

async fn join<T>(task: &mut Option<JoinHandle<T>>) -> Option<T> {
    let Some(running) = task else { return std::future::pending().await };
    let result = running.await;
    *task = None;
    result.inspect_err(|error| tracing::error!(%error, "a thread of the outbox ended")).ok()
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::{ChannelId, Content};

    use super::*;
    use crate::outbox::Utterance;

    fn nonce(n: u128) -> Nonce {
        Nonce(uuid::Uuid::from_u128(n))
    }

    fn keep(n: u128) -> Job {
        let content = Content::text("hi").expect("text");
        Job::Keep(Unsent {
            channel: ChannelId(1),
            nonce: nonce(n),
            what: Utterance::Message { content, in_reply_to: None },
        })
    }

    /// A keeper whose journal holds these, all synced.
    async fn keeping(directory: &tempfile::TempDir, numbers: std::ops::RangeInclusive<u128>) -> Keeper {
        let mut keeper = Keeper::new(directory.path().to_owned(), "h:1".parse().expect("address"));
        keeper.push(Job::Open(AccountName::new("ann").expect("name")));
        numbers.for_each(|n| keeper.push(keep(n)));
        assert!(matches!(outcomes(&mut keeper).await[..], [Input::Restored { .. }, Input::Kept { .. }]));
        assert!(keeper.sync_at.is_some());
        keeper.finish().await;
        assert!(keeper.sync_at.is_none());
        keeper
    }

    /// Has the queued jobs done; what the session would hear.
    async fn outcomes(keeper: &mut Keeper) -> Vec<Input> {
        keeper.begin();
        let done = join(&mut keeper.running).await;
        keeper.done(done);
        keeper.outcomes.drain(..).collect()
    }

    /// A clock that stands still but for those who wait for nothing else.
    async fn finished(keeper: &mut Keeper) {
        tokio::time::timeout(Duration::from_mins(1), keeper.finish()).await.expect("an end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quit_right_behind_a_logout_comes_to_an_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keeper = keeping(&directory, 1..=1).await;
        keeper.push(keep(2));
        assert!(
            matches!(&outcomes(&mut keeper).await[..], [Input::Kept { nonces: kept, .. }] if *kept == [nonce(2)])
        );
        assert!(keeper.sync_at.is_some(), "said a moment ago");
        keeper.push(Job::Close);
        keeper.begin();
        finished(&mut keeper).await;

        keeper.slot = Slot::Refused(None, "broke".into());
        keeper.sync_at = Some(Instant::now() + SYNC_AFTER);
        finished(&mut keeper).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_is_forced_to_the_disk_though_nobody_hears_of_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keeper = keeping(&directory, 1..=1).await;
        keeper.push(keep(2));
        keeper.begin();
        keeper.push(keep(3));
        let (begun, timeout) = (Instant::now(), SYNC_AFTER * 2);
        let told = tokio::time::timeout(timeout, keeper.next(false)).await;
        assert!(told.is_err() && begun.elapsed() >= timeout, "{told:?}");
        assert!(keeper.running.is_none() && keeper.syncing.is_none() && keeper.sync_at.is_none());
        for n in 2..=3 {
            let told = keeper.next(true).await;
            assert!(matches!(&told, Input::Kept { nonces: kept, .. } if *kept == [nonce(n)]), "{told:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_is_forced_to_the_disk_as_well() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keeper = keeping(&directory, 1..=2).await;
        keeper.push(Job::Forget(nonce(1)));
        assert!(
            matches!(&outcomes(&mut keeper).await[..], [Input::Kept { nonces: kept, .. }] if kept.is_empty())
        );
        assert!(keeper.sync_at.is_some());
        finished(&mut keeper).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_outbox_has_nothing_to_say_of_what_it_never_held() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keeper = Keeper::new(directory.path().to_owned(), "h:1".parse().expect("address"));
        keeper.slot = Slot::Refused(None, "in use".into());
        keeper.push(Job::Forget(nonce(1)));
        keeper.push(Job::Close);
        assert!(outcomes(&mut keeper).await.is_empty());
    }

    /// A device that cannot be synced.
    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn what_a_disk_failed_to_sync_is_in_doubt_until_the_file_was_written_anew() {
        use std::os::unix::fs::MetadataExt;
        let directory = tempfile::tempdir().expect("a directory");
        let mut keeper = keeping(&directory, 1..=1).await;
        let mut paths =
            directory.path().read_dir().expect("readable").map(|entry| entry.expect("entry").path());
        let path = paths.find(|path| path.extension().is_none_or(|end| end != "lock")).expect("it");
        let inode = || std::fs::metadata(&path).expect("there").ino();
        keeper.push(keep(2));
        assert!(matches!(outcomes(&mut keeper).await[..], [Input::Kept { .. }]));
        let before = inode();
        // The file takes what is written, and the disk does not: a sync between that goes elsewhere.
        let Slot::Open(_, journal) = &mut keeper.slot else { panic!("closed") };
        let file = journal.write_to(std::fs::File::open("/dev/full").expect("a device"));
        let told = keeper.next(true).await;
        assert!(matches!(&told, Input::NotKept { nonces, .. } if nonces.is_empty()), "{told:?}");
        let Slot::Open(_, journal) = &mut keeper.slot else { panic!("closed") };
        journal.write_to(file);

        keeper.push(keep(3));
        let told = outcomes(&mut keeper).await;
        assert!(matches!(&told[..], [Input::NotKept { nonces, .. }] if *nonces == [nonce(3)]), "{told:?}");
        assert_eq!(inode(), before);
        let told = keeper.next(true).await;
        assert!(matches!(&told, Input::Kept { nonces: kept, .. } if kept.is_empty()), "{told:?}");
        assert_ne!(inode(), before, "what the disk may have lost is written once more");
        keeper.push(Job::Close);
        keeper.push(Job::Open(AccountName::new("ann").expect("name")));
        let told = outcomes(&mut keeper).await;
        assert!(matches!(&told[..], [Input::Restored { messages, .. }] if messages.len() == 3), "{told:?}");
    }

    /// A device that cannot be synced.
    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn the_trouble_of_the_one_who_left_bears_their_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keeper = keeping(&directory, 1..=1).await;
        let Slot::Open(_, journal) = &mut keeper.slot else { panic!("closed") };
        journal.write_to(std::fs::File::open("/dev/full").expect("a device"));
        keeper.push(Job::Close);
        let bob = AccountName::new("bob").expect("name");
        keeper.push(Job::Open(bob.clone()));
        keeper.push(keep(2));
        let told = outcomes(&mut keeper).await;
        let [Input::NotKept { account: left, .. }, Input::Restored { .. }, Input::Kept { account: came, .. }] =
            &told[..]
        else {
            panic!("{told:?}")
        };
        assert_eq!(
            (left, came),
            (&Some(AccountName::new("ann").expect("name")), &Some(bob.clone())),
            "by the close"
        );

        let Slot::Open(_, journal) = &mut keeper.slot else { panic!("closed") };
        journal.write_to(std::fs::File::open("/dev/full").expect("a device"));
        keeper.sync();
        let late = join(&mut keeper.syncing).await;
        keeper.push(Job::Close);
        keeper.push(Job::Open(AccountName::new("ann").expect("name")));
        outcomes(&mut keeper).await;
        keeper.synced(late);
        let told = keeper.next(true).await;
        assert!(matches!(&told, Input::NotKept { account, .. } if *account == Some(bob)), "{told:?}");
    }

    /// A device that takes nothing, and cannot be synced.
    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn a_disk_that_does_not_forget_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keeper = keeping(&directory, 1..=3).await;
        let Slot::Open(_, journal) = &mut keeper.slot else { panic!("closed") };
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let file = journal.write_to(full);
        keeper.push(Job::Forget(nonce(1)));
        let told = outcomes(&mut keeper).await;
        assert!(
            matches!(&told[..], [Input::NotKept { nonces, reason, .. }] if nonces.is_empty() && reason.contains("space")),
            "{told:?}"
        );
        let Slot::Open(_, journal) = &mut keeper.slot else { panic!("closed") };
        let full = journal.write_to(file);
        keeper.push(Job::Forget(nonce(2)));
        assert!(matches!(outcomes(&mut keeper).await[..], [Input::Kept { .. }]), "both are out");

        let Slot::Open(_, journal) = &mut keeper.slot else { panic!("closed") };
        journal.write_to(full);
        keeper.push(Job::Close);
        assert!(matches!(outcomes(&mut keeper).await[..], [Input::NotKept { .. }]), "nobody syncs it later");
        finished(&mut keeper).await;
    }
}
