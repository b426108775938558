//! Saying something, and reading what was said.
//!
//! Invariant: an `ack` follows only on the storage's word that the entry is committed, and comes before its broadcast.

use mechat_protocol::limits::PAGE_ENTRIES_MAX;
use mechat_protocol::page::EncodedPage;
use mechat_protocol::reply::Ack;
use mechat_protocol::request::{HistoryRange, ReadHistory, Send};
use mechat_protocol::{Body, ChannelId, Content, Entry, ErrorCode, RuleBroken, Seq};

use crate::amend::refuse_amendment;
use crate::authorize::broken;
use crate::hub::{Hub, Waiting, WaitingFor, refuse};
use crate::input::{AppendOutcome, Failure, HistoryRead, StoreAnswer};
use crate::rooms::{not_a_member, refuse_existing};
use crate::{AccountId, AppendDraft, ConnId, Effect, Effects, Now, StoreOp, Ticket};

impl Hub {
    pub(crate) fn send(
        &mut self,
        now: Now,
        conn: ConnId,
        send: Send,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let account = self.speaker(conn, send.channel)?;
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

    /// Who says something. Somebody who is not a member may be resending what they said as one: the storage knows.
    pub(crate) fn speaker(&self, conn: ConnId, channel: ChannelId) -> Result<AccountId, RuleBroken> {
        match self.member(conn, channel) {
            Err(broken) if broken.code == ErrorCode::NotAMember => self.actor(conn).1.ok_or(broken),
            member => member,
        }
    }

    fn sent(&mut self, waiting: &Waiting, channel: ChannelId, outcome: AppendOutcome, effects: &mut Effects) {
        match outcome {
            AppendOutcome::New(entry) => {
                self.committed(&entry);
                self.stopped_typing(channel, waiting.account, effects);
                acknowledge(waiting, &entry, effects);
                effects.push(Effect::Broadcast(entry));
            }
            // The nonce is the sender's own, so its place may be told even if it is in another channel.
            AppendOutcome::Known(entry) | AppendOutcome::Same(entry) => acknowledge(waiting, &entry, effects),
            AppendOutcome::Amended(amended) => self.amended(waiting, amended, effects),
            AppendOutcome::Refused(refusal) => refuse_amendment(waiting, refusal, effects),
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
        let (channel, range) = (read.channel, read.range);
        let op = StoreOp::ReadHistory { channel, range, limit };
        self.ask_storage(conn, read.id, account, WaitingFor::History { channel, range, limit }, op, effects)
    }

    fn history_read(
        &mut self,
        waiting: &Waiting,
        (channel, range, limit): (ChannelId, HistoryRange, usize),
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
        let last = read.entries.last().unwrap_or_default().0;
        let page = (last + 1).saturating_sub(read.entries.count() as u64)..=last;
        let id = channel.record.id;
        if self.news.touched(waiting.amended, |of, seq| of == id && page.contains(&seq.0)) {
            let op = StoreOp::ReadHistory { channel: id, range, limit };
            return self.ask_again(waiting, op, effects);
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

    /// A page was amended while it was on its way: who got it now would take it for the present state, though they were told of
    /// the amendment before. As often as that happens, which takes an amendment of just that page for each time.
    pub(crate) fn ask_again(&mut self, waiting: &Waiting, op: StoreOp, effects: &mut Effects) {
        let Waiting { conn, id, account, what, .. } = *waiting;
        if let Err(broken) = self.ask_storage(conn, id, account, what, op, effects) {
            refuse(conn, Some(id), broken, effects);
        }
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
            connection.histories -= usize::from(waiting.what.is_page());
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
            (WaitingFor::Mark(channel), Ok(StoreAnswer::Marked(marks))) => {
                self.marked(waiting, channel, Some(marks), effects);
            }
            (WaitingFor::Mark(channel), Ok(StoreAnswer::Appended(AppendOutcome::NotAMember))) => {
                self.marked(waiting, channel, None, effects);
            }
            (WaitingFor::History { channel, range, limit }, Ok(StoreAnswer::HistoryRead(read))) => {
                self.history_read(waiting, (channel, range, limit), read, effects);
            }
            (WaitingFor::Posts { channel, which, after }, Ok(StoreAnswer::PostsRead(read))) => {
                self.posts_read(waiting, (channel, which, after), read, effects);
            }
            (WaitingFor::Search, Ok(StoreAnswer::Found(found))) => self.found(waiting, found, effects),
            (_, Err(Failure) | Ok(_)) => storage_failed(waiting, effects),
        }
    }
}

fn storage_failed(waiting: &Waiting, effects: &mut Effects) {
    let rule = "the relay's storage failed; nothing was acknowledged: try again";
    refuse(waiting.conn, Some(waiting.id), broken(ErrorCode::Internal, rule), effects);
}

pub(crate) fn acknowledge(waiting: &Waiting, entry: &Entry, effects: &mut Effects) {
    let ack = Ack { id: waiting.id, position: entry.position(), at_ms: entry.at_ms };
    effects.push(Effect::Send { conn: waiting.conn, message: ack.into() });
}
