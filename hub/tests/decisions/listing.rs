//! Pages of channels, people and connections.

use mechat_hub::{AccountId, AccountRecord, ChannelRecord, CredentialAnswer, Snapshot};
use mechat_protocol::request::ChannelKind;
use mechat_protocol::{AccountName, ChannelId, ChannelName, Epoch, Seq, Topic, UnixMillis};

use crate::requests::{list_channels, list_connections, list_people, logout, resume};
use crate::stage::{ANN, BOB, EVE, LOBBY, Stage, authenticated, config, member, session, snapshot};

/// So many accounts and channels, all public, the names in the order of their numbers.
pub(crate) fn crowd(count: u64) -> Snapshot {
    Snapshot {
        accounts: (1..=count)
            .map(|id| AccountRecord {
                id: AccountId(id),
                name: AccountName::new(&format!("p{id:04}")).expect("a name"),
                admin: false,
                created: UnixMillis(0),
            })
            .collect(),
        channels: (1..=count)
            .map(|id| ChannelRecord {
                id: ChannelId(id),
                name: ChannelName::new(&format!("c{id:04}")).expect("a name"),
                kind: ChannelKind::Public,
                host: None,
                created: UnixMillis(0),
                epoch: Epoch(1),
                head: Seq::ZERO,
                topic: Topic::default(),
            })
            .collect(),
        members: (1..=count).map(|id| member(ChannelId(1), AccountId(id))).collect(),
    }
}

/// The rows of a page, and whether there is more.
fn rows(lines: &[String]) -> (Vec<&str>, bool) {
    let [line] = lines else { panic!("one reply: {lines:?}") };
    let (_, rest) = line.split_once('[').expect("a page");
    let (rows, after) = rest.split_once(']').expect("a page");
    (rows.split(", ").filter(|row| !row.is_empty()).collect(), after == " and more")
}

#[test]
fn long_lists_come_in_pages_of_a_hundred() {
    for (count, sizes) in [(99, vec![99]), (100, vec![100]), (101, vec![100, 1]), (250, vec![100, 100, 50])] {
        let mut stage = Stage::with(config(), crowd(count));
        stage.sign_in(1, AccountId(1));
        let ask = |kind: usize, after: Option<&str>| match kind {
            0 => list_channels(4, after),
            1 => list_people(4, None, after),
            _ => list_people(4, Some(ChannelId(1)), after),
        };
        for kind in 0..3 {
            let (mut seen, mut lens) = (Vec::new(), Vec::new());
            loop {
                let after = seen.last().map(|row: &String| row.trim_start_matches(['+', '-']).to_owned());
                let lines = stage.say(1, ask(kind, after.as_deref()));
                let (page, more) = rows(&lines);
                lens.push(page.len());
                seen.extend(page.into_iter().map(str::to_owned));
                if !more {
                    break;
                }
            }
            assert_eq!(lens, sizes, "{count} of kind {kind}");
            let names: Vec<&str> = seen.iter().map(|row| row.trim_start_matches(['+', '-'])).collect();
            assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}

#[test]
fn order_is_that_of_folded_names_and_a_page_goes_on_after_any_name() {
    let mut stage = Stage::new();
    stage.sign_in(1, BOB);
    assert_eq!(stage.say(1, list_channels(4, None)), ["1 < channels 4 [Attic, +den, +lobby]"]);
    assert_eq!(stage.say(1, list_channels(4, Some("ATTIC"))), ["1 < channels 4 [+den, +lobby]"]);
    assert_eq!(
        stage.say(1, list_channels(4, Some("cellar"))),
        ["1 < channels 4 [+den, +lobby]"],
        "not there"
    );
    assert_eq!(stage.say(1, list_channels(4, Some("zoo"))), ["1 < channels 4 []"]);
    assert_eq!(stage.say(1, list_people(5, None, Some("ANN"))), ["1 < participants 5 [+Bob, -eve]"]);
    let members = stage.say(1, list_people(6, Some(LOBBY), None));
    assert_eq!(members, ["1 < participants 6 [-ann, +Bob]"]);
}

#[test]
fn connections_are_for_admins() {
    let mut stage = Stage::new();
    stage.sign_in(1, BOB);
    assert_eq!(stage.say(1, list_connections(4, None)), ["1 < error 4 forbidden"]);
}

#[test]
fn a_connection_is_one_row_from_pending_to_disconnected() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    let seen = |stage: &mut Stage| {
        let lines = stage.say(1, list_connections(9, None));
        rows(&lines).0.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    stage.open(2);
    assert_eq!(seen(&mut stage), ["1 ann Connected", "2 Pending"], "before hello too");
    stage.say(2, crate::requests::hello(1));
    assert_eq!(seen(&mut stage), ["1 ann Connected", "2 Pending"]);
    stage.sign_in_again(2, EVE, 22);
    assert_eq!(seen(&mut stage), ["1 ann Connected", "2 eve Connected"], "pending is over");
    stage.closed(2);
    assert_eq!(seen(&mut stage), ["1 ann Connected", "2 eve Disconnected"]);
    stage.greet(3);
    assert_eq!(seen(&mut stage), ["1 ann Connected", "2 eve Disconnected", "3 Pending"]);
    stage.say(3, resume(2));
    stage.credential(3, 2, authenticated(EVE, 22));
    assert_eq!(seen(&mut stage), ["1 ann Connected", "3 eve Connected"], "one session, one row");
    stage.say(3, logout(4));
    stage.credential(3, 4, CredentialAnswer::Revoked(session(22)));
    assert_eq!(seen(&mut stage), ["1 ann Connected", "3 Pending"], "the session is over");
    stage.closed(3);
    assert_eq!(seen(&mut stage), ["1 ann Connected"], "and pending returns to nothing");
}

#[test]
fn rows_of_connections_come_in_pages() {
    let mut stage = Stage::with(config(), snapshot());
    stage.sign_in(1, ANN);
    for conn in 2..=150 {
        stage.open(conn);
    }
    let lines = stage.say(1, list_connections(4, None));
    let (first, more) = rows(&lines);
    assert_eq!((first.len(), first[99], more), (100, "100 Pending", true));
    let lines = stage.say(1, list_connections(5, Some(100)));
    let (second, more) = rows(&lines);
    assert_eq!((second.len(), second[0], more), (50, "101 Pending", false));
    let lines = stage.say(1, list_connections(6, Some(50)));
    let (exact, more) = rows(&lines);
    assert_eq!((exact.len(), more), (100, false), "a full page may be the last");
}

#[test]
fn a_session_that_came_back_is_not_forgotten_with_those_that_went() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.greet(2);
    stage.sign_in_again(2, BOB, 5_000);
    stage.closed(2);
    stage.greet(3);
    stage.sign_in_again(3, BOB, 5_000);
    for conn in 4..=1_100 {
        stage.sign_in(conn, EVE);
        stage.closed(conn);
    }
    let lines = stage.say(1, list_connections(4, None));
    assert_eq!(rows(&lines).0[..2], ["1 ann Connected", "3 Bob Connected"]);
}

#[test]
fn sessions_that_went_are_forgotten_the_longest_gone_first() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    for conn in 2..=1_100 {
        stage.sign_in(conn, EVE);
        stage.closed(conn);
    }
    let lines = stage.say(1, list_connections(4, Some(1)));
    assert_eq!(rows(&lines).0[0], "77 eve Disconnected", "1,024 are remembered");
}
