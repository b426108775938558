//! What is unread: when it counts as read, who is told, and the ways to get there.
//!
//! Invariants: nothing is read but what is before the user's eyes, or what the user says is; the relay is told at most once in
//! `MARK_DELAY`, and before the program ends.

use std::time::Duration;

use mechat_client::Command;
use mechat_protocol::{ChannelId, Seq};

use super::{Effect, channels, scroll};
use crate::model::Model;

/// Between what was read first and telling the relay: a conversation that is followed is not told message by message.
const MARK_DELAY: Duration = Duration::from_millis(500);

/// After each event: what is in view is read, and the relay is told when it is time.
pub fn settle(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.is_watching()
        && let Some(channel) = model.current_mut()
    {
        channel.mark_read();
    }
    let ends = effects.iter().position(|effect| matches!(effect, Effect::Quit | Effect::Suspend));
    let waits = model.channels.iter().any(|channel| channel.read() > channel.marked);
    let now = model.now.steady;
    match (waits, model.mark_at) {
        (false, _) => model.mark_at = None,
        (true, Some(at)) if at <= now => tell(model, effects.len(), effects),
        (true, _) if ends.is_some() => tell(model, ends.unwrap_or_default(), effects),
        (true, None) => model.mark_at = Some(now + MARK_DELAY),
        (true, Some(_)) => {}
    }
}

fn tell(model: &mut Model, at: usize, effects: &mut Vec<Effect>) {
    model.mark_at = None;
    let marks: Vec<Effect> = model
        .channels
        .iter_mut()
        .filter(|channel| channel.read() > channel.marked)
        .map(|channel| {
            channel.marked = channel.read();
            let read = Some(channel.marked);
            Effect::Client(Command::Mark { channel: channel.info.channel, read, level: None })
        })
        .collect();
    effects.splice(at..at, marks);
}

/// The view goes to what is unread in the channel.
pub fn to_first(model: &mut Model) -> Vec<Effect> {
    let Some(channel) = model.current() else { return Vec::new() };
    // What was unread when one came in stays marked by the line, though it is read by now.
    let line = channel.divider.map(Seq::next).filter(|seq| *seq <= channel.last_seq());
    let Some(seq) = line.or_else(|| channel.first_unread()) else {
        return nothing(model, "nothing is unread here");
    };
    scroll::to_entry(model, seq)
}

/// The next channel with something unread comes into view.
pub fn to_next_channel(model: &mut Model) -> Vec<Effect> {
    let next = others(model).find(|id| model.channel(*id).is_some_and(|channel| !channel.badge().is_none()));
    let Some(id) = next else {
        return nothing(model, "nothing is unread elsewhere");
    };
    model.notice = None;
    channels::show(model, id)
}

/// The next message that names one comes into view: below the view in this channel, or in another one.
pub fn to_next_mention(model: &mut Model) -> Vec<Effect> {
    let here = model.current().and_then(|channel| channel.mention_after(scroll::lowest_seen(model, channel)));
    if let Some(seq) = here {
        return scroll::to_entry(model, seq);
    }
    let mention = |id: &ChannelId| Some((*id, model.channel(*id)?.mention_after(Seq::ZERO)?));
    let found = others(model).find_map(|id| mention(&id));
    let Some((id, seq)) = found else {
        return nothing(model, "nobody has named you in what is unread");
    };
    model.notice = None;
    let mut effects = channels::show(model, id);
    effects.extend(scroll::to_entry(model, seq));
    effects
}

fn nothing(model: &mut Model, words: &str) -> Vec<Effect> {
    model.inform(words);
    Vec::new()
}

/// Everything that is known counts as read.
pub fn mark_all_read(model: &mut Model) -> Vec<Effect> {
    for channel in &mut model.channels {
        channel.mark_read();
        channel.divider = None;
    }
    model.inform("everything is marked as read");
    Vec::new()
}

/// The other channels, from the one behind the current on, round.
fn others(model: &Model) -> impl Iterator<Item = ChannelId> {
    let at = model.channels.iter().position(|channel| Some(channel.info.channel) == model.current);
    let count = model.channels.len();
    let first = at.map_or(0, |at| at + 1);
    let ids: Vec<ChannelId> =
        (0..count).map(|step| model.channels[(first + step) % count].info.channel).collect();
    let current = model.current;
    ids.into_iter().filter(move |id| Some(*id) != current)
}
