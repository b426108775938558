//! What a rule says when it is broken.
//!
//! Owns the words: where, which rule, what is wrong, what is valid, a hint.

use std::fmt;

/// A rule, as it is explained.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) valid: &'static str,
    pub(crate) hint: &'static str,
}

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) rule: &'static Rule,
    pub(crate) fault: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, rule, fault } = self;
        write!(f, "{file}:{line}: {}: {fault}\n    valid: {}\n    hint: {}", rule.name, rule.valid, rule.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_what_what_else_and_how() {
        static RULE: Rule = Rule { name: "rule", valid: "this", hint: "do that" };
        let finding = Finding { file: "a/b.rs".to_owned(), line: 7, rule: &RULE, fault: "wrong".to_owned() };
        assert_eq!(finding.to_string(), "a/b.rs:7: rule: wrong\n    valid: this\n    hint: do that");
    }
}
