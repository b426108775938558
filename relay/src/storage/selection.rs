//! How much of a log goes into one page, and which storage a name means.
//!
//! Owns the cut of pages by count and bytes, the same for every storage, and the choice of a storage on the command line.

use std::path::PathBuf;

use mechat_protocol::limits::PAGE_LEN_MAX;
use mechat_protocol::{Amendment, Body, Content, Entry, Post, Reaction};

use super::LogPart;

/// Bytes that an entry's keys, numbers and times take in a page at most; a test holds it to the encoding.
const ENTRY_FRAME_LEN: usize = 256;
/// The same of a reaction, and of a name in it.
const REACTION_FRAME_LEN: usize = 16;
const NAME_HEAD_LEN: usize = 2;

/// The first entries of an ascending sequence that fit in a page.
pub(crate) fn oldest(entries: impl Iterator<Item = Entry>, limit: usize) -> LogPart {
    let (entries, more) = cut(entries, limit);
    LogPart { entries, more }
}

/// The first entries of a descending sequence that fit in a page, turned round.
pub(crate) fn newest(entries: impl Iterator<Item = Entry>, limit: usize) -> LogPart {
    let (mut entries, more) = cut(entries, limit);
    entries.reverse();
    LogPart { entries, more }
}

fn cut(entries: impl Iterator<Item = Entry>, limit: usize) -> (Vec<Entry>, bool) {
    let mut kept = Vec::new();
    let mut len = 0;
    for entry in entries {
        len += encoded_len_max(&entry);
        if kept.len() == limit || (len > PAGE_LEN_MAX && !kept.is_empty()) {
            return (kept, true);
        }
        kept.push(entry);
    }
    (kept, false)
}

/// An upper bound of an entry's length in a page.
fn encoded_len_max(entry: &Entry) -> usize {
    ENTRY_FRAME_LEN
        + entry.sender.as_str().len()
        + match &entry.body {
            Body::Message(Post { content, reactions, .. }) => {
                content_len_max(content) + reactions.iter().map(reaction_len_max).sum::<usize>()
            }
            Body::Amended { amendment: Amendment::Edit { content, .. } } => content_len_max(content),
            Body::Amended { amendment: Amendment::SetTopic { topic } } => topic.as_str().len(),
            Body::Amended { amendment: Amendment::React { emoji, .. } } => emoji.as_str().len(),
            Body::Removed { by } => by.as_str().len(),
            Body::Amended { .. } | Body::Joined | Body::Left | Body::Unknown => 0,
        }
}

fn content_len_max(content: &Content) -> usize {
    match content {
        Content::Text { text } => text.as_str().len(),
        Content::Data { media_type, bytes } => media_type.as_str().len() + bytes.as_bytes().len(),
        Content::Unknown => 0,
    }
}

fn reaction_len_max(reaction: &Reaction) -> usize {
    let names: usize = reaction.by.iter().map(|name| NAME_HEAD_LEN + name.as_str().len()).sum();
    REACTION_FRAME_LEN + reaction.emoji.as_str().len() + names
}

/// Which storage to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageChoice {
    /// The embedded database; `None` is `mechat.db` in the data directory.
    Sqlite(Option<PathBuf>),
    /// Nothing outlives the relay.
    Memory,
}

/// What may be chosen, for errors and help.
pub const CHOICES: &str = "sqlite, sqlite:PATH, memory";

impl std::str::FromStr for StorageChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("sqlite", "") => Ok(Self::Sqlite(None)),
            ("sqlite", path) => {
                Ok(Self::Sqlite(Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))))
            }
            ("memory", "") => Ok(Self::Memory),
            _ => Err(format!("`{text}` is not a storage of this relay; valid: {CHOICES}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_never_longer_than_reckoned() {
        use mechat_protocol::content::{Data, MediaType};
        use mechat_protocol::{ChannelId, Epoch, Nonce, Seq, UnixMillis};
        let media_type = MediaType::new("application/octet-stream".into()).expect("valid");
        let data = Content::Data { media_type, bytes: Data::new(vec![0; 16_384]).expect("fits") };
        for content in
            [Content::text("x").expect("fits"), Content::text("é".repeat(8_192)).expect("fits"), data]
        {
            let entry = Entry {
                channel: ChannelId(u64::MAX),
                epoch: Epoch(u32::MAX),
                seq: Seq(u64::MAX),
                at_ms: UnixMillis(i64::MIN),
                sender: "ж".repeat(32).parse().expect("a name"),
                nonce: Some(Nonce(uuid::Uuid::max())),
                body: Body::said(content, Some(Seq(u64::MAX))),
            };
            let encoded = rmp_serde::to_vec_named(&entry).expect("encodes").len();
            let reckoned = encoded_len_max(&entry);
            assert!((encoded..encoded + 64).contains(&reckoned), "{reckoned} for {encoded}");
        }
    }

    #[test]
    fn names_the_choices() {
        assert_eq!("sqlite".parse(), Ok(StorageChoice::Sqlite(None)));
        assert_eq!("sqlite:///a/b.db".parse(), Ok(StorageChoice::Sqlite(Some("/a/b.db".into()))));
        assert_eq!("sqlite:b.db".parse(), Ok(StorageChoice::Sqlite(Some("b.db".into()))));
        assert_eq!("memory".parse(), Ok(StorageChoice::Memory));
        for bad in ["", "oracle", "memory:x", "redis://h"] {
            let error = bad.parse::<StorageChoice>().expect_err(bad);
            assert!(error.contains(CHOICES), "{error}");
        }
    }
}
