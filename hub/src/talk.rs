//! Saying something, and reading what was said.
//!
//! Invariant: an `ack` follows only on the storage's word that the entry is committed, and comes before its broadcast.

use mechat_protocol::limits::PAGE_ENTRIES_MAX;
use mechat_protocol::page::EncodedPage;
use mechat_protocol::reply::Ack;
use mechat_protocol::request::{ReadHistory, Send};
use mechat_protocol::{Body, ChannelId, Content, Entry, ErrorCode, RuleBroken, Seq};

use crate::authorize::broken;
use crate::hub::{Hub, Waiting, WaitingFor, refuse};
use crate::input::{AppendOutcome, Failure, HistoryRead, StoreAnswer};
use crate::rooms::{not_a_member, refuse_existing};
use crate::{AppendDraft, ConnId, Effect, Effects, Now, StoreOp, Ticket};

impl Hub {
    pub(crate) fn send(
        &mut self,
        now: Now,
        conn: ConnId,
        send: Send,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let account = match self.member(conn, send.channel) {
            // It may be the resend of a message said as a member: the storage knows.
            Err(broken) if broken.code == ErrorCode::NotAMember => self.actor(conn).1.ok_or(broken)?,
            member => member?,
        };
        if send.content == Content::Unknown {
            return Err(broken(
                ErrorCode::Unsupported,
                "this version knows content of kind `text` and `data`",
            ));
        }
        let head = self.channels.get(&send.channel).map(|channel| channel.record.head);
        if send.in_reply_to > head || send.in_reply_to == Some(Seq::ZERO) {
            return Err(broken(ErrorCode::Malformed, "`in_reply_to` names an entry that does not exist"));
        }
        let body = Body::said(send.content, send.in_reply_to);
        let draft = AppendDraft { nonce: Some(send.nonce), ..self.draft(now, account, send.channel, body)? };
        self.ask_storage(
            conn,
            send.id,
            account,
            WaitingFor::Send(send.channel),
            StoreOp::Append(draft),
            effects,
        )
    }

    fn sent(&mut self, waiting: &Waiting, channel: ChannelId, outcome: AppendOutcome, effects: &mut Effects) {
        match outcome {
            AppendOutcome::New(entry) => {
                self.committed(&entry);
                acknowledge(waiting, &entry, effects);
                effects.push(Effect::Broadcast(entry));
            }
            // The nonce is the sender's own, so its place may be told even if it is in another channel.
            AppendOutcome::Known(entry) => acknowledge(waiting, &entry, effects),
            AppendOutcome::NotAMember => refuse(waiting.conn, Some(waiting.id), not_a_member(), effects),
            AppendOutcome::Unchanged => {
                debug_assert!(false, "a message is always appended or known: {channel}");
                storage_failed(waiting, effects);
            }
        }
    }

    pub(crate) fn read_history(
        &mut self,
        conn: ConnId,
        read: &ReadHistory,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let account = self.member(conn, read.channel)?;
        let limit = usize::from(read.limit).clamp(1, PAGE_ENTRIES_MAX);
        let op = StoreOp::ReadHistory { channel: read.channel, range: read.range, limit };
        self.ask_storage(conn, read.id, account, WaitingFor::History(read.channel), op, effects)
    }

    fn history_read(
        &mut self,
        waiting: &Waiting,
        channel: ChannelId,
        read: HistoryRead,
        effects: &mut Effects,
    ) {
        // The page may be ahead of what the storage answered here; no head that is told later may be behind it.
        if let Some(last) = read.entries.last() {
            self.log_reaches(channel, last);
        }
        let Some(channel) = self.channels.get(&channel) else { return };
        // Asked as a member, answered only to a member: a leave may have been committed meanwhile.
        if let Err(broken) = self.member(waiting.conn, channel.record.id) {
            return refuse(waiting.conn, Some(waiting.id), broken, effects);
        }
        let page = EncodedPage {
            id: waiting.id,
            channel: channel.record.id,
            epoch: channel.record.epoch,
            head: channel.record.head,
            entries: read.entries,
            more: read.more,
        };
        effects.push(Effect::SendPage { conn: waiting.conn, page });
    }

    /// Takes an answer of the storage to the handler of what was asked.
    pub(crate) fn stored(
        &mut self,
        ticket: Ticket,
        answer: Result<StoreAnswer, Failure>,
        effects: &mut Effects,
    ) {
        let Some(waiting) = self.waiting.remove(&ticket) else { return };
        if let Some(connection) = self.connections.get_mut(&waiting.conn) {
            connection.in_flight -= 1;
            connection.histories -= usize::from(matches!(waiting.what, WaitingFor::History(_)));
        }
        if let Some(account) =
            self.accounts.get_mut(&waiting.account).filter(|_| waiting.what.is_membership())
        {
            account.joining -= 1;
        }
        let waiting = &waiting;
        match (waiting.what, answer) {
            (WaitingFor::Create, Ok(StoreAnswer::ChannelCreated(record, entry))) => {
                self.channel_created(waiting, record, entry, effects);
            }
            (WaitingFor::Create, Ok(StoreAnswer::ChannelExists)) => refuse_existing(waiting, effects),
            (WaitingFor::Join(channel), Ok(StoreAnswer::Appended(outcome))) => {
                self.joined(waiting, channel, outcome, effects);
            }
            (WaitingFor::Leave(channel), Ok(StoreAnswer::Appended(outcome))) => {
                self.left(waiting, channel, outcome, effects);
            }
            (WaitingFor::Send(channel), Ok(StoreAnswer::Appended(outcome))) => {
                self.sent(waiting, channel, outcome, effects);
            }
            (WaitingFor::History(channel), Ok(StoreAnswer::HistoryRead(read))) => {
                self.history_read(waiting, channel, read, effects);
            }
            (_, Err(Failure) | Ok(_)) => storage_failed(waiting, effects),
        }
    }
}

fn storage_failed(waiting: &Waiting, effects: &mut Effects) {
    let rule = "the relay's storage failed; nothing was acknowledged: try again";
    refuse(waiting.conn, Some(waiting.id), broken(ErrorCode::Internal, rule), effects);
}

fn acknowledge(waiting: &Waiting, entry: &Entry, effects: &mut Effects) {
    let ack = Ack { id: waiting.id, position: entry.position(), at_ms: entry.at_ms };
    effects.push(Effect::Send { conn: waiting.conn, message: ack.into() });
}
