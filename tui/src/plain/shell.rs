//! The streams of the plain mode: reads a line when one is wanted, writes lines, keeps what is to be kept, stops when told.
//!
//! Invariants: a password typed at a terminal is not echoed, and echo comes back whatever ends the program; one
//! line is read ahead, no more.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use mechat_client::{Client, Command, Event as ClientEvent};
use mechat_protocol::{Invite, RelayAddress};
use mechat_relay::Relay;
use secrecy::SecretString;
use tokio::sync::mpsc;
use zeroize::Zeroize;

use super::session::{Input, Output, Session, Wants};
use crate::app::claim::Claimed;
use crate::app::files::{self, Places};
use crate::app::tokens::{self, Keyring, Request, Tokens};
use crate::app::{self, Signals};
use crate::cli::Wanted;
use crate::model::{RelayBook, Target};
use crate::text;
use crate::update::Event;

/// How long a relay in this process may take to drain.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// How long the client may take to say goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_millis(400);
/// How long the keyring may take at the end.
const KEYRING_LIMIT: Duration = Duration::from_millis(300);
/// Words of the keyring that may wait; beyond that its thread does.
const EVENTS_MAX: usize = 16;
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
    let mut reader = Reader::start();
    let book = Book::open(wanted.places.clone());
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
        (None, None) => match pick(&mut reader, &book.relays).await {
            Some(target) => target,
            None => return Ok(2),
        },
    };
    let client = app::start_client(&target, &wanted.places, false);
    let mut session = Session::new(target.clone(), TimeZone::system());
    if wanted.speak {
        session = session.speaking();
    }
    if !io::stdin().is_terminal() {
        session = session.scripted();
    }
    let code = Conversation::new(target.address, book, reader).run(client, session).await;
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

/// Asks which relay is meant, among those of earlier days and others. `None` where nobody answers.
async fn pick(reader: &mut Reader, relays: &RelayBook) -> Option<Target> {
    let say = |line: &str| write_line(&mut io::stderr(), line);
    for (number, relay) in relays.relays.iter().enumerate() {
        let account = relay.account.as_ref().map_or_else(String::new, |account| format!(", @{account}"));
        say(&format!("  {}  {}{}", number + 1, relay.address, text::harmless(&account)));
    }
    loop {
        let hint = if relays.relays.is_empty() { "" } else { "a number of the list, " };
        prompt(&format!("which relay? {hint}HOST[:PORT], or a link mechat://…: "));
        reader.want(Wants::Line);
        let Input::Line(line) = reader.next().await else {
            say("error: --plain needs a relay: --relay HOST[:PORT], an invite link, or host");
            return None;
        };
        let line = line.trim();
        let numbered =
            line.parse::<usize>().ok().and_then(|number| relays.relays.get(number.checked_sub(1)?));
        if let Some(saved) = numbered {
            return Some(Target::from(saved.address.clone()));
        }
        if let Ok(invite) = line.parse::<Invite>() {
            return Some(Target::from(invite));
        }
        match line.parse::<RelayAddress>() {
            Ok(address) if !line.is_empty() => return Some(Target::from(address)),
            Ok(_) => {}
            Err(error) => say(&format!("error: {}", text::harmless(&error.to_string()))),
        }
    }
}

/// What is remembered of relays and accounts, on disk.
struct Book {
    places: Places,
    relays: RelayBook,
    /// A file that could not be understood belongs to its author.
    readable: bool,
}

impl Book {
    fn open(places: Places) -> Self {
        match files::load_relays(&places) {
            Ok(relays) => Self { places, relays, readable: true },
            Err(error) => {
                write_line(&mut io::stderr(), &format!("* {error:#}"));
                Self { places, relays: RelayBook::default(), readable: false }
            }
        }
    }

    fn save(&self) {
        if !self.readable {
            return;
        }
        if let Err(error) = files::save_relays(&self.places, &self.relays) {
            write_line(&mut io::stderr(), &format!("* {error:#}"));
        }
    }
}

/// One session and what it stands on.
struct Conversation {
    address: RelayAddress,
    book: Book,
    reader: Reader,
    tokens: Tokens,
    /// What the keyring's thread says.
    kept: mpsc::Receiver<Event>,
}

impl Conversation {
    fn new(address: RelayAddress, book: Book, reader: Reader) -> Self {
        let (events, kept) = mpsc::channel(EVENTS_MAX);
        let tokens = Tokens::start(Claimed::new(Keyring::system(), book.places.sessions()), events);
        Self { address, book, reader, tokens, kept }
    }

    /// Who was here last, and what is known of them.
    fn remember(&self, session: Session) -> Session {
        let here = self.book.relays.relays.iter().find(|relay| relay.address == self.address);
        let Some((relay, account)) = here.and_then(|relay| Some((relay, relay.account.clone()?))) else {
            return session;
        };
        let asked = self.tokens.ask(Request::Load(self.address.clone(), account.clone()));
        let session = session.having_left(account, &relay.left);
        if asked { session.remembering() } else { session }
    }

    async fn run(
        mut self,
        (client, mut events): (Client, mpsc::Receiver<ClientEvent>),
        session: Session,
    ) -> anyhow::Result<u8> {
        let mut session = self.remember(session);
        let mut signals = Signals::new()?;
        let keyring_limit = tokio::time::Instant::now() + tokens::TIMEOUT;
        let (mut deadline, mut keyring_is_late) = (None, false);
        loop {
            self.reader.want(session.wants());
            let input = tokio::select! {
                biased;
                _ = signals.next() => break Ok(0),
                event = events.recv() => Input::Client(event.unwrap_or(ClientEvent::Stopped)),
                Some(event) = self.kept.recv() => kept(event),
                read = self.reader.next() => read,
                () = until(deadline) => Input::Deadline,
                () = until(Some(keyring_limit)), if !keyring_is_late => {
                    keyring_is_late = true;
                    Input::Saved(None)
                }
            };
            for output in session.handle(input, Client::nonce()) {
                match output {
                    Output::Out(line) => write_line(&mut io::stdout(), &line),
                    Output::Err(line) => write_line(&mut io::stderr(), &line),
                    Output::Prompt(text) => prompt(&text),
                    Output::Client(command) => client.send(command).await,
                    Output::Exit(code) => {
                        self.tokens.flush(KEYRING_LIMIT).await;
                        return Ok(goodbye(client, events, code).await);
                    }
                    kept @ (Output::Keep(..) | Output::Forget(_) | Output::Left(..)) => self.keep(kept),
                }
            }
            if let (Some(limit), None) = (session.end_limit(), deadline) {
                deadline = Some(tokio::time::Instant::now() + limit);
            }
        }
    }

    fn keep(&mut self, output: Output) {
        let address = self.address.clone();
        match output {
            Output::Keep(account, token) => {
                let news =
                    self.book.relays.relays.first().map(|first| (&first.address, first.account.as_ref()))
                        != Some((&address, Some(&account)));
                if news {
                    self.book.relays.used(&address, Some(&account));
                    self.book.save();
                }
                // A keyring that is stuck keeps nothing; the password is asked for next time.
                self.tokens.ask(Request::Save(address, account, token));
            }
            Output::Forget(account) => drop(self.tokens.ask(Request::Forget(address, account))),
            Output::Left(name, left) if self.book.relays.left(&address, &name, left) => self.book.save(),
            _ => {}
        }
    }
}

fn kept(event: Event) -> Input {
    match event {
        Event::TokenLoaded { token, .. } => Input::Saved(token),
        _ => Input::NoKeyring,
    }
}

fn prompt(text: &str) {
    let _ = write!(io::stderr(), "{text}").and_then(|()| io::stderr().flush());
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
