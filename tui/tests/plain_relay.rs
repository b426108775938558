//! The plain mode as people and scripts use it: the real program, fed by a pipe, against a real relay.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

mod program;

use program::{CLIENT, Relay};

/// How long anything may take before the test is given up. Not a performance bound.
const PATIENCE: Duration = Duration::from_mins(1);

/// The plain client, its lines as they come.
struct Plain {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<(bool, String)>,
    /// Standard output, and standard error.
    out: Vec<String>,
    err: Vec<String>,
    /// How much of each was looked at.
    seen: (usize, usize),
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Plain {
    fn start(home: &Path, arguments: &[&str]) -> Self {
        std::fs::create_dir_all(home).expect("a directory");
        let mut command = Command::new(CLIENT);
        command.env_clear().env("HOME", home).env("TZ", "UTC").args(arguments).arg("--plain");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client starts");
        // A full one makes the program wait, as a pipe does.
        let (told, lines) = sync_channel(64);
        let (out, err) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
        let also = told.clone();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).for_each(|line| drop(told.send((true, line))));
        });
        std::thread::spawn(move || {
            BufReader::new(err).lines().map_while(Result::ok).for_each(|line| drop(also.send((false, line))));
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines, out: vec![], err: vec![], seen: (0, 0) }
    }

    /// Registered, and in the channel that the link names.
    fn join(home: &Path, link: &str, name: &str) -> Self {
        let mut plain = Self::start(&home.join(name), &[link]);
        plain.type_in(&format!("new {name}\ncorrect horse\n"));
        plain.says("* in #lobby");
        plain
    }

    fn back(home: &Path, link: &str, name: &str) -> Self {
        let mut plain = Self::start(&home.join(name), &[link]);
        plain.type_in(&format!("login {name}\ncorrect horse\n"));
        plain.says("* in #lobby");
        plain
    }

    fn type_in(&mut self, text: &str) -> &mut Self {
        self.stdin.as_mut().expect("open").write_all(text.as_bytes()).expect("typed");
        self
    }

    fn line(&mut self, line: &str) -> &mut Self {
        self.type_in(&format!("{line}\n"))
    }

    /// Waits for a line that holds the text, behind those that were waited for before.
    fn wait(&mut self, on_out: bool, text: &str) -> String {
        loop {
            let (lines, seen) =
                if on_out { (&self.out, &mut self.seen.0) } else { (&self.err, &mut self.seen.1) };
            while *seen < lines.len() {
                *seen += 1;
                if lines[*seen - 1].contains(text) {
                    return lines[*seen - 1].clone();
                }
            }
            match self.lines.recv_timeout(PATIENCE) {
                Ok((true, line)) => self.out.push(line),
                Ok((false, line)) => self.err.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` did not come\nout: {:#?}\nerr: {:#?}", self.out, self.err)
                }
            }
        }
    }

    /// What the relay tells.
    fn writes(&mut self, text: &str) -> String {
        self.wait(true, text)
    }

    /// What the client says of itself.
    fn says(&mut self, text: &str) -> String {
        self.wait(false, text)
    }

    /// The number that stands before the name.
    fn number(&mut self, text: &str) -> u64 {
        let line = self.writes(text);
        let number = line.split_whitespace().find_map(|word| word.strip_prefix('#'));
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no number: {line}"))
    }

    /// Ends the input; the exit code, and everything that was written.
    fn end(mut self) -> (i32, Vec<String>) {
        self.stdin = None;
        let code = self.child.wait().expect("ended").code().expect("by itself");
        while let Ok((on_out, line)) = self.lines.recv_timeout(PATIENCE) {
            if on_out { self.out.push(line) } else { self.err.push(line) }
        }
        (code, std::mem::take(&mut self.out))
    }
}

/// A relay, and room for people.
fn stage() -> (tempfile::TempDir, Relay) {
    let home = tempfile::tempdir().expect("a home");
    let relay = Relay::start(&home.path().join("relay"));
    (home, relay)
}

/// Without its time, which is not the test's.
fn untimed(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, rest)| rest)
}

#[test]
fn two_people_live_in_the_plain_mode() {
    let (home, relay) = stage();
    let mut ann = Plain::join(home.path(), &relay.invite, "ann");
    let mut bob = Plain::join(home.path(), &relay.invite, "bob");
    assert_eq!(untimed(&ann.writes("@bob")), "@bob Joined");
    ann.line("Did the build pass?");
    let question = bob.number("Did the build pass?");
    bob.line(&format!("reply {question} yes, all green"));
    let answer = ann.number("yes, all green");
    assert_eq!(
        untimed(ann.out.last().expect("a line")),
        format!("#{answer} @bob answers #{question} \"Did the build pass?\": yes, all green")
    );
    ann.line(&format!("react {answer} :tada:"));
    assert_eq!(untimed(&bob.writes("reacted")), format!("@ann reacted 🎉 to #{answer} \"yes, all green\""));
    ann.line(&format!("unreact {answer} 🎉"));
    assert_eq!(
        untimed(&bob.writes("took back")),
        format!("@ann took back 🎉 from #{answer} \"yes, all green\"")
    );
    bob.line("/edit yes, all but one");
    assert_eq!(untimed(&ann.writes("edited")), format!("@bob edited #{answer}: yes, all but one"));
    // Ann's account is the first of the relay: its admin, who keeps order in #lobby.
    ann.line(&format!("pin {answer}"));
    assert_eq!(untimed(&bob.writes("pinned")), format!("@ann pinned #{answer} \"yes, all but one\""));
    bob.line("pins");
    assert_eq!(
        untimed(&bob.writes("(edited, pinned)")),
        format!(
            "#{answer} @bob answers #{question} \"Did the build pass?\" (edited, pinned): yes, all but one"
        )
    );
    bob.line(&format!("thread {question}"));
    bob.writes(&format!("#{question} @ann: Did the build pass?"));
    bob.writes(&format!("#{answer} @bob answers"));
    ann.line("/topic releases");
    assert_eq!(untimed(&bob.writes("topic")), "@ann set the topic: releases");
    bob.line("topic");
    assert_eq!(bob.writes("topic of"), "topic of #lobby: releases");
    bob.line(&format!("unpin {answer}"));
    assert!(bob.says("nothing was changed").contains("host"), "the rule is told");
    bob.line("delete last");
    assert_eq!(untimed(&ann.writes("deleted")), format!("@bob deleted #{answer}"));
    ann.line("/search build in:here");
    assert!(ann.writes("#lobby ").ends_with(&format!("#{question} @ann: Did the build pass?")));
    ann.line("/profile bob");
    assert!(ann.writes("@bob: connected, registered ").len() > 20);
    ann.line("who");
    ann.writes("participants:");
    assert_eq!(ann.writes("[ann]"), "    [ann] *connected");
    bob.line("leave");
    assert_eq!(untimed(&ann.writes("Left")), "@bob Left");
}

#[test]
fn a_script_says_lines_and_reads_its_own_exit_code() {
    let (home, relay) = stage();
    let mut ann = Plain::join(home.path(), &relay.invite, "ann");
    ann.type_in("say <<END\none\n  two\n/quit\nEND\nlist channels\n");
    let (code, out) = ann.end();
    assert_eq!(code, 0);
    let at = out.iter().position(|line| line.ends_with("@ann: one")).expect("said");
    assert_eq!(out[at + 1..at + 3], ["             two", "           /quit"]);
    assert_eq!(out[at + 3], "Sessions:");
    assert!(out[at + 4].starts_with("[*] @lobby participants: [1], created: ["), "{out:?}");
    let mut again = Plain::back(home.path(), &relay.invite, "ann");
    again.line("delete 999999");
    assert_eq!(again.end().0, 1, "what was refused is an error");
}

#[test]
fn what_was_missed_is_marked_as_new_once_and_what_was_read_does_not_come_back() {
    let (home, mut relay) = stage();
    let mut ann = Plain::join(home.path(), &relay.invite, "ann");
    let bob = Plain::join(home.path(), &relay.invite, "bob");
    ann.writes("@bob Joined");
    assert_eq!(bob.end().0, 0);
    let said: Vec<String> = (1..=250).map(|number| format!("while away {number}")).collect();
    ann.line(&said.join("\n"));
    ann.writes("while away 250");

    let mut bob = Plain::back(home.path(), &relay.invite, "bob");
    bob.writes("while away 250");
    // A cut in between brings what was missed in it, and nothing twice.
    relay.kill();
    bob.says("connection lost");
    ann.says("connection lost");
    ann.line("in the cut");
    relay.restart();
    bob.writes("in the cut");
    let (code, out) = bob.end();
    assert_eq!(code, 0);
    assert_eq!(out.iter().filter(|line| *line == "--- new ---").count(), 1);
    assert_eq!(out[0], "--- new ---");
    let words = |line: &String| line.split_once("@ann: ").map(|(_, words)| words.to_owned());
    let seen: Vec<String> = out.iter().filter_map(words).collect();
    let expected: Vec<String> = said.into_iter().chain(["in the cut".to_owned()]).collect();
    assert_eq!(seen, expected, "each once, in order");

    let mut bob = Plain::back(home.path(), &relay.invite, "bob");
    bob.line("unread");
    bob.says("nothing is unread");
    assert!(bob.out.is_empty(), "it was read");
    bob.line("history 251");
    let (_, out) = bob.end();
    assert_eq!(out.iter().filter_map(words).collect::<Vec<_>>(), expected, "as often as one asks, in order");
}

#[test]
fn what_is_unread_elsewhere_is_counted_and_next_goes_there() {
    let (home, relay) = stage();
    let mut ann = Plain::join(home.path(), &relay.invite, "ann");
    ann.line("create rust");
    ann.says("* in #rust");
    let mut bob = Plain::join(home.path(), &relay.invite, "bob");
    bob.line("join rust");
    bob.says("* in #rust");
    assert_eq!(bob.end().0, 0);
    ann.line("for @bob").line("for all");
    ann.writes("for all");
    let mut bob = Plain::back(home.path(), &relay.invite, "bob");
    bob.says("* #rust: 2 unread, 1 of them for you; next writes them");
    bob.line("inbox");
    bob.writes("@ann: for @bob");
    bob.line("next");
    bob.writes("--- new ---");
    bob.writes("@ann: for all");
    bob.line("unread");
    bob.says("nothing is unread");
}

#[test]
fn a_channel_that_was_left_stays_left_though_the_link_leads_there() {
    let (home, relay) = stage();
    let mut ann = Plain::join(home.path(), &relay.invite, "ann");
    ann.line("leave");
    ann.says("* left #lobby");
    assert_eq!(ann.end().0, 0);
    let mut ann = Plain::start(&home.path().join("ann"), &[&relay.invite]);
    ann.type_in("login ann\ncorrect horse\n");
    ann.says("you left #lobby; join lobby goes back");
    ann.line("join lobby");
    ann.says("* in #lobby");
    assert_eq!(ann.end().0, 0);
    assert_eq!(Plain::back(home.path(), &relay.invite, "ann").end().0, 0);
}

#[test]
fn a_relay_that_was_used_is_offered_and_one_that_is_away_is_waited_for() {
    let (home, mut relay) = stage();
    assert_eq!(Plain::join(home.path(), &relay.invite, "ann").end().0, 0);
    relay.kill();
    let mut ann = Plain::start(&home.path().join("ann"), &[]);
    ann.says(&format!("1  {}, @ann", relay.address));
    ann.type_in("nonsense of a relay\n1\n");
    ann.says("error: ");
    ann.says("no relay listens there; next attempt in");
    relay.restart();
    ann.says("* connected to");
    ann.type_in("2\nann\nwrong horse\n");
    ann.says("the name or the password is wrong");
    ann.type_in("login ann\ncorrect horse\n");
    ann.says("* in #lobby");
    ann.line("logout");
    ann.says("logged out; still connected");
}

#[test]
fn one_command_hosts_and_a_guest_joins_by_its_link() {
    let home = tempfile::tempdir().expect("a home");
    let mut host = Plain::start(&home.path().join("host"), &["host", "--listen", "127.0.0.1:0"]);
    let link = host.says("others join with").split_whitespace().last().expect("a link").to_owned();
    host.type_in("new ann\ncorrect horse\n");
    host.says("* in #lobby");
    let mut guest = Plain::join(home.path(), &link, "bob");
    guest.line("hello host");
    host.writes("@bob: hello host");
    host.line("create den");
    host.says("* in #den");
    host.line("invite");
    assert!(host.writes("mechat://").contains("/den?fp="));
}

#[test]
fn passwords_are_in_no_line_and_names_of_emoji_are_if_that_is_asked_for() {
    let (home, relay) = stage();
    let mut ann = Plain::start(&home.path().join("ann"), &[&relay.invite, "--speak"]);
    ann.type_in("new ann\ncorrect horse\n");
    ann.says("* in #lobby");
    ann.line("done 🎉");
    assert!(ann.writes("done").ends_with("@ann: done :party_popper:"));
    ann.line("react last :party_popper:");
    assert_eq!(
        untimed(&ann.writes("reacted")).split_once(" to ").map(|(did, _)| did),
        Some("@ann reacted :party_popper:")
    );
    ann.stdin = None;
    ann.child.wait().expect("ended");
    let log =
        std::fs::read_to_string(home.path().join("ann/.local/state/mechat/mechat-tui.log")).expect("a log");
    for text in ann.out.iter().chain(&ann.err).map(String::as_str).chain([log.as_str()]) {
        assert!(!text.contains("correct horse"), "{text}");
    }
    assert!(!log.contains("done"), "the log has no words of people");
}

#[test]
fn the_sixth_guess_is_refused_and_says_why_and_the_right_password_works_behind_it() {
    let (home, relay) = stage();
    assert_eq!(Plain::join(home.path(), &relay.invite, "ann").end().0, 0);
    let mut guesser = Plain::start(&home.path().join("guesser"), &[&relay.invite]);
    for _ in 0..6 {
        guesser.type_in("login ann\nwrong horse\n");
        guesser.says("error: the name or the password is wrong");
    }
    guesser.says("* connection lost: five sign-ins without success on one connection");
    guesser.says("* connected to");
    guesser.type_in("login ann\ncorrect horse\n");
    guesser.says("* in #lobby");
    assert_eq!(guesser.end().0, 1, "a script that guessed has failed");
}

#[test]
fn a_taken_name_offers_the_login_and_a_lost_relay_holds_nobody() {
    let (home, mut relay) = stage();
    let mut ann = Plain::join(home.path(), &relay.invite, "ann");
    let mut other = Plain::start(&home.path().join("other"), &[&relay.invite]);
    other.type_in("1\nann\nmy own\n");
    other.says("if it is yours, login NAME signs in");
    other.line("connect lobby");
    other.says("not signed in; login NAME, or new NAME");
    relay.kill();
    ann.says("connection lost");
    ann.line("quit");
    assert_eq!(ann.end().0, 0);
}
