//! Before the chat: the relay picker, the wait for the link, the menu.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::form::{field_line, set_cursor};
use super::status::{link_reason, seconds_until};
use super::{dialog, status};
use crate::model::{Link, Model, Picker, Screen, Tone};
use crate::text;
use crate::theme::Role;

/// Columns inside the boxes here.
const WIDTH: u16 = 60;

/// What it means that there is no keyring.
pub const NO_KEYRING: &str = "no keyring here: the password is asked for each time";

fn status_area(frame: &Frame<'_>) -> Rect {
    let area = frame.area();
    Rect { y: area.bottom().saturating_sub(1), height: 1, ..area }
}

fn wrapped(model: &Model, words: &str, role: Role) -> Vec<Line<'static>> {
    let room = dialog::room(model, WIDTH);
    let style = model.theme.style(role);
    let safe = text::lines(words);
    safe.iter()
        .flat_map(|line| text::wrap(line, room, room))
        .map(|piece| Line::styled(piece.to_owned(), style))
        .collect()
}

fn keys_line(model: &Model, keys: &[(&'static str, &'static str)]) -> Vec<Line<'static>> {
    let room = dialog::room(model, WIDTH);
    let mut lines = vec![Line::default()];
    let mut used = 0;
    for (key, words) in keys {
        let cells = text::width(key) + text::width(words) + 3;
        if used + cells > room && used > 0 {
            lines.push(Line::default());
            used = 0;
        }
        used += cells;
        if let Some(line) = lines.last_mut() {
            line.spans.extend([
                Span::styled(*key, model.theme.style(Role::Accent)),
                Span::styled(format!(" {words}  "), model.theme.style(Role::Quiet)),
            ]);
        }
    }
    lines
}

fn notice_lines(model: &Model) -> Vec<Line<'static>> {
    let Some(notice) = &model.notice else { return Vec::new() };
    let (sign, role) = match notice.tone {
        Tone::Info => ("•", Role::Strong),
        Tone::Error => ("✗", Role::Error),
    };
    let mut lines = vec![Line::raw("")];
    lines.extend(wrapped(model, &format!("{sign} {}", notice.text), role));
    lines
}

/// A box with rows to choose from: its lines, which of them is which row, and where the cursor is.
#[derive(Default)]
struct Choices {
    lines: Vec<Line<'static>>,
    rows: Vec<(usize, usize)>,
    cursor: Option<(usize, usize)>,
}

impl Choices {
    fn row(&mut self, row: usize, line: Line<'static>) {
        self.rows.push((self.lines.len(), row));
        self.lines.push(line);
    }
}

/// The row of the picker or of the menu at a place on the screen.
pub fn row_at(model: &Model, x: u16, y: u16) -> Option<usize> {
    let choices = match &model.screen {
        Screen::Start(picker) => picker_choices(model, picker),
        Screen::Menu(selected) => menu_choices(model, *selected),
        Screen::Connecting | Screen::Form(_) | Screen::Chat => return None,
    };
    let height = u16::try_from(choices.lines.len()).unwrap_or(u16::MAX);
    let inside = dialog::area(Rect::new(0, 0, model.size.0, model.size.1), WIDTH, height);
    let line = usize::from(y.checked_sub(inside.y)?);
    let row = choices.rows.iter().find(|(at, _)| *at == line)?.1;
    inside.contains((x, y).into()).then_some(row)
}

/// The relay picker.
pub fn picker(model: &Model, picker: &Picker, frame: &mut Frame<'_>) {
    let Choices { lines, cursor, .. } = picker_choices(model, picker);
    let inside = dialog::dialog(model, frame, "MeChat", WIDTH, lines);
    if let Some((row, column)) = cursor
        && model.overlay.is_none()
    {
        set_cursor(frame, inside, row, column);
    }
    status::status(model, status_area(frame), frame);
}

fn picker_choices(model: &Model, picker: &Picker) -> Choices {
    let room = dialog::room(model, WIDTH);
    let saved = &model.relays.relays;
    let quiet = model.theme.style(Role::Quiet);
    let mut choices = Choices::default();
    if saved.is_empty() {
        choices.lines.extend(wrapped(
            model,
            "No relay yet. Type the address of one, or paste an invite link.",
            Role::Text,
        ));
        choices.lines.extend(wrapped(model, "`mechat-tui host` runs a relay of your own.", Role::Quiet));
    } else {
        choices.lines.push(Line::styled("Relays, the last used first", quiet));
        // The chosen one stays visible on a low screen.
        let shown = usize::from(model.size.1).saturating_sub(11).max(1);
        let first = picker.selected.min(saved.len() - 1).saturating_sub(shown - 1);
        for (row, relay) in saved.iter().enumerate().skip(first).take(shown) {
            let account =
                relay.account.as_ref().map(|name| format!("  as @{}", text::harmless(name.as_str())));
            let words = format!("{}. {}{}", row + 1, relay.address, account.unwrap_or_default());
            choices.row(row, choice(model, &words, row == picker.selected, room));
        }
    }
    choices.lines.push(Line::raw(""));
    let in_field = picker.selected >= saved.len();
    let (field, cursor) = field_line(model, "New relay", &picker.field, in_field, room);
    choices.cursor = in_field.then_some((choices.lines.len(), cursor));
    choices.row(saved.len(), field);
    let lines = &mut choices.lines;
    match &picker.error {
        Some(error) => lines.extend(wrapped(model, &format!("✗ {error}"), Role::Error)),
        None => lines.push(Line::styled("  HOST, HOST:PORT or mechat://…", quiet)),
    }
    lines.extend(notice_lines(model));
    lines.push(Line::raw(""));
    let keys: &[_] = if in_field {
        &[("Enter", "connect"), ("↑↓", "choose"), ("Esc", "clear, quit")]
    } else {
        &[("Enter", "connect"), ("↑↓", "choose"), ("Del", "forget"), ("q", "quit")]
    };
    lines.extend(keys_line(model, keys));
    choices
}

fn choice(model: &Model, words: &str, selected: bool, room: usize) -> Line<'static> {
    let sign = if selected { "▸ " } else { "  " };
    let style = model.theme.style(if selected { Role::Selected } else { Role::Text });
    Line::styled(text::fit(&format!("{sign}{words}"), room), style)
}

/// No connection yet: what is tried, why it failed, when next.
pub fn connecting(model: &Model, frame: &mut Frame<'_>) {
    let address =
        model.target.as_ref().map_or_else(|| "the relay".to_owned(), |target| target.address.to_string());
    let (head, role) = match &model.link {
        Link::Connecting { .. } if model.target.is_none() => {
            ("Starting the relay…".to_owned(), Role::Waiting)
        }
        Link::Connecting { attempt: 0 | 1 } => (format!("Connecting to {address} …"), Role::Waiting),
        Link::Connecting { attempt } => {
            (format!("Connecting to {address}, attempt {attempt} …"), Role::Waiting)
        }
        Link::Up if model.welcome.is_none() => {
            (format!("Connected to {address}; waiting for its hello …"), Role::Waiting)
        }
        Link::Up => (format!("Connected to {address}; signing in …"), Role::Waiting),
        Link::Down { .. } => (format!("Not connected to {address}"), Role::Error),
        Link::Untrusted => (format!("{address} is not trusted"), Role::Error),
        Link::Failed { .. } => (format!("Cannot talk to {address}"), Role::Error),
        Link::Idle => ("No relay chosen".to_owned(), Role::Text),
    };
    let mut lines = wrapped(model, &head, role);
    if let Some(reason) = link_reason(model) {
        lines.extend(wrapped(model, &reason, Role::Text));
    }
    match &model.link {
        Link::Down { retry_at, attempt, .. } => {
            let seconds = seconds_until(*retry_at, model.now.steady);
            let tries = if *attempt == 1 { "1 try".to_owned() } else { format!("{attempt} tries") };
            lines.extend(wrapped(
                model,
                &format!("Next try in {seconds} s (after {tries}); it goes on by itself."),
                Role::Quiet,
            ));
        }
        Link::Failed { .. } => {
            lines.extend(wrapped(model, "It will not be tried again by itself.", Role::Quiet));
        }
        _ => {}
    }
    lines.extend(notice_lines(model));
    lines.push(Line::raw(""));
    let keys: &[_] = if model.hosting.is_some() {
        &[("Enter", "try now"), ("q", "quit")]
    } else {
        &[("Enter", "try now"), ("Esc", "another relay"), ("q", "quit")]
    };
    lines.extend(keys_line(model, keys));
    dialog::dialog(model, frame, "MeChat", WIDTH, lines);
    status::status(model, status_area(frame), frame);
}

/// The menu of a relay.
pub fn menu(model: &Model, selected: usize, frame: &mut Frame<'_>) {
    dialog::dialog(model, frame, "MeChat", WIDTH, menu_choices(model, selected).lines);
    status::status(model, status_area(frame), frame);
}

fn menu_choices(model: &Model, selected: usize) -> Choices {
    let room = dialog::room(model, WIDTH);
    let mut choices = Choices::default();
    let lines = &mut choices.lines;
    if let (Some(target), Some(welcome)) = (&model.target, &model.welcome) {
        let agent = text::harmless(&welcome.agent).into_owned();
        lines.extend(wrapped(model, &format!("{} · {agent}", target.address), Role::Quiet));
        if let Some(motd) = &welcome.motd {
            let room_left = usize::from(model.size.1).saturating_sub(13).max(1);
            lines.extend(wrapped(model, motd, Role::Text).into_iter().take(room_left));
        }
        lines.push(Line::raw(""));
    }
    let list = match &model.welcome {
        Some(welcome) if !welcome.participants_before_sign_in => "list participants (after sign-in)",
        _ => "list participants",
    };
    for (row, words) in ["register", "log in", list, "quit"].into_iter().enumerate() {
        choices.row(row, choice(model, &format!("[{}] {words}", row + 1), row == selected, room));
    }
    let lines = &mut choices.lines;
    if model.no_keyring {
        lines.extend(wrapped(model, NO_KEYRING, Role::Quiet));
    }
    lines.extend(notice_lines(model));
    lines.push(Line::raw(""));
    let keys: &[_] = if model.hosting.is_some() {
        &[("1-4", "choose"), ("↑↓ Enter", "choose")]
    } else {
        &[("1-4", "choose"), ("↑↓ Enter", "choose"), ("Esc", "another relay")]
    };
    lines.extend(keys_line(model, keys));
    choices
}
