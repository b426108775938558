//! Before the chat: the relay picker, the wait for the link, the certificate question, the menu, the relay in this process.

use crossterm::event::{KeyCode, KeyEvent};
use mechat_certs::TrustError;
use mechat_client::Command;
use mechat_protocol::{Invite, RelayAddress};

use super::{Effect, back_to_start, connect, keys, quit};
use crate::model::overlay::Panel;
use crate::model::{Form, FormKind, Hosting, Link, Model, Overlay, Screen, Target};

/// Rows of the menu.
pub const MENU_ROWS: usize = 4;

/// Goes straight to a relay that was named on the command line.
pub fn begin(model: &mut Model, target: Target) -> Vec<Effect> {
    connect(model, target)
}

/// The relay in this process runs, or could not.
pub fn hosting(model: &mut Model, outcome: Result<Invite, String>) -> Vec<Effect> {
    match outcome {
        Ok(invite) => {
            let address = RelayAddress::new("127.0.0.1", invite.address.port());
            let address = address.unwrap_or_else(|_| invite.address.clone());
            let target = Target { address, invited: invite.fingerprint, channel: invite.channel.clone() };
            model.hosting = Some(Hosting::Running(invite));
            model.invite_banner = true;
            connect(model, target)
        }
        Err(reason) => {
            model.link = Link::Failed { reason: format!("the relay could not start: {reason}") };
            Vec::new()
        }
    }
}

/// A key on the start screen.
pub fn picker_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let saved = model.relays.relays.len();
    let Screen::Start(picker) = &mut model.screen else { return Vec::new() };
    let in_field = picker.selected >= saved;
    match key.code {
        KeyCode::Esc if !in_field || picker.field.text().is_empty() => return quit(),
        KeyCode::Esc => picker.field.clear(),
        KeyCode::Up | KeyCode::BackTab => picker.selected = picker.selected.min(saved).saturating_sub(1),
        KeyCode::Down | KeyCode::Tab => picker.selected = (picker.selected + 1).min(saved),
        KeyCode::Enter if in_field => return choose_typed(model),
        KeyCode::Enter => return choose_saved(model),
        KeyCode::Delete if !in_field => return forget_saved(model),
        KeyCode::Char(digit @ '1'..='9') if !in_field => {
            let index = digit.to_digit(10).map_or(0, |digit| digit as usize) - 1;
            if index < saved {
                picker.selected = index;
                return choose_saved(model);
            }
        }
        KeyCode::Char('q') if !in_field => return quit(),
        _ if in_field => {
            keys::edit_line(&mut picker.field, key);
            picker.error = None;
        }
        _ => {}
    }
    Vec::new()
}

/// Takes a row of the relay picker or the menu; the field only gets the cursor.
pub fn choose(model: &mut Model, row: usize) -> Vec<Effect> {
    match &mut model.screen {
        Screen::Start(picker) => {
            picker.selected = row;
            choose_saved(model)
        }
        Screen::Menu(selected) => {
            *selected = row;
            choose_row(model, row)
        }
        Screen::Connecting | Screen::Form(_) | Screen::Chat => Vec::new(),
    }
}

fn choose_saved(model: &mut Model) -> Vec<Effect> {
    let Screen::Start(picker) = &model.screen else { return Vec::new() };
    match model.relays.relays.get(picker.selected).cloned() {
        Some(relay) => connect(model, relay.address.into()),
        None => Vec::new(),
    }
}

fn forget_saved(model: &mut Model) -> Vec<Effect> {
    let Screen::Start(picker) = &model.screen else { return Vec::new() };
    let Some(relay) = model.relays.relays.get(picker.selected).cloned() else { return Vec::new() };
    model.relays.forget(picker.selected);
    let mut effects = vec![Effect::SaveRelays(model.relays.clone())];
    effects.extend(relay.account.map(|account| Effect::ForgetToken(relay.address, account)));
    effects
}

fn choose_typed(model: &mut Model) -> Vec<Effect> {
    let Screen::Start(picker) = &mut model.screen else { return Vec::new() };
    match parse_target(picker.field.text()) {
        Ok(target) => connect(model, target),
        Err(error) => {
            picker.error = Some(error);
            Vec::new()
        }
    }
}

/// An address or an invite link.
pub fn parse_target(text: &str) -> Result<Target, String> {
    if text.trim().starts_with("mechat:") {
        text.parse::<Invite>().map(Target::from).map_err(|error| error.to_string())
    } else {
        text.parse::<RelayAddress>().map(Target::from).map_err(|error| error.to_string())
    }
}

/// A key while there is no connection yet.
pub fn connecting_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Enter | KeyCode::Char('r') => connect_now(model),
        KeyCode::Char('q') => quit(),
        KeyCode::Esc => back_to_start(model),
        _ => Vec::new(),
    }
}

/// Tries now instead of at the end of the delay.
pub fn connect_now(model: &mut Model) -> Vec<Effect> {
    match &model.link {
        Link::Down { .. } => vec![Effect::Client(Command::ConnectNow)],
        // A client that gave up is replaced.
        Link::Failed { .. } | Link::Untrusted if !model.signed_in => {
            model.target.clone().map_or_else(Vec::new, |target| connect(model, target))
        }
        Link::Failed { .. } | Link::Untrusted => vec![Effect::Client(Command::ConnectNow)],
        Link::Connecting { .. } | Link::Up | Link::Idle => Vec::new(),
    }
}

/// A key on the certificate question. Only an unknown certificate can be accepted.
pub fn trust_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let most = crate::view::trust::scroll_max(model);
    let Some(trust) = &mut model.trust else { return Vec::new() };
    match (key.code, trust.error) {
        (KeyCode::Up, _) => {
            trust.top = trust.top.saturating_sub(1);
            Vec::new()
        }
        (KeyCode::Down, _) => {
            trust.top = (trust.top + 1).min(most);
            Vec::new()
        }
        (KeyCode::Char('y' | 'Y'), TrustError::Unknown { seen }) => {
            model.trust = None;
            model.link = Link::Connecting { attempt: 1 };
            vec![Effect::Client(Command::Trust(seen))]
        }
        (KeyCode::Char('n' | 'N') | KeyCode::Esc, _) => refuse_trust(model),
        (KeyCode::Char('q'), _) => quit(),
        _ => Vec::new(),
    }
}

/// Where something was said already, its text stays readable; otherwise another relay can be chosen.
fn refuse_trust(model: &mut Model) -> Vec<Effect> {
    if !model.signed_in {
        return back_to_start(model);
    }
    if let Some(trust) = &mut model.trust {
        trust.shown = false;
    }
    Vec::new()
}

/// A key on the menu.
pub fn menu_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Screen::Menu(selected) = &mut model.screen else { return Vec::new() };
    match key.code {
        KeyCode::Up | KeyCode::BackTab => *selected = (*selected + MENU_ROWS - 1) % MENU_ROWS,
        KeyCode::Down | KeyCode::Tab => *selected = (*selected + 1) % MENU_ROWS,
        KeyCode::Enter => {
            let row = *selected;
            return choose_row(model, row);
        }
        KeyCode::Char(digit @ '1'..='4') => {
            let row = digit.to_digit(10).map_or(0, |digit| digit as usize) - 1;
            *selected = row;
            return choose_row(model, row);
        }
        KeyCode::Char('q') => return quit(),
        KeyCode::Esc => return back_to_start(model),
        _ => {}
    }
    Vec::new()
}

fn choose_row(model: &mut Model, row: usize) -> Vec<Effect> {
    model.notice = None;
    match row {
        0 => open_form(model, FormKind::Register),
        1 => open_form(model, FormKind::Login),
        2 => list_participants(model),
        _ => quit(),
    }
}

fn open_form(model: &mut Model, kind: FormKind) -> Vec<Effect> {
    let address = model.target.as_ref().map(|target| &target.address);
    let last = address.and_then(|address| model.relays.account_at(address));
    let name = match (kind, last) {
        (FormKind::Login, Some(account)) => account.to_string(),
        _ => String::new(),
    };
    model.screen = Screen::Form(Form::new(kind, &name));
    Vec::new()
}

fn list_participants(model: &mut Model) -> Vec<Effect> {
    match &model.welcome {
        Some(welcome) if welcome.participants_before_sign_in => {
            model.overlay = Some(Overlay::Panel(Panel::Users, 0));
            vec![Effect::Client(Command::ListParticipants(None))]
        }
        Some(_) => {
            model.inform("this relay lists its participants only to those who are signed in");
            Vec::new()
        }
        None => {
            model.complain("not connected yet");
            Vec::new()
        }
    }
}
