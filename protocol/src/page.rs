//! Pages of history made of entries that are encoded already.
//!
//! Owns their form on the wire, which is that of [`HistoryPage`]. A relay encodes an entry once, for everyone who hears it
//! and for everyone who reads it later; a client never needs this.

use serde::Serialize;

use crate::Entry;
use crate::codec::{EncodeError, encode_into};
use crate::id::{ChannelId, Epoch, RequestId, Seq};
use crate::limits::{FRAME_LEN_MAX, FRAME_PREFIX_LEN};
use crate::message::Message;
use crate::reply::HistoryPage;

/// What stands in an `entry` frame before the entry: the length, a map of one, and the tag.
const ENTRY_HEAD: &[u8] = b"\x81\xa5entry";
/// What stands behind the entries of a page: the key `more` and its value.
const TAIL_LEN: usize = b"\xa4more\xc2".len();

/// Entries as they stand in a page: ascending, contiguous.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedEntries {
    count: u16,
    last: Option<Seq>,
    values: Vec<u8>,
}

impl EncodedEntries {
    /// Encodes entries.
    pub fn of(entries: &[Entry]) -> Result<Self, EncodeError> {
        let mut encoded = Self::default();
        for entry in entries {
            let written =
                entry.serialize(&mut rmp_serde::Serializer::new(&mut encoded.values).with_struct_map());
            if written.is_err() {
                return Err(EncodeError::of("entry", encoded.values.len()));
            }
            encoded.count += 1;
            encoded.last = Some(entry.seq);
        }
        Ok(encoded)
    }

    /// Takes an entry over from the frame of its `entry` event, prefix included; whether it is one.
    pub fn push_frame(&mut self, seq: Seq, frame: &[u8]) -> bool {
        let value = frame.get(FRAME_PREFIX_LEN..).and_then(|value| value.strip_prefix(ENTRY_HEAD));
        if let Some(value) = value {
            self.values.extend_from_slice(value);
            self.count += 1;
            self.last = Some(seq);
        }
        value.is_some()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// The last of them.
    pub const fn last(&self) -> Option<Seq> {
        self.last
    }
}

/// A page of history. Stands for the [`HistoryPage`] of the same fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPage {
    /// The request.
    pub id: RequestId,
    /// The channel.
    pub channel: ChannelId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The channel's newest entry when the page was read.
    pub head: Seq,
    /// Contiguous, ascending.
    pub entries: EncodedEntries,
    /// Whether the range goes on beyond this page.
    pub more: bool,
}

impl EncodedPage {
    /// Appends the page as a frame, prefix included. After an error `frames` is as it was.
    pub fn encode_into(&self, frames: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Self { id, channel, epoch, head, ref entries, more } = *self;
        let start = frames.len();
        let empty = HistoryPage { id, channel, epoch, head, entries: Vec::new(), more };
        encode_into(&Message::History(empty), frames)?;
        // The empty array's one byte makes room for the entries and their count.
        let tail = frames.split_off(frames.len() - TAIL_LEN);
        frames.pop();
        if let Ok(count @ 0..16) = u8::try_from(entries.count) {
            frames.push(0x90 | count);
        } else {
            frames.push(0xdc);
            frames.extend_from_slice(&entries.count.to_be_bytes());
        }
        frames.extend_from_slice(&entries.values);
        frames.extend_from_slice(&tail);
        let len = frames.len() - start - FRAME_PREFIX_LEN;
        match u32::try_from(len) {
            Ok(prefix) if len <= FRAME_LEN_MAX => {
                frames[start..start + FRAME_PREFIX_LEN].copy_from_slice(&prefix.to_be_bytes());
                Ok(())
            }
            _ => {
                frames.truncate(start);
                Err(EncodeError::of("history", len))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;
    use crate::{Body, Content, Nonce, UnixMillis};

    fn entries(count: u64) -> Vec<Entry> {
        let entry = |seq| Entry {
            channel: ChannelId(7),
            epoch: Epoch(1),
            seq: Seq(seq),
            at_ms: UnixMillis(1_767_225_600_000),
            sender: "ada".parse().expect("a name"),
            nonce: Some(Nonce(uuid::Uuid::from_u128(seq.into()))),
            body: Body::said(
                Content::text("x".repeat(usize::try_from(seq).expect("small"))).expect("text"),
                None,
            ),
        };
        (1..=count).map(entry).collect()
    }

    #[test]
    fn an_encoded_page_is_the_page_it_stands_for() {
        for (count, more) in [(0, false), (1, true), (15, true), (16, false), (100, true)] {
            let (id, channel, epoch, head) = (RequestId(9), ChannelId(7), Epoch(1), Seq(count + 5));
            let entries = entries(count);
            let page = HistoryPage { id, channel, epoch, head, entries: entries.clone(), more };
            let expected = encode(&page.into()).expect("fits");
            let mut of_frames = EncodedEntries::default();
            for entry in &entries {
                assert!(of_frames.push_frame(entry.seq, &encode(&entry.clone().into()).expect("fits")));
            }
            let of_entries = EncodedEntries::of(&entries).expect("encodes");
            assert_eq!(of_frames, of_entries);
            assert_eq!(of_entries.last(), entries.last().map(|entry| entry.seq));
            let mut frame = vec![1, 2];
            let page = EncodedPage { id, channel, epoch, head, entries: of_entries, more };
            page.encode_into(&mut frame).expect("fits");
            assert_eq!(frame[2..], expected[..], "{count} entries");
        }
    }

    #[test]
    fn what_is_no_entry_and_what_is_too_long_is_refused_and_leaves_no_trace() {
        let mut encoded = EncodedEntries::default();
        let other = crate::reply::Pong { id: RequestId(1) };
        assert!(!encoded.push_frame(Seq(1), &encode(&other.into()).expect("fits")));
        assert_eq!(encoded, EncodedEntries::default());
        let long = EncodedEntries { count: 1, last: None, values: vec![0; FRAME_LEN_MAX] };
        let (id, channel, epoch, head) = (RequestId(9), ChannelId(7), Epoch(1), Seq(5));
        let mut frame = vec![1, 2];
        let page = EncodedPage { id, channel, epoch, head, entries: long, more: false };
        assert!(page.encode_into(&mut frame).is_err());
        assert_eq!(frame, [1, 2]);
    }
}
