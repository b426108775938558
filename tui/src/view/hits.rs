//! What stands at a place of the screen, for the mouse. Made from the layout that draws, so that the two never differ.

use mechat_protocol::{AccountName, ChannelName};
use ratatui::layout::{Position, Rect};

use super::layout::{self, Border, Chat};
use super::{finder, panel, panes, start, status, whichkey};
use crate::action::ActionId;
use crate::model::{Model, Overlay, Screen, Scroll};

/// What stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hit {
    /// A channel in the pane, joined or not.
    Channel(ChannelName),
    /// Somebody in the pane.
    Person(AccountName),
    /// Something that can be pressed.
    Action(ActionId),
    /// A row of the relay picker or the menu, from 0.
    Row(usize),
    /// A row of the finder, from 0.
    FinderRow(usize),
    /// What lies over the screen, where nothing can be pressed.
    Overlay,
    /// Beside what lies over the screen.
    Outside,
    /// The line beside a pane.
    Border(Border),
    /// The messages.
    Timeline,
    /// What is written.
    Composer,
}

/// What stands at a column and a row.
pub fn at(model: &Model, x: u16, y: u16) -> Option<Hit> {
    if !layout::fits(model.size) || model.trust.is_some_and(|trust| trust.shown) {
        return None;
    }
    if let Some(overlay) = &model.overlay {
        return Some(over(model, overlay, x, y));
    }
    if let Some(area) = whichkey::area(model)
        && area.contains(Position { x, y })
    {
        return None;
    }
    if let Some(id) = status::hint_at(model, x, y) {
        return Some(Hit::Action(id));
    }
    match model.screen {
        Screen::Chat => chat(model, &layout::chat(model), Position { x, y }),
        _ => start::row_at(model, x, y).map(Hit::Row),
    }
}

fn over(model: &Model, overlay: &Overlay, x: u16, y: u16) -> Hit {
    let inside = match overlay {
        Overlay::Finder(found) => {
            if let Some(row) = finder::row_at(model, found, x, y) {
                return Hit::FinderRow(row);
            }
            finder::outside(model, found)
        }
        Overlay::Panel(..) | Overlay::Help(..) => panel::outside(model),
        // A text that was pasted is not thrown away by a press beside it.
        Overlay::Paste(_) => return Hit::Overlay,
    };
    if inside.contains(Position { x, y }) { Hit::Overlay } else { Hit::Outside }
}

fn chat(model: &Model, parts: &Chat, at: Position) -> Option<Hit> {
    let row = |area: Rect| usize::from(at.y - area.y);
    if let Some(area) = parts.channels {
        if area.contains(at) {
            return panes::channel_at(model, area, row(area)).map(Hit::Channel);
        }
        if !layout::is_narrow(model.size) && at.x == area.right() && at.y < area.bottom() {
            return Some(Hit::Border(Border::Channels));
        }
    }
    if let Some(area) = parts.participants {
        if area.contains(at) {
            return panes::person_at(model, area, row(area)).map(Hit::Person);
        }
        if !layout::is_narrow(model.size) && at.x + 2 == area.x && at.y < area.bottom() {
            return Some(Hit::Border(Border::Participants));
        }
    }
    let scrolled = model.current().is_some_and(|channel| channel.scroll != Scroll::Bottom);
    match () {
        () if parts.rule.contains(at) && scrolled => Some(Hit::Action(ActionId::ScrollEnd)),
        () if parts.notice.contains(at) => Some(Hit::Action(ActionId::Dismiss)),
        () if parts.banner.contains(at) => Some(Hit::Action(ActionId::Invite)),
        () if parts.composer.contains(at) => Some(Hit::Composer),
        () if parts.timeline.contains(at) => Some(Hit::Timeline),
        () => None,
    }
}
