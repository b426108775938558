//! The exact lines of the plain mode; the lists of the full-screen client use them too.
//!
//! Invariants: remote text is harmless in every line; a message's further lines are indented, so that no message
//! can pass for another line.

use jiff::tz::TimeZone;
use mechat_client::unread::Count;
use mechat_protocol::reply::{ChannelInfo, ConnectionRow, Participant, Presence, Profile};
use mechat_protocol::{Amendment, Body, Content, Entry, Post, Seq};
use unicode_segmentation::UnicodeSegmentation;

use crate::text;
use crate::timefmt;
use crate::view::{panel, timeline};

/// Stands before what was said while one was away.
pub const NEW: &str = "--- new ---";
/// Graphemes of a message that tell which one is meant.
const QUOTE_LEN_MAX: usize = 32;
/// Under which the further lines of a message stand.
const INDENT: usize = 11;

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
        let gap = " ".repeat(widest - text::width(&name) + 1);
        format!("    [{name}]{gap}*{}", presence(person.presence))
    }));
    lines
}

const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Connected => "connected",
        Presence::Disconnected | Presence::Unknown => "disconnected",
    }
}

/// An entry's lines. `about` is the beginning of the message that it answers or changes, as [`quote`] gives it.
///
/// `[12:00:00] @name Joined`, `[12:00:07] #41 @name: text`, `[12:00:07] #42 @name answers #41 "text": words`,
/// `[12:00:09] @name reacted 👍 to #41 "text"`.
pub fn entry(entry: &Entry, about: Option<&str>, zone: &TimeZone) -> Vec<String> {
    let clock = timefmt::clock(entry.at_ms, zone);
    let name = text::harmless(entry.sender.as_str());
    match &entry.body {
        Body::Joined => vec![format!("[{clock}] @{name} Joined")],
        Body::Left => vec![format!("[{clock}] @{name} Left")],
        Body::Unknown => vec![format!("[{clock}] @{name} did something that this version cannot show")],
        Body::Removed { by } if *by == entry.sender => {
            vec![format!("[{clock}] #{} @{name} took back what was said", entry.seq.0)]
        }
        Body::Removed { by } => {
            let by = text::harmless(by.as_str());
            vec![format!("[{clock}] #{} @{name} said something that @{by} deleted", entry.seq.0)]
        }
        Body::Amended { amendment } => amended(&format!("[{clock}] @{name}"), amendment, about),
        Body::Message(post) => {
            let answers =
                post.in_reply_to.map_or_else(String::new, |seq| format!(" answers {}", named(seq, about)));
            let head = format!("[{clock}] #{} @{name}{answers}{}:", entry.seq.0, became(post));
            indented(&head, &timeline::words(&post.content))
        }
    }
}

/// `#41 "the beginning"`.
fn named(seq: Seq, about: Option<&str>) -> String {
    about.map_or_else(|| format!("#{}", seq.0), |words| format!("#{} \"{words}\"", seq.0))
}

/// ` (edited, pinned, 👍 2)`.
fn became(post: &Post) -> String {
    let edited = post.edited_ms.map(|_| "edited".to_owned());
    let pinned = post.pinned.then(|| "pinned".to_owned());
    let reactions = post.reactions.iter();
    let reactions = reactions
        .map(|reaction| format!("{} {}", text::harmless(reaction.emoji.as_str()), reaction.by.len()));
    let all: Vec<String> = edited.into_iter().chain(pinned).chain(reactions).collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

fn amended(head: &str, amendment: &Amendment, about: Option<&str>) -> Vec<String> {
    let what = match amendment {
        Amendment::Edit { seq, content } => {
            return indented(&format!("{head} edited #{}:", seq.0), &timeline::words(content));
        }
        Amendment::SetTopic { topic } if !topic.is_empty() => {
            return indented(&format!("{head} set the topic:"), topic.as_str());
        }
        Amendment::SetTopic { .. } => "cleared the topic".to_owned(),
        Amendment::Delete { seq } => format!("deleted #{}", seq.0),
        Amendment::React { seq, emoji, on } => {
            let emoji = text::harmless(emoji.as_str());
            let (did, to) = if *on { ("reacted", "to") } else { ("took back", "from") };
            format!("{did} {emoji} {to} {}", named(*seq, about))
        }
        Amendment::Pin { seq, on: true } => format!("pinned {}", named(*seq, about)),
        Amendment::Pin { seq, on: false } => format!("unpinned {}", named(*seq, about)),
        Amendment::Unknown => "changed something in a way that this version cannot show".to_owned(),
    };
    vec![format!("{head} {what}")]
}

fn indented(head: &str, words: &str) -> Vec<String> {
    let mut lines = text::lines(words).into_iter();
    let first = lines.next().unwrap_or_default();
    let mut shown = vec![format!("{head} {first}")];
    shown.extend(lines.map(|line| format!("{}{line}", " ".repeat(INDENT))));
    shown
}

/// The beginning of what is said, in one line, harmless, without the marks that stand round it.
pub fn quote(content: &Content) -> String {
    let words = timeline::words(content);
    let line = text::lines(&words).into_iter().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut graphemes = line.trim().graphemes(true);
    let mut quoted = graphemes.by_ref().take(QUOTE_LEN_MAX).collect::<String>().replace('"', "'");
    if graphemes.next().is_some() {
        quoted.push('…');
    }
    quoted
}

/// What was found, with its day and channel: it may be of any.
pub fn found(entry: &Entry, channel: &str, about: Option<&str>, zone: &TimeZone) -> Vec<String> {
    let day = timefmt::created(entry.at_ms, zone);
    let day = day.split_once(',').map_or("--", |(day, _)| day);
    let mut lines = self::entry(entry, about, zone);
    if let Some(first) = lines.first_mut() {
        *first = format!("#{} {day} {first}", text::harmless(channel));
    }
    lines
}

/// `#rust: 3 unread, 1 of them for you`.
pub fn unread(channel: &str, count: Count) -> String {
    let name = text::harmless(channel);
    match count.mentions {
        0 => format!("#{name}: {count} unread"),
        mentions => format!("#{name}: {count} unread, {mentions} of them for you"),
    }
}

/// `@ann: connected, an admin of the relay, registered 23-02-2024, 11:03:00`.
pub fn profile(profile: &Profile, zone: &TimeZone) -> String {
    let name = text::harmless(profile.account.as_str());
    let admin = if profile.admin { "an admin of the relay, " } else { "" };
    let registered = timefmt::created(profile.registered_ms, zone);
    format!("@{name}: {}, {admin}registered {registered}", presence(profile.presence))
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
