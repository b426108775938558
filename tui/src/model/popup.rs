//! What may be meant by the word at the cursor, as a list beside it.
//!
//! Invariants: nothing is selected until somebody selects; the list belongs to one state of the text and to no other.

use std::ops::Range;

/// Something that may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The bytes of the cursor's line that it replaces.
    pub range: Range<usize>,
    /// What stands there then; not yet harmless.
    pub text: String,
    /// How it is shown; harmless.
    pub label: String,
    /// What it is; harmless.
    pub detail: String,
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Popup {
    items: Vec<Completion>,
    selected: Option<usize>,
    /// The text's revision for which it was made.
    revision: u64,
}

impl Popup {
    /// A list for a revision of the text; none if there is nothing to choose.
    pub fn new(items: Vec<Completion>, revision: u64) -> Option<Self> {
        (!items.is_empty()).then_some(Self { items, selected: None, revision })
    }

    /// The best first.
    pub fn items(&self) -> &[Completion] {
        &self.items
    }

    /// The selected row.
    pub const fn selected(&self) -> Option<usize> {
        self.selected
    }

    /// The text's revision for which it was made.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What is selected.
    pub fn chosen(&self) -> Option<&Completion> {
        self.items.get(self.selected?)
    }

    /// Selects the next row, round the end.
    pub fn next(&mut self) {
        self.selected = Some(self.selected.map_or(0, |row| (row + 1) % self.items.len()));
    }

    /// Selects the row before, round the beginning.
    pub fn previous(&mut self) {
        let last = self.items.len() - 1;
        self.selected = Some(self.selected.map_or(last, |row| row.checked_sub(1).unwrap_or(last)));
    }
}
