//! The end of a relay.

use mechat_hub::{Effect, Input};
use mechat_protocol::Message;
use mechat_protocol::limits::GO_AWAY_DELAY_MAX_MS;
use mechat_protocol::request::{ChannelKind, HistoryRange};

use crate::requests::{create, join, leave, list_channels, ping, read, send};
use crate::stage::{ANN, BOB, LOBBY, Stage};

/// The lines of an input that concerns all connections, in an order of their own.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn everyone_is_told_what_is_stored_is_answered_then_everyone_is_closed() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.open(2);
    stage.say(1, send(4, LOBBY, 1, "in time"));
    let told = sorted(stage.tell(Input::ShutDown { seed: 1 }));
    assert_eq!(told, ["1 < go_away", "2 < go_away"]);
    assert_eq!(stage.hub.unanswered(), 1);
    for late in [
        send(5, LOBBY, 2, "late"),
        join(5, "attic"),
        leave(5, LOBBY),
        create(5, "new", ChannelKind::Public),
        read(5, LOBBY, HistoryRange::Latest, 1),
    ] {
        assert_eq!(stage.say(1, late.clone()), ["1 < error 5 busy"], "{late:?}");
    }
    assert_eq!(stage.say(1, ping(6)), ["1 < pong 6"]);
    assert_eq!(stage.say(1, list_channels(7, None)), ["1 < channels 7 [Attic, +lobby]"]);
    assert_eq!(stage.stored(), ["1 < ack 4 1/1", "broadcast 1/1 ann \"in time\""]);
    assert_eq!(stage.hub.unanswered(), 0);
    assert_eq!(stage.open(3), ["close 3: shutting_down"], "the door is shut");
    let closed = sorted(stage.tell(Input::Drained));
    assert_eq!(closed, ["close 1: shutting_down", "close 2: shutting_down", "close 3: shutting_down"]);
}

#[test]
fn everyone_is_asked_to_wait_for_another_time() {
    let mut stage = Stage::new();
    for conn in 1..=50 {
        stage.sign_in(conn, BOB);
    }
    let delays = |stage: &mut Stage, seed| -> Vec<u64> {
        let mut told: Vec<(u64, u64)> = stage
            .feed(Input::ShutDown { seed })
            .into_iter()
            .map(|effect| match effect {
                Effect::Send { conn, message: Message::GoAway(go) } => (conn.0, go.delay_ms),
                other => panic!("{other:?}"),
            })
            .collect();
        told.sort_unstable();
        told.into_iter().map(|(_, delay)| delay).collect()
    };
    let first = delays(&mut stage, 1);
    assert!(first.iter().all(|delay| *delay < GO_AWAY_DELAY_MAX_MS));
    let different: std::collections::BTreeSet<&u64> = first.iter().collect();
    assert!(different.len() > 40, "a herd would come back at once: {first:?}");
    assert_eq!(delays(&mut stage, 1), first, "the seed decides");
    assert_ne!(delays(&mut stage, 2), first);
}
