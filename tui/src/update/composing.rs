//! What becomes of the text: a message, an answer, other words for an own message, a reaction.
//!
//! Invariants: beginning an edit keeps the draft, and ending it gives the draft back; words that were typed are never dropped:
//! what is given up, Ctrl-↑ has.

use mechat_client::Command;
use mechat_protocol::{Amendment, Body, ChannelId, Content, Emoji, Entry, Nonce, Post, Seq};

use super::{Effect, compose};
use crate::emoji;
use crate::model::channel::Amending;
use crate::model::{Channel, Composer, Composing, Model};

/// The next message answers this one.
pub fn reply(model: &mut Model, seq: Seq) -> Vec<Effect> {
    give_up(model);
    if let Some(channel) = model.current() {
        model.writing.composing = Composing::Reply { epoch: channel.info.epoch, seq };
    }
    Vec::new()
}

/// The next message answers the newest one of somebody else.
pub fn reply_to_newest(model: &mut Model) -> Vec<Effect> {
    let Some(seq) = newest(model, |mine, _| !mine) else {
        model.inform("there is no message to answer here");
        return Vec::new();
    };
    reply(model, seq)
}

/// Other words for an own message; false if it is not one's own, or has no words.
pub fn edit(model: &mut Model, seq: Seq) -> bool {
    let Some(text) = own_words(model, seq) else { return false };
    give_up(model);
    let Some(epoch) = model.current().map(|channel| channel.info.epoch) else { return false };
    let before = std::mem::replace(&mut model.composer, Composer::with_text(&text)).text();
    model.writing.composing = Composing::Edit { epoch, seq, before };
    compose::follow_cursor(model);
    true
}

/// Other words for one's last message; false if none is known.
pub fn edit_newest(model: &mut Model) -> bool {
    newest(model, |mine, post| mine && matches!(post.content, Content::Text { .. }))
        .is_some_and(|seq| edit(model, seq))
}

/// Back to writing a new message; false if that is what one does.
pub fn cancel(model: &mut Model) -> bool {
    let composing = model.writing.composing != Composing::New;
    give_up(model);
    compose::follow_cursor(model);
    composing
}

fn give_up(model: &mut Model) {
    if let Composing::Edit { before, .. } = std::mem::take(&mut model.writing.composing) {
        if model.composer.is_changed() {
            let text = model.composer.text();
            model.writing.past(model.current).push(&text);
        }
        give_back(model, &before);
    }
}

/// The draft that made room is there again.
fn give_back(model: &mut Model, before: &str) {
    model.composer = Composer::with_text(before);
    let past = model.writing.past(model.current);
    if let Some(aside) = past.settle() {
        past.push(&aside.text());
    }
}

/// Sends the text as what it is to become.
pub(super) fn finish(model: &mut Model, content: Content) -> Vec<Effect> {
    match std::mem::take(&mut model.writing.composing) {
        Composing::New => {
            compose::sent(model);
            compose::send(model, content, None)
        }
        Composing::Reply { seq, .. } => {
            compose::sent(model);
            compose::send(model, content, Some(seq))
        }
        Composing::Edit { seq, before, .. } => {
            compose::sent(model);
            give_back(model, &before);
            let same = shown(model, seq).is_some_and(|post| post.content == content);
            if same { Vec::new() } else { amend(model, Amendment::Edit { seq, content }) }
        }
    }
}

/// `+:emoji:` and nothing else reacts to the message that is answered, or to the newest of somebody else.
pub(super) fn reaction(model: &Model, text: &str) -> Option<(Seq, Emoji)> {
    let code = text.trim().strip_prefix('+')?;
    let emoji = emoji::exactly(code)?;
    let seq = match &model.writing.composing {
        Composing::Reply { seq, .. } => *seq,
        Composing::New => newest(model, |mine, _| !mine)?,
        Composing::Edit { .. } => return None,
    };
    Some((seq, Emoji::new(emoji).ok()?))
}

/// Reacts with what is written, or takes the same reaction back.
pub(super) fn react(model: &mut Model, seq: Seq, emoji: Emoji) -> Vec<Effect> {
    model.writing.composing = Composing::New;
    compose::sent(model);
    toggle_reaction(model, seq, emoji)
}

/// Reacts, or takes the same reaction back; what is being written stays.
pub fn toggle_reaction(model: &mut Model, seq: Seq, emoji: Emoji) -> Vec<Effect> {
    let me = model.account.as_ref().map(|account| account.name.clone());
    let reacted = shown(model, seq).is_some_and(|post| {
        let same = post.reactions.iter().find(|reaction| reaction.emoji == emoji);
        same.is_some_and(|reaction| me.is_some_and(|me| reaction.by.contains(&me)))
    });
    amend(model, Amendment::React { seq, emoji, on: !reacted })
}

/// Changes something in the channel in view; it shows at once.
pub fn amend(model: &mut Model, amendment: Amendment) -> Vec<Effect> {
    let nonce = model.now.nonce;
    let Some(channel) = model.current_mut() else { return Vec::new() };
    channel.amending.push(Amending { nonce, amendment: amendment.clone(), acked: None });
    let channel = channel.info.channel;
    vec![Effect::Client(Command::Amend { channel, nonce, amendment })]
}

/// An own amendment was refused: its words are had again with Ctrl-↑. Yields whether there were any.
pub(super) fn refused(model: &mut Model, id: ChannelId, nonce: Nonce) -> bool {
    let Some(channel) = model.channel_mut(id) else { return false };
    let Some(at) = channel.amending.iter().position(|change| change.nonce == nonce) else { return false };
    match channel.amending.remove(at).amendment {
        Amendment::Edit { content: Content::Text { text }, .. } => {
            model.writing.past(Some(id)).push(text.as_str());
            true
        }
        _ => false,
    }
}

/// The newest message that is wanted; told is whether it is one's own.
fn newest(model: &Model, wanted: impl Fn(bool, &Post) -> bool) -> Option<Seq> {
    let me = model.account.as_ref().map(|account| &account.name);
    let channel = model.current()?;
    let found = channel.entries.iter().rev().find(|entry| match &as_shown(model, channel, entry).body {
        Body::Message(post) => wanted(Some(&entry.sender) == me, post),
        _ => false,
    });
    found.map(|entry| entry.seq)
}

fn as_shown<'a>(model: &Model, channel: &Channel, entry: &'a Entry) -> std::borrow::Cow<'a, Entry> {
    let me = model.account.as_ref().map(|account| &account.name);
    channel.amended(entry, me)
}

/// A message of the channel in view, as it is shown.
pub fn shown(model: &Model, seq: Seq) -> Option<Post> {
    let channel = model.current()?;
    let at = channel.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
    match as_shown(model, channel, &channel.entries[at]).into_owned().body {
        Body::Message(post) => Some(post),
        _ => None,
    }
}

fn own_words(model: &Model, seq: Seq) -> Option<String> {
    let me = model.account.as_ref().map(|account| &account.name);
    let channel = model.current()?;
    let at = channel.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
    match shown(model, seq)?.content {
        Content::Text { text } if Some(&channel.entries[at].sender) == me => Some(text.as_str().to_owned()),
        _ => None,
    }
}
