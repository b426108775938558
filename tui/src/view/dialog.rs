//! A framed box in the middle of the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget};

use super::paint;
use crate::model::Model;
use crate::theme::Role;

/// Draws a box as wide as `width` (less if the screen is narrower) and as high as its lines; yields the area inside.
pub fn dialog(model: &Model, frame: &mut Frame<'_>, title: &str, width: u16, lines: Vec<Line<'_>>) -> Rect {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let inside = area(frame.area(), width, height);
    let outside = outside(frame.area(), width, height);
    Clear.render(outside, frame.buffer_mut());
    let block = Block::bordered()
        .border_type(ratatui::widgets::BorderType::Rounded)
        .border_style(model.theme.style(Role::Focus))
        .title_style(model.theme.style(Role::Strong))
        .title(format!(" {title} "));
    block.render(outside, frame.buffer_mut());
    paint(frame, inside, lines);
    inside
}

/// The area inside a box of a size, in the middle of the screen; the status line stays free.
pub fn area(screen: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(screen.width.saturating_sub(4));
    let height = height.min(screen.height.saturating_sub(3));
    Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + 1 + (screen.height - 3 - height) / 2,
        width,
        height,
    }
}

/// The box of a size, its frame included.
pub fn outside(screen: Rect, width: u16, height: u16) -> Rect {
    let inside = area(screen, width, height);
    Rect { x: inside.x - 2, y: inside.y - 1, width: inside.width + 4, height: inside.height + 2 }
}

/// Columns inside a box that would like `width`.
pub fn room(model: &Model, width: u16) -> usize {
    usize::from(width.min(model.size.0.saturating_sub(4)))
}
