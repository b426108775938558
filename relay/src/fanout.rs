//! What is on its way to each connection.
//!
//! Owns one bounded queue for each connection and the subscriptions. A frame is encoded once and shared. The driver
//! fills the queues; each connection's writer drains its own.
//!
//! Invariants: at most `OUTBOUND_LEN_MAX` bytes of events wait for a connection, those being written included; replies are
//! bounded apart, since a reader that finds so many bytes waiting takes no further requests, and no more than `CREDIT` are
//! on their way to the hub. When an entry does not fit, its channel's queued entries are dropped and `lagged` takes their
//! place, so a gap is always told; presence that does not fit is told later, only the latest of each person. What is queued
//! for a connection leaves in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mechat_hub::ConnId;
use mechat_protocol::codec::encode;
use mechat_protocol::event::{Close, Lagged, PresenceChanged};
use mechat_protocol::limits::{OUTBOUND_LEN_MAX, PRESENCE_CHANGES_MAX};
use mechat_protocol::reply::Participant;
use mechat_protocol::{AccountName, ChannelId, CloseCode, Entry, Message, Seq};
use tokio::sync::{Notify, Semaphore};

/// Frames of one connection that the hub has not seen yet. Their replies are not in any queue, so they must be few.
const CREDIT: usize = 16;

/// The queue of one connection, between the driver and its writer.
#[derive(Debug)]
pub struct Outbound {
    queue: Mutex<Queue>,
    /// Told when there is something to write, or nothing will be any more.
    changed: Notify,
    /// Told when the queue was drained.
    drained: Notify,
    signed_in: AtomicBool,
    credit: Semaphore,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Queued>,
    /// Bytes that are not written yet: in `frames`, and taken by the writer.
    len: usize,
    /// Those of them that are events: `<= OUTBOUND_LEN_MAX`.
    events_len: usize,
    /// People whose presence did not fit, with the latest of it. At most one row for each account of the relay.
    late: BTreeMap<AccountName, Participant>,
    /// Nothing more is accepted; the last frame is a close, unless the connection is gone.
    ended: bool,
}

#[derive(Debug)]
struct Queued {
    kind: Kind,
    frame: Bytes,
}

/// What a queued frame is, for the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reply,
    /// An entry, or the `lagged` in its place.
    Entry(ChannelId),
    Presence,
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
                    let frames = queue.frames.drain(..).map(|queued| queued.frame).collect();
                    return Drained { frames, ended: queue.ended };
                }
            }
            changed.await;
        }
    }

    /// What was taken is written: there is room again, first for what came too late.
    pub fn wrote(&self) {
        let mut queue = self.queue();
        queue.count();
        let late: Vec<Participant> = std::mem::take(&mut queue.late).into_values().collect();
        for changes in late.chunks(PRESENCE_CHANGES_MAX) {
            if let Ok(frame) = encode(&PresenceChanged { changes: changes.to_vec() }.into()) {
                queue.push(Kind::Presence, frame);
            }
        }
        if !queue.frames.is_empty() {
            self.changed.notify_one();
        }
        self.drained.notify_waiters();
    }

    /// Waits until one more frame may go to the hub.
    pub async fn credit(&self) {
        // The semaphore is never closed, so there is nothing to handle.
        if let Ok(permit) = self.credit.acquire().await {
            permit.forget();
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

    fn push_reply(&self, frame: Bytes) {
        let mut queue = self.queue();
        if !queue.ended {
            queue.push(Kind::Reply, frame);
            self.changed.notify_one();
        }
    }

    fn push_entry(&self, channel: ChannelId, head: Seq, frame: Bytes) {
        let mut queue = self.queue();
        if queue.ended {
            return;
        }
        if queue.fits(&frame) {
            queue.push(Kind::Entry(channel), frame);
        } else {
            queue.drop_entries(channel);
            if let Ok(lagged) = encode(&Lagged { channel, head }.into()) {
                queue.push(Kind::Entry(channel), lagged);
            }
        }
        self.changed.notify_one();
    }

    fn push_presence(&self, presence: &PresenceChanged, frame: Bytes) {
        let mut queue = self.queue();
        if queue.ended {
            return;
        }
        if queue.fits(&frame) && queue.late.is_empty() {
            queue.push(Kind::Presence, frame);
            self.changed.notify_one();
        } else {
            let changes = presence.changes.iter().map(|change| (change.account.clone(), change.clone()));
            queue.late.extend(changes);
        }
    }

    fn end(&self, last: Option<Bytes>) {
        let mut queue = self.queue();
        if queue.ended {
            return;
        }
        if let Some(frame) = last {
            queue.push(Kind::Reply, frame);
        }
        queue.ended = true;
        self.changed.notify_one();
        self.drained.notify_waiters();
    }
}

impl Queue {
    fn fits(&self, event: &Bytes) -> bool {
        self.events_len + event.len() <= OUTBOUND_LEN_MAX
    }

    fn push(&mut self, kind: Kind, frame: Bytes) {
        self.len += frame.len();
        self.events_len += if kind == Kind::Reply { 0 } else { frame.len() };
        self.frames.push_back(Queued { kind, frame });
    }

    fn drop_entries(&mut self, channel: ChannelId) {
        let dropped = Kind::Entry(channel);
        let of_channel = self.frames.iter().filter(|queued| queued.kind == dropped);
        let len: usize = of_channel.map(|queued| queued.frame.len()).sum();
        self.frames.retain(|queued| queued.kind != dropped);
        self.len -= len;
        self.events_len -= len;
    }

    /// Counts anew what waits, after the writer is through with what it took.
    fn count(&mut self) {
        let len = |queued: &Queued| queued.frame.len();
        self.len = self.frames.iter().map(len).sum();
        self.events_len = self.frames.iter().filter(|queued| queued.kind != Kind::Reply).map(len).sum();
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            changed: Notify::new(),
            drained: Notify::new(),
            signed_in: AtomicBool::new(false),
            credit: Semaphore::new(CREDIT),
        }
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
            Ok(frame) => outbound.push_reply(frame),
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

    /// Tells everyone who is signed in that people came or went.
    pub fn announce(&self, presence: &PresenceChanged) {
        match encode(&presence.clone().into()) {
            Ok(frame) => {
                for outbound in self.signed_in.iter().filter_map(|conn| self.connections.get(conn)) {
                    outbound.push_presence(presence, frame.clone());
                }
            }
            Err(error) => tracing::error!(%error, "an announcement does not fit in a frame"),
        }
    }

    /// A frame of the connection was handled: one more may come.
    pub fn handled(&self, conn: ConnId) {
        if let Some(outbound) = self.connections.get(&conn) {
            outbound.credit.add_permits(1);
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
    use mechat_protocol::reply::Presence::{Connected, Disconnected};
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
            assert!(outbound.queue().events_len <= OUTBOUND_LEN_MAX);
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

    #[tokio::test]
    async fn presence_that_does_not_fit_is_told_later_and_replies_cost_events_no_room() {
        let (mut fanout, outbound, conn) = (Fanout::default(), Arc::new(Outbound::default()), ConnId(1));
        fanout.add(conn, Arc::clone(&outbound));
        fanout.set_signed_in(conn, true);
        fanout.subscribe(conn, ChannelId(1));
        let page = |n| mechat_protocol::reply::HistoryPage {
            id: mechat_protocol::RequestId(n),
            channel: ChannelId(1),
            epoch: Epoch(1),
            head: Seq(9),
            entries: (1..=3).map(|seq| entry(1, seq, 16_000)).collect(),
            more: true,
        };
        for n in 0..8 {
            fanout.send(conn, &page(n).into());
        }
        fanout.broadcast(entry(1, 1, 10));
        assert_eq!(drained(&outbound).await.len(), 9, "eight pages, and the entry behind them");
        outbound.wrote();
        let presence = |presence| PresenceChanged {
            changes: vec![Participant { account: "ann".parse().expect("name"), presence }],
        };
        for seq in 1..=15 {
            fanout.broadcast(entry(1, seq, 16_300));
        }
        for _ in 0..1_000 {
            fanout.announce(&presence(Connected));
        }
        fanout.announce(&presence(Disconnected));
        let before =
            drained(&outbound).await.into_iter().filter(|m| matches!(m, Message::Presence(_))).count();
        assert!(before < 1_000, "they did not all fit");
        outbound.wrote();
        let late = drained(&outbound).await;
        assert!(
            matches!(&late[..], [Message::Presence(last)] if *last == presence(Disconnected)),
            "{late:?}"
        );
    }
}
