//! The one message type, both ways, as a table: tag, variant, who may send it.
//!
//! Owns [`Message`]. What each message carries stands in [`request`](crate::request),
//! [`reply`](crate::reply) and [`event`](crate::event).
//!
//! Invariants: requests and replies have an `id`, events have none; a tag is never reused for
//! something else; every tag has a golden vector and a section in `docs/PROTOCOL.md`.

use serde::{Deserialize, Serialize};

use crate::Entry;
use crate::event::{Close, GoAway, Lagged, MarksChanged, PresenceChanged, Typing};
use crate::id::RequestId;
use crate::reply::{
    Ack, ChannelPage, ConnectionPage, Done, ErrorReply, Found, HistoryPage, Joined, Left, LoggedOut,
    LoginChallenge, Marked, ParticipantPage, Pong, Posts, Profile, RegisterChallenge, Registered, SignedIn,
    Welcome,
};
use crate::request::{
    Amend, CreateChannel, Hello, Join, Leave, ListChannels, ListConnections, ListParticipants, ListPosts,
    LoginFinish, LoginStart, Logout, Mark, Ping, ReadHistory, ReadProfile, RegisterFinish, RegisterStart,
    Resume, Search, Send, SetTyping,
};

/// The side that sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A client: requests.
    Client,
    /// A relay: replies and events.
    Relay,
}

macro_rules! messages {
    ($($(#[$doc:meta])* $tag:literal $variant:ident($body:ty) from $sender:ident, id $id:tt;)+) => {
        /// Everything that is said on the wire: a map with one key, the tag, whose value is a map of named fields.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Message {
            $($(#[$doc])* #[serde(rename = $tag)] $variant($body),)+
        }

        impl Message {
            /// Every tag and the side that may send it.
            pub const TAGS: &'static [(&'static str, Sender)] = &[$(($tag, Sender::$sender)),+];

            /// The key under which it stands on the wire.
            pub const fn tag(&self) -> &'static str {
                match self { $(Self::$variant(_) => $tag,)+ }
            }

            /// The request it is, or answers; `None` for events, and for errors about what had no id.
            pub fn id(&self) -> Option<RequestId> {
                match self { $(Self::$variant(body) => messages!(@id body $id),)+ }
            }
        }

        impl Message {
            /// Gives a request its id, or a reply that of its request; an event has none.
            pub fn set_id(&mut self, id: RequestId) {
                match self { $(Self::$variant(body) => messages!(@set body id $id),)+ }
            }
        }

        $(impl From<$body> for Message {
            fn from(body: $body) -> Self {
                Self::$variant(body)
            }
        })+
    };
    (@set $body:ident $new:ident own) => { $body.id = $new };
    (@set $body:ident $new:ident maybe) => { $body.id = Some($new) };
    (@set $body:ident $new:ident none) => {{ let _ = ($body, $new); }};
    (@id $body:ident own) => { Some($body.id) };
    (@id $body:ident maybe) => { $body.id };
    (@id $body:ident none) => {{ let _ = $body; None }};
}

messages! {
    /// Opens the conversation and names the versions the client speaks.
    "hello" Hello(Hello) from Client, id own;
    /// First step of registration (OPAQUE).
    "register_start" RegisterStart(RegisterStart) from Client, id own;
    /// Second step of registration.
    "register_finish" RegisterFinish(RegisterFinish) from Client, id own;
    /// First step of a login with a password (OPAQUE).
    "login_start" LoginStart(LoginStart) from Client, id own;
    /// Second step of a login with a password.
    "login_finish" LoginFinish(LoginFinish) from Client, id own;
    /// Sign-in with a token from an earlier sign-in.
    "resume" Resume(Resume) from Client, id own;
    /// Ends the session, keeps the connection.
    "logout" Logout(Logout) from Client, id own;
    /// Asks for a sign of life.
    "ping" Ping(Ping) from Client, id own;
    /// Makes a channel and its maker the host.
    "create_channel" CreateChannel(CreateChannel) from Client, id own;
    /// Becomes a member of a channel.
    "join" Join(Join) from Client, id own;
    /// Ends a membership.
    "leave" Leave(Leave) from Client, id own;
    /// Lists the channels that the account may know of.
    "list_channels" ListChannels(ListChannels) from Client, id own;
    /// Lists the members of a channel, or everyone on the relay.
    "list_participants" ListParticipants(ListParticipants) from Client, id own;
    /// Lists connections and sessions; for admins.
    "list_connections" ListConnections(ListConnections) from Client, id own;
    /// Says something in a channel.
    "send" Send(Send) from Client, id own;
    /// Changes something that was said, or the channel.
    "amend" Amend(Amend) from Client, id own;
    /// Says how far one has read, or of what one wants to be told.
    "mark" Mark(Mark) from Client, id own;
    /// Says that one is writing something.
    "set_typing" SetTyping(SetTyping) from Client, id own;
    /// Searches what was said.
    "search" Search(Search) from Client, id own;
    /// Lists some of a channel's messages.
    "list_posts" ListPosts(ListPosts) from Client, id own;
    /// Asks who somebody is.
    "read_profile" ReadProfile(ReadProfile) from Client, id own;
    /// Reads a page of a channel's log.
    "read_history" ReadHistory(ReadHistory) from Client, id own;

    /// Answers `hello`: version, limits, durability, message of the day.
    "welcome" Welcome(Welcome) from Relay, id own;
    /// Answers `register_start`.
    "register_challenge" RegisterChallenge(RegisterChallenge) from Relay, id own;
    /// Answers `register_finish`: the account exists; log in next.
    "registered" Registered(Registered) from Relay, id own;
    /// Answers `login_start`.
    "login_challenge" LoginChallenge(LoginChallenge) from Relay, id own;
    /// Answers `login_finish` and `resume`.
    "signed_in" SignedIn(SignedIn) from Relay, id own;
    /// Answers `logout`.
    "logged_out" LoggedOut(LoggedOut) from Relay, id own;
    /// Answers `ping`.
    "pong" Pong(Pong) from Relay, id own;
    /// Answers `join` and `create_channel`.
    "joined" Joined(Joined) from Relay, id own;
    /// Answers `leave`.
    "left" Left(Left) from Relay, id own;
    /// Answers `list_channels`.
    "channels" Channels(ChannelPage) from Relay, id own;
    /// Answers `list_participants`.
    "participants" Participants(ParticipantPage) from Relay, id own;
    /// Answers `list_connections`.
    "connections" Connections(ConnectionPage) from Relay, id own;
    /// Answers `send` and `amend`: the entry is as durable as `welcome` said, at this position.
    "ack" Ack(Ack) from Relay, id own;
    /// Answers `mark`.
    "marked" Marked(Marked) from Relay, id own;
    /// Answers `set_typing`.
    "done" Done(Done) from Relay, id own;
    /// Answers `search`.
    "found" Found(Found) from Relay, id own;
    /// Answers `list_posts`.
    "posts" Posts(Posts) from Relay, id own;
    /// Answers `read_profile`.
    "profile" Profile(Profile) from Relay, id own;
    /// Answers `read_history`.
    "history" History(HistoryPage) from Relay, id own;
    /// Answers any request that was refused.
    "error" Error(ErrorReply) from Relay, id maybe;

    /// An entry was appended to a channel of the account.
    "entry" Entry(Entry) from Relay, id none;
    /// People came or went.
    "presence" Presence(PresenceChanged) from Relay, id none;
    /// The account's marks in a channel changed on another of its connections.
    "marks" Marks(MarksChanged) from Relay, id none;
    /// Who is writing something in a channel.
    "typing" Typing(Typing) from Relay, id none;
    /// Entries of a channel were dropped from the queue: read them from the log.
    "lagged" Lagged(Lagged) from Relay, id none;
    /// The relay will stop: reconnect after the delay.
    "go_away" GoAway(GoAway) from Relay, id none;
    /// The last message of a connection, and why.
    "close" Close(Close) from Relay, id none;
}

impl Message {
    /// Who may send the tag, or `None` if no message has it.
    pub fn sender_of(tag: &str) -> Option<Sender> {
        Self::TAGS.iter().find(|(known, _)| *known == tag).map(|(_, sender)| *sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_unique() {
        for (i, (tag, _)) in Message::TAGS.iter().enumerate() {
            assert!(Message::TAGS[i + 1..].iter().all(|(other, _)| other != tag), "{tag}");
        }
        assert_eq!(Message::sender_of("ack"), Some(Sender::Relay));
        assert_eq!(Message::sender_of("Ack"), None);
    }
}
