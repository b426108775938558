//! What was begun and is not sent: its text, and what was to become of it.

use mechat_protocol::{ChannelId, ChannelName, Epoch, Seq};
use serde::{Deserialize, Serialize};

/// What becomes of the text when it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Composing {
    /// A message.
    #[default]
    New,
    /// A message that answers another.
    Reply {
        /// In which log.
        epoch: Epoch,
        /// The message.
        seq: Seq,
    },
    /// Other words for a message of one's own.
    Edit {
        /// In which log.
        epoch: Epoch,
        /// The message.
        seq: Seq,
        /// The draft that made room, to be given back.
        before: String,
    },
}

impl Composing {
    /// The log and the entry that it speaks of.
    pub const fn target(&self) -> Option<(Epoch, Seq)> {
        match self {
            Self::New => None,
            Self::Reply { epoch, seq } | Self::Edit { epoch, seq, .. } => Some((*epoch, *seq)),
        }
    }

    /// The draft that made room for it.
    pub fn into_before(self) -> String {
        match self {
            Self::Edit { before, .. } => before,
            Self::New | Self::Reply { .. } => String::new(),
        }
    }
}

/// What was begun in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Draft {
    /// The text.
    pub text: String,
    /// What was put aside to look at what was sent before; ↑ has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub aside: String,
    /// What becomes of it.
    #[serde(default)]
    pub composing: Composing,
}

impl Draft {
    /// Whether there is anything to keep.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.aside.is_empty() && self.composing == Composing::New
    }
}

/// A draft and where it belongs. It comes back only to a channel that has both: an id alone may be another channel's by then.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SavedDraft {
    /// The channel.
    pub channel: ChannelId,
    /// Its name.
    pub name: ChannelName,
    /// What was begun there.
    #[serde(flatten)]
    pub draft: Draft,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_kept_and_nothing_else() {
        assert!(Draft::default().is_empty());
        let reply = Composing::Reply { epoch: Epoch(1), seq: Seq(3) };
        assert_eq!(reply.target(), Some((Epoch(1), Seq(3))));
        assert!(!Draft { composing: reply, ..Draft::default() }.is_empty());
        let edit = Composing::Edit { epoch: Epoch(1), seq: Seq(3), before: "half".to_owned() };
        assert_eq!(edit.into_before(), "half");
    }
}
