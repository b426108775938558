//! The plain client's mind, pure: what came in, what goes out.
//!
//! Owns the order of things: a line is held until the one before it was answered, so that a script needs no waiting.
//! `sign_in` has link and account, `reading` what is written of the channels, `talking` what is said in them, `asking` what
//! the relay is asked.
//!
//! Invariants: an entry is written once by itself; a password is in no output and no `Debug`; nothing but facts from the relay
//! goes to standard output; what is read is what was written of the channel that one is in.

mod asking;
mod reading;
mod sign_in;
mod talking;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::tz::TimeZone;
use mechat_client::{Command, Event as ClientEvent, OutboxFile};
use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, ChannelId, ChannelName, Fingerprint, Nonce};
use secrecy::SecretString;

use super::channel::Channel;
use super::command::{self, Plain};
use super::{speak, verbs};
use crate::model::Target;
use crate::text;
use asking::{Searched, Waiting};
use sign_in::{Question, Saved};
use talking::{Failed, Gathering, Unsettled};

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
    /// What the keyring has of the account that was here last.
    Saved(Option<Token>),
    /// There is no keyring.
    NoKeyring,
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
    /// Keep what signs in next time.
    Keep(AccountName, Token),
    /// It is good no more.
    Forget(AccountName),
    /// Whether a channel was left on purpose, and is not joined again by itself.
    Left(ChannelName, bool),
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

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The input ended.
    Input,
    /// The user said so, and shall not wait.
    Quit,
}

/// The plain client.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Session {
    zone: TimeZone,
    target: Target,
    fingerprint: Option<Fingerprint>,
    link_is_up: bool,
    welcomed: bool,
    signed_in: bool,
    /// The account was made in this run, and is in no channel yet.
    fresh: bool,
    /// What was missed has been heard of since the first sign-in.
    caught_up: bool,
    me: Option<AccountName>,
    saved: Saved,
    told_of_keyring: bool,
    /// Channels that were left on purpose, folded.
    stays_out_of: Vec<String>,
    /// Whose word that was.
    who_left: Option<AccountName>,
    channels: BTreeMap<ChannelId, Channel>,
    current: Option<ChannelId>,
    /// The channel whose lines were written last.
    shown: Option<ChannelId>,
    question: Option<Question>,
    gathering: Option<Gathering>,
    waiting: Option<Waiting>,
    searched: Option<Searched>,
    tickets: u64,
    held: Option<String>,
    /// What was said and whose entry has not come back.
    unsettled: BTreeMap<Nonce, Unsettled>,
    /// What was refused, the oldest first.
    failed: VecDeque<Failed>,
    tells_typing: bool,
    speaks: bool,
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

fn out(lines: Vec<String>) -> impl Iterator<Item = Output> {
    lines.into_iter().map(Output::Out)
}

const NO_CHANNEL: &str = "in no channel; join NAME joins one, list channels shows what there is";

impl Session {
    /// A session that has a relay and nothing else.
    pub fn new(target: Target, zone: TimeZone) -> Self {
        Self {
            zone,
            target,
            fingerprint: None,
            link_is_up: false,
            welcomed: false,
            signed_in: false,
            fresh: false,
            caught_up: false,
            me: None,
            saved: Saved::None,
            told_of_keyring: false,
            stays_out_of: Vec::new(),
            who_left: None,
            channels: BTreeMap::new(),
            current: None,
            shown: None,
            question: None,
            gathering: None,
            waiting: None,
            searched: None,
            tickets: 0,
            held: None,
            unsettled: BTreeMap::new(),
            failed: VecDeque::new(),
            tells_typing: false,
            speaks: false,
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

    /// Emoji are written by their names.
    #[must_use]
    pub const fn speaking(mut self) -> Self {
        self.speaks = true;
        self
    }

    /// Somebody signed in here before: [`Input::Saved`] brings what the keyring has of it.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.saved = Saved::Awaited;
        self
    }

    /// An account left these channels on purpose: a link and a new account do not join them.
    #[must_use]
    pub fn having_left(mut self, account: AccountName, channels: &[ChannelName]) -> Self {
        self.stays_out_of = channels.iter().map(|name| name.key().folded).collect();
        self.who_left = Some(account);
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
            (Some(Question::Trust(_) | Question::Name { .. }), _) | (None, None) => Wants::Line,
            (None, Some(_)) => Wants::Nothing,
        }
    }

    /// Feeds one input. The nonce names a message, should the input say something.
    pub fn handle(&mut self, input: Input, nonce: Nonce) -> Outputs {
        let mut outputs = match input {
            Input::Line(line) => self.line(line, nonce),
            Input::Secret(password) => self.password(password),
            Input::End => self.end(),
            Input::Client(event) => self.client(event),
            Input::Saved(token) => self.token(token),
            Input::NoKeyring => self.no_keyring(),
            Input::Deadline => self.deadline(),
        };
        outputs.extend(self.run_held(nonce));
        outputs.extend(self.mark_read());
        if outputs.iter().any(|output| matches!(output, Output::Err(line) if line.starts_with("error: "))) {
            self.script_failed = self.script_failed.map(|_| true);
        }
        if self.ended.is_some()
            && self.is_settled()
            && !outputs.iter().any(|output| matches!(output, Output::Exit(_)))
        {
            outputs.push(Output::Exit(self.code()));
        }
        if self.speaks {
            outputs.iter_mut().for_each(spoken);
        }
        outputs
    }

    fn code(&self) -> u8 {
        u8::from(self.script_failed == Some(true))
    }

    fn is_settled(&self) -> bool {
        let waits = self.held.is_some() || self.waiting.is_some() || self.is_reading();
        // The client says of each channel only the latest mark, and that may be waiting for the one before.
        let marks =
            self.signed_in && self.channels.values().any(|channel| channel.confirmed < channel.marked);
        self.unsettled.is_empty() && !marks && (!waits || self.ended == Some(End::Quit))
    }

    fn end(&mut self) -> Outputs {
        self.ended = self.ended.or(Some(End::Input));
        let cut = self.gathering.take();
        let cut = cut.map(|text| error(format!("the text was not said: no line is {}", text.end)));
        let mut outputs: Outputs = cut.into_iter().collect();
        match self.question.take() {
            Some(Question::Trust(_)) => {
                outputs.extend([error("the certificate was not accepted"), Output::Exit(1)]);
            }
            Some(Question::Password { .. }) => {
                outputs.extend([error("the password is missing"), Output::Exit(1)]);
            }
            Some(Question::Name { .. }) => outputs.extend([error("the name is missing"), Output::Exit(1)]),
            None => {}
        }
        outputs
    }

    fn deadline(&mut self) -> Outputs {
        let pending = self.unsettled.values().filter(|unsettled| !unsettled.acknowledged).count();
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

    fn line(&mut self, line: String, nonce: Nonce) -> Outputs {
        match (&self.question, &self.gathering) {
            (Some(Question::Trust(seen)), _) => {
                let seen = *seen;
                self.answer_trust(&line, seen)
            }
            (Some(Question::Name { register }), _) => {
                let register = *register;
                self.answer_name(&line, register)
            }
            (_, Some(_)) => self.gather(&line, nonce),
            _ => {
                self.held = Some(line);
                Vec::new()
            }
        }
    }

    /// Runs the held line once nothing stands before it.
    fn run_held(&mut self, nonce: Nonce) -> Outputs {
        let Some(line) = self.held.take() else { return Vec::new() };
        let parsed = match self.menu(&line) {
            Some(chosen) => Ok(Some(chosen)),
            None => command::parse(&line, self.current.is_some()).map(|parsed| parsed.map(Held::Command)),
        };
        let free = self.waiting.is_none() && self.question.is_none();
        let runs = match &parsed {
            Ok(Some(Held::Command(Plain::Quit | Plain::Reconnect))) => true,
            // A message waits in the outbox, not here.
            Ok(Some(Held::Command(command))) if command.names_its_place() && self.me.is_some() => free,
            Ok(Some(Held::Command(Plain::Help(_))) | None) => free,
            // Whether it is a command may depend on the answer that is still to come.
            // So may what it lists depend on what was said before.
            Ok(Some(_)) | Err(_) => free && self.may_ask() && self.unsettled.is_empty() && !self.is_reading(),
        };
        if !runs {
            self.held = Some(line);
            return Vec::new();
        }
        match parsed {
            Ok(Some(Held::Command(command))) => match self.resume_for(&command) {
                Some(outputs) => {
                    self.held = Some(line);
                    outputs
                }
                None => self.run(command, nonce),
            },
            Ok(Some(Held::Menu { register })) => self.ask_name(register),
            Ok(None) => Vec::new(),
            Err(text) => vec![error(text)],
        }
    }

    fn may_ask(&self) -> bool {
        self.link_is_up && self.welcomed && (self.me.is_none() || self.signed_in)
    }

    fn run(&mut self, command: Plain, nonce: Nonce) -> Outputs {
        match command {
            Plain::Register(account) => self.ask_password(true, account),
            Plain::Login(account) => self.ask_password(false, account),
            Plain::Logout => self.ask(Waiting::SignOut, Command::Logout),
            Plain::Sessions => self.ask(Waiting::Channels, Command::ListChannels),
            Plain::Users => self.ask(Waiting::Participants, Command::ListParticipants(None)),
            Plain::Participants => self.ask(Waiting::Participants, Command::ListParticipants(self.current)),
            Plain::Connections => self.ask(Waiting::Connections, Command::ListConnections),
            Plain::Connect(name) => self.connect(name),
            Plain::Disconnect(name) => self.disconnect(name),
            Plain::Create(name) => self.create(name),
            Plain::Say(saying, words) => self.say(saying, words, nonce),
            Plain::Delete(which) => self.delete(which, nonce),
            Plain::React { which, emoji, on } => self.react(which, emoji, on, nonce),
            Plain::Pin { which, on } => self.pin(which, on, nonce),
            Plain::Topic(None) => self.topic(),
            Plain::Topic(Some(topic)) => self.set_topic(topic, nonce),
            Plain::Retry => self.retry(nonce),
            Plain::Discard => self.discard(),
            Plain::Pins => self.pins(),
            Plain::Thread(which) => self.thread(which),
            Plain::Search(query, scope) => self.search(query, scope),
            Plain::More => self.more(),
            Plain::Profile(account) => self.profile(account),
            Plain::History(wanted) => self.history(wanted),
            Plain::Notify(level) => self.notify(level),
            Plain::Unread => self.list_unread(),
            Plain::Next => self.next(),
            Plain::Inbox => self.inbox(),
            Plain::Read { all } => self.read(all),
            Plain::Typing(on) => self.tell_typing(on),
            Plain::Invite => self.invite(),
            Plain::Reconnect => vec![Output::Client(Command::ConnectNow)],
            Plain::Help(about) => {
                let row = about.and_then(verbs::by_name);
                verbs::help(row).into_iter().map(Output::Err).collect()
            }
            Plain::Quit => self.quit(),
        }
    }

    /// What was said goes out if it can; nothing is waited for that cannot come.
    fn quit(&mut self) -> Outputs {
        self.ended = Some(End::Quit);
        if self.unsettled.is_empty() || self.link_is_up { Vec::new() } else { self.deadline() }
    }

    fn client(&mut self, event: ClientEvent) -> Outputs {
        match event {
            ClientEvent::Link(link) => self.link(link),
            ClientEvent::Welcome(welcome) => self.welcome(welcome.motd.as_deref()),
            ClientEvent::Registered(account) => self.registered(&account),
            ClientEvent::SignedIn(signed_in) => self.on_signed_in(signed_in),
            ClientEvent::SignedOut(why) => self.on_signed_out(why),
            ClientEvent::Refused { request, error } => self.refused(request, &error),
            ClientEvent::Channels(known) => self.listed(&known),
            ClientEvent::Participants { participants, .. } => self.participants(&participants),
            ClientEvent::Connections(rows) => self.connections(&rows),
            ClientEvent::Joined(info) => self.joined(&info),
            ClientEvent::Left(channel) => self.left(channel),
            ClientEvent::Appended { channel, entries, live } => self.appended(channel, &entries, live),
            ClientEvent::History { channel, range, entries, more } => {
                self.paged(channel, range, entries, more)
            }
            ClientEvent::Reset(channel) => self.reset(channel),
            ClientEvent::Skipped { channel, from, to } => self.skipped(channel, from, to),
            ClientEvent::CaughtUp => self.on_caught_up(),
            ClientEvent::Marks { channel, marks } => self.marks(channel, marks),
            ClientEvent::Typing { channel, accounts } => self.typing(channel, &accounts),
            ClientEvent::Found { ticket, result } => self.found(ticket, result),
            ClientEvent::Posts { ticket, result } => self.posts(ticket, result),
            ClientEvent::Profile { ticket, result } => self.on_profile(ticket, result),
            ClientEvent::Outbox { nonce, channel, state } => self.outbox(nonce, channel, state),
            ClientEvent::OutboxFile(told) => outbox_file(told),
            // Who comes and goes is asked for; a call is made by nobody here.
            ClientEvent::Presence(_) | ClientEvent::Called { .. } => Vec::new(),
            ClientEvent::Stopped => vec![error("the client stopped"), Output::Exit(1)],
        }
    }
}

/// What a held line means.
#[derive(Debug)]
enum Held {
    Command(Plain),
    /// A number of the menu before sign-in.
    Menu {
        register: bool,
    },
}

fn spoken(output: &mut Output) {
    if let Output::Out(line) | Output::Err(line) | Output::Prompt(line) = output {
        *line = speak::named(line).into_owned();
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
