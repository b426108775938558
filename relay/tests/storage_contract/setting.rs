//! People, channels and writes that the promises are tried with.

use mechat_protocol::request::ChannelKind;
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, ChannelName, Content, Entry, Nonce, Seq, SessionId, UnixMillis,
};
use mechat_relay::storage::{
    ChannelRow, Contents, NewAccount, NewToken, Rotation, SqliteStorage, Storage, TokenChange, Write, Written,
};
use tempfile::TempDir;
use uuid::Uuid;

/// A moment.
pub(crate) const AT: UnixMillis = UnixMillis(1_767_225_600_000);

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: AccountId,
    pub(crate) name: AccountName,
}

/// A database in a directory that lasts as long as the first value.
pub(crate) fn sqlite() -> (TempDir, SqliteStorage) {
    let directory = tempfile::tempdir().expect("a directory");
    let storage = SqliteStorage::open(&directory.path().join("mechat.db")).expect("opens");
    (directory, storage)
}

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::new(text).expect("a valid name")
}

pub(crate) fn channel_name(text: &str) -> ChannelName {
    ChannelName::new(text).expect("a valid name")
}

pub(crate) fn new_account(text: &str) -> NewAccount {
    NewAccount { name: name(text), credential: format!("record of {text}").into_bytes(), at: AT }
}

/// Makes an account whose name is free.
pub(crate) async fn person(storage: &dyn Storage, text: &str) -> Person {
    match register(storage, text).await {
        Written::Account(row) => Person { id: row.id, name: row.name },
        other => panic!("{text} is {other:?}"),
    }
}

/// Tries to make an account.
pub(crate) async fn register(storage: &dyn Storage, text: &str) -> Written {
    one(storage, Write::CreateAccount(new_account(text))).await
}

/// Keeps a session's first token.
pub(crate) async fn insert_token(storage: &dyn Storage, token: NewToken) {
    assert_eq!(one(storage, Write::InsertToken(token)).await, Written::TokenInserted);
}

/// Replaces a token by another.
pub(crate) async fn rotate_token(storage: &dyn Storage, change: TokenChange) -> Rotation {
    match one(storage, Write::RotateToken(change)).await {
        Written::Token(rotation) => rotation,
        other => panic!("{other:?}"),
    }
}

/// Revokes a session.
pub(crate) async fn revoke_session(storage: &dyn Storage, session: SessionId) {
    assert_eq!(one(storage, Write::RevokeSession(session)).await, Written::Revoked);
}

/// Makes a channel without a host.
pub(crate) async fn channel(storage: &dyn Storage, text: &str) -> ChannelId {
    match one(storage, make(text, None)).await {
        Written::Channel(row, None) => row.id,
        other => panic!("{other:?}"),
    }
}

/// Makes a channel whose first entries are these people's joins.
pub(crate) async fn channel_of(storage: &dyn Storage, text: &str, members: &[&Person]) -> ChannelId {
    let channel = channel(storage, text).await;
    for entry in all(storage, members.iter().map(|who| join(channel, who)).collect()).await {
        new(entry);
    }
    channel
}

/// Commits a batch of one.
pub(crate) async fn one(storage: &dyn Storage, write: Write) -> Written {
    let [written] = all(storage, vec![write]).await.try_into().expect("one outcome");
    written
}

/// Commits a batch.
pub(crate) async fn all(storage: &dyn Storage, batch: Vec<Write>) -> Vec<Written> {
    let len = batch.len();
    let written = storage.commit(batch).await.expect("storage works");
    assert_eq!(written.len(), len, "one outcome for each write");
    written
}

pub(crate) fn make(text: &str, host: Option<&Person>) -> Write {
    let host = host.map(|host| (host.id, host.name.clone()));
    Write::CreateChannel { name: channel_name(text), kind: ChannelKind::Public, host, at: AT }
}

pub(crate) fn append(channel: ChannelId, who: &Person, nonce: Option<u128>, body: Body) -> Write {
    Write::Append {
        channel,
        sender: who.id,
        sender_name: who.name.clone(),
        nonce: nonce.map(self::nonce),
        at: AT,
        body,
        moderates: false,
    }
}

pub(crate) fn say(channel: ChannelId, who: &Person, nonce: u128) -> Write {
    append(channel, who, Some(nonce), text(&format!("number {nonce}")))
}

pub(crate) fn nonce(number: u128) -> Nonce {
    Nonce(Uuid::from_u128(number))
}

pub(crate) fn text(text: &str) -> Body {
    Body::said(Content::text(text).expect("a text"), None)
}

pub(crate) fn join(channel: ChannelId, who: &Person) -> Write {
    append(channel, who, None, Body::Joined)
}

pub(crate) fn leave(channel: ChannelId, who: &Person) -> Write {
    append(channel, who, None, Body::Left)
}

/// The entry that is new.
pub(crate) fn new(written: Written) -> Entry {
    match written {
        Written::New(entry) => entry,
        other => panic!("no new entry: {other:?}"),
    }
}

/// The seq of the entry that is new.
pub(crate) fn new_seq(written: &Written) -> Seq {
    new(written.clone()).seq
}

/// What is loaded, in an order of its own.
pub(crate) async fn contents(storage: &dyn Storage) -> Contents {
    let mut contents = storage.load().await.expect("storage works");
    contents.accounts.sort_by_key(|row| row.id);
    contents.channels.sort_by_key(|row| row.id);
    contents.members.sort_by_key(|row| (row.channel, row.account));
    contents
}

/// The channel as it is loaded.
pub(crate) async fn row(storage: &dyn Storage, channel: ChannelId) -> ChannelRow {
    let contents = contents(storage).await;
    contents.channels.into_iter().find(|row| row.id == channel).expect("the channel is loaded")
}
