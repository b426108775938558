//! What is scattered over the logs: pinned messages, replies, and what is searched for.
//!
//! Invariant: what was asked as a member is answered only to a member, and only with what it says at the moment of the answer.

use mechat_protocol::limits::PAGE_ENTRIES_MAX;
use mechat_protocol::reply::{Found as FoundReply, Posts};
use mechat_protocol::request::{ListPosts, Search, Selection};
use mechat_protocol::{ChannelId, ErrorCode, RuleBroken, Seq};

use crate::authorize::{Action, broken};
use crate::hub::{Hub, Waiting, WaitingFor, refuse};
use crate::input::{Found, PostsRead};
use crate::{ConnId, Effect, Effects, StoreOp};

impl Hub {
    pub(crate) fn list_posts(
        &mut self,
        conn: ConnId,
        list: &ListPosts,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let account = self.member(conn, list.channel)?;
        let (channel, which, after) = (list.channel, list.which, list.after.unwrap_or(Seq::ZERO));
        let what = WaitingFor::Posts { channel, which, after };
        self.ask_storage(conn, list.id, account, what, read_posts(channel, which, after), effects)
    }

    pub(crate) fn posts_read(
        &mut self,
        waiting: &Waiting,
        (channel, which, after): (ChannelId, Selection, Seq),
        read: PostsRead,
        effects: &mut Effects,
    ) {
        if let Err(broken) = self.member(waiting.conn, channel) {
            return refuse(waiting.conn, Some(waiting.id), broken, effects);
        }
        let is_one =
            |of, seq| of == channel && read.entries.binary_search_by_key(&seq, |entry| entry.seq).is_ok();
        if self.news.touched(waiting.amended, is_one) {
            return self.ask_again(waiting, read_posts(channel, which, after), effects);
        }
        let PostsRead { entries, more } = read;
        let posts = Posts { id: waiting.id, channel, entries, more };
        effects.push(Effect::Send { conn: waiting.conn, message: posts.into() });
    }

    pub(crate) fn search(
        &mut self,
        conn: ConnId,
        search: Search,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let Search { id, query, channel, after, limit } = search;
        let (account, channels) = if let Some(channel) = channel {
            (self.member(conn, channel)?, vec![channel])
        } else {
            let account = self.permitted(conn, Action::ListChannels)?;
            let channels = self.accounts.get(&account).map(|a| a.channels.keys().copied().collect());
            (account, channels.unwrap_or_default())
        };
        let limit = usize::from(limit).clamp(1, PAGE_ENTRIES_MAX);
        let op = StoreOp::Search { query, channels, after, limit };
        self.ask_storage(conn, id, account, WaitingFor::Search, op, effects)
    }

    pub(crate) fn found(&self, waiting: &Waiting, found: Found, effects: &mut Effects) {
        let Found::Page(mut entries, next) = found else {
            let rule = "what was said last is not searchable yet: try again in a moment";
            return refuse(waiting.conn, Some(waiting.id), broken(ErrorCode::Busy, rule), effects);
        };
        entries.retain(|entry| {
            let is_it = |channel, seq| (channel, seq) == (entry.channel, entry.seq);
            self.member(waiting.conn, entry.channel).is_ok() && !self.news.touched(waiting.amended, is_it)
        });
        let found = FoundReply { id: waiting.id, entries, next };
        effects.push(Effect::Send { conn: waiting.conn, message: found.into() });
    }
}

const fn read_posts(channel: ChannelId, which: Selection, after: Seq) -> StoreOp {
    StoreOp::ReadPosts { channel, which, after, limit: PAGE_ENTRIES_MAX }
}
