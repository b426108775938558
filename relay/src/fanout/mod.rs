//! What is on its way to each connection: one log, many cursors.
//!
//! Owns a bounded ring of encoded entries for each channel that is followed, the presence log, and the way to each connection. An
//! entry is encoded once. To publish costs O(those who wait for it): who is behind already is not touched, and the
//! connections' tasks, on all cores, copy what they need.
//!
//! Invariants: no allocation for each member and message; what a slow reader has not taken is a cursor, not a copy; when the ring
//! moved on without it, `lagged` takes the place of what it missed, so a gap is always told. Locks are taken in the order
//! connection, then channel or presence.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mechat_hub::{ConnId, HistoryRead};
use mechat_protocol::codec::{EncodeError, encode, encode_into};
use mechat_protocol::event::{Close, MarksChanged, PresenceChanged, Typing};
use mechat_protocol::limits::{PUBLISH_LEN_MAX, RING_LEN_MAX, RINGS_LEN_MAX};
use mechat_protocol::page::EncodedPage;
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{ChannelId, CloseCode, Entry, Message, Seq};
use tokio::time::Instant;

mod outbound;
mod parking;
mod presence;
mod recent;
mod topic;

#[cfg(test)]
mod tests;

pub use outbound::{Ending, Look, Outbound};
pub use presence::PresenceLog;

use topic::{Amount, BATCH_OVERHEAD, Batch, Cursor, Parked, Topic, TypingVersion};

/// Who had not read everything at any time for so long, or up to twice as long, reads too slowly to be waited for.
const READING_WINDOW: Duration = Duration::from_millis(500);
/// Those who publish in a channel wait for its followers for so much of each `PATIENCE_WINDOW` at most.
const PATIENCE: Duration = Duration::from_millis(500);
const PATIENCE_WINDOW: Duration = Duration::from_secs(1);
/// Bytes of entries that are copied once more to hold no room beyond them.
const SHRINK_LEN: usize = 4_096;
/// Bytes that are published while followers of a channel are behind before these are given time.
const PRESSED_LEN: usize = RING_LEN_MAX / 4;
/// Dropped batches for which it is not worth while to look through the others.
const SWEEP_MIN: usize = 1_024;

/// All ways and who gets what.
#[derive(Debug, Default)]
pub struct Fanout {
    connections: HashMap<ConnId, Arc<Outbound>>,
    channels: HashMap<ChannelId, Followed>,
    presence: Arc<PresenceLog>,
    /// Channels with entries that are not published yet.
    unpublished: Vec<ChannelId>,
    /// What is in all rings together, in the order of publication.
    held: Held,
    /// Lent to the rings, so that to publish allocates nothing.
    woken: Vec<Parked>,
    /// Lent to the presence log, which has many more waiting.
    told: Vec<Parked>,
    /// Replies are encoded here.
    scratch: Vec<u8>,
}

/// A channel that somebody follows.
#[derive(Debug)]
struct Followed {
    topic: Arc<Topic>,
    followers: HashSet<ConnId>,
    /// Frames that are not published yet, and the entries in them.
    frames: Vec<u8>,
    span: Option<(Seq, Seq)>,
    /// Bytes that were published since nearly all who read had everything.
    unread: usize,
    reading: Reading,
    patience: Patience,
}

/// The batches of all rings: at most `RINGS_LEN_MAX` bytes; beyond that the oldest are given up.
#[derive(Debug, Default)]
struct Held {
    /// In the order of publication; those that their own ring dropped are still among them, but never more than there are others.
    batches: VecDeque<(Arc<Topic>, Seq)>,
    amount: Amount,
}

impl Fanout {
    /// The presence log that each connection's way needs.
    pub fn presence(&self) -> Arc<PresenceLog> {
        Arc::clone(&self.presence)
    }

    /// Adds the way to a connection.
    pub fn add(&mut self, conn: ConnId, outbound: Arc<Outbound>) {
        self.connections.insert(conn, outbound);
    }

    /// Forgets a connection that is gone and was unsubscribed from everything.
    pub fn remove(&mut self, conn: ConnId) {
        self.set_signed_in(conn, false);
        if let Some(outbound) = self.connections.remove(&conn) {
            outbound.end(None, Ending::Whole);
        }
    }

    /// From here on the connection gets the channel's entries.
    pub fn subscribe(&mut self, conn: ConnId, channel: ChannelId) {
        self.publish(channel);
        let Some(outbound) = self.connections.get(&conn) else { return };
        let followed = self.channels.entry(channel).or_insert_with(|| Followed::new(channel));
        if !followed.followers.insert(conn) {
            return;
        }
        // It may have left a moment ago and still have the end of that to get.
        if outbound.stop_following(channel, None) {
            outbound.follow_again(&followed.topic);
        } else {
            let told = followed.topic.typing_version();
            followed.topic.park(Parked { conn, outbound: Arc::clone(outbound), told });
        }
    }

    /// From here on it does not: at once, or behind the entry `last`. The ring stays: who comes back reads from it.
    pub fn unsubscribe(&mut self, conn: ConnId, channel: ChannelId, last: Option<Seq>) {
        self.publish(channel);
        let Some(followed) = self.channels.get_mut(&channel) else { return };
        if !followed.followers.remove(&conn) {
            return;
        }
        let had_cursor =
            self.connections.get(&conn).is_some_and(|outbound| outbound.stop_following(channel, last));
        if !had_cursor {
            followed.topic.unpark(conn);
        }
    }

    /// Whether announcements and long frames are for this connection.
    pub fn set_signed_in(&mut self, conn: ConnId, signed_in: bool) {
        let Some(outbound) = self.connections.get(&conn) else { return };
        if signed_in {
            let told = TypingVersion::default();
            let next = self.presence.follow(Parked { conn, outbound: Arc::clone(outbound), told });
            outbound.set_signed_in(Some(next));
        } else {
            outbound.set_signed_in(None);
            self.presence.unpark(conn);
        }
    }

    /// Sends a message to one connection.
    pub fn send(&mut self, conn: ConnId, message: &Message) {
        self.reply(conn, |frame| encode_into(message, frame));
    }

    /// Sends a page of history to one connection.
    pub fn send_page(&mut self, conn: ConnId, page: &EncodedPage) {
        self.reply(conn, |frame| page.encode_into(frame));
    }

    fn reply(&mut self, conn: ConnId, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>) {
        let Some(outbound) = self.connections.get(&conn) else { return };
        self.scratch.clear();
        match encode(&mut self.scratch) {
            Ok(()) => outbound.push_reply(&self.scratch),
            Err(error) => {
                tracing::error!(%error, "a reply does not fit in a frame");
                self.close(conn, &Close::new(CloseCode::Internal, "the relay made a reply that is too long"));
            }
        }
    }

    /// Adds an entry for everyone who follows its channel. It goes out with [`Fanout::publish_all`], or earlier.
    pub fn broadcast(&mut self, entry: Entry) {
        let (channel, seq) = (entry.channel, entry.seq);
        let Some(followed) = self.channels.get_mut(&channel) else { return };
        if let Err(error) = encode_into(&entry.into(), &mut followed.frames) {
            tracing::error!(%error, "an entry does not fit in a frame");
            // Whoever reaches the hole is told so.
            return self.publish(channel);
        }
        match &mut followed.span {
            Some((_, last)) => *last = seq,
            none => {
                *none = Some((seq, seq));
                self.unpublished.push(channel);
            }
        }
        if followed.frames.len() >= PUBLISH_LEN_MAX {
            self.publish(channel);
        }
    }

    /// Puts an entry as it is now in the place of what it was: who is behind, and who asks for it later, gets only that.
    pub fn replace(&mut self, entry: Entry) {
        let (channel, seq) = (entry.channel, entry.seq);
        self.publish(channel);
        let Some(followed) = self.channels.get(&channel) else { return };
        match encode(&entry.into()) {
            Ok(frame) => self.held.resized(followed.topic.replace(seq, &frame)),
            Err(error) => {
                tracing::error!(%error, "an amended entry does not fit in a frame");
                self.held.lost(followed.topic.forget_up_to(seq));
            }
        }
    }

    /// Tells those who follow a channel who types there; without names, whoever was not yet told is not.
    pub fn typing(&mut self, typing: &Typing) {
        let channel = typing.channel;
        self.publish(channel);
        let Some(followed) = self.channels.get(&channel) else { return };
        let topic = &followed.topic;
        if typing.accounts.is_empty() {
            return topic.forget_typing();
        }
        let next = match encode(&typing.clone().into()) {
            Ok(frame) => topic.tell_typing(frame, &mut self.woken),
            Err(error) => return tracing::error!(%error, "who types does not fit in a frame"),
        };
        for Parked { outbound, told, .. } in self.woken.drain(..) {
            outbound.push_cursor(Cursor { topic: Arc::clone(topic), next, last: None, told });
        }
    }

    /// Tells a connection of marks that another one moved.
    pub fn marks_changed(&self, conn: ConnId, changed: &MarksChanged) {
        if let Some(outbound) = self.connections.get(&conn) {
            outbound.marks_changed(changed);
        }
    }

    /// Hands what was broadcast to those who wait for it.
    pub fn publish_all(&mut self) {
        while let Some(channel) = self.unpublished.pop() {
            self.publish(channel);
        }
    }

    fn publish(&mut self, channel: ChannelId) {
        let Some(followed) = self.channels.get_mut(&channel) else { return };
        let Some((first, last)) = followed.span.take() else { return };
        let mut frames = std::mem::take(&mut followed.frames);
        if frames.len() < SHRINK_LEN {
            // Most channels publish a line at a time, and the ring holds thousands of them.
            frames.shrink_to_fit();
        }
        let frames = Bytes::from(frames);
        let topic = Arc::clone(&followed.topic);
        self.held.add(Arc::clone(&topic), first, frames.len() + BATCH_OVERHEAD);
        let len = frames.len();
        let caught_up = followed.have_everything(topic.caught_up(), Instant::now());
        followed.unread = if caught_up { len } else { followed.unread + len };
        self.held.lost(topic.publish(Batch { first, last, frames }, &mut self.woken));
        for Parked { outbound, told, .. } in self.woken.drain(..) {
            outbound.push_cursor(Cursor { topic: Arc::clone(&topic), next: first, last: None, told });
        }
        self.held.give_up_oldest();
    }

    /// Whether followers of a channel who do read are far behind, so that to publish more would make them lag. Asked again and
    /// again while somebody waits for that.
    pub fn is_pressed(&mut self, channel: ChannelId, now: Instant) -> bool {
        let Some(followed) = self.channels.get_mut(&channel) else { return false };
        let is_pressed =
            followed.unread > PRESSED_LEN && !followed.have_everything(followed.topic.caught_up(), now);
        followed.patience.lasts(is_pressed, now)
    }

    /// A page of a channel's log, if memory holds all of it.
    pub fn recent(&mut self, channel: ChannelId, range: HistoryRange, limit: usize) -> Option<HistoryRead> {
        self.publish(channel);
        self.channels.get(&channel)?.topic.with_recent(|batches| recent::page(batches, range, limit))
    }

    /// Tells everyone who is signed in that people came or went.
    pub fn announce(&mut self, presence: &PresenceChanged) {
        match encode(&presence.clone().into()) {
            Ok(frame) => self.presence.announce(presence, frame, &mut self.told),
            Err(error) => return tracing::error!(%error, "an announcement does not fit in a frame"),
        }
        for Parked { outbound, .. } in self.told.drain(..) {
            outbound.presence_changed();
        }
    }

    /// Requests of the connection were handled: more may come.
    pub fn handled(&self, conn: ConnId) {
        if let Some(outbound) = self.connections.get(&conn) {
            outbound.set_handled();
        }
    }

    /// Sends a close to everyone.
    pub fn close_all(&mut self, close: &Close) {
        self.publish_all();
        for conn in self.connections.keys() {
            self.close(*conn, close);
        }
    }

    /// Sends a close after what is on its way; nothing follows it.
    pub fn close(&self, conn: ConnId, close: &Close) {
        let Some(outbound) = self.connections.get(&conn) else { return };
        let ending = match close.code {
            CloseCode::SessionRevoked | CloseCode::Replaced => Ending::Revoked,
            _ => Ending::Whole,
        };
        outbound.end(encode(&close.clone().into()).ok(), ending);
    }
}

impl Followed {
    fn new(channel: ChannelId) -> Self {
        Self {
            topic: Arc::new(Topic::new(channel)),
            followers: HashSet::new(),
            frames: Vec::new(),
            span: None,
            unread: 0,
            reading: Reading::default(),
            patience: Patience::default(),
        }
    }

    /// Whether those who have read everything are nearly all who had lately: others do not read at all, or too slowly. One of
    /// few is not waited for either, unless the channel has nobody besides.
    fn have_everything(&mut self, caught_up: usize, now: Instant) -> bool {
        let most = self.reading.most(caught_up, now);
        let few = if most > 2 { (most / 16).max(1) } else { 0 };
        caught_up + few >= most
    }
}

/// How long those who publish in a channel have waited lately.
#[derive(Debug, Default)]
struct Patience {
    began: Option<Instant>,
    /// Of this window.
    waited: Duration,
    /// Somebody waits, and this was noted.
    noted: Option<Instant>,
}

impl Patience {
    /// Whether there is something to wait for and it may be waited for still.
    fn lasts(&mut self, waits: bool, now: Instant) -> bool {
        if self.began.is_none_or(|began| now >= began + PATIENCE_WINDOW) {
            *self = Self { began: Some(now), ..Self::default() };
        }
        let before = std::mem::replace(&mut self.noted, waits.then_some(now));
        self.waited += before.map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        waits && self.waited < PATIENCE
    }
}

/// How many followers of a channel had read everything at one time lately.
#[derive(Debug, Default)]
struct Reading {
    /// In this window and in the one before.
    most: [usize; 2],
    began: Option<Instant>,
}

impl Reading {
    /// Takes note of how many have everything `now`.
    fn most(&mut self, count: usize, now: Instant) -> usize {
        let began = *self.began.get_or_insert(now);
        if now >= began + READING_WINDOW {
            let before = if now < began + 2 * READING_WINDOW { self.most[0] } else { count };
            (self.most, self.began) = ([count, before], Some(now));
        }
        self.most[0] = self.most[0].max(count);
        self.most[0].max(self.most[1])
    }
}

impl Held {
    fn add(&mut self, topic: Arc<Topic>, first: Seq, len: usize) {
        self.batches.push_back((topic, first));
        self.amount.batches += 1;
        self.amount.len += len;
    }

    /// An entry became longer or shorter.
    const fn resized(&mut self, (before, now): (usize, usize)) {
        self.amount.len = self.amount.len + now - before;
    }

    fn lost(&mut self, lost: Amount) {
        self.amount.batches -= lost.batches;
        self.amount.len -= lost.len;
        if self.batches.len() > 2 * self.amount.batches + SWEEP_MIN {
            self.batches.retain(|(topic, first)| topic.holds(*first));
        }
    }

    fn give_up_oldest(&mut self) {
        while self.amount.len > RINGS_LEN_MAX
            && let Some((topic, first)) = self.batches.pop_front()
        {
            // Nothing, if its own ring dropped it before.
            self.lost(topic.forget(first));
        }
    }
}
