//! What a client does next: a pure state machine.
//!
//! Owns the link's states, the sign-in, requests in flight, the outbox and where the client stands in each log.
//! It takes the time, some randomness and one [`Input`], and appends [`Output`]s. It never does I/O.
//!
//! Invariants: nothing a relay sends makes it panic; a request is answered to the user exactly once; entries are handed
//! on in seq order, each once; a message that was said leaves the outbox only by the relay's word.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mechat_certs::TrustError;
use mechat_certs::password::PasswordError;
use mechat_protocol::codec::Incoming;
use mechat_protocol::event::Close;
use mechat_protocol::limits::{
    IDLE_TIMEOUT_MS, IN_FLIGHT_MAX, PING_INTERVAL_MS, PROTOCOL_VERSION, SHUTDOWN_TIMEOUT_MS,
};
use mechat_protocol::message::Message;
use mechat_protocol::reply::{ErrorReply, Welcome};
use mechat_protocol::request::{Hello, Ping};
use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, ChannelId, ErrorCode, Fingerprint, Nonce, RequestId, Retry};
use secrecy::SecretString;

use crate::Command;
use crate::backoff;
use crate::event::{Event, Link, RequestKind, SignedOut};
use crate::outbox::{Outbox, Unsent, Utterance};
use crate::timeline::Timeline;

mod kept;
mod known;
mod lists;
mod logs;
mod marks;
mod pending;
mod sign_in;
mod talk;

#[cfg(test)]
mod tests;

use pending::Pending;
use sign_in::Flow;

/// Milliseconds without a word from the relay after which the link is taken for dead.
const SILENCE_MAX_MS: u64 = 45_000;
const _: () = assert!(2 * PING_INTERVAL_MS < SILENCE_MAX_MS && SILENCE_MAX_MS < IDLE_TIMEOUT_MS);

/// Milliseconds after which something refused for now is tried again, if the relay does not say; and at most, if it does.
const RETRY_MS: u64 = 1_000;
const RETRY_MAX_MS: u64 = 60_000;
/// Milliseconds that a connection must have stood for the next failure to count as the first.
const STABLE_MS: u64 = 10_000;

/// Entries of one channel that are read one page after another to fill a gap; a larger one is skipped, and told.
pub const GAP_MAX: u64 = 5_000;

/// The time and some randomness, with each input.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic milliseconds since some fixed moment.
    pub ms: u64,
    /// Uniform over all of its values; a fresh one with each input.
    pub random: u64,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The user wants something.
    Command(Command),
    /// TLS stands, with this certificate.
    Connected(Fingerprint),
    /// There is no connection.
    NotConnected(ConnectFailure),
    /// A frame came.
    Frame(Incoming),
    /// The connection is gone.
    Lost(String),
    /// A password step is done.
    Password {
        /// From its output.
        step: u64,
        /// What is to be sent to the relay.
        result: Result<Vec<u8>, PasswordError>,
    },
    /// The outbox on disk is open; this is what an earlier run of the account left in it.
    Restored {
        /// Whose it is.
        account: AccountName,
        /// In the order in which they were said.
        messages: Vec<Unsent>,
        /// What could not be read, for people.
        damage: Option<String>,
    },
    /// These messages are on disk, and what was to be forgotten is not. Without messages where there was only the latter.
    Kept {
        /// Whose outbox it is; `None` if none was open.
        account: Option<AccountName>,
        /// Which.
        nonces: Vec<Nonce>,
    },
    /// These messages are not, or those that were may not be any more, or what was to be forgotten still is.
    NotKept {
        /// Whose outbox it is; `None` if none was open.
        account: Option<AccountName>,
        /// Which.
        nonces: Vec<Nonce>,
        /// Why, for people.
        reason: String,
    },
    /// Time passed; due at [`Session::next_deadline`].
    Tick,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectFailure {
    /// The certificate is not trusted.
    Untrusted(TrustError),
    /// Something that may be better next time.
    Transient(String),
    /// Something on this side that trying again does not mend: a pin file that cannot be read.
    Local(String),
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Open a connection.
    Connect,
    /// Close the connection, after what is queued.
    Disconnect,
    /// Queue a message.
    Send(Message),
    /// Open the outbox of an account on disk; answered by `Restored`, or by `NotKept` without messages.
    OpenOutbox(AccountName),
    /// Put a message into it; answered by `Kept` or `NotKept`.
    Keep(Unsent),
    /// Take a message out of it; answered by `Kept` or `NotKept` without it, and not at all where that could not have failed.
    Forget(Nonce),
    /// Close it; answered by `NotKept` without messages where the disk may not have had all that was asked of it.
    CloseOutbox,
    /// Remember the certificate.
    Pin(Fingerprint),
    /// Compute a step of a password's registration or login, off this thread.
    Password {
        /// Carried back by the [`Input::Password`] that answers it.
        step: u64,
        /// Which step.
        work: PasswordWork,
    },
    /// Tell the user.
    Event(Event),
    /// Nothing follows.
    Stop,
}

/// A step of OPAQUE (RFC 9807). The driver keeps what lies between `…Start` and `…Finish`.
#[derive(Debug, Clone)]
pub enum PasswordWork {
    /// Begin a registration with this password.
    RegisterStart(SecretString),
    /// Go on with the relay's `register_challenge`.
    RegisterFinish(Vec<u8>),
    /// Begin a login with this password.
    LoginStart(SecretString),
    /// Go on with the relay's `login_challenge`.
    LoginFinish(Vec<u8>),
}

/// Where the link stands.
#[derive(Debug)]
enum State {
    Connecting,
    /// TLS stands; `hello` is sent.
    Greeting,
    /// The relay said `welcome`.
    Up,
    Waiting {
        until_ms: u64,
    },
    Untrusted(TrustError),
    Failed,
    Stopped,
}

/// The state machine. See the module's documentation.
#[derive(Debug)]
pub struct Session {
    agent: String,
    state: State,
    failures: u32,
    welcome: Option<Welcome>,
    /// The relay said `go_away`: nothing new is sent here, and nothing connects before this.
    return_ms: Option<u64>,
    /// When a relay that said `go_away` and did not close is left.
    leave_at_ms: Option<u64>,
    /// The relay's own word for the end of the connection.
    last_close: Option<Close>,
    heard_ms: u64,
    spoken_ms: u64,
    next_id: u32,
    /// In the order of their ids, so that the same inputs give the same outputs.
    pending: BTreeMap<RequestId, Pending>,
    flow: Flow,
    /// Resumes the session on the next connection.
    token: Option<Token>,
    signed_in: bool,
    /// `logout` is under way: nothing may follow it before its reply.
    logging_out: bool,
    next_step: u64,
    timelines: BTreeMap<ChannelId, Timeline>,
    /// Pages that wait for their turn.
    pages: VecDeque<logs::PageWanted>,
    pages_in_flight: usize,
    outbox: Outbox,
    disk: kept::Disk,
    /// Marks that the relay does not have.
    marks: marks::Waiting,
    /// When refused marks are said again.
    retry_marks_ms: Option<u64>,
    /// Where and when it was said that the user is writing.
    typing_said: Option<(ChannelId, u64)>,
    handover: known::Handover,
    /// Seqs beyond which what was missed is skipped.
    gap_max: u64,
    progress: known::Progress,
    /// When refused messages are sent again.
    retry_outbox_ms: Option<u64>,
    /// When the channels are listed again, since a page was refused.
    list_again_ms: Option<u64>,
    /// Channels joined or left since the present listing began: it may not know.
    moved: BTreeSet<ChannelId>,
    /// Channels heard of since then that are not known: they may have been joined behind the listing's back.
    heard_of: BTreeSet<ChannelId>,
    /// Whose outbox and timelines these are.
    owner: Option<AccountName>,
    /// When the relay said welcome.
    up_since_ms: u64,
    /// Breaks a promise on purpose.
    #[cfg(feature = "mutations")]
    skips_gap_check: bool,
}

impl Session {
    /// A session that has not begun. `agent` is this software and its version, at most `AGENT_LEN_MAX` bytes.
    pub fn new(agent: String) -> Self {
        Self {
            agent,
            state: State::Connecting,
            failures: 0,
            welcome: None,
            return_ms: None,
            leave_at_ms: None,
            last_close: None,
            heard_ms: 0,
            spoken_ms: 0,
            next_id: 1,
            pending: BTreeMap::new(),
            flow: Flow::Idle,
            token: None,
            signed_in: false,
            logging_out: false,
            next_step: 0,
            timelines: BTreeMap::new(),
            pages: VecDeque::new(),
            pages_in_flight: 0,
            outbox: Outbox::default(),
            disk: kept::Disk::None,
            marks: marks::Waiting::default(),
            retry_marks_ms: None,
            typing_said: None,
            handover: known::Handover::None,
            gap_max: GAP_MAX,
            progress: known::Progress::Reading,
            retry_outbox_ms: None,
            list_again_ms: None,
            moved: BTreeSet::new(),
            heard_of: BTreeSet::new(),
            owner: None,
            up_since_ms: 0,
            #[cfg(feature = "mutations")]
            skips_gap_check: false,
        }
    }

    /// What is said is on disk before it is sent.
    #[must_use]
    pub fn keeping(self) -> Self {
        Self { disk: kept::Disk::Closed, ..self }
    }

    /// The user keeps the logs, and answers each sign-in of somebody new with [`Command::Known`].
    #[must_use]
    pub fn resuming(self) -> Self {
        Self { handover: known::Handover::OnSignIn, ..self }
    }

    /// What was missed is skipped from so many entries on, instead of [`GAP_MAX`].
    #[must_use]
    pub fn with_gap_max(self, gap_max: u64) -> Self {
        Self { gap_max, ..self }
    }

    /// From here on any later entry is handed on, whatever is missing before it: a simulation must notice.
    #[cfg(feature = "mutations")]
    pub const fn skip_gap_check(&mut self) {
        self.skips_gap_check = true;
    }

    /// Begins: the first output is a `Connect`.
    pub fn start(&mut self, outputs: &mut Vec<Output>) {
        self.connect(outputs);
    }

    /// Decides what one input leads to. Outputs are appended; perform them all before the next input.
    pub fn handle(&mut self, now: Now, input: Input, outputs: &mut Vec<Output>) {
        if matches!(self.state, State::Stopped) {
            return;
        }
        match input {
            Input::Command(command) => self.command(now, command, outputs),
            Input::Connected(fingerprint) => self.connected(now, fingerprint, outputs),
            Input::NotConnected(failure) => self.not_connected(now, failure, outputs),
            Input::Frame(Incoming::Message(message)) => self.message(now, message, outputs),
            // A later relay may say what this client does not know; it goes on without.
            Input::Frame(Incoming::Refused(refusal)) => {
                tracing::warn!(error = %refusal.broken, "a message of the relay was not understood");
                self.heard_ms = now.ms;
            }
            Input::Lost(reason) => self.lost(now, &reason, outputs),
            Input::Password { step, result } => self.password_done(now, step, result, outputs),
            Input::Restored { account, messages, damage } => {
                self.restored(now, &account, messages, damage, outputs);
            }
            Input::Kept { account, nonces } => self.kept(now, account.as_ref(), &nonces, outputs),
            Input::NotKept { account, nonces, reason } => {
                self.not_kept(now, account.as_ref(), &nonces, reason, outputs);
            }
            Input::Tick => self.tick(now, outputs),
        }
        self.tell_caught_up(outputs);
    }

    /// Monotonic milliseconds at which a `Tick` is due.
    pub fn next_deadline(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until_ms } => Some(until_ms),
            State::Greeting | State::Up => {
                let ping = self.spoken_ms + PING_INTERVAL_MS;
                let dead = self.heard_ms + SILENCE_MAX_MS;
                let others =
                    [self.retry_outbox_ms, self.retry_marks_ms, self.list_again_ms, self.leave_at_ms];
                others.into_iter().flatten().chain([ping, dead]).min()
            }
            State::Connecting | State::Untrusted(_) | State::Failed | State::Stopped => None,
        }
    }

    fn tick(&mut self, now: Now, outputs: &mut Vec<Output>) {
        match self.state {
            State::Waiting { until_ms } if until_ms <= now.ms => self.connect(outputs),
            State::Greeting | State::Up => {
                if self.heard_ms + SILENCE_MAX_MS <= now.ms {
                    outputs.push(Output::Disconnect);
                    return self.lost(now, "the relay fell silent", outputs);
                }
                if self.leave_at_ms.is_some_and(|at| at <= now.ms) {
                    outputs.push(Output::Disconnect);
                    return self.lost(now, "the relay said that it goes away", outputs);
                }
                if self.spoken_ms + PING_INTERVAL_MS <= now.ms {
                    self.request(now, Pending::Ping, Ping { id: RequestId(0) }.into(), outputs);
                }
                if self.retry_outbox_ms.take_if(|due| *due <= now.ms).is_some() {
                    self.send_outbox(now, outputs);
                }
                if self.retry_marks_ms.take_if(|due| *due <= now.ms).is_some() {
                    self.send_marks(now, outputs);
                }
                if self.list_again_ms.take_if(|due| *due <= now.ms).is_some() {
                    self.list_channels(now, false, outputs);
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, now: Now, command: Command, outputs: &mut Vec<Output>) {
        match command {
            Command::Trust(fingerprint) => self.trust(fingerprint, outputs),
            Command::ConnectNow => self.connect_now(outputs),
            Command::Register { account, password } => self.register(now, account, password, outputs),
            Command::Login { account, password } => self.login(now, account, password, outputs),
            Command::Resume(token) => self.resume(now, token, outputs),
            Command::Logout => self.logout(now, outputs),
            Command::CreateChannel { name, kind } => self.create_channel(now, name, kind, outputs),
            Command::Join(name) => self.join(now, name, outputs),
            Command::Leave(channel) => self.leave(now, channel, outputs),
            Command::ListChannels => self.list_channels(now, true, outputs),
            Command::ListParticipants(channel) => self.list_participants(now, channel, outputs),
            Command::ListConnections => self.list_connections(now, outputs),
            Command::Say { channel, nonce, content, in_reply_to } => {
                let what = Utterance::Message { content, in_reply_to };
                self.say(now, Unsent { channel, nonce, what }, outputs);
            }
            Command::Amend { channel, nonce, amendment } => {
                self.say(now, Unsent { channel, nonce, what: Utterance::Amendment(amendment) }, outputs);
            }
            Command::Mark { channel, read, level } => self.mark(now, channel, read, level, outputs),
            Command::Typing(channel) => self.typing(now, channel, outputs),
            Command::Search { ticket, query, channel, after } => {
                self.search(now, ticket, query, channel, after, outputs);
            }
            Command::ListPosts { ticket, channel, which, after } => {
                self.list_posts(now, ticket, channel, which, after, outputs);
            }
            Command::ReadProfile { ticket, account } => self.read_profile(now, ticket, account, outputs),
            Command::Known { account, logs } => self.known(now, &account, logs, outputs),
            Command::ReadHistory { channel, range } => self.read_history(now, channel, range, outputs),
            Command::Call { ticket, request } => self.call(now, ticket, *request, outputs),
            Command::Quit => self.quit(outputs),
        }
    }

    fn trust(&mut self, fingerprint: Fingerprint, outputs: &mut Vec<Output>) {
        // Only an unknown certificate can be accepted, and only the one that was shown.
        if matches!(self.state, State::Untrusted(TrustError::Unknown { seen }) if seen == fingerprint) {
            outputs.push(Output::Pin(fingerprint));
            self.connect(outputs);
        }
    }

    fn connect_now(&mut self, outputs: &mut Vec<Output>) {
        if matches!(self.state, State::Waiting { .. } | State::Failed | State::Untrusted(_)) {
            self.connect(outputs);
        }
    }

    fn quit(&mut self, outputs: &mut Vec<Output>) {
        self.state = State::Stopped;
        outputs.extend([Output::Disconnect, Output::Event(Event::Stopped), Output::Stop]);
    }

    fn connect(&mut self, outputs: &mut Vec<Output>) {
        self.state = State::Connecting;
        outputs.push(Output::Event(Event::Link(Link::Connecting { attempt: self.failures + 1 })));
        outputs.push(Output::Connect);
    }

    fn connected(&mut self, now: Now, fingerprint: Fingerprint, outputs: &mut Vec<Output>) {
        self.state = State::Greeting;
        self.heard_ms = now.ms;
        self.last_close = None;
        outputs.push(Output::Event(Event::Link(Link::Up { fingerprint })));
        let (version_min, version_max) = (PROTOCOL_VERSION, PROTOCOL_VERSION);
        let hello = Hello { id: RequestId(0), version_min, version_max, agent: self.agent.clone() };
        self.request(now, Pending::Hello, hello.into(), outputs);
    }

    fn welcomed(&mut self, now: Now, welcome: Welcome, outputs: &mut Vec<Output>) {
        self.state = State::Up;
        self.up_since_ms = now.ms;
        self.welcome = Some(welcome.clone());
        outputs.push(Output::Event(Event::Welcome(welcome)));
        self.continue_sign_in(now, outputs);
    }

    fn not_connected(&mut self, now: Now, failure: ConnectFailure, outputs: &mut Vec<Output>) {
        match failure {
            ConnectFailure::Untrusted(error) => {
                self.state = State::Untrusted(error);
                outputs.push(Output::Event(Event::Link(Link::Untrusted(error))));
            }
            ConnectFailure::Local(reason) => self.give_up(reason, outputs),
            ConnectFailure::Transient(reason) => self.wait(now, reason, outputs),
        }
    }

    fn give_up(&mut self, reason: String, outputs: &mut Vec<Output>) {
        self.state = State::Failed;
        outputs.push(Output::Event(Event::Link(Link::Failed { reason })));
    }

    fn wait(&mut self, now: Now, reason: String, outputs: &mut Vec<Output>) {
        self.failures = self.failures.saturating_add(1);
        let retry_in = match self.return_ms.take() {
            Some(return_ms) => Duration::from_millis(return_ms.saturating_sub(now.ms)),
            None => backoff::delay(self.failures, now.random),
        };
        let until_ms = now.ms + u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
        self.state = State::Waiting { until_ms };
        let close = self.last_close.clone();
        outputs.push(Output::Event(Event::Link(Link::Down {
            reason,
            close,
            attempt: self.failures,
            retry_in,
        })));
    }

    /// The connection is gone, by whatever side.
    fn lost(&mut self, now: Now, reason: &str, outputs: &mut Vec<Output>) {
        if !matches!(self.state, State::Greeting | State::Up) {
            return;
        }
        if matches!(self.state, State::Up) && self.up_since_ms + STABLE_MS <= now.ms {
            self.failures = 0;
        }
        self.forget_connection(outputs);
        let reason = self.last_close.as_ref().map_or_else(|| reason.to_owned(), |close| close.reason.clone());
        match self.last_close.as_ref().map(|close| close.retry) {
            Some(Retry::Never) => self.give_up(reason, outputs),
            _ => self.wait(now, reason, outputs),
        }
    }

    fn forget_connection(&mut self, outputs: &mut Vec<Output>) {
        (self.signed_in, self.logging_out, self.leave_at_ms) = (false, false, None);
        (self.progress, self.retry_marks_ms) = (known::Progress::Reading, None);
        self.welcome = None;
        self.forget_pages(outputs);
        self.outbox.rewind();
        // The channels may not have been listed yet; what is said from here on is on disk all the same.
        self.open_outbox(outputs);
        self.retry_outbox_ms = None;
        self.list_again_ms = None;
        self.restart_flow();
        for timeline in self.timelines.values_mut() {
            timeline.pulling = false;
        }
        self.forget_pending(outputs);
    }

    fn message(&mut self, now: Now, message: Message, outputs: &mut Vec<Output>) {
        self.heard_ms = now.ms;
        match message {
            Message::Entry(entry) => self.entry(now, entry, outputs),
            Message::Presence(presence) => outputs.push(Output::Event(Event::Presence(presence.changes))),
            Message::Marks(changed) => Self::marks_changed(&changed, outputs),
            Message::Typing(typing) => Self::others_type(typing, outputs),
            Message::Lagged(lagged) => self.behind(now, lagged.channel, lagged.head, outputs),
            Message::GoAway(go_away) => self.going_away(now, go_away.delay_ms),
            Message::Close(close) => self.closed(now, close, outputs),
            reply => self.reply(now, reply, outputs),
        }
    }

    /// The relay stops: what it has is still answered, so its close is waited for, but not for ever.
    fn going_away(&mut self, now: Now, delay_ms: u64) {
        self.return_ms = Some(now.ms + delay_ms.min(RETRY_MAX_MS));
        self.leave_at_ms.get_or_insert(now.ms + SHUTDOWN_TIMEOUT_MS);
    }

    fn closed(&mut self, now: Now, close: Close, outputs: &mut Vec<Output>) {
        if close.retry == Retry::SignIn {
            self.token = None;
            if std::mem::take(&mut self.signed_in) {
                outputs.push(Output::Event(Event::SignedOut(SignedOut::TokenRefused)));
            }
        }
        let reason = close.reason.clone();
        self.last_close = Some(close);
        outputs.push(Output::Disconnect);
        self.lost(now, &reason, outputs);
    }

    /// Sends a request under a fresh id.
    fn request(&mut self, now: Now, pending: Pending, mut request: Message, outputs: &mut Vec<Output>) {
        let id = self.fresh_id();
        request.set_id(id);
        self.pending.insert(id, pending);
        self.spoken_ms = now.ms;
        outputs.push(Output::Send(request));
    }

    /// Sends a request of the user, or says why not.
    fn user_request(&mut self, now: Now, pending: Pending, request: Message, outputs: &mut Vec<Output>) {
        if !self.may_ask() {
            outputs.push(pending.refusal(offline()));
        } else if self.is_crowded() {
            outputs.push(pending.refusal(crowded()));
        } else {
            self.request(now, pending, request, outputs);
        }
    }

    /// Whether requests of an account may be sent.
    const fn may_ask(&self) -> bool {
        self.signed_in && !self.logging_out
    }

    /// Whether so much is unanswered that the user has to wait: the relay would refuse more, or does not answer at all.
    fn is_crowded(&self) -> bool {
        self.pending.len() >= IN_FLIGHT_MAX
    }

    fn call(&mut self, now: Now, ticket: u64, request: Message, outputs: &mut Vec<Output>) {
        let reply = if !matches!(self.state, State::Up) {
            None
        } else if self.is_crowded() {
            Some(Box::new(crowded().into()))
        } else {
            return self.request(now, Pending::Call(ticket), request, outputs);
        };
        outputs.push(Output::Event(Event::Called { ticket, reply }));
    }

    fn fresh_id(&mut self) -> RequestId {
        loop {
            let id = RequestId(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            if !self.pending.contains_key(&id) {
                return id;
            }
        }
    }
}

fn refused(request: RequestKind, error: ErrorReply) -> Output {
    Output::Event(Event::Refused { request, error })
}

/// How long to wait before something refused for now is tried again.
fn retry_delay_ms(error: &ErrorReply) -> u64 {
    error.retry_after_ms.map_or(RETRY_MS, |ms| ms.min(RETRY_MAX_MS))
}

/// What a request gets that a lost connection left unanswered.
fn cut() -> ErrorReply {
    let text = "the connection was lost before the relay answered: try again";
    ErrorReply { retry: Retry::Later, ..ErrorReply::new(None, ErrorCode::Unknown, text) }
}

fn crowded() -> ErrorReply {
    ErrorReply::new(
        None,
        ErrorCode::Busy,
        "too many requests wait for the relay's answer: wait for some of them",
    )
}

fn offline() -> ErrorReply {
    let mut error = ErrorReply::new(
        None,
        ErrorCode::Unauthenticated,
        "not signed in to the relay at the moment: try again",
    );
    error.retry = Retry::Later;
    error
}
