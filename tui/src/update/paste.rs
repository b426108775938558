//! What was pasted: one event, one text, in one place.
//!
//! Invariants: a line break in it never sends; a long one is asked about first; what is not wanted as a message goes nowhere, and
//! what is refused stays in the composer.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, compose, popup, typing};
use crate::model::{Model, Overlay, Pasted};

/// Lines beyond which a paste is asked about.
const LINES_MAX: usize = 12;
/// Bytes beyond which a paste is asked about.
const LEN_MAX: usize = 4_096;

/// A text was pasted into the chat.
pub fn arrived(model: &mut Model, text: &str) -> Vec<Effect> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if let Some(Overlay::Paste(pasted)) = &mut model.overlay {
        // Some terminals cut a long paste into several.
        *pasted = Pasted::new(format!("{}{text}", pasted.text()));
        return Vec::new();
    }
    let pasted = Pasted::new(text);
    if pasted.lines() > LINES_MAX || pasted.text().len() > LEN_MAX {
        model.overlay = Some(Overlay::Paste(pasted));
    } else {
        model.composer.insert(pasted.text());
        popup::refresh(model);
        compose::follow_cursor(model);
    }
    typing::typed(model)
}

/// A key while a paste is asked about.
pub fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Enter if plain => into_composer(model),
        KeyCode::Char('s' | 'S') if plain => send(model),
        KeyCode::Esc => {
            model.overlay = None;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn into_composer(model: &mut Model) -> Vec<Effect> {
    if let Some(Overlay::Paste(pasted)) = model.overlay.take() {
        model.composer.insert(pasted.text());
        compose::follow_cursor(model);
    }
    typing::typed(model)
}

/// Sends it as one message; what was being written stays. What cannot be sent goes into the composer.
fn send(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Paste(pasted)) = &model.overlay else { return Vec::new() };
    let checked = compose::checked(model, pasted.text().trim_end_matches('\n'));
    match checked {
        Ok(content) if model.current().is_some() => {
            model.overlay = None;
            compose::send(model, content, None)
        }
        refused => {
            let rule = refused.err().unwrap_or_else(|| compose::NO_CHANNEL.to_owned());
            let effects = into_composer(model);
            model.complain(rule);
            effects
        }
    }
}
