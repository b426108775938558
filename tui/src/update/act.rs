//! What each action does: one arm, one call.

use super::{
    Effect, channels, chosen, compose, editor, finder, preferences, quit, reading, scroll, slash, start,
    unread,
};
use crate::action::{ActionId as Id, Mode};
use crate::model::composer::Edit;
use crate::model::{Channel, LineEdit, Model, Overlay, Screen, Sending};
use crate::view::layout;

/// Performs the action of a key: the `nth` of those that mean it, from 0.
pub fn perform(model: &mut Model, id: Id, nth: usize) -> Vec<Effect> {
    match id {
        Id::Send => compose::enter(model),
        Id::Newline => compose::newline(model),
        Id::Dismiss => compose::dismiss(model),
        Id::NormalMode => mode(model, Mode::Normal),
        Id::InsertMode => mode(model, Mode::Insert),
        Id::Reply => chosen::reply(model),
        Id::SelectUp => chosen::step(model, -1),
        Id::SelectDown => chosen::step(model, 1),
        Id::Actions => chosen::open_actions(model),
        Id::Editor => editor::open(model),
        Id::CursorUp => compose::up(model),
        Id::CursorDown => compose::down(model),
        Id::SaidBefore => compose::said_before(model),
        Id::SaidAfter => compose::said_after(model),
        Id::ScrollUp => scroll::page(model, -1),
        Id::ScrollDown => scroll::page(model, 1),
        Id::LineUp => scroll::by_lines(model, -1),
        Id::LineDown => scroll::by_lines(model, 1),
        Id::ScrollTop => scroll::to_top(model),
        Id::ScrollEnd => scroll::to_end(model),
        Id::Palette => finder::open_palette(model),
        Id::Switcher => finder::open_switcher(model),
        Id::NextChannel => step_channel(model, 1),
        Id::PreviousChannel => step_channel(model, -1),
        Id::NextUnread => unread::to_next_channel(model),
        Id::FirstUnread => unread::to_first(model),
        Id::NextMention => unread::to_next_mention(model),
        Id::MarkAllRead => unread::mark_all_read(model),
        Id::NumberedChannel => numbered_channel(model, nth),
        Id::ToggleChannels => toggle_channels(model),
        Id::ToggleParticipants => toggle_participants(model),
        Id::ToggleBare => reading::toggle_bare(model),
        Id::ToggleSpoilers => reading::toggle_spoilers(model),
        Id::WidenChannels => preferences::widen_channels(model, 2),
        Id::NarrowChannels => preferences::widen_channels(model, -2),
        Id::WidenParticipants => preferences::widen_participants(model, 2),
        Id::NarrowParticipants => preferences::widen_participants(model, -2),
        Id::ResetPanes => preferences::reset_panes(model),
        Id::Help => open_help(model, ""),
        Id::Redraw => vec![Effect::Redraw],
        Id::Suspend => vec![Effect::Suspend],
        Id::Interrupt => interrupt(model),
        Id::ConnectNow => start::connect_now(model),
        Id::Quit => leave(model),
        // The rest are edits, and commands that are typed as well.
        _ => match edit_of(id) {
            Some(edit) => compose::edit(model, edit),
            None => slash::run(model, id, ""),
        },
    }
}

const fn edit_of(id: Id) -> Option<Edit> {
    Some(match id {
        Id::CursorLeft => Edit::Left,
        Id::CursorRight => Edit::Right,
        Id::WordLeft => Edit::WordLeft,
        Id::WordRight => Edit::WordRight,
        Id::LineStart => Edit::LineStart,
        Id::LineEnd => Edit::LineEnd,
        Id::TextStart => Edit::TextStart,
        Id::TextEnd => Edit::TextEnd,
        Id::DeleteBack => Edit::DeleteBack,
        Id::DeleteForward => Edit::DeleteForward,
        Id::KillWordBack => Edit::KillWordBack,
        Id::KillWordForward => Edit::KillWordForward,
        Id::KillToStart => Edit::KillToStart,
        Id::KillToEnd => Edit::KillToEnd,
        Id::Yank => Edit::Yank,
        Id::YankOlder => Edit::YankOlder,
        Id::Undo => Edit::Undo,
        Id::Redo => Edit::Redo,
        _ => return None,
    })
}

fn mode(model: &mut Model, mode: Mode) -> Vec<Effect> {
    model.mode = mode;
    Vec::new()
}

/// Opens the help at what has these words; closes it if it is open.
pub(super) fn open_help(model: &mut Model, words: &str) -> Vec<Effect> {
    model.overlay = match model.overlay {
        Some(Overlay::Help(..)) => None,
        _ => Some(Overlay::Help(LineEdit::new(words), 0)),
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

fn numbered_channel(model: &mut Model, nth: usize) -> Vec<Effect> {
    match model.channels.get(nth) {
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
    vec![Effect::SaveLooks(model.looks())]
}

fn toggle_participants(model: &mut Model) -> Vec<Effect> {
    let shown = layout::panes(model).1;
    model.panes.participants = Some(!shown);
    if !shown && layout::is_narrow(model.size) {
        model.panes.channels = Some(false);
    }
    vec![Effect::SaveLooks(model.looks())]
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
    let key = model.keymap().first_key(Id::Quit).unwrap_or_else(|| "/quit".to_owned());
    model.complain(format!("{what} not sent yet; {key} now {fate}"));
    Vec::new()
}

/// Where nothing can be lost, once is enough.
fn interrupt(model: &mut Model) -> Vec<Effect> {
    if model.quit_asked || !matches!(model.screen, Screen::Chat) {
        return quit();
    }
    model.quit_asked = true;
    let key = model.keymap().first_key(Id::Interrupt).unwrap_or_default();
    model.inform(format!("{key} again quits; any other key stays"));
    Vec::new()
}
