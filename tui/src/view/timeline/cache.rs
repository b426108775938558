//! Rows that were laid out, so that a redraw lays out only what is new or has changed.
//!
//! Invariants: a row comes from here only if everything it was made of is the same; at most `2 × LINES_MAX` lines and one row
//! are kept, those that were looked at longest ago go first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use mechat_protocol::{AccountName, ChannelId};
use ratatui::text::Line;

use crate::config::Time;
use crate::model::channel::RowKey;
use crate::text::Policy;
use crate::theme::Theme;

/// Lines of a generation.
const LINES_MAX: usize = 2_048;

/// A row as it is drawn, without what separates it from others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaidRow {
    /// Its lines; none for what changes another row.
    pub lines: Vec<Line<'static>>,
    /// Where pieces of them lead.
    pub links: Vec<RowLink>,
}

/// A piece of a line that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLink {
    /// The line in its row.
    pub line: usize,
    /// The first cell.
    pub column: usize,
    /// How many.
    pub cells: usize,
    /// Printable ASCII.
    pub target: Rc<str>,
}

/// What all rows depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    pub(super) width: usize,
    pub(super) bare: bool,
    pub(super) policy: Policy,
    pub(super) time: Time,
    pub(super) theme: Cow<'a, Theme>,
    pub(super) me: Option<Cow<'a, AccountName>>,
}

impl Setting<'_> {
    fn kept(&self) -> Setting<'static> {
        Setting {
            width: self.width,
            bare: self.bare,
            policy: self.policy,
            time: self.time,
            theme: Cow::Owned(Theme::clone(&self.theme)),
            me: self.me.as_ref().map(|me| Cow::Owned(AccountName::clone(me))),
        }
    }
}

type Generation = HashMap<(ChannelId, RowKey), (u64, Rc<LaidRow>)>;

/// The rows of two generations.
#[derive(Debug, Default)]
pub struct RowCache {
    setting: Option<Setting<'static>>,
    young: Generation,
    old: Generation,
    lines: usize,
    laid: u64,
}

impl RowCache {
    /// How many rows were laid out since the start.
    pub const fn laid(&self) -> u64 {
        self.laid
    }

    /// Lines that are kept.
    pub fn lines(&self) -> usize {
        self.young.values().chain(self.old.values()).map(|(_, row)| row.lines.len()).sum()
    }

    /// Another width or theme: nothing of before holds.
    pub(super) fn set(&mut self, setting: &Setting<'_>) {
        if self.setting.as_ref() != Some(setting) {
            (self.young, self.old, self.lines) = (Generation::new(), Generation::new(), 0);
            self.setting = Some(setting.kept());
        }
    }

    /// The row, if its state is the same.
    pub(super) fn get(&mut self, channel: ChannelId, key: RowKey, state: u64) -> Option<Rc<LaidRow>> {
        if let Some((of, row)) = self.young.get(&(channel, key)) {
            return (*of == state).then(|| Rc::clone(row));
        }
        let (of, row) = self.old.remove(&(channel, key))?;
        if of != state {
            return None;
        }
        self.keep(channel, key, state, &row);
        Some(row)
    }

    /// A row that was just laid out.
    pub(super) fn put(&mut self, channel: ChannelId, key: RowKey, state: u64, row: &Rc<LaidRow>) {
        self.laid += 1;
        self.keep(channel, key, state, row);
    }

    fn keep(&mut self, channel: ChannelId, key: RowKey, state: u64, row: &Rc<LaidRow>) {
        // A row without lines takes room too.
        let lines = row.lines.len().max(1);
        if self.lines + lines > LINES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.lines = 0;
        }
        self.lines += lines;
        self.young.insert((channel, key), (state, Rc::clone(row)));
    }
}
