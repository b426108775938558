//! What fits a few letters, and how well. Order and case of the letters' own text do not matter beyond that they stand in order.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// How well a text fits, and which of its characters were meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fit {
    /// More is better.
    pub score: u32,
    /// Characters by their place, ascending.
    pub marks: Vec<u32>,
}

/// Letters that are looked for in many texts.
#[derive(Debug)]
pub struct Search {
    matcher: Matcher,
    pattern: Pattern,
    buffer: Vec<char>,
}

impl Search {
    /// Several words all have to fit.
    pub fn new(letters: &str) -> Self {
        Self {
            matcher: Matcher::new(Config::DEFAULT),
            pattern: Pattern::new(
                letters,
                CaseMatching::Ignore,
                Normalization::Smart,
                nucleo_matcher::pattern::AtomKind::Fuzzy,
            ),
            buffer: Vec::new(),
        }
    }

    /// How a text fits, if it does.
    pub fn fit(&mut self, text: &str) -> Option<Fit> {
        let mut marks = Vec::new();
        let haystack = Utf32Str::new(text, &mut self.buffer);
        let score = self.pattern.indices(haystack, &mut self.matcher, &mut marks)?;
        marks.sort_unstable();
        marks.dedup();
        Some(Fit { score, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_fit_in_order_whatever_their_case() {
        let mut search = Search::new("RD");
        assert_eq!(search.fit("random").map(|fit| fit.marks), Some(vec![0, 3]));
        assert_eq!(search.fit("draw"), None);
        assert!(Search::new("ник").fit("НИКОЛАЙ").is_some());
        assert!(Search::new("next unread").fit("next channel with something unread").is_some());
        assert!(Search::new("").fit("anything").is_some_and(|fit| fit.marks.is_empty()));
    }

    #[test]
    fn a_beginning_is_better_than_scattered_letters() {
        let mut search = Search::new("ran");
        let (whole, scattered) =
            (search.fit("random").expect("fits"), search.fit("frequent aliens").expect("fits"));
        assert!(whole.score > scattered.score);
    }
}
