//! Who is here, and when the others are told.
//!
//! Changes are collected for a moment, so that a herd of arrivals makes a few events instead of one for each
//! pair of people, and a reconnection within that moment is not even seen.
//!
//! Invariant: `live[account]` is the number of connections signed in to it, and there is no entry of 0.

use std::collections::{BTreeSet, HashMap};

use mechat_protocol::reply::Presence;

use crate::AccountId;

/// Milliseconds for which changes are collected.
pub(crate) const COLLECT_MS: u64 = 100;

#[derive(Debug, Default)]
pub(crate) struct PresenceBoard {
    live: HashMap<AccountId, u32>,
    changed: BTreeSet<AccountId>,
    /// Monotonic milliseconds at which the changes are told.
    flush_ms: Option<u64>,
}

impl PresenceBoard {
    pub(crate) fn of(&self, account: AccountId) -> Presence {
        if self.live.contains_key(&account) { Presence::Connected } else { Presence::Disconnected }
    }

    pub(crate) fn came(&mut self, account: AccountId, now_ms: u64) {
        let live = self.live.entry(account).or_insert(0);
        *live += 1;
        if *live == 1 {
            self.note(account, now_ms);
        }
    }

    pub(crate) fn went(&mut self, account: AccountId, now_ms: u64) {
        let Some(live) = self.live.get_mut(&account) else { return };
        *live -= 1;
        if *live == 0 {
            self.live.remove(&account);
            self.note(account, now_ms);
        }
    }

    /// A new account is news too, though it is not here yet.
    pub(crate) fn note(&mut self, account: AccountId, now_ms: u64) {
        self.changed.insert(account);
        self.flush_ms.get_or_insert(now_ms + COLLECT_MS);
    }

    /// Accounts with a connection.
    pub(crate) fn live(&self) -> usize {
        self.live.len()
    }

    pub(crate) const fn next(&self) -> Option<u64> {
        self.flush_ms
    }

    /// The changes, once they are due.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> BTreeSet<AccountId> {
        if self.flush_ms.is_none_or(|due| due > now_ms) {
            return BTreeSet::new();
        }
        self.flush_ms = None;
        std::mem::take(&mut self.changed)
    }
}
