//! What happened, line by line: hashed to compare two runs, or kept to be read.
//!
//! A hunt over many seeds notes nothing: a seed that fails is run again, which gives the same lines.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

/// Lines that are kept of a run that is not printed as it goes.
const KEPT_MAX: usize = 200;

/// How much of a run is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    Nothing,
    /// A hash over all lines.
    Hash,
    /// The hash, and the last 200 lines.
    LastLines,
    /// The hash, and every line.
    AllLines,
}

/// The lines so far.
#[derive(Debug)]
pub(crate) struct Trace {
    detail: Detail,
    hash: Fnv,
    lines: VecDeque<String>,
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): a hash that is the same on every machine.
#[derive(Debug, Clone, Copy)]
struct Fnv(u64);

impl Fnv {
    fn eat(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.eat(text.as_bytes());
        Ok(())
    }
}

impl Trace {
    pub(crate) const fn new(detail: Detail) -> Self {
        Self { detail, hash: Fnv(0xcbf2_9ce4_8422_2325), lines: VecDeque::new() }
    }

    /// Notes a line. Cheap where nothing is noted: the text is not even made.
    pub(crate) fn note(&mut self, now_ms: u64, what: fmt::Arguments<'_>) {
        if self.detail == Detail::Nothing {
            return;
        }
        // A hash takes whatever it is given.
        let _ = writeln!(self.hash, "{now_ms} {what}");
        if self.detail == Detail::Hash {
            return;
        }
        if self.detail == Detail::LastLines && self.lines.len() == KEPT_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{now_ms:>7} ms  {what}"));
    }

    /// Notes bytes on the wire, without a line.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.detail != Detail::Nothing {
            self.hash.eat(bytes);
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash.0
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// Notes a line in a world's trace.
macro_rules! note {
    ($world:expr, $($what:tt)+) => {
        $world.trace.note($world.now_ms, format_args!($($what)+))
    };
}
pub(crate) use note;
