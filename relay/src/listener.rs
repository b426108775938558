//! The door: accepts connections and numbers them.
//!
//! Invariant: an error of one accept never ends the relay.

use std::time::Duration;

use mechat_hub::ConnId;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::connection::{self, Surroundings};

/// Pause after an accept that failed for want of descriptors or memory: to try at once would only burn the CPU.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stop`. The tracker knows every connection's task.
pub(crate) async fn accept(
    listener: TcpListener,
    surroundings: Surroundings,
    admission: Admission,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    for number in 1.. {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { return };
        match accepted {
            Ok((stream, peer)) => match admission.admit(peer.ip()) {
                Ok(admitted) => {
                    let conn = ConnId(number);
                    tasks.spawn(connection::serve(conn, stream, peer, admitted, surroundings.clone()));
                }
                Err(error) => tracing::warn!(%peer, %error, "connection refused"),
            },
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
