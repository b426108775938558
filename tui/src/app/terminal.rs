//! The terminal: taken once, always given back.
//!
//! Invariants: whatever ends the program (quit, error, panic, signal), [`restore`] runs; what it writes is harmless when run
//! twice. Nothing else writes to the screen.

use std::io::{self, BufWriter, Stdout, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{Command, cursor, execute, queue, terminal};
use ratatui::Terminal;
use tokio::sync::Notify;

use super::output::{self, Linked};
use super::probe::{self, Probe, Told};
use crate::model::Model;
use crate::view;

/// Bytes that one picture may take before it is written in parts.
const PICTURE_LEN: usize = 32_768;

type Backend = Linked<BufWriter<Stdout>>;

/// The taken terminal; dropping it gives it back.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<Backend>,
    shown: output::Shared,
    /// For the thread that reads the terminal.
    pub probe: Option<Probe>,
    told: Option<Told>,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal.
    pub fn take() -> io::Result<Self> {
        enter()?;
        let shown = output::Shared::default();
        let taken = blank(&shown).and_then(|terminal| {
            let (probe, told) = probe::ask()?.unzip();
            Ok(Self { terminal, shown, probe, told, mouse: false })
        });
        match taken {
            Ok(screen) => Ok(screen),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Draws what changed, shown at once where the terminal can.
    pub fn draw(&mut self, model: &mut Model) -> io::Result<()> {
        if let Some(policy) = self.told.as_ref().and_then(|told| told.try_recv().ok()) {
            policy.put_in_force();
            self.forget()?;
        }
        model.size = self.size()?;
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let shown = Rc::clone(&self.shown);
        self.terminal.draw(|frame| {
            view::view(model, frame);
            let now = output::apply(&view::links(model), &shown.borrow(), frame.buffer_mut());
            shown.replace(now);
        })?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Listens to the mouse, or leaves it to the terminal.
    pub fn listen_to_mouse(&mut self, wanted: bool) -> io::Result<()> {
        if wanted == self.mouse {
            return Ok(());
        }
        self.mouse = wanted;
        if wanted {
            execute!(io::stdout(), PressesAndDrags)
        } else {
            execute!(io::stdout(), DisableMouseCapture)
        }
    }

    /// Hands a text to the terminal's clipboard (OSC 52); it does not say whether it takes it.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Forgets what is on the screen, so that the next picture is drawn whole.
    ///
    /// The library's own way would ask the terminal where its cursor is, and wait for an answer that the reading thread gets.
    pub fn forget(&mut self) -> io::Result<()> {
        self.shown = output::Shared::default();
        self.terminal = blank(&self.shown)?;
        execute!(self.terminal.backend_mut(), Clear(ClearType::All))
    }

    /// Takes the terminal again after another program had it.
    pub fn take_again(&mut self) -> io::Result<()> {
        enter()?;
        if std::mem::take(&mut self.mouse) {
            self.listen_to_mouse(true)?;
        }
        self.forget()
    }

    /// Gives the terminal back, stops until the shell continues us, takes it again.
    ///
    /// Stopping uses signal-hook's emulation of the default action: it raises the signal with its default disposition behind a
    /// safe call, and crossterm has brought the crate already.
    #[cfg(unix)]
    pub fn suspend(&mut self) -> io::Result<()> {
        restore();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        self.take_again()
    }

    /// There is no such thing here.
    #[cfg(not(unix))]
    pub fn suspend(&mut self) -> io::Result<()> {
        self.forget()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Presses, the wheel and drags. Not every movement, as crossterm's own way would have it: that would wake an idle program
/// whenever the hand rests on the mouse.
struct PressesAndDrags;

impl Command for PressesAndDrags {
    fn write_ansi(&self, out: &mut impl std::fmt::Write) -> std::fmt::Result {
        out.write_str("\u{1b}[?1000h\u{1b}[?1002h\u{1b}[?1006h")
    }

    #[cfg(windows)]
    fn execute_winapi(&self) -> io::Result<()> {
        crossterm::event::EnableMouseCapture.execute_winapi()
    }

    #[cfg(windows)]
    fn is_ansi_code_supported(&self) -> bool {
        false
    }
}

fn blank(shown: &output::Shared) -> io::Result<Terminal<Backend>> {
    Terminal::new(Linked::new(BufWriter::with_capacity(PICTURE_LEN, io::stdout()), Rc::clone(shown)))
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    let taken = execute!(
        io::stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableFocusChange,
        // Tells Shift-Enter from Enter where the terminal knows how; others ignore it.
        PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES),
    );
    if taken.is_err() {
        restore();
    }
    taken
}

/// Gives the terminal back.
pub fn restore() {
    let mut out = io::stdout();
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        PopKeyboardEnhancementFlags,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show,
    );
    let _ = terminal::disable_raw_mode();
    let _ = out.flush();
}

/// Whether any thread panicked: the program ends then, since a half-dead client would be worse than none.
#[derive(Debug, Default)]
pub struct Panicked {
    happened: AtomicBool,
    told: Notify,
}

impl Panicked {
    /// From now on a panic anywhere gives the terminal back at once, says what happened, and tells whoever waits here.
    pub fn watch() -> Arc<Self> {
        let panicked = Arc::new(Self::default());
        let (watched, report) = (Arc::clone(&panicked), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            watched.happened.store(true, Ordering::SeqCst);
            restore();
            tracing::error!("{panic}");
            report(panic);
            watched.told.notify_one();
        }));
        panicked
    }

    /// Until one does.
    pub async fn wait(&self) {
        self.told.notified().await;
    }

    /// Whether one did: the terminal is not ours any more.
    pub fn happened(&self) -> bool {
        self.happened.load(Ordering::SeqCst)
    }
}
