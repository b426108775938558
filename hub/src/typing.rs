//! Who is writing something in which channel, and when the others are told.
//!
//! Changes are collected for a moment, so that many who type at once make one event.
//!
//! Invariants: at most `TYPISTS_MAX` in a channel, the latest first, and no channel of none; who said so longer than
//! `TYPING_MS` ago is not told any more, and forgotten soon after.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mechat_protocol::event::Typing;
use mechat_protocol::limits::{TYPING_MS, TYPISTS_MAX};
use mechat_protocol::reply::Done;
use mechat_protocol::request::SetTyping;
use mechat_protocol::{AccountId, ChannelId, RuleBroken};

use crate::hub::Hub;
use crate::{ConnId, Effect, Effects, Now};

/// Milliseconds for which changes are collected.
const COLLECT_MS: u64 = 100;

#[derive(Debug, Default)]
pub(crate) struct TypingBoard {
    typists: BTreeMap<ChannelId, VecDeque<Typist>>,
    changed: BTreeSet<ChannelId>,
    /// Monotonic milliseconds at which the changes are told.
    flush_ms: Option<u64>,
    /// At which it is looked who is to be forgotten.
    sweep_ms: Option<u64>,
}

#[derive(Debug)]
struct Typist {
    account: AccountId,
    /// Monotonic milliseconds at which they do not count as typing any more.
    until_ms: u64,
}

impl TypingBoard {
    fn types(&mut self, channel: ChannelId, account: AccountId, now_ms: u64) {
        let typists = self.typists.entry(channel).or_default();
        typists.retain(|typist| typist.account != account);
        typists.push_front(Typist { account, until_ms: now_ms + TYPING_MS });
        typists.truncate(TYPISTS_MAX);
        self.changed.insert(channel);
        self.flush_ms.get_or_insert(now_ms + COLLECT_MS);
        self.sweep_ms.get_or_insert(now_ms + TYPING_MS);
    }

    /// Whether the account was typing there.
    fn stopped(&mut self, channel: ChannelId, account: AccountId) -> bool {
        let Some(typists) = self.typists.get_mut(&channel) else { return false };
        let before = typists.len();
        typists.retain(|typist| typist.account != account);
        let stopped = typists.len() < before;
        if typists.is_empty() {
            self.typists.remove(&channel);
        }
        stopped
    }

    pub(crate) fn next(&self) -> Option<u64> {
        [self.flush_ms, self.sweep_ms].into_iter().flatten().min()
    }

    /// What is to be told now, the latest first; nobody, where all who typed are to be forgotten.
    fn take_due(&mut self, now_ms: u64) -> Vec<(ChannelId, Vec<AccountId>)> {
        let mut due = Vec::new();
        if self.sweep_ms.is_some_and(|sweep| sweep <= now_ms) {
            self.typists.retain(|channel, typists| {
                typists.retain(|typist| typist.until_ms > now_ms);
                if typists.is_empty() {
                    due.push((*channel, Vec::new()));
                }
                !typists.is_empty()
            });
            self.sweep_ms = self.typists.values().flatten().map(|typist| typist.until_ms).min();
        }
        if self.flush_ms.is_some_and(|flush| flush <= now_ms) {
            self.flush_ms = None;
            for channel in std::mem::take(&mut self.changed) {
                if let Some(typists) = self.typists.get(&channel) {
                    due.push((channel, typists.iter().map(|typist| typist.account).collect()));
                }
            }
        }
        due
    }
}

impl Hub {
    pub(crate) fn set_typing(
        &mut self,
        now: Now,
        conn: ConnId,
        typing: &SetTyping,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let account = self.member(conn, typing.channel)?;
        self.typing.types(typing.channel, account, now.mono_ms);
        effects.push(Effect::Send { conn, message: Done { id: typing.id }.into() });
        Ok(())
    }

    /// They said something, or left. Nobody need be told; but who has not yet read that they typed is not told it now.
    pub(crate) fn stopped_typing(&mut self, channel: ChannelId, account: AccountId, effects: &mut Effects) {
        if self.typing.stopped(channel, account) {
            effects.push(Effect::Typing(Typing { channel, accounts: Vec::new() }));
        }
    }

    pub(crate) fn tell_typing(&mut self, now: Now, effects: &mut Effects) {
        for (channel, accounts) in self.typing.take_due(now.mono_ms) {
            let name = |id| self.accounts.get(&id).map(|account| account.record.name.clone());
            let accounts = accounts.into_iter().filter_map(name).collect();
            effects.push(Effect::Typing(Typing { channel, accounts }));
        }
    }
}
