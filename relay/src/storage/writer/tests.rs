//! The writer in front of a storage whose commits end when the test says so.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::FutureExt;
use mechat_protocol::name::NameKey;
use mechat_protocol::reply::Durability;
use mechat_protocol::request::{ChannelKind, HistoryRange, Selection};
use mechat_protocol::{AccountId, ChannelId, ChannelName, Seq, SessionId, UnixMillis};
use tokio::sync::Semaphore;

use super::*;
use crate::storage::{
    Contents, Credential, Found, LogPart, MemoryStorage, NameState, NewToken, Rotation, Search, TokenChange,
    TokenHash,
};

const AT: UnixMillis = UnixMillis(1_767_225_600_000);

/// A commit takes place, and then waits for a permit before it says so.
struct Gated {
    inner: MemoryStorage,
    gate: Semaphore,
    /// Writes of each commit that began.
    began: Mutex<Vec<usize>>,
    some_began: Notify,
    fails: AtomicBool,
}

impl Gated {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStorage::default(),
            gate: Semaphore::new(0),
            began: Mutex::default(),
            some_began: Notify::new(),
            fails: AtomicBool::new(false),
        })
    }

    fn began(&self) -> Vec<usize> {
        self.began.lock().expect("whole").clone()
    }

    /// Waits until so many commits have begun.
    async fn until_began(&self, commits: usize) {
        while self.began().len() < commits {
            self.some_began.notified().await;
        }
    }
}

#[async_trait]
impl Storage for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
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
        self.began.lock().expect("whole").push(batch.len());
        self.some_began.notify_one();
        let written = self.inner.commit(batch).await?;
        self.gate.acquire().await.expect("open").forget();
        if self.fails.load(Ordering::SeqCst) {
            return Err(StorageError::new("committing", &"no space left on device"));
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

fn make(number: usize) -> Write {
    let name = ChannelName::new(&format!("c{number}")).expect("a name");
    Write::CreateChannel { name, kind: ChannelKind::Public, host: None, at: AT }
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<(usize, Write)> {
    numbers.map(|number| (number, make(number))).collect()
}

fn tags(outcomes: &[(usize, Written)]) -> Vec<usize> {
    outcomes.iter().map(|(tag, _)| *tag).collect()
}

#[tokio::test]
async fn what_queues_during_a_commit_is_the_next_transaction() {
    let storage = Gated::new();
    let mut writer = StorageWriter::start(storage.clone());
    writer.submit(&mut numbered(0..1));
    storage.until_began(1).await;
    for numbers in [1..3, 3..3, 3..6] {
        writer.submit(&mut numbered(numbers));
    }
    storage.gate.add_permits(2);
    assert_eq!(tags(&writer.committed().await.expect("commits")), [0]);
    let second = writer.committed().await.expect("commits");
    assert_eq!(tags(&second), [1, 2, 3, 4, 5], "in the order of submission");
    for (tag, written) in second {
        let Written::Channel(row, None) = written else { panic!("{written:?}") };
        assert_eq!(
            (row.id, row.name.as_str()),
            (ChannelId(tag as u64 + 1), &format!("c{tag}")[..]),
            "its own outcome"
        );
    }
    assert_eq!((storage.began(), writer.outstanding()), (vec![1, 5], 0));
}

#[tokio::test]
async fn nothing_is_answered_before_its_commit_ends() {
    let storage = Gated::new();
    let mut writer = StorageWriter::start(storage.clone());
    writer.submit(&mut numbered(0..3));
    storage.until_began(1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(writer.committed().now_or_never().is_none(), "the commit is not over");
    assert_eq!(writer.outstanding(), 3);
    storage.gate.add_permits(1);
    assert_eq!(tags(&writer.committed().await.expect("commits")), [0, 1, 2]);
}

#[tokio::test]
async fn after_a_failed_commit_nothing_is_tried_again() {
    let storage = Gated::new();
    let mut writer = StorageWriter::start(storage.clone());
    storage.fails.store(true, Ordering::SeqCst);
    writer.submit(&mut numbered(0..1));
    storage.until_began(1).await;
    writer.submit(&mut numbered(1..4));
    storage.gate.add_permits(100);
    let error = writer.committed().await.expect_err("the commit failed");
    assert!(error.to_string().contains("no space left"), "{error}");
    storage.fails.store(false, Ordering::SeqCst);
    writer.submit(&mut numbered(4..6));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(writer.committed().now_or_never().is_none(), "no answer to anything");
    assert_eq!(storage.began(), [1], "nor any other commit");
}

#[tokio::test]
async fn a_full_queue_is_said_and_a_transaction_is_bounded() {
    let storage = Gated::new();
    let mut writer = StorageWriter::start(storage.clone());
    writer.submit(&mut numbered(0..OUTSTANDING_MAX - 1));
    assert!(writer.has_room());
    writer.submit(&mut numbered(OUTSTANDING_MAX - 1..OUTSTANDING_MAX));
    assert!(!writer.has_room());
    storage.gate.add_permits(OUTSTANDING_MAX);
    let mut answered = Vec::new();
    while writer.outstanding() > 0 {
        answered.extend(tags(&writer.committed().await.expect("commits")));
    }
    assert!(writer.has_room());
    assert_eq!(answered, (0..OUTSTANDING_MAX).collect::<Vec<_>>());
    assert!(storage.began().iter().all(|writes| *writes <= BATCH_MAX), "{:?}", storage.began());
}

/// A revoked session could go on when its resume was answered after the revocation that was committed after it.
#[tokio::test]
async fn a_resume_and_a_revocation_are_answered_in_the_order_of_their_commit() {
    let storage = Gated::new();
    let mut writer = StorageWriter::start(storage.clone());
    storage.gate.add_permits(100);
    let (account, session, expires) =
        (AccountId(1), SessionId(uuid::Uuid::from_u128(7)), UnixMillis(AT.0 + 1_000));
    let token = |text: &str| TokenHash::of(text.as_bytes());
    let rotate = |old: &str, next: &str| {
        Write::RotateToken(TokenChange { old: token(old), next: token(next), now: AT, next_expires: expires })
    };
    let writes = [
        Write::InsertToken(NewToken { hash: token("a"), account, session, expires }),
        rotate("a", "b"),
        Write::RevokeSession(session),
        rotate("b", "c"),
    ];
    writer.submit(&mut (0..).zip(writes).collect());
    let outcomes = writer.committed().await.expect("commits");
    let expected = [
        Written::TokenInserted,
        Written::Token(Rotation::Rotated { account, session }),
        Written::Revoked,
        Written::Token(Rotation::Refused),
    ];
    assert_eq!(outcomes, (0..).zip(expected).collect::<Vec<(usize, _)>>());
    assert_eq!(storage.began(), [4], "one transaction for all");
}
