//! The program `mechat-relay` itself: arguments, signals, exit codes, what survives `kill -9`.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mechat_client::Event;
use mechat_protocol::message::Message;
use mechat_protocol::request::Send;
use mechat_protocol::{Content, Fingerprint, Nonce, RelayAddress, RequestId};

use crate::harness::Person;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mechat-relay");

/// A running relay program; killed when dropped.
struct Program {
    child: Child,
    address: RelayAddress,
    fingerprint: Fingerprint,
    banner: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("HOME", directory).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Program {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut child =
            command(directory).args(["--listen", "127.0.0.1:0"]).args(arguments).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let banner: Vec<String> = lines.by_ref().take(4).map(|line| line.expect("a line")).collect();
        let field = |name: &str| {
            let line = banner.iter().find(|line| line.starts_with(name)).expect(name);
            line[name.len()..].trim().to_owned()
        };
        let address = field("listening on").parse().expect("an address");
        let fingerprint = field("fingerprint").parse().expect("a fingerprint");
        Self { child, address, fingerprint, banner: banner.join("\n") }
    }

    fn signal(&self, signal: &str) {
        let status =
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits for the end: exit code, and what it logged.
    fn end(&mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("ends").code();
        let mut log = String::new();
        self.child.stderr.take().expect("stderr").read_to_string(&mut log).expect("text");
        (code, log)
    }

    async fn person(&self, directory: &Path) -> Person {
        Person::visit(self.address.clone(), self.fingerprint, &directory.join("pins")).await
    }
}

fn fails(output: &Output, code: i32, words: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    for word in words {
        assert!(error.contains(word), "`{word}` is missing: {error}");
    }
}

#[test]
fn what_cannot_be_done_is_said_and_ends_with_a_code() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str]| command(directory.path()).args(arguments).output().expect("runs");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("an address").to_string();
    fails(&run(&["--listen", &address]), 1, &["is in use", "--listen"]);
    fails(&run(&["--addr", &address]), 1, &["is in use"]);
    fails(&run(&["--storage", "oracle"]), 2, &["oracle", "sqlite", "memory"]);
    fails(&run(&["--listen", "nonsense"]), 2, &["nonsense"]);
    fails(&run(&["--cert", "c.pem"]), 2, &["--key"]);
    fails(&run(&["--cert", "missing.pem", "--key", "missing.pem"]), 1, &["missing.pem"]);
    fails(&run(&["--log", "a=b=c"]), 2, &["log filter"]);
    let config = directory.path().join("relay.toml");
    std::fs::write(&config, "listne = \"127.0.0.1:0\"").expect("writes");
    fails(&run(&["--config", config.to_str().expect("utf-8")]), 2, &["listne", "listen"]);
    let environment = command(directory.path()).env("DATABASE_BACKEND", "dbase").output().expect("runs");
    fails(&environment, 2, &["dbase", "sqlite"]);
}

#[test]
fn flags_stand_over_environment_over_file_over_defaults() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("relay.toml");
    std::fs::write(&config, "storage = \"memory\"\nlisten = \"127.0.0.1:0\"\n").expect("writes");
    let storage = |environment: Option<&str>, flag: Option<&str>| {
        let mut command = command(directory.path());
        command.args(["--config", config.to_str().expect("utf-8")]);
        command.args(flag.map(|flag| ["--storage", flag]).into_iter().flatten());
        command.envs(environment.map(|value| ("DATABASE_BACKEND", value)));
        let mut child = command.spawn().expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let banner: Vec<String> = lines.take(4).map(|line| line.expect("a line")).collect();
        child.kill().expect("ends");
        child.wait().expect("ends");
        banner[1].trim_start_matches("storage").trim().to_owned()
    };
    assert_eq!(storage(None, None), "memory");
    assert_eq!(storage(Some("sqlite"), None), "sqlite");
    assert_eq!(storage(Some("sqlite"), Some("memory")), "memory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_its_key_is_not_given_a_new_one_and_its_files_are_private() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let arguments = ["--data-dir", data.to_str().expect("utf-8")];
    let program = Program::start(directory.path(), &arguments);
    program.person(directory.path()).await.register("ann").await;
    drop(program);
    for file in std::fs::read_dir(&data).expect("a directory").flatten() {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().expect("a file").permissions().mode();
        let name = file.file_name();
        let is_public = name == "relay-cert.pem" || name.to_string_lossy().ends_with(".lock");
        assert!(is_public || mode & 0o777 == 0o600, "{name:?} is {mode:o}");
    }
    std::fs::remove_file(data.join("opaque.key")).expect("removed");
    let run =
        command(directory.path()).args(["--listen", "127.0.0.1:0"]).args(arguments).output().expect("runs");
    fails(&run, 1, &["opaque.key is missing", "backup"]);
    assert!(!data.join("opaque.key").exists());
    let export = command(directory.path()).args(["export", "--data-dir", "nowhere"]).output().expect("runs");
    fails(&export, 1, &["there is no database", "--data-dir"]);
}

#[test]
fn a_second_relay_on_the_same_database_is_refused_until_the_first_is_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Program::start(directory.path(), &[]);
    let second = command(directory.path()).args(["--listen", "127.0.0.1:0"]).output().expect("runs");
    fails(&second, 1, &["another relay is using", "--data-dir"]);
    first.signal("-KILL");
    drop(first);
    drop(Program::start(directory.path(), &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_arguments_it_works_and_sigterm_ends_it_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut program = Program::start(directory.path(), &[]);
    assert!(
        program.banner.contains(&format!("mechat://{}/lobby?fp={}", program.address, program.fingerprint)),
        "{}",
        program.banner
    );
    let mut ann = program.person(directory.path()).await;
    ann.register("ann").await;
    let began = Instant::now();
    program.signal("-TERM");
    let (code, log) = program.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(log.contains("stopped"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_and_is_exported() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let data = data.to_str().expect("utf-8");
    let mut sent = 0;
    let first = Program::start(directory.path(), &["--data-dir", data]);
    let mut ann = first.person(directory.path()).await;
    ann.register("ann").await;
    let lobby = ann.join("lobby").await;
    for n in 0..50 {
        let content = Content::text(format!("canary-{n}")).expect("text");
        let nonce = Nonce(uuid::Uuid::now_v7());
        let send = Send { id: RequestId(0), channel: lobby.channel, nonce, content, in_reply_to: None };
        assert!(matches!(ann.call(send).await, Message::Ack(_)));
        sent += 1;
    }
    first.signal("-KILL");
    drop(first);
    let export = command(directory.path()).args(["export", "--data-dir", data]).output().expect("runs");
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let lines = String::from_utf8(export.stdout).expect("text");
    let texts = lines.lines().filter(|line| line.contains("canary-")).count();
    assert_eq!(texts, sent);
    assert!(String::from_utf8_lossy(&export.stderr).contains("51 entries in 1 channels"));
    let again = Program::start(directory.path(), &["--data-dir", data]);
    let mut bob = again.person(directory.path()).await;
    bob.login("ann", crate::harness::password()).await;
    let backlog = bob.until(|event| match event {
        Event::Appended { entries, .. } => Some(entries.len()),
        _ => None,
    });
    assert_eq!(backlog.await, 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_who_and_when_but_never_what() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut program = Program::start(directory.path(), &["--log", "trace"]);
    let mut ann = program.person(directory.path()).await;
    ann.register("ann").await;
    let lobby = ann.join("lobby").await;
    ann.say(&lobby, "canary in a coal mine").await;
    ann.until(|event| match event {
        Event::Appended { entries, .. } => {
            entries.iter().any(|e| crate::harness::text_of(e).is_some()).then_some(())
        }
        _ => None,
    })
    .await;
    program.signal("-TERM");
    let (code, log) = program.end();
    assert_eq!(code, Some(0));
    for word in ["canary", "coal mine", "correct horse", "battery staple"] {
        assert!(!log.contains(word), "`{word}` is in the log");
    }
    let signed_in = log.lines().find(|line| line.contains("signed in")).expect("who came is logged");
    assert!(signed_in.contains("account=ann") && signed_in.contains("address=127.0.0.1:"), "{signed_in}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hangup_reads_the_certificate_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let mut program = Program::start(directory.path(), &["--data-dir", data.to_str().expect("utf-8")]);
    let mut ann = program.person(directory.path()).await;
    program.signal("-HUP");
    ann.register("ann").await;
    program.signal("-INT");
    let (code, log) = program.end();
    assert_eq!(code, Some(0), "SIGINT stops it well too");
    assert!(log.contains("certificate read again: unchanged"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_ones_own_is_used_and_a_changed_file_is_noticed_without_dropping_anyone() {
    let directory = tempfile::tempdir().expect("a directory");
    let pair = |name: &str| {
        let place = directory.path().join(name);
        let fingerprint =
            mechat_certs::RelayIdentity::load_or_create(&place, &[]).expect("a certificate").fingerprint();
        (
            place.join(mechat_certs::identity::CERTIFICATE_FILE),
            place.join(mechat_certs::identity::KEY_FILE),
            fingerprint,
        )
    };
    let (cert, key, first) = pair("first");
    let (new_cert, new_key, second) = pair("second");
    let arguments = ["--cert", cert.to_str().expect("utf-8"), "--key", key.to_str().expect("utf-8")];
    let program = Program::start(directory.path(), &arguments);
    assert_eq!(program.fingerprint, first);
    let mut ann = program.person(directory.path()).await;
    ann.register("ann").await;
    let lobby = ann.join("lobby").await;
    std::fs::copy(new_key, &key).expect("copies");
    std::fs::copy(new_cert, &cert).expect("copies");
    let renewed = async {
        while crate::probe::Probe::try_connect(&program.address, second, |_| {}).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), renewed).await.expect("the new certificate is in use");
    ann.say(&lobby, "still here").await;
    ann.until(|event| match event {
        Event::Link(link) => panic!("the connection was dropped: {link:?}"),
        Event::Appended { entries, .. } => {
            entries.iter().any(|e| crate::harness::text_of(e).is_some()).then_some(())
        }
        _ => None,
    })
    .await;
}
