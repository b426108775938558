//! Effects as lines of text.
//!
//! `1 < pong 3` is a message to connection 1 in answer to its request 3; entries are `channel/seq sender what`.

use mechat_hub::{CredentialAsk, Effect, StoreOp};
use mechat_protocol::codec::{Incoming, decode};
use mechat_protocol::limits::FRAME_PREFIX_LEN;
use mechat_protocol::message::Sender;
use mechat_protocol::page::EncodedPage;
use mechat_protocol::reply::{ChannelInfo, ConnectionRow, ErrorReply, Marks, Participant, Presence};
use mechat_protocol::{Amendment, Body, Content, Entry, Message, Post};

/// One effect as a line.
pub(crate) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Send { conn, message } => format!("{} < {}", conn.0, self::message(message)),
        Effect::SendPage { conn, page } => format!("{} < {}", conn.0, message(&decoded(page))),
        Effect::Broadcast(entry) => format!("broadcast {}", self::entry(entry)),
        Effect::Replace(entry) => format!("replace {}", self::entry(entry)),
        Effect::Typing(typing) => format!("tell {}: {}", typing.channel, message(&typing.clone().into())),
        Effect::Marks { conn, changed } => format!("{} < {}", conn.0, message(&changed.clone().into())),
        Effect::Announce(announced) => format!("announce {}", message(&announced.clone().into())),
        Effect::Subscribe { conn, channel } => format!("subscribe {} to {channel}", conn.0),
        Effect::Unsubscribe { conn, channel, last: None } => format!("unsubscribe {} from {channel}", conn.0),
        Effect::Unsubscribe { conn, channel, last: Some(last) } => {
            format!("unsubscribe {} from {channel} after {last}", conn.0)
        }
        Effect::SignedIn { conn, signed_in: true } => format!("{} is signed in", conn.0),
        Effect::SignedIn { conn, signed_in: false } => format!("{} is signed out", conn.0),
        Effect::Close { conn, close } => format!("close {}: {}", conn.0, close.code),
        Effect::Credential { conn, ask: CredentialAsk::Forget, .. } => format!("forget {}", conn.0),
        Effect::Credential { conn, id, ask } => format!("ask for {} {id}: {}", conn.0, self::ask(ask)),
        Effect::Store { op, .. } => format!("store {}", self::op(op)),
    }
}

/// What a client reads.
fn decoded(page: &EncodedPage) -> Message {
    let mut frame = Vec::new();
    page.encode_into(&mut frame).expect("a page fits in a frame");
    match decode(&frame[FRAME_PREFIX_LEN..], Sender::Relay) {
        Incoming::Message(message) => message,
        Incoming::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn ask(ask: &CredentialAsk) -> String {
    match ask {
        CredentialAsk::RegisterStart { account, .. } => format!("register_start {account}"),
        CredentialAsk::RegisterFinish { account, .. } => format!("register_finish {account}"),
        CredentialAsk::LoginStart { account, .. } => format!("login_start {account}"),
        CredentialAsk::LoginFinish { .. } => "login_finish".into(),
        CredentialAsk::Resume { .. } => "resume".into(),
        CredentialAsk::Revoke { .. } => "revoke".into(),
        CredentialAsk::Forget => "forget".into(),
    }
}

fn op(op: &StoreOp) -> String {
    match op {
        StoreOp::CreateChannel(channel) => format!("create {} by {}", channel.name, channel.host_name),
        StoreOp::Append(draft) => {
            format!("append {} {} {}", draft.channel, draft.sender_name, body(&draft.body))
        }
        StoreOp::Mark { channel, account, read, level } => {
            format!(
                "mark {channel} for {account}: {}, {level:?}",
                read.map_or("-".into(), |seq| seq.to_string())
            )
        }
        StoreOp::ReadPosts { channel, which, after, limit } => {
            format!("read posts {channel} {which:?} after {after} {limit}")
        }
        StoreOp::Search { query, channels, after, limit } => {
            let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
            format!("search {:?} in {} before {after:?} {limit}", query.as_str(), channels.join(" "))
        }
        StoreOp::ReadHistory { channel, range, limit } => format!("read {channel} {range:?} {limit}"),
    }
}

/// An entry as `channel/seq sender what`.
pub(crate) fn entry(entry: &Entry) -> String {
    format!("{}/{} {} {}", entry.channel, entry.seq, entry.sender, body(&entry.body))
}

fn body(body: &Body) -> String {
    match body {
        Body::Message(Post { content: Content::Text { text }, in_reply_to: None, .. }) => {
            format!("{:?}", text.as_str())
        }
        Body::Message(Post { content: Content::Text { text }, in_reply_to: Some(seq), .. }) => {
            format!("{:?} to {seq}", text.as_str())
        }
        Body::Message(Post { content, .. }) => format!("{content:?}"),
        Body::Amended { amendment: Amendment::Edit { seq, content: Content::Text { text } } } => {
            format!("edit {seq} {:?}", text.as_str())
        }
        Body::Amended { amendment: Amendment::Delete { seq } } => format!("delete {seq}"),
        Body::Amended { amendment: Amendment::React { seq, emoji, on } } => {
            format!("react {seq} {} {on}", emoji.as_str())
        }
        Body::Amended { amendment: Amendment::Pin { seq, on } } => format!("pin {seq} {on}"),
        Body::Amended { amendment: Amendment::SetTopic { topic } } => format!("topic {:?}", topic.as_str()),
        Body::Removed { by } => format!("removed by {by}"),
        Body::Amended { amendment } => format!("{amendment:?}"),
        Body::Joined => "joined".into(),
        Body::Left => "left".into(),
        Body::Unknown => "unknown".into(),
    }
}

/// A message as its tag, its id and what matters in it.
fn message(message: &Message) -> String {
    let detail = match message {
        Message::Error(ErrorReply { code, .. }) => code.to_string(),
        Message::SignedIn(signed) if signed.admin => format!("{} (admin)", signed.account),
        Message::SignedIn(signed) => signed.account.to_string(),
        Message::Registered(registered) => registered.account.to_string(),
        Message::Joined(joined) => {
            let info = &joined.channel;
            format!(
                "{} {}{} by {} head {} members {}{}",
                info.channel,
                info.name,
                topic(info),
                info.host,
                info.head,
                info.members,
                own_marks(info)
            )
        }
        Message::Marked(marked) => marks(marked.marks),
        Message::Marks(changed) => format!("{} {}", changed.channel, marks(changed.marks)),
        Message::Typing(typing) => list(&typing.accounts, ToString::to_string),
        Message::Posts(page) => format!("{}{}", list(&page.entries, entry), more(page.more)),
        Message::Found(found) => {
            format!(
                "{}{}",
                list(&found.entries, entry),
                found.next.map_or(String::new(), |n| format!(" then {n}"))
            )
        }
        Message::Profile(profile) => format!(
            "{} since {}{} {:?}",
            profile.account,
            profile.registered_ms,
            if profile.admin { " (admin)" } else { "" },
            profile.presence
        ),
        Message::Left(left) => left.channel.to_string(),
        Message::Ack(ack) => format!("{}/{}", ack.position.channel, ack.position.seq),
        Message::History(page) => {
            let entries: Vec<String> = page.entries.iter().map(entry).collect();
            format!("head {} [{}]{}", page.head, entries.join(", "), more(page.more))
        }
        Message::Channels(page) => {
            let row = |info: &ChannelInfo| {
                format!(
                    "{}{}{}{}",
                    if info.joined { "+" } else { "" },
                    info.name,
                    topic(info),
                    own_marks(info)
                )
            };
            format!("{}{}", list(&page.channels, row), more(page.more))
        }
        Message::Participants(page) => format!("{}{}", list(&page.participants, person), more(page.more)),
        Message::Connections(page) => format!("{}{}", list(&page.connections, connection), more(page.more)),
        Message::Presence(changed) => list(&changed.changes, person),
        _ => String::new(),
    };
    let id = message.id().map(|id| format!(" {id}")).unwrap_or_default();
    format!("{}{id} {detail}", message.tag()).trim_end().to_owned()
}

fn list<T>(rows: &[T], shown: fn(&T) -> String) -> String {
    format!("[{}]", rows.iter().map(shown).collect::<Vec<_>>().join(", "))
}

const fn more(more: bool) -> &'static str {
    if more { " and more" } else { "" }
}

/// Only where there is one.
fn topic(info: &ChannelInfo) -> String {
    if info.topic.is_empty() { String::new() } else { format!(" ({})", info.topic.as_str()) }
}

/// Only where something was read or set.
fn own_marks(info: &ChannelInfo) -> String {
    info.marks
        .filter(|own| *own != Marks::default())
        .map(|own| format!(" {}", marks(own)))
        .unwrap_or_default()
}

fn marks(marks: Marks) -> String {
    format!("read {} {:?}", marks.read, marks.level)
}

fn person(person: &Participant) -> String {
    match person.presence {
        Presence::Connected => format!("+{}", person.account),
        _ => format!("-{}", person.account),
    }
}

fn connection(row: &ConnectionRow) -> String {
    let whose = row.account.as_ref().map(|account| format!(" {account}")).unwrap_or_default();
    format!("{}{whose} {:?}", row.row, row.state)
}
