//! One connection and its phases: `Greeting → Pending → Connected`, each a struct of its own.
//!
//! Invariant: a [`Connected`] is built only from an [`Authenticated`], which only the credentials make.

use mechat_protocol::limits::SIGN_IN_TIMEOUT_MS;
use mechat_protocol::{AccountName, RequestId, SessionId, UnixMillis};

use crate::AccountId;
use crate::input::Authenticated;

/// A connection as the hub sees it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    /// The peer, `IP:PORT`.
    pub(crate) address: String,
    /// When its phase began.
    pub(crate) since: UnixMillis,
    /// Monotonic milliseconds of the last frame.
    pub(crate) heard_ms: u64,
    /// Monotonic milliseconds at which its silence is judged.
    pub(crate) due_ms: u64,
    /// Monotonic milliseconds at which it must be signed in.
    pub(crate) guest_until_ms: u64,
    /// Requests that wait for the storage: `<= IN_FLIGHT_MAX`.
    pub(crate) in_flight: usize,
    /// Those of them that read pages of entries: `<= HISTORIES_IN_FLIGHT_MAX`.
    pub(crate) histories: usize,
    /// Sign-ins begun since the last success: `<= SIGN_IN_ATTEMPTS_MAX`.
    pub(crate) attempts: u32,
    /// Registrations that were begun since the last sign-in.
    pub(crate) registrations: u32,
    /// A close was sent; what else comes is ignored.
    pub(crate) closing: bool,
}

/// Where a connection stands.
#[derive(Debug)]
pub(crate) enum Phase {
    /// `hello` has not come.
    Greeting,
    /// Not signed in.
    Pending(Step),
    /// Signed in.
    Connected(Connected),
}

/// How far a registration or a login is.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing begun.
    Idle,
    /// The credentials are asked; what to do with their answer.
    Asked(Asked),
    /// `register_finish` comes next.
    Registering(AccountName),
    /// `login_finish` comes next.
    LoggingIn,
}

/// A question to the credentials that is not yet answered. `id` is its request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: RequestId,
    /// The name, while it is being registered.
    pub(crate) registering: Option<AccountName>,
}

/// Signed in.
#[derive(Debug)]
pub(crate) struct Connected {
    account: AccountId,
    session: SessionId,
    /// The logout that waits for its revocation.
    pub(crate) logging_out: Option<RequestId>,
}

impl Connected {
    pub(crate) const fn new(proof: &Authenticated) -> Self {
        Self { account: proof.account, session: proof.session, logging_out: None }
    }

    pub(crate) const fn account(&self) -> AccountId {
        self.account
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }
}

impl Connection {
    pub(crate) const fn new(address: String, since: UnixMillis, heard_ms: u64, due_ms: u64) -> Self {
        Self {
            phase: Phase::Greeting,
            address,
            since,
            heard_ms,
            due_ms,
            guest_until_ms: heard_ms + SIGN_IN_TIMEOUT_MS,
            in_flight: 0,
            histories: 0,
            attempts: 0,
            registrations: 0,
            closing: false,
        }
    }

    pub(crate) const fn connected(&self) -> Option<&Connected> {
        match &self.phase {
            Phase::Connected(connected) => Some(connected),
            _ => None,
        }
    }
}
