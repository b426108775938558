//! Drafts on disk: one file for each account at each relay, for its owner alone.
//!
//! Owns the files, their form and the thread that writes them. It never decides when: [`update::drafts`](crate::update::drafts) does.
//!
//! Invariants: a file is replaced whole or not at all, mode 0600; what cannot be understood is put aside, never overwritten; of
//! several clients of one account each has a file of its own, and what one left behind the next one takes over.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use mechat_protocol::{AccountName, RelayAddress};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::files;
use crate::model::SavedDraft;
use crate::update::Event;

/// Requests that may wait; one that finds no room counts as refused and is asked again.
const REQUESTS_MAX: usize = 16;
/// Clients of one account that may have drafts at the same time.
const CLIENTS_MAX: u32 = 16;
/// Characters of account and relay in a file's name, below what file systems take; a digest tells the rest apart.
const NAME_CHARS_MAX: usize = 48;

/// What is asked of the thread.
#[derive(Debug)]
pub enum Request {
    /// Find what an earlier run left.
    Load(RelayAddress, AccountName),
    /// Write this instead of any before.
    Save(RelayAddress, AccountName, Vec<SavedDraft>),
    /// Say when everything before is done.
    Flush(SyncSender<()>),
}

/// The thread that reads and writes drafts.
#[derive(Debug)]
pub struct Drafts {
    requests: Option<SyncSender<Request>>,
}

impl Drafts {
    /// Starts the thread; what it finds comes as events.
    pub fn start(directory: PathBuf, events: mpsc::Sender<Event>) -> Self {
        let (requests, waiting) = sync_channel(REQUESTS_MAX);
        let spawned = std::thread::Builder::new().name("drafts".into()).spawn(move || {
            let mut shelf = Shelf::new(directory);
            for request in waiting {
                let event = match request {
                    Request::Load(address, account) => shelf.load(address, account),
                    Request::Save(address, account, drafts) => {
                        Event::DraftsSaved(shelf.save(&address, &account, drafts))
                    }
                    Request::Flush(done) => {
                        // Who asked may have stopped waiting.
                        let _ = done.try_send(());
                        continue;
                    }
                };
                // The shell may have ended; what is left is written all the same.
                let _ = events.blocking_send(event);
            }
        });
        Self { requests: spawned.ok().map(|_| requests) }
    }

    /// Hands over a request. False if the thread is stuck or gone.
    pub fn ask(&self, request: Request) -> bool {
        self.requests.as_ref().is_some_and(|requests| requests.try_send(request).is_ok())
    }

    /// Waits until all is written, `limit` at most.
    pub fn flush(&self, limit: Duration) {
        let (done, finished) = sync_channel(1);
        if self.ask(Request::Flush(done)) && finished.recv_timeout(limit).is_err() {
            tracing::warn!("the drafts are not written in time");
        }
    }
}

/// The form of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Drawer {
    relay: String,
    account: AccountName,
    #[serde(default)]
    draft: Vec<SavedDraft>,
}

/// The file that is this client's.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    /// Held as long as the file is used; `None` where the directory cannot be written.
    _lock: Option<File>,
    /// What other clients left, now ours: removed once it stands in our file.
    inherited: Vec<(PathBuf, File)>,
}

/// All files that this client uses.
#[derive(Debug)]
struct Shelf {
    directory: PathBuf,
    own: HashMap<String, Own>,
}

impl Shelf {
    fn new(directory: PathBuf) -> Self {
        Self { directory, own: HashMap::new() }
    }

    fn load(&mut self, address: RelayAddress, account: AccountName) -> Event {
        let (mut drafts, mut damage) = (Vec::new(), None);
        match self.open(&address, &account) {
            Ok(own) => {
                let inherited = own.inherited.iter().map(|(path, _)| path);
                for path in std::iter::once(&own.path).chain(inherited) {
                    match read(path, &address, &account) {
                        Ok(found) => drafts.extend(found),
                        Err(reason) => damage = Some(reason),
                    }
                }
            }
            Err(reason) => damage = Some(reason),
        }
        Event::DraftsLoaded { address, account, drafts, damage }
    }

    fn save(
        &mut self,
        address: &RelayAddress,
        account: &AccountName,
        draft: Vec<SavedDraft>,
    ) -> Result<(), String> {
        let own = self.open(address, account)?;
        write(&own.path, &Drawer { relay: address.to_string(), account: account.clone(), draft })?;
        for (path, lock) in own.inherited.drain(..) {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(%error, "drafts of another client were taken over and stay behind");
            }
            drop(lock);
        }
        Ok(())
    }

    fn open(&mut self, address: &RelayAddress, account: &AccountName) -> Result<&mut Own, String> {
        let name = file_name(address, account);
        if !self.own.contains_key(&name) {
            let own = claim(&self.directory, &name)?;
            self.own.insert(name.clone(), own);
        }
        self.own.get_mut(&name).ok_or_else(|| "the drafts' file is not open".to_owned())
    }
}

/// The first file that no running client has, and those that others left.
fn claim(directory: &Path, name: &str) -> Result<Own, String> {
    let mut own: Option<Own> = None;
    for number in 0..CLIENTS_MAX {
        let path = directory.join(format!("{name}.{number}.toml"));
        if own.is_some() && !path.exists() {
            continue;
        }
        match lock(directory, &path.with_extension("lock")) {
            Ok(Some(lock)) => {
                sweep(directory, &format!("{name}.{number}.new-"));
                match &mut own {
                    None => own = Some(Own { path, _lock: Some(lock), inherited: Vec::new() }),
                    Some(own) => own.inherited.push((path, lock)),
                }
            }
            Ok(None) => {}
            // Nobody can write here, so nobody is in the way; what is there can still be read.
            Err(error) => {
                tracing::warn!(%error, "drafts cannot be locked");
                return Ok(own.unwrap_or(Own { path, _lock: None, inherited: Vec::new() }));
            }
        }
    }
    own.ok_or_else(|| {
        format!("{CLIENTS_MAX} clients of this account run on this machine; that is all there is room for")
    })
}

/// Removes what a crash left half way to its place: nobody reads it, and it holds what somebody wrote.
fn sweep(directory: &Path, begin: &str) {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    for file in files.filter(|file| file.file_name().to_string_lossy().starts_with(begin)) {
        if let Err(error) = fs::remove_file(file.path()) {
            tracing::warn!(%error, "half a file of drafts stays behind");
        }
    }
}

/// `None` where another client has it.
fn lock(directory: &Path, path: &Path) -> std::io::Result<Option<File>> {
    files::create_private_directory(directory)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read(path: &Path, address: &RelayAddress, account: &AccountName) -> Result<Vec<SavedDraft>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(put_aside(path, &error.to_string()));
        }
        Err(error) => {
            return Err(format!("drafts of earlier days cannot be read: {}: {error}", path.display()));
        }
    };
    match toml::from_str::<Drawer>(&text) {
        Ok(drawer) if drawer.relay == address.to_string() && drawer.account == *account => Ok(drawer.draft),
        Ok(drawer) => Err(put_aside(path, &format!("it is of {} at {}", drawer.account, drawer.relay))),
        Err(error) => Err(put_aside(path, error.message())),
    }
}

/// What cannot be understood belongs to its author.
fn put_aside(path: &Path, reason: &str) -> String {
    let aside = (0..100).map(|n| path.with_extension(format!("damaged-{n}"))).find(|aside| !aside.exists());
    let kept = aside.is_some_and(|aside| fs::rename(path, &aside).is_ok());
    let fate =
        if kept { "it was put aside, with `damaged` in its name" } else { "it could not be put aside" };
    format!("drafts of earlier days cannot be understood: {}: {reason}; {fate}", path.display())
}

fn write(path: &Path, drawer: &Drawer) -> Result<(), String> {
    let written = if drawer.draft.is_empty() {
        fs::remove_file(path).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })
    } else {
        let text = toml::to_string(drawer).map_err(|error| error.to_string())?;
        files::replace(path, text.as_bytes(), files::Readers::Owner)
    };
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// Account and relay, with what a file system might not take replaced, and a digest that tells apart what then looks alike.
fn file_name(address: &RelayAddress, account: &AccountName) -> String {
    let user = format!("{account}@{address}");
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '@') { c } else { '_' };
    let name: String = user.chars().map(plain).take(NAME_CHARS_MAX).collect();
    // FNV-1a: stable across runs and versions, unlike the standard hasher. The file says whose it is, should two agree.
    let digest = user.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{name}-{digest:016x}")
}

#[cfg(test)]
mod tests {
    use mechat_protocol::{ChannelId, Epoch, Seq};

    use super::*;
    use crate::model::{Composing, Draft};

    fn someone() -> (RelayAddress, AccountName) {
        ("h:1".parse().expect("an address"), "ann".parse().expect("a name"))
    }

    fn draft(text: &str) -> SavedDraft {
        let composing = Composing::Edit { epoch: Epoch(7), seq: Seq(3), before: "half\u{1b}".to_owned() };
        let draft = Draft { text: text.to_owned(), aside: "\u{0}\r\n'''\"\"\"".to_owned(), composing };
        SavedDraft { channel: ChannelId(1), name: "lobby".parse().expect("a name"), draft }
    }

    fn loaded(shelf: &mut Shelf) -> (Vec<SavedDraft>, Option<String>) {
        let (address, account) = someone();
        match shelf.load(address, account) {
            Event::DraftsLoaded { drafts, damage, .. } => (drafts, damage),
            other => panic!("{other:?}"),
        }
    }

    fn save(shelf: &mut Shelf, drafts: Vec<SavedDraft>) -> Result<(), String> {
        let (address, account) = someone();
        shelf.save(&address, &account, drafts)
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        let files = fs::read_dir(directory).expect("lists").map(|file| file.expect("a file").path());
        files.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect()
    }

    #[test]
    fn a_draft_of_any_characters_comes_back_and_goes_when_it_is_sent() {
        let home = tempfile::tempdir().expect("a home");
        let directory = home.path().join("drafts");
        let mut shelf = Shelf::new(directory.clone());
        assert_eq!(loaded(&mut shelf), (Vec::new(), None));
        let kept = vec![draft("a\nb\r\n\u{1b}[31m日本\t'''"), draft("")];
        save(&mut shelf, kept.clone()).expect("kept");
        drop(shelf);
        let mut shelf = Shelf::new(directory.clone());
        assert_eq!(loaded(&mut shelf), (kept, None));
        save(&mut shelf, Vec::new()).expect("removed");
        save(&mut shelf, Vec::new()).expect("twice is fine");
        assert_eq!(files(&directory), Vec::<PathBuf>::new());
    }

    #[cfg(unix)]
    #[test]
    fn a_draft_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().expect("a home");
        let directory = home.path().join("drafts");
        save(&mut Shelf::new(directory.clone()), vec![draft("secret")]).expect("kept");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&files(&directory)[0]), mode(&directory)), (0o600, 0o700));
    }

    #[test]
    fn what_cannot_be_understood_is_put_aside_and_told() {
        let home = tempfile::tempdir().expect("a home");
        let mut shelf = Shelf::new(home.path().to_owned());
        save(&mut shelf, vec![draft("x")]).expect("kept");
        let path = files(home.path()).remove(0);
        fs::write(&path, "[[draft]\ntext").expect("damaged");
        let (drafts, damage) = loaded(&mut shelf);
        assert!(drafts.is_empty() && damage.expect("told").contains("put aside"));
        save(&mut shelf, vec![draft("new")]).expect("kept");
        let texts: Vec<String> =
            files(home.path()).iter().map(|path| fs::read_to_string(path).expect("read")).collect();
        assert!(texts.iter().any(|text| text == "[[draft]\ntext"), "{texts:?}");
    }

    #[test]
    fn two_clients_of_one_account_never_overwrite_each_other_and_nothing_is_left_behind() {
        let home = tempfile::tempdir().expect("a home");
        let open = || Shelf::new(home.path().to_owned());
        let (mut first, mut second) = (open(), open());
        assert!(loaded(&mut first).0.is_empty() && loaded(&mut second).0.is_empty());
        save(&mut first, vec![draft("first")]).expect("kept");
        save(&mut second, vec![draft("second")]).expect("kept");
        drop((first, second));
        let mut third = open();
        let (found, _) = loaded(&mut third);
        let texts: Vec<&str> = found.iter().map(|saved| saved.draft.text.as_str()).collect();
        assert_eq!(texts, ["first", "second"]);
        assert_eq!(files(home.path()).len(), 2, "not removed before it is written elsewhere");
        save(&mut third, found).expect("kept");
        assert_eq!(files(home.path()).len(), 1);
        drop(third);
        assert_eq!(loaded(&mut open()).0.len(), 2);
    }

    #[test]
    fn what_a_crash_left_half_written_is_swept_away_and_the_whole_file_stays() {
        let home = tempfile::tempdir().expect("a home");
        let mut shelf = Shelf::new(home.path().to_owned());
        save(&mut shelf, vec![draft("whole")]).expect("kept");
        let half = files(home.path())[0].with_extension("new-1");
        fs::write(&half, "half").expect("written");
        drop(shelf);
        assert_eq!(loaded(&mut Shelf::new(home.path().to_owned())).0, [draft("whole")]);
        assert!(!half.exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_told_each_time() {
        let home = tempfile::tempdir().expect("a home");
        fs::write(home.path().join("drafts"), "a file in the way").expect("written");
        let mut shelf = Shelf::new(home.path().join("drafts"));
        assert!(loaded(&mut shelf).0.is_empty());
        for _ in 0..2 {
            save(&mut shelf, vec![draft("x")]).expect_err("nowhere to write");
        }
    }

    #[test]
    fn file_names_are_short_and_never_the_same_for_two() {
        let name = |account: &str, address: &str| {
            file_name(&address.parse().expect("an address"), &account.parse().expect("a name"))
        };
        assert_ne!(name("ann", "[::1]:7667"), name("ann", "[::2]:7667"));
        assert_ne!(name("a_b", "h:1"), name("a-b", "h:1"));
        assert!(name(&"ж".repeat(32), &format!("{}:1", "h".repeat(60))).len() < 120);
    }
}
