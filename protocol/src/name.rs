//! Names of accounts and channels, validated once.
//!
//! Owns the rules: PRECIS `UsernameCasePreserved` (RFC 8265 §3.4) with a narrower alphabet, so that a
//! name never collides with the marks `@ # : /` of links and commands. It never knows which names are taken.
//!
//! Invariants: `1 <= chars <= NAME_CHARS_MAX`; only letters, digits, `-`, `_`, `.`; the first is a letter
//! or a digit; the text is NFC.

use std::fmt;
use std::str::FromStr;

use precis_profiles::precis_core::profile::PrecisFastInvocation;
use precis_profiles::{UsernameCaseMapped, UsernameCasePreserved};
use serde::{Deserialize, Deserializer, Serialize};

use crate::code::{ErrorCode, RuleBroken};
use crate::limits::NAME_CHARS_MAX;

/// The account that entries of the relay itself belong to; nobody can register it.
pub const RELAY_ACCOUNT: &str = "relay";

/// What makes two names the same, or too similar to tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameKey {
    /// The case-folded name (PRECIS `UsernameCaseMapped`): equal for one and the same name.
    pub folded: String,
    /// The UTS #39 skeleton of the folded name: equal for names that look alike.
    pub skeleton: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $mark:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Validates a name. A leading mark, as people type it, is dropped.
            pub fn new(text: &str) -> Result<Self, RuleBroken> {
                let text = text.trim();
                enforce($what, text.strip_prefix($mark).unwrap_or(text)).map(Self)
            }

            /// The name without its mark, as its owner wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What it is compared by.
            pub fn key(&self) -> NameKey {
                key(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = RuleBroken;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $mark, self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                enforce($what, &text).map(Self).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// An account's name. Permanent: it is the account's identity on the wire. Shown with a leading `@`.
    AccountName, '@', "an account name"
);
name!(
    /// A channel's name. Shown with a leading `#`.
    ChannelName, '#', "a channel name"
);

fn enforce(what: &str, text: &str) -> Result<String, RuleBroken> {
    let fail = |rule: String| Err(RuleBroken::new(ErrorCode::InvalidName, format!("{what} {rule}")));
    let chars = text.chars().take(NAME_CHARS_MAX + 1).count();
    if chars == 0 {
        return fail(format!("has 1 to {NAME_CHARS_MAX} characters; this one is empty"));
    }
    if chars > NAME_CHARS_MAX {
        return fail(format!("has 1 to {NAME_CHARS_MAX} characters; this one has more"));
    }
    if !text.starts_with(char::is_alphanumeric) {
        return fail("starts with a letter or a digit".into());
    }
    if let Some(c) = text.chars().find(|c| !is_allowed(*c)) {
        return fail(format!("has letters, digits, `-`, `_` and `.`; this one has {}", c.escape_debug()));
    }
    if text.is_ascii() {
        return Ok(text.to_owned());
    }
    match <UsernameCasePreserved as PrecisFastInvocation>::enforce(text) {
        Ok(name) if name.chars().count() <= NAME_CHARS_MAX && name.chars().all(is_allowed) => {
            Ok(name.into_owned())
        }
        _ => fail(
            "has letters and digits of one direction, without compatibility or unassigned characters".into(),
        ),
    }
}

/// ASCII by this list; of the rest PRECIS decides, combining marks within letters included.
fn is_allowed(c: char) -> bool {
    matches!(c, '-' | '_' | '.') || c.is_ascii_alphanumeric() || !c.is_ascii()
}

fn key(name: &str) -> NameKey {
    // A valid name stays valid when it is case-mapped; should a profile disagree, the plain lower case
    // still tells names apart.
    let folded = <UsernameCaseMapped as PrecisFastInvocation>::enforce(name)
        .map_or_else(|_| name.to_lowercase(), std::borrow::Cow::into_owned);
    let skeleton = unicode_security::skeleton(&folded).collect();
    NameKey { folded, skeleton }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_of_many_scripts() {
        for name in ["alexey", "Полина", "misha_2.0", "太郎", "Zoë", "0day", "מיכל"] {
            let parsed = AccountName::new(name).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(parsed.as_str(), name);
        }
        assert_eq!(AccountName::new(" @bob ").map(|n| n.as_str().to_owned()), Ok("bob".into()));
        assert_eq!(ChannelName::new("#lobby").map(|n| n.as_str().to_owned()), Ok("lobby".into()));
    }

    #[test]
    fn refuses_and_states_the_rule() {
        for (name, rule) in [
            ("", "empty"),
            ("-x", "starts with"),
            ("a b", "this one has"),
            ("a:b", "this one has :"),
            ("a\u{1b}[31m", "this one has"),
            ("a\u{202e}b", "one direction"),
            ("a\u{200b}b", "one direction"),
            ("ﬁsh", "compatibility"),
            ("a\u{1F600}", "one direction"),
        ] {
            let error = AccountName::new(name).expect_err(name);
            assert_eq!(error.code, ErrorCode::InvalidName);
            assert!(error.rule.contains(rule), "{name:?}: {}", error.rule);
        }
        assert!(AccountName::new(&"x".repeat(NAME_CHARS_MAX)).is_ok());
        assert!(AccountName::new(&"x".repeat(NAME_CHARS_MAX + 1)).is_err());
    }

    #[test]
    fn one_name_whatever_the_case_and_look_alikes_share_a_skeleton() {
        let key = |name: &str| AccountName::new(name).expect(name).key();
        assert_eq!(key("Alice").folded, key("aLICE").folded);
        assert_ne!(key("alice").folded, key("аlice").folded, "the second begins with a Cyrillic letter");
        assert_eq!(key("alice").skeleton, key("аlice").skeleton);
        assert_ne!(key("alice").skeleton, key("alicia").skeleton);
    }
}
