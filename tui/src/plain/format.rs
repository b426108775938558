//! The exact lines of the plain mode; the lists of the full-screen client use them too.
//!
//! Invariants: remote text is harmless in every line; a message's further lines are indented, so that no message
//! can pass for another line.

use jiff::tz::TimeZone;
use mechat_protocol::reply::{ChannelInfo, ConnectionRow, Participant, Presence};
use mechat_protocol::{Body, Entry, Post};

use crate::text;
use crate::timefmt;
use crate::view::{panel, timeline};

/// `Sessions:` and a line for each channel.
pub fn sessions(channels: &[ChannelInfo], zone: &TimeZone) -> Vec<String> {
    let mut lines = vec!["Sessions:".to_owned()];
    lines.extend(channels.iter().map(|info| session(info, zone)));
    lines
}

/// `[*] @name participants: [32], created: [23-02-2024, 11:03:00], host: @some_user`.
pub fn session(info: &ChannelInfo, zone: &TimeZone) -> String {
    let (name, host) = (text::harmless(info.name.as_str()), text::harmless(info.host.as_str()));
    let created = timefmt::created(info.created_ms, zone);
    format!("[*] @{name} participants: [{}], created: [{created}], host: @{host}", info.members)
}

/// `participants:` and a line for each, the stars in one column.
pub fn participants(people: &[Participant]) -> Vec<String> {
    let names: Vec<_> = people.iter().map(|person| text::harmless(person.account.as_str())).collect();
    let widest = names.iter().map(|name| text::width(name)).max().unwrap_or(0);
    let mut lines = vec!["participants:".to_owned()];
    lines.extend(people.iter().zip(names).map(|(person, name)| {
        let state = match person.presence {
            Presence::Connected => "connected",
            Presence::Disconnected | Presence::Unknown => "disconnected",
        };
        let gap = " ".repeat(widest - text::width(&name) + 1);
        format!("    [{name}]{gap}*{state}")
    }));
    lines
}

/// An entry's lines: `[12:00:00] @name: text`, `[12:00:00] @name Joined`, `[12:00:00] @name Left`.
pub fn entry(entry: &Entry, zone: &TimeZone) -> Vec<String> {
    let head = format!("[{}] @{}", timefmt::clock(entry.at_ms, zone), text::harmless(entry.sender.as_str()));
    match &entry.body {
        Body::Joined => vec![format!("{head} Joined")],
        Body::Left => vec![format!("{head} Left")],
        Body::Unknown => vec![format!("{head} did something that this version cannot show")],
        Body::Removed { .. } => vec![format!("{head} said something that was deleted")],
        Body::Amended { .. } => vec![format!("{head} changed something that was said")],
        Body::Message(Post { content, .. }) => {
            let words = timeline::words(content);
            let mut lines = text::lines(&words).into_iter();
            let first = lines.next().unwrap_or_default();
            let mut shown = vec![format!("{head}: {first}")];
            shown.extend(lines.map(|line| format!("{}{line}", " ".repeat(11))));
            shown
        }
    }
}

/// `connections:` and a line for each connection or session.
pub fn connections(rows: &[ConnectionRow], zone: &TimeZone) -> Vec<String> {
    let mut lines = vec!["connections:".to_owned()];
    lines.extend(rows.iter().map(|row| {
        let account =
            row.account.as_ref().map_or("-".to_owned(), |name| format!("@{}", text::harmless(name.as_str())));
        let (state, since) = (panel::state_word(row.state), panel::since(row.since_ms, zone));
        format!("    {:>4}  {state:<12}  {account}  {}  since {since}", row.row, text::harmless(&row.address))
    }));
    lines
}
