//! The storage as the relay's shell sees it: what is committed, and what waits to be.
//!
//! Models the writer's promises (`relay/src/storage`): one writer; whatever queued during the last commit is the next
//! transaction; seq is assigned here; (sender, nonce) is unique; an answer follows its commit. It does not model SQLite.
//!
//! Invariant: [`Kept`] is what a crash leaves. A batch is in it as a whole or not at all.

use std::collections::{BTreeMap, VecDeque};

use mechat_hub::{
    AccountRecord, AmendRefusal, Amended, AppendDraft, AppendOutcome, ChannelRecord, Failure, Found,
    HistoryRead, MemberRecord, NewChannel, PostsRead, Snapshot, StoreAnswer, StoreOp, Ticket,
};
use mechat_protocol::limits::{ENTRY_OVERHEAD_MAX, PAGE_ENTRIES_MAX, PAGE_LEN_MAX};
use mechat_protocol::page::EncodedEntries;
use mechat_protocol::reply::Marks;
use mechat_protocol::request::{ChannelKind, HistoryRange, Level, Selection};
use mechat_protocol::{
    AccountId, AccountName, Amendment, Body, ChannelId, ChannelName, Content, Entry, Epoch, Nonce, Post, Seq,
    Topic, UnixMillis,
};

use crate::credentials::Tokens;
use crate::mutation::Mutation;

/// An answer, or that the storage failed.
pub(crate) type Answer = Result<StoreAnswer, Failure>;

/// A channel that is committed.
#[derive(Debug, Clone)]
pub(crate) struct KeptChannel {
    pub(crate) record: ChannelRecord,
    pub(crate) members: BTreeMap<AccountId, Marks>,
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
    applies_amendments: bool,
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
    pub(crate) fn new(accounts: usize, mutation: Option<Mutation>) -> Self {
        let account = |index: usize| AccountRecord {
            id: AccountId(index as u64 + 1),
            name: account_name(index),
            admin: index == 0,
            created: UnixMillis(0),
        };
        let lobby = ChannelRecord {
            id: ChannelId(1),
            name: ChannelName::new("lobby").expect("a valid name"),
            kind: ChannelKind::Public,
            host: None,
            created: UnixMillis(0),
            epoch: Epoch(1),
            head: Seq::ZERO,
            topic: Topic::default(),
        };
        Self {
            accounts: (0..accounts).map(account).collect(),
            channels: vec![KeptChannel { record: lobby, members: BTreeMap::new(), log: Vec::new() }],
            nonces: BTreeMap::new(),
            tokens: Tokens::default(),
            knows_nonces: mutation != Some(Mutation::SkipDedup),
            applies_amendments: mutation != Some(Mutation::SkipAmend),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let members = |channel: &KeptChannel| {
            let id = channel.record.id;
            let record = move |(account, marks): (&AccountId, &Marks)| MemberRecord {
                channel: id,
                account: *account,
                marks: *marks,
            };
            channel.members.iter().map(record).collect::<Vec<_>>()
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
            StoreOp::Mark { channel, account, read, level } => self.mark(channel, account, read, level),
            StoreOp::ReadHistory { .. } | StoreOp::ReadPosts { .. } | StoreOp::Search { .. } => Err(Failure),
        }
    }

    fn mark(&mut self, id: ChannelId, who: AccountId, read: Option<Seq>, level: Option<Level>) -> Answer {
        let channel = self.channel_mut(id).ok_or(Failure)?;
        let head = channel.record.head;
        let Some(marks) = channel.members.get_mut(&who) else {
            return Ok(StoreAnswer::Appended(AppendOutcome::NotAMember));
        };
        marks.read = read.map_or(marks.read, |read| read.min(head).max(marks.read));
        marks.level = level.unwrap_or(marks.level);
        Ok(StoreAnswer::Marked(*marks))
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
            topic: Topic::default(),
        };
        let marks = Marks { read: Seq(1), level: Level::All };
        let members = BTreeMap::from([(new.host, marks)]);
        let mut channel = KeptChannel { record, members, log: Vec::new() };
        let entry = channel.next(new.host_name, None, new.at, Body::Joined);
        channel.push(&entry);
        let record = channel.record.clone();
        self.channels.push(channel);
        StoreAnswer::ChannelCreated(record, entry)
    }

    fn append(&mut self, draft: AppendDraft) -> Result<AppendOutcome, Failure> {
        let applies = self.applies_amendments;
        let AppendDraft { channel: id, sender, sender_name, nonce, at, body, moderates } = draft;
        let known = nonce.filter(|_| self.knows_nonces).and_then(|nonce| self.nonces.get(&(sender, nonce)));
        if let Some((channel, seq)) = known.copied() {
            let index = usize::try_from(seq.0).unwrap_or(0) - 1;
            let entry = self.channel(channel).and_then(|channel| channel.log.get(index));
            return entry.cloned().map(AppendOutcome::Known).ok_or(Failure);
        }
        let channel = self.channel_mut(id).ok_or(Failure)?;
        let is_member = channel.members.contains_key(&sender);
        match &body {
            Body::Joined if is_member => return Ok(AppendOutcome::Unchanged),
            Body::Left if !is_member => return Ok(AppendOutcome::Unchanged),
            Body::Joined => {
                let marks = Marks { read: channel.record.head.next(), level: Level::All };
                channel.members.insert(sender, marks);
            }
            Body::Left => drop(channel.members.remove(&sender)),
            _ if !is_member => return Ok(AppendOutcome::NotAMember),
            _ => {}
        }
        let entry = channel.next(sender_name, nonce, at, body);
        let outcome = match channel.apply(&entry, moderates, applies) {
            Ok(None) => AppendOutcome::New(entry.clone()),
            Ok(Some(changed)) => AppendOutcome::Amended(Amended { entry: entry.clone(), changed }),
            Err(outcome) => return Ok(*outcome),
        };
        channel.push(&entry);
        if let Some(nonce) = nonce {
            self.nonces.insert((sender, nonce), (id, entry.seq));
        }
        Ok(outcome)
    }

    /// Reads what is committed.
    pub(crate) fn read(&self, op: &StoreOp) -> Answer {
        Ok(match op {
            StoreOp::ReadHistory { channel, range, limit } => self.read_history(*channel, *range, *limit),
            StoreOp::ReadPosts { channel, which, after, limit } => {
                let channel = self.channel(*channel).ok_or(Failure)?;
                StoreAnswer::PostsRead(channel.posts(*which, *after, *limit))
            }
            StoreOp::Search { .. } => StoreAnswer::Found(Found::Behind),
            StoreOp::Append(_) | StoreOp::CreateChannel(_) | StoreOp::Mark { .. } => return Err(Failure),
        })
    }

    fn read_history(&self, channel: ChannelId, range: HistoryRange, limit: usize) -> StoreAnswer {
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
    /// The entry that would be the next.
    fn next(&self, sender: AccountName, nonce: Option<Nonce>, at_ms: UnixMillis, body: Body) -> Entry {
        let ChannelRecord { id, epoch, head, .. } = self.record;
        Entry { channel: id, epoch, seq: head.next(), at_ms, sender, nonce, body }
    }

    fn push(&mut self, entry: &Entry) {
        self.record.head = entry.seq;
        self.log.push(entry.clone());
    }

    /// What an amendment changes, `None` for other entries; or an outcome without an entry. By mutation the log keeps what it had.
    fn apply(
        &mut self,
        by: &Entry,
        moderates: bool,
        applies: bool,
    ) -> Result<Option<Vec<Entry>>, Box<AppendOutcome>> {
        let Body::Amended { amendment } = &by.body else { return Ok(None) };
        if let Amendment::SetTopic { topic } = amendment {
            let last = self.log.last().expect("who sets it has joined");
            if self.record.topic == *topic {
                return Err(Box::new(AppendOutcome::Same(last.clone())));
            }
            self.record.topic = topic.clone();
            return Ok(Some(Vec::new()));
        }
        let target = amendment.target().unwrap_or_default();
        let target =
            usize::try_from(target.0).unwrap_or(0).checked_sub(1).and_then(|at| self.log.get_mut(at));
        let Some(target) = target.filter(|target| matches!(target.body, Body::Message(_))) else {
            return Err(Box::new(AppendOutcome::Refused(AmendRefusal::NoSuchMessage)));
        };
        let own = target.sender == by.sender;
        let permitted = match amendment {
            Amendment::Edit { .. } => own,
            Amendment::Delete { .. } => own || moderates,
            _ => true,
        };
        if !permitted {
            return Err(Box::new(AppendOutcome::Refused(AmendRefusal::NotTheSenders)));
        }
        let mut now = target.clone();
        if !now.amend(by) {
            return Err(Box::new(AppendOutcome::Same(now)));
        }
        if applies {
            target.clone_from(&now);
        }
        let deleted = matches!(amendment, Amendment::Delete { .. }).then_some(now.seq);
        let mut changed = vec![now];
        for entry in &mut self.log {
            if let Body::Amended { amendment: Amendment::Edit { seq, content } } = &mut entry.body
                && Some(*seq) == deleted
                && *content != Content::Unknown
            {
                *content = Content::Unknown;
                changed.push(entry.clone());
            }
        }
        Ok(Some(changed))
    }

    /// Messages of a selection.
    fn posts(&self, which: Selection, after: Seq, limit: usize) -> PostsRead {
        let fits = |entry: &&Entry| match (&entry.body, which) {
            (Body::Message(post), Selection::Pinned) => post.pinned,
            (Body::Message(post), Selection::Replies { seq }) => post.in_reply_to == Some(seq),
            _ => false,
        };
        let fitting_posts: Vec<&Entry> =
            self.log.iter().filter(|entry| entry.seq > after).filter(fits).collect();
        let count = fitting(fitting_posts.iter().copied(), limit);
        let more = count < fitting_posts.len();
        PostsRead { entries: fitting_posts.into_iter().take(count).cloned().collect(), more }
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
            let is_refused = matches!(
                answer,
                Ok(StoreAnswer::Appended(AppendOutcome::NotAMember | AppendOutcome::Refused(_)))
            );
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
        StoreOp::Mark { channel, account, read, level } => {
            StoreOp::Mark { channel: *channel, account: *account, read: *read, level: *level }
        }
        StoreOp::ReadHistory { .. } | StoreOp::ReadPosts { .. } | StoreOp::Search { .. } => {
            unreachable!("what is read is never queued")
        }
    }
}

/// The entry that an answer tells of, if it is a new one.
pub(crate) const fn new_entry(answer: &Answer) -> Option<&Entry> {
    match answer {
        Ok(
            StoreAnswer::Appended(AppendOutcome::New(entry) | AppendOutcome::Amended(Amended { entry, .. }))
            | StoreAnswer::ChannelCreated(_, entry),
        ) => Some(entry),
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
