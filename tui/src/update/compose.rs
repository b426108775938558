//! Writing and sending.
//!
//! Invariants: a text leaves the composer only when it became a message or a command that was understood.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mechat_client::Command;
use mechat_protocol::{Content, Seq};

use super::{Effect, chosen, composing, popup, scroll, slash, typing};
use crate::emoji;
use crate::model::composer::Edit;
use crate::model::{Composing, Model, Outgoing, Scroll, Sending};
use crate::view::composer::{Written, lay, room, text_area};
use crate::view::layout;

/// Said where there is nobody to write to.
pub(super) const NO_CHANNEL: &str =
    "you are in no channel; /join #CHANNEL joins one, /list channels shows what there is";

/// A key that is no action: a letter is written.
pub fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if popup::key(model, key) {
        return Vec::new();
    }
    match key.code {
        KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            changing(model, |model| model.composer.type_char(c))
        }
        _ => Vec::new(),
    }
}

/// Performs an edit of the text.
pub fn edit(model: &mut Model, edit: Edit) -> Vec<Effect> {
    changing(model, |model| model.composer.edit(edit, &mut model.writing.kills))
}

/// What follows from each change of the text, and from each motion in it.
fn changing(model: &mut Model, change: impl FnOnce(&mut Model)) -> Vec<Effect> {
    let before = model.composer.revision();
    change(model);
    follow_cursor(model);
    if model.composer.revision() == before {
        model.writing.popup = None;
        return Vec::new();
    }
    popup::refresh(model);
    typing::typed(model)
}

/// A row up; from the first one, to what was sent before; if there is nothing, older messages. While nothing is written, one's last
/// message is there for other words.
pub fn up(model: &mut Model) -> Vec<Effect> {
    if popup::step(model, false) {
        return Vec::new();
    }
    let new = model.writing.composing == Composing::New;
    if model.composer.is_empty() && new && composing::edit_newest(model) {
        return Vec::new();
    }
    if by_row(model, -1) || older(model) { moved(model) } else { scroll::by_lines(model, -1) }
}

/// A row down; from the last one, to what was sent after; if there is nothing, newer messages.
pub fn down(model: &mut Model) -> Vec<Effect> {
    if popup::step(model, true) {
        return Vec::new();
    }
    if by_row(model, 1) || newer(model) { moved(model) } else { scroll::by_lines(model, 1) }
}

/// What was sent before; what is being written is kept.
pub fn said_before(model: &mut Model) -> Vec<Effect> {
    if !older(model) {
        model.inform("nothing was sent before that from here");
    }
    moved(model)
}

/// What was sent after; at the end, what was being written.
pub fn said_after(model: &mut Model) -> Vec<Effect> {
    newer(model);
    moved(model)
}

fn moved(model: &mut Model) -> Vec<Effect> {
    model.writing.popup = None;
    follow_cursor(model);
    Vec::new()
}

/// Moves by a row as it is seen. False at the edge of the text.
fn by_row(model: &mut Model, by: isize) -> bool {
    let room = room(layout::chat(model).composer.width);
    let (line, _) = model.composer.cursor();
    let (row, cell) = Written::new(&model.composer, room).cursor();
    let rows_of = |model: &Model, line: usize| Written::new(&model.composer, room).wrapped(line);
    let (line, row) = match by {
        ..0 if row > 0 => (line, row - 1),
        ..0 if line > 0 => (line - 1, rows_of(model, line - 1).len() - 1),
        0.. if row + 1 < rows_of(model, line).len() => (line, row + 1),
        0.. if line + 1 < model.composer.lines().len() => (line + 1, 0),
        _ => return false,
    };
    let goal = model.composer.goal(cell);
    let text = &model.composer.lines()[line];
    let byte = lay::byte_at(text, &rows_of(model, line), row, goal);
    model.composer.goto_row(line, byte);
    true
}

fn older(model: &mut Model) -> bool {
    model.writing.past(model.current).older(&mut model.composer)
}

fn newer(model: &mut Model) -> bool {
    model.writing.past(model.current).newer(&mut model.composer)
}

/// The visible part moves as far as the cursor drags it.
pub fn follow_cursor(model: &mut Model) {
    let area = text_area(model, layout::chat(model).composer);
    let top = Written::new(&model.composer, room(area.width)).top(usize::from(area.height));
    model.composer.set_top(top);
}

/// Closes what is offered or told; then gives up an answer or an edit; if there is nothing of it, back to the newest message.
pub fn dismiss(model: &mut Model) -> Vec<Effect> {
    if popup::close(model) {
        return Vec::new();
    }
    if model.notice.is_some() || model.invite_banner {
        (model.notice, model.invite_banner) = (None, false);
    } else if chosen::leave(model) {
        // Letters are written again.
    } else if composing::cancel(model) {
        // The draft is back.
    } else if let Some(channel) = model.current_mut() {
        channel.scroll = Scroll::Bottom;
    }
    Vec::new()
}

/// Breaks the line.
pub fn newline(model: &mut Model) -> Vec<Effect> {
    model.composer.break_line();
    follow_cursor(model);
    Vec::new()
}

/// Sends what is written, or runs it as a command.
pub fn enter(model: &mut Model) -> Vec<Effect> {
    if popup::accept(model) {
        return Vec::new();
    }
    model.notice = None;
    let text = model.composer.text();
    if text.trim().is_empty() {
        return Vec::new();
    }
    if let Some((seq, emoji)) = composing::reaction(model, &text) {
        return composing::react(model, seq, emoji);
    }
    match text.strip_prefix('/') {
        Some(literal) if literal.starts_with('/') => say(model, literal),
        Some(command) if !text.contains('\n') => slash::typed(model, command),
        _ => say(model, &text),
    }
}

fn say(model: &mut Model, text: &str) -> Vec<Effect> {
    // A break at the end is what a paste leaves; nobody wants to read it.
    let content = match checked(model, &emoji::replaced(text.trim_end_matches('\n'))) {
        Ok(content) => content,
        Err(rule) => {
            model.complain(rule);
            return Vec::new();
        }
    };
    if model.current().is_none() {
        model.complain(NO_CHANNEL);
        return Vec::new();
    }
    composing::finish(model, content)
}

/// A text as the relay takes it, or which rule it breaks.
pub(super) fn checked(model: &Model, text: &str) -> Result<Content, String> {
    let (len, most) = (text.len(), model.text_len_max());
    if len > most {
        return Err(format!(
            "too long by {} bytes: a message has at most {most}, this has {len}; it is not sent and stays here, send it in parts",
            len - most
        ));
    }
    Content::text(text).map_err(|broken| broken.rule)
}

/// The text became a message or a command: it is had again with ↑, and what it was put before comes back.
pub(super) fn sent(model: &mut Model) {
    let past = model.writing.past(model.current);
    let kept = past.settle();
    past.push(&model.composer.text());
    model.composer = kept.unwrap_or_default();
}

/// Sends to the channel in view; the row shows at once.
pub fn send(model: &mut Model, content: Content, in_reply_to: Option<Seq>) -> Vec<Effect> {
    let nonce = model.now.nonce;
    let Some(channel) = model.current_mut() else { return Vec::new() };
    channel.outbox.push(Outgoing {
        nonce,
        content: content.clone(),
        in_reply_to,
        sending: Sending::Pending,
        acked: None,
    });
    (channel.scroll, channel.divider) = (Scroll::Bottom, None);
    let channel = channel.info.channel;
    vec![Effect::Client(Command::Say { channel, nonce, content, in_reply_to })]
}
