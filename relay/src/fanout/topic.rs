//! One channel's recent entries, and who waits for the next.
//!
//! Owns a bounded ring of encoded entries, and who types there: one frame, of which only the latest is ever told. Connections hold
//! a [`Cursor`] into the ring, not copies: one that has everything is parked here, one that has not holds its cursor itself.
//!
//! Invariants: a subscription's cursor is in exactly one place, parked or with its connection; batches are contiguous and in
//! seq order; a cursor that fell behind the ring is told so, never moved in silence.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mechat_hub::ConnId;
use mechat_protocol::limits::{FRAME_PREFIX_LEN, RING_LEN_MAX};
use mechat_protocol::{ChannelId, Seq};

use super::outbound::Outbound;
use super::parking::Parking;

/// Bytes that a batch takes besides its frames.
pub(super) const BATCH_OVERHEAD: usize = 128;
/// Where a cursor stands that was made before anything was published: at whatever is published first.
const UNKNOWN: Seq = Seq::ZERO.next();
/// Room for so many is always kept.
const PARKED_MIN: usize = 64;

/// A channel as its subscribers see it.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) channel: ChannelId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Entries that were published last, oldest first.
    batches: VecDeque<Batch>,
    /// Bytes in `batches`: `<= RING_LEN_MAX`, unless one batch alone is longer.
    len: usize,
    /// The last entry that was published, in the ring still or not; 0 before the first.
    head: Seq,
    /// The first that ever was, which is not the first of the log; `UNKNOWN` before it.
    begin: Seq,
    /// Connections that have everything.
    parked: Parking,
    /// Who types, as a frame, while that is news to anybody.
    typing: Option<Bytes>,
    /// How often that changed.
    typing_version: TypingVersion,
    /// So many of them read it. The others came after the last entry was published, or missed it and were told so.
    caught_up: usize,
}

/// The number of a change of who types. Of all changes a connection is told only the latest.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypingVersion(u64);

/// Entries that were published together.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) first: Seq,
    pub(super) last: Seq,
    /// Their frames, one behind the other.
    pub(super) frames: Bytes,
}

/// A connection that has everything of a topic.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) conn: ConnId,
    pub(super) outbound: Arc<Outbound>,
    /// What it was told of who types, in a topic.
    pub(super) told: TypingVersion,
}

/// Where a connection stands in a topic of which it has not everything.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) topic: Arc<Topic>,
    /// The next entry it needs.
    pub(super) next: Seq,
    /// The last one it may have.
    pub(super) last: Option<Seq>,
    /// What it was told of who types.
    pub(super) told: TypingVersion,
}

/// So much of a ring.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Amount {
    pub(super) batches: usize,
    pub(super) len: usize,
}

/// How far a reading came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more.
    More,
    /// It has everything and is parked, or has all that it may have.
    Done,
    /// Entries it needed are not in the ring any more; it goes on behind this one.
    Lagged(Seq),
}

impl Topic {
    pub(super) fn new(channel: ChannelId) -> Self {
        let state = State {
            batches: VecDeque::new(),
            len: 0,
            head: Seq::ZERO,
            begin: UNKNOWN,
            parked: Parking::default(),
            caught_up: 0,
            typing: None,
            typing_version: TypingVersion::default(),
        };
        Self { channel, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change below leaves the state whole, so a panic elsewhere does not taint it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection that has everything so far.
    pub(super) fn park(&self, parked: Parked) {
        self.state().parked.park(parked);
    }

    /// How many connections have read everything.
    pub(super) fn caught_up(&self) -> usize {
        let state = self.state();
        state.caught_up.min(state.parked.len())
    }

    #[cfg(test)]
    pub(super) fn parked_room(&self) -> usize {
        self.state().parked.room()
    }

    /// Removes a connection, if it has everything.
    pub(super) fn unpark(&self, conn: ConnId) {
        self.state().parked.unpark(conn);
    }

    /// Adds entries and hands over everyone who waited for them; returns what of the old ones that drops. `woken` is
    /// empty, and lends its memory to the next who park.
    pub(super) fn publish(&self, batch: Batch, woken: &mut Vec<Parked>) -> Amount {
        let mut state = self.state();
        state.len += batch.frames.len() + BATCH_OVERHEAD;
        if state.head == Seq::ZERO {
            state.begin = batch.first;
        }
        state.head = batch.last;
        state.batches.push_back(batch);
        let mut dropped = Amount::default();
        while state.len > RING_LEN_MAX && state.batches.len() > 1 {
            state.drop_oldest(&mut dropped);
        }
        state.wake(woken);
        dropped
    }

    /// Changes who types, and hands over everyone who has all entries; returns where these go on.
    pub(super) fn tell_typing(&self, frame: Bytes, woken: &mut Vec<Parked>) -> Seq {
        let mut state = self.state();
        state.typing = Some(frame);
        state.typing_version.0 += 1;
        state.wake(woken);
        state.head.next()
    }

    /// Who types is no news any more.
    pub(super) fn forget_typing(&self) {
        self.state().typing = None;
    }

    /// What who follows from here on need not be told.
    pub(super) fn typing_version(&self) -> TypingVersion {
        self.state().typing_version
    }

    /// Puts another frame in the place of an entry's, if it is held. Bytes before and after.
    pub(super) fn replace(&self, seq: Seq, frame: &[u8]) -> (usize, usize) {
        let mut state = self.state();
        let at = state.batches.partition_point(|batch| batch.last < seq);
        let Some(batch) = state.batches.get_mut(at).filter(|batch| batch.first <= seq) else { return (0, 0) };
        let before = batch.frames.len();
        batch.replace(seq, frame);
        let now = batch.frames.len();
        state.len = state.len + now - before;
        (before, now)
    }

    /// Gives up every batch up to the one that holds an entry.
    pub(super) fn forget_up_to(&self, seq: Seq) -> Amount {
        let (mut state, mut dropped) = (self.state(), Amount::default());
        while state.batches.front().is_some_and(|batch| batch.first <= seq) {
            state.drop_oldest(&mut dropped);
        }
        dropped
    }

    /// Gives up the batch that begins with `first`, if it is the oldest still.
    pub(super) fn forget(&self, first: Seq) -> Amount {
        let (mut state, mut dropped) = (self.state(), Amount::default());
        if state.oldest() == first {
            state.drop_oldest(&mut dropped);
        }
        dropped
    }

    /// Whether the batch that begins with `first` was not given up.
    pub(super) fn holds(&self, first: Seq) -> bool {
        self.state().oldest() <= first
    }

    /// Copies handles of the next entries to `frames`: at least one batch, and more while there is `room` for their bytes.
    pub(super) fn read(
        &self,
        cursor: &mut Cursor,
        room: &mut usize,
        frames: &mut Vec<Bytes>,
        parked: impl FnOnce(TypingVersion) -> Parked,
    ) -> Progress {
        let mut state = self.state();
        if cursor.next == UNKNOWN {
            cursor.next = state.begin;
        }
        let head = cursor.last.map_or(state.head, |last| last.min(state.head));
        if cursor.next < state.oldest() {
            cursor.next = head.next();
            state.end_reading(cursor, frames, parked);
            return Progress::Lagged(head);
        }
        let from = state.batches.partition_point(|batch| batch.last < cursor.next);
        for batch in state.batches.range(from..) {
            if batch.first > cursor.next {
                // A hole, which only an entry that could not be encoded leaves.
                cursor.next = head.next();
                state.end_reading(cursor, frames, parked);
                return Progress::Lagged(head);
            }
            if *room == 0 {
                return Progress::More;
            }
            let part = batch.part(cursor.next, head);
            *room = room.saturating_sub(part.len());
            frames.push(part);
            cursor.next = batch.last.next();
            if cursor.is_done() {
                break;
            }
        }
        state.caught_up += usize::from(!cursor.is_done());
        state.end_reading(cursor, frames, parked);
        Progress::Done
    }

    /// Looks at the batches that are held, oldest first.
    pub(super) fn with_recent<T>(&self, look: impl FnOnce(&VecDeque<Batch>) -> T) -> T {
        look(&self.state().batches)
    }
}

impl State {
    /// The oldest entry that can be read: the next one, if the ring is empty.
    fn oldest(&self) -> Seq {
        self.batches.front().map_or(self.head.next(), |batch| batch.first)
    }

    fn drop_oldest(&mut self, dropped: &mut Amount) {
        if let Some(batch) = self.batches.pop_front() {
            self.len -= batch.frames.len() + BATCH_OVERHEAD;
            dropped.len += batch.frames.len() + BATCH_OVERHEAD;
            dropped.batches += 1;
        }
    }

    /// Hands over everyone who is parked.
    fn wake(&mut self, woken: &mut Vec<Parked>) {
        self.parked.hand_over(woken, PARKED_MIN);
        self.caught_up = 0;
    }

    /// It has all entries: now who types, then it waits; unless it gets nothing more.
    fn end_reading(
        &mut self,
        cursor: &Cursor,
        frames: &mut Vec<Bytes>,
        parked: impl FnOnce(TypingVersion) -> Parked,
    ) {
        if cursor.is_done() {
            return;
        }
        if cursor.told != self.typing_version && cursor.last.is_none() {
            frames.extend(self.typing.clone());
        }
        self.parked.park(parked(self.typing_version));
    }
}

impl Cursor {
    /// Lets it go no further than what is published now.
    pub(super) fn end(&mut self) {
        let head = self.topic.state().head;
        self.last = Some(self.last.map_or(head, |last| last.min(head)));
    }

    fn is_done(&self) -> bool {
        self.last.is_some_and(|last| self.next > last)
    }
}

impl Batch {
    /// The frames from `next` to `last`.
    fn part(&self, next: Seq, last: Seq) -> Bytes {
        if next <= self.first && self.last <= last {
            return self.frames.clone();
        }
        let (start, end) = (self.offset(next), self.offset(last.next()));
        self.frames.slice(start..end.max(start))
    }

    fn replace(&mut self, seq: Seq, frame: &[u8]) {
        let (start, end) = (self.offset(seq), self.offset(seq.next()));
        let mut frames = Vec::with_capacity(self.frames.len() + frame.len());
        frames.extend_from_slice(&self.frames[..start]);
        frames.extend_from_slice(frame);
        frames.extend_from_slice(&self.frames[end.max(start)..]);
        frames.shrink_to_fit();
        self.frames = Bytes::from(frames);
    }

    /// Where an entry begins, or would begin.
    fn offset(&self, seq: Seq) -> usize {
        let before = usize::try_from(seq.0.saturating_sub(self.first.0)).unwrap_or(usize::MAX);
        frames_of(&self.frames).take(before).map(<[u8]>::len).sum()
    }
}

/// Cuts frames that stand one behind the other.
pub(super) fn frames_of(mut frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (prefix, _) = frames.split_first_chunk::<FRAME_PREFIX_LEN>()?;
        let len = FRAME_PREFIX_LEN + usize::try_from(u32::from_be_bytes(*prefix)).ok()?;
        let (frame, rest) = frames.split_at_checked(len)?;
        frames = rest;
        Some(frame)
    })
}
