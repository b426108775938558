//! The shell round the session machine: one link, one clock, one task.
//!
//! It feeds the machine and performs what it wants. It decides nothing.
//!
//! Invariants: all outputs of one input are performed before the next is fed; a user who is slow to take
//! events stops the reading from the relay, never the taking of commands
//! (until `EVENTS_MAX` wait), and never the writing of the outbox.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use mechat_certs::PinStore;
use mechat_certs::password::{ClientLogin, ClientRegistration, PasswordError};
use mechat_protocol::codec::encode;
use mechat_protocol::{Fingerprint, Nonce, RelayAddress};
use rand::RngCore;
use rand::rngs::OsRng;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use crate::keeper::{Job, Keeper};
use crate::link::{self, Link, Read};
use crate::session::{ConnectFailure, Input, Now, Output, PasswordWork, Session};
use crate::{Command, Event};

/// Events that wait for the user; when it is full the client stops reading from the relay.
pub const EVENTS_MAX: usize = 256;
/// Commands that wait for the session.
pub const COMMANDS_MAX: usize = 1_024;

/// Which relay, and how to know it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub address: RelayAddress,
    /// The file of pinned fingerprints.
    pub pins: PathBuf,
    /// The fingerprint that an invite link promised.
    pub invited: Option<Fingerprint>,
    /// This software and its version, for the relay's `hello`.
    pub agent: String,
    /// The directory of the outboxes on disk, made if it is missing: what is said is there before it is sent, and goes out
    /// after a crash. `None` where what is not acknowledged may end with the process, as for a bot that says it again.
    pub outbox: Option<PathBuf>,
    /// Whether the user keeps the logs it was handed, and says after each sign-in as somebody new how far it has them
    /// ([`Command::Known`]); nothing of them is read before.
    pub resumes: bool,
}

/// A handle on a running client. Cheap to clone; the client stops when the last is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
}

impl Client {
    /// Starts a client on the present tokio runtime. It connects at once and tries again for good.
    pub fn start(config: Config) -> (Self, mpsc::Receiver<Event>) {
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(Driver::new(config, queue, events).run());
        (Self { commands }, receiver)
    }

    /// Hands a command to the session. Waits only while `COMMANDS_MAX` are waiting.
    /// Does nothing once the client has stopped.
    pub async fn send(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// A fresh name for a message.
    pub fn nonce() -> Nonce {
        Nonce(uuid::Uuid::now_v7())
    }
}

/// What woke the driver.
enum Woken {
    Command(Command),
    /// Room for an event; `None` if the user is gone.
    Room(Option<mpsc::OwnedPermit<Event>>),
    Frame(Option<Read>),
    Linked(Result<Result<Link, ConnectFailure>, JoinError>),
    Computed(Result<PasswordDone, JoinError>),
    Outbox(Input),
    Deadline,
}

/// A computation off this task: the step's number, what it gave, what to keep for the next.
type PasswordDone = (u64, Result<Vec<u8>, PasswordError>, Kept);

/// What lies between two steps of a password.
#[derive(Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    Registration(ClientRegistration),
    Login(Box<ClientLogin>),
}

struct Driver {
    config: Config,
    session: Session,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    /// Events that did not fit yet: those of one input beyond `EVENTS_MAX`, since no more is taken in then.
    unsent: VecDeque<Event>,
    link: Option<Link>,
    keeper: Option<Keeper>,
    connecting: Option<JoinHandle<Result<Link, ConnectFailure>>>,
    computing: Option<JoinHandle<PasswordDone>>,
    kept: Kept,
    /// Why the link was dropped on this side; the session hears it next.
    lost: Option<String>,
    started: Instant,
    stopped: bool,
}

impl Driver {
    fn new(config: Config, commands: mpsc::Receiver<Command>, events: mpsc::Sender<Event>) -> Self {
        let agent = config.agent.clone();
        let mut session = Session::new(agent);
        if config.outbox.is_some() {
            session = session.keeping();
        }
        if config.resumes {
            session = session.resuming();
        }
        let keeper = config.outbox.clone().map(|directory| Keeper::new(directory, config.address.clone()));
        Self {
            config,
            keeper,
            session,
            commands,
            events,
            unsent: VecDeque::new(),
            link: None,
            connecting: None,
            computing: None,
            kept: Kept::Nothing,
            lost: None,
            started: Instant::now(),
            stopped: false,
        }
    }

    async fn run(mut self) {
        let mut outputs = Vec::new();
        self.session.start(&mut outputs);
        self.perform(outputs);
        while !self.stopped {
            let Some(input) = self.next_input().await else { continue };
            self.feed(input);
        }
        // What was said a moment ago is on disk before the user hears that the client has stopped.
        if let Some(keeper) = &mut self.keeper {
            keeper.finish().await;
        }
        for event in self.unsent.drain(..) {
            // The user may be gone; nobody else wants to know.
            if self.events.send(event).await.is_err() {
                break;
            }
        }
    }

    /// Waits for whatever comes first. `None` where there was nothing for the session in it.
    async fn next_input(&mut self) -> Option<Input> {
        if let Some(reason) = self.lost.take() {
            return Some(Input::Lost(reason));
        }
        let deadline = self.session.next_deadline().map(|ms| self.started + Duration::from_millis(ms));
        let (may_read, may_tell) = (self.unsent.is_empty(), self.unsent.len() < EVENTS_MAX);
        let woken = tokio::select! {
            command = self.commands.recv(), if may_tell => Woken::Command(command.unwrap_or(Command::Quit)),
            room = self.events.clone().reserve_owned(), if !may_read => Woken::Room(room.ok()),
            frame = next_frame(&mut self.link), if may_read => Woken::Frame(frame),
            linked = join(&mut self.connecting) => Woken::Linked(linked),
            computed = join(&mut self.computing) => Woken::Computed(computed),
            outcome = next_outcome(&mut self.keeper, may_tell) => Woken::Outbox(outcome),
            // Who does not read cannot tell silence from its own deafness.
            () = sleep_until(deadline), if may_read => Woken::Deadline,
        };
        match woken {
            Woken::Command(command) => Some(Input::Command(command)),
            Woken::Room(room) => self.send_unsent(room),
            Woken::Frame(frame) => Some(self.read(frame)),
            Woken::Linked(linked) => Some(self.linked(linked)),
            Woken::Computed(computed) => Some(self.computed(computed)),
            Woken::Outbox(outcome) => Some(outcome),
            Woken::Deadline => Some(Input::Tick),
        }
    }

    fn send_unsent(&mut self, room: Option<mpsc::OwnedPermit<Event>>) -> Option<Input> {
        match (room, self.unsent.pop_front()) {
            (Some(room), Some(event)) => {
                room.send(event);
                None
            }
            _ => Some(Input::Command(Command::Quit)),
        }
    }

    fn feed(&mut self, input: Input) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = Now { ms, random: OsRng.next_u64() };
        let mut outputs = Vec::new();
        self.session.handle(now, input, &mut outputs);
        self.perform(outputs);
    }

    fn read(&mut self, frame: Option<Read>) -> Input {
        match frame {
            Some(Ok(incoming)) => Input::Frame(incoming),
            Some(Err(reason)) => {
                self.link = None;
                Input::Lost(reason)
            }
            None => {
                self.link = None;
                Input::Lost("the connection is gone".into())
            }
        }
    }

    fn linked(&mut self, linked: Result<Result<Link, ConnectFailure>, JoinError>) -> Input {
        match linked {
            Ok(Ok(link)) => {
                let fingerprint = link.fingerprint;
                self.link = Some(link);
                Input::Connected(fingerprint)
            }
            Ok(Err(failure)) => Input::NotConnected(failure),
            Err(error) => Input::NotConnected(ConnectFailure::Transient(error.to_string())),
        }
    }

    fn computed(&mut self, computed: Result<PasswordDone, JoinError>) -> Input {
        match computed {
            Ok((step, result, kept)) => {
                self.kept = kept;
                Input::Password { step, result }
            }
            // Only a panic or the runtime's end: the session goes on as if the link were lost.
            Err(error) => {
                self.link = None;
                Input::Lost(error.to_string())
            }
        }
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Connect => self.connect(),
                Output::Disconnect => self.link = None,
                Output::Send(message) => self.send(&message),
                Output::OpenOutbox(account) => self.keep(Job::Open(account)),
                Output::Keep(message) => self.keep(Job::Keep(message)),
                Output::Forget(nonce) => self.keep(Job::Forget(nonce)),
                Output::CloseOutbox => self.keep(Job::Close),
                Output::Pin(fingerprint) => self.pin(fingerprint),
                Output::Password { step, work } => self.compute(step, work),
                Output::Event(event) => self.tell(event),
                Output::Stop => self.stopped = true,
            }
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.begin();
        }
    }

    fn keep(&mut self, job: Job) {
        if let Some(keeper) = &mut self.keeper {
            keeper.push(job);
        }
    }

    fn connect(&mut self) {
        let Config { address, pins, invited, .. } = self.config.clone();
        self.link = None;
        self.connecting = Some(tokio::spawn(link::connect(address, pins, invited)));
    }

    fn send(&mut self, message: &mechat_protocol::Message) {
        let Some(link) = &self.link else { return };
        match encode(message) {
            Ok(frame) => {
                // Full or closed: what was not written now never will be on this link.
                if link.out.try_send(frame).is_err() {
                    self.link = None;
                    self.lost = Some("the relay does not take what is sent".into());
                }
            }
            Err(error) => tracing::error!(%error, "a request does not fit in a frame"),
        }
    }

    fn pin(&self, fingerprint: Fingerprint) {
        let pinned = PinStore::open(self.config.pins.clone())
            .and_then(|store| store.pin(&self.config.address, fingerprint));
        if let Err(error) = pinned {
            // The next connection asks again; the user sees the certificate screen and the log says why.
            tracing::error!(%error, "the certificate could not be remembered");
        }
    }

    fn compute(&mut self, step: u64, work: PasswordWork) {
        let kept = std::mem::take(&mut self.kept);
        let binding = self.link.as_ref().map(|link| link.exporter);
        self.computing = Some(tokio::task::spawn_blocking(move || {
            let (result, kept) = compute(work, kept, binding);
            (step, result, kept)
        }));
    }

    fn tell(&mut self, event: Event) {
        if self.unsent.is_empty() && !matches!(event, Event::Stopped) {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.unsent.push_back(event),
                Err(mpsc::error::TrySendError::Closed(_)) => self.stopped = true,
            }
        } else {
            self.unsent.push_back(event);
        }
    }
}

/// A step of OPAQUE. Argon2id in the finishing ones takes 64 MiB and a tenth of a second.
fn compute(
    work: PasswordWork,
    kept: Kept,
    binding: Option<[u8; 32]>,
) -> (Result<Vec<u8>, PasswordError>, Kept) {
    fn started<T>(
        result: Result<(T, Vec<u8>), PasswordError>,
        keep: fn(T) -> Kept,
    ) -> (Result<Vec<u8>, PasswordError>, Kept) {
        match result {
            Ok((state, message)) => (Ok(message), keep(state)),
            Err(error) => (Err(error), Kept::Nothing),
        }
    }
    match (work, kept) {
        (PasswordWork::RegisterStart(password), _) => {
            started(ClientRegistration::start(&password), Kept::Registration)
        }
        (PasswordWork::LoginStart(password), _) => {
            started(ClientLogin::start(&password), |login| Kept::Login(Box::new(login)))
        }
        (PasswordWork::RegisterFinish(response), Kept::Registration(state)) => {
            (state.finish(&response), Kept::Nothing)
        }
        (PasswordWork::LoginFinish(response), Kept::Login(state)) => {
            (state.finish(&response, binding.as_ref().map(|bytes| &bytes[..])), Kept::Nothing)
        }
        // The step before belongs to a connection that is gone.
        (PasswordWork::RegisterFinish(_) | PasswordWork::LoginFinish(_), _) => {
            (Err(PasswordError::Wrong), Kept::Nothing)
        }
    }
}

async fn next_outcome(keeper: &mut Option<Keeper>, is_wished: bool) -> Input {
    match keeper {
        Some(keeper) => keeper.next(is_wished).await,
        None => std::future::pending().await,
    }
}

async fn next_frame(link: &mut Option<Link>) -> Option<Read> {
    match link {
        Some(link) => link.frames.recv().await,
        None => std::future::pending().await,
    }
}

async fn join<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    let Some(running) = task else { return std::future::pending().await };
    let result = running.await;
    *task = None;
    result
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::{AccountName, ChannelId, Content};

    use super::*;
    use crate::journal::Journal;
    use crate::outbox::{Unsent, Utterance};

    #[tokio::test(start_paused = true)]
    async fn the_outbox_is_written_while_the_user_takes_no_events() {
        let directory = tempfile::tempdir().expect("a directory");
        let (relay, ann) = ("h:1".parse().expect("address"), AccountName::new("ann").expect("name"));
        let config = Config {
            address: RelayAddress::clone(&relay),
            pins: directory.path().join("pins"),
            invited: None,
            agent: "test".into(),
            outbox: Some(directory.path().to_owned()),
            resumes: false,
        };
        let (_commands, queue) = mpsc::channel(1);
        let (events, _unread) = mpsc::channel(1);
        let mut driver = Driver::new(config, queue, events);
        for _ in 0..=EVENTS_MAX {
            driver.tell(Event::CaughtUp);
        }
        assert_eq!(driver.unsent.len(), EVENTS_MAX);
        let what = Utterance::Message { content: Content::text("hi").expect("text"), in_reply_to: None };
        let message = Unsent { channel: ChannelId(1), nonce: Client::nonce(), what };
        driver.perform(vec![Output::OpenOutbox(ann.clone())]);
        driver.perform(vec![Output::Keep(message.clone())]);
        let woken = tokio::time::timeout(Duration::from_secs(10), driver.next_input()).await;
        assert!(woken.is_err(), "nothing is fed");
        drop(driver);
        let (_, left) = Journal::open(directory.path(), &relay, &ann).expect("free");
        assert_eq!(left.messages, [message]);
    }
}
