//! The relay's program, which is killed and started again where it was.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use mechat_protocol::{Fingerprint, RelayAddress};

/// Lines that it prints when it is ready.
const BANNER_LINES: usize = 4;

/// A running relay; ended when dropped.
pub(crate) struct Relay {
    program: PathBuf,
    directory: PathBuf,
    child: Child,
    /// Read no further, but kept: its end would be the relay's when it writes.
    _output: Lines<BufReader<ChildStdout>>,
    pub(crate) address: RelayAddress,
    pub(crate) fingerprint: Fingerprint,
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.kill();
    }
}

impl Relay {
    /// Starts a relay on a free port, with everything in a directory.
    pub(crate) fn start(program: &Path, directory: &Path) -> anyhow::Result<Self> {
        Self::start_at(program, directory, "127.0.0.1:0")
    }

    fn start_at(program: &Path, directory: &Path, listen: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let log = OpenOptions::new().create(true).append(true).open(directory.join("log"))?;
        let mut child = Command::new(program)
            .args(["--listen", listen, "--log", "warn", "--storage", "sqlite", "--data-dir"])
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut output = BufReader::new(child.stdout.take().context("the relay's output")?).lines();
        let banner: Vec<String> = output.by_ref().take(BANNER_LINES).collect::<std::io::Result<_>>()?;
        let field = |name: &str| {
            let line = banner.iter().find_map(|line| line.strip_prefix(name));
            line.map(str::trim).with_context(|| {
                format!("the relay did not start; {} says why", directory.join("log").display())
            })
        };
        let (address, fingerprint) = (field("listening on")?.parse()?, field("fingerprint")?.parse()?);
        let (program, directory) = (program.to_owned(), directory.to_owned());
        Ok(Self { program, directory, child, _output: output, address, fingerprint })
    }

    /// Ends it without a warning (SIGKILL).
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again at the same address on the same data.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        let listen = self.address.to_string();
        *self = Self::start_at(&self.program.clone(), &self.directory.clone(), &listen)?;
        Ok(())
    }
}
