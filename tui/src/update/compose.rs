//! Writing and sending.
//!
//! Invariants: a text leaves the composer only when it became a message or a command that was understood.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mechat_client::Command;
use mechat_protocol::Content;

use super::{Effect, scroll, slash};
use crate::model::{Composer, Model, Outgoing, Scroll, Sending};

/// A key that is no action: it edits.
pub fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let (line, _) = model.composer.cursor();
    let last = model.composer.lines().len() - 1;
    match key.code {
        // Terminals turn the wheel into arrows: what the text does not need scrolls.
        KeyCode::Up if line == 0 => return scroll::by_lines(model, -1),
        KeyCode::Down if line == last => return scroll::by_lines(model, 1),
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            model.composer.editor().delete_line_by_head();
        }
        _ => {
            model.composer.editor().input(key);
        }
    }
    Vec::new()
}

/// Closes what is told; if nothing is, back to the newest message.
pub fn dismiss(model: &mut Model) -> Vec<Effect> {
    if model.notice.is_some() || model.invite_banner {
        (model.notice, model.invite_banner) = (None, false);
    } else if let Some(channel) = model.current_mut() {
        channel.scroll = Scroll::Bottom;
    }
    Vec::new()
}

/// Breaks the line.
pub fn newline(model: &mut Model) -> Vec<Effect> {
    model.composer.editor().insert_newline();
    Vec::new()
}

/// Sends what is written, or runs it as a command.
pub fn enter(model: &mut Model) -> Vec<Effect> {
    model.notice = None;
    let text = model.composer.text();
    if text.trim().is_empty() {
        return Vec::new();
    }
    match text.strip_prefix('/') {
        Some(literal) if literal.starts_with('/') => say(model, literal),
        Some(command) if !text.contains('\n') => slash::typed(model, command),
        _ => say(model, &text),
    }
}

fn say(model: &mut Model, text: &str) -> Vec<Effect> {
    let content = match Content::text(text) {
        Ok(content) => content,
        Err(broken) => {
            model.complain(broken.rule);
            return Vec::new();
        }
    };
    if model.current().is_none() {
        model.complain("you are in no channel; /join #CHANNEL joins one, /list channels shows what there is");
        return Vec::new();
    }
    model.composer = Composer::default();
    send(model, content)
}

/// Sends to the channel in view; the row shows at once.
pub fn send(model: &mut Model, content: Content) -> Vec<Effect> {
    let nonce = model.now.nonce;
    let Some(channel) = model.current_mut() else { return Vec::new() };
    channel.outbox.push(Outgoing {
        nonce,
        content: content.clone(),
        in_reply_to: None,
        sending: Sending::Pending,
        acked: None,
    });
    (channel.scroll, channel.divider) = (Scroll::Bottom, None);
    let channel = channel.info.channel;
    vec![Effect::Client(Command::Say { channel, nonce, content, in_reply_to: None })]
}
