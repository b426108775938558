//! Making, joining and leaving channels.
//!
//! Invariant: a membership changes here only when the storage has committed its entry.

use mechat_protocol::limits::{CHANNELS_MAX, CHANNELS_PER_ACCOUNT_MAX, MEMBERS_PER_CHANNEL_MAX};
use mechat_protocol::reply::{Joined, Left, Marks};
use mechat_protocol::request::{ChannelKind, CreateChannel, Join, Leave, Level};
use mechat_protocol::{Body, ChannelId, Entry, ErrorCode, RuleBroken, Seq};

use crate::authorize::{Action, authorize, broken, no_such_channel};
use crate::hub::{Hub, Waiting, WaitingFor, refuse};
use crate::input::{AppendOutcome, ChannelRecord, MemberRecord};
use crate::{AccountId, AppendDraft, ConnId, Effect, Effects, NewChannel, Now, StoreOp};

impl Hub {
    pub(crate) fn create_channel(
        &mut self,
        now: Now,
        conn: ConnId,
        create: CreateChannel,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let account = self.permitted(conn, Action::CreateChannel)?;
        if create.kind != ChannelKind::Public {
            return Err(broken(ErrorCode::Unsupported, "this version makes `public` channels only"));
        }
        if self.channel_names.contains_key(&create.name.key().folded) {
            return Err(channel_exists());
        }
        self.room_for_one_more(account)?;
        if self.channels.len() >= CHANNELS_MAX {
            return Err(broken(
                ErrorCode::LimitReached,
                format!("a relay has at most {CHANNELS_MAX} channels"),
            ));
        }
        let host_name = self.name_of(account)?;
        let channel =
            NewChannel { name: create.name, kind: create.kind, host: account, host_name, at: now.wall };
        self.ask_storage(
            conn,
            create.id,
            account,
            WaitingFor::Create,
            StoreOp::CreateChannel(channel),
            effects,
        )
    }

    pub(crate) fn channel_created(
        &mut self,
        waiting: &Waiting,
        record: ChannelRecord,
        entry: Entry,
        effects: &mut Effects,
    ) {
        self.add_channel(record);
        self.member_joined(waiting, entry, effects);
    }

    pub(crate) fn join(
        &mut self,
        now: Now,
        conn: ConnId,
        join: &Join,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let found = self.channel_names.get(&join.name.key().folded).copied();
        let (kind, member) = self.seen_from(conn, found);
        let account = self.permitted(conn, Action::Join { kind, member })?;
        let channel = found.ok_or_else(no_such_channel)?;
        if member {
            self.confirm_join(conn, join.id, channel, effects);
            return Ok(());
        }
        self.room_for_one_more(account)?;
        if self.channels.get(&channel).is_some_and(|c| c.members.len() >= MEMBERS_PER_CHANNEL_MAX) {
            let rule = format!("a channel has at most {MEMBERS_PER_CHANNEL_MAX} members");
            return Err(broken(ErrorCode::LimitReached, rule));
        }
        let draft = self.draft(now, account, channel, Body::Joined)?;
        self.ask_storage(conn, join.id, account, WaitingFor::Join(channel), StoreOp::Append(draft), effects)
    }

    pub(crate) fn joined(
        &mut self,
        waiting: &Waiting,
        channel: ChannelId,
        outcome: AppendOutcome,
        effects: &mut Effects,
    ) {
        match outcome {
            AppendOutcome::New(entry) => self.member_joined(waiting, entry, effects),
            _ => {
                self.confirm_join(waiting.conn, waiting.id, channel, effects);
            }
        }
    }

    /// Every connection of the account gets the channel's entries from this one on.
    fn member_joined(&mut self, waiting: &Waiting, entry: Entry, effects: &mut Effects) {
        let channel = entry.channel;
        self.committed(&entry);
        self.add_member(MemberRecord {
            channel,
            account: waiting.account,
            marks: Marks { read: entry.seq, level: Level::All },
        });
        self.confirm_join(waiting.conn, waiting.id, channel, effects);
        if let Some(account) = self.accounts.get(&waiting.account) {
            effects.extend(account.connections.iter().map(|conn| Effect::Subscribe { conn: *conn, channel }));
        }
        effects.push(Effect::Broadcast(entry));
    }

    fn confirm_join(
        &self,
        conn: ConnId,
        id: mechat_protocol::RequestId,
        channel: ChannelId,
        effects: &mut Effects,
    ) {
        let marks = self.actor(conn).1.and_then(|account| self.marks_of(account, channel));
        if let Some(channel) = self.channels.get(&channel) {
            let channel = channel.info(Some(marks.unwrap_or_default()));
            effects.push(Effect::Send { conn, message: Joined { id, channel }.into() });
        }
    }

    pub(crate) fn leave(
        &mut self,
        now: Now,
        conn: ConnId,
        leave: &Leave,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let account = self.member(conn, leave.channel)?;
        let draft = self.draft(now, account, leave.channel, Body::Left)?;
        self.ask_storage(
            conn,
            leave.id,
            account,
            WaitingFor::Leave(leave.channel),
            StoreOp::Append(draft),
            effects,
        )
    }

    pub(crate) fn left(
        &mut self,
        waiting: &Waiting,
        channel: ChannelId,
        outcome: AppendOutcome,
        effects: &mut Effects,
    ) {
        let conn = waiting.conn;
        let mut others =
            self.accounts.get(&waiting.account).map(|a| a.connections.clone()).unwrap_or_default();
        if others.remove(&conn) {
            effects.push(Effect::Unsubscribe { conn, channel, last: None });
        }
        effects.push(Effect::Send { conn, message: Left { id: waiting.id, channel }.into() });
        // The account's other connections learn of it by the entry, the last one they get.
        let mut last = None;
        if let AppendOutcome::New(entry) = outcome {
            self.committed(&entry);
            last = Some(entry.seq);
            effects.push(Effect::Broadcast(entry));
        }
        effects.extend(others.into_iter().map(|conn| Effect::Unsubscribe { conn, channel, last }));
        self.remove_member(channel, waiting.account);
        self.stopped_typing(channel, waiting.account, effects);
    }

    pub(crate) fn committed(&mut self, entry: &Entry) {
        self.log_reaches(entry.channel, entry.seq);
    }

    pub(crate) fn log_reaches(&mut self, channel: ChannelId, seq: Seq) {
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.committed(seq);
        }
    }

    /// Asks whether the speaker may, and says who it is.
    pub(crate) fn permitted(&self, conn: ConnId, action: Action) -> Result<AccountId, RuleBroken> {
        let (actor, account) = self.actor(conn);
        authorize(actor, action)?;
        account.ok_or_else(|| broken(ErrorCode::Unauthenticated, "sign in first"))
    }

    /// The speaker, if it is a member of the channel.
    pub(crate) fn member(&self, conn: ConnId, channel: ChannelId) -> Result<AccountId, RuleBroken> {
        let found = self.channels.contains_key(&channel).then_some(channel);
        let (kind, member) = self.seen_from(conn, found);
        self.permitted(conn, Action::UseChannel { kind, member })
    }

    /// What a channel is for the speaker. One that does not exist is like a private one of others.
    pub(crate) fn seen_from(&self, conn: ConnId, channel: Option<ChannelId>) -> (ChannelKind, bool) {
        let account = self.actor(conn).1.and_then(|id| self.accounts.get(&id));
        let channel = channel.and_then(|id| self.channels.get(&id));
        match channel {
            Some(channel) => {
                let member = account.is_some_and(|account| account.channels.contains_key(&channel.record.id));
                (channel.record.kind, member)
            }
            None => (ChannelKind::Private, false),
        }
    }

    pub(crate) fn draft(
        &self,
        now: Now,
        account: AccountId,
        channel: ChannelId,
        body: Body,
    ) -> Result<AppendDraft, RuleBroken> {
        let sender_name = self.name_of(account)?;
        Ok(AppendDraft {
            channel,
            sender: account,
            sender_name,
            nonce: None,
            at: now.wall,
            body,
            moderates: false,
        })
    }

    fn name_of(&self, account: AccountId) -> Result<mechat_protocol::AccountName, RuleBroken> {
        let account =
            self.accounts.get(&account).ok_or_else(|| broken(ErrorCode::Unauthenticated, "sign in first"))?;
        Ok(account.record.name.clone())
    }

    fn room_for_one_more(&self, account: AccountId) -> Result<(), RuleBroken> {
        match self.accounts.get(&account) {
            Some(account) if account.channels.len() + account.joining >= CHANNELS_PER_ACCOUNT_MAX => {
                let rule =
                    format!("an account is in at most {CHANNELS_PER_ACCOUNT_MAX} channels: leave one first");
                Err(broken(ErrorCode::LimitReached, rule))
            }
            _ => Ok(()),
        }
    }
}

/// Not as a member of this channel.
pub(crate) fn not_a_member() -> RuleBroken {
    broken(ErrorCode::NotAMember, "only members may do this: join the channel first")
}

fn channel_exists() -> RuleBroken {
    broken(ErrorCode::ChannelExists, "a channel of this name exists: join it, or choose another name")
}

/// The storage found the name taken after all.
pub(crate) fn refuse_existing(waiting: &Waiting, effects: &mut Effects) {
    refuse(waiting.conn, Some(waiting.id), channel_exists(), effects);
}
