//! What a user asks of the client: one variant an action.

use mechat_protocol::message::Message;
use mechat_protocol::request::{ChannelKind, HistoryRange, Level, Query, Selection};
use mechat_protocol::secret::Token;
use mechat_protocol::{
    AccountName, Amendment, ChannelId, ChannelName, Content, Epoch, Fingerprint, Nonce, Seq,
};
use secrecy::SecretString;

/// An action. What comes of it arrives as [`Event`](crate::Event)s.
#[derive(Debug, Clone)]
pub enum Command {
    /// Accept the certificate that was shown: pin it and connect again.
    Trust(Fingerprint),
    /// Connect now instead of at the end of the present delay.
    ConnectNow,
    /// Make an account, then log in to it.
    Register {
        /// The name to register.
        account: AccountName,
        /// Never leaves this process.
        password: SecretString,
    },
    /// Sign in with a password.
    Login {
        /// Who.
        account: AccountName,
        /// Never leaves this process.
        password: SecretString,
    },
    /// Sign in with the token of an earlier sign-in.
    Resume(Token),
    /// End the session, keep the connection.
    Logout,
    /// Make a channel and become its host.
    CreateChannel {
        /// Its name.
        name: ChannelName,
        /// Who may enter.
        kind: ChannelKind,
    },
    /// Become a member of a channel.
    Join(ChannelName),
    /// End a membership.
    Leave(ChannelId),
    /// List all channels one may know of.
    ListChannels,
    /// List the members of a channel, or everyone on the relay.
    ListParticipants(Option<ChannelId>),
    /// List connections and sessions. For admins.
    ListConnections,
    /// Say something. It stays in the outbox until the relay acknowledges it, across reconnections.
    Say {
        /// Where.
        channel: ChannelId,
        /// Its name for good, from [`Client::nonce`](crate::Client::nonce).
        nonce: Nonce,
        /// What.
        content: Content,
        /// The entry it answers.
        in_reply_to: Option<Seq>,
    },
    /// Change something that was said, or the channel. Goes the way of what is said, in order with it.
    Amend {
        /// Where.
        channel: ChannelId,
        /// Its name for good, from [`Client::nonce`](crate::Client::nonce).
        nonce: Nonce,
        /// What, and how.
        amendment: Amendment,
    },
    /// Say how far one has read, or of what one wants to be told. Said again after a lost connection until the relay has it; only the
    /// latest of each channel is.
    Mark {
        /// The channel.
        channel: ChannelId,
        /// Read up to here.
        read: Option<Seq>,
        /// Of what one wants to be told.
        level: Option<Level>,
    },
    /// One is writing something. May be said at every key: it goes out once in `TYPING_INTERVAL_MS`, and not at all while offline.
    Typing(ChannelId),
    /// Search what was said; answered by [`Event::Found`](crate::Event::Found).
    Search {
        /// Names the answer.
        ticket: u64,
        /// For what.
        query: Query,
        /// Where; `None` for everywhere.
        channel: Option<ChannelId>,
        /// The `next` of the page before.
        after: Option<u64>,
    },
    /// Read some of a channel's messages; answered by [`Event::Posts`](crate::Event::Posts).
    ListPosts {
        /// Names the answer.
        ticket: u64,
        /// The channel.
        channel: ChannelId,
        /// Which.
        which: Selection,
        /// The last seq of the page before.
        after: Option<Seq>,
    },
    /// Read who somebody is; answered by [`Event::Profile`](crate::Event::Profile).
    ReadProfile {
        /// Names the answer.
        ticket: u64,
        /// Who.
        account: AccountName,
    },
    /// What the user has of the account's logs, where [`Config::resumes`](crate::Config::resumes) promised this. Said before a sign-in, it
    /// also says whose is what is said from here on.
    Known {
        /// Whose.
        account: AccountName,
        /// Nothing, where nothing is kept.
        logs: Vec<KnownLog>,
    },
    /// Read a part of a channel's log.
    ReadHistory {
        /// The channel.
        channel: ChannelId,
        /// Which part.
        range: HistoryRange,
    },
    /// Send any request as it is; for bots and tests. Its `id` is replaced; the reply comes back under the ticket.
    Call {
        /// Names the reply.
        ticket: u64,
        /// The request.
        request: Box<Message>,
    },
    /// Say goodbye and stop.
    Quit,
}

/// How far the user has a channel's log from an earlier run: contiguous up to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownLog {
    /// The channel.
    pub channel: ChannelId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The last entry that is known.
    pub last: Seq,
}
