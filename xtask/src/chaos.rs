//! `kill -9` under load: builds what is shipped, and lets `mechat-bench chaos` at it.
//!
//! Owns where the broken relay is built: in a directory of its own, so that it never stands where the right one is looked for.

use std::path::Path;

use anyhow::Context as _;

use crate::report::Outcome;
use crate::tools::{cargo, run as run_program};

/// Where the relay that acknowledges before it commits is built, below the project.
const MUTATED: &str = "target/mutated";

/// Builds in release and hands the arguments on; whether every promise was kept. With `mutate` the relay breaks the first of them on
/// purpose, so that a run that finds nothing is the failure to look into.
pub(crate) fn run(root: &Path, mutate: bool, arguments: &[String]) -> anyhow::Result<bool> {
    let program =
        Path::new(MUTATED).join("release").join(format!("mechat-relay{}", std::env::consts::EXE_SUFFIX));
    build(root, &["--package", "mechat-relay", "--package", "mechat-bench"])?;
    if mutate {
        build(root, &["--package", "mechat-relay", "--features", "mutations", "--target-dir", MUTATED])?;
    }
    let mut command =
        cargo(root, &["run", "--quiet", "--release", "--package", "mechat-bench", "--", "chaos"]);
    if mutate {
        command.arg("--relay").arg(root.join(program));
    }
    let status = command.args(arguments).status().context("starting the chaos")?;
    Ok(status.success())
}

fn build(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let built = run_program(cargo(root, &[&["build", "--release"], arguments].concat()));
    anyhow::ensure!(matches!(built, Outcome::Passed), "the release build failed");
    Ok(())
}
