//! Memory that the connections of a thread share: one uses it at a time, and never across an await.
//!
//! Invariant: what one connection gathers to send is gone before another can gather, however its turn ends: by return, by
//! error, by panic.

use std::cell::RefCell;

use super::{CONTENT_LEN_MAX, RECEIVE_LEN, RECORD_OVERHEAD, SEND_LEN};

/// The memory of one thread.
struct Scratch {
    received: Box<[u8]>,
    content: Vec<u8>,
    sealed: Box<[u8]>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        received: vec![0; RECEIVE_LEN].into(),
        content: Vec::with_capacity(SEND_LEN),
        sealed: vec![0; SEND_LEN + (SEND_LEN / CONTENT_LEN_MAX + 1) * RECORD_OVERHEAD].into(),
    });
}

/// Content of one connection on its way into records: at most `SEND_LEN` bytes.
pub(super) struct Gathered<'a>(&'a mut Vec<u8>);

/// Lends `RECEIVE_LEN` bytes to receive into. They hold what others received: only what was read over them counts.
pub(super) fn receiving<T>(with: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| with(&mut scratch.received))
}

/// Lends memory to gather content in, empty, and memory for `SEND_LEN` bytes of it once they are sealed.
pub(super) fn sending<T>(with: impl FnOnce(&mut Gathered<'_>, &mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|Scratch { content, sealed, .. }| with(&mut Gathered(content), sealed))
}

impl Gathered<'_> {
    /// Adds what fits of a frame. Returns the rest.
    pub(super) fn add<'f>(&mut self, frame: &'f [u8]) -> &'f [u8] {
        let (part, rest) = frame.split_at(frame.len().min(SEND_LEN - self.0.len()));
        self.0.extend_from_slice(part);
        rest
    }

    pub(super) const fn is_full(&self) -> bool {
        self.0.len() == SEND_LEN
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands out what was gathered, which is gone thereafter.
    pub(super) fn take<T>(&mut self, with: impl FnOnce(&[u8]) -> T) -> T {
        let taken = Gathered(self.0);
        with(taken.0)
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}
