//! What the screen shows: `&Model -> Frame`, pure.
//!
//! Owns the drawing. It never changes the model, and never draws a remote text that did not pass [`crate::text`].

pub mod chat;
pub mod composer;
pub mod dialog;
pub mod finder;
pub mod form;
pub mod hits;
pub mod layout;
pub mod look;
pub mod paint;
pub mod panel;
pub mod panes;
pub mod paste;
pub mod start;
pub mod status;
pub mod timeline;
pub mod trust;
pub mod whichkey;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::model::{Model, Overlay, Screen};
use crate::theme::Role;

use paint::paint;
pub use status::link_words;

/// Draws the screen.
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    if layout::fits((area.width, area.height)) {
        screen(model, frame);
    } else {
        too_small(model, frame, area);
    }
    model.theme.fill(frame.buffer_mut());
    model.preferences.ascii().apply(frame.buffer_mut());
}

fn screen(model: &Model, frame: &mut Frame<'_>) {
    match &model.screen {
        Screen::Start(picker) => start::picker(model, picker, frame),
        Screen::Connecting => start::connecting(model, frame),
        Screen::Menu(selected) => start::menu(model, *selected, frame),
        Screen::Form(form) => form::form(model, form, frame),
        Screen::Chat => chat::chat(model, frame),
    }
    match &model.overlay {
        Some(Overlay::Panel(panel, top)) => panel::panel(model, *panel, *top, frame),
        Some(Overlay::Help(filter, top)) => panel::help(model, filter, *top, frame),
        Some(Overlay::Finder(finder)) => finder::finder(model, finder, frame),
        Some(Overlay::Paste(pasted)) => paste::paste(model, pasted, frame),
        None => {}
    }
    if let Some(trust) = &model.trust
        && trust.shown
    {
        trust::question(model, trust, frame);
    }
    whichkey::whichkey(model, frame);
    paint::narrow_rules(frame.buffer_mut());
}

/// What on the screen leads somewhere.
pub fn links(model: &Model) -> Vec<timeline::ScreenLink> {
    let chat = matches!(model.screen, Screen::Chat) && layout::fits(model.size);
    if chat { timeline::links(model) } else { Vec::new() }
}

fn too_small(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let (columns, rows) = layout::SIZE_MIN;
    let text = format!("terminal too small: {columns}×{rows} needed, this is {}×{}", area.width, area.height);
    let lines = crate::text::wrap(&text, usize::from(area.width), usize::from(area.width));
    let lines = lines.into_iter().map(|line| Line::styled(line.to_owned(), model.theme.style(Role::Strong)));
    paint(frame, area, lines);
}
