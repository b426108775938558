//! The user's own editor: what is being written goes there and comes back.
//!
//! Invariant: what comes back goes to the channel that it was written in; if nothing comes back, the text stays as it was.

use mechat_protocol::ChannelId;

use super::{Effect, compose, drafts};
use crate::model::{Draft, Model};

/// Opens the editor on the text.
pub fn open(model: &mut Model) -> Vec<Effect> {
    model.writing.popup = None;
    vec![Effect::OpenEditor { channel: model.current, text: model.composer.text() }]
}

/// The editor is done.
pub fn closed(model: &mut Model, channel: Option<ChannelId>, outcome: Result<String, String>) -> Vec<Effect> {
    match (outcome, channel) {
        (Err(reason), _) => model.complain(reason),
        (Ok(text), channel) if channel == model.current => {
            if text != model.composer.text() {
                model.composer.replace(&text);
            }
            compose::follow_cursor(model);
        }
        // Another channel came into view meanwhile, since that one was left.
        (Ok(text), Some(channel)) => {
            let draft = model.drafts.remove(&channel).unwrap_or_default();
            model.drafts.insert(channel, Draft { text, ..draft });
        }
        (Ok(text), None) => {
            let typed = model.composer.text();
            model.composer.replace(&drafts::joined(&text, &typed));
        }
    }
    Vec::new()
}
