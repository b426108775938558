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
use mechat_protocol::{CloseCode, ErrorCode, Message, RequestId, UnixMillis};
use rand::RngCore;
use rand::rngs::OsRng;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::Admitted;
use crate::connection::{FromConnection, ToDriver};
use crate::credentials::{Answered, Credentials, PendingLogin};
use crate::fanout::{Fanout, PresenceLog};
use crate::storage::{Storage, StorageError, StorageWriter, WriteDone};
use crate::translate;

/// Inputs and outcomes that are handled before what they lead to goes out: the more, the fewer writes; the fewer, the sooner.
const TURN_MAX: usize = 128;
/// How long a relay that stops waits for what is not yet committed.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);

/// Answers on their way back. As many as there are questions, and those are bounded by requests in flight.
enum Answer {
    Credential(ConnId, RequestId, Answered),
    Read(Ticket, Result<StoreAnswer, Failure>),
}

/// What the driver keeps of a connection besides its queue.
struct Peer {
    address: SocketAddr,
    exporter: [u8; 32],
    login: Option<PendingLogin>,
    /// Its place among those that are not signed in; given back when it signs in.
    admitted: Option<Admitted>,
}

/// The hub and its hands.
pub struct Driver {
    hub: Hub,
    fanout: Fanout,
    storage: Arc<dyn Storage>,
    writer: StorageWriter<Ticket>,
    credentials: Arc<Credentials>,
    peers: HashMap<ConnId, Peer>,
    answers: mpsc::UnboundedSender<Answer>,
    answered: mpsc::UnboundedReceiver<Answer>,
    written: mpsc::UnboundedReceiver<WriteDone<Ticket>>,
    inputs: mpsc::UnboundedReceiver<FromConnection>,
    /// For the monotonic time.
    started: Instant,
    effects: Vec<Effect>,
}

impl Driver {
    /// Puts a hub and its storage together. Also returns the way in for connections.
    #[expect(
        clippy::disallowed_methods,
        reason = "as many answers as questions, which requests in flight bound, and three inputs for each connection, which the door bounds; \
                  a bounded queue here could wait for the driver while the driver waits for the storage"
    )]
    pub fn new(hub: Hub, storage: Arc<dyn Storage>, credentials: Arc<Credentials>) -> (Self, ToDriver) {
        let (answers, answered) = mpsc::unbounded_channel();
        let (done, written) = mpsc::unbounded_channel();
        let (to_driver, inputs) = mpsc::unbounded_channel();
        let writer = StorageWriter::start(Arc::clone(&storage), done);
        let driver = Self {
            hub,
            fanout: Fanout::default(),
            storage,
            writer,
            credentials,
            peers: HashMap::new(),
            answers,
            answered,
            written,
            inputs,
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
        let (mut inputs, mut written) = (Vec::new(), Vec::new());
        loop {
            let deadline = self.hub.next_deadline().map(|ms| self.started + Duration::from_millis(ms));
            let wake = [deadline, stopping].into_iter().flatten().min();
            tokio::select! {
                1.. = self.written.recv_many(&mut written, TURN_MAX) => {
                    for done in written.drain(..) {
                        self.write_done(done).await?;
                    }
                }
                1.. = self.inputs.recv_many(&mut inputs, TURN_MAX) => {
                    for input in inputs.drain(..) {
                        self.heard(input).await;
                    }
                }
                Some(answer) = self.answered.recv() => self.answer(answer).await,
                () = sleep_until(wake) => self.feed(Input::Tick).await,
                () = stop.cancelled(), if stopping.is_none() => {
                    stopping = Some(Instant::now() + DRAIN_LIMIT);
                    let seed = OsRng.next_u64();
                    self.feed(Input::ShutDown { seed }).await;
                }
            }
            if stopping.is_some_and(|limit| self.hub.unanswered() == 0 || Instant::now() >= limit) {
                self.feed(Input::Drained).await;
                self.fanout.publish_all();
                return Ok(());
            }
            self.fanout.publish_all();
            // Lets the connections write before they are given more: who reads is never behind because others wrote first.
            tokio::task::yield_now().await;
        }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall: UnixMillis(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    async fn feed(&mut self, input: Input) {
        let now = self.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.hub.handle(now, input, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect).await;
        }
        self.effects = effects;
    }

    async fn heard(&mut self, input: FromConnection) {
        match input {
            FromConnection::Opened { conn, peer, outbound, exporter, admitted } => {
                self.fanout.add(conn, outbound);
                let admitted = Some(admitted);
                self.peers.insert(conn, Peer { address: peer, exporter, login: None, admitted });
                self.feed(Input::Opened { conn, address: peer.to_string() }).await;
            }
            FromConnection::Frames(conn, frames) => {
                for incoming in frames {
                    let input = match incoming {
                        Incoming::Message(message) => Input::Message { conn, message },
                        Incoming::Refused(refusal) => Input::Refused { conn, refusal },
                    };
                    self.feed(input).await;
                }
                self.fanout.handled(conn);
            }
            FromConnection::Broken(conn, error) => self.broken(conn, &error),
            FromConnection::Closed(conn) => {
                self.feed(Input::Closed { conn }).await;
                self.fanout.remove(conn);
                self.peers.remove(&conn);
            }
        }
    }

    fn broken(&self, conn: ConnId, error: &FrameError) {
        self.fanout.close(conn, &Close::new(CloseCode::FrameTooLong, error.to_string()));
    }

    async fn write_done(&mut self, done: WriteDone<Ticket>) -> Result<(), StorageError> {
        match done {
            WriteDone::Written(ticket, written) => {
                let answer = translate::written(written);
                self.feed(Input::Stored { ticket, answer }).await;
                Ok(())
            }
            WriteDone::Failed(error) => Err(error),
        }
    }

    async fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Credential(conn, id, Answered { answer, pending }) => {
                if let Some(peer) = self.peers.get_mut(&conn) {
                    peer.login = pending;
                }
                self.feed(Input::Credential { conn, id, answer }).await;
            }
            Answer::Read(ticket, answer) => self.feed(Input::Stored { ticket, answer }).await,
        }
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { conn, message } => {
                self.log_sign_in(conn, &message);
                self.fanout.send(conn, &message);
            }
            Effect::SendPage { conn, page } => self.fanout.send_page(conn, &page),
            Effect::Broadcast(entry) => self.fanout.broadcast(entry),
            Effect::Announce(presence) => self.fanout.announce(&presence),
            Effect::Subscribe { conn, channel } => self.fanout.subscribe(conn, channel),
            Effect::Unsubscribe { conn, channel, last } => self.fanout.unsubscribe(conn, channel, last),
            Effect::SignedIn { conn, signed_in } => self.signed_in(conn, signed_in),
            Effect::Close { conn, close } => self.close(conn, &close),
            Effect::Credential { conn, id, ask } => self.ask_credentials(conn, id, ask),
            Effect::Store { ticket, op } => self.ask_storage(ticket, op).await,
        }
    }

    fn signed_in(&mut self, conn: ConnId, signed_in: bool) {
        self.fanout.set_signed_in(conn, signed_in);
        if let Some(peer) = self.peers.get_mut(&conn).filter(|_| signed_in) {
            peer.admitted = None;
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
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let login = peer.login.take();
        if matches!(ask, CredentialAsk::Forget) {
            return;
        }
        let (exporter, answers) = (peer.exporter, self.answers.clone());
        let credentials = Arc::clone(&self.credentials);
        tokio::spawn(async move {
            let answered = credentials.answer(ask, login, exporter).await;
            let _ = answers.send(Answer::Credential(conn, id, answered)); // The relay may have stopped.
        });
    }

    async fn ask_storage(&mut self, ticket: Ticket, op: StoreOp) {
        match op {
            StoreOp::CreateChannel(channel) => self.writer.submit(ticket, translate::create(channel)).await,
            StoreOp::Append(draft) => self.writer.submit(ticket, translate::append(draft)).await,
            StoreOp::ReadHistory { channel, range, limit } => {
                if let Some(read) = self.fanout.recent(channel, range, limit) {
                    let read = Answer::Read(ticket, Ok(StoreAnswer::HistoryRead(read)));
                    let _ = self.answers.send(read); // It comes back here.
                    return;
                }
                let (storage, answers) = (Arc::clone(&self.storage), self.answers.clone());
                tokio::spawn(async move {
                    let read = storage.read_log(channel, range, limit).await;
                    let _ = answers.send(Answer::Read(ticket, translate::read(read))); // The relay may have stopped.
                });
            }
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
