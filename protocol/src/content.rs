//! What an entry of a channel's log says.
//!
//! Owns the unions that travel inside messages. Each is a map with a `kind`; a kind that a reader
//! does not know becomes `Unknown`, so that one new entry never hides its neighbours.

use serde::{Deserialize, Deserializer, Serialize};

use crate::amendment::{Amendment, Post};
use crate::code::{ErrorCode, RuleBroken};
use crate::id::{ChannelId, Epoch, Nonce, Position, Seq, UnixMillis};
use crate::limits::{DATA_LEN_MAX, MEDIA_TYPE_LEN_MAX, TEXT_LEN_MAX};
use crate::name::AccountName;

/// What a person sends. Validated: a text or data block within its limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Text, shown as it is.
    Text {
        /// UTF-8, any characters, control characters included: 1 to `TEXT_LEN_MAX` bytes.
        text: Text,
    },
    /// Bytes that are not text.
    Data {
        /// What the bytes are (RFC 6838), at most `MEDIA_TYPE_LEN_MAX` bytes.
        media_type: MediaType,
        /// Any bytes, at most `DATA_LEN_MAX`.
        bytes: Data,
    },
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

impl Content {
    /// Text content.
    pub fn text(text: impl Into<String>) -> Result<Self, RuleBroken> {
        Text::new(text.into()).map(|text| Self::Text { text })
    }
}

/// The text of a message: 1 to `TEXT_LEN_MAX` bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// Checks the length.
    pub fn new(text: String) -> Result<Self, RuleBroken> {
        match text.len() {
            0 => {
                Err(RuleBroken::new(ErrorCode::Malformed, "a message has at least 1 byte; this one is empty"))
            }
            len if len > TEXT_LEN_MAX => Err(RuleBroken::new(
                ErrorCode::TooLarge,
                format!("a message has at most {TEXT_LEN_MAX} bytes; this one has {len}: send it in parts"),
            )),
            _ => Ok(Self(text)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Bytes of a data block, at most `DATA_LEN_MAX`; `bin` on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Data(#[serde(with = "serde_bytes")] Vec<u8>);

impl Data {
    /// Checks the length.
    pub fn new(bytes: Vec<u8>) -> Result<Self, RuleBroken> {
        if bytes.len() > DATA_LEN_MAX {
            let rule = format!("data has at most {DATA_LEN_MAX} bytes; this has {}", bytes.len());
            return Err(RuleBroken::new(ErrorCode::TooLarge, rule));
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        Self::new(bytes.into_vec()).map_err(serde::de::Error::custom)
    }
}

/// A media type such as `application/octet-stream`: printable ASCII with one `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MediaType(String);

impl MediaType {
    /// Checks the form.
    pub fn new(text: String) -> Result<Self, RuleBroken> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        let parts = text.split('/').filter(|part| !part.is_empty()).count();
        if !printable || parts != 2 || text.len() > MEDIA_TYPE_LEN_MAX {
            let rule =
                format!("a media type is `type/subtype` in at most {MEDIA_TYPE_LEN_MAX} bytes of ASCII");
            return Err(RuleBroken::new(ErrorCode::Malformed, rule));
        }
        Ok(Self(text))
    }

    /// The type.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// One entry of a channel's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The channel.
    pub channel: ChannelId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The entry's place: contiguous from 1.
    pub seq: Seq,
    /// When the relay took it.
    pub at_ms: UnixMillis,
    /// Who caused it.
    pub sender: AccountName,
    /// The nonce it was sent with; absent where nobody sent it (joins and leaves).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// What it says.
    pub body: Body,
}

impl Entry {
    /// The entry's place.
    pub const fn position(&self) -> Position {
        Position { channel: self.channel, epoch: self.epoch, seq: self.seq }
    }
}

/// What happened in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// Somebody said something. A page of history shows it in its present state.
    Message(Post),
    /// A message stood here and was deleted.
    Removed {
        /// Who deleted it.
        by: AccountName,
    },
    /// Something that was said before changed, or the channel did.
    Amended {
        /// What, and how.
        amendment: Amendment,
    },
    /// The sender became a member.
    Joined,
    /// The sender is no longer a member.
    Left,
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

impl Body {
    /// A message as it is said.
    pub const fn said(content: Content, in_reply_to: Option<Seq>) -> Self {
        Self::Message(Post::new(content, in_reply_to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_at_the_border() {
        assert!(Content::text("x".repeat(TEXT_LEN_MAX)).is_ok());
        let error = Content::text("x".repeat(TEXT_LEN_MAX + 1)).expect_err("too long");
        assert_eq!(error.code, ErrorCode::TooLarge);
        assert!(Content::text("").is_err());
        assert!(Data::new(vec![0; DATA_LEN_MAX]).is_ok());
        assert_eq!(Data::new(vec![0; DATA_LEN_MAX + 1]).expect_err("too long").code, ErrorCode::TooLarge);
        for bad in ["text", "text/", "a/b/c", "te xt/plain", ""] {
            assert!(MediaType::new(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_later_kind_is_unknown_not_an_error() {
        let mut bytes = Vec::new();
        let later = std::collections::BTreeMap::from([("kind", "poll"), ("emoji", "👍")]);
        serde::Serialize::serialize(&later, &mut rmp_serde::Serializer::new(&mut bytes)).expect("encodes");
        assert_eq!(rmp_serde::from_slice::<Body>(&bytes).expect("decodes"), Body::Unknown);
        assert_eq!(rmp_serde::from_slice::<Content>(&bytes).expect("decodes"), Content::Unknown);
    }
}
