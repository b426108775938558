//! Random operations on every storage at once: whatever is asked, all answer the same.
//!
//! A failure prints its seed; `MECHAT_SEED` runs that one alone.
#![expect(clippy::print_stderr, reason = "the seed of a failure is for whoever looks at it")]

use mechat_protocol::request::{HistoryRange, Level, Query, Selection};
use mechat_protocol::{
    AccountId, Amendment, Body, ChannelId, Content, Emoji, Seq, SessionId, Topic, UnixMillis,
};
use mechat_relay::storage::{
    Found, MemoryStorage, NewToken, Search, Storage, TokenChange, TokenHash, Write, Written,
};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

use crate::setting::{
    AT, Person, append, contents, insert_token, make, name, register, revoke_session, rotate_token, sqlite,
};

const RUNS: usize = 12;
const OPERATIONS: usize = 250;
/// Milliseconds that a token is good; the clock of a run passes many of them.
const LIFE_MS: i64 = 5_000;

const NAMES: &[&str] =
    &["ann", "Ann", "bob", "BOB", "b\u{43e}b", "eve", "\u{435}ve", "Zoë", "zoë", "太郎", "ann-2"];

/// One sequence of operations.
struct Run<'a> {
    random: StdRng,
    storages: [&'a dyn Storage; 2],
    people: Vec<Person>,
    channels: u32,
    /// Messages of members and of others, so that neither dies out unseen.
    said: usize,
    refused: usize,
    now_ms: i64,
    /// Every token that was ever given.
    tokens: Vec<Vec<u8>>,
    sessions: u128,
}

/// Asks all storages, which must agree, and gives the answer.
macro_rules! agreed {
    ($run:expr, |$storage:ident| $ask:expr) => {{
        let [$storage, other] = $run.storages;
        let first = $ask;
        let $storage = other;
        let second = $ask;
        assert!(first == second, "{} disagrees: {}", $storage.name(), difference(&first, &second));
        first
    }};
}

/// Where two answers part, with what stands around it: whole answers fill many screens.
fn difference(one: &impl std::fmt::Debug, other: &impl std::fmt::Debug) -> String {
    let (one, other) = (format!("{one:?}"), format!("{other:?}"));
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| text.chars().skip(same.saturating_sub(60)).take(160).collect::<String>();
    format!("\n  {}\n  {}", around(&one), around(&other))
}

#[tokio::test]
async fn all_storages_answer_the_same() {
    let seeds = match std::env::var("MECHAT_SEED") {
        Ok(seed) => vec![seed.parse().expect("MECHAT_SEED is a number")],
        Err(_) => (0..RUNS).map(|_| rand::random()).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        eprintln!("MECHAT_SEED={seed}");
        let (memory, (_directory, sqlite)) = (MemoryStorage::default(), sqlite());
        let mut run = Run {
            random: StdRng::seed_from_u64(seed),
            storages: [&memory, &sqlite],
            people: Vec::new(),
            channels: 0,
            said: 0,
            refused: 0,
            now_ms: AT.0,
            tokens: Vec::new(),
            sessions: 0,
        };
        for _ in 0..OPERATIONS {
            run.step().await;
        }
        assert!(run.said > 0 && run.refused > 0, "{} said, {} refused", run.said, run.refused);
    }
}

impl Run<'_> {
    async fn step(&mut self) {
        self.now_ms += self.random.gen_range(0..100);
        match self.random.gen_range(0..100) {
            0..=9 => self.account().await,
            10..=49 => self.commit().await,
            50..=64 => self.read().await,
            65..=69 => self.find().await,
            70..=77 => self.sign_in().await,
            78..=92 => self.rotate().await,
            93..=95 => self.revoke().await,
            _ => drop(agreed!(self, |storage| contents(storage).await)),
        }
    }

    async fn account(&mut self) {
        let text = NAMES.choose(&mut self.random).expect("there are names");
        let key = name(text).key();
        agreed!(self, |storage| storage.name_state(&key).await.expect("storage works"));
        let created = agreed!(self, |storage| register(storage, text).await);
        if let Written::Account(row) = created {
            self.people.push(Person { id: row.id, name: row.name });
        }
        agreed!(self, |storage| {
            let found = storage.credential(&key.folded).await.expect("storage works");
            found.map(|found| (found.account, found.record))
        });
    }

    async fn commit(&mut self) {
        let batch: Vec<Write> = (0..self.random.gen_range(1..8)).filter_map(|_| self.write()).collect();
        let written = agreed!(self, |storage| storage.commit(batch.clone()).await.expect("storage works"));
        for written in written {
            match written {
                Written::New(entry) if matches!(entry.body, Body::Message(_)) => self.said += 1,
                Written::NotAMember => self.refused += 1,
                _ => {}
            }
        }
    }

    /// A write of somebody who exists: the hub makes no others.
    fn write(&mut self) -> Option<Write> {
        let who = self.people.choose(&mut self.random)?.clone();
        let channel = self.channel();
        Some(match self.random.gen_range(0..10) {
            // Always a new name: a storage may leave a number out where a name was refused.
            0 => {
                self.channels += 1;
                make(&format!("channel-{}", self.channels), self.random.gen_bool(0.7).then_some(&who))
            }
            // Often enough that about every other message is a member's.
            1..=3 => append(channel, &who, None, Body::Joined),
            4 => append(channel, &who, None, Body::Left),
            5 => self.amendment(channel, &who)?,
            6 if self.random.gen_bool(0.5) => Write::Mark {
                channel,
                account: who.id,
                read: self.random.gen_bool(0.8).then(|| Seq(self.random.gen_range(0..40))),
                level: self.random.gen_bool(0.2).then_some(Level::Mentions),
            },
            _ => {
                let nonce = self.random.gen_bool(0.9).then(|| self.random.gen_range(0..60));
                let len = *[1, 30, 16_384].choose(&mut self.random)?;
                let to = self.random.gen_bool(0.3).then(|| Seq(self.random.gen_range(1..20)));
                let content = Content::text("x".repeat(len)).expect("a text");
                append(channel, &who, nonce, Body::said(content, to))
            }
        })
    }

    fn amendment(&mut self, channel: ChannelId, who: &Person) -> Option<Write> {
        let (seq, on) = (Seq(self.random.gen_range(0..40)), self.random.gen_bool(0.7));
        let number = self.random.gen_range(0..3);
        let amendment = match self.random.gen_range(0..10) {
            0..=2 => {
                Amendment::Edit { seq, content: Content::text(format!("edit {number}")).expect("a text") }
            }
            3 => Amendment::Delete { seq },
            4..=6 => {
                let emoji = Emoji::new(["👍", "🎉", "👀"].choose(&mut self.random)?).expect("an emoji");
                Amendment::React { seq, emoji, on }
            }
            7..=8 => Amendment::Pin { seq, on },
            _ => Amendment::SetTopic { topic: Topic::new(format!("topic {number}")).expect("short") },
        };
        let nonce = self.random.gen_range(0..200);
        Some(match append(channel, who, Some(nonce), Body::Amended { amendment }) {
            Write::Append { channel, sender, sender_name, nonce, at, body, .. } => {
                let moderates = self.random.gen_bool(0.5);
                Write::Append { channel, sender, sender_name, nonce, at, body, moderates }
            }
            other => other,
        })
    }

    /// Pinned messages, replies, and words.
    async fn find(&mut self) {
        let (channel, seq) = (self.channel(), Seq(self.random.gen_range(0..40)));
        let limit = self.random.gen_range(1..20);
        for which in [Selection::Pinned, Selection::Replies { seq }] {
            let after = Seq(self.random.gen_range(0..20));
            agreed!(self, |storage| {
                storage.read_posts(channel, which, after, limit).await.expect("storage works")
            });
        }
        let words = ["edit", "edit 1", "x", "from:ann", "from:bob edit", "from:zoë x"];
        let query = Query::new((*words.choose(&mut self.random).expect("some")).into()).expect("a query");
        // One channel: between channels, what was said in the same millisecond has no order.
        let search = Search { query, channels: vec![channel], after: None, limit: 100 };
        agreed!(self, |storage| {
            match storage.search(search.clone()).await.expect("storage works") {
                Found::Page(mut entries, next) => {
                    entries.sort_by_key(|entry| entry.seq);
                    (entries, next.is_some())
                }
                Found::Behind => panic!("the index follows by itself"),
            }
        });
    }

    /// Mostly one that exists.
    fn channel(&mut self) -> ChannelId {
        ChannelId(self.random.gen_range(0..12))
    }

    async fn read(&mut self) {
        let (channel, seq) = (self.channel(), Seq(self.random.gen_range(0..40)));
        let limit = self.random.gen_range(1..20);
        let range = match self.random.gen_range(0..3) {
            0 => HistoryRange::Latest,
            1 => HistoryRange::Before { seq },
            _ => HistoryRange::After { seq },
        };
        let part =
            agreed!(self, |storage| storage.read_log(channel, range, limit).await.expect("storage works"));
        assert!(part.entries.len() <= limit);
        assert!(part.entries.windows(2).all(|pair| pair[1].seq == pair[0].seq.next()), "contiguous");
    }

    async fn sign_in(&mut self) {
        let Some(who) = self.people.choose(&mut self.random).cloned() else { return };
        self.sessions += 1;
        let token = format!("session {}", self.sessions).into_bytes();
        let new = NewToken {
            hash: TokenHash::of(&token),
            account: who.id,
            session: SessionId(Uuid::from_u128(self.sessions)),
            expires: UnixMillis(self.now_ms + LIFE_MS),
        };
        agreed!(self, |storage| insert_token(storage, new).await);
        self.tokens.push(token);
    }

    /// As the credentials do it: a token has one successor, which follows from it.
    async fn rotate(&mut self) {
        let Some(old) = self.tokens.choose(&mut self.random).cloned() else { return };
        let next = [&old[..], b"+"].concat();
        let (now, expires) = (UnixMillis(self.now_ms), UnixMillis(self.now_ms + LIFE_MS));
        let (old, hash) = (TokenHash::of(&old), TokenHash::of(&next));
        let change = TokenChange { old, next: hash, now, next_expires: expires };
        agreed!(self, |storage| rotate_token(storage, change).await);
        if !self.tokens.contains(&next) {
            self.tokens.push(next);
        }
    }

    async fn revoke(&mut self) {
        let session = SessionId(Uuid::from_u128(self.random.gen_range(0..=self.sessions)));
        agreed!(self, |storage| revoke_session(storage, session).await);
    }
}

/// The hub's numbers begin at 1, and so do these.
#[tokio::test]
async fn numbers_begin_at_one_and_are_the_same_everywhere() {
    let (memory, (_directory, sqlite)) = (MemoryStorage::default(), sqlite());
    for storage in [&memory as &dyn Storage, &sqlite] {
        let ann = crate::setting::person(storage, "ann").await;
        let lobby = crate::setting::channel(storage, "lobby").await;
        assert_eq!((ann.id, lobby), (AccountId(1), ChannelId(1)));
    }
}
