//! What all members of a measurement write their results on.
//!
//! Owns the clock of the stamps, the counts, the histograms and each channel's ledger: which message stands in which place,
//! the same for everyone. One thread, so cells instead of locks.
//!
//! Invariant: an acknowledged message is expected by every member of its channel until it was delivered or is counted as lost.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use mechat_protocol::{ChannelId, Seq};
use tokio::sync::Notify;

use crate::follower::Tally;
use crate::frame::Stamp;
use crate::histogram::Histogram;

/// A measurement that brings nothing for so long will bring nothing more.
const QUIET_LIMIT: Duration = Duration::from_secs(10);

/// The results of one measurement.
#[derive(Default)]
pub(crate) struct Board {
    clock: Clock,
    /// What was counted.
    pub(crate) tally: Cell<Tally>,
    /// From the stamp until a member has it, in nanoseconds.
    pub(crate) deliveries: RefCell<Histogram>,
    /// From the stamp until its sender has the ack, in nanoseconds.
    pub(crate) acks: RefCell<Histogram>,
    /// Whether publishers go on.
    pub(crate) publishing: Cell<bool>,
    /// Messages that were sent.
    pub(crate) sent: Cell<u64>,
    /// Messages that were acknowledged.
    pub(crate) acked: Cell<u64>,
    /// Connections that ended unasked.
    pub(crate) closed: Cell<u64>,
    /// Bytes of history pages.
    pub(crate) page_bytes: Cell<u64>,
    /// Members that read from the log now.
    pub(crate) pulling: Cell<u64>,
    expected: Cell<u64>,
    ledgers: RefCell<Vec<Ledger>>,
    progress: Notify,
}

struct Clock {
    began: Instant,
    last: Cell<u64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { began: Instant::now(), last: Cell::new(0) }
    }
}

/// One channel.
#[derive(Default, Clone)]
struct Ledger {
    members: u64,
    /// The head before the measurement.
    base: u64,
    /// The message of seq `base + 1 + n` at n, as the first one who got it saw it; 0 if nobody did.
    stamps: Vec<u64>,
}

impl Board {
    /// Nanoseconds of the measurement's clock.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.clock.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A stamp for a message that is sent now.
    pub(crate) fn stamp(&self) -> Stamp {
        let stamp = self.now().max(self.clock.last.get() + 1);
        self.clock.last.set(stamp);
        self.sent.set(self.sent.get() + 1);
        Stamp(stamp)
    }

    /// One more member of a channel, whose newest entry is `head`.
    pub(crate) fn enter(&self, channel: ChannelId, head: Seq) {
        let mut ledgers = self.ledgers.borrow_mut();
        let index = index(channel);
        if ledgers.len() <= index {
            ledgers.resize(index + 1, Ledger::default());
        }
        let ledger = &mut ledgers[index];
        ledger.members += 1;
        if ledger.members == 1 {
            ledger.base = head.0;
        }
    }

    /// Somebody got a message in this place: whether it is the one that everybody got there.
    pub(crate) fn is_the_same(&self, channel: ChannelId, seq: Seq, stamp: Stamp) -> bool {
        let mut ledgers = self.ledgers.borrow_mut();
        let Some(ledger) = ledgers.get_mut(index(channel)) else { return false };
        let Some(place) = seq.0.checked_sub(ledger.base + 1).and_then(|n| usize::try_from(n).ok()) else {
            // From before the measurement, by a page that reaches further back.
            return true;
        };
        if place >= ledger.stamps.len() {
            ledger.stamps.resize(place + 1, 0);
        }
        let known = &mut ledger.stamps[place];
        if *known == 0 {
            *known = stamp.0;
        }
        *known == stamp.0
    }

    /// A message was acknowledged: everybody in the channel shall get it. Whether it is what others got in that place.
    pub(crate) fn acknowledged(&self, channel: ChannelId, seq: Seq, stamp: Stamp, now: u64) -> bool {
        self.acked.set(self.acked.get() + 1);
        self.acks.borrow_mut().record(now.saturating_sub(stamp.0));
        let members = self.ledgers.borrow().get(index(channel)).map_or(0, |ledger| ledger.members);
        self.expected.set(self.expected.get() + members);
        self.is_the_same(channel, seq, stamp)
    }

    /// Tells who waits in [`Board::settled`] that something came.
    pub(crate) fn progressed(&self) {
        if self.is_settled() {
            self.progress.notify_one();
        }
    }

    fn is_settled(&self) -> bool {
        !self.publishing.get()
            && self.sent.get() == self.acked.get() + self.tally.get().refused
            && self.tally.get().delivered >= self.expected.get()
            && self.pulling.get() == 0
    }

    /// Waits until everything that was sent is acknowledged and delivered, or nothing comes any more; whether all came.
    pub(crate) async fn settled(&self) -> bool {
        while !self.is_settled() {
            let before = (self.tally.get(), self.acked.get());
            let waited = tokio::time::timeout(QUIET_LIMIT, self.progress.notified()).await;
            if waited.is_err() && before == (self.tally.get(), self.acked.get()) {
                return false;
            }
        }
        true
    }

    /// Where a channel ends, as far as anybody saw.
    pub(crate) fn head(&self, channel: ChannelId) -> Seq {
        let ledgers = self.ledgers.borrow();
        ledgers.get(index(channel)).map_or(Seq::ZERO, |ledger| Seq(ledger.base + ledger.stamps.len() as u64))
    }

    /// Forgets times, keeps counts: a new phase begins.
    pub(crate) fn clear_times(&self) {
        self.deliveries.borrow_mut().clear();
        self.acks.borrow_mut().clear();
    }

    /// What the ledgers say in the end: places that nobody saw, and messages that stand in two places.
    pub(crate) fn audit(&self, tally: &mut Tally) {
        let mut all: Vec<u64> = Vec::new();
        for ledger in self.ledgers.borrow().iter() {
            tally.lost += ledger.stamps.iter().filter(|stamp| **stamp == 0).count() as u64;
            all.extend(ledger.stamps.iter().filter(|stamp| **stamp != 0));
        }
        all.sort_unstable();
        tally.repeated += all.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        tally.lost += self.acked.get().saturating_sub(all.len() as u64);
    }
}

/// Every server numbers its channels from 1.
fn index(channel: ChannelId) -> usize {
    usize::try_from(channel.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: ChannelId = ChannelId(1);

    #[test]
    fn another_message_in_the_same_place_is_seen() {
        let board = Board::default();
        board.enter(C, Seq(5));
        assert!(board.is_the_same(C, Seq(6), Stamp(100)));
        assert!(board.is_the_same(C, Seq(6), Stamp(100)));
        assert!(!board.is_the_same(C, Seq(6), Stamp(101)));
        assert!(!board.is_the_same(ChannelId(9), Seq(1), Stamp(1)), "a channel that nobody entered");
        assert_eq!(board.head(C), Seq(6));
    }

    #[test]
    fn an_audit_finds_holes_and_doubles() {
        let board = Board::default();
        board.enter(C, Seq(0));
        for (seq, stamp) in [(1, 10), (3, 30), (4, 10)] {
            assert!(board.acknowledged(C, Seq(seq), Stamp(stamp), 50));
        }
        let mut tally = Tally::default();
        board.audit(&mut tally);
        assert_eq!((tally.lost, tally.repeated, tally.reordered), (1, 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_not_waited_for() {
        let board = Board::default();
        board.enter(C, Seq(0));
        let stamp = board.stamp();
        assert!(board.acknowledged(C, Seq(1), stamp, stamp.0));
        assert!(!board.settled().await);
        board.tally.set(Tally { delivered: 1, ..Tally::default() });
        assert!(board.settled().await);
    }
}
