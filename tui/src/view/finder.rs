//! The finder as it is drawn: the letters, and the rows that have them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::dialog;
use super::form::{field_line, set_cursor};
use crate::model::Model;
use crate::model::listing::{Answer, Listed, Listing};
use crate::model::overlay::{Finder, FinderKind, LinkUse};
use crate::text;
use crate::theme::Role;
use crate::update::finder::{self, Row};

/// Rows of the list at most.
const ROWS_MAX: usize = 12;
/// Rows of the list at least.
const ROWS_MIN: usize = 3;
/// Lines above the list: the letters, and a gap.
const HEAD: usize = 2;

/// Columns inside the box.
const fn width(kind: &FinderKind) -> u16 {
    match kind {
        FinderKind::Switcher => 52,
        FinderKind::Palette => 74,
        FinderKind::Themes(_) | FinderKind::Actions => 60,
        FinderKind::Emoji(_) => 44,
        FinderKind::Links(..) => 74,
        FinderKind::Listing(_) | FinderKind::Inbox => 100,
    }
}

/// Rows that fit, no more than there are without letters: the box does not jump while one types.
fn room(model: &Model, kind: &FinderKind) -> usize {
    let fits = usize::from(model.size.1).saturating_sub(HEAD + 6).max(1);
    let most = match kind {
        FinderKind::Palette => ROWS_MAX.max(usize::from(model.size.1) / 2),
        // What comes later must not make the box jump.
        FinderKind::Listing(_) => return fits.min(ROWS_MAX),
        _ => ROWS_MAX,
    };
    fits.min(most).min(finder::all(model, kind).len().max(ROWS_MIN))
}

fn first(finder: &Finder, rows: usize) -> usize {
    finder.selected.saturating_sub(rows.saturating_sub(1))
}

/// The row of the list at a place on the screen.
pub fn row_at(model: &Model, finder: &Finder, x: u16, y: u16) -> Option<usize> {
    let rows = room(model, &finder.kind);
    let list = area(model, finder);
    if !list.contains((x, y).into()) {
        return None;
    }
    let at = first(finder, rows) + usize::from(y - list.y);
    (at < finder::rows(model).len()).then_some(at)
}

/// The whole box.
pub fn outside(model: &Model, finder: &Finder) -> Rect {
    let lines = u16::try_from(HEAD + room(model, &finder.kind) + 2).unwrap_or(u16::MAX);
    dialog::outside(Rect::new(0, 0, model.size.0, model.size.1), width(&finder.kind), lines)
}

/// Where the list stands.
fn area(model: &Model, finder: &Finder) -> Rect {
    let rows = room(model, &finder.kind);
    let lines = u16::try_from(HEAD + rows + 2).unwrap_or(u16::MAX);
    let screen = Rect::new(0, 0, model.size.0, model.size.1);
    let inside = dialog::area(screen, width(&finder.kind), lines);
    let head = u16::try_from(HEAD).unwrap_or(0).min(inside.height);
    let height = u16::try_from(rows).unwrap_or(0).min(inside.height - head);
    Rect { y: inside.y + head, height, ..inside }
}

/// Draws it.
pub fn finder(model: &Model, finder: &Finder, frame: &mut Frame<'_>) {
    let columns = dialog::room(model, width(&finder.kind));
    let (label, title, empty) = match &finder.kind {
        FinderKind::Switcher => {
            ("Go to", "Channels and people", "nothing has these letters; /join #CHANNEL joins a channel")
        }
        FinderKind::Palette => ("Do", "Everything one can do", "nothing has these letters; F1 lists all"),
        FinderKind::Themes(_) => ("Theme", "Themes", "no theme has these letters"),
        FinderKind::Actions => ("Do", "This message", "nothing has these letters"),
        FinderKind::Emoji(_) => ("Emoji", "React", "no emoji has these letters"),
        FinderKind::Links(..) => ("Link", "Links of this message", "no link has these letters"),
        FinderKind::Inbox => ("Inbox", "Unread", "nothing is unread"),
        FinderKind::Listing(list) => listing_words(list),
    };
    let rows = room(model, &finder.kind);
    let (field, cursor) = field_line(model, label, &finder.filter, true, columns);
    let mut lines = vec![field, Line::raw("")];
    let found = finder::rows(model);
    let from = first(finder, rows);
    let shown = found.iter().enumerate().skip(from).take(rows);
    lines.extend(shown.map(|(at, row)| row_line(model, row, at == finder.selected, columns)));
    if found.is_empty() {
        lines.push(Line::styled(text::clip(empty, columns).into_owned(), model.theme.style(Role::Quiet)));
    }
    lines.resize(HEAD + rows, Line::raw(""));
    lines.push(Line::raw(""));
    lines.push(foot(model, finder, found.len(), columns));
    let inside = dialog::dialog(model, frame, title, width(&finder.kind), lines);
    set_cursor(frame, inside, 0, cursor);
}

fn listing_words(list: &Listing) -> (&'static str, &'static str, &'static str) {
    let nothing = match &list.answer {
        Answer::Unasked => "type words and press Enter",
        Answer::Waiting => "asking the relay…",
        Answer::Here => "nothing was found",
        Answer::Offline => "offline, and nothing of it is loaded here",
        Answer::Refused(_) => "the relay refused",
    };
    match &list.what {
        Listed::Found { channel: Some(_), .. } => ("Search", "Search this channel", nothing),
        Listed::Found { channel: None, .. } => ("Search", "Search everywhere", nothing),
        Listed::Pins(_) if list.answer == Answer::Here => {
            ("Pinned", "Pinned messages", "nothing is pinned here")
        }
        Listed::Pins(_) => ("Pinned", "Pinned messages", nothing),
        Listed::Thread(..) => ("Thread", "Thread", nothing),
    }
}

/// What keys do in a list; what has gone wrong comes first.
fn listing_keys(list: &Listing) -> String {
    let keys = match &list.what {
        Listed::Found { channel: Some(_), .. } => "Enter searches, goes there  Ctrl-R everywhere  Esc closes",
        Listed::Found { channel: None, .. } => "Enter searches, goes there  Ctrl-R this channel  Esc closes",
        Listed::Pins(_) => "Enter goes there  Esc closes",
        Listed::Thread(..) => "Enter goes there  Ctrl-R replies  Esc closes",
    };
    match &list.answer {
        Answer::Offline => format!("offline: only what is loaded here  {keys}"),
        Answer::Waiting => format!("asking the relay…  {keys}"),
        Answer::Refused(why) => format!("✗ {}", text::harmless(why)),
        Answer::Unasked | Answer::Here => keys.to_owned(),
    }
}

fn foot(model: &Model, finder: &Finder, found: usize, columns: usize) -> Line<'static> {
    let keys = match &finder.kind {
        FinderKind::Switcher => "Enter goes there  # @ narrow  Esc closes".to_owned(),
        FinderKind::Palette => "Enter does it  Esc closes".to_owned(),
        FinderKind::Themes(_) => "Enter keeps it  Esc goes back".to_owned(),
        FinderKind::Actions => "Enter does it  Esc closes".to_owned(),
        FinderKind::Emoji(_) => "Enter reacts, or takes it back  Esc closes".to_owned(),
        FinderKind::Inbox => "Enter goes there  Ctrl-R marks it read  Esc closes".to_owned(),
        FinderKind::Listing(list) => listing_keys(list),
        FinderKind::Links(_, LinkUse::Open) => "a number, Enter opens it  Esc closes".to_owned(),
        FinderKind::Links(_, LinkUse::Copy) => "a number, Enter copies it  Esc closes".to_owned(),
    };
    let count = format!("{}/{found}", (finder.selected + 1).min(found));
    let keys = text::fit(&keys, columns.saturating_sub(text::width(&count) + 1));
    let quiet = model.theme.style(Role::Quiet);
    Line::from(vec![Span::styled(keys, quiet), Span::styled(format!(" {count}"), quiet)])
}

fn row_line(model: &Model, row: &Row, selected: bool, columns: usize) -> Line<'static> {
    let sign = if selected {
        "▸ "
    } else if row.calls {
        "• "
    } else {
        "  "
    };
    let note_room = (columns / 2).min(text::width(&row.note));
    let note = text::clip(&row.note, note_room).into_owned();
    let room = columns.saturating_sub(2 + text::width(&note) + 2);
    let words = text::clip(&row.words, room).into_owned();
    let gap = columns.saturating_sub(2 + text::width(&words) + text::width(&note));
    let role = match (selected, row.calls) {
        (true, _) => Role::Selected,
        (false, true) => Role::Strong,
        (false, false) => Role::Text,
    };
    let style = model.theme.style(role);
    let note_style =
        if selected { style } else { model.theme.style(if row.calls { Role::Unread } else { Role::Quiet }) };
    let mut spans = vec![Span::styled(sign, style)];
    spans.extend(marked(&words, &row.marks, style));
    spans.push(Span::styled(" ".repeat(gap), style));
    spans.push(Span::styled(note, note_style));
    Line::from(spans)
}

/// The characters that were meant are underlined.
fn marked(words: &str, marks: &[u32], style: Style) -> Vec<Span<'static>> {
    let mut spans: Vec<(bool, String)> = Vec::new();
    let mut at = 0_u32;
    for grapheme in words.graphemes(true) {
        let chars = u32::try_from(grapheme.chars().count()).unwrap_or(1);
        let meant = marks.iter().any(|mark| (at..at + chars).contains(mark));
        at += chars;
        match spans.last_mut() {
            Some((before, text)) if *before == meant => text.push_str(grapheme),
            _ => spans.push((meant, grapheme.to_owned())),
        }
    }
    let mark = style.add_modifier(Modifier::UNDERLINED.union(Modifier::BOLD));
    spans.into_iter().map(|(meant, text)| Span::styled(text, if meant { mark } else { style })).collect()
}
