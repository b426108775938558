//! MessagePack as people read it, and hexadecimal digits as files keep it.
//!
//! Owns a JSON-like notation in which byte strings are `h'…'` (as in RFC 8949 §8), and reading digits with comments. Written apart from the
//! codec, so that both must be right about the format for a test to pass.

use std::fmt::Write as _;

/// The notation of one MessagePack value; panics where it is not one.
pub(crate) fn notation(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    value(&mut bytes, &mut text);
    assert!(bytes.is_empty(), "{} bytes follow {text}", bytes.len());
    text
}

/// The bytes of lines of hexadecimal digits; `#` begins a comment.
pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let digits: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits: {text}");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at(len);
    *rest = after;
    taken
}

fn number(rest: &mut &[u8], len: usize) -> u64 {
    take(rest, len).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn length(rest: &mut &[u8], len: usize) -> usize {
    usize::try_from(number(rest, len)).expect("a length")
}

fn value(rest: &mut &[u8], text: &mut String) {
    let marker = take(rest, 1)[0];
    match marker {
        0x00..=0x7f => write!(text, "{marker}").expect("text"),
        0x80..=0x8f => map(usize::from(marker & 0x0f), rest, text),
        0x90..=0x9f => array(usize::from(marker & 0x0f), rest, text),
        0xa0..=0xbf => string(usize::from(marker & 0x1f), rest, text),
        0xc0 => text.push_str("nil"),
        0xc2 => text.push_str("false"),
        0xc3 => text.push_str("true"),
        0xc4 => blob(length(rest, 1), rest, text),
        0xc5 => blob(length(rest, 2), rest, text),
        0xcc => write!(text, "{}", number(rest, 1)).expect("text"),
        0xcd => write!(text, "{}", number(rest, 2)).expect("text"),
        0xce => write!(text, "{}", number(rest, 4)).expect("text"),
        0xcf => write!(text, "{}", number(rest, 8)).expect("text"),
        0xd9 => string(length(rest, 1), rest, text),
        0xda => string(length(rest, 2), rest, text),
        0xdc => array(length(rest, 2), rest, text),
        0xde => map(length(rest, 2), rest, text),
        other => panic!("no sample needs the marker {other:#04x}"),
    }
}

fn map(len: usize, rest: &mut &[u8], text: &mut String) {
    text.push('{');
    for i in 0..len {
        text.push_str(if i > 0 { ", " } else { "" });
        value(rest, text);
        text.push_str(": ");
        value(rest, text);
    }
    text.push('}');
}

fn array(len: usize, rest: &mut &[u8], text: &mut String) {
    text.push('[');
    for i in 0..len {
        text.push_str(if i > 0 { ", " } else { "" });
        value(rest, text);
    }
    text.push(']');
}

fn string(len: usize, rest: &mut &[u8], text: &mut String) {
    write!(text, "{:?}", str::from_utf8(take(rest, len)).expect("UTF-8")).expect("text");
}

fn blob(len: usize, rest: &mut &[u8], text: &mut String) {
    text.push_str("h'");
    for byte in take(rest, len) {
        write!(text, "{byte:02x}").expect("text");
    }
    text.push('\'');
}
