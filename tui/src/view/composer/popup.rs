//! The list beside the cursor: what may be meant by the word that is being written.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::super::paint;
use crate::model::popup::Completion;
use crate::model::{Model, Popup};
use crate::text;
use crate::theme::Role;

/// Rows that are shown at a time.
const ROWS: usize = 8;
/// Columns that a long name leaves to what it is.
const DETAIL_MIN: usize = 14;
/// Columns at most.
const WIDTH_MAX: usize = 64;

/// Draws the list over what stands above the composer, at the column of the word as far as there is room.
pub(super) fn popup(model: &Model, popup: &Popup, over: Rect, column: u16, frame: &mut Frame<'_>) {
    let rows = popup.items().len().min(ROWS).min(usize::from(over.height.saturating_sub(2)));
    if rows == 0 {
        return;
    }
    let first = popup.selected().map_or(0, |selected| selected.saturating_sub(rows - 1));
    let items = popup.items();
    let widest = |text: fn(&Completion) -> &str| items.iter().map(|item| text::width(text(item))).max();
    let label = widest(|item| &item.label).unwrap_or(0);
    let detail = widest(|item| &item.detail).filter(|cells| *cells > 0).map_or(0, |cells| cells + 2);
    // A sign before, a space behind.
    let width = (label + detail + 3).min(WIDTH_MAX).min(usize::from(over.width.saturating_sub(2)));
    let height = u16::try_from(rows + 2).unwrap_or(over.height);
    let cells = u16::try_from(width + 2).unwrap_or(over.width);
    let x = column.min(over.right().saturating_sub(cells)).max(over.x);
    let outside = Rect { x, y: over.bottom() - height, width: cells, height };
    Clear.render(outside, frame.buffer_mut());
    let block =
        Block::bordered().border_type(BorderType::Rounded).border_style(model.theme.style(Role::Rule));
    let area = block.inner(outside);
    block.render(outside, frame.buffer_mut());
    let lines = items.iter().enumerate().skip(first).take(rows).map(|(row, item)| {
        let selected = popup.selected() == Some(row);
        let sign = if selected { "▸ " } else { "  " };
        let style = model.theme.style(if selected { Role::Selected } else { Role::Text });
        let quiet = if selected { style } else { model.theme.style(Role::Quiet) };
        let name = text::fit(&item.label, label.min(width.saturating_sub(3 + detail.min(DETAIL_MIN))));
        let left = width.saturating_sub(2 + text::width(&name));
        let gap = left.min(2);
        let what = format!("{}{}", " ".repeat(gap), text::fit(&item.detail, left - gap));
        Line::from(vec![Span::styled(sign, style), Span::styled(name, style), Span::styled(what, quiet)])
    });
    paint(frame, area, lines.collect::<Vec<_>>());
}
