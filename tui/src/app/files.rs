//! The client's own files: their places, the list of relays, the log.
//!
//! Invariants: a file is replaced whole or not at all; no secret is written here.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::level_filters::LevelFilter;

use crate::model::{Looks, RelayBook};

/// Bytes of the log beyond which the next start begins a new one.
const LOG_LEN_MAX: u64 = 4 * 1_024 * 1_024;

/// Where the files are.
#[derive(Debug, Clone)]
pub struct Places {
    config: PathBuf,
    state: PathBuf,
    cache: PathBuf,
}

impl Places {
    /// The platform's directories (XDG on Linux), or one directory for everything.
    pub fn new(directory: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(directory) = directory {
            let cache = directory.join("cache");
            return Ok(Self { config: directory.clone(), state: directory, cache });
        }
        let platform = directories::ProjectDirs::from("", "", "mechat")
            .context("this system names no home directory; use --data-dir DIR")?;
        let state = platform.state_dir().unwrap_or(platform.data_local_dir());
        let (config, cache) = (platform.config_dir().to_owned(), platform.cache_dir().to_owned());
        Ok(Self { config, state: state.to_owned(), cache })
    }

    /// The relays' fingerprints.
    pub fn pins(&self) -> PathBuf {
        self.config.join("pins")
    }

    /// Which running client uses which saved session.
    pub fn sessions(&self) -> PathBuf {
        self.state.join("sessions")
    }

    /// What was said and is not acknowledged, for each account at each relay.
    pub fn outbox(&self) -> PathBuf {
        self.state.join("outbox")
    }

    /// Everything that is kept is in one of these.
    pub fn directories(&self) -> Vec<&Path> {
        let mut directories = vec![&*self.config, &*self.state, &*self.cache];
        directories.dedup();
        directories
    }

    /// The logs of each account at each relay, as they were last known.
    pub fn cache(&self) -> PathBuf {
        self.cache.clone()
    }

    /// What the user asks for; never written by the program.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    fn looks(&self) -> PathBuf {
        self.state.join("looks.toml")
    }

    /// What was begun and is not sent, for each account at each relay.
    pub fn drafts(&self) -> PathBuf {
        self.state.join("drafts")
    }

    fn relays(&self) -> PathBuf {
        self.config.join("relays.toml")
    }

    fn log(&self) -> PathBuf {
        self.state.join("mechat-tui.log")
    }
}

/// Reads the list of relays; a missing file is an empty list.
pub fn load_relays(places: &Places) -> anyhow::Result<RelayBook> {
    load(&places.relays())
}

/// Writes the list of relays.
pub fn save_relays(places: &Places, relays: &RelayBook) -> anyhow::Result<()> {
    save(&places.relays(), relays)
}

/// Reads what was picked on the screen; a missing file is nothing.
pub fn load_looks(places: &Places) -> anyhow::Result<Looks> {
    load(&places.looks())
}

/// Writes what was picked on the screen.
pub fn save_looks(places: &Places, looks: &Looks) -> anyhow::Result<()> {
    save(&places.looks(), looks)
}

fn load<T: Default + DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("{} cannot be understood", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn save(path: &Path, what: &impl Serialize) -> anyhow::Result<()> {
    let text = toml::to_string(what)?;
    replace(path, text.as_bytes(), Readers::Everyone)
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Mode 0600 on Unix.
    Owner,
    /// As the user's mask has it.
    Everyone,
}

/// A reader sees the file before or the file after, whatever happens in between.
pub(super) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let written = write_new(&beside, bytes, readers).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Writes a file that nobody has looked into before.
pub(super) fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> std::io::Result<()> {
    // What a crash left under this name may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut file = options.open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all())
}

/// Makes a directory that nobody else may enter; one that is there stays as it is.
pub(super) fn create_private_directory(directory: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Sends the log to its file; without one the client works all the same.
pub fn start_log(places: &Places, level: LevelFilter) {
    if level == LevelFilter::OFF {
        return;
    }
    let path = places.log();
    if let Some(file) = open_log(&path) {
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .with_writer(Mutex::new(file))
            .finish();
        let _ = tracing::subscriber::set_global_default(subscriber);
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    }
}

fn open_log(path: &Path) -> Option<File> {
    fs::create_dir_all(path.parent()?).ok()?;
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_LEN_MAX) {
        fs::rename(path, path.with_extension("log.old")).ok()?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_survive_a_restart() {
        let directory = tempfile::tempdir().expect("directory");
        let places = Places::new(Some(directory.path().join("deep/er"))).expect("places");
        assert_eq!(load_relays(&places).expect("no file"), RelayBook::default());
        let mut relays = RelayBook::default();
        relays.used(&"chat.example.org:7667".parse().expect("address"), None);
        save_relays(&places, &relays).expect("writes");
        assert_eq!(load_relays(&places).expect("reads"), relays);
        let left: Vec<_> = fs::read_dir(directory.path().join("deep/er")).expect("lists").collect();
        assert_eq!(left.len(), 1, "nothing lies about: {left:?}");
    }

    #[test]
    fn a_broken_list_is_named_not_overwritten() {
        let directory = tempfile::tempdir().expect("directory");
        let places = Places::new(Some(directory.path().to_owned())).expect("places");
        fs::write(places.relays(), "[[relay]]\naddress = \"a b\"").expect("writes");
        let error = format!("{:#}", load_relays(&places).expect_err("broken"));
        assert!(error.contains("relays.toml") && error.contains("HOST:PORT"), "{error}");
    }
}
