//! One message for every tag, and one more for each form that a union or an absent field gives it.
//!
//! Owns what the golden vectors freeze. A name is the tag, with a dash and the form where there are several.

use mechat_protocol::event::{Close, GoAway, Lagged, MarksChanged, PresenceChanged, Typing};
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
    Message, Nonce, Position, Post, Reaction, RequestId, Seq, SessionId, Topic, UnixMillis, limits,
};

/// Every sample and its name.
pub(crate) fn samples() -> Vec<(&'static str, Message)> {
    [
        sign_in_requests(),
        requests(),
        amendments(),
        asides(),
        sign_in_replies(),
        replies(),
        aside_replies(),
        events(),
        amended_entries(),
    ]
    .concat()
}

/// 2026-01-01T00:00:00Z.
const AT: UnixMillis = UnixMillis(1_767_225_600_000);
const CHANNEL: ChannelId = ChannelId(3);
const EPOCH: Epoch = Epoch(1);

fn sign_in_requests() -> Vec<(&'static str, Message)> {
    let id = RequestId;
    let agent = "example-client 1.0".to_owned();
    vec![
        ("hello", Hello { id: id(1), version_min: 1, version_max: 1, agent }.into()),
        ("register_start", RegisterStart { id: id(2), account: ada(), message: opaque(32) }.into()),
        ("register_finish", RegisterFinish { id: id(3), message: opaque(192) }.into()),
        ("login_start", login_start(Binding::TlsExporter)),
        ("login_start-unbound", login_start(Binding::None)),
        ("login_finish", LoginFinish { id: id(5), message: opaque(64) }.into()),
        ("resume", Resume { id: id(6), token: token() }.into()),
        ("logout", Logout { id: id(7) }.into()),
        ("ping", Ping { id: id(8) }.into()),
    ]
}

fn requests() -> Vec<(&'static str, Message)> {
    let id = RequestId;
    let kind = ChannelKind::Public;
    vec![
        ("create_channel", CreateChannel { id: id(9), name: general(), kind }.into()),
        ("join", Join { id: id(10), name: general() }.into()),
        ("leave", Leave { id: id(11), channel: CHANNEL }.into()),
        ("list_channels", ListChannels { id: id(12), after: None }.into()),
        ("list_channels-next", ListChannels { id: id(13), after: Some(general()) }.into()),
        ("list_participants", ListParticipants { id: id(14), channel: None, after: None }.into()),
        (
            "list_participants-next",
            ListParticipants { id: id(15), channel: Some(CHANNEL), after: Some(ada()) }.into(),
        ),
        ("list_connections", ListConnections { id: id(16), after: None }.into()),
        ("list_connections-next", ListConnections { id: id(17), after: Some(70_000) }.into()),
        ("send", send(18, hello_text(), None)),
        ("send-reply", send(300, text("yes"), Some(Seq(41)))),
        ("send-data", send(70_000, data(), None)),
        ("read_history", read(19, HistoryRange::After { seq: Seq(40) })),
        ("read_history-before", read(20, HistoryRange::Before { seq: Seq(41) })),
        ("read_history-latest", read(21, HistoryRange::Latest)),
    ]
}

fn amendments() -> Vec<(&'static str, Message)> {
    let amend = |id, amendment| {
        Message::from(Amend { id: RequestId(id), channel: CHANNEL, nonce: nonce(46), amendment })
    };
    vec![
        ("amend", amend(22, edit())),
        ("amend-delete", amend(23, Amendment::Delete { seq: Seq(41) })),
        ("amend-react", amend(24, react())),
        ("amend-pin", amend(25, Amendment::Pin { seq: Seq(41), on: true })),
        ("amend-topic", amend(26, Amendment::SetTopic { topic: topic() })),
    ]
}

/// What concerns a channel and leaves no entry in it.
fn asides() -> Vec<(&'static str, Message)> {
    let id = RequestId;
    let list =
        |id, which, after| Message::from(ListPosts { id: RequestId(id), channel: CHANNEL, which, after });
    let search = |id, channel, after| {
        let query = Query::new("from:ada \"all green\" deplo".into()).expect("a query");
        Message::from(Search { id: RequestId(id), query, channel, after, limit: 50 })
    };
    vec![
        ("mark", Mark { id: id(27), channel: CHANNEL, read: Some(Seq(42)), level: None }.into()),
        (
            "mark-level",
            Mark { id: id(28), channel: CHANNEL, read: None, level: Some(Level::Mentions) }.into(),
        ),
        ("set_typing", SetTyping { id: id(29), channel: CHANNEL }.into()),
        ("search", search(30, None, None)),
        ("search-next", search(31, Some(CHANNEL), Some(4_711))),
        ("list_posts", list(32, Selection::Pinned, None)),
        ("list_posts-replies", list(33, Selection::Replies { seq: Seq(41) }, Some(Seq(42)))),
        ("read_profile", ReadProfile { id: id(34), account: ada() }.into()),
    ]
}

fn sign_in_replies() -> Vec<(&'static str, Message)> {
    let id = RequestId;
    vec![
        ("welcome", welcome(Some("Be kind.".into()))),
        ("welcome-plain", welcome(None)),
        ("register_challenge", RegisterChallenge { id: id(2), message: opaque(64) }.into()),
        ("registered", Registered { id: id(3), account: ada() }.into()),
        ("login_challenge", LoginChallenge { id: id(4), message: opaque(320) }.into()),
        (
            "signed_in",
            SignedIn {
                id: id(5),
                account: ada(),
                session: session(),
                token: token(),
                token_expires_ms: UnixMillis(AT.0 + 30 * 24 * 60 * 60 * 1_000),
                admin: true,
            }
            .into(),
        ),
        ("logged_out", LoggedOut { id: id(7) }.into()),
        ("pong", Pong { id: id(8) }.into()),
    ]
}

fn replies() -> Vec<(&'static str, Message)> {
    let id = RequestId;
    let position = Position { channel: CHANNEL, epoch: EPOCH, seq: Seq(42) };
    let entries = vec![said(41, text("anyone here?"), None), said(42, hello_text(), Some(Seq(41)))];
    let busy = ErrorReply {
        retry_after_ms: Some(1_500),
        ..ErrorReply::new(Some(id(18)), ErrorCode::Busy, "wait for replies")
    };
    vec![
        ("joined", Joined { id: id(10), channel: info(true) }.into()),
        (
            "joined-now",
            Joined {
                id: id(10),
                channel: ChannelInfo { topic: topic(), marks: Some(marks()), ..info(true) },
            }
            .into(),
        ),
        ("left", Left { id: id(11), channel: CHANNEL }.into()),
        ("channels", ChannelPage { id: id(12), channels: vec![info(false)], more: false }.into()),
        ("participants", ParticipantPage { id: id(14), participants: people(), more: true }.into()),
        ("connections", ConnectionPage { id: id(16), connections: rows(), more: false }.into()),
        ("ack", Ack { id: id(18), position, at_ms: AT }.into()),
        (
            "history",
            HistoryPage { id: id(19), channel: CHANNEL, epoch: EPOCH, head: Seq(43), entries, more: true }
                .into(),
        ),
        ("error", ErrorReply::new(Some(id(10)), ErrorCode::NoSuchChannel, "there is no such channel").into()),
        ("error-later", busy.into()),
        ("error-unread", ErrorReply::new(None, ErrorCode::Malformed, "the value is cut short").into()),
    ]
}

fn aside_replies() -> Vec<(&'static str, Message)> {
    let id = RequestId;
    let entries = vec![entry(41, Some(nonce(41)), Body::Message(amended_post()))];
    let profile =
        Profile { id: id(34), account: ada(), registered_ms: AT, admin: true, presence: Presence::Connected };
    vec![
        ("marked", Marked { id: id(27), channel: CHANNEL, marks: marks() }.into()),
        ("done", Done { id: id(29) }.into()),
        ("found", Found { id: id(30), entries: entries.clone(), next: Some(4_711) }.into()),
        ("found-last", Found { id: id(31), entries: Vec::new(), next: None }.into()),
        ("posts", Posts { id: id(32), channel: CHANNEL, entries, more: false }.into()),
        ("profile", profile.into()),
    ]
}

fn amended_entries() -> Vec<(&'static str, Message)> {
    let amended = |amendment| entry(46, Some(nonce(46)), Body::Amended { amendment }).into();
    vec![
        ("entry-now", entry(41, Some(nonce(41)), Body::Message(amended_post())).into()),
        ("entry-removed", entry(41, Some(nonce(41)), Body::Removed { by: ada() }).into()),
        ("entry-edit", amended(edit())),
        ("entry-delete", amended(Amendment::Delete { seq: Seq(41) })),
        ("entry-react", amended(react())),
        ("entry-pin", amended(Amendment::Pin { seq: Seq(41), on: false })),
        ("entry-topic", amended(Amendment::SetTopic { topic: topic() })),
        ("marks", MarksChanged { channel: CHANNEL, marks: marks() }.into()),
        ("typing", Typing { channel: CHANNEL, accounts: vec![ada()] }.into()),
    ]
}

fn edit() -> Amendment {
    Amendment::Edit { seq: Seq(41), content: text("anybody here?") }
}

fn react() -> Amendment {
    Amendment::React { seq: Seq(41), emoji: thumb(), on: true }
}

fn thumb() -> Emoji {
    Emoji::new("👍").expect("an emoji")
}

fn topic() -> Topic {
    Topic::new("the next release".into()).expect("a topic")
}

fn marks() -> Marks {
    Marks { read: Seq(42), level: Level::Mentions }
}

/// As it is after an edit, a reaction and a pin.
fn amended_post() -> Post {
    Post {
        edited_ms: Some(UnixMillis(AT.0 + 60_000)),
        reactions: vec![Reaction { emoji: thumb(), by: vec![ada()] }],
        pinned: true,
        ..Post::new(text("anybody here?"), None)
    }
}

fn events() -> Vec<(&'static str, Message)> {
    vec![
        ("entry", said(42, hello_text(), Some(Seq(41))).into()),
        ("entry-data", said(43, data(), None).into()),
        ("entry-joined", entry(44, None, Body::Joined).into()),
        ("entry-left", entry(45, None, Body::Left).into()),
        ("presence", PresenceChanged { changes: people() }.into()),
        ("lagged", Lagged { channel: CHANNEL, head: Seq(130) }.into()),
        ("go_away", GoAway { delay_ms: 1_234 }.into()),
        ("close", Close::new(CloseCode::ShuttingDown, "the relay stops").into()),
    ]
}

fn login_start(binding: Binding) -> Message {
    LoginStart { id: RequestId(4), account: ada(), message: opaque(96), binding }.into()
}

fn send(id: u32, content: Content, in_reply_to: Option<Seq>) -> Message {
    Send { id: RequestId(id), channel: CHANNEL, nonce: nonce(42), content, in_reply_to }.into()
}

fn read(id: u32, range: HistoryRange) -> Message {
    ReadHistory { id: RequestId(id), channel: CHANNEL, range, limit: 100 }.into()
}

fn welcome(motd: Option<String>) -> Message {
    let stated = |limit: usize| u32::try_from(limit).expect("a limit fits 32 bits");
    Welcome {
        id: RequestId(1),
        version: 1,
        agent: "mechat-relay 0.1.0".into(),
        limits: Limits {
            frame_len_max: stated(limits::FRAME_LEN_MAX),
            frame_len_max_pending: stated(limits::FRAME_LEN_MAX_PENDING),
            text_len_max: stated(limits::TEXT_LEN_MAX),
            data_len_max: stated(limits::DATA_LEN_MAX),
            name_chars_max: stated(limits::NAME_CHARS_MAX),
            page_entries_max: stated(limits::PAGE_ENTRIES_MAX),
            in_flight_max: stated(limits::IN_FLIGHT_MAX),
            pending_timeout_ms: limits::PENDING_TIMEOUT_MS,
            idle_timeout_ms: limits::IDLE_TIMEOUT_MS,
        },
        durability: Durability::Fsync,
        motd,
        participants_before_sign_in: false,
    }
    .into()
}

fn info(joined: bool) -> ChannelInfo {
    ChannelInfo {
        channel: CHANNEL,
        name: general(),
        kind: ChannelKind::Public,
        host: ada(),
        created_ms: AT,
        members: 2,
        epoch: EPOCH,
        head: Seq(42),
        joined,
        topic: Topic::default(),
        marks: None,
    }
}

fn people() -> Vec<Participant> {
    vec![
        Participant { account: ada(), presence: Presence::Connected },
        Participant {
            account: AccountName::new("Полина").expect("a name"),
            presence: Presence::Disconnected,
        },
    ]
}

fn rows() -> Vec<ConnectionRow> {
    let of_ada = |row, state| ConnectionRow {
        row,
        state,
        account: Some(ada()),
        session: Some(session()),
        address: "192.0.2.7:50123".into(),
        since_ms: AT,
    };
    let pending = ConnectionRow {
        account: None,
        session: None,
        address: "[2001:db8::7]:50124".into(),
        ..of_ada(12, ConnectionState::Pending)
    };
    vec![of_ada(7, ConnectionState::Disconnected), of_ada(9, ConnectionState::Connected), pending]
}

fn said(seq: u64, content: Content, in_reply_to: Option<Seq>) -> Entry {
    entry(seq, Some(nonce(seq)), Body::said(content, in_reply_to))
}

fn entry(seq: u64, nonce: Option<Nonce>, body: Body) -> Entry {
    Entry { channel: CHANNEL, epoch: EPOCH, seq: Seq(seq), at_ms: AT, sender: ada(), nonce, body }
}

fn ada() -> AccountName {
    AccountName::new("ada").expect("a name")
}

fn general() -> ChannelName {
    ChannelName::new("general").expect("a name")
}

fn hello_text() -> Content {
    text("hello, 世界")
}

fn text(text: &str) -> Content {
    Content::text(text).expect("a text")
}

fn data() -> Content {
    use mechat_protocol::content::{Data, MediaType};
    Content::Data {
        media_type: MediaType::new("application/octet-stream".into()).expect("a media type"),
        bytes: Data::new(vec![0x00, 0xff, 0x1b]).expect("data"),
    }
}

/// A `UUIDv7` of that moment, another one for each entry.
fn nonce(seq: u64) -> Nonce {
    Nonce(format!("019b76da-a800-7abc-8def-0123456789{seq:02x}").parse().expect("a UUID"))
}

fn session() -> SessionId {
    SessionId("7d1f5c1e-2f6a-4c58-9a43-5b6c7d8e9f00".parse().expect("a UUIDv4"))
}

/// Ascending bytes stand in for what the OPAQUE library makes.
fn opaque(len: usize) -> OpaqueBytes {
    OpaqueBytes::new(ascending(len)).expect("an OPAQUE message")
}

fn token() -> Token {
    Token::new(ascending(32)).expect("a token")
}

fn ascending(len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(len).collect()
}
