//! The relay's certificate: made on first start or given by the operator, and replaced while the relay runs.
//!
//! Owns the certificate and key files, the certificate in use, and the relay's TLS configuration. It never listens and
//! never decides when to reload: the relay does, on a signal or when [`RelayIdentity::changed_on_disk`] says so.
//!
//! Invariants: the certificate in use always matches its key, for a pair is checked whole before it takes the old one's place;
//! a key that others can read is refused; a failed reload changes nothing; connections that stand are not touched.

mod files;
mod generate;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use mechat_protocol::Fingerprint;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::atomic_file;
use crate::fingerprint::fingerprint_of;
use crate::secret_file::SecretFileError;
use crate::tls::{self, ALPN, VERSIONS};
use files::{Files, Stamps};

/// The certificate that [`RelayIdentity::load_or_create`] makes, in its directory.
pub const CERTIFICATE_FILE: &str = "relay-cert.pem";
/// The private key that [`RelayIdentity::load_or_create`] makes, in its directory.
pub const KEY_FILE: &str = "relay-key.pem";

/// The relay's certificate cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate's file is not there.
    #[error("there is no certificate at {}; name a PEM file that holds the relay's chain, its own certificate first", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The certificate stands alone; only an operator's hand brings that about.
    #[error(
        "{} has no key beside it ({} is missing); restore the key, or remove the certificate to have a new one made, \
         which every client must then be told to trust",
        certificate.display(), key.display()
    )]
    KeyLost {
        /// The certificate's file.
        certificate: PathBuf,
        /// Where the key should be.
        key: PathBuf,
    },
    /// The system refused to read the certificate.
    #[error("cannot read the certificate {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused to write the certificate or its directory.
    #[error("cannot write {}: {source}; the directory must be writable on first start", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate; valid is PEM with `BEGIN CERTIFICATE`, the relay's own first", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no key.
    #[error(
        "{} holds no private key; valid is unencrypted PEM: `BEGIN PRIVATE KEY`, `BEGIN EC PRIVATE KEY` or `BEGIN RSA PRIVATE KEY`",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of another certificate.
    #[error(
        "the key in {} is not that of the first certificate in {}; name the pair that was issued together",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// TLS cannot use the pair.
    #[error("{} and {} cannot be used for TLS 1.3: {source}; an ECDSA P-256 pair works everywhere", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The key's file.
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// A name that the certificate shall carry is none.
    #[error(
        "`{name}` cannot stand in a certificate; valid are DNS names such as chat.example.org and IP addresses"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The certificate cannot be made; a fault of the build.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The cryptography does not fit; a fault of the build.
    #[error("TLS 1.3 cannot be set up: {0}")]
    Provider(#[source] rustls::Error),
}

/// What a reload came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The files hold the certificate that is in use.
    Unchanged,
    /// Another certificate is in use from now on. Clients that pinned the old one will refuse it.
    Changed {
        /// The fingerprint until now.
        old: Fingerprint,
        /// The fingerprint from now on.
        new: Fingerprint,
    },
}

/// The relay's certificate and the TLS configuration that shows it.
///
/// A self-signed certificate is recognised by its fingerprint alone, so its ten years are a formality: an earlier end would only
/// lock people out on a date, and it gains no safety to speak of, as clients follow no revocation. It starts a day back for clients whose
/// clocks are behind. Operators who want dates to count bring a public authority's certificate.
pub struct RelayIdentity {
    files: Files,
    provider: Arc<CryptoProvider>,
    in_use: Arc<InUse>,
    /// The files as they were just before the certificate in use was read.
    stamps: Mutex<Stamps>,
    config: Arc<ServerConfig>,
}

/// The certificate that the next handshake shows.
struct InUse(ArcSwap<Held>);

struct Held {
    certified: Arc<CertifiedKey>,
    fingerprint: Fingerprint,
}

impl RelayIdentity {
    /// Loads [`CERTIFICATE_FILE`] and [`KEY_FILE`] from `dir`, made on first start: self-signed for `localhost`, the loopback addresses,
    /// the machine's host name and `extra_names` (DNS names or IP addresses).
    ///
    /// A crash or a second relay in between cannot leave a pair that does not match: the key is put into place
    /// first and never replaced, and the certificate is always made from the key that is there.
    pub fn load_or_create(dir: &Path, extra_names: &[String]) -> Result<Self, IdentityError> {
        atomic_file::create_directory(dir)
            .map_err(|source| IdentityError::Write { path: dir.to_owned(), source })?;
        let files = Files { certificate: dir.join(CERTIFICATE_FILE), key: dir.join(KEY_FILE) };
        generate::make_where_missing(&files, extra_names)?;
        Self::load(files)
    }

    /// Loads a PEM chain, the relay's own certificate first, and its PEM key.
    pub fn from_files(certificate: PathBuf, key: PathBuf) -> Result<Self, IdentityError> {
        Self::load(Files { certificate, key })
    }

    fn load(files: Files) -> Result<Self, IdentityError> {
        let provider = tls::provider();
        let stamps = files.stamps();
        let held = Held::load(&files, &provider)?;
        let in_use = Arc::new(InUse(ArcSwap::from_pointee(held)));
        let config = server_config(Arc::clone(&provider), Arc::clone(&in_use))?;
        Ok(Self { files, provider, in_use, stamps: Mutex::new(stamps), config })
    }

    /// The certificate in use, as people compare it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.in_use.0.load().fingerprint
    }

    /// The configuration for every connection, for as long as the relay runs: a reload shows through it.
    ///
    /// TLS 1.3 and [`ALPN`] only. A client that offers no ALPN at all gets through the handshake; the
    /// caller must ask [`tls::speaks_mechat`] afterwards.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Reads the files again; new handshakes show what they hold. On an error the certificate in use stays, and
    /// [`Self::changed_on_disk`] goes on saying so: half a pair is tried again.
    pub fn reload(&self) -> Result<Reload, IdentityError> {
        // Held throughout, so that of two reloads at once the later one's stamps and certificate stay together.
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        // Stamped before reading: what is written during the reading is seen as a change later.
        let seen = self.files.stamps();
        let held = Held::load(&self.files, &self.provider)?;
        let new = held.fingerprint;
        let old = self.in_use.0.swap(Arc::new(held)).fingerprint;
        *stamps = seen;
        Ok(if old == new { Reload::Unchanged } else { Reload::Changed { old, new } })
    }

    /// Whether either file differs in length or time of change from what is in use: two `stat` calls, to be asked every few seconds.
    pub fn changed_on_disk(&self) -> bool {
        *self.stamps.lock().unwrap_or_else(PoisonError::into_inner) != self.files.stamps()
    }
}

impl fmt::Debug for RelayIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayIdentity")
            .field("files", &self.files)
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl Held {
    fn load(files: &Files, provider: &CryptoProvider) -> Result<Self, IdentityError> {
        let certified = files.read(provider)?;
        let own = certified.end_entity_cert().map_err(|source| files.unusable(source))?;
        let fingerprint = fingerprint_of(own);
        Ok(Self { certified: Arc::new(certified), fingerprint })
    }
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InUse").field(&self.0.load().fingerprint).finish()
    }
}

impl ResolvesServerCert for InUse {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

fn server_config(
    provider: Arc<CryptoProvider>,
    in_use: Arc<InUse>,
) -> Result<Arc<ServerConfig>, IdentityError> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)
        .map_err(IdentityError::Provider)?
        .with_no_client_auth()
        .with_cert_resolver(in_use);
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Early data can be replayed, and a message must not be.
    config.max_early_data_size = 0;
    // Our clients never resume (see `trust`), so a ticket would be a record written and a session kept for nobody.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
