//! Connections of real sockets on one thread, where they share its memory.

use std::net::IpAddr;

use futures_util::future::select_all;
use futures_util::poll;
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
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) identity: RelayIdentity,
    pub(crate) admission: Admission,
    _directory: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        Self::open_on(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    pub(crate) fn open_on(listener: TcpListener) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let identity = RelayIdentity::load_or_create(directory.path(), &[]).expect("an identity");
        Self { listener, identity, admission: Admission::new(CONNECTIONS_MAX), _directory: directory }
    }

    /// Both ends of a socket.
    async fn sockets(&self) -> (TcpStream, TcpStream) {
        let to = self.listener.local_addr().expect("an address");
        let theirs = TcpStream::connect(to).await.expect("a connection");
        let (ours, _) = self.listener.accept().await.expect("accepted");
        (ours, theirs)
    }

    /// The client's handshake.
    pub(crate) async fn enter(&self, socket: TcpStream) -> TlsStream<TcpStream> {
        let address: RelayAddress = "localhost:1".parse().expect("an address");
        let expectation = Expectation { pinned: None, invited: Some(self.identity.fingerprint()) };
        let connector = TlsConnector::from(trust::client_config(expectation, &address).expect("a config"));
        connector.connect(trust::server_name(&address).expect("a name"), socket).await.expect("connected")
    }

    /// Both ends of a connection.
    async fn connected(&self) -> (Transport, TlsStream<TcpStream>) {
        let (ours, theirs) = self.sockets().await;
        let admitted = self.admission.admit(IpAddr::from([127, 0, 0, 1])).expect("room");
        let config = self.identity.server_config();
        let (accepted, client) = tokio::join!(accept(ours, &config, &admitted), self.enter(theirs));
        (accepted.expect("accepted").transport, client)
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

#[tokio::test]
async fn who_says_one_byte_and_no_more_keeps_nobody_waiting_for_a_turn() {
    let door = Door::open().await;
    let config = door.identity.server_config();
    let (mut sockets, mut admitted) = (Vec::new(), Vec::new());
    for n in 0..=255 {
        let (ours, mut theirs) = door.sockets().await;
        theirs.write_all(&[0x16]).await.expect("sent");
        ours.readable().await.expect("received");
        sockets.push((ours, theirs));
        admitted.push(door.admission.admit(IpAddr::from([192, 0, 2, n % 8])).expect("room"));
    }
    let (ours, _theirs): (Vec<_>, Vec<_>) = sockets.into_iter().unzip();
    let mut stalled = Vec::new();
    for (stream, admitted) in ours.into_iter().zip(&admitted) {
        let mut handshake = Box::pin(accept(stream, &config, admitted));
        assert!(poll!(&mut handshake).is_pending());
        stalled.push(handshake);
    }
    tokio::select! {
        _ = door.connected() => {}
        (ended, ..) = select_all(stalled) => panic!("one of them ended first: {:?}", ended.map(drop)),
    }
}

#[tokio::test]
async fn a_handshake_in_crumbs_is_refused_before_it_costs_much() {
    let door = Door::open().await;
    let (ours, mut theirs) = door.sockets().await;
    // A hello of 64 KiB, a byte in each record.
    let mut crumbs = [0x16, 3, 1, 0, 1, 0].repeat(HANDSHAKE_RECORDS_MAX + 1);
    for (index, byte) in [1, 0, 0xff, 0xff].into_iter().enumerate() {
        crumbs[6 * index + 5] = byte;
    }
    theirs.write_all(&crumbs).await.expect("sent");
    let admitted = door.admission.admit(IpAddr::from([127, 0, 0, 1])).expect("room");
    let refused = accept(ours, &door.identity.server_config(), &admitted).await.map(drop);
    assert!(matches!(refused, Err(HandshakeError::TooManyRecords)), "{refused:?}");
}

#[tokio::test]
async fn a_guests_message_that_spans_records_is_not_received_byte_by_byte() {
    let door = Door::open().await;
    let (stream, mut theirs) = door.sockets().await;
    let tls = Box::new(UnbufferedServerConnection::new(door.identity.server_config()).expect("a state"));
    let mut transport = Transport { stream, tls, received: Vec::new(), unsent: Unsent::default() };
    // A message of 64 KiB in records of 16 KiB, of which more is sent than is ever held.
    let mut record = vec![0; HEADER_LEN + CONTENT_LEN_MAX];
    record[..HEADER_LEN].copy_from_slice(&[0x16, 3, 1, 0x40, 0]);
    let rest = record.repeat(2);
    record[HEADER_LEN..][..4].copy_from_slice(&[1, 0, 0xff, 0xff]);
    theirs.write_all(&[record, rest].concat()).await.expect("sent");
    let (mut reads, mut content) = (0, BytesMut::new());
    loop {
        transport.stream.readable().await.expect("receivable");
        match transport.try_receive(&mut content, true) {
            Ok(Received::Some) => reads += 1,
            Ok(Received::Nothing) => {}
            Ok(Received::End) => panic!("it is still there"),
            Err(_too_long) => break,
        }
    }
    assert!(reads < 100, "{reads} reads for {RECEIVE_LEN} bytes");
}
