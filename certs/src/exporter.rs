//! The exporter of a relay's connection: what only the two ends of one TLS connection know.
//!
//! Owns its computation where rustls offers none: an unbuffered connection needs half the memory of a buffered one, but its
//! API lacks `export_keying_material`. rustls tells the exporter's secret to its key log, so each handshake gets a
//! configuration whose key log keeps that one secret, and nothing else, for this module.
//!
//! Invariant: the secret lives until [`Exporter::export`] consumes it, and is overwritten then; no other secret is ever taken.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::tls13::OkmBlock;
use rustls::{KeyLog, ServerConfig, SupportedCipherSuite};

use crate::password::BINDING_LEN;

/// How rustls names the secret (the key log format of NSS, RFC 9850).
const SECRET_LABEL: &str = "EXPORTER_SECRET";

/// Computes the exporter of one connection once its handshake is done.
pub struct Exporter(Arc<Caught>);

/// There is no exporter before the handshake is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the handshake is not done: there is no exporter yet")]
pub struct NoExporter;

/// The one secret. Its block is overwritten when it is dropped.
#[derive(Default)]
struct Caught(Mutex<Option<OkmBlock>>);

impl Exporter {
    /// A configuration for one handshake, the same as `config` besides its key log, and the way to its exporter.
    pub fn watch(config: &ServerConfig) -> (Arc<ServerConfig>, Self) {
        let caught = Arc::new(Caught::default());
        let mut watched = config.clone();
        watched.key_log = Arc::<Caught>::clone(&caught);
        (Arc::new(watched), Self(caught))
    }

    /// TLS-Exporter(`label`, no context, `BINDING_LEN`) of RFC 8446 §7.5.
    pub fn export(
        self,
        suite: Option<SupportedCipherSuite>,
        label: &[u8],
    ) -> Result<[u8; BINDING_LEN], NoExporter> {
        let secret = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(NoExporter)?;
        let suite = suite.and_then(|suite| suite.tls13()).ok_or(NoExporter)?;
        let nothing = suite.common.hash_provider.hash(&[]);
        let nothing = nothing.as_ref();
        let mut derived = [0; OkmBlock::MAX_LEN];
        let derived = derived.get_mut(..nothing.len()).ok_or(NoExporter)?;
        expand_label(suite, &secret, label, nothing, derived)?;
        let mut exported = [0; BINDING_LEN];
        expand_label(suite, &OkmBlock::new(derived), b"exporter", nothing, &mut exported)?;
        Ok(exported)
    }
}

/// HKDF-Expand-Label of RFC 8446 §7.1.
fn expand_label(
    suite: &rustls::Tls13CipherSuite,
    secret: &OkmBlock,
    label: &[u8],
    context: &[u8],
    output: &mut [u8],
) -> Result<(), NoExporter> {
    const PREFIX: &[u8] = b"tls13 ";
    let len = u16::try_from(output.len()).map_err(|_| NoExporter)?;
    let label_len = u8::try_from(PREFIX.len() + label.len()).map_err(|_| NoExporter)?;
    let context_len = u8::try_from(context.len()).map_err(|_| NoExporter)?;
    let info: [&[u8]; 6] = [&len.to_be_bytes(), &[label_len], PREFIX, label, &[context_len], context];
    let expander = suite.hkdf_provider.expander_for_okm(secret);
    expander.expand_slice(&info, output).map_err(|_| NoExporter)
}

impl KeyLog for Caught {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        if label == SECRET_LABEL && secret.len() <= OkmBlock::MAX_LEN {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(OkmBlock::new(secret));
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == SECRET_LABEL
    }
}

impl fmt::Debug for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caught(…)")
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exporter(…)")
    }
}
