//! The forms: register and log in.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::{dialog, status};
use crate::model::{Field, Form, FormKind, LineEdit, Model};
use crate::text;
use crate::theme::Role;

/// Columns inside the box.
const WIDTH: u16 = 60;
/// Columns of the labels.
const LABEL_WIDTH: usize = 11;

/// Draws a form.
pub fn form(model: &Model, form: &Form, frame: &mut Frame<'_>) {
    let room = dialog::room(model, WIDTH);
    let quiet = model.theme.style(Role::Quiet);
    let mut lines = Vec::new();
    if let Some(target) = &model.target {
        lines.push(Line::styled(text::clip(&format!("at {}", target.address), room).into_owned(), quiet));
    }
    lines.push(Line::raw(""));
    let mut cursor = None;
    for field in form.fields() {
        let focused = *field == form.focus && !form.busy;
        let row = lines.len();
        match line_of(form, *field) {
            Some((label, edit)) => {
                let (line, column) = field_line(model, label, edit, focused, room);
                lines.push(line);
                cursor = if focused { Some((row, column)) } else { cursor };
            }
            None => lines.push(instead(model, form, focused, room)),
        }
        if let Some((_, error)) = form.error.as_ref().filter(|(at, _)| at == field) {
            lines.extend(error_lines(model, error, room));
        }
    }
    if model.no_keyring {
        let words = super::start::NO_KEYRING;
        lines.extend(
            text::wrap(words, room, room).into_iter().map(|line| Line::styled(line.to_owned(), quiet)),
        );
    }
    lines.push(Line::raw(""));
    let (title, button) = match form.kind {
        FormKind::Register => ("Register", "register"),
        FormKind::Login => ("Log in", "log in"),
    };
    lines.extend(foot(model, form, button));
    let inside = dialog::dialog(model, frame, title, WIDTH, lines);
    if let Some((row, column)) = cursor
        && model.overlay.is_none()
    {
        set_cursor(frame, inside, row, column);
    }
    let area = frame.area();
    status::status(model, Rect { y: area.bottom() - 1, height: 1, ..area }, frame);
}

fn line_of(form: &Form, field: Field) -> Option<(&'static str, &LineEdit)> {
    match field {
        Field::Name => Some(("Name", &form.name)),
        Field::Password => Some(("Password", &form.password)),
        Field::Repeat => Some(("Again", &form.repeat)),
        Field::LogInInstead => None,
    }
}

fn instead(model: &Model, form: &Form, focused: bool, room: usize) -> Line<'static> {
    let sign = if focused { "▸" } else { " " };
    let words = format!("{sign} [ log in as @{} ]", text::harmless(form.name.text()));
    let style = model.theme.style(if focused { Role::Selected } else { Role::Accent });
    let words = text::clip(&words, room.saturating_sub(LABEL_WIDTH)).into_owned();
    Line::from(vec![Span::raw(" ".repeat(LABEL_WIDTH)), Span::styled(words, style)])
}

fn error_lines(model: &Model, error: &str, room: usize) -> Vec<Line<'static>> {
    let safe = text::harmless(error);
    let room = room.saturating_sub(LABEL_WIDTH + 2).max(1);
    let style = model.theme.style(Role::Error);
    let pieces = text::wrap(&safe, room, room).into_iter().enumerate();
    pieces
        .map(|(number, piece)| {
            let sign = if number == 0 { "✗ " } else { "  " };
            Line::styled(format!("{}{sign}{piece}", " ".repeat(LABEL_WIDTH)), style)
        })
        .collect()
}

fn foot(model: &Model, form: &Form, button: &str) -> Vec<Line<'static>> {
    if form.busy {
        let words = "one moment: your password is being worked on, here and not at the relay …";
        let room = dialog::room(model, WIDTH);
        let style = model.theme.style(Role::Waiting);
        return text::wrap(words, room, room)
            .into_iter()
            .map(|piece| Line::styled(piece.to_owned(), style))
            .collect();
    }
    let accent = model.theme.style(Role::Accent);
    let quiet = model.theme.style(Role::Quiet);
    vec![Line::from(vec![
        Span::styled("Enter", accent),
        Span::styled(format!(" {button}  "), quiet),
        Span::styled("Tab", accent),
        Span::styled(" next field  ", quiet),
        Span::styled("Esc", accent),
        Span::styled(" back", quiet),
    ])]
}

/// A labelled line and the column of its cursor; the part round the cursor is shown if not all fits.
pub fn field_line(
    model: &Model,
    label: &str,
    edit: &LineEdit,
    focused: bool,
    room: usize,
) -> (Line<'static>, usize) {
    let sign = if focused { "▸" } else { " " };
    let label = text::fit(&format!("{sign}{label}"), LABEL_WIDTH);
    let room = room.saturating_sub(LABEL_WIDTH).max(2);
    let (before, behind) = edit.text().split_at(edit.cursor());
    let show = |part: &str| {
        if edit.is_secret() { "•".repeat(part.chars().count()) } else { text::harmless(part).into_owned() }
    };
    let (mut before, behind) = (show(before), show(behind));
    while text::width(&before) >= room {
        let first = before.graphemes(true).next().map_or(0, str::len);
        before.replace_range(..first.max(1), "");
    }
    let column = LABEL_WIDTH + text::width(&before);
    let shown = text::fit(&format!("{before}{behind}"), room);
    let style = model.theme.style(Role::Text).add_modifier(ratatui::style::Modifier::UNDERLINED);
    let label_style = model.theme.style(if focused { Role::Strong } else { Role::Quiet });
    (Line::from(vec![Span::styled(label, label_style), Span::styled(shown, style)]), column)
}

/// Puts the cursor into a box.
pub fn set_cursor(frame: &mut Frame<'_>, inside: Rect, row: usize, column: usize) {
    let x = inside.x + u16::try_from(column).unwrap_or(0).min(inside.width.saturating_sub(1));
    let y = inside.y + u16::try_from(row).unwrap_or(0);
    if y < inside.bottom() {
        frame.set_cursor_position((x, y));
    }
}
