//! About channels and people: topics, of what one wants to be told, profiles, the inbox.

use mechat_client::Command;
use mechat_protocol::reply::{ErrorReply, Marks, Profile};
use mechat_protocol::request::Level;
use mechat_protocol::{AccountName, Amendment, Body, ChannelId, Entry, Seq, Topic};

use super::finder::{Choice, Row};
use super::{Effect, composing, listing};
use crate::model::overlay::{Finder, FinderKind, Panel};
use crate::model::{Channel, Model, Overlay};
use crate::text;

/// Says what the channel is about, or changes it; `-` clears it.
pub fn topic(model: &mut Model, words: &str) -> Vec<Effect> {
    let Some(channel) = model.current() else { return Vec::new() };
    if words.is_empty() {
        let told = match channel.info.topic.as_str() {
            "" => "this channel has no topic; /topic TEXT sets one".to_owned(),
            topic => format!("topic: {topic}"),
        };
        model.inform(told);
        return Vec::new();
    }
    match Topic::new(if words == "-" { String::new() } else { words.to_owned() }) {
        Ok(topic) => composing::amend(model, Amendment::SetTopic { topic }),
        Err(broken) => {
            model.complain(broken.rule);
            Vec::new()
        }
    }
}

/// Mutes the channel in view, or no longer.
pub fn mute(model: &mut Model) -> Vec<Effect> {
    let muted = model.current().is_some_and(Channel::is_muted);
    set_level(model, if muted { Level::All } else { Level::None })
}

/// Of what in the channel one wants to be told.
pub fn notify(model: &mut Model, words: &str) -> Vec<Effect> {
    let level = match words {
        "all" => Level::All,
        "mentions" => Level::Mentions,
        "none" => Level::None,
        _ => {
            model.complain("/notify all, /notify mentions, or /notify none");
            return Vec::new();
        }
    };
    set_level(model, level)
}

fn set_level(model: &mut Model, level: Level) -> Vec<Effect> {
    let Some(channel) = model.current_mut() else { return Vec::new() };
    let read = channel.info.marks.map_or(Seq::ZERO, |marks| marks.read);
    channel.info.marks = Some(Marks { read, level });
    let (id, name) = (channel.info.channel, channel.info.name.clone());
    model.inform(match level {
        Level::None => format!("#{name} is muted: it does not count and does not call"),
        Level::Mentions => format!("#{name} counts only what names you"),
        Level::All | Level::Unknown => format!("#{name} counts everything"),
    });
    vec![Effect::Client(Command::Mark { channel: id, read: None, level: Some(level) })]
}

/// Shows who somebody is: the one who is named, or who sent the chosen message.
pub fn profile(model: &mut Model, words: &str) -> Vec<Effect> {
    let named = AccountName::new(words.trim_start_matches('@'));
    let account = match (words, named) {
        ("", _) => super::chosen::sender(model),
        (_, Ok(name)) => Some(name),
        (_, Err(broken)) => {
            model.complain(broken.rule);
            return Vec::new();
        }
    };
    let Some(account) = account else {
        model.complain("whose profile? /profile NAME, or choose a message of theirs");
        return Vec::new();
    };
    model.profile = None;
    model.tickets += 1;
    model.overlay = Some(Overlay::Panel(Panel::Profile, 0));
    vec![Effect::Client(Command::ReadProfile { ticket: model.tickets, account })]
}

/// Who somebody is, or why that is not known.
pub fn profiled(model: &mut Model, ticket: u64, result: Result<Profile, ErrorReply>) -> Vec<Effect> {
    if ticket != model.tickets {
        return Vec::new();
    }
    match result {
        Ok(profile) => model.profile = Some(profile),
        Err(error) => {
            model.overlay = None;
            model.complain(format!("the profile could not be read: {}", error.message));
        }
    }
    Vec::new()
}

/// Lists the channels with something unread, with the newest of each.
pub fn inbox(model: &mut Model) -> Vec<Effect> {
    model.overlay = Some(Overlay::Finder(Finder::new(FinderKind::Inbox)));
    Vec::new()
}

/// Channels that name one first.
pub fn inbox_rows(model: &Model) -> Vec<Row> {
    let mut unread: Vec<&Channel> =
        model.channels.iter().filter(|channel| !channel.badge().is_none()).collect();
    unread.sort_by_key(|channel| channel.badge().mentions == 0);
    unread.into_iter().map(inbox_row).collect()
}

fn inbox_row(channel: &Channel) -> Row {
    let count = channel.badge();
    let newest = channel.entries.iter().rev().find(|entry| matches!(entry.body, Body::Message(_)));
    let preview =
        |entry: &Entry| format!("  @{}: {}", text::harmless(entry.sender.as_str()), listing::said(entry));
    let name = text::harmless(channel.info.name.as_str());
    let note = match count.mentions {
        0 => format!("{count} unread"),
        mentions => format!("{count} unread, {mentions} naming you"),
    };
    Row {
        choice: Choice::Channel(channel.info.name.clone()),
        words: format!("#{name}{}", newest.map(preview).unwrap_or_default()),
        note,
        calls: count.mentions > 0,
        marks: Vec::new(),
    }
}

/// The channel of the chosen row counts as read.
pub fn read_row(model: &mut Model, id: ChannelId) {
    if let Some(channel) = model.channel_mut(id) {
        channel.mark_read();
        channel.divider = None;
    }
}
