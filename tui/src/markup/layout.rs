//! Markup laid out to a width.
//!
//! Invariants: no line is wider than asked, unless a single grapheme is; what a spoiler covers is not in the result.

use std::rc::Rc;

use unicode_segmentation::UnicodeSegmentation;

use super::{Look, Markup, MarkupLine};
use crate::text;

/// The line beside quoted words.
const QUOTE_BAR: &str = "│ ";
/// The space before lines of code.
const CODE_INDENT: &str = "  ";
/// What stands for each cell of a covered spoiler.
const COVER: &str = "░";

/// One line on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Laid {
    /// Its pieces from left to right.
    pub pieces: Vec<Piece>,
}

/// A piece of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What is shown.
    pub text: String,
    /// What it is.
    pub look: Look,
    /// Where it leads.
    pub link: Option<Rc<str>>,
    /// Whether it is the line beside a quote.
    pub bar: bool,
}

impl Laid {
    /// What is shown, without styles.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// As many graphemes of a cover as the text has cells; spaces stay, so that it wraps as the text does.
pub fn covered(text: &str) -> String {
    let cover = |grapheme: &str| match grapheme {
        " " => " ".to_owned(),
        other => COVER.repeat(text::grapheme_width(other)),
    };
    text.graphemes(true).map(cover).collect()
}

impl Markup {
    /// Lines of at most `width` cells. Spoilers stay covered unless they are revealed; bare lines have no indents of ours.
    pub fn layout(&self, width: usize, revealed: bool, bare: bool) -> Vec<Laid> {
        let mut laid = Vec::new();
        for line in &self.lines {
            let line = if revealed { None } else { cover_spoilers(line) }
                .unwrap_or(std::borrow::Cow::Borrowed(line));
            self.lay_line(&line, width, bare, &mut laid);
        }
        laid
    }

    fn lay_line(&self, line: &MarkupLine, width: usize, bare: bool, laid: &mut Vec<Laid>) {
        let bar_text = if bare { "> " } else { QUOTE_BAR };
        let bar = text::width(bar_text);
        // Quotes in quotes never leave less than half the room.
        let quotes = line.quotes.min(width / 2 / bar);
        let indent = if line.code && width > 8 && !bare { CODE_INDENT } else { "" };
        let room = width.saturating_sub(quotes * bar + indent.len()).max(1);
        let hang = if bare || line.hang * 2 > room { 0 } else { line.hang };
        for (number, range) in text::wrap_ranges(&line.text, room, room - hang).into_iter().enumerate() {
            let mut pieces = Vec::with_capacity(line.runs.len() + 2);
            if quotes > 0 {
                let text = bar_text.repeat(quotes);
                pieces.push(Piece { text, look: Look::default(), link: None, bar: true });
            }
            let space = if number == 0 { String::new() } else { " ".repeat(hang) };
            let space = format!("{indent}{space}");
            if !space.is_empty() {
                pieces.push(Piece { text: space, look: Look::default(), link: None, bar: false });
            }
            let mut from = 0;
            for (to, look) in &line.runs {
                let (start, end) = (from.max(range.start), (*to).min(range.end));
                from = *to;
                if start < end {
                    let link = look.link.and_then(|link| self.links.get(usize::from(link)).cloned());
                    let text = line.text[start..end].to_owned();
                    pieces.push(Piece { text, look: *look, link, bar: false });
                }
            }
            laid.push(Laid { pieces });
        }
    }
}

/// The line with its spoilers covered and their links gone; `None` if it has none.
fn cover_spoilers(line: &MarkupLine) -> Option<std::borrow::Cow<'_, MarkupLine>> {
    if !line.runs.iter().any(|(_, look)| look.spoiler) {
        return None;
    }
    let mut shown = MarkupLine { text: String::new(), runs: Vec::new(), ..*line };
    let mut from = 0;
    for (to, look) in &line.runs {
        let piece = &line.text[from..*to];
        from = *to;
        if look.spoiler {
            shown.text.push_str(&covered(piece));
            shown.runs.push((shown.text.len(), Look { spoiler: true, ..Look::default() }));
        } else {
            shown.text.push_str(piece);
            shown.runs.push((shown.text.len(), *look));
        }
    }
    Some(std::borrow::Cow::Owned(shown))
}
