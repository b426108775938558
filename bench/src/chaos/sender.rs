//! A process of senders: each a whole client with an outbox on disk, an account, a window of messages on their way.
//!
//! Owns what they say and the notes of what they see. It is killed and started anew on the same directories; what an earlier life
//! left in the outboxes comes up by itself. It judges nothing.
//!
//! It talks to the driver in lines. In: `stop` ends the saying, `finish` ends it all. Out: `ready` when everybody is where they
//! belong, `acks N` and `resent N` what came since the last such line, `drained` when nothing waits any more.
#![expect(clippy::print_stdout, reason = "the driver reads these lines")]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use mechat_client::{Client, Command, Config, Event, Link, OutboxFile, OutboxState, RequestKind, SignedOut};
use mechat_protocol::reply::ChannelInfo;
use mechat_protocol::request::ChannelKind;
use mechat_protocol::secret::Token;
use mechat_protocol::{
    AccountName, ChannelId, ChannelName, Content, ErrorCode, Fingerprint, Nonce, RelayAddress, Seq,
};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::notes::{Kind, NO_NONCE, Note, Notes};

/// How often the driver is told.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Channels that there are.
pub(crate) const CHANNELS: u16 = 12;
/// Channels that each sender is in.
const MEMBERSHIPS: u16 = 3;

/// What one process does.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SenderArguments {
    /// Where the relay is.
    #[arg(long)]
    pub(crate) address: RelayAddress,
    /// Its certificate.
    #[arg(long)]
    pub(crate) fingerprint: Fingerprint,
    /// Directory of outboxes, tokens and notes.
    #[arg(long)]
    pub(crate) directory: PathBuf,
    /// The number of the first sender.
    #[arg(long)]
    pub(crate) first: u16,
    /// How many.
    #[arg(long)]
    pub(crate) count: u16,
    /// How many lives came before.
    #[arg(long)]
    pub(crate) life: u32,
    /// Messages that each keeps unacknowledged.
    #[arg(long)]
    pub(crate) window: usize,
}

/// What the driver wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Talk,
    Stop,
    Finish,
}

/// What all senders of a process share.
struct Shared {
    notes: Notes,
    ready: u16,
    drained: u16,
    acks: u64,
    resent: u64,
}

/// Runs the process until it is told to finish, or killed.
pub(crate) fn run(arguments: &SenderArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = LocalSet::new().block_on(&runtime, serve(arguments));
    // The thread that reads orders sits in a read that may never end.
    runtime.shutdown_background();
    served
}

async fn serve(arguments: &SenderArguments) -> anyhow::Result<()> {
    let file = arguments.directory.join(format!("{}-{}.notes", arguments.first, arguments.life));
    let shared = Shared { notes: Notes::create(&file)?, ready: 0, drained: 0, acks: 0, resent: 0 };
    let shared = Rc::new(RefCell::new(shared));
    let (phase, wanted) = watch::channel(Phase::Talk);
    let mut senders = tokio::task::JoinSet::new();
    for number in arguments.first..arguments.first + arguments.count {
        let sender = Sender::start(arguments, number, Rc::clone(&shared))?;
        senders.spawn_local(sender.run(wanted.clone()));
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut report = tokio::time::interval(REPORT_EVERY);
    let mut told = Told::default();
    loop {
        tokio::select! {
            _ = report.tick() => told.report(&mut shared.borrow_mut(), arguments.count)?,
            line = lines.next_line() => match line?.as_deref() {
                Some("stop") => drop(phase.send_replace(Phase::Stop)),
                Some("finish") => drop(phase.send_replace(Phase::Finish)),
                // Nobody is there any more to want anything.
                _ => return Ok(()),
            },
            ended = senders.join_next() => match ended {
                Some(ended) => ended??,
                None => break,
            },
        }
    }
    told.report(&mut shared.borrow_mut(), arguments.count)
}

/// What was said once and is not said again.
#[derive(Default)]
struct Told {
    ready: bool,
    drained: bool,
}

impl Told {
    fn report(&mut self, shared: &mut Shared, count: u16) -> anyhow::Result<()> {
        shared.notes.flush()?;
        println!("acks {}", std::mem::take(&mut shared.acks));
        println!("resent {}", std::mem::take(&mut shared.resent));
        if shared.ready == count && !std::mem::replace(&mut self.ready, true) {
            println!("ready");
        }
        if shared.drained == count && !std::mem::replace(&mut self.drained, true) {
            println!("drained");
        }
        Ok(())
    }
}

/// One sender.
struct Sender {
    number: u16,
    account: AccountName,
    window: usize,
    client: Client,
    events: mpsc::Receiver<Event>,
    token_file: PathBuf,
    shared: Rc<RefCell<Shared>>,
    channels: HashMap<ChannelId, ChannelName>,
    signed_in: bool,
    /// Where it belongs and is not yet.
    to_join: Vec<ChannelName>,
    /// What was asked for and not answered.
    joining: Option<ChannelName>,
    /// Said in this life or left by an earlier one, and not acknowledged.
    unacked: BTreeSet<Nonce>,
    /// Messages of this life.
    said: u64,
    /// What was handed on, by channel.
    last: HashMap<ChannelId, Seq>,
    is_ready: bool,
    is_drained: bool,
    phase: Phase,
    /// `finish`: the heads that everything must be handed on up to.
    heads: Option<Vec<ChannelInfo>>,
}

fn password() -> SecretString {
    SecretString::from("correct horse battery staple".to_owned())
}

impl Sender {
    fn start(arguments: &SenderArguments, number: u16, shared: Rc<RefCell<Shared>>) -> anyhow::Result<Self> {
        let account: AccountName = format!("sender-{number}").parse().context("a name")?;
        let directory = &arguments.directory;
        let (client, events) = Client::start(Config {
            address: arguments.address.clone(),
            pins: directory.join(format!("pins-{number}")),
            invited: Some(arguments.fingerprint),
            agent: "mechat-bench chaos".into(),
            outbox: Some(directory.join("outbox")),
            resumes: false,
        });
        let names =
            (0..MEMBERSHIPS).map(|n| format!("chaos-{}", (number * MEMBERSHIPS / 2 + n) % CHANNELS).parse());
        Ok(Self {
            number,
            account,
            window: arguments.window,
            client,
            events,
            token_file: directory.join(format!("token-{number}")),
            shared,
            channels: HashMap::new(),
            signed_in: false,
            to_join: names.collect::<Result<_, _>>().context("a name")?,
            joining: None,
            unacked: BTreeSet::new(),
            said: 0,
            last: HashMap::new(),
            is_ready: false,
            is_drained: false,
            phase: Phase::Talk,
            heads: None,
        })
    }

    async fn run(mut self, mut wanted: watch::Receiver<Phase>) -> anyhow::Result<()> {
        self.sign_in().await;
        while !self.is_whole()? {
            tokio::select! {
                event = self.events.recv() => self.event(event.context("the client ended")?).await?,
                changed = wanted.changed() => {
                    changed?;
                    self.phase = *wanted.borrow_and_update();
                    if self.phase == Phase::Finish {
                        self.client.send(Command::ListChannels).await;
                    }
                }
            }
            self.join_next().await;
            self.talk().await?;
        }
        self.client.send(Command::Quit).await;
        while !matches!(self.events.recv().await, None | Some(Event::Stopped)) {}
        Ok(())
    }

    async fn sign_in(&self) {
        let token = std::fs::read(&self.token_file).ok().and_then(|bytes| Token::new(bytes).ok());
        let account = self.account.clone();
        self.client
            .send(match token {
                Some(token) => Command::Resume(token),
                None => Command::Register { account, password: password() },
            })
            .await;
    }

    async fn event(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::SignedIn(signed_in) => {
                self.signed_in = true;
                keep_token(&self.token_file, &signed_in.token)?;
            }
            Event::SignedOut(SignedOut::TokenRefused) => self.log_in().await,
            Event::Refused { request: RequestKind::Register, error }
                if error.code == ErrorCode::NameTaken =>
            {
                self.log_in().await;
            }
            Event::Refused { request, error } => self.refused(request, error.code).await?,
            Event::Joined(info) => self.joined(info.channel, info.name),
            Event::Channels(known) if self.phase == Phase::Finish => self.heads = Some(known),
            Event::Outbox { nonce, channel, state } => self.outbox(nonce, channel, &state)?,
            Event::OutboxFile(OutboxFile::NotKept { reason }) => anyhow::bail!("the outbox fails: {reason}"),
            Event::Appended { channel, entries, .. } => {
                for entry in entries {
                    self.last.insert(channel, entry.seq);
                    self.note(Kind::Applied, channel, entry.seq, entry.nonce.unwrap_or(NO_NONCE))?;
                }
            }
            Event::Reset(channel) => self.note(Kind::Reset, channel, Seq::ZERO, NO_NONCE)?,
            Event::Link(Link::Down { .. }) => {
                self.joining = None;
                // All that is on its way goes again; an attempt that fails sends nothing.
                if std::mem::take(&mut self.signed_in) {
                    self.shared.borrow_mut().resent += self.unacked.len() as u64;
                }
            }
            Event::Link(Link::Failed { reason }) => anyhow::bail!("the link failed for good: {reason}"),
            _ => {}
        }
        Ok(())
    }

    async fn log_in(&self) {
        self.client.send(Command::Login { account: self.account.clone(), password: password() }).await;
    }

    async fn refused(&mut self, request: RequestKind, code: ErrorCode) -> anyhow::Result<()> {
        match (request, code) {
            (RequestKind::Join, ErrorCode::NoSuchChannel) => {
                if let Some(name) = self.joining.clone() {
                    self.client.send(Command::CreateChannel { name, kind: ChannelKind::Public }).await;
                }
            }
            // Somebody else was faster, or the link was lost: again.
            (RequestKind::CreateChannel | RequestKind::Join, _) => self.joining = None,
            (RequestKind::ListChannels, _) if self.phase == Phase::Finish => {
                self.client.send(Command::ListChannels).await;
            }
            (RequestKind::Register | RequestKind::Login, _) => {
                anyhow::bail!("{} cannot sign in: {code}", self.account);
            }
            _ => {}
        }
        Ok(())
    }

    fn joined(&mut self, channel: ChannelId, name: ChannelName) {
        self.joining.take_if(|joining| *joining == name);
        self.to_join.retain(|wanted| *wanted != name);
        self.channels.insert(channel, name);
        if self.to_join.is_empty() && !std::mem::replace(&mut self.is_ready, true) {
            self.shared.borrow_mut().ready += 1;
        }
    }

    /// One channel after another: a refusal does not say which it was.
    async fn join_next(&mut self) {
        if self.signed_in
            && self.joining.is_none()
            && let Some(name) = self.to_join.last().cloned()
        {
            self.joining = Some(name.clone());
            self.client.send(Command::Join(name)).await;
        }
    }

    fn outbox(&mut self, nonce: Nonce, channel: ChannelId, state: &OutboxState) -> anyhow::Result<()> {
        match state {
            OutboxState::Pending(_) => {
                // What this life has not said is of an earlier one.
                if self.unacked.insert(nonce) {
                    self.shared.borrow_mut().resent += 1;
                }
                self.note(Kind::Kept, channel, Seq::ZERO, nonce)
            }
            OutboxState::Acked { position, .. } => {
                self.unacked.remove(&nonce);
                self.shared.borrow_mut().acks += 1;
                self.note(Kind::Acked, position.channel, position.seq, nonce)
            }
            OutboxState::Failed(error) => {
                self.unacked.remove(&nonce);
                println!("refused {}: {}", error.code, error.message);
                self.note(Kind::Failed, channel, Seq::ZERO, nonce)
            }
        }
    }

    /// Fills the window. Something is said in each life, since its ack comes behind those of what earlier lives left.
    async fn talk(&mut self) -> anyhow::Result<()> {
        let may_talk = self.is_ready && (self.phase == Phase::Talk || self.said == 0);
        while may_talk && self.unacked.len() < self.window.max(1) {
            let turn = usize::try_from(self.said).unwrap_or_default() % self.channels.len();
            let Some(channel) = self.channels.keys().nth(turn).copied() else { break };
            let text = format!("{} says its {:>70}th word in this life", self.account, self.said);
            let (content, nonce) = (Content::text(text).context("a text")?, Client::nonce());
            self.unacked.insert(nonce);
            self.said += 1;
            self.client.send(Command::Say { channel, nonce, content, in_reply_to: None }).await;
            if self.phase != Phase::Talk {
                break;
            }
        }
        let is_drained = self.phase != Phase::Talk && self.said > 0 && self.unacked.is_empty();
        if is_drained && !std::mem::replace(&mut self.is_drained, true) {
            self.shared.borrow_mut().drained += 1;
        }
        Ok(())
    }

    /// Whether this is the end: everything that is in the logs was handed on.
    fn is_whole(&self) -> anyhow::Result<bool> {
        let Some(heads) = &self.heads else { return Ok(false) };
        let mine = || heads.iter().filter(|info| self.channels.contains_key(&info.channel));
        let is_whole =
            mine().all(|info| self.last.get(&info.channel).copied().unwrap_or(Seq::ZERO) >= info.head);
        for info in mine().filter(|_| is_whole) {
            self.note(Kind::Whole, info.channel, info.head, NO_NONCE)?;
        }
        Ok(is_whole)
    }

    fn note(&self, kind: Kind, channel: ChannelId, seq: Seq, nonce: Nonce) -> anyhow::Result<()> {
        let note = Note { kind, sender: self.number, channel, seq, nonce };
        Ok(self.shared.borrow_mut().notes.add(&note)?)
    }
}

/// In the file before or in the file after: a kill in between does not take the session.
fn keep_token(file: &Path, token: &Token) -> anyhow::Result<()> {
    let beside = file.with_extension("new");
    std::fs::write(&beside, token.as_bytes())?;
    Ok(std::fs::rename(beside, file)?)
}
