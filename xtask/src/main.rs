//! The project's one door: `cargo xtask test`, the same on every machine and in continuous integration.
//!
//! Owns the order of the checks and what to do about missing tools. It never hides a skipped check: what was not
//! checked is printed with its reason, once when it happens and once in the table at the end.
//!
//! Invariant: no shell, so that Windows runs the same steps. This crate has no `tests/` directory either: integration tests
//! would make cargo replace the running program, which Windows refuses.

mod bench;
mod chaos;
mod fuzz;
mod report;
mod sim;
mod steps;
mod tidy;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// MeChat's checks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every check there is: format, clippy, tidy, dependencies, tests, documentation.
    Test,
    /// What continuous integration runs: the same as `test`.
    Ci,
    /// The house rules that the compiler does not know; a second or two.
    Tidy,
    /// Measures the relay next to a reference, the client next to WeeChat, and prints tables: `bench tui --runs 1`; see bench/README.md.
    Bench {
        /// Names of tables, and flags of `mechat-bench run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The relay's database on a disk that loses its power, seed by seed.
    PowerLoss {
        /// How many lives of a database; some 30 a second.
        #[arg(long, default_value_t = 1_000, value_name = "N")]
        seeds: u64,
        /// One seed alone, as a failure printed it.
        #[arg(long, value_name = "S")]
        seed: Option<u64>,
    },
    /// Kills the relay again and again under load and checks what it promised: `chaos --kills 200`; see bench/README.md.
    Chaos {
        /// Against a relay that acknowledges before it commits: this must fail.
        #[arg(long)]
        mutate: bool,
        /// Flags of `mechat-bench chaos`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs worlds of seeds against a reference model: `sim --seeds 100000`, `sim --seed 7` replays one with its trace.
    Sim {
        /// Flags of `mechat-sim`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Random bytes against the protocol and the hub, led by coverage; installs cargo-fuzz if it is missing.
    Fuzz {
        /// How long each target runs: 60 unless `--runs` is given.
        #[arg(long, value_name = "N")]
        seconds: Option<u64>,
        /// How many inputs each target is given.
        #[arg(long, value_name = "N")]
        runs: Option<u64>,
        /// One target; all of them one after another if absent.
        target: Option<String>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let root = project_root()?;
    let good = match Arguments::parse().command {
        Command::Test | Command::Ci => steps::run(steps::ALL, &root),
        Command::Tidy => steps::run(steps::TIDY, &root),
        Command::Bench { arguments } => bench::run(&root, &arguments)?,
        Command::Sim { arguments } => sim::hunt(&root, &arguments),
        Command::PowerLoss { seeds, seed } => power_loss(&root, seeds, seed),
        Command::Fuzz { seconds, runs, target } => {
            fuzz::run(&root, fuzz::Limit { seconds, runs }, target.as_deref())?
        }
        Command::Chaos { mutate, arguments } => chaos::run(&root, mutate, &arguments)?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the test that the usual run leaves out; it prints what it tried.
fn power_loss(root: &Path, seeds: u64, seed: Option<u64>) -> bool {
    let test = ["test", "-p", "mechat-relay", "--test", "power_loss", "power_loss_at_length", "--"];
    let mut command = tools::cargo(root, &test);
    command.args(["--exact", "--ignored", "--nocapture"]).env("MECHAT_SEEDS", seeds.to_string());
    if let Some(seed) = seed {
        command.env("MECHAT_SEED", seed.to_string());
    }
    matches!(tools::run(command), report::Outcome::Passed)
}

/// Cargo tells a program that it runs where its crate is; the project is the directory above.
fn project_root() -> anyhow::Result<PathBuf> {
    let here = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(xtask) => PathBuf::from(xtask).join(".."),
        None => std::env::current_dir()?,
    };
    Ok(std::path::absolute(here)?)
}
