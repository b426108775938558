//! How far somebody has read a channel, and of what they want to be told there: shared by their devices.
//!
//! Invariants: `read` only grows, and never beyond the head; what is told is kept.

use mechat_protocol::event::MarksChanged;
use mechat_protocol::reply::{Marked, Marks};
use mechat_protocol::request::{Level, Mark};
use mechat_protocol::{AccountId, ChannelId, ErrorCode, RequestId, RuleBroken};

use crate::authorize::broken;
use crate::hub::{Hub, Waiting, WaitingFor, refuse};
use crate::rooms::not_a_member;
use crate::{ConnId, Effect, Effects, StoreOp};

impl Hub {
    pub(crate) fn mark(
        &mut self,
        conn: ConnId,
        mark: &Mark,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let (id, channel) = (mark.id, mark.channel);
        let account = self.member(conn, channel)?;
        if mark.level == Some(Level::Unknown) {
            return Err(broken(ErrorCode::Malformed, "a level is `all`, `mentions` or `none`"));
        }
        let marks = self.marks_of(account, channel).unwrap_or_default();
        let head = self.channels.get(&channel).map_or(marks.read, |channel| channel.record.head);
        let read = mark.read.map(|seq| seq.min(head)).filter(|seq| *seq > marks.read);
        let level = mark.level.filter(|level| *level != marks.level);
        if read.is_none() && level.is_none() {
            marked(conn, id, channel, marks, effects);
            return Ok(());
        }
        let op = StoreOp::Mark { channel, account, read, level };
        self.ask_storage(conn, id, account, WaitingFor::Mark(channel), op, effects)
    }

    pub(crate) fn marked(
        &mut self,
        waiting: &Waiting,
        channel: ChannelId,
        marks: Option<Marks>,
        effects: &mut Effects,
    ) {
        let account = self.accounts.get_mut(&waiting.account);
        let member = account.filter(|account| account.channels.contains_key(&channel));
        let (Some(account), Some(marks)) = (member, marks) else {
            return refuse(waiting.conn, Some(waiting.id), not_a_member(), effects);
        };
        account.channels.insert(channel, marks);
        marked(waiting.conn, waiting.id, channel, marks, effects);
        let others = account.connections.iter().filter(|conn| **conn != waiting.conn);
        effects.extend(
            others.map(|conn| Effect::Marks { conn: *conn, changed: MarksChanged { channel, marks } }),
        );
    }

    /// An account's marks in a channel, if it is a member.
    pub(crate) fn marks_of(&self, account: AccountId, channel: ChannelId) -> Option<Marks> {
        self.accounts.get(&account)?.channels.get(&channel).copied()
    }
}

fn marked(conn: ConnId, id: RequestId, channel: ChannelId, marks: Marks, effects: &mut Effects) {
    effects.push(Effect::Send { conn, message: Marked { id, channel, marks }.into() });
}
