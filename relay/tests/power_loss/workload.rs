//! What people do before the power goes, what they were told, and what must be there afterwards.
//!
//! Owns the promises as a database must keep them: every acknowledged write is there with its place; logs are contiguous; one
//! nonce has one entry; the membership is what the log says; nothing that was refused or never asked for is there.

use std::collections::{BTreeMap, BTreeSet};

use mechat_protocol::limits::PAGE_ENTRIES_MAX;
use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::{
    AccountId, AccountName, Amendment, Body, ChannelId, ChannelName, Content, Emoji, Entry, Nonce, Seq,
    SessionId, UnixMillis,
};
use mechat_relay::storage::{
    ChannelRow, NewAccount, NewToken, Rotation, SqliteStorage, Storage, TokenChange, TokenHash, Write,
    Written,
};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use uuid::Uuid;

const AT: UnixMillis = UnixMillis(1_767_225_600_000);
const CHANNELS: u64 = 3;
const PEOPLE: u64 = 6;

/// What was asked and what was answered.
#[derive(Default)]
pub(crate) struct Told {
    /// Acknowledged entries by their place.
    entries: BTreeMap<(ChannelId, Seq), Entry>,
    accounts: BTreeMap<AccountId, String>,
    channels: BTreeMap<ChannelId, ChannelName>,
    /// First tokens of sessions that were acknowledged; and sessions whose revocation was.
    tokens: BTreeMap<TokenHash, SessionId>,
    revoked: BTreeSet<SessionId>,
    /// Sessions whose revocation was asked for, answered or not.
    ending: BTreeSet<SessionId>,
    /// Every nonce that was sent, so that some are sent again.
    nonces: Vec<(u64, ChannelId, Nonce)>,
    sessions: u128,
    accounts_asked: u64,
    acks: usize,
}

/// A promise that was not kept.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

macro_rules! promise {
    ($kept:expr, $($said:tt)+) => {
        if !$kept {
            return Err(Broken(format!($($said)+)));
        }
    };
}

fn token(session: u128, step: u8) -> TokenHash {
    TokenHash::of(&[&session.to_be_bytes()[..], &[step]].concat())
}

fn name(number: u64) -> AccountName {
    AccountName::new(&format!("person-{number}")).expect("a name")
}

impl Told {
    /// Acknowledged writes so far.
    pub(crate) fn acks(&self) -> usize {
        self.acks
    }

    /// People and channels that all else needs. The same once more where none of them was kept.
    pub(crate) fn first_writes(&mut self) -> Vec<Write> {
        self.accounts_asked = 0;
        let mut writes: Vec<Write> = (0..PEOPLE).map(|_| self.register()).collect();
        writes.extend((1..=CHANNELS).map(|number| Write::CreateChannel {
            name: ChannelName::new(&format!("channel-{number}")).expect("a name"),
            kind: ChannelKind::Public,
            host: Some((AccountId(1), name(1))),
            at: AT,
        }));
        writes
    }

    fn register(&mut self) -> Write {
        self.accounts_asked += 1;
        let name = name(self.accounts_asked);
        Write::CreateAccount(NewAccount { credential: name.as_str().as_bytes().to_vec(), name, at: AT })
    }

    /// Something that somebody might do.
    pub(crate) fn write(&mut self, random: &mut StdRng) -> Write {
        let (who, channel) = (random.gen_range(1..=PEOPLE), ChannelId(random.gen_range(1..=CHANNELS)));
        match random.gen_range(0..20) {
            0 | 1 => append(channel, who, None, Body::Joined),
            2 => append(channel, who, None, Body::Left),
            3 => self.sign_in(who),
            4 => self.log_out(random),
            5 if random.gen_bool(0.3) => self.register(),
            6..=8 if !self.nonces.is_empty() => {
                let (who, channel, nonce) = *self.nonces.choose(random).expect("some");
                append(channel, who, Some(nonce), text("again"))
            }
            9 | 10 => amend(channel, who, random),
            _ => {
                let nonce = Nonce(Uuid::from_u128(random.r#gen()));
                self.nonces.push((who, channel, nonce));
                let len = *[1, 40, 400, 6_000].choose(random).expect("some");
                append(channel, who, Some(nonce), text(&"x".repeat(len)))
            }
        }
    }

    fn sign_in(&mut self, who: u64) -> Write {
        self.sessions += 1;
        let session = SessionId(Uuid::from_u128(self.sessions));
        let expires = UnixMillis(AT.0 + 1_000);
        Write::InsertToken(NewToken {
            hash: token(self.sessions, 0),
            account: AccountId(who),
            session,
            expires,
        })
    }

    fn log_out(&mut self, random: &mut StdRng) -> Write {
        let session = SessionId(Uuid::from_u128(random.gen_range(0..=self.sessions)));
        self.ending.insert(session);
        Write::RevokeSession(session)
    }

    /// Notes an answer.
    pub(crate) fn answered(&mut self, write: &Write, written: Written) {
        self.acks += 1;
        match (write, written) {
            (_, Written::New(entry) | Written::Known(entry)) => {
                self.entries.insert((entry.channel, entry.seq), entry);
            }
            (_, Written::Amended(entry, changed)) => {
                for entry in changed.into_iter().chain([entry]) {
                    self.entries.insert((entry.channel, entry.seq), entry);
                }
            }
            (_, Written::Channel(row, entry)) => {
                let ChannelRow { id, name, .. } = row;
                self.channels.insert(id, name);
                self.entries.extend(entry.map(|entry| ((id, entry.seq), entry)));
            }
            (_, Written::Account(row)) => {
                self.accounts.insert(row.id, row.name.as_str().to_owned());
            }
            (Write::InsertToken(token), Written::TokenInserted) => {
                self.tokens.insert(token.hash, token.session);
            }
            (Write::RevokeSession(session), Written::Revoked) => {
                self.revoked.insert(*session);
            }
            _ => {}
        }
    }

    /// Holds a database that was opened again against all that was told.
    pub(crate) async fn check(&self, storage: &SqliteStorage) -> Result<(), Broken> {
        let contents = storage.load().await.map_err(|error| Broken(error.to_string()))?;
        for (id, name) in &self.accounts {
            let kept = contents.accounts.iter().any(|row| row.id == *id && row.name.as_str() == name);
            promise!(kept, "the account {name} is gone");
            let credential = storage.credential(name).await.map_err(|error| Broken(error.to_string()))?;
            promise!(
                credential.is_some_and(|c| c.record == name.as_bytes()),
                "the credential of {name} is gone"
            );
        }
        for (id, name) in &self.channels {
            promise!(
                contents.channels.iter().any(|row| row.id == *id && row.name == *name),
                "{name} is gone"
            );
        }
        let (mut nonces, mut members) = (BTreeSet::new(), BTreeSet::new());
        for channel in &contents.channels {
            let log = read_all(storage, channel).await?;
            for entry in &log {
                let nonce = entry.nonce.map(|nonce| (entry.sender.clone(), nonce.0));
                promise!(
                    nonce.is_none_or(|nonce| nonces.insert(nonce)),
                    "a nonce has two entries: {entry:?}"
                );
                match entry.body {
                    Body::Joined => members.insert((channel.id, entry.sender.clone())),
                    Body::Left => members.remove(&(channel.id, entry.sender.clone())),
                    _ => true,
                };
            }
            // What was amended without an answer may read otherwise, as well as the edits of what was deleted so.
            let unanswered: BTreeSet<Seq> = log
                .iter()
                .filter(|entry| !self.entries.contains_key(&(channel.id, entry.seq)))
                .filter_map(|entry| named(&entry.body))
                .flat_map(|named| {
                    log.iter()
                        .filter(move |e| self::named(&e.body) == Some(named))
                        .map(|e| e.seq)
                        .chain([named])
                })
                .collect();
            for ((_, seq), entry) in self.entries.range((channel.id, Seq(0))..=(channel.id, Seq(u64::MAX))) {
                let index = usize::try_from(seq.0).expect("small") - 1;
                promise!(
                    log.get(index) == Some(entry) || unanswered.contains(seq),
                    "lost: {seq} of channel {} was acknowledged",
                    channel.id
                );
            }
        }
        let names: BTreeMap<AccountId, AccountName> =
            contents.accounts.iter().map(|row| (row.id, row.name.clone())).collect();
        let indexed: BTreeSet<_> =
            contents.members.iter().map(|row| (row.channel, names[&row.account].clone())).collect();
        promise!(indexed == members, "the membership is not what the logs say");
        self.check_tokens(storage).await
    }

    async fn check_tokens(&self, storage: &SqliteStorage) -> Result<(), Broken> {
        for (hash, session) in &self.tokens {
            let next = token(session.0.as_u128(), 1);
            let change = TokenChange { old: *hash, next, now: AT, next_expires: UnixMillis(AT.0 + 1_000) };
            let written = storage.commit(vec![Write::RotateToken(change)]).await;
            let written = written.map_err(|error| Broken(error.to_string()))?;
            let good =
                matches!(written[..], [Written::Token(Rotation::Rotated { .. } | Rotation::Again { .. })]);
            promise!(!self.revoked.contains(session) || !good, "a revoked session is good again");
            // One whose revocation was asked for and not answered may be either.
            promise!(self.ending.contains(session) || good, "a token is gone: {written:?}");
        }
        Ok(())
    }
}

/// A whole log, page by page.
async fn read_all(storage: &SqliteStorage, channel: &ChannelRow) -> Result<Vec<Entry>, Broken> {
    let mut log: Vec<Entry> = Vec::new();
    loop {
        let seq = log.last().map_or(Seq::ZERO, |entry| entry.seq);
        let part = storage.read_log(channel.id, HistoryRange::After { seq }, PAGE_ENTRIES_MAX).await;
        let part = part.map_err(|error| Broken(error.to_string()))?;
        log.extend(part.entries);
        if !part.more {
            break;
        }
    }
    for (expected, entry) in (1..).zip(&log) {
        promise!(entry.seq == Seq(expected), "{} follows {expected} in channel {}", entry.seq, channel.id);
    }
    let head = log.last().map_or(Seq::ZERO, |entry| entry.seq);
    promise!(
        head == channel.head,
        "the head of channel {} is {}, its log ends at {head}",
        channel.id,
        channel.head
    );
    Ok(log)
}

fn append(channel: ChannelId, who: u64, nonce: Option<Nonce>, body: Body) -> Write {
    let sender_name = name(who);
    Write::Append { channel, sender: AccountId(who), sender_name, nonce, at: AT, body, moderates: false }
}

/// A change of an entry that may be there.
fn amend(channel: ChannelId, who: u64, random: &mut StdRng) -> Write {
    let seq = Seq(random.gen_range(1..60));
    let amendment = match random.gen_range(0..6) {
        0..=2 => {
            let words = format!("edit {}", random.gen_range(0..9));
            Amendment::Edit { seq, content: Content::text(words).expect("a text") }
        }
        3 => Amendment::Delete { seq },
        4 => Amendment::React { seq, emoji: Emoji::new("👍").expect("an emoji"), on: random.gen_bool(0.7) },
        _ => Amendment::Pin { seq, on: random.gen_bool(0.7) },
    };
    append(channel, who, Some(Nonce(Uuid::from_u128(random.r#gen()))), Body::Amended { amendment })
}

/// What an amendment changes.
fn named(body: &Body) -> Option<Seq> {
    match body {
        Body::Amended { amendment } => amendment.target(),
        _ => None,
    }
}

fn text(text: &str) -> Body {
    Body::said(Content::text(text).expect("a text"), None)
}
