//! The link and the account: trust, sign-in by password or by what the keyring has, and which channel one begins in.

use mechat_certs::TrustError;
use mechat_client::event::Link;
use mechat_client::{Command, SignedIn, SignedOut};
use mechat_protocol::reply::{ChannelInfo, ErrorReply};
use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, ChannelName, Fingerprint};
use secrecy::SecretString;

use super::{Held, Output, Outputs, Session, Waiting, error, state};
use crate::plain::command::Plain;
use crate::text;

/// Failed attempts to connect, about half a minute of them, after which a script is not kept waiting.
const ATTEMPTS_MAX: u32 = 10;
/// The channel where people meet first.
const LOBBY: &str = "lobby";

/// What the next line answers.
#[derive(Debug)]
pub(super) enum Question {
    Name { register: bool },
    Password { register: bool, account: AccountName },
    Trust(Fingerprint),
}

/// What signs in without a password.
#[derive(Debug)]
pub(super) enum Saved {
    /// Nothing does.
    None,
    /// The keyring is asked.
    Awaited,
    /// Not used yet.
    Ready(Token),
}

impl Session {
    pub(super) fn link(&mut self, link: Link) -> Outputs {
        match link {
            Link::Connecting { .. } => Vec::new(),
            Link::Up { fingerprint } => {
                (self.link_is_up, self.fingerprint) = (true, Some(fingerprint));
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
        self.reading_failed();
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

    pub(super) fn answer_trust(&mut self, line: &str, seen: Fingerprint) -> Outputs {
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => {
                self.question = None;
                vec![Output::Client(Command::Trust(seen))]
            }
            "n" | "no" => vec![error("the certificate was not accepted"), Output::Exit(1)],
            _ => vec![Output::Prompt("answer y or n: ".to_owned())],
        }
    }

    pub(super) fn welcome(&mut self, motd: Option<&str>) -> Outputs {
        self.welcomed = true;
        if self.me.is_some() {
            return Vec::new();
        }
        let mut outputs: Outputs = motd.map(text::lines).into_iter().flatten().map(state).collect();
        outputs.extend(self.greet());
        outputs
    }

    /// A person is signed in, or told how; a script says it itself.
    fn greet(&mut self) -> Outputs {
        if self.script_failed.is_some() || !self.welcomed || self.me.is_some() {
            return Vec::new();
        }
        match &self.saved {
            Saved::Awaited => Vec::new(),
            Saved::Ready(_) => self.resume(),
            Saved::None => vec![state(
                "1 makes an account, 2 signs in, 3 lists who is here, 4 quits; help lists everything",
            )],
        }
    }

    /// A number of the menu, while nobody is signed in.
    pub(super) fn menu(&self, line: &str) -> Option<Held> {
        if self.me.is_some() {
            return None;
        }
        match line.trim() {
            "1" => Some(Held::Menu { register: true }),
            "2" => Some(Held::Menu { register: false }),
            "3" => Some(Held::Command(Plain::Users)),
            "4" => Some(Held::Command(Plain::Quit)),
            _ => None,
        }
    }

    pub(super) fn ask_name(&mut self, register: bool) -> Outputs {
        self.question = Some(Question::Name { register });
        vec![Output::Prompt("name: ".to_owned())]
    }

    pub(super) fn answer_name(&mut self, line: &str, register: bool) -> Outputs {
        self.question = None;
        match AccountName::new(line.trim()) {
            Ok(account) => self.ask_password(register, account),
            Err(broken) => vec![error(broken.rule)],
        }
    }

    pub(super) fn ask_password(&mut self, register: bool, account: AccountName) -> Outputs {
        if let Some(me) = &self.me {
            return vec![error(format!("signed in as @{me}; logout comes first"))];
        }
        let prompt = Output::Prompt(format!("password for @{account}: "));
        self.question = Some(Question::Password { register, account });
        vec![prompt]
    }

    pub(super) fn password(&mut self, password: SecretString) -> Outputs {
        let Some(Question::Password { register, account }) = self.question.take() else { return Vec::new() };
        self.waiting = Some(Waiting::SignIn);
        vec![Output::Client(if register {
            Command::Register { account, password }
        } else {
            Command::Login { account, password }
        })]
    }

    /// The keyring answered.
    pub(super) fn token(&mut self, token: Option<Token>) -> Outputs {
        if !matches!(self.saved, Saved::Awaited) {
            return Vec::new();
        }
        self.saved = token.map_or(Saved::None, Saved::Ready);
        self.greet()
    }

    pub(super) fn no_keyring(&mut self) -> Outputs {
        let mut outputs = Vec::new();
        // A script says its password anyhow.
        if !std::mem::replace(&mut self.told_of_keyring, true) && self.script_failed.is_none() {
            let words =
                "no keyring works here: the password is asked for each time; mechat-tui doctor says more";
            outputs.push(state(words));
        }
        if matches!(self.saved, Saved::Awaited) {
            self.saved = Saved::None;
            outputs.extend(self.greet());
        }
        outputs
    }

    fn resume(&mut self) -> Outputs {
        match std::mem::replace(&mut self.saved, Saved::None) {
            Saved::Ready(token) => self.ask(Waiting::Resume, Command::Resume(token)),
            other => {
                self.saved = other;
                Vec::new()
            }
        }
    }

    /// A script that does not sign in itself is signed in before its first command that needs it. `None` lets the command run.
    pub(super) fn resume_for(&mut self, command: &Plain) -> Option<Outputs> {
        let signs_in = matches!(
            command,
            Plain::Register(_)
                | Plain::Login(_)
                | Plain::Help(_)
                | Plain::Quit
                | Plain::Users
                | Plain::Reconnect
        );
        if signs_in || self.me.is_some() {
            return None;
        }
        match &self.saved {
            Saved::None => None,
            Saved::Awaited => Some(Vec::new()),
            Saved::Ready(_) => Some(self.resume()),
        }
    }

    pub(super) fn resume_refused(&mut self, reply: &ErrorReply) -> Outputs {
        self.waiting.take_if(|waiting| *waiting == Waiting::Resume);
        let mut outputs = vec![state(format!("the saved session is not taken: {}", reply.message))];
        outputs.extend(self.greet());
        outputs
    }

    pub(super) fn registered(&mut self, account: &AccountName) -> Outputs {
        self.fresh = true;
        vec![state(format!("registered @{account}"))]
    }

    pub(super) fn on_signed_in(&mut self, signed_in: SignedIn) -> Outputs {
        self.signed_in = true;
        let mut outputs = vec![Output::Keep(signed_in.account.clone(), signed_in.token)];
        if self.me.as_ref() == Some(&signed_in.account) {
            return outputs;
        }
        outputs.push(state(format!("signed in as @{}", signed_in.account)));
        if self.who_left.as_ref() != Some(&signed_in.account) {
            self.who_left = Some(signed_in.account.clone());
            self.stays_out_of.clear();
        }
        (self.me, self.caught_up) = (Some(signed_in.account), false);
        // Released by the list of channels, or by the answer to the join that follows it.
        self.waiting = Some(Waiting::SignIn);
        outputs
    }

    /// The channels are known: one begins where a link leads, or in the first, or where people meet.
    pub(super) fn settle_in(&mut self, known: &[ChannelInfo]) -> Outputs {
        let mut outputs = Vec::new();
        // The next line may need a channel: those one is in count from here on, not from their own events.
        for info in known.iter().filter(|info| info.joined) {
            outputs.extend(self.joined(info));
        }
        let lobby =
            known.iter().find(|info| info.name.as_str() == LOBBY && self.fresh && self.channels.is_empty());
        let wanted = self.target.channel.take().or_else(|| lobby.map(|info| info.name.clone()));
        self.fresh = false;
        if let Some(name) = wanted {
            if let Some(id) = self.channel_named(&name) {
                outputs.extend(self.go_to(id));
                return outputs;
            }
            if !self.stays_out_of.contains(&name.key().folded) {
                outputs.extend(self.ask(Waiting::Join(name.clone()), Command::Join(name)));
                return outputs;
            }
            outputs.push(state(format!("you left #{name}; join {name} goes back")));
        }
        let first = known.iter().find(|info| info.joined).map(|info| info.channel);
        outputs.extend(first.map_or_else(Vec::new, |id| self.go_to(id)));
        outputs
    }

    pub(super) fn on_signed_out(&mut self, why: SignedOut) -> Outputs {
        let me = self.me.take();
        (self.signed_in, self.current, self.shown) = (false, None, None);
        self.channels.clear();
        self.searched = None;
        let resumed = self.waiting.take() == Some(Waiting::Resume);
        let mut outputs: Outputs = me.map(Output::Forget).into_iter().collect();
        outputs.push(match why {
            SignedOut::LoggedOut => state("logged out; still connected"),
            SignedOut::TokenRefused if resumed => state("the saved session has ended; login NAME signs in"),
            SignedOut::TokenRefused => error("the session has ended; login NAME signs in"),
        });
        outputs.extend(self.greet());
        outputs
    }

    /// A channel was left, or joined, on purpose: that is kept.
    pub(super) fn stay_out(&mut self, name: &ChannelName, out: bool) -> Outputs {
        let key = name.key().folded;
        if self.stays_out_of.contains(&key) == out {
            return Vec::new();
        }
        self.stays_out_of.retain(|known| *known != key);
        if out {
            self.stays_out_of.push(key);
        }
        vec![Output::Left(name.clone(), out)]
    }
}
