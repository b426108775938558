//! What changes after it was said: edits, deletions, reactions, pins, topics.
//!
//! Owns the amendments, which are entries of the log like messages, and how one changes the message that it names. A relay's
//! storage, a client's cache and a screen all use [`Entry::amend`], so that they cannot disagree.
//!
//! Invariant: amendments of one message that are applied in seq order, any of them repeated, end in the same state.

use serde::{Deserialize, Deserializer, Serialize};

use crate::code::{ErrorCode, RuleBroken};
use crate::content::{Body, Content, Entry};
use crate::id::{Seq, UnixMillis};
use crate::limits::{EMOJI_LEN_MAX, TOPIC_LEN_MAX};
use crate::name::AccountName;

/// A change of something that was said, or of the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Amendment {
    /// The message says something else.
    Edit {
        /// The message.
        seq: Seq,
        /// What it says from now on.
        content: Content,
    },
    /// The message is taken back: its words are gone.
    Delete {
        /// The message.
        seq: Seq,
    },
    /// The sender reacts, or no longer does.
    React {
        /// The message.
        seq: Seq,
        /// With what.
        emoji: Emoji,
        /// Whether they do.
        on: bool,
    },
    /// The message is pinned, or no longer.
    Pin {
        /// The message.
        seq: Seq,
        /// Whether it is.
        on: bool,
    },
    /// The channel is about something else.
    SetTopic {
        /// What; empty for nothing.
        topic: Topic,
    },
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

impl Amendment {
    /// The message that it changes.
    pub const fn target(&self) -> Option<Seq> {
        match self {
            Self::Edit { seq, .. }
            | Self::Delete { seq }
            | Self::React { seq, .. }
            | Self::Pin { seq, .. } => Some(*seq),
            Self::SetTopic { .. } | Self::Unknown => None,
        }
    }
}

/// What a message says, and what became of it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// What it says.
    pub content: Content,
    /// The entry of the same channel that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<Seq>,
    /// When it was edited last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_ms: Option<UnixMillis>,
    /// Reactions in the order of their emoji, so that they are the same for everyone, whatever was applied twice; together at most
    /// `REACTIONS_MAX` names, which a relay sees to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// Whether it is pinned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

impl Post {
    /// A message as it is said.
    pub const fn new(content: Content, in_reply_to: Option<Seq>) -> Self {
        Self { content, in_reply_to, edited_ms: None, reactions: Vec::new(), pinned: false }
    }

    /// Reactions of all kinds together.
    pub fn reaction_count(&self) -> usize {
        self.reactions.iter().map(|reaction| reaction.by.len()).sum()
    }

    /// Whether it changed anything.
    fn react(&mut self, emoji: &Emoji, by: &AccountName, on: bool) -> bool {
        let at = match self.reactions.binary_search_by(|reaction| reaction.emoji.cmp(emoji)) {
            Ok(at) => at,
            Err(_) if !on => return false,
            Err(at) => {
                self.reactions.insert(at, Reaction { emoji: emoji.clone(), by: Vec::new() });
                at
            }
        };
        let names = &mut self.reactions[at].by;
        match names.binary_search_by(|name| name.as_str().cmp(by.as_str())) {
            Err(place) if on => names.insert(place, by.clone()),
            Ok(place) if !on => drop(names.remove(place)),
            _ => return false,
        }
        if names.is_empty() {
            self.reactions.remove(at);
        }
        true
    }
}

/// Who reacted with one emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// With what.
    pub emoji: Emoji,
    /// Who, in the order of their names' code points; at least one.
    pub by: Vec<AccountName>,
}

impl Entry {
    /// Brings a message up to date with an entry that amends it; whether that changed anything.
    ///
    /// Does not ask whether the sender may: a relay did, before the entry was in the log.
    pub fn amend(&mut self, by: &Self) -> bool {
        let Body::Amended { amendment } = &by.body else { return false };
        let same_log = (by.channel, by.epoch) == (self.channel, self.epoch);
        let Body::Message(post) = &mut self.body else { return false };
        if !same_log || amendment.target() != Some(self.seq) {
            return false;
        }
        match amendment {
            Amendment::Edit { content, .. } => {
                let changes = post.content != *content;
                if changes {
                    post.content = content.clone();
                    post.edited_ms = Some(by.at_ms);
                }
                changes
            }
            Amendment::Delete { .. } => {
                self.body = Body::Removed { by: by.sender.clone() };
                true
            }
            Amendment::React { emoji, on, .. } => post.react(emoji, &by.sender, *on),
            Amendment::Pin { on, .. } => std::mem::replace(&mut post.pinned, *on) != *on,
            Amendment::SetTopic { .. } | Amendment::Unknown => false,
        }
    }
}

/// What people react with: 1 to `EMOJI_LEN_MAX` bytes without spaces and control characters. Mostly one emoji; who shows it makes it
/// harmless, as with every text of others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Emoji(String);

impl Emoji {
    /// Checks the form.
    pub fn new(text: &str) -> Result<Self, RuleBroken> {
        let valid = (1..=EMOJI_LEN_MAX).contains(&text.len())
            && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        if valid {
            return Ok(Self(text.to_owned()));
        }
        let rule = format!(
            "a reaction is 1 to {EMOJI_LEN_MAX} bytes without spaces and control characters: one emoji, such as 👍"
        );
        Err(RuleBroken::new(ErrorCode::Malformed, rule))
    }

    /// The emoji.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Emoji {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What a channel is about: at most `TOPIC_LEN_MAX` bytes of UTF-8, any characters; empty for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Topic(String);

impl Topic {
    /// Checks the length.
    pub fn new(text: String) -> Result<Self, RuleBroken> {
        if text.len() > TOPIC_LEN_MAX {
            let rule = format!("a topic has at most {TOPIC_LEN_MAX} bytes; this one has {}", text.len());
            return Err(RuleBroken::new(ErrorCode::TooLarge, rule));
        }
        Ok(Self(text))
    }

    /// The topic.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the channel is about nothing in particular.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelId, Epoch};

    fn entry(seq: u64, sender: &str, body: Body) -> Entry {
        Entry {
            channel: ChannelId(1),
            epoch: Epoch(1),
            seq: Seq(seq),
            at_ms: UnixMillis(i64::try_from(seq).expect("small")),
            sender: sender.parse().expect("a name"),
            nonce: None,
            body,
        }
    }

    fn said(text: &str) -> Entry {
        entry(1, "ann", Body::Message(Post::new(Content::text(text).expect("a text"), None)))
    }

    fn amended(seq: u64, sender: &str, amendment: Amendment) -> Entry {
        entry(seq, sender, Body::Amended { amendment })
    }

    fn react(seq: u64, sender: &str, emoji: &str, on: bool) -> Entry {
        let emoji = Emoji::new(emoji).expect("an emoji");
        amended(seq, sender, Amendment::React { seq: Seq(1), emoji, on })
    }

    fn post(entry: &Entry) -> &Post {
        match &entry.body {
            Body::Message(post) => post,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_edit_changes_the_words_and_says_when() {
        let mut message = said("helo");
        let content = Content::text("hello").expect("a text");
        let edit = amended(5, "ann", Amendment::Edit { seq: Seq(1), content });
        assert!(message.amend(&edit));
        assert!(!message.amend(&edit), "the same words are no change");
        assert_eq!(post(&message).edited_ms, Some(UnixMillis(5)));
    }

    #[test]
    fn reactions_are_counted_once_for_each_person_and_go_with_the_last() {
        let mut message = said("hello");
        assert!(message.amend(&react(2, "ann", "👍", true)) && message.amend(&react(3, "bob", "👍", true)));
        assert!(!message.amend(&react(4, "bob", "👍", true)), "twice is once");
        assert!(message.amend(&react(5, "bob", "🎉", true)));
        assert_eq!(post(&message).reaction_count(), 3);
        assert!(message.amend(&react(6, "ann", "👍", false)) && message.amend(&react(7, "bob", "👍", false)));
        assert!(!message.amend(&react(8, "bob", "👍", false)));
        assert_eq!(post(&message).reactions.len(), 1);
    }

    #[test]
    fn a_message_that_was_read_in_a_later_state_ends_in_the_same() {
        // What was on, off and on again moves behind what came between, if order is that of doing.
        let log = [
            react(2, "ann", "👍", true),
            react(3, "ann", "👍", false),
            react(4, "bob", "🎉", true),
            react(5, "ann", "👍", true),
            react(6, "ann", "🎉", true),
            amended(7, "ann", Amendment::Edit { seq: Seq(1), content: Content::text("a").expect("a text") }),
            react(8, "bob", "🎉", false),
            react(9, "bob", "🎉", true),
            amended(10, "ann", Amendment::Edit { seq: Seq(1), content: Content::text("b").expect("a text") }),
        ];
        let mut present = said("hello");
        for entry in &log {
            assert!(present.amend(entry));
        }
        for known in 0..log.len() {
            let mut caught_up = present.clone();
            for entry in &log[known..] {
                caught_up.amend(entry);
            }
            assert_eq!(caught_up, present, "from entry {known} on");
        }
    }

    #[test]
    fn a_deleted_message_has_no_words_and_cannot_be_amended() {
        let mut message = said("secret");
        assert!(message.amend(&amended(2, "host", Amendment::Delete { seq: Seq(1) })));
        assert_eq!(message.body, Body::Removed { by: "host".parse().expect("a name") });
        assert!(!message.amend(&amended(3, "ann", Amendment::Pin { seq: Seq(1), on: true })));
    }

    #[test]
    fn what_names_another_entry_changes_nothing() {
        let mut message = said("hello");
        let other = amended(2, "ann", Amendment::Delete { seq: Seq(9) });
        let elsewhere =
            Entry { channel: ChannelId(2), ..amended(2, "ann", Amendment::Delete { seq: Seq(1) }) };
        let before = Entry { epoch: Epoch(2), ..amended(2, "ann", Amendment::Delete { seq: Seq(1) }) };
        assert!(!message.amend(&other) && !message.amend(&elsewhere) && !message.amend(&before));
        assert_eq!(message, said("hello"));
    }

    #[test]
    fn forms_are_checked_at_the_border() {
        let long = "x".repeat(EMOJI_LEN_MAX + 1);
        for bad in ["", "a b", "\u{7}", "\u{a0}", long.as_str()] {
            assert!(Emoji::new(bad).is_err(), "{bad:?}");
        }
        assert!(Emoji::new("👩‍👩‍👧").is_ok());
        assert!(Topic::new("x".repeat(TOPIC_LEN_MAX)).is_ok());
        assert_eq!(Topic::new("x".repeat(TOPIC_LEN_MAX + 1)).expect_err("long").code, ErrorCode::TooLarge);
    }
}
