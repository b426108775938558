//! How much of a log goes into one page, and which storage a name means.
//!
//! Owns the cut of pages by count and bytes, the same for every storage, and the choice of a storage on the command line.

use std::path::PathBuf;

use mechat_protocol::limits::PAGE_LEN_MAX;
use mechat_protocol::{Amendment, Body, Content, Entry, Post, Reaction};

use super::LogPart;

/// Bytes that an entry's keys, numbers and times take in a page at most; a test holds it to the encoding.
const ENTRY_FRAME_LEN: usize = 192;
/// What a message that was amended takes besides, or an amendment.
const AMENDED_FRAME_LEN: usize = 48;
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
pub(crate) fn encoded_len_max(entry: &Entry) -> usize {
    ENTRY_FRAME_LEN
        + entry.sender.as_str().len()
        + match &entry.body {
            Body::Message(Post { content, reactions, edited_ms, pinned, in_reply_to: _ }) => {
                let is_amended = edited_ms.is_some() || *pinned || !reactions.is_empty();
                let reactions: usize = reactions.iter().map(reaction_len_max).sum();
                content_len_max(content) + usize::from(is_amended) * AMENDED_FRAME_LEN + reactions
            }
            Body::Amended { amendment } => AMENDED_FRAME_LEN + amendment_len_max(amendment),
            Body::Removed { by } => by.as_str().len(),
            Body::Joined | Body::Left | Body::Unknown => 0,
        }
}

fn amendment_len_max(amendment: &Amendment) -> usize {
    match amendment {
        Amendment::Edit { content, .. } => content_len_max(content),
        Amendment::SetTopic { topic } => topic.as_str().len(),
        Amendment::React { emoji, .. } => emoji.as_str().len(),
        Amendment::Delete { .. } | Amendment::Pin { .. } | Amendment::Unknown => 0,
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

    /// The longest entry of a body.
    fn entry(body: Body) -> Entry {
        use mechat_protocol::{ChannelId, Epoch, Nonce, Seq, UnixMillis};
        Entry {
            channel: ChannelId(u64::MAX),
            epoch: Epoch(u32::MAX),
            seq: Seq(u64::MAX),
            at_ms: UnixMillis(i64::MIN),
            sender: "ж".repeat(32).parse().expect("a name"),
            nonce: Some(Nonce(uuid::Uuid::max())),
            body,
        }
    }

    fn lens(body: Body) -> (usize, usize) {
        let entry = entry(body);
        (rmp_serde::to_vec_named(&entry).expect("encodes").len(), encoded_len_max(&entry))
    }

    #[test]
    fn an_entry_is_never_longer_than_reckoned() {
        use mechat_protocol::content::{Data, MediaType};
        use mechat_protocol::{Emoji, Seq, Topic, UnixMillis};
        let media_type = MediaType::new("application/octet-stream".into()).expect("valid");
        let data = Content::Data { media_type, bytes: Data::new(vec![0; 16_384]).expect("fits") };
        let seq = Seq(u64::MAX);
        for content in
            [Content::text("x").expect("fits"), Content::text("é".repeat(8_192)).expect("fits"), data]
        {
            let (encoded, reckoned) = lens(Body::said(content.clone(), Some(seq)));
            assert!((encoded..encoded + 64).contains(&reckoned), "{reckoned} for {encoded}");
            let by = (0..40).map(|n| format!("{}{n:02}", "ж".repeat(30)).parse().expect("a name")).collect();
            let reactions = (0..3).map(|n| {
                let emoji = Emoji::new(&format!("{n}{}", "é".repeat(31))).expect("an emoji");
                Reaction { emoji, by: Vec::clone(&by) }
            });
            let post = Post {
                edited_ms: Some(UnixMillis(i64::MIN)),
                reactions: reactions.collect(),
                pinned: true,
                ..Post::new(content.clone(), Some(seq))
            };
            let (encoded, reckoned) = lens(Body::Message(post));
            assert!((encoded..encoded + 128).contains(&reckoned), "{reckoned} for {encoded}");
            let (encoded, reckoned) = lens(Body::Amended { amendment: Amendment::Edit { seq, content } });
            assert!((encoded..encoded + 128).contains(&reckoned), "{reckoned} for {encoded}");
        }
        let emoji = Emoji::new(&"é".repeat(32)).expect("an emoji");
        let topic = Topic::new("é".repeat(112)).expect("short");
        for amendment in [
            Amendment::React { seq, emoji, on: true },
            Amendment::Pin { seq, on: true },
            Amendment::Delete { seq },
            Amendment::SetTopic { topic },
        ] {
            let (encoded, reckoned) = lens(Body::Amended { amendment });
            assert!(encoded <= reckoned, "{reckoned} for {encoded}");
        }
        let by = "ж".repeat(32).parse().expect("a name");
        for body in [Body::Removed { by }, Body::Joined, Body::Left] {
            let (encoded, reckoned) = lens(body);
            assert!(encoded <= reckoned, "{reckoned} for {encoded}");
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
