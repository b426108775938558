//! The outbox on disk: one file for each account at each relay.
//!
//! Owns the file's form, its lock, what is live in it, and its compaction. Everything here blocks; the [`keeper`](crate::keeper) runs it
//! off the runtime's threads. It never decides what is sent.
//!
//! The file is a row of records ([`record`]): what it is, then messages and amendments kept, and those gone. It is only ever appended to, cut at its
//! end, or replaced whole by a rename.
//!
//! Invariants: what [`Journal::flush`] reported as written is read by the next [`Journal::open`], whatever ends the process, and after
//! [`Handle::sync`] whatever ends the machine; what a disk failed to sync is not believed to be there until the file was written anew; a file has one owner at a time; an end that cannot be read, be it half written or
//! damaged, is cut off and told, and a copy of the whole file is put aside first: nothing is thrown away unread.

mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mechat_protocol::{AccountName, Nonce, RelayAddress};

use crate::file_name;
use crate::outbox::Unsent;
use record::{Reader, Record};

/// Bytes below which a file is not compacted.
const COMPACT_MIN: u64 = 1_024 * 1_024;

/// The outbox cannot be kept on disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Another client has it.
    #[error(
        "another client of this account is running on this machine, and the outbox on disk is in its hands"
    )]
    InUse,
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// It is somebody else's file, or a later version's.
    #[error("{} is no outbox of this account that this version can read; move it away", path.display())]
    Foreign { path: PathBuf },
}

/// What an earlier run left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Messages that were neither acknowledged nor refused, in the order in which they were said.
    pub(crate) messages: Vec<Unsent>,
    /// What could not be read, for people.
    pub(crate) damage: Option<String>,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Of `file`, and never of the one after it.
    doubt: Doubt,
    /// Held as long as the file is used.
    _lock: File,
    /// The first record, encoded.
    header: Vec<u8>,
    /// Bytes of the file that are good.
    len: u64,
    /// Messages that are live.
    live: HashMap<Nonce, Live>,
    live_bytes: u64,
    /// Of the next message.
    turn: u64,
    owed: Owed,
    /// `len` from which on a compaction is worth a look.
    compact_at: u64,
    /// Makes the name survive power loss. A field, so that tests can have it fail.
    sync_name: fn(&Path) -> io::Result<()>,
}

/// Why it is not sure that the disk has what it took, once that is so. A second try that succeeds proves nothing: the system may have let
/// go of what it could not write.
type Doubt = Arc<OnceLock<String>>;

/// The open file, to wait on beside further writes.
#[derive(Debug)]
pub(crate) struct Handle {
    file: File,
    doubt: Doubt,
}

/// A message that is live.
#[derive(Debug)]
struct Live {
    /// Bytes of its record.
    len: u64,
    /// Grows from message to message: the order in which they were said.
    turn: u64,
}

/// Records that are to be written. What did not reach the file stays here for the next time: never more than those of all that is live,
/// and one for each message that is in the file.
#[derive(Debug, Default)]
struct Owed {
    /// Of messages that the file has.
    gone: Vec<u8>,
    /// Of live messages that it has not, by their turns.
    kept: BTreeMap<u64, Vec<u8>>,
}

impl Journal {
    /// Opens the outbox of an account at a relay, making it if it is not there.
    pub(crate) fn open(
        directory: &Path,
        relay: &RelayAddress,
        account: &AccountName,
    ) -> Result<(Self, Left), JournalError> {
        let path = directory.join(file_name(relay, account));
        let failed = |source| JournalError::Io { path: path.clone(), source };
        let lock = create_directory(directory).and_then(|()| lock(&path)).map_err(failed)?;
        let lock = lock.ok_or(JournalError::InUse)?;
        let header = Record::header(relay, account);
        let found = survey(&path).map_err(failed)?;
        let is_older = found.header == Some(Record::header_before(relay, account));
        if !is_older && found.header.as_ref().is_some_and(|found| *found != header) {
            return Err(JournalError::Foreign { path });
        }
        let damage = found.tell_damage(&path).map_err(failed)?;
        let header = header.encoded().map_err(failed)?;
        let file = match found.len {
            0 => write_whole(&path, &header, &[], &BTreeMap::new()).and_then(|whole| synced(&path, whole)),
            // An older version would take what is written from here on for damage: the header keeps it away.
            _ if is_older => write_whole(&path, &header, &found.live, &BTreeMap::new())
                .and_then(|whole| synced(&path, whole)),
            // What is behind the good part was told, and is aside.
            len => writable(&path).and_then(|file| file.set_len(len).map(|()| (file, len))),
        };
        let (file, len) = file.map_err(failed)?;
        let live: HashMap<Nonce, Live> = (0..)
            .zip(&found.live)
            .map(|(turn, message)| Ok((message.nonce, Live { len: record_len(message)?, turn })))
            .collect::<io::Result<_>>()
            .map_err(failed)?;
        let live_bytes = live.values().map(|live| live.len).sum();
        let journal = Self {
            path,
            file,
            doubt: Doubt::default(),
            _lock: lock,
            header,
            len,
            turn: live.len() as u64,
            live,
            live_bytes,
            owed: Owed::default(),
            compact_at: COMPACT_MIN,
            sync_name: sync_directory_of,
        };
        Ok((journal, Left { messages: found.live, damage }))
    }

    /// Notes a message; [`Journal::flush`] writes it. One that is live already changes nothing.
    pub(crate) fn keep(&mut self, message: Unsent) -> io::Result<()> {
        let nonce = message.nonce;
        if self.live.contains_key(&nonce) {
            return Ok(());
        }
        let record = Record::from(message).encoded()?;
        let (len, turn) = (record.len() as u64, self.turn);
        self.turn += 1;
        self.owed.kept.insert(turn, record);
        self.live.insert(nonce, Live { len, turn });
        self.live_bytes += len;
        Ok(())
    }

    /// Notes that a message is acknowledged or refused. If the process ends before that is written the message is sent once more, and
    /// the relay answers with its first place.
    pub(crate) fn forget(&mut self, nonce: Nonce) -> io::Result<()> {
        let Some(Live { len, turn }) = self.live.remove(&nonce) else { return Ok(()) };
        self.live_bytes -= len;
        // What never reached the file need not be taken out of it.
        if self.owed.kept.remove(&turn).is_none() {
            self.owed.gone.extend(Record::Gone { nonce }.encoded()?);
        }
        Ok(())
    }

    /// Hands what was noted to the system: it survives the end of this process. What an error kept from the file is
    /// still noted, and written the next time.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.live.is_empty() {
            return self.empty();
        }
        if self.owed.is_empty() {
            return Ok(());
        }
        let written = self.file.seek(SeekFrom::Start(self.len)).and_then(|_| self.owed.write_to(&self.file));
        // Half a record would be told as damage by the next run; where it cannot be cut off the next write covers it.
        self.len += written.inspect_err(|_| drop(self.file.set_len(self.len)))?;
        self.owed = Owed::default();
        if self.len >= self.compact_at && self.live_bytes < self.len / 2 {
            return self.compact();
        }
        Ok(())
    }

    /// A handle to wait on until the disk has what was flushed, beside further writes.
    pub(crate) fn handle(&self) -> io::Result<Handle> {
        Ok(Handle { file: self.file.try_clone()?, doubt: Arc::clone(&self.doubt) })
    }

    /// Why it is not sure that the disk has what was flushed.
    pub(crate) fn doubt(&self) -> Option<&str> {
        self.doubt.get().map(String::as_str)
    }

    /// Writes the file anew, with all that is live, where there is a doubt.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        if self.doubt().is_none() {
            return Ok(());
        }
        let rewritten = self.rewritten()?;
        self.change_to(rewritten)
    }

    /// Nothing is live: the cheapest compaction.
    fn empty(&mut self) -> io::Result<()> {
        let header = self.header.len() as u64;
        if self.len > header {
            self.file.set_len(header)?;
            self.len = header;
        }
        self.owed = Owed::default();
        Ok(())
    }

    /// Rewrites the file with what is live. If that fails the file stays as it is, and is only longer than it need be: no error. It is one
    /// if a power loss may bring the old file back.
    fn compact(&mut self) -> io::Result<()> {
        let changed = match self.rewritten() {
            Ok(rewritten) => self.change_to(rewritten),
            Err(error) => {
                tracing::warn!(%error, "the outbox's file could not be compacted");
                Ok(())
            }
        };
        self.compact_at = COMPACT_MIN.max(2 * self.len);
        changed
    }

    /// Goes on with the new file. The name means it already, whatever fails here: what is written goes there.
    fn change_to(&mut self, (file, len): (File, u64)) -> io::Result<()> {
        (self.file, self.len, self.doubt) = (file, len, Doubt::default());
        self.owed = Owed::default();
        (self.sync_name)(&self.path).inspect_err(|error| doubt(&self.doubt, error))
    }

    /// The file as it should be: what is live of it, and what it is owed. Only if all that can be read: what cannot stays for the next
    /// opening, which puts it aside and tells.
    fn rewritten(&self) -> io::Result<(File, u64)> {
        let Found { mut live, rest, .. } = survey(&self.path)?;
        live.retain(|message| self.live.contains_key(&message.nonce));
        if rest > 0 || live.len() + self.owed.kept.len() != self.live.len() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the file is not what was written"));
        }
        write_whole(&self.path, &self.header, &live, &self.owed.kept)
    }
}

impl Handle {
    /// Waits until the disk has what was flushed. Where it fails the journal is in doubt.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data().inspect_err(|error| doubt(&self.doubt, error))
    }
}

/// The first reason stands.
fn doubt(doubt: &Doubt, error: &io::Error) {
    doubt.get_or_init(|| error.to_string());
}

impl Owed {
    fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.kept.is_empty()
    }

    /// Writes it all; returns the bytes.
    fn write_to(&self, file: &File) -> io::Result<u64> {
        let mut file = BufWriter::new(file);
        let mut len = 0;
        for records in std::iter::once(&self.gone).chain(self.kept.values()) {
            file.write_all(records)?;
            len += records.len() as u64;
        }
        file.flush()?;
        Ok(len)
    }
}

/// What stands in a file.
#[derive(Debug, Default)]
struct Found {
    /// The first record, if it is whole. Something else than an outbox's is foreign.
    header: Option<Record>,
    live: Vec<Unsent>,
    /// Bytes of good records.
    len: u64,
    /// Bytes behind them, which cannot be read.
    rest: u64,
}

/// Reads a file through; one that is not there is empty.
fn survey(path: &Path) -> io::Result<Found> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::default()),
        opened => opened?,
    };
    let end = file.metadata()?.len();
    let mut reader = Reader::new(BufReader::new(file), end);
    let mut found = Found::default();
    // In the order in which they were said; what is gone leaves a hole.
    let mut messages: Vec<Option<Unsent>> = Vec::new();
    let mut places: HashMap<Nonce, usize> = HashMap::new();
    while let Some(record) = reader.next()? {
        if found.header.is_none() {
            found.header = Some(record);
            continue;
        }
        let kept = match record {
            Record::Kept { message } => Unsent::from(message),
            Record::Amending { amending } => Unsent::from(amending),
            Record::Gone { nonce } => {
                if let Some(place) = places.remove(&nonce) {
                    messages[place] = None;
                }
                continue;
            }
            Record::Outbox { .. } => continue,
        };
        places.insert(kept.nonce, messages.len());
        messages.push(Some(kept));
    }
    found.live = messages.into_iter().flatten().collect();
    (found.len, found.rest) = (reader.at, end - reader.at);
    Ok(found)
}

impl Found {
    /// Puts a file aside that cannot be read to its end, and says what is wrong.
    fn tell_damage(&self, path: &Path) -> io::Result<Option<String>> {
        let rest = self.rest;
        if rest == 0 {
            return Ok(None);
        }
        let aside = put_aside(path)?;
        Ok(Some(format!(
            "the last {rest} bytes of the outbox on disk cannot be read (half a record that a crash left, or damage) and were cut off; messages that were not sent yet may be among them, so a copy is in {}",
            aside.display()
        )))
    }
}

/// Copies a file to a name that is free.
fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let free =
        (1_u64..).map(|n| path.with_extension(format!("damaged-{n}"))).find_map(
            |aside| match create_private(OpenOptions::new().create_new(true), &aside) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
                created => Some(created.map(|file| (file, aside))),
            },
        );
    let (mut copy, aside) = free.ok_or(ErrorKind::AlreadyExists)??;
    let copied = File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut copy))
        .and_then(|_| copy.sync_all())
        .and_then(|()| sync_directory_of(&aside));
    if copied.is_err() {
        // The next try begins again; half a copy at each would fill a disk that is full already.
        let _ = fs::remove_file(&aside);
    }
    copied.map(|()| aside)
}

/// Makes the file anew, on disk before its name points at it; returns it, and its length. Where this fails the name means what it meant.
/// That it means the new one may end with a power loss until its directory is synced.
fn write_whole(
    path: &Path,
    header: &[u8],
    live: &[Unsent],
    owed: &BTreeMap<u64, Vec<u8>>,
) -> io::Result<(File, u64)> {
    let new = path.with_extension("new");
    let mut bytes = header.to_vec();
    for message in live {
        bytes.extend(Record::from(message.clone()).encoded()?);
    }
    bytes.extend(owed.values().flatten());
    // What lies there is of a run that ended before the rename; this one has the lock.
    let mut file = create_private(OpenOptions::new().create(true).truncate(true), &new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok((file, bytes.len() as u64))
}

fn synced<T>(path: &Path, whole: T) -> io::Result<T> {
    sync_directory_of(path).map(|()| whole)
}

fn record_len(message: &Unsent) -> io::Result<u64> {
    Ok(Record::from(message.clone()).encoded()?.len() as u64)
}

fn writable(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// What people write is for their eyes: mode 0600.
fn create_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.write(true).open(path)
}

fn create_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// A rename survives power loss only once its directory is flushed.
#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// NTFS journals renames itself, and directories cannot be opened as files.
#[cfg(not(unix))]
fn sync_directory_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// The lock beside the file, which a rename does not touch; `None` if another process or client has it. It ends with its owner.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = create_private(OpenOptions::new().create(true), &path.with_extension("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn file_name(relay: &RelayAddress, account: &AccountName) -> String {
    file_name::of_account(relay, account, "outbox")
}
