//! Who came and went, for everyone who is signed in.
//!
//! Owns a compacted log: of each account only its latest change, under a number that only grows. A connection holds the number from
//! which on it was not told, so a slow one costs nothing and is never told less than the latest.
//!
//! Invariants: an account has one row; a connection is parked here or knows that it is behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mechat_hub::ConnId;
use mechat_protocol::AccountName;
use mechat_protocol::codec::encode;
use mechat_protocol::event::PresenceChanged;
use mechat_protocol::limits::PRESENCE_CHANGES_MAX;
use mechat_protocol::reply::Participant;

use super::parking::Parking;
use super::topic::{Parked, Progress};

/// The place of a change: ascending from 0, with holes where a later change of the same account replaced it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChangeNumber(u64);

/// The log. See the module's documentation.
#[derive(Debug, Default)]
pub struct PresenceLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: ChangeNumber,
    changes: BTreeMap<ChangeNumber, Participant>,
    latest: HashMap<AccountName, ChangeNumber>,
    /// What most connections need: the frame of the last announcement, and where it begins.
    last: Option<(ChangeNumber, Bytes)>,
    /// Connections that were told everything.
    parked: Parking,
}

impl PresenceLog {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change below leaves the state whole, so a panic elsewhere does not taint it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds changes, and hands over everyone who waited for them.
    pub(super) fn announce(&self, announced: &PresenceChanged, frame: Bytes, woken: &mut Vec<Parked>) {
        let mut state = self.state();
        state.last = Some((state.next, frame));
        for change in &announced.changes {
            let number = state.next;
            state.next.0 += 1;
            if let Some(before) = state.latest.insert(change.account.clone(), number) {
                state.changes.remove(&before);
            }
            state.changes.insert(number, change.clone());
        }
        state.parked.hand_over(woken, 0);
    }

    /// Lets a connection follow from here on. Returns the place from which on it will be told.
    pub(super) fn follow(&self, parked: Parked) -> ChangeNumber {
        let mut state = self.state();
        state.parked.park(parked);
        state.next
    }

    /// Lets a connection follow no more, if it was told everything.
    pub(super) fn unpark(&self, conn: ConnId) {
        self.state().parked.unpark(conn);
    }

    /// Copies what a connection was not told to `frames`, as long as there is `room` for its bytes.
    pub(super) fn read(
        &self,
        next: &mut ChangeNumber,
        room: &mut usize,
        frames: &mut Vec<Bytes>,
        parked: impl FnOnce() -> Parked,
    ) -> Progress {
        let mut state = self.state();
        while *next < state.next {
            if *room == 0 {
                return Progress::More;
            }
            let frame = state.frame_from(next);
            *room = room.saturating_sub(frame.as_ref().map_or(0, Bytes::len));
            frames.extend(frame);
        }
        state.parked.park(parked());
        Progress::Done
    }
}

impl State {
    /// The next frame for a connection, and the place behind it.
    fn frame_from(&self, next: &mut ChangeNumber) -> Option<Bytes> {
        if let Some((_, frame)) = self.last.as_ref().filter(|(first, _)| first == next) {
            *next = self.next;
            return Some(frame.clone());
        }
        let changes: Vec<_> = self.changes.range(*next..).take(PRESENCE_CHANGES_MAX).collect();
        *next = match changes.last() {
            Some((number, _)) if changes.len() == PRESENCE_CHANGES_MAX => ChangeNumber(number.0 + 1),
            _ => self.next,
        };
        let changes: Vec<Participant> = changes.into_iter().map(|(_, change)| change.clone()).collect();
        // So many changes always fit in a frame, which the limits assert.
        encode(&PresenceChanged { changes }.into()).ok()
    }
}
