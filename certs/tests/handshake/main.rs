//! Whole TLS handshakes between the two configurations of this crate, in memory.

mod memory;

use std::path::Path;
use std::sync::Arc;

use mechat_certs::exporter::Exporter;
use mechat_certs::password::EXPORTER_LABEL;
use mechat_certs::tls::{self, peer_fingerprint, speaks_mechat};
use mechat_certs::trust::{client_config, client_config_with, server_name, trust_error, trust_error_in_tls};
use mechat_certs::{ALPN, Expectation, RelayIdentity, Reload, TrustError};
use mechat_protocol::{Fingerprint, RelayAddress};
use memory::{Link, handshake};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, ClientConfig, Error, NamedGroup, ProtocolVersion, RootCertStore};

const OTHER: Fingerprint = Fingerprint::new([9; 32]);

struct Relay {
    identity: RelayIdentity,
    directory: tempfile::TempDir,
}

fn relay() -> Relay {
    let directory = tempfile::tempdir().expect("a directory");
    let identity = RelayIdentity::load_or_create(directory.path(), &[]).expect("an identity");
    Relay { identity, directory }
}

fn address(text: &str) -> RelayAddress {
    text.parse().expect("an address")
}

fn pinned(fingerprint: Fingerprint) -> Expectation {
    Expectation { pinned: Some(fingerprint), invited: None }
}

fn invited(fingerprint: Fingerprint) -> Expectation {
    Expectation { pinned: None, invited: Some(fingerprint) }
}

/// Connects to `identity` as a client would that knows it as `at`.
fn connect(identity: &RelayIdentity, at: &str, expectation: Expectation) -> Result<Link, Error> {
    let config = client_config(expectation, &address(at)).expect("a configuration");
    connect_with(identity, at, config)
}

fn connect_with(identity: &RelayIdentity, at: &str, config: Arc<ClientConfig>) -> Result<Link, Error> {
    let name = server_name(&address(at)).expect("a name");
    handshake(config, name, identity.server_config()).map_err(|failure| failure.client)
}

#[test]
fn both_ends_agree_on_the_newest_and_the_post_quantum() {
    let relay = relay();
    let link = connect(&relay.identity, "127.0.0.1", pinned(relay.identity.fingerprint())).expect("trusted");
    for end in [&*link.client as &rustls::CommonState, &*link.relay] {
        assert_eq!(end.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(end.alpn_protocol(), Some(&b"mechat/1"[..]));
        assert!(speaks_mechat(end));
        let group = end.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name);
        assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
    }
    assert_eq!(peer_fingerprint(&link.client), Some(relay.identity.fingerprint()));
}

#[test]
fn bytes_go_both_ways_and_both_ends_export_the_same_binding() {
    let relay = relay();
    let mut link = connect(&relay.identity, "relay", pinned(relay.identity.fingerprint())).expect("trusted");
    assert_eq!(link.say_to_relay(b"ping"), b"ping");
    assert_eq!(link.say_to_client(b"pong"), b"pong");
    let [client, relay_side] = link.bindings();
    assert_eq!(client, relay_side);
    let other = connect(&relay.identity, "relay", pinned(relay.identity.fingerprint())).expect("trusted");
    assert_ne!(other.bindings()[0], client, "another session, another binding");
}

#[test]
fn the_exporter_of_a_watched_handshake_is_that_of_rustls() {
    let relay = relay();
    let (config, exporter) = Exporter::watch(&relay.identity.server_config());
    let at = address("relay");
    let client = client_config(pinned(relay.identity.fingerprint()), &at).expect("a configuration");
    let link = handshake(client, server_name(&at).expect("a name"), config).expect("trusted");
    let exported = exporter.export(link.relay.negotiated_cipher_suite(), EXPORTER_LABEL);
    assert_eq!(exported.expect("the handshake is done"), link.bindings()[0]);
}

#[test]
fn before_the_handshake_there_is_no_exporter() {
    let (_, exporter) = Exporter::watch(&relay().identity.server_config());
    assert!(exporter.export(None, EXPORTER_LABEL).is_err());
}

#[test]
fn a_client_that_knows_only_tls_1_2_is_refused() {
    let refused = memory::offer_raw(&relay().identity.server_config(), &memory::tls12_client_hello());
    assert_eq!(refused.alert, AlertDescription::ProtocolVersion, "{:?}", refused.error);
}

#[test]
fn another_application_protocol_is_refused() {
    let relay = relay();
    let trusted =
        client_config(pinned(relay.identity.fingerprint()), &address("relay")).expect("a configuration");
    let mut foreign = ClientConfig::clone(&trusted);
    foreign.alpn_protocols = vec![b"h2".to_vec(), b"mechat/2".to_vec()];
    let refused = connect_with(&relay.identity, "relay", Arc::new(foreign)).err();
    assert_eq!(refused, Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)));
}

#[test]
fn a_client_without_application_protocol_can_be_told() {
    let relay = relay();
    let trusted =
        client_config(pinned(relay.identity.fingerprint()), &address("relay")).expect("a configuration");
    let mut silent = ClientConfig::clone(&trusted);
    silent.alpn_protocols.clear();
    let link = connect_with(&relay.identity, "relay", Arc::new(silent)).expect("TLS lets it through");
    assert!(!speaks_mechat(&link.relay), "so the relay must look");
    assert_eq!(trusted.alpn_protocols, [ALPN]);
}

#[test]
fn trust_follows_the_pin_and_the_invitation() {
    let relay = relay();
    let seen = relay.identity.fingerprint();
    let nothing = Expectation::default();
    for (expectation, verdict) in [
        (nothing, Some(TrustError::Unknown { seen })),
        (pinned(seen), None),
        (pinned(OTHER), Some(TrustError::Changed { pinned: OTHER, seen })),
        (invited(seen), None),
        (invited(OTHER), Some(TrustError::NotAsInvited { expected: OTHER, seen })),
        (Expectation { pinned: Some(seen), invited: Some(seen) }, None),
        (
            Expectation { pinned: Some(seen), invited: Some(OTHER) },
            Some(TrustError::NotAsInvited { expected: OTHER, seen }),
        ),
        (
            Expectation { pinned: Some(OTHER), invited: Some(seen) },
            Some(TrustError::Changed { pinned: OTHER, seen }),
        ),
    ] {
        for at in ["127.0.0.1", "[::1]:99", "localhost", "relay"] {
            let refused = connect(&relay.identity, at, expectation).err();
            let found = refused.as_ref().and_then(trust_error_in_tls);
            assert_eq!(found, verdict, "{at} {expectation:?} {refused:?}");
            let wrapped = refused.map(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error));
            assert_eq!(wrapped.as_ref().and_then(trust_error), verdict);
        }
    }
}

#[test]
fn a_pin_is_no_use_without_the_key() {
    let (relay, thief) = (relay(), relay());
    // The thief shows the relay's certificate and signs with a key of its own.
    let config = memory::config_with_foreign_key(&relay.identity, &thief.identity);
    let client =
        client_config(pinned(relay.identity.fingerprint()), &address("relay")).expect("a configuration");
    let name = server_name(&address("relay")).expect("a name");
    let refused = handshake(client, name, config).map_err(|failure| failure.client).err();
    assert_eq!(refused, Some(Error::InvalidCertificate(rustls::CertificateError::BadSignature)));
}

/// An authority that stands in for the system's roots, and a relay with its certificate for `names`.
struct Vouched {
    relay: RelayIdentity,
    roots: Arc<dyn ServerCertVerifier>,
    _directory: tempfile::TempDir,
}

fn vouched_for(names: &[&str]) -> Vouched {
    let directory = tempfile::tempdir().expect("a directory");
    let mut authority = CertificateParams::new([]).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("signed");
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let own = CertificateParams::new(names).expect("names").signed_by(&key, &authority).expect("signed");
    let chain = own.pem() + &authority.pem();
    let relay = identity_of(directory.path(), &chain, &key);
    let roots = roots_of(authority.der());
    Vouched { relay, roots, _directory: directory }
}

fn identity_of(directory: &Path, chain: &str, key: &KeyPair) -> RelayIdentity {
    let (chain_file, key_file) = (directory.join("chain.pem"), directory.join("key.pem"));
    std::fs::write(&chain_file, chain).expect("written");
    mechat_certs::secret_file::load_or_create(&key_file, || key.serialize_pem().into_bytes().into())
        .expect("written");
    RelayIdentity::from_files(chain_file, key_file).expect("an identity")
}

fn roots_of(authority: &CertificateDer<'static>) -> Arc<dyn ServerCertVerifier> {
    let mut store = RootCertStore::empty();
    store.add(authority.clone()).expect("a root");
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), tls::provider()).build().expect("a verifier")
}

impl Vouched {
    fn connect(&self, at: &str, expectation: Expectation) -> Option<TrustError> {
        let roots = Arc::clone(&self.roots);
        let config =
            client_config_with(expectation, &address(at), tls::provider(), roots).expect("a configuration");
        connect_with(&self.relay, at, config).err().as_ref().and_then(trust_error_in_tls)
    }
}

#[test]
fn an_authority_vouches_for_public_names_and_nothing_else() {
    let relay = vouched_for(&["chat.example.org", "relay", "localhost", "192.0.2.7"]);
    let unknown = Some(TrustError::Unknown { seen: relay.relay.fingerprint() });
    for (at, verdict) in [
        ("chat.example.org", None),
        ("other.example.org", unknown),
        ("relay", unknown),
        ("localhost", unknown),
        ("192.0.2.7", unknown),
    ] {
        assert_eq!(relay.connect(at, Expectation::default()), verdict, "{at}");
    }
}

#[test]
fn no_authority_overrules_a_pin_or_an_invitation() {
    let relay = vouched_for(&["chat.example.org"]);
    let seen = relay.relay.fingerprint();
    let changed = TrustError::Changed { pinned: OTHER, seen };
    assert_eq!(relay.connect("chat.example.org", pinned(OTHER)), Some(changed));
    let not_invited = TrustError::NotAsInvited { expected: OTHER, seen };
    assert_eq!(relay.connect("chat.example.org", invited(OTHER)), Some(not_invited));
    assert_eq!(relay.connect("chat.example.org", pinned(seen)), None);
}

#[test]
fn the_fingerprint_is_of_the_relays_own_certificate_not_of_its_issuer() {
    let relay = vouched_for(&["chat.example.org"]);
    let link = connect(&relay.relay, "relay", pinned(relay.relay.fingerprint())).expect("trusted");
    let shown = link.client.peer_certificates().expect("a chain");
    assert_eq!(shown.len(), 2);
    assert_eq!(mechat_certs::fingerprint_of(&shown[0]), relay.relay.fingerprint());
}

#[test]
fn a_self_signed_relay_at_a_public_name_is_unknown_to_the_real_roots() {
    let relay = relay();
    let seen = relay.identity.fingerprint();
    let refused = connect(&relay.identity, "chat.example.org", Expectation::default()).err();
    assert_eq!(refused.as_ref().and_then(trust_error_in_tls), Some(TrustError::Unknown { seen }));
}

#[test]
fn a_reload_shows_in_new_handshakes_and_leaves_connections_alone() {
    let relay = relay();
    let old = relay.identity.fingerprint();
    let mut standing = connect(&relay.identity, "relay", pinned(old)).expect("trusted");
    assert_eq!(relay.identity.reload().expect("the same files"), Reload::Unchanged);

    let renewed = tempfile::tempdir().expect("a directory");
    let new = RelayIdentity::load_or_create(renewed.path(), &[]).expect("another identity").fingerprint();
    for file in ["relay-cert.pem", "relay-key.pem"] {
        std::fs::rename(renewed.path().join(file), relay.directory.path().join(file)).expect("replaced");
    }
    assert!(relay.identity.changed_on_disk());
    assert_eq!(relay.identity.reload().expect("a good pair"), Reload::Changed { old, new });
    assert!(!relay.identity.changed_on_disk());

    assert_eq!(standing.say_to_relay(b"still here"), b"still here");
    assert_eq!(standing.say_to_client(b"so am I"), b"so am I");
    connect(&relay.identity, "relay", pinned(new)).expect("new handshakes see the new certificate");
    let refused = connect(&relay.identity, "relay", pinned(old)).err();
    let changed = TrustError::Changed { pinned: old, seen: new };
    assert_eq!(refused.as_ref().and_then(trust_error_in_tls), Some(changed));
}
