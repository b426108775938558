//! Which entries were amended of late: what was read before that is not their present state any more.
//!
//! Invariant: an entry that was amended since a moment is never said not to be.

use std::collections::VecDeque;

use mechat_protocol::{ChannelId, Seq};

/// Amended entries that are remembered, the oldest forgotten first: many times as many as are amended while one page is read.
const REMEMBERED_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct News {
    /// The latest, oldest first.
    amended: VecDeque<(ChannelId, Seq)>,
    /// All there ever were.
    count: u64,
}

impl News {
    pub(crate) fn amended(&mut self, channel: ChannelId, seq: Seq) {
        if self.amended.len() == REMEMBERED_MAX {
            self.amended.pop_front();
        }
        self.amended.push_back((channel, seq));
        self.count += 1;
    }

    /// How many entries were amended so far.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Whether one of these entries was amended since there were so many. If that is too long ago to know, it was.
    pub(crate) fn touched(&self, since: u64, is_one: impl Fn(ChannelId, Seq) -> bool) -> bool {
        let news = usize::try_from(self.count - since).unwrap_or(usize::MAX);
        match self.amended.len().checked_sub(news) {
            Some(start) => self.amended.range(start..).any(|(channel, seq)| is_one(*channel, *seq)),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_remembered_any_more_counts_as_amended() {
        let mut news = News::default();
        let touched = |news: &News, since, wanted| news.touched(since, |_, seq| seq == Seq(wanted));
        assert!(!touched(&news, 0, 1), "nothing happened");
        for seq in 1..=1_024 {
            news.amended(ChannelId(1), Seq(seq));
        }
        assert!(touched(&news, 0, 1) && !touched(&news, 0, 2_000));
        assert!(!touched(&news, 1, 1) && touched(&news, 1, 2), "only what came since");
        news.amended(ChannelId(2), Seq(1));
        assert!(touched(&news, 0, 2_000), "the first is forgotten");
        assert!(!touched(&news, 1, 2_000));
        assert!(news.touched(1_024, |channel, _| channel == ChannelId(2)));
    }
}
