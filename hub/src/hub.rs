//! The table of what leads where.
//!
//! Owns the hub's state and the dispatch; what is decided stands in `sign_in`, `rooms`, `talk`, `amend`, `posts`, `marks`,
//! `typing` and `listing`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mechat_protocol::codec::Refusal;
use mechat_protocol::event::{Close, GoAway, PresenceChanged};
use mechat_protocol::limits::{
    GO_AWAY_DELAY_MAX_MS, HISTORIES_IN_FLIGHT_MAX, IDLE_TIMEOUT_MS, IN_FLIGHT_MAX, PENDING_TIMEOUT_MS,
    PRESENCE_CHANGES_MAX,
};
use mechat_protocol::name::RELAY_ACCOUNT;
use mechat_protocol::reply::{Durability, ErrorReply, Marks, Participant, Pong};
use mechat_protocol::request::{HistoryRange, Selection};
use mechat_protocol::{AccountName, ChannelId, CloseCode, ErrorCode, Message, RequestId, RuleBroken, Seq};

use crate::authorize::{Actor, broken};
use crate::channel::Channel;
use crate::connection::{Connected, Connection, Phase};
use crate::deadlines::Deadlines;
use crate::input::{AccountRecord, ChannelRecord, MemberRecord, Snapshot};
use crate::news::News;
use crate::presence::PresenceBoard;
use crate::session::Sessions;
use crate::typing::TypingBoard;
use crate::{AccountId, ConnId, CredentialAsk, Effect, Effects, Input, Now, StoreOp, Ticket};

/// What the relay is like.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// The relay's software and version, for `welcome`.
    pub agent: String,
    /// Message of the day, at most `MOTD_LEN_MAX` bytes.
    pub motd: Option<String>,
    /// What the storage promises.
    pub durability: Durability,
    /// Whether people are listed before sign-in.
    pub participants_before_sign_in: bool,
    /// The account that entries and channels of the relay itself name.
    pub relay_account: AccountName,
}

/// An account as the hub sees it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) record: AccountRecord,
    /// Its memberships, and what its devices share about each.
    pub(crate) channels: BTreeMap<ChannelId, Marks>,
    /// Memberships that wait for the storage.
    pub(crate) joining: usize,
    /// Its connections that are signed in.
    pub(crate) connections: BTreeSet<ConnId>,
}

/// What an answer of the storage is for.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) conn: ConnId,
    pub(crate) id: RequestId,
    pub(crate) account: AccountId,
    pub(crate) what: WaitingFor,
    /// How many entries had been amended when it was asked.
    pub(crate) amended: u64,
}

/// Which handler takes the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WaitingFor {
    Create,
    Join(ChannelId),
    Leave(ChannelId),
    Send(ChannelId),
    Mark(ChannelId),
    History { channel: ChannelId, range: HistoryRange, limit: usize },
    Posts { channel: ChannelId, which: Selection, after: Seq },
    Search,
}

impl WaitingFor {
    /// Whether it makes the account a member of one more channel.
    pub(crate) const fn is_membership(self) -> bool {
        matches!(self, Self::Create | Self::Join(_))
    }

    /// Whether it may be answered with a page of entries.
    pub(crate) const fn is_page(self) -> bool {
        matches!(self, Self::History { .. } | Self::Posts { .. } | Self::Search)
    }
}

/// The relay's mind. See the crate's documentation.
#[derive(Debug)]
pub struct Hub {
    pub(crate) config: HubConfig,
    /// In a fixed order, so that the same inputs give the same effects.
    pub(crate) connections: BTreeMap<ConnId, Connection>,
    pub(crate) accounts: HashMap<AccountId, Account>,
    /// By case-folded name, which is the order of listings.
    pub(crate) people: BTreeMap<String, AccountId>,
    pub(crate) channels: HashMap<ChannelId, Channel>,
    /// By case-folded name, which is the order of listings.
    pub(crate) channel_names: BTreeMap<String, ChannelId>,
    pub(crate) sessions: Sessions,
    pub(crate) presence: PresenceBoard,
    pub(crate) typing: TypingBoard,
    pub(crate) news: News,
    /// Questions to the storage: at most `IN_FLIGHT_MAX` for each connection.
    pub(crate) waiting: HashMap<Ticket, Waiting>,
    next_ticket: u64,
    pub(crate) deadlines: Deadlines,
    shutting_down: bool,
}

impl Hub {
    /// A hub that knows what the storage held.
    pub fn new(config: HubConfig, snapshot: Snapshot) -> Self {
        let mut hub = Self {
            config,
            connections: BTreeMap::new(),
            accounts: HashMap::new(),
            people: BTreeMap::new(),
            channels: HashMap::new(),
            channel_names: BTreeMap::new(),
            sessions: Sessions::default(),
            presence: PresenceBoard::default(),
            typing: TypingBoard::default(),
            news: News::default(),
            waiting: HashMap::new(),
            next_ticket: 0,
            deadlines: Deadlines::default(),
            shutting_down: false,
        };
        for record in snapshot.accounts {
            hub.add_account(record);
        }
        for record in snapshot.channels {
            hub.add_channel(record);
        }
        for member in snapshot.members {
            hub.add_member(member);
        }
        hub
    }

    /// Decides what one input leads to. Effects are appended; perform them all before the next input.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Effects) {
        match input {
            Input::Opened { conn, address } => self.opened(now, conn, address, effects),
            Input::Message { conn, message } => self.message(now, conn, message, effects),
            Input::Refused { conn, refusal } => self.refused(now, conn, refusal, effects),
            Input::Closed { conn } => self.closed(now, conn, effects),
            Input::Credential { conn, id, answer } => {
                self.credential_answered(now, conn, id, answer, effects);
            }
            Input::Stored { ticket, answer } => self.stored(ticket, answer, effects),
            Input::Tick => self.tick(now, effects),
            Input::ShutDown { seed } => self.shut_down(seed, effects),
            Input::Drained => self.drained(effects),
        }
    }

    /// Monotonic milliseconds at which an [`Input::Tick`] is due.
    pub fn next_deadline(&self) -> Option<u64> {
        [self.deadlines.next(), self.presence.next(), self.typing.next()].into_iter().flatten().min()
    }

    /// Questions to the storage that are not yet answered. A relay that stops waits until there are none.
    pub fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    fn opened(&mut self, now: Now, conn: ConnId, address: String, effects: &mut Effects) {
        let due_ms = now.mono_ms + PENDING_TIMEOUT_MS;
        self.connections.insert(conn, Connection::new(address, now.wall, now.mono_ms, due_ms));
        self.deadlines.set(due_ms, conn);
        if self.shutting_down {
            self.close(conn, CloseCode::ShuttingDown, "the relay stops", effects);
        }
    }

    fn message(&mut self, now: Now, conn: ConnId, message: Message, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&conn).filter(|c| !c.closing) else { return };
        connection.heard_ms = now.mono_ms;
        if let Phase::Connected(connected) = &connection.phase {
            self.sessions.confirm(connected.session(), conn);
        }
        let (id, is_hello) = (message.id(), matches!(message, Message::Hello(_)));
        let result = if matches!(connection.phase, Phase::Greeting) && !is_hello {
            Err(broken(ErrorCode::HelloFirst, "`hello` comes first: it agrees on a version"))
        } else {
            self.request(now, conn, message, effects)
        };
        if let Err(broken) = result {
            refuse(conn, id, broken, effects);
        }
    }

    fn request(
        &mut self,
        now: Now,
        conn: ConnId,
        message: Message,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        match message {
            Message::Hello(hello) => self.hello(conn, &hello, effects),
            Message::Ping(ping) => pong(conn, ping.id, effects),
            Message::RegisterStart(start) => self.register_start(conn, start, effects),
            Message::RegisterFinish(finish) => self.register_finish(now, conn, finish, effects),
            Message::LoginStart(start) => self.login_start(conn, start, effects),
            Message::LoginFinish(finish) => self.login_finish(now, conn, finish, effects),
            Message::Resume(resume) => self.resume(now, conn, resume, effects),
            Message::Logout(logout) => self.logout(conn, logout.id, effects),
            Message::CreateChannel(create) => self.create_channel(now, conn, create, effects),
            Message::Join(join) => self.join(now, conn, &join, effects),
            Message::Leave(leave) => self.leave(now, conn, &leave, effects),
            Message::Send(send) => self.send(now, conn, send, effects),
            Message::Amend(amend) => self.amend(now, conn, amend, effects),
            Message::Mark(mark) => self.mark(conn, &mark, effects),
            Message::SetTyping(typing) => self.set_typing(now, conn, &typing, effects),
            Message::Search(search) => self.search(conn, search, effects),
            Message::ListPosts(list) => self.list_posts(conn, &list, effects),
            Message::ReadProfile(read) => self.read_profile(conn, &read, effects),
            Message::ReadHistory(read) => self.read_history(conn, &read, effects),
            Message::ListChannels(list) => self.list_channels(conn, &list, effects),
            Message::ListParticipants(list) => self.list_participants(conn, &list, effects),
            Message::ListConnections(list) => self.list_connections(conn, &list, effects),
            // The decoder of a relay yields none of the relay's own messages.
            _ => Err(broken(ErrorCode::Unsupported, "this is not yours to send")),
        }
    }

    fn refused(&mut self, now: Now, conn: ConnId, refusal: Refusal, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&conn).filter(|c| !c.closing) else { return };
        connection.heard_ms = now.mono_ms;
        refuse(conn, refusal.id, refusal.broken, effects);
    }

    fn closed(&mut self, now: Now, conn: ConnId, effects: &mut Effects) {
        let Some(connection) = self.connections.remove(&conn) else { return };
        self.deadlines.forget(connection.due_ms, conn);
        effects.push(Effect::Credential { conn, id: RequestId(0), ask: CredentialAsk::Forget });
        if let Phase::Connected(connected) = connection.phase {
            self.sessions.disconnected(connected.session(), conn, now.wall);
            self.signed_out(now, conn, connected.account(), effects);
        }
    }

    fn tick(&mut self, now: Now, effects: &mut Effects) {
        while let Some(conn) = self.deadlines.pop_due(now.mono_ms) {
            self.judge_silence(now, conn, effects);
        }
        let accounts = self.presence.take_due(now.mono_ms);
        let changes: Vec<Participant> =
            accounts.into_iter().filter_map(|account| self.participant(account)).collect();
        for part in changes.chunks(PRESENCE_CHANGES_MAX) {
            effects.push(Effect::Announce(PresenceChanged { changes: part.to_vec() }));
        }
        self.tell_typing(now, effects);
    }

    fn judge_silence(&mut self, now: Now, conn: ConnId, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let (timeout, until, code, reason) = match connection.phase {
            Phase::Connected(_) => {
                (IDLE_TIMEOUT_MS, u64::MAX, CloseCode::IdleTimeout, "nothing was heard for 90 s")
            }
            _ => (PENDING_TIMEOUT_MS, connection.guest_until_ms, CloseCode::PendingTimeout, NOT_SIGNED_IN),
        };
        let due = until.min(connection.heard_ms + timeout);
        let silent = due <= now.mono_ms;
        // A closing connection whose peer does not go is judged again, so that it cannot be forgotten here.
        connection.due_ms = if silent { now.mono_ms + timeout } else { due };
        self.deadlines.set(connection.due_ms, conn);
        if silent {
            self.close(conn, code, reason, effects);
        }
    }

    /// Sends a close after what is queued. What else the peer says is ignored.
    pub(crate) fn close(&mut self, conn: ConnId, code: CloseCode, reason: &str, effects: &mut Effects) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.closing = true;
            effects.push(Effect::Close { conn, close: Close::new(code, reason) });
        }
    }

    fn shut_down(&mut self, seed: u64, effects: &mut Effects) {
        self.shutting_down = true;
        for conn in self.connections.keys() {
            let delay_ms = mix(seed ^ conn.0) % GO_AWAY_DELAY_MAX_MS;
            effects.push(Effect::Send { conn: *conn, message: GoAway { delay_ms }.into() });
        }
    }

    fn drained(&mut self, effects: &mut Effects) {
        let connections: Vec<ConnId> = self.connections.keys().copied().collect();
        for conn in connections {
            self.close(conn, CloseCode::ShuttingDown, "the relay stops", effects);
        }
    }

    /// Asks the storage for a connection, within its limit.
    pub(crate) fn ask_storage(
        &mut self,
        conn: ConnId,
        id: RequestId,
        account: AccountId,
        what: WaitingFor,
        op: StoreOp,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        if self.shutting_down {
            return Err(broken(ErrorCode::Busy, "the relay stops: reconnect and send it again"));
        }
        let Some(connection) = self.connections.get_mut(&conn) else { return Ok(()) };
        let page = what.is_page();
        if page && connection.histories >= HISTORIES_IN_FLIGHT_MAX {
            let rule =
                format!("at most {HISTORIES_IN_FLIGHT_MAX} pages of entries are in flight: wait for replies");
            return Err(broken(ErrorCode::Busy, rule));
        }
        if connection.in_flight >= IN_FLIGHT_MAX {
            let rule = format!("at most {IN_FLIGHT_MAX} requests are in flight: wait for replies");
            return Err(broken(ErrorCode::Busy, rule));
        }
        connection.in_flight += 1;
        connection.histories += usize::from(page);
        if let Some(account) = self.accounts.get_mut(&account).filter(|_| what.is_membership()) {
            account.joining += 1;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.insert(ticket, Waiting { conn, id, account, what, amended: self.news.count() });
        effects.push(Effect::Store { ticket, op });
        Ok(())
    }

    /// Who speaks on a connection.
    pub(crate) fn actor(&self, conn: ConnId) -> (Actor, Option<AccountId>) {
        let account = self.connections.get(&conn).and_then(Connection::connected).map(Connected::account);
        match account.and_then(|id| self.accounts.get(&id)) {
            Some(account) => (Actor::Account { admin: account.record.admin }, Some(account.record.id)),
            None => (Actor::Pending, None),
        }
    }

    pub(crate) fn participant(&self, account: AccountId) -> Option<Participant> {
        let name = self.accounts.get(&account)?.record.name.clone();
        Some(Participant { account: name, presence: self.presence.of(account) })
    }

    pub(crate) fn add_account(&mut self, record: AccountRecord) {
        self.people.insert(record.name.key().folded, record.id);
        let account = Account { record, channels: BTreeMap::new(), joining: 0, connections: BTreeSet::new() };
        self.accounts.insert(account.record.id, account);
    }

    pub(crate) fn add_channel(&mut self, record: ChannelRecord) {
        let host =
            record.host.and_then(|host| self.accounts.get(&host)).map(|account| account.record.name.clone());
        let host = host.unwrap_or_else(|| self.config.relay_account.clone());
        self.channel_names.insert(record.name.key().folded, record.id);
        self.channels.insert(record.id, Channel::new(record, host));
    }

    pub(crate) fn add_member(&mut self, member: MemberRecord) {
        let MemberRecord { channel, account, marks } = member;
        let (Some(channel), Some(account)) =
            (self.channels.get_mut(&channel), self.accounts.get_mut(&account))
        else {
            return;
        };
        channel.members.insert(account.record.name.key().folded, account.record.id);
        account.channels.insert(channel.record.id, marks);
    }

    pub(crate) fn remove_member(&mut self, channel: ChannelId, account: AccountId) {
        let (Some(channel), Some(account)) =
            (self.channels.get_mut(&channel), self.accounts.get_mut(&account))
        else {
            return;
        };
        channel.members.remove(&account.record.name.key().folded);
        account.channels.remove(&channel.record.id);
    }
}

const NOT_SIGNED_IN: &str = "nothing was heard for 30 s before sign-in, or no sign-in came within 5 minutes";

impl HubConfig {
    /// Whether the name belongs to the relay itself.
    pub(crate) fn is_reserved(&self, name: &AccountName) -> bool {
        let key = name.key();
        key.folded == RELAY_ACCOUNT || key.skeleton == self.relay_account.key().skeleton
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the table of requests has one type")]
fn pong(conn: ConnId, id: RequestId, effects: &mut Effects) -> Result<(), RuleBroken> {
    effects.push(Effect::Send { conn, message: Pong { id }.into() });
    Ok(())
}

/// Answers a request that is not granted.
pub(crate) fn refuse(conn: ConnId, id: Option<RequestId>, broken: RuleBroken, effects: &mut Effects) {
    let message = ErrorReply::new(id, broken.code, broken.rule).into();
    effects.push(Effect::Send { conn, message });
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014): spreads a seed over all bits.
const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
