//! The simulation: hunts over seeds, and the proof that it finds what is broken on purpose.
//!
//! Owns how it is built: with the profile `sim`, which is quick code quickly made. The switches that break the client are in one
//! build only, which is run for them and thrown away.

use std::path::Path;
use std::process::Command;

use crate::report::Outcome;
use crate::tools::{cargo, run};

/// Seeds of the step among the checks.
const SEEDS: &str = "2000";

/// Every seed finds nothing, and every broken promise is found within as many seeds.
pub(crate) fn check(root: &Path) -> Outcome {
    match run(program(root, &["--features", "mutations"], &["--mutations", "--seeds", SEEDS])) {
        Outcome::Passed => run(program(root, &[], &["--seeds", SEEDS])),
        outcome => outcome,
    }
}

/// Hunts, or replays one seed; whether nothing was found.
pub(crate) fn hunt(root: &Path, arguments: &[String]) -> bool {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(program(root, &[], &arguments)) == Outcome::Passed
}

fn program(root: &Path, features: &[&str], arguments: &[&str]) -> Command {
    let mut command = cargo(root, &["run", "--quiet", "--profile", "sim", "--package", "mechat-sim"]);
    command.args(features).arg("--").args(arguments);
    command
}
