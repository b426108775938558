//! Who may come in: how many connections, how many handshakes at a time, and how many that are not signed in, in all and from
//! one address.
//!
//! Owns the counts. A handshake costs a hundred times what a message costs, and a connection that is not signed in is
//! nobody's yet: neither may take what members need.
//!
//! Invariants: each count is given back by a guard, however the connection ends; waiting for a handshake happens before
//! anything is spent on it, in the operating system's queue.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mechat_protocol::limits::{HANDSHAKES_MAX, PENDING_MAX, PENDING_PER_ADDRESS_MAX};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    by_source: HashMap<IpAddr, usize>,
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
    handshake: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// Room for so many connections.
    pub fn new(connections_max: usize) -> Self {
        Self {
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
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

    /// Waits until one more handshake may begin.
    #[expect(clippy::missing_panics_doc, reason = "nobody closes the semaphore")]
    pub async fn handshake(&self) -> OwnedSemaphorePermit {
        let handshakes = Arc::clone(&self.handshakes);
        handshakes.acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Takes a place for a connection from `address`.
    pub fn admit(&self, address: IpAddr, handshake: OwnedSemaphorePermit) -> Result<Admitted, NotAdmitted> {
        let source = source_of(address);
        let mut pending = lock(&self.pending);
        if pending.total >= PENDING_MAX {
            return Err(NotAdmitted::Full);
        }
        let of_source = pending.by_source.entry(source).or_insert(0);
        if *of_source >= PENDING_PER_ADDRESS_MAX {
            return Err(NotAdmitted::SourceFull);
        }
        *of_source += 1;
        pending.total += 1;
        Ok(Admitted { source, pending: Arc::clone(&self.pending), handshake: Some(handshake) })
    }
}

impl Admitted {
    /// The handshake is done: another may begin.
    pub fn handshake_done(&mut self) {
        self.handshake = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut pending = lock(&self.pending);
        pending.total -= 1;
        if let Some(of_source) = pending.by_source.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                pending.by_source.remove(&self.source);
            }
        }
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

    async fn admit(admission: &Admission, address: &str) -> Result<Admitted, NotAdmitted> {
        let mut admitted =
            admission.admit(address.parse().expect("an address"), admission.handshake().await)?;
        admitted.handshake_done();
        Ok(admitted)
    }

    #[tokio::test]
    async fn one_address_takes_no_more_than_its_share_and_gives_it_back() {
        let admission = Admission::new(8);
        let mut admitted = Vec::new();
        for n in 0..PENDING_PER_ADDRESS_MAX {
            // All of one network of IPv6.
            admitted.push(admit(&admission, &format!("2001:db8::{n:x}")).await.expect("there is room"));
        }
        let refused = admit(&admission, "2001:db8::ffff:1").await.expect_err("its share is taken");
        assert_eq!(refused, NotAdmitted::SourceFull);
        let other = admit(&admission, "192.0.2.1").await.expect("another address has its own share");
        drop(admitted.pop());
        admitted.push(admit(&admission, "2001:db8::1").await.expect("a place was given back"));
        drop((admitted, other));
        let pending = lock(&admission.pending);
        assert_eq!((pending.total, pending.by_source.len()), (0, 0), "nothing is kept of who is gone");
    }

    #[tokio::test]
    async fn all_addresses_together_have_a_limit() {
        let admission = Admission::new(8);
        let mut admitted = Vec::new();
        for n in 0..PENDING_MAX {
            let address = Ipv6Addr::from(u128::try_from(n).expect("small") << 64).to_string();
            admitted.push(admit(&admission, &address).await.expect("there is room"));
        }
        assert_eq!(admit(&admission, "192.0.2.1").await.expect_err("full"), NotAdmitted::Full);
    }

    #[test]
    fn a_place_is_there_again_once_it_is_given_back() {
        let admission = Admission::new(2);
        let places = [admission.place(), admission.place(), admission.place()];
        assert_eq!(places.each_ref().map(|place| place.is_beyond), [false, false, true]);
        drop(places);
        assert!(!admission.place().is_beyond);
    }

    #[tokio::test]
    async fn handshakes_wait_for_one_another() {
        let admission = Admission::new(8);
        let mut running = Vec::new();
        for _ in 0..HANDSHAKES_MAX {
            running.push(admission.handshake().await);
        }
        tokio::task::yield_now().await; // A task that was given so much at once is made to wait by tokio itself.
        assert!(admission.handshake().now_or_never().is_none());
        drop(running.pop());
        assert!(admission.handshake().now_or_never().is_some());
    }
}
