//! Hello, registration, login, resume, logout: their order, and what they lead to.

use mechat_hub::{AccountRecord, Authenticated, CredentialAnswer};
use mechat_protocol::limits::{REGISTRATIONS_MAX, SIGN_IN_ATTEMPTS_MAX};
use mechat_protocol::{AccountName, Message};

use crate::requests::{
    hello, list_people, login_finish, login_start, logout, of_accounts, ping, register_finish,
    register_start, resume, send, sign_ins, versions,
};
use crate::stage::{ANN, BOB, EVE, LOBBY, Stage, authenticated, config, opaque, session, snapshot};

const NOTHING: [&str; 0] = [];

#[test]
fn hello_comes_first() {
    let mut stage = Stage::new();
    stage.open(1);
    for request in [sign_ins(5), of_accounts(5, LOBBY), vec![ping(5)]].concat() {
        assert_eq!(stage.say(1, request.clone()), ["1 < error 5 hello_first"], "{request:?}");
    }
    assert_eq!(stage.say(1, hello(6)), ["1 < welcome 6"]);
    assert_eq!(stage.say(1, hello(7)), ["1 < welcome 7"], "twice does no harm");
}

#[test]
fn every_request_there_is_was_tried_before_hello() {
    use mechat_protocol::message::Sender;
    let tried = [sign_ins(5), of_accounts(5, LOBBY), vec![ping(5), hello(5)]].concat();
    for (tag, sender) in Message::TAGS {
        let known = tried.iter().any(|request| request.tag() == *tag);
        assert_eq!(known, *sender == Sender::Client, "`{tag}` is missing in the table");
    }
}

#[test]
fn a_version_that_is_not_spoken_ends_the_connection() {
    for (min, max) in [(0, 0), (2, 9), (5, 0)] {
        let mut stage = Stage::new();
        stage.open(1);
        let ended = ["1 < error 1 unsupported_version", "close 1: unsupported_version"];
        assert_eq!(stage.say(1, versions(1, min, max)), ended, "{min} to {max}");
        assert_eq!(stage.say(1, hello(2)), NOTHING, "nothing is heard after a close");
        assert_eq!(stage.closed(1), ["forget 1"]);
    }
    let mut stage = Stage::new();
    stage.open(1);
    assert_eq!(stage.say(1, versions(1, 0, 9)), ["1 < welcome 1"]);
}

#[test]
fn before_sign_in_everything_else_is_refused_without_effect() {
    let mut stage = Stage::new();
    stage.greet(1);
    for request in of_accounts(5, LOBBY) {
        assert_eq!(stage.say(1, request.clone()), ["1 < error 5 unauthenticated"], "{request:?}");
    }
    assert_eq!(stage.say(1, ping(6)), ["1 < pong 6"]);
}

#[test]
fn people_are_listed_before_sign_in_only_where_the_relay_says_so() {
    let mut shows = config();
    shows.participants_before_sign_in = true;
    let mut stage = Stage::with(shows, snapshot());
    stage.greet(1);
    assert_eq!(stage.say(1, list_people(5, None, None)), ["1 < participants 5 [-ann, -Bob, -eve]"]);
    let of_channel = list_people(6, Some(LOBBY), None);
    assert_eq!(stage.say(1, of_channel), ["1 < error 6 unauthenticated"], "its members are not shown");
}

#[test]
fn a_registration_goes_step_by_step() {
    let mut stage = Stage::new();
    stage.greet(1);
    assert_eq!(stage.say(1, register_finish(2)), ["1 < error 2 out_of_order"]);
    assert_eq!(stage.say(1, register_start(3, "zoe")), ["ask for 1 3: register_start zoe"]);
    for early in sign_ins(4) {
        assert_eq!(stage.say(1, early.clone()), ["1 < error 4 out_of_order"], "{early:?}");
    }
    let challenge = CredentialAnswer::RegisterChallenge(opaque());
    assert_eq!(stage.credential(1, 3, challenge), ["1 < register_challenge 3"]);
    assert_eq!(stage.say(1, login_finish(5)), ["1 < error 5 out_of_order"], "of another kind");
    assert_eq!(stage.say(1, register_finish(6)), ["ask for 1 6: register_finish zoe"]);
    let zoe = AccountRecord {
        id: mechat_hub::AccountId(9),
        name: name("zoe"),
        admin: false,
        created: mechat_protocol::UnixMillis(0),
    };
    assert_eq!(stage.credential(1, 6, CredentialAnswer::Registered(zoe)), ["1 < registered 6 zoe"]);
    assert_eq!(stage.say(1, register_finish(7)), ["1 < error 7 out_of_order"], "one start, one finish");
    stage.sign_in(2, ANN);
    assert_eq!(stage.say(2, list_people(4, None, None)), ["2 < participants 4 [+ann, -Bob, -eve, -zoe]"]);
    let in_ = stage.sign_in_again(1, mechat_hub::AccountId(9), 7);
    assert_eq!(in_, ["1 is signed in", "1 < signed_in 3 zoe"], "a new account is in no channel");
}

fn name(text: &str) -> AccountName {
    AccountName::new(text).expect("a name")
}

#[test]
fn the_relays_own_name_is_not_for_registering() {
    let mut stage = Stage::new();
    stage.greet(1);
    // The third begins with U+0433, the fourth has U+0435.
    for reserved in ["relay", "RELAY", "r\u{435}lay", "Rel\u{430}y"] {
        assert_eq!(stage.say(1, register_start(2, reserved)), ["1 < error 2 name_taken"], "{reserved}");
    }
    assert_eq!(stage.say(1, register_start(3, "relay-2")).len(), 1, "it was not begun");
}

#[test]
fn a_login_goes_step_by_step() {
    let mut stage = Stage::new();
    stage.greet(1);
    assert_eq!(stage.say(1, login_finish(2)), ["1 < error 2 out_of_order"]);
    assert_eq!(stage.say(1, login_start(3, "ANN")), ["ask for 1 3: login_start ANN"]);
    let challenge = || CredentialAnswer::LoginChallenge(opaque());
    assert_eq!(stage.credential(1, 3, challenge()), ["1 < login_challenge 3"]);
    assert_eq!(stage.say(1, register_finish(4)), ["1 < error 4 out_of_order"]);
    assert_eq!(stage.say(1, login_finish(5)), ["ask for 1 5: login_finish"]);
    let wrong = stage.credential(1, 5, CredentialAnswer::InvalidCredentials);
    assert_eq!(wrong, ["1 < error 5 invalid_credentials"]);
    assert_eq!(stage.say(1, login_finish(6)), ["1 < error 6 out_of_order"], "a failure begins anew");
    stage.say(1, login_start(7, "ann"));
    stage.credential(1, 7, challenge());
    stage.say(1, login_finish(8));
    let in_ = stage.credential(1, 8, authenticated(BOB, 1));
    assert_eq!(in_, ["1 is signed in", "1 < signed_in 8 Bob", "subscribe 1 to 1", "subscribe 1 to 2"]);
    for again in sign_ins(9) {
        assert_eq!(stage.say(1, again.clone()), ["1 < error 9 already_authenticated"], "{again:?}");
    }
}

#[test]
fn a_new_beginning_drops_the_one_before() {
    let mut stage = Stage::new();
    stage.greet(1);
    stage.say(1, register_start(2, "zoe"));
    stage.credential(1, 2, CredentialAnswer::RegisterChallenge(opaque()));
    assert_eq!(stage.say(1, login_start(3, "ann")), ["ask for 1 3: login_start ann"]);
    stage.credential(1, 3, CredentialAnswer::LoginChallenge(opaque()));
    assert_eq!(stage.say(1, register_finish(4)), ["1 < error 4 out_of_order"]);
    assert_eq!(stage.say(1, resume(5)), ["ask for 1 5: resume"]);
    assert_eq!(stage.credential(1, 5, authenticated(EVE, 1)), ["1 is signed in", "1 < signed_in 5 eve"]);
}

#[test]
fn an_answer_that_nobody_waits_for_has_no_effect() {
    let mut stage = Stage::new();
    stage.greet(1);
    stage.say(1, resume(2));
    assert_eq!(stage.credential(1, 9, authenticated(ANN, 1)), NOTHING, "of another request");
    assert_eq!(stage.credential(7, 2, authenticated(ANN, 1)), NOTHING, "of another connection");
    stage.closed(1);
    assert_eq!(stage.credential(1, 2, authenticated(ANN, 1)), NOTHING, "it is gone");
    stage.sign_in(2, ANN);
    assert_eq!(
        stage.say(2, crate::requests::list_connections(4, None)),
        ["2 < connections 4 [2 ann Connected]"]
    );
}

#[test]
fn five_failures_end_a_connection() {
    let mut stage = Stage::new();
    stage.greet(1);
    let failures = [
        (CredentialAnswer::InvalidToken, "invalid_token"),
        (CredentialAnswer::InvalidCredentials, "invalid_credentials"),
        (CredentialAnswer::Malformed, "malformed"),
        (CredentialAnswer::Replayed(session(5)), "invalid_token"),
    ];
    for (failure, code) in failures {
        stage.say(1, resume(2));
        assert_eq!(stage.credential(1, 2, failure), [format!("1 < error 2 {code}")]);
    }
    stage.say(1, resume(2));
    let last = stage.credential(1, 2, CredentialAnswer::InvalidToken);
    assert_eq!(last, ["1 < error 2 invalid_token", "close 1: too_many_attempts"]);
    assert_eq!(stage.say(1, resume(3)), NOTHING);
}

#[test]
fn only_failures_count_as_failures() {
    let mut stage = Stage::new();
    stage.greet(1);
    for _ in 0..REGISTRATIONS_MAX / 3 {
        let others =
            [CredentialAnswer::NameTaken, CredentialAnswer::NameTooSimilar, CredentialAnswer::Failed];
        for (answer, code) in others.into_iter().zip(["name_taken", "name_too_similar", "internal"]) {
            stage.say(1, register_start(2, "zoe"));
            assert_eq!(stage.credential(1, 2, answer), [format!("1 < error 2 {code}")]);
        }
    }
    for _ in 0..3 {
        for _ in 1..SIGN_IN_ATTEMPTS_MAX {
            stage.say(1, resume(2));
            assert_eq!(stage.credential(1, 2, CredentialAnswer::InvalidToken).len(), 1);
        }
        stage.sign_in_again(1, ANN, 1);
        stage.say(1, logout(4));
        stage.credential(1, 4, CredentialAnswer::Revoked(session(1)));
    }
}

#[test]
fn registrations_are_not_begun_without_end() {
    let mut stage = Stage::new();
    stage.greet(1);
    for _ in 0..2 {
        for _ in 0..REGISTRATIONS_MAX {
            stage.say(1, register_start(2, "zoe"));
            stage.credential(1, 2, CredentialAnswer::NameTaken);
        }
        // A sign-in clears the count.
        stage.sign_in_again(1, ANN, 1);
        stage.say(1, logout(4));
        stage.credential(1, 4, CredentialAnswer::Revoked(session(1)));
    }
    for _ in 0..REGISTRATIONS_MAX {
        stage.say(1, register_start(2, "zoe"));
        assert_eq!(
            stage.credential(1, 2, CredentialAnswer::RegisterChallenge(opaque())),
            ["1 < register_challenge 2"]
        );
    }
    assert_eq!(stage.say(1, register_start(2, "zoe")), ["1 < error 2 busy", "close 1: too_many_attempts"]);
}

#[test]
fn a_session_that_resumes_elsewhere_leaves_its_old_connection() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.greet(2);
    stage.say(2, resume(2));
    assert_eq!(
        stage.credential(2, 2, authenticated(ANN, 1)),
        ["2 is signed in", "2 < signed_in 2 ann (admin)", "subscribe 2 to 1", "close 1: replaced"]
    );
    assert_eq!(stage.say(1, send(9, LOBBY, 1, "still here?")), NOTHING);
    assert_eq!(stage.closed(1), ["forget 1", "unsubscribe 1 from 1"]);
    assert_eq!(
        stage.say(2, crate::requests::list_connections(4, None)),
        ["2 < connections 4 [2 ann Connected]"]
    );
}

#[test]
fn another_session_of_the_account_goes_on() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.greet(2);
    let in_ = stage.sign_in_again(2, ANN, 2);
    assert_eq!(in_, ["2 is signed in", "2 < signed_in 3 ann (admin)", "subscribe 2 to 1"]);
}

#[test]
fn a_replayed_token_ends_the_session_that_lives_on_it() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.greet(2);
    stage.say(2, resume(2));
    let replayed = stage.credential(2, 2, CredentialAnswer::Replayed(session(1)));
    assert_eq!(replayed, ["close 1: session_revoked", "2 < error 2 invalid_token"]);
    stage.closed(1);
    stage.sign_in_again(2, ANN, 2);
    assert_eq!(
        stage.say(2, crate::requests::list_connections(4, None)),
        ["2 < connections 4 [2 ann Connected]"]
    );
}

#[test]
fn a_logout_ends_the_session_and_keeps_the_connection() {
    let mut stage = Stage::new();
    stage.sign_in(1, BOB);
    assert_eq!(stage.say(1, logout(4)), ["ask for 1 4: revoke"]);
    assert_eq!(stage.say(1, logout(5)), ["1 < error 5 out_of_order"]);
    assert_eq!(
        stage.credential(1, 4, CredentialAnswer::Revoked(session(1))),
        ["unsubscribe 1 from 1", "unsubscribe 1 from 2", "1 is signed out", "1 < logged_out 4"]
    );
    assert_eq!(stage.say(1, send(6, LOBBY, 1, "hi")), ["1 < error 6 unauthenticated"]);
    let in_ = stage.sign_in_again(1, EVE, 2);
    assert_eq!(in_, ["1 is signed in", "1 < signed_in 3 eve"]);
}

#[test]
fn a_logout_that_failed_can_be_tried_again() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.say(1, logout(4));
    assert_eq!(stage.credential(1, 4, CredentialAnswer::Failed), ["1 < error 4 internal"]);
    assert_eq!(stage.say(1, logout(5)), ["ask for 1 5: revoke"]);
}

#[test]
fn a_session_that_was_logged_out_while_it_resumed_elsewhere_ends_there_too() {
    let mut stage = Stage::new();
    stage.sign_in(1, ANN);
    stage.say(1, logout(4));
    stage.greet(2);
    stage.say(2, resume(2));
    stage.credential(2, 2, authenticated(ANN, 1));
    let revoked = stage.credential(1, 4, CredentialAnswer::Revoked(session(1)));
    assert_eq!(revoked[0], "close 2: session_revoked", "its token is worthless: {revoked:?}");
}

#[test]
fn a_guess_counts_when_it_is_begun_since_the_challenge_tells_the_guesser() {
    let mut stage = Stage::new();
    stage.greet(1);
    for _ in 0..SIGN_IN_ATTEMPTS_MAX {
        assert_eq!(stage.say(1, login_start(2, "ann")).len(), 1);
        assert_eq!(
            stage.credential(1, 2, CredentialAnswer::LoginChallenge(opaque())),
            ["1 < login_challenge 2"]
        );
    }
    let ended = ["1 < error 2 invalid_credentials", "close 1: too_many_attempts"];
    assert_eq!(stage.say(1, login_start(2, "ann")), ended);
}

#[test]
fn an_old_token_is_a_lost_reply_until_its_successors_owner_was_heard() {
    let again = |conn, id, stage: &mut Stage| {
        stage.greet(conn);
        stage.say(conn, resume(id));
        let CredentialAnswer::Authenticated(proof) = authenticated(ANN, 7) else { panic!() };
        stage.credential(conn, id, CredentialAnswer::Authenticated(Authenticated { again: true, ..proof }))
    };
    let mut stage = Stage::new();
    stage.greet(1);
    stage.sign_in_again(1, ANN, 7);
    assert_eq!(again(2, 3, &mut stage)[0], "2 is signed in", "nobody was heard on it yet");
    stage.say(2, ping(4));
    let refused = again(3, 5, &mut stage);
    assert_eq!(refused[..2], ["close 2: session_revoked", "3 < error 5 invalid_token"]);
    assert!(refused[2].contains("revoke"), "{refused:?}");
}
