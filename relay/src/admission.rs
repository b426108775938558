//! Who may come in: how many connections, how many handshakes at a time, and how many that are not signed in, in all and from
//! one address.
//!
//! Owns the counts. A handshake costs a hundred times what a message costs, and a connection that is not signed in is
//! nobody's yet: neither may take what members need.
//!
//! Invariants: each count is given back by a guard, however the connection ends; there are never more sockets than may be
//! signed in and may be not, together; a turn is held only while there is something
//! to compute, so that who says nothing, or half of it, keeps nobody out; however many of one address wait for their turns, few
//! of them stand before those of others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mechat_protocol::limits::{
    HANDSHAKES_PER_ADDRESS_MAX, PENDING_MAX, PENDING_MIN, PENDING_PER_ADDRESS_MAX, PENDING_PER_ADDRESS_MIN,
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The counts.
#[derive(Debug, Clone)]
pub struct Admission {
    handshakes: Arc<Semaphore>,
    pending: Arc<Mutex<Pending>>,
    places: Arc<Places>,
}

/// All connections that have shaken hands.
#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    max: usize,
}

/// A place among all connections. Given back when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<Places>);

/// Connections that are not signed in.
#[derive(Debug)]
struct Pending {
    total: usize,
    by_source: HashMap<IpAddr, Source>,
    max: usize,
    per_source_max: usize,
}

/// Those of one address.
#[derive(Debug)]
struct Source {
    pending: usize,
    handshakes: Arc<Semaphore>,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// One address has too many.
    #[error("{0} connections from this address are not signed in")]
    SourceFull(usize),
    /// There are too many.
    #[error("{0} connections are not signed in")]
    Full(usize),
}

/// A connection's place among those that are not signed in. Given back when it is dropped.
#[derive(Debug)]
pub struct Admitted {
    source: IpAddr,
    pending: Arc<Mutex<Pending>>,
    places: Arc<Places>,
    /// Of all, and of its address.
    handshakes: [Arc<Semaphore>; 2],
    /// It is not signed in.
    is_counted: bool,
}

/// How many of so many connections may be not signed in.
pub(crate) fn pending_max(connections_max: usize) -> usize {
    (connections_max / 4).clamp(PENDING_MIN, PENDING_MAX)
}

impl Admission {
    /// Room for so many connections. All processors but one may compute handshakes, so that one is left to members.
    pub fn new(connections_max: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_turns(connections_max, (processors - 1).max(1))
    }

    fn with_turns(connections_max: usize, turns: usize) -> Self {
        let max = pending_max(connections_max);
        let per_source_max = (max / 16).clamp(PENDING_PER_ADDRESS_MIN, PENDING_PER_ADDRESS_MAX);
        let pending = Pending { total: 0, by_source: HashMap::new(), max, per_source_max };
        Self {
            handshakes: Arc::new(Semaphore::new(turns)),
            pending: Arc::new(Mutex::new(pending)),
            places: Arc::new(Places { taken: AtomicUsize::new(0), max: connections_max }),
        }
    }

    /// Takes a place for a connection from `address`.
    pub fn admit(&self, address: IpAddr) -> Result<Admitted, NotAdmitted> {
        let source = source_of(address);
        let of_source = lock(&self.pending).count(source)?;
        Ok(Admitted {
            source,
            pending: Arc::clone(&self.pending),
            places: Arc::clone(&self.places),
            handshakes: [of_source, Arc::clone(&self.handshakes)],
            is_counted: true,
        })
    }
}

impl Pending {
    /// Takes a place. Returns the turns that the connections of its address share.
    fn count(&mut self, source: IpAddr) -> Result<Arc<Semaphore>, NotAdmitted> {
        if self.total >= self.max {
            return Err(NotAdmitted::Full(self.max));
        }
        let of_source = self.by_source.entry(source).or_insert_with(|| Source {
            pending: 0,
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_PER_ADDRESS_MAX)),
        });
        if of_source.pending >= self.per_source_max {
            return Err(NotAdmitted::SourceFull(self.per_source_max));
        }
        of_source.pending += 1;
        self.total += 1;
        Ok(Arc::clone(&of_source.handshakes))
    }

    fn discount(&mut self, source: IpAddr) {
        self.total -= 1;
        if let Some(of_source) = self.by_source.get_mut(&source) {
            of_source.pending -= 1;
            if of_source.pending == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

impl Admitted {
    /// Waits until the next step of its handshake may be computed, first among those of its address. The turn lasts until the
    /// permits are dropped; nothing may be waited for meanwhile.
    #[expect(clippy::missing_panics_doc, reason = "nobody closes the semaphores")]
    pub async fn turn(&self) -> [SemaphorePermit<'_>; 2] {
        let [of_source, of_all] = &self.handshakes;
        let permit = async |turns| Semaphore::acquire(turns).await.expect("the semaphore is never closed");
        [permit(of_source).await, permit(of_all).await]
    }

    /// Takes a place among all connections, if there is one: once there is somebody who could be told that there is none.
    pub fn place(&self) -> Option<Place> {
        let places = Arc::clone(&self.places);
        let one_more = |taken| (taken < places.max).then_some(taken + 1);
        let taken = places.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok();
        taken.then(|| Place(places))
    }

    /// Gives its place among those that are not signed in to others.
    pub fn signed_in(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            lock(&self.pending).discount(self.source);
        }
    }

    /// Takes a place again, if there is one.
    pub fn signed_out(&mut self) -> Result<(), NotAdmitted> {
        if !self.is_counted {
            lock(&self.pending).count(self.source)?;
            self.is_counted = true;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.signed_in();
    }
}

fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    // Both counts are changed together, so a panic elsewhere does not taint them.
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who an address belongs to: one customer usually has 2^64 addresses of IPv6 (RFC 6177).
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use mechat_protocol::limits::CONNECTIONS_MAX;

    use super::*;

    fn admit(admission: &Admission, address: &str) -> Result<Admitted, NotAdmitted> {
        admission.admit(address.parse().expect("an address"))
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_and_gives_it_back() {
        let admission = Admission::new(CONNECTIONS_MAX);
        let mut admitted = Vec::new();
        for n in 0..PENDING_PER_ADDRESS_MAX {
            // All of one network of IPv6.
            admitted.push(admit(&admission, &format!("2001:db8::{n:x}")).expect("there is room"));
        }
        let full = NotAdmitted::SourceFull(PENDING_PER_ADDRESS_MAX);
        assert_eq!(admit(&admission, "2001:db8::ffff:1").expect_err("its share is taken"), full);
        let other = admit(&admission, "192.0.2.1").expect("another address has its own share");
        let mut first = admitted.pop().expect("one of them");
        first.signed_in();
        admitted.push(admit(&admission, "2001:db8::1").expect("a place was given back"));
        assert_eq!(first.signed_out(), Err(full), "who logs out needs a place again");
        drop(admitted.pop());
        assert_eq!(first.signed_out(), Ok(()));
        admitted.push(first);
        drop((admitted, other));
        let pending = lock(&admission.pending);
        assert_eq!((pending.total, pending.by_source.len()), (0, 0), "nothing is kept of who is gone");
    }

    /// As many strangers as are let in, each from a network of its own or all from one.
    fn strangers(admission: &Admission, networks: u128) -> Vec<Admitted> {
        let address = |n: u128| IpAddr::from(Ipv6Addr::from((n % networks) << 64));
        (0..).map_while(|n| admission.admit(address(n)).ok()).collect()
    }

    #[test]
    fn strangers_take_a_part_of_the_places_however_few_there_are() {
        for connections_max in [300, 512, 4_096, 15_000, CONNECTIONS_MAX] {
            let admission = Admission::new(connections_max);
            let all = strangers(&admission, u128::MAX >> 64);
            assert!(4 * all.len() <= connections_max, "{} of {connections_max}", all.len());
            drop(all);
            let of_one = strangers(&admission, 1);
            assert!(4 * of_one.len() <= pending_max(connections_max), "one address has {}", of_one.len());
            // Even if all of them shake hands.
            let _theirs: Vec<_> = of_one.iter().map(|stranger| stranger.place().expect("room")).collect();
            let newcomer = admit(&admission, "192.0.2.1").expect("another address");
            assert!(newcomer.place().is_some(), "{connections_max}");
        }
    }

    #[test]
    fn a_place_is_there_again_once_it_is_given_back() {
        let admission = Admission::new(2);
        let admitted = admit(&admission, "192.0.2.1").expect("room");
        let places = [admitted.place(), admitted.place(), admitted.place()];
        assert_eq!(places.each_ref().map(Option::is_some), [true, true, false]);
        drop(places);
        assert!(admitted.place().is_some());
    }

    #[test]
    fn however_many_of_one_address_wait_for_a_turn_few_stand_before_another() {
        let admission = Admission::with_turns(8, 1);
        let [crowd, other] = ["192.0.2.1", "192.0.2.2"].map(|of| admit(&admission, of).expect("room"));
        let waiting = |admitted| {
            let mut turn = Box::pin(Admitted::turn(admitted));
            assert!(turn.as_mut().now_or_never().is_none(), "somebody else computes");
            turn
        };
        let first = crowd.turn().now_or_never().expect("nobody computes");
        let mut crowd: Vec<_> = (0..100).map(|_| waiting(&crowd)).collect();
        let mut other = waiting(&other);
        drop(first);
        let mut before = 0;
        while other.as_mut().now_or_never().is_none() {
            let turn = crowd.iter_mut().find_map(|turn| turn.as_mut().now_or_never());
            drop(turn.expect("nobody else computes"));
            before += 1;
        }
        assert!(before < HANDSHAKES_PER_ADDRESS_MAX, "{before} were before it");
    }
}
