//! One channel: what it is, who is in it, how long its log is.

use std::collections::BTreeMap;

use mechat_protocol::reply::{ChannelInfo, Marks};
use mechat_protocol::{AccountName, Seq};

use crate::AccountId;
use crate::input::ChannelRecord;

/// A channel as the hub sees it.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) record: ChannelRecord,
    /// The maker's name.
    host: AccountName,
    /// Members by case-folded name, which is the order of listings.
    pub(crate) members: BTreeMap<String, AccountId>,
}

impl Channel {
    pub(crate) const fn new(record: ChannelRecord, host: AccountName) -> Self {
        Self { record, host, members: BTreeMap::new() }
    }

    /// Notes a committed entry. Storage answers in seq order, so the head only grows.
    pub(crate) fn committed(&mut self, seq: Seq) {
        self.record.head = self.record.head.max(seq);
    }

    /// As it is for an account with these marks, which a member has.
    pub(crate) fn info(&self, marks: Option<Marks>) -> ChannelInfo {
        let record = &self.record;
        ChannelInfo {
            channel: record.id,
            name: record.name.clone(),
            kind: record.kind,
            host: self.host.clone(),
            created_ms: record.created,
            members: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
            epoch: record.epoch,
            head: record.head,
            joined: marks.is_some(),
            topic: record.topic.clone(),
            marks,
        }
    }
}
