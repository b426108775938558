//! A short chaos against the relay's own program, as it is built for tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BENCH: &str = env!("CARGO_BIN_EXE_mechat-bench");

/// The relay's program stands beside this one's; a run of this crate alone builds it first.
fn relay_program() -> PathBuf {
    let program = Path::new(BENCH).with_file_name(format!("mechat-relay{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        let status = Command::new(env!("CARGO")).args(["build", "--package", "mechat-relay"]).status();
        assert!(status.expect("cargo runs").success());
    }
    program
}

fn chaos(kills: &str) -> Output {
    let mut command = Command::new(BENCH);
    command.args(["chaos", "--kills", kills, "--acks", "300", "--senders", "6", "--processes", "3"]);
    command.args(["--crash-every", "2", "--window", "64"]);
    command.arg("--relay").arg(relay_program()).output().expect("it runs")
}

#[test]
fn ten_kills_lose_repeat_and_reorder_nothing() {
    let output = chaos("10");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    let row = printed.lines().rfind(|line| line.starts_with('|')).expect("a table");
    let cells: Vec<u64> =
        row.split('|').filter_map(|cell| cell.trim().replace(',', "").parse().ok()).collect();
    let [kills, crashes, entries, acks, views, faults @ .., resent] = &cells[..] else { panic!("{printed}") };
    assert_eq!((*kills, *crashes), (10, 5), "{printed}");
    assert!(*entries >= *acks && *acks >= 3_000 && *views >= 18 && *resent > 0, "{printed}");
    assert_eq!(faults, [0; 5], "{printed}");
}
