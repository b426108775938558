//! A storage that forgets when the relay ends. For tests, trials and benchmarks; it says so in `welcome`.
//!
//! It keeps every entry and every nonce, as the contract asks, so that it grows with what is said, by some 250 bytes and the
//! text for each message; only expired tokens are let go. Who wants more than a trial takes a database.
//!
//! What amendments and marks change is in `amend`, what is found besides pages in `posts`.
//!
//! Invariant: everything happens under one lock, which is never held across an await.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mechat_protocol::name::NameKey;
use mechat_protocol::reply::{Durability, Marks};
use mechat_protocol::request::{HistoryRange, Level, Selection};
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, Entry, Epoch, Nonce, Post, Seq, Topic, UnixMillis,
};

use super::{
    ChannelRow, Contents, Credential, Found, LogPart, MemberRow, NameState, Search, Storage, StorageError,
    Write, Written, selection,
};

mod accounts;
mod amend;
mod posts;
mod tokens;

use accounts::Accounts;
use tokens::Tokens;

/// Everything in memory.
#[derive(Default)]
pub struct MemoryStorage {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: Accounts,
    channels: Vec<StoredChannel>,
    /// By folded name.
    channel_names: HashMap<String, ChannelId>,
    /// A tree: it grows leaf by leaf, where a hash table of millions would now and then be moved while everyone waits.
    nonces: BTreeMap<(AccountId, Nonce), (ChannelId, Seq)>,
    tokens: Tokens,
}

struct StoredChannel {
    row: ChannelRow,
    members: BTreeMap<AccountId, Marks>,
    /// Entry of seq n at index n - 1.
    log: Vec<Entry>,
    pins: BTreeSet<Seq>,
    /// Replies by what they answer, and edits by what they change.
    replies: BTreeSet<(Seq, Seq)>,
    edits: BTreeSet<(Seq, Seq)>,
}

/// An entry before it has its place.
struct Draft {
    sender: AccountId,
    sender_name: AccountName,
    nonce: Option<Nonce>,
    at: UnixMillis,
    body: Body,
    moderates: bool,
}

impl MemoryStorage {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug that ends that request; the state itself is changed in single steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn channel(&mut self, id: ChannelId) -> Option<&mut StoredChannel> {
        let index = usize::try_from(id.0).ok()?.checked_sub(1)?;
        self.channels.get_mut(index)
    }

    fn write(&mut self, write: Write) -> Written {
        match write {
            Write::Append { channel, sender, sender_name, nonce, at, body, moderates } => {
                self.append(channel, Draft { sender, sender_name, nonce, at, body, moderates })
            }
            Write::Mark { channel, account, read, level } => match self.channel(channel) {
                Some(channel) => channel.mark(account, read, level),
                None => Written::NoSuchChannel,
            },
            Write::CreateChannel { name, kind, host, at } => {
                let host_id = host.as_ref().map(|(id, _)| *id);
                let (id, epoch) = (ChannelId(self.channels.len() as u64 + 1), Epoch(1));
                let (head, topic) = (Seq::ZERO, Topic::default());
                let row = ChannelRow { id, name, kind, host: host_id, created: at, epoch, head, topic };
                self.create_channel(row, host)
            }
            Write::CreateAccount(account) => match self.accounts.create(account) {
                Ok(row) => Written::Account(row),
                Err(refused) => Written::NameRefused(refused),
            },
            Write::InsertToken(token) => {
                self.tokens.insert(token);
                Written::TokenInserted
            }
            Write::RotateToken(change) => Written::Token(self.tokens.rotate(&change)),
            Write::RevokeSession(session) => {
                self.tokens.revoke(session);
                Written::Revoked
            }
        }
    }

    fn create_channel(&mut self, row: ChannelRow, host: Option<(AccountId, AccountName)>) -> Written {
        let folded = row.name.key().folded;
        if self.channel_names.contains_key(&folded) {
            return Written::ChannelExists;
        }
        self.channel_names.insert(folded, row.id);
        let at = row.created;
        let mut channel = StoredChannel::new(row);
        let entry = host.map(|(sender, sender_name)| {
            let body = Body::Joined;
            channel.append(Draft { sender, sender_name, nonce: None, at, body, moderates: false })
        });
        let row = channel.row.clone();
        self.channels.push(channel);
        Written::Channel(row, entry)
    }

    fn append(&mut self, id: ChannelId, draft: Draft) -> Written {
        let key = draft.nonce.map(|nonce| (draft.sender, nonce));
        if let Some((channel, seq)) = key.and_then(|key| self.nonces.get(&key)).copied() {
            let entry = self.channel(channel).and_then(|channel| channel.entry(seq).cloned());
            return entry.map_or(Written::NoSuchChannel, Written::Known);
        }
        let Some(channel) = self.channel(id) else { return Written::NoSuchChannel };
        let is_member = channel.members.contains_key(&draft.sender);
        let written = match &draft.body {
            Body::Joined if is_member => Written::Unchanged,
            Body::Left if !is_member => Written::Unchanged,
            Body::Joined => Written::New(channel.append(draft)),
            _ if !is_member => Written::NotAMember,
            Body::Amended { .. } => channel.amend(draft),
            _ => Written::New(channel.append(draft)),
        };
        if let (Some(key), Written::New(entry) | Written::Amended(entry, _)) = (key, &written) {
            self.nonces.insert(key, (id, entry.seq));
        }
        written
    }
}

impl StoredChannel {
    const fn new(row: ChannelRow) -> Self {
        Self {
            row,
            members: BTreeMap::new(),
            log: Vec::new(),
            pins: BTreeSet::new(),
            replies: BTreeSet::new(),
            edits: BTreeSet::new(),
        }
    }

    /// Appends what may be appended, and brings up to date what depends on it.
    fn append(&mut self, draft: Draft) -> Entry {
        let account = draft.sender;
        let entry = self.next(draft);
        match &entry.body {
            Body::Joined => {
                self.members.insert(account, Marks { read: entry.seq, level: Level::All });
            }
            Body::Left => drop(self.members.remove(&account)),
            Body::Message(Post { in_reply_to: Some(named), .. }) => {
                self.replies.insert((*named, entry.seq));
            }
            _ => {}
        }
        self.push(&entry);
        entry
    }

    /// The entry that would be the next.
    fn next(&self, draft: Draft) -> Entry {
        let Draft { sender: _, sender_name: sender, nonce, at: at_ms, body, moderates: _ } = draft;
        let (channel, epoch, seq) = (self.row.id, self.row.epoch, self.row.head.next());
        Entry { channel, epoch, seq, at_ms, sender, nonce, body }
    }

    fn push(&mut self, entry: &Entry) {
        self.row.head = entry.seq;
        self.log.push(entry.clone());
    }

    fn entry(&self, seq: Seq) -> Option<&Entry> {
        self.log.get(usize::try_from(seq.0).ok()?.checked_sub(1)?)
    }

    fn entry_mut(&mut self, seq: Seq) -> Option<&mut Entry> {
        self.log.get_mut(usize::try_from(seq.0).ok()?.checked_sub(1)?)
    }

    fn part(&self, range: HistoryRange, limit: usize) -> LogPart {
        let index = |seq: u64| usize::try_from(seq).unwrap_or(usize::MAX).min(self.log.len());
        match range {
            HistoryRange::After { seq } => selection::oldest(self.log[index(seq.0)..].iter().cloned(), limit),
            HistoryRange::Before { seq } => {
                let before = &self.log[..index(seq.0.saturating_sub(1))];
                selection::newest(before.iter().rev().cloned(), limit)
            }
            HistoryRange::Latest => selection::newest(self.log.iter().rev().cloned(), limit),
        }
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn durability(&self) -> Durability {
        Durability::BestEffort
    }

    async fn load(&self) -> Result<Contents, StorageError> {
        let state = self.state();
        Ok(Contents {
            accounts: state.accounts.rows().cloned().collect(),
            channels: state.channels.iter().map(|channel| channel.row.clone()).collect(),
            members: state
                .channels
                .iter()
                .flat_map(|channel| {
                    let id = channel.row.id;
                    let row = move |(account, marks): (&AccountId, &Marks)| MemberRow {
                        channel: id,
                        account: *account,
                        marks: *marks,
                    };
                    channel.members.iter().map(row)
                })
                .collect(),
        })
    }

    async fn name_state(&self, name: &NameKey) -> Result<NameState, StorageError> {
        Ok(self.state().accounts.name_state(name))
    }

    async fn credential(&self, folded: &str) -> Result<Option<Credential>, StorageError> {
        Ok(self.state().accounts.credential(folded))
    }

    async fn commit(&self, batch: Vec<Write>) -> Result<Vec<Written>, StorageError> {
        let mut state = self.state();
        Ok(batch.into_iter().map(|write| state.write(write)).collect())
    }

    async fn read_log(
        &self,
        channel: ChannelId,
        range: HistoryRange,
        limit: usize,
    ) -> Result<LogPart, StorageError> {
        let mut state = self.state();
        let channel = state.channel(channel);
        Ok(channel.map_or(LogPart { entries: Vec::new(), more: false }, |channel| channel.part(range, limit)))
    }

    async fn read_posts(
        &self,
        channel: ChannelId,
        which: Selection,
        after: Seq,
        limit: usize,
    ) -> Result<LogPart, StorageError> {
        let mut state = self.state();
        let channel = state.channel(channel);
        Ok(channel.map_or(LogPart { entries: Vec::new(), more: false }, |channel| {
            channel.posts(which, after, limit)
        }))
    }

    async fn search(&self, search: Search) -> Result<Found, StorageError> {
        Ok(self.state().find(&search))
    }

    async fn close(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
