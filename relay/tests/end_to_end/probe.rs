//! A bare peer: TLS and bytes, nothing else. It says what no well-behaved client would.

use std::sync::Arc;
use std::time::Duration;

use mechat_certs::{Expectation, tls, trust};
use mechat_protocol::codec::{Incoming, decode, encode};
use mechat_protocol::event::Close;
use mechat_protocol::message::{Message, Sender};
use mechat_protocol::reply::ErrorReply;
use mechat_protocol::request::Hello;
use mechat_protocol::{Fingerprint, RelayAddress, RequestId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::TestRelay;

const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Probe {
    pub(crate) stream: TlsStream<TcpStream>,
}

/// Why there is nothing more to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended;

impl Probe {
    /// TLS as a client would do it.
    pub(crate) async fn connect(relay: &TestRelay) -> Self {
        Self::try_connect(&relay.address, relay.fingerprint, |_| {}).await.expect("TLS stands")
    }

    /// TLS with something changed.
    pub(crate) async fn try_connect(
        address: &RelayAddress,
        fingerprint: Fingerprint,
        change: impl FnOnce(&mut rustls::ClientConfig),
    ) -> std::io::Result<Self> {
        let expectation = Expectation { pinned: Some(fingerprint), invited: None };
        let mut config = (*trust::client_config(expectation, address).expect("a config")).clone();
        change(&mut config);
        let stream = TcpStream::connect((address.host(), address.port())).await?;
        Self::shake_hands(address, config, stream).await
    }

    /// One that has room for little of what it does not read.
    pub(crate) async fn connect_narrow(relay: &TestRelay) -> Self {
        let expectation = Expectation { pinned: Some(relay.fingerprint), invited: None };
        let config = (*trust::client_config(expectation, &relay.address).expect("a config")).clone();
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(262_144).expect("set before it connects");
        let stream = socket.connect(relay.config.listen).await.expect("the relay listens");
        Self::shake_hands(&relay.address, config, stream).await.expect("TLS stands")
    }

    async fn shake_hands(
        address: &RelayAddress,
        config: rustls::ClientConfig,
        stream: TcpStream,
    ) -> std::io::Result<Self> {
        let name = trust::server_name(address).expect("a name");
        Ok(Self { stream: TlsConnector::from(Arc::new(config)).connect(name, stream).await? })
    }

    /// TLS and `hello`.
    pub(crate) async fn greeted(relay: &TestRelay) -> Self {
        let mut probe = Self::connect(relay).await;
        probe.send(&hello(1, 1)).await;
        assert!(matches!(probe.receive().await, Ok(Message::Welcome(_))));
        probe
    }

    pub(crate) fn group(&self) -> Option<rustls::NamedGroup> {
        self.stream.get_ref().1.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name)
    }

    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        tls::peer_fingerprint(self.stream.get_ref().1)
    }

    pub(crate) async fn send(&mut self, message: &Message) {
        self.send_bytes(&encode(message).expect("fits")).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the relay reads");
        self.stream.flush().await.expect("the relay reads");
    }

    /// A frame round any bytes.
    pub(crate) async fn send_frame(&mut self, value: &[u8]) {
        let len = u32::try_from(value.len()).expect("short");
        self.send_bytes(&[&len.to_be_bytes(), value].concat()).await;
    }

    pub(crate) async fn receive(&mut self) -> Result<Message, Ended> {
        tokio::time::timeout(PATIENCE, self.receive_frame()).await.expect("an answer or an end in time")
    }

    async fn receive_frame(&mut self) -> Result<Message, Ended> {
        let len = self.stream.read_u32().await.map_err(|_| Ended)?;
        let mut frame = vec![0; usize::try_from(len).expect("fits")];
        self.stream.read_exact(&mut frame).await.map_err(|_| Ended)?;
        match decode(&frame, Sender::Relay) {
            Incoming::Message(message) => Ok(message),
            Incoming::Refused(refusal) => panic!("the relay sent what it may not: {refusal:?}"),
        }
    }

    pub(crate) async fn error(&mut self) -> ErrorReply {
        match self.receive().await {
            Ok(Message::Error(error)) => error,
            other => panic!("an error was expected: {other:?}"),
        }
    }

    /// The close, and that nothing follows it.
    pub(crate) async fn close(&mut self) -> Close {
        let close = match self.receive().await {
            Ok(Message::Close(close)) => close,
            other => panic!("a close was expected: {other:?}"),
        };
        assert_eq!(self.receive().await, Err(Ended), "nothing follows a close");
        close
    }
}

pub(crate) fn hello(version_min: u16, version_max: u16) -> Message {
    Hello { id: RequestId(1), version_min, version_max, agent: "probe".into() }.into()
}

impl Probe {
    /// The next reply, passing over events.
    pub(crate) async fn reply(&mut self) -> Message {
        loop {
            let message = self.receive().await.expect("the connection lives");
            if message.id().is_some() || matches!(message, Message::Error(_)) {
                return message;
            }
        }
    }

    /// The next reply, which is an error.
    pub(crate) async fn reply_error(&mut self) -> ErrorReply {
        match self.reply().await {
            Message::Error(error) => error,
            other => panic!("an error was expected: {other:?}"),
        }
    }

    /// Sends a request and takes its reply.
    pub(crate) async fn ask(&mut self, request: impl Into<Message>) -> Message {
        self.send(&request.into()).await;
        self.reply().await
    }
}
