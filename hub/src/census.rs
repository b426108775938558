//! What the hub holds, counted: for whoever checks that it forgets what is gone.

use mechat_protocol::ChannelId;

use crate::{AccountId, Hub};

/// How many of each the hub keeps. All but `sessions` shrink to nothing when every connection is gone and every question
/// answered; `sessions` remembers a bounded number of those without a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Connections, signed in or not.
    pub connections: usize,
    /// Deadlines of connections.
    pub deadlines: usize,
    /// Questions to the storage that are not yet answered.
    pub unanswered: usize,
    /// Memberships that wait for the storage.
    pub joining: usize,
    /// Connections that accounts are thought to have.
    pub signed_in: usize,
    /// Accounts that are shown as being here.
    pub present: usize,
    /// Sessions, with a connection or without.
    pub sessions: usize,
}

impl Hub {
    /// Counts what the hub keeps.
    pub fn census(&self) -> Census {
        Census {
            connections: self.connections.len(),
            deadlines: self.deadlines.len(),
            unanswered: self.waiting.len(),
            joining: self.accounts.values().map(|account| account.joining).sum(),
            signed_in: self.accounts.values().map(|account| account.connections.len()).sum(),
            present: self.presence.live(),
            sessions: self.sessions.iter().count(),
        }
    }

    /// The members of a channel, by case-folded name; none if there is no such channel.
    pub fn members(&self, channel: ChannelId) -> impl Iterator<Item = AccountId> {
        self.channels.get(&channel).into_iter().flat_map(|channel| channel.members.values().copied())
    }
}
