//! Anything in any order: no panic, no effect for who is not there, and nothing is left when all have gone.
//!
//! Owns what the world outside a hub knows, and holds every effect against it. A property test and a fuzz target feed it.

use std::collections::{BTreeMap, BTreeSet};

use mechat_hub::{ConnId, CredentialAnswer, CredentialAsk, Effect, Input};
use mechat_protocol::codec::{Incoming, Refusal};
use mechat_protocol::limits::{IN_FLIGHT_MAX, TYPING_MS, TYPISTS_MAX};
use mechat_protocol::request::{ChannelKind, HistoryRange, Selection};
use mechat_protocol::{ChannelId, Entry, ErrorCode, Message, RequestId, RuleBroken, Seq, SessionId};

use crate::requests::{
    amend, create, delete, edit, hello, join, leave, list_channels, list_connections, list_people,
    list_posts, login_finish, login_start, logout, mark, pin, ping, read, register_finish, register_start,
    resume, search, send, topic, typing,
};
use crate::stage::{ANN, BOB, EVE, Stage, authenticated, opaque, session};

/// What happens: which kind of thing, to whom, with what.
pub(crate) type Step = (u8, u8, u8);

/// One thing that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// Made up of three numbers.
    Step(Step),
    /// A frame comes from one of those that are there.
    Heard(u8, Incoming),
}

/// What the world outside knows, to hold the effects against.
#[derive(Default)]
struct World {
    open: BTreeSet<ConnId>,
    closing: BTreeSet<ConnId>,
    signed_in: BTreeSet<ConnId>,
    subscribed: BTreeSet<(ConnId, ChannelId)>,
    /// Questions to the credentials, oldest first.
    asked: Vec<(ConnId, RequestId, Asked)>,
    heads: BTreeMap<ChannelId, Seq>,
    next_conn: u64,
}

impl World {
    /// One of those that are open; sometimes one that never was.
    fn somebody(&self, who: u8) -> ConnId {
        let place = usize::from(who) % (self.open.len() + 1);
        self.open.iter().nth(place).copied().unwrap_or(ConnId(9_999))
    }

    /// Checks the effects of one input and remembers what they change.
    fn performed(&mut self, effects: &[Effect], gone: Option<ConnId>) {
        for effect in effects {
            match effect {
                Effect::Send { conn, message } => self.sent(*conn, message),
                Effect::SendPage { conn, .. } => {
                    assert!(self.open.contains(conn), "who is gone reads nothing");
                }
                Effect::Replace(entry) => self.replaced(entry),
                Effect::Typing(typing) => assert!(typing.accounts.len() <= TYPISTS_MAX),
                Effect::Marks { conn, .. } => {
                    assert!(self.signed_in.contains(conn), "marks are their own account's");
                }
                Effect::Broadcast(entry) => self.broadcast(entry),
                Effect::Announce(presence) => assert!(!presence.changes.is_empty()),
                Effect::Subscribe { conn, channel } => {
                    assert!(self.signed_in.contains(conn), "who is subscribed is signed in");
                    self.subscribed.insert((*conn, *channel));
                }
                Effect::Unsubscribe { conn, channel, .. } => {
                    assert!(self.open.contains(conn) || gone == Some(*conn));
                    // A second leave on its way unsubscribes again, which changes nothing.
                    self.subscribed.remove(&(*conn, *channel));
                }
                Effect::SignedIn { conn, signed_in: true } => {
                    assert!(self.open.contains(conn) && !self.closing.contains(conn));
                    assert!(self.signed_in.insert(*conn), "signed in once");
                }
                Effect::SignedIn { conn, signed_in: false } => {
                    assert!(self.signed_in.remove(conn), "signed out once");
                    assert!(self.subscribed.iter().all(|(other, _)| other != conn), "of nothing any more");
                }
                Effect::Close { conn, .. } => {
                    assert!(self.open.contains(conn));
                    self.closing.insert(*conn);
                }
                Effect::Credential { conn, ask: CredentialAsk::Forget, .. } => assert_eq!(Some(*conn), gone),
                Effect::Credential { conn, id, ask } => {
                    assert!(self.open.contains(conn));
                    self.asked.push((*conn, *id, asked(ask)));
                }
                Effect::Store { .. } => {}
            }
        }
        let left = self.subscribed.iter().find(|(conn, _)| gone == Some(*conn));
        assert_eq!(left, None, "who is gone gets nothing");
    }

    /// A reply may be on its way to who is gone, since the storage does not know; nothing else may.
    fn sent(&self, conn: ConnId, message: &Message) {
        let from_storage = matches!(
            message,
            Message::Marked(_)
                | Message::Found(_)
                | Message::Posts(_)
                | Message::Ack(_)
                | Message::Joined(_)
                | Message::Left(_)
                | Message::Error(_)
        );
        assert!(self.open.contains(&conn) || from_storage, "{message:?} to {conn:?}");
    }

    fn replaced(&self, entry: &Entry) {
        let head = self.heads.get(&entry.channel).copied().unwrap_or_default();
        assert!(entry.seq <= head, "only what was told is replaced");
    }

    fn broadcast(&mut self, entry: &Entry) {
        let head = self.heads.entry(entry.channel).or_insert(Seq::ZERO);
        assert_eq!(entry.seq, head.next(), "in order, each once");
        *head = entry.seq;
    }
}

/// What the credentials were asked.
#[derive(Clone, Copy)]
enum Asked {
    RegisterStart,
    RegisterFinish,
    LoginStart,
    SignIn,
    Revoke(SessionId),
}

fn asked(ask: &CredentialAsk) -> Asked {
    match ask {
        CredentialAsk::RegisterStart { .. } => Asked::RegisterStart,
        CredentialAsk::RegisterFinish { .. } => Asked::RegisterFinish,
        CredentialAsk::LoginStart { .. } => Asked::LoginStart,
        CredentialAsk::LoginFinish { .. } | CredentialAsk::Resume { .. } => Asked::SignIn,
        CredentialAsk::Revoke { session } => Asked::Revoke(*session),
        CredentialAsk::Forget => panic!("to forget is no question"),
    }
}

fn request(what: u8, arg: u8) -> Message {
    let (id, channel) = (u32::from(arg), ChannelId(u64::from(arg % 6)));
    let name = ["lobby", "den", "attic", "new", "newer"][usize::from(arg) % 5];
    match what % 24 {
        0 => hello(id),
        1 => register_start(id, ["zoe", "relay", "max"][usize::from(arg) % 3]),
        2 => register_finish(id),
        3 => login_start(id, "ann"),
        4 => login_finish(id),
        5..=6 => resume(id),
        7 => logout(id),
        8 => ping(id),
        9 => create(id, name, ChannelKind::Public),
        10..=11 => join(id, name),
        12 => leave(id, channel),
        13 => send(id, channel, u32::from(arg / 4), "x"),
        14 => read(id, channel, HistoryRange::After { seq: Seq(u64::from(arg % 4)) }, 3),
        15 => list_channels(id, None),
        16 => list_people(id, (arg.is_multiple_of(2)).then_some(channel), None),
        17 => list_connections(id, None),
        18..=19 => amend(
            id,
            channel,
            u32::from(arg / 4),
            [delete(1), pin(2, true), topic("x"), edit(3, "y")][usize::from(arg) % 4].clone(),
        ),
        20 => mark(id, channel, Some(u64::from(arg)), None),
        21 => typing(id, channel),
        22 => search(id, "x", arg.is_multiple_of(2).then_some(channel)),
        _ => list_posts(id, channel, Selection::Pinned),
    }
}

fn answer(asked: Asked, arg: u8) -> CredentialAnswer {
    let number = u64::from(arg % 5);
    match (asked, arg % 8) {
        (_, 0) => CredentialAnswer::Failed,
        (Asked::RegisterStart, _) => CredentialAnswer::RegisterChallenge(opaque()),
        (Asked::RegisterFinish | Asked::LoginStart, 1) => CredentialAnswer::Malformed,
        (Asked::RegisterFinish, _) => CredentialAnswer::NameTaken,
        (Asked::LoginStart, _) => CredentialAnswer::LoginChallenge(opaque()),
        (Asked::Revoke(session), _) => CredentialAnswer::Revoked(session),
        (Asked::SignIn, 1) => CredentialAnswer::InvalidToken,
        (Asked::SignIn, 2) => CredentialAnswer::Replayed(session(number)),
        // Sessions are few, so that they resume on each other's connections.
        (Asked::SignIn, _) => authenticated([ANN, BOB, EVE][usize::from(arg % 5) % 3], number),
    }
}

/// Does all of it, then ends every connection; nothing must be left.
pub(crate) fn live_through(events: impl IntoIterator<Item = Event>) {
    let (mut stage, mut world) = (Stage::new(), World::default());
    for event in events {
        match event {
            Event::Step(step) => self::step(&mut stage, &mut world, step),
            Event::Heard(who, incoming) => heard(&mut stage, &mut world, who, incoming),
        }
        assert_eq!(stage.hub.unanswered(), stage.asked.len(), "each question is answered once");
        let connections = usize::try_from(world.next_conn).expect("few");
        assert!(stage.hub.unanswered() <= IN_FLIGHT_MAX * connections, "what waits is bounded");
    }
    for conn in world.open.clone() {
        world.open.remove(&conn);
        stage.feed(Input::Closed { conn });
    }
    while !stage.asked.is_empty() {
        stage.storage_effects(false);
    }
    stage.settle();
    stage.wait(TYPING_MS);
    assert_eq!((stage.hub.unanswered(), stage.hub.next_deadline()), (0, None));
    let shown = format!("{:?}", stage.hub);
    for empty in ["connections: {}, accounts:", "live: {}, changed: {}", "waiting: {}", "due: {}"] {
        assert!(shown.contains(empty), "{empty} in {shown}");
    }
    let accounts = shown.matches("AccountRecord {").count();
    assert_eq!(shown.matches("connections: {} }").count(), accounts, "no account has a connection");
    assert!(!shown.contains("connected: true"), "no session has one either");
}

/// A frame as the decoder of a relay gives it.
fn heard(stage: &mut Stage, world: &mut World, who: u8, incoming: Incoming) {
    let conn = world.somebody(who);
    say(
        stage,
        world,
        conn,
        match incoming {
            Incoming::Message(message) => Input::Message { conn, message },
            Incoming::Refused(refusal) => Input::Refused { conn, refusal },
        },
        None,
    );
}

/// Feeds an input, and holds its effects against the world.
fn say(stage: &mut Stage, world: &mut World, conn: ConnId, input: Input, gone: Option<ConnId>) {
    let silent =
        world.closing.contains(&conn) && matches!(input, Input::Message { .. } | Input::Refused { .. });
    let effects = stage.feed(input);
    assert!(!silent || effects.is_empty(), "nothing is heard after a close: {effects:?}");
    world.performed(&effects, gone);
}

/// Does one step.
fn step(stage: &mut Stage, world: &mut World, (what, who, arg): Step) {
    let conn = world.somebody(who);
    let mut gone = None;
    let input = match what {
        0..=19 => {
            world.next_conn += 1;
            let conn = ConnId(world.next_conn);
            world.open.insert(conn);
            Input::Opened { conn, address: "192.0.2.1:1".into() }
        }
        20..=34 => {
            world.open.remove(&conn);
            world.closing.remove(&conn);
            world.signed_in.remove(&conn);
            gone = Some(conn);
            Input::Closed { conn }
        }
        35..=94 if !world.asked.is_empty() => {
            let (conn, id, asked) = world.asked.remove(usize::from(who) % world.asked.len());
            Input::Credential { conn, id, answer: answer(asked, arg) }
        }
        95..=134 if !stage.asked.is_empty() => {
            let lines = if arg == 0 { stage.storage_effects(true) } else { stage.storage_effects(false) };
            return world.performed(&lines, None);
        }
        135..=144 => {
            stage.now_ms += u64::from(arg) * 300;
            Input::Tick
        }
        145..=149 => {
            let broken = RuleBroken { code: ErrorCode::Malformed, rule: "no".into() };
            Input::Refused { conn, refusal: Refusal { id: None, broken } }
        }
        150 if arg < 4 => Input::ShutDown { seed: u64::from(arg) },
        _ => Input::Message { conn, message: request(what, arg) },
    };
    say(stage, world, conn, input, gone);
}
