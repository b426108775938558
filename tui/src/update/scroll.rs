//! Moving through the timeline.
//!
//! The view is anchored to a row and a line in it, never to a place on the screen: what arrives below or is loaded above moves
//! nothing. Only the rows near the view are wrapped.

use mechat_protocol::Seq;
use mechat_protocol::request::HistoryRange;

use super::{Effect, cache};
use crate::model::channel::{RowKey, Seek};
use crate::model::{Channel, Model, Scroll};
use crate::view::{layout, timeline};

/// A place in the timeline: a row, and a line in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The row.
    pub row: usize,
    /// The line.
    pub line: usize,
}

/// Moves by pages less a line, so that the eye finds its place again. Negative is up.
pub fn page(model: &mut Model, pages: isize) -> Vec<Effect> {
    let height = layout::chat(model).timeline.height;
    by_lines(model, pages * isize::try_from(height.saturating_sub(1).max(1)).unwrap_or(1))
}

/// Moves by lines. Negative is up; at the top, older messages are asked for.
pub fn by_lines(model: &mut Model, lines: isize) -> Vec<Effect> {
    let Some(channel) = model.current() else { return Vec::new() };
    let Some(bottom) = bottom_place(model, channel) else {
        return if lines < 0 { load_older(model) } else { Vec::new() };
    };
    let from = top_place(model, channel).unwrap_or(bottom);
    let place = if lines < 0 {
        up(model, channel, from, lines.unsigned_abs())
    } else {
        down(model, channel, from, lines.unsigned_abs())
    };
    anchor(model, place, bottom);
    if let Some(channel) = model.current_mut() {
        channel.arrived = None;
    }
    match lines {
        ..0 if place.row == 0 => load_older(model),
        0.. if place >= bottom => load_newer(model),
        _ => Vec::new(),
    }
}

/// To the oldest loaded message; asks for older ones.
pub fn to_top(model: &mut Model) -> Vec<Effect> {
    if let Some(channel) = model.current()
        && let Some(bottom) = bottom_place(model, channel)
    {
        anchor(model, Place { row: 0, line: 0 }, bottom);
    }
    load_older(model)
}

/// To the newest message. Where the window is far from it, what is in view stays until it is there.
pub fn to_end(model: &mut Model) -> Vec<Effect> {
    let Some(channel) = model.current_mut() else { return Vec::new() };
    if channel.is_at_end() {
        channel.scroll = Scroll::Bottom;
        channel.seek = None;
        channel.trim();
        return Vec::new();
    }
    seek_end(model)
}

/// To an entry, wherever it is in the log.
pub fn to_entry(model: &mut Model, seq: Seq) -> Vec<Effect> {
    let Some(channel) = model.current_mut() else { return Vec::new() };
    let key = RowKey::Entry(seq);
    if channel.row_index(key).is_some() {
        channel.scroll = Scroll::Top { row: key, line: 0 };
        return around(model);
    }
    if channel.seek == Some(Seek::Entry(seq)) {
        return Vec::new();
    }
    channel.seek = Some(Seek::Entry(seq));
    let range = HistoryRange::After { seq: Seq(seq.0.saturating_sub(1)) };
    let id = channel.info.channel;
    vec![cache::read(model, id, range)]
}

/// Leaves some lines above the entry that was gone to, loading them first if need be.
pub fn around(model: &mut Model) -> Vec<Effect> {
    let above = usize::from(layout::chat(model).timeline.height) / 3;
    let Some(channel) = model.current() else { return Vec::new() };
    let Some(from) = top_place(model, channel) else { return fill(model) };
    let place = up(model, channel, from, above);
    let bottom = bottom_place(model, channel).unwrap_or_default();
    anchor(model, place, bottom);
    let mut effects = if place.row == 0 { load_older(model) } else { Vec::new() };
    let still = model.current().is_some_and(|channel| channel.loading);
    if let Some(channel) = model.current_mut() {
        channel.arrived = channel.entries.get(from.row).map(|entry| entry.seq).filter(|_| still);
    }
    effects.extend(load_newer(model));
    effects
}

/// Moves the view as little as it takes to show a row whole.
pub fn reveal(model: &mut Model, key: RowKey) {
    let Some(channel) = model.current() else { return };
    let Some((row, bottom)) = channel.row_index(key).zip(bottom_place(model, channel)) else { return };
    let room = usize::from(layout::chat(model).timeline.height);
    let top = top_place(model, channel).map_or(bottom, |top| top.min(bottom));
    let lines = timeline::height(model, channel, row);
    let first = Place { row, line: 0 };
    let last = Place { row, line: lines.saturating_sub(1) };
    if first < top {
        anchor(model, first, bottom);
    } else if last > down(model, channel, top, room.saturating_sub(1)) {
        // Of what is higher than the view, the beginning is shown.
        let place = up(model, channel, last, room.saturating_sub(1)).min(first);
        anchor(model, place, bottom);
    }
}

/// What is above the entry that was gone to has come: the view takes its lines, unless one has moved on.
pub fn settle(model: &mut Model) {
    let height = layout::chat(model).timeline.height;
    let Some(channel) = model.current_mut() else { return };
    let Some(seq) = channel.arrived.take() else { return };
    let unmoved = matches!(channel.scroll, Scroll::Top { row, .. } if channel.row_index(row).is_some());
    let Some(row) = channel.row_index(RowKey::Entry(seq)).filter(|_| unmoved) else { return };
    let Some(channel) = model.current() else { return };
    let from = Place { row, line: 0 };
    let place = up(model, channel, from, usize::from(height) / 3);
    let bottom = bottom_place(model, channel).unwrap_or_default();
    anchor(model, place, bottom);
}

/// Asks for what the view needs and the window does not hold: the end of the log, where the view is there.
pub fn fill(model: &mut Model) -> Vec<Effect> {
    let Some(channel) = model.current() else { return Vec::new() };
    if channel.scroll != Scroll::Bottom || channel.is_at_end() {
        return Vec::new();
    }
    if channel.entries.is_empty() { seek_end(model) } else { load_newer(model) }
}

/// The last entry that is in view, or before it.
pub fn lowest_seen(model: &Model, channel: &Channel) -> Seq {
    let Some(top) = top_place(model, channel) else { return channel.last_seq() };
    let room = usize::from(layout::chat(model).timeline.height);
    let below = down(model, channel, top, room.saturating_sub(1));
    let last = below.row.min(channel.entries.len().saturating_sub(1));
    channel.entries.get(last).map_or(Seq::ZERO, |entry| entry.seq)
}

/// The first visible place while the view is scrolled up; `None` at the bottom.
pub fn top_place(model: &Model, channel: &Channel) -> Option<Place> {
    let Scroll::Top { row, line } = channel.scroll else { return None };
    let row = channel.row_index(row)?;
    let lines = timeline::height(model, channel, row);
    Some(Place { row, line: line.min(lines.saturating_sub(1)) })
}

/// The first visible place when the view is at the bottom; `None` if all fits.
pub fn bottom_place(model: &Model, channel: &Channel) -> Option<Place> {
    let room = usize::from(layout::chat(model).timeline.height);
    let mut used = 0;
    for row in (0..channel.rows()).rev() {
        used += timeline::height(model, channel, row);
        if used > room {
            return Some(Place { row, line: used - room });
        }
    }
    None
}

/// Whether the first known row is in view.
pub fn is_at_top(model: &Model, channel: &Channel) -> bool {
    let top = top_place(model, channel).or_else(|| bottom_place(model, channel));
    top.is_none_or(|place| place == Place { row: 0, line: 0 })
}

fn up(model: &Model, channel: &Channel, from: Place, lines: usize) -> Place {
    let (mut place, mut left) = (from, lines);
    while left > place.line {
        // A row without lines is no place to stop at.
        let mut earlier = (0..place.row).rev().map(|row| (row, timeline::height(model, channel, row)));
        let Some((row, lines)) = earlier.find(|(_, lines)| *lines > 0) else {
            return Place { row: 0, line: 0 };
        };
        left -= place.line + 1;
        place = Place { row, line: lines - 1 };
    }
    Place { line: place.line - left, ..place }
}

fn down(model: &Model, channel: &Channel, from: Place, lines: usize) -> Place {
    let (mut place, mut left) = (from, lines);
    while place.row < channel.rows() {
        let lines = timeline::height(model, channel, place.row);
        if lines > 0 {
            let behind = lines.saturating_sub(place.line + 1);
            if left <= behind {
                return Place { line: place.line + left, ..place };
            }
            left -= behind + 1;
        }
        place = Place { row: place.row + 1, line: 0 };
    }
    place
}

fn anchor(model: &mut Model, place: Place, bottom: Place) {
    let Some(channel) = model.current_mut() else { return };
    // Below a window that ends before the log does, there is more: the view is not at the end.
    let place = if channel.is_at_end() { place } else { place.min(bottom) };
    channel.scroll = match channel.row_key(place.row) {
        Some(row) if place < bottom || !channel.is_at_end() => Scroll::Top { row, line: place.line },
        _ => Scroll::Bottom,
    };
}

fn seek_end(model: &mut Model) -> Vec<Effect> {
    let Some(channel) = model.current_mut() else { return Vec::new() };
    if matches!(channel.seek, Some(Seek::End(_))) {
        return Vec::new();
    }
    let end = channel.last_seq().next();
    (channel.seek, channel.arrived) = (Some(Seek::End(end)), None);
    let (id, range) = (channel.info.channel, HistoryRange::Before { seq: end });
    vec![cache::read(model, id, range)]
}

fn load_newer(model: &mut Model) -> Vec<Effect> {
    let Some(channel) = model.current_mut() else { return Vec::new() };
    let Some(last) = channel.entries.last().map(|entry| entry.seq) else { return Vec::new() };
    if channel.is_at_end() || channel.loading_newer {
        return Vec::new();
    }
    channel.loading_newer = true;
    let id = channel.info.channel;
    vec![cache::read(model, id, HistoryRange::After { seq: last })]
}

fn load_older(model: &mut Model) -> Vec<Effect> {
    let Some(channel) = model.current_mut() else { return Vec::new() };
    let Some(first) = channel.entries.first() else { return Vec::new() };
    if channel.at_start || channel.loading {
        return Vec::new();
    }
    let (id, range) = (channel.info.channel, HistoryRange::Before { seq: first.seq });
    channel.loading = true;
    vec![cache::read(model, id, range)]
}
