//! The list beside the cursor: what may be meant by the word that is being written.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::super::paint;
use crate::model::{Model, Popup};
use crate::text;
use crate::theme::Role;

/// Rows that are shown at a time.
const ROWS: usize = 8;
/// Columns at most.
const WIDTH_MAX: usize = 64;

/// Draws the list over what stands above the composer, at the column of the word as far as there is room.
pub(super) fn popup(model: &Model, popup: &Popup, over: Rect, column: u16, frame: &mut Frame<'_>) {
    let rows = popup.items().len().min(ROWS).min(usize::from(over.height));
    if rows == 0 {
        return;
    }
    let first = popup.selected().map_or(0, |selected| selected.saturating_sub(rows - 1));
    let items = popup.items();
    let label = items.iter().map(|item| text::width(&item.label)).max().unwrap_or(0);
    let detail = items.iter().map(|item| text::width(&item.detail)).max().unwrap_or(0);
    let wanted = 2 + label + if detail > 0 { detail + 2 } else { 0 } + 1;
    let width = wanted.min(WIDTH_MAX).min(usize::from(over.width));
    let height = u16::try_from(rows).unwrap_or(over.height);
    let cells = u16::try_from(width).unwrap_or(over.width);
    let x = column.min(over.right().saturating_sub(cells)).max(over.x);
    let area = Rect { x, y: over.bottom() - height, width: cells, height };
    Clear.render(area, frame.buffer_mut());
    let lines = items.iter().enumerate().skip(first).take(rows).map(|(row, item)| {
        let selected = popup.selected() == Some(row);
        let sign = if selected { "▸ " } else { "  " };
        let style = model.theme.style(if selected { Role::Selected } else { Role::Text });
        let room = width.saturating_sub(2);
        let shown = text::fit(&item.label, label.min(room));
        let left = room.saturating_sub(text::width(&shown));
        let quiet = if selected { style } else { model.theme.style(Role::Quiet) };
        let detail =
            if left > 2 { format!("  {}", text::fit(&item.detail, left - 2)) } else { " ".repeat(left) };
        Line::from(vec![Span::styled(sign, style), Span::styled(shown, style), Span::styled(detail, quiet)])
    });
    paint(frame, area, lines.collect::<Vec<_>>());
}
