//! Saying something and reading what was said.

use mechat_hub::{AppendOutcome, StoreAnswer};
use mechat_protocol::Content;
use mechat_protocol::Seq;
use mechat_protocol::request::HistoryRange;

use crate::requests::{join, leave, logout, read, said, send};
use crate::stage::{ANN, ATTIC, BOB, EVE, LOBBY, Stage, authenticated, session};

fn text(text: &str) -> Content {
    Content::text(text).expect("a text")
}

#[test]
fn nothing_is_acknowledged_before_it_is_stored_and_then_before_it_is_told() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    assert_eq!(stage.say(1, send(4, LOBBY, 1, "one")), ["store append 1 ann \"one\""]);
    assert_eq!(stage.say(1, send(5, LOBBY, 2, "two")), ["store append 1 ann \"two\""]);
    assert_eq!(stage.stored(), ["1 < ack 4 1/1", "broadcast 1/1 ann \"one\""]);
    assert_eq!(stage.stored(), ["1 < ack 5 1/2", "broadcast 1/2 ann \"two\""]);
}

#[test]
fn a_resend_is_acknowledged_with_the_first_place_and_told_to_nobody() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    for (id, words) in [(4, "once"), (5, "once"), (6, "other words")] {
        stage.say(1, send(id, LOBBY, 7, words));
    }
    assert_eq!(stage.stored(), ["1 < ack 4 1/1", "broadcast 1/1 ann \"once\""]);
    assert_eq!(stage.stored(), ["1 < ack 5 1/1"]);
    assert_eq!(stage.stored(), ["1 < ack 6 1/1"]);
    stage.say(1, join(8, "attic"));
    stage.stored();
    stage.say(1, send(9, ATTIC, 7, "elsewhere"));
    assert_eq!(stage.stored(), ["1 < ack 9 1/1"]);
    stage.sign_in(2, BOB);
    stage.say(2, send(4, LOBBY, 7, "mine"));
    assert_eq!(stage.stored(), ["2 < ack 4 1/2", "broadcast 1/2 Bob \"mine\""], "nonces are one's own");
}

#[test]
fn who_went_before_the_answer_has_still_said_it() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.say(1, send(4, LOBBY, 1, "last words"));
    stage.closed(1);
    assert_eq!(stage.stored(), ["1 < ack 4 1/1", "broadcast 1/1 ann \"last words\""]);
}

#[test]
fn what_answers_an_entry_names_one_that_exists() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    let reply = |id, to| said(id, LOBBY, id, text("yes"), Some(to));
    assert_eq!(stage.say(1, reply(4, 1)), ["1 < error 4 malformed"], "nothing was said yet");
    stage.say(1, send(5, LOBBY, 5, "well?"));
    assert_eq!(stage.say(1, reply(6, 1)), ["1 < error 6 malformed"], "nor stored");
    stage.stored();
    assert_eq!(stage.say(1, reply(7, 1)), ["store append 1 ann \"yes\" to 1"]);
    assert_eq!(stage.say(1, reply(8, 2)), ["1 < error 8 malformed"]);
    assert_eq!(stage.say(1, reply(9, 0)), ["1 < error 9 malformed"], "0 is before the first");
}

#[test]
fn content_of_a_later_version_is_refused() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    assert_eq!(stage.say(1, said(4, LOBBY, 1, Content::Unknown, None)), ["1 < error 4 unsupported"]);
}

#[test]
fn a_page_says_where_the_log_ends() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    for nonce in 1..=3 {
        stage.say(1, send(4, LOBBY, nonce, "x"));
        stage.stored();
    }
    let after = |id, seq, limit| read(id, LOBBY, HistoryRange::After { seq: Seq(seq) }, limit);
    assert_eq!(stage.say(1, after(5, 1, 1)), ["store read 1 After { seq: Seq(1) } 1"]);
    assert_eq!(stage.stored(), ["1 < history 5 head 3 [1/2 ann \"x\"] and more"]);
    stage.say(1, after(6, 3, 9));
    assert_eq!(stage.stored(), ["1 < history 6 head 3 []"]);
}

#[test]
fn a_page_has_at_least_one_entry_and_at_most_a_hundred() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    for (asked, given) in [(0, 1), (1, 1), (100, 100), (101, 100), (u16::MAX, 100)] {
        let asks = stage.say(1, read(4, LOBBY, HistoryRange::Latest, asked));
        assert_eq!(asks, [format!("store read 1 Latest {given}")]);
        stage.stored();
    }
}

#[test]
fn a_page_is_for_members_even_if_they_were_some_when_they_asked() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.say(1, leave(4, LOBBY));
    stage.say(1, read(5, LOBBY, HistoryRange::Latest, 10));
    stage.stored();
    assert_eq!(stage.stored(), ["1 < error 5 not_a_member"]);
}

#[test]
fn a_page_is_not_for_whoever_signed_in_on_the_connection_meanwhile() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.say(1, read(5, LOBBY, HistoryRange::Latest, 10));
    stage.say(1, logout(6));
    stage.credential(1, 6, mechat_hub::CredentialAnswer::Revoked(session(1)));
    stage.say(1, crate::requests::resume(7));
    stage.credential(1, 7, authenticated(EVE, 2));
    assert_eq!(stage.stored(), ["1 < error 5 not_a_member"]);
}

#[test]
fn whether_a_message_of_a_former_member_is_a_resend_is_the_storages_to_say() {
    let mut stage = Stage::new();
    stage.sign_in(1, EVE);
    assert_eq!(stage.say(1, send(4, LOBBY, 1, "hi")), ["store append 1 eve \"hi\""]);
    let refused = StoreAnswer::Appended(AppendOutcome::NotAMember);
    assert_eq!(stage.stored_as(refused), ["1 < error 4 not_a_member"]);
}
