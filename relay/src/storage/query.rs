//! What people type to search, taken apart.
//!
//! Owns the grammar: words, `"phrases"`, `from:NAME`; and the numbers by which pages of what is found follow each other. It never fails: whatever is typed means something, if only nothing.
//!
//! Invariant: no character that is typed is read as a command of a database.

use std::fmt::Write as _;

use mechat_protocol::request::Query;
use mechat_protocol::{AccountName, UnixMillis};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Messages of one millisecond that have numbers of their own; more of them borrow from the next.
pub(super) const NUMBERS_PER_MS: u64 = 4_096;
/// Numbers begin in 2020, so that they stay below 2^53 until 2089.
const NUMBERS_SINCE: UnixMillis = UnixMillis(1_577_836_800_000);

/// The first number of the messages of a millisecond: newest first is their order.
pub(super) fn first_number(at: UnixMillis) -> u64 {
    u64::try_from(at.0.saturating_sub(NUMBERS_SINCE.0)).unwrap_or(0).saturating_mul(NUMBERS_PER_MS) + 1
}

/// What must hold of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// All of these stand in it.
    words: Vec<Term>,
    /// It was said by all of these, by folded name: more than one is nobody. A name that cannot be is empty.
    pub(super) from: Vec<String>,
}

/// A word, or several one behind the other.
#[derive(Debug, PartialEq, Eq)]
struct Term {
    text: String,
    /// The last of them may be only the beginning of what is said.
    prefix: bool,
}

impl Terms {
    pub(super) fn of(query: &Query) -> Self {
        let mut terms = Self::default();
        // Between quotation marks is every other part.
        for (index, part) in query.as_str().split('"').enumerate() {
            if index % 2 == 1 {
                terms.add(part);
                continue;
            }
            for word in part.split_whitespace() {
                match word.get(..5).filter(|head| head.eq_ignore_ascii_case("from:")) {
                    Some(_) if word.len() > 5 => terms.from.push(folded_name(&word[5..])),
                    _ => terms.add(word),
                }
            }
        }
        let ends_with_word = query.as_str().rsplit(|c: char| c.is_whitespace() || c == '"').next();
        if let (Some(word), Some(last)) = (ends_with_word, terms.words.last_mut())
            && last.text == word
        {
            // One letter begins too many words to be worth it.
            last.prefix = word.chars().count() > 1 || !word.is_ascii();
        }
        terms
    }

    fn add(&mut self, text: &str) {
        if text.chars().any(char::is_alphanumeric) {
            self.words.push(Term { text: text.to_owned(), prefix: false });
        }
    }

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.from.is_empty()
    }

    /// As an expression of SQLite's full-text index: each term in quotation marks, where only they could end it, and they were cut at.
    pub(super) fn expression(&self) -> Option<String> {
        let mut expression = String::new();
        for Term { text, prefix } in &self.words {
            let and = if expression.is_empty() { "" } else { " AND " };
            let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let star = if *prefix { " *" } else { "" };
            write!(expression, "{and}\"{text}\"{star}").ok()?;
        }
        (!expression.is_empty()).then_some(expression)
    }

    /// Whether a text has all the words.
    pub(super) fn fit(&self, text: &str) -> bool {
        let said = tokens(text);
        self.words.iter().all(|term| {
            let wanted = tokens(&term.text);
            let Some((last, rest)) = wanted.split_last() else { return false };
            said.windows(wanted.len()).any(|part| {
                let word = &part[rest.len()];
                part[..rest.len()] == *rest && (word == last || (term.prefix && word.starts_with(last)))
            })
        })
    }
}

fn folded_name(text: &str) -> String {
    AccountName::new(text).map(|name| name.key().folded).unwrap_or_default()
}

/// Words without case and accents.
fn tokens(text: &str) -> Vec<String> {
    let folded: String = text.nfd().filter(|c| !is_combining_mark(*c)).collect::<String>().to_lowercase();
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Terms {
        Terms::of(&Query::new(text.into()).expect("a query"))
    }

    #[test]
    fn a_query_is_words_phrases_and_senders() {
        let of = |text| (terms(text).expression().unwrap_or_default(), terms(text).from);
        let ann = || vec!["ann".to_owned()];
        assert_eq!(of("deploy gre"), ("\"deploy\" AND \"gre\" *".into(), vec![]));
        assert_eq!(of("deploy gre "), ("\"deploy\" AND \"gre\"".into(), vec![]), "the word is over");
        assert_eq!(of("\"all green\" now"), ("\"all green\" AND \"now\" *".into(), vec![]));
        assert_eq!(of("now \"all green"), ("\"now\" AND \"all green\"".into(), vec![]), "an open end");
        assert_eq!(of("from:Ann FROM:ann x"), ("\"x\"".into(), [ann(), ann()].concat()));
        assert_eq!(of("from: ann"), ("\"from:\" AND \"ann\" *".into(), vec![]));
        assert_eq!(of("from:a:b"), (String::new(), vec![String::new()]), "nobody's");
        assert_eq!(of("ann from:ann"), ("\"ann\"".into(), ann()), "what ends it is no word");
    }

    #[test]
    fn what_has_a_meaning_for_a_database_is_only_text() {
        for text in
            ["a* OR b", "NEAR(a b)", "text:a", "a - b", "(a", "^a", "a AND NOT b", "a\0b", "' OR 1=1 --"]
        {
            let expression = terms(text).expression().expect("words");
            let outside: String = expression.split('"').step_by(2).collect();
            assert!(
                ["AND", "*", ""].contains(&outside.replace(' ', "").replace("ANDAND", "AND").as_str())
                    || outside.split_whitespace().all(|part| part == "AND" || part == "*"),
                "{expression}"
            );
        }
        for nothing in ["-", "\"\"", "👍", "\" \" *"] {
            assert!(terms(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn words_fit_in_any_case_and_without_accents() {
        let fits = |query, text| terms(query).fit(text);
        assert!(fits("ETE ", "un été"), "case and accents");
        assert!(fits("deplo", "We deployed it") && !fits("deplo ", "We deployed it"));
        assert!(!fits("ploy", "We deployed it"), "a beginning, not a middle");
        assert!(fits("\"all green\"", "all-green!") && !fits("\"all green\"", "green all"));
        assert!(fits("green all", "all green"), "words in any order");
        assert!(!fits("d", "deployed") && fits("d", "plan d"), "one letter is a word");
    }
}
