//! `mechat-tui doctor`: what the terminal, the keyring, the clipboard, the files and the relays can do, in words.
//!
//! Owns the questions and the report. It changes nothing: no file, no pin, no session, and it signs in nowhere.
//!
//! Invariant: every question ends within its time limit, so that the report always comes.

mod relay;
mod surroundings;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use mechat_protocol::RelayAddress;

use crate::app::files::{self, Places};
use crate::app::tokens::{self, Keyring, TokenStore as _};
use crate::text;

/// How long the terminal may take to answer.
const TERMINAL_LIMIT: Duration = Duration::from_secs(3);
/// A keyring entry that never exists: asking for it shows whether the keyring answers.
const NOBODY: &str = "nobody@doctor";

/// How good an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    /// Works.
    Good,
    /// Works, but less well than it could.
    Note,
    /// Does not work.
    Bad,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    grade: Grade,
    what: String,
    /// What can be done about it.
    hint: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { grade: Grade::Good, what: what.into(), hint: None }
    }

    fn note(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { grade: Grade::Note, what: what.into(), hint: Some(hint.into()) }
    }

    fn bad(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { grade: Grade::Bad, what: what.into(), hint: Some(hint.into()) }
    }

    /// `  ok    what`, and the hint under it.
    fn lines(&self) -> Vec<String> {
        let word = match self.grade {
            Grade::Good => "ok",
            Grade::Note => "note",
            Grade::Bad => "FAIL",
        };
        let mut lines = vec![format!("  {word:<5} {}", text::harmless(&self.what))];
        lines.extend(self.hint.iter().map(|hint| format!("        {}", text::harmless(hint))));
        lines
    }
}

/// Asks everything and prints as it goes; fails if something does not work.
pub(crate) fn run(places: &Places, relay: Option<RelayAddress>) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    report.section("terminal", surroundings::terminal(&surroundings::Environment::of_process()))?;
    report.section("keyboard", [keyboard()])?;
    report.section("clipboard", [surroundings::clipboard(&surroundings::Environment::of_process())])?;
    report.section("keyring", [keyring()])?;
    report.section("files", surroundings::files(places))?;
    let named = relay.is_some();
    let relays = match relay {
        Some(relay) => vec![relay],
        // What is wrong with the list stands among the files.
        None => {
            files::load_relays(places).unwrap_or_default().relays.into_iter().map(|r| r.address).collect()
        }
    };
    if relays.is_empty() {
        let hint = "mechat-tui doctor --relay HOST:PORT looks at one";
        report.section("relays", [Finding::note("none is known yet", hint)])?;
    }
    for address in relays {
        let findings = relay::look(places, &address)?;
        // An old relay in the list that is gone is no fault of this client; one that was asked for is.
        let findings = findings.into_iter().map(|finding| soften(finding, named));
        report.section(&format!("relay {address}"), findings)?;
    }
    Ok(if report.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn soften(finding: Finding, named: bool) -> Finding {
    match finding.grade {
        Grade::Bad if !named => Finding { grade: Grade::Note, ..finding },
        _ => finding,
    }
}

#[derive(Debug, Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn section(&mut self, title: &str, findings: impl IntoIterator<Item = Finding>) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{title}")?;
        for finding in findings {
            self.failed |= finding.grade == Grade::Bad;
            for line in finding.lines() {
                writeln!(out, "{line}")?;
            }
        }
        out.flush()
    }
}

/// Asks the terminal, which may not answer at all.
fn keyboard() -> Finding {
    if !surroundings::is_terminal() {
        return Finding::note(
            "not asked: input and output are no terminal",
            "run it in the terminal that you chat in",
        );
    }
    match within(TERMINAL_LIMIT, crossterm::terminal::supports_keyboard_enhancement) {
        Some(Ok(true)) => Finding::good("the kitty keyboard protocol: Shift-Enter breaks the line"),
        Some(Ok(false)) | None => Finding::note(
            "no kitty keyboard protocol: Shift-Enter cannot be told from Enter",
            "Alt-Enter and Ctrl-J break the line everywhere",
        ),
        Some(Err(error)) => Finding::note(
            format!("the terminal did not say whether it knows the kitty keyboard protocol: {error}"),
            "Alt-Enter and Ctrl-J break the line everywhere",
        ),
    }
}

fn keyring() -> Finding {
    match within(tokens::TIMEOUT, || Keyring::system().load(NOBODY)) {
        Some(Ok(_)) => Finding::good("answers: you stay signed in from one start to the next"),
        Some(Err(error)) => Finding::note(error.to_string(), NO_KEYRING),
        None => Finding::note("does not answer: it may wait for somebody to unlock it", NO_KEYRING),
    }
}

const NO_KEYRING: &str = "the password is asked for at each start; on Linux a Secret Service (gnome-keyring, KWallet, KeePassXC) helps";

/// The answer, if it comes in time. Who does not answer is left behind on a thread of its own.
fn within<T: Send + 'static>(limit: Duration, ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let _ = tell.send(ask()); // Nobody may wait any more.
    });
    told.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_relay_is_harmless() {
        let finding = Finding::bad("says \u{1b}[2J", "hint");
        assert_eq!(finding.lines().len(), 2);
        assert!(finding.lines().iter().all(|line| !line.contains('\u{1b}')));
    }

    #[test]
    fn a_question_that_hangs_is_left_behind() {
        let (hold, held) = std::sync::mpsc::sync_channel::<()>(1);
        assert_eq!(within(Duration::ZERO, move || held.recv().is_ok()), None);
        drop(hold);
        assert_eq!(within(Duration::MAX, || 7), Some(7));
    }

    #[test]
    fn a_relay_of_earlier_days_that_is_gone_is_no_fault() {
        let gone = Finding::bad("no answer", "start it");
        assert_eq!(soften(gone.clone(), false).grade, Grade::Note);
        assert_eq!(soften(gone, true).grade, Grade::Bad);
    }
}
