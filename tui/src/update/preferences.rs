//! How the user wants it: a configuration that was read, panes that are made wider or narrower.

use super::Effect;
use crate::config::{Config, Problem};
use crate::model::Model;
use crate::model::preferences::{PANE_WIDTH_MAX, PANE_WIDTH_MIN};
use crate::view::layout::{self, Border};

/// The file was read: what it asks for holds from now on, unless something is wrong in it.
pub fn configured(model: &mut Model, read: Result<Config, Vec<Problem>>, asked: bool) -> Vec<Effect> {
    match read {
        Ok(config) => {
            let (same, healed) = (model.preferences.config == config, !model.preferences.problems.is_empty());
            model.preferences.problems.clear();
            take(model, config);
            if asked || healed || !same {
                model.inform(format!("{} is in force", model.preferences.file));
            }
        }
        Err(problems) => refuse(model, problems),
    }
    vec![super::reading::mouse(model)]
}

/// Puts a configuration in force.
pub fn take(model: &mut Model, config: Config) {
    model.preferences.config = config;
    model.theme = model.preferences.theme();
    model.pending.clear();
}

/// Keeps what holds, and says what is wrong: the first mistake at once, all of them where one asks.
pub fn refuse(model: &mut Model, problems: Vec<Problem>) {
    model.preferences.problems = problems;
    remind(model);
}

/// Says what is wrong in the file, if anything is.
pub fn remind(model: &mut Model) {
    let Some(first) = model.preferences.problems.first() else { return };
    let more = match model.preferences.problems.len() {
        1 => String::new(),
        count => format!(" ({} more: /config)", count - 1),
    };
    model.complain(format!("{}, {first}{more}; what held before holds", model.preferences.file));
}

/// More columns for the channels, or less.
pub fn widen_channels(model: &mut Model, by: i16) -> Vec<Effect> {
    let width = layout::chat(model).channels.map_or(0, |area| area.width);
    resize(model, Border::Channels, width.saturating_add_signed(by))
}

/// More columns for the participants, or less.
pub fn widen_participants(model: &mut Model, by: i16) -> Vec<Effect> {
    let width = layout::chat(model).participants.map_or(0, |area| area.width);
    resize(model, Border::Participants, width.saturating_add_signed(by))
}

/// Panes as the width of the screen asks.
pub fn reset_panes(model: &mut Model) -> Vec<Effect> {
    model.panes = crate::model::Panes::default();
    vec![Effect::SaveLooks(model.looks())]
}

fn resize(model: &mut Model, border: Border, width: u16) -> Vec<Effect> {
    let (channels, participants) = layout::panes(model);
    let shown = match border {
        Border::Channels => channels,
        Border::Participants => participants,
    };
    if !shown || layout::is_narrow(model.size) {
        model.inform("that pane is not beside the messages");
        return Vec::new();
    }
    set_width(model, border, width);
    vec![Effect::SaveLooks(model.looks())]
}

/// Columns of a pane, within its limits and what the screen has.
pub fn set_width(model: &mut Model, border: Border, width: u16) {
    let width = width.clamp(PANE_WIDTH_MIN, PANE_WIDTH_MAX.min(layout::pane_width_max(model.size)));
    match border {
        Border::Channels => model.panes.channels_width = Some(width),
        Border::Participants => model.panes.participants_width = Some(width),
    }
}
