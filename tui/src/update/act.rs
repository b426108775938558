//! What each action does: one arm, one call.

use crossterm::event::{KeyCode, KeyEvent};

use super::{Effect, channels, compose, keys, quit, scroll, slash, start};
use crate::action::ActionId as Id;
use crate::model::overlay::Panel;
use crate::model::{Channel, LineEdit, Model, Overlay, Screen, Sending};
use crate::view::layout;

/// Performs the action of a key.
pub fn perform(model: &mut Model, id: Id, key: KeyEvent) -> Vec<Effect> {
    match id {
        Id::Send => compose::enter(model),
        Id::Newline => compose::newline(model),
        Id::ScrollUp => scroll::page(model, -1),
        Id::ScrollDown => scroll::page(model, 1),
        Id::ScrollTop => scroll::to_top(model),
        Id::ScrollEnd => scroll::to_end(model),
        Id::Switcher => open_switcher(model),
        Id::NextChannel => step_channel(model, 1),
        Id::PreviousChannel => step_channel(model, -1),
        Id::NumberedChannel => numbered_channel(model, key),
        Id::ToggleChannels => toggle_channels(model),
        Id::ToggleParticipants => toggle_participants(model),
        Id::Help => open_help(model),
        Id::ConnectNow => start::connect_now(model),
        Id::Redraw => vec![Effect::Redraw],
        Id::Suspend => vec![Effect::Suspend],
        Id::Interrupt => interrupt(model),
        Id::Quit => leave(model),
        Id::Join
        | Id::Create
        | Id::Leave
        | Id::Switch
        | Id::List
        | Id::Sessions
        | Id::Who
        | Id::History
        | Id::Retry
        | Id::Discard
        | Id::Invite
        | Id::Connections
        | Id::Logout => slash::run(model, id, ""),
    }
}

/// A key in the channel switcher.
pub fn switcher_key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let found = crate::view::switcher::matches(model);
    let Some(Overlay::Switcher { filter, selected }) = &mut model.overlay else { return Vec::new() };
    match key.code {
        KeyCode::Esc => model.overlay = None,
        KeyCode::Up | KeyCode::BackTab => *selected = selected.saturating_sub(1),
        KeyCode::Down | KeyCode::Tab => *selected = (*selected + 1).min(found.len().saturating_sub(1)),
        KeyCode::Enter => {
            let chosen = found.get(*selected).cloned();
            model.overlay = None;
            return chosen.map_or_else(Vec::new, |name| channels::join_or_show(model, name));
        }
        _ => {
            keys::edit_line(filter, key);
            *selected = 0;
        }
    }
    Vec::new()
}

fn open_switcher(model: &mut Model) -> Vec<Effect> {
    model.overlay = Some(Overlay::Switcher { filter: LineEdit::default(), selected: 0 });
    Vec::new()
}

pub(super) fn open_help(model: &mut Model) -> Vec<Effect> {
    model.overlay = match model.overlay {
        Some(Overlay::Panel(Panel::Help, _)) => None,
        _ => Some(Overlay::Panel(Panel::Help, 0)),
    };
    Vec::new()
}

fn step_channel(model: &mut Model, by: isize) -> Vec<Effect> {
    let count = model.channels.len().cast_signed();
    let at = model.channels.iter().position(|channel| Some(channel.info.channel) == model.current);
    match at {
        Some(at) if count > 1 => {
            let next = (at.cast_signed() + by).rem_euclid(count).cast_unsigned();
            let id = model.channels[next].info.channel;
            model.notice = None;
            channels::show(model, id)
        }
        _ => Vec::new(),
    }
}

fn numbered_channel(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let KeyCode::Char(digit) = key.code else { return Vec::new() };
    let place = digit.to_digit(10).map_or(0, |digit| digit as usize);
    match model.channels.get(place.wrapping_sub(1)) {
        Some(channel) => {
            let id = channel.info.channel;
            model.notice = None;
            channels::show(model, id)
        }
        None => Vec::new(),
    }
}

fn toggle_channels(model: &mut Model) -> Vec<Effect> {
    let shown = layout::panes(model).0;
    model.panes.channels = Some(!shown);
    if !shown && layout::is_narrow(model.size) {
        model.panes.participants = Some(false);
    }
    Vec::new()
}

fn toggle_participants(model: &mut Model) -> Vec<Effect> {
    let shown = layout::panes(model).1;
    model.panes.participants = Some(!shown);
    if !shown && layout::is_narrow(model.size) {
        model.panes.channels = Some(false);
    }
    Vec::new()
}

/// Quits, unless something that was said is not sent yet: that is told first, and what becomes of it.
pub fn leave(model: &mut Model) -> Vec<Effect> {
    let waiting = |channel: &Channel| {
        channel.outbox.iter().filter(|message| message.sending == Sending::Pending).count()
    };
    let waiting: usize = model.channels.iter().map(waiting).sum();
    if waiting == 0 || model.quit_asked {
        return quit();
    }
    model.quit_asked = true;
    let what = if waiting == 1 { "1 message is".to_owned() } else { format!("{waiting} messages are") };
    let fate =
        if model.outbox_fails { "quits without" } else { "quits, and they go out when you sign in again" };
    let fate = if waiting == 1 { fate.replace("they go", "it goes") } else { fate.to_owned() };
    model.complain(format!("{what} not sent yet; Ctrl-Q now {fate}"));
    Vec::new()
}

/// Where nothing can be lost, once is enough.
fn interrupt(model: &mut Model) -> Vec<Effect> {
    if model.quit_asked || !matches!(model.screen, Screen::Chat) {
        return quit();
    }
    model.quit_asked = true;
    model.inform("Ctrl-C again quits; any other key stays");
    Vec::new()
}
