//! Sessions, connected or not, as an admin sees them.
//!
//! Invariants: a session has at most one row and at most one connection; sessions without a connection are
//! remembered up to `DISCONNECTED_MAX`, the longest gone forgotten first.

use std::collections::{BTreeSet, HashMap};

use mechat_protocol::{SessionId, UnixMillis};

use crate::{AccountId, ConnId};

/// Sessions without a connection that are remembered. Their tokens stay good beyond that.
pub(crate) const DISCONNECTED_MAX: usize = 1_024;

#[derive(Debug)]
pub(crate) struct SessionRow {
    pub(crate) account: AccountId,
    /// The latest connection, and whether it still stands.
    pub(crate) conn: ConnId,
    pub(crate) connected: bool,
    /// Something was heard on it since the sign-in: its owner has the latest token.
    pub(crate) confirmed: bool,
    pub(crate) address: String,
    pub(crate) since: UnixMillis,
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    rows: HashMap<SessionId, SessionRow>,
    /// Those without a connection, by the number of their last one.
    gone: BTreeSet<(ConnId, SessionId)>,
}

impl Sessions {
    /// Notes a sign-in. Returns the connection that the session had until now.
    pub(crate) fn connected(&mut self, session: SessionId, row: SessionRow) -> Option<ConnId> {
        let before = self.rows.insert(session, row)?;
        self.gone.remove(&(before.conn, session));
        before.connected.then_some(before.conn)
    }

    /// Notes that the owner got the reply to the sign-in on this connection.
    pub(crate) fn confirm(&mut self, session: SessionId, conn: ConnId) {
        if let Some(row) = self.rows.get_mut(&session).filter(|row| row.conn == conn) {
            row.confirmed = true;
        }
    }

    pub(crate) fn is_confirmed(&self, session: SessionId) -> bool {
        self.rows.get(&session).is_some_and(|row| row.confirmed)
    }

    /// Notes that a connection of the session is gone. Another one may have replaced it already.
    pub(crate) fn disconnected(&mut self, session: SessionId, conn: ConnId, at: UnixMillis) {
        let Some(row) = self.rows.get_mut(&session).filter(|row| row.conn == conn) else { return };
        row.connected = false;
        row.since = at;
        self.gone.insert((conn, session));
        if self.gone.len() > DISCONNECTED_MAX
            && let Some((_, oldest)) = self.gone.pop_first()
        {
            self.rows.remove(&oldest);
        }
    }

    /// The session is over. Returns its connection, if it has one.
    pub(crate) fn ended(&mut self, session: SessionId) -> Option<ConnId> {
        let row = self.rows.remove(&session)?;
        self.gone.remove(&(row.conn, session));
        row.connected.then_some(row.conn)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SessionId, &SessionRow)> {
        self.rows.iter()
    }
}
