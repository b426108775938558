//! Other programs: whether they are here, how to get them, how to run them.
//!
//! Owns the calling of processes. It never decides what a failure means.
#![expect(clippy::print_stdout, reason = "this program's results are for people to read")]

use std::path::Path;
use std::process::{Command, Stdio};

use crate::report::Outcome;

/// Cargo, the one that runs us.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments);
    command
}

/// npm, which on Windows is a batch file that only its whole name finds.
pub(crate) fn npm(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(directory).args(arguments);
    command
}

/// Runs a program with its output on our screen.
pub(crate) fn run(mut command: Command) -> Outcome {
    println!("$ {}", shown(&command));
    match command.status() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(status) => Outcome::Failed(format!("{status}: {}", shown(&command))),
        Err(error) => Outcome::Failed(format!("cannot start {}: {error}", shown(&command))),
    }
}

/// Whether a program starts and says yes, its output unseen.
pub(crate) fn answers(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_or_is_not_there_is_a_failure() {
        let here = Path::new(".");
        assert!(answers(cargo(here, &["--version"])));
        assert!(!answers(cargo(here, &["no-such-command"])));
        assert!(matches!(run(cargo(here, &["no-such-command"])), Outcome::Failed(_)));
        let missing = Command::new("mechat-no-such-program");
        assert!(matches!(run(missing), Outcome::Failed(said) if said.contains("cannot start mechat-no")));
    }
}
