//! The checks, in the order in which they are run.
//!
//! Owns the table of steps. All are run even when one fails, so that one run tells everything.
#![expect(clippy::print_stdout, reason = "this program's results are for people to read")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::report::{Line, Outcome, Report};
use crate::tidy;
use crate::tools::{answers, cargo, npm, run as run_program};

/// One check.
pub(crate) struct Step {
    name: &'static str,
    run: fn(&Path) -> Outcome,
}

/// Every check there is, the quick ones first.
pub(crate) const ALL: &[Step] = &[
    Step { name: "format", run: format },
    Step { name: "tidy", run: tidy },
    Step { name: "clippy", run: clippy },
    Step { name: "dependencies", run: dependencies },
    Step { name: "advisories", run: advisories },
    Step { name: "node modules", run: node_modules },
    Step { name: "tests", run: tests },
    Step { name: "simulation", run: crate::sim::check },
    Step { name: "doc tests", run: doc_tests },
    Step { name: "documentation", run: documentation },
];

/// The house rules alone.
pub(crate) const TIDY: &[Step] = &[Step { name: "tidy", run: tidy }];

/// Where the test against the browser's password library keeps its package.
const NODE_DIRECTORY: &str = "docs/examples/node";

const WITHOUT_NEXTEST: &str =
    "cargo-nextest could not be installed, so `cargo test` ran: hanging tests are NOT ended";

/// Runs the steps, prints what they do and a table at the end; whether none failed.
pub(crate) fn run(steps: &[Step], root: &Path) -> bool {
    let mut report = Report::default();
    for step in steps {
        println!("\n== {}", step.name);
        let began = Instant::now();
        let outcome = (step.run)(root);
        let line = Line { step: step.name, outcome, took: began.elapsed() };
        println!("== {line}");
        report.lines.push(line);
    }
    println!("\n{report}");
    report.good()
}

fn format(root: &Path) -> Outcome {
    run_program(cargo(root, &["fmt", "--all", "--check"]))
}

fn clippy(root: &Path) -> Outcome {
    run_program(cargo(root, &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn tidy(root: &Path) -> Outcome {
    match tidy::run(root) {
        Ok(findings) if findings.is_empty() => Outcome::Passed,
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            Outcome::Failed(format!("house rules broken: {}", findings.len()))
        }
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

fn dependencies(root: &Path) -> Outcome {
    if !has_deny(root) {
        return Outcome::Skipped(
            "licences, banned crates and sources are NOT checked: `cargo install --locked cargo-deny` once"
                .into(),
        );
    }
    run_program(cargo(root, &["deny", "--offline", "check", "licenses", "bans", "sources"]))
}

fn advisories(root: &Path) -> Outcome {
    if !has_deny(root) {
        return Outcome::Skipped("known vulnerabilities are NOT checked: cargo-deny is not installed".into());
    }
    if !has_advisory_database() {
        return Outcome::Skipped(
            "known vulnerabilities are NOT checked, their list is not here: `cargo deny fetch db` once"
                .into(),
        );
    }
    run_program(cargo(root, &["deny", "--offline", "check", "advisories"]))
}

fn has_deny(root: &Path) -> bool {
    answers(cargo(root, &["deny", "--version"]))
}

/// Where cargo-deny keeps the list of known vulnerabilities unless told otherwise.
fn has_advisory_database() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let databases = home.and_then(|home| std::fs::read_dir(home.join("advisory-dbs")).ok());
    databases.is_some_and(|entries| entries.flatten().any(|entry| entry.path().join(".git").exists()))
}

fn node_modules(root: &Path) -> Outcome {
    let directory = root.join(NODE_DIRECTORY);
    if !directory.exists() {
        return Outcome::Skipped(format!("there is no {NODE_DIRECTORY}"));
    }
    if !answers(npm(&directory, &["--version"])) {
        return Outcome::Skipped(
            "the browser's password library is NOT tried: Node.js with npm is not installed".into(),
        );
    }
    run_program(npm(&directory, &["ci", "--no-audit", "--no-fund"]))
}

fn tests(root: &Path) -> Outcome {
    let has_nextest = || answers(cargo(root, &["nextest", "--version"]));
    if !has_nextest() {
        println!("cargo-nextest is missing: installing it");
        run_program(cargo(root, &["install", "--locked", "cargo-nextest"]));
    }
    if has_nextest() {
        return run_program(cargo(root, &["nextest", "run", "--workspace", "--no-fail-fast"]));
    }
    println!("{WITHOUT_NEXTEST}");
    match run_program(cargo(root, &["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"])) {
        Outcome::Passed => Outcome::Degraded(WITHOUT_NEXTEST.to_owned()),
        outcome => outcome,
    }
}

/// nextest runs no documentation tests.
fn doc_tests(root: &Path) -> Outcome {
    run_program(cargo(root, &["test", "--workspace", "--doc", "--no-fail-fast"]))
}

/// Private items too: who reads it is who works on it, and their links rot the same.
fn documentation(root: &Path) -> Outcome {
    let mut command = cargo(root, &["doc", "--workspace", "--no-deps", "--document-private-items"]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    run_program(command)
}

#[cfg(test)]
mod tests_of_steps {
    use super::*;

    fn fails(_: &Path) -> Outcome {
        Outcome::Failed("on purpose".to_owned())
    }

    fn passes(root: &Path) -> Outcome {
        std::fs::write(root, "ran")
            .map_or_else(|error| Outcome::Failed(error.to_string()), |()| Outcome::Passed)
    }

    #[test]
    fn a_failed_step_does_not_keep_the_next_from_running_but_fails_the_whole() {
        let mark = std::env::temp_dir().join(format!("mechat-xtask-{}", std::process::id()));
        let steps = [Step { name: "fails", run: fails }, Step { name: "passes", run: passes }];
        assert!(!run(&steps, &mark));
        assert_eq!(std::fs::read_to_string(&mark).ok().as_deref(), Some("ran"));
        assert!(run(&steps[1..], &mark));
        let _ = std::fs::remove_file(mark);
    }
}
