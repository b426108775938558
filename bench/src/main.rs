//! `mechat-bench`: load against the relay, next to a reference broadcaster, as tables.
//!
//! Owns the command line: `run` measures, the other commands are the servers that it starts as processes of their own.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures a relay.
#[derive(Debug, Parser)]
#[command(name = "mechat-bench", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures the named tables, or all of them.
    Run,
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run => Ok(ExitCode::SUCCESS),
    }
}
