//! A connection's bytes on their way, in both directions.
//!
//! Models TCP as far as the programs above can tell: bytes arrive in order, late, in pieces, or not at all; a reader who does not
//! read makes the writer wait; an end may be told or not.
//!
//! Invariant: at most `window` bytes of a direction are on their way.

use std::collections::VecDeque;

use bytes::Bytes;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the relay.
    Up,
    /// To the device.
    Down,
}

/// What a direction does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    /// Nothing arrives any more, and nobody is told.
    Silent,
    /// The end comes behind what is on its way.
    Ended,
}

/// What reached the reader.
#[derive(Debug)]
pub(crate) enum Arrived {
    Bytes(Bytes),
    End,
}

/// One direction.
#[derive(Debug)]
struct Direction {
    flying: VecDeque<(u64, Bytes)>,
    flying_len: usize,
    fate: Fate,
    /// When the end arrives; never before the last byte.
    end_ms: u64,
    stalled_until_ms: u64,
    /// When the latest byte arrives.
    last_ms: u64,
    end_told: bool,
}

/// Both directions.
#[derive(Debug)]
pub(crate) struct Wire {
    up: Direction,
    down: Direction,
}

impl Wire {
    /// A wire on which nothing arrives before the handshake is over for both.
    pub(crate) const fn new(stands_ms: u64) -> Self {
        Self { up: Direction::new(stands_ms), down: Direction::new(stands_ms) }
    }

    const fn way(&mut self, way: Way) -> &mut Direction {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Bytes that may be written now. A little room counts as none: like TCP, this avoids the silly window (RFC 9293 §3.8.6.2).
    pub(crate) fn room(&mut self, way: Way, window: usize) -> usize {
        let direction = self.way(way);
        let room = window.saturating_sub(direction.flying_len);
        if direction.fate == Fate::Ended || room < window / 4 { 0 } else { room }
    }

    /// Writes, and tells when it arrives; `None` if it never does.
    pub(crate) fn write(&mut self, way: Way, at_ms: u64, bytes: Bytes) -> Option<u64> {
        let direction = self.way(way);
        if direction.fate == Fate::Ended {
            return None;
        }
        direction.last_ms = direction.last_ms.max(at_ms).max(direction.stalled_until_ms);
        direction.flying_len += bytes.len();
        direction.flying.push_back((direction.last_ms, bytes));
        (direction.fate == Fate::Open).then_some(direction.last_ms)
    }

    /// Nothing is written any more. Tells when the reader learns it; `None` if never.
    pub(crate) fn end(&mut self, way: Way, at_ms: u64) -> Option<u64> {
        let direction = self.way(way);
        if direction.fate != Fate::Open {
            return None;
        }
        direction.fate = Fate::Ended;
        direction.end_ms = at_ms.max(direction.last_ms).max(direction.stalled_until_ms);
        Some(direction.end_ms)
    }

    /// Loses all that is on its way but for `kept` bytes of it, and ends. A cut takes both directions.
    pub(crate) fn cut(&mut self, way: Way, at_ms: u64, kept: usize) -> Option<u64> {
        self.way(way).lose_behind(kept);
        self.end(way, at_ms)
    }

    /// From here on nothing arrives, and nobody is told.
    pub(crate) fn silence(&mut self, way: Way) {
        let direction = self.way(way);
        if direction.fate == Fate::Open {
            direction.fate = Fate::Silent;
        }
    }

    /// Nothing arrives until then.
    pub(crate) fn stall(&mut self, way: Way, until_ms: u64) {
        self.way(way).stalled_until_ms = until_ms;
    }

    /// Bytes on their way.
    pub(crate) fn flying_len(&mut self, way: Way) -> usize {
        self.way(way).flying_len
    }

    /// What has arrived by now; once more the end, if it has.
    pub(crate) fn arrived(&mut self, way: Way, now_ms: u64) -> Option<Arrived> {
        let direction = self.way(way);
        if direction.fate == Fate::Silent || direction.stalled_until_ms > now_ms {
            return None;
        }
        if let Some((_, bytes)) = direction.flying.pop_front_if(|(at_ms, _)| *at_ms <= now_ms) {
            direction.flying_len -= bytes.len();
            return Some(Arrived::Bytes(bytes));
        }
        let ended =
            direction.fate == Fate::Ended && direction.end_ms <= now_ms && direction.flying.is_empty();
        (ended && !std::mem::replace(&mut direction.end_told, true)).then_some(Arrived::End)
    }

    /// Whether both directions ended and told it, or never will.
    pub(crate) const fn is_over(&self) -> bool {
        self.up.is_over() && self.down.is_over()
    }

    /// When something arrives next that was held up.
    pub(crate) fn stalled_until(&mut self, way: Way) -> u64 {
        self.way(way).stalled_until_ms
    }
}

impl Direction {
    const fn new(stands_ms: u64) -> Self {
        Self {
            flying: VecDeque::new(),
            flying_len: 0,
            fate: Fate::Open,
            end_ms: 0,
            stalled_until_ms: 0,
            last_ms: stands_ms,
            end_told: false,
        }
    }

    const fn is_over(&self) -> bool {
        match self.fate {
            Fate::Open => false,
            Fate::Silent => true,
            Fate::Ended => self.end_told,
        }
    }

    fn lose_behind(&mut self, mut kept: usize) {
        for (_, bytes) in &mut self.flying {
            bytes.truncate(kept);
            kept -= bytes.len();
        }
        self.flying.retain(|(_, bytes)| !bytes.is_empty());
        self.flying_len = self.flying.iter().map(|(_, bytes)| bytes.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(wire: &mut Wire, now_ms: u64) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        loop {
            match wire.arrived(Way::Down, now_ms) {
                Some(Arrived::Bytes(more)) => bytes.extend(more),
                Some(Arrived::End) => return (bytes, true),
                None => return (bytes, false),
            }
        }
    }

    #[test]
    fn bytes_arrive_in_order_and_a_cut_leaves_a_part() {
        let mut wire = Wire::new(0);
        assert_eq!(wire.write(Way::Down, 9, Bytes::from_static(b"abc")), Some(9));
        assert_eq!(
            wire.write(Way::Down, 5, Bytes::from_static(b"def")),
            Some(9),
            "not before what went before"
        );
        assert_eq!(wire.room(Way::Down, 10), 4);
        assert_eq!(all(&mut wire, 8), (vec![], false));
        assert_eq!(wire.cut(Way::Down, 1, 4), Some(9));
        assert_eq!(all(&mut wire, 9), (b"abcd".to_vec(), true));
        assert_eq!(wire.write(Way::Down, 10, Bytes::from_static(b"x")), None);
    }

    #[test]
    fn a_silent_direction_takes_bytes_until_it_is_full_and_a_stalled_one_goes_on() {
        let mut wire = Wire::new(0);
        wire.stall(Way::Down, 50);
        wire.write(Way::Down, 1, Bytes::from_static(b"abc"));
        assert_eq!(all(&mut wire, 49), (vec![], false));
        assert_eq!(all(&mut wire, 50), (b"abc".to_vec(), false));
        wire.silence(Way::Down);
        assert_eq!(wire.write(Way::Down, 60, Bytes::from_static(b"abc")), None);
        assert_eq!((wire.room(Way::Down, 3), wire.end(Way::Down, 60)), (0, None));
        assert_eq!(all(&mut wire, 1_000), (vec![], false));
    }
}
