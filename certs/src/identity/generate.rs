//! The certificate of a relay that was given none.
//!
//! Owns what such a certificate says and the order in which the pair is written. Never replaces a file.
//!
//! Invariant: a key without a certificate is the only half that a crash can leave, and the next start completes it.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretSlice};

use super::IdentityError;
use super::files::Files;
use crate::atomic_file::{self, Occupied, Readers};
use crate::secret_file;

const COMMON_NAME: &str = "mechat-relay";
const DAY: Duration = Duration::from_hours(24);
/// Ten years: see [`super::RelayIdentity`] for why.
const LIFETIME: Duration = Duration::from_hours(24 * 3650);

/// Makes what is missing of the pair; an existing pair is left alone.
pub(super) fn make_where_missing(files: &Files, extra_names: &[String]) -> Result<(), IdentityError> {
    match (exists(&files.certificate)?, exists(&files.key)?) {
        (true, true) => Ok(()),
        (true, false) => {
            Err(IdentityError::KeyLost { certificate: files.certificate.clone(), key: files.key.clone() })
        }
        (false, _) => make(files, &names(extra_names)?),
    }
}

fn exists(path: &std::path::Path) -> Result<bool, IdentityError> {
    path.try_exists().map_err(|source| IdentityError::Read { path: path.to_owned(), source })
}

fn make(files: &Files, names: &[String]) -> Result<(), IdentityError> {
    let fresh = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let fresh = SecretSlice::from(fresh.serialize_pem().into_bytes());
    // What counts is the key on disk, which may be an earlier start's or another process's.
    let key = secret_file::load_or_create(&files.key, || fresh)?;
    let no_key = || IdentityError::NoKey { path: files.key.clone() };
    let pem = std::str::from_utf8(key.expose_secret()).map_err(|_| no_key())?;
    let key = KeyPair::from_pem(pem).map_err(|_| no_key())?;
    let certificate = params(names, SystemTime::now())?.self_signed(&key)?;
    atomic_file::write(&files.certificate, certificate.pem().as_bytes(), Readers::Everyone, Occupied::Keep)
        .map_err(|source| IdentityError::Write { path: files.certificate.clone(), source })
}

/// What the certificate says. `now` is when the relay first starts.
pub(super) fn params(names: &[String], now: SystemTime) -> Result<CertificateParams, IdentityError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = (now - DAY).into();
    params.not_after = (now + LIFETIME).into();
    Ok(params)
}

/// The names of this machine and the operator's, each once.
fn names(extra: &[String]) -> Result<Vec<String>, IdentityError> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(host_name().filter(|name| is_name(name)));
    for name in extra {
        if !is_name(name) {
            return Err(IdentityError::Name { name: name.clone() });
        }
        names.push(name.to_ascii_lowercase());
    }
    let mut known = std::collections::HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    Ok(names)
}

fn is_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || ServerName::try_from(name).is_ok()
}

/// The machine's name where it can be read without asking the C library; a convenience, since clients go by the fingerprint.
fn host_name() -> Option<String> {
    let from_file =
        ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|path| fs::read_to_string(path).ok());
    let name = from_file.or_else(|| std::env::var("COMPUTERNAME").ok())?;
    Some(name.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_stand_once() {
        let extra = ["Chat.Example.org", "192.0.2.7", "localhost", "2001:db8::1"].map(str::to_owned);
        let names = names(&extra).expect("all valid");
        for name in ["localhost", "127.0.0.1", "::1", "chat.example.org", "192.0.2.7", "2001:db8::1"] {
            assert_eq!(names.iter().filter(|n| *n == name).count(), 1, "{name} in {names:?}");
        }
        for bad in ["", "a b", "https://chat.example.org", "chat.example.org:7667", "-", "*.example.org"] {
            let error = super::names(&[bad.to_owned()]).expect_err(bad).to_string();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("DNS names"), "{error}");
        }
    }
}
