//! The line at the bottom: where the link stands, who and where one is, what waits elsewhere.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint;
use crate::action::{ActionId, Mode};
use crate::model::{Link, Model, Screen};
use crate::text;
use crate::theme::Role;

/// Told where there is room; the form tells it on every screen.
const NO_KEYRING: &str = "  no keyring: the password is asked for each time";

/// Where the link stands, in words.
pub fn link_words(model: &Model) -> String {
    match &model.link {
        Link::Idle => "no relay chosen".to_owned(),
        Link::Connecting { attempt: 0 | 1 } => "connecting…".to_owned(),
        Link::Connecting { attempt } => format!("connecting, attempt {attempt}…"),
        Link::Up if matches!(model.screen, Screen::Chat) && !model.signed_in => "signing in…".to_owned(),
        Link::Up if matches!(model.screen, Screen::Chat) && !model.caught_up => "catching up…".to_owned(),
        Link::Up if model.signed_in && matches!(model.screen, Screen::Chat) => "online".to_owned(),
        Link::Up => "online, not signed in".to_owned(),
        Link::Down { retry_at, .. } => {
            format!("offline, retry in {} s", seconds_until(*retry_at, model.now.steady))
        }
        Link::Untrusted => "offline: certificate not trusted".to_owned(),
        Link::Failed { .. } => "offline".to_owned(),
    }
}

/// Why the link is down, in words.
pub fn link_reason(model: &Model) -> Option<String> {
    match &model.link {
        Link::Down { reason, .. } | Link::Failed { reason } => Some(text::harmless(reason).into_owned()),
        _ => None,
    }
}

/// Whole seconds, rounded up.
pub fn seconds_until(at: Duration, now: Duration) -> u64 {
    let left = at.saturating_sub(now);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// Something at the right end that can be pressed.
struct Hint {
    action: ActionId,
    words: String,
}

/// What is said, and the hints that still fit: the words come first, the help always.
fn parts(model: &Model) -> (String, Vec<Hint>) {
    let width = usize::from(model.size.0);
    let mut words = words(model);
    let mut room = width.saturating_sub(text::width(&words));
    let hint = |action, title: &str| {
        let key = model.keymap().first_key(action).unwrap_or_else(|| "/help".to_owned());
        let words = if width >= 60 { format!(" {key} {title} ") } else { format!(" {key} ") };
        Hint { action, words }
    };
    let help = hint(ActionId::Help, "help");
    room = room.saturating_sub(text::width(&help.words));
    let mut hints = vec![help];
    if let Some(problem) = model.preferences.problems.first() {
        let words = format!(" ✗ config line {} ", problem.line);
        room = room.saturating_sub(text::width(&words));
        hints.insert(0, Hint { action: ActionId::Configuration, words });
    }
    let chat = matches!(model.screen, Screen::Chat) && model.overlay.is_none();
    let more: &[(ActionId, &str)] = match (chat, model.unread_elsewhere()) {
        (false, _) => &[],
        (true, 0) => &[(ActionId::Switcher, "go to"), (ActionId::Palette, "do")],
        (true, _) => {
            &[(ActionId::NextUnread, "next unread"), (ActionId::Switcher, "go to"), (ActionId::Palette, "do")]
        }
    };
    for (action, title) in more {
        let hint = hint(*action, title);
        let cells = text::width(&hint.words);
        // A gap keeps words and hints apart.
        if width >= 60 && cells + 2 <= room {
            room -= cells;
            hints.insert(0, hint);
        }
    }
    if model.no_keyring && text::width(NO_KEYRING) + 2 <= room {
        words.push_str(NO_KEYRING);
    }
    (words, hints)
}

fn words(model: &Model) -> String {
    let mut parts = Vec::new();
    parts.extend(link_reason(model));
    if let (Some(account), Some(target)) = (&model.account, &model.target) {
        parts.push(format!("@{} at {}", text::harmless(account.name.as_str()), target.address));
    } else if let Some(target) = &model.target {
        parts.push(target.address.to_string());
    }
    if matches!(model.screen, Screen::Chat) {
        parts.extend(
            model.current().map(|channel| format!("#{}", text::harmless(channel.info.name.as_str()))),
        );
        match model.unread_elsewhere() {
            0 => {}
            unread => parts.push(format!("{unread} unread elsewhere")),
        }
    }
    let mode = match (model.keymap().has_modes() && matches!(model.screen, Screen::Chat), model.mode) {
        (false, _) => "",
        (true, Mode::Normal) => " NORMAL ",
        (true, Mode::Insert) => " INSERT ",
    };
    format!("{mode} {} {}  {}", glyph(&model.link), link_words(model), parts.join("  "))
}

/// The action of the hint at a place on the screen.
pub fn hint_at(model: &Model, x: u16, y: u16) -> Option<ActionId> {
    if y + 1 != model.size.1 {
        return None;
    }
    let mut left = usize::from(model.size.0.checked_sub(x)?);
    parts(model).1.into_iter().rev().find_map(|hint| {
        let cells = text::width(&hint.words);
        if left <= cells {
            return Some(hint.action);
        }
        left -= cells;
        None
    })
}

/// Draws the line.
pub fn status(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let (words, hints) = parts(model);
    let taken: usize = hints.iter().map(|hint| text::width(&hint.words)).sum();
    let room = usize::from(area.width).saturating_sub(taken);
    let bar = model.theme.style(Role::Bar);
    let mut spans = vec![Span::styled(text::fit(&words, room), bar)];
    for Hint { words, .. } in hints {
        let title = words
            .trim_start()
            .find(' ')
            .map_or(words.len(), |at| at + words.len() - words.trim_start().len());
        let (key, title) = words.split_at(title);
        spans.push(Span::styled(key.to_owned(), model.theme.style(Role::BarKey)));
        spans.push(Span::styled(title.to_owned(), bar));
    }
    paint(frame, area, [Line::from(spans)]);
}

const fn glyph(link: &Link) -> &'static str {
    match link {
        Link::Up => "●",
        Link::Connecting { .. } => "◌",
        Link::Idle | Link::Down { .. } | Link::Untrusted | Link::Failed { .. } => "○",
    }
}
