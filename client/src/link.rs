//! One connection to a relay: TCP, TLS, frames in, frames out.
//!
//! Owns the socket's two tasks. They end when the link is dropped or the peer is gone, and say so by closing their channel.
//!
//! Invariants: the certificate was accepted before anything is sent; no task outlives the link by more than `GOODBYE`, whatever the peer
//! does not read.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mechat_certs::password::{BINDING_LEN, EXPORTER_LABEL};
use mechat_certs::tls::{peer_fingerprint, speaks_mechat};
use mechat_certs::trust::{client_config, server_name, trust_error};
use mechat_certs::{Expectation, PinStore};
use mechat_protocol::codec::{FrameDecoder, Incoming};
use mechat_protocol::limits::FRAME_LEN_MAX;
use mechat_protocol::message::Sender;
use mechat_protocol::{Fingerprint, RelayAddress};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Decoder;

use crate::session::ConnectFailure;

/// How long a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Frames that were read and not yet handled; when it is full the relay is not read from.
const FRAMES_MAX: usize = 64;
/// Frames that wait to be written; the session's windows keep it far below.
const OUT_MAX: usize = 1_024;
/// How long the last words may take, from when the link is dropped.
const GOODBYE: Duration = Duration::from_millis(500);

/// What is read, or why nothing more is.
pub(crate) type Read = Result<Incoming, String>;

/// An open connection.
pub(crate) struct Link {
    pub(crate) frames: mpsc::Receiver<Read>,
    pub(crate) out: mpsc::Sender<Bytes>,
    pub(crate) fingerprint: Fingerprint,
    /// 32 bytes that only the two ends know (RFC 8446 §7.5).
    pub(crate) exporter: [u8; BINDING_LEN],
    /// Dropped with the link, which the writer sees even while it waits for the peer.
    _held: oneshot::Sender<Infallible>,
}

/// Connects, and remembers the certificate of an invited relay.
pub(crate) async fn connect(
    address: RelayAddress,
    pins: PathBuf,
    invited: Option<Fingerprint>,
) -> Result<Link, ConnectFailure> {
    tokio::time::timeout(CONNECT_TIMEOUT, open(address, pins, invited))
        .await
        .unwrap_or_else(|_| Err(ConnectFailure::Transient("the relay does not answer".into())))
}

async fn open(
    address: RelayAddress,
    pins: PathBuf,
    invited: Option<Fingerprint>,
) -> Result<Link, ConnectFailure> {
    let local = |error: String| ConnectFailure::Local(error);
    let store = PinStore::open(pins).map_err(|error| local(error.to_string()))?;
    let expectation = Expectation { pinned: store.get(&address), invited };
    let config = client_config(expectation, &address).map_err(|error| local(error.to_string()))?;
    let name = server_name(&address).map_err(|error| local(error.to_string()))?;
    // The first randomness of a process costs the cryptography some 30 ms of computing, for which a screen on this thread would wait.
    let provider = Arc::clone(config.crypto_provider());
    let randomness = tokio::task::spawn_blocking(move || provider.secure_random.fill(&mut [0]));
    let stream =
        TcpStream::connect((address.host(), address.port())).await.map_err(|error| transient(&error))?;
    stream.set_nodelay(true).map_err(|error| transient(&error))?;
    match randomness.await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(local("this system gives no randomness".into())),
        Err(error) => return Err(local(error.to_string())),
    }
    let stream =
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
            match trust_error(&error) {
                Some(error) => ConnectFailure::Untrusted(error),
                None => {
                    ConnectFailure::Transient(format!("TLS: {error}; is this the port of a MeChat relay?"))
                }
            }
        })?;
    let tls = stream.get_ref().1;
    if !speaks_mechat(tls) {
        return Err(ConnectFailure::Transient("the server does not speak mechat/1".into()));
    }
    let fingerprint = peer_fingerprint(tls)
        .ok_or_else(|| ConnectFailure::Transient("the relay showed no certificate".into()))?;
    let exporter = tls
        .export_keying_material([0; BINDING_LEN], EXPORTER_LABEL, None)
        .map_err(|error| ConnectFailure::Transient(error.to_string()))?;
    if expectation.pinned.is_none() && invited.is_some() {
        store.pin(&address, fingerprint).map_err(|error| local(error.to_string()))?;
    }
    Ok(start(stream, fingerprint, exporter))
}

fn transient(error: &io::Error) -> ConnectFailure {
    ConnectFailure::Transient(match error.kind() {
        io::ErrorKind::ConnectionRefused => "no relay listens there".into(),
        _ => error.to_string(),
    })
}

fn start(stream: TlsStream<TcpStream>, fingerprint: Fingerprint, exporter: [u8; BINDING_LEN]) -> Link {
    let (reader, writer) = tokio::io::split(stream);
    let (read, frames) = mpsc::channel(FRAMES_MAX);
    let (out, to_write) = mpsc::channel(OUT_MAX);
    tokio::spawn(read_frames(reader, read));
    let (held, dropped) = oneshot::channel();
    tokio::spawn(write_until(writer, to_write, dropped));
    Link { frames, out, fingerprint, exporter, _held: held }
}

async fn read_frames(mut reader: ReadHalf<TlsStream<TcpStream>>, frames: mpsc::Sender<Read>) {
    let mut decoder = FrameDecoder::new(Sender::Relay, FRAME_LEN_MAX, 0);
    let mut buffer = BytesMut::with_capacity(4_096);
    let end = loop {
        match decoder.decode(&mut buffer) {
            Ok(Some(incoming)) => {
                if frames.send(Ok(incoming)).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => break error.to_string(),
        }
        buffer.reserve(1);
        tokio::select! {
            read = reader.read_buf(&mut buffer) => match read {
                Ok(0) => break "the relay closed the connection".into(),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            },
            () = frames.closed() => return,
        }
    };
    let _ = frames.send(Err(end)).await; // The session may have turned away.
}

/// Writes until there is nothing more, or the last words take too long.
async fn write_until(
    writer: impl AsyncWrite + Unpin,
    frames: mpsc::Receiver<Bytes>,
    dropped: oneshot::Receiver<Infallible>,
) {
    let too_late = async {
        let _ = dropped.await; // It can only be dropped.
        tokio::time::sleep(GOODBYE).await;
    };
    tokio::select! {
        () = write_frames(writer, frames) => {}
        () = too_late => {}
    }
}

async fn write_frames(mut writer: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Bytes>) {
    let mut batch = Vec::new();
    while frames.recv_many(&mut batch, OUT_MAX).await > 0 {
        let joined: BytesMut = batch.drain(..).flatten().collect();
        if writer.write_all(&joined).await.is_err() || writer.flush().await.is_err() {
            return; // The reader learns why.
        }
    }
    let _ = writer.shutdown().await; // The peer may be gone.
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer with room for `room` bytes that nobody reads, and what it is asked to write.
    fn writing(
        room: usize,
    ) -> (impl AsyncReadExt, mpsc::Sender<Bytes>, oneshot::Sender<Infallible>, impl Future<Output = ()>) {
        let (ours, theirs) = tokio::io::duplex(room);
        let (out, to_write) = mpsc::channel(OUT_MAX);
        let (held, dropped) = oneshot::channel();
        out.try_send(Bytes::from_static(b"last words")).expect("room");
        (theirs, out, held, write_until(ours, to_write, dropped))
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_does_not_keep_the_writer_of_a_dropped_link() {
        let (_theirs, out, held, writer) = writing(1);
        let writer = tokio::spawn(writer);
        // It waits for the peer as long as the link is there.
        tokio::time::sleep(100 * GOODBYE).await;
        assert!(!writer.is_finished());
        drop((out, held));
        tokio::time::timeout(2 * GOODBYE, writer).await.expect("an end").expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_queued_before_the_link_is_dropped_is_written() {
        let (mut theirs, out, held, writer) = writing(1_024);
        drop((out, held));
        writer.await;
        let mut written = Vec::new();
        theirs.read_to_end(&mut written).await.expect("readable");
        assert_eq!(written, b"last words");
    }
}
