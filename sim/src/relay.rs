//! The relay's shell: real hub, modelled hands.
//!
//! Models the order guarantees of `relay/src/driver.rs`: all effects of one input are performed before the next is fed; what comes
//! back from storage is fed in the order in which it was committed; answers of reads and credentials come in any order; the end of a connection
//! is fed behind everything that it sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};
use mechat_hub::{
    ConnId, CredentialAnswer, CredentialAsk, Effect, Failure, Hub, HubConfig, Input, Now, StoreOp, Ticket,
};
use mechat_protocol::codec::{EncodeError, FrameDecoder, encode};
use mechat_protocol::event::{Close, PresenceChanged, Typing};
use mechat_protocol::limits::FRAME_LEN_MAX_PENDING;
use mechat_protocol::message::Sender;
use mechat_protocol::name::RELAY_ACCOUNT;
use mechat_protocol::page::EncodedPage;
use mechat_protocol::reply::{Durability, Marks};
use mechat_protocol::{AccountId, AccountName, ChannelId, Entry, Message, Nonce, RequestId, UnixMillis};

use crate::agenda::{Happening, Life};
use crate::model::{Verdict, Violation};
use crate::mutation::Mutation;
use crate::outbound::Outbound;
use crate::store::Answer;
use crate::trace::note;
use crate::wire::Way;
use crate::world::World;

/// Milliseconds that a relay which stops waits for what is not yet committed.
const DRAIN_LIMIT_MS: u64 = 3_000;
/// Milliseconds by which a mutated relay starts a live feed after it told the heads.
const LATE_FEED_MS: u64 = 40;
/// What a clock on the wall shows at the beginning.
const WALL_MS: i64 = 1_767_225_600_000;

/// A relay process.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) life: Life,
    pub(crate) hub: Hub,
    pub(crate) peers: BTreeMap<ConnId, Peer>,
    pub(crate) subscribers: BTreeMap<ChannelId, BTreeSet<ConnId>>,
    /// Feeds that start too late, by mutation.
    pub(crate) late: BTreeMap<ConnId, BTreeSet<ChannelId>>,
    /// Messages that are not yet answered, and who was signed in when they came: neither a logout nor a lost link unsays them.
    pub(crate) sends: BTreeMap<(ConnId, RequestId), (Sent, Option<AccountName>)>,
    /// What is committed and not yet fed, in order.
    pub(crate) outcomes: VecDeque<(Ticket, Answer)>,
    /// By mutation: the present transaction was answered before it was committed.
    pub(crate) answered_early: bool,
    pub(crate) stopping: bool,
}

/// What an `ack` answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sent {
    Said(Nonce),
    Amended(Nonce),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) outbound: Outbound,
    pub(crate) decoder: FrameDecoder,
    pub(crate) buffer: BytesMut,
    /// Whether what arrives still counts.
    pub(crate) reading: bool,
    pub(crate) signed_in: bool,
    /// Who is signed in.
    pub(crate) account: Option<AccountName>,
    /// Whose password is being proved.
    login: Option<AccountId>,
    /// When bytes last went out, or there were none.
    pub(crate) progress_ms: u64,
    pub(crate) watched: bool,
}

impl Peer {
    fn new(outbound: Outbound, now_ms: u64) -> Self {
        Self {
            outbound,
            decoder: FrameDecoder::new(Sender::Client, FRAME_LEN_MAX_PENDING, 0),
            buffer: BytesMut::new(),
            reading: true,
            signed_in: false,
            account: None,
            login: None,
            progress_ms: now_ms,
            watched: false,
        }
    }
}

impl World {
    pub(crate) fn start_relay(&mut self) {
        if self.relay.is_some() {
            return;
        }
        self.relay_lives += 1;
        let config = HubConfig {
            agent: "sim".into(),
            motd: None,
            durability: Durability::Fsync,
            participants_before_sign_in: false,
            relay_account: AccountName::new(RELAY_ACCOUNT).expect("a valid name"),
        };
        let kept = &self.store.kept;
        let members = kept.channels.iter().flat_map(|channel| {
            let id = channel.record.id;
            let name = |member: &AccountId| kept.accounts.iter().find(|account| account.id == *member);
            channel.members.keys().filter_map(name).map(move |account| (id, account.name.clone()))
        });
        self.model.hub_starts(members);
        let kept_logs = kept.channels.iter().all(|channel| channel.log == self.model.log(channel.record.id));
        self.relay = Some(Relay {
            life: Life(self.relay_lives),
            hub: Hub::new(config, kept.snapshot()),
            peers: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            late: BTreeMap::new(),
            sends: BTreeMap::new(),
            outcomes: VecDeque::new(),
            answered_early: false,
            stopping: false,
        });
        note!(self, "relay starts");
        self.ensure(kept_logs, "I1: what is committed survives", || {
            "a restarted relay finds other logs".into()
        });
    }

    /// The relay of that life, if it still runs.
    pub(crate) fn relay_of(&mut self, life: Life) -> Option<&mut Relay> {
        self.relay.as_mut().filter(|relay| relay.life == life)
    }

    pub(crate) fn peer(&mut self, conn: ConnId) -> Option<&mut Peer> {
        self.relay.as_mut()?.peers.get_mut(&conn)
    }

    /// A connection reached the relay.
    pub(crate) fn accept(&mut self, conn: ConnId) {
        let says_lagged = self.mutation != Some(Mutation::DropLagged);
        let outbound = Outbound::new(self.plan.outbound_max, says_lagged);
        let Some(relay) = &mut self.relay else { return };
        relay.peers.insert(conn, Peer::new(outbound, self.now_ms));
        self.feed(Input::Opened { conn, address: format!("192.0.2.1:{}", conn.0) });
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let Some(relay) = &mut self.relay else { return };
        let wall = UnixMillis(WALL_MS + i64::try_from(self.now_ms).unwrap_or(0) + self.wall_offset_ms);
        let mut effects = Vec::new();
        relay.hub.handle(Now { mono_ms: self.now_ms, wall }, input, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { conn, message } => self.send(conn, &message),
            Effect::Broadcast(entry) => self.broadcast(entry),
            // Nobody reads from the memory of this relay, and what is on its way to somebody was told.
            Effect::Replace(_) => {}
            Effect::Typing(typing) => self.tell_typing(&typing),
            Effect::Marks { conn, changed } => self.send(conn, &changed.into()),
            Effect::Announce(presence) => self.announce(&presence),
            Effect::Subscribe { conn, channel } => self.subscribe(conn, channel),
            Effect::SendPage { conn, page } => self.send_page(conn, &page),
            Effect::Unsubscribe { conn, channel, last: _ } => self.unsubscribe(conn, channel),
            Effect::SignedIn { conn, signed_in } => self.signed_in(conn, signed_in),
            Effect::Close { conn, close } => self.close(conn, close),
            Effect::Credential { conn, id, ask } => self.ask_credentials(conn, id, &ask),
            Effect::Store { ticket, op } => self.ask_storage(ticket, op),
        }
    }

    fn send(&mut self, conn: ConnId, message: &Message) {
        self.judge_reply(conn, message);
        if let Message::SignedIn(reply) = message
            && let Some(peer) = self.peer(conn)
        {
            peer.account = Some(reply.account.clone());
        }
        self.send_frame(conn, message.tag(), encode(message));
    }

    fn send_page(&mut self, conn: ConnId, page: &EncodedPage) {
        let account = self.peer(conn).and_then(|peer| peer.account.as_ref()).cloned();
        let verdict = self.model.paged(account.as_ref(), page.channel);
        self.judge(verdict);
        let mut frame = Vec::new();
        match page.encode_into(&mut frame) {
            Ok(()) => self.send_frame(conn, "history", Ok(frame.into())),
            Err(error) => self.send_frame(conn, "history", Err(error)),
        }
    }

    fn send_frame(&mut self, conn: ConnId, tag: &str, frame: Result<Bytes, EncodeError>) {
        note!(self, "relay to {}: {tag}", conn.0);
        // The heads are told by now; a mutated relay begins to listen only after that.
        let told = matches!(tag, "channels" | "history");
        let Some(relay) = &mut self.relay else { return };
        let Some(peer) = relay.peers.get_mut(&conn) else { return };
        match frame {
            Ok(frame) => peer.outbound.reply(frame),
            Err(error) => return self.broken("every reply fits in a frame", error.to_string()),
        }
        if told && relay.late.contains_key(&conn) {
            self.agenda.at(self.now_ms + LATE_FEED_MS, Happening::LateFeed(relay.life, conn));
        }
        self.write(conn);
    }

    fn judge_reply(&mut self, conn: ConnId, message: &Message) {
        let Some(relay) = &mut self.relay else { return };
        let said = message.id().and_then(|id| relay.sends.remove(&(conn, id)));
        let account = relay.peers.get(&conn).and_then(|peer| peer.account.clone());
        let verdict = match (message, said) {
            (Message::Ack(ack), Some((Sent::Said(nonce), Some(by)))) => {
                self.model.acked(&by, nonce, ack.position)
            }
            (Message::Ack(ack), Some((Sent::Amended(nonce), Some(by)))) => {
                self.model.amended(&by, nonce, ack.position)
            }
            (Message::Marked(marked), _) => self.judge_marks(account.as_ref(), marked.channel, marked.marks),
            (Message::Marks(changed), _) => {
                self.judge_marks(account.as_ref(), changed.channel, changed.marks)
            }
            (Message::Ack(ack), _) => Err(Violation {
                invariant: "an ack answers a message",
                seen: format!("{ack:?} to {}", conn.0),
            }),
            (_, Some((Sent::Said(nonce), _))) => {
                self.model.turned_away(nonce);
                Ok(())
            }
            _ => Ok(()),
        };
        self.judge(verdict);
    }

    /// The one who is told is signed in: marks are not told to who left meanwhile.
    fn judge_marks(&mut self, account: Option<&AccountName>, channel: ChannelId, marks: Marks) -> Verdict {
        account.map_or(Ok(()), |account| self.model.marked(account, channel, marks))
    }

    fn broadcast(&mut self, entry: Entry) {
        note!(self, "relay broadcasts {} of {}", entry.seq, entry.channel);
        let Some(relay) = &mut self.relay else { return };
        let Some(conns) = relay.subscribers.get(&entry.channel).cloned() else { return };
        let (channel, head) = (entry.channel, entry.seq);
        for conn in &conns {
            let account = relay.peers.get(conn).and_then(|peer| peer.account.as_ref());
            if let Err(violation) = self.model.pushed(account, &entry) {
                self.violation.get_or_insert(violation);
            }
        }
        let Ok(frame) = encode(&entry.into()) else {
            return self.broken("every entry fits in a frame", format!("{head} of {channel}"));
        };
        for conn in conns {
            let fitted = self.peer(conn).is_none_or(|peer| peer.outbound.entry(channel, head, frame.clone()));
            if !fitted {
                note!(self, "{} lags in {channel} at {head}", conn.0);
                self.counts.lags += 1;
            }
            self.write(conn);
        }
    }

    /// Who types, to whoever has nothing else to read: of what others are told only the latest counts.
    fn tell_typing(&mut self, typing: &Typing) {
        let Some(relay) = self.relay.as_mut().filter(|_| !typing.accounts.is_empty()) else { return };
        let Ok(frame) = encode(&typing.clone().into()) else {
            return self.broken("who types fits in a frame", format!("{typing:?}"));
        };
        let conns = relay.subscribers.get(&typing.channel).cloned().unwrap_or_default();
        for conn in conns {
            if let Some(peer) = self.peer(conn).filter(|peer| peer.outbound.is_empty()) {
                peer.outbound.reply(frame.clone());
            }
            self.write(conn);
        }
    }

    fn announce(&mut self, presence: &PresenceChanged) {
        let Ok(frame) = encode(&presence.clone().into()) else {
            return self.broken("presence fits in a frame", format!("{presence:?}"));
        };
        let Some(relay) = &mut self.relay else { return };
        let conns: Vec<ConnId> =
            relay.peers.iter().filter(|(_, peer)| peer.signed_in).map(|(conn, _)| *conn).collect();
        for conn in conns {
            if let Some(peer) = self.peer(conn) {
                peer.outbound.presence(presence, frame.clone());
            }
            self.write(conn);
        }
    }

    fn subscribe(&mut self, conn: ConnId, channel: ChannelId) {
        let late = self.mutation == Some(Mutation::DropSpliceLock);
        let Some(relay) = &mut self.relay else { return };
        if late {
            relay.late.entry(conn).or_default().insert(channel);
        } else {
            relay.subscribers.entry(channel).or_default().insert(conn);
        }
    }

    /// By mutation: only now the connection's live feed starts.
    pub(crate) fn late_feed(&mut self, life: Life, conn: ConnId) {
        let Some(relay) = self.relay_of(life) else { return };
        for channel in relay.late.remove(&conn).into_iter().flatten() {
            relay.subscribers.entry(channel).or_default().insert(conn);
        }
    }

    fn unsubscribe(&mut self, conn: ConnId, channel: ChannelId) {
        let gone = self.mutation != Some(Mutation::SkipUnsubscribe);
        let Some(relay) = self.relay.as_mut().filter(|_| gone) else { return };
        if let Some(late) = relay.late.get_mut(&conn) {
            late.remove(&channel);
        }
        if let Some(conns) = relay.subscribers.get_mut(&channel) {
            conns.remove(&conn);
            if conns.is_empty() {
                relay.subscribers.remove(&channel);
            }
        }
    }

    fn signed_in(&mut self, conn: ConnId, signed_in: bool) {
        let Some(peer) = self.peer(conn) else { return };
        peer.signed_in = signed_in;
        if !signed_in {
            peer.account = None;
        }
    }

    pub(crate) fn close(&mut self, conn: ConnId, close: Close) {
        note!(self, "relay closes {}: {}", conn.0, close.code);
        if let Some(peer) = self.peer(conn) {
            peer.outbound.end(encode(&close.into()).ok());
        }
        self.write(conn);
    }

    fn ask_credentials(&mut self, conn: ConnId, id: RequestId, ask: &CredentialAsk) {
        if matches!(ask, CredentialAsk::Forget) {
            return;
        }
        let fresh = self.dice.next();
        let named = match ask {
            CredentialAsk::LoginStart { account, .. } => {
                self.store.kept.accounts.iter().find(|known| known.name == *account).map(|known| known.id)
            }
            _ => None,
        };
        let after_ms = self.dice.between(0, 30);
        let Some(relay) = &mut self.relay else { return };
        let Some(peer) = relay.peers.get_mut(&conn) else { return };
        let login = std::mem::replace(&mut peer.login, named);
        let answer = if !self.calm && self.dice.percent(1) {
            CredentialAnswer::Failed
        } else {
            self.store.kept.tokens.answer(ask, login, fresh)
        };
        self.agenda.at(self.now_ms + after_ms, Happening::Credential(relay.life, conn, id, answer));
    }

    fn ask_storage(&mut self, ticket: Ticket, op: StoreOp) {
        let Some(life) = self.relay.as_ref().map(|relay| relay.life) else { return };
        let is_read =
            matches!(op, StoreOp::ReadHistory { .. } | StoreOp::ReadPosts { .. } | StoreOp::Search { .. });
        if is_read {
            let fails = !self.calm && self.dice.percent(1);
            let read = if fails { Err(Failure) } else { self.store.kept.read(&op) };
            let at_ms = self.now_ms + self.dice.between(0, 20);
            return self.agenda.at(at_ms, Happening::Read(life, ticket, read));
        }
        self.store.submit(ticket, op);
        self.begin_commit();
    }

    /// Asks the relay to stop.
    pub(crate) fn stop_relay(&mut self) {
        let seed = self.dice.next();
        let Some(relay) = self.relay.as_mut().filter(|relay| !relay.stopping) else { return };
        relay.stopping = true;
        self.agenda.at(self.now_ms + DRAIN_LIMIT_MS, Happening::DrainLimit(relay.life));
        note!(self, "relay is told to stop");
        self.feed(Input::ShutDown { seed });
        self.end_if_drained();
    }

    pub(crate) fn end_if_drained(&mut self) {
        if let Some(relay) = self.relay.as_ref().filter(|relay| relay.stopping && relay.hub.unanswered() == 0)
        {
            self.drained(relay.life);
        }
    }

    /// Nothing is unanswered any more, or the relay does not wait longer.
    pub(crate) fn drained(&mut self, life: Life) {
        if self.relay_of(life).is_some() {
            self.feed(Input::Drained);
            note!(self, "relay stops");
            self.end_relay(true);
        }
    }

    /// The process is over. What is queued for a peer may still reach it where the end was in order.
    pub(crate) fn end_relay(&mut self, in_order: bool) {
        let Some(relay) = self.relay.take() else { return };
        self.store.lose_uncommitted();
        for conn in relay.peers.into_keys() {
            if in_order {
                self.hang_up(conn, Way::Down);
            } else {
                self.cut(conn);
            }
        }
        let at_ms = self.now_ms + self.dice.spread(20, 4_000);
        self.agenda.at(at_ms, Happening::RelayStarts);
    }

    pub(crate) fn credential_done(
        &mut self,
        life: Life,
        conn: ConnId,
        id: RequestId,
        answer: CredentialAnswer,
    ) {
        if self.relay_of(life).is_some() {
            self.feed(Input::Credential { conn, id, answer });
        }
    }
}
