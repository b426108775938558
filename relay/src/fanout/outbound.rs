//! What is on its way to one connection.
//!
//! Owns the connection's replies, its cursors into the channels' rings and its place in the presence log. The driver adds; the
//! connection's own task drains.
//!
//! Invariants: replies leave in order, before the entries that were published after them; what waits here of entries is cursors,
//! never copies, at most one for each channel, and of marks the latest of each channel; a connection whose replies reach `OUTBOUND_LEN_MAX`, or a guest's
//! `OUTBOUND_LEN_MAX_PENDING`, takes no further requests until they are written; after [`Outbound::end`] nothing is added.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;
use mechat_hub::ConnId;
use mechat_protocol::codec::encode;
use mechat_protocol::event::{Lagged, MarksChanged};
use mechat_protocol::limits::{DRAIN_LEN, OUTBOUND_LEN_MAX, OUTBOUND_LEN_MAX_PENDING};
use mechat_protocol::reply::Marks;
use mechat_protocol::{ChannelId, Seq};

use super::presence::{ChangeNumber, PresenceLog};
use super::topic::{Cursor, Parked, Progress, Topic, TypingVersion};

/// Short replies are joined up to this many bytes; a longer one stands alone, so that nothing is reserved that is not used.
const CHUNK_LEN: usize = 4_096;

/// The way to one connection.
#[derive(Debug)]
pub struct Outbound {
    conn: ConnId,
    presence: Arc<PresenceLog>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whole frames, one behind the other, in chunks.
    replies: VecDeque<Vec<u8>>,
    /// Bytes in them.
    replies_len: usize,
    /// Channels of which the connection has not everything: each once.
    behind: VecDeque<Cursor>,
    /// The account's marks that it was not told, the latest of each channel: at most as many as an account has channels.
    marks: BTreeMap<ChannelId, Marks>,
    /// The first change of presence that it was not told; none while it is not signed in.
    presence: Option<ChangeNumber>,
    /// There are such changes, and nobody else will say so.
    presence_behind: bool,
    /// The requests that were handed on are handled.
    handled: bool,
    signed_in: bool,
    /// Nothing is added any more.
    ended: Option<Ending>,
    /// The frame that follows everything else.
    close: Option<Bytes>,
    /// The connection's task, while it waits.
    waiting: Option<Waker>,
}

/// What a connection's task finds when it looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// There is something to drain.
    pub outgoing: bool,
    /// The requests that were handed on are handled: said once.
    pub handled: bool,
    /// Further requests may be taken in.
    pub room: bool,
    /// Nothing follows what is there.
    pub ended: Option<Ending>,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With all that was said until then.
    Whole,
    /// With nothing more of what others said: whoever is there has no right to it any more.
    Revoked,
}

impl Outbound {
    /// The way to a connection that is not signed in.
    pub fn new(conn: ConnId, presence: Arc<PresenceLog>) -> Arc<Self> {
        Arc::new(Self { conn, presence, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change below leaves the state whole, so a panic elsewhere does not taint it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, unless it ended, and wakes the connection's task.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if state.ended.is_some() {
            return;
        }
        change(&mut state);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(task) = waiting {
            task.wake();
        }
    }

    /// Looks, and asks to be woken at the next change.
    pub fn look(&self, context: &Context<'_>) -> Look {
        let mut state = self.state();
        match &state.waiting {
            Some(waiting) if waiting.will_wake(context.waker()) => {}
            _ => state.waiting = Some(context.waker().clone()),
        }
        Look {
            outgoing: state.has_outgoing(),
            handled: std::mem::take(&mut state.handled),
            room: state.replies_len
                < if state.signed_in { OUTBOUND_LEN_MAX } else { OUTBOUND_LEN_MAX_PENDING },
            ended: state.ended,
        }
    }

    /// Whether the peer may send long frames.
    pub fn is_signed_in(&self) -> bool {
        self.state().signed_in
    }

    /// Takes about `DRAIN_LEN` bytes of what is next, as handles of frames.
    pub fn drain(self: &Arc<Self>, frames: &mut Vec<Bytes>) {
        let mut state = self.state();
        let mut room = DRAIN_LEN;
        while room > 0
            && let Some(replies) = state.replies.pop_front()
        {
            state.replies_len -= replies.len();
            room = room.saturating_sub(replies.len());
            frames.push(Bytes::from(replies));
        }
        while room > 0
            && let Some((channel, marks)) = state.marks.pop_first()
        {
            // A short message always fits in a frame.
            let frame = encode(&MarksChanged { channel, marks }.into()).unwrap_or_default();
            room = room.saturating_sub(frame.len());
            frames.push(frame);
        }
        while room > 0
            && let Some(mut cursor) = state.behind.pop_front()
        {
            let parked = |told| Parked { conn: self.conn, outbound: Arc::clone(self), told };
            let topic = Arc::clone(&cursor.topic);
            match topic.read(&mut cursor, &mut room, frames, parked) {
                Progress::Done => {}
                Progress::More => state.behind.push_back(cursor),
                Progress::Lagged(head) => {
                    // A short message always fits in a frame.
                    frames.extend(encode(&Lagged { channel: topic.channel, head }.into()));
                }
            }
        }
        if room > 0 && std::mem::take(&mut state.presence_behind) {
            self.drain_presence(&mut state, room, frames);
        }
        if state.only_close_is_left() {
            frames.extend(state.close.take());
        }
    }

    fn drain_presence(self: &Arc<Self>, state: &mut State, mut room: usize, frames: &mut Vec<Bytes>) {
        let Some(next) = &mut state.presence else { return };
        let told = TypingVersion::default();
        let parked = || Parked { conn: self.conn, outbound: Arc::clone(self), told };
        state.presence_behind = self.presence.read(next, &mut room, frames, parked) == Progress::More;
    }

    pub(super) fn push_reply(&self, frame: &[u8]) {
        self.change(|state| {
            state.replies_len += frame.len();
            match state.replies.back_mut() {
                Some(chunk) if chunk.len() + frame.len() <= CHUNK_LEN => chunk.extend_from_slice(frame),
                _ => state.replies.push_back(frame.to_vec()),
            }
        });
    }

    /// It follows a channel again of which it still had something to get: the channel's log tells it what it missed.
    pub(super) fn follow_again(&self, topic: &Arc<Topic>) {
        let told = topic.typing_version();
        self.push_cursor(Cursor { topic: Arc::clone(topic), next: Seq::ZERO, last: None, told });
    }

    /// There is news in a topic in which it was parked.
    pub(super) fn push_cursor(&self, cursor: Cursor) {
        self.change(|state| state.behind.push_back(cursor));
    }

    /// The account's marks in a channel changed. Of several changes only the latest is told.
    pub(super) fn marks_changed(&self, changed: &MarksChanged) {
        self.change(|state| {
            state.marks.insert(changed.channel, changed.marks);
        });
    }

    /// There is news in the presence log in which it was parked.
    pub(super) fn presence_changed(&self) {
        self.change(|state| state.presence_behind = true);
    }

    /// Lets it follow presence from `next` on, or not at all.
    pub(super) fn set_signed_in(&self, next: Option<ChangeNumber>) {
        let mut state = self.state();
        state.signed_in = next.is_some();
        state.presence = next;
        state.presence_behind = false;
        state.marks.clear();
    }

    /// Drops its cursor into a channel, at once or behind an entry; whether it had one, and was not parked.
    pub(super) fn stop_following(&self, channel: ChannelId, last: Option<Seq>) -> bool {
        let mut state = self.state();
        state.marks.remove(&channel);
        let behind = &mut state.behind;
        let Some(index) = behind.iter().position(|cursor| cursor.topic.channel == channel) else {
            return false;
        };
        match last {
            Some(last) if behind[index].next <= last => behind[index].last = Some(last),
            _ => drop(behind.remove(index)),
        }
        true
    }

    pub(super) fn set_handled(&self) {
        self.change(|state| state.handled = true);
    }

    /// Ends it: what waits is still drained, as far as this ending lets it, then `close`, and nothing follows.
    pub(super) fn end(&self, close: Option<Bytes>, ending: Ending) {
        self.change(|state| {
            state.ended = Some(ending);
            state.close = close;
            if ending == Ending::Revoked {
                state.drop_news();
            }
            for cursor in &mut state.behind {
                cursor.end();
            }
        });
    }

    /// Drops what waits, since it takes too long, but for the close. Returns that.
    pub fn cut_short(&self) -> Option<Bytes> {
        let mut state = self.state();
        state.drop_news();
        (state.replies, state.replies_len) = (VecDeque::new(), 0);
        state.close.take()
    }
}

impl State {
    /// Of others there is no more to tell it.
    fn drop_news(&mut self) {
        self.behind = VecDeque::new();
        (self.presence, self.presence_behind) = (None, false);
    }

    fn has_outgoing(&self) -> bool {
        !self.only_close_is_left() || self.close.is_some()
    }

    fn only_close_is_left(&self) -> bool {
        self.replies.is_empty() && self.marks.is_empty() && self.behind.is_empty() && !self.presence_behind
    }
}
