//! When silence becomes too long, for all connections, in one ordered set.
//!
//! A frame does not move its connection's deadline: that would cost a set operation each. The deadline is looked
//! at when it falls due, and set again if something was heard meanwhile.
//!
//! Invariant: one deadline for each connection, which carries it.

use std::collections::BTreeSet;

use crate::ConnId;

/// Monotonic milliseconds.
pub(crate) type DueMs = u64;

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    due: BTreeSet<(DueMs, ConnId)>,
}

impl Deadlines {
    pub(crate) fn set(&mut self, due: DueMs, conn: ConnId) {
        self.due.insert((due, conn));
    }

    pub(crate) fn forget(&mut self, due: DueMs, conn: ConnId) {
        self.due.remove(&(due, conn));
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }

    pub(crate) fn next(&self) -> Option<DueMs> {
        self.due.first().map(|(due, _)| *due)
    }

    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<ConnId> {
        let first = self.due.first().copied().filter(|(due, _)| *due <= now_ms)?;
        self.due.remove(&first);
        Some(first.1)
    }
}
