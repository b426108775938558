//! What both ends of a connection agree on below the messages: provider, versions, ALPN.
//!
//! Owns those choices and what can be read off an established connection. It never decides about trust.
//!
//! Invariant: every configuration of this crate comes from [`provider`] and speaks TLS 1.3 alone.

use std::sync::Arc;

use mechat_protocol::Fingerprint;
use rustls::crypto::CryptoProvider;
use rustls::{CommonState, SupportedProtocolVersion};

use crate::fingerprint::fingerprint_of;

/// The protocol's name in TLS (RFC 7301): length-prefixed `MessagePack` frames, first version.
pub const ALPN: &[u8] = b"mechat/1";

/// RFC 8446 only: nothing older is spoken, whatever features other crates switch on.
pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The cryptography of every connection: aws-lc-rs, the post-quantum hybrid X25519MLKEM768 first.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Whether the handshake agreed on [`ALPN`].
///
/// A peer that offers another protocol is refused by rustls with `no_application_protocol`, but one that offers none
/// at all completes the handshake (RFC 7301 leaves it open). Both ends ask this once the handshake is done
/// and close when it says no.
pub fn speaks_mechat(connection: &CommonState) -> bool {
    connection.alpn_protocol() == Some(ALPN)
}

/// The fingerprint of the certificate that the peer proved to hold; none before the handshake is done.
///
/// The client reads here what it accepted, to pin it.
pub fn peer_fingerprint(connection: &CommonState) -> Option<Fingerprint> {
    connection.peer_certificates().and_then(<[_]>::first).map(fingerprint_of)
}
