//! The seam between bytes and connections: TLS over TCP, without a buffer of its own while nothing moves.
//!
//! Owns the handshake, its limits, the records and the exporter. rustls' buffered connections keep 4 KiB each for good, so this one
//! is unbuffered: records are opened and sealed in scratch memory that the threads own, and a connection holds bytes only
//! while a record is half received or the socket takes no more.
//!
//! Invariants: nothing here waits, but for the handshake; sealed bytes leave in order; what a connection holds of received
//! bytes is less than one record, or two while a message of the handshake spans them.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mechat_certs::exporter::{Exporter, NoExporter};
use mechat_certs::password::{BINDING_LEN, EXPORTER_LABEL};
use mechat_certs::tls::speaks_mechat;
use mechat_protocol::limits::{HANDSHAKE_RECORDS_MAX, HANDSHAKE_TIMEOUT_MS, UNSENT_LEN_MAX};
use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use tokio::net::TcpStream;

use crate::admission::Admitted;

mod scratch;
#[cfg(test)]
pub(crate) mod tests;

/// Bytes of the longest TLS record: 2^14 of content, 256 of expansion, 5 of header (RFC 8446 §5.2).
const RECORD_LEN_MAX: usize = 16_384 + 256 + 5;
/// Bytes of a record's header: type, version, length (RFC 8446 §5.1).
const HEADER_LEN: usize = 5;
/// Bytes of content of a record.
const CONTENT_LEN_MAX: usize = 16_384;
/// Bytes that a record of ours has besides its content: header, inner type, tag; 22 with every suite of TLS 1.3.
const RECORD_OVERHEAD: usize = 32;
/// Bytes that are received at a time: always room for a record beyond a half one.
const RECEIVE_LEN: usize = 2 * RECORD_LEN_MAX;
/// Bytes of content that are sealed and written at a time. Together with its records it stays in a core's cache.
const SEND_LEN: usize = 4 * CONTENT_LEN_MAX;

/// A connection after its handshake.
pub struct Transport {
    stream: TcpStream,
    tls: Box<UnbufferedServerConnection>,
    /// The received part of a record whose rest is on its way.
    received: Vec<u8>,
    unsent: Unsent,
}

/// Sealed bytes that the socket has not taken.
#[derive(Default)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("the TLS handshake took more than {HANDSHAKE_TIMEOUT_MS} ms")]
    TimedOut,
    /// It was cut into too many pieces.
    #[error("the TLS handshake took more than {HANDSHAKE_RECORDS_MAX} records")]
    TooManyRecords,
    /// The peer went away.
    #[error("TCP: {0}")]
    Io(#[from] io::Error),
    /// TLS refused it: plain text, an old version, another protocol.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The peer did not ask for `mechat/1`.
    #[error("the peer did not offer the protocol `mechat/1` (ALPN)")]
    NoAlpn,
    /// The exporter is not available.
    #[error("TLS exporter: {0}")]
    Exporter(#[from] NoExporter),
}

/// What came of looking at the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Something, though perhaps no content yet.
    Some,
    /// Nothing is there.
    Nothing,
    /// The peer will send nothing more.
    End,
}

/// What a handshake leads to.
pub struct Accepted {
    /// The connection.
    pub transport: Transport,
    /// 32 bytes that only the two ends of this TLS connection know (RFC 8446 §7.5).
    pub exporter: [u8; BINDING_LEN],
}

/// Shakes hands with a peer, once it has begun to speak. All of it, waiting for its turns included, takes at most
/// `HANDSHAKE_TIMEOUT_MS`.
pub async fn accept(
    stream: TcpStream,
    config: &ServerConfig,
    admitted: &Admitted,
) -> Result<Accepted, HandshakeError> {
    let limit = Duration::from_millis(HANDSHAKE_TIMEOUT_MS);
    let accepted = tokio::time::timeout(limit, shake_hands(stream, config, admitted)).await;
    accepted.map_err(|_| HandshakeError::TimedOut)?
}

async fn shake_hands(
    stream: TcpStream,
    config: &ServerConfig,
    admitted: &Admitted,
) -> Result<Accepted, HandshakeError> {
    // Who says nothing has no state of TLS.
    stream.readable().await?;
    stream.set_nodelay(true)?;
    hold_little(&stream)?;
    let (config, exporter) = Exporter::watch(config);
    let tls = Box::new(UnbufferedServerConnection::new(config)?);
    let mut transport = Transport { stream, tls, received: Vec::new(), unsent: Unsent::default() };
    let mut records = 0;
    while transport.tls.is_handshaking() {
        records += 1;
        if records > HANDSHAKE_RECORDS_MAX {
            return Err(HandshakeError::TooManyRecords);
        }
        if transport.receive_record().await? == Received::End {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        // A turn is for computing, which now can be done without waiting: who waits for its peer keeps nobody waiting.
        let turn = admitted.turn().await;
        let opened = transport.open_received();
        drop(turn);
        // An alert says why, to a peer that is still there.
        transport.flush().await?;
        if opened? == Received::End {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    if !speaks_mechat(&transport.tls) {
        return Err(HandshakeError::NoAlpn);
    }
    let exporter = exporter.export(transport.tls.negotiated_cipher_suite(), EXPORTER_LABEL)?;
    Ok(Accepted { transport, exporter })
}

impl Transport {
    async fn flush(&mut self) -> io::Result<()> {
        while self.has_unsent() {
            self.stream.writable().await?;
            self.try_flush()?;
        }
        Ok(())
    }

    /// Receives one whole record behind what is held, and nothing beyond it. What is no record counts as a whole one.
    async fn receive_record(&mut self) -> io::Result<Received> {
        let start = self.received.len();
        loop {
            let held = self.received.len();
            let end = start + record_len(&self.received[start..]);
            if held == end {
                return Ok(Received::Some);
            }
            if end > RECEIVE_LEN {
                // Only a message of the handshake may span records, and none is so long.
                return Err(io::Error::other(format!("more than {RECEIVE_LEN} bytes and no whole message")));
            }
            self.stream.readable().await?;
            let read = scratch::receiving(|scratch| {
                let read = self.stream.try_read(&mut scratch[..end - held]);
                self.received.extend_from_slice(&scratch[..read.as_ref().copied().unwrap_or(0)]);
                read
            });
            match read {
                Ok(0) => return Ok(Received::End),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens the records that are held. There is no content in those of a handshake.
    fn open_received(&mut self) -> io::Result<Received> {
        let Self { tls, received, unsent, .. } = self;
        let opened = open(tls, received, &mut BytesMut::new(), &mut unsent.bytes);
        *received = received[opened.used..].to_vec();
        opened.result.map_err(io::Error::other)
    }

    /// Ready once there is something to receive, or an end.
    pub fn poll_receivable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_read_ready(context).map(drop)
    }

    /// Ready once the socket takes bytes again.
    pub fn poll_sendable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_write_ready(context).map(drop)
    }

    /// Receives once, and appends what it opens to `content`. An error ends the connection; its alert, if there is one, is
    /// among what [`Transport::try_flush`] sends.
    /// Of a guest less is taken at a time.
    pub fn try_receive(&mut self, content: &mut BytesMut, is_guest: bool) -> io::Result<Received> {
        let Self { stream, tls, received, unsent } = self;
        scratch::receiving(|scratch| {
            let half = received.len();
            if half == scratch.len() {
                // Only a message of the handshake may span records, and none is so long.
                return Err(io::Error::other(format!("more than {RECEIVE_LEN} bytes and no whole message")));
            }
            // Small bites for strangers: what is opened and what is left over are one record together, unless a message spans two.
            let end = if is_guest && half < RECORD_LEN_MAX { RECORD_LEN_MAX } else { scratch.len() };
            let read = match stream.try_read(&mut scratch[half..end]) {
                Ok(0) => return Ok(Received::End),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Nothing),
                Err(error) => return Err(error),
            };
            scratch[..half].copy_from_slice(received);
            let opened = open(tls, &mut scratch[..half + read], content, &mut unsent.bytes);
            // What a half record needed is given back once it is whole.
            *received = scratch[opened.used..half + read].to_vec();
            opened.result.map_err(io::Error::other)
        })
    }

    /// Whether the socket has not taken all that was sent.
    pub const fn has_unsent(&self) -> bool {
        self.unsent.sent < self.unsent.bytes.len()
    }

    /// Seals frames into as few records as they fit, and gives the socket what it takes. The rest waits for
    /// [`Transport::try_flush`].
    pub fn try_send(&mut self, frames: &[Bytes]) -> io::Result<()> {
        scratch::sending(|gathered, sealed| {
            if let [frame] = frames {
                return frame.chunks(SEND_LEN).try_for_each(|part| self.send(part, sealed));
            }
            for mut frame in frames.iter().map(|frame| &frame[..]) {
                while !frame.is_empty() {
                    frame = gathered.add(frame);
                    if gathered.is_full() {
                        gathered.take(|content| self.send(content, sealed))?;
                    }
                }
            }
            if gathered.is_empty() { Ok(()) } else { gathered.take(|content| self.send(content, sealed)) }
        })
    }

    /// Seals and writes at most `SEND_LEN` bytes.
    fn send(&mut self, content: &[u8], sealed: &mut [u8]) -> io::Result<()> {
        let Self { stream, tls, received, unsent } = self;
        let len = seal(tls, received, &mut unsent.bytes, |traffic| traffic.encrypt(content, sealed))?;
        let sealed = &sealed[..len];
        let sent = if unsent.bytes.is_empty() { write_some(stream, sealed)? } else { 0 };
        unsent.bytes.extend_from_slice(&sealed[sent..]);
        Ok(())
    }

    /// Says that nothing follows (RFC 8446 §6.1).
    pub fn close_notify(&mut self) -> io::Result<()> {
        let Self { tls, received, unsent, .. } = self;
        // An answer to the peer's new keys may have to go before it.
        let mut alert = [0; 4 * RECORD_OVERHEAD];
        let len = seal(tls, received, &mut unsent.bytes, |traffic| traffic.queue_close_notify(&mut alert))?;
        unsent.bytes.extend_from_slice(&alert[..len]);
        Ok(())
    }

    /// Gives the socket what it takes of what is unsent; whether it took anything.
    pub fn try_flush(&mut self) -> io::Result<bool> {
        let sent = write_some(&self.stream, &self.unsent.bytes[self.unsent.sent..])?;
        self.unsent.sent += sent;
        if !self.has_unsent() {
            self.unsent = Unsent::default();
        }
        Ok(sent > 0)
    }

    /// Ends the sending direction once everything is sent.
    pub async fn shut_down(&mut self) -> io::Result<()> {
        self.flush().await?;
        tokio::io::AsyncWriteExt::shutdown(&mut self.stream).await
    }

    /// Reads what is still on its way, and drops it. To close with unread bytes makes TCP reset the connection, which can
    /// destroy the last words on their way to the peer (RFC 9112 §9.6).
    pub async fn drain(&mut self, len_max: usize) -> io::Result<()> {
        let mut drained = 0;
        while drained < len_max {
            self.stream.readable().await?;
            let read = scratch::receiving(|scratch| self.stream.try_read(scratch));
            match read {
                Ok(0) => return Ok(()),
                Ok(read) => drained += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Keeps the system from piling up megabytes for a peer that does not read: they are better kept in the ring, once for all.
/// What is on its way is not counted, so a fast reader far away is as fast as ever.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn hold_little(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_LEN_MAX)
}

/// Other systems hold little by themselves, or cannot be told.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn hold_little(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// How long a record is as far as its beginning tells: its header, until that is there.
fn record_len(beginning: &[u8]) -> usize {
    match *beginning {
        [0x14..=0x17, 3, _, high, low, ..] => HEADER_LEN + usize::from(u16::from_be_bytes([high, low])),
        _ => HEADER_LEN,
    }
}

/// What came of opening records: how many bytes are used up, and what they said.
struct Opened {
    used: usize,
    result: Result<Received, rustls::Error>,
}

/// Opens all whole records of `incoming`. What rustls wants sent, of a handshake or as an alert, goes to `unsent`.
fn open(
    tls: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    content: &mut BytesMut,
    unsent: &mut Vec<u8>,
) -> Opened {
    let (mut used, mut result) = (0, Ok(Received::Some));
    let mut failed = false;
    loop {
        let UnbufferedStatus { mut discard, state } = tls.process_tls_records(&mut incoming[used..]);
        let mut more = true;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            content.extend_from_slice(record.payload);
                        }
                        Err(error) => result = Err(error),
                    }
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, unsent),
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) if !failed => result = Ok(Received::End),
            Ok(ConnectionState::PeerClosed) => {}
            // Early data is never offered, and what a later rustls may add is not asked for.
            Ok(_) => more = false,
            // The alert comes with the next turn, and after it the same error again.
            Err(error) => {
                more = !std::mem::replace(&mut failed, true);
                result = Err(error);
            }
        }
        used += discard;
        if !more {
            return Opened { used, result };
        }
    }
}

/// Lets rustls write a record of its own.
fn encode(data: &mut EncodeTlsData<'_, ServerConnectionData>, unsent: &mut Vec<u8>) {
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        let start = unsent.len();
        unsent.resize(start + needed.required_size, 0);
        // It said how much it needs.
        let _ = data.encode(&mut unsent[start..]);
    }
}

/// Seals by `with`, once rustls has nothing of its own to say before. Returns what `with` does.
fn seal(
    tls: &mut UnbufferedServerConnection,
    received: &mut Vec<u8>,
    unsent: &mut Vec<u8>,
    with: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> Result<usize, EncryptError>,
) -> io::Result<usize> {
    loop {
        let UnbufferedStatus { discard, state } = tls.process_tls_records(received);
        match state.map_err(io::Error::other)? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let sealed = with(&mut traffic).map_err(io::Error::other);
                received.drain(..discard);
                return sealed;
            }
            ConnectionState::EncodeTlsData(mut data) => encode(&mut data, unsent),
            ConnectionState::TransmitTlsData(data) => data.done(),
            state => return Err(io::Error::other(format!("nothing can be sent now: {state:?}"))),
        }
        received.drain(..discard);
    }
}

/// Writes once; how many bytes the socket took.
fn write_some(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.try_write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}
