//! What the client tells its user: the link, the account, the channels, the entries.

use std::time::Duration;

use mechat_certs::TrustError;
use mechat_protocol::event::Close;
use mechat_protocol::message::Message;
use mechat_protocol::reply::{
    ChannelInfo, ConnectionRow, ErrorReply, Found, Marks, Participant, Posts, Profile, Welcome,
};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, ChannelId, Entry, Nonce, Position, Seq, SessionId, UnixMillis};

use crate::outbox::Utterance;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The link changed.
    Link(Link),
    /// The relay said hello: version, limits, durability, message of the day.
    Welcome(Welcome),
    /// An account was made; the login follows by itself.
    Registered(AccountName),
    /// Signed in. Also after each reconnection, with a new token.
    SignedIn(SignedIn),
    /// No longer signed in.
    SignedOut(SignedOut),
    /// A request was refused; nothing was changed.
    Refused {
        /// Which kind of request.
        request: RequestKind,
        /// Why.
        error: ErrorReply,
    },
    /// All channels one may know of, after `ListChannels` and after each sign-in.
    Channels(Vec<ChannelInfo>),
    /// Members of a channel, or everyone on the relay, by name.
    Participants {
        /// The channel; `None` for the relay.
        channel: Option<ChannelId>,
        /// All of them.
        participants: Vec<Participant>,
    },
    /// One is a member of the channel, from now or since before.
    Joined(ChannelInfo),
    /// One is no longer a member.
    Left(ChannelId),
    /// Entries at the end of a channel, contiguous with what came before, each exactly once, in seq order.
    Appended {
        /// The channel.
        channel: ChannelId,
        /// At least one.
        entries: Vec<Entry>,
        /// Whether they are news, and not the backlog read after sign-in.
        live: bool,
    },
    /// The requested part of a channel, ascending, in the state of all that was handed on before.
    History {
        /// The channel.
        channel: ChannelId,
        /// From the request.
        range: HistoryRange,
        /// May be empty.
        entries: Vec<Entry>,
        /// Whether there is more in the range's direction: after the last, else before the first.
        more: bool,
    },
    /// The channel's log is another one than before (restored or rolled back): forget its entries.
    Reset(ChannelId),
    /// More was missed than is read on its own: these are not handed on, and what comes next lies behind them. What was handed on before
    /// may have been edited or deleted among them, so it is to be read again before it is shown again.
    Skipped {
        /// The channel.
        channel: ChannelId,
        /// The first that is missing.
        from: Seq,
        /// The last that is missing.
        to: Seq,
    },
    /// Everything that was missed before this connection has been handed on; from here on it is live.
    CaughtUp,
    /// The account's marks in a channel, after `Mark` and from its other devices.
    Marks {
        /// The channel.
        channel: ChannelId,
        /// As they are now.
        marks: Marks,
    },
    /// Who is writing something in a channel, instead of who did before. Holds for `TYPING_MS`.
    Typing {
        /// The channel.
        channel: ChannelId,
        /// Who.
        accounts: Vec<AccountName>,
    },
    /// The answer to [`Command::Search`](crate::Command::Search).
    Found {
        /// From the command.
        ticket: u64,
        /// What was found, or why not.
        result: Result<Found, ErrorReply>,
    },
    /// The answer to [`Command::ListPosts`](crate::Command::ListPosts).
    Posts {
        /// From the command.
        ticket: u64,
        /// The messages, or why not.
        result: Result<Posts, ErrorReply>,
    },
    /// The answer to [`Command::ReadProfile`](crate::Command::ReadProfile).
    Profile {
        /// From the command.
        ticket: u64,
        /// Who it is, or why that is not known.
        result: Result<Profile, ErrorReply>,
    },
    /// People came or went.
    Presence(Vec<Participant>),
    /// An own message or amendment moved.
    Outbox {
        /// Which.
        nonce: Nonce,
        /// Where it is.
        channel: ChannelId,
        /// How far it is.
        state: OutboxState,
    },
    /// The outbox on disk is not as it should be, or is again.
    OutboxFile(OutboxFile),
    /// Connections and sessions, for admins.
    Connections(Vec<ConnectionRow>),
    /// The reply to a [`Command::Call`](crate::Command::Call).
    Called {
        /// From the call.
        ticket: u64,
        /// The relay's reply, errors included; `None` if the link was lost before it came.
        reply: Option<Box<Message>>,
    },
    /// The client stopped; nothing follows.
    Stopped,
}

/// Where the link stands.
#[derive(Debug, Clone)]
pub enum Link {
    /// Trying.
    Connecting {
        /// From 1; counts up until one succeeds.
        attempt: u32,
    },
    /// Connected, TLS and hello done. Not necessarily signed in.
    Up {
        /// The relay's certificate.
        fingerprint: mechat_protocol::Fingerprint,
    },
    /// Not connected; tries again by itself.
    Down {
        /// Why, for people.
        reason: String,
        /// The relay's own word, if it closed.
        close: Option<Close>,
        /// How many attempts failed.
        attempt: u32,
        /// When the next comes.
        retry_in: Duration,
    },
    /// The relay's certificate is not trusted; waits for [`Command::Trust`](crate::Command::Trust) (only when it is unknown) or `Quit`.
    Untrusted(TrustError),
    /// Will not try again by itself: the versions do not fit, or the relay said never.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// A successful sign-in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The name as registered.
    pub account: AccountName,
    /// The session.
    pub session: SessionId,
    /// Keep it in a safe place; it replaces the one before.
    pub token: Token,
    /// Until when it is good.
    pub token_expires: UnixMillis,
    /// Whether the account is an admin.
    pub admin: bool,
    /// Whether it came from a token rather than a password.
    pub resumed: bool,
}

/// Why one is no longer signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedOut {
    /// As asked.
    LoggedOut,
    /// The token was refused: expired, revoked, or replayed. Forget it and sign in with the password.
    TokenRefused,
}

/// What a refused request wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the request of its name")]
pub enum RequestKind {
    Register,
    Login,
    Resume,
    Logout,
    CreateChannel,
    Join,
    Leave,
    ListChannels,
    ListParticipants,
    ListConnections,
    Say,
    ReadHistory,
    Mark,
    Typing,
    Search,
    ListPosts,
    ReadProfile,
    Other,
}

/// How far an own message or amendment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxState {
    /// In the outbox, and on disk where there is one; sent as soon as the link is up. Also told of what an earlier run left.
    Pending(Utterance),
    /// Durable at this position. Its entry also arrives as [`Event::Appended`], once, before or after this; an amendment that changed
    /// nothing has no entry of its own, and the position is that of what it named.
    Acked {
        /// Where.
        position: Position,
        /// When the relay took it.
        at: UnixMillis,
    },
    /// Refused for good; it left the outbox.
    Failed(ErrorReply),
}

/// What is to be known of the outbox on disk. Each message is as safe as before in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxFile {
    /// What is said is not on disk, and lost if this program ends before it is sent. Told once until it is `Whole`.
    NotKept {
        /// Why, for people.
        reason: String,
    },
    /// What is said is on disk again.
    Whole,
    /// What an earlier run left could not all be read, or what was failed back at a logout may not have been taken out.
    Damaged {
        /// What is known of it, for people.
        what: String,
    },
}
