//! The program from outside: what it refuses, and that its servers are found by the tests beside it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mechat-bench"));
    command.args(arguments).stdin(Stdio::null()).output().expect("starts")
}

#[test]
fn a_table_that_there_is_not_is_refused_with_those_that_there_are() {
    let output = run(&["run", "speed"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for table in ["fanout", "latency", "durable", "idle", "sign-in", "stuck", "herd", "growth", "tui"] {
        assert!(said.contains(table), "{said}");
    }
}

#[test]
fn a_server_says_where_it_is_and_ends_with_its_input() {
    let directory = tempfile::tempdir().expect("a directory");
    for kind in ["reference", "relay"] {
        let place = format!("--directory={}", directory.path().join(kind).display());
        let mut arguments = vec![kind, &place];
        if kind == "relay" {
            arguments.push("--storage=memory");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_mechat-bench"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.spawn().expect("starts");
        let mut said = String::new();
        let mut output = BufReader::new(server.stdout.take().expect("its output"));
        output.read_line(&mut said).expect("a line");
        let (address, _) = said.trim().split_once(' ').expect("an address and a fingerprint");
        assert!(address.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0), "{said}");
        drop(server.stdin.take());
        assert!(server.wait().expect("ends").success(), "{kind}");
    }
}
