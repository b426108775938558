//! Who says something: a message that is encoded once and patched for each sending.
//!
//! Only its id, its nonce and its stamp differ from one to the next; to encode each anew would cost the generator more
//! than the sending.

use std::collections::HashMap;

use anyhow::Context;
use mechat_protocol::request::Send;
use mechat_protocol::{ChannelId, Content, Nonce, RequestId, codec};
use uuid::Uuid;

use crate::board::Board;
use crate::frame::{STAMP_LEN, Stamp};

/// From here on an id takes four bytes, whatever it is.
const FIRST_ID: u32 = 0x1_0000;

/// One sender in one channel.
pub(crate) struct Publisher {
    channel: ChannelId,
    /// Messages that may be without ack; 0 for one whose sendings a timer decides.
    window: usize,
    frame: Vec<u8>,
    id_at: usize,
    nonce_at: usize,
    next_id: u32,
    in_flight: HashMap<u32, Stamp>,
}

impl Publisher {
    /// Says texts of `text_len` bytes in `channel`.
    pub(crate) fn new(channel: ChannelId, text_len: usize, window: usize) -> anyhow::Result<Self> {
        let padding = text_len.checked_sub(STAMP_LEN).context("a text has room for its stamp")?;
        let text = "x".repeat(padding) + &"f".repeat(STAMP_LEN);
        let template = Send {
            id: RequestId(u32::MAX),
            channel,
            nonce: Nonce(Uuid::max()),
            content: Content::text(text)?,
            in_reply_to: None,
        };
        let frame = codec::encode(&template.into())?.to_vec();
        let behind =
            |key: &[u8]| frame.windows(key.len()).position(|window| window == key).map(|at| at + key.len());
        let id_at = behind(b"\xa2id\xce").context("an id of four bytes")?;
        let nonce_at = behind(b"\xa5nonce\xc4\x10").context("a nonce of sixteen bytes")?;
        let in_flight = HashMap::with_capacity(window);
        Ok(Self { channel, window, frame, id_at, nonce_at, next_id: FIRST_ID, in_flight })
    }

    /// The channel.
    pub(crate) const fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Appends one message.
    pub(crate) fn say(&mut self, board: &Board, out: &mut Vec<u8>) {
        let (id, stamp) = (self.next_id, board.stamp());
        self.next_id = if id == u32::MAX { FIRST_ID } else { id + 1 };
        self.frame[self.id_at..][..4].copy_from_slice(&id.to_be_bytes());
        self.frame[self.nonce_at..][..16].copy_from_slice(Uuid::now_v7().as_bytes());
        let stamp_at = self.frame.len() - STAMP_LEN;
        self.frame[stamp_at..].copy_from_slice(&stamp.digits());
        self.in_flight.insert(id, stamp);
        out.extend_from_slice(&self.frame);
    }

    /// Appends as many messages as the window has room for.
    pub(crate) fn fill(&mut self, board: &Board, out: &mut Vec<u8>) {
        while board.publishing.get() && self.in_flight.len() < self.window {
            self.say(board, out);
        }
    }

    /// An answer came: what it answers, if that was ours and open.
    pub(crate) fn answered(&mut self, id: RequestId) -> Option<Stamp> {
        self.in_flight.remove(&id.0)
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::codec::Incoming;
    use mechat_protocol::limits::FRAME_PREFIX_LEN;
    use mechat_protocol::message::{Message, Sender};

    use super::*;

    #[test]
    fn what_it_says_is_a_message_each_its_own() {
        let board = Board::default();
        board.publishing.set(true);
        let mut publisher = Publisher::new(ChannelId(1), 100, 3).expect("fits");
        let mut out = Vec::new();
        publisher.fill(&board, &mut out);
        let frame_len = out.len() / 3;
        let mut nonces = Vec::new();
        for frame in out.chunks(frame_len) {
            let Incoming::Message(Message::Send(send)) =
                codec::decode(&frame[FRAME_PREFIX_LEN..], Sender::Client)
            else {
                panic!("not a send");
            };
            let Content::Text { text } = &send.content else { panic!("not a text") };
            assert_eq!(text.as_str().len(), 100);
            let stamp = publisher.answered(send.id).expect("in flight");
            assert!(text.as_str().as_bytes().ends_with(&stamp.digits()));
            nonces.push(send.nonce);
        }
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!((nonces.len(), board.sent.get()), (3, 3));
        assert_eq!(publisher.answered(RequestId(FIRST_ID)), None, "an answer counts once");
        assert!(Publisher::new(ChannelId(1), STAMP_LEN - 1, 1).is_err());
    }
}
