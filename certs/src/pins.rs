//! The relays that this client has come to trust: one fingerprint for each address.
//!
//! Owns the pin file, a text that people may read and edit. It never decides whether to trust: [`crate::trust`] does.
//!
//! Invariants: an address has at most one line; a line that cannot be read is an error, never skipped, since a lost
//! pin would silently turn a known relay into a new one; remarks that people wrote in the file survive.
//!
//! The store is shared by reference (`&self`, one mutex inside): a client connects to several relays at once, and
//! a pin is written at the one moment that the user said yes. The lock is held over the file's work, which is short,
//! never across an await. Other processes are kept out by a lock on a file beside the pins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mechat_protocol::{Fingerprint, RelayAddress};

use crate::atomic_file::{self, Occupied, Readers};

const HEADER: &str =
    "# Relays that MeChat trusts, one on a line: HOST:PORT FINGERPRINT (SHA-256 of the certificate).";

/// The pin file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The system refused to read it.
    #[error("cannot read the trusted relays in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused to write it.
    #[error("cannot write the trusted relays to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line breaks a rule.
    #[error(
        "{}:{line}: {rule}; a line is `HOST:PORT FINGERPRINT`, a remark after `#`, or empty: mend or remove it",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The rule.
        rule: String,
    },
}

/// The pins of one file.
#[derive(Debug)]
pub struct PinStore {
    path: PathBuf,
    lines: Mutex<Vec<Line>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Remark(String),
    Pin(RelayAddress, Fingerprint),
}

impl PinStore {
    /// Reads the pins; a file that does not exist holds none.
    pub fn open(path: PathBuf) -> Result<Self, PinError> {
        let lines = read(&path)?;
        Ok(Self { path, lines: Mutex::new(lines) })
    }

    /// The fingerprint that `address` must show, as of the last time this process read or wrote the file.
    pub fn get(&self, address: &RelayAddress) -> Option<Fingerprint> {
        self.lines().iter().find_map(|line| match line {
            Line::Pin(pinned, fingerprint) if pinned == address => Some(*fingerprint),
            _ => None,
        })
    }

    /// Trusts `fingerprint` at `address` from now on, instead of any other.
    pub fn pin(&self, address: &RelayAddress, fingerprint: Fingerprint) -> Result<(), PinError> {
        self.change(|lines| match lines.iter_mut().find(|line| line.is_of(address)) {
            Some(line) => *line = Line::Pin(address.clone(), fingerprint),
            None => lines.push(Line::Pin(address.clone(), fingerprint)),
        })
    }

    /// Trusts nothing at `address`: the next connection is a first one. Fine when there was no pin.
    pub fn forget(&self, address: &RelayAddress) -> Result<(), PinError> {
        self.change(|lines| lines.retain(|line| !line.is_of(address)))
    }

    /// Reads the file anew before changing it, so that the pins of another client stay.
    fn change(&self, change: impl FnOnce(&mut Vec<Line>)) -> Result<(), PinError> {
        let failed = |source| PinError::Write { path: self.path.clone(), source };
        let mut held = self.lines();
        atomic_file::create_directory_of(&self.path).map_err(failed)?;
        let _lock = lock_beside(&self.path).map_err(failed)?;
        let mut lines = read(&self.path)?;
        change(&mut lines);
        atomic_file::write(&self.path, write(&lines).as_bytes(), Readers::Owner, Occupied::Replace)
            .map_err(failed)?;
        *held = lines;
        Ok(())
    }

    /// A panic while the lock was held leaves the lines of the last finished change: they are replaced whole.
    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn is_of(&self, address: &RelayAddress) -> bool {
        matches!(self, Self::Pin(pinned, _) if pinned == address)
    }
}

/// Waits until no other process changes the pins; the system frees it when the file closes, however that comes.
/// File systems that know no locks leave only the re-reading, which makes a lost pin unlikely, not impossible.
fn lock_beside(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(PathBuf::from(name))?;
    match file.lock() {
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
        _ => Ok(file),
    }
}

fn read(path: &Path) -> Result<Vec<Line>, PinError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            parse(&text).map_err(|(line, rule)| PinError::Malformed { path: path.to_owned(), line, rule })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(vec![Line::Remark(HEADER.to_owned())]),
        Err(source) => Err(PinError::Read { path: path.to_owned(), source }),
    }
}

fn parse(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let mut lines: Vec<Line> = Vec::new();
    for (text, number) in text.lines().zip(1..) {
        let line = parse_line(text).map_err(|rule| (number, rule))?;
        if let Line::Pin(address, _) = &line
            && lines.iter().any(|line| line.is_of(address))
        {
            return Err((number, format!("{address} has a line already")));
        }
        lines.push(line);
    }
    Ok(lines)
}

fn parse_line(text: &str) -> Result<Line, String> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(Line::Remark(text.to_owned()));
    }
    let (address, fingerprint) =
        trimmed.split_once(char::is_whitespace).ok_or("the fingerprint after the address is missing")?;
    let address = address.parse().map_err(|error| format!("{error}"))?;
    let fingerprint = fingerprint.trim().parse().map_err(|error| format!("{error}"))?;
    Ok(Line::Pin(address, fingerprint))
}

fn write(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |text, line| match line {
        Line::Remark(remark) => text + remark + "\n",
        Line::Pin(address, fingerprint) => text + &format!("{address} {fingerprint}\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> RelayAddress {
        text.parse().expect("an address")
    }

    fn fingerprint(byte: u8) -> Fingerprint {
        Fingerprint::new([byte; 32])
    }

    #[test]
    fn pins_survive_a_restart_and_can_be_replaced_and_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new").join("relays.txt");
        let store = PinStore::open(path.clone()).expect("no file is no pins");
        let (one, two) = (address("chat.example.org"), address("[::1]:99"));
        assert_eq!(store.get(&one), None);
        store.pin(&one, fingerprint(1)).expect("pinned");
        store.pin(&two, fingerprint(2)).expect("pinned");
        store.pin(&one, fingerprint(3)).expect("replaced");

        let store = PinStore::open(path.clone()).expect("reads what it wrote");
        assert_eq!((store.get(&one), store.get(&two)), (Some(fingerprint(3)), Some(fingerprint(2))));
        assert_eq!(store.get(&address("chat.example.org:1")), None, "the port counts");
        store.forget(&one).expect("forgotten");
        store.forget(&one).expect("forgotten twice is fine");
        let text = fs::read_to_string(&path).expect("there");
        assert_eq!(text, format!("{HEADER}\n[::1]:99 {}\n", fingerprint(2)));
    }

    #[test]
    fn two_clients_keep_each_others_pins_and_peoples_remarks() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("relays.txt");
        fs::write(&path, "# mine\n\n").expect("written");
        let (one, two) =
            (PinStore::open(path.clone()).expect("one"), PinStore::open(path.clone()).expect("two"));
        one.pin(&address("a.example"), fingerprint(1)).expect("pinned");
        two.pin(&address("b.example"), fingerprint(2)).expect("pinned");
        let text = fs::read_to_string(&path).expect("there");
        assert_eq!(
            text,
            format!("# mine\n\na.example:7667 {}\nb.example:7667 {}\n", fingerprint(1), fingerprint(2))
        );
        assert_eq!(two.get(&address("a.example")), Some(fingerprint(1)));
    }

    #[test]
    fn two_at_once_lose_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("relays.txt");
        std::thread::scope(|scope| {
            for client in 0..4_u8 {
                let store = PinStore::open(path.clone()).expect("opens");
                scope.spawn(move || {
                    for n in 0..8_u8 {
                        let address = address(&format!("relay-{client}-{n}.example"));
                        store.pin(&address, fingerprint(n)).expect("pinned");
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).expect("there");
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 32, "{text}");
    }

    #[test]
    fn a_bad_line_is_named_and_nothing_is_lost() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("relays.txt");
        let good = format!("a.example {}\n", fingerprint(1));
        for (bad, rule) in [
            ("b.example", "fingerprint after the address is missing"),
            ("b.example abcd", "64 hexadecimal digits"),
            ("b.example:0 abcd", "a port is"),
            (good.trim(), "has a line already"),
        ] {
            let text = format!("{good}{bad}\n");
            fs::write(&path, &text).expect("written");
            let error = PinStore::open(path.clone()).expect_err(bad).to_string();
            assert!(error.contains("relays.txt:2: ") && error.contains(rule), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("there"), text);
        }
    }

    #[test]
    fn a_file_spoiled_while_open_is_not_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("relays.txt");
        let store = PinStore::open(path.clone()).expect("opens");
        fs::write(&path, "garbage\n").expect("written");
        let pinned = store.pin(&address("a.example"), fingerprint(1));
        assert!(matches!(pinned, Err(PinError::Malformed { line: 1, .. })));
        assert_eq!(fs::read_to_string(&path).expect("there"), "garbage\n");
        assert_eq!(store.get(&address("a.example")), None, "not on disk, so not pinned");
    }

    #[cfg(unix)]
    #[test]
    fn the_owner_alone_reads_whom_one_talks_to() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("relays.txt");
        PinStore::open(path.clone())
            .expect("opens")
            .pin(&address("a.example"), fingerprint(1))
            .expect("pinned");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
