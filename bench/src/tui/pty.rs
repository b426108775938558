//! A program in a pseudo-terminal: typed to, looked at, and timed.
//!
//! Owns the moments: when a key was written, when each piece of output could be read. A thread takes them, right behind the
//! read, so that what is done with a piece later costs the program nothing. The terminal answers what programs ask a terminal.
//!
//! Invariant: nothing that did not come counts as a time. What is waited for comes, or there is an error that shows the screen.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::pinning::{Pinning, SERVER_CORE};
use crate::server::Usage;
use crate::tui::idle::RunTimes;

/// Columns and rows.
pub(crate) type Size = (u16, u16);
/// In which everything starts.
pub(crate) const SIZE: Size = (120, 36);
/// A burst of output has ended when nothing came for so long.
pub(crate) const SILENCE: Duration = Duration::from_millis(50);
/// How long anything may take before the measurement is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that are taken at once.
const PIECE_LEN: usize = 65_536;
/// Pieces that wait to be looked at; beyond that the program waits with its output, as it does for a slow terminal.
const PIECES_MAX: usize = 4_096;

/// What is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its whole environment.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// Output that was read at once.
struct Piece {
    at: Instant,
    bytes: Vec<u8>,
}

/// A program that runs in a terminal of its own; it ends with this.
pub(crate) struct Pty {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    pieces: Receiver<Piece>,
    screen: vt100::Parser<Answers>,
    /// Right before the program was started.
    pub(crate) began: Instant,
    /// When the newest piece came.
    last: Instant,
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}

impl Pty {
    /// Starts a program on the measured core, where there is one.
    pub(crate) fn open(program: &Program, pinning: Pinning) -> anyhow::Result<Self> {
        let pair = native_pty_system().openpty(pty_size(SIZE)).context("a pseudo-terminal")?;
        let output = pair.master.try_clone_reader().context("a terminal's output")?;
        let keyboard = pair.master.take_writer().context("a terminal's keyboard")?;
        let mut command = CommandBuilder::new(&program.path);
        command.env_clear();
        command.args(&program.arguments);
        program.environment.iter().for_each(|(name, value)| command.env(name, value));
        let slave = pair.slave;
        let (began, child) = pinning.on_core(SERVER_CORE, move || {
            let began = Instant::now();
            (began, slave.spawn_command(command))
        })?;
        let child = child.with_context(|| format!("starting {}", program.path.display()))?;
        let (sender, pieces) = sync_channel(PIECES_MAX);
        std::thread::Builder::new().name("terminal".into()).spawn(move || read(output, &sender))?;
        let (columns, rows) = cells(SIZE)?;
        let screen = vt100::Parser::new_with_callbacks(rows, columns, 0, Answers::default());
        Ok(Self { master: pair.master, keyboard, child, pieces, screen, began, last: began })
    }

    /// Writes to the program; the moment before.
    pub(crate) fn keys(&mut self, keys: &str) -> anyhow::Result<Instant> {
        let at = Instant::now();
        self.keyboard.write_all(keys.as_bytes()).context("typing")?;
        self.keyboard.flush().context("typing")?;
        Ok(at)
    }

    /// Changes the size; the moment before.
    pub(crate) fn resize(&mut self, size: Size) -> anyhow::Result<Instant> {
        let (columns, rows) = cells(size)?;
        self.screen.set_size(rows, columns);
        let at = Instant::now();
        self.master.resize(pty_size(size)).context("changing a terminal's size")?;
        Ok(at)
    }

    /// What stands on the screen.
    pub(crate) fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen is as wanted; when the piece came that made it so.
    pub(crate) fn until(
        &mut self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Instant> {
        let deadline = Instant::now() + patience;
        while !wanted(&self.screen()) {
            match self.take(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{what} did not come in {patience:?}; on the screen:\n{}", self.screen())
                }
                Err(RecvTimeoutError::Disconnected) => bail!("{}", self.ended_before(what)),
            }
        }
        Ok(self.last)
    }

    /// Waits until a text is on the screen.
    pub(crate) fn shows(&mut self, text: &str) -> anyhow::Result<Instant> {
        self.until(&format!("`{text}`"), PATIENCE, |screen| screen.contains(text))
    }

    /// Waits for output later than `after`, then until nothing came for [`SILENCE`]; when the last of it came.
    pub(crate) fn burst(&mut self, after: Instant) -> anyhow::Result<Instant> {
        let deadline = Instant::now() + PATIENCE;
        while self.last <= after {
            match self.take(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => bail!("no output came; on the screen:\n{}", self.screen()),
                Err(RecvTimeoutError::Disconnected) => bail!("{}", self.ended_before("output")),
            }
        }
        self.silence(SILENCE)
    }

    /// Waits until nothing came for so long; when the last came.
    pub(crate) fn silence(&mut self, silence: Duration) -> anyhow::Result<Instant> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // What waits to be looked at came before, so the silence is counted from the newest piece.
            match self.take((self.last + silence).max(Instant::now())) {
                Ok(()) => ensure!(Instant::now() < deadline, "the output never ends:\n{}", self.screen()),
                Err(RecvTimeoutError::Timeout) => return Ok(self.last),
                Err(RecvTimeoutError::Disconnected) => bail!("{}", self.ended_before("an end of its output")),
            }
        }
    }

    /// Only looks on for so long.
    pub(crate) fn rest(&mut self, time: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + time;
        loop {
            match self.take(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => bail!("{}", self.ended_before("anything was asked")),
            }
        }
    }

    /// What the program has cost until now.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of_process(self.id()?)
    }

    /// How long its threads have run until now.
    pub(crate) fn run_times(&self) -> anyhow::Result<RunTimes> {
        RunTimes::of(self.id()?)
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.child.process_id().context("a program that runs has an id")
    }

    /// Types what ends the program and waits until it has ended well.
    pub(crate) fn quit(mut self, keys: &str) -> anyhow::Result<()> {
        self.keys(keys)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.take(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => bail!("it does not end; on the screen:\n{}", self.screen()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = self.child.wait().context("waiting for a program")?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    /// Takes one piece, now or until the deadline.
    fn take(&mut self, deadline: Instant) -> Result<(), RecvTimeoutError> {
        let piece = self.pieces.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.last = piece.at;
        self.screen.process(&piece.bytes);
        let answers = std::mem::take(&mut self.screen.callbacks_mut().0);
        if !answers.is_empty() {
            // A program that has ended meanwhile is noticed at the next piece.
            let _ = self.keyboard.write_all(&answers).and_then(|()| self.keyboard.flush());
        }
        Ok(())
    }

    fn ended_before(&self, what: &str) -> String {
        format!("the program ended before {what}; its last words:\n{}", self.screen())
    }
}

/// Reads until the program has gone.
fn read(mut output: Box<dyn Read + Send>, pieces: &SyncSender<Piece>) {
    let mut buffer = vec![0; PIECE_LEN];
    // An error is how Linux says that nobody has the terminal open any more.
    while let Ok(len @ 1..) = output.read(&mut buffer) {
        let piece = Piece { at: Instant::now(), bytes: buffer[..len].to_vec() };
        if pieces.send(piece).is_err() {
            return;
        }
    }
}

fn pty_size((cols, rows): Size) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells((columns, rows): Size) -> anyhow::Result<(NonZeroU16, NonZeroU16)> {
    NonZeroU16::new(columns).zip(NonZeroU16::new(rows)).context("a terminal has columns and rows")
}

/// What a terminal says when it is asked: a program that waits for answers in vain would be measured waiting.
#[derive(Default)]
struct Answers(Vec<u8>);

impl vt100::Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        first: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        last: char,
    ) {
        let parameter = parameters.first().and_then(|values| values.first()).copied().unwrap_or_default();
        match (first, last, parameter) {
            (None, 'c', 0) => self.0.extend(b"\x1b[?62;22c"),
            (None, 'n', 5) => self.0.extend(b"\x1b[0n"),
            (None, 'n', 6) => {
                let (row, column) = screen.cursor_position();
                self.0.extend(format!("\x1b[{};{}R", row + 1, column + 1).bytes());
            }
            _ => {}
        }
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, parameters: &[&[u8]]) {
        match parameters {
            [b"10", b"?"] => self.0.extend(b"\x1b]10;rgb:d0d0/d0d0/d0d0\x1b\\"),
            [b"11", b"?"] => self.0.extend(b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
            _ => {}
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Pty {
        let environment = vec![("TERM", "xterm-256color".to_owned())];
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let program = Program { path: "/bin/sh".into(), arguments, environment };
        Pty::open(&program, Pinning::None).expect("a shell")
    }

    #[test]
    fn what_is_typed_comes_back_later_than_it_was_typed() {
        let mut pty = shell("stty -echo; printf ready; read word; printf \"got %s\" $word; read end");
        let ready = pty.shows("ready").expect("comes");
        assert!(ready >= pty.began);
        let typed = pty.keys("word\r").expect("typed");
        let shown = pty.shows("got word").expect("comes");
        assert!(shown >= typed && typed >= ready);
        assert_eq!(pty.burst(typed).expect("ends"), shown, "nothing else came");
        pty.quit("\r").expect("ends");
    }

    #[test]
    fn a_program_that_ends_fails_or_says_nothing_is_an_error_with_its_screen() {
        let gone = shell("printf 'last words'").shows("never").expect_err("gone");
        assert!(gone.to_string().contains("ended") && gone.to_string().contains("last words"), "{gone}");
        let mut silent = shell("stty -echo; printf here; read end");
        silent.shows("here").expect("comes");
        let late = silent.until("more", Duration::from_millis(1), |screen| screen.contains("more"));
        assert!(late.expect_err("silent").to_string().contains("here"));
        assert!(shell("read end; exit 3").quit("\r").is_err(), "a failure is not a good end");
    }

    #[test]
    fn it_answers_as_a_terminal_and_tells_the_new_size() {
        let mut pty = shell(
            "stty raw -echo; printf '\\033[6n'; dd bs=1 count=6 2>/dev/null | tr '\\033' E; stty sane -echo; \
             printf ' go'; read go; stty size; read end",
        );
        pty.shows("E[1;1R go").expect("an answer");
        pty.resize((100, 30)).expect("resized");
        pty.keys("\r").expect("typed");
        pty.shows("30 100").expect("the size");
        pty.quit("\r").expect("ends");
    }
}
