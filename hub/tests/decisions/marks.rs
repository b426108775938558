//! How far an account has read, for all its devices.

use mechat_protocol::request::Level;

use crate::requests::{join, leave, list_channels, mark, send};
use crate::stage::{ANN, ATTIC, BOB, EVE, LOBBY, Stage};

fn three_said() -> Stage {
    let mut stage = Stage::new();
    stage.sign_in(1, BOB);
    for n in 1..=3 {
        stage.say(1, send(n, LOBBY, n, "x"));
        stage.stored();
    }
    stage.sign_in(2, ANN);
    stage.sign_in(3, ANN);
    stage
}

#[test]
fn a_mark_is_told_when_it_is_kept_and_to_the_other_devices_of_the_account() {
    let mut stage = three_said();
    assert_eq!(stage.say(2, mark(4, LOBBY, Some(2), None)), ["store mark 1 for 1: 2, None"]);
    assert_eq!(stage.stored(), ["2 < marked 4 read 2 All", "3 < marks 1 read 2 All"]);
    stage.say(3, mark(5, LOBBY, None, Some(Level::Mentions)));
    assert_eq!(stage.stored(), ["3 < marked 5 read 2 Mentions", "2 < marks 1 read 2 Mentions"]);
    let listed = stage.say(2, list_channels(6, None));
    assert_eq!(listed, ["2 < channels 6 [Attic, +lobby read 2 Mentions]"]);
}

#[test]
fn what_was_read_before_and_what_was_never_said_changes_nothing() {
    let mut stage = three_said();
    assert_eq!(
        stage.say(2, mark(4, LOBBY, Some(99), None)),
        ["store mark 1 for 1: 3, None"],
        "up to the head"
    );
    stage.stored();
    for (read, level) in [(Some(1), None), (Some(3), None), (Some(99), Some(Level::All)), (None, None)] {
        assert_eq!(stage.say(2, mark(5, LOBBY, read, level)), ["2 < marked 5 read 3 All"], "{read:?}");
    }
}

#[test]
fn marks_are_a_members() {
    let mut stage = three_said();
    stage.sign_in(4, EVE);
    assert_eq!(stage.say(4, mark(5, LOBBY, Some(1), None)), ["4 < error 5 not_a_member"]);
    stage.say(2, mark(5, LOBBY, Some(1), None));
    stage.say(3, leave(6, LOBBY));
    let marking = stage.asked.pop_front().expect("asked");
    stage.stored();
    stage.asked.push_front(marking);
    assert_eq!(stage.stored(), ["2 < error 5 not_a_member"], "who left meanwhile has none");
    assert_eq!(stage.say(2, mark(7, LOBBY, None, Some(Level::Unknown))), ["2 < error 7 not_a_member"]);
}

#[test]
fn who_joins_has_read_their_own_entry() {
    let mut stage = three_said();
    stage.sign_in(4, EVE);
    stage.say(4, join(5, "attic"));
    assert_eq!(stage.stored()[0], "4 < joined 5 3 Attic by eve head 1 members 1 read 1 All");
    assert_eq!(stage.say(4, mark(6, ATTIC, None, Some(Level::Unknown))), ["4 < error 6 malformed"]);
}
