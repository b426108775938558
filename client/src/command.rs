//! What a user asks of the client: one variant an action.

use mechat_protocol::message::Message;
use mechat_protocol::request::{ChannelKind, HistoryRange};
use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, ChannelId, ChannelName, Content, Fingerprint, Nonce, Seq};
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
