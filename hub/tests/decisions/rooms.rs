//! Making, joining and leaving channels: who is told what, in which order.

use mechat_hub::{AppendOutcome, StoreAnswer};
use mechat_protocol::ChannelId;
use mechat_protocol::request::{ChannelKind, HistoryRange};

use crate::requests::{create, join, leave, list_channels, list_people, read, send};
use crate::stage::{ANN, ATTIC, BOB, DEN, EVE, LOBBY, Stage};

#[test]
fn a_join_is_answered_then_subscribed_then_broadcast() {
    let mut stage = Stage::new();
    stage.sign_in(1, EVE);
    stage.sign_in(2, EVE);
    stage.sign_in(3, ANN);
    assert_eq!(stage.say(1, join(4, "LOBBY")), ["store append 1 eve joined"]);
    assert_eq!(
        stage.stored(),
        [
            "1 < joined 4 1 lobby by relay head 1 members 3 read 1 All",
            "subscribe 1 to 1",
            "subscribe 2 to 1",
            "broadcast 1/1 eve joined",
        ]
    );
    assert_eq!(
        stage.say(2, join(5, "lobby")),
        ["2 < joined 5 1 lobby by relay head 1 members 3 read 1 All"],
        "no entry"
    );
}

#[test]
fn a_join_that_the_storage_knew_is_answered_without_an_entry() {
    let mut stage = Stage::new();
    stage.sign_in(1, EVE);
    stage.say(1, join(4, "attic"));
    let answer = StoreAnswer::Appended(AppendOutcome::Unchanged);
    assert_eq!(stage.stored_as(answer), ["1 < joined 4 3 Attic by eve head 0 members 0"]);
}

#[test]
fn what_one_may_not_know_of_does_not_exist() {
    let mut stage = Stage::new();
    stage.sign_in(1, EVE);
    for hidden in ["den", "DEN", "nowhere"] {
        assert_eq!(stage.say(1, join(4, hidden)), ["1 < error 4 no_such_channel"], "{hidden}");
    }
    for hidden in [DEN, ChannelId(99)] {
        for request in [
            leave(5, hidden),
            send(5, hidden, 1, "hi"),
            read(5, hidden, HistoryRange::Latest, 1),
            list_people(5, Some(hidden), None),
        ] {
            assert_eq!(stage.say(1, request.clone()), ["1 < error 5 no_such_channel"], "{request:?}");
        }
    }
    assert_eq!(stage.say(1, list_channels(6, None)), ["1 < channels 6 [Attic, lobby]"]);
}

#[test]
fn who_is_no_member_is_told_so() {
    let mut stage = Stage::new();
    stage.sign_in(1, EVE);
    for request in
        [leave(5, LOBBY), read(5, LOBBY, HistoryRange::Latest, 1), list_people(5, Some(LOBBY), None)]
    {
        assert_eq!(stage.say(1, request.clone()), ["1 < error 5 not_a_member"], "{request:?}");
    }
}

#[test]
fn a_leave_ends_where_it_was_asked_for_and_its_entry_is_the_last_word_elsewhere() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.sign_in(2, ANN);
    assert_eq!(stage.say(1, leave(4, LOBBY)), ["store append 1 ann left"]);
    assert_eq!(
        stage.stored(),
        ["unsubscribe 1 from 1", "1 < left 4 1", "broadcast 1/1 ann left", "unsubscribe 2 from 1 after 1"]
    );
    assert_eq!(stage.say(2, read(5, LOBBY, HistoryRange::Latest, 1)), ["2 < error 5 not_a_member"]);
    stage.sign_in(3, BOB);
    assert_eq!(stage.say(3, list_people(4, Some(LOBBY), None)), ["3 < participants 4 [+Bob]"]);
}

#[test]
fn a_second_leave_on_its_way_is_answered_without_an_entry() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.say(1, leave(4, LOBBY));
    stage.say(1, leave(5, LOBBY));
    stage.stored();
    assert_eq!(stage.stored(), ["unsubscribe 1 from 1", "1 < left 5 1"]);
}

#[test]
fn who_comes_back_is_a_member_again() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.say(1, leave(4, LOBBY));
    stage.stored();
    stage.say(1, join(5, "lobby"));
    assert_eq!(
        stage.stored(),
        [
            "1 < joined 5 1 lobby by relay head 2 members 2 read 2 All",
            "subscribe 1 to 1",
            "broadcast 1/2 ann joined"
        ]
    );
}

#[test]
fn who_makes_a_channel_is_its_host_and_first_member() {
    let mut stage = Stage::new();
    stage.sign_in(1, BOB);
    stage.sign_in(2, BOB);
    assert_eq!(stage.say(1, create(4, "Café", ChannelKind::Public)), ["store create Café by Bob"]);
    assert_eq!(
        stage.stored(),
        [
            "1 < joined 4 4 Café by Bob head 1 members 1 read 1 All",
            "subscribe 1 to 4",
            "subscribe 2 to 4",
            "broadcast 4/1 Bob joined",
        ]
    );
    stage.sign_in(3, EVE);
    assert_eq!(stage.say(3, join(4, "CAFÉ")), ["store append 4 eve joined"], "it can be found at once");
    let people = stage.say(1, list_people(5, Some(ChannelId(4)), None));
    assert_eq!(people, ["1 < participants 5 [+Bob]"], "a join counts once it is stored");
}

#[test]
fn a_channel_that_is_there_is_not_made_again() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    for taken in ["lobby", "Lobby", "ATTIC", "den"] {
        let made = stage.say(1, create(4, taken, ChannelKind::Public));
        assert_eq!(made, ["1 < error 4 channel_exists"], "{taken}");
    }
    stage.say(1, create(5, "new", ChannelKind::Public));
    assert_eq!(
        stage.stored_as(StoreAnswer::ChannelExists),
        ["1 < error 5 channel_exists"],
        "just made by another"
    );
    for kind in [ChannelKind::Private, ChannelKind::Direct, ChannelKind::Unknown] {
        assert_eq!(stage.say(1, create(6, "new", kind)), ["1 < error 6 unsupported"], "{kind:?}");
    }
}

#[test]
fn a_membership_is_for_good_and_greets_the_next_connection() {
    let mut stage = Stage::new();
    stage.sign_in(1, EVE);
    stage.say(1, join(4, "attic"));
    stage.stored();
    stage.closed(1);
    stage.greet(2);
    let in_ = stage.sign_in_again(2, EVE, 2);
    assert_eq!(in_, ["2 is signed in", "2 < signed_in 3 eve", format!("subscribe 2 to {ATTIC}").as_str()]);
}

#[test]
fn a_storage_that_fails_changes_nothing() {
    let mut stage = Stage::new();
    stage.sign_in(1, EVE);
    stage.sign_in(2, ANN);
    for (conn, request) in [
        (1, create(4, "new", ChannelKind::Public)),
        (1, join(4, "lobby")),
        (2, leave(4, LOBBY)),
        (2, send(4, LOBBY, 1, "hi")),
        (2, read(4, LOBBY, HistoryRange::Latest, 1)),
    ] {
        stage.say(conn, request);
        assert_eq!(stage.storage_fails(), [format!("{conn} < error 4 internal")]);
    }
    assert_eq!(stage.say(1, list_channels(5, None)), ["1 < channels 5 [Attic, lobby]"]);
    assert_eq!(stage.say(2, list_people(5, Some(LOBBY), None)), ["2 < participants 5 [+ann, -Bob]"]);
}

#[test]
fn who_went_before_the_answer_still_joined() {
    let mut stage = Stage::new();
    stage.sign_in(1, EVE);
    stage.sign_in(2, EVE);
    stage.say(1, join(4, "attic"));
    stage.closed(1);
    let stored = stage.stored();
    assert_eq!(stored[1..], ["subscribe 2 to 3", "broadcast 3/1 eve joined"], "the log is the truth");
}
