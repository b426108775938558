//! A storage that fails: what is not committed is never acknowledged, and the relay ends rather than guess.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use mechat_client::{Event, Link, OutboxState};
use mechat_protocol::name::NameKey;
use mechat_protocol::reply::Durability;
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{ChannelId, CloseCode, RelayAddress, SessionId, UnixMillis};
use mechat_relay::storage::{
    AccountCreated, Contents, Credential, LogPart, MemoryStorage, NameState, NewAccount, NewToken, Rotation,
    Storage, StorageError, TokenHash, Write, Written,
};
use mechat_relay::{Config, Relay};

use crate::harness::Person;

/// Works until it is told to fail; then a batch reaches the log, and the commit fails all the same, as after a bad fsync.
#[derive(Default)]
struct Failing {
    inner: MemoryStorage,
    fails: AtomicBool,
}

#[async_trait]
impl Storage for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn durability(&self) -> Durability {
        Durability::BestEffort
    }

    async fn load(&self) -> Result<Contents, StorageError> {
        self.inner.load().await
    }

    async fn name_state(&self, name: &NameKey) -> Result<NameState, StorageError> {
        self.inner.name_state(name).await
    }

    async fn create_account(&self, account: NewAccount) -> Result<AccountCreated, StorageError> {
        self.inner.create_account(account).await
    }

    async fn credential(&self, folded: &str) -> Result<Option<Credential>, StorageError> {
        self.inner.credential(folded).await
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, StorageError> {
        let written = self.inner.commit(batch).await?;
        if self.fails.load(Ordering::SeqCst) {
            return Err(StorageError { what: "committing", why: "no space left on device".into() });
        }
        Ok(written)
    }

    async fn read_log(
        &self,
        channel: ChannelId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<LogPart, StorageError> {
        self.inner.read_log(channel, range, limit).await
    }

    async fn insert_token(&self, token: NewToken) -> Result<(), StorageError> {
        self.inner.insert_token(token).await
    }

    async fn rotate_token(
        &self,
        old: TokenHash,
        next: TokenHash,
        now: UnixMillis,
        next_expires: UnixMillis,
    ) -> Result<Rotation, StorageError> {
        self.inner.rotate_token(old, next, now, next_expires).await
    }

    async fn revoke_session(&self, session: SessionId) -> Result<(), StorageError> {
        self.inner.revoke_session(session).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.inner.close().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_is_never_acknowledged_and_ends_the_relay() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = Config::in_directory(directory.path().join("relay"));
    config.listen = "127.0.0.1:0".parse().expect("an address");
    let storage = Arc::new(Failing::default());
    let relay = Relay::start_on(config, Arc::clone(&storage) as Arc<dyn Storage>).await.expect("starts");
    let address = RelayAddress::new("127.0.0.1", relay.local_addr().port()).expect("an address");
    let mut ann = Person::visit(address, relay.fingerprint(), &directory.path().join("pins")).await;
    ann.register("ann").await;
    let lobby = ann.join("lobby").await;
    storage.fails.store(true, Ordering::SeqCst);
    ann.say(&lobby, "is it kept?").await;
    let close = ann.until(|event| match event {
        Event::Outbox { state: OutboxState::Acked { .. }, .. } => panic!("acknowledged without a commit"),
        Event::Appended { entries, .. }
            if entries.iter().any(|entry| crate::harness::text_of(entry).is_some()) =>
        {
            panic!("broadcast without a commit")
        }
        Event::Link(Link::Down { close, .. }) => Some(close),
        _ => None,
    });
    assert_eq!(close.await.map(|close| close.code), Some(CloseCode::Internal));
    let error = format!("{:#}", relay.wait().await.expect_err("it ends with an error"));
    assert!(error.contains("no space left on device") && error.contains("start the relay again"), "{error}");
}
