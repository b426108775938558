//! The saved session: one resume token for each account at each relay, in the system's keyring and nowhere else.
//!
//! Owns the seam to the keyring and the thread that waits for it. It never writes a token to a file: where there is no
//! keyring, the user is asked for the password each time.
//!
//! Invariants: requests are done in order, on one thread of their own, so that a keyring that hangs holds up nothing.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, RelayAddress};
use tokio::sync::mpsc;

use crate::update::Event;

/// Under which the keyring keeps the tokens.
const SERVICE: &str = "mechat";
/// How long the keyring may take before it counts as absent.
pub const TIMEOUT: Duration = Duration::from_secs(3);
/// Requests that may wait; one that finds no room counts as a missing keyring.
const REQUESTS_MAX: usize = 32;

/// The keyring does not work here: none, locked, or denied.
#[derive(Debug, thiserror::Error)]
#[error("no keyring: {0}")]
pub struct NoKeyring(String);

/// Where tokens are kept.
pub trait TokenStore: Send {
    /// The token of `user`; `None` if there is none.
    fn load(&self, user: &str) -> Result<Option<Vec<u8>>, NoKeyring>;
    /// Keeps a token instead of any before.
    fn save(&self, user: &str, token: &[u8]) -> Result<(), NoKeyring>;
    /// Removes the token; fine if there is none.
    fn forget(&self, user: &str) -> Result<(), NoKeyring>;
}

/// Makes an entry of a keyring.
type MakeEntry = fn(&str, &str) -> keyring_core::Result<keyring_core::Entry>;

/// The system's keyring, or any other that keyring-core knows.
#[derive(Debug)]
pub struct Keyring {
    entry: MakeEntry,
}

impl Keyring {
    /// The system's: Secret Service, Keychain, Credential Manager. It is first touched by the first request.
    pub fn system() -> Self {
        Self { entry: |service, user| keyring::Entry::new(service, user).map(|entry| entry.inner) }
    }

    /// The one that was set as keyring-core's default; for tests.
    pub fn preset() -> Self {
        Self { entry: keyring_core::Entry::new }
    }

    fn entry(&self, user: &str) -> Result<keyring_core::Entry, NoKeyring> {
        (self.entry)(SERVICE, user).map_err(unavailable)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn unavailable(error: keyring_core::Error) -> NoKeyring {
    NoKeyring(error.to_string())
}

impl TokenStore for Keyring {
    fn load(&self, user: &str) -> Result<Option<Vec<u8>>, NoKeyring> {
        match self.entry(user)?.get_secret() {
            Ok(secret) => Ok(Some(secret)),
            Err(keyring_core::Error::NoEntry) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn save(&self, user: &str, token: &[u8]) -> Result<(), NoKeyring> {
        self.entry(user)?.set_secret(token).map_err(unavailable)
    }

    fn forget(&self, user: &str) -> Result<(), NoKeyring> {
        match self.entry(user)?.delete_credential() {
            Ok(()) | Err(keyring_core::Error::NoEntry) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// Under which user the keyring keeps the token: `ACCOUNT@HOST:PORT`.
pub fn user(address: &RelayAddress, account: &AccountName) -> String {
    format!("{account}@{address}")
}

/// What is asked of the thread.
#[derive(Debug)]
pub enum Request {
    /// Find the token.
    Load(RelayAddress, AccountName),
    /// Keep the token.
    Save(RelayAddress, AccountName, Token),
    /// Remove the token.
    Forget(RelayAddress, AccountName),
    /// Say when everything before is done.
    Flush(tokio::sync::oneshot::Sender<()>),
}

/// The thread that talks to the keyring.
#[derive(Debug)]
pub struct Tokens {
    requests: Option<SyncSender<Request>>,
}

impl Tokens {
    /// Starts the thread; what it finds comes as events.
    pub fn start(store: impl TokenStore + 'static, events: mpsc::Sender<Event>) -> Self {
        let (requests, waiting) = sync_channel(REQUESTS_MAX);
        let spawned = std::thread::Builder::new().name("keyring".into()).spawn(move || {
            for request in waiting {
                if let Some(event) = perform(&store, request)
                    && events.blocking_send(event).is_err()
                {
                    return;
                }
            }
        });
        Self { requests: spawned.ok().map(|_| requests) }
    }

    /// Hands over a request. False if the thread is stuck or gone.
    pub fn ask(&self, request: Request) -> bool {
        self.requests.as_ref().is_some_and(|requests| requests.try_send(request).is_ok())
    }

    /// Waits until all is kept, `limit` at most.
    pub async fn flush(&self, limit: Duration) {
        let (done, finished) = tokio::sync::oneshot::channel();
        if self.ask(Request::Flush(done)) {
            let _ = tokio::time::timeout(limit, finished).await;
        }
    }
}

/// Does one request.
pub fn perform(store: &dyn TokenStore, request: Request) -> Option<Event> {
    let outcome = match request {
        Request::Load(address, account) => store.load(&user(&address, &account)).map(|found| {
            let token = found.and_then(|bytes| Token::new(bytes).ok());
            Some(Event::TokenLoaded { address, account, token })
        }),
        Request::Save(address, account, token) => {
            store.save(&user(&address, &account), token.as_bytes()).map(|()| None)
        }
        Request::Forget(address, account) => store.forget(&user(&address, &account)).map(|()| None),
        Request::Flush(done) => {
            let _ = done.send(());
            Ok(None)
        }
    };
    outcome.unwrap_or_else(|error| {
        tracing::warn!(%error, "the token is not kept");
        Some(Event::NoKeyring)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made fresh for each test: keyring-core's default store is one for the process.
    struct Mock(std::sync::Arc<keyring_core::mock::Store>);

    impl Mock {
        fn new() -> Self {
            Self(keyring_core::mock::Store::new().expect("a mock"))
        }

        fn keyring(&self) -> Keyring {
            keyring_core::set_default_store(self.0.clone());
            Keyring::preset()
        }
    }

    fn someone() -> (RelayAddress, AccountName) {
        ("h:1".parse().expect("address"), AccountName::new("misha").expect("name"))
    }

    fn token(byte: u8) -> Token {
        Token::new(vec![byte; 32]).expect("a token")
    }

    /// One test, in order: the default store is the process's.
    #[test]
    fn tokens_are_kept_replaced_forgotten_and_errors_ask_for_the_password() {
        let mock = Mock::new();
        let keyring = mock.keyring();
        let (address, account) = someone();
        let load = || perform(&keyring, Request::Load(address.clone(), account.clone()));
        let loaded = |event| match event {
            Some(Event::TokenLoaded { token, .. }) => token,
            other => panic!("{other:?}"),
        };
        assert_eq!(loaded(load()), None);
        for byte in [1, 2] {
            assert!(
                perform(&keyring, Request::Save(address.clone(), account.clone(), token(byte))).is_none()
            );
            assert_eq!(loaded(load()), Some(token(byte)), "the newest replaces the one before");
        }
        let entry = keyring_core::Entry::new(SERVICE, "misha@h:1").expect("an entry");
        assert_eq!(entry.get_secret().expect("kept under this name"), vec![2; 32]);
        let mock: &keyring_core::mock::Cred = entry.as_any().downcast_ref().expect("a mock");
        for error in [
            keyring_core::Error::NoStorageAccess("locked".into()),
            keyring_core::Error::PlatformFailure("no D-Bus".into()),
            keyring_core::Error::NoDefaultStore,
        ] {
            mock.set_error(error);
            assert!(matches!(load(), Some(Event::NoKeyring)));
        }
        mock.set_error(keyring_core::Error::NoStorageAccess("locked".into()));
        let saved = perform(&keyring, Request::Save(address.clone(), account.clone(), token(3)));
        assert!(matches!(saved, Some(Event::NoKeyring)));
        assert!(perform(&keyring, Request::Forget(address.clone(), account.clone())).is_none());
        assert_eq!(loaded(load()), None);
        assert!(
            perform(&keyring, Request::Forget(address.clone(), account.clone())).is_none(),
            "twice is fine"
        );
    }

    struct Stuck;

    impl TokenStore for Stuck {
        fn load(&self, _: &str) -> Result<Option<Vec<u8>>, NoKeyring> {
            std::thread::park();
            Ok(None)
        }
        fn save(&self, _: &str, _: &[u8]) -> Result<(), NoKeyring> {
            Ok(())
        }
        fn forget(&self, _: &str) -> Result<(), NoKeyring> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_keyring_that_hangs_holds_up_nobody() {
        let (events, _received) = mpsc::channel(4);
        let tokens = Tokens::start(Stuck, events);
        let (address, account) = someone();
        let answers: Vec<bool> = (0..=REQUESTS_MAX + 1)
            .map(|_| tokens.ask(Request::Load(address.clone(), account.clone())))
            .collect();
        assert!(answers[0]);
        assert!(!answers[REQUESTS_MAX + 1], "a full queue is told, not waited for");
        tokens.flush(Duration::from_millis(1)).await;
    }
}
