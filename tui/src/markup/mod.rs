//! The markup of messages: what people type as Markdown, as styled lines.
//!
//! Owns the reading of emphasis, code, lists, quotes, links, spoilers and mentions, and laying them out to a width. It knows
//! no colours: a [`Look`] says what a piece is, the theme says how that looks.
//!
//! A message is chat first and Markdown second: its lines are its author's lines. The parser only tells which characters are
//! marks (they are hidden) and which style the others have, so that nothing else can happen to a text.
//!
//! Invariants: text that is in a message is in its markup, in the same order; all of it passed [`crate::text`]; a link's target
//! is ASCII without spaces or control characters, of a scheme in [`find::SCHEMES`].

mod blocks;
mod code;
pub mod find;
mod inline;
pub mod layout;

use std::rc::Rc;

use mechat_protocol::AccountName;

pub use layout::{Laid, Piece};

use crate::text;

/// What a piece of a message is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "styles that combine freely")]
pub struct Look {
    /// A mark of the markup: not shown.
    pub hidden: bool,
    /// `**strong**`.
    pub strong: bool,
    /// `*emphasis*`.
    pub emphasis: bool,
    /// `~~struck out~~`.
    pub strike: bool,
    /// Code, in a line or in lines of its own.
    pub code: bool,
    /// `||hidden until asked for||`.
    pub spoiler: bool,
    /// What is there but not the message: labels, remarks, a link's address behind its words.
    pub quiet: bool,
    /// The number of its target in [`Markup::links`].
    pub link: Option<u16>,
    /// Somebody or some channel is named.
    pub mention: Option<Mention>,
    /// What it is in a programming language.
    pub token: Option<Token>,
}

/// What is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mention {
    /// Who reads it.
    Me,
    /// Somebody else.
    Person,
    /// A channel.
    Channel,
}

/// What a piece of code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A word of the language.
    Keyword,
    /// A text.
    Text,
    /// A number.
    Number,
    /// A remark.
    Comment,
}

/// A message ready to be laid out to any width.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup {
    /// Its lines, as its author broke them.
    pub lines: Vec<MarkupLine>,
    /// Where its links lead.
    pub links: Vec<Rc<str>>,
}

/// One line of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkupLine {
    /// What is shown. Harmless.
    pub text: String,
    /// Which part is what: each look reaches up to its place in the text; the last one reaches the end.
    pub runs: Vec<(usize, Look)>,
    /// How many quotes it stands in.
    pub quotes: usize,
    /// Whether it is a line of a code block.
    pub code: bool,
    /// Cells by which its further pieces are indented when it is wrapped.
    pub hang: usize,
}

impl Markup {
    /// Reads a message; `me` is named strongly.
    pub fn parse(message: &str, me: Option<&AccountName>) -> Self {
        let lines = text::lines(message);
        if !lines.iter().any(|line| may_be_marked(line)) {
            return Self { lines: lines.into_iter().map(MarkupLine::plain).collect(), links: Vec::new() };
        }
        let whole = lines.join("\n");
        let marked = blocks::read(&whole, me);
        let shown = |line: &MarkupLine| !line.text.trim().is_empty();
        if marked.lines.iter().any(shown) || !lines.iter().any(|line| !line.trim().is_empty()) {
            marked
        } else {
            // Nothing but marks: then they are the message.
            Self { lines: lines.into_iter().map(MarkupLine::plain).collect(), links: Vec::new() }
        }
    }

    /// Adds a remark behind the last line.
    pub fn remark(&mut self, remark: &str) {
        if self.lines.last().is_none_or(|line| line.code) {
            self.lines.push(MarkupLine::default());
        }
        let Some(line) = self.lines.last_mut() else { return };
        if !line.text.is_empty() {
            line.text.push(' ');
        }
        line.text.push_str(&text::harmless(remark));
        line.runs.push((line.text.len(), Look { quiet: true, ..Look::default() }));
    }

    /// All its words in one line, without styles: for quoting. What is hidden stays hidden.
    pub fn in_one_line(&self) -> String {
        let mut words = String::new();
        for line in self.lines.iter().filter(|line| !line.text.trim().is_empty()) {
            if !words.is_empty() {
                words.push(' ');
            }
            let mut from = 0;
            for (to, look) in &line.runs {
                let piece = &line.text[from..*to];
                words.push_str(&if look.spoiler { layout::covered(piece) } else { piece.to_owned() });
                from = *to;
            }
        }
        words
    }
}

impl MarkupLine {
    /// A harmless line as it is.
    fn plain(line: std::borrow::Cow<'_, str>) -> Self {
        let text = line.into_owned();
        let hang = indent(&text);
        Self { runs: vec![(text.len(), Look::default())], text, hang, ..Self::default() }
    }
}

/// Cells before the first word.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A quick look that may say yes to plain text, never no to marked text.
fn may_be_marked(line: &str) -> bool {
    let marks =
        |byte| matches!(byte, b'*' | b'_' | b'~' | b'`' | b'|' | b'[' | b'>' | b'#' | b'@' | b'\\' | b':');
    let start = line.trim_start().as_bytes().first();
    line.bytes().any(marks) || start.is_some_and(|byte| matches!(byte, b'-' | b'+' | b'0'..=b'9'))
}

#[cfg(test)]
mod tests;
