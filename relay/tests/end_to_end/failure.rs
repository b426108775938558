//! A storage that fails: what is not committed is never acknowledged, and the relay ends rather than guess.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use mechat_client::{Command, Event, Link, OutboxState};
use mechat_protocol::name::NameKey;
use mechat_protocol::reply::Durability;
use mechat_protocol::request::{HistoryRange, Selection};
use mechat_protocol::{AccountName, ChannelId, CloseCode, RelayAddress, Seq};
use mechat_relay::storage::{
    Contents, Credential, Found, LogPart, MemoryStorage, NameState, Search, Storage, StorageError, Write,
    Written,
};
use mechat_relay::{Config, Relay};
use tempfile::TempDir;

use crate::harness::{Person, password};

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

    async fn read_posts(
        &self,
        channel: ChannelId,
        which: Selection,
        after: Seq,
        limit: usize,
    ) -> Result<LogPart, StorageError> {
        self.inner.read_posts(channel, which, after, limit).await
    }

    async fn search(&self, search: Search) -> Result<Found, StorageError> {
        self.inner.search(search).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.inner.close().await
    }
}

/// A relay on a storage that can be told to fail, and somebody registered there.
async fn stage() -> (TempDir, Arc<Failing>, Relay, Person) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = Config::in_directory(directory.path().join("relay"));
    config.listen = "127.0.0.1:0".parse().expect("an address");
    let storage = Arc::new(Failing::default());
    let relay = Relay::start_on(config, Arc::clone(&storage) as Arc<dyn Storage>).await.expect("starts");
    let address = RelayAddress::new("127.0.0.1", relay.local_addr().port()).expect("an address");
    let mut ann = Person::visit(address, relay.fingerprint(), &directory.path().join("pins")).await;
    ann.register("ann").await;
    (directory, storage, relay, ann)
}

async fn ends_for_its_storage(relay: Relay) {
    let error = format!("{:#}", relay.wait().await.expect_err("it ends with an error"));
    assert!(error.contains("no space left on device") && error.contains("start the relay again"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_is_never_acknowledged_and_ends_the_relay() {
    let (_directory, storage, relay, mut ann) = stage().await;
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
    ends_for_its_storage(relay).await;
}

/// It used to be answered `internal`, and the relay went on with a storage that had failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_of_the_credentials_ends_the_relay_too() {
    let (directory, storage, relay, mut ann) = stage().await;
    let address = RelayAddress::new("127.0.0.1", relay.local_addr().port()).expect("an address");
    let mut bob = Person::visit(address, relay.fingerprint(), &directory.path().join("pins-of-bob")).await;
    storage.fails.store(true, Ordering::SeqCst);
    let account = AccountName::new("bob").expect("a name");
    bob.client.send(Command::Register { account, password: password() }).await;
    for person in [&mut ann, &mut bob] {
        let close = person.until(|event| match event {
            Event::SignedIn(_) => panic!("signed in without a commit"),
            Event::Link(Link::Down { close, .. }) => Some(close),
            _ => None,
        });
        assert_eq!(close.await.map(|close| close.code), Some(CloseCode::Internal));
    }
    ends_for_its_storage(relay).await;
}
