//! Records: a length, a checksum, a MessagePack value.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the length of the value, unsigned, big-endian |
//! | 8 | the first bytes of the SHA-256 of length and value |
//! | length | the value: one [`Record`] |
//!
//! The first record of a file is a [`Record::Outbox`]. A version that adds kinds of records must raise `VERSION`.

use std::io::{self, Read};

use mechat_protocol::limits::FRAME_LEN_MAX;
use mechat_protocol::{AccountName, Amendment, ChannelId, Content, Nonce, RelayAddress, Seq};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::outbox::{Unsent, Utterance};

/// The form that this code writes. It also reads the one before, which knew no `amending`.
const VERSION: u32 = 2;
const VERSION_BEFORE: u32 = 1;
/// Bytes before the value.
const PREFIX_LEN: usize = LENGTH_LEN + CHECKSUM_LEN;
const LENGTH_LEN: usize = 4;
const CHECKSUM_LEN: usize = 8;
/// Bytes of a value: a message that fits in a frame fits in a record, whose names are no longer.
const VALUE_LEN_MAX: usize = FRAME_LEN_MAX;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Record {
    /// What the file is.
    Outbox { version: u32, relay: String, account: String },
    /// A message was said.
    Kept { message: Message },
    /// Something was amended.
    Amending { amending: Amending },
    /// One of either was acknowledged or refused.
    Gone { nonce: Nonce },
}

/// A message as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    channel: ChannelId,
    nonce: Nonce,
    content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<Seq>,
}

/// An amendment as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Amending {
    channel: ChannelId,
    nonce: Nonce,
    amendment: Amendment,
}

impl From<Unsent> for Record {
    fn from(Unsent { channel, nonce, what }: Unsent) -> Self {
        match what {
            Utterance::Message { content, in_reply_to } => {
                Self::Kept { message: Message { channel, nonce, content, in_reply_to } }
            }
            Utterance::Amendment(amendment) => {
                Self::Amending { amending: Amending { channel, nonce, amendment } }
            }
        }
    }
}

impl From<Message> for Unsent {
    fn from(Message { channel, nonce, content, in_reply_to }: Message) -> Self {
        Self { channel, nonce, what: Utterance::Message { content, in_reply_to } }
    }
}

impl From<Amending> for Unsent {
    fn from(Amending { channel, nonce, amendment }: Amending) -> Self {
        Self { channel, nonce, what: Utterance::Amendment(amendment) }
    }
}

impl Record {
    pub(super) fn header(relay: &RelayAddress, account: &AccountName) -> Self {
        Self::Outbox { version: VERSION, relay: relay.to_string(), account: account.to_string() }
    }

    /// The header as the version before wrote it.
    pub(super) fn header_before(relay: &RelayAddress, account: &AccountName) -> Self {
        Self::Outbox { version: VERSION_BEFORE, relay: relay.to_string(), account: account.to_string() }
    }

    /// The record as it stands in the file. Fails only for what is too long for a record, which no validated message is.
    pub(super) fn encoded(&self) -> io::Result<Vec<u8>> {
        let value = rmp_serde::to_vec_named(self).map_err(io::Error::other)?;
        let len = u32::try_from(value.len()).ok().filter(|_| value.len() <= VALUE_LEN_MAX);
        let len = len.ok_or_else(|| io::Error::other("a message is too long for the outbox's file"))?;
        let mut record = Vec::with_capacity(PREFIX_LEN + value.len());
        record.extend(len.to_be_bytes());
        record.extend(checksum(len.to_be_bytes(), &value));
        record.extend(value);
        Ok(record)
    }
}

fn checksum(len: [u8; LENGTH_LEN], value: &[u8]) -> [u8; CHECKSUM_LEN] {
    let digest = Sha256::new().chain_update(len).chain_update(value).finalize();
    std::array::from_fn(|n| digest[n])
}

/// Reads records one after another.
#[derive(Debug)]
pub(super) struct Reader<R> {
    input: R,
    /// Bytes of good records so far.
    pub(super) at: u64,
    end: u64,
}

impl<R: Read> Reader<R> {
    /// Reads `end` bytes of `input`.
    pub(super) const fn new(input: R, end: u64) -> Self {
        Self { input, at: 0, end }
    }

    /// The next record; `None` at the end, and at what is no whole record: what is behind `at` then tells which it was. Half a record, as
    /// a crash leaves it, is not told from damage: a length that changed and points beyond the end looks the same, and hides whole ones.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let rest = self.end - self.at;
        if rest < PREFIX_LEN as u64 {
            return Ok(None);
        }
        let mut prefix = [0; PREFIX_LEN];
        self.input.read_exact(&mut prefix)?;
        let len: [u8; LENGTH_LEN] = std::array::from_fn(|n| prefix[n]);
        let value_len = u32::from_be_bytes(len) as usize;
        let record_len = PREFIX_LEN as u64 + value_len as u64;
        if value_len > VALUE_LEN_MAX || rest < record_len {
            return Ok(None);
        }
        let mut value = vec![0; value_len];
        self.input.read_exact(&mut value)?;
        if checksum(len, &value) != prefix[LENGTH_LEN..] {
            return Ok(None);
        }
        let Ok(record) = rmp_serde::from_slice(&value) else { return Ok(None) };
        self.at += record_len;
        Ok(Some(record))
    }
}
