//! Pinned messages, replies, what is searched for, and who somebody is.

use mechat_hub::{Found, StoreAnswer};
use mechat_protocol::Content;
use mechat_protocol::limits::HISTORIES_IN_FLIGHT_MAX;
use mechat_protocol::request::{HistoryRange, Selection};

use crate::requests::{amend, edit, leave, list_posts, pin, profile, read, said as say, search, send};
use crate::stage::{ANN, BOB, DEN, LOBBY, Stage, entry};

/// Ann said something in the lobby, Bob answered, and it is pinned.
fn said() -> Stage {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.sign_in(2, BOB);
    stage.say(1, send(1, LOBBY, 1, "one"));
    stage.stored();
    stage.say(2, say(2, LOBBY, 2, Content::text("two").expect("a text"), Some(1)));
    stage.stored();
    stage.say(1, amend(3, LOBBY, 3, pin(1, true)));
    stage.stored();
    stage
}

#[test]
fn pinned_messages_and_replies_are_listed_for_members() {
    let mut stage = said();
    let asked = stage.say(1, list_posts(4, LOBBY, Selection::Pinned));
    assert_eq!(asked, ["store read posts 1 Pinned after 0 100"]);
    assert_eq!(stage.stored(), ["1 < posts 4 [1/1 ann \"one\"]"]);
    stage.say(2, list_posts(5, LOBBY, Selection::Replies { seq: mechat_protocol::Seq(1) }));
    assert_eq!(stage.stored(), ["2 < posts 5 [1/2 Bob \"two\" to 1]"]);
    assert_eq!(stage.say(1, list_posts(6, DEN, Selection::Pinned)), ["1 < error 6 no_such_channel"]);
    stage.say(1, list_posts(7, LOBBY, Selection::Pinned));
    let listing = stage.asked.pop_front().expect("asked");
    stage.say(1, leave(8, LOBBY));
    stage.stored();
    stage.asked.push_front(listing);
    assert_eq!(stage.stored(), ["1 < error 7 not_a_member"], "who left meanwhile reads nothing");
}

#[test]
fn posts_that_were_amended_on_their_way_are_read_again() {
    let mut stage = said();
    stage.say(2, list_posts(4, LOBBY, Selection::Pinned));
    let (ticket, _) = stage.asked.pop_front().expect("asked");
    stage.say(1, amend(5, LOBBY, 4, edit(1, "uno")));
    stage.stored();
    let stale = mechat_hub::PostsRead { entries: vec![entry(LOBBY, 1, "ann", "one")], more: false };
    let answer = Ok(StoreAnswer::PostsRead(stale));
    let again = stage.tell(mechat_hub::Input::Stored { ticket, answer });
    assert_eq!(again, ["store read posts 1 Pinned after 0 100"]);
    assert_eq!(stage.stored(), ["2 < posts 4 [1/1 ann \"uno\"]"]);
}

#[test]
fn one_searches_where_one_is_a_member_and_nowhere_else() {
    let mut stage = said();
    assert_eq!(stage.say(2, search(4, "x", None)), ["store search \"x\" in 1 2 before None 10"]);
    assert_eq!(stage.stored(), ["2 < found 4 [1/2 Bob \"two\" to 1, 1/1 ann \"one\"] then 9"]);
    assert_eq!(stage.say(1, search(5, "x", Some(LOBBY))), ["store search \"x\" in 1 before None 10"]);
    assert_eq!(stage.say(1, search(6, "x", Some(DEN))), ["1 < error 6 no_such_channel"]);
}

#[test]
fn what_is_found_is_told_as_it_is_at_the_moment_of_the_answer() {
    let mut stage = said();
    stage.say(2, search(4, "x", None));
    let (ticket, _) = stage.asked.pop_front().expect("asked");
    stage.say(1, amend(5, LOBBY, 4, edit(1, "uno")));
    stage.stored();
    stage.say(2, leave(6, DEN));
    stage.stored();
    let found = vec![entry(DEN, 1, "Bob", "x"), entry(LOBBY, 2, "Bob", "two"), entry(LOBBY, 1, "ann", "one")];
    let answer = Ok(StoreAnswer::Found(Found::Page(found, None)));
    let told = stage.tell(mechat_hub::Input::Stored { ticket, answer });
    assert_eq!(told, ["2 < found 4 [1/2 Bob \"two\"]"], "neither old words nor a channel that was left");
}

#[test]
fn an_index_that_is_behind_is_busy() {
    let mut stage = said();
    stage.say(2, search(4, "x", None));
    assert_eq!(stage.stored_as(StoreAnswer::Found(Found::Behind)), ["2 < error 4 busy"]);
}

#[test]
fn pages_of_all_kinds_are_counted_together() {
    let mut stage = said();
    let pages = [
        search(4, "x", None),
        list_posts(4, LOBBY, Selection::Pinned),
        read(4, LOBBY, HistoryRange::Latest, 10),
        search(4, "x", None),
    ];
    for (count, page) in pages.into_iter().enumerate() {
        let lines = stage.say(2, page);
        assert_eq!(lines == ["2 < error 4 busy"], count >= HISTORIES_IN_FLIGHT_MAX, "{count}: {lines:?}");
    }
}

#[test]
fn somebody_is_found_by_name_in_any_case() {
    let mut stage = said();
    assert_eq!(stage.say(2, profile(4, "ANN")), ["2 < profile 4 ann since 7 (admin) Connected"]);
    assert_eq!(stage.say(2, profile(5, "eve")), ["2 < profile 5 eve since 7 Disconnected"]);
    assert_eq!(stage.say(2, profile(6, "nobody")), ["2 < error 6 no_such_account"]);
}
