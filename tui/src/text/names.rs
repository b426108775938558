//! Names that could be taken for another's.
//!
//! A relay refuses a name that looks like one it has; this is for relays that do not, and for names in which scripts are
//! mixed. Owns the memory of names that were seen. A mark is a sign beside the name, never a colour alone.

use std::collections::{BTreeSet, HashMap};

use mechat_protocol::AccountName;
use unicode_security::MixedScript as _;

/// The sign behind a name that could be taken for another.
pub const DOUBTFUL: &str = "≈";
/// Names that are remembered; beyond that they are learned anew.
const NAMES_MAX: usize = 4_096;

/// The names that were seen, by what they look like.
#[derive(Debug, Default)]
pub struct NameBook {
    skeletons: HashMap<AccountName, String>,
    alike: HashMap<String, BTreeSet<String>>,
}

impl NameBook {
    /// Remembers a name, and tells whether it is doubtful: mixed from scripts that do not belong together, or with the
    /// UTS #39 skeleton of another that was seen.
    pub fn is_doubtful(&mut self, name: &AccountName) -> bool {
        if !self.skeletons.contains_key(name) {
            self.learn(name);
        }
        let alike = self.skeletons.get(name).and_then(|skeleton| self.alike.get(skeleton));
        let mixed = !name.as_str().is_ascii() && !name.as_str().is_single_script();
        mixed || alike.is_some_and(|names| names.len() > 1)
    }

    fn learn(&mut self, name: &AccountName) {
        if self.skeletons.len() >= NAMES_MAX {
            self.skeletons.clear();
            self.alike.clear();
        }
        let key = name.key();
        self.alike.entry(key.skeleton.clone()).or_default().insert(key.folded);
        self.skeletons.insert(name.clone(), key.skeleton);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).expect(text)
    }

    #[test]
    fn lookalikes_are_marked_once_both_are_known() {
        let mut book = NameBook::default();
        assert!(!book.is_doubtful(&name("scope")));
        assert!(!book.is_doubtful(&name("SCOPE")), "the same name in another case");
        assert!(book.is_doubtful(&name("ѕсоре")), "all Cyrillic, and looks like the first");
        assert!(book.is_doubtful(&name("scope")), "which is which is the reader's to find out");
        assert!(!book.is_doubtful(&name("polina")));
    }

    #[test]
    fn mixed_scripts_are_marked_and_ordinary_names_are_not() {
        let mut book = NameBook::default();
        assert!(book.is_doubtful(&name("аdmin")), "begins with a Cyrillic letter");
        for ordinary in ["Полина", "太郎", "Zoë", "misha_2.0", "מיכל"] {
            assert!(!book.is_doubtful(&name(ordinary)), "{ordinary}");
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut book = NameBook::default();
        for number in 0..=NAMES_MAX {
            book.is_doubtful(&name(&format!("n{number}")));
        }
        assert_eq!(book.skeletons.len(), 1);
    }
}
