//! The two files of an identity: reading them as a pair, and noticing that they changed.
//!
//! Never writes. Invariant: what [`Files::read`] returns is a chain and the key of its first certificate.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use secrecy::ExposeSecret;

use super::IdentityError;
use crate::secret_file;

/// Where the pair is.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Length and time of change of the certificate's and the key's file; none of a file that is not there.
pub(super) type Stamps = [Option<(u64, Option<SystemTime>)>; 2];

impl Files {
    /// What the files look like now, without opening them.
    pub(super) fn stamps(&self) -> Stamps {
        [&self.certificate, &self.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.len(), metadata.modified().ok()))
        })
    }

    /// The pair, checked.
    pub(super) fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, IdentityError> {
        let chain = read_chain(&self.certificate)?;
        let key = self.read_key()?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                IdentityError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            source => self.unusable(source),
        })
    }

    pub(super) fn unusable(&self, source: rustls::Error) -> IdentityError {
        IdentityError::Unusable { certificate: self.certificate.clone(), key: self.key.clone(), source }
    }

    fn read_key(&self) -> Result<PrivateKeyDer<'static>, IdentityError> {
        let pem = secret_file::read(&self.key)?;
        PrivateKeyDer::from_pem_slice(pem.expose_secret())
            .map_err(|_| IdentityError::NoKey { path: self.key.clone() })
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let pem = fs::read(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => IdentityError::Missing { path: path.to_owned() },
        _ => IdentityError::Read { path: path.to_owned(), source },
    })?;
    // A section that breaks off is a file half written: all of it counts or none.
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(IdentityError::NoCertificate { path: path.to_owned() }),
    }
}
