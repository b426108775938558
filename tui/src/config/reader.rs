//! Values out of a TOML document, every mistake with its line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;
use crate::action;

/// A document being read, and what is wrong with it so far.
pub(super) struct Reader<'i> {
    text: &'i str,
    problems: Vec<Problem>,
}

/// A table of the document.
pub(super) type Table<'i> = DeTable<'i>;

impl<'i> Reader<'i> {
    pub(super) const fn new(text: &'i str) -> Self {
        Self { text, problems: Vec::new() }
    }

    /// What is wrong, by line.
    pub(super) fn problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.line);
        self.problems
    }

    pub(super) fn complain(&mut self, line: usize, text: String) {
        self.problems.push(Problem { line, text });
    }

    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1
    }

    /// The document, if it is one.
    pub(super) fn document(&mut self) -> Option<Table<'i>> {
        match DeTable::parse(self.text) {
            Ok(table) => Some(table.into_inner()),
            Err(error) => {
                let line = error.span().map_or(1, |span| self.line(span.start));
                self.complain(line, format!("this is no TOML: {}", error.message()));
                None
            }
        }
    }

    /// Complains of every other key.
    pub(super) fn only(&mut self, table: &Table<'i>, valid: &[&str], path: &str) {
        for (line, name) in self.keys(table) {
            if valid.contains(&name.as_str()) {
                continue;
            }
            let hint = match action::closest(&name, valid.iter().copied()) {
                Some(guess) => format!("did you mean `{guess}`?"),
                None => format!("valid are {}", valid.join(", ")),
            };
            self.complain(line, format!("unknown key `{path}{name}`; {hint}"));
        }
    }

    /// A table's keys with their lines.
    pub(super) fn keys(&self, table: &Table<'i>) -> Vec<(usize, String)> {
        table.keys().map(|key| (self.line(key.span().start), key.get_ref().to_string())).collect()
    }

    fn wrong(&mut self, key: &str, value: &Spanned<DeValue<'i>>, valid: &str) {
        let kind = value.get_ref().type_str();
        let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
        let line = self.line(value.span().start);
        self.complain(line, format!("{key} is {article} {kind}; valid {valid}"));
    }

    /// A table in a table.
    pub(super) fn table(&mut self, table: &Table<'i>, key: &str) -> Option<Table<'i>> {
        let value = table.get(key)?;
        if let Some(found) = value.get_ref().as_table() {
            return Some(found.clone());
        }
        self.wrong(key, value, &format!("is a table, [{key}]"));
        None
    }

    pub(super) fn boolean(&mut self, table: &Table<'i>, key: &str) -> Option<bool> {
        let value = table.get(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong(key, value, "are true and false");
        }
        found
    }

    /// A text with its line.
    pub(super) fn text(&mut self, table: &Table<'i>, key: &str) -> Option<(usize, String)> {
        let value = table.get(key)?;
        let found = value.get_ref().as_str().map(|text| (self.line(value.span().start), text.to_owned()));
        if found.is_none() {
            self.wrong(key, value, "is a string");
        }
        found
    }

    /// One text or several, with their lines.
    pub(super) fn texts(&mut self, table: &Table<'i>, key: &str) -> Option<Vec<(usize, String)>> {
        let value = table.get(key)?;
        let one = |value: &Spanned<DeValue<'i>>| {
            value.get_ref().as_str().map(|text| (self.line(value.span().start), text.to_owned()))
        };
        let found = match value.get_ref().as_array() {
            Some(array) => array.iter().map(one).collect(),
            None => one(value).map(|text| vec![text]),
        };
        if found.is_none() {
            self.wrong(key, value, "is a string, or a list of strings");
        }
        found
    }

    /// One of some words: its place among them.
    pub(super) fn word(&mut self, table: &Table<'i>, key: &str, valid: &[&str]) -> Option<usize> {
        let (line, text) = self.text(table, key)?;
        let found = valid.iter().position(|word| *word == text);
        if found.is_none() {
            let guess = action::closest(&text, valid.iter().copied());
            let all = || valid.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            let hint = guess
                .map_or_else(|| format!("valid are {}", all()), |guess| format!("did you mean \"{guess}\"?"));
            self.complain(line, format!("{key} is \"{text}\"; {hint}"));
        }
        found
    }
}
