//! Connections of real sockets on one thread, where they share its memory.

use std::net::IpAddr;

use mechat_certs::{Expectation, RelayIdentity, trust};
use mechat_protocol::RelayAddress;
use mechat_protocol::limits::CONNECTIONS_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::admission::Admission;

/// A door on a port of its own.
struct Door {
    listener: TcpListener,
    identity: RelayIdentity,
    admission: Admission,
    _directory: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let identity = RelayIdentity::load_or_create(directory.path(), &[]).expect("an identity");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self { listener, identity, admission: Admission::new(CONNECTIONS_MAX), _directory: directory }
    }

    /// Both ends of a socket.
    async fn sockets(&self) -> (TcpStream, TcpStream) {
        let to = self.listener.local_addr().expect("an address");
        let theirs = TcpStream::connect(to).await.expect("a connection");
        let (ours, _) = self.listener.accept().await.expect("accepted");
        (ours, theirs)
    }

    /// Both ends of a connection.
    async fn connected(&self) -> (Transport, TlsStream<TcpStream>) {
        let (ours, theirs) = self.sockets().await;
        let address: RelayAddress = "localhost:1".parse().expect("an address");
        let expectation = Expectation { pinned: None, invited: Some(self.identity.fingerprint()) };
        let connector = TlsConnector::from(trust::client_config(expectation, &address).expect("a config"));
        let name = trust::server_name(&address).expect("a name");
        let admitted = self.admission.admit(IpAddr::from([127, 0, 0, 1])).expect("room");
        let config = self.identity.server_config();
        let (accepted, client) =
            tokio::join!(accept(ours, &config, &admitted), connector.connect(name, theirs));
        (accepted.expect("accepted").transport, client.expect("connected"))
    }
}

/// All that the peer is sent from here on.
async fn received(mut transport: Transport, mut client: TlsStream<TcpStream>) -> Vec<u8> {
    transport.close_notify().expect("queued");
    transport.shut_down().await.expect("sent");
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.expect("whole");
    received
}

#[tokio::test]
async fn what_a_broken_connection_could_not_send_is_not_sent_to_another() {
    let door = Door::open().await;
    let (mut broken, _its_peer) = door.connected().await;
    let (mut other, its_client) = door.connected().await;
    broken.stream.shutdown().await.expect("shut");
    // More than is sealed at a time, in more than one frame.
    let secret = Bytes::from(vec![b'A'; 2 * SEND_LEN / 3]);
    broken.try_send(&[secret.clone(), secret]).expect_err("nothing goes there any more");
    drop(broken);
    other.try_send(&[Bytes::from_static(b"x"), Bytes::from_static(b"y")]).expect("sent");
    let received = received(other, its_client).await;
    assert!(received == b"xy", "{} bytes, of which 2 were meant", received.len());
}

#[tokio::test]
async fn what_was_gathered_when_a_task_panicked_is_not_sent_to_another() {
    let door = Door::open().await;
    let (mut other, its_client) = door.connected().await;
    let panicked = tokio::spawn(async {
        scratch::sending(|gathered, _| {
            gathered.add(b"secret");
            panic!("on purpose");
        })
    });
    assert!(panicked.await.is_err_and(|error| error.is_panic()));
    other.try_send(&[Bytes::from_static(b"x"), Bytes::from_static(b"y")]).expect("sent");
    assert_eq!(received(other, its_client).await, b"xy");
}
