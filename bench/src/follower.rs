//! What one member got of one channel: every entry once and in order, or how often not.
//!
//! Owns the counting of lost, repeated and reordered deliveries, and the pull after `lagged` (docs/PROTOCOL.md). Pure.
//!
//! Invariant: every seq from the start to the head is counted exactly once as delivered or, at the end, as lost.

use std::collections::BTreeSet;

use mechat_protocol::Seq;

/// What went right and what went wrong, over any number of members.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Entries that arrived, each member's counted; those that were pulled too.
    pub(crate) delivered: u64,
    /// Of these, those that a member had to read from the log.
    pub(crate) pulled: u64,
    /// Entries that never came.
    pub(crate) lost: u64,
    /// Entries that came again.
    pub(crate) repeated: u64,
    /// Entries that came after a later one, or differ from what others got in that place.
    pub(crate) reordered: u64,
    /// Frames that could not be read.
    pub(crate) damaged: u64,
    /// Requests that the server refused.
    pub(crate) refused: u64,
    /// How often the relay said that it dropped a channel's entries: not a fault, the member pulls.
    pub(crate) lagged: u64,
}

impl Tally {
    /// Whether the contract held.
    pub(crate) const fn is_clean(&self) -> bool {
        self.lost + self.repeated + self.reordered + self.damaged + self.refused == 0
    }

    /// The faults of both.
    pub(crate) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.pulled += other.pulled;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.reordered += other.reordered;
        self.damaged += other.damaged;
        self.refused += other.refused;
        self.lagged += other.lagged;
    }
}

/// One member's place in one channel.
#[derive(Debug, Clone)]
pub(crate) struct Follower {
    last: Seq,
    /// Passed over, not yet seen.
    missing: BTreeSet<u64>,
    pull: Option<Pull>,
}

/// A pull after `lagged`.
#[derive(Debug, Clone, Copy)]
struct Pull {
    /// Live entries that came since the last `lagged`, first and last; they have no gap between them.
    live: Option<(Seq, Seq)>,
    /// What it read up to at least.
    upto: Seq,
}

impl Follower {
    /// From behind `last` on.
    pub(crate) const fn after(last: Seq) -> Self {
        Self { last, missing: BTreeSet::new(), pull: None }
    }

    /// A live entry.
    pub(crate) fn entry(&mut self, seq: Seq, tally: &mut Tally) {
        if let Some(pull) = &mut self.pull {
            match pull.live {
                _ if seq <= self.last => tally.repeated += 1,
                Some((first, last)) if seq == last.next() => pull.live = Some((first, seq)),
                Some((_, last)) if seq <= last => tally.repeated += 1,
                // The first, or the first after another `lagged`: what is before it is pulled.
                _ => pull.live = Some((seq, seq)),
            }
        } else if seq == self.last.next() {
            self.last = seq;
            tally.delivered += 1;
        } else {
            self.out_of_order(seq, tally);
        }
    }

    fn out_of_order(&mut self, seq: Seq, tally: &mut Tally) {
        if seq > self.last {
            self.missing.extend(self.last.0 + 1..seq.0);
            self.last = seq;
            tally.delivered += 1;
        } else if self.missing.remove(&seq.0) {
            tally.delivered += 1;
            tally.reordered += 1;
        } else {
            tally.repeated += 1;
        }
    }

    /// The relay dropped entries up to `head`. Where to read on from; `None` if that is being done.
    pub(crate) fn lagged(&mut self, head: Seq, tally: &mut Tally) -> Option<Seq> {
        tally.lagged += 1;
        let after = self.pull();
        if let Some(pull) = &mut self.pull {
            // What came live before them is no longer next to what comes: the log has it too.
            *pull = Pull { live: None, upto: pull.upto.max(head) };
        }
        after
    }

    /// Begins to read from the log, as a client that comes back does; `None` if that is being done.
    pub(crate) fn pull(&mut self) -> Option<Seq> {
        if self.pull.is_some() {
            return None;
        }
        self.pull = Some(Pull { live: None, upto: self.last });
        Some(self.last)
    }

    /// A page that was pulled, and the head it states. Where to read on from; `None` if it is whole again.
    pub(crate) fn page(
        &mut self,
        page: impl Iterator<Item = Seq>,
        head: Seq,
        tally: &mut Tally,
    ) -> Option<Seq> {
        let Some(pull) = self.pull.take() else {
            tally.damaged += 1;
            return None;
        };
        let before = self.last;
        for seq in page {
            let known = tally.delivered;
            if seq == self.last.next() {
                self.last = seq;
                tally.delivered += 1;
            } else {
                self.out_of_order(seq, tally);
            }
            tally.pulled += tally.delivered - known;
        }
        let target = pull.live.map_or(head.max(pull.upto), |(first, _)| Seq(first.0 - 1));
        if self.last < target && self.last > before {
            self.pull = Some(pull);
            return Some(self.last);
        }
        if let Some((first, last)) = pull.live {
            if first > self.last.next() {
                // The page brought nothing though something is missing.
                self.missing.extend(self.last.0 + 1..first.0);
            }
            let from = first.max(self.last.next());
            if from <= last {
                tally.delivered += last.0 - from.0 + 1;
                self.last = last;
            }
        }
        None
    }

    /// Ends it: whatever is missing up to `head` is lost.
    pub(crate) fn finish(&self, head: Seq, tally: &mut Tally) {
        tally.lost += self.missing.len() as u64 + head.0.saturating_sub(self.last.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(seqs: &[u64], head: u64) -> Tally {
        let (mut follower, mut tally) = (Follower::after(Seq(10)), Tally::default());
        for seq in seqs {
            follower.entry(Seq(*seq), &mut tally);
        }
        follower.finish(Seq(head), &mut tally);
        tally
    }

    #[test]
    fn a_whole_stream_is_clean() {
        let tally = follow(&[11, 12, 13], 13);
        assert!(tally.is_clean());
        assert_eq!(tally.delivered, 3);
    }

    #[test]
    fn each_fault_is_told() {
        let faults = |seqs: &[u64], head| {
            let tally = follow(seqs, head);
            assert!(!tally.is_clean());
            (tally.delivered, tally.lost, tally.repeated, tally.reordered)
        };
        assert_eq!(faults(&[11, 13], 13), (2, 1, 0, 0), "one missing within");
        assert_eq!(faults(&[11, 12], 14), (2, 2, 0, 0), "two missing at the end");
        assert_eq!(faults(&[11, 11, 12], 12), (2, 0, 1, 0), "one twice");
        assert_eq!(faults(&[10, 11], 11), (1, 0, 1, 0), "one from before the start");
        assert_eq!(faults(&[12, 11, 13], 13), (3, 0, 0, 1), "two exchanged");
        assert_eq!(faults(&[13, 12, 12], 13), (2, 1, 1, 1), "one lost, one late, one twice");
    }

    #[test]
    fn a_gap_that_was_announced_is_pulled() {
        let (mut follower, mut tally) = (Follower::after(Seq(0)), Tally::default());
        follower.entry(Seq(1), &mut tally);
        assert_eq!(follower.lagged(Seq(5), &mut tally), Some(Seq(1)));
        follower.entry(Seq(6), &mut tally);
        assert_eq!(follower.lagged(Seq(7), &mut tally), None, "one pull at a time");
        follower.entry(Seq(8), &mut tally);
        follower.entry(Seq(9), &mut tally);
        assert_eq!(follower.page([2, 3, 4].map(Seq).into_iter(), Seq(9), &mut tally), Some(Seq(4)));
        assert_eq!(follower.page([5, 6, 7, 8].map(Seq).into_iter(), Seq(9), &mut tally), None);
        follower.entry(Seq(10), &mut tally);
        follower.finish(Seq(10), &mut tally);
        assert!(tally.is_clean());
        assert_eq!((tally.delivered, tally.pulled, tally.lagged), (10, 7, 2));
    }

    #[test]
    fn a_second_gap_during_a_pull_is_pulled_too_though_nothing_follows_it() {
        let (mut follower, mut tally) = (Follower::after(Seq(0)), Tally::default());
        follower.lagged(Seq(2), &mut tally);
        follower.entry(Seq(3), &mut tally);
        assert_eq!(follower.lagged(Seq(5), &mut tally), None);
        assert_eq!(follower.page([1, 2, 3].map(Seq).into_iter(), Seq(3), &mut tally), Some(Seq(3)));
        assert_eq!(follower.page([4, 5].map(Seq).into_iter(), Seq(5), &mut tally), None);
        follower.finish(Seq(5), &mut tally);
        assert!(tally.is_clean());
        assert_eq!(tally.delivered, 5);
    }

    #[test]
    fn a_pull_that_brings_too_little_is_a_loss() {
        let (mut follower, mut tally) = (Follower::after(Seq(0)), Tally::default());
        follower.lagged(Seq(3), &mut tally);
        follower.entry(Seq(4), &mut tally);
        assert_eq!(follower.page([1].map(Seq).into_iter(), Seq(4), &mut tally), Some(Seq(1)));
        assert_eq!(follower.page(std::iter::empty(), Seq(4), &mut tally), None);
        follower.finish(Seq(4), &mut tally);
        assert_eq!((tally.delivered, tally.lost), (2, 2));
        assert_eq!(follower.page(std::iter::empty(), Seq(4), &mut tally), None);
        assert_eq!(tally.damaged, 1, "a page that nobody asked for");
    }
}
