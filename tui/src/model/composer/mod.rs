//! What is being written.
//!
//! Owns the text, the cursor, what can be undone and how an edit changes them, by way of the editor crate; the drawing is ours
//! ([`crate::view::composer`]), so that pasted control characters are as harmless here as in messages.
//!
//! Invariants: the cursor never stands inside a grapheme after an edit; one undo takes back one word that was typed, or one
//! other edit.

mod edit;
mod kills;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use ratatui_textarea::{CursorMove, TextArea};
use unicode_segmentation::UnicodeSegmentation;

pub use edit::Edit;
pub use kills::Kills;

/// Single changes that can be undone; beyond that the oldest are forgotten.
const CHANGES_MAX: usize = 4_096;

/// The revision of a text that nobody has edited yet.
const UNCHANGED: u64 = 1;

/// Line and character, both from 0.
pub type Place = (usize, usize);

/// What the last edit was: the next one may belong to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Run {
    /// Nothing that goes on.
    #[default]
    None,
    /// Characters, typed one after the other; whether the last one was a space.
    Typing {
        /// Whether it was.
        space: bool,
    },
    /// Characters deleted one after the other.
    Erasing,
    /// Text cut into the kill ring.
    Killing,
    /// Text from the kill ring, which began here.
    Yanking(Place),
}

/// The rows of a long line, for as long as nothing changes: a picture asks for them many times.
#[derive(Debug)]
struct Wrapped {
    /// The revision, the line, and the cells that there were.
    of: (u64, usize, usize),
    rows: Rc<[Range<usize>]>,
}

/// Bytes from which on a line's rows are remembered.
const LONG_LINE_LEN: usize = 2_048;

/// The text under the cursor.
#[derive(Debug)]
pub struct Composer {
    area: TextArea<'static>,
    /// How many changes of the editor each step of undo takes back, oldest first. They sum up to at most `CHANGES_MAX`.
    done: VecDeque<usize>,
    /// The same for what was undone.
    undone: Vec<usize>,
    run: Run,
    /// The cell to which moving up and down returns.
    goal: Option<usize>,
    /// Where the visible part begins: a line, and a row of it. The view corrects it where the size has changed.
    top: Place,
    wrapped: RefCell<Option<Wrapped>>,
    revision: u64,
}

impl Default for Composer {
    fn default() -> Self {
        Self::of(TextArea::default(), 0)
    }
}

impl Composer {
    fn of(mut area: TextArea<'static>, revision: u64) -> Self {
        area.set_max_histories(CHANGES_MAX);
        let (done, undone) = (VecDeque::new(), Vec::new());
        Self {
            area,
            done,
            undone,
            run: Run::None,
            goal: None,
            top: (0, 0),
            wrapped: RefCell::default(),
            revision,
        }
    }

    /// A text, the cursor behind it.
    pub fn with_text(text: &str) -> Self {
        let mut area = TextArea::from(text.split('\n'));
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        Self::of(area, UNCHANGED)
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Its lines.
    pub fn lines(&self) -> &[String] {
        self.area.lines()
    }

    /// Bytes of the text.
    pub fn len(&self) -> usize {
        self.lines().iter().map(String::len).sum::<usize>() + self.lines().len() - 1
    }

    /// Line and character, from 0.
    pub fn cursor(&self) -> Place {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }

    /// The line of the cursor, and the cursor's byte in it.
    pub fn cursor_line(&self) -> (&str, usize) {
        let (line, column) = self.cursor();
        let line = &self.lines()[line];
        (line, byte_of(line, column))
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Changes with each change of the text.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the text was edited since it was put here.
    pub const fn is_changed(&self) -> bool {
        self.revision > UNCHANGED
    }

    /// Where the visible part begins: a line, and a row of it.
    pub const fn top(&self) -> Place {
        self.top
    }

    /// Remembers where the visible part begins.
    pub const fn set_top(&mut self, top: Place) {
        self.top = top;
    }

    /// The rows of a line in so many cells, made by `wrap` unless they are remembered.
    pub fn wrapped(
        &self,
        line: usize,
        cells: usize,
        wrap: impl FnOnce(&str) -> Vec<Range<usize>>,
    ) -> Rc<[Range<usize>]> {
        let text = &self.lines()[line];
        if text.len() < LONG_LINE_LEN {
            return wrap(text).into();
        }
        let of = (self.revision, line, cells);
        let mut wrapped = self.wrapped.borrow_mut();
        match &*wrapped {
            Some(kept) if kept.of == of => Rc::clone(&kept.rows),
            _ => {
                let rows: Rc<[Range<usize>]> = wrap(text).into();
                *wrapped = Some(Wrapped { of, rows: Rc::clone(&rows) });
                rows
            }
        }
    }

    /// The cell to which moving up and down returns, `now` if this move is the first of them.
    pub fn goal(&mut self, now: usize) -> usize {
        *self.goal.get_or_insert(now)
    }

    /// Inserts a text as it is, line breaks of any system becoming `\n`. One undo takes all of it back.
    pub fn insert(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.settle(Run::None);
        if self.area.insert_str(text) {
            self.changed(false);
        }
    }

    /// Puts a text in the place of what lies between a place before the cursor and the cursor.
    pub fn replace_back_to(&mut self, start: Place, text: &str) {
        self.settle(Run::None);
        let joins = self.cut(start, self.cursor()).is_some();
        if self.area.insert_str(text) {
            self.changed(joins);
        }
    }

    /// Another text instead of this one; undo brings this one back.
    pub fn replace(&mut self, text: &str) {
        let end = self.end();
        self.goto(end);
        self.replace_back_to((0, 0), text);
    }

    /// Moves the cursor.
    pub fn goto(&mut self, place: Place) {
        let line = place.0.min(self.lines().len() - 1);
        let column = place.1.min(self.lines()[line].chars().count());
        self.run = Run::None;
        if let (Ok(line), Ok(column)) = (u16::try_from(line), u16::try_from(column)) {
            self.area.move_cursor(CursorMove::Jump(line, column));
        } else {
            self.walk(line, column);
        }
    }

    /// The editor's own jump counts in 16 bits. Beyond that one walks, from the nearest place that there is a jump to.
    fn walk(&mut self, line: usize, column: usize) {
        let last = self.lines().len() - 1;
        if self.cursor().0 != line {
            match u16::try_from(line) {
                Ok(line) => self.area.move_cursor(CursorMove::Jump(line, 0)),
                Err(_) if last - line < line.abs_diff(self.cursor().0) => {
                    self.area.move_cursor(CursorMove::Bottom);
                }
                Err(_) => {}
            }
        }
        while self.cursor().0 != line {
            self.area.move_cursor(if self.cursor().0 < line { CursorMove::Down } else { CursorMove::Up });
        }
        let len = self.lines()[line].chars().count();
        let far = column.abs_diff(self.cursor().1);
        if column < far {
            self.area.move_cursor(CursorMove::Head);
        } else if len - column < far {
            self.area.move_cursor(CursorMove::End);
        }
        while self.cursor().1 != column {
            self.area.move_cursor(if self.cursor().1 < column {
                CursorMove::Forward
            } else {
                CursorMove::Back
            });
        }
    }

    /// Moves the cursor as part of moving up and down: the goal stays.
    pub fn goto_row(&mut self, line: usize, byte: usize) {
        let goal = self.goal;
        let column = self.lines().get(line).map_or(0, |text| text[..byte].chars().count());
        self.goto((line, column));
        self.goal = goal;
    }

    /// The place behind the last character.
    pub fn end(&self) -> Place {
        let last = self.lines().len() - 1;
        (last, self.lines()[last].chars().count())
    }

    /// What lies between two places, the first before the second.
    fn between(&self, start: Place, end: Place) -> String {
        let lines = &self.lines()[start.0..=end.0];
        let mut text = lines.join("\n");
        let behind = lines[lines.len() - 1].len() - byte_of(&lines[lines.len() - 1], end.1);
        text.truncate(text.len() - behind);
        text.split_off(byte_of(&lines[0], start.1))
    }

    /// Takes out what lies between two places, the first before the second; `None` if that is nothing.
    fn cut(&mut self, start: Place, end: Place) -> Option<String> {
        let text = self.between(start, end);
        if text.is_empty() {
            return None;
        }
        let run = self.run;
        self.goto(start);
        self.run = run;
        self.area.delete_str(text.chars().count());
        self.changed(false);
        Some(text)
    }

    /// The next edit is of this kind.
    fn settle(&mut self, run: Run) {
        (self.run, self.goal) = (run, None);
    }

    /// The editor made one change more; `joins` is whether it belongs to the step before.
    fn changed(&mut self, joins: bool) {
        self.revision += 1;
        self.undone.clear();
        match self.done.back_mut() {
            Some(step) if joins => *step += 1,
            _ => self.done.push_back(1),
        }
        let mut over = self.done.iter().sum::<usize>().saturating_sub(CHANGES_MAX);
        while let Some(oldest) = self.done.front_mut().filter(|_| over > 0) {
            let forgotten = over.min(*oldest);
            *oldest -= forgotten;
            over -= forgotten;
            if *oldest == 0 {
                self.done.pop_front();
            }
        }
    }
}

/// The byte of a character.
fn byte_of(line: &str, column: usize) -> usize {
    line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte)
}

/// Characters of the grapheme before a byte; 0 at the start.
fn before(line: &str, byte: usize) -> usize {
    line[..byte].graphemes(true).next_back().map_or(0, |grapheme| grapheme.chars().count())
}

/// Characters of the grapheme behind a byte; 0 at the end.
fn behind(line: &str, byte: usize) -> usize {
    line[byte..].graphemes(true).next().map_or(0, |grapheme| grapheme.chars().count())
}
