//! Tokens in memory: the same rules as in a database.
//!
//! Invariant: a token is in both maps or in neither. One that has expired is good for nothing from that moment on, whenever
//! it is let go.

use std::collections::HashMap;

use mechat_protocol::{AccountId, SessionId, UnixMillis};

use crate::storage::{NewToken, Rotation, TokenChange, TokenHash};

/// Tokens from which on it is worth a look which have expired.
const SWEEP_MIN: usize = 1_024;

#[derive(Default)]
pub(super) struct Tokens {
    by_hash: HashMap<TokenHash, Stored>,
    by_session: HashMap<SessionId, Vec<TokenHash>>,
    /// Tokens that the last sweep left.
    swept: usize,
}

#[derive(Clone, Copy)]
struct Stored {
    account: AccountId,
    session: SessionId,
    expires: UnixMillis,
    successor: Option<TokenHash>,
}

impl Tokens {
    pub(super) fn insert(&mut self, token: NewToken) {
        let NewToken { hash, account, session, expires } = token;
        self.by_hash.insert(hash, Stored { account, session, expires, successor: None });
        self.by_session.entry(session).or_default().push(hash);
    }

    pub(super) fn rotate(&mut self, change: &TokenChange) -> Rotation {
        let TokenChange { old, next, now, next_expires } = *change;
        self.sweep(now);
        let Some(Stored { account, session, successor, .. }) = self.good(old, now) else {
            return Rotation::Refused;
        };
        match successor {
            None => {
                self.insert(NewToken { hash: next, account, session, expires: next_expires });
                if let Some(token) = self.by_hash.get_mut(&old) {
                    token.successor = Some(next);
                }
                Rotation::Rotated { account, session }
            }
            Some(known) if known == next && self.is_unused(next, now) => Rotation::Again { account, session },
            Some(_) => {
                self.revoke(session);
                Rotation::Replayed(session)
            }
        }
    }

    pub(super) fn revoke(&mut self, session: SessionId) {
        for hash in self.by_session.remove(&session).unwrap_or_default() {
            self.by_hash.remove(&hash);
        }
    }

    fn good(&self, token: TokenHash, now: UnixMillis) -> Option<Stored> {
        self.by_hash.get(&token).filter(|token| token.expires > now).copied()
    }

    fn is_unused(&self, token: TokenHash, now: UnixMillis) -> bool {
        self.good(token, now).is_some_and(|token| token.successor.is_none())
    }

    /// Lets go what has expired, when there are twice as many as it left the last time: a constant cost for each.
    fn sweep(&mut self, now: UnixMillis) {
        if self.by_hash.len() < SWEEP_MIN.max(2 * self.swept) {
            return;
        }
        self.by_hash.retain(|_, token| token.expires > now);
        self.by_session.retain(|_, hashes| {
            hashes.retain(|hash| self.by_hash.contains_key(hash));
            !hashes.is_empty()
        });
        self.swept = self.by_hash.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_tokens_do_not_pile_up() {
        let mut tokens = Tokens::default();
        let token = |number: u64| TokenHash::of(&number.to_be_bytes());
        for number in 0..20_000 {
            let session = SessionId(uuid::Uuid::from_u128(u128::from(number)));
            let now = UnixMillis(i64::try_from(number).expect("small"));
            let (account, expires) = (AccountId(1), UnixMillis(now.0 + 100));
            tokens.insert(NewToken { hash: token(number), account, session, expires });
            let change = TokenChange {
                old: token(number),
                next: token(number + (1 << 32)),
                now,
                next_expires: expires,
            };
            assert_eq!(tokens.rotate(&change), Rotation::Rotated { account, session });
        }
        assert!(tokens.by_hash.len() < 2 * SWEEP_MIN, "{}", tokens.by_hash.len());
        assert!(tokens.by_session.len() < 2 * SWEEP_MIN, "{}", tokens.by_session.len());
    }
}
