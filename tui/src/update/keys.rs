//! Which part of the screen a key belongs to: the keymap first, then the certificate question, then what lies over the screen, then
//! the screen.
//!
//! Invariant: keys that begin a sequence wait in `pending` and reach nothing else; a sequence that means nothing is said, and none of it is typed.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Effect, act, chosen, compose, finder, form, paste, start};
use crate::action::{ActionId, Chord, Found, Mode, chord};
use crate::model::{LineEdit, Model, Overlay, Screen};

/// A key was pressed.
pub fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let context = model.context();
    let waited = !model.pending.is_empty();
    model.pending.push(Chord::of(&key));
    match model.keymap().find(context, &model.pending) {
        Found::Action(id, nth) => {
            model.pending.clear();
            if !matches!(id, ActionId::Interrupt | ActionId::Quit) {
                model.quit_asked = false;
            }
            model.reading.delete_asked &= id == ActionId::Delete;
            act::perform(model, id, nth)
        }
        Found::Prefix => Vec::new(),
        Found::Nothing => {
            let pressed = std::mem::take(&mut model.pending);
            (model.quit_asked, model.reading.delete_asked) = (false, false);
            if waited { broken_off(model, key, &pressed) } else { unbound(model, key, context.mode) }
        }
    }
}

fn broken_off(model: &mut Model, key: KeyEvent, pressed: &[Chord]) -> Vec<Effect> {
    if key.code != KeyCode::Esc {
        model.inform(format!("{} means nothing; F1 lists the keys", chord::words(pressed)));
    }
    Vec::new()
}

fn unbound(model: &mut Model, key: KeyEvent, mode: Mode) -> Vec<Effect> {
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
        Screen::Chat if model.reading.chosen.is_some() => {
            model.inform(
                "a message is chosen: Enter shows what can be done with it, Esc goes back to writing",
            );
            Vec::new()
        }
        Screen::Chat if mode == Mode::Normal => Vec::new(),
        Screen::Chat => compose::key(model, key),
    }
}

/// A text was pasted: one event, into one place.
pub fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    model.pending.clear();
    if trust_is_shown(model) {
        return Vec::new();
    }
    match &mut model.overlay {
        Some(Overlay::Finder(_)) => {
            finder::paste(model, text);
            return Vec::new();
        }
        Some(Overlay::Help(filter, top)) => {
            filter.insert(text);
            *top = 0;
            return Vec::new();
        }
        Some(Overlay::Panel(..)) => return Vec::new(),
        Some(Overlay::Paste(_)) | None => {}
    }
    match &mut model.screen {
        Screen::Start(picker) => {
            picker.selected = model.relays.relays.len();
            picker.field.insert(text.trim());
            picker.error = None;
        }
        Screen::Form(form) => form::form_paste(form, text),
        Screen::Chat => {
            // Who pastes means to write.
            model.mode = Mode::Insert;
            chosen::leave(model);
            return paste::arrived(model, text);
        }
        Screen::Connecting | Screen::Menu(_) => {}
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
                KeyCode::Char(' ') => *top += 10,
                code => scroll(top, code),
            }
            clamp(model);
            Vec::new()
        }
        Some(Overlay::Help(filter, top)) => {
            match key.code {
                KeyCode::Esc if filter.text().is_empty() => model.overlay = None,
                KeyCode::Esc => filter.clear(),
                KeyCode::Enter => model.overlay = None,
                code @ (KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown) => {
                    scroll(top, code);
                }
                _ => {
                    edit_line(filter, key);
                    *top = 0;
                }
            }
            clamp(model);
            Vec::new()
        }
        Some(Overlay::Finder(_)) => finder::key(model, key),
        Some(Overlay::Paste(_)) => paste::key(model, key),
        None => Vec::new(),
    }
}

fn scroll(top: &mut usize, code: KeyCode) {
    match code {
        KeyCode::Up => *top = top.saturating_sub(1),
        KeyCode::Down => *top += 1,
        KeyCode::PageUp => *top = top.saturating_sub(10),
        KeyCode::PageDown => *top += 10,
        KeyCode::Home => *top = 0,
        KeyCode::End => *top = usize::MAX / 2,
        _ => {}
    }
}

/// A text never scrolls beyond its end.
pub fn clamp(model: &mut Model) {
    let most = crate::view::panel::scroll_max(model);
    if let Some(Overlay::Panel(_, top) | Overlay::Help(_, top)) = &mut model.overlay {
        *top = (*top).min(most);
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
