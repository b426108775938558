//! What is to be known about the text: what becomes of it, how much of it there may be, who else is writing.

use mechat_protocol::{AccountName, Content, Post};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::paint;
use crate::model::{Composing, Model};
use crate::text;
use crate::theme::Role;
use crate::update::composing;

/// Parts of the limit from which on the rest is told: four fifths.
const NEAR: (usize, usize) = (4, 5);

/// Rows over the text.
pub(super) fn rows(model: &Model) -> u16 {
    u16::from(model.writing.composing != Composing::New)
}

/// Draws what becomes of the text.
pub(super) fn about(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let words = match &model.writing.composing {
        Composing::New => return,
        Composing::Reply { seq, .. } => {
            let sender = model.current().and_then(|channel| {
                let at = channel.entries.binary_search_by_key(seq, |entry| entry.seq).ok()?;
                Some(text::harmless(channel.entries[at].sender.as_str()).into_owned())
            });
            let whom = sender.map_or_else(|| "an earlier message".to_owned(), |sender| format!("@{sender}"));
            match composing::shown(model, *seq) {
                Some(Post { content: Content::Text { text }, .. }) => {
                    format!("answers {whom}: {}", text::harmless(first_line(text.as_str())))
                }
                _ => format!("answers {whom}"),
            }
        }
        Composing::Edit { .. } => "edits your message".to_owned(),
    };
    let hint = match model.writing.composing {
        Composing::Edit { .. } => "  Esc leaves it",
        _ => "  Esc: no answer",
    };
    let width = usize::from(area.width).saturating_sub(2);
    let words = text::clip(&words, width.saturating_sub(text::width(hint))).into_owned();
    let quiet = model.theme.style(Role::Quiet);
    let line = Line::from(vec![
        Span::styled("↳ ", model.theme.style(Role::Accent)),
        Span::styled(words, model.theme.style(Role::Strong)),
        Span::styled(hint, quiet),
    ]);
    paint(frame, area, [line]);
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// How much room is left, once it is little.
pub fn counter(model: &Model) -> Option<(String, Role)> {
    let (len, most) = (model.composer.len(), model.text_len_max());
    match most.checked_sub(len) {
        None => Some((format!("{} bytes too long, at most {most}", len - most), Role::Error)),
        Some(left) if len * NEAR.1 >= most * NEAR.0 => Some((format!("{left} bytes left"), Role::Waiting)),
        Some(_) => None,
    }
}

/// Who else is writing.
pub fn typists(model: &Model) -> Option<(String, Role)> {
    let typists = model.writing.typists.get(&model.current?)?;
    let name = |account: &AccountName| text::harmless(account.as_str()).into_owned();
    let words = match typists.accounts.as_slice() {
        [] => return None,
        [one] => format!("{} is typing…", name(one)),
        [one, other] => format!("{} and {} are typing…", name(one), name(other)),
        [one, others @ ..] => format!("{} and {} others are typing…", name(one), others.len()),
    };
    Some((words, Role::Quiet))
}
