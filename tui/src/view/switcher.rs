//! The channel switcher: a part of a name, and the channels that have it.

use mechat_protocol::ChannelName;
use ratatui::Frame;
use ratatui::text::Line;

use super::dialog;
use super::form::{field_line, set_cursor};
use crate::model::{LineEdit, Model, Overlay};
use crate::text;
use crate::theme::Role;

/// Columns inside the box.
const WIDTH: u16 = 44;
/// Rows of the list.
const ROWS: usize = 8;

/// The channels that fit the filter: joined ones first, unread before read.
pub fn matches(model: &Model) -> Vec<ChannelName> {
    let Some(Overlay::Switcher { filter, .. }) = &model.overlay else { return Vec::new() };
    let wanted = filter.text().trim_start_matches('#').to_lowercase();
    let fits = |name: &ChannelName| name.as_str().to_lowercase().contains(&wanted);
    let me = model.account.as_ref().map(|account| &account.name);
    let mut joined: Vec<_> = model.channels.iter().filter(|channel| fits(&channel.info.name)).collect();
    joined.sort_by_key(|channel| channel.unread(me) == 0);
    let joined = joined.into_iter().map(|channel| channel.info.name.clone());
    joined.chain(model.available().map(|info| info.name.clone()).filter(fits)).collect()
}

/// Draws it.
pub fn switcher(model: &Model, filter: &LineEdit, selected: usize, frame: &mut Frame<'_>) {
    let room = dialog::room(model, WIDTH);
    let found = matches(model);
    let rows = ROWS.min(usize::from(model.size.1).saturating_sub(6)).max(1);
    let (field, cursor) = field_line(model, "Channel", filter, true, room);
    let mut lines = vec![field, Line::raw("")];
    let first = selected.saturating_sub(rows - 1);
    let me = model.account.as_ref().map(|account| &account.name);
    for (row, name) in found.iter().enumerate().skip(first).take(rows) {
        let note = match model.channel_named(name) {
            None => " (join)".to_owned(),
            Some(channel) => match channel.unread(me) {
                0 => String::new(),
                unread => format!(" ({unread} unread)"),
            },
        };
        let sign = if row == selected { "▸ " } else { "  " };
        let words = text::fit(&format!("{sign}#{}{note}", text::harmless(name.as_str())), room);
        let style = model.theme.style(if row == selected { Role::Selected } else { Role::Text });
        lines.push(Line::styled(words, style));
    }
    if found.is_empty() {
        lines.push(Line::styled("no channel has this in its name", model.theme.style(Role::Quiet)));
    }
    lines.resize(2 + rows, Line::raw(""));
    let inside = dialog::dialog(model, frame, "Switch to", WIDTH, lines);
    set_cursor(frame, inside, 0, cursor);
}
