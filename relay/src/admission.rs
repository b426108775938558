//! Who may come in: how many connections, how many handshakes at a time, and how many that are not signed in, in all and from
//! one address.
//!
//! Owns the counts. A handshake costs a hundred times what a message costs, and a connection that is not signed in is
//! nobody's yet: neither may take what members need.
//!
//! Invariants: each count is given back by a guard, however the connection ends; a turn is held only while there is something
//! to compute, so that who says nothing, or half of it, keeps nobody out; however many of one address wait for their turns, few
//! of them stand before those of others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mechat_protocol::limits::{HANDSHAKES_PER_ADDRESS_MAX, PENDING_MAX, PENDING_PER_ADDRESS_MAX};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The counts.
#[derive(Debug, Clone)]
pub struct Admission {
    handshakes: Arc<Semaphore>,
    pending: Arc<Mutex<Pending>>,
    connections: Arc<AtomicUsize>,
    connections_max: usize,
}

/// A place among all connections. Given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<AtomicUsize>,
    /// There is none: the connection may only be told so.
    pub is_beyond: bool,
}

/// Connections that are not signed in.
#[derive(Debug, Default)]
struct Pending {
    total: usize,
    by_source: HashMap<IpAddr, Source>,
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
    #[error("{PENDING_PER_ADDRESS_MAX} connections from this address are not signed in")]
    SourceFull,
    /// There are too many.
    #[error("{PENDING_MAX} connections are not signed in")]
    Full,
}

/// A connection's place among those that are not signed in. Given back when it is dropped.
#[derive(Debug)]
pub struct Admitted {
    source: IpAddr,
    pending: Arc<Mutex<Pending>>,
    /// Of all, and of its address.
    handshakes: [Arc<Semaphore>; 2],
    /// It is not signed in.
    is_counted: bool,
}

impl Admission {
    /// Room for so many connections. All processors but one may compute handshakes, so that one is left to members.
    pub fn new(connections_max: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_turns(connections_max, (processors - 1).max(1))
    }

    fn with_turns(connections_max: usize, turns: usize) -> Self {
        Self {
            handshakes: Arc::new(Semaphore::new(turns)),
            pending: Arc::default(),
            connections: Arc::default(),
            connections_max,
        }
    }

    /// Counts a connection.
    pub fn place(&self) -> Place {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        Place { connections: Arc::clone(&self.connections), is_beyond: before >= self.connections_max }
    }

    /// Takes a place for a connection from `address`.
    pub fn admit(&self, address: IpAddr) -> Result<Admitted, NotAdmitted> {
        let source = source_of(address);
        let of_source = lock(&self.pending).count(source)?;
        let handshakes = [of_source, Arc::clone(&self.handshakes)];
        Ok(Admitted { source, pending: Arc::clone(&self.pending), handshakes, is_counted: true })
    }
}

impl Pending {
    /// Takes a place. Returns the turns that the connections of its address share.
    fn count(&mut self, source: IpAddr) -> Result<Arc<Semaphore>, NotAdmitted> {
        if self.total >= PENDING_MAX {
            return Err(NotAdmitted::Full);
        }
        let of_source = self.by_source.entry(source).or_insert_with(|| Source {
            pending: 0,
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_PER_ADDRESS_MAX)),
        });
        if of_source.pending >= PENDING_PER_ADDRESS_MAX {
            return Err(NotAdmitted::SourceFull);
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

    /// Gives its place to others.
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
        self.connections.fetch_sub(1, Ordering::Relaxed);
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

    use super::*;

    fn admit(admission: &Admission, address: &str) -> Result<Admitted, NotAdmitted> {
        admission.admit(address.parse().expect("an address"))
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_and_gives_it_back() {
        let admission = Admission::new(8);
        let mut admitted = Vec::new();
        for n in 0..PENDING_PER_ADDRESS_MAX {
            // All of one network of IPv6.
            admitted.push(admit(&admission, &format!("2001:db8::{n:x}")).expect("there is room"));
        }
        let refused = admit(&admission, "2001:db8::ffff:1").expect_err("its share is taken");
        assert_eq!(refused, NotAdmitted::SourceFull);
        let other = admit(&admission, "192.0.2.1").expect("another address has its own share");
        let mut first = admitted.pop().expect("one of them");
        first.signed_in();
        admitted.push(admit(&admission, "2001:db8::1").expect("a place was given back"));
        assert_eq!(first.signed_out(), Err(NotAdmitted::SourceFull), "who logs out needs a place again");
        drop(admitted.pop());
        assert_eq!(first.signed_out(), Ok(()));
        admitted.push(first);
        drop((admitted, other));
        let pending = lock(&admission.pending);
        assert_eq!((pending.total, pending.by_source.len()), (0, 0), "nothing is kept of who is gone");
    }

    #[test]
    fn all_addresses_together_have_a_limit() {
        let admission = Admission::new(8);
        let mut admitted = Vec::new();
        for n in 0..PENDING_MAX {
            let address = Ipv6Addr::from(u128::try_from(n).expect("small") << 64).to_string();
            admitted.push(admit(&admission, &address).expect("there is room"));
        }
        assert_eq!(admit(&admission, "192.0.2.1").expect_err("full"), NotAdmitted::Full);
    }

    #[test]
    fn a_place_is_there_again_once_it_is_given_back() {
        let admission = Admission::new(2);
        let places = [admission.place(), admission.place(), admission.place()];
        assert_eq!(places.each_ref().map(|place| place.is_beyond), [false, false, true]);
        drop(places);
        assert!(!admission.place().is_beyond);
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
