//! Text to read, over the screen: the help and the lists. Made from the model when drawn, so that they are never stale.

use mechat_protocol::reply::{ConnectionState, Participant, Presence};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::dialog;
use super::form::{field_line, set_cursor};
use crate::action::{ACTIONS, Action, Group};
use crate::model::overlay::Panel;
use crate::model::{LineEdit, Model, Overlay};
use crate::plain::format;
use crate::text;
use crate::theme::Role;
use crate::timefmt;

/// Columns inside the box.
const WIDTH: u16 = 92;

/// Draws a panel from line `top` on.
pub fn panel(model: &Model, panel: Panel, top: usize, frame: &mut Frame<'_>) {
    let closes = "Esc closes";
    framed(model, title(panel), Vec::new(), lines(model, panel), (top, closes), frame);
}

/// Draws the help: what has the words that were typed, from line `top` on.
pub fn help(model: &Model, filter: &LineEdit, top: usize, frame: &mut Frame<'_>) {
    let room = dialog::room(model, WIDTH);
    let (field, cursor) = field_line(model, "Search", filter, true, room);
    let preset = model.keymap().preset_name();
    let title = if preset == "default" { "Help".to_owned() } else { format!("Help, keys of {preset}") };
    let closes = if filter.text().is_empty() { "type to search; Esc closes" } else { "Esc clears" };
    let head = vec![field, Line::raw("")];
    let inside = framed(model, &title, head, help_lines(model, filter.text(), room), (top, closes), frame);
    set_cursor(frame, inside, 0, cursor);
}

fn framed(
    model: &Model,
    title: &str,
    head: Vec<Line<'static>>,
    lines: Vec<Line<'static>>,
    (top, closes): (usize, &str),
    frame: &mut Frame<'_>,
) -> Rect {
    let room = rows(model).saturating_sub(head.len()).max(1);
    let hidden = lines.len().saturating_sub(room);
    let top = top.min(hidden);
    let mut shown = head;
    let from = shown.len();
    shown.extend(lines.into_iter().skip(top).take(room));
    if from > 0 {
        // A search that finds little must not make the box jump.
        shown.resize(from + room, Line::raw(""));
    }
    let more = match (top > 0, top < hidden) {
        (false, false) => "",
        (false, true) => "↓ more below; ",
        (true, true) => "↑↓ more; ",
        (true, false) => "↑ more above; ",
    };
    shown.push(Line::raw(""));
    shown.push(Line::styled(format!("{more}{closes}"), model.theme.style(Role::Accent)));
    dialog::dialog(model, frame, title, WIDTH, shown)
}

/// The last line from which the text that is open can be shown.
pub fn scroll_max(model: &Model) -> usize {
    match &model.overlay {
        Some(Overlay::Panel(panel, _)) => lines(model, *panel).len().saturating_sub(rows(model)),
        Some(Overlay::Help(filter, _)) => {
            let lines = help_lines(model, filter.text(), dialog::room(model, WIDTH));
            lines.len().saturating_sub(rows(model).saturating_sub(2).max(1))
        }
        _ => 0,
    }
}

/// The box at its highest, for the mouse: a press beside a low one may miss it, but never closes one that was hit.
pub fn outside(model: &Model) -> Rect {
    let lines = match &model.overlay {
        Some(Overlay::Panel(panel, _)) => lines(model, *panel).len().min(rows(model)) + 2,
        _ => rows(model) + 2,
    };
    let screen = Rect::new(0, 0, model.size.0, model.size.1);
    dialog::outside(screen, WIDTH, u16::try_from(lines).unwrap_or(u16::MAX))
}

/// Rows for text: the screen less frame, status line and foot.
fn rows(model: &Model) -> usize {
    usize::from(model.size.1.saturating_sub(5)).max(1)
}

const fn title(panel: Panel) -> &'static str {
    match panel {
        Panel::Channels => "Channels",
        Panel::Sessions => "Sessions",
        Panel::Users => "Everyone on this relay",
        Panel::Who => "Participants",
        Panel::Connections => "Connections",
        Panel::Invite => "Invite",
        Panel::Configuration => "Configuration",
        Panel::Profile => "Profile",
    }
}

fn lines(model: &Model, panel: Panel) -> Vec<Line<'static>> {
    let room = dialog::room(model, WIDTH);
    match panel {
        Panel::Channels => wrapped(channels(model), room),
        Panel::Sessions => wrapped(sessions(model), room),
        Panel::Users => wrapped(format::participants(&model.everyone), room),
        Panel::Who => wrapped(who(model), room),
        Panel::Connections => wrapped(connections(model), room),
        Panel::Invite => invite(model, room),
        Panel::Configuration => configuration(model, room),
        Panel::Profile => wrapped(profile(model), room),
    }
}

fn wrapped(lines: Vec<String>, room: usize) -> Vec<Line<'static>> {
    let pieces = |line: String| -> Vec<Line<'static>> {
        text::wrap(&line, room, room).into_iter().map(|piece| Line::raw(piece.to_owned())).collect()
    };
    lines.into_iter().flat_map(pieces).collect()
}

/// Keys and commands by group, as far as their words have what is looked for.
fn help_lines(model: &Model, wanted: &str, room: usize) -> Vec<Line<'static>> {
    let strong = model.theme.style(Role::Strong);
    let wanted = wanted.trim().to_lowercase();
    let rows = |group: Group| {
        let actions = ACTIONS.iter().filter(move |action| action.group == group);
        let rows = actions.map(|action| help_row(model, action)).filter(|row| !row.left.is_empty());
        rows.filter(|row| row.has(&wanted)).collect::<Vec<HelpRow>>()
    };
    let groups: Vec<(Group, Vec<HelpRow>)> = Group::ALL
        .map(|group| (group, rows(group)))
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let widest =
        groups.iter().flat_map(|(_, rows)| rows).map(|row| text::width(&row.left)).max().unwrap_or(0);
    let column = (widest + 2).min(room / 2);
    let mut lines = Vec::new();
    for (group, rows) in groups {
        if !lines.is_empty() {
            lines.push(Line::raw(""));
        }
        lines.push(Line::styled(group.title(), strong));
        lines.extend(rows.iter().flat_map(|row| row.lines(model, column, room)));
    }
    if lines.is_empty() {
        lines.push(Line::styled("nothing has these words", model.theme.style(Role::Quiet)));
    } else if wanted.is_empty() {
        lines.push(Line::raw(""));
        let more = "// at the start of a message sends one slash. Shift with the mouse selects text as in any program. \
            Keys are changed in";
        lines.extend(wrapped(vec![format!("{more} {}", model.preferences.file)], room));
    }
    lines
}

/// An action in the help.
struct HelpRow {
    left: String,
    title: &'static str,
    name: &'static str,
}

fn help_row(model: &Model, action: &'static Action) -> HelpRow {
    let keys = model.keymap().keys_text(action.id);
    let slash = action.slash_text();
    let aliases = action.slash.map_or(&[][..], |slash| slash.aliases);
    let aliases: String = aliases.iter().flat_map(|alias| [", /", alias]).collect();
    let left = [keys, format!("{slash}{aliases}")].into_iter().filter(|part| !part.is_empty());
    HelpRow { left: left.collect::<Vec<_>>().join("  "), title: action.title, name: action.name }
}

impl HelpRow {
    fn has(&self, wanted: &str) -> bool {
        let all = format!("{} {} {}", self.left, self.title, self.name).to_lowercase();
        wanted.split_whitespace().all(|word| all.contains(word))
    }

    /// Two columns; what is too long for the first takes lines of its own.
    fn lines(&self, model: &Model, column: usize, room: usize) -> Vec<Line<'static>> {
        let accent = model.theme.style(Role::Accent);
        let left = text::wrap(&self.left, column.saturating_sub(2), column.saturating_sub(2));
        let right = text::wrap(self.title, room - column, room - column);
        (0..left.len().max(right.len()))
            .map(|at| {
                let left = text::fit(left.get(at).copied().unwrap_or(""), column);
                let right = right.get(at).copied().unwrap_or("").to_owned();
                Line::from(vec![Span::styled(left, accent), Span::raw(right)])
            })
            .collect()
    }
}

fn configuration(model: &Model, room: usize) -> Vec<Line<'static>> {
    let preferences = &model.preferences;
    let mut lines = wrapped(vec![format!("The configuration is {}", preferences.file), String::new()], room);
    if preferences.problems.is_empty() {
        let config = &preferences.config;
        let on = |on| if on { "on" } else { "off" };
        lines.extend(wrapped(
            vec![
                format!("keys    preset {}", config.keymap.preset_name()),
                format!("theme   {}", model.theme.palette().name),
                format!("mouse   {}", on(config.mouse)),
                String::new(),
                "Nothing is wrong in it. /reload reads it again; so does coming back to this window."
                    .to_owned(),
            ],
            room,
        ));
        return lines;
    }
    let error = model.theme.style(Role::Error);
    for problem in &preferences.problems {
        let words = format!("✗ {}", text::harmless(&problem.to_string()));
        lines.extend(
            text::wrap(&words, room, room).into_iter().map(|line| Line::styled(line.to_owned(), error)),
        );
    }
    lines.push(Line::raw(""));
    lines.extend(wrapped(vec!["What held before holds until this is mended.".to_owned()], room));
    lines
}

fn channels(model: &Model) -> Vec<String> {
    if model.known.is_empty() {
        return vec!["There is no channel yet; /create #CHANNEL makes one.".to_owned()];
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

fn profile(model: &Model) -> Vec<String> {
    let Some(profile) = &model.profile else { return vec!["asking the relay…".to_owned()] };
    let name = text::harmless(profile.account.as_str());
    let here = match profile.presence {
        Presence::Connected => "connected",
        _ => "disconnected",
    };
    let common = model
        .channels
        .iter()
        .filter(|channel| channel.members.as_ref().is_some_and(|members| members.contains(&profile.account)));
    let common: Vec<String> =
        common.map(|channel| format!("#{}", text::harmless(channel.info.name.as_str()))).collect();
    vec![
        format!("@{name}, {here}{}", if profile.admin { ", admin of the relay" } else { "" }),
        format!("registered {}", since(profile.registered_ms, &model.zone)),
        // Members of a channel are known once it was shown.
        format!(
            "seen in {}",
            if common.is_empty() { "no channel of yours".to_owned() } else { common.join(" ") }
        ),
    ]
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
