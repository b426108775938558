//! The account's logs on this machine: what is shown of them before there is a connection, and how far they are known.
//!
//! Invariants: what is cached of an account is shown only while its saved session is there, or once it has signed in; the session is
//! told how far the logs are known before it reads them.

use mechat_client::cache::Snapshot;
use mechat_client::{CacheEvent, Command};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{AccountName, ChannelId, Entry, RelayAddress};

use super::{Effect, channels};
use crate::model::{Account, Cached, Channel, Model, Resume, Screen};

/// Opens the cache of an account at the chosen relay.
pub fn open(model: &mut Model, account: &AccountName) -> Vec<Effect> {
    let Some(target) = &model.target else { return Vec::new() };
    model.cached = Cached::Opening(account.clone());
    vec![Effect::OpenCache(target.address.clone(), account.clone())]
}

/// The cache says.
pub fn event(model: &mut Model, event: CacheEvent) -> Vec<Effect> {
    match event {
        CacheEvent::Opened { relay, account, snapshot } => opened(model, &relay, account, snapshot),
        CacheEvent::Page { channel, range, entries, more } => page(model, channel, range, entries, more),
        CacheEvent::Fails(reason) => {
            model.complain(format!("messages are not kept on this machine: {reason}"));
            Vec::new()
        }
        CacheEvent::Whole => {
            model.inform("messages are kept on this machine again");
            Vec::new()
        }
    }
}

fn opened(model: &mut Model, relay: &RelayAddress, account: AccountName, snapshot: Snapshot) -> Vec<Effect> {
    let asked = model.target.as_ref().is_some_and(|target| target.address == *relay);
    if !asked || model.cached != Cached::Opening(account.clone()) {
        return Vec::new();
    }
    model.cached = Cached::Ready(account, Box::new(snapshot));
    adopt(model)
}

/// Shows what is cached, if the account may see it: its saved session was found, or it has signed in.
pub fn adopt(model: &mut Model) -> Vec<Effect> {
    let Cached::Ready(account, snapshot) = &model.cached else { return Vec::new() };
    let account = account.clone();
    let signed_in = model.signed_in && model.account.as_ref().is_some_and(|own| own.name == account);
    let may_resume = match &model.resume {
        Resume::Ready(own, _) | Resume::Sent(own, _) => *own == account,
        Resume::None | Resume::Loading(_) => false,
    };
    if !signed_in && (!may_resume || snapshot.channels.is_empty()) {
        return Vec::new();
    }
    let Cached::Ready(_, snapshot) = std::mem::replace(&mut model.cached, Cached::Open(account.clone()))
    else {
        return Vec::new();
    };
    if !signed_in {
        model.account = Some(Account { name: account.clone(), admin: false });
        model.screen = Screen::Chat;
    }
    let mut effects = show(model, *snapshot);
    let logs = model.channels.iter().filter_map(Channel::known).collect();
    effects.insert(0, Effect::Client(Command::Known { account, logs }));
    effects
}

/// Channels that came since, as by a join, are the later word.
fn show(model: &mut Model, snapshot: Snapshot) -> Vec<Effect> {
    for cached in snapshot.channels {
        if model.channel(cached.info.channel).is_some() {
            continue;
        }
        if !model.known.iter().any(|info| info.channel == cached.info.channel) {
            model.known.push(cached.info.clone());
        }
        let place = channels::place_of(model, &cached.info.name);
        model.channels.insert(place, Channel::cached(cached));
    }
    let shown = snapshot.shown.filter(|id| model.channel(*id).is_some());
    let first = shown.or_else(|| model.channels.first().map(|channel| channel.info.channel));
    match (model.current, first) {
        (None, Some(id)) => channels::show(model, id),
        _ => Vec::new(),
    }
}

/// Asks for a part of a channel's log: the cache first, if there is one.
pub fn read(model: &Model, channel: ChannelId, range: HistoryRange) -> Effect {
    match model.cached {
        Cached::Open(_) => Effect::ReadCache(channel, range),
        Cached::None | Cached::Opening(_) | Cached::Ready(..) => {
            Effect::Client(Command::ReadHistory { channel, range })
        }
    }
}

/// A page of the cache. What it does not have, the relay is asked for.
fn page(
    model: &mut Model,
    channel: ChannelId,
    range: HistoryRange,
    entries: Vec<Entry>,
    more: bool,
) -> Vec<Effect> {
    if entries.is_empty() && more {
        return vec![Effect::Client(Command::ReadHistory { channel, range })];
    }
    channels::history(model, channel, range, entries, more)
}
