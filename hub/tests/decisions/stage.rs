//! A hub with a storage and credentials that do as the test says, and a clock that it moves.

use std::collections::{BTreeMap, HashMap, VecDeque};

use mechat_hub::{
    AccountId, AccountRecord, AmendRefusal, Amended, AppendDraft, AppendOutcome, Authenticated,
    ChannelRecord, ConnId, CredentialAnswer, Effect, Failure, Found, HistoryRead, Hub, HubConfig, Input,
    MemberRecord, NewChannel, Now, PostsRead, Snapshot, StoreAnswer, StoreOp, Ticket,
};
use mechat_protocol::page::EncodedEntries;
use mechat_protocol::reply::{Durability, Marks};
use mechat_protocol::request::{ChannelKind, HistoryRange, Selection};
use mechat_protocol::secret::{OpaqueBytes, Token};
use mechat_protocol::{
    AccountName, Body, ChannelId, ChannelName, Entry, Epoch, Message, Nonce, RequestId, Seq, SessionId,
    Topic, UnixMillis,
};

use crate::requests::{hello, login_finish, login_start};
use crate::shown;

pub(crate) const ANN: AccountId = AccountId(1);
pub(crate) const BOB: AccountId = AccountId(2);
pub(crate) const EVE: AccountId = AccountId(3);
/// Public; ann and bob are members.
pub(crate) const LOBBY: ChannelId = ChannelId(1);
/// Private; bob is its member.
pub(crate) const DEN: ChannelId = ChannelId(2);
/// Public; nobody is a member.
pub(crate) const ATTIC: ChannelId = ChannelId(3);

/// A hub and its surroundings.
pub(crate) struct Stage {
    pub(crate) hub: Hub,
    pub(crate) now_ms: u64,
    storage: TinyStorage,
    /// Questions to the storage that are not yet answered, oldest first.
    pub(crate) asked: VecDeque<(Ticket, StoreOp)>,
}

/// A storage in a few lines: logs, members, nonces.
#[derive(Default)]
struct TinyStorage {
    logs: BTreeMap<ChannelId, Vec<Entry>>,
    members: BTreeMap<(ChannelId, AccountId), Marks>,
    nonces: HashMap<(AccountId, Nonce), Entry>,
}

pub(crate) fn config() -> HubConfig {
    HubConfig {
        agent: "a relay".into(),
        motd: None,
        durability: Durability::BestEffort,
        participants_before_sign_in: false,
        relay_account: AccountName::new("relay").expect("a name"),
    }
}

/// A membership of somebody who has read nothing.
pub(crate) fn member(channel: ChannelId, account: AccountId) -> MemberRecord {
    MemberRecord { channel, account, marks: Marks::default() }
}

/// Three people, three channels.
pub(crate) fn snapshot() -> Snapshot {
    let account = |id, name, admin| AccountRecord {
        id,
        name: AccountName::new(name).expect("a name"),
        admin,
        created: UnixMillis(7),
    };
    let channel = |id, name, kind, host| ChannelRecord {
        id,
        name: ChannelName::new(name).expect("a name"),
        kind,
        host,
        created: UnixMillis(0),
        epoch: Epoch(1),
        head: Seq::ZERO,
        topic: Topic::default(),
    };
    Snapshot {
        accounts: vec![account(ANN, "ann", true), account(BOB, "Bob", false), account(EVE, "eve", false)],
        channels: vec![
            channel(LOBBY, "lobby", ChannelKind::Public, None),
            channel(DEN, "den", ChannelKind::Private, Some(BOB)),
            channel(ATTIC, "Attic", ChannelKind::Public, Some(EVE)),
        ],
        members: vec![member(LOBBY, ANN), member(LOBBY, BOB), member(DEN, BOB)],
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(config(), snapshot())
    }

    pub(crate) fn with(config: HubConfig, snapshot: Snapshot) -> Self {
        let mut storage = TinyStorage::default();
        storage.logs.extend(snapshot.channels.iter().map(|channel| (channel.id, Vec::new())));
        let members = snapshot.members.iter().map(|member| ((member.channel, member.account), member.marks));
        storage.members.extend(members);
        let hub = Hub::new(config, snapshot);
        Self { hub, now_ms: 1_000, storage, asked: VecDeque::new() }
    }

    /// Feeds one input and keeps its questions; the effects as they are.
    pub(crate) fn feed(&mut self, input: Input) -> Vec<Effect> {
        let wall = i64::try_from(self.now_ms).expect("a short test");
        let now = Now { mono_ms: self.now_ms, wall: UnixMillis(wall) };
        let mut effects = Vec::new();
        self.hub.handle(now, input, &mut effects);
        let mut kept = Vec::new();
        for effect in effects {
            if let Effect::Store { ticket, op } = &effect {
                self.asked.push_back((*ticket, copy(op)));
            }
            kept.push(effect);
        }
        kept
    }

    /// Feeds one input; the effects as lines.
    pub(crate) fn tell(&mut self, input: Input) -> Vec<String> {
        self.feed(input).iter().map(shown::effect).collect()
    }

    /// A connection sends a message.
    pub(crate) fn say(&mut self, conn: u64, message: impl Into<Message>) -> Vec<String> {
        self.tell(Input::Message { conn: ConnId(conn), message: message.into() })
    }

    pub(crate) fn open(&mut self, conn: u64) -> Vec<String> {
        self.tell(Input::Opened { conn: ConnId(conn), address: format!("192.0.2.1:{conn}") })
    }

    pub(crate) fn closed(&mut self, conn: u64) -> Vec<String> {
        self.tell(Input::Closed { conn: ConnId(conn) })
    }

    pub(crate) fn credential(&mut self, conn: u64, id: u32, answer: CredentialAnswer) -> Vec<String> {
        self.tell(Input::Credential { conn: ConnId(conn), id: RequestId(id), answer })
    }

    /// A new connection that has said hello, as request 1.
    pub(crate) fn greet(&mut self, conn: u64) {
        self.open(conn);
        assert_eq!(self.say(conn, hello(1)), [format!("{conn} < welcome 1")]);
    }

    /// A new connection that is signed in, by requests 1 to 3, in a session of its own.
    pub(crate) fn sign_in(&mut self, conn: u64, account: AccountId) {
        self.greet(conn);
        self.sign_in_again(conn, account, conn);
    }

    /// Signs a greeted connection in, by requests 2 and 3.
    pub(crate) fn sign_in_again(&mut self, conn: u64, account: AccountId, session: u64) -> Vec<String> {
        self.say(conn, login_start(2, "somebody"));
        self.credential(conn, 2, CredentialAnswer::LoginChallenge(opaque()));
        self.say(conn, login_finish(3));
        self.credential(conn, 3, authenticated(account, session))
    }

    /// The storage answers its oldest question, or fails at it.
    pub(crate) fn storage_effects(&mut self, fails: bool) -> Vec<Effect> {
        let (ticket, op) = self.asked.pop_front().expect("the storage was asked");
        let answer = if fails { Err(Failure) } else { Ok(self.storage.answer(op)) };
        self.feed(Input::Stored { ticket, answer })
    }

    /// The storage answers its oldest question.
    pub(crate) fn stored(&mut self) -> Vec<String> {
        self.storage_effects(false).iter().map(shown::effect).collect()
    }

    /// The storage fails at its oldest question.
    pub(crate) fn storage_fails(&mut self) -> Vec<String> {
        self.storage_effects(true).iter().map(shown::effect).collect()
    }

    /// The storage gives another answer to its oldest question.
    pub(crate) fn stored_as(&mut self, answer: StoreAnswer) -> Vec<String> {
        let (ticket, _) = self.asked.pop_front().expect("the storage was asked");
        self.tell(Input::Stored { ticket, answer: Ok(answer) })
    }

    /// Time passes, and the hub is told.
    pub(crate) fn wait(&mut self, ms: u64) -> Vec<String> {
        self.now_ms += ms;
        self.tell(Input::Tick)
    }

    /// Presence is announced, so that later ticks are about something else.
    pub(crate) fn settle(&mut self) {
        self.wait(100);
    }
}

pub(crate) fn opaque() -> OpaqueBytes {
    OpaqueBytes::new(vec![0; 32]).expect("short")
}

pub(crate) fn session(number: u64) -> SessionId {
    SessionId(format!("{number:032x}").parse().expect("a UUID"))
}

pub(crate) fn authenticated(account: AccountId, session: u64) -> CredentialAnswer {
    CredentialAnswer::Authenticated(Authenticated {
        again: false,
        account,
        session: self::session(session),
        token: Token::new(vec![7; 32]).expect("short"),
        token_expires: UnixMillis(9_999),
    })
}

/// A message as it was read before.
pub(crate) fn entry(channel: ChannelId, seq: u64, sender: &str, text: &str) -> Entry {
    Entry {
        channel,
        epoch: Epoch(1),
        seq: Seq(seq),
        at_ms: UnixMillis(0),
        sender: AccountName::new(sender).expect("a name"),
        nonce: None,
        body: Body::said(mechat_protocol::Content::text(text).expect("a text"), None),
    }
}

/// A page of all there is.
pub(crate) fn history(entries: &[Entry]) -> StoreAnswer {
    let entries = EncodedEntries::of(entries).expect("they fit");
    StoreAnswer::HistoryRead(HistoryRead { entries, more: false })
}

/// Questions are not for copying outside of tests.
fn copy(op: &StoreOp) -> StoreOp {
    match op {
        StoreOp::CreateChannel(channel) => StoreOp::CreateChannel(channel.clone()),
        StoreOp::Append(draft) => StoreOp::Append(draft.clone()),
        StoreOp::Mark { channel, account, read, level } => {
            StoreOp::Mark { channel: *channel, account: *account, read: *read, level: *level }
        }
        StoreOp::ReadPosts { channel, which, after, limit } => {
            StoreOp::ReadPosts { channel: *channel, which: *which, after: *after, limit: *limit }
        }
        StoreOp::Search { query, channels, after, limit } => {
            StoreOp::Search { query: query.clone(), channels: channels.clone(), after: *after, limit: *limit }
        }
        StoreOp::ReadHistory { channel, range, limit } => {
            StoreOp::ReadHistory { channel: *channel, range: *range, limit: *limit }
        }
    }
}

/// Appends an amendment, if it changes something.
fn amend(log: &mut Vec<Entry>, by: &Entry, target: Option<Seq>) -> AppendOutcome {
    let target = target.map(|target| log.iter_mut().find(|entry| entry.seq == target));
    let mut changed = Vec::new();
    match target {
        Some(Some(target)) if matches!(target.body, Body::Message(_)) => {
            if !target.amend(by) {
                return AppendOutcome::Same(target.clone());
            }
            changed.push(target.clone());
        }
        Some(_) => return AppendOutcome::Refused(AmendRefusal::NoSuchMessage),
        None => {}
    }
    log.push(by.clone());
    AppendOutcome::Amended(Amended { entry: by.clone(), changed })
}

impl TinyStorage {
    fn answer(&mut self, op: StoreOp) -> StoreAnswer {
        match op {
            StoreOp::CreateChannel(channel) => self.create(channel),
            StoreOp::Append(draft) => StoreAnswer::Appended(self.append(draft)),
            StoreOp::Mark { channel, account, read, level } => {
                let Some(marks) = self.members.get_mut(&(channel, account)) else {
                    return StoreAnswer::Appended(AppendOutcome::NotAMember);
                };
                marks.read = read.unwrap_or(marks.read).max(marks.read);
                marks.level = level.unwrap_or(marks.level);
                StoreAnswer::Marked(*marks)
            }
            StoreOp::ReadPosts { channel, which, after, limit: _ } => {
                let fits = |entry: &&Entry| match (&entry.body, which) {
                    (Body::Message(post), Selection::Pinned) => post.pinned,
                    (Body::Message(post), Selection::Replies { seq }) => post.in_reply_to == Some(seq),
                    _ => false,
                };
                let log = self.logs[&channel].iter().filter(|entry| entry.seq > after);
                StoreAnswer::PostsRead(PostsRead {
                    entries: log.filter(fits).cloned().collect(),
                    more: false,
                })
            }
            StoreOp::Search { channels, .. } => {
                let said = channels.iter().flat_map(|channel| &self.logs[channel]).rev();
                let said = said.filter(|entry| matches!(entry.body, Body::Message(_)));
                StoreAnswer::Found(Found::Page(said.cloned().collect(), Some(9)))
            }
            StoreOp::ReadHistory { channel, range, limit } => {
                StoreAnswer::HistoryRead(self.read(channel, range, limit))
            }
        }
    }

    fn create(&mut self, channel: NewChannel) -> StoreAnswer {
        let NewChannel { name, kind, host, host_name, at } = channel;
        let last = self.logs.last_key_value().map_or(0, |(id, _)| id.0);
        let id = ChannelId(last + 1);
        self.logs.insert(id, Vec::new());
        let first = AppendDraft {
            channel: id,
            sender: host,
            sender_name: host_name,
            nonce: None,
            at,
            body: Body::Joined,
            moderates: false,
        };
        let AppendOutcome::New(entry) = self.append(first) else { panic!("a host joins") };
        let record = ChannelRecord {
            id,
            name,
            kind,
            host: Some(host),
            created: at,
            epoch: Epoch(1),
            head: entry.seq,
            topic: Topic::default(),
        };
        StoreAnswer::ChannelCreated(record, entry)
    }

    fn append(&mut self, draft: AppendDraft) -> AppendOutcome {
        let AppendDraft { channel, sender, sender_name, nonce, at, body, moderates: _ } = draft;
        if let Some(entry) = nonce.and_then(|nonce| self.nonces.get(&(sender, nonce))) {
            return AppendOutcome::Known(entry.clone());
        }
        let log = self.logs.get_mut(&channel).expect("the hub knows the channels");
        let seq = Seq(log.len() as u64 + 1);
        let changed = match body {
            Body::Joined => {
                let marks = Marks { read: seq, ..Marks::default() };
                self.members.insert((channel, sender), marks).is_none()
            }
            Body::Left => self.members.remove(&(channel, sender)).is_some(),
            _ => true,
        };
        if !changed {
            return AppendOutcome::Unchanged;
        }
        let entry = Entry { channel, epoch: Epoch(1), seq, at_ms: at, sender: sender_name, nonce, body };
        if let Body::Amended { amendment } = &entry.body {
            return amend(log, &entry, amendment.target());
        }
        log.push(entry.clone());
        if let Some(nonce) = nonce {
            self.nonces.insert((sender, nonce), entry.clone());
        }
        AppendOutcome::New(entry)
    }

    /// Only what the tests ask: after a seq, or the latest.
    fn read(&self, channel: ChannelId, range: HistoryRange, limit: usize) -> HistoryRead {
        let log = &self.logs[&channel];
        let start = match range {
            HistoryRange::After { seq } => log.len().min(usize::try_from(seq.0).expect("short")),
            _ => log.len().saturating_sub(limit),
        };
        let end = log.len().min(start + limit);
        let entries = EncodedEntries::of(&log[start..end]).expect("they fit");
        HistoryRead { entries, more: end < log.len() }
    }
}
