//! Connections that have everything, until there is news.
//!
//! Owns the list of them. To park, to leave and to be handed over cost little for each, also where thousands leave at once.
//!
//! Invariant: of those who left, no more are kept than are still there.

use std::collections::HashMap;

use mechat_hub::ConnId;

use super::topic::Parked;

/// The list.
#[derive(Debug, Default)]
pub(super) struct Parking {
    parked: Vec<Parked>,
    /// Who left, and is still in the list: at a lower index than this, so that who comes back is told from who left.
    left: HashMap<ConnId, usize>,
}

impl Parking {
    pub(super) fn park(&mut self, parked: Parked) {
        self.parked.push(parked);
    }

    /// Removes a connection, if it is there.
    pub(super) fn unpark(&mut self, conn: ConnId) {
        self.left.insert(conn, self.parked.len());
        if 2 * self.left.len() > self.parked.len() {
            self.forget_who_left();
        }
    }

    fn forget_who_left(&mut self) {
        let (mut index, left) = (0, std::mem::take(&mut self.left));
        self.parked.retain(|parked| {
            index += 1;
            left.get(&parked.conn).is_none_or(|end| index > *end)
        });
    }

    /// How many are there, or a few less.
    pub(super) fn len(&self) -> usize {
        self.parked.len().saturating_sub(self.left.len())
    }

    /// Hands all of them over. `woken` is empty, and lends its memory to the next who park, unless it is much more than they
    /// need beyond `spare`.
    pub(super) fn hand_over(&mut self, woken: &mut Vec<Parked>, spare: usize) {
        if !self.left.is_empty() {
            self.forget_who_left();
        }
        if woken.capacity() > 2 * self.parked.len() + spare {
            // Room that a larger list needed is not left in this one.
            *woken = Vec::new();
        }
        std::mem::swap(&mut self.parked, woken);
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.parked.capacity()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fanout::topic::TypingVersion;
    use crate::fanout::{Outbound, PresenceLog};

    fn parked(conn: u64) -> Parked {
        let presence = Arc::new(PresenceLog::default());
        Parked {
            conn: ConnId(conn),
            outbound: Outbound::new(ConnId(conn), presence),
            told: TypingVersion::default(),
        }
    }

    fn handed_over(parking: &mut Parking) -> Vec<u64> {
        let mut woken = Vec::new();
        parking.hand_over(&mut woken, 0);
        woken.iter().map(|parked| parked.conn.0).collect()
    }

    #[test]
    fn who_left_is_not_handed_over_and_who_came_back_is_once() {
        let mut parking = Parking::default();
        (1..=9).for_each(|conn| parking.park(parked(conn)));
        for conn in [2, 4, 77] {
            parking.unpark(ConnId(conn));
        }
        parking.park(parked(4));
        parking.park(parked(77));
        assert_eq!(handed_over(&mut parking), [1, 3, 5, 6, 7, 8, 9, 4, 77]);
        assert_eq!(handed_over(&mut parking), [0; 0]);
        parking.park(parked(5));
        parking.unpark(ConnId(5));
        assert_eq!((parking.parked.len(), parking.left.len()), (0, 0), "nothing is kept of the last");
    }

    #[test]
    fn a_mass_departure_does_not_look_through_all_for_each() {
        const ALL: u64 = 10_000;
        let mut parking = Parking::default();
        (0..ALL).for_each(|conn| parking.park(parked(conn)));
        let (mut looked, mut kept) = (0, parking.parked.len());
        for conn in 0..ALL {
            parking.unpark(ConnId(conn));
            assert!(parking.left.len() <= parking.len(), "who left is not kept for long");
            if parking.parked.len() < kept {
                looked += kept;
                kept = parking.parked.len();
            }
        }
        assert!(parking.parked.is_empty());
        let all = usize::try_from(ALL).expect("few");
        assert!((all..3 * all).contains(&looked), "{looked} were looked at for {all} that left");
    }
}
