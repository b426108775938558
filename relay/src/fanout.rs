//! What is on its way to each connection.
//!
//! Owns one bounded queue for each connection and the subscriptions. A frame is encoded once and shared. The driver
//! fills the queues; each connection's writer drains its own.
//!
//! Invariants: a queue holds at most `OUTBOUND_LEN_MAX` bytes of events, replies aside, which are bounded by requests in flight;
//! when an entry does not fit, its channel's queued entries are dropped and `lagged` takes their place, so a gap is
//! always told; what is queued for a connection leaves in order.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mechat_hub::ConnId;
use mechat_protocol::codec::encode;
use mechat_protocol::event::{Close, Lagged};
use mechat_protocol::limits::OUTBOUND_LEN_MAX;
use mechat_protocol::{ChannelId, CloseCode, Entry, Message, Seq};
use tokio::sync::Notify;

/// The queue of one connection, between the driver and its writer.
#[derive(Debug, Default)]
pub struct Outbound {
    queue: Mutex<Queue>,
    /// Told when there is something to write, or nothing will be any more.
    changed: Notify,
    /// Told when the queue was drained.
    drained: Notify,
    signed_in: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Queued>,
    /// Sum of the lengths in `frames`.
    len: usize,
    /// Nothing more is accepted; the last frame is a close, unless the connection is gone.
    ended: bool,
}

#[derive(Debug)]
struct Queued {
    /// The channel whose entry it is.
    channel: Option<ChannelId>,
    frame: Bytes,
}

/// What a writer is to do.
#[derive(Debug)]
pub struct Drained {
    /// To be written, in order.
    pub frames: Vec<Bytes>,
    /// Whether nothing follows.
    pub ended: bool,
}

impl Outbound {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Each change below leaves the queue whole, so a panic elsewhere does not taint it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to write, and takes all of it.
    pub async fn drain(&self) -> Drained {
        loop {
            let changed = self.changed.notified();
            {
                let mut queue = self.queue();
                if !queue.frames.is_empty() || queue.ended {
                    queue.len = 0;
                    let frames = queue.frames.drain(..).map(|queued| queued.frame).collect();
                    self.drained.notify_waiters();
                    return Drained { frames, ended: queue.ended };
                }
            }
            changed.await;
        }
    }

    /// Waits until the queue has room again. A reader that waits here reads no further requests.
    pub async fn has_room(&self) {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let queue = self.queue();
                if queue.len < OUTBOUND_LEN_MAX || queue.ended {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Whether the peer may send long frames.
    pub fn is_signed_in(&self) -> bool {
        self.signed_in.load(Ordering::Acquire)
    }

    fn push(&self, channel: Option<ChannelId>, frame: Bytes) {
        let mut queue = self.queue();
        if !queue.ended {
            queue.push(channel, frame);
            self.changed.notify_one();
        }
    }

    fn push_entry(&self, channel: ChannelId, head: Seq, frame: Bytes) {
        let mut queue = self.queue();
        if queue.ended {
            return;
        }
        if queue.len + frame.len() > OUTBOUND_LEN_MAX {
            queue.drop_entries(channel);
            if let Ok(lagged) = encode(&Lagged { channel, head }.into()) {
                queue.push(Some(channel), lagged);
            }
        } else {
            queue.push(Some(channel), frame);
        }
        self.changed.notify_one();
    }

    /// `false` if the peer reads so little that even this does not fit.
    fn push_announcement(&self, frame: Bytes) -> bool {
        let mut queue = self.queue();
        if queue.ended {
            return true;
        }
        if queue.len + frame.len() > OUTBOUND_LEN_MAX {
            return false;
        }
        queue.push(None, frame);
        self.changed.notify_one();
        true
    }

    fn end(&self, last: Option<Bytes>) {
        let mut queue = self.queue();
        if queue.ended {
            return;
        }
        if let Some(frame) = last {
            queue.push(None, frame);
        }
        queue.ended = true;
        self.changed.notify_one();
        self.drained.notify_waiters();
    }
}

impl Queue {
    fn push(&mut self, channel: Option<ChannelId>, frame: Bytes) {
        self.len += frame.len();
        self.frames.push_back(Queued { channel, frame });
    }

    fn drop_entries(&mut self, channel: ChannelId) {
        self.frames.retain(|queued| queued.channel != Some(channel));
        self.len = self.frames.iter().map(|queued| queued.frame.len()).sum();
    }
}

/// All queues and who gets what.
#[derive(Debug, Default)]
pub struct Fanout {
    connections: HashMap<ConnId, Arc<Outbound>>,
    subscribers: HashMap<ChannelId, BTreeSet<ConnId>>,
    signed_in: BTreeSet<ConnId>,
}

impl Fanout {
    /// Adds a connection's queue.
    pub fn add(&mut self, conn: ConnId, outbound: Arc<Outbound>) {
        self.connections.insert(conn, outbound);
    }

    /// Forgets a connection that is gone and was unsubscribed from everything.
    pub fn remove(&mut self, conn: ConnId) {
        if let Some(outbound) = self.connections.remove(&conn) {
            outbound.end(None);
        }
        self.signed_in.remove(&conn);
    }

    /// From here on the connection gets the channel's entries.
    pub fn subscribe(&mut self, conn: ConnId, channel: ChannelId) {
        self.subscribers.entry(channel).or_default().insert(conn);
    }

    /// From here on it does not.
    pub fn unsubscribe(&mut self, conn: ConnId, channel: ChannelId) {
        if let Some(connections) = self.subscribers.get_mut(&channel) {
            connections.remove(&conn);
            if connections.is_empty() {
                self.subscribers.remove(&channel);
            }
        }
    }

    /// Whether announcements and long frames are for this connection.
    pub fn set_signed_in(&mut self, conn: ConnId, signed_in: bool) {
        let Some(outbound) = self.connections.get(&conn) else { return };
        outbound.signed_in.store(signed_in, Ordering::Release);
        if signed_in {
            self.signed_in.insert(conn);
        } else {
            self.signed_in.remove(&conn);
        }
    }

    /// Queues a message for one connection.
    pub fn send(&self, conn: ConnId, message: &Message) {
        let Some(outbound) = self.connections.get(&conn) else { return };
        match encode(message) {
            Ok(frame) => outbound.push(None, frame),
            Err(error) => {
                tracing::error!(%error, "a reply does not fit in a frame");
                self.close(conn, Close::new(CloseCode::Internal, "the relay made a reply that is too long"));
            }
        }
    }

    /// Queues an entry for everyone who subscribed to its channel.
    pub fn broadcast(&self, entry: Entry) {
        let (channel, head) = (entry.channel, entry.seq);
        let Some(connections) = self.subscribers.get(&channel) else { return };
        match encode(&entry.into()) {
            Ok(frame) => {
                for outbound in connections.iter().filter_map(|conn| self.connections.get(conn)) {
                    outbound.push_entry(channel, head, frame.clone());
                }
            }
            Err(error) => tracing::error!(%error, "an entry does not fit in a frame"),
        }
    }

    /// Queues a message for everyone who is signed in.
    pub fn announce(&self, message: &Message) {
        let Ok(frame) = encode(message) else {
            tracing::error!(tag = message.tag(), "an announcement does not fit in a frame");
            return;
        };
        for conn in &self.signed_in {
            let taken =
                self.connections.get(conn).is_none_or(|outbound| outbound.push_announcement(frame.clone()));
            if !taken {
                self.close(*conn, Close::new(CloseCode::SlowReader, "you did not read what was sent to you"));
            }
        }
    }

    /// Sends a close to everyone.
    pub fn close_all(&self, close: &Close) {
        for conn in self.connections.keys() {
            self.close(*conn, close.clone());
        }
    }

    /// Sends a close after what is queued; nothing follows it.
    pub fn close(&self, conn: ConnId, close: Close) {
        if let Some(outbound) = self.connections.get(&conn) {
            outbound.end(encode(&close.into()).ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use mechat_protocol::codec::{Incoming, decode};
    use mechat_protocol::message::Sender;
    use mechat_protocol::{Body, Content, Epoch, UnixMillis};

    use super::*;

    fn entry(channel: u64, seq: u64, len: usize) -> Entry {
        Entry {
            channel: ChannelId(channel),
            epoch: Epoch(1),
            seq: Seq(seq),
            at_ms: UnixMillis(0),
            sender: "ann".parse().expect("name"),
            nonce: None,
            body: Body::Message { content: Content::text("x".repeat(len)).expect("text"), in_reply_to: None },
        }
    }

    async fn drained(outbound: &Outbound) -> Vec<Message> {
        let message = |frame: &Bytes| match decode(&frame[4..], Sender::Relay) {
            Incoming::Message(message) => message,
            Incoming::Refused(refusal) => panic!("{refusal:?}"),
        };
        outbound.drain().await.frames.iter().map(message).collect()
    }

    #[tokio::test]
    async fn a_slow_reader_costs_a_bound_and_is_told_of_the_gap() {
        let (mut fanout, outbound, conn) = (Fanout::default(), Arc::new(Outbound::default()), ConnId(1));
        fanout.add(conn, Arc::clone(&outbound));
        fanout.subscribe(conn, ChannelId(1));
        fanout.subscribe(conn, ChannelId(2));
        fanout.broadcast(entry(2, 1, 10));
        for seq in 1..=100 {
            fanout.broadcast(entry(1, seq, 16_000));
            assert!(outbound.queue().len <= OUTBOUND_LEN_MAX);
        }
        let messages = drained(&outbound).await;
        assert!(
            matches!(&messages[0], Message::Entry(entry) if entry.channel == ChannelId(2)),
            "others are untouched"
        );
        // After the first message of channel 1: either a lag, or entries that follow one another.
        let mut expected = None;
        for message in &messages[1..] {
            match message {
                Message::Lagged(lagged) => expected = Some(lagged.head.next()),
                Message::Entry(entry) => {
                    assert_eq!(Some(entry.seq), expected, "no silent gap");
                    expected = Some(entry.seq.next());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(expected, Some(Seq(101)), "the end is reached");
    }

    #[tokio::test]
    async fn after_unsubscribing_and_closing_nothing_more_is_queued() {
        let (mut fanout, outbound, conn) = (Fanout::default(), Arc::new(Outbound::default()), ConnId(1));
        fanout.add(conn, Arc::clone(&outbound));
        fanout.subscribe(conn, ChannelId(1));
        fanout.unsubscribe(conn, ChannelId(1));
        fanout.broadcast(entry(1, 1, 1));
        fanout.close(conn, Close::new(CloseCode::Bye, "bye"));
        fanout.send(conn, &Close::new(CloseCode::Bye, "again").into());
        let messages = drained(&outbound).await;
        assert!(matches!(&messages[..], [Message::Close(close)] if close.reason == "bye"), "{messages:?}");
        assert!(outbound.drain().await.ended);
    }
}
