//! The kill ring: what was cut, to be put elsewhere.
//!
//! Invariants: at most `KILLS_MAX` pieces of together at most `BYTES_MAX` bytes, the oldest go first; the newest always stays.

use std::collections::VecDeque;

/// Pieces that are kept.
const KILLS_MAX: usize = 32;
/// Bytes that they may have together.
const BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// On which side of what was just cut a piece stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Before it.
    Before,
    /// Behind it.
    Behind,
}

/// What was cut, newest first.
#[derive(Debug, Default)]
pub struct Kills {
    ring: VecDeque<String>,
}

impl Kills {
    /// Takes a piece of its own.
    pub(super) fn push(&mut self, text: String) {
        self.ring.push_front(text);
        while self.ring.len() > 1 && (self.ring.len() > KILLS_MAX || self.bytes() > BYTES_MAX) {
            self.ring.pop_back();
        }
    }

    /// Takes a piece that was cut right after the newest.
    pub(super) fn join(&mut self, text: String, side: Side) {
        match (self.ring.pop_front(), side) {
            (Some(newest), Side::Before) => self.push(text + &newest),
            (Some(newest), Side::Behind) => self.push(newest + &text),
            (None, _) => self.push(text),
        }
    }

    /// The newest.
    pub fn newest(&self) -> Option<&str> {
        self.ring.front().map(String::as_str)
    }

    /// Turns the ring: the newest becomes the oldest.
    pub(super) fn rotate(&mut self) {
        self.ring.rotate_left(usize::from(!self.ring.is_empty()));
    }

    fn bytes(&self) -> usize {
        self.ring.iter().map(String::len).sum()
    }
}
