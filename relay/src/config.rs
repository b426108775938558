//! What a relay is told to do: flags over environment over file over defaults.
//!
//! Owns the settings and the config file's form. An unknown key or value is an error that names it, never ignored.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use mechat_protocol::limits::{CONNECTIONS_MAX, DEFAULT_PORT, MOTD_LEN_MAX};
use serde::Deserialize;

use crate::storage::selection::StorageChoice;

/// The settings of one relay.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where database, keys and certificate live; made if missing.
    pub data_dir: PathBuf,
    /// Which storage.
    pub storage: StorageChoice,
    /// A certificate chain and its key as PEM files; made in `data_dir` if absent.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Message of the day.
    pub motd: Option<String>,
    /// Whether people are listed before sign-in.
    pub participants_before_sign_in: bool,
    /// Connections at a time; the operating system may allow fewer.
    pub connections_max: usize,
}

/// The config file. Every key may be absent.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfigFile {
    /// `HOST:PORT` to listen on.
    pub listen: Option<SocketAddr>,
    /// PEM file with the certificate chain.
    pub cert: Option<PathBuf>,
    /// PEM file with its private key.
    pub key: Option<PathBuf>,
    /// Which storage.
    pub storage: Option<String>,
    /// Data directory.
    pub data_dir: Option<PathBuf>,
    /// Log filter.
    pub log: Option<String>,
    /// Message of the day.
    pub motd: Option<String>,
    /// Whether people are listed before sign-in.
    pub participants_before_sign_in: Option<bool>,
    /// Connections at a time.
    pub connections_max: Option<usize>,
}

impl Config {
    /// The defaults: all addresses, the standard port, SQLite in the platform's data directory.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self::in_directory(default_data_dir()?))
    }

    /// The defaults, with everything in a directory of one's own.
    pub const fn in_directory(data_dir: PathBuf) -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), DEFAULT_PORT),
            data_dir,
            storage: StorageChoice::Sqlite(None),
            certificate: None,
            motd: None,
            participants_before_sign_in: false,
            connections_max: CONNECTIONS_MAX,
        }
    }

    /// The embedded database's file; `None` where nothing is kept.
    pub fn database(&self) -> Option<PathBuf> {
        match &self.storage {
            StorageChoice::Memory => None,
            StorageChoice::Sqlite(Some(path)) => Some(path.clone()),
            StorageChoice::Sqlite(None) => Some(self.data_dir.join("mechat.db")),
        }
    }

    /// Checks what only the whole shows.
    pub fn validate(&self) -> anyhow::Result<()> {
        if let Some(motd) = self.motd.as_ref().filter(|motd| motd.len() > MOTD_LEN_MAX) {
            anyhow::bail!("motd has at most {MOTD_LEN_MAX} bytes; this one has {}", motd.len());
        }
        Ok(())
    }
}

/// The platform's directory for data of this program.
pub fn default_data_dir() -> anyhow::Result<PathBuf> {
    let directories = directories::ProjectDirs::from("", "", "mechat-relay")
        .context("there is no home directory to keep data in: give one with --data-dir DIR")?;
    Ok(directories.data_dir().to_owned())
}

impl ConfigFile {
    /// Reads a TOML file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("the config file {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("the config file {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_an_unknown_key_and_the_valid_ones() {
        let error = toml::from_str::<ConfigFile>("listn = \"x\"").expect_err("unknown").to_string();
        assert!(error.contains("listn") && error.contains("data-dir"), "{error}");
    }

    #[test]
    fn reads_every_key() {
        let file: ConfigFile = toml::from_str(
            "listen = \"127.0.0.1:1\"\ncert = \"c\"\nkey = \"k\"\nstorage = \"memory\"\ndata-dir = \"d\"\nlog = \"info\"\nmotd = \"hi\"\nparticipants-before-sign-in = true",
        )
        .expect("parses");
        assert_eq!(file.listen.map(|a| a.port()), Some(1));
        assert_eq!(file.participants_before_sign_in, Some(true));
    }
}
