//! The door: accepts connections and numbers them.
//!
//! Invariant: an error of one accept never ends the relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mechat_certs::RelayIdentity;
use mechat_hub::ConnId;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, FromConnection};

/// Pause after an accept that failed for want of descriptors or memory: to try at once would only burn the CPU.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stop`. The tracker knows every connection's task.
pub(crate) async fn accept(
    listener: TcpListener,
    identity: Arc<RelayIdentity>,
    driver: mpsc::Sender<FromConnection>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let numbers = AtomicU64::new(1);
    let config = identity.server_config();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let conn = ConnId(numbers.fetch_add(1, Ordering::Relaxed));
                tasks.spawn(connection::serve(conn, stream, peer, Arc::clone(&config), driver.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
