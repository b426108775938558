//! The relay's program as the tests of real programs use it, killed when it is dropped.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The client's program.
pub(crate) const CLIENT: &str = env!("CARGO_BIN_EXE_mechat-tui");

/// The relay's program stands beside the client's; a run of this crate alone builds it first.
fn relay_program() -> PathBuf {
    let program = Path::new(CLIENT).with_file_name("mechat-relay");
    if !program.exists() {
        let status = Command::new(env!("CARGO")).args(["build", "--package", "mechat-relay"]).status();
        assert!(status.expect("cargo runs").success());
    }
    program
}

/// A relay program that can be killed and started again at the same address.
pub(crate) struct Relay {
    child: Child,
    home: PathBuf,
    pub(crate) address: String,
    pub(crate) invite: String,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    /// At an address of the system's choice.
    pub(crate) fn start(home: &Path) -> Self {
        Self::start_at(home, "127.0.0.1:0")
    }

    fn start_at(home: &Path, listen: &str) -> Self {
        std::fs::create_dir_all(home).expect("a directory");
        let mut command = Command::new(relay_program());
        command.env_clear().env("HOME", home).args(["--listen", listen]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the relay starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let banner: Vec<String> = lines.take(4).map(|line| line.expect("a line")).collect();
        let word = |line: &str| line.split_whitespace().last().expect("a word").trim_matches('\'').to_owned();
        Self { child, home: home.to_owned(), address: word(&banner[0]), invite: word(&banner[3]) }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    pub(crate) fn restart(&mut self) {
        *self = Self::start_at(&self.home.clone(), &self.address.clone());
    }
}
