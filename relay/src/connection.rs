//! One connection: a reader that turns bytes into inputs, a writer that drains its queue.
//!
//! Owns both tasks of a connection and their end. It decides nothing: what comes in goes to the driver, what
//! goes out comes from the [`Outbound`] queue.
//!
//! Invariants: the driver hears `Closed` exactly once after `Opened`, however the tasks end; a reader whose
//! peer does not read its replies stops reading; the writer gives up on a peer that reads nothing for `STUCK_TIMEOUT_MS`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mechat_hub::ConnId;
use mechat_protocol::codec::{FrameDecoder, FrameError, Incoming};
use mechat_protocol::limits::{FRAME_LEN_MAX, FRAME_LEN_MAX_PENDING, FRAME_SKIP_MAX, STUCK_TIMEOUT_MS};
use mechat_protocol::message::Sender;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::codec::Decoder;
use tokio_util::sync::CancellationToken;

use crate::fanout::Outbound;
use crate::transport::{self, Transport};

/// Bytes read at a time from a connection that sends little.
const READ_LEN: usize = 512;
/// Bytes that one TLS record takes at most (RFC 8446 §5.1): frames are joined up to it.
const RECORD_LEN_MAX: usize = 16_384;

/// How long, and for how many bytes, a closed connection still listens.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_LEN_MAX: u64 = 1_048_576;

/// What a connection tells the driver.
pub enum FromConnection {
    /// The handshake is done.
    Opened {
        /// Its number.
        conn: ConnId,
        /// The peer.
        peer: SocketAddr,
        /// Its queue.
        outbound: Arc<Outbound>,
        /// Its TLS exporter.
        exporter: [u8; 32],
    },
    /// A frame came.
    Frame(ConnId, Incoming),
    /// The peer broke the framing; close with this code.
    Broken(ConnId, FrameError),
    /// Both tasks have ended, or are about to.
    Closed(ConnId),
}

/// Says `Closed` when the connection's task ends: by return, by error, by panic, by abort.
struct ClosedGuard {
    conn: ConnId,
    driver: mpsc::Sender<FromConnection>,
}

impl Drop for ClosedGuard {
    fn drop(&mut self) {
        let (conn, driver) = (self.conn, self.driver.clone());
        // Behind everything this connection sent before, which is already in the queue.
        tokio::spawn(async move { driver.send(FromConnection::Closed(conn)).await });
    }
}

/// Serves one peer until either side ends it.
pub async fn serve(
    conn: ConnId,
    stream: TcpStream,
    peer: SocketAddr,
    config: Arc<rustls::ServerConfig>,
    driver: mpsc::Sender<FromConnection>,
) {
    let Transport { reader, writer, exporter } = match transport::accept(stream, config).await {
        Ok(transport) => transport,
        Err(error) => {
            tracing::debug!(conn = conn.0, %peer, %error, "handshake refused");
            return;
        }
    };
    let outbound = Arc::new(Outbound::default());
    let opened = FromConnection::Opened { conn, peer, outbound: Arc::clone(&outbound), exporter };
    if driver.send(opened).await.is_err() {
        return;
    }
    let mut guard = Some(ClosedGuard { conn, driver: driver.clone() });
    let written = CancellationToken::new();
    let writing = tokio::spawn(write(writer, outbound.clone(), written.clone().drop_guard()));
    let mut reader = reader;
    tokio::select! {
        () = written.cancelled() => {}
        // The driver then ends the queue, and that ends the writer, after what is still in the queue.
        () = read(conn, &mut reader, &outbound, &driver) => drop(guard.take()),
    }
    let _ = writing.await;
    linger(&mut reader).await;
}

/// Reads what is still on its way, for a moment: to close with unread bytes makes TCP reset the
/// connection, which can destroy the last words on their way to the peer (RFC 9112 §9.6).
async fn linger(reader: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut rest = reader.take(LINGER_LEN_MAX);
    let _ = tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

async fn read(
    conn: ConnId,
    reader: &mut (impl tokio::io::AsyncRead + Unpin),
    outbound: &Outbound,
    driver: &mpsc::Sender<FromConnection>,
) {
    let mut decoder = FrameDecoder::new(Sender::Client, FRAME_LEN_MAX_PENDING, 0);
    let mut buffer = BytesMut::new();
    loop {
        // What a long frame needed is given back once it is through.
        if buffer.is_empty() && buffer.capacity() > RECORD_LEN_MAX {
            buffer = BytesMut::new();
        }
        buffer.reserve(READ_LEN);
        match reader.read_buf(&mut buffer).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        loop {
            // The flag is set before the reply that tells the peer, so a frame that relies on it finds it set.
            if outbound.is_signed_in() {
                decoder.set_limits(FRAME_LEN_MAX, FRAME_SKIP_MAX);
            } else {
                decoder.set_limits(FRAME_LEN_MAX_PENDING, 0);
            }
            let sent = match decoder.decode(&mut buffer) {
                Ok(Some(incoming)) => {
                    outbound.credit().await;
                    driver.send(FromConnection::Frame(conn, incoming)).await
                }
                Ok(None) => break,
                Err(error) => {
                    let _ = driver.send(FromConnection::Broken(conn, error)).await;
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
            outbound.has_room().await;
        }
    }
}

async fn write(
    mut writer: impl tokio::io::AsyncWrite + Unpin,
    outbound: Arc<Outbound>,
    _written: tokio_util::sync::DropGuard,
) {
    let stuck = Duration::from_millis(STUCK_TIMEOUT_MS);
    let mut record = BytesMut::new();
    loop {
        let drained = outbound.drain().await;
        if write_frames(&mut writer, &drained.frames, &mut record).await.is_err() {
            return;
        }
        outbound.wrote();
        if drained.ended {
            let _ = tokio::time::timeout(stuck, writer.shutdown()).await;
            return;
        }
        if record.capacity() > RECORD_LEN_MAX {
            record = BytesMut::new();
        }
    }
}

/// Writes frames in as few TLS records as they fit. A peer that takes nothing for `STUCK_TIMEOUT_MS` is given up; one that is
/// merely slow is not.
async fn write_frames(
    writer: &mut (impl tokio::io::AsyncWrite + Unpin),
    frames: &[Bytes],
    record: &mut BytesMut,
) -> std::io::Result<()> {
    for frame in frames {
        if !record.is_empty() && record.len() + frame.len() > RECORD_LEN_MAX {
            write_record(writer, record).await?;
        }
        record.extend_from_slice(frame);
    }
    write_record(writer, record).await
}

async fn write_record(
    writer: &mut (impl tokio::io::AsyncWrite + Unpin),
    record: &mut BytesMut,
) -> std::io::Result<()> {
    let writing = async {
        writer.write_all(record).await?;
        writer.flush().await
    };
    tokio::time::timeout(Duration::from_millis(STUCK_TIMEOUT_MS), writing).await??;
    record.clear();
    Ok(())
}
