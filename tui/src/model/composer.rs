//! What is being written.
//!
//! Owns the text and the cursor, by way of the editor crate; the drawing is ours ([`crate::view::composer`]), so that pasted
//! control characters are as harmless here as in messages.

use ratatui_textarea::{CursorMove, TextArea};

/// The text under the cursor.
#[derive(Debug, Default)]
pub struct Composer {
    area: TextArea<'static>,
}

impl Composer {
    /// A text, the cursor behind it.
    pub fn with_text(text: &str) -> Self {
        let mut area = TextArea::from(text.split('\n'));
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        Self { area }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Its lines.
    pub fn lines(&self) -> &[String] {
        self.area.lines()
    }

    /// Line and character, from 0.
    pub fn cursor(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Inserts a text as it is, line breaks of any system becoming `\n`.
    pub fn insert(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.area.insert_str(text);
    }

    /// The editor behind it, for keys.
    pub fn editor(&mut self) -> &mut TextArea<'static> {
        &mut self.area
    }
}
