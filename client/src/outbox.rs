//! Own messages that the relay has not acknowledged.
//!
//! Invariants: a message leaves only when it is acknowledged or refused for good; messages are sent in the order in which they were
//! said; at most `WINDOW` are on their way.

use std::collections::VecDeque;

use mechat_protocol::limits::IN_FLIGHT_MAX;
use mechat_protocol::{ChannelId, Content, Nonce, Seq};

/// Messages sent and not yet answered.
pub(crate) const WINDOW: usize = 256;
const _: () = assert!(WINDOW < IN_FLIGHT_MAX, "other requests find room beside messages");

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Unsent {
    pub(crate) channel: ChannelId,
    pub(crate) nonce: Nonce,
    pub(crate) content: Content,
    pub(crate) in_reply_to: Option<Seq>,
    on_its_way: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    messages: VecDeque<Unsent>,
    on_their_way: usize,
}

impl Outbox {
    pub(crate) fn push(
        &mut self,
        channel: ChannelId,
        nonce: Nonce,
        content: Content,
        in_reply_to: Option<Seq>,
    ) {
        self.messages.push_back(Unsent { channel, nonce, content, in_reply_to, on_its_way: false });
    }

    /// The next message to send, within the window; it is on its way from here on.
    pub(crate) fn next(&mut self) -> Option<Unsent> {
        if self.on_their_way >= WINDOW {
            return None;
        }
        // What is on its way stands at the front, but for what was refused as `busy` and waits again.
        let message = self.messages.iter_mut().find(|message| !message.on_its_way)?;
        message.on_its_way = true;
        self.on_their_way += 1;
        Some(message.clone())
    }

    /// Takes a message out for good.
    pub(crate) fn remove(&mut self, nonce: Nonce) -> Option<Unsent> {
        let index = self.messages.iter().position(|message| message.nonce == nonce)?;
        let message = self.messages.remove(index)?;
        self.on_their_way -= usize::from(message.on_its_way);
        Some(message)
    }

    /// All that is in it, in order.
    pub(crate) fn into_messages(self) -> VecDeque<Unsent> {
        self.messages
    }

    /// The link is gone: what was on its way is to be sent again.
    pub(crate) fn rewind(&mut self) {
        for message in &mut self.messages {
            message.on_its_way = false;
        }
        self.on_their_way = 0;
    }

    /// One message is to be sent again later.
    pub(crate) fn put_back(&mut self, nonce: Nonce) {
        if let Some(message) =
            self.messages.iter_mut().find(|message| message.nonce == nonce && message.on_its_way)
        {
            message.on_its_way = false;
            self.on_their_way -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(n: u128) -> Nonce {
        Nonce(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn keeps_order_and_window_and_sends_again_after_a_cut() {
        let mut outbox = Outbox::default();
        for n in 0..300 {
            outbox.push(ChannelId(1), nonce(n), Content::text("x").expect("text"), None);
        }
        let sent: Vec<Nonce> = std::iter::from_fn(|| outbox.next()).map(|message| message.nonce).collect();
        assert_eq!(sent, (0..256).map(nonce).collect::<Vec<_>>());
        assert!(outbox.remove(nonce(0)).is_some());
        assert_eq!(outbox.next().map(|message| message.nonce), Some(nonce(256)));
        outbox.rewind();
        assert_eq!(
            outbox.next().map(|message| message.nonce),
            Some(nonce(1)),
            "what was acknowledged stays out"
        );
        assert!(outbox.remove(nonce(0)).is_none());
    }
}
