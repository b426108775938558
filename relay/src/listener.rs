//! The door: accepts connections and numbers them.
//!
//! Invariant: an error of one accept never ends the relay.

use std::time::Duration;

use mechat_hub::ConnId;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::connection::{self, Surroundings};

/// Pause after an accept that failed for want of descriptors or memory: to try at once would only burn the CPU.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the log says that connections were refused: a flood of them is not to become one of the log.
const SAID_INTERVAL: Duration = Duration::from_secs(1);

/// Connections that were refused and of which the log says nothing yet.
#[derive(Debug, Default)]
struct Refused {
    count: u64,
    said: Option<Instant>,
}

impl Refused {
    /// One more. Returns how many there are to speak of, if it is time for that.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.said.is_some_and(|said| now < said + SAID_INTERVAL) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

/// Accepts until `stop`. The tracker knows every connection's task.
pub(crate) async fn accept(
    listener: TcpListener,
    surroundings: Surroundings,
    admission: Admission,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut refused = Refused::default();
    for number in 1.. {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { return };
        match accepted {
            Ok((stream, peer)) => match admission.admit(peer.ip()) {
                Ok(admitted) => {
                    let conn = ConnId(number);
                    tasks.spawn(connection::serve(conn, stream, peer, admitted, surroundings.clone()));
                }
                Err(error) => {
                    tracing::debug!(%peer, %error, "connection refused");
                    if let Some(count) = refused.add(Instant::now()) {
                        tracing::warn!(count, last = %peer, %error, "connections refused");
                    }
                }
            },
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refused_connections_is_a_line_a_second_and_counts_them_all() {
        let (mut refused, begun) = (Refused::default(), Instant::now());
        let at = |n: u64| begun + Duration::from_millis(n);
        let said: Vec<u64> = (0..=3_000).filter_map(|n| refused.add(at(n))).collect();
        assert_eq!(said, [1, 1_000, 1_000, 1_000]);
    }
}
