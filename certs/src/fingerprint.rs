//! The digest by which a certificate is recognised.
//!
//! Owns the one computation; the word and its text form are [`mechat_protocol::Fingerprint`]. It never judges.

use mechat_protocol::Fingerprint;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

/// SHA-256 over the certificate's DER, the same that `openssl x509 -fingerprint -sha256` prints.
pub fn fingerprint_of(certificate: &CertificateDer<'_>) -> Fingerprint {
    Fingerprint::new(Sha256::digest(certificate.as_ref()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sha256_of_the_bytes() {
        // FIPS 180-4's example: SHA-256 of "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Ok(fingerprint_of(&CertificateDer::from(b"abc".as_slice()))), abc.parse());
    }
}
