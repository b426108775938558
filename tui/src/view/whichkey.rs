//! What can follow the keys that were pressed, shown at once: who knows it types on, who does not reads.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::paint;
use crate::action::chord;
use crate::model::Model;
use crate::text;
use crate::theme::Role;

/// Columns of one hint at least.
const HINT_WIDTH: usize = 36;

/// A hint: further keys, and what they do.
type Hint = (String, &'static str);

fn hints(model: &Model) -> Vec<Hint> {
    let next = model.keymap().continuations(model.context(), &model.pending);
    next.into_iter().map(|(keys, id)| (keys, id.action().title)).collect()
}

/// Where it stands: over the status line, as high as it needs. `None` while no sequence is begun.
pub fn area(model: &Model) -> Option<Rect> {
    if model.pending.is_empty() {
        return None;
    }
    let (columns, rows) = model.size;
    let lines = hints(model).len().div_ceil(per_line(columns));
    let height = u16::try_from(lines + 1).unwrap_or(u16::MAX).min(rows.saturating_sub(3));
    Some(Rect::new(0, rows.saturating_sub(1 + height), columns, height))
}

fn per_line(columns: u16) -> usize {
    (usize::from(columns).saturating_sub(2) / HINT_WIDTH).max(1)
}

/// Draws it.
pub fn whichkey(model: &Model, frame: &mut Frame<'_>) {
    let Some(area) = area(model) else { return };
    let (accent, rule) = (model.theme.style(Role::Accent), model.theme.style(Role::Rule));
    let columns = usize::from(area.width);
    let pressed = format!("{} …", chord::words(&model.pending));
    let title = text::clip(&pressed, columns.saturating_sub(16)).into_owned();
    let rest = columns.saturating_sub(text::width(&title) + 14);
    let mut lines = vec![Line::from(vec![
        Span::styled("── ", rule),
        Span::styled(title, accent),
        Span::styled(" Esc stops ", model.theme.style(Role::Quiet)),
        Span::styled("─".repeat(rest), rule),
    ])];
    let hints = hints(model);
    let key_width = hints.iter().map(|(keys, _)| text::width(keys)).max().unwrap_or(0);
    let count = per_line(area.width);
    let each = columns.saturating_sub(2) / count;
    lines.extend(hints.chunks(count).map(|row| {
        let mut spans = vec![Span::raw("  ")];
        for (keys, title) in row {
            spans.push(Span::styled(text::fit(keys, key_width), accent));
            spans.push(Span::raw(text::fit(&format!("  {title}"), each.saturating_sub(key_width + 1))));
            spans.push(Span::raw(" "));
        }
        Line::from(spans)
    }));
    Clear.render(area, frame.buffer_mut());
    paint(frame, area, lines);
}
