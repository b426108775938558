//! One core for the server and one for the generator, so that neither is measured in the other's shadow.
//!
//! By `taskset`, where it is present and there are two cores. It never pretends: [`Pinning::describe`] stands above every table.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// The core of every server.
pub(crate) const SERVER_CORE: usize = 0;
/// The core of the generator.
pub(crate) const GENERATOR_CORE: usize = 1;

/// Whether processes are pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// One core each.
    OneCoreEach,
    /// There is one core, or no `taskset`.
    None,
}

impl Pinning {
    /// Pins this process to the generator's core, threads that it will start included, if that can be done.
    pub(crate) fn of_this_process() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if cores < 2 || !taskset(std::process::id()) {
            return Self::None;
        }
        Self::OneCoreEach
    }

    /// A program on `core`.
    pub(crate) fn command(self, core: usize, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::OneCoreEach => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &core.to_string()]).arg(program);
                command
            }
            Self::None => Command::new(program),
        }
    }

    /// Runs `work` where a program that it starts comes to be on `core`. Unlike [`Pinning::command`] no program stands before it,
    /// whose start would be measured too.
    pub(crate) fn on_core<T: Send>(self, core: usize, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        if self == Self::None {
            return Ok(work());
        }
        let pinned = move || {
            bind_thread(core)?;
            anyhow::Ok(work())
        };
        // A thread for this alone: this process stays where it is.
        let joined = std::thread::scope(|scope| scope.spawn(pinned).join());
        joined.map_err(|_| anyhow::anyhow!("a thread that starts a program broke"))?
    }

    /// For people.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::OneCoreEach => "server and generator pinned to one core each",
            Self::None => {
                "NOT pinned (one core, or no taskset): server and generator disturb each other's times"
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn bind_thread(core: usize) -> anyhow::Result<()> {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &cores)?)
}

/// Never asked: where there is no `taskset` nothing is pinned.
#[cfg(not(target_os = "linux"))]
fn bind_thread(_: usize) -> anyhow::Result<()> {
    anyhow::bail!("programs can be bound to a core on Linux only")
}

fn taskset(process: u32) -> bool {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", &GENERATOR_CORE.to_string(), &process.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
