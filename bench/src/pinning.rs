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

fn taskset(process: u32) -> bool {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", &GENERATOR_CORE.to_string(), &process.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
