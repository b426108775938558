//! Where things stand on the screen, from its size and what is shown.
//!
//! Owns the geometry, which [`update`](mod@crate::update) needs too: how far a page scrolls depends on it.

use ratatui::layout::Rect;

use super::composer;
use crate::model::{Model, Screen};
use crate::text;

/// Columns and rows below which nothing useful fits.
pub const SIZE_MIN: (u16, u16) = (40, 12);
/// Columns from which both panes stand beside the timeline.
const BOTH_PANES_MIN: u16 = 70;
/// Columns from which the participants' state is written out.
const WIDE_MIN: u16 = 100;
/// Rows of a notice at most.
const NOTICE_ROWS_MAX: usize = 3;

/// A line between a pane and the messages, which can be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// That of the channels.
    Channels,
    /// That of the participants.
    Participants,
}

/// The parts of the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chat {
    /// The invite link, over everything.
    pub banner: Rect,
    /// The channels.
    pub channels: Option<Rect>,
    /// The name of the channel, over the timeline.
    pub title: Rect,
    /// The messages.
    pub timeline: Rect,
    /// A notice, under the messages.
    pub notice: Rect,
    /// The line between messages and composer.
    pub rule: Rect,
    /// What is written.
    pub composer: Rect,
    /// The people.
    pub participants: Option<Rect>,
    /// The line at the bottom.
    pub status: Rect,
}

/// Whether a terminal is large enough.
pub const fn fits(size: (u16, u16)) -> bool {
    size.0 >= SIZE_MIN.0 && size.1 >= SIZE_MIN.1
}

/// Whether a pane takes the timeline's place instead of standing beside it.
pub const fn is_narrow(size: (u16, u16)) -> bool {
    size.0 < BOTH_PANES_MIN
}

/// Whether the channels and the participants are shown.
pub fn panes(model: &Model) -> (bool, bool) {
    if model.reading.bare {
        return (false, false);
    }
    let by_itself = !is_narrow(model.size);
    (model.panes.channels.unwrap_or(by_itself), model.panes.participants.unwrap_or(by_itself))
}

/// Columns that the messages keep beside panes that were made wide.
const CENTRE_MIN: u16 = 30;
/// Columns between the channels and the messages: a line and a gap.
const AFTER: u16 = 2;
/// Columns between the messages and the participants: the text keeps a gap of its own.
const BEFORE: u16 = 3;

/// Columns that one pane may take on a screen where both are shown.
pub const fn pane_width_max(size: (u16, u16)) -> u16 {
    size.0.saturating_sub(CENTRE_MIN + AFTER + BEFORE) / 2
}

/// Columns of the panes, what stands between them and the timeline included; 0 where they are not shown.
fn pane_widths(model: &Model) -> (u16, u16) {
    let columns = model.size.0;
    let (channels, participants) = panes(model);
    let (left, right) = match columns {
        _ if is_narrow(model.size) => (columns, columns),
        ..WIDE_MIN => (16, 17),
        _ => ((columns / 6).clamp(21, 32), (columns / 5).clamp(30, 47)),
    };
    let (left, right) = if is_narrow(model.size) {
        (left, right)
    } else {
        // What was chosen on a wider screen gives way on this one.
        let most = pane_width_max(model.size);
        let chosen = |width: Option<u16>, gap: u16| width.map(|width| width.min(most) + gap);
        (
            chosen(model.panes.channels_width, AFTER).unwrap_or(left),
            chosen(model.panes.participants_width, BEFORE).unwrap_or(right),
        )
    };
    (if channels { left } else { 0 }, if participants { right } else { 0 })
}

/// Columns of the timeline.
pub fn timeline_width(model: &Model) -> u16 {
    let (left, right) = pane_widths(model);
    match model.size.0.saturating_sub(left + right) {
        // A pane in its place leaves it as it would be.
        0 => model.size.0,
        width => width,
    }
}

/// All parts. Meant for terminals that fit.
pub fn chat(model: &Model) -> Chat {
    let (columns, rows) = model.size;
    let banner_rows = banner_rows(model);
    let banner = Rect::new(0, 0, columns, banner_rows);
    let status = Rect::new(0, rows.saturating_sub(1), columns, 1);
    let body = Rect::new(0, banner_rows, columns, rows.saturating_sub(1 + banner_rows));
    let (left, right) = pane_widths(model);
    let narrow = is_narrow(model.size);
    // Beside the timeline a pane has a line and a gap; before the line on the right the text keeps a gap too.
    let (after, before) = if narrow { (0, 0) } else { (AFTER, BEFORE) };
    let channels = (left > 0).then(|| Rect { width: left - after, ..body });
    let participants =
        (right > 0).then(|| Rect { x: columns - (right - before), width: right - before, ..body });
    let x = if narrow { 0 } else { left };
    let centre = Rect { x, width: timeline_width(model), ..body };
    let composer_rows = composer::rows(model, centre.width, (body.height / 3).max(1));
    let notice_rows = notice_rows(model, centre.width).min(body.height.saturating_sub(composer_rows + 4));
    // Copied with the mouse, a title and a rule would stand among the messages.
    let edge = u16::from(!model.reading.bare);
    let timeline_rows = body.height.saturating_sub(2 * edge + composer_rows + notice_rows);
    let part = |y: u16, height: u16| Rect { y: body.y + y, height, ..centre };
    Chat {
        banner,
        channels,
        title: part(0, edge),
        timeline: part(edge, timeline_rows),
        notice: part(edge + timeline_rows, notice_rows),
        rule: part(edge + timeline_rows + notice_rows, edge),
        composer: part(2 * edge + timeline_rows + notice_rows, composer_rows),
        participants,
        status,
    }
}

/// The link's lines, one that says what they are, and a rule; a single line where they would crowd out the chat.
fn banner_rows(model: &Model) -> u16 {
    if model.reading.bare || !model.invite_banner || !matches!(model.screen, Screen::Chat) {
        return 0;
    }
    let link = crate::update::invite(model).map_or(0, |invite| text::width(&invite.to_string()));
    let lines = link.div_ceil(usize::from(model.size.0.max(1)));
    match u16::try_from(lines + 2) {
        Ok(rows) if rows + 10 <= model.size.1 => rows,
        _ => 1,
    }
}

fn notice_rows(model: &Model, width: u16) -> u16 {
    let Some(notice) = &model.notice else { return 0 };
    let lines = notice_lines(&notice.text, width).len();
    u16::try_from(lines).unwrap_or(0)
}

/// A notice's lines, behind a sign of two cells.
pub fn notice_lines(notice: &str, width: u16) -> Vec<String> {
    let room = usize::from(width.saturating_sub(2)).max(1);
    let safe = text::harmless(notice);
    text::wrap(&safe, room, room).into_iter().take(NOTICE_ROWS_MAX).map(str::to_owned).collect()
}
