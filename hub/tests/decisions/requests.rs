//! What clients say.

use mechat_protocol::request::{
    Amend, Binding, ChannelKind, CreateChannel, Hello, HistoryRange, Join, Leave, Level, ListChannels,
    ListConnections, ListParticipants, ListPosts, LoginFinish, LoginStart, Logout, Mark, Ping, Query,
    ReadHistory, ReadProfile, RegisterFinish, RegisterStart, Resume, Search, Selection, Send, SetTyping,
};
use mechat_protocol::secret::Token;
use mechat_protocol::{
    AccountName, Amendment, ChannelId, ChannelName, Content, Emoji, Message, Nonce, RequestId, Seq, Topic,
};

use crate::stage::opaque;

pub(crate) fn hello(id: u32) -> Message {
    versions(id, 1, 1)
}

pub(crate) fn versions(id: u32, version_min: u16, version_max: u16) -> Message {
    Hello { id: RequestId(id), version_min, version_max, agent: "a client".into() }.into()
}

pub(crate) fn register_start(id: u32, name: &str) -> Message {
    let account = AccountName::new(name).expect("a name");
    RegisterStart { id: RequestId(id), account, message: opaque() }.into()
}

pub(crate) fn register_finish(id: u32) -> Message {
    RegisterFinish { id: RequestId(id), message: opaque() }.into()
}

pub(crate) fn login_start(id: u32, name: &str) -> Message {
    let account = AccountName::new(name).expect("a name");
    LoginStart { id: RequestId(id), account, message: opaque(), binding: Binding::None }.into()
}

pub(crate) fn login_finish(id: u32) -> Message {
    LoginFinish { id: RequestId(id), message: opaque() }.into()
}

pub(crate) fn resume(id: u32) -> Message {
    Resume { id: RequestId(id), token: Token::new(vec![1; 32]).expect("short") }.into()
}

pub(crate) fn logout(id: u32) -> Message {
    Logout { id: RequestId(id) }.into()
}

pub(crate) fn ping(id: u32) -> Message {
    Ping { id: RequestId(id) }.into()
}

pub(crate) fn create(id: u32, name: &str, kind: ChannelKind) -> Message {
    CreateChannel { id: RequestId(id), name: ChannelName::new(name).expect("a name"), kind }.into()
}

pub(crate) fn join(id: u32, name: &str) -> Message {
    Join { id: RequestId(id), name: ChannelName::new(name).expect("a name") }.into()
}

pub(crate) fn leave(id: u32, channel: ChannelId) -> Message {
    Leave { id: RequestId(id), channel }.into()
}

/// Says a text, with a nonce made of its number.
pub(crate) fn send(id: u32, channel: ChannelId, nonce: u32, text: &str) -> Message {
    said(id, channel, nonce, Content::text(text).expect("a text"), None)
}

pub(crate) fn said(id: u32, channel: ChannelId, nonce: u32, content: Content, to: Option<u64>) -> Message {
    let nonce = self::nonce(nonce);
    Send { id: RequestId(id), channel, nonce, content, in_reply_to: to.map(Seq) }.into()
}

fn nonce(number: u32) -> Nonce {
    Nonce(format!("{number:032x}").parse().expect("a UUID"))
}

/// Amends something, with a nonce made of its number.
pub(crate) fn amend(id: u32, channel: ChannelId, nonce: u32, amendment: Amendment) -> Message {
    Amend { id: RequestId(id), channel, nonce: self::nonce(nonce), amendment }.into()
}

pub(crate) fn edit(seq: u64, text: &str) -> Amendment {
    Amendment::Edit { seq: Seq(seq), content: Content::text(text).expect("a text") }
}

pub(crate) fn delete(seq: u64) -> Amendment {
    Amendment::Delete { seq: Seq(seq) }
}

pub(crate) fn react(seq: u64, on: bool) -> Amendment {
    Amendment::React { seq: Seq(seq), emoji: Emoji::new("👍").expect("an emoji"), on }
}

pub(crate) fn pin(seq: u64, on: bool) -> Amendment {
    Amendment::Pin { seq: Seq(seq), on }
}

pub(crate) fn topic(text: &str) -> Amendment {
    Amendment::SetTopic { topic: Topic::new(text.into()).expect("short") }
}

pub(crate) fn mark(id: u32, channel: ChannelId, read: Option<u64>, level: Option<Level>) -> Message {
    Mark { id: RequestId(id), channel, read: read.map(Seq), level }.into()
}

pub(crate) fn typing(id: u32, channel: ChannelId) -> Message {
    SetTyping { id: RequestId(id), channel }.into()
}

pub(crate) fn search(id: u32, query: &str, channel: Option<ChannelId>) -> Message {
    let query = Query::new(query.into()).expect("a query");
    Search { id: RequestId(id), query, channel, after: None, limit: 10 }.into()
}

pub(crate) fn list_posts(id: u32, channel: ChannelId, which: Selection) -> Message {
    ListPosts { id: RequestId(id), channel, which, after: None }.into()
}

pub(crate) fn profile(id: u32, name: &str) -> Message {
    ReadProfile { id: RequestId(id), account: AccountName::new(name).expect("a name") }.into()
}

pub(crate) fn read(id: u32, channel: ChannelId, range: HistoryRange, limit: u16) -> Message {
    ReadHistory { id: RequestId(id), channel, range, limit }.into()
}

pub(crate) fn list_channels(id: u32, after: Option<&str>) -> Message {
    let after = after.map(|name| ChannelName::new(name).expect("a name"));
    ListChannels { id: RequestId(id), after }.into()
}

pub(crate) fn list_people(id: u32, channel: Option<ChannelId>, after: Option<&str>) -> Message {
    let after = after.map(|name| AccountName::new(name).expect("a name"));
    ListParticipants { id: RequestId(id), channel, after }.into()
}

pub(crate) fn list_connections(id: u32, after: Option<u64>) -> Message {
    ListConnections { id: RequestId(id), after }.into()
}

/// One of each request that begins a sign-in.
pub(crate) fn sign_ins(id: u32) -> Vec<Message> {
    vec![register_start(id, "zoe"), register_finish(id), login_start(id, "ann"), login_finish(id), resume(id)]
}

/// One of each request that needs an account.
pub(crate) fn of_accounts(id: u32, channel: ChannelId) -> Vec<Message> {
    vec![
        logout(id),
        create(id, "new", ChannelKind::Public),
        join(id, "lobby"),
        leave(id, channel),
        send(id, channel, 1, "hi"),
        read(id, channel, HistoryRange::Latest, 10),
        list_channels(id, None),
        list_people(id, None, None),
        list_people(id, Some(channel), None),
        list_connections(id, None),
        amend(id, channel, 1, delete(1)),
        mark(id, channel, Some(1), None),
        typing(id, channel),
        search(id, "x", Some(channel)),
        search(id, "x", None),
        list_posts(id, channel, Selection::Pinned),
        profile(id, "ann"),
    ]
}
