//! What the generator must know of a frame, read at a glance.
//!
//! A full decode costs more than a server's whole work for a delivery, so entries and acks are read by their fixed beginning and, of a
//! text, by its stamp, with which every message of a measurement ends. Whatever does not look so is decoded in full, and
//! so is a sample of those that do: [`Seen::Damaged`] tells when the two differ.

use mechat_protocol::codec::{self, Incoming};
use mechat_protocol::message::Sender;
use mechat_protocol::{Body, ChannelId, Content, Entry, Message, Post, RequestId, Seq};

/// Hexadecimal digits of a stamp, at a text's end.
pub(crate) const STAMP_LEN: usize = 16;

/// When a message was sent, in nanoseconds of the generator's clock; no two messages have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) u64);

impl Stamp {
    /// As it stands in a text.
    pub(crate) fn digits(self) -> [u8; STAMP_LEN] {
        let mut digits = [0; STAMP_LEN];
        for (pair, byte) in digits.chunks_mut(2).zip(self.0.to_be_bytes()) {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        digits
    }

    fn at_end_of(bytes: &[u8]) -> Option<Self> {
        bytes.last_chunk::<STAMP_LEN>()?.iter().try_fold(Self(0), |Self(number), digit| {
            let digit = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            Some(Self(number << 4 | u64::from(digit)))
        })
    }

    /// The stamp of an entry of a measurement.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        match &entry.body {
            Body::Message(Post { content: Content::Text { text }, in_reply_to: None, .. }) => {
                Self::at_end_of(text.as_str().as_bytes())
            }
            _ => None,
        }
    }
}

/// A frame, as far as the generator looks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// An entry that the relay broadcast.
    Entry {
        /// Where.
        channel: ChannelId,
        /// Its place.
        seq: Seq,
        /// What it says.
        stamp: Stamp,
    },
    /// An acknowledgement.
    Ack {
        /// Of which request.
        id: RequestId,
        /// Where the entry stands.
        channel: ChannelId,
        /// Its place.
        seq: Seq,
    },
    /// Anything else.
    Other(Message),
    /// Not what a relay sends, or not what it looked like.
    Damaged,
}

/// Reads the value of one frame, without its prefix; with `in_full` what was seen is compared with a decode.
pub(crate) fn read(frame: &[u8], in_full: bool) -> Seen {
    match glance(frame) {
        Some(seen) if !in_full || decode(frame) == seen => seen,
        Some(_) => Seen::Damaged,
        None => decode(frame),
    }
}

fn decode(frame: &[u8]) -> Seen {
    match codec::decode(frame, Sender::Relay) {
        Incoming::Message(Message::Entry(entry)) => match Stamp::of(&entry) {
            Some(stamp) => Seen::Entry { channel: entry.channel, seq: entry.seq, stamp },
            None => Seen::Other(Message::Entry(entry)),
        },
        Incoming::Message(Message::Ack(ack)) => {
            Seen::Ack { id: ack.id, channel: ack.position.channel, seq: ack.position.seq }
        }
        Incoming::Message(message) => Seen::Other(message),
        Incoming::Refused(_) => Seen::Damaged,
    }
}

fn glance(frame: &[u8]) -> Option<Seen> {
    let mut eye = Eye(frame);
    if frame.get(1) == Some(&0xa5) {
        // A map of 7: all fields of an entry that somebody sent.
        eye.skip(b"\x81\xa5entry\x87\xa7channel")?;
        let channel = ChannelId(eye.number()?);
        eye.skip(b"\xa5epoch")?;
        eye.number()?;
        eye.skip(b"\xa3seq")?;
        let seq = Seq(eye.number()?);
        return Some(Seen::Entry { channel, seq, stamp: Stamp::at_end_of(eye.0)? });
    }
    eye.skip(b"\x81\xa3ack\x83\xa2id")?;
    let id = RequestId(u32::try_from(eye.number()?).ok()?);
    eye.skip(b"\xa8position\x83\xa7channel")?;
    let channel = ChannelId(eye.number()?);
    eye.skip(b"\xa5epoch")?;
    eye.number()?;
    eye.skip(b"\xa3seq")?;
    Some(Seen::Ack { id, channel, seq: Seq(eye.number()?) })
}

struct Eye<'a>(&'a [u8]);

impl Eye<'_> {
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// An unsigned number in any of MessagePack's lengths.
    fn number(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        let len = match first {
            0x00..=0x7f => 0,
            0xcc => 1,
            0xcd => 2,
            0xce => 4,
            0xcf => 8,
            _ => return None,
        };
        let (bytes, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(if len == 0 { u64::from(*first) } else { bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)) })
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::limits::FRAME_PREFIX_LEN;
    use mechat_protocol::reply::Ack;
    use mechat_protocol::{Epoch, Nonce, UnixMillis};

    use super::*;

    fn entry(seq: u64, text: &str) -> Message {
        let content = Content::text(text).expect("short");
        Message::Entry(Entry {
            channel: ChannelId(300),
            epoch: Epoch(1),
            seq: Seq(seq),
            at_ms: UnixMillis(1),
            sender: crate::people::account(1),
            nonce: Some(Nonce(uuid::Uuid::max())),
            body: Body::said(content, None),
        })
    }

    fn value(message: &Message) -> Vec<u8> {
        codec::encode(message).expect("fits")[FRAME_PREFIX_LEN..].to_vec()
    }

    #[test]
    fn a_glance_sees_what_a_decode_does() {
        for seq in [1, 127, 128, 255, 65_535, 65_536, u64::from(u32::MAX), u64::MAX] {
            let stamp = Stamp(seq ^ 0xfeed_beef);
            let text = format!("hello {}", String::from_utf8_lossy(&stamp.digits()));
            let frame = value(&entry(seq, &text));
            assert_eq!(glance(&frame), Some(Seen::Entry { channel: ChannelId(300), seq: Seq(seq), stamp }));
            assert_eq!(decode(&frame), glance(&frame).expect("seen"));
            let ack = Ack {
                id: RequestId(70_000),
                position: mechat_protocol::Position { channel: ChannelId(2), epoch: Epoch(9), seq: Seq(seq) },
                at_ms: UnixMillis(-1),
            };
            let frame = value(&ack.into());
            assert!(matches!(glance(&frame), Some(Seen::Ack { .. })));
            assert_eq!(decode(&frame), glance(&frame).expect("seen"));
        }
    }

    #[test]
    fn what_has_no_stamp_is_read_in_full_and_what_lies_is_damaged() {
        let plain = entry(7, "without a stamp");
        assert_eq!(read(&value(&plain), false), Seen::Other(plain));
        let stamped = value(&entry(7, "0123456789abcdef"));
        assert!(matches!(read(&stamped, true), Seen::Entry { .. }));
        let mut lying = stamped.clone();
        let kind = lying.windows(4).position(|window| window == b"body").expect("a body") + 1;
        lying[kind] = b'x';
        assert_eq!(read(&lying, true), Seen::Damaged);
        assert_eq!(read(b"\xff", false), Seen::Damaged);
    }
}
