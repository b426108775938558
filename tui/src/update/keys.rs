//! Which part of the screen a key belongs to: the certificate question, then what lies over the screen, then the screen.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Effect, act, compose, form, start};
use crate::action;
use crate::model::{LineEdit, Model, Overlay, Screen};

/// A key was pressed.
pub fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let in_chat = matches!(model.screen, Screen::Chat) && model.overlay.is_none() && !trust_is_shown(model);
    let found = action::by_key(&key, in_chat, !model.composer.is_empty());
    if !matches!(found, Some(action::ActionId::Interrupt | action::ActionId::Quit)) {
        model.quit_asked = false;
    }
    if let Some(id) = found {
        return act::perform(model, id, key);
    }
    if trust_is_shown(model) {
        return start::trust_key(model, key);
    }
    if model.overlay.is_some() {
        return overlay_key(model, key);
    }
    match model.screen {
        Screen::Start(_) => start::picker_key(model, key),
        Screen::Connecting => start::connecting_key(model, key),
        Screen::Menu(_) => start::menu_key(model, key),
        Screen::Form(_) => form::form_key(model, key),
        Screen::Chat => compose::key(model, key),
    }
}

/// A text was pasted: one event, into one place.
pub fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    if trust_is_shown(model) {
        return Vec::new();
    }
    if let Some(Overlay::Switcher { filter, selected }) = &mut model.overlay {
        filter.insert(text);
        *selected = 0;
        return Vec::new();
    }
    match &mut model.screen {
        Screen::Start(picker) => {
            picker.selected = model.relays.relays.len();
            picker.field.insert(text.trim());
            picker.error = None;
        }
        Screen::Form(form) => form::form_paste(form, text),
        Screen::Chat if model.overlay.is_none() => model.composer.insert(text),
        Screen::Chat | Screen::Connecting | Screen::Menu(_) => {}
    }
    Vec::new()
}

fn trust_is_shown(model: &Model) -> bool {
    model.trust.is_some_and(|trust| trust.shown)
}

fn overlay_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match &mut model.overlay {
        Some(Overlay::Panel(_, top)) => {
            match key.code {
                KeyCode::Esc | KeyCode::Char('q') | KeyCode::Enter => model.overlay = None,
                KeyCode::Up => *top = top.saturating_sub(1),
                KeyCode::Down => *top += 1,
                KeyCode::PageUp => *top = top.saturating_sub(10),
                KeyCode::PageDown | KeyCode::Char(' ') => *top += 10,
                KeyCode::Home => *top = 0,
                KeyCode::End => *top = usize::MAX / 2,
                _ => {}
            }
            clamp_panel(model);
            Vec::new()
        }
        Some(Overlay::Switcher { .. }) => act::switcher_key(model, key),
        None => Vec::new(),
    }
}

/// A panel never scrolls beyond its text.
fn clamp_panel(model: &mut Model) {
    if let Some(Overlay::Panel(panel, top)) = &model.overlay {
        let (panel, top) = (*panel, *top);
        let most = crate::view::panel::scroll_max(model, panel);
        model.overlay = Some(Overlay::Panel(panel, top.min(most)));
    }
}

/// A key in a line: typing, the arrows, and what shells taught people.
pub fn edit_line(line: &mut LineEdit, key: KeyEvent) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('u') if control => line.clear(),
        KeyCode::Char('a') if control => line.home(),
        KeyCode::Char('e') if control => line.end(),
        KeyCode::Char('h') if control => line.backspace(),
        KeyCode::Char('d') if control => line.delete(),
        KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
            line.insert(c.encode_utf8(&mut [0; 4]));
        }
        KeyCode::Backspace => line.backspace(),
        KeyCode::Delete => line.delete(),
        KeyCode::Left => line.left(),
        KeyCode::Right => line.right(),
        KeyCode::Home => line.home(),
        KeyCode::End => line.end(),
        _ => {}
    }
}
