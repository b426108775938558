//! The panes beside the timeline: channels and participants.

use mechat_protocol::AccountName;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint;
use crate::model::{Channel, Model};
use crate::text;
use crate::theme::Role;

/// Columns from which a participant's state is written out.
const WORDS_MIN: u16 = 24;

/// Channels one is in, then those one could join.
pub fn channels(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let quiet = model.theme.style(Role::Quiet);
    let mut lines = vec![Line::styled("Channels", model.theme.style(Role::Strong))];
    let at = model.channels.iter().position(|channel| Some(channel.info.channel) == model.current);
    // The one in view stays visible in a long list.
    let room = usize::from(area.height).saturating_sub(1);
    let first = at.unwrap_or(0).saturating_sub(room.saturating_sub(2));
    lines.extend(model.channels.iter().skip(first).map(|channel| joined_line(model, channel, width)));
    let mut available = model.available().peekable();
    if available.peek().is_some() {
        lines.push(Line::raw(""));
        lines.push(Line::styled("To join", quiet));
        lines.extend(available.map(|info| {
            let name = text::harmless(info.name.as_str());
            Line::styled(text::clip(&format!("  #{name}"), width).into_owned(), quiet)
        }));
    }
    let hidden = lines.len().saturating_sub(usize::from(area.height));
    if hidden > 0 {
        lines.truncate(usize::from(area.height).saturating_sub(1));
        lines.push(Line::styled(text::clip(&format!("  {} more", hidden + 1), width).into_owned(), quiet));
    }
    paint(frame, area, lines);
}

fn joined_line(model: &Model, channel: &Channel, width: usize) -> Line<'static> {
    let here = Some(channel.info.channel) == model.current;
    let me = model.account.as_ref().map(|account| &account.name);
    let unread = channel.unread(me);
    let count = match unread {
        0 => String::new(),
        1..=999 => format!(" {unread}"),
        _ => " 999+".to_owned(),
    };
    let sign = if here { "▸ " } else { "  " };
    let name = format!("{sign}#{}", text::harmless(channel.info.name.as_str()));
    let room = width.saturating_sub(text::width(&count) + 1);
    let name = text::fit(&name, room);
    let style = match (here, unread) {
        (true, _) => model.theme.style(Role::Selected),
        (false, 0) => model.theme.style(Role::Text),
        (false, _) => model.theme.style(Role::Strong),
    };
    Line::from(vec![Span::styled(name, style), Span::styled(count, model.theme.style(Role::Unread))])
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
        .collect();
    if people.len() > room {
        let hidden = people.len() - room.saturating_sub(1);
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
    let shown = text::clip(&text::harmless(name.as_str()), room).into_owned();
    let name_style = if here { model.theme.name(name.as_str()) } else { model.theme.style(Role::Quiet) };
    let style = model.theme.style(role);
    Line::from(vec![Span::styled(glyph, style), Span::styled(shown, name_style), Span::styled(word, style)])
}
