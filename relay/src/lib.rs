//! The relay's hands: listener, TLS, connections, fan-out, storage, credentials.
//!
//! `Relay::start(config)` runs a relay inside any tokio program; `mechat-relay` is a command line round it.

use std::net::SocketAddr;
use std::path::PathBuf;

use mechat_protocol::{Fingerprint, Invite};

/// What a relay is told to do (stub of the real one; the fields here stay).
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where database, keys and certificate live; made if missing.
    pub data_dir: PathBuf,
}

impl Config {
    /// The defaults: all addresses, the standard port, sqlite in the platform's data directory.
    pub fn new() -> anyhow::Result<Self> {
        anyhow::bail!("stub")
    }
}

/// A running relay.
#[derive(Debug)]
pub struct Relay {}

impl Relay {
    /// Binds, opens the storage, makes what is missing, and serves until [`Relay::shutdown`].
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let _ = config;
        anyhow::bail!("stub")
    }

    /// The address it listens on, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        unreachable!("stub")
    }

    /// Its certificate's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        unreachable!("stub")
    }

    /// A link with which others join `#lobby`: an address of this machine that others can reach, and the fingerprint.
    pub fn invite(&self) -> Invite {
        unreachable!("stub")
    }

    /// Tells clients to go, drains, flushes. At most 5 s.
    pub async fn shutdown(self) {}
}
