//! The messages: what each row looks like, and how many lines it takes.
//!
//! Owns the form of rows. Only those near the view are ever wrapped. What separates days and what is new belongs to the row
//! that follows it, so that no row is ever mistaken for another.

use mechat_protocol::{Body, Content, Entry, Post, UnixMillis};
use ratatui::text::{Line, Span};

use super::layout;
use crate::model::{Channel, Link, Model, Outgoing, Sending};
use crate::text;
use crate::theme::Role;
use crate::timefmt;

/// Columns below which times are short.
const LONG_TIMES_MIN: u16 = 44;

/// Lines of a row.
pub fn height(model: &Model, channel: &Channel, row: usize) -> usize {
    lines(model, channel, row).len()
}

/// A row as it is drawn.
pub fn lines(model: &Model, channel: &Channel, row: usize) -> Vec<Line<'static>> {
    let width = usize::from(layout::timeline_width(model));
    let mut lines = Vec::new();
    if row == 0 {
        lines.push(beginning(model, channel, width));
    }
    match channel.entries.get(row) {
        Some(entry) => {
            let before = row.checked_sub(1).and_then(|before| channel.entries.get(before));
            if let Some(day) = day_between(model, before, entry) {
                lines.push(separator(model, &day, Role::Quiet, width));
            }
            if channel.divider.is_some_and(|divider| divider.next() == entry.seq) {
                lines.push(separator(model, "new", Role::Unread, width));
            }
            entry_lines(model, entry, width, &mut lines);
        }
        None => {
            if let Some(message) = channel.outbox.get(row - channel.entries.len()) {
                outgoing_lines(model, message, width, &mut lines);
            }
        }
    }
    lines
}

/// What stands over the first known entry.
pub fn beginning(model: &Model, channel: &Channel, width: usize) -> Line<'static> {
    let name = text::harmless(channel.info.name.as_str()).into_owned();
    let words = if channel.loading {
        "loading older…".to_owned()
    } else if channel.at_start {
        format!("beginning of #{name}")
    } else {
        "PgUp loads older messages".to_owned()
    };
    separator(model, &words, Role::Quiet, width)
}

fn separator(model: &Model, words: &str, role: Role, width: usize) -> Line<'static> {
    let words = text::clip(words, width.saturating_sub(6)).into_owned();
    let rest = width.saturating_sub(text::width(&words) + 4);
    let rule = model.theme.style(if role == Role::Unread { role } else { Role::Rule });
    Line::from(vec![
        Span::styled("── ", rule),
        Span::styled(words, model.theme.style(role)),
        Span::styled(format!(" {}", "─".repeat(rest)), rule),
    ])
}

fn day_between(model: &Model, before: Option<&Entry>, entry: &Entry) -> Option<String> {
    let day = |at: UnixMillis| timefmt::day(at, &model.zone);
    let same = before.is_some_and(|before| day(before.at_ms) == day(entry.at_ms));
    (!same).then(|| timefmt::day_name(entry.at_ms, &model.zone))
}

fn time(model: &Model, at: UnixMillis, width: usize) -> String {
    let short = width < usize::from(LONG_TIMES_MIN);
    let clock = timefmt::message_clock(at, &model.zone, model.preferences.config.time, short);
    if short { format!("{clock} ") } else { format!("[{clock}] ") }
}

fn entry_lines(model: &Model, entry: &Entry, width: usize, lines: &mut Vec<Line<'static>>) {
    let time = time(model, entry.at_ms, width);
    let sender = text::harmless(entry.sender.as_str()).into_owned();
    let quiet = model.theme.style(Role::Quiet);
    let system = |words: &str| {
        let words =
            text::clip(&format!("@{sender} {words}"), width.saturating_sub(text::width(&time))).into_owned();
        Line::from(vec![Span::styled(time.clone(), quiet), Span::styled(words, quiet)])
    };
    match &entry.body {
        Body::Joined => lines.push(system("Joined")),
        Body::Left => lines.push(system("Left")),
        Body::Unknown => lines.push(system("did something that this version cannot show")),
        Body::Removed { .. } => lines.push(system("said something that was deleted")),
        Body::Amended { .. } => lines.push(system("changed something that was said")),
        Body::Message(Post { content, .. }) => {
            let head = vec![Span::styled(time, quiet)];
            message_lines(model, head, &sender, content, width, lines);
        }
    }
}

fn outgoing_lines(model: &Model, message: &Outgoing, width: usize, lines: &mut Vec<Line<'static>>) {
    let (words, role) = match &message.sending {
        Sending::Pending if model.link == Link::Up => ("… sending", Role::Waiting),
        Sending::Pending => ("… waiting", Role::Waiting),
        Sending::Failed(_) => ("✗ failed", Role::Error),
    };
    let cells = text::width(&time(model, UnixMillis(0), width));
    let word = if cells > text::width(words) { text::fit(words, cells) } else { format!("{words} ") };
    let head = vec![Span::styled(word, model.theme.style(role))];
    let me = model.account.as_ref().map_or("me", |account| account.name.as_str());
    let me = text::harmless(me).into_owned();
    message_lines(model, head, &me, &message.content, width, lines);
    if let Sending::Failed(error) = &message.sending {
        let words = format!("✗ not sent: {}; /retry sends it again, /discard drops it", error.message);
        let safe = text::harmless(&words);
        let room = width.saturating_sub(2).max(1);
        let style = model.theme.style(Role::Error);
        lines.extend(
            text::wrap(&safe, room, room).into_iter().map(|piece| Line::styled(format!("  {piece}"), style)),
        );
    }
}

/// `TIME name: text`, wrapped under the name.
fn message_lines(
    model: &Model,
    head: Vec<Span<'static>>,
    sender: &str,
    content: &Content,
    width: usize,
    lines: &mut Vec<Line<'static>>,
) {
    let indent = head.iter().map(|span| text::width(&span.content)).sum::<usize>().min(width / 3);
    let name = text::clip(sender, (width / 2).max(4)).into_owned();
    let used = head.iter().map(|span| text::width(&span.content)).sum::<usize>() + text::width(&name) + 2;
    let rest = width.saturating_sub(indent).max(1);
    let mut first = width.saturating_sub(used);
    let mut spans = head;
    spans.extend([Span::styled(name, model.theme.name(sender)), Span::raw(": ")]);
    let whole = words(content);
    for line in text::lines(&whole) {
        for piece in text::wrap(&line, first, rest) {
            if spans.is_empty() {
                spans.push(Span::raw(" ".repeat(indent)));
            }
            spans.push(Span::raw(piece.to_owned()));
            lines.push(Line::from(std::mem::take(&mut spans)));
        }
        first = rest;
    }
}

/// What a content says in words.
pub fn words(content: &Content) -> std::borrow::Cow<'_, str> {
    match content {
        Content::Text { text } => text.as_str().into(),
        Content::Data { media_type, bytes } => {
            format!("‹{}, {} bytes›", media_type.as_str(), bytes.as_bytes().len()).into()
        }
        Content::Unknown => "‹something that this version cannot show›".into(),
    }
}
