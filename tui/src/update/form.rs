//! The forms: what a key does in them, and what is sent when they are complete.

use crossterm::event::{KeyCode, KeyEvent};
use mechat_client::Command;
use mechat_protocol::AccountName;

use super::{Effect, keys};
use crate::model::{Field, Form, FormKind, Link, Model, Screen};

/// A key in a form.
pub fn form_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Screen::Form(form) = &mut model.screen else { return Vec::new() };
    match key.code {
        KeyCode::Esc => {
            model.screen = Screen::Menu(usize::from(form.kind == FormKind::Login));
        }
        // The answer to what was sent is still to come.
        _ if form.busy => {}
        KeyCode::Tab | KeyCode::Down => form.step(1),
        KeyCode::BackTab | KeyCode::Up => form.step(-1),
        KeyCode::Enter => return enter(model),
        _ => edit(form, key),
    }
    Vec::new()
}

/// A pasted text in a form.
pub fn form_paste(form: &mut Form, text: &str) {
    if form.busy {
        return;
    }
    if let Some(line) = form.line() {
        line.insert(text.trim_end_matches(['\r', '\n']));
    }
}

fn edit(form: &mut Form, key: KeyEvent) {
    if let Some(line) = form.line() {
        keys::edit_line(line, key);
        form.error = None;
    }
    if form.focus == Field::Name {
        form.taken = false;
    }
}

/// Enter goes on to the next empty field, and from the last one submits.
fn enter(model: &mut Model) -> Vec<Effect> {
    let Screen::Form(form) = &mut model.screen else { return Vec::new() };
    if form.focus == Field::LogInInstead {
        let name = form.name.text().to_owned();
        model.screen = Screen::Form(Form::new(FormKind::Login, &name));
        return Vec::new();
    }
    if form.fields().last() == Some(&form.focus) {
        return submit(model);
    }
    form.step(1);
    if form.focus == Field::LogInInstead {
        form.step(1);
    }
    Vec::new()
}

fn submit(model: &mut Model) -> Vec<Effect> {
    let connected = model.link == Link::Up;
    let Screen::Form(form) = &mut model.screen else { return Vec::new() };
    let account = match AccountName::new(form.name.text()) {
        Ok(account) => account,
        Err(broken) => {
            form.refuse(Field::Name, broken.rule);
            return Vec::new();
        }
    };
    if form.password.text().is_empty() {
        form.refuse(Field::Password, "a password has at least 1 character; this one is empty");
        return Vec::new();
    }
    if form.kind == FormKind::Register && form.password.text() != form.repeat.text() {
        form.repeat.clear();
        form.refuse(Field::Repeat, "the passwords differ: type it again");
        return Vec::new();
    }
    if !connected {
        let last = if form.kind == FormKind::Register { Field::Repeat } else { Field::Password };
        form.refuse(last, "not connected now; press Enter again once the line below says online");
        return Vec::new();
    }
    (form.busy, form.error) = (true, None);
    let password = form.password.to_secret();
    vec![Effect::Client(match form.kind {
        FormKind::Register => Command::Register { account, password },
        FormKind::Login => Command::Login { account, password },
    })]
}
