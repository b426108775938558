//! Drawing lines into the picture, cell by cell.
//!
//! Owns that what is drawn takes exactly the cells it was measured at, on terminals that measure otherwise too, and that
//! text written from right to left turns nothing around it. Nothing is drawn beyond the area.

use std::num::NonZeroU16;

use ratatui::Frame;
use ratatui::buffer::{Buffer, CellDiffOption, CellWidth as _};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use unicode_segmentation::UnicodeSegmentation;

use crate::text::{self, Policy};

/// Behind a run from right to left: what follows stands to its right, whatever it is (UAX #9, LRM).
const END_OF_RUN: &str = "\u{200e}";

/// Draws lines from the top of an area, as far as there is room.
pub fn paint<'a>(frame: &mut Frame<'_>, area: Rect, lines: impl IntoIterator<Item = Line<'a>>) {
    let buffer = frame.buffer_mut();
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        draw_line(buffer, area.x, y, &line, area.width);
    }
}

/// Draws a line in at most so many cells.
pub fn draw_line(buffer: &mut Buffer, x: u16, y: u16, line: &Line<'_>, cells: u16) {
    let end = x.saturating_add(cells).min(buffer.area.right());
    let mut at = x;
    for span in &line.spans {
        at = draw_text(buffer, (at, end), y, &span.content, line.style.patch(span.style));
    }
}

/// Draws a text from the first of two columns, not reaching the second; returns where it ended.
fn draw_text(buffer: &mut Buffer, (x, end): (u16, u16), y: u16, text: &str, style: Style) -> u16 {
    let mut at = x;
    for grapheme in text.graphemes(true) {
        let cells = u16::try_from(text::grapheme_width(grapheme)).unwrap_or(u16::MAX);
        // Even a text that passed nothing has no effect.
        if cells == 0 || grapheme.contains(char::is_control) {
            continue;
        }
        if cells > end.saturating_sub(at) {
            break;
        }
        let cell = &mut buffer[(at, y)];
        cell.set_symbol(grapheme).set_style(style);
        if cells != grapheme.cell_width()
            && let Some(cells) = NonZeroU16::new(cells)
        {
            cell.set_diff_option(CellDiffOption::ForcedWidth(cells));
        }
        for covered in at + 1..at + cells {
            buffer[(covered, y)].reset();
        }
        at += cells;
    }
    if at > x && text::is_right_to_left(text) {
        // Into the last drawn cell: the first to the left that is not covered by a wide one.
        let last = (x..at).rev().find(|column| buffer[(*column, y)].symbol() != " ").unwrap_or(at - 1);
        let symbol = format!("{}{END_OF_RUN}", buffer[(last, y)].symbol());
        buffer[(last, y)].set_symbol(&symbol);
    }
    at
}

/// Lines between panes in ASCII where the terminal would draw them two cells wide.
pub fn narrow_rules(buffer: &mut Buffer) {
    if !Policy::in_force().ambiguous_wide {
        return;
    }
    for cell in &mut buffer.content {
        if text::is_rule(cell.symbol()) {
            let plain = match cell.symbol() {
                "─" | "━" | "╌" | "┄" | "═" => "-",
                "│" | "┃" | "╎" | "┆" | "║" => "|",
                _ => "+",
            };
            cell.set_symbol(plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(line: &str, cells: u16) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "|||||||||||", Style::new());
        draw_line(&mut buffer, 1, 0, &Line::raw(line.to_owned()), cells);
        buffer
    }

    fn symbols(buffer: &Buffer) -> Vec<&str> {
        buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn emoji_sequences_leave_the_border_where_it_is() {
        let buffer = drawn("👨‍👩‍👧‍👦a🇩🇪👍🏽", 7);
        assert_eq!(symbols(&buffer)[..9], ["|", "👨‍👩‍👧‍👦", " ", "a", "🇩🇪", " ", "👍🏽", " ", "|"]);
        let buffer = drawn("日本語", 5);
        assert_eq!(symbols(&buffer)[1..7], ["日", " ", "本", " ", "|", "|"], "a half does not fit");
    }

    #[test]
    fn a_wide_ambiguous_character_is_forced_to_its_cells() {
        Policy { ambiguous_wide: true, ..Policy::default() }.put_in_force();
        let mut buffer = drawn("○a─", 9);
        narrow_rules(&mut buffer);
        Policy::default().put_in_force();
        assert_eq!(symbols(&buffer)[1..5], ["○", " ", "a", "-"]);
        let two = NonZeroU16::new(2).expect("two");
        assert_eq!(buffer[(1, 0)].diff_option, CellDiffOption::ForcedWidth(two));
    }

    #[test]
    fn a_run_from_right_to_left_ends_with_its_text() {
        let buffer = drawn("שלום", 9);
        assert_eq!(buffer[(4, 0)].symbol(), "ם\u{200e}");
        assert_eq!(buffer[(4, 0)].cell_width(), 1);
        assert!(symbols(&drawn("abc", 9)).iter().all(|symbol| !symbol.contains(END_OF_RUN)));
    }

    #[test]
    fn a_control_character_is_never_drawn() {
        let buffer = drawn("a\u{1b}[2J\u{9b}b", 9);
        assert!(symbols(&buffer).iter().all(|symbol| !symbol.chars().any(char::is_control)));
    }
}
