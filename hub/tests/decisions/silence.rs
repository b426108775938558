//! Time: silence, pings, and when people are told who came and went.

use mechat_hub::{ConnId, Input};
use mechat_protocol::codec::Refusal;
use mechat_protocol::limits::{IDLE_TIMEOUT_MS, PENDING_TIMEOUT_MS};
use mechat_protocol::{ErrorCode, RequestId, RuleBroken};

use crate::requests::{logout, ping};
use crate::stage::{ANN, BOB, EVE, Stage, session};

const NOTHING: [&str; 0] = [];

/// Milliseconds from now until the hub wants to be told of the time.
fn due_in(stage: &Stage) -> Option<u64> {
    stage.hub.next_deadline().map(|due| due - stage.now_ms)
}

#[test]
fn a_connection_that_does_not_sign_in_ends_after_thirty_seconds_of_silence() {
    let mut stage = Stage::new();
    assert_eq!(due_in(&stage), None, "nothing to wait for");
    stage.open(1);
    assert_eq!(due_in(&stage), Some(PENDING_TIMEOUT_MS));
    assert_eq!(stage.wait(PENDING_TIMEOUT_MS - 1), NOTHING);
    assert_eq!(stage.wait(1), ["close 1: pending_timeout"]);
    assert_eq!(stage.say(1, ping(2)), NOTHING);
    assert_eq!(stage.closed(1), ["forget 1"]);
    assert_eq!(due_in(&stage), None);
}

#[test]
fn any_frame_breaks_the_silence() {
    let mut stage = Stage::new();
    stage.greet(1);
    stage.wait(20_000);
    assert_eq!(stage.say(1, ping(2)), ["1 < pong 2"]);
    assert_eq!(stage.wait(10_000), NOTHING, "judged, and heard meanwhile");
    assert_eq!(due_in(&stage), Some(20_000));
    let broken = RuleBroken { code: ErrorCode::Malformed, rule: "no".into() };
    let refusal = Refusal { id: Some(RequestId(3)), broken };
    assert_eq!(stage.tell(Input::Refused { conn: ConnId(1), refusal }), ["1 < error 3 malformed"]);
    assert_eq!(stage.wait(PENDING_TIMEOUT_MS - 1), NOTHING);
    assert_eq!(stage.wait(1), ["close 1: pending_timeout"]);
}

#[test]
fn who_is_signed_in_may_be_silent_for_ninety_seconds() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.settle();
    stage.say(1, ping(4));
    assert_eq!(stage.wait(IDLE_TIMEOUT_MS - 1), NOTHING);
    assert_eq!(stage.wait(1), ["close 1: idle_timeout"]);
}

#[test]
fn pings_keep_a_connection_for_good() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.settle();
    for id in 0..100 {
        assert_eq!(stage.say(1, ping(id)), [format!("1 < pong {id}")]);
        assert_eq!(stage.wait(20_000), NOTHING);
    }
}

#[test]
fn a_closed_peer_that_does_not_go_is_not_forgotten() {
    let mut stage = Stage::new();
    stage.open(1);
    stage.wait(PENDING_TIMEOUT_MS);
    assert_eq!(due_in(&stage), Some(PENDING_TIMEOUT_MS));
    assert_eq!(stage.wait(PENDING_TIMEOUT_MS), ["close 1: pending_timeout"], "told again");
}

#[test]
fn comings_and_goings_are_collected_for_a_moment() {
    let mut stage = Stage::new();
    stage.sign_in(1, BOB);
    assert_eq!(due_in(&stage), Some(100));
    stage.now_ms += 60;
    stage.sign_in(2, ANN);
    stage.sign_in(3, EVE);
    stage.closed(3);
    assert_eq!(due_in(&stage), Some(40), "the first one starts the moment");
    assert_eq!(stage.wait(39), NOTHING);
    assert_eq!(stage.wait(1), ["announce presence [+ann, +Bob, -eve]"], "the latest state of each");
    assert_eq!(stage.wait(100), NOTHING);
}

#[test]
fn a_person_is_here_as_long_as_one_connection_is() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.settle();
    stage.sign_in(2, ANN);
    assert_eq!(stage.wait(100), NOTHING, "here already");
    stage.closed(1);
    assert_eq!(stage.wait(100), NOTHING, "here still");
    stage.say(2, logout(4));
    stage.credential(2, 4, mechat_hub::CredentialAnswer::Revoked(session(2)));
    assert_eq!(stage.wait(100), ["announce presence [-ann]"]);
}

#[test]
fn a_herd_is_announced_in_parts() {
    use mechat_hub::{AccountId, AccountRecord, Snapshot};
    let accounts = (1..=450)
        .map(|id| AccountRecord {
            id: AccountId(id),
            name: mechat_protocol::AccountName::new(&format!("p{id:04}")).expect("a name"),
            admin: false,
            created: mechat_protocol::UnixMillis(0),
        })
        .collect();
    let mut stage = Stage::with(crate::stage::config(), Snapshot { accounts, ..Snapshot::default() });
    for conn in 1..=450 {
        stage.sign_in(conn, AccountId(conn));
    }
    let lens: Vec<usize> = stage.wait(100).iter().map(|line| line.matches('+').count()).collect();
    assert_eq!(lens, [200, 200, 50]);
}
