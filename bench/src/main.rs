//! `mechat-bench`: load against the relay, next to a reference broadcaster, and the client next to another one, as tables.
//!
//! Owns the command line: `run` measures, the other commands are the servers that it starts as processes of their own.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::bare_sqlite::BareArguments;
use crate::chaos::ChaosArguments;
use crate::chaos::sender::SenderArguments;
use crate::pinning::Pinning;
use crate::rows::{Row, Setting};
use crate::server::RelayArguments;

mod bare_sqlite;
mod board;
mod chaos;
mod crowd;
mod follower;
mod frame;
mod histogram;
mod link;
mod member;
mod password;
mod people;
mod pinning;
mod population;
mod publisher;
mod reference;
mod rows;
mod server;
#[cfg(test)]
mod smoke;
mod table;
mod tui;

/// Measures a relay and a client.
#[derive(Debug, Parser)]
#[command(name = "mechat-bench", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures the named tables, or all of them; fails if anything was lost, repeated or reordered.
    Run {
        /// Which.
        rows: Vec<Row>,
        /// Each measurement so often; the middle one is printed.
        #[arg(long, default_value_t = 3)]
        runs: usize,
        /// How long one phase of load takes.
        #[arg(long, default_value_t = 4)]
        seconds: u64,
        /// Entries of the longest history that `growth` reads.
        #[arg(long, default_value_t = 10_000_000)]
        entries: u64,
    },
    /// The reference broadcaster, until its standard input closes.
    Reference {
        /// Where its certificate is.
        #[arg(long)]
        directory: PathBuf,
    },
    /// Kills the relay again and again under load; fails if a message was lost, repeated or reordered.
    Chaos(ChaosArguments),
    /// Senders of `chaos`, until they are told to finish.
    ChaosSenders(SenderArguments),
    /// The relay, its storage filled before it starts, until its standard input closes.
    Relay(RelayArguments),
    /// Rows a second of SQLite without a relay.
    BareSqlite(BareArguments),
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run { rows, runs, seconds, entries } => {
            let rows = if rows.is_empty() { Row::value_variants().to_vec() } else { rows };
            // Before the first thread, so that all of them stay where they belong.
            let pinning = Pinning::of_this_process();
            let (runs, time) = (runs.max(1), Duration::from_secs(seconds.max(1)));
            measure(&rows, Setting { runs, time, entries, pinning })
        }
        Command::Reference { directory } => serve(server::run_reference(&directory)),
        Command::Chaos(arguments) => chaos(arguments),
        Command::ChaosSenders(arguments) => chaos::sender::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Relay(arguments) => serve(server::run_relay(arguments)),
        Command::BareSqlite(arguments) => bare_sqlite::run(&arguments).map(|()| ExitCode::SUCCESS),
    }
}

fn measure(rows: &[Row], setting: Setting) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clean = tokio::task::LocalSet::new().block_on(&runtime, rows::run(rows, setting))?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chaos(arguments: ChaosArguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clean = runtime.block_on(chaos::run(arguments))?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn serve(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)?;
    Ok(ExitCode::SUCCESS)
}
