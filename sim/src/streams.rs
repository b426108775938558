//! A connection from the relay's side: its reader and its writer.
//!
//! Models the promises of `relay/src/connection.rs`: a reader whose peer does not read its replies stops reading; a peer that reads
//! nothing for `STUCK_TIMEOUT_MS` is given up; the hub hears of the end once, behind everything that came.

use mechat_hub::{ConnId, Input};
use mechat_protocol::Message;
use mechat_protocol::codec::Incoming;
use mechat_protocol::limits::{FRAME_LEN_MAX, FRAME_LEN_MAX_PENDING, FRAME_SKIP_MAX, STUCK_TIMEOUT_MS};
use tokio_util::codec::Decoder as _;

use crate::agenda::{Happening, Life};
use crate::relay::Sent;
use crate::trace::note;
use crate::wire::Way;
use crate::world::World;

/// Milliseconds for which a closed connection still listens.
const LINGER_MS: u64 = 1_000;

impl World {
    /// Bytes of a device reached the relay.
    pub(crate) fn relay_hears(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(peer) = self.peer(conn).filter(|peer| peer.reading) else { return };
        peer.buffer.extend_from_slice(bytes);
        self.read(conn);
    }

    fn read(&mut self, conn: ConnId) {
        while let Some(relay) = &mut self.relay
            && let Some(peer) = relay.peers.get_mut(&conn)
            && peer.reading
            && peer.outbound.has_room()
        {
            if peer.signed_in {
                peer.decoder.set_limits(FRAME_LEN_MAX, FRAME_SKIP_MAX);
            } else {
                peer.decoder.set_limits(FRAME_LEN_MAX_PENDING, 0);
            }
            match peer.decoder.decode(&mut peer.buffer) {
                Ok(Some(Incoming::Message(message))) => {
                    let sent = match &message {
                        Message::Send(send) => Some((send.id, Sent::Said(send.nonce))),
                        Message::Amend(amend) => Some((amend.id, Sent::Amended(amend.nonce))),
                        _ => None,
                    };
                    if let Some((id, sent)) = sent {
                        relay.sends.insert((conn, id), (sent, peer.account.clone()));
                    }
                    note!(self, "relay from {}: {}", conn.0, message.tag());
                    self.feed(Input::Message { conn, message });
                }
                Ok(Some(Incoming::Refused(refusal))) => {
                    self.broken("a client sends what the relay understands", format!("{refusal:?}"));
                    self.feed(Input::Refused { conn, refusal });
                }
                Ok(None) => return,
                Err(error) => return self.broken("a client keeps the framing", error.to_string()),
            }
        }
    }

    /// The device's direction ended.
    pub(crate) fn relay_hears_end(&mut self, conn: ConnId) {
        if self.peer(conn).is_none() {
            return;
        }
        note!(self, "relay: {} is gone", conn.0);
        self.hang_up(conn, Way::Down);
        self.forget(conn);
    }

    /// A connection's last: the hub hears of it, the queue goes.
    fn forget(&mut self, conn: ConnId) {
        self.feed(Input::Closed { conn });
        if let Some(relay) = &mut self.relay {
            relay.peers.remove(&conn);
            relay.late.remove(&conn);
        }
        self.end_if_drained();
    }

    /// Writes what waits for a connection, as far as the wire takes it.
    pub(crate) fn write(&mut self, conn: ConnId) {
        loop {
            let window = self.plan.window;
            let Some(wire) = self.wires.get_mut(&conn) else { return };
            let room = wire.room(Way::Down, window);
            let now_ms = self.now_ms;
            let Some(peer) = self.peer(conn) else { return };
            let Some(bytes) = peer.outbound.take(room) else { break };
            peer.progress_ms = now_ms;
            self.put(conn, Way::Down, bytes);
        }
        self.after_write(conn);
    }

    fn after_write(&mut self, conn: ConnId) {
        let now_ms = self.now_ms;
        let Some(relay) = &mut self.relay else { return };
        let life = relay.life;
        let Some(peer) = relay.peers.get_mut(&conn) else { return };
        if peer.outbound.is_empty() {
            peer.progress_ms = now_ms;
            if peer.outbound.ended && std::mem::take(&mut peer.reading) {
                self.agenda.at(now_ms + LINGER_MS, Happening::Lingered(life, conn));
                self.hang_up(conn, Way::Down);
            }
        } else if !std::mem::replace(&mut peer.watched, true) {
            self.agenda.at(now_ms + STUCK_TIMEOUT_MS, Happening::Stuck(life, conn));
        }
    }

    /// The wire took bytes on: what waited may go on, and so may the reading of requests.
    pub(crate) fn room_again(&mut self, conn: ConnId) {
        self.write(conn);
        self.read(conn);
    }

    /// Whether a connection's writer has been stuck for too long.
    pub(crate) fn watch(&mut self, life: Life, conn: ConnId) {
        let now_ms = self.now_ms;
        let Some(peer) = self.relay_of(life).and_then(|relay| relay.peers.get_mut(&conn)) else { return };
        if peer.progress_ms + STUCK_TIMEOUT_MS > now_ms {
            peer.watched = !peer.outbound.is_empty();
            let at_ms = peer.progress_ms + STUCK_TIMEOUT_MS;
            if peer.watched {
                self.agenda.at(at_ms, Happening::Stuck(life, conn));
            }
            return;
        }
        note!(self, "relay gives {} up: it does not read", conn.0);
        self.cut(conn);
        self.forget(conn);
    }

    /// A connection that was closed has listened long enough.
    pub(crate) fn lingered(&mut self, life: Life, conn: ConnId) {
        if self.relay_of(life).is_some_and(|relay| relay.peers.contains_key(&conn)) {
            self.cut(conn);
            self.forget(conn);
        }
    }
}
