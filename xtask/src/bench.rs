//! Measuring: builds what is measured as it is shipped, and runs it.
//!
//! Owns nothing of a measurement; `bench/` does.

use std::path::Path;

use anyhow::Context as _;

use crate::report::Outcome;
use crate::tools::{cargo, run as run_program};

/// Builds in release and hands the arguments on; whether all that was measured was also right.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<bool> {
    let built = run_program(cargo(root, &["build", "--release", "--package", "mechat-bench"]));
    anyhow::ensure!(matches!(built, Outcome::Passed), "the release build failed");
    let mut command = cargo(root, &["run", "--quiet", "--release", "--package", "mechat-bench", "--", "run"]);
    let status = command.args(arguments).status().context("starting the measurement")?;
    Ok(status.success())
}
