//! The shell round the hub: feeds it, performs what it wants, arms its timer.
//!
//! Owns the one task in which the hub lives, and the translation between the hub's words and those of
//! storage, credentials and connections. It decides nothing itself.
//!
//! Invariants: all effects of one input are performed before the next is fed; what comes back from storage is fed in the order
//! in which it was committed; after a failed commit nothing more is acknowledged.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mechat_hub::{ConnId, CredentialAsk, Effect, Failure, Hub, Input, Now, StoreAnswer, StoreOp, Ticket};
use mechat_protocol::codec::{FrameError, Incoming};
use mechat_protocol::event::Close;
use mechat_protocol::{ChannelId, CloseCode, ErrorCode, Message, RequestId, UnixMillis};
use rand::RngCore;
use rand::rngs::OsRng;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::Admitted;
use crate::connection::{FromConnection, ToDriver};
use crate::credentials::{Credentials, Finish};
use crate::fanout::{Fanout, PresenceLog};
use crate::pacing::Pacing;
use crate::sign_ins::SignIns;
use crate::storage::{Search, Storage, StorageError, StorageWriter, Write, Written};
use crate::translate;

/// Inputs and outcomes that are handled before what they lead to goes out: the more, the fewer writes; the fewer, the sooner.
const TURN_MAX: usize = 128;
/// How long a relay that stops waits for what is not yet committed.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);

/// A page on its way back. As many as there are questions, and those are bounded by requests in flight.
struct PageRead(Ticket, Result<StoreAnswer, Failure>);

/// Who a write is for: its outcome finds the way back by it.
enum WriteTag {
    Hub(Ticket),
    Credential(ConnId, RequestId, Finish),
}

/// What the driver keeps of a connection besides its queue.
struct Peer {
    address: SocketAddr,
    /// Its place among those that are not signed in.
    admitted: Admitted,
}

/// The hub and its hands.
pub struct Driver {
    hub: Hub,
    fanout: Fanout,
    storage: Arc<dyn Storage>,
    writer: StorageWriter<WriteTag>,
    /// What one turn wants written; submitted together at its end.
    writes: Vec<(WriteTag, Write)>,
    sign_ins: SignIns,
    peers: HashMap<ConnId, Peer>,
    pages: mpsc::UnboundedSender<PageRead>,
    pages_read: mpsc::UnboundedReceiver<PageRead>,
    inputs: mpsc::UnboundedReceiver<FromConnection>,
    pacing: Pacing,
    /// For the monotonic time.
    started: Instant,
    effects: Vec<Effect>,
}

impl Driver {
    /// Puts a hub and its storage together. Also returns the way in for connections.
    #[expect(
        clippy::disallowed_methods,
        reason = "as many answers as questions, which requests in flight bound, and four inputs for each connection, which the door bounds; \
                  a bounded queue here could wait for the driver while the driver waits for the storage"
    )]
    pub fn new(hub: Hub, storage: Arc<dyn Storage>, credentials: Arc<Credentials>) -> (Self, ToDriver) {
        let (pages, pages_read) = mpsc::unbounded_channel();
        let (to_driver, inputs) = mpsc::unbounded_channel();
        let writer = StorageWriter::start(Arc::clone(&storage));
        let driver = Self {
            hub,
            fanout: Fanout::default(),
            storage,
            writer,
            writes: Vec::new(),
            sign_ins: SignIns::new(credentials),
            peers: HashMap::new(),
            pages,
            pages_read,
            inputs,
            pacing: Pacing::default(),
            started: Instant::now(),
            effects: Vec::new(),
        };
        (driver, to_driver)
    }

    /// Who came and went, for the connections.
    pub fn presence(&self) -> Arc<PresenceLog> {
        self.fanout.presence()
    }

    /// Serves until `stop`, then tells everyone, waits for what is not yet committed, and closes.
    /// An error means that the storage failed; what was acknowledged until then is kept.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StorageError> {
        let served = self.serve(stop).await;
        if served.is_err() {
            self.fanout.close_all(&Close::new(
                CloseCode::Internal,
                "the relay's storage failed: it stops to recover",
            ));
        }
        served
    }

    async fn serve(&mut self, stop: CancellationToken) -> Result<(), StorageError> {
        let mut stopping: Option<Instant> = None;
        let mut inputs = Vec::new();
        loop {
            let deadline = self.hub.next_deadline().map(|ms| self.started + Duration::from_millis(ms));
            let wake = [deadline, stopping].into_iter().flatten().min();
            tokio::select! {
                committed = self.writer.committed() => self.committed(committed?),
                // While there is too much to write nothing more is taken on: the connections wait, and TCP makes the peers wait.
                1.. = self.inputs.recv_many(&mut inputs, TURN_MAX), if self.writer.has_room() => {
                    // The runtime runs who was woken last first: without this each connection's frames would make a turn of
                    // their own, and each turn a write for every member.
                    tokio::task::yield_now().await;
                    while inputs.len() < TURN_MAX && let Ok(input) = self.inputs.try_recv() {
                        inputs.push(input);
                    }
                    for input in inputs.drain(..) {
                        self.heard(input);
                    }
                }
                (conn, id, answer) = self.sign_ins.answered() => {
                    self.feed(Input::Credential { conn, id, answer });
                }
                Some(PageRead(ticket, answer)) = self.pages_read.recv() => {
                    self.feed(Input::Stored { ticket, answer });
                }
                () = sleep_until(self.pacing.due()) => {}
                () = sleep_until(wake) => self.feed(Input::Tick),
                () = stop.cancelled(), if stopping.is_none() => {
                    stopping = Some(Instant::now() + DRAIN_LIMIT);
                    let seed = OsRng.next_u64();
                    self.feed(Input::ShutDown { seed });
                }
            }
            self.writer.submit(&mut self.writes);
            if stopping.is_some_and(|limit| self.is_drained() || Instant::now() >= limit) {
                self.feed(Input::Drained);
                self.fanout.publish_all();
                return Ok(());
            }
            self.fanout.publish_all();
            // At each turn, not at the timer's: on a busy relay there is always a turn before it runs out.
            self.pacing.let_go_on(&mut self.fanout);
            // Lets the connections write before they are given more: who reads is never behind because others wrote first.
            tokio::task::yield_now().await;
        }
    }

    /// Whether everything that was asked is answered.
    fn is_drained(&self) -> bool {
        self.hub.unanswered() == 0 && self.writer.outstanding() == 0 && self.sign_ins.unanswered() == 0
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall: UnixMillis(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    fn feed(&mut self, input: Input) {
        let now = self.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.hub.handle(now, input, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect);
        }
        self.effects = effects;
    }

    fn heard(&mut self, input: FromConnection) {
        match input {
            FromConnection::Opened { conn, peer, outbound, exporter, admitted } => {
                self.fanout.add(conn, outbound);
                self.peers.insert(conn, Peer { address: peer, admitted });
                self.sign_ins.opened(conn, exporter);
                self.feed(Input::Opened { conn, address: peer.to_string() });
            }
            FromConnection::Frames(conn, frames) => {
                let mut said_in = Vec::new();
                for incoming in frames {
                    if let Some(channel) = adds_to(&incoming)
                        && !said_in.contains(&channel)
                    {
                        said_in.push(channel);
                    }
                    let input = match incoming {
                        Incoming::Message(message) => Input::Message { conn, message },
                        Incoming::Refused(refusal) => Input::Refused { conn, refusal },
                    };
                    self.feed(input);
                }
                self.pacing.handled(&mut self.fanout, conn, said_in);
            }
            FromConnection::Broken(conn, error) => self.broken(conn, &error),
            FromConnection::Closed(conn) => {
                self.feed(Input::Closed { conn });
                self.fanout.remove(conn);
                self.peers.remove(&conn);
                self.sign_ins.closed(conn);
            }
        }
    }

    fn broken(&self, conn: ConnId, error: &FrameError) {
        self.fanout.close(conn, &Close::new(CloseCode::FrameTooLong, error.to_string()));
    }

    /// Feeds the outcomes of a transaction in its order.
    fn committed(&mut self, outcomes: Vec<(WriteTag, Written)>) {
        for (tag, written) in outcomes {
            let input = match tag {
                WriteTag::Hub(ticket) => Input::Stored { ticket, answer: translate::written(written) },
                WriteTag::Credential(conn, id, finish) => {
                    Input::Credential { conn, id, answer: finish.answer(written) }
                }
            };
            self.feed(input);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { conn, message } => {
                self.log_sign_in(conn, &message);
                self.fanout.send(conn, &message);
            }
            Effect::SendPage { conn, page } => self.fanout.send_page(conn, &page),
            Effect::Broadcast(entry) => self.fanout.broadcast(entry),
            Effect::Replace(entry) => self.fanout.replace(entry),
            Effect::Typing(typing) => self.fanout.typing(&typing),
            Effect::Marks { conn, changed } => self.fanout.marks_changed(conn, &changed),
            Effect::Announce(presence) => self.fanout.announce(&presence),
            Effect::Subscribe { conn, channel } => self.fanout.subscribe(conn, channel),
            Effect::Unsubscribe { conn, channel, last } => self.fanout.unsubscribe(conn, channel, last),
            Effect::SignedIn { conn, signed_in } => self.signed_in(conn, signed_in),
            Effect::Close { conn, close } => self.close(conn, &close),
            Effect::Credential { conn, id, ask } => self.ask_credentials(conn, id, ask),
            Effect::Store { ticket, op } => self.ask_storage(ticket, op),
        }
    }

    fn signed_in(&mut self, conn: ConnId, signed_in: bool) {
        self.fanout.set_signed_in(conn, signed_in);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if signed_in {
            peer.admitted.signed_in();
        } else if let Err(error) = peer.admitted.signed_out() {
            self.close(conn, &Close::new(CloseCode::RelayFull, error.to_string()));
        }
    }

    fn close(&mut self, conn: ConnId, close: &Close) {
        // What was said before the close is to be heard before it.
        self.fanout.publish_all();
        self.fanout.close(conn, close);
    }

    /// Who came, from where, and who was refused: what an operator, or a program that bans addresses, looks for.
    fn log_sign_in(&self, conn: ConnId, message: &Message) {
        let Some(address) = self.peers.get(&conn).map(|peer| peer.address) else { return };
        match message {
            Message::SignedIn(reply) => {
                tracing::info!(conn = conn.0, %address, account = %reply.account, "signed in");
            }
            Message::Registered(reply) => {
                tracing::info!(conn = conn.0, %address, account = %reply.account, "registered");
            }
            Message::LoggedOut(_) => tracing::info!(conn = conn.0, %address, "logged out"),
            Message::Error(error)
                if matches!(error.code, ErrorCode::InvalidCredentials | ErrorCode::InvalidToken) =>
            {
                tracing::warn!(conn = conn.0, %address, code = %error.code, "sign-in refused");
            }
            _ => {}
        }
    }

    fn ask_credentials(&mut self, conn: ConnId, id: RequestId, ask: CredentialAsk) {
        if let Some((write, finish)) = self.sign_ins.ask(conn, id, ask) {
            self.writes.push((WriteTag::Credential(conn, id, finish), *write));
        }
    }

    fn ask_storage(&mut self, ticket: Ticket, op: StoreOp) {
        match op {
            StoreOp::CreateChannel(channel) => {
                self.writes.push((WriteTag::Hub(ticket), translate::create(channel)));
            }
            StoreOp::Append(draft) => self.writes.push((WriteTag::Hub(ticket), translate::append(draft))),
            StoreOp::Mark { channel, account, read, level } => {
                self.writes.push((WriteTag::Hub(ticket), Write::Mark { channel, account, read, level }));
            }
            StoreOp::ReadPosts { channel, which, after, limit } => {
                let storage = Arc::clone(&self.storage);
                self.read(ticket, async move {
                    translate::posts(storage.read_posts(channel, which, after, limit).await)
                });
            }
            StoreOp::Search { query, channels, after, limit } => {
                let storage = Arc::clone(&self.storage);
                let search = Search { query, channels, after, limit };
                self.read(ticket, async move { translate::found(storage.search(search).await) });
            }
            StoreOp::ReadHistory { channel, range, limit } => {
                if let Some(read) = self.fanout.recent(channel, range, limit) {
                    let read = PageRead(ticket, Ok(StoreAnswer::HistoryRead(read)));
                    let _ = self.pages.send(read); // It comes back here.
                    return;
                }
                let storage = Arc::clone(&self.storage);
                self.read(
                    ticket,
                    async move { translate::read(storage.read_log(channel, range, limit).await) },
                );
            }
        }
    }

    /// Reads aside; the answer comes back as an input.
    fn read(
        &self,
        ticket: Ticket,
        read: impl Future<Output = Result<StoreAnswer, Failure>> + Send + 'static,
    ) {
        let pages = self.pages.clone();
        tokio::spawn(async move {
            let _ = pages.send(PageRead(ticket, read.await)); // The relay may have stopped.
        });
    }
}

/// Whoever is still there ends, even one whose opening was not handled: nobody else would ever tell it.
impl Drop for Driver {
    fn drop(&mut self) {
        self.inputs.close();
        while let Ok(input) = self.inputs.try_recv() {
            if let FromConnection::Opened { conn, outbound, .. } = input {
                self.fanout.add(conn, outbound);
            }
        }
        self.fanout.close_all(&Close::new(CloseCode::ShuttingDown, "the relay stops"));
    }
}

/// The channel in which a request would make an entry that all its members are sent.
const fn adds_to(incoming: &Incoming) -> Option<ChannelId> {
    match incoming {
        Incoming::Message(Message::Send(send)) => Some(send.channel),
        Incoming::Message(Message::Amend(amend)) => Some(amend.channel),
        _ => None,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use mechat_hub::{HubConfig, Snapshot};
    use mechat_protocol::limits::CONNECTIONS_MAX;

    use super::*;
    use crate::admission::Admission;
    use crate::credentials::KeysExpected;
    use crate::fanout::Outbound;
    use crate::storage::MemoryStorage;

    #[tokio::test]
    async fn who_came_just_before_the_relay_stopped_does_not_wait_for_ever() {
        let directory = tempfile::tempdir().expect("a directory");
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let keys = KeysExpected { present: false };
        let credentials = Credentials::open(directory.path(), keys, Arc::clone(&storage)).expect("keys");
        let config = HubConfig {
            agent: "test".to_owned(),
            motd: None,
            durability: storage.durability(),
            participants_before_sign_in: false,
            relay_account: "relay".parse().expect("a name"),
        };
        let (driver, to_driver) =
            Driver::new(Hub::new(config, Snapshot::default()), storage, Arc::new(credentials));
        let (conn, peer) = (ConnId(1), SocketAddr::from(([127, 0, 0, 1], 1)));
        let outbound = Outbound::new(conn, driver.presence());
        let admitted = Admission::new(CONNECTIONS_MAX).admit(peer.ip()).expect("room");
        let opened = FromConnection::Opened {
            conn,
            peer,
            outbound: Arc::clone(&outbound),
            exporter: [0; 32],
            admitted,
        };
        assert!(to_driver.send(opened).is_ok());
        drop(driver);
        let look = outbound.look(&Context::from_waker(Waker::noop()));
        assert!(look.ended.is_some() && look.outgoing, "it is told, and ends");
        assert!(to_driver.send(FromConnection::Closed(conn)).is_err(), "and nobody comes any more");
    }
}
