//! Emoji by their short codes.
//!
//! Invariant: what stands in code is left as it is.

use std::borrow::Cow;

use crate::fuzzy::Search;

/// Characters of a short code at most.
const CODE_LEN_MAX: usize = 48;

/// Whether a character may stand in a short code.
pub const fn in_code(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '+' | '-')
}

/// Short codes that fit some letters, with what they stand for, the best first.
pub fn search(letters: &str, most: usize) -> Vec<(&'static str, &'static str)> {
    let mut search = Search::new(letters);
    let all = emojis::iter().flat_map(|emoji| emoji.shortcodes().map(|code| (code, emoji.as_str())));
    let mut found: Vec<_> = all
        .filter_map(|(code, emoji)| Some((search.fit(code)?.score, code.starts_with(letters), code, emoji)))
        .collect();
    found.sort_by_key(|(score, begins, code, _)| (!*begins, std::cmp::Reverse(*score), code.len()));
    found.into_iter().take(most).map(|(_, _, code, emoji)| (code, emoji)).collect()
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static str> {
    emojis::iter().map(emojis::Emoji::as_str)
}

/// The short codes of an emoji with its name, as people look for it; empty if it is none.
pub fn codes(emoji: &str) -> String {
    emojis::get(emoji).map_or_else(String::new, |emoji| {
        let codes = emoji.shortcodes().next().map(|code| format!(":{code}:"));
        codes.unwrap_or_else(|| emoji.name().to_owned())
    })
}

/// The emoji of a short code with its colons, or the emoji itself.
pub fn exactly(text: &str) -> Option<&'static str> {
    let code = text.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    code.and_then(emojis::get_by_shortcode).or_else(|| emojis::get(text)).map(emojis::Emoji::as_str)
}

/// The text with emoji in the place of their short codes.
pub fn replaced(text: &str) -> Cow<'_, str> {
    if !text.contains(':') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([':', '`']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (taken, written) = if rest.starts_with('`') { code_span(rest) } else { short_code(rest, &out) };
        out.push_str(written);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Backticks and what stands between them and as many others; alone if there are none.
fn code_span(text: &str) -> (usize, &str) {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let mut at = ticks;
    while let Some(next) = text[at..].find('`') {
        let start = at + next;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        at = start + run;
        if run == ticks {
            return (at, &text[..at]);
        }
    }
    (ticks, &text[..ticks])
}

/// A short code at the beginning of a text, and its emoji; the colon alone if there is none. `10:30:15` holds none.
fn short_code<'a>(text: &'a str, before: &str) -> (usize, &'a str) {
    let rest = &text[1..];
    let len = rest.find(|c| !in_code(c)).unwrap_or(rest.len());
    let stands_alone = !before.ends_with(|c: char| c.is_alphanumeric() || c == ':' || c == '/');
    if stands_alone
        && (1..=CODE_LEN_MAX).contains(&len)
        && rest[len..].starts_with(':')
        && let Some(emoji) = emojis::get_by_shortcode(&rest[..len])
    {
        return (len + 2, emoji.as_str());
    }
    (1, ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_codes_become_emoji_and_everything_else_stays() {
        for (text, shown) in [
            ("nice :+1:", "nice 👍"),
            (":smile::tada:", "😄🎉"),
            (":tada: :tada:", "🎉 🎉"),
            ("at 10:30:15 or a:b:c", "at 10:30:15 or a:b:c"),
            (":no_such_code: :", ":no_such_code: :"),
            ("`:tada:` and ``a ` :tada:`` :tada:", "`:tada:` and ``a ` :tada:`` 🎉"),
            ("```\n:tada:\n```\n:tada:", "```\n:tada:\n```\n🎉"),
            ("a ` alone :tada:", "a ` alone 🎉"),
            ("http://h:80:tada:", "http://h:80:tada:"),
            ("::tada::", "::tada::"),
            ("日本:tada:", "日本:tada:"),
        ] {
            assert_eq!(replaced(text), shown, "{text}");
        }
    }

    #[test]
    fn a_few_letters_find_a_code() {
        assert_eq!(search("tada", 3).first(), Some(&("tada", "🎉")));
        assert!(search("thup", 20).iter().any(|(code, _)| *code == "thumbsup"));
        assert!(search("zzzzzz", 3).is_empty());
    }
}
