//! Limits on numbers of things.

use mechat_hub::{AccountId, AccountRecord, ChannelRecord, Snapshot};
use mechat_protocol::limits::{CHANNELS_PER_ACCOUNT_MAX, HISTORIES_IN_FLIGHT_MAX, IN_FLIGHT_MAX};
use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::{AccountName, ChannelId, ChannelName, Epoch, Seq, Topic, UnixMillis};

use crate::requests::{create, join, leave, ping, read, send};
use crate::stage::{ANN, LOBBY, Stage, config, member};

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("small")
}

#[test]
fn so_many_requests_are_in_flight_and_no_more() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    for n in 0..IN_FLIGHT_MAX {
        assert_eq!(stage.say(1, send(small(n), LOBBY, small(n), "x")), ["store append 1 ann \"x\""]);
    }
    for refused in [send(9, LOBBY, 9_999, "x"), leave(9, LOBBY), join(9, "attic")] {
        assert_eq!(stage.say(1, refused.clone()), ["1 < error 9 busy"], "{refused:?}");
    }
    assert_eq!(stage.hub.unanswered(), IN_FLIGHT_MAX);
    assert_eq!(stage.say(1, ping(9)), ["1 < pong 9"], "what asks no storage is answered");
    stage.sign_in(2, ANN);
    assert_eq!(stage.say(2, send(4, LOBBY, 7_777, "x")).len(), 1, "each connection has its own");
    stage.stored();
    assert_eq!(stage.say(1, send(9, LOBBY, 9_999, "x")), ["store append 1 ann \"x\""], "room for one");
    assert_eq!(stage.say(1, send(9, LOBBY, 9_998, "x")), ["1 < error 9 busy"]);
    stage.storage_fails();
    assert_eq!(stage.say(1, send(9, LOBBY, 9_998, "x")).len(), 1, "a failure makes room too");
}

#[test]
fn so_many_pages_are_in_flight_and_no_more() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    let page = || read(5, LOBBY, HistoryRange::Latest, 10);
    for _ in 0..HISTORIES_IN_FLIGHT_MAX {
        assert_eq!(stage.say(1, page()), ["store read 1 Latest 10"]);
    }
    assert_eq!(stage.say(1, page()), ["1 < error 5 busy"]);
    assert_eq!(stage.say(1, send(6, LOBBY, 1, "x")).len(), 1, "other requests have room");
    stage.stored();
    assert_eq!(stage.say(1, page()), ["store read 1 Latest 10"]);
}

#[test]
fn a_page_that_was_refused_for_other_requests_takes_no_room_for_pages() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    for n in 0..IN_FLIGHT_MAX {
        stage.say(1, send(small(n), LOBBY, small(n), "x"));
    }
    let page = || read(5, LOBBY, HistoryRange::Latest, 10);
    for _ in 0..2 * HISTORIES_IN_FLIGHT_MAX {
        assert_eq!(stage.say(1, page()), ["1 < error 5 busy"]);
    }
    for _ in 0..IN_FLIGHT_MAX {
        stage.stored();
    }
    assert_eq!(stage.say(1, page()), ["store read 1 Latest 10"], "all is answered, so there is room");
}

#[test]
fn an_account_is_in_so_many_channels_and_no_more() {
    let count = CHANNELS_PER_ACCOUNT_MAX as u64;
    let channel = |id| ChannelRecord {
        id: ChannelId(id),
        name: ChannelName::new(&format!("c{id}")).expect("a name"),
        kind: ChannelKind::Public,
        host: None,
        created: UnixMillis(0),
        epoch: Epoch(1),
        head: Seq::ZERO,
        topic: Topic::default(),
    };
    let name = AccountName::new("ann").expect("a name");
    let ann = AccountRecord { id: ANN, name, admin: true, created: UnixMillis(0) };
    let members = (1..=count).map(|id| member(ChannelId(id), AccountId(1))).collect();
    let snapshot =
        Snapshot { accounts: vec![ann], channels: (1..=count + 1).map(channel).collect(), members };
    let mut stage = Stage::with(config(), snapshot);
    stage.sign_in(1, ANN);
    let last = format!("c{}", count + 1);
    assert_eq!(stage.say(1, join(4, &last)), ["1 < error 4 limit_reached"]);
    assert_eq!(stage.say(1, create(5, "new", ChannelKind::Public)), ["1 < error 5 limit_reached"]);
    assert_eq!(stage.say(1, join(6, "c7")).len(), 1, "where one is already, one may be");
    stage.say(1, leave(7, ChannelId(7)));
    stage.stored();
    assert_eq!(stage.say(1, join(8, &last)), [format!("store append {} ann joined", count + 1)]);
}
