//! How messages are read: what is revealed, what is chosen, whether the panes are out of the way.
//!
//! Owns also what was laid out already, and the names that were seen. Both are memories of pure functions: forgetting them
//! changes no picture.

use std::cell::RefCell;
use std::collections::BTreeSet;

use mechat_protocol::{ChannelId, Emoji, Seq};

use super::channel::RowKey;
use crate::text::names::NameBook;
use crate::view::timeline::RowCache;

/// How messages are read.
#[derive(Debug, Default)]
pub struct Reading {
    /// Only messages and composer, without panes, borders and indents: for copying with the mouse.
    pub bare: bool,
    /// The message that is chosen in the channel in view.
    pub chosen: Option<RowKey>,
    /// The chosen message is deleted when that is asked for once more.
    pub delete_asked: bool,
    /// What one reacted with, the last one first.
    pub emoji: Vec<Emoji>,
    /// Messages whose spoilers are shown.
    pub revealed: BTreeSet<(ChannelId, Seq)>,
    /// Rows that were laid out.
    pub rows: RefCell<RowCache>,
    /// Names that were seen.
    pub names: RefCell<NameBook>,
}

impl Reading {
    /// Forgets what belongs to an account.
    pub fn forget(&mut self) {
        *self = Self { bare: self.bare, ..Self::default() };
    }
}
