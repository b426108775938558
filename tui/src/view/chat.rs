//! The chat: the panes, the messages, the composer, the line at the bottom.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::{self, Chat};
use super::{composer, paint, panes, status, timeline};
use crate::action::ActionId;
use crate::model::{Channel, Model, Scroll, Tone};
use crate::text;
use crate::theme::Role;

/// Draws the chat.
pub fn chat(model: &Model, frame: &mut Frame<'_>) {
    let parts = layout::chat(model);
    banner(model, parts.banner, frame);
    let narrow = layout::is_narrow(model.size);
    match (narrow, parts.channels, parts.participants) {
        (true, Some(area), _) => panes::channels(model, area, frame),
        (true, None, Some(area)) => panes::participants(model, area, frame),
        _ => {
            centre(model, &parts, frame);
            if let Some(area) = parts.channels {
                panes::channels(model, area, frame);
                rule(model, area.right(), area, frame);
            }
            if let Some(area) = parts.participants {
                panes::participants(model, area, frame);
                rule(model, area.x - 2, area, frame);
            }
        }
    }
    status::status(model, parts.status, frame);
}

fn rule(model: &Model, x: u16, area: Rect, frame: &mut Frame<'_>) {
    let style = model.theme.style(Role::Rule);
    for y in area.top()..area.bottom() {
        frame.buffer_mut().set_string(x, y, "│", style);
    }
}

fn banner(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let Some(invite) = crate::update::invite(model) else { return };
    let width = usize::from(area.width);
    if area.height == 1 {
        let words = text::fit("Others join with a link: /invite", width);
        return paint(frame, area, [Line::styled(words, model.theme.style(Role::Strong))]);
    }
    let title = text::fit(" Others join with this link (Esc hides it, /invite shows it again):", width);
    let link = invite.to_string();
    let mut lines = vec![Line::styled(title, model.theme.style(Role::Strong))];
    lines.extend(
        text::wrap(&link, width, width)
            .into_iter()
            .map(|piece| Line::styled(piece.to_owned(), model.theme.style(Role::Accent))),
    );
    lines.push(Line::styled("─".repeat(width), model.theme.style(Role::Rule)));
    paint(frame, area, lines);
}

fn centre(model: &Model, parts: &Chat, frame: &mut Frame<'_>) {
    title(model, parts.title, frame);
    match model.current() {
        Some(channel) => messages(model, channel, parts.timeline, frame),
        None => nothing_joined(model, parts.timeline, frame),
    }
    notice(model, parts.notice, frame);
    cue(model, parts.rule, frame);
    let active = model.overlay.is_none() && model.trust.is_none_or(|trust| !trust.shown);
    composer::composer(model, parts.composer, active, frame);
    composer::popup(model, parts.timeline, frame);
}

fn title(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let Some(channel) = model.current() else { return };
    let info = &channel.info;
    let members = channel.members.as_ref().map_or(info.members as usize, std::collections::BTreeSet::len);
    let people = if members == 1 { "1 participant".to_owned() } else { format!("{members} participants") };
    let name = format!("#{}", text::harmless(info.name.as_str()));
    let topic = match text::harmless(info.topic.as_str()) {
        topic if topic.trim().is_empty() => String::new(),
        topic => format!(" · {topic}"),
    };
    let more = format!("{topic} · {people} · host @{}", text::harmless(info.host.as_str()));
    let room = usize::from(area.width).saturating_sub(text::width(&name));
    let line = Line::from(vec![
        Span::styled(name, model.theme.style(Role::Strong)),
        Span::styled(text::clip(&more, room).into_owned(), model.theme.style(Role::Quiet)),
    ]);
    paint(frame, area, [line]);
}

fn messages(model: &Model, channel: &Channel, area: Rect, frame: &mut Frame<'_>) {
    if channel.rows() == 0 {
        let width = usize::from(area.width);
        let mut lines = Vec::new();
        if channel.at_start {
            lines.push(timeline::beginning(model, channel, width));
            lines.push(Line::styled("nobody has said anything yet", model.theme.style(Role::Quiet)));
            lines.push(Line::raw(""));
            let first = [ActionId::Invite, ActionId::Palette, ActionId::Switcher, ActionId::Help];
            lines.extend(hints(model, &first, area.width));
        } else {
            lines.push(Line::styled("loading messages…", model.theme.style(Role::Quiet)));
        }
        return paint(frame, area, lines);
    }
    let shown = timeline::shown(model, channel);
    let y = timeline::first_y(model, shown.len());
    let area = Rect { y, height: area.bottom().saturating_sub(y), ..area };
    paint(frame, area, shown.into_iter().map(|shown| shown.line));
}

fn nothing_joined(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let strong = model.theme.style(Role::Strong);
    let mut lines = vec![Line::styled("You are in no channel yet.", strong), Line::raw("")];
    lines.extend(hints(model, &[ActionId::Join, ActionId::Create, ActionId::Switcher], area.width));
    let names: Vec<String> =
        model.available().map(|info| format!("#{}", text::harmless(info.name.as_str()))).collect();
    if !names.is_empty() {
        let room = usize::from(area.width);
        let all = format!("There are: {}", names.join(" "));
        lines.push(Line::raw(""));
        lines.extend(text::wrap(&all, room, room).into_iter().map(|piece| Line::raw(piece.to_owned())));
    }
    paint(frame, area, lines);
}

/// What one can do about an empty screen: the key, or else the command, and what it does.
fn hints(model: &Model, actions: &[ActionId], width: u16) -> Vec<Line<'static>> {
    let (accent, quiet) = (model.theme.style(Role::Accent), model.theme.style(Role::Quiet));
    let rows = actions.iter().map(|id| {
        let action = id.action();
        (model.keymap().first_key(*id).unwrap_or_else(|| action.slash_text()), action.title)
    });
    let rows: Vec<(String, &str)> = rows.collect();
    let column = rows.iter().map(|(key, _)| text::width(key)).max().unwrap_or(0) + 2;
    let room = usize::from(width).saturating_sub(column);
    let line = |(key, title): (String, &str)| {
        let title = text::clip(title, room).into_owned();
        Line::from(vec![Span::styled(text::fit(&key, column), accent), Span::styled(title, quiet)])
    };
    rows.into_iter().map(line).collect()
}

fn notice(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let Some(notice) = &model.notice else { return };
    let (sign, role) = match notice.tone {
        Tone::Info => ("• ", Role::Strong),
        Tone::Error => ("✗ ", Role::Error),
    };
    let style = model.theme.style(role);
    let lines = layout::notice_lines(&notice.text, area.width);
    paint(
        frame,
        area,
        lines.into_iter().enumerate().map(|(number, line)| {
            Line::styled(format!("{}{line}", if number == 0 { sign } else { "  " }), style)
        }),
    );
}

/// What letters do while a message is chosen.
fn chosen_words(model: &Model) -> String {
    let said = [
        (ActionId::Actions, "all"),
        (ActionId::Reply, "reply"),
        (ActionId::React, "react"),
        (ActionId::Dismiss, "back"),
    ];
    let keys =
        said.into_iter().filter_map(|(id, what)| Some(format!("{} {what}", model.keymap().last_key(id)?)));
    format!("chosen: {}", keys.collect::<Vec<_>>().join("  "))
}

/// The line over the composer; while one reads older messages it says what is below.
fn cue(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let rule = model.theme.style(Role::Rule);
    let key = model.keymap().first_key(ActionId::ScrollEnd).unwrap_or_else(|| "Esc".to_owned());
    let words = match model.current() {
        Some(_) if model.reading.chosen.is_some() => Some((chosen_words(model), Role::Accent)),
        Some(channel) if channel.scroll != Scroll::Bottom => match channel.unread() {
            new if new.is_none() => Some((format!("older messages: {key} goes to the newest"), Role::Quiet)),
            new if new.news == 1 && !new.more => {
                Some((format!("↓ 1 new message; {key} goes there"), Role::Unread))
            }
            new => Some((format!("↓ {new} new messages; {key} goes there"), Role::Unread)),
        },
        _ => composer::typists(model),
    };
    let line = match composer::counter(model).or(words) {
        Some((words, role)) => {
            let words = text::clip(&words, width.saturating_sub(4)).into_owned();
            let rest = width.saturating_sub(text::width(&words) + 4);
            Line::from(vec![
                Span::styled("── ", rule),
                Span::styled(words, model.theme.style(role)),
                Span::styled(format!(" {}", "─".repeat(rest)), rule),
            ])
        }
        None => Line::styled("─".repeat(width), rule),
    };
    paint(frame, area, [line]);
}
