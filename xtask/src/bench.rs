//! Measuring: builds what is measured as it is shipped, gets what it is compared with, and runs it.
//!
//! Owns nothing of a measurement; `bench/` does.
#![expect(clippy::print_stdout, reason = "this program's results are for people to read")]

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::report::Outcome;
use crate::tools::{answers, cargo, run as run_program};

/// The table of the clients.
const CLIENTS: &str = "tui";

/// Builds in release and hands the arguments on; whether all that was measured was also right.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<bool> {
    if measures_clients(arguments) {
        get_weechat();
        build(root, "mechat-tui")?;
    }
    build(root, "mechat-bench")?;
    let mut command = cargo(root, &["run", "--quiet", "--release", "--package", "mechat-bench", "--", "run"]);
    let status = command.args(arguments).status().context("starting the measurement")?;
    Ok(status.success())
}

/// Each alone, for together they would be built with features that neither is shipped with.
fn build(root: &Path, package: &str) -> anyhow::Result<()> {
    let built = run_program(cargo(root, &["build", "--release", "--package", package]));
    anyhow::ensure!(matches!(built, Outcome::Passed), "the release build of {package} failed");
    Ok(())
}

/// Whether the table is named, or no table is. Every flag of the measurement takes a value.
fn measures_clients(arguments: &[String]) -> bool {
    let (mut tables, mut arguments) = (Vec::new(), arguments.iter());
    while let Some(argument) = arguments.next() {
        if !argument.starts_with("--") {
            tables.push(argument.as_str());
        } else if !argument.contains('=') {
            arguments.next();
        }
    }
    tables.is_empty() || tables.contains(&CLIENTS)
}

/// Where Debian's packages are. Without it the table has one column, and says why.
fn get_weechat() {
    let has = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version");
        answers(command)
    };
    if !has("weechat") && has("apt-get") {
        println!("WeeChat is missing: installing it");
        let mut command = Command::new("apt-get");
        command.args(["install", "--yes", "--no-install-recommends", "weechat-curses"]);
        if let Outcome::Failed(reason) = run_program(command) {
            println!("WeeChat could NOT be installed, so MeChat is compared with nothing: {reason}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_built_when_it_is_measured() {
        let measures = |line: &str| {
            measures_clients(&line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
        };
        for line in ["", "tui", "fanout tui --runs 1", "--runs 3", "--seconds=2"] {
            assert!(measures(line), "{line}");
        }
        for line in ["fanout", "--runs 1 latency", "--runs=1 latency"] {
            assert!(!measures(line), "{line}");
        }
    }
}
