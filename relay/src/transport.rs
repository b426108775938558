//! The seam between bytes and connections: TLS over TCP.
//!
//! Owns the handshake, its time limit and the exporter. What lies behind the seam may change without its users.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mechat_certs::password::{BINDING_LEN, EXPORTER_LABEL};
use mechat_certs::tls::speaks_mechat;
use mechat_protocol::limits::HANDSHAKE_TIMEOUT_MS;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A connection after its handshake.
pub struct Transport {
    /// What the peer sends.
    pub reader: ReadHalf<TlsStream<TcpStream>>,
    /// What the peer gets.
    pub writer: WriteHalf<TlsStream<TcpStream>>,
    /// 32 bytes that only the two ends of this TLS connection know (RFC 8446 §7.5).
    pub exporter: [u8; BINDING_LEN],
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("the TLS handshake took more than {HANDSHAKE_TIMEOUT_MS} ms")]
    TimedOut,
    /// TLS refused it: plain text, an old version, another protocol.
    #[error("TLS: {0}")]
    Tls(#[from] io::Error),
    /// The peer did not ask for `mechat/1`.
    #[error("the peer did not offer the protocol `mechat/1` (ALPN)")]
    NoAlpn,
    /// The exporter is not available.
    #[error("TLS exporter: {0}")]
    Exporter(#[from] rustls::Error),
}

/// Shakes hands with a peer.
pub async fn accept(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
) -> Result<Transport, HandshakeError> {
    stream.set_nodelay(true)?;
    let handshake = TlsAcceptor::from(config).accept(stream);
    let limit = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    let stream = tokio::time::timeout(limit, handshake).await.map_err(|_| HandshakeError::TimedOut)??;
    let tls = stream.get_ref().1;
    if !speaks_mechat(tls) {
        return Err(HandshakeError::NoAlpn);
    }
    let exporter = tls.export_keying_material([0; BINDING_LEN], EXPORTER_LABEL, None)?;
    let (reader, writer) = tokio::io::split(stream);
    Ok(Transport { reader, writer, exporter })
}
