//! The servers that are measured, each a process of its own: how they are started, pinned, asked what they cost, and ended.
//!
//! Invariant: a server never outlives the measurement, however that ends: it stops when its standard input closes.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use mechat_protocol::Fingerprint;
use mechat_relay::storage::selection::StorageChoice;
use mechat_relay::{Config, Relay, open_storage};

use crate::pinning::{Pinning, SERVER_CORE};
use crate::population::Population;
use crate::reference;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The yardstick.
    Reference,
    /// The relay, its log in memory.
    Memory,
    /// The relay, its log in SQLite with `synchronous=FULL`.
    Sqlite,
}

impl Kind {
    /// As it stands in a table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Memory => "relay, memory",
            Self::Sqlite => "relay, sqlite",
        }
    }
}

/// The relay's command line.
#[derive(Debug, Args)]
pub(crate) struct RelayArguments {
    /// Where its files are.
    #[arg(long)]
    directory: PathBuf,
    /// `memory` or `sqlite`.
    #[arg(long)]
    storage: StorageChoice,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(flatten)]
    population: Population,
}

/// Runs the relay in this process until standard input closes.
pub(crate) async fn run_relay(arguments: RelayArguments) -> anyhow::Result<()> {
    let RelayArguments { directory, storage, listen, population } = arguments;
    let config = Config { listen, storage, ..Config::in_directory(directory.clone()) };
    let storage = open_storage(&config)?;
    population.settle(&storage, &directory).await?;
    let relay = Relay::start_on(config, Arc::clone(&storage)).await?;
    say_ready(relay.local_addr(), relay.fingerprint());
    input_closes().await;
    relay.shutdown().await
}

/// Runs the reference in this process until standard input closes.
pub(crate) async fn run_reference(directory: &Path) -> anyhow::Result<()> {
    tokio::select! {
        served = reference::serve(directory, say_ready) => served,
        () = input_closes() => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "the process that measures reads it")]
fn say_ready(address: SocketAddr, fingerprint: Fingerprint) {
    println!("{address} {fingerprint}");
}

async fn input_closes() {
    let (closed, closes) = tokio::sync::oneshot::channel();
    // A thread, not a blocking task: the runtime would wait for it at the end.
    std::thread::spawn(move || {
        let ended = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = closed.send(ended); // Whoever waited may have ended for a reason of its own.
    });
    let _ = closes.await; // Sent or dropped, nobody holds the other end any more.
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its certificate.
    pub(crate) fingerprint: Fingerprint,
}

impl Server {
    /// Starts a server in `directory` and waits until it listens on `listen`; the reference chooses its port itself.
    pub(crate) fn start(
        kind: Kind,
        directory: &Path,
        population: &Population,
        pinning: Pinning,
        listen: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let mut command = pinning.command(SERVER_CORE, &program()?);
        match kind {
            Kind::Reference => command.arg("reference"),
            Kind::Memory => command.args(["relay", "--storage=memory"]),
            Kind::Sqlite => command.args(["relay", "--storage=sqlite"]),
        };
        command.arg("--directory").arg(directory);
        if kind != Kind::Reference {
            command.args(population.arguments());
            command.args(listen.map(|listen| format!("--listen={listen}")));
        }
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting a server")?;
        let mut line = String::new();
        let said = child.stdout.take().context("the server's output")?;
        BufReader::new(said).read_line(&mut line).context("the server's first line")?;
        let parsed = line
            .trim()
            .split_once(' ')
            .and_then(|(address, fingerprint)| Some((address.parse().ok()?, fingerprint.parse().ok()?)));
        let Some((address, fingerprint)) = parsed else {
            let _ = child.kill(); // It may have ended by itself, having said why.
            anyhow::bail!("the server did not start: it said `{}`, {}", line.trim(), child.wait()?);
        };
        Ok(Self { child, address, fingerprint })
    }

    /// What it has cost until now.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of_process(self.child.id())
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("killing a server")?;
        self.child.wait().context("waiting for a killed server")?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may be gone already.
        let _ = self.child.wait();
    }
}

/// This program, which is also every server: in its tests, the program beside them.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program")?;
    if own.file_stem().is_some_and(|name| name == "mechat-bench") {
        return Ok(own);
    }
    let beside = own.parent().and_then(Path::parent).context("the directory of this program")?;
    let program = beside.join(format!("mechat-bench{}", std::env::consts::EXE_SUFFIX));
    ensure!(program.exists(), "there is no {}", program.display());
    Ok(program)
}

/// What a process has cost. Linux: read from `/proc`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time in its own code and in the kernel, all threads.
    pub(crate) cpu: Duration,
    /// Bytes of memory that it holds now.
    pub(crate) rss: u64,
    /// Bytes of memory that it held at most.
    pub(crate) rss_peak: u64,
}

impl Usage {
    /// Of this process.
    pub(crate) fn own() -> anyhow::Result<Self> {
        Self::of("self")
    }

    /// Of another process.
    pub(crate) fn of_process(id: u32) -> anyhow::Result<Self> {
        Self::of(&id.to_string())
    }

    fn of(process: &str) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{process}/{name}");
            fs::read_to_string(&path).with_context(|| format!("{path}: costs can be read on Linux only"))
        };
        let stat = read("stat")?;
        // The second field, the name in brackets, may hold anything; user and system time are fields 14 and 15 (proc(5)).
        let after_name = stat.rsplit_once(')').context("/proc/PID/stat has a name in brackets")?.1;
        let fields = after_name.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap_or_default()).sum();
        let cpu = Duration::from_nanos(ticks * 1_000_000_000 / ticks_per_second());
        let (rollup, status) = (read("smaps_rollup")?, read("status")?);
        Ok(Self { cpu, rss: kib(&rollup, "Rss:")?, rss_peak: kib(&status, "VmHWM:")? })
    }
}

/// A line such as `Rss:  1234 kB`, in bytes.
fn kib(text: &str, key: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(number.with_context(|| format!("/proc has no `{key}`"))? * 1_024)
}

#[cfg(target_os = "linux")]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

/// Never asked: where there is no `/proc` the reading of it fails first.
#[cfg(not(target_os = "linux"))]
const fn ticks_per_second() -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_bytes_and_a_missing_one_is_an_error() {
        assert_eq!(kib("a\nRss:   12 kB\n", "Rss:").expect("there"), 12_288);
        assert!(kib("Pss: 1 kB", "Rss:").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_is_used_shows() {
        let before = Usage::own().expect("read");
        let used = vec![7_u8; 64 << 20];
        let after = Usage::own().expect("read");
        assert!(after.rss >= before.rss + (32 << 20), "{} after {}", after.rss, before.rss);
        assert!(used.iter().all(|byte| *byte == 7) && after.cpu >= before.cpu);
    }
}
