//! Who is writing: telling others, and being told.
//!
//! Invariants: at most one word in `TYPING_INTERVAL_MS` for a channel, and none of commands; who was told of is forgotten after
//! `TYPING_MS`, or when their message comes.

use std::time::Duration;

use mechat_client::Command;
use mechat_protocol::limits::{TYPING_INTERVAL_MS, TYPING_MS};
use mechat_protocol::{AccountName, ChannelId, Entry};

use super::Effect;
use crate::model::writing::Typists;
use crate::model::{Composing, Link, Model};

/// The text changed under somebody's hands: others are told, unless that was just done.
pub(super) fn typed(model: &mut Model) -> Vec<Effect> {
    let lines = model.composer.lines();
    let command = lines[0].starts_with('/') && !lines[0].starts_with("//") && lines.len() == 1;
    let edits = matches!(model.writing.composing, Composing::Edit { .. });
    let says = model.link == Link::Up && !command && !edits && !model.composer.is_empty();
    let Some(channel) = model.current.filter(|_| says) else {
        return Vec::new();
    };
    let now = model.now.steady;
    let interval = Duration::from_millis(TYPING_INTERVAL_MS);
    if model.writing.told.is_some_and(|(told, at)| told == channel && now < at + interval) {
        return Vec::new();
    }
    model.writing.told = Some((channel, now));
    vec![Effect::Client(Command::Typing(channel))]
}

/// Who is writing in a channel, instead of who did before.
pub fn told(model: &mut Model, channel: ChannelId, accounts: Vec<AccountName>) -> Vec<Effect> {
    let me = model.account.as_ref().map(|account| account.name.clone());
    let accounts: Vec<_> = accounts.into_iter().filter(|account| Some(account) != me.as_ref()).collect();
    let until = model.now.steady + Duration::from_millis(TYPING_MS);
    if accounts.is_empty() {
        model.writing.typists.remove(&channel);
    } else if model.channel(channel).is_some() {
        model.writing.typists.insert(channel, Typists { accounts, until });
    }
    Vec::new()
}

/// Who said something has stopped writing it.
pub(super) fn said(model: &mut Model, channel: ChannelId, entries: &[Entry]) {
    if let Some(typists) = model.writing.typists.get_mut(&channel) {
        typists.accounts.retain(|account| entries.iter().all(|entry| entry.sender != *account));
    }
}

/// Forgets those whose time is over.
pub(super) fn expire(model: &mut Model) {
    let now = model.now.steady;
    model.writing.typists.retain(|_, typists| now < typists.until && !typists.accounts.is_empty());
}

/// When somebody who is shown is forgotten.
pub(super) fn due(model: &Model) -> Option<Duration> {
    model.writing.typists.get(&model.current?).map(|typists| typists.until)
}
