//! Who is writing something: told together, forgotten in time.

use mechat_protocol::limits::{TYPING_MS, TYPISTS_MAX};

use crate::requests::{leave, send, typing};
use crate::stage::{ANN, BOB, EVE, LOBBY, Stage};

fn two() -> Stage {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.sign_in(2, BOB);
    stage.settle();
    stage
}

#[test]
fn those_who_type_within_a_moment_are_told_together_the_latest_first() {
    let mut stage = two();
    assert_eq!(stage.say(1, typing(4, LOBBY)), ["1 < done 4"]);
    stage.now_ms += 60;
    assert_eq!(stage.say(2, typing(4, LOBBY)), ["2 < done 4"]);
    assert_eq!(stage.wait(40), ["tell 1: typing [Bob, ann]"]);
    assert_eq!(stage.wait(100), [""; 0], "once");
    stage.say(1, typing(5, LOBBY));
    assert_eq!(stage.wait(100), ["tell 1: typing [ann, Bob]"], "still");
}

#[test]
fn who_types_no_more_is_forgotten_without_a_word_to_those_who_know() {
    let mut stage = two();
    stage.say(1, typing(4, LOBBY));
    stage.wait(100);
    assert_eq!(stage.wait(TYPING_MS - 101), [""; 0]);
    assert_eq!(stage.wait(1), ["tell 1: typing []"]);
    assert!(!format!("{:?}", stage.hub).contains("Typist {"));
    stage.say(2, typing(4, LOBBY));
    assert_eq!(stage.wait(100), ["tell 1: typing [Bob]"], "the other is not among them");
}

#[test]
fn who_says_something_or_leaves_is_done() {
    let mut stage = two();
    stage.say(1, typing(4, LOBBY));
    stage.say(2, typing(4, LOBBY));
    stage.say(1, send(5, LOBBY, 1, "there"));
    let told = stage.stored();
    assert_eq!(told, ["tell 1: typing []", "1 < ack 5 1/1", "broadcast 1/1 ann \"there\""]);
    assert_eq!(stage.wait(100), ["tell 1: typing [Bob]"]);
    stage.say(2, leave(6, LOBBY));
    assert!(stage.stored().contains(&"tell 1: typing []".to_owned()));
}

#[test]
fn only_members_type_and_only_so_many_are_told() {
    let mut stage = two();
    stage.sign_in(3, EVE);
    assert_eq!(stage.say(3, typing(4, LOBBY)), ["3 < error 4 not_a_member"]);
    let count = TYPISTS_MAX as u64 + 4;
    let mut stage = Stage::with(crate::stage::config(), crate::listing::crowd(count));
    for conn in 1..=count {
        stage.sign_in(conn, mechat_hub::AccountId(conn));
        stage.say(conn, typing(4, LOBBY));
    }
    let told = stage.wait(100);
    let told = told.iter().find(|line| line.starts_with("tell")).expect("told");
    assert_eq!(told.matches(", ").count() + 1, TYPISTS_MAX);
    assert!(told.contains(&format!("[p{count:04}, ")), "the latest first: {told}");
}
