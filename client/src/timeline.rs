//! One channel's log as far as this client has it.
//!
//! Invariant: entries are handed on in seq order, each once; what is ahead of the next is pulled, never skipped.

use mechat_protocol::{ChannelId, Entry, Epoch, Seq};

/// Where the client stands in a log.
#[derive(Debug)]
pub(crate) struct Timeline {
    epoch: Epoch,
    /// The last entry handed on; `None` until the first page is here.
    last: Option<Seq>,
    /// The largest seq that was heard of in this epoch: what lies up to it is there to be pulled.
    head: Seq,
    /// A page is asked for.
    pub(crate) pulling: bool,
    /// The user was told of the channel. Until then nothing of it is handed on.
    pub(crate) announced: bool,
}

/// What to do with an entry that was pushed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Hand it on.
    Apply,
    /// Known already.
    Ignore,
    /// Something is missing before it: pull.
    Pull,
    /// The log is another one: forget it, and pull.
    Reset,
}

impl Timeline {
    pub(crate) const fn new(epoch: Epoch) -> Self {
        Self { epoch, last: None, head: Seq::ZERO, pulling: false, announced: false }
    }

    /// One that the user has up to `last` from an earlier run.
    pub(crate) const fn resumed(epoch: Epoch, last: Seq) -> Self {
        Self { last: Some(last), ..Self::new(epoch) }
    }

    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) const fn last(&self) -> Option<Seq> {
        self.last
    }

    /// Entries that were heard of and not handed on.
    pub(crate) fn gap(&self) -> u64 {
        self.last.map_or(0, |last| self.head.0.saturating_sub(last.0))
    }

    /// Gives up what lies before an entry of a page that begins anew; the first and the last of what is given up.
    pub(crate) fn skip_to(&mut self, next: &Entry) -> Option<(Seq, Seq)> {
        let from = self.last.filter(|_| next.epoch == self.epoch)?.next();
        let to = Seq(next.seq.0.saturating_sub(1));
        if from > to {
            return None;
        }
        self.last = Some(to);
        Some((from, to))
    }

    /// Takes note of an entry that was pushed.
    pub(crate) fn pushed(&mut self, entry: &Entry) -> Step {
        if self.learned(entry.epoch) {
            self.heard(entry.seq);
            return Step::Reset;
        }
        // A page on its way may have been read before this entry was: it is pulled then.
        self.heard(entry.seq);
        match self.last {
            Some(last) if entry.seq <= last => Step::Ignore,
            Some(last) if entry.seq == last.next() => {
                self.last = Some(entry.seq);
                Step::Apply
            }
            _ => Step::Pull,
        }
    }

    /// Believes that nothing is missing before the entry. Wrong on purpose.
    #[cfg(feature = "mutations")]
    pub(crate) fn pass_over_gap(&mut self, entry: &Entry) {
        if entry.epoch == self.epoch && self.last.is_some_and(|last| last < entry.seq) {
            self.last = Some(Seq(entry.seq.0 - 1));
        }
    }

    /// Takes note of a page that was pulled for a channel; returns what of it is new.
    pub(crate) fn pulled(&mut self, channel: ChannelId, entries: Vec<Entry>) -> Vec<Entry> {
        let mut last = self.last;
        let new: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| {
                let is_of_this = entry.channel == channel && entry.epoch == self.epoch;
                let follows = is_of_this && last.is_none_or(|last| entry.seq == last.next());
                if follows {
                    last = Some(entry.seq);
                }
                follows
            })
            .collect();
        self.last = last.or(Some(Seq::ZERO));
        new
    }

    /// Whether the log of this epoch is another one than known; if so, starts over.
    pub(crate) fn learned(&mut self, epoch: Epoch) -> bool {
        let other = epoch != self.epoch;
        if other {
            self.restart(epoch);
        }
        other
    }

    fn restart(&mut self, epoch: Epoch) {
        *self = Self { epoch, last: None, head: Seq::ZERO, ..*self };
    }

    /// Whether the relay has less than was handed on: its storage was restored, and the log is another one. If so, starts over.
    pub(crate) fn is_ahead(&mut self, head: Seq) -> bool {
        let ahead = self.last.is_some_and(|last| last > head);
        if ahead {
            self.restart(self.epoch);
        }
        ahead
    }

    /// Takes note of how far the log goes; whether that, or what was heard before, is more than was handed on.
    pub(crate) fn heard(&mut self, head: Seq) -> bool {
        self.head = self.head.max(head);
        self.last.is_none_or(|last| last < self.head)
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::{Body, UnixMillis};

    use super::*;

    const DEN: ChannelId = ChannelId(1);

    fn entry(epoch: u32, seq: u64) -> Entry {
        Entry {
            channel: DEN,
            epoch: Epoch(epoch),
            seq: Seq(seq),
            at_ms: UnixMillis(0),
            sender: "ann".parse().expect("name"),
            nonce: None,
            body: Body::Joined,
        }
    }

    #[test]
    fn applies_only_the_next_and_pulls_gaps() {
        let mut timeline = Timeline::new(Epoch(1));
        assert_eq!(timeline.pushed(&entry(1, 5)), Step::Pull, "nothing is known yet");
        assert_eq!(timeline.pulled(DEN, vec![entry(1, 4), entry(1, 5)]).len(), 2);
        assert_eq!(timeline.pushed(&entry(1, 5)), Step::Ignore);
        assert_eq!(timeline.pushed(&entry(1, 6)), Step::Apply);
        assert_eq!(timeline.pushed(&entry(1, 8)), Step::Pull);
        assert_eq!(timeline.last(), Some(Seq(6)), "a gap is not passed over");
        assert_eq!(timeline.pulled(DEN, vec![entry(1, 6), entry(1, 7), entry(1, 8)]).len(), 2, "6 is known");
        assert!(!timeline.heard(Seq(8)) && timeline.heard(Seq(9)));
        assert!(timeline.heard(Seq(8)), "what was heard of once is not forgotten");
    }

    #[test]
    fn a_page_with_a_hole_is_taken_up_to_the_hole() {
        let mut timeline = Timeline::new(Epoch(1));
        let new = timeline.pulled(DEN, vec![entry(1, 1), entry(1, 3)]);
        assert_eq!(new.len(), 1);
        assert_eq!(timeline.last(), Some(Seq(1)));
    }

    #[test]
    fn a_page_that_holds_entries_of_another_log_is_not_taken_for_this_one() {
        let mut timeline = Timeline::new(Epoch(1));
        let elsewhere = Entry { channel: ChannelId(2), ..entry(1, 1) };
        assert!(timeline.pulled(DEN, vec![elsewhere, entry(2, 1)]).is_empty());
        assert_eq!(timeline.pulled(DEN, vec![entry(1, 1)]).len(), 1);
    }

    #[test]
    fn another_epoch_starts_over() {
        let mut timeline = Timeline::new(Epoch(1));
        timeline.pulled(DEN, vec![entry(1, 9)]);
        assert_eq!(timeline.pushed(&entry(2, 1)), Step::Reset);
        assert_eq!(timeline.last(), None);
        assert!(timeline.pulled(DEN, Vec::new()).is_empty());
        assert_eq!(timeline.last(), Some(Seq::ZERO), "an empty log is a known one");
    }
}
