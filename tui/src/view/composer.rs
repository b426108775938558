//! The composer as it is drawn: wrapped, scrolled to the cursor, its text as harmless as any other.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::paint;
use crate::action::Mode;
use crate::model::Model;
use crate::text;
use crate::theme::Role;

/// Cells of the prompt.
const PROMPT_WIDTH: u16 = 2;

/// Rows and the cursor's place among them.
struct Drawn {
    rows: Vec<String>,
    cursor: (usize, usize),
}

/// Rows that the composer would like.
pub fn rows(model: &Model, width: u16) -> u16 {
    u16::try_from(draw(model, width).rows.len()).unwrap_or(u16::MAX)
}

/// Breaks between graphemes only: under a cursor, words that jump are worse than words that break.
fn draw(model: &Model, width: u16) -> Drawn {
    let room = usize::from(width.saturating_sub(PROMPT_WIDTH)).max(2);
    let (cursor_line, cursor_char) = model.composer.cursor();
    let mut drawn = Drawn { rows: Vec::new(), cursor: (0, 0) };
    for (number, line) in model.composer.lines().iter().enumerate() {
        let (mut row, mut used, mut chars, mut found) = (String::new(), 0, 0, false);
        for grapheme in line.graphemes(true) {
            let safe = text::harmless(grapheme);
            let cells = text::width(&safe);
            if used + cells > room && used > 0 {
                drawn.rows.push(std::mem::take(&mut row));
                used = 0;
            }
            if number == cursor_line && !found && chars >= cursor_char {
                (drawn.cursor, found) = ((drawn.rows.len(), used), true);
            }
            row.push_str(&safe);
            used += cells;
            chars += grapheme.chars().count();
        }
        if number == cursor_line && !found {
            if used >= room {
                drawn.rows.push(std::mem::take(&mut row));
                used = 0;
            }
            drawn.cursor = (drawn.rows.len(), used);
        }
        drawn.rows.push(row);
    }
    drawn
}

/// Draws it; the cursor is shown if the keys go here.
pub fn composer(model: &Model, area: Rect, active: bool, frame: &mut Frame<'_>) {
    let drawn = draw(model, area.width);
    let height = usize::from(area.height);
    let first = (drawn.cursor.0 + 1).saturating_sub(height);
    let accent = model.theme.style(Role::Accent);
    let quiet = model.theme.style(Role::Quiet);
    let rows = drawn.rows.iter().enumerate().skip(first).take(height).map(|(number, row)| {
        let prompt = if number == 0 { Span::styled("› ", accent) } else { Span::raw("  ") };
        if model.composer.is_empty() {
            let hint =
                text::clip(hint(model), usize::from(area.width.saturating_sub(PROMPT_WIDTH))).into_owned();
            return Line::from(vec![prompt, Span::styled(hint, quiet)]);
        }
        Line::from(vec![prompt, Span::raw(row.clone())])
    });
    let rows: Vec<Line<'_>> = rows.collect();
    paint(frame, area, rows);
    if active {
        let x = area.x + PROMPT_WIDTH + u16::try_from(drawn.cursor.1).unwrap_or(0);
        let y = area.y + u16::try_from(drawn.cursor.0 - first).unwrap_or(0);
        frame.set_cursor_position((x.min(area.right().saturating_sub(1)), y));
    }
}

fn hint(model: &Model) -> &'static str {
    match model.current() {
        _ if model.context().mode == Mode::Normal => "i writes, ? helps",
        Some(_) => "write a message; Enter sends, / begins a command",
        None => "/join #CHANNEL joins a channel, /create #CHANNEL makes one",
    }
}
