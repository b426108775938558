//! The storage as the relay's shell sees it: what is committed, and what waits to be.
//!
//! Models the writer's promises (`relay/src/storage`): one writer; whatever queued during the last commit is the next
//! transaction; seq is assigned here; (sender, nonce) is unique; an answer follows its commit. It does not model SQLite.
//!
//! Invariant: [`Kept`] is what a crash leaves. A batch is in it as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mechat_hub::{
    AccountRecord, AppendDraft, AppendOutcome, ChannelRecord, Failure, HistoryRead, NewChannel, Snapshot,
    StoreAnswer, StoreOp, Ticket,
};
use mechat_protocol::limits::{ENTRY_OVERHEAD_MAX, PAGE_ENTRIES_MAX, PAGE_LEN_MAX};
use mechat_protocol::page::EncodedEntries;
use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::{
    AccountId, AccountName, Body, ChannelId, ChannelName, Content, Entry, Epoch, Nonce, Post, Seq, UnixMillis,
};

use crate::credentials::Tokens;

/// An answer, or that the storage failed.
pub(crate) type Answer = Result<StoreAnswer, Failure>;

/// A channel that is committed.
#[derive(Debug, Clone)]
pub(crate) struct KeptChannel {
    pub(crate) record: ChannelRecord,
    pub(crate) members: BTreeSet<AccountId>,
    /// Entry of seq n at index n - 1.
    pub(crate) log: Vec<Entry>,
}

/// What is on the disk.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) accounts: Vec<AccountRecord>,
    pub(crate) channels: Vec<KeptChannel>,
    nonces: BTreeMap<(AccountId, Nonce), (ChannelId, Seq)>,
    pub(crate) tokens: Tokens,
    knows_nonces: bool,
}

/// The disk and the writer in front of it.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) kept: Kept,
    queued: VecDeque<(Ticket, StoreOp)>,
    /// The transaction under way.
    batch: Vec<(Ticket, StoreOp)>,
}

/// What a commit left: its answers in order, and the entries that are new.
pub(crate) struct Committed {
    pub(crate) answers: Vec<(Ticket, Answer)>,
    pub(crate) entries: Vec<Entry>,
    /// Messages of people who were not members at their turn. Whether anybody hears of it or not, they lost it.
    pub(crate) turned_away: Vec<Nonce>,
}

impl Kept {
    /// People with their accounts, and a lobby that nobody has joined.
    pub(crate) fn new(accounts: usize, knows_nonces: bool) -> Self {
        let account = |index: usize| AccountRecord {
            id: AccountId(index as u64 + 1),
            name: account_name(index),
            admin: index == 0,
        };
        let lobby = ChannelRecord {
            id: ChannelId(1),
            name: ChannelName::new("lobby").expect("a valid name"),
            kind: ChannelKind::Public,
            host: None,
            created: UnixMillis(0),
            epoch: Epoch(1),
            head: Seq::ZERO,
        };
        Self {
            accounts: (0..accounts).map(account).collect(),
            channels: vec![KeptChannel { record: lobby, members: BTreeSet::new(), log: Vec::new() }],
            nonces: BTreeMap::new(),
            tokens: Tokens::default(),
            knows_nonces,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let members = |channel: &KeptChannel| {
            let id = channel.record.id;
            channel.members.iter().map(move |member| (id, *member)).collect::<Vec<_>>()
        };
        Snapshot {
            accounts: self.accounts.clone(),
            channels: self.channels.iter().map(|channel| channel.record.clone()).collect(),
            members: self.channels.iter().flat_map(members).collect(),
        }
    }

    pub(crate) fn channel(&self, id: ChannelId) -> Option<&KeptChannel> {
        self.channels.get(usize::try_from(id.0).ok()?.checked_sub(1)?)
    }

    fn channel_mut(&mut self, id: ChannelId) -> Option<&mut KeptChannel> {
        self.channels.get_mut(usize::try_from(id.0).ok()?.checked_sub(1)?)
    }

    /// A new life of every log: what an older copy that is put in place gets.
    pub(crate) fn begin_epoch(&mut self, epoch: Epoch) {
        for channel in &mut self.channels {
            channel.record.epoch = epoch;
            for entry in &mut channel.log {
                entry.epoch = epoch;
            }
        }
    }

    fn apply(&mut self, op: StoreOp) -> Answer {
        match op {
            StoreOp::CreateChannel(channel) => Ok(self.create(channel)),
            StoreOp::Append(draft) => self.append(draft).map(StoreAnswer::Appended),
            StoreOp::ReadHistory { channel, range, limit } => Ok(self.read(channel, range, limit)),
        }
    }

    fn create(&mut self, new: NewChannel) -> StoreAnswer {
        let folded = new.name.key().folded;
        if self.channels.iter().any(|channel| channel.record.name.key().folded == folded) {
            return StoreAnswer::ChannelExists;
        }
        let record = ChannelRecord {
            id: ChannelId(self.channels.len() as u64 + 1),
            name: new.name,
            kind: new.kind,
            host: Some(new.host),
            created: new.at,
            // The lobby was there first: it has the epoch of all.
            epoch: self.channels[0].record.epoch,
            head: Seq::ZERO,
        };
        let mut channel = KeptChannel { record, members: BTreeSet::from([new.host]), log: Vec::new() };
        let entry = channel.push(new.host_name, None, new.at, Body::Joined);
        let record = channel.record.clone();
        self.channels.push(channel);
        StoreAnswer::ChannelCreated(record, entry)
    }

    fn append(&mut self, draft: AppendDraft) -> Result<AppendOutcome, Failure> {
        let AppendDraft { channel: id, sender, sender_name, nonce, at, body } = draft;
        let known = nonce.filter(|_| self.knows_nonces).and_then(|nonce| self.nonces.get(&(sender, nonce)));
        if let Some((channel, seq)) = known.copied() {
            let index = usize::try_from(seq.0).unwrap_or(0) - 1;
            let entry = self.channel(channel).and_then(|channel| channel.log.get(index));
            return entry.cloned().map(AppendOutcome::Known).ok_or(Failure);
        }
        let channel = self.channel_mut(id).ok_or(Failure)?;
        let changes = match body {
            Body::Joined => channel.members.insert(sender),
            Body::Left => channel.members.remove(&sender),
            _ if !channel.members.contains(&sender) => return Ok(AppendOutcome::NotAMember),
            _ => true,
        };
        if !changes {
            return Ok(AppendOutcome::Unchanged);
        }
        let entry = channel.push(sender_name, nonce, at, body);
        if let Some(nonce) = nonce {
            self.nonces.insert((sender, nonce), (id, entry.seq));
        }
        Ok(AppendOutcome::New(entry))
    }

    /// Reads a part of a log, as far as it is committed.
    pub(crate) fn read(&self, channel: ChannelId, range: HistoryRange, limit: usize) -> StoreAnswer {
        let log = self.channel(channel).map_or(&[][..], |channel| &channel.log);
        let index = |seq: Seq| usize::try_from(seq.0).unwrap_or(usize::MAX).min(log.len());
        let (part, forward) = match range {
            HistoryRange::After { seq } => (&log[index(seq)..], true),
            HistoryRange::Before { seq } => (&log[..index(Seq(seq.0.saturating_sub(1)))], false),
            HistoryRange::Latest => (log, false),
        };
        let fitting = if forward { fitting(part.iter(), limit) } else { fitting(part.iter().rev(), limit) };
        let first = if forward { 0 } else { part.len() - fitting };
        let entries = EncodedEntries::of(&part[first..first + fitting]).expect("entries have a form");
        StoreAnswer::HistoryRead(HistoryRead { entries, more: fitting < part.len() })
    }
}

impl KeptChannel {
    fn push(&mut self, sender: AccountName, nonce: Option<Nonce>, at_ms: UnixMillis, body: Body) -> Entry {
        self.record.head = self.record.head.next();
        let ChannelRecord { id, epoch, head, .. } = self.record;
        let entry = Entry { channel: id, epoch, seq: head, at_ms, sender, nonce, body };
        self.log.push(entry.clone());
        entry
    }
}

impl Store {
    pub(crate) const fn new(kept: Kept) -> Self {
        Self { kept, queued: VecDeque::new(), batch: Vec::new() }
    }

    /// Queues a write.
    pub(crate) fn submit(&mut self, ticket: Ticket, op: StoreOp) {
        self.queued.push_back((ticket, op));
    }

    /// Begins the next transaction with all that is queued, unless one is under way or there is nothing.
    pub(crate) fn begin(&mut self) -> bool {
        if !self.batch.is_empty() || self.queued.is_empty() {
            return false;
        }
        self.batch = self.queued.drain(..).collect();
        true
    }

    /// What the transaction under way would answer.
    pub(crate) fn foresee(&self) -> Vec<(Ticket, Answer)> {
        let mut kept = self.kept.clone();
        self.batch.iter().map(|(ticket, op)| (*ticket, kept.apply(copied(op)))).collect()
    }

    /// The transaction is on the disk.
    pub(crate) fn commit(&mut self) -> Committed {
        let mut committed = Committed { answers: Vec::new(), entries: Vec::new(), turned_away: Vec::new() };
        for (ticket, op) in std::mem::take(&mut self.batch) {
            let nonce = if let StoreOp::Append(draft) = &op { draft.nonce } else { None };
            let answer = self.kept.apply(op);
            let is_refused = matches!(answer, Ok(StoreAnswer::Appended(AppendOutcome::NotAMember)));
            committed.turned_away.extend(nonce.filter(|_| is_refused));
            committed.entries.extend(new_entry(&answer).cloned());
            committed.answers.push((ticket, answer));
        }
        committed
    }

    /// The process is gone: what is not committed never will be.
    pub(crate) fn lose_uncommitted(&mut self) {
        self.queued.clear();
        self.batch.clear();
    }

    /// Whether everything that was asked is committed.
    pub(crate) fn is_idle(&self) -> bool {
        self.queued.is_empty() && self.batch.is_empty()
    }
}

/// The hub's questions are not to be asked twice, so they cannot be cloned; a mutation does it all the same.
fn copied(op: &StoreOp) -> StoreOp {
    match op {
        StoreOp::CreateChannel(channel) => StoreOp::CreateChannel(channel.clone()),
        StoreOp::Append(draft) => StoreOp::Append(draft.clone()),
        StoreOp::ReadHistory { channel, range, limit } => {
            StoreOp::ReadHistory { channel: *channel, range: *range, limit: *limit }
        }
    }
}

/// The entry that an answer tells of, if it is a new one.
pub(crate) const fn new_entry(answer: &Answer) -> Option<&Entry> {
    match answer {
        Ok(StoreAnswer::Appended(AppendOutcome::New(entry)) | StoreAnswer::ChannelCreated(_, entry)) => {
            Some(entry)
        }
        _ => None,
    }
}

/// How many entries make a page: bounded by number and bytes, but at least one.
fn fitting<'a>(entries: impl Iterator<Item = &'a Entry>, limit: usize) -> usize {
    let mut len = 0;
    let fits = |(index, entry): &(usize, &Entry)| {
        len += entry_len_max(entry);
        *index == 0 || len <= PAGE_LEN_MAX
    };
    entries.take(limit.min(PAGE_ENTRIES_MAX)).enumerate().take_while(fits).count()
}

/// Bytes that an entry takes in a page at most; here it says only text.
fn entry_len_max(entry: &Entry) -> usize {
    let said = match &entry.body {
        Body::Message(Post { content: Content::Text { text }, .. }) => text.as_str().len(),
        _ => 0,
    };
    ENTRY_OVERHEAD_MAX + said
}

/// The name of an account by its index.
pub(crate) fn account_name(index: usize) -> AccountName {
    const NAMES: [&str; 4] = ["ann", "bob", "cleo", "dan"];
    AccountName::new(NAMES[index % NAMES.len()]).expect("a valid name")
}
