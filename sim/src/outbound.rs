//! What waits for one connection in the relay.
//!
//! Models the promises of the relay's fan-out: events are bounded, replies are bounded apart by not reading further requests; when an
//! entry does not fit, its channel's waiting entries are dropped and `lagged` takes their place; presence that does not fit is
//! told later; what waits leaves in order; a close is the last.
//!
//! Invariant: at most `max` bytes of events wait, those being written included.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mechat_protocol::codec::encode;
use mechat_protocol::event::{Lagged, PresenceChanged};
use mechat_protocol::reply::Participant;
use mechat_protocol::{AccountName, ChannelId, Seq};

/// What a frame is, for the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reply,
    Entry(ChannelId),
    Presence,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Outbound {
    max: usize,
    says_lagged: bool,
    frames: VecDeque<(Kind, Bytes)>,
    /// Taken by the writer and not yet through.
    writing: VecDeque<(Kind, Bytes)>,
    late: BTreeMap<AccountName, Participant>,
    /// Nothing is queued any more.
    pub(crate) ended: bool,
}

impl Outbound {
    pub(crate) fn new(max: usize, says_lagged: bool) -> Self {
        Self {
            max,
            says_lagged,
            frames: VecDeque::new(),
            writing: VecDeque::new(),
            late: BTreeMap::new(),
            ended: false,
        }
    }

    pub(crate) fn reply(&mut self, frame: Bytes) {
        if !self.ended {
            self.frames.push_back((Kind::Reply, frame));
        }
    }

    /// Queues an entry; whether it fitted.
    pub(crate) fn entry(&mut self, channel: ChannelId, head: Seq, frame: Bytes) -> bool {
        if self.ended {
            return true;
        }
        if self.events_len() + frame.len() <= self.max {
            self.frames.push_back((Kind::Entry(channel), frame));
            return true;
        }
        self.frames.retain(|(kind, _)| *kind != Kind::Entry(channel));
        if let Some(lagged) = encode(&Lagged { channel, head }.into()).ok().filter(|_| self.says_lagged) {
            self.frames.push_back((Kind::Entry(channel), lagged));
        }
        false
    }

    pub(crate) fn presence(&mut self, presence: &PresenceChanged, frame: Bytes) {
        if self.ended {
            return;
        }
        if self.late.is_empty() && self.events_len() + frame.len() <= self.max {
            self.frames.push_back((Kind::Presence, frame));
        } else {
            self.late.extend(presence.changes.iter().map(|change| (change.account.clone(), change.clone())));
        }
    }

    /// Nothing more is queued; a close may be the last.
    pub(crate) fn end(&mut self, last: Option<Bytes>) {
        if !self.ended {
            self.frames.extend(last.map(|frame| (Kind::Reply, frame)));
            self.ended = true;
        }
    }

    /// The next bytes to be written, at most `room`. `None` if there is nothing, or no room.
    pub(crate) fn take(&mut self, room: usize) -> Option<Bytes> {
        if self.writing.is_empty() {
            self.tell_late();
            self.writing = std::mem::take(&mut self.frames);
        }
        let (kind, mut frame) = self.writing.pop_front()?;
        if room == 0 {
            self.writing.push_front((kind, frame));
            return None;
        }
        if frame.len() > room {
            let part = frame.split_to(room);
            self.writing.push_front((kind, frame));
            return Some(part);
        }
        Some(frame)
    }

    fn tell_late(&mut self) {
        let changes: Vec<Participant> = std::mem::take(&mut self.late).into_values().collect();
        if let Some(frame) =
            encode(&PresenceChanged { changes: changes.clone() }.into()).ok().filter(|_| !changes.is_empty())
        {
            self.frames.push_back((Kind::Presence, frame));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.writing.is_empty() && self.late.is_empty()
    }

    /// Whether the connection's requests are read on.
    pub(crate) fn has_room(&self) -> bool {
        self.ended || self.len(|_| true) < self.max
    }

    /// Bytes of events that wait.
    pub(crate) fn events_len(&self) -> usize {
        self.len(|kind| kind != Kind::Reply)
    }

    /// Bytes of replies that wait.
    pub(crate) fn replies_len(&self) -> usize {
        self.len(|kind| kind == Kind::Reply)
    }

    fn len(&self, counts: impl Fn(Kind) -> bool) -> usize {
        let all = self.frames.iter().chain(&self.writing);
        all.filter(|(kind, _)| counts(*kind)).map(|(_, frame)| frame.len()).sum()
    }
}
