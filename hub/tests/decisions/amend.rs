//! Changing what was said: who may, what is told, and what is refused.

use mechat_hub::{AmendRefusal, AppendOutcome, StoreAnswer};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{Amendment, Content};

use crate::requests::{
    amend, create, delete, edit, join, leave, list_channels, pin, react, read, send, topic,
};
use crate::stage::{ANN, BOB, EVE, LOBBY, Stage};

/// Bob said something in the lobby, as its first entry.
fn said() -> Stage {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.sign_in(2, BOB);
    stage.say(2, send(4, LOBBY, 1, "helo"));
    assert_eq!(stage.stored(), ["2 < ack 4 1/1", "broadcast 1/1 Bob \"helo\""]);
    stage
}

#[test]
fn what_was_said_is_replaced_before_its_amendment_is_told() {
    let mut stage = said();
    assert_eq!(stage.say(2, amend(5, LOBBY, 2, edit(1, "hello"))), ["store append 1 Bob edit 1 \"hello\""]);
    let told = ["replace 1/1 Bob \"hello\"", "2 < ack 5 1/2", "broadcast 1/2 Bob edit 1 \"hello\""];
    assert_eq!(stage.stored(), told);
    stage.say(1, amend(6, LOBBY, 3, react(1, true)));
    let told = ["replace 1/1 Bob \"hello\"", "1 < ack 6 1/3", "broadcast 1/3 ann react 1 👍 true"];
    assert_eq!(stage.stored(), told);
    stage.say(1, amend(7, LOBBY, 4, delete(1)));
    let told = ["replace 1/1 Bob removed by ann", "1 < ack 7 1/4", "broadcast 1/4 ann delete 1"];
    assert_eq!(stage.stored(), told);
}

#[test]
fn what_changes_nothing_is_acknowledged_with_the_place_that_stands() {
    let mut stage = said();
    stage.say(2, amend(5, LOBBY, 2, edit(1, "helo")));
    assert_eq!(stage.stored(), ["2 < ack 5 1/1"], "and told to nobody");
}

#[test]
fn only_a_host_or_an_admin_pins_and_sets_the_topic() {
    let mut stage = said();
    for amendment in [pin(1, true), pin(1, false), topic("news")] {
        let refused = stage.say(2, amend(5, LOBBY, 2, amendment.clone()));
        assert_eq!(refused, ["2 < error 5 forbidden"], "the lobby is the relay's: {amendment:?}");
        assert_eq!(stage.say(1, amend(5, LOBBY, 2, amendment)).len(), 1, "ann is an admin");
        stage.stored();
    }
    stage.say(2, create(6, "shed", mechat_protocol::request::ChannelKind::Public));
    stage.stored();
    let shed = mechat_protocol::ChannelId(4);
    assert_eq!(stage.say(2, amend(7, shed, 5, topic("tools"))), ["store append 4 Bob topic \"tools\""]);
}

#[test]
fn whether_the_sender_keeps_order_is_told_to_the_storage() {
    use mechat_hub::StoreOp;
    for (conn, account, keeps_order) in [(1, ANN, true), (2, BOB, false)] {
        let mut stage = Stage::new();
        stage.sign_in(conn, account);
        stage.say(conn, amend(4, LOBBY, 1, delete(1)));
        let Some((_, StoreOp::Append(draft))) = stage.asked.pop_front() else { panic!("asked") };
        assert_eq!(draft.moderates, keeps_order, "{account}");
    }
}

#[test]
fn what_the_storage_refuses_is_refused_with_its_rule() {
    for (refusal, code) in [
        (AmendRefusal::NoSuchMessage, "no_such_message"),
        (AmendRefusal::NotTheSenders, "forbidden"),
        (AmendRefusal::TooManyReactions, "limit_reached"),
        (AmendRefusal::TooManyPins, "limit_reached"),
    ] {
        let mut stage = said();
        stage.say(1, amend(5, LOBBY, 2, delete(1)));
        let refused = StoreAnswer::Appended(AppendOutcome::Refused(refusal));
        assert_eq!(stage.stored_as(refused), [format!("1 < error 5 {code}")]);
    }
}

#[test]
fn what_this_version_does_not_know_is_refused() {
    let mut stage = said();
    let unknown_words = Amendment::Edit { seq: mechat_protocol::Seq(1), content: Content::Unknown };
    for amendment in [Amendment::Unknown, unknown_words] {
        assert_eq!(stage.say(2, amend(5, LOBBY, 2, amendment)), ["2 < error 5 unsupported"]);
    }
}

#[test]
fn a_former_members_amendment_may_be_a_resend_and_a_strangers_channel_does_not_exist() {
    let mut stage = said();
    stage.say(2, leave(5, LOBBY));
    stage.stored();
    assert_eq!(stage.say(2, amend(6, LOBBY, 2, edit(1, "hello"))).len(), 1, "the storage knows");
    let refused = StoreAnswer::Appended(AppendOutcome::NotAMember);
    assert_eq!(stage.stored_as(refused), ["2 < error 6 not_a_member"]);
    stage.sign_in(3, EVE);
    let den = crate::stage::DEN;
    assert_eq!(stage.say(3, amend(4, den, 1, delete(1))), ["3 < error 4 no_such_channel"]);
}

#[test]
fn a_topic_is_told_to_who_comes_later() {
    let mut stage = said();
    stage.say(1, amend(5, LOBBY, 2, topic("the next release")));
    assert_eq!(stage.stored(), ["1 < ack 5 1/2", "broadcast 1/2 ann topic \"the next release\""]);
    stage.sign_in(3, EVE);
    assert_eq!(stage.say(3, list_channels(4, None)), ["3 < channels 4 [Attic, lobby (the next release)]"]);
    stage.say(3, join(5, "lobby"));
    assert!(stage.stored()[0].contains("the next release"));
}

#[test]
fn a_page_that_was_amended_on_its_way_is_read_again() {
    let mut stage = said();
    stage.say(1, read(5, LOBBY, HistoryRange::Latest, 10));
    let (ticket, _) = stage.asked.pop_front().expect("asked");
    stage.say(2, amend(6, LOBBY, 2, delete(1)));
    stage.stored();
    let stale = crate::stage::history(&[crate::stage::entry(LOBBY, 1, "Bob", "helo")]);
    let again = stage.tell(mechat_hub::Input::Stored { ticket, answer: Ok(stale) });
    assert_eq!(again, ["store read 1 Latest 10"], "the words are not told any more");
    assert_eq!(stage.stored(), ["1 < history 5 head 2 [1/1 Bob removed by Bob, 1/2 Bob delete 1]"]);
    assert_eq!(stage.hub.unanswered(), 0);
}

#[test]
fn a_page_of_other_entries_is_not_read_again() {
    let mut stage = said();
    stage.say(1, read(5, LOBBY, HistoryRange::Latest, 10));
    let (ticket, _) = stage.asked.pop_front().expect("asked");
    stage.say(2, amend(6, LOBBY, 2, edit(1, "hello")));
    stage.stored();
    let other = crate::stage::history(&[crate::stage::entry(LOBBY, 2, "Bob", "other")]);
    let page = stage.tell(mechat_hub::Input::Stored { ticket, answer: Ok(other) });
    assert_eq!(page, ["1 < history 5 head 2 [1/2 Bob \"other\"]"]);
}
