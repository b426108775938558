//! Text to read, over the screen: the help and the lists. Made from the model when drawn, so that they are never stale.

use mechat_protocol::reply::{ConnectionState, Participant, Presence};
use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::dialog;
use crate::action::ACTIONS;
use crate::model::Model;
use crate::model::overlay::Panel;
use crate::plain::format;
use crate::text;
use crate::theme::Role;
use crate::timefmt;

/// Columns inside the box.
const WIDTH: u16 = 92;

/// Draws a panel from line `top` on.
pub fn panel(model: &Model, panel: Panel, top: usize, frame: &mut Frame<'_>) {
    let lines = lines(model, panel);
    let room = rows(model);
    let hidden = lines.len().saturating_sub(room);
    let top = top.min(hidden);
    let mut shown: Vec<Line<'static>> = lines.into_iter().skip(top).take(room).collect();
    let words = match (top > 0, top < hidden) {
        (false, false) => "Esc closes",
        (false, true) => "↓ more below; Esc closes",
        (true, true) => "↑↓ more; Esc closes",
        (true, false) => "↑ more above; Esc closes",
    };
    shown.push(Line::raw(""));
    shown.push(Line::styled(words, model.theme.style(Role::Accent)));
    dialog::dialog(model, frame, title(panel), WIDTH, shown);
}

/// The last line from which a panel can be shown.
pub fn scroll_max(model: &Model, panel: Panel) -> usize {
    lines(model, panel).len().saturating_sub(rows(model))
}

/// Rows for text: the screen less frame, status line and foot.
fn rows(model: &Model) -> usize {
    usize::from(model.size.1.saturating_sub(5)).max(1)
}

const fn title(panel: Panel) -> &'static str {
    match panel {
        Panel::Help => "Help",
        Panel::Channels => "Channels",
        Panel::Sessions => "Sessions",
        Panel::Users => "Everyone on this relay",
        Panel::Who => "Participants",
        Panel::Connections => "Connections",
        Panel::Invite => "Invite",
    }
}

fn lines(model: &Model, panel: Panel) -> Vec<Line<'static>> {
    let room = dialog::room(model, WIDTH);
    match panel {
        Panel::Help => help(model, room),
        Panel::Channels => wrapped(channels(model), room),
        Panel::Sessions => wrapped(sessions(model), room),
        Panel::Users => wrapped(format::participants(&model.everyone), room),
        Panel::Who => wrapped(who(model), room),
        Panel::Connections => wrapped(connections(model), room),
        Panel::Invite => invite(model, room),
    }
}

fn wrapped(lines: Vec<String>, room: usize) -> Vec<Line<'static>> {
    let pieces = |line: String| -> Vec<Line<'static>> {
        text::wrap(&line, room, room).into_iter().map(|piece| Line::raw(piece.to_owned())).collect()
    };
    lines.into_iter().flat_map(pieces).collect()
}

fn help(model: &Model, room: usize) -> Vec<Line<'static>> {
    let (accent, strong) = (model.theme.style(Role::Accent), model.theme.style(Role::Strong));
    let table = |rows: Vec<(String, &'static str)>| {
        let widest = rows.iter().map(|(left, _)| text::width(left)).max().unwrap_or(0);
        let column = (widest + 2).min(room / 2);
        let mut lines = Vec::new();
        for (left, title) in rows {
            let mut left = Some(text::fit(&left, column));
            for piece in text::wrap(title, room - column, room - column) {
                let left = left.take().unwrap_or_else(|| " ".repeat(column));
                lines.push(Line::from(vec![Span::styled(left, accent), Span::raw(piece.to_owned())]));
            }
        }
        lines
    };
    let mut lines = vec![Line::styled("Keys", strong)];
    let keyed = ACTIONS.iter().filter(|action| !action.keys.is_empty());
    lines.extend(table(keyed.map(|action| (action.keys_text(), action.title)).collect()));
    lines.push(Line::raw(""));
    lines.push(Line::styled("Commands", strong));
    let typed = ACTIONS.iter().filter_map(|action| {
        let aliases = action.slash?.aliases.iter().flat_map(|alias| [", /", alias]).collect::<String>();
        Some((format!("{}{aliases}", action.slash_text()), action.title))
    });
    lines.extend(table(typed.collect()));
    lines.push(Line::raw(""));
    lines.extend(wrapped(vec!["// at the start of a message sends one slash.".to_owned()], room));
    lines
}

fn channels(model: &Model) -> Vec<String> {
    if model.known.is_empty() {
        return vec!["There is no channel yet; /create NAME makes one.".to_owned()];
    }
    let line = |info: &mechat_protocol::reply::ChannelInfo| {
        let joined = if model.channel(info.channel).is_some() { "joined" } else { "      " };
        let people = if info.members == 1 {
            "1 participant".to_owned()
        } else {
            format!("{} participants", info.members)
        };
        let (name, host) = (text::harmless(info.name.as_str()), text::harmless(info.host.as_str()));
        format!("{joined}  #{name}, {people}, host @{host}")
    };
    model.known.iter().map(line).collect()
}

fn sessions(model: &Model) -> Vec<String> {
    format::sessions(&model.known, &model.zone)
}

fn who(model: &Model) -> Vec<String> {
    let members = model.current().and_then(|channel| channel.members.as_ref());
    let people: Vec<Participant> = members
        .into_iter()
        .flatten()
        .map(|account| Participant {
            account: account.clone(),
            presence: model.presence.get(account).copied().unwrap_or(Presence::Disconnected),
        })
        .collect();
    format::participants(&people)
}

fn connections(model: &Model) -> Vec<String> {
    format::connections(&model.connections, &model.zone)
}

fn invite(model: &Model, room: usize) -> Vec<Line<'static>> {
    let Some(invite) = crate::update::invite(model) else {
        return vec![Line::raw("There is no relay to invite to yet.")];
    };
    let mut lines = wrapped(vec!["Others join in one step with this link:".to_owned(), String::new()], room);
    let link = invite.to_string();
    let accent = model.theme.style(Role::Accent);
    lines.extend(
        text::wrap(&link, room, room).into_iter().map(|piece| Line::styled(piece.to_owned(), accent)),
    );
    lines.push(Line::raw(""));
    lines.extend(wrapped(vec![format!("mechat-tui '{link}'")], room));
    if invite.address.is_loopback() {
        lines.push(Line::raw(""));
        let words = "This address is this machine's own: replace it with one that others can reach.";
        lines.extend(wrapped(vec![words.to_owned()], room));
    }
    lines
}

/// A connection's state in a word.
pub const fn state_word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Pending => "Pending",
        ConnectionState::Connected => "Connected",
        ConnectionState::Disconnected => "Disconnected",
        ConnectionState::Unknown => "Unknown",
    }
}

/// When, for a list.
pub fn since(at: mechat_protocol::UnixMillis, zone: &jiff::tz::TimeZone) -> String {
    timefmt::created(at, zone)
}
