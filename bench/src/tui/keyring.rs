//! A keyring of the measurement's own: a session bus and a Secret Service, as a desktop has them, in a temporary home.
//!
//! A client that finds one signs in again without a password, so that its starts can be measured like anybody's. The user's own bus
//! and keyring are never touched.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// How long the Secret Service may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// What opens the keyring, of which nobody else knows.
const PASSWORD: &[u8] = b"of this measurement alone";

/// A bus with a Secret Service on it. The service ends with the bus, and the bus with this.
#[derive(Debug)]
pub(crate) struct Keyring {
    bus: Child,
    address: String,
    home: String,
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = self.bus.kill(); // It may be gone already.
        let _ = self.bus.wait();
    }
}

impl Keyring {
    /// Starts both; `home` is empty, its owner's alone, and outlives them.
    pub(crate) fn start(home: &Path) -> anyhow::Result<Self> {
        let home = home.to_str().context("a temporary directory is UTF-8")?.to_owned();
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--nopidfile", "--print-address"]);
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", &home);
        let streams = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut bus = streams.spawn().context("starting dbus-daemon")?;
        let said = bus.stdout.take().context("its output")?;
        let mut keyring = Self { bus, address: String::new(), home };
        BufReader::new(said).read_line(&mut keyring.address).context("the bus's address")?;
        keyring.address.truncate(keyring.address.trim_end().len());
        ensure!(!keyring.address.is_empty(), "dbus-daemon did not start");
        keyring.unlock()?;
        keyring.wait()?;
        Ok(keyring)
    }

    /// What a program needs to find it.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("HOME", self.home.clone()),
            ("XDG_RUNTIME_DIR", self.home.clone()),
            ("DBUS_SESSION_BUS_ADDRESS", self.address.clone()),
        ]
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment());
        command
    }

    fn unlock(&self) -> anyhow::Result<()> {
        let mut command = self.command("gnome-keyring-daemon");
        command.args(["--unlock", "--components=secrets"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut daemon = command.spawn().context("starting gnome-keyring-daemon")?;
        daemon.stdin.take().context("its input")?.write_all(PASSWORD).context("unlocking the keyring")?;
        let status = daemon.wait()?;
        ensure!(status.success(), "gnome-keyring-daemon did not start: {status}");
        Ok(())
    }

    /// The daemon says that it runs before it has its name on the bus.
    fn wait(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut command = self.command("dbus-send");
            command.args([
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.DBus",
                "/org/freedesktop/DBus",
            ]);
            command.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
            let output = command.stdin(Stdio::null()).output().context("starting dbus-send")?;
            if String::from_utf8_lossy(&output.stdout).contains("boolean true") {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "no Secret Service came in {PATIENCE:?}");
        }
    }
}
