//! The chosen message: how one is chosen, and what is done with it.
//!
//! A command or the palette may mean a message while none is chosen: then it is the newest that fits.
//!
//! Invariants: what is chosen is a message, never a separator or what merely happened, and stays the same message whatever comes
//! before or after it; nothing is deleted that was not asked about while it was in view.

use std::rc::Rc;

use mechat_protocol::{AccountName, Amendment, Body, Content, Emoji, Entry, Seq};

use super::{Effect, composing, finder, listing, scroll};
use crate::action::ActionId as Id;
use crate::emoji;
use crate::markup::Markup;
use crate::model::channel::RowKey;
use crate::model::overlay::{Finder, FinderKind, LinkUse};
use crate::model::{Channel, Model, Overlay, Sending};
use crate::text;
use crate::view::timeline;

/// Emoji that are remembered as used.
const EMOJI_KEPT: usize = 8;

/// Chooses the lowest message in view.
pub fn select(model: &mut Model) -> Vec<Effect> {
    leave(model);
    step(model, -1)
}

/// Back to writing; false if nothing was chosen.
pub fn leave(model: &mut Model) -> bool {
    model.reading.delete_asked = false;
    model.reading.chosen.take().is_some()
}

/// Chooses the next message above or below. Where the window ends, more is asked for.
pub fn step(model: &mut Model, by: isize) -> Vec<Effect> {
    let Some(channel) = model.current() else { return Vec::new() };
    let at = model.reading.chosen.and_then(|key| channel.row_index(key));
    let is_message = |row: &usize| is_message(channel, *row);
    let next = match at {
        None => lowest(model, channel).and_then(|row| (0..=row).rev().find(is_message)),
        Some(at) if by < 0 => (0..at).rev().find(is_message),
        Some(at) => (at + 1..channel.rows()).find(is_message),
    };
    let key = next.and_then(|row| channel.row_key(row));
    match key {
        Some(key) => {
            choose(model, key);
            Vec::new()
        }
        None if at.is_none() => {
            model.inform("there is no message here yet");
            Vec::new()
        }
        None => scroll::by_lines(model, by),
    }
}

/// Chooses a message and shows it.
pub fn choose(model: &mut Model, key: RowKey) {
    (model.reading.chosen, model.reading.delete_asked) = (Some(key), false);
    scroll::reveal(model, key);
}

/// Goes to a message, wherever it is in the log of the channel in view.
pub fn go_to(model: &mut Model, seq: Seq) -> Vec<Effect> {
    let key = RowKey::Entry(seq);
    (model.reading.chosen, model.reading.delete_asked) = (Some(key), false);
    if model.current().is_some_and(|channel| channel.row_index(key).is_some()) {
        scroll::reveal(model, key);
        return Vec::new();
    }
    scroll::to_entry(model, seq)
}

/// A press on the messages: a link opens, a message is chosen, and what can be done with the chosen one is shown.
pub fn press(model: &mut Model, x: u16, y: u16) -> Vec<Effect> {
    let links = timeline::links(model);
    if let Some(link) = links.iter().find(|link| link.y == y && (link.x..link.x + link.cells).contains(&x)) {
        return use_link(model, &link.target, LinkUse::Open);
    }
    let Some(key) = timeline::row_at(model, y) else { return Vec::new() };
    if model.reading.chosen == Some(key) {
        return open_actions(model);
    }
    let found =
        model.current().and_then(|channel| channel.row_index(key).map(|row| is_message(channel, row)));
    if found == Some(true) {
        choose(model, key);
    }
    Vec::new()
}

/// After each event: the chosen message is known by its place once it has one. What arrives never moves it out of view; where the
/// user moves the view, the choice goes with it.
pub fn settle(model: &mut Model, user_moves: bool) {
    let Some(key) = model.reading.chosen else { return };
    let Some(channel) = model.current() else {
        leave(model);
        return;
    };
    let Some(row) = channel.row_index(key) else {
        if channel.seek.is_none() {
            leave(model);
        }
        return;
    };
    let known = channel.row_key(row).unwrap_or(key);
    if known != key {
        model.reading.chosen = Some(known);
    }
    let shown = model.current().map(|channel| shown_rows(model, channel)).unwrap_or_default();
    if shown.contains(&row) || shown.is_empty() {
        return;
    }
    if !user_moves {
        scroll::reveal(model, known);
        return;
    }
    let Some(channel) = model.current() else { return };
    let mut messages = shown.iter().copied().filter(|row| is_message(channel, *row));
    let nearest = if shown.iter().all(|other| *other > row) { messages.next() } else { messages.next_back() };
    if let Some(key) = nearest.and_then(|row| channel.row_key(row)) {
        (model.reading.chosen, model.reading.delete_asked) = (Some(key), false);
    }
}

fn shown_rows(model: &Model, channel: &Channel) -> Vec<usize> {
    let keys = timeline::shown(model, channel).into_iter().filter_map(|line| line.key);
    let mut rows: Vec<usize> = keys.filter_map(|key| channel.row_index(key)).collect();
    rows.dedup();
    rows
}

fn lowest(model: &Model, channel: &Channel) -> Option<usize> {
    shown_rows(model, channel).last().copied()
}

fn is_message(channel: &Channel, row: usize) -> bool {
    match channel.entries.get(row) {
        Some(entry) => matches!(entry.body, Body::Message(_)),
        None => row < channel.rows(),
    }
}

/// The message that is meant: the chosen one, or the newest that fits.
fn meant(model: &Model, fits: impl Fn(&Entry) -> bool) -> Option<&Entry> {
    let channel = model.current()?;
    if let Some(key) = model.reading.chosen {
        return channel.entries.get(channel.row_index(key)?);
    }
    let mut messages = channel.entries.iter().rev().filter(|entry| matches!(entry.body, Body::Message(_)));
    messages.find(|entry| fits(entry))
}

fn meant_seq(model: &mut Model, fits: impl Fn(&Entry) -> bool) -> Option<Seq> {
    let found = meant(model, fits).map(|entry| entry.seq);
    if found.is_none() {
        let words = match model.reading.chosen {
            Some(_) => "the relay does not have this message yet",
            None => "there is no such message here",
        };
        model.inform(words);
    }
    found
}

fn own_name(model: &Model) -> Option<AccountName> {
    model.account.as_ref().map(|account| account.name.clone())
}

/// Who sent the chosen message.
pub fn sender(model: &Model) -> Option<AccountName> {
    model.reading.chosen.and_then(|_| meant(model, |_| true)).map(|entry| entry.sender.clone())
}

/// Answers the chosen message, or the newest one of somebody else.
pub fn reply(model: &mut Model) -> Vec<Effect> {
    if model.reading.chosen.is_none() {
        return composing::reply_to_newest(model);
    }
    let Some(seq) = meant_seq(model, |_| true) else { return Vec::new() };
    leave(model);
    composing::reply(model, seq)
}

/// Other words for the chosen message, or one's last.
pub fn change(model: &mut Model) -> Vec<Effect> {
    let me = own_name(model);
    let Some(seq) = meant_seq(model, |entry| Some(&entry.sender) == me.as_ref()) else { return Vec::new() };
    if composing::edit(model, seq) {
        leave(model);
    } else {
        model.complain("only your own messages with words can be edited");
    }
    Vec::new()
}

/// Deletes a message, once it was asked for twice while it is chosen.
pub fn delete(model: &mut Model) -> Vec<Effect> {
    let me = own_name(model);
    let Some(seq) = meant_seq(model, |entry| Some(&entry.sender) == me.as_ref()) else { return Vec::new() };
    if !may_delete(model, seq) {
        model.complain(
            "you may delete your own messages; those of others, only the host of the channel or an admin may",
        );
        return Vec::new();
    }
    if std::mem::take(&mut model.reading.delete_asked) {
        leave(model);
        model.notice = None;
        return composing::amend(model, Amendment::Delete { seq });
    }
    choose(model, RowKey::Entry(seq));
    model.reading.delete_asked = true;
    let key = model.keymap().first_key(Id::Delete).unwrap_or_else(|| "/delete".to_owned());
    model.inform(format!("delete this message for everyone? {key} again deletes it; any other key does not"));
    Vec::new()
}

fn may_delete(model: &Model, seq: Seq) -> bool {
    let (Some(channel), Some(account)) = (model.current(), &model.account) else { return false };
    let sender = channel.row_index(RowKey::Entry(seq)).and_then(|row| channel.entries.get(row));
    let own = sender.is_some_and(|entry| entry.sender == account.name);
    own || account.admin || channel.info.host == account.name
}

/// Reacts with an emoji, or offers all there are.
pub fn react(model: &mut Model, emoji: &str) -> Vec<Effect> {
    let me = own_name(model);
    let Some(seq) = meant_seq(model, |entry| Some(&entry.sender) != me.as_ref()) else { return Vec::new() };
    if emoji.is_empty() {
        model.overlay = Some(Overlay::Finder(Finder::new(FinderKind::Emoji(seq))));
        return Vec::new();
    }
    if let Some(Ok(emoji)) = emoji::exactly(emoji).map(Emoji::new) {
        return react_with(model, seq, emoji);
    }
    model.complain(format!("no emoji {emoji}; /react alone shows all"));
    Vec::new()
}

/// Reacts, or takes the same reaction back.
pub fn react_with(model: &mut Model, seq: Seq, emoji: Emoji) -> Vec<Effect> {
    let recent = &mut model.reading.emoji;
    recent.retain(|other| *other != emoji);
    recent.insert(0, emoji.clone());
    recent.truncate(EMOJI_KEPT);
    composing::toggle_reaction(model, seq, emoji)
}

/// Pins a message, or unpins it.
pub fn toggle_pin(model: &mut Model) -> Vec<Effect> {
    let Some(seq) = meant_seq(model, |_| true) else { return Vec::new() };
    let Some(post) = composing::shown(model, seq) else { return Vec::new() };
    let on = !post.pinned;
    model.inform(if on { "pinned" } else { "no longer pinned" });
    composing::amend(model, Amendment::Pin { seq, on })
}

/// The words of the chosen message, or the newest; also of one that is on its way.
fn words(model: &Model) -> Option<String> {
    let channel = model.current()?;
    let row = match model.reading.chosen {
        Some(key) => channel.row_index(key)?,
        None => channel.row_index(RowKey::Entry(meant(model, |_| true)?.seq))?,
    };
    let content = match channel.entries.get(row) {
        Some(entry) => composing::shown(model, entry.seq)?.content,
        None => channel.outbox.get(row - channel.entries.len())?.content.clone(),
    };
    match content {
        Content::Text { text } => Some(text.as_str().to_owned()),
        Content::Data { .. } | Content::Unknown => None,
    }
}

/// Hands the words to the terminal's clipboard, without what could act where they are put in.
pub fn copy_text(model: &mut Model) -> Vec<Effect> {
    let Some(words) = words(model) else {
        model.inform("this message has no words");
        return Vec::new();
    };
    let harmless: String = words.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    copy(model, harmless, "the message")
}

fn copy(model: &mut Model, text: String, what: &str) -> Vec<Effect> {
    model.inform(format!("{what} is handed to the terminal's clipboard (OSC 52)"));
    vec![Effect::Copy(text)]
}

/// Opens or copies the link of a message; several are offered.
pub fn link(model: &mut Model, wanted: LinkUse) -> Vec<Effect> {
    let mut links = words(model).map(|words| Markup::parse(&words, None).links).unwrap_or_default();
    let mut seen = std::collections::BTreeSet::new();
    links.retain(|link| seen.insert(Rc::clone(link)));
    match links.as_slice() {
        [] => {
            model.inform("this message has no link");
            Vec::new()
        }
        [link] => use_link(model, link, wanted),
        _ => {
            model.overlay = Some(Overlay::Finder(Finder::new(FinderKind::Links(links, wanted))));
            Vec::new()
        }
    }
}

/// Opens a link, or copies it.
pub fn use_link(model: &mut Model, link: &Rc<str>, wanted: LinkUse) -> Vec<Effect> {
    match wanted {
        LinkUse::Copy => copy(model, link.to_string(), "the link"),
        LinkUse::Open => {
            model.inform(format!("opening {}", text::harmless(link)));
            vec![Effect::Open(Rc::clone(link))]
        }
    }
}

/// Goes to the message that the chosen one answers.
pub fn to_quoted(model: &mut Model) -> Vec<Effect> {
    let answers = |entry: &Entry| matches!(&entry.body, Body::Message(post) if post.in_reply_to.is_some());
    let answered = meant(model, answers).and_then(|entry| match &entry.body {
        Body::Message(post) => post.in_reply_to,
        _ => None,
    });
    let Some(seq) = answered else {
        model.inform("this message answers none");
        return Vec::new();
    };
    go_to(model, seq)
}

/// Shows the thread of a message.
pub fn thread(model: &mut Model) -> Vec<Effect> {
    let answers = |entry: &Entry| matches!(&entry.body, Body::Message(post) if post.in_reply_to.is_some());
    let Some(seq) = meant_seq(model, answers) else { return Vec::new() };
    listing::thread(model, seq)
}

/// Lists what can be done with the chosen message.
pub fn open_actions(model: &mut Model) -> Vec<Effect> {
    if model.reading.chosen.is_some() {
        finder::open(model, FinderKind::Actions);
    }
    Vec::new()
}

/// What can be done with the chosen message, the likeliest first.
pub fn possible(model: &Model) -> Vec<Id> {
    let Some(channel) = model.current() else { return Vec::new() };
    let Some(row) = model.reading.chosen.and_then(|key| channel.row_index(key)) else { return Vec::new() };
    let Some(entry) = channel.entries.get(row) else {
        let message = &channel.outbox[row - channel.entries.len()];
        let failed = matches!(message.sending, Sending::Failed(_));
        return if failed { vec![Id::Retry, Id::Discard, Id::CopyText] } else { vec![Id::CopyText] };
    };
    let Some(post) = composing::shown(model, entry.seq) else { return Vec::new() };
    let me = own_name(model);
    let own = Some(&entry.sender) == me.as_ref();
    let text = match &post.content {
        Content::Text { text } => Some(text.as_str()),
        Content::Data { .. } | Content::Unknown => None,
    };
    let markup = text.map(|text| Markup::parse(text, None)).unwrap_or_default();
    let spoiler = markup.lines.iter().any(|line| line.runs.iter().any(|(_, look)| look.spoiler));
    let host = model.account.as_ref().is_some_and(|account| account.admin)
        || Some(&channel.info.host) == me.as_ref();
    [
        (Id::Reply, true),
        (Id::React, true),
        (Id::Change, own && text.is_some()),
        (Id::Thread, true),
        (Id::ToQuoted, post.in_reply_to.is_some()),
        (Id::OpenLink, !markup.links.is_empty()),
        (Id::CopyText, text.is_some()),
        (Id::CopyLink, !markup.links.is_empty()),
        (Id::ToggleSpoilers, spoiler),
        (Id::TogglePin, host),
        (Id::Profile, true),
        (Id::Delete, own || host),
    ]
    .into_iter()
    .filter_map(|(id, can)| can.then_some(id))
    .collect()
}
