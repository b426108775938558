//! Sign-in as the hub sees it, without the arithmetic: any password is right, tokens rotate.
//!
//! Models the rotation of `relay/src/storage`: a token has one successor; the same token again gives the same successor as long as
//! that is unused; else its session is revoked.

use std::collections::BTreeMap;

use mechat_hub::{Authenticated, CredentialAnswer, CredentialAsk};
use mechat_protocol::secret::{OpaqueBytes, Token};
use mechat_protocol::{AccountId, SessionId, UnixMillis};
use uuid::Uuid;

/// Tokens that are good, by their number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    rows: BTreeMap<u64, Row>,
}

#[derive(Debug, Clone)]
struct Row {
    account: AccountId,
    session: SessionId,
    successor: Option<u64>,
}

const EXPIRES: UnixMillis = UnixMillis(i64::MAX);

impl Tokens {
    /// Answers what the hub asks, except about names. `login` is whose password the connection is proving; `fresh` is a number never
    /// used before.
    pub(crate) fn answer(
        &mut self,
        ask: &CredentialAsk,
        login: Option<AccountId>,
        fresh: u64,
    ) -> CredentialAnswer {
        match ask {
            CredentialAsk::LoginStart { .. } => CredentialAnswer::LoginChallenge(challenge()),
            CredentialAsk::LoginFinish { .. } => {
                login.map_or(CredentialAnswer::InvalidCredentials, |account| {
                    let session = SessionId(Uuid::from_u64_pair(0, fresh));
                    self.rows.insert(fresh, Row { account, session, successor: None });
                    authenticated(account, session, fresh, false)
                })
            }
            CredentialAsk::Resume { token, .. } => self.rotate(number(token), fresh),
            CredentialAsk::Revoke { session } => {
                self.rows.retain(|_, row| row.session != *session);
                CredentialAnswer::Revoked(*session)
            }
            // Everybody has an account from the beginning.
            CredentialAsk::RegisterStart { .. } | CredentialAsk::RegisterFinish { .. } => {
                CredentialAnswer::NameTaken
            }
            CredentialAsk::Forget => CredentialAnswer::Failed,
        }
    }

    fn rotate(&mut self, old: Option<u64>, fresh: u64) -> CredentialAnswer {
        let Some(old) = old else { return CredentialAnswer::InvalidToken };
        let Some(Row { account, session, successor }) = self.rows.get(&old).cloned() else {
            return CredentialAnswer::InvalidToken;
        };
        match successor {
            None => {
                self.rows.insert(old, Row { account, session, successor: Some(fresh) });
                self.rows.insert(fresh, Row { account, session, successor: None });
                authenticated(account, session, fresh, false)
            }
            Some(next) if self.rows.get(&next).is_some_and(|row| row.successor.is_none()) => {
                authenticated(account, session, next, true)
            }
            Some(_) => {
                self.rows.retain(|_, row| row.session != session);
                CredentialAnswer::Replayed(session)
            }
        }
    }
}

fn authenticated(account: AccountId, session: SessionId, token: u64, again: bool) -> CredentialAnswer {
    let token = Token::new(token.to_be_bytes().to_vec()).expect("8 bytes are short");
    CredentialAnswer::Authenticated(Authenticated { account, session, token, token_expires: EXPIRES, again })
}

fn number(token: &Token) -> Option<u64> {
    Some(u64::from_be_bytes(token.as_bytes().try_into().ok()?))
}

fn challenge() -> OpaqueBytes {
    OpaqueBytes::new(b"challenge".to_vec()).expect("9 bytes are short")
}
