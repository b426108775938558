//! The relay's mind: who is here, who may do what, what happens next.
//!
//! Owns connections' phases, sessions, channels, membership, presence, ordering and permissions. It is pure:
//! [`Hub::handle`] takes the time and one [`Input`] and appends [`Effect`]s, which the relay performs in order before
//! it feeds the next input. It never does I/O, reads a clock, draws randomness or waits.
//!
//! Invariants: no message of a connection that is not signed in has an effect on a channel; an entry is
//! acknowledged and broadcast only after the storage said it is committed; a connection that left a channel gets nothing more
//! of it; every table shrinks again when its connections are gone.

mod amend;
mod authorize;
mod census;
mod channel;
mod connection;
mod deadlines;
mod effect;
mod hub;
mod input;
mod listing;
mod marks;
mod news;
mod posts;
mod presence;
mod rooms;
mod session;
mod sign_in;
mod talk;
mod typing;

pub use census::Census;
pub use effect::{AppendDraft, CredentialAsk, Effect, Effects, NewChannel, StoreOp};
pub use hub::{Hub, HubConfig};
pub use input::{
    AccountRecord, AmendRefusal, Amended, AppendOutcome, Authenticated, ChannelRecord, CredentialAnswer,
    Failure, Found, HistoryRead, Input, MemberRecord, Now, PostsRead, Snapshot, StoreAnswer,
};

pub use mechat_protocol::AccountId;

/// One transport connection, numbered by the relay; never reused within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// Names one question to the storage; its answer carries it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);
