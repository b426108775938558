//! The panes beside the timeline: channels and participants.

use mechat_protocol::reply::ChannelInfo;
use mechat_protocol::{AccountName, ChannelName};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint;
use crate::model::{Channel, Model};
use crate::text;
use crate::theme::Role;

/// Columns from which a participant's state is written out.
const WORDS_MIN: u16 = 24;

/// A row of the channels' pane.
enum Row<'a> {
    Title,
    Joined(&'a Channel),
    Gap,
    ToJoin,
    Available(&'a ChannelInfo),
    More(usize),
}

/// The rows that fit: channels one is in, then those one could join. The one in view stays visible in a long list.
fn rows(model: &Model, height: usize) -> Vec<Row<'_>> {
    let at = model.channels.iter().position(|channel| Some(channel.info.channel) == model.current);
    let first = at.unwrap_or(0).saturating_sub(height.saturating_sub(3));
    let mut rows = vec![Row::Title];
    rows.extend(model.channels.iter().skip(first).map(Row::Joined));
    let mut available = model.available().peekable();
    if available.peek().is_some() {
        rows.extend([Row::Gap, Row::ToJoin]);
        rows.extend(available.map(Row::Available));
    }
    let hidden = rows.len().saturating_sub(height);
    if hidden > 0 {
        rows.truncate(height.saturating_sub(1));
        rows.push(Row::More(hidden + 1));
    }
    rows
}

/// The channel in a row of the pane.
pub fn channel_at(model: &Model, area: Rect, row: usize) -> Option<ChannelName> {
    match rows(model, usize::from(area.height)).get(row)? {
        Row::Joined(channel) => Some(channel.info.name.clone()),
        Row::Available(info) => Some(info.name.clone()),
        Row::Title | Row::Gap | Row::ToJoin | Row::More(_) => None,
    }
}

/// Channels one is in, then those one could join.
pub fn channels(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let quiet = model.theme.style(Role::Quiet);
    let lines = rows(model, usize::from(area.height)).into_iter().map(|row| match row {
        Row::Title => Line::styled("Channels", model.theme.style(Role::Strong)),
        Row::Joined(channel) => joined_line(model, channel, width),
        Row::Gap => Line::raw(""),
        Row::ToJoin => Line::styled("To join", quiet),
        Row::Available(info) => {
            let name = text::harmless(info.name.as_str());
            Line::styled(text::clip(&format!("  #{name}"), width).into_owned(), quiet)
        }
        Row::More(hidden) => Line::styled(text::clip(&format!("  {hidden} more"), width).into_owned(), quiet),
    });
    let lines: Vec<Line<'_>> = lines.collect();
    paint(frame, area, lines);
}

fn joined_line(model: &Model, channel: &Channel, width: usize) -> Line<'static> {
    let here = Some(channel.info.channel) == model.current;
    let unread = channel.badge();
    let sign = if unread.mentions > 0 { "@" } else { "" };
    let muted = channel.is_muted();
    let count = if muted {
        " off".to_owned()
    } else if unread.is_none() {
        String::new()
    } else {
        format!(" {sign}{unread}")
    };
    let sign = if here { "▸ " } else { "  " };
    let name = format!("{sign}#{}", text::harmless(channel.info.name.as_str()));
    let room = width.saturating_sub(text::width(&count) + 1);
    let name = text::fit(&name, room);
    let style = match (here, unread.is_none()) {
        (true, _) => model.theme.style(Role::Selected),
        (false, true) if muted => model.theme.style(Role::Quiet),
        (false, true) => model.theme.style(Role::Text),
        (false, false) => model.theme.style(Role::Strong),
    };
    Line::from(vec![
        Span::styled(name, style),
        Span::styled(count, model.theme.style(if muted { Role::Quiet } else { Role::Unread })),
    ])
}

/// The member in a row of the pane.
pub fn person_at(model: &Model, area: Rect, row: usize) -> Option<AccountName> {
    let members = model.current()?.members.as_ref()?;
    let (here, away): (Vec<&AccountName>, Vec<&AccountName>) =
        members.iter().partition(|name| model.is_connected(name));
    let legend = if area.width >= WORDS_MIN { 0 } else { 2 };
    let room = usize::from(area.height).saturating_sub(1 + legend);
    let shown = if members.len() > room { room.saturating_sub(1) } else { room };
    let name = here.into_iter().chain(away).take(shown).nth(row.checked_sub(1)?)?;
    Some(name.clone())
}

/// The members of the channel, those who are here first.
pub fn participants(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let (strong, quiet) = (model.theme.style(Role::Strong), model.theme.style(Role::Quiet));
    let Some(members) = model.current().and_then(|channel| channel.members.as_ref()) else {
        return paint(frame, area, [Line::styled("Participants", strong)]);
    };
    let (here, away): (Vec<&AccountName>, Vec<&AccountName>) =
        members.iter().partition(|name| model.is_connected(name));
    let words = area.width >= WORDS_MIN;
    let title = if words { "Participants" } else { "People" };
    let title = format!("{title} {}/{}", here.len(), members.len());
    let legend = if words { 0 } else { 2 };
    let room = usize::from(area.height).saturating_sub(1 + legend);
    let mut people: Vec<Line<'static>> = here
        .into_iter()
        .map(|name| person_line(model, name, true, words, width))
        .chain(away.into_iter().map(|name| person_line(model, name, false, words, width)))
        // However many there are, only those in view are looked at.
        .take(room + 1)
        .collect();
    if people.len() > room {
        let hidden = members.len() - room.saturating_sub(1);
        people.truncate(room.saturating_sub(1));
        people.push(Line::styled(text::clip(&format!("  {hidden} more: /who"), width).into_owned(), quiet));
    }
    let mut lines = vec![Line::styled(text::clip(&title, width).into_owned(), strong)];
    lines.append(&mut people);
    if !words {
        lines.resize(usize::from(area.height).saturating_sub(legend), Line::raw(""));
        lines.push(Line::styled("● connected", quiet));
        lines.push(Line::styled("○ disconnected", quiet));
    }
    paint(frame, area, lines);
}

fn person_line(model: &Model, name: &AccountName, here: bool, words: bool, width: usize) -> Line<'static> {
    let (glyph, word, role) =
        if here { ("● ", "connected", Role::Good) } else { ("○ ", "disconnected", Role::Quiet) };
    let word = if words { format!(" {word}") } else { String::new() };
    let room = width.saturating_sub(2 + text::width(&word));
    let doubtful = model.reading.names.borrow_mut().is_doubtful(name);
    let sign = if doubtful { text::names::DOUBTFUL } else { "" };
    let shown = text::clip(&format!("{}{sign}", text::harmless(name.as_str())), room).into_owned();
    let name_style = if here { model.theme.name(name.as_str()) } else { model.theme.style(Role::Quiet) };
    let style = model.theme.style(role);
    Line::from(vec![Span::styled(glyph, style), Span::styled(shown, name_style), Span::styled(word, style)])
}
