//! A storage that forgets when the relay ends. For tests, trials and benchmarks; it says so in `welcome`.
//!
//! Invariant: everything happens under one lock, which is never held across an await.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mechat_protocol::name::NameKey;
use mechat_protocol::reply::Durability;
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, Entry, Epoch, Nonce, Seq, SessionId, UnixMillis,
};

use super::{
    AccountCreated, AccountRow, ChannelRow, Contents, Credential, LogPart, NameState, NewAccount, NewToken,
    Rotation, Storage, StorageError, TokenHash, Write, Written, selection,
};

/// Everything in memory.
#[derive(Default)]
pub struct MemoryStorage {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: Vec<(AccountRow, NameKey, Vec<u8>)>,
    channels: Vec<StoredChannel>,
    nonces: HashMap<(AccountId, Nonce), (ChannelId, Seq)>,
    tokens: HashMap<TokenHash, StoredToken>,
}

struct StoredChannel {
    row: ChannelRow,
    folded: String,
    members: BTreeSet<AccountId>,
    /// Entry of seq n at index n - 1.
    log: Vec<Entry>,
}

struct StoredToken {
    account: AccountId,
    session: SessionId,
    expires: UnixMillis,
    successor: Option<TokenHash>,
}

impl MemoryStorage {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug that ends that request; the state itself is changed in single steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn name_state(&self, key: &NameKey) -> NameState {
        let mut keys = self.accounts.iter().map(|(_, other, _)| other);
        if keys.clone().any(|other| other.folded == key.folded) {
            NameState::Taken
        } else if keys.any(|other| other.skeleton == key.skeleton) {
            NameState::TooSimilar
        } else {
            NameState::Free
        }
    }

    fn channel(&mut self, id: ChannelId) -> Option<&mut StoredChannel> {
        let index = usize::try_from(id.0).ok()?.checked_sub(1)?;
        self.channels.get_mut(index)
    }

    fn write(&mut self, write: Write) -> Written {
        match write {
            Write::CreateChannel { name, kind, host, at } => {
                let folded = name.key().folded;
                if self.channels.iter().any(|channel| channel.folded == folded) {
                    return Written::ChannelExists;
                }
                let id = ChannelId(self.channels.len() as u64 + 1);
                let host_id = host.as_ref().map(|(id, _)| *id);
                let row = ChannelRow {
                    id,
                    name,
                    kind,
                    host: host_id,
                    created: at,
                    epoch: Epoch(1),
                    head: Seq::ZERO,
                };
                let mut channel = StoredChannel { row, folded, members: BTreeSet::new(), log: Vec::new() };
                let entry = host.map(|(host, name)| {
                    channel.members.insert(host);
                    channel.append(name, None, at, Body::Joined)
                });
                let row = channel.row.clone();
                self.channels.push(channel);
                Written::Channel(row, entry)
            }
            Write::Append { channel, sender, sender_name, nonce, at, body } => {
                self.append(channel, sender, sender_name, nonce, at, body)
            }
        }
    }

    fn append(
        &mut self,
        id: ChannelId,
        sender: AccountId,
        name: AccountName,
        nonce: Option<Nonce>,
        at: UnixMillis,
        body: Body,
    ) -> Written {
        let known = nonce.and_then(|nonce| self.nonces.get(&(sender, nonce))).copied();
        if let Some((channel, seq)) = known {
            let entry = self.channel(channel).and_then(|channel| channel.entry(seq).cloned());
            return entry.map_or(Written::NoSuchChannel, Written::Known);
        }
        let Some(channel) = self.channel(id) else { return Written::NoSuchChannel };
        let changed = match body {
            Body::Joined => channel.members.insert(sender),
            Body::Left => channel.members.remove(&sender),
            _ if !channel.members.contains(&sender) => return Written::NotAMember,
            _ => true,
        };
        if !changed {
            return Written::Unchanged;
        }
        let entry = channel.append(name, nonce, at, body);
        if let Some(nonce) = nonce {
            self.nonces.insert((sender, nonce), (id, entry.seq));
        }
        Written::New(entry)
    }
}

impl StoredChannel {
    fn append(&mut self, sender: AccountName, nonce: Option<Nonce>, at_ms: UnixMillis, body: Body) -> Entry {
        self.row.head = self.row.head.next();
        let row = &self.row;
        let entry = Entry { channel: row.id, epoch: row.epoch, seq: row.head, at_ms, sender, nonce, body };
        self.log.push(entry.clone());
        entry
    }

    fn entry(&self, seq: Seq) -> Option<&Entry> {
        self.log.get(usize::try_from(seq.0).ok()?.checked_sub(1)?)
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
            accounts: state.accounts.iter().map(|(row, ..)| row.clone()).collect(),
            channels: state.channels.iter().map(|channel| channel.row.clone()).collect(),
            members: state
                .channels
                .iter()
                .flat_map(|channel| channel.members.iter().map(|member| (channel.row.id, *member)))
                .collect(),
        })
    }

    async fn name_state(&self, name: &NameKey) -> Result<NameState, StorageError> {
        Ok(self.state().name_state(name))
    }

    async fn create_account(&self, account: NewAccount) -> Result<AccountCreated, StorageError> {
        let mut state = self.state();
        let key = account.name.key();
        match state.name_state(&key) {
            NameState::Free => {}
            refused => return Ok(AccountCreated::Refused(refused)),
        }
        let id = AccountId(state.accounts.len() as u64 + 1);
        let row = AccountRow { id, name: account.name, admin: state.accounts.is_empty() };
        state.accounts.push((row.clone(), key, account.credential));
        Ok(AccountCreated::New(row))
    }

    async fn credential(&self, folded: &str) -> Result<Option<Credential>, StorageError> {
        let state = self.state();
        let found = state.accounts.iter().find(|(_, key, _)| key.folded == folded);
        Ok(found.map(|(row, _, record)| Credential { account: row.id, record: record.clone() }))
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

    async fn insert_token(&self, token: NewToken) -> Result<(), StorageError> {
        let NewToken { hash, account, session, expires } = token;
        self.state().tokens.insert(hash, StoredToken { account, session, expires, successor: None });
        Ok(())
    }

    async fn rotate_token(
        &self,
        old: TokenHash,
        next: TokenHash,
        now: UnixMillis,
        next_expires: UnixMillis,
    ) -> Result<Rotation, StorageError> {
        let mut state = self.state();
        state.tokens.retain(|_, token| token.expires > now);
        let Some(token) = state.tokens.get(&old) else {
            return Ok(Rotation::Refused);
        };
        let (account, session, successor) = (token.account, token.session, token.successor);
        match successor {
            None => {
                state
                    .tokens
                    .insert(next, StoredToken { account, session, expires: next_expires, successor: None });
                if let Some(token) = state.tokens.get_mut(&old) {
                    token.successor = Some(next);
                }
            }
            Some(successor) => {
                let unused = state.tokens.get(&successor).is_some_and(|token| token.successor.is_none());
                if !unused || successor != next {
                    state.tokens.retain(|_, token| token.session != session);
                    return Ok(Rotation::Replayed(session));
                }
                return Ok(Rotation::Again { account, session });
            }
        }
        Ok(Rotation::Rotated { account, session })
    }

    async fn revoke_session(&self, session: SessionId) -> Result<(), StorageError> {
        self.state().tokens.retain(|_, token| token.session != session);
        Ok(())
    }

    async fn close(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
