//! One member under load: reads frames, counts what they are, and says the next when an ack came.
//!
//! Owns the connection from sign-in on. It must cost less than the server's side of it, so it is one small future, reads
//! into a buffer that all members share, and keeps no more of its own than a frame that is cut.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mechat_protocol::event::Lagged;
use mechat_protocol::limits::{FRAME_LEN_MAX, FRAME_PREFIX_LEN, HISTORIES_IN_FLIGHT_MAX, PAGE_ENTRIES_MAX};
use mechat_protocol::message::Message;
use mechat_protocol::reply::HistoryPage;
use mechat_protocol::request::{HistoryRange, Ping, ReadHistory};
use mechat_protocol::{ChannelId, RequestId, Seq, codec};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::board::Board;
use crate::follower::{Follower, Tally};
use crate::frame::{self, Seen, Stamp};
use crate::link::Link;
use crate::publisher::Publisher;

/// Room for the rest of one frame and as much again.
pub(crate) const SCRATCH_LEN: usize = 2 * (FRAME_LEN_MAX + FRAME_PREFIX_LEN);
/// Reads before others have their turn.
const READS_MAX: usize = 16;
/// One entry in so many is decoded in full.
const SAMPLE: u64 = 1_024;
/// The id of requests whose answers tell for themselves what they are.
const ANY_ID: RequestId = RequestId(9);
/// Entries that a pull asks for.
const FULL_PAGE: u16 = 100;
const _: () = assert!(FULL_PAGE as usize == PAGE_ENTRIES_MAX, "a pull asks for as much as it may");

/// What all members of one thread share.
pub(crate) struct Shared {
    /// The results.
    pub(crate) board: Rc<Board>,
    scratch: RefCell<Vec<u8>>,
}

impl Shared {
    /// Round a board.
    pub(crate) fn new(board: Rc<Board>) -> Self {
        Self { board, scratch: RefCell::new(vec![0; SCRATCH_LEN]) }
    }
}

/// One member, seen from outside and from its own future.
pub(crate) struct Member {
    shared: Rc<Shared>,
    out: RefCell<Vec<u8>>,
    waker: Cell<Option<Waker>>,
    reading: Cell<bool>,
    open: Cell<bool>,
    timed: Cell<bool>,
    entries_seen: Cell<u64>,
    follows: RefCell<Vec<(ChannelId, Follower)>>,
    publisher: RefCell<Option<Publisher>>,
    /// Reads that wait for one of `HISTORIES_IN_FLIGHT_MAX` to be answered; as many as channels at most.
    to_read: RefCell<VecDeque<(ChannelId, Seq)>>,
    reads_in_flight: Cell<usize>,
    /// What was read of a frame that is not complete.
    rest: RefCell<Vec<u8>>,
}

impl Member {
    /// A member that follows channels from where they stand.
    pub(crate) fn new(shared: &Rc<Shared>, follows: Vec<(ChannelId, Follower)>) -> Rc<Self> {
        Rc::new(Self {
            shared: Rc::clone(shared),
            out: RefCell::default(),
            waker: Cell::default(),
            reading: Cell::new(true),
            open: Cell::new(false),
            timed: Cell::new(true),
            entries_seen: Cell::new(0),
            follows: RefCell::new(follows),
            publisher: RefCell::default(),
            to_read: RefCell::default(),
            reads_in_flight: Cell::new(0),
            rest: RefCell::default(),
        })
    }

    /// Runs on a connection until that ends.
    pub(crate) async fn run(self: Rc<Self>, link: Link) {
        let Link { mut stream, buffer, .. } = link;
        *self.rest.borrow_mut() = buffer.to_vec();
        self.open.set(true);
        poll_fn(|context| self.poll(&mut stream, context)).await;
        self.open.set(false);
        // What was to be said on this connection is not said on the next one.
        self.out.borrow_mut().clear();
        self.to_read.borrow_mut().clear();
        self.reads_in_flight.set(0);
        self.shared.board.closed.set(self.shared.board.closed.get() + 1);
    }

    fn wake(&self) {
        let waker = self.waker.take();
        if let Some(waker) = &waker {
            waker.wake_by_ref();
        }
        self.waker.set(waker);
    }

    /// The channels that it follows.
    pub(crate) fn channels(&self) -> Vec<ChannelId> {
        self.follows.borrow().iter().map(|(channel, _)| *channel).collect()
    }

    /// Its deliveries count, their times do not.
    pub(crate) fn leave_untimed(&self) {
        self.timed.set(false);
    }

    /// Whether its connection stands.
    pub(crate) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Makes it a publisher.
    pub(crate) fn publish(&self, publisher: Publisher) {
        *self.publisher.borrow_mut() = Some(publisher);
    }

    /// Says as much as its window has room for.
    pub(crate) fn fill(&self) {
        if let Some(publisher) = self.publisher.borrow_mut().as_mut() {
            publisher.fill(&self.shared.board, &mut self.out.borrow_mut());
        }
        self.wake();
    }

    /// Says one message, whatever its window.
    pub(crate) fn say(&self) {
        if let Some(publisher) = self.publisher.borrow_mut().as_mut() {
            publisher.say(&self.shared.board, &mut self.out.borrow_mut());
        }
        self.wake();
    }

    /// Sends frames.
    pub(crate) fn send(&self, frames: &[u8]) {
        self.out.borrow_mut().extend_from_slice(frames);
        self.wake();
    }

    /// Shows that it lives.
    pub(crate) fn ping(&self) {
        self.request(&Ping { id: ANY_ID }.into());
    }

    /// Stops reading, or begins again.
    pub(crate) fn set_reading(&self, reading: bool) {
        self.reading.set(reading);
        self.wake();
    }

    /// Reads from the log what came meanwhile, in all channels.
    pub(crate) fn catch_up(&self) {
        let board = &self.shared.board;
        for (channel, follower) in self.follows.borrow_mut().iter_mut() {
            if let Some(after) = follower.pull() {
                board.pulling.set(board.pulling.get() + 1);
                self.read_after(*channel, after);
            }
        }
    }

    /// Counts what is missing in the end.
    pub(crate) fn finish(&self, tally: &mut Tally) {
        for (channel, follower) in self.follows.borrow().iter() {
            follower.finish(self.shared.board.head(*channel), tally);
        }
    }

    fn request(&self, message: &Message) {
        let frame = codec::encode(message).expect("a short request fits in a frame");
        self.send(&frame);
    }

    fn read_after(&self, channel: ChannelId, seq: Seq) {
        self.to_read.borrow_mut().push_back((channel, seq));
        self.read_next();
    }

    fn read_next(&self) {
        while self.reads_in_flight.get() < HISTORIES_IN_FLIGHT_MAX
            && let Some((channel, seq)) = self.to_read.borrow_mut().pop_front()
        {
            self.reads_in_flight.set(self.reads_in_flight.get() + 1);
            let range = HistoryRange::After { seq };
            self.request(&ReadHistory { id: ANY_ID, channel, range, limit: FULL_PAGE }.into());
        }
    }

    fn poll(&self, stream: &mut TlsStream<TcpStream>, context: &mut Context<'_>) -> Poll<()> {
        self.remember(context.waker());
        for _ in 0..READS_MAX {
            if self.poll_write(stream, context).is_err() {
                return Poll::Ready(());
            }
            if !self.reading.get() {
                return Poll::Pending;
            }
            match self.poll_read(stream, context) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn remember(&self, waker: &Waker) {
        let known = self.waker.take().filter(|known| known.will_wake(waker));
        self.waker.set(Some(known.unwrap_or_else(|| waker.clone())));
    }

    /// Writes what it can; an error is the end of the connection.
    fn poll_write(
        &self,
        stream: &mut TlsStream<TcpStream>,
        context: &mut Context<'_>,
    ) -> std::io::Result<()> {
        let mut out = self.out.borrow_mut();
        let mut written = 0;
        while written < out.len() {
            match Pin::new(&mut *stream).poll_write(context, &out[written..]) {
                Poll::Ready(result) => written += result?,
                Poll::Pending => break,
            }
        }
        if written > 0 {
            out.drain(..written);
        }
        match Pin::new(stream).poll_flush(context) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_read(
        &self,
        stream: &mut TlsStream<TcpStream>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        let mut scratch = self.shared.scratch.borrow_mut();
        let mut rest = self.rest.borrow_mut();
        scratch[..rest.len()].copy_from_slice(&rest);
        let mut buffer = ReadBuf::new(&mut scratch[rest.len()..]);
        match Pin::new(stream).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        let read = buffer.filled().len();
        let len = rest.len() + read;
        let used = self.frames(&scratch[..len]);
        rest.clear();
        rest.extend_from_slice(&scratch[used..len]);
        Poll::Ready(Ok(read))
    }

    /// Looks at every complete frame; how many bytes they were.
    fn frames(&self, bytes: &[u8]) -> usize {
        let board = &self.shared.board;
        let (now, mut tally) = (board.now(), board.tally.get());
        let mut used = 0;
        while let Some((prefix, behind)) = bytes[used..].split_first_chunk::<FRAME_PREFIX_LEN>() {
            let len = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
            let Some(value) = behind.get(..len) else { break };
            self.frame(value, now, &mut tally);
            used += FRAME_PREFIX_LEN + len;
        }
        board.tally.set(tally);
        if let Some(publisher) = self.publisher.borrow_mut().as_mut() {
            publisher.fill(board, &mut self.out.borrow_mut());
        }
        board.progressed();
        used
    }

    fn frame(&self, value: &[u8], now: u64, tally: &mut Tally) {
        let seen = self.entries_seen.get();
        self.entries_seen.set(seen + 1);
        match frame::read(value, seen.is_multiple_of(SAMPLE)) {
            Seen::Entry { channel, seq, stamp } => self.entry(channel, seq, stamp, now, tally),
            Seen::Ack { id, channel, seq } => self.ack(id, channel, seq, now, tally),
            Seen::Other(message) => self.other(message, value.len(), now, tally),
            Seen::Damaged => tally.damaged += 1,
        }
    }

    fn entry(&self, channel: ChannelId, seq: Seq, stamp: Stamp, now: u64, tally: &mut Tally) {
        let board = &self.shared.board;
        match self.follows.borrow_mut().iter_mut().find(|(known, _)| *known == channel) {
            Some((_, follower)) => follower.entry(seq, tally),
            None => tally.damaged += 1,
        }
        if !board.is_the_same(channel, seq, stamp) {
            tally.reordered += 1;
        }
        self.record(stamp, now);
    }

    fn record(&self, stamp: Stamp, now: u64) {
        if self.timed.get() {
            self.shared.board.deliveries.borrow_mut().record(now.saturating_sub(stamp.0));
        }
    }

    fn ack(&self, id: RequestId, channel: ChannelId, seq: Seq, now: u64, tally: &mut Tally) {
        let answered = self
            .publisher
            .borrow_mut()
            .as_mut()
            .filter(|p| p.channel() == channel)
            .and_then(|p| p.answered(id));
        let board = &self.shared.board;
        match answered {
            Some(stamp) if !board.acknowledged(channel, seq, stamp, now) => tally.reordered += 1,
            Some(_) => {}
            None => tally.repeated += 1,
        }
    }

    fn other(&self, message: Message, len: usize, now: u64, tally: &mut Tally) {
        let board = &self.shared.board;
        match message {
            Message::Lagged(Lagged { channel, head }) => self.lagged(channel, head, tally),
            Message::History(page) => {
                board.page_bytes.set(board.page_bytes.get() + len as u64);
                self.reads_in_flight.set(self.reads_in_flight.get().saturating_sub(1));
                self.page(&page, now, tally);
                self.read_next();
            }
            Message::Error(error) => {
                if let (Some(id), Some(publisher)) = (error.id, self.publisher.borrow_mut().as_mut()) {
                    publisher.answered(id);
                }
                tally.refused += 1;
            }
            Message::Entry(_) => tally.damaged += 1,
            _ => {}
        }
    }

    fn lagged(&self, channel: ChannelId, head: Seq, tally: &mut Tally) {
        let board = &self.shared.board;
        let mut follows = self.follows.borrow_mut();
        let Some((_, follower)) = follows.iter_mut().find(|(known, _)| *known == channel) else { return };
        if let Some(after) = follower.lagged(head, tally) {
            board.pulling.set(board.pulling.get() + 1);
            self.read_after(channel, after);
        }
    }

    fn page(&self, page: &HistoryPage, now: u64, tally: &mut Tally) {
        let board = &self.shared.board;
        let mut follows = self.follows.borrow_mut();
        let Some((_, follower)) = follows.iter_mut().find(|(known, _)| *known == page.channel) else {
            return;
        };
        for entry in &page.entries {
            let Some(stamp) = Stamp::of(entry) else { continue };
            if !board.is_the_same(page.channel, entry.seq, stamp) {
                tally.reordered += 1;
            }
            self.record(stamp, now);
        }
        match follower.page(page.entries.iter().map(|entry| entry.seq), page.head, tally) {
            Some(after) => self.read_after(page.channel, after),
            None => board.pulling.set(board.pulling.get().saturating_sub(1)),
        }
    }
}
