//! The reference broadcaster: the least that a fast group chat must do, as a yardstick.
//!
//! It speaks enough of the wire for the generator: any token signs in, a channel exists once somebody joins it. It stores nothing, checks
//! nothing and offers nothing else; what a real relay costs more than this is what its promises cost.
//!
//! Shape: an entry is encoded once and shared; each connection has one bounded queue; its writer takes all that is queued and
//! joins it into full TLS records, four to a write. Nothing is dropped: who adds to a full queue waits for its reader.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use mechat_certs::RelayIdentity;
use mechat_protocol::codec::{self, FrameDecoder, Incoming};
use mechat_protocol::limits::{FRAME_LEN_MAX, FRAME_SKIP_MAX};
use mechat_protocol::message::Sender;
use mechat_protocol::reply::{
    Ack, ChannelInfo, Durability, ErrorReply, Joined, Limits, Pong, SignedIn, Welcome,
};
use mechat_protocol::request::{ChannelKind, Hello, Join, Resume, Send};
use mechat_protocol::{
    AccountName, Body, ChannelId, ChannelName, Entry, Epoch, ErrorCode, Message, Seq, SessionId, UnixMillis,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::codec::Decoder;

use crate::people;

/// Frames that wait for one connection. When it is full, who wants to add to it waits.
const QUEUE_MAX: usize = 4_096;
/// How much is read at once: what one TLS record carries (RFC 8446 §5.1).
const READ_LEN: usize = 16_384;
/// How much is written at once: four full records, which rustls hands to the socket in one call.
const WRITE_LEN: usize = 65_536;

/// One connection's queue.
#[derive(Default)]
struct Peer {
    /// Bounded by `QUEUE_MAX` and one frame for each sender that is about to wait.
    queue: Mutex<VecDeque<Bytes>>,
    filled: Notify,
    drained: Notify,
}

struct Room {
    id: ChannelId,
    /// The newest seq and the members, under one lock: all members see one order.
    state: Mutex<(Seq, Vec<Arc<Peer>>)>,
}

#[derive(Default)]
struct Rooms(Mutex<HashMap<ChannelName, Arc<Room>>>);

/// What one connection has become.
#[derive(Default)]
struct Session {
    account: Option<AccountName>,
    rooms: HashMap<ChannelId, Arc<Room>>,
}

/// A lock; nothing panics under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves on a free loopback port, which `ready` is told with the fingerprint, until it is dropped.
pub(crate) async fn serve(
    directory: &Path,
    ready: impl FnOnce(SocketAddr, mechat_protocol::Fingerprint),
) -> anyhow::Result<()> {
    let identity = RelayIdentity::load_or_create(directory, &[])?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("a loopback port")?;
    ready(listener.local_addr()?, identity.fingerprint());
    let acceptor = TlsAcceptor::from(identity.server_config());
    let rooms = Arc::new(Rooms::default());
    loop {
        let (stream, _) = listener.accept().await.context("accepting")?;
        tokio::spawn(connection(acceptor.clone(), stream, Arc::clone(&rooms)));
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, rooms: Arc<Rooms>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, writer) = tokio::io::split(acceptor.accept(stream).await?);
    let peer = Arc::new(Peer::default());
    let writing = tokio::spawn(write(writer, Arc::clone(&peer)));
    let mut session = Session::default();
    let read = read(reader, &peer, &rooms, &mut session).await;
    for room in session.rooms.values() {
        lock(&room.state).1.retain(|member| !Arc::ptr_eq(member, &peer));
    }
    writing.abort();
    // Who waits for a place in its queue need not wait any longer.
    lock(&peer.queue).clear();
    peer.drained.notify_waiters();
    read
}

async fn read(
    mut reader: ReadHalf<TlsStream<TcpStream>>,
    peer: &Arc<Peer>,
    rooms: &Rooms,
    session: &mut Session,
) -> anyhow::Result<()> {
    let mut decoder = FrameDecoder::new(Sender::Client, FRAME_LEN_MAX, FRAME_SKIP_MAX);
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_LEN);
        if reader.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        while let Some(incoming) = decoder.decode(&mut buffer)? {
            let Incoming::Message(message) = incoming else { anyhow::bail!("a frame that is no message") };
            match message {
                Message::Send(send) => say(send, peer, session).await?,
                other => {
                    peer.push(codec::encode(&session.answer(other, peer, rooms)?)?);
                    peer.has_room().await;
                }
            }
        }
    }
}

/// Gives the message its place and everybody a share of it.
async fn say(send: Send, peer: &Arc<Peer>, session: &Session) -> anyhow::Result<()> {
    let (Some(room), Some(account)) = (session.rooms.get(&send.channel), &session.account) else {
        let unknown = ErrorReply::new(Some(send.id), ErrorCode::NoSuchChannel, "join it first");
        peer.push(codec::encode(&unknown.into())?);
        return Ok(());
    };
    let at_ms = now();
    let full: Vec<Arc<Peer>> = {
        let mut state = lock(&room.state);
        let (head, members) = &mut *state;
        *head = head.next();
        let entry = Entry {
            channel: room.id,
            epoch: Epoch(1),
            seq: *head,
            at_ms,
            sender: account.clone(),
            nonce: Some(send.nonce),
            body: Body::said(send.content, send.in_reply_to),
        };
        let ack = Ack { id: send.id, position: entry.position(), at_ms };
        let frame = codec::encode(&entry.into())?;
        peer.push(codec::encode(&ack.into())?);
        members.iter().filter(|member| member.push(frame.clone())).cloned().collect()
    };
    for member in full {
        member.has_room().await;
    }
    Ok(())
}

impl Session {
    fn answer(&mut self, request: Message, peer: &Arc<Peer>, rooms: &Rooms) -> anyhow::Result<Message> {
        Ok(match request {
            Message::Hello(Hello { id, version_max, .. }) => welcome(id, version_max).into(),
            Message::Ping(ping) => Pong { id: ping.id }.into(),
            Message::Resume(Resume { id, token }) => {
                let owner = people::owner(&token).context("a token of this measurement")?;
                let account = people::account(owner);
                self.account = Some(account.clone());
                let session = SessionId(uuid::Uuid::new_v4());
                SignedIn { id, account, session, token, token_expires_ms: now(), admin: false }.into()
            }
            Message::Join(Join { id, name }) => {
                let room = rooms.get(&name);
                let mut state = lock(&room.state);
                state.1.push(Arc::clone(peer));
                let channel = info(&room, name, &state)?;
                drop(state);
                self.rooms.insert(room.id, room);
                Joined { id, channel }.into()
            }
            other => anyhow::bail!("`{}` is not of this measurement", other.tag()),
        })
    }
}

impl Rooms {
    fn get(&self, name: &ChannelName) -> Arc<Room> {
        let mut rooms = lock(&self.0);
        let id = ChannelId(rooms.len() as u64 + 1);
        let new = || Arc::new(Room { id, state: Mutex::new((Seq::ZERO, Vec::new())) });
        Arc::clone(rooms.entry(name.clone()).or_insert_with(new))
    }
}

impl Peer {
    /// Queues a frame; whether the queue is now full.
    fn push(&self, frame: Bytes) -> bool {
        let mut queue = lock(&self.queue);
        queue.push_back(frame);
        let len = queue.len();
        drop(queue);
        if len == 1 {
            self.filled.notify_one();
        }
        len >= QUEUE_MAX
    }

    async fn has_room(&self) {
        loop {
            let drained = self.drained.notified();
            if lock(&self.queue).len() < QUEUE_MAX {
                return;
            }
            drained.await;
        }
    }
}

/// Takes all that is queued, joins it, writes, and begins again.
async fn write(mut writer: WriteHalf<TlsStream<TcpStream>>, peer: Arc<Peer>) -> std::io::Result<()> {
    let mut frames = VecDeque::new();
    let mut joined = BytesMut::new();
    loop {
        peer.filled.notified().await;
        std::mem::swap(&mut *lock(&peer.queue), &mut frames);
        peer.drained.notify_waiters();
        for frame in frames.drain(..) {
            if joined.len() + frame.len() > WRITE_LEN && !joined.is_empty() {
                writer.write_all(&joined).await?;
                joined.clear();
            }
            joined.extend_from_slice(&frame);
        }
        writer.write_all(&joined).await?;
        writer.flush().await?;
        joined.clear();
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn info(room: &Room, name: ChannelName, state: &(Seq, Vec<Arc<Peer>>)) -> anyhow::Result<ChannelInfo> {
    Ok(ChannelInfo {
        channel: room.id,
        name,
        kind: ChannelKind::Public,
        host: people::account(0),
        created_ms: UnixMillis(0),
        members: u32::try_from(state.1.len())?,
        epoch: Epoch(1),
        head: state.0,
        joined: true,
        topic: mechat_protocol::Topic::default(),
        marks: None,
    })
}

fn welcome(id: mechat_protocol::RequestId, version: u16) -> Welcome {
    let limits = Limits {
        frame_len_max: 0,
        frame_len_max_pending: 0,
        text_len_max: 0,
        data_len_max: 0,
        name_chars_max: 0,
        page_entries_max: 0,
        in_flight_max: 0,
        pending_timeout_ms: 0,
        idle_timeout_ms: 0,
    };
    Welcome {
        id,
        version,
        agent: "reference broadcaster".into(),
        limits,
        durability: Durability::BestEffort,
        motd: None,
        participants_before_sign_in: false,
    }
}
