//! What one has not read: which entries count, and how many there are behind the mark.
//!
//! Owns the one meaning of "unread" and "mention", which the cache, the screen and bots share. It never decides when something was read.
//!
//! Invariants: messages of others count, each once, and nothing else does: no own message, no join, no edit, no reaction, no message that was
//! deleted; what is not known of is not counted as none, it is said ([`Count::more`]); the mark never goes back.

use std::collections::VecDeque;
use std::fmt;

use mechat_protocol::{AccountName, Amendment, Body, Content, Entry, Seq};

/// Unread entries that are remembered of a channel; beyond that the oldest are only known to be there.
pub const UNREAD_MAX: usize = 1_000;

/// The largest number that is shown.
const SHOWN_MAX: usize = 999;

/// How much an entry matters to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing to read.
    None,
    /// A message.
    News,
    /// A message that names them.
    Mention,
}

/// What an entry is to an account.
pub fn weight(entry: &Entry, me: &AccountName) -> Weight {
    match &entry.body {
        _ if entry.sender == *me => Weight::None,
        Body::Message(post) => match &post.content {
            Content::Text { text } if mentions(text.as_str(), me) => Weight::Mention,
            Content::Text { .. } | Content::Data { .. } | Content::Unknown => Weight::News,
        },
        Body::Unknown => Weight::News,
        Body::Joined | Body::Left | Body::Removed { .. } | Body::Amended { .. } => Weight::None,
    }
}

/// Whether a text names an account: `@name`, in any case, standing by itself.
pub fn mentions(text: &str, name: &AccountName) -> bool {
    if !text.contains('@') {
        return false;
    }
    let part_of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let folded = name.key().folded;
    let is_name = |word: &str| AccountName::new(word).is_ok_and(|word| word.key().folded == folded);
    text.match_indices('@').any(|(at, _)| {
        // An `@` within a word is an address of mail.
        let by_itself = !text[..at].ends_with(part_of_name);
        let rest = &text[at + 1..];
        let end = rest.find(|c| !part_of_name(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        // A dot may end the sentence as well as the name.
        by_itself && (is_name(word) || is_name(word.trim_end_matches(['.', '-', '_'])))
    })
}

/// One entry that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// Where.
    pub seq: Seq,
    /// Whether it names the reader.
    pub mention: bool,
}

/// How much is unread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Messages that are known.
    pub news: usize,
    /// Of these, those that name the reader.
    pub mentions: usize,
    /// Whether there may be more before them.
    pub more: bool,
}

impl Count {
    /// Whether there is nothing, as far as is known.
    pub const fn is_none(self) -> bool {
        self.news == 0 && !self.more
    }
}

/// As it is shown: `12`, or `12+` where there may be more.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.news.min(SHOWN_MAX);
        let more = if self.more || shown < self.news { "+" } else { "" };
        write!(f, "{shown}{more}")
    }
}

/// What one has not read of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unread {
    read: Seq,
    /// From here on everything that counts is in `news`, if it is behind `read`.
    from: Seq,
    /// Ascending, all behind `read`. `news.len() <= UNREAD_MAX`.
    news: VecDeque<News>,
}

impl Unread {
    /// Everything up to `read` was read, and nothing is known of what is behind it up to `from`, exclusive.
    pub const fn new(read: Seq, from: Seq) -> Self {
        Self { read, from, news: VecDeque::new() }
    }

    /// The same, with what is known from `from` on, ascending.
    pub(crate) fn of(read: Seq, from: Seq, news: impl Iterator<Item = News>) -> Self {
        Self { read, from, news: news.collect() }
    }

    /// Read up to here.
    pub const fn read(&self) -> Seq {
        self.read
    }

    /// How much there is.
    pub fn count(&self) -> Count {
        let mentions = self.news.iter().filter(|news| news.mention).count();
        Count { news: self.news.len(), mentions, more: self.from > self.read.next() }
    }

    /// Whether there is nothing, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.news.is_empty() && self.from <= self.read.next()
    }

    /// The first that is known.
    pub fn first(&self) -> Option<Seq> {
        self.news.front().map(|news| news.seq)
    }

    /// The first mention behind an entry.
    pub fn mention_after(&self, seq: Seq) -> Option<Seq> {
        self.news.iter().find(|news| news.mention && news.seq > seq).map(|news| news.seq)
    }

    /// Takes an entry that is behind all that are known.
    pub fn push(&mut self, entry: &Entry, me: &AccountName) {
        if let Body::Amended { amendment: Amendment::Delete { seq } } = &entry.body {
            self.news.retain(|news| news.seq != *seq);
        }
        let weight = weight(entry, me);
        let is_new = entry.seq > self.read && self.news.back().is_none_or(|last| last.seq < entry.seq);
        if weight == Weight::None || !is_new {
            return;
        }
        if self.news.len() >= UNREAD_MAX
            && let Some(oldest) = self.news.pop_front()
        {
            self.from = self.from.max(oldest.seq.next());
        }
        self.news.push_back(News { seq: entry.seq, mention: weight == Weight::Mention });
    }

    /// Takes entries that reach up to what is known.
    pub fn push_older(&mut self, entries: &[Entry], me: &AccountName) {
        let reaches = entries.last().is_some_and(|last| last.seq.next() >= self.from);
        let Some(first) = entries.first().filter(|_| reaches) else { return };
        for entry in entries.iter().rev().filter(|entry| entry.seq < self.from && entry.seq > self.read) {
            let weight = weight(entry, me);
            if self.news.len() >= UNREAD_MAX {
                self.from = entry.seq.next();
                return;
            }
            if weight > Weight::None {
                self.news.push_front(News { seq: entry.seq, mention: weight == Weight::Mention });
            }
        }
        self.from = self.from.min(first.seq);
    }

    /// Everything up to here was read; whether that is news.
    pub fn mark(&mut self, read: Seq) -> bool {
        if read <= self.read {
            return false;
        }
        self.read = read;
        let behind = self.news.partition_point(|news| news.seq <= read);
        self.news.drain(..behind);
        true
    }

    /// What lies before this entry is not known any more.
    pub fn forget_before(&mut self, from: Seq) {
        let behind = self.news.partition_point(|news| news.seq < from);
        self.news.drain(..behind);
        self.from = self.from.max(from);
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::{ChannelId, Epoch, Post, UnixMillis};

    use super::*;

    fn ann() -> AccountName {
        "Ann".parse().expect("a name")
    }

    fn entry(seq: u64, sender: &str, body: Body) -> Entry {
        Entry {
            channel: ChannelId(1),
            epoch: Epoch(1),
            seq: Seq(seq),
            at_ms: UnixMillis(0),
            sender: sender.parse().expect("a name"),
            nonce: None,
            body,
        }
    }

    fn said(seq: u64, sender: &str, text: &str) -> Entry {
        let content = Content::text(text).expect("a text");
        entry(seq, sender, Body::Message(Post::new(content, None)))
    }

    #[test]
    fn a_mention_is_a_name_that_stands_by_itself_in_any_case() {
        for text in [
            "@ann",
            "hi @Ann!",
            "(@ANN)",
            "@ann.",
            "@ann...",
            "see @ann: this",
            "é@ ann @aNN,",
            "@ann's",
            "@@ann",
        ] {
            assert!(mentions(text, &ann()), "{text}");
        }
        for text in
            ["ann", "@anna", "@ann-marie", "@ann.bob", "mail@ann", "joe.@ann", "@ ann", "@", "@änn", ""]
        {
            assert!(!mentions(text, &ann()), "{text}");
        }
        let zoe: AccountName = "zoë".parse().expect("a name");
        assert!(mentions("moin @ZOË", &zoe) && !mentions("@zoe", &zoe));
        let dotted: AccountName = "a.b.".parse().expect("a name");
        assert!(mentions("@a.b. is it", &dotted));
    }

    #[test]
    fn messages_of_others_count_and_nothing_else_does() {
        let amended = Body::Amended { amendment: Amendment::Pin { seq: Seq(1), on: true } };
        let removed = Body::Removed { by: ann() };
        let mut unread = Unread::new(Seq(1), Seq(1));
        for (seq, body) in (2..).zip([Body::Joined, Body::Left, amended, removed]) {
            unread.push(&entry(seq, "bob", body), &ann());
        }
        unread.push(&said(6, "Ann", "mine"), &ann());
        assert!(unread.is_empty());
        unread.push(&said(7, "bob", "hello"), &ann());
        unread.push(&said(8, "bob", "hello @ann"), &ann());
        unread.push(&said(8, "bob", "again"), &ann());
        unread.push(&entry(9, "bob", Body::Unknown), &ann());
        assert_eq!(unread.count(), Count { news: 3, mentions: 1, more: false });
        assert_eq!((unread.first(), unread.mention_after(Seq(7))), (Some(Seq(7)), Some(Seq(8))));
        let delete = Body::Amended { amendment: Amendment::Delete { seq: Seq(8) } };
        unread.push(&entry(10, "bob", delete), &ann());
        assert_eq!(
            unread.count(),
            Count { news: 2, mentions: 0, more: false },
            "there is nothing to read there"
        );
    }

    #[test]
    fn the_mark_only_goes_on() {
        let mut unread = Unread::new(Seq(0), Seq(1));
        (1..=5).for_each(|seq| unread.push(&said(seq, "bob", "x"), &ann()));
        assert!(unread.mark(Seq(3)) && !unread.mark(Seq(2)) && !unread.mark(Seq(3)));
        assert_eq!((unread.read(), unread.count().news), (Seq(3), 2));
        unread.push(&said(3, "bob", "old"), &ann());
        assert_eq!(unread.count().news, 2);
    }

    #[test]
    fn what_is_not_known_is_said_to_be_more_until_it_is_read() {
        let mut unread = Unread::new(Seq(10), Seq(50));
        unread.push(&said(50, "bob", "x"), &ann());
        assert_eq!(unread.count(), Count { news: 1, mentions: 0, more: true });
        unread.push_older(&[said(30, "bob", "far")], &ann());
        assert_eq!(unread.count().news, 1, "what does not reach up to the known is not taken");
        let page: Vec<_> = (40..=49).map(|seq| said(seq, "bob", "@ann")).collect();
        unread.push_older(&page, &ann());
        assert_eq!(unread.count(), Count { news: 11, mentions: 10, more: true });
        let page: Vec<_> = (5..=39).map(|seq| said(seq, "bob", "x")).collect();
        unread.push_older(&page, &ann());
        assert_eq!(unread.count(), Count { news: 40, mentions: 10, more: false });
        let mut unread = Unread::new(Seq(10), Seq(50));
        assert!(unread.mark(Seq(49)) && unread.is_empty(), "read elsewhere");
        unread.forget_before(Seq(60));
        assert!(unread.count().more);
    }

    #[test]
    fn a_flood_costs_a_bounded_amount() {
        let mut unread = Unread::new(Seq(0), Seq(1));
        let many = UNREAD_MAX as u64 + 5;
        (1..=many).for_each(|seq| unread.push(&said(seq, "bob", "x"), &ann()));
        assert_eq!(unread.count(), Count { news: UNREAD_MAX, mentions: 0, more: true });
        assert_eq!(unread.first(), Some(Seq(6)));
        let mut unread = Unread::new(Seq(0), Seq(many));
        let page: Vec<_> = (1..many).map(|seq| said(seq, "bob", "x")).collect();
        unread.push_older(&page, &ann());
        assert_eq!(unread.count(), Count { news: UNREAD_MAX, mentions: 0, more: true });
    }
}
