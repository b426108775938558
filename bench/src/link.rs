//! A connection before the load begins: TLS, `hello`, sign-in, joins, one message after another.
//!
//! Owns the generator's way in. Members connect from several loopback addresses, as people do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};
use bytes::BytesMut;
use mechat_certs::password::{BINDING_LEN, EXPORTER_LABEL};
use mechat_certs::{Expectation, trust};
use mechat_protocol::codec::{self, FrameDecoder, Incoming};
use mechat_protocol::limits::{FRAME_LEN_MAX, PROTOCOL_VERSION};
use mechat_protocol::message::{Message, Sender};
use mechat_protocol::reply::ChannelInfo;
use mechat_protocol::request::{Hello, Join, Resume};
use mechat_protocol::secret::Token;
use mechat_protocol::{ChannelName, Fingerprint, RelayAddress, RequestId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::codec::Decoder;

/// Loopback addresses that members come from, where the system has more than one.
const SOURCES: u64 = 16;

/// How to reach a server.
#[derive(Clone)]
pub(crate) struct Way {
    address: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
}

/// A connection.
pub(crate) struct Link {
    /// The bytes.
    pub(crate) stream: TlsStream<TcpStream>,
    decoder: FrameDecoder,
    /// Read, not yet decoded.
    pub(crate) buffer: BytesMut,
}

impl Way {
    /// To the server that shows this certificate.
    pub(crate) fn to(address: SocketAddr, fingerprint: Fingerprint) -> anyhow::Result<Self> {
        let relay = RelayAddress::new(&address.ip().to_string(), address.port())?;
        let expectation = Expectation { pinned: Some(fingerprint), invited: None };
        let connector = TlsConnector::from(trust::client_config(expectation, &relay)?);
        Ok(Self { address, name: trust::server_name(&relay)?, connector })
    }

    /// TCP and TLS; `number` chooses the address that it comes from.
    pub(crate) async fn connect(&self, number: u64) -> anyhow::Result<Link> {
        self.connect_with(number, None).await
    }

    /// The same with a receive buffer of so many bytes.
    pub(crate) async fn connect_with(&self, number: u64, receive: Option<u32>) -> anyhow::Result<Link> {
        let socket = TcpSocket::new_v4()?;
        if let Some(receive) = receive {
            socket.set_recv_buffer_size(receive)?;
        }
        socket.bind(SocketAddr::new(source(number), 0))?;
        let stream = socket.connect(self.address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let stream = self.connector.connect(self.name.clone(), stream).await.context("TLS")?;
        let decoder = FrameDecoder::new(Sender::Relay, FRAME_LEN_MAX, 0);
        Ok(Link { stream, decoder, buffer: BytesMut::new() })
    }
}

fn source(number: u64) -> IpAddr {
    let sources = if cfg!(target_os = "linux") { SOURCES } else { 1 };
    let host = u8::try_from(1 + number % sources).unwrap_or(1);
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, host))
}

impl Link {
    /// Sends messages in one write.
    pub(crate) async fn send(&mut self, messages: &[Message]) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        for message in messages {
            bytes.extend_from_slice(&codec::encode(message)?);
        }
        self.stream.write_all(&bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next message that is no news of who came and went.
    pub(crate) async fn receive(&mut self) -> anyhow::Result<Message> {
        loop {
            match self.decoder.decode(&mut self.buffer)? {
                Some(Incoming::Message(Message::Presence(_))) => continue,
                Some(Incoming::Message(message)) => return Ok(message),
                Some(Incoming::Refused(refusal)) => bail!("a frame that cannot be read: {refusal:?}"),
                None => {}
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }

    /// `hello` and its answer.
    pub(crate) async fn greet(&mut self) -> anyhow::Result<()> {
        self.send(&[hello()]).await?;
        match self.receive().await? {
            Message::Welcome(_) => Ok(()),
            other => bail!("`welcome` was due: {other:?}"),
        }
    }

    /// Signs in by a token; the next token.
    pub(crate) async fn resume(&mut self, token: Token) -> anyhow::Result<Token> {
        self.send(&[Resume { id: RequestId(2), token }.into()]).await?;
        match self.receive().await? {
            Message::SignedIn(signed_in) => Ok(signed_in.token),
            other => bail!("`signed_in` was due: {other:?}"),
        }
    }

    /// Joins channels; what they are, in the same order.
    pub(crate) async fn join(&mut self, names: &[ChannelName]) -> anyhow::Result<Vec<ChannelInfo>> {
        let mut joins = Vec::new();
        for (id, name) in (10..).zip(names) {
            joins.push(Join { id: RequestId(id), name: name.clone() }.into());
        }
        self.send(&joins).await?;
        let mut infos = Vec::new();
        while infos.len() < names.len() {
            match self.receive().await? {
                Message::Joined(joined) => infos.push(joined.channel),
                other => bail!("`joined` was due: {other:?}"),
            }
        }
        Ok(infos)
    }

    /// 32 bytes that only the two ends know (RFC 8446 §7.5).
    pub(crate) fn exporter(&self) -> anyhow::Result<[u8; BINDING_LEN]> {
        Ok(self.stream.get_ref().1.export_keying_material([0; BINDING_LEN], EXPORTER_LABEL, None)?)
    }
}

fn hello() -> Message {
    Hello {
        id: RequestId(1),
        version_min: PROTOCOL_VERSION,
        version_max: PROTOCOL_VERSION,
        agent: "mechat-bench".into(),
    }
    .into()
}
