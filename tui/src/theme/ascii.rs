//! The screen without anything but ASCII: frames, bullets and marks become the nearest character of one cell.
//!
//! Works on the finished picture, so that no view has two ways to draw.

use ratatui::buffer::Buffer;

/// How far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ascii {
    /// Everything is drawn as it is.
    #[default]
    Off,
    /// Our own frames and marks are ASCII; what people write stays.
    Ornaments,
    /// The locale knows nothing else: what people write is shown as far as it is ASCII.
    All,
}

/// What is drawn instead. One cell for one cell.
const ORNAMENTS: &[(&str, &str)] = &[
    ("│", "|"),
    ("┃", "|"),
    ("▌", "|"),
    ("▎", "|"),
    ("▏", "|"),
    ("█", "#"),
    ("─", "-"),
    ("━", "-"),
    ("╌", "-"),
    ("╭", "+"),
    ("╮", "+"),
    ("╰", "+"),
    ("╯", "+"),
    ("┌", "+"),
    ("┐", "+"),
    ("└", "+"),
    ("┘", "+"),
    ("├", "+"),
    ("┤", "+"),
    ("┬", "+"),
    ("┴", "+"),
    ("┼", "+"),
    ("▸", ">"),
    ("▶", ">"),
    ("›", ">"),
    ("‹", "<"),
    ("●", "*"),
    ("○", "o"),
    ("◌", "~"),
    ("•", "*"),
    ("·", "-"),
    ("✗", "x"),
    ("✓", "+"),
    ("…", "~"),
    ("↑", "^"),
    ("↓", "v"),
    ("←", "<"),
    ("→", ">"),
    ("↳", ">"),
    ("╱", "/"),
    ("×", "x"),
    ("—", "-"),
    ("–", "-"),
];

impl Ascii {
    /// Changes the picture.
    pub fn apply(self, buffer: &mut Buffer) {
        if self == Self::Off {
            return;
        }
        for cell in &mut buffer.content {
            if cell.symbol().is_ascii() {
                continue;
            }
            match ORNAMENTS.iter().find(|(own, _)| *own == cell.symbol()) {
                Some((_, plain)) => drop(cell.set_symbol(plain)),
                None if self == Self::All => drop(cell.set_symbol("?")),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn shown(ascii: Ascii, text: &str) -> String {
        let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, text, Style::new());
        ascii.apply(&mut buffer);
        buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
    }

    #[test]
    fn ornaments_go_and_words_stay_as_far_as_they_can() {
        assert_eq!(shown(Ascii::Off, "│●é日"), "│●é日");
        assert_eq!(shown(Ascii::Ornaments, "│●é日").replace(' ', ""), "|*é日");
        assert_eq!(shown(Ascii::All, "│●é日").replace(' ', ""), "|*??");
    }

    #[test]
    fn an_ornament_takes_one_cell_before_and_behind() {
        for (own, plain) in ORNAMENTS {
            assert_eq!((crate::text::width(own), crate::text::width(plain)), (1, 1), "{own} {plain}");
        }
    }
}
