//! The example client in JavaScript, written from `docs/PROTOCOL.md` alone, against this relay and its own client.
//!
//! It registers and logs in with another implementation of OPAQUE, the one that browsers use. Where Node.js is missing
//! the test says so and passes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mechat_client::Event;
use serde_json::Value;

use crate::harness::{TestRelay, password, text_of};
use secrecy::ExposeSecret;

/// The example's directory, with its modules installed; `None` without Node.js.
#[expect(clippy::print_stderr, reason = "a skipped test is not silent")]
fn example() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/node");
    if !Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: Node.js is not installed, so the example client is not tried");
        return None;
    }
    if !directory.join("node_modules").exists() {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        let installed =
            Command::new(npm).args(["ci", "--no-audit", "--no-fund"]).current_dir(&directory).status();
        assert!(installed.expect("npm runs").success(), "the example's modules can be installed");
    }
    Some(directory)
}

/// A running example; killed when dropped.
struct Example {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Example {
    fn start(directory: &Path, relay: &TestRelay, action: &str, name: &str, password: &str) -> Self {
        let link = format!("mechat://{}/lobby?fp={}", relay.address, relay.fingerprint);
        let mut child = Command::new("node")
            .args(["chat.mjs", &link, action, name, "--password-env", "CHAT_PASSWORD", "--json"])
            .env("CHAT_PASSWORD", password)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Self { child, lines }
    }

    /// The next event of a kind.
    fn event(&mut self, kind: &str) -> Value {
        loop {
            let line = self.lines.next().expect("it goes on").expect("a line");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if event["event"] == kind {
                return event;
            }
            assert!(kind == "error" || event["event"] != "error", "{event}");
        }
    }

    /// The next message, as its sender and text.
    fn message(&mut self) -> (String, String) {
        loop {
            let entry = self.event("entry");
            if let Some(text) = entry["body"]["content"]["text"].as_str() {
                return (entry["sender"].as_str().expect("a name").to_owned(), text.to_owned());
            }
        }
    }

    fn say(&mut self, text: &str) {
        writeln!(self.child.stdin.as_mut().expect("stdin"), "{text}").expect("typed");
    }

    /// Ends its input and waits until everything it said was acknowledged.
    fn end(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().expect("ends").code()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_written_from_the_page_alone_registers_logs_in_and_chats() {
    let Some(directory) = example() else { return };
    let relay = TestRelay::start().await;
    let secret = password();
    let secret = secret.expose_secret();
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    let mut nodejs = Example::start(&directory, &relay, "register", "nodejs", secret);
    nodejs.event("following");
    nodejs.say("hello from JavaScript");
    let heard = ann.until(|event| match event {
        Event::Appended { entries, .. } => entries.into_iter().find(|entry| text_of(entry).is_some()),
        _ => None,
    });
    let heard = heard.await;
    assert_eq!((heard.sender.as_str(), text_of(&heard)), ("nodejs", Some("hello from JavaScript")));
    ann.say(&lobby, "hello from Rust 👋").await;
    assert_eq!(nodejs.message().1, "hello from JavaScript");
    assert_eq!(nodejs.message(), ("ann".into(), "hello from Rust 👋".into()));
    assert_eq!(nodejs.end(), Some(0));

    // Each side logs in to what the other registered.
    let mut in_rust = relay.visitor().await;
    in_rust.login("nodejs", password()).await;
    in_rust.until(|event| matches!(event, Event::SignedIn(_)).then_some(())).await;
    let mut in_node = Example::start(&directory, &relay, "login", "ann", secret);
    assert_eq!(in_node.message().1, "hello from JavaScript", "the history comes first");
    in_node.event("following");
    assert_eq!(in_node.end(), Some(0));
    let mut wrong = Example::start(&directory, &relay, "login", "ann", "wrong");
    assert_eq!(wrong.event("error")["code"], "invalid_credentials");
}
