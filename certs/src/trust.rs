//! The client's answer to "is this the relay I meant?".
//!
//! Owns the TLS configuration of a client and the verifier behind it. It never asks the user and never stores
//! a pin: it names what it saw, and the caller decides.
//!
//! Invariants: a pin means exactly that certificate, whoever else vouches for another one; an invitation's
//! fingerprint is as strict, and both must hold where both are given; only a public DNS name without either may be vouched for by the system's roots; what nobody vouches
//! for is refused as [`TrustError::Unknown`]. Every accepted peer has proven that it holds the certificate's key. A pinned
//! certificate's dates and names are not looked at: the fingerprint says more than they do.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use mechat_protocol::{Fingerprint, RelayAddress};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, PeerIncompatible, SignatureScheme,
};

use crate::fingerprint::fingerprint_of;
use crate::tls::{self, ALPN, VERSIONS};

/// What the client knows about a relay's certificate before it connects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The certificate that this address has shown before (see [`crate::PinStore`]). It must be that one.
    pub pinned: Option<Fingerprint>,
    /// The certificate that an invitation names. It must be that one, beside the pinned one.
    pub invited: Option<Fingerprint>,
}

/// The relay's certificate is not trusted. Comes out of a failed handshake through [`trust_error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Nobody vouches for this certificate yet: ask the user, pin, connect again.
    #[error(
        "this relay is not known yet; its certificate is {seen}: compare it with what its host tells you"
    )]
    Unknown {
        /// What the relay showed.
        seen: Fingerprint,
    },
    /// The relay shows another certificate than before: it was renewed, or somebody is in between.
    #[error(
        "the relay's certificate has changed: {pinned} is trusted, {seen} was shown; \
         ask its host whether it was renewed before you trust the new one"
    )]
    Changed {
        /// What the address is pinned to.
        pinned: Fingerprint,
        /// What the relay showed.
        seen: Fingerprint,
    },
    /// The relay is not the one that the invitation names.
    #[error(
        "the relay is not the one you were invited to: the invitation says {expected}, {seen} was shown; \
         ask for a new invitation"
    )]
    NotAsInvited {
        /// What the invitation says.
        expected: Fingerprint,
        /// What the relay showed.
        seen: Fingerprint,
    },
}

/// A client's TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientConfigError {
    /// TLS takes no such name.
    #[error("`{host}` cannot be named in TLS; a DNS name's labels have 1 to 63 letters, digits and `-`")]
    Host {
        /// The host.
        host: String,
        /// Why.
        source: InvalidDnsNameError,
    },
    /// The cryptography does not fit; a fault of the build.
    #[error("TLS 1.3 cannot be set up: {0}")]
    Provider(#[source] rustls::Error),
}

/// The name under which TLS addresses the relay: what `connect` takes beside the configuration.
pub fn server_name(address: &RelayAddress) -> Result<ServerName<'static>, ClientConfigError> {
    ServerName::try_from(address.host())
        .map(|name| name.to_owned())
        .map_err(|source| ClientConfigError::Host { host: address.host().to_owned(), source })
}

/// A client's configuration for one relay: TLS 1.3, ALPN [`ALPN`], the post-quantum hybrid first, `expectation` enforced.
///
/// Cheap: the system's roots are read only by a handshake that has to ask them.
pub fn client_config(
    expectation: Expectation,
    address: &RelayAddress,
) -> Result<Arc<ClientConfig>, ClientConfigError> {
    let provider = tls::provider();
    let roots = SystemRoots { provider: Arc::clone(&provider), verifier: OnceLock::new() };
    client_config_with(expectation, address, provider, Arc::new(roots))
}

/// [`client_config`] with the cryptography and whoever stands in for the system's roots.
pub fn client_config_with(
    expectation: Expectation,
    address: &RelayAddress,
    provider: Arc<CryptoProvider>,
    roots: Arc<dyn ServerCertVerifier>,
) -> Result<Arc<ClientConfig>, ClientConfigError> {
    server_name(address)?;
    let algorithms = provider.signature_verification_algorithms;
    let roots = is_public_name(address.host()).then_some(roots);
    let verifier = RelayVerifier { expectation, roots, algorithms };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)
        .map_err(ClientConfigError::Provider)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session shows no certificate, and each connection shall be judged by what is pinned then.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The reason of trust for which a handshake failed, if that is why it failed.
pub fn trust_error(error: &io::Error) -> Option<TrustError> {
    error.get_ref()?.downcast_ref().and_then(trust_error_in_tls)
}

/// [`trust_error`] for those who drive rustls themselves.
pub fn trust_error_in_tls(error: &rustls::Error) -> Option<TrustError> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            let inner: &(dyn Error + 'static) = inner.as_ref();
            inner.downcast_ref().copied()
        }
        _ => None,
    }
}

/// A name that a public authority may vouch for: it has a dot and is no address.
fn is_public_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.contains('.') && host.parse::<IpAddr>().is_err() && !host.ends_with(".localhost")
}

#[derive(Debug)]
struct RelayVerifier {
    expectation: Expectation,
    /// None where the host is no public name: then nobody is asked.
    roots: Option<Arc<dyn ServerCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for RelayVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = fingerprint_of(end_entity);
        let vouched = || {
            self.roots.as_ref().is_some_and(|roots| {
                roots
                    .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                    .inspect_err(|error| tracing::debug!(%error, "the system's roots do not vouch"))
                    .is_ok()
            })
        };
        match judge(self.expectation, seen, vouched) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => Err(CertificateError::Other(OtherError(Arc::new(error))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The whole decision. `vouched` is asked last, and only where nothing is expected.
fn judge(
    expectation: Expectation,
    seen: Fingerprint,
    vouched: impl FnOnce() -> bool,
) -> Result<(), TrustError> {
    match expectation {
        Expectation { pinned: Some(pinned), .. } if pinned != seen => {
            Err(TrustError::Changed { pinned, seen })
        }
        Expectation { invited: Some(expected), .. } if expected != seen => {
            Err(TrustError::NotAsInvited { expected, seen })
        }
        Expectation { pinned: Some(_), .. } | Expectation { invited: Some(_), .. } => Ok(()),
        Expectation { pinned: None, invited: None } if vouched() => Ok(()),
        Expectation { pinned: None, invited: None } => Err(TrustError::Unknown { seen }),
    }
}

/// The system's roots, read by the first handshake that asks for them: start-up does not wait for a few hundred files.
#[derive(Debug)]
struct SystemRoots {
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Result<rustls_platform_verifier::Verifier, rustls::Error>>,
}

impl SystemRoots {
    fn verifier(&self) -> Result<&rustls_platform_verifier::Verifier, rustls::Error> {
        self.verifier
            .get_or_init(|| rustls_platform_verifier::Verifier::new(Arc::clone(&self.provider)))
            .as_ref()
            .map_err(Clone::clone)
    }
}

impl ServerCertVerifier for SystemRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Fingerprint = Fingerprint::new([1; 32]);
    const OTHER: Fingerprint = Fingerprint::new([2; 32]);

    #[test]
    fn a_pin_and_an_invitation_must_both_hold_before_the_roots_are_asked() {
        let unknown = Err(TrustError::Unknown { seen: SEEN });
        let changed = Err(TrustError::Changed { pinned: OTHER, seen: SEEN });
        let not_invited = Err(TrustError::NotAsInvited { expected: OTHER, seen: SEEN });
        for (pinned, invited, vouched, verdict) in [
            (Some(SEEN), None, false, Ok(())),
            (Some(SEEN), Some(SEEN), false, Ok(())),
            (Some(SEEN), Some(OTHER), true, not_invited),
            (Some(OTHER), None, true, changed),
            (Some(OTHER), Some(SEEN), true, changed),
            (None, Some(SEEN), false, Ok(())),
            (None, Some(OTHER), true, not_invited),
            (None, None, true, Ok(())),
            (None, None, false, unknown),
        ] {
            let expectation = Expectation { pinned, invited };
            assert_eq!(judge(expectation, SEEN, || vouched), verdict, "{expectation:?} {vouched}");
        }
    }

    #[test]
    fn the_roots_are_asked_only_where_nothing_is_expected() {
        let asked = || -> bool { panic!("the roots were asked") };
        for expected in [SEEN, OTHER] {
            let _ = judge(Expectation { pinned: Some(expected), invited: None }, SEEN, asked);
            let _ = judge(Expectation { pinned: None, invited: Some(expected) }, SEEN, asked);
        }
    }

    #[test]
    fn knows_a_public_name() {
        for (host, public) in [
            ("chat.example.org", true),
            ("chat.example.org.", true),
            ("localhost", false),
            ("a.localhost", false),
            ("relay", false),
            ("relay.", false),
            ("127.0.0.1", false),
            ("::1", false),
            ("fe80::1.2.3.4", false),
        ] {
            assert_eq!(is_public_name(host), public, "{host}");
        }
    }

    #[test]
    fn the_reason_is_found_behind_what_the_runtime_returns() {
        let reason = TrustError::Changed { pinned: OTHER, seen: SEEN };
        let tls = rustls::Error::from(CertificateError::Other(OtherError(Arc::new(reason))));
        assert_eq!(trust_error_in_tls(&tls), Some(reason));
        assert_eq!(trust_error(&io::Error::new(io::ErrorKind::InvalidData, tls)), Some(reason));
        assert_eq!(trust_error(&io::Error::other("something else")), None);
        assert_eq!(trust_error(&io::Error::from(io::ErrorKind::TimedOut)), None);
        let foreign =
            rustls::Error::from(CertificateError::Other(OtherError(Arc::new(io::Error::other("x")))));
        assert_eq!(trust_error_in_tls(&foreign), None);
    }

    #[test]
    fn both_fingerprints_are_shown_when_it_matters() {
        let said = TrustError::Changed { pinned: OTHER, seen: SEEN }.to_string();
        assert!(said.contains(&SEEN.to_string()) && said.contains(&OTHER.to_string()), "{said}");
    }

    #[test]
    fn system_roots_are_not_read_before_they_are_asked() {
        let roots = SystemRoots { provider: tls::provider(), verifier: OnceLock::new() };
        assert!(!roots.supported_verify_schemes().is_empty());
        assert!(roots.verifier.get().is_none());
    }
}
