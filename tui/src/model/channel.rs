//! One joined channel: a window over its log, own messages on their way, what is unread, where the view stands in it.
//!
//! The log is in the cache and at the relay; here is only what is near the view. Where the window does not reach up to the last entry
//! that was handed on, what comes is counted and not kept: it is read when the view gets there.
//!
//! Invariants: `entries` is ascending and contiguous by seq, each once, at most `ENTRIES_MAX` and one page; an own message is either in `outbox` or in
//! `entries`, never in both; how far was read never goes back within one life of the log.

use std::borrow::Cow;
use std::collections::BTreeSet;

use mechat_client::KnownLog;
use mechat_client::cache::CachedChannel;
use mechat_client::unread::{Count, Unread};
use mechat_protocol::reply::{ChannelInfo, ErrorReply, Marks};
use mechat_protocol::request::{HistoryRange, Level};
use mechat_protocol::{AccountName, Amendment, Body, Content, Entry, Epoch, Nonce, Seq};

/// Entries that are kept of a window that is too long; the others are read again.
pub const ENTRIES_KEPT: usize = 2_000;
/// Entries beyond which those furthest from the view are let go.
pub const ENTRIES_MAX: usize = 2 * ENTRIES_KEPT;
/// Entries that are kept of a channel that is not in view.
pub const ENTRIES_HIDDEN: usize = 500;

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

/// A part of the log that the whole window gives way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// The end, as it was then: what is before this.
    End(Seq),
    /// What is around an entry.
    Entry(Seq),
}

/// A joined channel.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a state of one machine")]
pub struct Channel {
    /// What the relay says of it.
    pub info: ChannelInfo,
    /// The window.
    pub entries: Vec<Entry>,
    /// The life of the log, and the last entry that was handed on; `None` while nothing is known.
    pub stands: Option<(Epoch, Seq)>,
    /// Own messages that are not in the log, oldest first.
    pub outbox: Vec<Outgoing>,
    /// Own amendments that are not in the log, oldest first.
    pub amending: Vec<Amending>,
    /// Whether the first entry is the oldest that one may read.
    pub at_start: bool,
    /// Whether older entries were asked for.
    pub loading: bool,
    /// Whether newer entries were asked for.
    pub loading_newer: bool,
    /// What was asked for instead of the window.
    pub seek: Option<Seek>,
    /// The entry that was gone to, while what is above it is loaded.
    pub arrived: Option<Seq>,
    /// Who is in it; `None` until told.
    pub members: Option<BTreeSet<AccountName>>,
    /// What is unread.
    unread: Unread,
    /// Up to where the relay knows that it was read.
    pub marked: Seq,
    /// What is there before one came counts as read, since nobody says how far one was.
    reads_backlog: bool,
    /// The "new" line stands behind this entry.
    pub divider: Option<Seq>,
    /// Where the view stands.
    pub scroll: Scroll,
}

impl Channel {
    /// A channel whose log is not known yet.
    pub fn new(info: ChannelInfo) -> Self {
        let marks = info.marks;
        let read = marks.map_or(info.head, |marks| marks.read);
        Self {
            at_start: info.head == Seq::ZERO,
            info,
            entries: Vec::new(),
            stands: None,
            outbox: Vec::new(),
            amending: Vec::new(),
            loading: false,
            loading_newer: false,
            seek: None,
            arrived: None,
            members: None,
            unread: Unread::new(read, read.next()),
            marked: read,
            reads_backlog: marks.is_none(),
            divider: None,
            scroll: Scroll::Bottom,
        }
    }

    /// One that an earlier run left.
    pub fn cached(cached: CachedChannel) -> Self {
        let CachedChannel { info, stands, unread, newest, at_start } = cached;
        let mut channel = Self::new(info);
        channel.marked = channel.info.marks.map_or(Seq::ZERO, |marks| marks.read);
        if stands.is_some() {
            (channel.stands, channel.unread, channel.reads_backlog) = (stands, unread, false);
            (channel.entries, channel.at_start) = (newest, at_start);
        }
        channel
    }

    /// How far the log is known, for the next session.
    pub fn known(&self) -> Option<KnownLog> {
        self.stands.map(|(epoch, last)| KnownLog { channel: self.info.channel, epoch, last })
    }

    /// Takes entries at the end of the log; those that are known already change nothing.
    pub fn append(&mut self, entries: Vec<Entry>, me: Option<&AccountName>) {
        let Some(me) = me else { return };
        self.begin(&entries);
        for entry in entries {
            if self.stands.is_some_and(|(_, last)| entry.seq <= last) {
                continue;
            }
            let at_end = self.is_at_end();
            self.stands = Some((entry.epoch, entry.seq));
            self.settle(&entry, me);
            self.follow_membership(&entry);
            self.amend(&entry);
            self.unread.push(&entry, me);
            if at_end {
                self.entries.push(entry);
            }
        }
        if std::mem::take(&mut self.reads_backlog) {
            self.mark_read();
            self.marked = self.marked.max(self.unread.read());
        }
        self.info.head = self.info.head.max(self.last_seq());
        self.drop_acked();
    }

    /// The first entries that come: what lies before them is not known.
    fn begin(&mut self, entries: &[Entry]) {
        if let (None, Some(first)) = (self.stands, entries.first()) {
            self.at_start |= first.seq <= Seq(1);
            self.unread = Unread::new(self.unread.read(), first.seq);
            self.entries.clear();
        }
    }

    /// Lets rows go whose entry stands in what is known, or before it: an ack that an earlier run never heard may be of long ago.
    pub fn drop_acked(&mut self) {
        let last = self.last_seq();
        self.outbox.retain(|message| message.acked.is_none_or(|seq| seq > last));
        self.amending.retain(|change| change.acked.is_none_or(|seq| seq > last));
    }

    /// Takes a page that was asked for. What does not reach the window is refused: a gap is never shown as none.
    pub fn take_page(
        &mut self,
        range: HistoryRange,
        entries: Vec<Entry>,
        more: bool,
        me: Option<&AccountName>,
    ) {
        if let Some(me) = me {
            self.unread.push_older(&entries, me);
        }
        match (range, self.seek) {
            (HistoryRange::Before { seq }, Some(Seek::End(end))) if seq == end => {
                self.replace(entries, !more);
                self.scroll = Scroll::Bottom;
            }
            (HistoryRange::After { seq }, Some(Seek::Entry(wanted))) if seq.next() == wanted => {
                // A deleted or unreadable place leads to what comes behind it.
                let row = entries.first().map_or(RowKey::Entry(wanted), |entry| RowKey::Entry(entry.seq));
                self.replace(entries, wanted <= Seq(1));
                self.scroll = Scroll::Top { row, line: 0 };
            }
            (HistoryRange::After { .. }, _) => self.push_newer(entries),
            (HistoryRange::Before { .. } | HistoryRange::Latest, _) => self.prepend(entries, more),
        }
        self.drop_acked();
    }

    /// Shows another part of the log.
    fn replace(&mut self, entries: Vec<Entry>, at_start: bool) {
        (self.seek, self.loading, self.loading_newer) = (None, false, false);
        (self.entries, self.at_start) = (entries, at_start);
    }

    fn prepend(&mut self, mut older: Vec<Entry>, more: bool) {
        self.loading = false;
        let Some(first) = self.entries.first().map(|entry| entry.seq) else {
            // Only what is known to be there: what comes later lies behind it.
            older.retain(|entry| entry.seq <= self.last_seq());
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

    fn push_newer(&mut self, newer: Vec<Entry>) {
        self.loading_newer = false;
        let known = self.last_seq();
        for entry in newer {
            let follows = self.entries.last().is_some_and(|last| last.seq.next() == entry.seq);
            if follows && entry.seq <= known {
                self.entries.push(entry);
            }
        }
    }

    /// The log is another one now. Where the relay has not said since how far it was read, what it has counts as read.
    pub fn reset(&mut self) {
        let told_since = self.stands.is_none_or(|(epoch, _)| epoch != self.info.epoch);
        let marks = self.info.marks.filter(|_| told_since);
        let read = marks.map_or(Seq::ZERO, |marks| marks.read);
        self.unread = Unread::new(read, read.next());
        (self.marked, self.reads_backlog) = (read, marks.is_none());
        self.divider = None;
        self.forget_entries();
    }

    /// More was missed than is read: what comes next begins anew.
    pub fn skip(&mut self) {
        self.forget_entries();
    }

    fn forget_entries(&mut self) {
        self.entries.clear();
        (self.stands, self.scroll, self.at_start) = (None, Scroll::Bottom, false);
        self.stop_loading();
    }

    /// What was asked for will not come.
    pub const fn stop_loading(&mut self) {
        (self.loading, self.loading_newer, self.seek, self.arrived) = (false, false, None, None);
    }

    /// The newest known entry of the log; 0 if none.
    pub fn last_seq(&self) -> Seq {
        self.stands.map_or(Seq::ZERO, |(_, last)| last)
    }

    /// Whether the window reaches the end of the log.
    pub fn is_at_end(&self) -> bool {
        self.stands.is_none_or(|(_, last)| {
            self.entries.last().is_some_and(|entry| entry.seq == last) || last == Seq::ZERO
        })
    }

    /// Whether the newest is in view.
    pub fn shows_newest(&self) -> bool {
        self.scroll == Scroll::Bottom && self.is_at_end()
    }

    /// What is unread.
    pub fn unread(&self) -> Count {
        self.unread.count()
    }

    /// What is unread, as the person wants to be told of it: nothing of a muted channel.
    pub fn badge(&self) -> Count {
        let count = self.unread();
        match self.info.marks.map_or(Level::All, |marks| marks.level) {
            Level::All | Level::Unknown => count,
            Level::Mentions => Count { news: count.mentions, ..count },
            Level::None => Count::default(),
        }
    }

    /// Whether one wants to be told of nothing in it.
    pub fn is_muted(&self) -> bool {
        self.info.marks.is_some_and(|marks| marks.level == Level::None)
    }

    /// Up to where it was read.
    pub const fn read(&self) -> Seq {
        self.unread.read()
    }

    /// Where what is unread begins.
    pub fn first_unread(&self) -> Option<Seq> {
        // What is not known of comes first.
        if self.unread().more { Some(self.unread.read().next()) } else { self.unread.first() }
    }

    /// The first mention that is unread, behind an entry.
    pub fn mention_after(&self, seq: Seq) -> Option<Seq> {
        self.unread.mention_after(seq)
    }

    /// All that is known was read.
    pub fn mark_read(&mut self) {
        self.unread.mark(self.last_seq());
    }

    /// What the relay says of how far it was read, here or on another device.
    pub fn follow_marks(&mut self, marks: Marks) {
        self.info.marks = Some(marks);
        self.unread.mark(marks.read);
        self.marked = self.marked.max(marks.read);
    }

    /// Takes what the relay says anew. How far it was read in another life of the log is told with the reset.
    pub fn follow_info(&mut self, info: ChannelInfo) {
        let same_log = self.stands.is_none_or(|(epoch, _)| epoch == info.epoch);
        self.info = info;
        if let Some(marks) = self.info.marks.filter(|_| same_log) {
            self.unread.mark(marks.read);
            // What was read since and never said is said again.
            self.marked = marks.read;
        }
        self.info.head = self.info.head.max(self.last_seq());
    }

    /// Lets entries go that are far from the view.
    pub fn trim(&mut self) {
        if self.entries.len() > ENTRIES_MAX {
            self.trim_to(ENTRIES_KEPT);
        }
    }

    /// Nobody looks: little is kept, where the view is the end and comes back to it.
    pub fn hide(&mut self) {
        self.divider = None;
        if self.scroll == Scroll::Bottom && self.entries.len() > ENTRIES_HIDDEN {
            self.trim_to(ENTRIES_HIDDEN);
        }
    }

    fn trim_to(&mut self, kept: usize) {
        let surplus = self.entries.len().saturating_sub(kept);
        let in_view = match self.scroll {
            Scroll::Bottom => self.entries.len(),
            Scroll::Top { row, .. } => self.row_index(row).unwrap_or(self.entries.len()),
        };
        // Half of what is kept lies on either side of the view.
        let before = in_view.saturating_sub(kept / 2).min(surplus);
        if before > 0 {
            self.entries.drain(..before);
            self.at_start = false;
        }
        self.entries.truncate(kept);
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

    /// Brings what an entry names up to date.
    fn amend(&mut self, by: &Entry) {
        let Body::Amended { amendment } = &by.body else { return };
        if let Amendment::SetTopic { topic } = amendment {
            self.info.topic = topic.clone();
        }
        if let Some(target) = amendment.target()
            && let Ok(at) = self.entries.binary_search_by_key(&target, |entry| entry.seq)
        {
            self.entries[at].amend(by);
        }
    }

    /// An own message that reached the log is no longer on its way.
    fn settle(&mut self, entry: &Entry, me: &AccountName) {
        if entry.sender == *me && entry.nonce.is_some() {
            self.outbox.retain(|message| Some(message.nonce) != entry.nonce);
            self.amending.retain(|change| Some(change.nonce) != entry.nonce);
        }
    }

    /// An entry as it will be once the own amendments that are on their way have arrived.
    pub fn amended<'a>(&self, entry: &'a Entry, me: Option<&AccountName>) -> Cow<'a, Entry> {
        let mut shown = Cow::Borrowed(entry);
        let Some(me) = me else { return shown };
        for change in self.amending.iter().filter(|change| change.amendment.target() == Some(entry.seq)) {
            let by = Entry {
                seq: self.last_seq().next(),
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
