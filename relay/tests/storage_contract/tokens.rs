//! Tokens: rotation, retry, replay, expiry.

use mechat_protocol::{SessionId, UnixMillis};
use mechat_relay::storage::{NewToken, Rotation, Storage, TokenChange, TokenHash};
use uuid::Uuid;

use crate::setting::{AT, Person, insert_token, person, revoke_session, rotate_token};

/// Milliseconds that a token is good.
const LIFE_MS: i64 = 1_000;

fn hash(text: &str) -> TokenHash {
    TokenHash::of(text.as_bytes())
}

fn session(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

fn after(ms: i64) -> UnixMillis {
    UnixMillis(AT.0 + ms)
}

/// Gives a session its first token.
async fn sign_in(storage: &dyn Storage, who: &Person, number: u128, token: &str) {
    let expires = after(LIFE_MS);
    let token = NewToken { hash: hash(token), account: who.id, session: session(number), expires };
    insert_token(storage, token).await;
}

async fn rotate(storage: &dyn Storage, old: &str, next: &str, ms: i64) -> Rotation {
    let (now, next_expires) = (after(ms), after(ms + LIFE_MS));
    rotate_token(storage, TokenChange { old: hash(old), next: hash(next), now, next_expires }).await
}

fn rotated(who: &Person, number: u128) -> Rotation {
    Rotation::Rotated { account: who.id, session: session(number) }
}

fn again(who: &Person, number: u128) -> Rotation {
    Rotation::Again { account: who.id, session: session(number) }
}

pub(crate) async fn a_token_is_replaced_by_its_successor(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    sign_in(storage, &ann, 1, "a").await;
    sign_in(storage, &bob, 2, "b").await;
    assert_eq!(rotate(storage, "a", "a2", 0).await, rotated(&ann, 1));
    assert_eq!(rotate(storage, "a2", "a3", 0).await, rotated(&ann, 1));
    assert_eq!(rotate(storage, "b", "b2", 0).await, rotated(&bob, 2));
    assert_eq!(rotate(storage, "nobody's", "x", 0).await, Rotation::Refused);
    assert_eq!(rotate(storage, "x", "y", 0).await, Rotation::Refused, "a refused rotation gives nothing");
}

pub(crate) async fn a_retry_is_told_as_such(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    sign_in(storage, &ann, 1, "a").await;
    assert_eq!(rotate(storage, "a", "a2", 0).await, rotated(&ann, 1));
    for _ in 0..3 {
        assert_eq!(rotate(storage, "a", "a2", 0).await, again(&ann, 1), "the reply may be lost often");
    }
    assert_eq!(rotate(storage, "a2", "a3", 0).await, rotated(&ann, 1));
    assert_eq!(rotate(storage, "a2", "a3", 0).await, again(&ann, 1), "the later one likewise");
}

pub(crate) async fn a_retry_after_the_successors_use_is_a_replay(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    sign_in(storage, &ann, 1, "a").await;
    assert_eq!(rotate(storage, "a", "a2", 0).await, rotated(&ann, 1));
    assert_eq!(rotate(storage, "a", "a2", 0).await, again(&ann, 1));
    assert_eq!(rotate(storage, "a2", "a3", 0).await, rotated(&ann, 1), "a retry does not use the successor");
    assert_eq!(rotate(storage, "a", "a2", 0).await, Rotation::Replayed(session(1)));
    assert_eq!(rotate(storage, "a3", "a4", 0).await, Rotation::Refused, "the session is revoked");
}

pub(crate) async fn a_replay_revokes_its_session_and_no_other(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    sign_in(storage, &ann, 1, "a").await;
    sign_in(storage, &ann, 2, "b").await;
    rotate(storage, "a", "a2", 0).await;
    rotate(storage, "a2", "a3", 0).await;
    assert_eq!(rotate(storage, "a", "a2", 0).await, Rotation::Replayed(session(1)));
    for (old, next) in [("a", "a2"), ("a2", "a3"), ("a3", "a4")] {
        assert_eq!(rotate(storage, old, next, 0).await, Rotation::Refused, "{old} is worthless");
    }
    assert_eq!(rotate(storage, "b", "b2", 0).await, rotated(&ann, 2), "another session goes on");
}

pub(crate) async fn another_successor_is_a_replay(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    sign_in(storage, &ann, 1, "a").await;
    rotate(storage, "a", "a2", 0).await;
    assert_eq!(rotate(storage, "a", "forged", 0).await, Rotation::Replayed(session(1)));
    assert_eq!(rotate(storage, "forged", "x", 0).await, Rotation::Refused);
    assert_eq!(rotate(storage, "a2", "a3", 0).await, Rotation::Refused);
}

pub(crate) async fn a_token_ends_when_it_expires(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    for (number, token) in [(1, "a"), (2, "b"), (3, "c")] {
        sign_in(storage, &ann, number, token).await;
    }
    assert_eq!(rotate(storage, "a", "a2", LIFE_MS - 1).await, rotated(&ann, 1), "the last moment");
    assert_eq!(rotate(storage, "b", "b2", LIFE_MS).await, Rotation::Refused, "a moment later");
    assert_eq!(rotate(storage, "a", "a2", LIFE_MS).await, Rotation::Refused, "a retry too is in time");
    assert_eq!(
        rotate(storage, "a2", "a3", 2 * LIFE_MS - 2).await,
        rotated(&ann, 1),
        "the successor's own time"
    );
    assert_eq!(rotate(storage, "a3", "a4", 4 * LIFE_MS).await, Rotation::Refused);
}

pub(crate) async fn a_revoked_session_has_no_good_token(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    sign_in(storage, &ann, 1, "a").await;
    sign_in(storage, &ann, 2, "b").await;
    rotate(storage, "a", "a2", 0).await;
    for _ in 0..2 {
        revoke_session(storage, session(1)).await;
    }
    assert_eq!(rotate(storage, "a", "a2", 0).await, Rotation::Refused);
    assert_eq!(rotate(storage, "a2", "a3", 0).await, Rotation::Refused);
    assert_eq!(rotate(storage, "b", "b2", 0).await, rotated(&ann, 2));
}
