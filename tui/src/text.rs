//! Width and safety of text: what remote words may do to a terminal, and how many cells they take.
//!
//! Owns making control, escape and direction characters visible instead of effective, measuring, wrapping and
//! fitting. It never styles.
//!
//! Invariants: what [`harmless`] and [`lines`] return holds no control character and no direction override; no piece that
//! [`wrap`] returns is wider than its room, unless one grapheme alone is.

use std::borrow::Cow;
use std::fmt::Write as _;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// Cells of a tab stop.
const TAB_WIDTH: usize = 4;
/// Scalars of one grapheme that are drawn; flags and families need 8, a tower of accents gets no more than this.
const GRAPHEME_CHARS_MAX: usize = 16;

/// Cells that `text` takes. Must be harmless.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(grapheme_width).sum() }
}

/// Cells of one grapheme, as the terminal library counts them.
pub fn grapheme_width(grapheme: &str) -> usize {
    match grapheme.as_bytes() {
        [] => 0,
        [byte] => usize::from(!byte.is_ascii_control()),
        _ => usize::from(grapheme.cell_width()),
    }
}

/// One line of text that does nothing to a terminal; line breaks become `␊`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if is_harmless(text) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut column = 0;
    for grapheme in text.graphemes(true) {
        let from = safe.len();
        push_harmless(&mut safe, grapheme, column);
        column += width(&safe[from..]);
    }
    Cow::Owned(safe)
}

/// The lines of a text, each harmless. Line breaks of any kind end a line.
pub fn lines(text: &str) -> Vec<Cow<'_, str>> {
    text.split(['\n', '\u{2028}', '\u{2029}', '\u{85}', '\u{0b}', '\u{0c}'])
        .map(|line| harmless(line.strip_suffix('\r').unwrap_or(line)))
        .collect()
}

fn is_harmless(text: &str) -> bool {
    if text.is_ascii() {
        return !text.bytes().any(|b| b.is_ascii_control());
    }
    let mut since_base = 0;
    text.chars().all(|c| {
        since_base = if c.is_alphanumeric() || c == ' ' { 0 } else { since_base + 1 };
        !c.is_control() && !is_direction_control(c) && !is_invisible(c) && since_base < GRAPHEME_CHARS_MAX / 2
    })
}

/// Embeddings, overrides and isolates: they reorder what stands around them.
const fn is_direction_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that draw nothing and would only hide something.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}')
}

fn push_harmless(out: &mut String, grapheme: &str, column: usize) {
    for c in grapheme.chars().take(GRAPHEME_CHARS_MAX) {
        match c {
            '\t' => out.extend(std::iter::repeat_n(' ', TAB_WIDTH - column % TAB_WIDTH)),
            '\u{0}'..='\u{1f}' => out.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => out.push('␡'),
            c if c.is_control() || is_direction_control(c) => {
                let _ = write!(out, "‹U+{:04X}›", u32::from(c));
            }
            c if is_invisible(c) => {}
            c => out.push(c),
        }
    }
}

/// Breaks a harmless line into pieces: the first of at most `first` cells, the others of at most `rest`.
///
/// Breaks at spaces (which vanish at a break) and beside wide characters; a word that is too long is broken between graphemes,
/// on a line of its own if the first one is shorter than the rest.
pub fn wrap(line: &str, first: usize, rest: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut used, mut room) = (0, 0, first);
    // Where the piece may end, where the next would begin, and the cells up to there.
    let mut chance: Option<(usize, usize, usize)> = None;
    for (at, grapheme) in line.grapheme_indices(true) {
        let cells = grapheme_width(grapheme);
        let mut swallowed = false;
        while used + cells > room && (at > start || (pieces.is_empty() && first < rest)) {
            if grapheme == " " {
                pieces.push(&line[start..at]);
                (start, used, swallowed) = (at + 1, 0, true);
            } else if let Some((end, next, cells_before)) = chance {
                pieces.push(&line[start..end]);
                (start, used) = (next, used - cells_before);
            } else if pieces.is_empty() && first < rest {
                pieces.push("");
            } else {
                pieces.push(&line[start..at]);
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
    pieces.push(&line[start..]);
    pieces
}

/// The beginning of a harmless text in at most `cells`, with `…` where something was cut.
pub fn clip(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let mut used = 0;
    let mut cut = String::new();
    for grapheme in text.graphemes(true) {
        used += grapheme_width(grapheme);
        if used + 1 > cells {
            break;
        }
        cut.push_str(grapheme);
    }
    if cells > 0 {
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
            ("Полина", 6),
        ] {
            assert_eq!(width(text), cells, "{text}");
            assert_eq!(harmless(text), text, "ordinary text stays as it is");
        }
    }

    #[test]
    fn escapes_and_overrides_lose_their_effect() {
        for (text, shown) in [
            ("\u{1b}[31mred\u{1b}[0m", "␛[31mred␛[0m"),
            ("a\u{7}b\0c\u{7f}", "a␇b␀c␡"),
            ("\u{9b}2J", "‹U+009B›2J"),
            ("abc\u{202e}fdp.exe", "abc‹U+202E›fdp.exe"),
            ("\u{2066}x\u{2069}", "‹U+2066›x‹U+2069›"),
            ("a\u{200b}b\u{feff}", "ab"),
            ("a\tb", "a   b"),
            ("one\r\ntwo", "one␍␊two"),
            ("\u{1b}]8;;https://x\u{1b}\\link", "␛]8;;https://x␛\\link"),
        ] {
            assert_eq!(harmless(text), shown, "{text:?}");
        }
        let tower = format!("a{}", "\u{301}".repeat(200));
        assert!(harmless(&tower).chars().count() <= GRAPHEME_CHARS_MAX);
    }

    #[test]
    fn a_text_has_the_lines_its_sender_broke() {
        assert_eq!(lines("a\nb\r\n\nc\u{2028}d"), ["a", "b", "", "c", "d"]);
        assert_eq!(lines("\u{1b}c\n\tx"), ["␛c", "    x"]);
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
}
