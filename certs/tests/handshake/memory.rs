//! Two ends of a TLS connection joined by buffers, and bytes that no client of ours would send.

use std::io::{Read, Write};
use std::sync::Arc;

use mechat_certs::RelayIdentity;
use mechat_certs::password::{BINDING_LEN, EXPORTER_LABEL};
use mechat_certs::tls;
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, ConnectionCommon, Error, ServerConfig,
    ServerConnection, SideData,
};

/// An established connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) client: ClientConnection,
    pub(crate) relay: ServerConnection,
}

/// What the client sees of a handshake that failed: its own verdict, or the relay's alert.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) client: Error,
}

pub(crate) fn handshake(
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
    relay: Arc<ServerConfig>,
) -> Result<Link, Failure> {
    let client = ClientConnection::new(client, name).expect("a client");
    let relay = ServerConnection::new(relay).expect("a relay");
    let mut link = Link { client, relay };
    while link.client.is_handshaking() || link.relay.is_handshaking() {
        // A relay that refuses leaves an alert for the client to find.
        let _ = pass(&mut link.client, &mut link.relay);
        pass(&mut link.relay, &mut link.client).map_err(|client| Failure { client })?;
    }
    Ok(link)
}

fn pass<A: SideData, B: SideData>(
    from: &mut ConnectionCommon<A>,
    to: &mut ConnectionCommon<B>,
) -> Result<(), Error> {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).expect("into memory");
    }
    let mut wire = wire.as_slice();
    while !wire.is_empty() {
        to.read_tls(&mut wire).expect("from memory");
        to.process_new_packets()?;
    }
    Ok(())
}

impl Link {
    /// What the relay reads when the client says `bytes`.
    pub(crate) fn say_to_relay(&mut self, bytes: &[u8]) -> Vec<u8> {
        say(&mut self.client, &mut self.relay, bytes)
    }

    /// What the client reads when the relay says `bytes`.
    pub(crate) fn say_to_client(&mut self, bytes: &[u8]) -> Vec<u8> {
        say(&mut self.relay, &mut self.client, bytes)
    }

    /// The login binding as each end exports it.
    pub(crate) fn bindings(&self) -> [[u8; BINDING_LEN]; 2] {
        let none = [0; BINDING_LEN];
        [
            self.client.export_keying_material(none, EXPORTER_LABEL, None).expect("exported"),
            self.relay.export_keying_material(none, EXPORTER_LABEL, None).expect("exported"),
        ]
    }
}

fn say<A: SideData, B: SideData>(
    from: &mut ConnectionCommon<A>,
    to: &mut ConnectionCommon<B>,
    bytes: &[u8],
) -> Vec<u8> {
    from.writer().write_all(bytes).expect("written");
    pass(from, to).expect("the connection stands");
    let mut heard = vec![0; bytes.len()];
    to.reader().read_exact(&mut heard).expect("read");
    heard
}

/// A relay that shows `shown`'s certificate but signs with `signing`'s key.
pub(crate) fn config_with_foreign_key(shown: &RelayIdentity, signing: &RelayIdentity) -> Arc<ServerConfig> {
    let (shown, signing) = (certified_by(shown), certified_by(signing));
    let mixed = CertifiedKey::new(shown.cert.clone(), Arc::clone(&signing.key));
    let mut config = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(mixed)));
    config.alpn_protocols = vec![mechat_certs::ALPN.to_vec()];
    Arc::new(config)
}

/// What an identity would show to a client that connects now.
fn certified_by(identity: &RelayIdentity) -> Arc<CertifiedKey> {
    let address = "relay".parse().expect("an address");
    let config = mechat_certs::trust::client_config(mechat_certs::Expectation::default(), &address);
    let name = mechat_certs::trust::server_name(&address).expect("a name");
    let mut client = ClientConnection::new(config.expect("a configuration"), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("into memory");
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut hello.as_slice()).expect("from memory");
    let accepted = acceptor.accept().ok().flatten().expect("a whole hello");
    identity.server_config().cert_resolver.resolve(accepted.client_hello()).expect("a certificate")
}

/// How a relay refused raw bytes.
pub(crate) struct Refused {
    pub(crate) error: Error,
    pub(crate) alert: AlertDescription,
}

pub(crate) fn offer_raw(config: &Arc<ServerConfig>, mut bytes: &[u8]) -> Refused {
    let mut relay = ServerConnection::new(Arc::clone(config)).expect("a relay");
    relay.read_tls(&mut bytes).expect("from memory");
    let error = relay.process_new_packets().expect_err("refused");
    let mut answer = Vec::new();
    relay.write_tls(&mut answer).expect("into memory");
    // RFC 8446, section 6: a record of type 21, two bytes of version, a length of 2, level and description.
    assert_eq!((answer[0], answer.len()), (21, 7), "one alert in the clear: {answer:?}");
    Refused { error, alert: answer[6].into() }
}

/// A whole `ClientHello` as RFC 5246 has it, without the extension by which TLS 1.3 is offered. Made by hand, since our
/// build of rustls cannot speak TLS 1.2 at all.
pub(crate) fn tls12_client_hello() -> Vec<u8> {
    let extensions = [
        [0, 10, 0, 4, 0, 2, 0, 23].as_slice(), // supported_groups: secp256r1
        &[0, 11, 0, 2, 1, 0],                  // ec_point_formats: uncompressed
        &[0, 13, 0, 4, 0, 2, 4, 3],            // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 23, 0, 0],                        // extended_master_secret
    ]
    .concat();
    let body = [
        [3, 3].as_slice(),        // client_version: TLS 1.2
        &[7; 32],                 // random
        &[0],                     // session_id: none
        &[0, 2, 0xc0, 0x2b],      // cipher_suites: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        &[1, 0],                  // compression_methods: null
        &len16(extensions.len()), // extensions
        &extensions,
    ]
    .concat();
    let [high, low] = len16(body.len());
    let message = [[1, 0, high, low].as_slice(), &body].concat();
    [[22, 3, 1].as_slice(), &len16(message.len()), &message].concat()
}

fn len16(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("short").to_be_bytes()
}
