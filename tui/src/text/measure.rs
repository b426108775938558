//! How many cells text takes, and cutting it to fit.
//!
//! Invariants: no piece that [`wrap`] returns is wider than its room, unless one grapheme alone is; what [`clip`] and [`fit`]
//! return is never wider than asked.

use std::borrow::Cow;
use std::ops::Range;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::Policy;

/// Cells that `text` takes. Must be harmless.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(grapheme_width).sum() }
}

/// Cells of one grapheme by the policy in force; otherwise as the drawing library counts them.
pub fn grapheme_width(grapheme: &str) -> usize {
    match grapheme.as_bytes() {
        [] => 0,
        [byte] => usize::from(!byte.is_ascii_control()),
        _ if Policy::in_force().ambiguous_wide && !is_rule(grapheme) => grapheme.width_cjk(),
        _ => usize::from(grapheme.cell_width()),
    }
}

/// Whether it is a piece of a line between panes. Those are drawn in ASCII where they would be wide.
pub fn is_rule(grapheme: &str) -> bool {
    let mut chars = grapheme.chars();
    matches!((chars.next(), chars.next()), (Some('\u{2500}'..='\u{257f}'), None))
}

/// Breaks a harmless line into pieces: the first of at most `first` cells, the others of at most `rest`.
///
/// Breaks at spaces (which vanish at a break) and beside wide characters; a word that is too long is broken between graphemes,
/// on a line of its own if the first one is shorter than the rest.
pub fn wrap(line: &str, first: usize, rest: usize) -> Vec<&str> {
    wrap_ranges(line, first, rest).into_iter().map(|range| &line[range]).collect()
}

/// The same, as places in the line.
pub fn wrap_ranges(line: &str, first: usize, rest: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut used, mut room) = (0, 0, first);
    // Where the piece may end, where the next would begin, and the cells up to there.
    let mut chance: Option<(usize, usize, usize)> = None;
    for (at, grapheme) in line.grapheme_indices(true) {
        let cells = grapheme_width(grapheme);
        let mut swallowed = false;
        while used + cells > room && (at > start || (pieces.is_empty() && first < rest)) {
            if grapheme == " " {
                pieces.push(start..at);
                (start, used, swallowed) = (at + 1, 0, true);
            } else if let Some((end, next, cells_before)) = chance {
                pieces.push(start..end);
                (start, used) = (next, used - cells_before);
            } else if pieces.is_empty() && first < rest {
                pieces.push(0..0);
            } else {
                pieces.push(start..at);
                (start, used) = (at, 0);
            }
            (room, chance) = (rest, None);
            if swallowed {
                break;
            }
        }
        if swallowed {
            continue;
        }
        used += cells;
        if grapheme == " " {
            chance = Some((at, at + 1, used));
        } else if cells == 2 {
            chance = Some((at + grapheme.len(), at + grapheme.len(), used));
        }
    }
    pieces.push(start..line.len());
    pieces
}

/// The beginning of a harmless text in at most `cells`, with `…` where something was cut.
pub fn clip(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let dots = grapheme_width("…");
    let mut used = 0;
    let mut cut = String::new();
    for grapheme in text.graphemes(true) {
        used += grapheme_width(grapheme);
        if used + dots > cells {
            break;
        }
        cut.push_str(grapheme);
    }
    if cells >= dots {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// Exactly `cells` of text: clipped, or filled with spaces.
pub fn fit(text: &str, cells: usize) -> String {
    let mut fitted = clip(text, cells).into_owned();
    let used = width(&fitted);
    fitted.extend(std::iter::repeat_n(' ', cells.saturating_sub(used)));
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_cells_of_what_people_write() {
        for (text, cells) in [
            ("", 0),
            ("plain", 5),
            ("日本語", 6),
            ("e\u{301}le\u{300}ve", 5),
            ("👨‍👩‍👧‍👦", 2),
            ("🇩🇪", 2),
            ("👍🏽", 2),
            ("❤\u{fe0f}", 2),
            ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", 2),
            ("Полина", 6),
        ] {
            assert_eq!(width(text), cells, "{text}");
            assert_eq!(crate::text::harmless(text), text, "ordinary text stays as it is");
        }
    }

    #[test]
    fn wraps_at_words_then_at_graphemes() {
        for (line, first, rest, pieces) in [
            ("one two three", 7, 7, vec!["one two", "three"]),
            ("one two three", 8, 8, vec!["one two", "three"]),
            ("one two", 4, 10, vec!["one", "two"]),
            ("abcdefghij", 4, 4, vec!["abcd", "efgh", "ij"]),
            ("abcdefghij", 2, 6, vec!["", "abcdef", "ghij"]),
            ("日本語です", 5, 5, vec!["日本", "語で", "す"]),
            ("x 👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 3, 3, vec!["x", "👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]),
            ("", 4, 4, vec![""]),
            ("日", 1, 1, vec!["日"]),
        ] {
            assert_eq!(wrap(line, first, rest), pieces, "{line} in {first}/{rest}");
        }
    }

    #[test]
    fn no_piece_is_wider_than_its_room() {
        let text = "a日 b👍🏽c  dd\u{301}d https://example.org/ü/日本 e x";
        for room in 2..30 {
            for (i, piece) in wrap(text, room / 2, room).iter().enumerate() {
                let room = if i == 0 { room / 2 } else { room };
                assert!(width(piece) <= room.max(2), "{piece:?} in {room}");
            }
        }
    }

    #[test]
    fn fits_exactly() {
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日… ");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn a_terminal_with_wide_ambiguous_characters_is_measured_by_its_own_rule() {
        Policy { ambiguous_wide: true, ..Policy::default() }.put_in_force();
        assert_eq!((width("○"), width("…"), width("日"), width("a")), (2, 2, 2, 1));
        assert_eq!(width("──"), 2, "rules become ASCII there");
        assert_eq!(width(&clip("abcdef", 4)), 4);
        assert_eq!(fit("abcdef", 1), " ");
        Policy::default().put_in_force();
        assert_eq!(width("○"), 1);
    }
}
