//! Remote text without effects: control, escape, direction and invisible characters are shown instead of obeyed.
//!
//! Invariants: what [`harmless`] and [`lines`] return holds no control character, no direction control and no grapheme
//! without cells, whatever came in; ordinary text of any script comes out as it was. Both are idempotent.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation;

use super::Policy;
use super::measure::{grapheme_width, width};

/// Cells of a tab stop.
const TAB_WIDTH: usize = 4;
/// Scalars of one grapheme that are drawn; flags and families need 8, a tower of accents gets no more than this.
const GRAPHEME_CHARS_MAX: usize = 16;

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

/// Whether a text is written from right to left in any part (the strong R and AL of UAX #9, by blocks).
pub fn is_right_to_left(text: &str) -> bool {
    !text.is_ascii()
        && text.chars().any(|c| {
            matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
                || matches!(c, '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
        })
}

/// A quick look that may say no to what is harmless, never yes to what is not.
fn is_harmless(text: &str) -> bool {
    if text.is_ascii() {
        return !text.bytes().any(|b| b.is_ascii_control());
    }
    let simple = |c: char| match c {
        ' '..='~' | '\u{a0}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' | '\u{370}'..='\u{482}' => true,
        // Hebrew letters, punctuation and dashes, kana, ideographs, Hangul: each a grapheme with cells of its own.
        '\u{5d0}'..='\u{5ea}' | '\u{2010}'..='\u{2027}' | '\u{2500}'..='\u{257f}' => true,
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}' => true,
        '\u{ac00}'..='\u{d7a3}' => true,
        _ => false,
    };
    text.chars().all(simple)
}

/// Embeddings, overrides, isolates and marks: they reorder what stands around them.
const fn is_direction_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that draw nothing and would only hide something (default ignorables of UAX #44 that no script needs).
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
    ) || matches!(c, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}')
        || matches!(c, '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

const fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

const fn is_tone(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

fn push_harmless(out: &mut String, grapheme: &str, column: usize) {
    let from = out.len();
    let policy = Policy::in_force();
    // Tags spell the flags of regions behind a black flag; anywhere else they smuggle words.
    let region = grapheme.starts_with('\u{1f3f4}');
    for (place, c) in grapheme.chars().take(GRAPHEME_CHARS_MAX).enumerate() {
        match c {
            '\t' => out.extend(std::iter::repeat_n(' ', TAB_WIDTH - column % TAB_WIDTH)),
            '\u{0}'..='\u{1f}' => out.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => out.push('␡'),
            c if region && policy.joins && place > 0 && is_tag(c) => out.push(c),
            c if c.is_control() || is_direction_control(c) || is_invisible(c) => code(out, c),
            '\u{200d}' if !policy.joins && is_pictured(grapheme) => {}
            '\u{fe0f}' if !policy.presentation => {}
            c if !policy.tones && place > 0 && is_tone(c) => {}
            '\u{1f1e6}'..='\u{1f1ff}' if !policy.flags => {
                out.extend(char::from_u32(u32::from('A') + u32::from(c) - 0x1f1e6));
            }
            c => out.push(c),
        }
    }
    let pushed = &out[from..];
    // A mark without a letter would sit on whatever stands before it.
    if !pushed.is_empty() && pushed.graphemes(true).any(|part| grapheme_width(part) == 0) {
        let shown: String = out.split_off(from);
        for c in shown.chars() {
            if is_joiner(c) {
                code(out, c);
            } else if grapheme_width(c.encode_utf8(&mut [0; 4])) == 0 {
                out.push('◌');
                out.push(c);
            } else {
                out.push(c);
            }
        }
    }
}

fn code(out: &mut String, c: char) {
    let _ = write!(out, "‹U+{:04X}›", u32::from(c));
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Whether the grapheme's first character is a picture; elsewhere U+200D shapes letters.
fn is_pictured(grapheme: &str) -> bool {
    grapheme.starts_with(|c: char| matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_overrides_lose_their_effect() {
        for (text, shown) in [
            ("\u{1b}[31mred\u{1b}[0m", "␛[31mred␛[0m"),
            ("a\u{7}b\0c\u{7f}", "a␇b␀c␡"),
            ("\u{9b}2J", "‹U+009B›2J"),
            ("abc\u{202e}fdp.exe", "abc‹U+202E›fdp.exe"),
            ("\u{2066}x\u{2069}", "‹U+2066›x‹U+2069›"),
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
    fn what_cannot_be_seen_is_shown() {
        for (text, shown) in [
            ("al\u{200b}ice", "al‹U+200B›ice"),
            ("\u{feff}x\u{ad}", "‹U+FEFF›x‹U+00AD›"),
            ("x\u{e0041}\u{e0042}", "x‹U+E0041›‹U+E0042›"),
            ("a\u{2028}b", "a‹U+2028›b"),
            ("\u{3164}", "‹U+3164›"),
            ("\u{200d}", "‹U+200D›"),
            ("\u{301}x", "◌\u{301}x"),
        ] {
            assert_eq!(harmless(text), shown, "{text:?}");
        }
        for ordinary in ["می\u{200c}خواهم", "क्\u{200d}ष", "שָׁלוֹם", "ไทย", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
        {
            assert_eq!(harmless(ordinary), ordinary, "{ordinary:?}");
        }
    }

    #[test]
    fn a_text_has_the_lines_its_sender_broke() {
        assert_eq!(lines("a\nb\r\n\nc\u{2028}d"), ["a", "b", "", "c", "d"]);
        assert_eq!(lines("\u{1b}c\n\tx"), ["␛c", "    x"]);
    }

    #[test]
    fn a_terminal_that_composes_no_emoji_gets_their_parts() {
        let plain =
            Policy { joins: false, flags: false, tones: false, presentation: false, ..Policy::default() };
        plain.put_in_force();
        assert_eq!(harmless("👨‍👩‍👧 🇩🇪 👍🏽 ❤\u{fe0f}"), "👨👩👧 DE 👍 ❤");
        assert_eq!(harmless("क्\u{200d}ष"), "क्\u{200d}ष", "letters keep their joiner");
        Policy::default().put_in_force();
        assert_eq!(harmless("👨‍👩‍👧"), "👨‍👩‍👧");
    }

    #[test]
    fn tells_right_to_left() {
        assert!(is_right_to_left("a שלום") && is_right_to_left("مرحبا"));
        assert!(!is_right_to_left("plain") && !is_right_to_left("日本 é"));
    }
}
