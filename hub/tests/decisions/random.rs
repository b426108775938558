//! Anything in any order: no panic, no effect for who is not there, and nothing is left when all have gone.
//!
//! A failure prints the smallest sequence it was found with.

use std::collections::{BTreeMap, BTreeSet};

use mechat_hub::{ConnId, CredentialAnswer, CredentialAsk, Effect, Input};
use mechat_protocol::codec::Refusal;
use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::{ChannelId, Entry, ErrorCode, Message, RequestId, RuleBroken, Seq, SessionId};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::requests::{
    create, hello, join, leave, list_channels, list_connections, list_people, login_finish, login_start,
    logout, ping, read, register_finish, register_start, resume, send,
};
use crate::stage::{ANN, BOB, EVE, Stage, authenticated, opaque, session};

/// What happens: which kind of thing, to whom, with what.
type Step = (u8, u8, u8);

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
    /// Checks the effects of one input and remembers what they change.
    fn performed(&mut self, effects: &[Effect], gone: Option<ConnId>) {
        for effect in effects {
            match effect {
                Effect::Send { conn, message } => self.sent(*conn, message),
                Effect::SendPage { conn, .. } => {
                    assert!(self.open.contains(conn), "who is gone reads nothing");
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
        let from_storage =
            matches!(message, Message::Ack(_) | Message::Joined(_) | Message::Left(_) | Message::Error(_));
        assert!(self.open.contains(&conn) || from_storage, "{message:?} to {conn:?}");
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
    match what % 18 {
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
        _ => list_connections(id, None),
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

/// Does one step, and holds its effects against the world.
fn step(stage: &mut Stage, world: &mut World, (what, who, arg): Step) {
    let open: Vec<ConnId> = world.open.iter().copied().collect();
    // One of those that are open; sometimes one that never was.
    let conn = open.get(usize::from(who) % (open.len() + 1)).copied().unwrap_or(ConnId(9_999));
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
    let silent =
        world.closing.contains(&conn) && matches!(input, Input::Message { .. } | Input::Refused { .. });
    let effects = stage.feed(input);
    assert!(!silent || effects.is_empty(), "nothing is heard after a close: {effects:?}");
    world.performed(&effects, gone);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn anything_in_any_order_does_no_harm_and_leaves_nothing(steps in vec(any::<Step>(), 0..400)) {
        let (mut stage, mut world) = (Stage::new(), World::default());
        for step in steps {
            self::step(&mut stage, &mut world, step);
        }
        for conn in world.open.clone() {
            world.open.remove(&conn);
            stage.feed(Input::Closed { conn });
        }
        while !stage.asked.is_empty() {
            stage.storage_effects(false);
        }
        stage.settle();
        prop_assert_eq!(stage.hub.unanswered(), 0);
        prop_assert_eq!(stage.hub.next_deadline(), None);
        let shown = format!("{:?}", stage.hub);
        for empty in ["connections: {}, accounts:", "live: {}, changed: {}", "waiting: {}", "due: {}"] {
            prop_assert!(shown.contains(empty), "{} in {}", empty, shown);
        }
        let accounts = shown.matches("AccountRecord {").count();
        prop_assert_eq!(shown.matches("connections: {} }").count(), accounts, "no account has a connection");
        prop_assert!(!shown.contains("connected: true"), "no session has one either");
    }
}
