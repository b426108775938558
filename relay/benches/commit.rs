//! What a commit costs: SQLite by the size of its batch, next to bare inserts into the same table; memory; tokens.
//!
//! `cargo bench -p mechat-relay --bench commit`, with `-- N` for checkpoints after N pages. The figures are for whoever changes the storage to compare; nothing is judged.
#![expect(clippy::print_stdout, reason = "the table is this program's result")]

use std::path::Path;
use std::time::{Duration, Instant};

use mechat_protocol::request::ChannelKind;
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, ChannelName, Content, Nonce, SessionId, UnixMillis,
};
use mechat_relay::storage::{
    MemoryStorage, NewAccount, NewToken, SqliteOptions, SqliteStorage, Storage, TokenChange, TokenHash,
    Write, Written,
};
use uuid::Uuid;

const AT: UnixMillis = UnixMillis(1_767_225_600_000);
const SENDERS: u64 = 128;
/// How long each row is measured.
const ROW: Duration = Duration::from_secs(2);

fn name(number: u64) -> AccountName {
    AccountName::new(&format!("sender-{number}")).expect("a name")
}

/// People who are members of one channel.
async fn settle(storage: &dyn Storage) {
    let lobby = ChannelName::new("lobby").expect("a name");
    let mut writes =
        vec![Write::CreateChannel { name: lobby, kind: ChannelKind::Public, host: None, at: AT }];
    for number in 1..=SENDERS {
        let credential = vec![0; 192];
        writes.push(Write::CreateAccount(NewAccount { name: name(number), credential, at: AT }));
        writes.push(append(number, None, Body::Joined));
    }
    storage.commit(writes).await.expect("commits");
}

fn append(sender: u64, nonce: Option<Nonce>, body: Body) -> Write {
    let (channel, sender_name) = (ChannelId(1), name(sender));
    Write::Append { channel, sender: AccountId(sender), sender_name, nonce, at: AT, body, moderates: false }
}

fn say(number: u64) -> Write {
    let content = Content::text("x".repeat(100)).expect("a text");
    let body = Body::said(content, None);
    append(number % SENDERS + 1, Some(Nonce(Uuid::now_v7())), body)
}

/// Commits batches for a while, and prints the rate and the time of a batch.
async fn row(what: &str, storage: &dyn Storage, batch: usize, mut write: impl FnMut(u64) -> Write) {
    let (began, mut number, mut busy, mut times) = (Instant::now(), 0, Duration::ZERO, Vec::new());
    while began.elapsed() < ROW {
        let mut writes = Vec::with_capacity(batch);
        for _ in 0..batch {
            number += 1;
            writes.push(write(number));
        }
        let start = Instant::now();
        let written = storage.commit(writes).await.expect("commits");
        times.push(start.elapsed());
        busy += start.elapsed();
        assert!(!written.iter().any(|w| matches!(w, Written::NotAMember | Written::Known(_))));
    }
    print(what, batch, number, busy, times);
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(what: &str, batch: usize, count: u64, busy: Duration, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{what:<16} batch {batch:>5} {:>10.0}/s {:>8.2} us each, a batch {:>7.2} ms p50 {:>7.2} ms p99 {:>7.2} ms max",
        count as f64 / busy.as_secs_f64(),
        busy.as_secs_f64() * 1e6 / count as f64,
        at(50),
        at(99),
        at(100),
    );
}

/// Inserts with no question asked, into the same table with the same index.
fn bare(path: &Path, batch: usize) {
    let mut connection = rusqlite::Connection::open(path).expect("opens");
    connection.execute_batch("PRAGMA synchronous = FULL").expect("sets");
    let mut seq: i64 = connection.query_row("SELECT max(seq) FROM log", [], |row| row.get(0)).expect("reads");
    let body = rmp_serde::to_vec_named(&Body::said(Content::text("x".repeat(100)).expect("a text"), None))
        .expect("encodes");
    let (began, mut count, mut busy, mut times) = (Instant::now(), 0_u64, Duration::ZERO, Vec::new());
    while began.elapsed() < ROW {
        let start = Instant::now();
        let transaction = connection.transaction().expect("begins");
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO log (channel, seq, epoch, at_ms, sender, nonce, body) VALUES (1, ?1, 1, ?2, ?3, ?4, ?5)")
                .expect("prepares");
            for number in 0..batch {
                seq += 1;
                let sender = i64::try_from(number).expect("small") % 128 + 1;
                let nonce = Uuid::now_v7().into_bytes();
                insert.execute(rusqlite::params![seq, AT.0, sender, nonce, body]).expect("inserts");
            }
        }
        transaction.commit().expect("commits");
        times.push(start.elapsed());
        busy += start.elapsed();
        count += batch as u64;
    }
    print("bare sqlite", batch, count, busy, times);
}

async fn tokens(what: &str, storage: &dyn Storage, batch: usize) {
    let hash = |number: u64, step: u64| TokenHash::of(&[number.to_be_bytes(), step.to_be_bytes()].concat());
    let expires = UnixMillis(AT.0 + 1_000_000);
    let sessions = 10_000;
    let inserts = (0..sessions).map(|number| {
        let session = SessionId(Uuid::new_v4());
        Write::InsertToken(NewToken { hash: hash(number, 0), account: AccountId(1), session, expires })
    });
    storage.commit(inserts.collect()).await.expect("commits");
    row(what, storage, batch, |number| {
        let (who, step) = ((number - 1) % sessions, (number - 1) / sessions);
        let (old, next) = (hash(who, step), hash(who, step + 1));
        Write::RotateToken(TokenChange { old, next, now: AT, next_expires: expires })
    })
    .await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = tempfile::tempdir_in(".").expect("a directory");
    let path = directory.path().join("mechat.db");
    let checkpoint_pages = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let options = SqliteOptions { checkpoint_pages, ..SqliteOptions::default() };
    let sqlite = SqliteStorage::open_with(&path, &options).expect("opens");
    settle(&sqlite).await;
    for batch in [1, 16, 128, 1_024] {
        row("sqlite", &sqlite, batch, say).await;
        bare_of_its_own(directory.path(), batch).await;
    }
    let path = directory.path().join("no-index.db");
    let without =
        SqliteStorage::open_with(&path, &SqliteOptions { no_index: true, ..options }).expect("opens");
    settle(&without).await;
    for batch in [1, 128] {
        row("without an index", &without, batch, say).await;
    }
    tokens("sqlite tokens", &sqlite, 128).await;
    let memory = MemoryStorage::default();
    settle(&memory).await;
    for batch in [1, 128] {
        row("memory", &memory, batch, say).await;
    }
    tokens("memory tokens", &memory, 128).await;
    sqlite.close().await.expect("closes");
}

/// A database with the same people, closed by the relay's storage.
async fn bare_of_its_own(directory: &Path, batch: usize) {
    let path = directory.join(format!("bare-{batch}.db"));
    let storage = SqliteStorage::open(&path).expect("opens");
    settle(&storage).await;
    storage.close().await.expect("closes");
    bare(&path, batch);
}
