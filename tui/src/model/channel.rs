//! One joined channel: its log as far as it is known, own messages on their way, where the view stands in it.
//!
//! Invariants: `entries` is ascending and contiguous by seq, each once; an own message is either in `outbox` or in
//! `entries`, never in both; `read_upto` never goes back.

use std::borrow::Cow;
use std::collections::BTreeSet;

use mechat_protocol::reply::{ChannelInfo, ErrorReply};
use mechat_protocol::{AccountName, Amendment, Body, Content, Entry, Nonce, Seq, UnixMillis};

/// Entries that are kept while the view is at the end; older ones are read from the relay again.
pub const ENTRIES_KEPT: usize = 2_000;
/// Entries beyond which the oldest are let go.
pub const ENTRIES_MAX: usize = 2 * ENTRIES_KEPT;

/// Where the view stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scroll {
    /// At the newest, and stays there.
    Bottom,
    /// The first visible line belongs to this row, so many lines into it.
    Top {
        /// The row.
        row: RowKey,
        /// The line.
        line: usize,
    },
}

/// What a row of the timeline is known by, whatever comes before or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKey {
    /// An entry of the log.
    Entry(Seq),
    /// An own message that is not in the log yet.
    Outgoing(Nonce),
}

/// How far an own message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// On its way, or waits for the link.
    Pending,
    /// Refused for good.
    Failed(ErrorReply),
}

/// An own message that is not in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its name.
    pub nonce: Nonce,
    /// What it says.
    pub content: Content,
    /// The entry it answers.
    pub in_reply_to: Option<Seq>,
    /// How far it is.
    pub sending: Sending,
    /// Its place, once the relay told it; the row goes when the log is known up to there.
    pub acked: Option<Seq>,
}

/// An own change of something that was said, not in the log yet: it shows at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amending {
    /// Its name.
    pub nonce: Nonce,
    /// What changes.
    pub amendment: Amendment,
    /// Its place, or that of what it changes nothing of, once the relay told it.
    pub acked: Option<Seq>,
}

/// A joined channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// What the relay says of it.
    pub info: ChannelInfo,
    /// The known end of its log.
    pub entries: Vec<Entry>,
    /// Own messages that are not in the log, oldest first.
    pub outbox: Vec<Outgoing>,
    /// Own amendments that are not in the log, oldest first.
    pub amending: Vec<Amending>,
    /// Whether the first entry is the oldest that one may read.
    pub at_start: bool,
    /// Whether older entries were asked for.
    pub loading: bool,
    /// Who is in it; `None` until told.
    pub members: Option<BTreeSet<AccountName>>,
    /// The newest entry that was before the user's eyes; `None` before the first backlog.
    pub read_upto: Option<Seq>,
    /// The "new" line stands behind this entry.
    pub divider: Option<Seq>,
    /// Where the view stands.
    pub scroll: Scroll,
}

impl Channel {
    /// A channel whose log is not known yet.
    pub fn new(info: ChannelInfo) -> Self {
        Self {
            at_start: info.head == Seq::ZERO,
            info,
            entries: Vec::new(),
            outbox: Vec::new(),
            amending: Vec::new(),
            loading: false,
            members: None,
            read_upto: None,
            divider: None,
            scroll: Scroll::Bottom,
        }
    }

    /// Takes entries at the end; those that are known already change nothing.
    pub fn append(&mut self, entries: Vec<Entry>, me: Option<&AccountName>) {
        for entry in entries {
            match self.entries.last() {
                Some(last) if entry.seq <= last.seq => {}
                last => {
                    self.at_start |= last.is_none() && entry.seq <= Seq(1);
                    self.settle(&entry, me);
                    self.follow_membership(&entry);
                    self.entries.push(entry);
                }
            }
        }
        self.info.head = self.info.head.max(self.last_seq());
        self.drop_acked();
        self.trim();
    }

    /// Lets rows go whose entry stands in what is known, or before it: an ack that an earlier run never heard may be of long ago.
    pub fn drop_acked(&mut self) {
        let last = self.last_seq();
        self.outbox.retain(|message| message.acked.is_none_or(|seq| seq > last));
        self.amending.retain(|change| change.acked.is_none_or(|seq| seq > last));
    }

    /// Takes an older part. What does not reach up to the known entries is refused: a gap is never shown as none.
    pub fn prepend(&mut self, mut older: Vec<Entry>, more: bool) {
        self.loading = false;
        let Some(first) = self.entries.first().map(|entry| entry.seq) else {
            self.at_start = !more;
            self.entries = older;
            return;
        };
        older.retain(|entry| entry.seq < first);
        match older.last() {
            Some(last) if last.seq.next() == first => {
                older.append(&mut self.entries);
                self.entries = older;
                self.at_start = !more;
            }
            Some(_) => {}
            None => self.at_start = !more,
        }
    }

    /// The log is another one now.
    pub fn reset(&mut self) {
        self.entries.clear();
        self.scroll = Scroll::Bottom;
        (self.at_start, self.loading, self.read_upto, self.divider) = (false, false, None, None);
    }

    /// The newest known entry; 0 if none.
    pub fn last_seq(&self) -> Seq {
        self.entries.last().map_or(Seq::ZERO, |entry| entry.seq)
    }

    /// Messages of others behind `read_upto`.
    pub fn unread(&self, me: Option<&AccountName>) -> usize {
        let read = self.read_upto.unwrap_or(self.last_seq());
        let behind = self.entries.partition_point(|entry| entry.seq <= read);
        self.entries[behind..].iter().filter(|entry| is_news(entry, me)).count()
    }

    /// All that is known was before the user's eyes.
    pub fn mark_read(&mut self) {
        self.read_upto = self.read_upto.max(Some(self.last_seq()));
    }

    /// Lets old entries go while the view is at the end.
    pub fn trim(&mut self) {
        if self.scroll == Scroll::Bottom && self.entries.len() > ENTRIES_MAX {
            self.entries.drain(..self.entries.len() - ENTRIES_KEPT);
            self.at_start = false;
        }
    }

    /// Rows of the timeline: entries, then own messages on their way.
    pub fn rows(&self) -> usize {
        self.entries.len() + self.outbox.len()
    }

    /// The place of a row; that of a message that has meanwhile reached the log is found there.
    pub fn row_index(&self, key: RowKey) -> Option<usize> {
        match key {
            RowKey::Entry(seq) => self.entries.binary_search_by_key(&seq, |entry| entry.seq).ok(),
            RowKey::Outgoing(nonce) => {
                let waiting = self.outbox.iter().position(|message| message.nonce == nonce);
                let waiting = waiting.map(|index| self.entries.len() + index);
                waiting.or_else(|| self.entries.iter().rposition(|entry| entry.nonce == Some(nonce)))
            }
        }
    }

    /// The key of a row.
    pub fn row_key(&self, index: usize) -> Option<RowKey> {
        match self.entries.get(index) {
            Some(entry) => Some(RowKey::Entry(entry.seq)),
            None => {
                self.outbox.get(index - self.entries.len()).map(|message| RowKey::Outgoing(message.nonce))
            }
        }
    }

    /// An own message that reached the log is no longer on its way.
    fn settle(&mut self, entry: &Entry, me: Option<&AccountName>) {
        if Some(&entry.sender) == me && entry.nonce.is_some() {
            self.outbox.retain(|message| Some(message.nonce) != entry.nonce);
            self.amending.retain(|change| Some(change.nonce) != entry.nonce);
        }
    }

    /// An entry as it will be once the own amendments that are on their way have arrived.
    pub fn amended<'a>(&self, entry: &'a Entry, me: Option<&AccountName>, now: UnixMillis) -> Cow<'a, Entry> {
        let mut shown = Cow::Borrowed(entry);
        let Some(me) = me else { return shown };
        for change in self.amending.iter().filter(|change| change.amendment.target() == Some(entry.seq)) {
            let by = Entry {
                seq: self.last_seq().next(),
                at_ms: now,
                sender: me.clone(),
                nonce: Some(change.nonce),
                body: Body::Amended { amendment: change.amendment.clone() },
                ..*entry
            };
            shown.to_mut().amend(&by);
        }
        shown
    }

    fn follow_membership(&mut self, entry: &Entry) {
        let Some(members) = &mut self.members else { return };
        match entry.body {
            Body::Joined => drop(members.insert(entry.sender.clone())),
            Body::Left => drop(members.remove(&entry.sender)),
            Body::Message(_) | Body::Removed { .. } | Body::Amended { .. } | Body::Unknown => {}
        }
    }
}

/// Whether an entry is something that one would want to read.
pub fn is_news(entry: &Entry, me: Option<&AccountName>) -> bool {
    matches!(entry.body, Body::Message(_) | Body::Unknown) && Some(&entry.sender) != me
}
