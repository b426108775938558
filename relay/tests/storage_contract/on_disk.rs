//! What a database on disk promises besides: it outlives the process, fails whole, and reads while it writes.

use std::path::Path;
use std::sync::Arc;

use mechat_protocol::reply::Durability;
use mechat_protocol::request::{HistoryRange, Query};
use mechat_protocol::{AccountId, Amendment, Body, ChannelId, Content, Seq, SessionId, UnixMillis};
use mechat_relay::storage::{
    Contents, Found, LogPart, MemoryStorage, NewToken, Rotation, Search, SqliteStorage, Storage, TokenChange,
    TokenHash, Written,
};
use uuid::Uuid;

use crate::setting::{
    AT, Person, all, append, channel_of, contents, insert_token, join, make, name, new_seq, one, person,
    rotate_token, say, sqlite, text,
};

const SESSION: SessionId = SessionId(Uuid::from_u128(7));

/// Everything that can be asked about what [`fill`] wrote.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    contents: Contents,
    log: LogPart,
    credential: Vec<u8>,
}

/// Something of everything.
async fn fill(storage: &dyn Storage) -> Seen {
    let ann = person(storage, "Ann").await;
    person(storage, "bob").await;
    let Written::Channel(den, _) = one(storage, make("den", Some(&ann))).await else { panic!("made") };
    all(storage, vec![say(den.id, &ann, 1), append(den.id, &ann, Some(2), text("世界"))]).await;
    let expires = UnixMillis(AT.0 + 1_000);
    let token = NewToken { hash: TokenHash::of(b"first"), account: ann.id, session: SESSION, expires };
    insert_token(storage, token).await;
    rotate(storage, b"first", b"second").await;
    see(storage).await
}

async fn see(storage: &dyn Storage) -> Seen {
    let contents = contents(storage).await;
    let channel = contents.channels[0].id;
    let log = storage.read_log(channel, HistoryRange::Latest, 100).await.expect("storage works");
    let credential = storage.credential("ann").await.expect("storage works").expect("found").record;
    Seen { contents, log, credential }
}

async fn rotate(storage: &dyn Storage, old: &[u8], next: &[u8]) -> Rotation {
    let next_expires = UnixMillis(AT.0 + 2_000);
    let change = TokenChange { old: TokenHash::of(old), next: TokenHash::of(next), now: AT, next_expires };
    rotate_token(storage, change).await
}

/// A storage that was opened again has everything, and goes on where it stopped.
async fn has_all(path: &Path, seen: &Seen) {
    let storage = SqliteStorage::open(path).expect("opens again");
    assert_eq!(&see(&storage).await, seen);
    let (account, session) = (AccountId(1), SESSION);
    let (rotated, again) = (Rotation::Rotated { account, session }, Rotation::Again { account, session });
    assert_eq!(rotate(&storage, b"first", b"second").await, again, "the retry is known");
    assert_eq!(rotate(&storage, b"second", b"third").await, rotated);
    assert_eq!(rotate(&storage, b"first", b"second").await, Rotation::Replayed(SESSION));
    let ann = Person { id: AccountId(1), name: name("Ann") };
    let den = seen.contents.channels[0].id;
    assert_eq!(one(&storage, say(den, &ann, 1)).await, Written::Known(seen.log.entries[1].clone()));
    assert_eq!(new_seq(&one(&storage, say(den, &ann, 3)).await), seen.contents.channels[0].head.next());
    assert_eq!(one(&storage, join(den, &ann)).await, Written::Unchanged, "the membership is known");
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let (directory, storage) = sqlite();
    let seen = fill(&storage).await;
    storage.close().await.expect("closes");
    has_all(&directory.path().join("mechat.db"), &seen).await;
}

#[tokio::test]
async fn everything_that_was_committed_survives_a_kill() {
    let (directory, storage) = sqlite();
    let seen = fill(&storage).await;
    // What a process leaves that is killed here: the files as they are, nothing closed or checkpointed.
    let killed = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(directory.path()).expect("readable") {
        let entry = entry.expect("an entry");
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), killed.path().join(entry.file_name())).expect("copied");
        }
    }
    has_all(&killed.path().join("mechat.db"), &seen).await;
    drop(storage);
}

/// A storage with a channel in which Ann said this.
async fn said(words: &[&str]) -> (tempfile::TempDir, SqliteStorage, Person, ChannelId) {
    let (directory, storage) = sqlite();
    let ann = person(&storage, "ann").await;
    let lobby = channel_of(&storage, "lobby", &[&ann]).await;
    for (nonce, words) in (1..).zip(words) {
        one(&storage, append(lobby, &ann, Some(nonce), text(words))).await;
    }
    (directory, storage, ann, lobby)
}

async fn found(storage: &SqliteStorage, words: &str, channel: ChannelId) -> Vec<Seq> {
    let query = Query::new(words.into()).expect("a query");
    let search = Search { query, channels: vec![channel], after: None, limit: 100 };
    match storage.search(search).await.expect("storage works") {
        Found::Page(entries, _) => entries.iter().map(|entry| entry.seq).collect(),
        Found::Behind => panic!("the index follows by itself"),
    }
}

/// Whether a file of the directory has the bytes anywhere.
fn is_anywhere(directory: &Path, bytes: &str) -> bool {
    std::fs::read_dir(directory).expect("readable").any(|entry| {
        let file = std::fs::read(entry.expect("an entry").path()).expect("readable");
        file.windows(bytes.len()).any(|part| part == bytes.as_bytes())
    })
}

#[tokio::test]
async fn deleted_words_are_in_no_file() {
    let long = format!("tangerine {}", "zebra ".repeat(2_000));
    let (directory, storage, ann, lobby) = said(&["keepsake", "tangerine", &long]).await;
    let amend = |nonce, amendment| append(lobby, &ann, Some(nonce), Body::Amended { amendment });
    let content = Content::text("persimmon").expect("a text");
    one(&storage, amend(11, Amendment::Edit { seq: Seq(3), content })).await;
    assert_eq!(found(&storage, "persimmon", lobby).await, [Seq(3)]);
    assert_eq!(found(&storage, "tangerine zebra", lobby).await, [Seq(4)]);
    assert!(is_anywhere(directory.path(), "persimmon"), "it can be seen there");
    for (nonce, seq) in [(12, Seq(3)), (13, Seq(4))] {
        one(&storage, amend(nonce, Amendment::Delete { seq })).await;
    }
    assert_eq!(found(&storage, "tangerine", lobby).await, []);
    storage.close().await.expect("closes");
    drop(storage);
    for words in ["tangerine", "persimmon", "zebra", "angerin", "ebra z"] {
        assert!(!is_anywhere(directory.path(), words), "{words}");
    }
    assert!(is_anywhere(directory.path(), "keepsake"));
}

#[tokio::test]
async fn an_index_that_is_missing_damaged_or_of_another_log_is_made_anew() {
    let (directory, storage, _, lobby) = said(&["one word", "two words"]).await;
    assert_eq!(found(&storage, "two", lobby).await, [Seq(3)]);
    storage.close().await.expect("closes");
    let path = directory.path().join("mechat.db");
    let index = directory.path().join("mechat.db.search");
    let (other_directory, other, _, other_lobby) = said(&["something else", "in another place"]).await;
    one(&other, say(other_lobby, &Person { id: AccountId(1), name: name("ann") }, 9)).await;
    assert_eq!(found(&other, "place", other_lobby).await, [Seq(3)]);
    other.close().await.expect("closes");
    for harm in ["missing", "rubbish", "of another log", "of another version"] {
        match harm {
            "missing" => std::fs::remove_file(&index).expect("removed"),
            "rubbish" => std::fs::write(&index, [7; 9_000]).expect("written"),
            "of another log" => {
                let theirs = other_directory.path().join("mechat.db.search");
                std::fs::copy(theirs, &index).expect("copied");
            }
            _ => {
                let connection = rusqlite::Connection::open(&index).expect("opens");
                connection.execute_batch("PRAGMA user_version = 99").expect("changes");
            }
        }
        let storage = SqliteStorage::open(&path).expect("opens");
        assert_eq!(found(&storage, "two", lobby).await, [Seq(3)], "{harm}");
        assert_eq!(found(&storage, "place", lobby).await, [], "{harm}");
        storage.close().await.expect("closes");
    }
}

#[tokio::test]
async fn an_index_goes_on_where_it_stopped() {
    let (directory, storage, ann, lobby) = said(&["first"]).await;
    assert_eq!(found(&storage, "first", lobby).await, [Seq(2)]);
    storage.close().await.expect("closes");
    let storage = SqliteStorage::open(&directory.path().join("mechat.db")).expect("opens");
    let many = (1_000..3_000).map(|nonce| append(lobby, &ann, Some(nonce), text("many")));
    all(&storage, many.collect()).await;
    one(&storage, append(lobby, &ann, Some(2), text("last"))).await;
    assert_eq!(found(&storage, "first", lobby).await, [Seq(2)]);
    assert_eq!(found(&storage, "last", lobby).await, [Seq(2_003)]);
    assert_eq!(found(&storage, "many", lobby).await.len(), 100);
}

#[cfg(unix)]
#[tokio::test]
async fn the_index_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, storage, _, lobby) = said(&["secret"]).await;
    assert_eq!(found(&storage, "secret", lobby).await, [Seq(2)]);
    for entry in std::fs::read_dir(directory.path()).expect("readable") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("known").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing() {
    let (directory, storage) = sqlite();
    let (ann, bob) = (person(&storage, "ann").await, person(&storage, "bob").await);
    let lobby = channel_of(&storage, "lobby", &[&ann]).await;
    one(&storage, say(lobby, &ann, 1)).await;
    let before = contents(&storage).await;
    // Nobody has this number, so that its membership breaks a rule of the schema in the middle of the batch.
    let nobody = Person { id: AccountId(99), name: name("nobody") };
    let batch = vec![
        say(lobby, &ann, 2),
        join(lobby, &bob),
        make("den", Some(&ann)),
        join(lobby, &nobody),
        say(lobby, &ann, 4),
    ];
    storage.commit(batch).await.expect_err("nobody joins nothing");
    assert_eq!(contents(&storage).await, before);
    let error =
        storage.commit(vec![say(lobby, &ann, 2)]).await.expect_err("nothing is committed after a failure");
    assert!(error.to_string().contains("opened anew"), "{error}");
    drop(storage);
    let storage = SqliteStorage::open(&directory.path().join("mechat.db")).expect("opens again");
    assert_eq!(contents(&storage).await, before);
    let log = storage.read_log(lobby, HistoryRange::Latest, 100).await.expect("storage works");
    assert_eq!(log.entries.len(), 2);
    assert_eq!(new_seq(&one(&storage, say(lobby, &ann, 2)).await), before.channels[0].head.next());
}

#[tokio::test]
async fn reads_do_not_wait_for_a_write() {
    let (directory, storage) = sqlite();
    let storage = Arc::new(storage);
    let ann = person(&*storage, "ann").await;
    let lobby = channel_of(&*storage, "lobby", &[&ann]).await;
    one(&*storage, say(lobby, &ann, 1)).await;
    // Somebody else holds the write lock, so that the commit below cannot end until it is given back.
    let other = rusqlite::Connection::open(directory.path().join("mechat.db")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE; UPDATE channels SET head = 99;").expect("locks");
    let write = tokio::spawn({
        let (storage, ann) = (Arc::clone(&storage), ann.clone());
        async move { one(&*storage, say(lobby, &ann, 2)).await }
    });
    tokio::task::yield_now().await;
    let log = storage.read_log(lobby, HistoryRange::Latest, 100).await.expect("reads");
    assert_eq!(log.entries.len(), 2, "and see only what is committed");
    assert_eq!(contents(&*storage).await.channels[0].head, log.entries[1].seq);
    storage.credential("ann").await.expect("reads").expect("found");
    storage.name_state(&name("bob").key()).await.expect("reads");
    assert!(!write.is_finished(), "the write was under way all the time");
    other.execute_batch("ROLLBACK").expect("unlocks");
    assert_eq!(new_seq(&write.await.expect("ends")), log.entries[1].seq.next());
}

#[tokio::test]
async fn each_says_what_it_promises() {
    let (_directory, sqlite) = sqlite();
    assert_eq!((sqlite.name(), sqlite.durability()), ("sqlite", Durability::Fsync));
    let memory = MemoryStorage::default();
    assert_eq!((memory.name(), memory.durability()), ("memory", Durability::BestEffort));
    memory.close().await.expect("closes");
}
