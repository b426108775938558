//! One channel as a linear reader has it: what was written out, what is read, what the last messages were.
//!
//! Invariants: an entry is taken once ([`Written::take`]); what is remembered is bounded.

use std::collections::{BTreeSet, VecDeque};

use mechat_client::Unread;
use mechat_client::unread::{self, Weight};
use mechat_protocol::reply::{ChannelInfo, Marks};
use mechat_protocol::request::Level;
use mechat_protocol::{AccountName, Amendment, Body, ChannelName, Entry, Seq, Topic};

use super::format;

/// Messages that are remembered to be named and quoted; the oldest goes.
const RECENT_MAX: usize = 512;
/// Entries that may be written before older ones were; beyond that they wait for those.
const ASIDE_MAX: usize = 1_024;

/// What was written out of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    upto: Seq,
    /// Written ahead of what lies before them. All are `> upto + 1`, and at most `ASIDE_MAX`.
    aside: BTreeSet<Seq>,
}

impl Written {
    /// Nothing up to here is written any more.
    pub const fn new(upto: Seq) -> Self {
        Self { upto, aside: BTreeSet::new() }
    }

    /// Everything up to here was written, or never will be.
    pub const fn upto(&self) -> Seq {
        self.upto
    }

    /// Whether an entry is still to be written; from now on it is not.
    pub fn take(&mut self, seq: Seq) -> bool {
        let new = seq > self.upto && (seq == self.upto.next() || self.aside.len() < ASIDE_MAX);
        let new = new && self.aside.insert(seq);
        self.join_up();
        new
    }

    /// Gives up what lies up to here.
    pub fn pass(&mut self, upto: Seq) {
        self.upto = self.upto.max(upto);
        self.aside = self.aside.split_off(&self.upto.next());
        self.join_up();
    }

    fn join_up(&mut self) {
        while self.aside.remove(&self.upto.next()) {
            self.upto = self.upto.next();
        }
    }
}

/// A message that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// Its number.
    pub seq: Seq,
    /// Who said it.
    pub sender: AccountName,
    /// How it begins, harmless.
    pub words: String,
}

/// A joined channel.
#[derive(Debug)]
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// What it is about.
    pub topic: Topic,
    /// What of it is written while one is in another channel.
    pub level: Level,
    /// What was written.
    pub written: Written,
    /// The last entry that was heard of.
    pub head: Seq,
    /// A page is asked for, behind this entry: what is unwritten is being read.
    pub reading: Option<Seq>,
    /// It has no backlog, or that is being written: what comes now is news.
    pub announced: bool,
    /// What is unread.
    pub unread: Unread,
    /// What the relay was told is read.
    pub marked: Seq,
    /// What the relay has of that.
    pub confirmed: Seq,
    /// Ascending, and at most `RECENT_MAX`.
    recent: VecDeque<Recent>,
}

impl Channel {
    /// One that was just heard of. What was read is not written again, here or on another device.
    pub fn new(info: &ChannelInfo, asked: bool) -> Self {
        let read = match info.marks {
            Some(marks) => marks.read,
            // What was said before one joined is history; what was said before one came back is not.
            None if asked => info.head,
            None => Seq::ZERO,
        };
        Self {
            name: info.name.clone(),
            topic: info.topic.clone(),
            level: info.marks.map_or(Level::All, |marks| marks.level),
            written: Written::new(read),
            head: info.head,
            reading: None,
            announced: false,
            unread: Unread::new(read, info.head.next()),
            marked: read,
            confirmed: read,
            recent: VecDeque::new(),
        }
    }

    /// How far was read, here or elsewhere.
    pub fn follow(&mut self, marks: Marks) {
        self.level = marks.level;
        self.marked = self.marked.max(marks.read);
        self.confirmed = self.confirmed.max(marks.read);
        self.unread.mark(marks.read);
    }

    /// The log is another one.
    pub fn reset(&mut self) {
        (self.written, self.head, self.reading) = (Written::default(), Seq::ZERO, None);
        self.unread = Unread::new(Seq::ZERO, Seq(1));
        (self.marked, self.confirmed) = (Seq::ZERO, Seq::ZERO);
        self.recent.clear();
    }

    /// Takes note of entries at the end.
    pub fn append(&mut self, entries: &[Entry], me: &AccountName) {
        self.unread.push_older(entries, me);
        for entry in entries {
            self.unread.push(entry, me);
            self.remember(entry);
            if let Body::Amended { amendment: Amendment::SetTopic { topic } } = &entry.body {
                self.topic = topic.clone();
            }
        }
        self.head = self.head.max(entries.last().map_or(Seq::ZERO, |entry| entry.seq));
    }

    /// Remembers how a message begins, as it is now.
    pub fn remember(&mut self, entry: &Entry) {
        match &entry.body {
            Body::Message(post) => {
                let recent = Recent {
                    seq: entry.seq,
                    sender: entry.sender.clone(),
                    words: format::quote(&post.content),
                };
                match self.recent.binary_search_by_key(&entry.seq, |recent| recent.seq) {
                    Ok(at) => self.recent[at] = recent,
                    Err(at) => self.recent.insert(at, recent),
                }
                if self.recent.len() > RECENT_MAX {
                    self.recent.pop_front();
                }
            }
            Body::Amended { amendment: Amendment::Edit { seq, content } } => {
                if let Ok(at) = self.recent.binary_search_by_key(seq, |recent| recent.seq) {
                    self.recent[at].words = format::quote(content);
                }
            }
            Body::Amended { amendment: Amendment::Delete { seq } } => {
                self.recent.retain(|recent| recent.seq != *seq);
            }
            Body::Amended { .. } | Body::Removed { .. } | Body::Joined | Body::Left | Body::Unknown => {}
        }
    }

    /// A message that was seen.
    pub fn recent(&self, seq: Seq) -> Option<&Recent> {
        let at = self.recent.binary_search_by_key(&seq, |recent| recent.seq).ok()?;
        self.recent.get(at)
    }

    /// The last message, or the last of somebody.
    pub fn last(&self, of: Option<&AccountName>) -> Option<Seq> {
        let mut recent = self.recent.iter().rev();
        recent.find(|recent| of.is_none_or(|of| recent.sender == *of)).map(|recent| recent.seq)
    }

    /// How the message begins that an entry answers or changes.
    pub fn about(&self, entry: &Entry) -> Option<&str> {
        let seq = match &entry.body {
            Body::Message(post) => post.in_reply_to?,
            Body::Amended { amendment } => amendment.target()?,
            Body::Removed { .. } | Body::Joined | Body::Left | Body::Unknown => return None,
        };
        self.recent(seq).map(|recent| recent.words.as_str())
    }

    /// What is unread is to be written, though it was in passing.
    pub fn write_again(&mut self) {
        self.written = Written::new(self.unread.read());
        self.announced = false;
    }

    /// Whether something is still to be written.
    pub fn is_behind(&self) -> bool {
        self.written.upto() < self.head
    }

    /// Whether an entry is written while one is in another channel.
    pub fn tells(&self, entry: &Entry, me: &AccountName) -> bool {
        match self.level {
            Level::All | Level::Unknown => true,
            Level::Mentions => unread::weight(entry, me) == Weight::Mention,
            Level::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_taken_once_in_whatever_order_it_comes() {
        let mut written = Written::new(Seq(3));
        assert!(!written.take(Seq(3)), "read before");
        assert!(written.take(Seq(6)) && !written.take(Seq(6)));
        assert_eq!(written.upto(), Seq(3), "4 and 5 are still to come");
        assert!(written.take(Seq(4)) && written.take(Seq(5)));
        assert_eq!(written, Written::new(Seq(6)));
        written.take(Seq(9));
        written.pass(Seq(8));
        assert_eq!(written, Written::new(Seq(9)), "what was written behind the gap joins up");
    }

    #[test]
    fn what_is_written_ahead_is_bounded_and_then_waits() {
        let mut written = Written::new(Seq(0));
        for seq in 2..2 + ASIDE_MAX as u64 {
            assert!(written.take(Seq(seq)));
        }
        let late = Seq(2 + ASIDE_MAX as u64);
        assert!(!written.take(late), "no room: it is read with what lies before it");
        assert!(written.take(Seq(1)) && written.take(late));
    }
}
