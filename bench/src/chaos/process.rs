//! The processes of senders: started, listened to, told, killed, started again.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::ChaosArguments;
use super::relay::Relay;

/// Lines that wait to be taken; beyond that the processes wait with their reports.
const LINES_MAX: usize = 1_024;

/// What a process said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Said {
    Nothing,
    Ready,
    Drained,
    Ended,
}

/// A line of the process `index` in its life `life`; `None` at its end.
type Line = (usize, u32, Option<String>);

/// What all processes reported.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) acks: u64,
    pub(crate) resent: u64,
}

/// All processes.
pub(crate) struct Crowd {
    processes: Vec<Process>,
    start: Start,
    lines: mpsc::Receiver<Line>,
    totals: Totals,
    /// `totals.acks` at the last look.
    counted: u64,
}

/// How a process is started.
struct Start {
    address: String,
    fingerprint: String,
    directory: PathBuf,
    senders: u16,
    processes: u16,
    window: usize,
    lines: mpsc::Sender<Line>,
}

struct Process {
    child: Child,
    orders: ChildStdin,
    life: u32,
    said: Said,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Crowd {
    pub(crate) fn start(arguments: &ChaosArguments, relay: &Relay, directory: &Path) -> anyhow::Result<Self> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let start = Start {
            address: relay.address.to_string(),
            fingerprint: relay.fingerprint.to_string(),
            directory: directory.to_owned(),
            senders: arguments.senders,
            processes: arguments.processes,
            window: arguments.window,
            lines: sender,
        };
        let processes =
            (0..arguments.processes).map(|index| start.process(index, 0)).collect::<Result<_, _>>()?;
        Ok(Self { processes, start, lines, totals: Totals::default(), counted: 0 })
    }

    /// Messages acknowledged so far, as far as reported.
    pub(crate) const fn acks(&self) -> u64 {
        self.totals.acks
    }

    /// Kills a process and starts it anew on what it left.
    pub(crate) fn crash(&mut self, index: u16) -> anyhow::Result<()> {
        let process = self.processes.get_mut(usize::from(index)).context("no such process")?;
        process.child.kill()?;
        process.child.wait()?;
        *process = self.start.process(index, process.life + 1)?;
        Ok(())
    }

    /// Tells all of them.
    pub(crate) fn order(&mut self, order: &str) -> anyhow::Result<()> {
        for process in &mut self.processes {
            writeln!(process.orders, "{order}").context("a process of senders is gone")?;
        }
        Ok(())
    }

    /// Waits until all of them have come so far, as long as something happens.
    pub(crate) async fn until_all(&mut self, wanted: Said, patience: Duration) -> anyhow::Result<()> {
        let waiting = async {
            while self.processes.iter().any(|process| process.said < wanted) {
                self.line().await?;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(patience, waiting).await.context("it takes too long")?
    }

    /// Waits until so many more messages are acknowledged than at the last look.
    pub(crate) async fn until_acks(&mut self, more: u64, patience: Duration) -> anyhow::Result<()> {
        self.counted = self.totals.acks;
        let waiting = async {
            while self.totals.acks < self.counted + more {
                self.line().await?;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(patience, waiting).await.context("it takes too long")?
    }

    /// Ends all processes that have not ended.
    pub(crate) fn end(self) -> Totals {
        self.totals
    }

    async fn line(&mut self) -> anyhow::Result<()> {
        let (index, life, line) = self.lines.recv().await.context("nobody reports any more")?;
        let Some(process) = self.processes.get_mut(index) else { return Ok(()) };
        let number =
            |line: &str, word: &str| line.strip_prefix(word).and_then(|rest| rest.trim().parse::<u64>().ok());
        match line.as_deref() {
            Some(line) => {
                self.totals.acks += number(line, "acks").unwrap_or_default();
                self.totals.resent += number(line, "resent").unwrap_or_default();
                if line.starts_with("refused") {
                    crate::table::say(line);
                }
                let said = match line {
                    "ready" => Said::Ready,
                    "drained" => Said::Drained,
                    _ => Said::Nothing,
                };
                // What an earlier life said of itself does not hold for this one.
                if process.life == life {
                    process.said = process.said.max(said);
                }
            }
            None if process.life == life => {
                let status = process.child.wait()?;
                anyhow::ensure!(
                    status.success() && process.said == Said::Drained,
                    "a process of senders ended: {status}"
                );
                process.said = Said::Ended;
            }
            None => {}
        }
        Ok(())
    }
}

impl Start {
    fn process(&self, index: u16, life: u32) -> anyhow::Result<Process> {
        let first = index * self.senders / self.processes;
        let count = (index + 1) * self.senders / self.processes - first;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("chaos-senders").arg("--directory").arg(&self.directory);
        command.args(["--address", &self.address, "--fingerprint", &self.fingerprint]);
        for (name, number) in [
            ("--first", u64::from(first)),
            ("--count", u64::from(count)),
            ("--life", u64::from(life)),
            ("--window", self.window as u64),
        ] {
            command.args([name, &number.to_string()]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a process of senders")?;
        let (orders, output) = (child.stdin.take().context("stdin")?, child.stdout.take().context("stdout")?);
        let (lines, index) = (self.lines.clone(), usize::from(index));
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.blocking_send((index, life, Some(line))).is_err() {
                    return;
                }
            }
            // The driver may have ended.
            let _ = lines.blocking_send((index, life, None));
        });
        Ok(Process { child, orders, life, said: Said::Nothing })
    }
}
