//! Any message that can be said, for proptest.
//!
//! Owns one strategy for each part that messages are made of. What is generated is valid; invalid bytes are made from
//! valid ones by the tests.

use mechat_protocol::content::{Data, MediaType};
use mechat_protocol::event::{Close, GoAway, Lagged, MarksChanged, PresenceChanged, Typing};
use mechat_protocol::limits::{DATA_LEN_MAX, OPAQUE_LEN_MAX, TEXT_LEN_MAX, TOKEN_LEN_MAX};
use mechat_protocol::reply::{
    Ack, ChannelInfo, ChannelPage, ConnectionPage, ConnectionRow, ConnectionState, Done, Durability,
    ErrorReply, Found, HistoryPage, Joined, Left, Limits, LoggedOut, LoginChallenge, Marked, Marks,
    Participant, ParticipantPage, Pong, Posts, Presence, Profile, RegisterChallenge, Registered, SignedIn,
    Welcome,
};
use mechat_protocol::request::{
    Amend, Binding, ChannelKind, CreateChannel, Hello, HistoryRange, Join, Leave, Level, ListChannels,
    ListConnections, ListParticipants, ListPosts, LoginFinish, LoginStart, Logout, Mark, Ping, Query,
    ReadHistory, ReadProfile, RegisterFinish, RegisterStart, Resume, Search, Selection, Send, SetTyping,
};
use mechat_protocol::secret::{OpaqueBytes, Token};
use mechat_protocol::{
    AccountName, Amendment, Body, ChannelId, ChannelName, CloseCode, Content, Emoji, Entry, Epoch, ErrorCode,
    Message, Nonce, Position, Post, Reaction, RequestId, Retry, Seq, SessionId, Topic, UnixMillis,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// What the relay or a client may say.
pub(crate) fn message() -> BoxedStrategy<Message> {
    prop_oneof![request(), reply(), event()].boxed()
}

/// What a client may say.
pub(crate) fn request() -> BoxedStrategy<Message> {
    prop_oneof![sign_in_request(), channel_request(), aside_request(), list_request()].boxed()
}

/// What a relay may say.
pub(crate) fn answer() -> BoxedStrategy<Message> {
    prop_oneof![reply(), event()].boxed()
}

fn sign_in_request() -> impl Strategy<Value = Message> {
    let binding = || select(vec![Binding::TlsExporter, Binding::None]);
    prop_oneof![
        (id(), any::<u16>(), any::<u16>(), line()).prop_map(|(id, version_min, version_max, agent)| {
            Hello { id, version_min, version_max, agent }.into()
        }),
        (id(), account(), opaque())
            .prop_map(|(id, account, message)| RegisterStart { id, account, message }.into()),
        (id(), opaque()).prop_map(|(id, message)| RegisterFinish { id, message }.into()),
        (id(), account(), opaque(), binding()).prop_map(|(id, account, message, binding)| {
            LoginStart { id, account, message, binding }.into()
        }),
        (id(), opaque()).prop_map(|(id, message)| LoginFinish { id, message }.into()),
        (id(), token()).prop_map(|(id, token)| Resume { id, token }.into()),
        id().prop_map(|id| Logout { id }.into()),
        id().prop_map(|id| Ping { id }.into()),
    ]
}

fn channel_request() -> impl Strategy<Value = Message> {
    prop_oneof![
        (id(), channel_name(), kind()).prop_map(|(id, name, kind)| CreateChannel { id, name, kind }.into()),
        (id(), channel_name()).prop_map(|(id, name)| Join { id, name }.into()),
        (id(), channel()).prop_map(|(id, channel)| Leave { id, channel }.into()),
        (id(), channel(), nonce(), content(), option::of(seq())).prop_map(
            |(id, channel, nonce, content, in_reply_to)| {
                Send { id, channel, nonce, content, in_reply_to }.into()
            }
        ),
        (id(), channel(), range(), any::<u16>())
            .prop_map(|(id, channel, range, limit)| { ReadHistory { id, channel, range, limit }.into() }),
    ]
}

fn aside_request() -> impl Strategy<Value = Message> {
    let which = prop_oneof![Just(Selection::Pinned), seq().prop_map(|seq| Selection::Replies { seq })];
    let query = "[a-zа-я\"]{1,40}".prop_map(|text: String| Query::new(text).expect("a query"));
    prop_oneof![
        (id(), channel(), nonce(), amendment())
            .prop_map(|(id, channel, nonce, amendment)| Amend { id, channel, nonce, amendment }.into()),
        (id(), channel(), option::of(seq()), option::of(level()))
            .prop_map(|(id, channel, read, level)| Mark { id, channel, read, level }.into()),
        (id(), channel()).prop_map(|(id, channel)| SetTyping { id, channel }.into()),
        (id(), query, option::of(channel()), option::of(any::<u64>()), any::<u16>()).prop_map(
            |(id, query, channel, after, limit)| Search { id, query, channel, after, limit }.into()
        ),
        (id(), channel(), which, option::of(seq()))
            .prop_map(|(id, channel, which, after)| ListPosts { id, channel, which, after }.into()),
        (id(), account()).prop_map(|(id, account)| ReadProfile { id, account }.into()),
    ]
}

fn list_request() -> impl Strategy<Value = Message> {
    prop_oneof![
        (id(), option::of(channel_name())).prop_map(|(id, after)| ListChannels { id, after }.into()),
        (id(), option::of(channel()), option::of(account()))
            .prop_map(|(id, channel, after)| ListParticipants { id, channel, after }.into()),
        (id(), option::of(any::<u64>())).prop_map(|(id, after)| ListConnections { id, after }.into()),
    ]
}

fn reply() -> BoxedStrategy<Message> {
    prop_oneof![sign_in_reply(), page(), channel_reply(), aside_reply(), error()].boxed()
}

fn sign_in_reply() -> impl Strategy<Value = Message> {
    prop_oneof![
        welcome(),
        (id(), opaque()).prop_map(|(id, message)| RegisterChallenge { id, message }.into()),
        (id(), account()).prop_map(|(id, account)| Registered { id, account }.into()),
        (id(), opaque()).prop_map(|(id, message)| LoginChallenge { id, message }.into()),
        (id(), account(), session(), token(), time(), any::<bool>()).prop_map(
            |(id, account, session, token, token_expires_ms, admin)| {
                SignedIn { id, account, session, token, token_expires_ms, admin }.into()
            }
        ),
        id().prop_map(|id| LoggedOut { id }.into()),
        id().prop_map(|id| Pong { id }.into()),
    ]
}

fn channel_reply() -> impl Strategy<Value = Message> {
    prop_oneof![
        (id(), info()).prop_map(|(id, channel)| Joined { id, channel }.into()),
        (id(), channel()).prop_map(|(id, channel)| Left { id, channel }.into()),
        (id(), channel(), epoch(), seq(), time()).prop_map(|(id, channel, epoch, seq, at_ms)| {
            Ack { id, position: Position { channel, epoch, seq }, at_ms }.into()
        }),
    ]
}

fn aside_reply() -> impl Strategy<Value = Message> {
    let presence = select(vec![Presence::Connected, Presence::Disconnected, Presence::Unknown]);
    prop_oneof![
        (id(), channel(), marks()).prop_map(|(id, channel, marks)| Marked { id, channel, marks }.into()),
        id().prop_map(|id| Done { id }.into()),
        (id(), vec(entry(), 0..3), option::of(any::<u64>())).prop_map(|(id, entries, next)| Found {
            id,
            entries,
            next
        }
        .into()),
        (id(), channel(), vec(entry(), 0..3), any::<bool>()).prop_map(|(id, channel, entries, more)| Posts {
            id,
            channel,
            entries,
            more
        }
        .into()),
        (id(), account(), time(), any::<bool>(), presence).prop_map(
            |(id, account, registered_ms, admin, presence)| {
                Profile { id, account, registered_ms, admin, presence }.into()
            }
        ),
    ]
}

fn page() -> impl Strategy<Value = Message> {
    prop_oneof![
        (id(), vec(info(), 0..4), any::<bool>()).prop_map(|(id, channels, more)| ChannelPage {
            id,
            channels,
            more
        }
        .into()),
        (id(), vec(participant(), 0..4), any::<bool>())
            .prop_map(|(id, participants, more)| ParticipantPage { id, participants, more }.into()),
        (id(), vec(connection(), 0..4), any::<bool>()).prop_map(|(id, connections, more)| ConnectionPage {
            id,
            connections,
            more
        }
        .into()),
        (id(), channel(), epoch(), seq(), vec(entry(), 0..3), any::<bool>()).prop_map(
            |(id, channel, epoch, head, entries, more)| {
                HistoryPage { id, channel, epoch, head, entries, more }.into()
            }
        ),
    ]
}

fn error() -> impl Strategy<Value = Message> {
    let codes = [ErrorCode::ALL, &[ErrorCode::Unknown]].concat();
    (option::of(id()), select(codes), line(), retry(), option::of(any::<u64>())).prop_map(
        |(id, code, message, retry, retry_after_ms)| {
            ErrorReply { id, code, message, retry, retry_after_ms }.into()
        },
    )
}

fn event() -> impl Strategy<Value = Message> {
    let codes = [CloseCode::ALL, &[CloseCode::Unknown]].concat();
    prop_oneof![
        4 => entry().prop_map(Message::from),
        1 => vec(participant(), 0..4).prop_map(|changes| PresenceChanged { changes }.into()),
        1 => (channel(), seq()).prop_map(|(channel, head)| Lagged { channel, head }.into()),
        1 => (channel(), marks()).prop_map(|(channel, marks)| MarksChanged { channel, marks }.into()),
        1 => (channel(), vec(account(), 0..4))
            .prop_map(|(channel, accounts)| Typing { channel, accounts }.into()),
        1 => any::<u64>().prop_map(|delay_ms| GoAway { delay_ms }.into()),
        1 => (select(codes), line(), retry())
            .prop_map(|(code, reason, retry)| Close { code, reason, retry }.into()),
    ]
}

fn welcome() -> impl Strategy<Value = Message> {
    let durability = vec![Durability::Fsync, Durability::Commit, Durability::BestEffort, Durability::Unknown];
    let sizes = any::<[u32; 7]>();
    (
        id(),
        any::<u16>(),
        line(),
        sizes,
        any::<[u64; 2]>(),
        select(durability),
        option::of(line()),
        any::<bool>(),
    )
        .prop_map(
            |(id, version, agent, sizes, timeouts, durability, motd, participants_before_sign_in)| {
                let limits = Limits {
                    frame_len_max: sizes[0],
                    frame_len_max_pending: sizes[1],
                    text_len_max: sizes[2],
                    data_len_max: sizes[3],
                    name_chars_max: sizes[4],
                    page_entries_max: sizes[5],
                    in_flight_max: sizes[6],
                    pending_timeout_ms: timeouts[0],
                    idle_timeout_ms: timeouts[1],
                };
                Welcome { id, version, agent, limits, durability, motd, participants_before_sign_in }.into()
            },
        )
}

fn info() -> impl Strategy<Value = ChannelInfo> {
    let counts = (any::<u32>(), epoch(), seq(), any::<bool>());
    (channel(), channel_name(), kind(), account(), time(), counts, topic(), option::of(marks())).prop_map(
        |(channel, name, kind, host, created_ms, (members, epoch, head, joined), topic, marks)| ChannelInfo {
            channel,
            name,
            kind,
            host,
            created_ms,
            members,
            epoch,
            head,
            joined,
            topic,
            marks,
        },
    )
}

fn participant() -> impl Strategy<Value = Participant> {
    let presence = select(vec![Presence::Connected, Presence::Disconnected, Presence::Unknown]);
    (account(), presence).prop_map(|(account, presence)| Participant { account, presence })
}

fn connection() -> impl Strategy<Value = ConnectionRow> {
    let states = vec![
        ConnectionState::Pending,
        ConnectionState::Connected,
        ConnectionState::Disconnected,
        ConnectionState::Unknown,
    ];
    (any::<u64>(), select(states), option::of(account()), option::of(session()), line(), time()).prop_map(
        |(row, state, account, session, address, since_ms)| ConnectionRow {
            row,
            state,
            account,
            session,
            address,
            since_ms,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    (channel(), epoch(), seq(), time(), account(), option::of(nonce()), body()).prop_map(
        |(channel, epoch, seq, at_ms, sender, nonce, body)| Entry {
            channel,
            epoch,
            seq,
            at_ms,
            sender,
            nonce,
            body,
        },
    )
}

/// Boxed, as the unions above are: a strategy lies on the stack with all of its parts.
fn body() -> BoxedStrategy<Body> {
    prop_oneof![
        4 => post().prop_map(Body::Message),
        2 => amendment().prop_map(|amendment| Body::Amended { amendment }),
        1 => account().prop_map(|by| Body::Removed { by }),
        1 => select(vec![Body::Joined, Body::Left, Body::Unknown]),
    ]
    .boxed()
}

fn post() -> impl Strategy<Value = Post> {
    let reaction = (emoji(), vec(account(), 1..3)).prop_map(|(emoji, by)| Reaction { emoji, by });
    let later = (option::of(time()), vec(reaction, 0..3), any::<bool>());
    (content(), option::of(seq()), later).prop_map(
        |(content, in_reply_to, (edited_ms, reactions, pinned))| Post {
            content,
            in_reply_to,
            edited_ms,
            reactions,
            pinned,
        },
    )
}

fn amendment() -> impl Strategy<Value = Amendment> {
    prop_oneof![
        (seq(), content()).prop_map(|(seq, content)| Amendment::Edit { seq, content }),
        seq().prop_map(|seq| Amendment::Delete { seq }),
        (seq(), emoji(), any::<bool>()).prop_map(|(seq, emoji, on)| Amendment::React { seq, emoji, on }),
        (seq(), any::<bool>()).prop_map(|(seq, on)| Amendment::Pin { seq, on }),
        topic().prop_map(|topic| Amendment::SetTopic { topic }),
        Just(Amendment::Unknown),
    ]
}

fn emoji() -> impl Strategy<Value = Emoji> {
    select(vec!["👍", "👩‍👩‍👧", "+1", "\u{202e}x"]).prop_map(|text| Emoji::new(text).expect("an emoji"))
}

fn topic() -> impl Strategy<Value = Topic> {
    "(?s).{0,20}".prop_map(|text: String| Topic::new(text).expect("short"))
}

fn level() -> impl Strategy<Value = Level> {
    select(vec![Level::All, Level::Mentions, Level::None, Level::Unknown])
}

fn marks() -> impl Strategy<Value = Marks> {
    (seq(), level()).prop_map(|(read, level)| Marks { read, level })
}

fn content() -> impl Strategy<Value = Content> {
    let media_types = vec!["text/plain", "application/octet-stream", "image/svg+xml"];
    let media_type = select(media_types).prop_map(|text| MediaType::new(text.into()).expect("a media type"));
    let data = prop_oneof![vec(any::<u8>(), 0..100), Just(vec![0xc1; DATA_LEN_MAX])]
        .prop_map(|bytes| Data::new(bytes).expect("within the limit"));
    prop_oneof![
        4 => text().prop_map(|text| Content::text(text).expect("within the limit")),
        1 => (media_type, data).prop_map(|(media_type, bytes)| Content::Data { media_type, bytes }),
        1 => Just(Content::Unknown),
    ]
}

/// Any characters, control characters included, of any length that is allowed.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => "(?s).{1,40}", 1 => Just("x".repeat(TEXT_LEN_MAX)), 1 => Just("\u{0}\u{1b}[2J\u{202e}".into())]
}

fn line() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

/// Names of several scripts; all of them are valid in either role.
fn name() -> impl Strategy<Value = String> {
    let others = ["Полина", "太郎", "Zoë", "מיכל", "हिन्दी"].map(str::to_owned).to_vec();
    prop_oneof!["[a-zA-Z0-9][a-zA-Z0-9_.-]{0,31}", select(others)]
}

fn account() -> impl Strategy<Value = AccountName> {
    name().prop_map(|name| AccountName::new(&name).expect("a valid name"))
}

fn channel_name() -> impl Strategy<Value = ChannelName> {
    name().prop_map(|name| ChannelName::new(&name).expect("a valid name"))
}

fn kind() -> impl Strategy<Value = ChannelKind> {
    select(vec![ChannelKind::Public, ChannelKind::Private, ChannelKind::Direct, ChannelKind::Unknown])
}

fn range() -> impl Strategy<Value = HistoryRange> {
    prop_oneof![
        Just(HistoryRange::Latest),
        seq().prop_map(|seq| HistoryRange::Before { seq }),
        seq().prop_map(|seq| HistoryRange::After { seq }),
    ]
}

fn retry() -> impl Strategy<Value = Retry> {
    select(vec![Retry::Never, Retry::Later, Retry::Reconnect, Retry::SignIn, Retry::Unknown])
}

fn opaque() -> impl Strategy<Value = OpaqueBytes> {
    vec(any::<u8>(), 0..=OPAQUE_LEN_MAX).prop_map(|bytes| OpaqueBytes::new(bytes).expect("within the limit"))
}

fn token() -> impl Strategy<Value = Token> {
    vec(any::<u8>(), 0..=TOKEN_LEN_MAX).prop_map(|bytes| Token::new(bytes).expect("within the limit"))
}

fn id() -> impl Strategy<Value = RequestId> {
    any::<u32>().prop_map(RequestId)
}

fn channel() -> impl Strategy<Value = ChannelId> {
    any::<u64>().prop_map(ChannelId)
}

fn epoch() -> impl Strategy<Value = Epoch> {
    any::<u32>().prop_map(Epoch)
}

fn seq() -> impl Strategy<Value = Seq> {
    any::<u64>().prop_map(Seq)
}

fn time() -> impl Strategy<Value = UnixMillis> {
    any::<i64>().prop_map(UnixMillis)
}

fn nonce() -> impl Strategy<Value = Nonce> {
    any::<u128>().prop_map(|bits| Nonce(uuid::Uuid::from_u128(bits)))
}

fn session() -> impl Strategy<Value = SessionId> {
    any::<u128>().prop_map(|bits| SessionId(uuid::Uuid::from_u128(bits)))
}
