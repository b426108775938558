//! Finding what Markdown knows nothing of: bare addresses, mentions, spoilers.
//!
//! Invariant: a target that [`target`] returns holds printable ASCII only, so that it can stand inside an escape sequence.

use std::fmt::Write as _;
use std::ops::Range;

/// What a link may lead to. Nothing that runs or reads something on this machine.
pub const SCHEMES: [&str; 4] = ["https://", "http://", "mailto:", "mechat://"];

/// Bytes of a target at most; what is longer is shown and leads nowhere.
const TARGET_LEN_MAX: usize = 2_048;

/// Bare addresses in a harmless text.
pub fn addresses(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices(':') {
        let Some(start) = scheme_before(text, at) else { continue };
        if found.last().is_some_and(|last| last.end > start) {
            continue;
        }
        let scheme = if text[at..].starts_with("://") { at + 3 } else { at + 1 };
        let reach = text[scheme..].find(|c| !is_address_char(c)).map_or(text.len(), |len| scheme + len);
        let end = trimmed(&text[..reach], scheme);
        if end > scheme {
            found.push(start..end);
        }
    }
    found
}

/// Where a permitted scheme begins whose colon stands here.
fn scheme_before(text: &str, colon: usize) -> Option<usize> {
    SCHEMES.iter().find_map(|scheme| {
        let name = scheme.find(':').unwrap_or(0);
        let start = colon.checked_sub(name)?;
        let whole = text.get(start..start + scheme.len())?;
        let before = text[..start].chars().next_back();
        (whole.eq_ignore_ascii_case(scheme) && !before.is_some_and(char::is_alphanumeric)).then_some(start)
    })
}

fn is_address_char(c: char) -> bool {
    match c {
        '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}' | ' ' => false,
        c if c.is_ascii() => c.is_ascii_graphic(),
        c => c.is_alphanumeric() || crate::text::grapheme_width(c.encode_utf8(&mut [0; 4])) == 0,
    }
}

/// Without what ends the sentence around it; a closing bracket belongs to it if it was opened inside.
fn trimmed(text: &str, start: usize) -> usize {
    let mut end = text.len();
    while let Some(last) = text[start..end].chars().next_back() {
        let inside = &text[start..end];
        let unopened = |open: char, close: char| inside.matches(open).count() < inside.matches(close).count();
        let drop = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' => true,
            ')' => unopened('(', ')'),
            ']' => unopened('[', ']'),
            _ => false,
        };
        if !drop {
            break;
        }
        end -= last.len_utf8();
    }
    end
}

/// What an address leads to, ready for an escape sequence: everything but printable ASCII is percent-encoded (RFC 3987 §3.1).
pub fn target(address: &str) -> Option<String> {
    let permitted = SCHEMES.iter().any(|scheme| {
        address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && address.len() > scheme.len()
    });
    if !permitted {
        return None;
    }
    let mut target = String::with_capacity(address.len());
    for byte in address.bytes() {
        if byte.is_ascii_graphic() {
            target.push(char::from(byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
    (target.len() <= TARGET_LEN_MAX).then_some(target)
}

/// `@name` and `#channel`, the mark included.
pub fn mentions(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, mark) in text.match_indices(['@', '#']) {
        let before = text[..at].chars().next_back();
        if before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '\\' | '/' | '@' | '#' | '.' | '-' | '_'))
        {
            continue;
        }
        let name = &text[at + mark.len()..];
        let len =
            name.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(name.len());
        let name = name[..len].trim_end_matches(['.', '-', '_']);
        let named = name.starts_with(char::is_alphanumeric) && name.chars().any(char::is_alphabetic);
        if named {
            found.push(at..at + mark.len() + name.len());
        }
    }
    found
}

/// The insides of `||spoilers||`. They hold something, begin and end with no space, and no empty line.
pub fn spoilers(text: &str, is_code: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut next = 0;
    for (at, _) in text.match_indices("||") {
        if at < next || is_code(at) || text[..at].ends_with('\\') {
            continue;
        }
        next = at + 2;
        let closes = open.filter(|open| {
            let inside = &text[*open..at];
            !inside.is_empty() && !inside.ends_with(char::is_whitespace) && !inside.contains("\n\n")
        });
        if let Some(start) = closes {
            found.push(start..at);
            open = None;
        } else {
            let opens = text[next..].chars().next().is_some_and(|c| !c.is_whitespace() && c != '|');
            open = opens.then_some(next);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, found: Vec<Range<usize>>) -> Vec<&str> {
        found.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn addresses_end_where_people_mean() {
        for (text, expected) in [
            ("see https://example.org/a_b_c.", vec!["https://example.org/a_b_c"]),
            ("(https://en.example.org/wiki/X_(y))", vec!["https://en.example.org/wiki/X_(y)"]),
            (
                "HTTP://x.y, mailto:a@b.c! mechat://h:1/lobby?fp=1",
                vec!["HTTP://x.y", "mailto:a@b.c", "mechat://h:1/lobby?fp=1"],
            ),
            ("https://ü.example/日本", vec!["https://ü.example/日本"]),
            ("xhttps://no https:// file:///etc/passwd javascript:alert(1)", vec![]),
            ("https://a.b/||https://c.d", vec!["https://a.b/", "https://c.d"]),
            ("https://x.y/?u=https://z.w", vec!["https://x.y/?u=https://z.w"]),
        ] {
            assert_eq!(pieces(text, addresses(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_target_is_printable_ascii_of_a_permitted_scheme() {
        assert_eq!(target("https://ü.x/a b\u{1b}").as_deref(), Some("https://%C3%BC.x/a%20b%1B"));
        assert_eq!(target("javascript:alert(1)"), None);
        assert_eq!(target("https://"), None);
        assert_eq!(target(&format!("https://{}", "x".repeat(TARGET_LEN_MAX))), None);
    }

    #[test]
    fn mentions_are_words_of_their_own() {
        for (text, expected) in [
            ("@misha: see #rust, @Полина!", vec!["@misha", "#rust", "@Полина"]),
            ("a@b.c \\@no #1 ## @ x/#y", vec![]),
            ("(@vera.)", vec!["@vera"]),
        ] {
            assert_eq!(pieces(text, mentions(text)), expected, "{text}");
        }
    }

    #[test]
    fn spoilers_are_pairs() {
        for (text, expected) in [
            ("it was ||the butler||!", vec!["the butler"]),
            ("a || b || c", vec![]),
            ("||one|| ||two||", vec!["one", "two"]),
            ("||||", vec![]),
            ("||open", vec![]),
            ("||a\n\nb||", vec![]),
        ] {
            assert_eq!(pieces(text, spoilers(text, |_| false)), expected, "{text}");
        }
    }
}
