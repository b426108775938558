//! Who a peer is: passwords by OPAQUE, sessions by rotating tokens.
//!
//! Owns the relay's secret keys and every step of a registration, a login and a resume. It never sees a password, and
//! stores a token only as its hash.
//!
//! Invariants: an unknown account takes the same steps as a known one; a token has one successor, derived from it, so that a
//! retry after a lost reply gets the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use mechat_certs::password::{
    BINDING_LEN, PasswordError, ServerKeys, ServerKeysError, ServerLogin, registration_record,
    server_registration,
};
use mechat_certs::secret_file::{self, SecretFileError};
use mechat_hub::{AccountRecord, Authenticated, CredentialAnswer, CredentialAsk};
use mechat_protocol::request::Binding;
use mechat_protocol::secret::{OpaqueBytes, Token};
use mechat_protocol::{AccountId, AccountName, SessionId, UnixMillis};
use rand::RngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use uuid::Uuid;

use crate::storage::{
    AccountCreated, NameState, NewAccount, NewToken, Rotation, Storage, StorageError, TokenHash,
};

/// Bytes of a token.
const TOKEN_LEN: usize = 32;
/// Milliseconds after which an unused token is worthless: 30 days.
const TOKEN_LIFE_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Bytes of the key that derives successors.
const TOKEN_KEY_LEN: usize = 32;

/// The keys cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Of passwords.
    #[error("the key of the password logins: {0}")]
    Passwords(#[from] ServerKeysError),
    /// Of tokens.
    #[error("the key of the session tokens: {0}")]
    Tokens(#[from] SecretFileError),
    /// Of passwords that exist.
    #[error(
        "{0} is missing, but there are accounts: without it nobody could log in any more. \
         Restore it from the backup that the database is from, or give the data directory that it is in with --data-dir"
    )]
    Missing(PathBuf),
    /// Somebody else's file.
    #[error(
        "{path} has {found} bytes; a key has {TOKEN_KEY_LEN}. Restore it, or remove it: then everyone signs in anew"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: usize,
    },
}

/// Whether keys must be there already.
#[derive(Debug, Clone, Copy)]
pub struct KeysExpected {
    /// There are accounts, whose passwords only the old key can check.
    pub present: bool,
}

/// A login between its two steps.
#[derive(Debug)]
pub struct PendingLogin {
    login: ServerLogin,
    /// `None` for an account that does not exist; its login cannot succeed.
    account: Option<AccountId>,
}

/// An answer, and what to keep for the connection's next step.
#[derive(Debug)]
pub struct Answered {
    /// For the hub.
    pub answer: CredentialAnswer,
    /// For the next `login_finish`.
    pub pending: Option<PendingLogin>,
}

/// The keys and the storage behind them.
pub struct Credentials {
    keys: ServerKeys,
    token_key: SecretSlice<u8>,
    storage: Arc<dyn Storage>,
}

impl Credentials {
    /// Reads the keys from `directory`, makes them on the first start.
    pub fn open(
        directory: &Path,
        expected: KeysExpected,
        storage: Arc<dyn Storage>,
    ) -> Result<Self, KeyError> {
        let passwords = directory.join("opaque.key");
        if expected.present && !passwords.exists() {
            return Err(KeyError::Missing(passwords));
        }
        let keys = ServerKeys::load_or_create(&passwords)?;
        let tokens = directory.join("token.key");
        let token_key = secret_file::load_or_create_random(&tokens, TOKEN_KEY_LEN)?;
        let found = token_key.expose_secret().len();
        if found != TOKEN_KEY_LEN {
            return Err(KeyError::Length { path: tokens, found });
        }
        Ok(Self { keys, token_key, storage })
    }

    /// Answers one question. `pending` is what the question before left, `exporter` the connection's TLS exporter.
    pub async fn answer(
        &self,
        ask: CredentialAsk,
        pending: Option<PendingLogin>,
        exporter: [u8; BINDING_LEN],
    ) -> Answered {
        let answered = match ask {
            CredentialAsk::RegisterStart { account, message } => {
                self.register_start(&account, &message).await
            }
            CredentialAsk::RegisterFinish { account, message, at } => {
                self.register_finish(account, &message, at).await
            }
            CredentialAsk::LoginStart { account, message, binding } => {
                let binding = matches!(binding, Binding::TlsExporter).then_some(&exporter[..]);
                return self.login_start(&account, &message, binding).await;
            }
            CredentialAsk::LoginFinish { message, at } => self.login_finish(pending, &message, at).await,
            CredentialAsk::Resume { token, at } => self.resume(&token, at).await,
            CredentialAsk::Revoke { session } => {
                self.storage.revoke_session(session).await.map(|()| CredentialAnswer::Revoked(session))
            }
            CredentialAsk::Forget => unreachable!("the driver forgets without asking"),
        };
        Answered { answer: answered.unwrap_or_else(|error| failed(&error)), pending: None }
    }

    async fn register_start(
        &self,
        account: &AccountName,
        message: &OpaqueBytes,
    ) -> Result<CredentialAnswer, StorageError> {
        let key = account.key();
        if let Some(refused) = refusal(self.storage.name_state(&key).await?) {
            return Ok(refused);
        }
        let response = server_registration(&self.keys, message.as_bytes(), &key.folded);
        Ok(opaque_answer(response, CredentialAnswer::RegisterChallenge))
    }

    async fn register_finish(
        &self,
        name: AccountName,
        message: &OpaqueBytes,
        at: UnixMillis,
    ) -> Result<CredentialAnswer, StorageError> {
        let Ok(credential) = registration_record(message.as_bytes()) else {
            return Ok(CredentialAnswer::Malformed);
        };
        let created = self.storage.create_account(NewAccount { name, credential, at }).await?;
        Ok(match created {
            AccountCreated::New(row) => {
                CredentialAnswer::Registered(AccountRecord { id: row.id, name: row.name, admin: row.admin })
            }
            AccountCreated::Refused(state) => refusal(state).unwrap_or(CredentialAnswer::Failed),
        })
    }

    async fn login_start(
        &self,
        account: &AccountName,
        message: &OpaqueBytes,
        binding: Option<&[u8]>,
    ) -> Answered {
        let folded = account.key().folded;
        let credential = match self.storage.credential(&folded).await {
            Ok(credential) => credential,
            Err(error) => return Answered { answer: failed(&error), pending: None },
        };
        let record = credential.as_ref().map(|credential| &credential.record[..]);
        match ServerLogin::start(&self.keys, record, message.as_bytes(), &folded, binding) {
            Ok((login, response)) => Answered {
                answer: opaque_answer(Ok(response), CredentialAnswer::LoginChallenge),
                pending: Some(PendingLogin {
                    login,
                    account: credential.map(|credential| credential.account),
                }),
            },
            Err(error) => Answered {
                answer: opaque_answer(Err(error), CredentialAnswer::LoginChallenge),
                pending: None,
            },
        }
    }

    async fn login_finish(
        &self,
        pending: Option<PendingLogin>,
        message: &OpaqueBytes,
        at: UnixMillis,
    ) -> Result<CredentialAnswer, StorageError> {
        let proven = pending.and_then(|pending| {
            let finished = pending.login.finish(message.as_bytes());
            pending.account.filter(|_| finished.is_ok())
        });
        let Some(account) = proven else { return Ok(CredentialAnswer::InvalidCredentials) };
        let mut bytes = vec![0; TOKEN_LEN];
        OsRng.fill_bytes(&mut bytes);
        let session = SessionId(Uuid::new_v4());
        let expires = UnixMillis(at.0 + TOKEN_LIFE_MS);
        self.storage
            .insert_token(NewToken { hash: TokenHash::of(&bytes), account, session, expires })
            .await?;
        Ok(authenticated(account, session, bytes, expires, false))
    }

    async fn resume(&self, token: &Token, at: UnixMillis) -> Result<CredentialAnswer, StorageError> {
        let next = self.successor(token);
        let expires = UnixMillis(at.0 + TOKEN_LIFE_MS);
        let rotation = self
            .storage
            .rotate_token(TokenHash::of(token.as_bytes()), TokenHash::of(&next), at, expires)
            .await?;
        Ok(match rotation {
            Rotation::Rotated { account, session } => authenticated(account, session, next, expires, false),
            Rotation::Again { account, session } => authenticated(account, session, next, expires, true),
            Rotation::Replayed(session) => CredentialAnswer::Replayed(session),
            Rotation::Refused => CredentialAnswer::InvalidToken,
        })
    }

    /// HMAC-SHA-256 (RFC 2104) of the token: without the relay's key nobody can walk from one to the next.
    fn successor(&self, token: &Token) -> Vec<u8> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.token_key.expose_secret())
            .expect("HMAC takes a key of any length");
        mac.update(b"mechat token successor\0");
        mac.update(token.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

fn authenticated(
    account: AccountId,
    session: SessionId,
    token: Vec<u8>,
    token_expires: UnixMillis,
    again: bool,
) -> CredentialAnswer {
    let token = Token::new(token).expect("a token of ours is within the limit");
    CredentialAnswer::Authenticated(Authenticated { account, session, token, token_expires, again })
}

fn refusal(state: NameState) -> Option<CredentialAnswer> {
    match state {
        NameState::Free => None,
        NameState::Taken => Some(CredentialAnswer::NameTaken),
        NameState::TooSimilar => Some(CredentialAnswer::NameTooSimilar),
    }
}

fn opaque_answer(
    result: Result<Vec<u8>, PasswordError>,
    make: fn(OpaqueBytes) -> CredentialAnswer,
) -> CredentialAnswer {
    result.ok().and_then(|bytes| OpaqueBytes::new(bytes).ok()).map_or(CredentialAnswer::Malformed, make)
}

fn failed(error: &StorageError) -> CredentialAnswer {
    tracing::error!(%error, "credentials");
    CredentialAnswer::Failed
}
