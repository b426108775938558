//! Sign-ins under way: what the credentials keep of a connection between its steps, and what is being computed.
//!
//! Owns the tasks of the first halves, so that a relay that stops can wait for them. It decides nothing, and never writes:
//! a step that ends in a write goes back to the driver, which has one order for all writes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mechat_certs::password::BINDING_LEN;
use mechat_hub::{ConnId, CredentialAnswer, CredentialAsk};
use mechat_protocol::RequestId;
use tokio::task::JoinSet;

use crate::credentials::{Answered, Credentials, Finish, PendingLogin, Step};
use crate::storage::Write;

/// A connection that may sign in, and its computation if one is under way: the hub lets it ask one thing at a time.
struct Guest {
    exporter: [u8; BINDING_LEN],
    /// Boxed: most connections stand for hours after their sign-in.
    login: Option<Box<PendingLogin>>,
}

/// All of them.
pub(crate) struct SignIns {
    credentials: Arc<Credentials>,
    guests: HashMap<ConnId, Guest>,
    /// At most one for each connection.
    computing: JoinSet<(ConnId, RequestId, Answered)>,
    /// Answers that needed no computation. At most one for each connection.
    ready: VecDeque<(ConnId, RequestId, CredentialAnswer)>,
}

impl SignIns {
    /// With nobody there.
    pub(crate) fn new(credentials: Arc<Credentials>) -> Self {
        Self { credentials, guests: HashMap::new(), computing: JoinSet::new(), ready: VecDeque::new() }
    }

    /// A connection stands. `exporter` is its TLS exporter.
    pub(crate) fn opened(&mut self, conn: ConnId, exporter: [u8; BINDING_LEN]) {
        self.guests.insert(conn, Guest { exporter, login: None });
    }

    /// A connection is gone.
    pub(crate) fn closed(&mut self, conn: ConnId) {
        self.guests.remove(&conn);
    }

    /// Takes a question as far as it goes at once: to a write whose outcome gives the answer, or to an answer that
    /// [`SignIns::answered`] hands out now or later.
    pub(crate) fn ask(
        &mut self,
        conn: ConnId,
        id: RequestId,
        ask: CredentialAsk,
    ) -> Option<(Box<Write>, Finish)> {
        let (login, exporter) = match self.guests.get_mut(&conn) {
            Some(guest) => (guest.login.take().map(|login| *login), guest.exporter),
            // A session is revoked whoever asks for it; all else needs somebody to be answered.
            None if matches!(ask, CredentialAsk::Revoke { .. }) => (None, [0; BINDING_LEN]),
            None => return None,
        };
        match self.credentials.begin(ask, login, exporter) {
            Step::Write(write, finish) => return Some((write, finish)),
            Step::Answer(answer) => self.ready.push_back((conn, id, answer)),
            Step::Forgotten => {}
            Step::Compute(compute) => {
                let credentials = Arc::clone(&self.credentials);
                self.computing.spawn(async move { (conn, id, credentials.compute(compute).await) });
            }
        }
        None
    }

    /// Waits for the next answer; for ever if nothing was asked. May be cancelled.
    pub(crate) async fn answered(&mut self) -> (ConnId, RequestId, CredentialAnswer) {
        if let Some(ready) = self.ready.pop_front() {
            return ready;
        }
        loop {
            match self.computing.join_next().await {
                Some(Ok((conn, id, Answered { answer, pending }))) => {
                    if let Some(guest) = self.guests.get_mut(&conn) {
                        guest.login = pending.map(Box::new);
                    }
                    return (conn, id, answer);
                }
                // The task panicked: a bug, that costs one connection its answer.
                Some(Err(error)) => tracing::error!(%error, "a sign-in was lost"),
                None => std::future::pending().await,
            }
        }
    }

    /// Questions without an answer, but for those that are being written. A relay that stops waits until there are none.
    pub(crate) fn unanswered(&self) -> usize {
        self.computing.len() + self.ready.len()
    }
}
