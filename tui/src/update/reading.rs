//! How messages are read: without panes, with or without their spoilers.

use mechat_protocol::{Body, Content, Seq};

use super::Effect;
use crate::markup::Markup;
use crate::model::channel::RowKey;
use crate::model::{Channel, Model};
use crate::view::timeline;

/// Messages and composer alone, or everything again. The view stays where it was.
pub fn toggle_bare(model: &mut Model) -> Vec<Effect> {
    model.reading.bare = !model.reading.bare;
    if model.reading.bare {
        model.inform("messages alone, for copying with the mouse; /bare brings the panes back");
    } else {
        model.notice = None;
    }
    vec![mouse(model)]
}

/// Who has the mouse: a terminal selects only where nobody else listens to it.
pub fn mouse(model: &Model) -> Effect {
    Effect::Mouse(model.preferences.config.mouse && !model.reading.bare)
}

/// Shows the spoilers of the chosen message, or of all on the screen; covers them if none of them is covered.
pub fn toggle_spoilers(model: &mut Model) -> Vec<Effect> {
    let Some(channel) = model.current() else { return Vec::new() };
    let id = channel.info.channel;
    let mut keys: Vec<RowKey> = match model.reading.chosen {
        Some(chosen) => vec![chosen],
        None => timeline::shown(model, channel).into_iter().filter_map(|line| line.key).collect(),
    };
    keys.dedup();
    let with_spoilers: Vec<Seq> = keys.into_iter().filter_map(|key| spoiled(channel, key)).collect();
    if with_spoilers.is_empty() {
        model.inform("nothing here is a spoiler");
        return Vec::new();
    }
    let revealed = &mut model.reading.revealed;
    if with_spoilers.iter().all(|seq| revealed.contains(&(id, *seq))) {
        revealed.retain(|(channel, seq)| *channel != id || !with_spoilers.contains(seq));
    } else {
        revealed.extend(with_spoilers.into_iter().map(|seq| (id, seq)));
    }
    Vec::new()
}

/// The place of a message that has a spoiler.
fn spoiled(channel: &Channel, key: RowKey) -> Option<Seq> {
    let entry = channel.entries.get(channel.row_index(key)?)?;
    let Body::Message(post) = &entry.body else { return None };
    let Content::Text { text } = &post.content else { return None };
    let markup = Markup::parse(text.as_str(), None);
    let has_spoiler = markup.lines.iter().any(|line| line.runs.iter().any(|(_, look)| look.spoiler));
    has_spoiler.then_some(entry.seq)
}
