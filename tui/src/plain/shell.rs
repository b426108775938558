//! The streams of the plain mode: reads a line when one is wanted, writes lines, stops when told.
//!
//! Invariants: a password typed at a terminal is not echoed, and echo comes back whatever ends the program; one
//! line is read ahead, no more.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use mechat_client::{Client, Command, Event as ClientEvent};
use mechat_protocol::RelayAddress;
use mechat_relay::Relay;
use secrecy::SecretString;
use tokio::sync::mpsc;
use zeroize::Zeroize;

use super::session::{Input, Output, Session, Wants};
use crate::app::{self, Signals};
use crate::cli::Wanted;
use crate::model::Target;

/// How long a relay in this process may take to drain.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// How long the client may take to say goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_millis(400);
/// Bytes of one typed line at most.
const LINE_LEN_MAX: u64 = 1_048_576;

/// Runs the plain client.
pub fn run(wanted: Wanted) -> anyhow::Result<ExitCode> {
    restore_echo_on_panic();
    let runtime = app::runtime(wanted.host.is_some())?;
    let code = runtime.block_on(serve(wanted));
    // The reader may sit in a read that never ends, without echo.
    runtime.shutdown_background();
    let _ = crossterm::terminal::disable_raw_mode();
    code.map(ExitCode::from)
}

async fn serve(wanted: Wanted) -> anyhow::Result<u8> {
    let mut relay = None;
    let target = match (wanted.host, wanted.target) {
        (Some(options), _) => {
            let started = app::start_relay(options).await.context("the relay could not start")?;
            app::pin_own_relay(&wanted.places, &started);
            let target = own_target(&started)?;
            relay = Some(started);
            target
        }
        (None, Some(target)) => target,
        (None, None) => {
            write_line(
                &mut io::stderr(),
                "error: --plain needs a relay: --relay HOST[:PORT], an invite link, or host",
            );
            return Ok(2);
        }
    };
    let client = app::start_client(&target, &wanted.places, false);
    let mut session = Session::new(target, TimeZone::system());
    if !io::stdin().is_terminal() {
        session = session.scripted();
    }
    let code = converse(client, session).await;
    if let Some(relay) = relay {
        let _ = tokio::time::timeout(DRAIN_LIMIT, relay.shutdown()).await;
    }
    code
}

fn own_target(relay: &Relay) -> anyhow::Result<Target> {
    let invite = relay.invite();
    write_line(&mut io::stderr(), &format!("* others join with {invite}"));
    let address = RelayAddress::new("127.0.0.1", relay.local_addr().port())?;
    Ok(Target { address, invited: Some(relay.fingerprint()), channel: invite.channel })
}

async fn converse(
    (client, mut events): (Client, mpsc::Receiver<ClientEvent>),
    mut session: Session,
) -> anyhow::Result<u8> {
    let mut reader = Reader::start();
    let mut signals = Signals::new()?;
    let mut deadline = None;
    loop {
        reader.want(session.wants());
        let input = tokio::select! {
            biased;
            _ = signals.next() => break Ok(0),
            event = events.recv() => Input::Client(event.unwrap_or(ClientEvent::Stopped)),
            read = reader.next() => read,
            () = until(deadline) => Input::Deadline,
        };
        for output in session.handle(input, Client::nonce()) {
            match output {
                Output::Out(line) => write_line(&mut io::stdout(), &line),
                Output::Err(line) => write_line(&mut io::stderr(), &line),
                Output::Prompt(text) => {
                    let _ = write!(io::stderr(), "{text}").and_then(|()| io::stderr().flush());
                }
                Output::Client(command) => client.send(command).await,
                Output::Exit(code) => return Ok(goodbye(client, events, code).await),
            }
        }
        if let (Some(limit), None) = (session.end_limit(), deadline) {
            deadline = Some(tokio::time::Instant::now() + limit);
        }
    }
}

async fn goodbye(client: Client, mut events: mpsc::Receiver<ClientEvent>, code: u8) -> u8 {
    let leave = async {
        client.send(Command::Quit).await;
        while !matches!(events.recv().await, None | Some(ClientEvent::Stopped)) {}
    };
    let _ = tokio::time::timeout(GOODBYE_LIMIT, leave).await;
    code
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A closed pipe is the reader's choice, not an error.
fn write_line(out: &mut dyn Write, line: &str) {
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Reads on a thread of its own, one line each time that one is wanted.
struct Reader {
    wanted: mpsc::Sender<Wants>,
    read: mpsc::Receiver<Input>,
    reading: bool,
}

impl Reader {
    fn start() -> Self {
        let (wanted, mut wishes) = mpsc::channel(1);
        let (lines, read) = mpsc::channel(1);
        std::thread::spawn(move || {
            while let Some(wish) = wishes.blocking_recv() {
                let input = read_input(wish);
                if lines.blocking_send(input).is_err() {
                    return;
                }
            }
        });
        Self { wanted, read, reading: false }
    }

    fn want(&mut self, wants: Wants) {
        if wants != Wants::Nothing && !self.reading {
            self.reading = self.wanted.try_send(wants).is_ok();
        }
    }

    async fn next(&mut self) -> Input {
        if !self.reading {
            return std::future::pending().await;
        }
        let input = self.read.recv().await;
        self.reading = false;
        input.unwrap_or(Input::End)
    }
}

fn read_input(wants: Wants) -> Input {
    if wants == Wants::Secret {
        return read_secret().map_or(Input::End, Input::Secret);
    }
    read_line().map_or(Input::End, Input::Line)
}

/// Bytes that are no UTF-8 become replacement characters: a line is never lost.
fn read_line() -> Option<String> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(LINE_LEN_MAX).read_until(b'\n', &mut bytes).ok()?;
    if read == 0 {
        return None;
    }
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_secret() -> Option<SecretString> {
    if !io::stdin().is_terminal() {
        return read_line().map(SecretString::from);
    }
    let echo = NoEcho::start()?;
    let typed = read_unseen();
    drop(echo);
    write_line(&mut io::stderr(), "");
    typed
}

/// Raw mode for as long as a password is typed.
struct NoEcho;

impl NoEcho {
    fn start() -> Option<Self> {
        crossterm::terminal::enable_raw_mode().ok().map(|()| Self)
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

fn read_unseen() -> Option<SecretString> {
    let mut typed = Vec::with_capacity(crate::model::sign_in::LINE_LEN_MAX);
    let mut byte = [0];
    let complete = loop {
        match io::stdin().lock().read(&mut byte) {
            Ok(1) => {}
            _ => break false,
        }
        match byte[0] {
            b'\r' | b'\n' => break true,
            // Ctrl-C and Ctrl-D.
            3 | 4 => break false,
            8 | 127 => while typed.pop().is_some_and(|byte: u8| (0x80..0xc0).contains(&byte)) {},
            // Ctrl-U.
            21 => typed.clear(),
            byte if typed.len() < typed.capacity() => typed.push(byte),
            _ => {}
        }
    };
    let secret = complete.then(|| String::from_utf8_lossy(&typed).into_owned()).map(SecretString::from);
    typed.zeroize();
    secret
}

fn restore_echo_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let _ = crossterm::terminal::disable_raw_mode();
        report(panic);
    }));
}
