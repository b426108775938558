//! Who a peer is: passwords by OPAQUE, sessions by rotating tokens.
//!
//! Owns the relay's secret keys and every step of a registration, a login and a resume. It never sees a password, and
//! stores a token only as its hash.
//!
//! Invariants: an unknown account takes the same steps as a known one; a token has one successor, derived from it, so that a
//! retry after a lost reply gets the same. What changes something goes through the one writer, among the messages, and is
//! answered in the order in which it is committed: of a resume and a revocation the later one counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use mechat_certs::password::{
    BINDING_LEN, PasswordError, ServerKeys, ServerKeysError, ServerLogin, registration_record,
    server_registration,
};
use mechat_certs::secret_file::{self, SecretFileError};
use mechat_hub::{Authenticated, CredentialAnswer, CredentialAsk};
use mechat_protocol::request::Binding;
use mechat_protocol::secret::{OpaqueBytes, Token};
use mechat_protocol::{AccountId, AccountName, SessionId, UnixMillis};
use rand::RngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use uuid::Uuid;

use crate::storage::{
    NameState, NewAccount, NewToken, Rotation, Storage, StorageError, TokenChange, TokenHash, Write, Written,
};
use crate::translate;

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

/// What a question leads to.
#[derive(Debug)]
pub enum Step {
    /// A read and a computation of some 0.2 ms, on a task of its own: [`Credentials::compute`].
    Compute(Compute),
    /// A write. Its outcome and the second value give the answer: [`Finish::answer`].
    Write(Box<Write>, Finish),
    /// Known at once.
    Answer(CredentialAnswer),
    /// There is none.
    Forgotten,
}

/// The first half of a sign-in by password, which changes nothing.
#[derive(Debug)]
pub enum Compute {
    /// Is the name free, and what is the answer to this OPAQUE request?
    Registration(AccountName, OpaqueBytes),
    /// What is the answer to this OPAQUE request? With the TLS exporter, if it is part of the handshake.
    Login(AccountName, OpaqueBytes, Option<[u8; BINDING_LEN]>),
}

/// What an answer needs besides the outcome of its write.
#[derive(Debug)]
pub enum Finish {
    /// Of a registration.
    Register,
    /// Of a login: the first token of the session.
    LogIn(Signed),
    /// Of a resume: the next token, and until when it is good.
    Resume(Token, UnixMillis),
    /// Of a logout.
    Revoke(SessionId),
}

/// Who is signed in once the write is committed.
#[derive(Debug)]
pub struct Signed {
    account: AccountId,
    session: SessionId,
    token: Token,
    token_expires: UnixMillis,
}

impl Finish {
    /// The answer. Only this makes an [`Authenticated`], and only from what is committed.
    pub fn answer(self, written: Written) -> CredentialAnswer {
        match (self, written) {
            (Self::Register, Written::Account(row)) => CredentialAnswer::Registered(translate::account(row)),
            (Self::Register, Written::NameRefused(state)) => {
                refusal(state).unwrap_or(CredentialAnswer::Failed)
            }
            (Self::LogIn(Signed { account, session, token, token_expires }), Written::TokenInserted) => {
                CredentialAnswer::Authenticated(Authenticated {
                    account,
                    session,
                    token,
                    token_expires,
                    again: false,
                })
            }
            (Self::Resume(token, expires), Written::Token(rotation)) => resumed(rotation, token, expires),
            (Self::Revoke(session), Written::Revoked) => CredentialAnswer::Revoked(session),
            (finish, written) => {
                tracing::error!(?finish, ?written, "the storage answered another question");
                CredentialAnswer::Failed
            }
        }
    }
}

fn resumed(rotation: Rotation, token: Token, token_expires: UnixMillis) -> CredentialAnswer {
    let (account, session, again) = match rotation {
        Rotation::Rotated { account, session } => (account, session, false),
        Rotation::Again { account, session } => (account, session, true),
        Rotation::Replayed(session) => return CredentialAnswer::Replayed(session),
        Rotation::Refused => return CredentialAnswer::InvalidToken,
    };
    CredentialAnswer::Authenticated(Authenticated { account, session, token, token_expires, again })
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

    /// Takes one question as far as it goes without waiting: microseconds. `pending` is what the question before left,
    /// `exporter` the connection's TLS exporter.
    pub fn begin(
        &self,
        ask: CredentialAsk,
        pending: Option<PendingLogin>,
        exporter: [u8; BINDING_LEN],
    ) -> Step {
        match ask {
            CredentialAsk::RegisterStart { account, message } => {
                Step::Compute(Compute::Registration(account, message))
            }
            CredentialAsk::RegisterFinish { account, message, at } => register_finish(account, &message, at),
            CredentialAsk::LoginStart { account, message, binding } => {
                let binding = matches!(binding, Binding::TlsExporter).then_some(exporter);
                Step::Compute(Compute::Login(account, message, binding))
            }
            CredentialAsk::LoginFinish { message, at } => login_finish(pending, &message, at),
            CredentialAsk::Resume { token, at } => self.resume(&token, at),
            CredentialAsk::Revoke { session } => {
                Step::Write(Box::new(Write::RevokeSession(session)), Finish::Revoke(session))
            }
            CredentialAsk::Forget => Step::Forgotten,
        }
    }

    /// Takes a first half to its answer.
    pub async fn compute(&self, compute: Compute) -> Answered {
        match compute {
            Compute::Registration(account, message) => {
                let answer = self.register_start(&account, &message).await;
                Answered { answer: answer.unwrap_or_else(|error| failed(&error)), pending: None }
            }
            Compute::Login(account, message, binding) => {
                self.login_start(&account, &message, binding.as_ref().map(|bytes| &bytes[..])).await
            }
        }
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

    fn resume(&self, token: &Token, at: UnixMillis) -> Step {
        let next = self.successor(token);
        let next_expires = UnixMillis(at.0.saturating_add(TOKEN_LIFE_MS));
        let (old, hash) = (TokenHash::of(token.as_bytes()), TokenHash::of(&next));
        let change = TokenChange { old, next: hash, now: at, next_expires };
        Step::Write(Box::new(Write::RotateToken(change)), Finish::Resume(own_token(next), next_expires))
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

fn register_finish(name: AccountName, message: &OpaqueBytes, at: UnixMillis) -> Step {
    match registration_record(message.as_bytes()) {
        Ok(credential) => {
            let account = NewAccount { name, credential, at };
            Step::Write(Box::new(Write::CreateAccount(account)), Finish::Register)
        }
        Err(_) => Step::Answer(CredentialAnswer::Malformed),
    }
}

fn login_finish(pending: Option<PendingLogin>, message: &OpaqueBytes, at: UnixMillis) -> Step {
    let proven = pending.and_then(|pending| {
        let finished = pending.login.finish(message.as_bytes());
        pending.account.filter(|_| finished.is_ok())
    });
    let Some(account) = proven else { return Step::Answer(CredentialAnswer::InvalidCredentials) };
    let mut bytes = vec![0; TOKEN_LEN];
    OsRng.fill_bytes(&mut bytes);
    let session = SessionId(Uuid::new_v4());
    let expires = UnixMillis(at.0.saturating_add(TOKEN_LIFE_MS));
    let token = NewToken { hash: TokenHash::of(&bytes), account, session, expires };
    let signed = Signed { account, session, token: own_token(bytes), token_expires: expires };
    Step::Write(Box::new(Write::InsertToken(token)), Finish::LogIn(signed))
}

fn own_token(bytes: Vec<u8>) -> Token {
    Token::new(bytes).expect("a token of ours is within the limit")
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
