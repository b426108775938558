//! What was said and the relay has not acknowledged: messages, and amendments of them.
//!
//! Owns their order and how far each is: to be written to disk, to be sent, on its way. It never does I/O.
//!
//! Invariants: a message leaves only when it is acknowledged or refused for good; none is sent before it is written, where there is a
//! disk; messages are sent in the order in which they were said; at most `WINDOW` are on their way. No operation looks at all messages
//! but `restore` and `into_messages`, so that an outbox of 100,000 is emptied in linear time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mechat_protocol::limits::{DATA_LEN_MAX, IN_FLIGHT_MAX, MEDIA_TYPE_LEN_MAX, TEXT_LEN_MAX};
use mechat_protocol::{Amendment, ChannelId, Content, Nonce, Seq};

/// Messages sent and not yet answered.
pub(crate) const WINDOW: usize = 256;
const _: () = assert!(WINDOW < IN_FLIGHT_MAX, "other requests find room beside messages");

/// Messages that an outbox holds; more are refused to the user.
pub const MESSAGES_MAX: usize = 100_000;
/// Bytes of their contents that an outbox holds; more are refused to the user.
pub const BYTES_MAX: usize = 64 * 1_024 * 1_024;
const _: () = assert!(BYTES_MAX > WINDOW * (TEXT_LEN_MAX + DATA_LEN_MAX + MEDIA_TYPE_LEN_MAX));

/// What a person says that becomes an entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Utterance {
    /// A message.
    Message {
        /// What.
        content: Content,
        /// The entry it answers.
        in_reply_to: Option<Seq>,
    },
    /// A change of something that was said, or of the channel.
    Amendment(Amendment),
}

impl Utterance {
    /// Bytes of what it says.
    fn len(&self) -> usize {
        match self {
            Self::Message { content, .. } | Self::Amendment(Amendment::Edit { content, .. }) => len(content),
            Self::Amendment(Amendment::React { emoji, .. }) => emoji.as_str().len(),
            Self::Amendment(Amendment::SetTopic { topic }) => topic.as_str().len(),
            Self::Amendment(Amendment::Delete { .. } | Amendment::Pin { .. } | Amendment::Unknown) => 0,
        }
    }
}

/// One message or amendment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Where.
    pub channel: ChannelId,
    /// Its name for good.
    pub nonce: Nonce,
    /// What.
    pub what: Utterance,
}

/// The outbox holds `MESSAGES_MAX` messages or `BYTES_MAX` bytes already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Where a message stands in the order in which they were said.
type Place = u64;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    messages: BTreeMap<Place, Unsent>,
    places: HashMap<Nonce, Place>,
    /// Not yet known to be on disk. Every message is in one of these three.
    unwritten: BTreeSet<Place>,
    /// To be sent.
    waiting: BTreeSet<Place>,
    /// Sent, not answered. `on_their_way.len() <= WINDOW`.
    on_their_way: BTreeSet<Place>,
    next_place: Place,
    /// Of all contents.
    bytes: usize,
}

impl Outbox {
    /// Takes a message at the end. It is not sent before [`Outbox::written`]. A nonce that is here already changes nothing.
    pub(crate) fn push(&mut self, message: Unsent) -> Result<(), Full> {
        let bytes = message.what.len();
        if self.messages.len() >= MESSAGES_MAX || self.bytes + bytes > BYTES_MAX {
            return Err(Full);
        }
        if !self.places.contains_key(&message.nonce) {
            self.insert(message, bytes);
        }
        Ok(())
    }

    fn insert(&mut self, message: Unsent, bytes: usize) {
        let place = self.next_place;
        self.next_place += 1;
        self.bytes += bytes;
        self.places.insert(message.nonce, place);
        self.messages.insert(place, message);
        self.unwritten.insert(place);
    }

    /// Puts what an earlier run left before what was said in this one. It is on disk.
    pub(crate) fn restore(&mut self, kept: Vec<Unsent>) {
        let said = std::mem::take(self);
        for message in kept {
            let nonce = message.nonce;
            let bytes = message.what.len();
            self.insert(message, bytes);
            self.written(nonce);
        }
        for message in said.into_messages() {
            if !self.places.contains_key(&message.nonce) {
                let bytes = message.what.len();
                self.insert(message, bytes);
            }
        }
    }

    /// A message is on disk, or shall go without: it may be sent. `None` if it is not here, or was written before.
    pub(crate) fn written(&mut self, nonce: Nonce) -> Option<&Unsent> {
        let place = *self.places.get(&nonce)?;
        if !self.unwritten.remove(&place) {
            return None;
        }
        self.waiting.insert(place);
        self.messages.get(&place)
    }

    pub(crate) fn get(&self, nonce: Nonce) -> Option<&Unsent> {
        self.messages.get(self.places.get(&nonce)?)
    }

    /// What is not known to be on disk, in order.
    pub(crate) fn unwritten(&self) -> impl Iterator<Item = &Unsent> {
        self.unwritten.iter().filter_map(|place| self.messages.get(place))
    }

    /// The next message to send, within the window; it is on its way from here on.
    pub(crate) fn next(&mut self) -> Option<Unsent> {
        if self.on_their_way.len() >= WINDOW {
            return None;
        }
        let place = self.waiting.pop_first()?;
        self.on_their_way.insert(place);
        self.messages.get(&place).cloned()
    }

    /// Takes a message out for good.
    pub(crate) fn remove(&mut self, nonce: Nonce) -> Option<Unsent> {
        let place = self.places.remove(&nonce)?;
        for part in [&mut self.on_their_way, &mut self.waiting, &mut self.unwritten] {
            part.remove(&place);
        }
        let message = self.messages.remove(&place)?;
        self.bytes -= message.what.len();
        Some(message)
    }

    /// All that is in it, in order.
    pub(crate) fn into_messages(self) -> impl Iterator<Item = Unsent> {
        self.messages.into_values()
    }

    /// The link is gone: what was on its way is to be sent again.
    pub(crate) fn rewind(&mut self) {
        self.waiting.append(&mut self.on_their_way);
    }

    /// One message is to be sent again later.
    pub(crate) fn put_back(&mut self, nonce: Nonce) {
        if let Some(place) = self.places.get(&nonce)
            && self.on_their_way.remove(place)
        {
            self.waiting.insert(*place);
        }
    }
}

fn len(content: &Content) -> usize {
    match content {
        Content::Text { text } => text.as_str().len(),
        Content::Data { media_type, bytes } => media_type.as_str().len() + bytes.as_bytes().len(),
        Content::Unknown => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(n: usize) -> Nonce {
        Nonce(uuid::Uuid::from_u128(n as u128))
    }

    fn message(n: usize, text: &str) -> Unsent {
        let content = Content::text(text).expect("text");
        let what = Utterance::Message { content, in_reply_to: None };
        Unsent { channel: ChannelId(1), nonce: nonce(n), what }
    }

    fn filled(count: usize) -> Outbox {
        let mut outbox = Outbox::default();
        for n in 0..count {
            outbox.push(message(n, "x")).expect("room");
            outbox.written(nonce(n)).expect("said");
        }
        outbox
    }

    fn sent(outbox: &mut Outbox) -> Vec<Nonce> {
        std::iter::from_fn(|| outbox.next()).map(|message| message.nonce).collect()
    }

    #[test]
    fn keeps_order_and_window_and_sends_again_after_a_cut() {
        let mut outbox = filled(300);
        assert_eq!(sent(&mut outbox), (0..256).map(nonce).collect::<Vec<_>>());
        assert!(outbox.remove(nonce(0)).is_some());
        assert_eq!(outbox.next().map(|message| message.nonce), Some(nonce(256)));
        outbox.rewind();
        assert_eq!(outbox.next().map(|m| m.nonce), Some(nonce(1)), "what was acknowledged stays out");
        assert!(outbox.remove(nonce(0)).is_none());
        outbox.next();
        outbox.put_back(nonce(1));
        assert_eq!(outbox.next().map(|m| m.nonce), Some(nonce(1)), "what was refused for now goes first");
    }

    #[test]
    fn nothing_is_sent_before_it_is_written() {
        let mut outbox = Outbox::default();
        outbox.push(message(1, "x")).expect("room");
        outbox.push(message(2, "x")).expect("room");
        assert_eq!(outbox.next(), None);
        assert!(outbox.written(nonce(1)).is_some());
        assert!(outbox.written(nonce(1)).is_none(), "once");
        assert_eq!(sent(&mut outbox), [nonce(1)]);
        assert_eq!(outbox.unwritten().map(|m| m.nonce).collect::<Vec<_>>(), [nonce(2)]);
    }

    #[test]
    fn what_an_earlier_run_left_goes_before_what_was_said_since() {
        let mut outbox = Outbox::default();
        outbox.push(message(7, "since")).expect("room");
        outbox.restore(vec![message(9, "a"), message(3, "b")]);
        assert_eq!(sent(&mut outbox), [nonce(9), nonce(3)], "in the order of the disk");
        outbox.written(nonce(7)).expect("here");
        assert_eq!(sent(&mut outbox), [nonce(7)]);
        assert_eq!(outbox.into_messages().count(), 3);
    }

    #[test]
    fn is_bounded_in_messages_and_bytes() {
        let mut outbox = filled(MESSAGES_MAX);
        assert_eq!(outbox.push(message(MESSAGES_MAX, "x")), Err(Full));
        outbox.remove(nonce(5)).expect("here");
        assert_eq!(outbox.push(message(MESSAGES_MAX, "x")), Ok(()));

        let mut outbox = Outbox::default();
        let long = "x".repeat(TEXT_LEN_MAX);
        let room = BYTES_MAX / TEXT_LEN_MAX;
        assert!((0..room).all(|n| outbox.push(message(n, &long)).is_ok()));
        assert_eq!(outbox.push(message(room, "x")), Err(Full));
        outbox.remove(nonce(0)).expect("here");
        assert_eq!(outbox.push(message(room, &long)), Ok(()));
        assert_eq!(outbox.bytes, BYTES_MAX);
    }

    #[test]
    fn a_full_outbox_is_emptied_through_the_window_in_order() {
        let mut outbox = filled(MESSAGES_MAX);
        let mut expected = 0..MESSAGES_MAX;
        let mut window = std::collections::VecDeque::new();
        loop {
            window.extend(std::iter::from_fn(|| outbox.next()));
            let Some(first) = window.pop_front() else { break };
            assert_eq!(Some(first.nonce), expected.next().map(nonce));
            assert!(outbox.remove(first.nonce).is_some());
        }
        assert!(expected.next().is_none() && outbox.messages.is_empty() && outbox.places.is_empty());
    }
}
