//! Emoji by their names, for ears: `:thumbs_up:` for 👍, and back.
//!
//! Invariant: a text without emoji is not touched.

use std::borrow::Cow;

use emojis::Emoji as Known;
use mechat_protocol::Emoji;
use unicode_segmentation::UnicodeSegmentation;

/// A text with names in the place of its emoji.
pub fn named(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.graphemes(true).any(|grapheme| known(grapheme).is_some()) {
        return Cow::Borrowed(text);
    }
    let words = text.graphemes(true).map(|grapheme| known(grapheme).map_or(Cow::Borrowed(grapheme), name));
    Cow::Owned(words.collect())
}

/// What is typed for a reaction: an emoji, a short code such as `:+1:`, or a name such as `:thumbs_up:`.
pub fn emoji(typed: &str) -> Result<Emoji, String> {
    let code = typed.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        return Emoji::new(typed).map_err(|broken| broken.rule);
    };
    let called = || emojis::iter().find(|known| snake(known.name()) == code.to_lowercase());
    let found = emojis::get_by_shortcode(code).or_else(called);
    let found = found
        .ok_or_else(|| format!("no emoji is called :{code}:; :+1: and :thumbs_up: are, and 👍 is one"))?;
    Emoji::new(found.as_str()).map_err(|broken| broken.rule)
}

/// Letters, digits and signs that some fonts draw in colour are no emoji here.
fn known(grapheme: &str) -> Option<&'static Known> {
    emojis::get(grapheme).filter(|_| grapheme.chars().any(|c| u32::from(c) > 0x2000))
}

fn name<'a>(known: &Known) -> Cow<'a, str> {
    Cow::Owned(format!(":{}:", snake(known.name())))
}

fn snake(name: &str) -> String {
    name.to_lowercase().replace([' ', '-'], "_").replace([':', '’', ',', '.', '“', '”'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_are_read_by_name_and_nothing_else_is_touched() {
        for (text, spoken) in [
            ("nice 👍", "nice :thumbs_up:"),
            ("👍🎉", ":thumbs_up::party_popper:"),
            ("Grüße, 日本 ©", "Grüße, 日本 ©"),
            ("a 1 # *", "a 1 # *"),
        ] {
            assert_eq!(named(text), spoken);
        }
        assert!(matches!(named("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_read_aloud_can_be_typed() {
        for typed in ["👍", ":+1:", ":thumbsup:", ":thumbs_up:"] {
            assert_eq!(emoji(typed).expect(typed).as_str(), "👍");
        }
        for known in emojis::iter() {
            let spoken = named(known.as_str());
            if spoken != known.as_str() {
                emoji(&spoken).expect("every name finds an emoji");
            }
        }
        assert!(emoji(":nonsense:").is_err() && emoji("a b").is_err());
    }
}
