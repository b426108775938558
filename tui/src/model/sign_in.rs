//! The forms: register and log in.
//!
//! Invariants: a secret line's characters never show in `Debug`, and are wiped when it goes.

use std::fmt;

use secrecy::SecretString;
use unicode_segmentation::UnicodeSegmentation;
use zeroize::Zeroize;

/// Bytes of one line at most; a secret line never grows beyond its first allocation, which would leave a copy behind.
pub const LINE_LEN_MAX: usize = 1_024;

/// One line that is edited.
#[derive(Clone, Default)]
pub struct LineEdit {
    text: String,
    cursor: usize,
    secret: bool,
}

impl LineEdit {
    /// A line with a text in it.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), cursor: text.len(), secret: false }
    }

    /// A line that nobody may see.
    pub fn secret() -> Self {
        Self { text: String::with_capacity(LINE_LEN_MAX), cursor: 0, secret: true }
    }

    /// The text; shown only where it is no secret.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as something that may be handed on.
    pub fn to_secret(&self) -> SecretString {
        SecretString::from(self.text.as_str())
    }

    /// Whether it is a secret.
    pub const fn is_secret(&self) -> bool {
        self.secret
    }

    /// Byte offset of the cursor, between graphemes.
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Removes and wipes the text.
    pub fn clear(&mut self) {
        self.text.zeroize();
        self.cursor = 0;
    }

    /// Inserts what fits; line breaks and control characters are left out.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text.len() + c.len_utf8() > LINE_LEN_MAX {
                return;
            }
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
    }

    /// Removes the grapheme before the cursor.
    pub fn backspace(&mut self) {
        let before = self.before();
        self.text.replace_range(before..self.cursor, "");
        self.cursor = before;
    }

    /// Removes the grapheme behind the cursor.
    pub fn delete(&mut self) {
        let behind = self.behind();
        self.text.replace_range(self.cursor..behind, "");
    }

    /// One grapheme to the left.
    pub fn left(&mut self) {
        self.cursor = self.before();
    }

    /// One grapheme to the right.
    pub fn right(&mut self) {
        self.cursor = self.behind();
    }

    /// To the start.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// To the end.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn behind(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }
}

impl Drop for LineEdit {
    fn drop(&mut self) {
        if self.secret {
            self.text.zeroize();
        }
    }
}

impl fmt::Debug for LineEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret { f.write_str("LineEdit(<secret>)") } else { write!(f, "LineEdit({:?})", self.text) }
    }
}

/// Which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormKind {
    /// A new account.
    Register,
    /// An account that exists.
    Login,
}

/// A place in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The account's name.
    Name,
    /// The password.
    Password,
    /// The password again.
    Repeat,
    /// "Log in instead", once a name turned out to be taken.
    LogInInstead,
}

/// A form.
#[derive(Debug)]
pub struct Form {
    /// Which.
    pub kind: FormKind,
    /// The account's name.
    pub name: LineEdit,
    /// The password.
    pub password: LineEdit,
    /// The password again, when registering.
    pub repeat: LineEdit,
    /// Where the cursor is.
    pub focus: Field,
    /// What is wrong, and where.
    pub error: Option<(Field, String)>,
    /// Whether the name turned out to be taken.
    pub taken: bool,
    /// Whether the relay is being asked.
    pub busy: bool,
}

impl Form {
    /// An empty form, or with the name filled in and the cursor behind it.
    pub fn new(kind: FormKind, name: &str) -> Self {
        Self {
            kind,
            name: LineEdit::new(name),
            password: LineEdit::secret(),
            repeat: LineEdit::secret(),
            focus: if name.is_empty() { Field::Name } else { Field::Password },
            error: None,
            taken: false,
            busy: false,
        }
    }

    /// The places one can go to, in order.
    pub fn fields(&self) -> &'static [Field] {
        match (self.kind, self.taken) {
            (FormKind::Login, _) => &[Field::Name, Field::Password],
            (FormKind::Register, false) => &[Field::Name, Field::Password, Field::Repeat],
            (FormKind::Register, true) => &[Field::Name, Field::LogInInstead, Field::Password, Field::Repeat],
        }
    }

    /// The line under the cursor.
    pub fn line(&mut self) -> Option<&mut LineEdit> {
        match self.focus {
            Field::Name => Some(&mut self.name),
            Field::Password => Some(&mut self.password),
            Field::Repeat => Some(&mut self.repeat),
            Field::LogInInstead => None,
        }
    }

    /// Goes `by` places on, round the end.
    pub fn step(&mut self, by: isize) {
        let fields = self.fields();
        let at = fields.iter().position(|field| *field == self.focus).unwrap_or(0);
        let next = at.cast_signed() + by;
        self.focus = fields[next.rem_euclid(fields.len().cast_signed()).cast_unsigned()];
    }

    /// Says what is wrong, and goes there.
    pub fn refuse(&mut self, field: Field, text: impl Into<String>) {
        self.error = Some((field, text.into()));
        self.focus = field;
        self.busy = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_by_graphemes() {
        let mut line = LineEdit::new("a👨‍👩‍👧b");
        line.left();
        line.backspace();
        assert_eq!(line.text(), "ab");
        line.insert("x\ny\u{1b}");
        assert_eq!(line.text(), "axyb");
        line.home();
        line.delete();
        assert_eq!((line.text(), line.cursor()), ("xyb", 0));
    }

    #[test]
    fn a_secret_line_never_grows_and_never_shows() {
        let mut line = LineEdit::secret();
        let capacity = line.text.capacity();
        line.insert(&"canary".repeat(1_000));
        assert!(line.text().len() <= LINE_LEN_MAX);
        assert_eq!(line.text.capacity(), capacity);
        assert!(!format!("{line:?}").contains("canary"));
        line.clear();
        assert_eq!(line.text(), "");
        assert_eq!(line.text.capacity(), capacity);
    }
}
