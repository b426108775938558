//! The mouse: what a press, the wheel and a drag do. Where things are says [`crate::view::hits`], from the layout that draws them.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{Effect, act, channels, chosen, compose, finder, keys, preferences, scroll, start};
use crate::action::Mode;
use crate::model::{Model, Overlay};
use crate::view::hits::{self, Hit};
use crate::view::layout::{self, Border};

/// Lines of one notch of the wheel.
const WHEEL_LINES: isize = 3;

/// The mouse did something.
pub fn mouse(model: &mut Model, event: MouseEvent) -> Vec<Effect> {
    model.pending.clear();
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => press(model, event.column, event.row),
        MouseEventKind::Drag(MouseButton::Left) => drag(model, event.column),
        MouseEventKind::Up(MouseButton::Left) => release(model),
        MouseEventKind::ScrollUp => wheel(model, -1, event),
        MouseEventKind::ScrollDown => wheel(model, 1, event),
        _ => Vec::new(),
    }
}

fn press(model: &mut Model, column: u16, row: u16) -> Vec<Effect> {
    let Some(hit) = hits::at(model, column, row) else { return Vec::new() };
    match hit {
        Hit::Channel(name) => {
            model.notice = None;
            channels::join_or_show(model, name)
        }
        Hit::Person(name) => {
            model.composer.insert(&format!("@{name} "));
            compose::follow_cursor(model);
            Vec::new()
        }
        Hit::Action(id) => act::perform(model, id, 0),
        Hit::Row(row) => start::choose(model, row),
        Hit::FinderRow(row) => {
            finder::select(model, row);
            finder::choose(model)
        }
        Hit::Outside => close(model),
        Hit::Border(border) => {
            model.dragged = Some(border);
            Vec::new()
        }
        Hit::Composer => {
            model.mode = Mode::Insert;
            chosen::leave(model);
            Vec::new()
        }
        Hit::Timeline => chosen::press(model, column, row),
        Hit::Overlay => Vec::new(),
    }
}

/// A press beside what lies over the screen closes it.
fn close(model: &mut Model) -> Vec<Effect> {
    if matches!(model.overlay, Some(Overlay::Finder(_))) {
        return finder::cancel(model);
    }
    model.overlay = None;
    Vec::new()
}

fn drag(model: &mut Model, column: u16) -> Vec<Effect> {
    let Some(border) = model.dragged else { return Vec::new() };
    let width = match border {
        Border::Channels => column,
        // A line and a gap stand before the pane.
        Border::Participants => model.size.0.saturating_sub(column + 2),
    };
    preferences::set_width(model, border, width);
    Vec::new()
}

fn release(model: &mut Model) -> Vec<Effect> {
    match model.dragged.take() {
        Some(_) => vec![Effect::SaveLooks(model.looks())],
        None => Vec::new(),
    }
}

fn wheel(model: &mut Model, by: isize, event: MouseEvent) -> Vec<Effect> {
    match &mut model.overlay {
        Some(Overlay::Finder(_)) => finder::step(model, by),
        Some(Overlay::Panel(_, top) | Overlay::Help(_, top)) => {
            *top = top.saturating_add_signed(by * WHEEL_LINES);
            keys::clamp(model);
        }
        Some(Overlay::Paste(_)) => {}
        None => return wheel_in_chat(model, by * WHEEL_LINES, event.column),
    }
    Vec::new()
}

fn wheel_in_chat(model: &mut Model, lines: isize, column: u16) -> Vec<Effect> {
    if !model.context().in_chat || over_pane(model, column) {
        return Vec::new();
    }
    scroll::by_lines(model, lines)
}

/// Beside the messages the wheel does nothing: it would move what one does not look at.
fn over_pane(model: &Model, column: u16) -> bool {
    let parts = layout::chat(model);
    let over = |area: Option<ratatui::layout::Rect>| {
        area.is_some_and(|area| (area.left()..area.right()).contains(&column))
    };
    over(parts.channels) || over(parts.participants)
}
