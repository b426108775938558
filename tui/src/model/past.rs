//! What was sent from a composer, to be had again.
//!
//! Invariants: the oldest go beyond `SAID_MAX` texts or `BYTES_MAX` bytes; what was being written when one went back is given
//! back at the end, as it was left.

use std::collections::VecDeque;

use super::Composer;

/// Texts that are kept for a channel.
const SAID_MAX: usize = 200;
/// Bytes that they may have together.
const BYTES_MAX: usize = 256 * 1_024;

/// Texts that were sent, and where one stands among them.
#[derive(Debug, Default)]
pub struct Past {
    /// Oldest first.
    said: VecDeque<String>,
    /// How many texts back one is, and what was being written before.
    back: Option<(usize, Composer)>,
}

impl Past {
    /// A text was sent.
    pub fn push(&mut self, text: &str) {
        self.back = None;
        if text.is_empty() || self.said.back().is_some_and(|newest| newest == text) {
            return;
        }
        self.said.push_back(text.to_owned());
        while self.said.len() > SAID_MAX || self.said.iter().map(String::len).sum::<usize>() > BYTES_MAX {
            self.said.pop_front();
        }
    }

    /// The text before the one shown. What is being written is put aside at the first step.
    pub fn older(&mut self, composer: &mut Composer) -> bool {
        let steps = self.back.as_ref().map_or(0, |(steps, _)| *steps) + 1;
        let Some(at) = self.said.len().checked_sub(steps) else { return false };
        let shown = std::mem::replace(composer, Composer::with_text(&self.said[at]));
        match &mut self.back {
            Some((back, _)) => *back = steps,
            None => self.back = Some((steps, shown)),
        }
        true
    }

    /// The text behind the one shown; at the end, what was being written.
    pub fn newer(&mut self, composer: &mut Composer) -> bool {
        match self.back.take() {
            None => return false,
            Some((1, kept)) => *composer = kept,
            Some((steps, kept)) => {
                *composer = Composer::with_text(&self.said[self.said.len() + 1 - steps]);
                self.back = Some((steps - 1, kept));
            }
        }
        true
    }

    /// What was put aside when one went back.
    pub fn kept(&self) -> Option<&Composer> {
        self.back.as_ref().map(|(_, kept)| kept)
    }

    /// Ends going back: what is shown is what is being written. Yields what was put aside.
    pub fn settle(&mut self) -> Option<Composer> {
        self.back.take().map(|(_, kept)| kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_back_and_gives_the_draft_back() {
        let (mut past, mut composer) = (Past::default(), Composer::with_text("half"));
        assert!(!past.older(&mut composer) && !past.newer(&mut composer));
        for text in ["one", "two", "two"] {
            past.push(text);
        }
        let mut seen = Vec::new();
        for older in [true, true, true, false, false, false] {
            let moved = if older { past.older(&mut composer) } else { past.newer(&mut composer) };
            seen.push((moved, composer.text()));
        }
        let wanted =
            [(true, "two"), (true, "one"), (false, "one"), (true, "two"), (true, "half"), (false, "half")];
        assert_eq!(seen, wanted.map(|(moved, text)| (moved, text.to_owned())));
    }

    #[test]
    fn is_bounded_in_texts_and_bytes() {
        let mut past = Past::default();
        (0..2 * SAID_MAX).for_each(|n| past.push(&n.to_string()));
        assert_eq!(past.said.len(), SAID_MAX);
        past.push(&"x".repeat(BYTES_MAX));
        assert_eq!(past.said.len(), 1, "the newest stays where it fits");
    }
}
