//! A line under a cursor, wrapped by words.
//!
//! Owns which bytes of a line stand in which row, and in which cell a byte stands. It never draws. Unlike text to read
//! ([`text::wrap`]), nothing vanishes at a break: the spaces hang at the end of their row, so that each byte has a place.
//!
//! Invariants: the rows of a line are its bytes, each once, in order, broken between graphemes; no row is wider than its room but
//! for spaces at its end, unless one grapheme alone is.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::text;

/// Cells of a grapheme as it is drawn.
fn cells(grapheme: &str) -> usize {
    match grapheme.as_bytes() {
        [byte] if !byte.is_ascii_control() => 1,
        _ => text::width(&text::harmless(grapheme)),
    }
}

/// The graphemes of a text and where they begin. Of plain ASCII each byte is one, which is a hundred times faster to find.
fn graphemes(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let ascii = line.is_ascii();
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &line[at..];
        let len = if ascii { rest.len().min(1) } else { rest.graphemes(true).next().map_or(0, str::len) };
        let found = (len > 0).then(|| (at, &rest[..len]));
        at += len;
        found
    })
}

/// The rows of a line, at least one, in `room` cells.
pub fn rows(line: &str, room: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    // Where the row may end, and the cells up to there.
    let mut chance: Option<(usize, usize)> = None;
    for (at, grapheme) in graphemes(line) {
        let cells = cells(grapheme);
        if grapheme == " " {
            used += 1;
            chance = Some((at + 1, used));
            continue;
        }
        while used + cells > room && at > start {
            let (end, before) = chance.take().unwrap_or((at, used));
            rows.push(start..end);
            (start, used) = (end, used - before);
        }
        used += cells;
        if cells == 2 {
            chance = Some((at + grapheme.len(), used));
        }
    }
    rows.push(start..line.len());
    rows
}

/// The row and the cell of a byte among rows that [`rows`] made of the line. Behind a full row stands the next one's beginning.
pub fn place(line: &str, rows: &[Range<usize>], byte: usize, room: usize) -> (usize, usize) {
    let row = rows.partition_point(|row| row.start <= byte).saturating_sub(1);
    let cell = width(&line[rows[row].start..byte]);
    if cell < room {
        (row, cell)
    } else if row + 1 == rows.len() {
        (row + 1, 0)
    } else {
        // Among spaces that hang over the edge.
        (row, room.saturating_sub(1))
    }
}

/// The byte in a row that stands in a cell, or before it: a grapheme is not entered.
pub fn byte_at(line: &str, rows: &[Range<usize>], row: usize, cell: usize) -> usize {
    let Some(range) = rows.get(row) else { return line.len() };
    let last = row + 1 == rows.len();
    let mut used = 0;
    for (at, grapheme) in graphemes(&line[range.clone()]) {
        let end = at + grapheme.len() == range.len();
        used += cells(grapheme);
        // Behind the last grapheme of a row the next one begins.
        if used > cell || (end && !last) {
            return range.start + at;
        }
    }
    range.end
}

/// Cells of a text as it is drawn in one row.
fn width(line: &str) -> usize {
    graphemes(line).map(|(_, grapheme)| cells(grapheme)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_words_and_keeps_every_byte() {
        for (line, room, wanted) in [
            ("", 4, vec![""]),
            ("one two three", 7, vec!["one two ", "three"]),
            ("one two three", 8, vec!["one two ", "three"]),
            ("one     two", 4, vec!["one     ", "two"]),
            ("abcdefghij", 4, vec!["abcd", "efgh", "ij"]),
            ("ab cdefgh", 4, vec!["ab ", "cdef", "gh"]),
            ("日本語です", 5, vec!["日本", "語で", "す"]),
            ("x 👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 3, vec!["x ", "👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]),
            ("a\u{1b}b", 2, vec!["a\u{1b}", "b"]),
            ("日", 1, vec!["日"]),
        ] {
            let pieces: Vec<&str> = rows(line, room).into_iter().map(|row| &line[row]).collect();
            assert_eq!(pieces, wanted, "{line:?} in {room}");
        }
    }

    #[test]
    fn each_byte_has_a_cell_and_the_cell_gives_it_back() {
        for line in ["one two three", "日本 語です e\u{301}x", "abcdefgh", "a  b   cc ", "👨‍👩‍👧‍👦 👍🏽👍🏽"]
        {
            for room in 2..12 {
                let rows = rows(line, room);
                for (byte, _) in line.grapheme_indices(true) {
                    let (row, cell) = place(line, &rows, byte, room);
                    assert!(cell < room, "{line:?} in {room}: {byte}");
                    let hangs =
                        cell + 1 == room && (line[byte..].starts_with(' ') || line[..byte].ends_with(' '));
                    if !hangs && row < rows.len() {
                        assert_eq!(byte_at(line, &rows, row, cell), byte, "{line:?} in {room}");
                    }
                }
            }
        }
        assert_eq!(place("abcd", &rows("abcd", 4), 4, 4), (1, 0), "behind a full row");
        assert_eq!(byte_at("ab cd", &rows("ab cd", 3), 0, 9), 2, "the end of a row belongs to the row");
        assert_eq!(byte_at("ab", &rows("ab", 3), 0, 9), 2);
    }
}
