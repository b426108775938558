//! What will happen when: one ordered list.
//!
//! Invariant: what is due at the same millisecond happens in the order in which it was entered.

use std::collections::BTreeMap;

use mechat_client::outbox::Unsent;
use mechat_hub::{ConnId, CredentialAnswer, Failure, StoreAnswer, Ticket};
use mechat_protocol::{AccountName, Nonce, RequestId};

use crate::wire::Way;

/// One relay process or one run of a client program: what is meant for an earlier one is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) u64);

/// A device's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceId(pub(crate) usize);

/// What a device's disk is asked.
#[derive(Debug)]
pub(crate) enum DiskWork {
    /// To read the outbox of an account.
    Open(AccountName),
    /// To put a message into it.
    Keep(Unsent),
    /// To take one out.
    Forget(Nonce),
}

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Happening {
    /// Bytes, or the end of them, reach the other side.
    Arrive(ConnId, Way),
    /// A device's attempt to connect reaches the relay.
    Dial(DeviceId, Life),
    /// The device learns what became of it.
    Dialled(DeviceId, Life, Option<ConnId>),
    /// A step of a password is computed.
    Computed(DeviceId, Life, u64),
    /// A device's disk did what it was asked.
    Disk(DeviceId, Life, DiskWork),
    /// A person does something.
    Act(DeviceId),
    /// A person who is not signed in signs in.
    SignIn(DeviceId, Life),
    /// A person whose client gave up tells it to go on.
    ConnectNow(DeviceId, Life),
    /// A program that crashed is started again.
    DeviceStarts(DeviceId),
    /// Something goes wrong.
    Fault,
    /// The relay is started again.
    RelayStarts,
    /// The relay stops waiting for what is not yet committed.
    DrainLimit(Life),
    /// The commit under way is over.
    Committed(Life),
    /// The next outcome of what was committed reaches the hub.
    Outcome(Life),
    /// A read is answered.
    Read(Life, Ticket, Result<StoreAnswer, Failure>),
    /// The credentials answer.
    Credential(Life, ConnId, RequestId, CredentialAnswer),
    /// A connection's writer is looked at: it may be stuck.
    Stuck(Life, ConnId),
    /// A closed connection has listened long enough.
    Lingered(Life, ConnId),
    /// The live feed of a connection starts too late, by mutation.
    LateFeed(Life, ConnId),
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    due: BTreeMap<(u64, u64), Happening>,
    entered: u64,
}

impl Agenda {
    pub(crate) fn at(&mut self, ms: u64, happening: Happening) {
        self.due.insert((ms, self.entered), happening);
        self.entered += 1;
    }

    /// Milliseconds of the next.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.due.first_key_value().map(|((ms, _), _)| *ms)
    }

    pub(crate) fn pop(&mut self) -> Option<Happening> {
        self.due.pop_first().map(|(_, happening)| happening)
    }
}
