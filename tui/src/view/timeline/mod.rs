//! The messages: what each row looks like, and how many lines it takes.
//!
//! One rhythm at every size: who spoke and when stands once, in a head line `[12:00:00] name`; what they said stands under it,
//! two cells in. Who goes on within five minutes gets no second head. What happened is one quiet line
//! `[12:00:00] @name Joined`. No empty lines: heads begin at the edge in the speaker's colour, that is enough air.
//! A quoted line stands over a reply, reactions under what they are for, `(edited)` and `(pinned)` behind it.
//!
//! Owns the form of rows. Only those near the view are ever wrapped, and each once (`cache.rs`). What separates days and what
//! is new belongs to the row that follows it, so that no row is ever mistaken for another. An edit, a deletion, a reaction
//! or a pin has a row and no lines.

mod cache;
mod row;

use std::borrow::Cow;
use std::rc::Rc;

use mechat_protocol::{AccountName, Content, Seq, UnixMillis};
use ratatui::text::{Line, Span};

use super::layout;
use crate::model::channel::RowKey;
use crate::model::{Channel, Model};
use crate::text::{self, Policy};
use crate::theme::Role;
use crate::timefmt;
use crate::update::scroll;
use cache::Setting;
pub use cache::{LaidRow, RowCache, RowLink};
use row::{Before, Maker};

/// A line of the timeline as it stands on the screen.
#[derive(Debug, Clone)]
pub struct ShownLine {
    /// The row it belongs to; none for what only separates rows.
    pub key: Option<RowKey>,
    /// What is drawn.
    pub line: Line<'static>,
    /// Where pieces of it lead; `line` counts from 0 here.
    pub links: Vec<RowLink>,
}

/// A piece of the screen that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenLink {
    /// Column of the first cell.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// How many cells.
    pub cells: u16,
    /// Printable ASCII of a permitted scheme.
    pub target: Rc<str>,
}

/// Lines of a row.
pub fn height(model: &Model, channel: &Channel, row: usize) -> usize {
    let (separators, laid) = parts(model, channel, row);
    separators.len() + laid.lines.len()
}

/// What the view shows now, from its first line; fewer lines than there is room if the log is short.
pub fn shown(model: &Model, channel: &Channel) -> Vec<ShownLine> {
    let room = usize::from(layout::chat(model).timeline.height);
    let bottom = scroll::bottom_place(model, channel);
    let top = scroll::top_place(model, channel).or(bottom);
    let top = match (top, bottom) {
        (Some(top), Some(bottom)) => Some(top.min(bottom)),
        _ => None,
    };
    let (first, skip) = top.map_or((0, 0), |place| (place.row, place.line));
    let mut shown = Vec::with_capacity(room + skip + 8);
    for row in first..channel.rows() {
        if shown.len() >= room + skip {
            break;
        }
        push_row(model, channel, row, &mut shown);
    }
    shown.truncate(room + skip);
    shown.drain(..skip.min(shown.len()));
    shown
}

/// The row of which a line of the screen shows a part; none for separators and beyond.
pub fn row_at(model: &Model, y: u16) -> Option<RowKey> {
    let channel = model.current()?;
    let shown = shown(model, channel);
    let first = first_y(model, shown.len());
    shown.get(usize::from(y.checked_sub(first)?))?.key
}

/// What leads somewhere on the screen, the pieces of what was wrapped each by itself.
pub fn links(model: &Model) -> Vec<ScreenLink> {
    let Some(channel) = model.current() else { return Vec::new() };
    let area = layout::chat(model).timeline;
    let shown = shown(model, channel);
    let first = first_y(model, shown.len());
    let small = |cells: usize| u16::try_from(cells).unwrap_or(u16::MAX);
    let mut links = Vec::new();
    for (y, line) in (first..area.bottom()).zip(shown) {
        for link in line.links {
            let x = area.x.saturating_add(small(link.column));
            let cells = small(link.cells).min(area.right().saturating_sub(x));
            links.push(ScreenLink { x, y, cells, target: link.target });
        }
    }
    links
}

/// Where the first line stands: a short log stands at the bottom, where the next message will appear.
pub fn first_y(model: &Model, lines: usize) -> u16 {
    let area = layout::chat(model).timeline;
    area.bottom() - u16::try_from(lines).unwrap_or(area.height).min(area.height)
}

fn push_row(model: &Model, channel: &Channel, row: usize, shown: &mut Vec<ShownLine>) {
    let (separators, laid) = parts(model, channel, row);
    let key = channel.row_key(row);
    shown.extend(separators.into_iter().map(|line| ShownLine { key: None, line, links: Vec::new() }));
    let chosen = key.is_some() && key == model.reading.chosen;
    for (number, line) in laid.lines.iter().enumerate() {
        let links = laid.links.iter().filter(|link| link.line == number);
        let links = links.map(|link| RowLink { line: 0, ..link.clone() }).collect();
        let mut line = line.clone();
        if chosen {
            let style = model.theme.style(Role::Selected);
            line.spans.iter_mut().for_each(|span| span.style = span.style.patch(style));
            line.style = style;
        }
        shown.push(ShownLine { key, line, links });
    }
}

/// What stands before a row, and the row itself.
fn parts(model: &Model, channel: &Channel, row: usize) -> (Vec<Line<'static>>, Rc<LaidRow>) {
    let width = usize::from(layout::timeline_width(model));
    let maker = Maker { model, channel, width };
    let mut separators = Vec::new();
    if row == 0 {
        separators.push(beginning(model, channel, width));
    }
    let (key, before) = (channel.row_key(row), maker.before(row));
    let Some(key) = key else { return (separators, Rc::default()) };
    let me = model.account.as_ref().map(|account| &account.name);
    let (sender, at) = match channel.entries.get(row) {
        Some(entry) if !row::is_shown(entry) => return (separators, Rc::default()),
        Some(entry) => (Some(&entry.sender), entry.at_ms),
        None => match channel.outbox.get(row - channel.entries.len()) {
            Some(message) => (me, maker.said_at(message)),
            None => return (separators, Rc::default()),
        },
    };
    let apart = separate(&maker, row, before.as_ref(), at, &mut separators);
    let before = before.filter(|_| !apart);
    let continues = sender.zip(before).is_some_and(|(sender, before)| before.is_continued_by(sender, at));
    (separators, laid(&maker, row, key, continues, me))
}

/// The lines between two rows; whether there are any.
fn separate(
    maker: &Maker<'_>,
    row: usize,
    before: Option<&Before<'_>>,
    at: UnixMillis,
    separators: &mut Vec<Line<'static>>,
) -> bool {
    let Maker { model, channel, width } = *maker;
    let already = separators.len();
    let day = |at: UnixMillis| timefmt::day(at, &model.zone);
    if before.is_none_or(|before| day(before.at) != day(at)) {
        separators.push(separator(model, &timefmt::day_name(at, &model.zone), Role::Quiet, width));
    }
    let seq = channel.entries.get(row).map(|entry| entry.seq);
    // What was read last may be a row without lines: the line stands before the first one that is shown.
    let behind = before.map_or_else(|| first_behind(channel), |before| before.seq);
    let is_new = channel
        .divider
        .zip(behind)
        .zip(seq)
        .is_some_and(|((divider, behind), seq)| (behind..seq).contains(&divider));
    if is_new {
        separators.push(separator(model, "new", Role::Unread, width));
    }
    separators.len() > already
}

/// The place before the first known entry.
fn first_behind(channel: &Channel) -> Option<Seq> {
    channel.entries.first().map(|entry| Seq(entry.seq.0.saturating_sub(1)))
}

/// The row from the cache, or laid out now.
fn laid(
    maker: &Maker<'_>,
    row: usize,
    key: RowKey,
    continues: bool,
    me: Option<&AccountName>,
) -> Rc<LaidRow> {
    let Maker { model, channel, width } = *maker;
    let entry = channel.entries.get(row).map(|entry| channel.amended(entry, me));
    let entry = entry.as_deref();
    let message = channel.outbox.get(row.wrapping_sub(channel.entries.len()));
    let state = match (entry, message) {
        (Some(entry), _) => maker.entry_state(entry, continues),
        (None, Some(message)) => maker.outgoing_state(message, continues),
        (None, None) => return Rc::default(),
    };
    let id = channel.info.channel;
    let mut cache = model.reading.rows.borrow_mut();
    cache.set(&Setting {
        width,
        bare: model.reading.bare,
        policy: Policy::in_force(),
        time: model.preferences.config.time,
        theme: Cow::Borrowed(&model.theme),
        me: me.map(Cow::Borrowed),
    });
    if let Some(row) = cache.get(id, key, state) {
        return row;
    }
    let row = Rc::new(match (entry, message) {
        (Some(entry), _) => maker.entry(entry, continues),
        (None, Some(message)) => maker.outgoing(message, continues),
        (None, None) => LaidRow::default(),
    });
    cache.put(id, key, state, &row);
    row
}

/// What stands over the first known entry.
pub fn beginning(model: &Model, channel: &Channel, width: usize) -> Line<'static> {
    let name = text::harmless(channel.info.name.as_str()).into_owned();
    let words = if channel.loading {
        "loading older…".to_owned()
    } else if channel.at_start {
        format!("beginning of #{name}")
    } else {
        "PgUp loads older messages".to_owned()
    };
    separator(model, &words, Role::Quiet, width)
}

fn separator(model: &Model, words: &str, role: Role, width: usize) -> Line<'static> {
    let words = text::clip(words, width.saturating_sub(6)).into_owned();
    let rest = width.saturating_sub(text::width(&words) + 4);
    let rule = model.theme.style(if role == Role::Unread { role } else { Role::Rule });
    Line::from(vec![
        Span::styled("── ", rule),
        Span::styled(words, model.theme.style(role)),
        Span::styled(format!(" {}", "─".repeat(rest)), rule),
    ])
}

/// What a content says in words.
pub fn words(content: &Content) -> Cow<'_, str> {
    match content {
        Content::Text { text } => text.as_str().into(),
        Content::Data { media_type, bytes } => {
            format!("‹{}, {} bytes›", media_type.as_str(), bytes.as_bytes().len()).into()
        }
        Content::Unknown => "‹something that this version cannot show›".into(),
    }
}
