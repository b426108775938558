//! What the terminal sends, read on a thread of its own, which can be told to leave the terminal to another program.
//!
//! Invariant: while it is paused, nothing here reads from the terminal.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossterm::event::Event;
use tokio::sync::mpsc;

use super::probe::Probe;

/// Keys that may wait; beyond that they wait in the terminal.
const KEYS_MAX: usize = 256;
/// How long the thread may take to notice that it shall pause.
const PAUSE_LIMIT: Duration = Duration::from_secs(2);

/// What came, and when it was read: a busy program must not make typed keys look as if they came at once.
pub type Read = (Instant, std::io::Result<Event>);

/// The reading thread. Unlike a stream, its queue can be asked what is there without losing its waker.
#[derive(Debug)]
pub struct Keyboard {
    keys: mpsc::Receiver<Read>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Whether the thread waits before the gate, or has ended.
    waits: bool,
}

impl Keyboard {
    /// Starts the thread; it first waits for the answers of a terminal that was asked something.
    pub fn start(probe: Option<Probe>) -> Self {
        let (events, keys) = mpsc::channel(KEYS_MAX);
        let gate = Arc::new(Gate::default());
        let passed = Arc::clone(&gate);
        std::thread::spawn(move || {
            for event in probe.map_or_else(Vec::new, Probe::answers) {
                if events.blocking_send((Instant::now(), Ok(event))).is_err() {
                    break;
                }
            }
            loop {
                let event = passed.read();
                let failed = event.is_err();
                if events.blocking_send((Instant::now(), event)).is_err() || failed {
                    break;
                }
            }
            passed.lock().waits = true;
            passed.changed.notify_all();
        });
        Self { keys, gate }
    }

    /// The next event; `None` when the terminal is gone.
    pub async fn next(&mut self) -> Option<Read> {
        self.keys.recv().await
    }

    /// What has come already.
    pub fn ready(&mut self) -> Option<Read> {
        self.keys.try_recv().ok()
    }

    /// Leaves the terminal to another program. False if the thread does not let go of it in time.
    pub fn pause(&mut self) -> bool {
        self.gate.lock().closed = true;
        let began = Instant::now();
        loop {
            interrupt();
            let state = self.gate.lock();
            let (state, _) = self
                .gate
                .changed
                .wait_timeout_while(state, PAUSE_LIMIT / 20, |state| !state.waits)
                .unwrap_or_else(PoisonError::into_inner);
            if state.waits {
                return true;
            }
            drop(state);
            // It may wait for room in the queue.
            while self.keys.try_recv().is_ok() {}
            if began.elapsed() >= PAUSE_LIMIT {
                self.resume();
                return false;
            }
        }
    }

    /// Reads again.
    pub fn resume(&self) {
        self.gate.lock().closed = false;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the gate is closed, then for an event.
    fn read(&self) -> std::io::Result<Event> {
        self.pass();
        while !may_read() {
            self.pass();
        }
        crossterm::event::read()
    }

    fn pass(&self) {
        let mut state = self.lock();
        while state.closed {
            state.waits = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waits = false;
    }
}

/// Wakes the thread from its wait for an event: a change of size that is none. The signal is raised behind a safe call.
#[cfg(unix)]
fn interrupt() {
    if let Err(error) = signal_hook::low_level::raise(signal_hook::consts::SIGWINCH) {
        tracing::warn!(%error, "the reading thread cannot be woken");
    }
}

/// Nothing wakes it here; it looks up by itself.
#[cfg(not(unix))]
fn interrupt() {}

/// Whether to go on to a wait without end, which the signal interrupts.
#[cfg(unix)]
const fn may_read() -> bool {
    true
}

/// Whether something is there to read. Looks up now and then, since nothing else ends this wait.
#[cfg(not(unix))]
fn may_read() -> bool {
    crossterm::event::poll(Duration::from_millis(250)).unwrap_or(true)
}
