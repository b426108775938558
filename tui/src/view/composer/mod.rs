//! The composer as it is drawn: wrapped by words, scrolled by itself, its text as harmless as any other.
//!
//! Owns which rows of the text are seen. Only lines near those are ever wrapped: a text of a million lines costs what its visible
//! part costs.

mod about;
pub mod lay;
mod popup;

use std::ops::Range;
use std::rc::Rc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

pub use about::{counter, typists};

use super::paint;
use crate::action::Mode;
use crate::model::composer::Place;
use crate::model::{Composer, Model};
use crate::text;
use crate::theme::Role;

/// Cells of the prompt.
const PROMPT_WIDTH: u16 = 2;

/// Cells that a text has in a composer of a width.
pub const fn room(width: u16) -> usize {
    let room = width.saturating_sub(PROMPT_WIDTH);
    if room < 2 { 2 } else { room as usize }
}

/// Rows that the composer would like, as far as `most`.
pub fn rows(model: &Model, width: u16, most: u16) -> u16 {
    let written = Written { composer: &model.composer, room: room(width) };
    let mut rows = usize::from(about::rows(model));
    for line in 0..model.composer.lines().len() {
        rows += written.count(line);
        if rows >= usize::from(most) {
            return most;
        }
    }
    u16::try_from(rows).unwrap_or(most).max(1)
}

/// A text as it is wrapped.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    composer: &'a Composer,
    room: usize,
}

impl<'a> Written<'a> {
    /// A text in so many cells.
    pub const fn new(composer: &'a Composer, room: usize) -> Self {
        Self { composer, room }
    }

    /// The rows of a line as it is wrapped.
    pub fn wrapped(self, line: usize) -> Rc<[Range<usize>]> {
        self.composer.wrapped(line, self.room, |text| lay::rows(text, self.room))
    }

    /// How many rows a line has; that of the cursor has one more where the cursor stands behind a full row.
    fn count(self, line: usize) -> usize {
        let rows = self.wrapped(line).len();
        if self.composer.cursor().0 == line { rows.max(self.cursor().0 + 1) } else { rows }
    }

    /// The row and the cell of the cursor in its line.
    pub fn cursor(self) -> (usize, usize) {
        let (text, byte) = self.composer.cursor_line();
        lay::place(text, &self.wrapped(self.composer.cursor().0), byte, self.room)
    }

    /// The line and the row in it that stand so many rows above; as far up as there is text.
    fn up(self, from: Place, rows: usize) -> Place {
        let (mut line, mut row) = from;
        let mut left = rows;
        while left > row {
            if line == 0 {
                return (0, 0);
            }
            left -= row + 1;
            line -= 1;
            row = self.count(line) - 1;
        }
        (line, row - left)
    }

    /// Rows from one place to the end, `most` at most.
    fn below(self, from: Place, most: usize) -> usize {
        let mut rows = 0;
        for line in from.0..self.composer.lines().len() {
            rows += self.count(line);
            if rows >= from.1 + most {
                return most;
            }
        }
        rows.saturating_sub(from.1)
    }

    /// The rows that are seen in so many.
    fn seen(self, height: usize) -> Vec<Row> {
        let top = self.top(height);
        let last = self.composer.lines().len() - 1;
        let mut seen = Vec::with_capacity(height);
        for line in top.0..=last {
            let (rows, count) = (self.wrapped(line), self.count(line));
            let skip = if line == top.0 { top.1 } else { 0 };
            let end = self.composer.lines()[line].len();
            seen.extend((skip..count).take(height).map(|row| Row {
                place: (line, row),
                bytes: rows.get(row).cloned().unwrap_or(end..end),
                ends: line == last && row + 1 == count,
            }));
            if seen.len() >= height {
                break;
            }
        }
        seen.truncate(height);
        seen
    }

    /// Where the visible part of so many rows begins, so that the cursor is in it and it moves no more than it must.
    pub fn top(self, height: usize) -> Place {
        let cursor = (self.composer.cursor().0, self.cursor().0);
        let lines = self.composer.lines().len();
        let mut top = self.composer.top().min(cursor);
        top.0 = top.0.min(lines - 1);
        top.1 = top.1.min(self.count(top.0) - 1);
        // As far up as the cursor's row would be the last one.
        top = top.max(self.up(cursor, height.saturating_sub(1)));
        let missing = height.saturating_sub(self.below(top, height));
        self.up(top, missing)
    }
}

/// One row that is seen.
struct Row {
    /// Its line, and its number there.
    place: Place,
    /// What of the line stands in it.
    bytes: Range<usize>,
    /// Whether it is the last of the text.
    ends: bool,
}

/// The part of it that the text has.
pub fn text_area(model: &Model, area: Rect) -> Rect {
    let above = about::rows(model).min(area.height.saturating_sub(1));
    Rect { y: area.y + above, height: area.height - above, ..area }
}

/// Draws it; the cursor is shown if the keys go here.
pub fn composer(model: &Model, area: Rect, active: bool, frame: &mut Frame<'_>) {
    let text_area = text_area(model, area);
    about::about(model, Rect { height: area.height - text_area.height, ..area }, frame);
    let area = text_area;
    let written = Written::new(&model.composer, room(area.width));
    let accent = model.theme.style(Role::Accent);
    if model.composer.is_empty() {
        let hint = text::clip(hint(model), usize::from(area.width.saturating_sub(PROMPT_WIDTH))).into_owned();
        let hint = Span::styled(hint, model.theme.style(Role::Quiet));
        paint(frame, area, [Line::from(vec![Span::styled("› ", accent), hint])]);
    }
    let (cursor_row, cursor_cell) = written.cursor();
    let cursor = (model.composer.cursor().0, cursor_row);
    let seen = written.seen(usize::from(area.height));
    let whole = seen.last().is_some_and(|row| row.ends);
    let count = seen.len();
    for ((number, row), y) in seen.into_iter().enumerate().zip(area.top()..area.bottom()) {
        if !model.composer.is_empty() {
            let prompt = match row.place {
                (0, 0) => "› ",
                _ if number == 0 => "↑ ",
                _ if number + 1 == count && !whole => "↓ ",
                _ => "  ",
            };
            let text = text::harmless(&model.composer.lines()[row.place.0][row.bytes]).into_owned();
            let line = Line::from(vec![Span::styled(prompt, accent), Span::raw(text)]);
            paint(frame, Rect { y, height: 1, ..area }, [line]);
        }
        if active && row.place == cursor {
            let x = area.x + PROMPT_WIDTH + u16::try_from(cursor_cell).unwrap_or(0);
            frame.set_cursor_position((x.min(area.right().saturating_sub(1)), y));
        }
    }
}

/// Draws the list of what may be meant, over what stands above the composer.
pub fn popup(model: &Model, over: Rect, frame: &mut Frame<'_>) {
    let Some(shown) = crate::update::popup::shown(model) else { return };
    let (text, byte) = model.composer.cursor_line();
    let start = shown.items().first().map_or(byte, |item| item.range.start);
    let room = room(over.width);
    let rows = Written::new(&model.composer, room).wrapped(model.composer.cursor().0);
    let (_, cell) = lay::place(text, &rows, start, room);
    let column = over.x + u16::try_from(cell).unwrap_or(0);
    popup::popup(model, shown, over, column, frame);
}

fn hint(model: &Model) -> &'static str {
    match model.current() {
        _ if model.context().mode == Mode::Normal => "i writes, ? helps",
        Some(_) => "write a message; Enter sends, / begins a command",
        None => "/join #CHANNEL joins a channel, /create #CHANNEL makes one",
    }
}
