//! The line at the bottom: where the link stands, who and where one is, what waits elsewhere.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint;
use crate::model::{Link, Model, Screen};
use crate::text;
use crate::theme::Role;

/// Where the link stands, in words.
pub fn link_words(model: &Model) -> String {
    match &model.link {
        Link::Idle => "no relay chosen".to_owned(),
        Link::Connecting { attempt: 0 | 1 } => "connecting…".to_owned(),
        Link::Connecting { attempt } => format!("connecting, attempt {attempt}…"),
        Link::Up if model.account.is_some() && matches!(model.screen, Screen::Chat) => "online".to_owned(),
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

/// Draws the line.
pub fn status(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let (glyph, mut parts) = (glyph(&model.link), Vec::new());
    if let (Some(account), Some(target)) = (&model.account, &model.target) {
        parts.push(format!("@{}@{}", text::harmless(account.name.as_str()), target.address));
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
    if let Some(reason) = link_reason(model) {
        parts.insert(0, reason);
    }
    let help = if width >= 60 { " F1 help " } else { " F1 " };
    let words = format!(" {glyph} {}", link_words(model));
    let room = width.saturating_sub(text::width(help));
    let line = format!("{words}  {}", parts.join("  "));
    let bar = model.theme.style(Role::Bar);
    let line = Line::from(vec![Span::styled(text::fit(&line, room), bar), Span::styled(help, bar)]);
    paint(frame, area, [line]);
}

const fn glyph(link: &Link) -> &'static str {
    match link {
        Link::Up => "●",
        Link::Connecting { .. } => "◌",
        Link::Idle | Link::Down { .. } | Link::Untrusted | Link::Failed { .. } => "○",
    }
}
