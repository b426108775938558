//! One connection: one task that turns bytes into inputs and drains what is on its way.
//!
//! Owns the connection's task and its end. It decides nothing: what comes in goes to the driver, what goes out comes from
//! its [`Outbound`].
//!
//! Invariants: the driver hears `Closed` exactly once after `Opened`, however the task ends; at most one batch of requests is
//! with the driver at a time, and none while the peer does not read what it is sent; a peer that takes nothing for
//! `STUCK_TIMEOUT_MS` is given up, and so is one that takes longer for what is left when it ends; while nothing moves, the
//! connection holds no buffer.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use mechat_hub::ConnId;
use mechat_protocol::codec::{FrameDecoder, FrameError, Incoming, encode};
use mechat_protocol::event::Close;
use mechat_protocol::limits::{
    BATCH_WEIGHT_MAX, FRAME_LEN_MAX, FRAME_LEN_MAX_PENDING, FRAME_SKIP_MAX, STUCK_TIMEOUT_MS,
};
use mechat_protocol::message::Sender;
use mechat_protocol::{CloseCode, Message};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_util::codec::Decoder;

use crate::admission::Admitted;
use crate::fanout::{Ending, Look, Outbound, PresenceLog};
use crate::transport::{self, Accepted, Received, Transport};

/// How long, and for how many bytes, a closed connection still listens.
const LINGER: Duration = Duration::from_secs(1);
/// How long a peer that is given up, or has no right to be there any more, has to take what is sealed for it.
const LAST_CHANCE: Duration = Duration::from_secs(5);
const LINGER_LEN_MAX: usize = 1_048_576;

/// What a connection tells the driver. At most four wait for each connection: its opening, one batch, a breach, its end.
pub enum FromConnection {
    /// The handshake is done.
    Opened {
        /// Its number.
        conn: ConnId,
        /// The peer.
        peer: SocketAddr,
        /// The way to it.
        outbound: Arc<Outbound>,
        /// Its TLS exporter.
        exporter: [u8; 32],
        /// Its place among those that are not signed in.
        admitted: Admitted,
    },
    /// Frames came. The next come when the driver says that these are handled.
    Frames(ConnId, Vec<Incoming>),
    /// The peer broke the framing; close with this code.
    Broken(ConnId, FrameError),
    /// The task has ended, or is about to.
    Closed(ConnId),
}

/// The way to the driver.
pub type ToDriver = mpsc::UnboundedSender<FromConnection>;

/// Says `Closed` when the connection's task ends: by return, by error, by panic, by abort.
struct ClosedGuard {
    conn: ConnId,
    driver: ToDriver,
}

impl Drop for ClosedGuard {
    fn drop(&mut self) {
        let _ = self.driver.send(FromConnection::Closed(self.conn)); // The relay may have stopped.
    }
}

/// What a new connection needs of the relay.
#[derive(Clone)]
pub struct Surroundings {
    /// The certificate and what is spoken.
    pub config: Arc<ServerConfig>,
    /// The way to the driver.
    pub driver: ToDriver,
    /// Who came and went.
    pub presence: Arc<PresenceLog>,
}

/// Serves one peer until either side ends it.
pub async fn serve(
    conn: ConnId,
    stream: TcpStream,
    peer: SocketAddr,
    admitted: Admitted,
    surroundings: Surroundings,
) {
    let Surroundings { config, driver, presence } = surroundings;
    // Boxed, so that an established connection does not keep the room that its handshake needed.
    let accepted = match Box::pin(transport::accept(stream, &config, &admitted)).await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::debug!(conn = conn.0, %peer, %error, "handshake refused");
            return;
        }
    };
    drop(config);
    let Accepted { mut transport, exporter } = accepted;
    let Some(_place) = admitted.place() else {
        let _ = tokio::time::timeout(LINGER, Box::pin(turn_away(&mut transport))).await;
        return;
    };
    let outbound = Outbound::new(conn, presence);
    let opened = FromConnection::Opened { conn, peer, outbound: Arc::clone(&outbound), exporter, admitted };
    if driver.send(opened).is_err() {
        return;
    }
    let connection = Connection {
        transport,
        outbound,
        content: BytesMut::new(),
        decoder: FrameDecoder::new(Sender::Client, FRAME_LEN_MAX_PENDING, 0),
        closed: Some(ClosedGuard { conn, driver }),
        with_driver: false,
        undecoded: false,
        at_end: false,
        stuck: None,
        ending: None,
    };
    connection.run().await;
}

struct Connection {
    transport: Transport,
    outbound: Arc<Outbound>,
    /// What the peer sent and is not handed on: less than a frame, or more while a batch is with the driver.
    content: BytesMut,
    decoder: FrameDecoder,
    /// None once the peer has ended its side, or broken the framing: nothing more is read.
    closed: Option<ClosedGuard>,
    /// A batch is with the driver.
    with_driver: bool,
    /// `content` may hold a whole frame.
    undecoded: bool,
    /// The peer will send nothing more.
    at_end: bool,
    /// Runs while the socket takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
    /// Runs from its end on, whatever the socket takes.
    ending: Option<Pin<Box<Sleep>>>,
}

/// What there is to do.
#[derive(Debug, Default, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing to do, and any of them may come together"
)]
struct Ready {
    drain: bool,
    flush: bool,
    decode: bool,
    receive: bool,
    stuck: bool,
    /// It has ended, and takes too long.
    overdue: bool,
    /// All is drained and written, and nothing follows.
    done: bool,
}

impl Ready {
    const fn any(self) -> bool {
        self.drain || self.flush || self.decode || self.receive || self.stuck || self.overdue || self.done
    }
}

impl Connection {
    async fn run(mut self) {
        let served = self.serve().await;
        // The driver hears of it before the goodbye, which may take its time.
        self.closed = None;
        if served.is_ok() {
            let limit = if self.transport.has_unsent() { LAST_CHANCE } else { LINGER };
            let _ = tokio::time::timeout(limit, Box::pin(say_goodbye(&mut self.transport))).await;
        }
    }

    /// An error means that there is nobody to say goodbye to.
    async fn serve(&mut self) -> std::io::Result<()> {
        let mut frames = Vec::new();
        loop {
            let ready = poll_fn(|context| self.poll_ready(context)).await;
            if ready.done {
                return Ok(());
            }
            if ready.stuck {
                return self.give_up();
            }
            if ready.overdue {
                let close = self.outbound.cut_short();
                return self.transport.try_send(close.as_slice());
            }
            if ready.flush && self.transport.try_flush()? {
                self.stuck = None;
            }
            if ready.drain {
                self.outbound.drain(&mut frames);
                self.transport.try_send(&frames)?;
                // Not only cleared: an idle connection keeps no memory for its next burst.
                frames = Vec::new();
            }
            if ready.receive {
                self.receive()?;
            }
            if ready.decode {
                self.decode();
            }
        }
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Ready> {
        let Look { outgoing, handled, room, ended } = self.outbound.look(context);
        let mut ready = Ready::default();
        if self.transport.has_unsent() {
            ready.flush = self.transport.poll_sendable(context).is_ready();
            ready.stuck = !ready.flush && self.poll_stuck(context).is_ready();
        } else {
            ready.drain = outgoing;
            ready.done = ended.is_some() && !outgoing;
        }
        if let Some(ending) = ended {
            ready.overdue = self.poll_overdue(ending, context).is_ready();
        }
        self.with_driver &= !handled;
        // Who does not take what was said must not make others fall behind by saying more.
        let takes = room && !self.transport.has_unsent();
        if self.closed.is_some() && ended.is_none() && takes && !self.with_driver {
            ready.decode = self.undecoded;
            ready.receive = !self.undecoded && self.transport.poll_receivable(context).is_ready();
        }
        if ready.any() { Poll::Ready(ready) } else { Poll::Pending }
    }

    fn poll_stuck(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = Duration::from_millis(STUCK_TIMEOUT_MS);
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        stuck.as_mut().poll(context)
    }

    fn poll_overdue(&mut self, ending: Ending, context: &mut Context<'_>) -> Poll<()> {
        let limit = match ending {
            Ending::Whole => Duration::from_millis(STUCK_TIMEOUT_MS),
            Ending::Revoked => LAST_CHANCE,
        };
        let overdue = self.ending.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        overdue.as_mut().poll(context)
    }

    fn receive(&mut self) -> std::io::Result<()> {
        match self.transport.try_receive(&mut self.content, !self.outbound.is_signed_in()) {
            Ok(Received::Some) => self.undecoded = true,
            Ok(Received::Nothing) => {}
            Ok(Received::End) => (self.undecoded, self.at_end) = (true, true),
            Err(error) => {
                // The alert, if TLS has one to say.
                let _ = self.transport.try_flush();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Hands the next requests to the driver.
    fn decode(&mut self) {
        let Some(ClosedGuard { conn, driver }) = &self.closed else { return };
        // The flag is set before the reply that tells the peer, so a frame that relies on it finds it set.
        if self.outbound.is_signed_in() {
            self.decoder.set_limits(FRAME_LEN_MAX, FRAME_SKIP_MAX);
        } else {
            self.decoder.set_limits(FRAME_LEN_MAX_PENDING, 0);
        }
        let (mut batch, mut weight, mut broken) = (Vec::new(), 0, None);
        self.undecoded = false;
        while broken.is_none() {
            if weight >= BATCH_WEIGHT_MAX {
                self.undecoded = true;
                break;
            }
            match self.decoder.decode(&mut self.content) {
                Ok(Some(incoming)) => {
                    weight += weight_of(&incoming);
                    batch.push(incoming);
                }
                Ok(None) => break,
                Err(error) => broken = Some(FromConnection::Broken(*conn, error)),
            }
        }
        if self.content.is_empty() {
            // What a burst needed is given back once it is through.
            self.content = BytesMut::new();
        }
        self.with_driver = !batch.is_empty();
        let batch = self.with_driver.then_some(FromConnection::Frames(*conn, batch));
        let is_broken = broken.is_some();
        for input in batch.into_iter().chain(broken) {
            let _ = driver.send(input); // The relay may have stopped.
        }
        // The driver then ends what is on its way, behind what is there already.
        if is_broken || (self.at_end && !self.undecoded) {
            self.closed = None;
        }
    }

    /// The peer takes nothing. Should it begin again, it finds out why it was left.
    fn give_up(&mut self) -> std::io::Result<()> {
        let reason = format!("nothing that was sent to you was read for {} s", STUCK_TIMEOUT_MS / 1_000);
        send_close(&mut self.transport, &reason, CloseCode::SlowReader)
    }
}

/// There is no place for it. Whoever it is may come again later.
async fn turn_away(transport: &mut Transport) -> std::io::Result<()> {
    let reason = "the relay has as many connections as it may have";
    send_close(transport, reason, CloseCode::RelayFull)?;
    say_goodbye(transport).await
}

fn send_close(transport: &mut Transport, reason: &str, code: CloseCode) -> std::io::Result<()> {
    let close = encode(&Close::new(code, reason).into()).map_err(std::io::Error::other)?;
    transport.try_send(&[close])
}

async fn say_goodbye(transport: &mut Transport) -> std::io::Result<()> {
    transport.close_notify()?;
    transport.shut_down().await?;
    transport.drain(LINGER_LEN_MAX).await
}

/// How much of a batch a request takes: one whose reply may be long takes all of it.
fn weight_of(incoming: &Incoming) -> usize {
    match incoming {
        Incoming::Message(
            Message::Send(_)
            | Message::Amend(_)
            | Message::Mark(_)
            | Message::SetTyping(_)
            | Message::Ping(_),
        ) => 1,
        _ => BATCH_WEIGHT_MAX,
    }
}

#[cfg(test)]
mod tests;
