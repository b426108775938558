//! The plain client's mind, pure: what came in, what goes out.
//!
//! Owns the order of things: a line is held until the one before it was answered, so that a script needs no waiting.
//!
//! Invariants: an entry is written once; a password is in no output and no `Debug`; nothing but facts from the relay goes to
//! standard output.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use mechat_certs::TrustError;
use mechat_client::event::Link;
use mechat_client::{
    Command, Event as ClientEvent, OutboxFile, OutboxState, RequestKind, SignedIn, SignedOut, Utterance,
};
use mechat_protocol::reply::{ChannelInfo, ErrorReply};
use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::{
    AccountName, Body, ChannelId, ChannelName, Content, Entry, ErrorCode, Fingerprint, Nonce, Seq,
};
use secrecy::SecretString;

use super::command::{self, Plain, USAGE};
use super::format;
use crate::model::Target;
use crate::text;

/// What came in.
#[derive(Debug)]
pub enum Input {
    /// A line that was typed.
    Line(String),
    /// A line that nobody saw.
    Secret(SecretString),
    /// Nothing more will be typed.
    End,
    /// The client says.
    Client(ClientEvent),
    /// What is pending at the end takes too long.
    Deadline,
}

/// What goes out.
#[derive(Debug, Clone)]
pub enum Output {
    /// A line to standard output.
    Out(String),
    /// A line to standard error.
    Err(String),
    /// A question to standard error, without a line's end.
    Prompt(String),
    /// A command to the client.
    Client(Command),
    /// End with this code.
    Exit(u8),
}

/// What should be read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Nothing: a line is held.
    Nothing,
    /// A line.
    Line,
    /// A line that nobody sees.
    Secret,
}

/// What the next line answers.
#[derive(Debug)]
enum Question {
    Password { register: bool, account: AccountName },
    Trust(Fingerprint),
}

/// What the relay was asked and has not answered.
#[derive(Debug, PartialEq, Eq)]
enum Waiting {
    SignIn,
    SignOut,
    Join(ChannelName),
    Leave,
    Channels,
    Participants,
    Connections,
    History { channel: ChannelId, wanted: usize, messages: Vec<Entry>, first: Option<Seq> },
}

/// A joined channel.
#[derive(Debug)]
struct Channel {
    name: ChannelName,
    /// Nothing up to here is written any more.
    written: Seq,
}

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The input ended.
    Input,
    /// The user said so, and shall not wait.
    Quit,
}

/// Failed attempts to connect, about half a minute of them, after which a script is not kept waiting.
const ATTEMPTS_MAX: u32 = 10;

/// The plain client.
#[derive(Debug)]
pub struct Session {
    zone: TimeZone,
    target: Target,
    link_is_up: bool,
    welcomed: bool,
    signed_in: bool,
    me: Option<AccountName>,
    channels: BTreeMap<ChannelId, Channel>,
    current: Option<ChannelId>,
    shown: Option<ChannelId>,
    question: Option<Question>,
    waiting: Option<Waiting>,
    held: Option<String>,
    /// Messages whose entry has not come back, and whether they were acknowledged.
    unsettled: BTreeMap<Nonce, bool>,
    ended: Option<End>,
    /// Nobody is there to read an error, so the exit code tells of it: whether there was one.
    script_failed: Option<bool>,
}

type Outputs = Vec<Output>;

fn error(text: impl AsRef<str>) -> Output {
    Output::Err(format!("error: {}", text::harmless(text.as_ref())))
}

fn state(text: impl AsRef<str>) -> Output {
    Output::Err(format!("* {}", text::harmless(text.as_ref())))
}

impl Session {
    /// A session that has a relay and nothing else.
    pub fn new(target: Target, zone: TimeZone) -> Self {
        Self {
            zone,
            target,
            link_is_up: false,
            welcomed: false,
            signed_in: false,
            me: None,
            channels: BTreeMap::new(),
            current: None,
            shown: None,
            question: None,
            waiting: None,
            held: None,
            unsettled: BTreeMap::new(),
            ended: None,
            script_failed: None,
        }
    }

    /// Fed by a pipe or a file: what was refused makes the exit code 1, and a relay that is not there is not waited for for ever.
    #[must_use]
    pub const fn scripted(mut self) -> Self {
        self.script_failed = Some(false);
        self
    }

    /// Once nothing more is read: how long what is pending may take.
    pub const fn end_limit(&self) -> Option<Duration> {
        match self.ended {
            None => None,
            Some(End::Input) => Some(Duration::from_secs(5)),
            Some(End::Quit) => Some(Duration::from_millis(600)),
        }
    }

    /// What should be read next.
    pub const fn wants(&self) -> Wants {
        match (&self.question, &self.held) {
            _ if self.ended.is_some() => Wants::Nothing,
            (Some(Question::Password { .. }), _) => Wants::Secret,
            (Some(Question::Trust(_)), _) | (None, None) => Wants::Line,
            (None, Some(_)) => Wants::Nothing,
        }
    }

    /// Feeds one input. The nonce names a message, should the input say something.
    pub fn handle(&mut self, input: Input, nonce: Nonce) -> Outputs {
        let mut outputs = match input {
            Input::Line(line) => self.line(line),
            Input::Secret(password) => self.password(password),
            Input::End => self.end(),
            Input::Client(event) => self.client(event),
            Input::Deadline => self.deadline(),
        };
        outputs.extend(self.run_held(nonce));
        if outputs.iter().any(|output| matches!(output, Output::Err(line) if line.starts_with("error: "))) {
            self.script_failed = self.script_failed.map(|_| true);
        }
        if self.ended.is_some()
            && self.is_settled()
            && !outputs.iter().any(|output| matches!(output, Output::Exit(_)))
        {
            outputs.push(Output::Exit(self.code()));
        }
        outputs
    }

    fn code(&self) -> u8 {
        u8::from(self.script_failed == Some(true))
    }

    fn is_settled(&self) -> bool {
        let waits = self.held.is_some() || self.waiting.is_some();
        self.unsettled.is_empty() && (!waits || self.ended == Some(End::Quit))
    }

    fn end(&mut self) -> Outputs {
        self.ended = self.ended.or(Some(End::Input));
        match self.question.take() {
            Some(Question::Trust(_)) => vec![error("the certificate was not accepted"), Output::Exit(1)],
            Some(Question::Password { .. }) => vec![error("the password is missing"), Output::Exit(1)],
            None => Vec::new(),
        }
    }

    fn deadline(&mut self) -> Outputs {
        let pending = self.unsettled.values().filter(|acknowledged| !**acknowledged).count();
        if pending == 0 && self.waiting.is_none() && self.held.is_none() {
            return vec![Output::Exit(self.code())];
        }
        let words = if pending > 0 {
            format!(
                "{pending} of the messages were not acknowledged in time; they are kept, and go out when you sign in again"
            )
        } else {
            "the relay did not answer in time".to_owned()
        };
        vec![error(words), Output::Exit(1)]
    }

    fn line(&mut self, line: String) -> Outputs {
        if let Some(Question::Trust(seen)) = self.question {
            return self.answer_trust(&line, seen);
        }
        self.held = Some(line);
        Vec::new()
    }

    fn answer_trust(&mut self, line: &str, seen: Fingerprint) -> Outputs {
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => {
                self.question = None;
                vec![Output::Client(Command::Trust(seen))]
            }
            "n" | "no" => vec![error("the certificate was not accepted"), Output::Exit(1)],
            _ => vec![Output::Prompt("answer y or n: ".to_owned())],
        }
    }

    fn password(&mut self, password: SecretString) -> Outputs {
        let Some(Question::Password { register, account }) = self.question.take() else { return Vec::new() };
        self.waiting = Some(Waiting::SignIn);
        vec![Output::Client(if register {
            Command::Register { account, password }
        } else {
            Command::Login { account, password }
        })]
    }

    /// Runs the held line once nothing stands before it.
    fn run_held(&mut self, nonce: Nonce) -> Outputs {
        let Some(line) = self.held.take() else { return Vec::new() };
        let parsed = command::parse(&line, self.current.is_some());
        let online = self.link_is_up && self.welcomed && (self.me.is_none() || self.signed_in);
        let free = self.waiting.is_none() && self.question.is_none();
        let runs = match &parsed {
            Ok(Some(Plain::Quit)) => true,
            // A message waits in the outbox, not here.
            Ok(Some(Plain::Chat(_))) if self.me.is_some() => free,
            Ok(Some(Plain::Help) | None) => free,
            // Whether it is a command may depend on the answer that is still to come.
            // So may what it lists depend on what was said before.
            Ok(Some(_)) | Err(_) => free && online && self.unsettled.is_empty(),
        };
        if !runs {
            self.held = Some(line);
            return Vec::new();
        }
        match parsed {
            Ok(Some(command)) => self.run(command, nonce),
            Ok(None) => Vec::new(),
            Err(text) => vec![error(text)],
        }
    }

    fn run(&mut self, command: Plain, nonce: Nonce) -> Outputs {
        match command {
            Plain::Register(account) => self.ask_password(true, account),
            Plain::Login(account) => self.ask_password(false, account),
            Plain::Logout => self.ask(Waiting::SignOut, Command::Logout),
            Plain::Sessions => self.ask(Waiting::Channels, Command::ListChannels),
            Plain::Users => self.ask(Waiting::Participants, Command::ListParticipants(None)),
            Plain::Participants => self.ask(Waiting::Participants, Command::ListParticipants(self.current)),
            Plain::Connect(name) => self.connect(name),
            Plain::Disconnect => self.disconnect(),
            Plain::Create(name) => {
                let create = Command::CreateChannel { name: name.clone(), kind: ChannelKind::Public };
                self.ask(Waiting::Join(name), create)
            }
            Plain::Chat(text) => self.say(&text, nonce),
            Plain::History(wanted) => self.history(wanted),
            Plain::Connections => self.ask(Waiting::Connections, Command::ListConnections),
            Plain::Help => help(),
            Plain::Quit => self.quit(),
        }
    }

    /// What was said goes out if it can; nothing is waited for that cannot come.
    fn quit(&mut self) -> Outputs {
        self.ended = Some(End::Quit);
        if self.unsettled.is_empty() || self.link_is_up { Vec::new() } else { self.deadline() }
    }

    fn ask(&mut self, waiting: Waiting, command: Command) -> Outputs {
        self.waiting = Some(waiting);
        vec![Output::Client(command)]
    }

    fn ask_password(&mut self, register: bool, account: AccountName) -> Outputs {
        if let Some(me) = &self.me {
            return vec![error(format!("signed in as @{me}: logout comes first"))];
        }
        let prompt = Output::Prompt(format!("password for @{account}: "));
        self.question = Some(Question::Password { register, account });
        vec![prompt]
    }

    fn connect(&mut self, name: ChannelName) -> Outputs {
        let key = name.key().folded;
        let known = self.channels.iter().find(|(_, channel)| channel.name.key().folded == key);
        if let Some(id) = known.map(|(id, _)| *id) {
            self.current = Some(id);
            return vec![state(format!("in #{name}"))];
        }
        // What is typed next is meant for the new channel: it must not go to the old one if there is none.
        self.current = None;
        self.ask(Waiting::Join(name.clone()), Command::Join(name))
    }

    fn disconnect(&mut self) -> Outputs {
        match self.current {
            Some(channel) => self.ask(Waiting::Leave, Command::Leave(channel)),
            None => vec![error("in no channel; connect NAME joins one")],
        }
    }

    fn say(&mut self, text: &str, nonce: Nonce) -> Outputs {
        let Some(channel) = self.current else {
            return vec![error("in no channel; connect NAME joins one")];
        };
        match Content::text(text) {
            Ok(content) => {
                self.unsettled.insert(nonce, false);
                vec![Output::Client(Command::Say { channel, nonce, content, in_reply_to: None })]
            }
            Err(broken) => vec![error(broken.rule)],
        }
    }

    fn history(&mut self, wanted: usize) -> Outputs {
        let Some(channel) = self.current else {
            return vec![error("in no channel; connect NAME joins one")];
        };
        let waiting = Waiting::History { channel, wanted, messages: Vec::new(), first: None };
        self.ask(waiting, Command::ReadHistory { channel, range: HistoryRange::Latest })
    }

    fn client(&mut self, event: ClientEvent) -> Outputs {
        match event {
            ClientEvent::Link(link) => self.link(link),
            ClientEvent::Welcome(welcome) => self.welcome(welcome.motd.as_deref()),
            ClientEvent::Registered(account) => vec![state(format!("registered @{account}"))],
            ClientEvent::SignedIn(signed_in) => self.on_signed_in(signed_in),
            ClientEvent::SignedOut(why) => self.on_signed_out(why),
            ClientEvent::Refused { request, error } => self.refused(request, &error),
            ClientEvent::Channels(known) => self.listed(&known),
            ClientEvent::Participants { participants, .. } => {
                self.answer(&Waiting::Participants, || format::participants(&participants))
            }
            ClientEvent::Connections(rows) => {
                let zone = self.zone.clone();
                self.answer(&Waiting::Connections, || format::connections(&rows, &zone))
            }
            ClientEvent::Joined(info) => self.joined(&info),
            ClientEvent::Left(channel) => self.left(channel),
            ClientEvent::Appended { channel, entries, live } => self.appended(channel, &entries, live),
            ClientEvent::History { channel, entries, more, .. } => self.paged(channel, entries, more),
            ClientEvent::Reset(channel) => self.reset(channel),
            ClientEvent::Outbox { nonce, state, .. } => self.outbox(nonce, state),
            ClientEvent::OutboxFile(told) => outbox_file(told),
            ClientEvent::Skipped { channel, from, to } => self.skipped(channel, from, to),
            ClientEvent::Presence(_)
            | ClientEvent::Marks { .. }
            | ClientEvent::Typing { .. }
            | ClientEvent::CaughtUp
            | ClientEvent::Found { .. }
            | ClientEvent::Posts { .. }
            | ClientEvent::Profile { .. }
            | ClientEvent::Called { .. } => Vec::new(),
            ClientEvent::Stopped => vec![error("the client stopped"), Output::Exit(1)],
        }
    }

    fn answer(&mut self, asked: &Waiting, lines: impl FnOnce() -> Vec<String>) -> Outputs {
        if self.waiting.as_ref() != Some(asked) {
            return Vec::new();
        }
        self.waiting = None;
        lines().into_iter().map(Output::Out).collect()
    }

    fn link(&mut self, link: Link) -> Outputs {
        match link {
            Link::Connecting { .. } => Vec::new(),
            Link::Up { .. } => {
                self.link_is_up = true;
                vec![state(format!("connected to {}", self.target.address))]
            }
            Link::Down { reason, attempt, .. } if self.script_failed.is_some() && attempt >= ATTEMPTS_MAX => {
                vec![error(format!("the relay cannot be reached: {reason}")), Output::Exit(1)]
            }
            Link::Down { reason, close, retry_in, .. } => {
                let reason = close.map_or(reason, |close| close.reason);
                let what = if self.link_is_up { "connection lost" } else { "not connected" };
                let seconds = retry_in.as_millis().div_ceil(1_000);
                let mut outputs = vec![state(format!("{what}: {reason}; next attempt in {seconds} s"))];
                outputs.extend(self.give_up_waiting());
                outputs
            }
            Link::Untrusted(trust) => self.untrusted(trust),
            Link::Failed { reason } => vec![error(reason), Output::Exit(1)],
        }
    }

    fn give_up_waiting(&mut self) -> Option<Output> {
        (self.link_is_up, self.signed_in) = (false, false);
        let lost = self.waiting.take();
        lost.map(|_| error("the connection was lost before the relay answered"))
    }

    fn untrusted(&mut self, trust: TrustError) -> Outputs {
        let address = &self.target.address;
        match trust {
            TrustError::Unknown { seen } => {
                let outputs = vec![
                    state(format!("{address} is new here; its certificate has the fingerprint")),
                    state(seen.to_string()),
                    state("compare it with what its host tells you: the relay prints it at start"),
                    Output::Prompt("trust it from now on? y or n: ".to_owned()),
                ];
                self.question = Some(Question::Trust(seen));
                outputs
            }
            TrustError::Changed { .. } | TrustError::NotAsInvited { .. } => {
                vec![error(format!("{address}: {trust}")), Output::Exit(1)]
            }
        }
    }

    fn welcome(&mut self, motd: Option<&str>) -> Outputs {
        self.welcomed = true;
        if self.me.is_some() {
            return Vec::new();
        }
        motd.map(text::lines).into_iter().flatten().map(state).collect()
    }

    fn on_signed_in(&mut self, signed_in: SignedIn) -> Outputs {
        self.signed_in = true;
        if self.me.as_ref() == Some(&signed_in.account) {
            return Vec::new();
        }
        let mut outputs = vec![state(format!("signed in as @{}", signed_in.account))];
        self.me = Some(signed_in.account);
        // Released by the list of channels, or by the answer to this join.
        self.waiting = Some(Waiting::SignIn);
        if let Some(name) = self.target.channel.take() {
            outputs.extend(self.ask(Waiting::Join(name.clone()), Command::Join(name)));
        }
        outputs
    }

    fn on_signed_out(&mut self, why: SignedOut) -> Outputs {
        (self.signed_in, self.me, self.current) = (false, None, None);
        self.channels.clear();
        self.waiting = None;
        match why {
            SignedOut::LoggedOut => vec![state("logged out")],
            SignedOut::TokenRefused => vec![error("the session has ended: login comes first")],
        }
    }

    fn refused(&mut self, request: RequestKind, reply: &ErrorReply) -> Outputs {
        let waited = self.waiting.take();
        match (request, reply.code, waited) {
            (_, ErrorCode::InvalidCredentials, _) => vec![error("the name or the password is wrong")],
            (_, ErrorCode::NoSuchChannel, Some(Waiting::Join(name))) => {
                vec![error(format!(
                    "no channel #{name}; list channels shows what there is, create {name} makes it"
                ))]
            }
            (_, ErrorCode::Unauthenticated, _) => vec![error("not signed in; login NAME, or new NAME")],
            _ => vec![error(&reply.message)],
        }
    }

    fn listed(&mut self, known: &[ChannelInfo]) -> Outputs {
        for info in known.iter().filter(|info| !info.joined) {
            self.channels.remove(&info.channel);
        }
        if self.waiting == Some(Waiting::SignIn) {
            self.waiting = None;
            // The next line may need a channel: those one is in count from here on, not from their own events.
            return known.iter().filter(|info| info.joined).flat_map(|info| self.joined(info)).collect();
        }
        let zone = self.zone.clone();
        self.answer(&Waiting::Channels, || format::sessions(known, &zone))
    }

    fn joined(&mut self, info: &ChannelInfo) -> Outputs {
        let key = info.name.key().folded;
        let asked = matches!(&self.waiting, Some(Waiting::Join(name)) if name.key().folded == key);
        if asked {
            self.waiting = None;
        }
        // What was said before one joined is history; what was said before one came back is not.
        let written = if asked { info.head } else { Seq::ZERO };
        self.channels.entry(info.channel).or_insert(Channel { name: info.name.clone(), written });
        if asked || self.current.is_none() {
            self.current = Some(info.channel);
            self.shown = Some(info.channel);
            return vec![state(format!("in #{}", info.name))];
        }
        Vec::new()
    }

    fn left(&mut self, id: ChannelId) -> Outputs {
        if self.waiting == Some(Waiting::Leave) {
            self.waiting = None;
        }
        if self.current == Some(id) {
            self.current = None;
        }
        let left = self.channels.remove(&id);
        left.map(|channel| state(format!("left #{}", channel.name))).into_iter().collect()
    }

    fn appended(&mut self, id: ChannelId, entries: &[Entry], live: bool) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        let mut outputs = Vec::new();
        for nonce in entries.iter().filter_map(|entry| entry.nonce) {
            self.unsettled.remove(&nonce);
        }
        for entry in entries.iter().filter(|entry| entry.seq > channel.written) {
            let told = match entry.body {
                Body::Message(_) | Body::Removed { .. } | Body::Amended { .. } => true,
                Body::Joined | Body::Left | Body::Unknown => live && Some(&entry.sender) != self.me.as_ref(),
            };
            if told {
                outputs.extend(format::entry(entry, &self.zone).into_iter().map(Output::Out));
            }
        }
        channel.written = channel.written.max(entries.last().map_or(Seq::ZERO, |entry| entry.seq));
        if !outputs.is_empty() && self.shown != Some(id) {
            outputs.insert(0, state(format!("in #{}:", channel.name)));
            self.shown = Some(id);
        }
        outputs
    }

    /// Collects pages from the newest back until there is enough, then writes them in order.
    fn paged(&mut self, id: ChannelId, entries: Vec<Entry>, more: bool) -> Outputs {
        let Some(Waiting::History { channel, wanted, messages, first }) = &mut self.waiting else {
            return Vec::new();
        };
        if *channel != id {
            return Vec::new();
        }
        let before = *first;
        let mut page: Vec<Entry> =
            entries.into_iter().filter(|entry| before.is_none_or(|first| entry.seq < first)).collect();
        let oldest = page.first().map(|entry| entry.seq);
        page.retain(|entry| matches!(entry.body, Body::Message(_)));
        page.append(messages);
        *messages = page;
        if let (true, Some(seq)) = (more && messages.len() < *wanted, oldest) {
            *first = Some(seq);
            return vec![Output::Client(Command::ReadHistory {
                channel: id,
                range: HistoryRange::Before { seq },
            })];
        }
        let surplus = messages.len().saturating_sub(*wanted);
        let zone = &self.zone;
        let lines =
            messages.iter().skip(surplus).flat_map(|entry| format::entry(entry, zone)).map(Output::Out);
        let outputs = lines.collect();
        self.waiting = None;
        outputs
    }

    fn reset(&mut self, id: ChannelId) -> Outputs {
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        channel.written = Seq::ZERO;
        vec![state(format!(
            "the relay restored #{} from an earlier state; its messages are read anew",
            channel.name
        ))]
    }

    fn skipped(&self, id: ChannelId, from: Seq, to: Seq) -> Outputs {
        let Some(channel) = self.channels.get(&id) else { return Vec::new() };
        let count = to.0.saturating_sub(from.0).saturating_add(1);
        vec![state(format!(
            "#{}: {count} entries were missed and not read; history N reads them",
            channel.name
        ))]
    }

    /// What an earlier run left is waited for like what was said in this one.
    fn pending(&mut self, nonce: Nonce, what: &Utterance) -> Outputs {
        if self.unsettled.contains_key(&nonce) {
            return Vec::new();
        }
        self.unsettled.insert(nonce, false);
        match what {
            Utterance::Message { content: Content::Text { text }, .. } => {
                vec![state(format!("still to be sent: {}", text.as_str()))]
            }
            Utterance::Message { .. } => vec![state("still to be sent: something that is no text")],
            Utterance::Amendment(_) => vec![state("still to be sent: a change of something that was said")],
        }
    }

    fn outbox(&mut self, nonce: Nonce, state: OutboxState) -> Outputs {
        match state {
            OutboxState::Pending(what) => self.pending(nonce, &what),
            OutboxState::Acked { position, .. } => {
                let written = self.channels.get(&position.channel).map(|channel| channel.written);
                // Its entry has come already, or never will.
                if written.is_none_or(|written| written >= position.seq) {
                    self.unsettled.remove(&nonce);
                }
                self.unsettled.entry(nonce).and_modify(|acknowledged| *acknowledged = true);
                Vec::new()
            }
            OutboxState::Failed(reply) => {
                self.unsettled.remove(&nonce);
                vec![error(format!("not sent: {}", reply.message))]
            }
        }
    }
}

/// What to say of the outbox on disk. That it cannot be kept is no failure of a script whose lines are sent.
fn outbox_file(told: OutboxFile) -> Outputs {
    match told {
        OutboxFile::NotKept { reason } => {
            vec![state(format!("what is said is not on disk until it is sent: {reason}"))]
        }
        OutboxFile::Whole => vec![state("what is said is on disk again")],
        OutboxFile::Damaged { what } => vec![error(what)],
    }
}

fn help() -> Outputs {
    let line =
        |(name, arguments): &(&str, &str)| Output::Err(format!("  {name} {arguments}").trim_end().to_owned());
    let mut outputs =
        vec![Output::Err("commands, with or without a slash; other text is said in the channel:".to_owned())];
    outputs.extend(USAGE.iter().map(line));
    outputs
}
