//! What the hub wants done. Performed in order.

use mechat_protocol::event::{Close, MarksChanged, PresenceChanged, Typing};
use mechat_protocol::page::EncodedPage;
use mechat_protocol::request::{Binding, ChannelKind, HistoryRange, Level, Query, Selection};
use mechat_protocol::secret::{OpaqueBytes, Token};
use mechat_protocol::{
    AccountName, Body, ChannelId, ChannelName, Entry, Message, Nonce, RequestId, Seq, SessionId, UnixMillis,
};

use crate::{AccountId, ConnId, Ticket};

/// The effects of one input, in the order in which they are performed.
pub type Effects = Vec<Effect>;

/// One thing to do.
#[derive(Debug)]
pub enum Effect {
    /// Queue a message for one connection.
    Send {
        /// Which.
        conn: ConnId,
        /// What.
        message: Message,
    },
    /// Queue a page of history for one connection.
    SendPage {
        /// Which.
        conn: ConnId,
        /// What.
        page: EncodedPage,
    },
    /// Queue an entry for every connection subscribed to its channel.
    Broadcast(Entry),
    /// An entry of before reads otherwise from now on: nobody is to be told what it was.
    Replace(Entry),
    /// Tell every connection subscribed to a channel who types there, once it has read what was said. Of several only the latest is
    /// told; without names, nothing is.
    Typing(Typing),
    /// Tell one connection of an account's marks that another one moved. Of several in a channel only the latest is told.
    Marks {
        /// Which connection.
        conn: ConnId,
        /// What.
        changed: MarksChanged,
    },
    /// Tell every connection that is signed in who came or went.
    Announce(PresenceChanged),
    /// From here on the connection gets the channel's entries.
    Subscribe {
        /// Which connection.
        conn: ConnId,
        /// Which channel.
        channel: ChannelId,
    },
    /// From here on it does not.
    Unsubscribe {
        /// Which connection.
        conn: ConnId,
        /// Which channel.
        channel: ChannelId,
        /// The last entry that it gets, which was broadcast before; without one what is on its way is dropped.
        last: Option<Seq>,
    },
    /// The connection is signed in or, with `false`, no longer: frame limits and announcements follow.
    SignedIn {
        /// Which.
        conn: ConnId,
        /// Whether it is.
        signed_in: bool,
    },
    /// Send a close after all that is queued, then end the connection.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        close: Close,
    },
    /// Ask the credentials; the answer is an [`Input::Credential`](crate::Input::Credential).
    Credential {
        /// For whom.
        conn: ConnId,
        /// The request to be answered.
        id: RequestId,
        /// What.
        ask: CredentialAsk,
    },
    /// Ask the storage; the answer is an [`Input::Stored`](crate::Input::Stored).
    Store {
        /// Carried back by the answer.
        ticket: Ticket,
        /// What.
        op: StoreOp,
    },
}

/// A question to the credentials. They keep what they need between the steps of one connection.
#[derive(Debug)]
pub enum CredentialAsk {
    /// Is the name free, and what is the answer to this OPAQUE request?
    RegisterStart {
        /// The name.
        account: AccountName,
        /// From the client.
        message: OpaqueBytes,
    },
    /// Store the account.
    RegisterFinish {
        /// The name.
        account: AccountName,
        /// From the client.
        message: OpaqueBytes,
        /// Its time of birth.
        at: UnixMillis,
    },
    /// What is the answer to this OPAQUE request?
    LoginStart {
        /// The name.
        account: AccountName,
        /// From the client.
        message: OpaqueBytes,
        /// Whether the TLS connection is part of the handshake.
        binding: Binding,
    },
    /// Does it prove the password?
    LoginFinish {
        /// From the client.
        message: OpaqueBytes,
        /// The time of the sign-in.
        at: UnixMillis,
    },
    /// Is the token good?
    Resume {
        /// From the client.
        token: Token,
        /// The time of the sign-in.
        at: UnixMillis,
    },
    /// Make the session's token worthless.
    Revoke {
        /// The session.
        session: SessionId,
    },
    /// Forget what was kept for the connection; has no answer.
    Forget,
}

/// A question to the storage.
#[derive(Debug)]
pub enum StoreOp {
    /// Make a channel, its maker its first member, in one transaction.
    CreateChannel(NewChannel),
    /// Append an entry; a `Joined` or `Left` changes the membership in the same transaction, an amendment what it names.
    Append(AppendDraft),
    /// Move an account's marks in a channel, `read` only forward. What is absent stays.
    Mark {
        /// The channel.
        channel: ChannelId,
        /// Whose.
        account: AccountId,
        /// Read up to here.
        read: Option<Seq>,
        /// Of what they want to be told.
        level: Option<Level>,
    },
    /// Read some of a channel's messages, ascending.
    ReadPosts {
        /// The channel.
        channel: ChannelId,
        /// Which.
        which: Selection,
        /// Behind this one.
        after: Seq,
        /// At most so many entries.
        limit: usize,
    },
    /// Search what was said.
    Search {
        /// For what.
        query: Query,
        /// In these channels and no others.
        channels: Vec<ChannelId>,
        /// The `next` of the page before.
        after: Option<u64>,
        /// At most so many entries.
        limit: usize,
    },
    /// Read a part of a log.
    ReadHistory {
        /// The channel.
        channel: ChannelId,
        /// Which part.
        range: HistoryRange,
        /// At most so many entries.
        limit: usize,
    },
}

/// A channel to be made.
#[derive(Debug, Clone)]
pub struct NewChannel {
    /// Its name.
    pub name: ChannelName,
    /// Who may enter.
    pub kind: ChannelKind,
    /// Who makes it.
    pub host: AccountId,
    /// Its maker's name, for the entry.
    pub host_name: AccountName,
    /// When.
    pub at: UnixMillis,
}

/// An entry that has no seq yet.
#[derive(Debug, Clone)]
pub struct AppendDraft {
    /// The channel.
    pub channel: ChannelId,
    /// Who causes it.
    pub sender: AccountId,
    /// Their name, for the entry.
    pub sender_name: AccountName,
    /// The sender's name for it, where it is a message or an amendment.
    pub nonce: Option<Nonce>,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub body: Body,
    /// Whether the sender may delete what others said.
    pub moderates: bool,
}
