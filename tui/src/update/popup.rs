//! The list of what may be meant by the word at the cursor: people after `@`, channels after `#`, emoji after `:`, commands after `/`.
//!
//! Invariants: Enter is the list's only while something is selected; what is inserted replaces the word and nothing else.

use std::cmp::Reverse;
use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mechat_protocol::AccountName;

use super::{complete, compose};
use crate::emoji;
use crate::fuzzy::Search;
use crate::model::popup::Completion;
use crate::model::{Model, Popup};
use crate::text;

/// Rows at most.
const ROWS_MAX: usize = 64;
/// Letters of a short code from which on emoji are offered: smileys such as `:)` and `:D` are no codes.
const CODE_MIN: usize = 2;
/// Bytes of a word beyond which nobody means a name.
const WORD_LEN_MAX: usize = 128;

/// The list that stands beside the text as it is now.
pub fn shown(model: &Model) -> Option<&Popup> {
    model.writing.popup.as_ref().filter(|popup| popup.revision() == model.composer.revision())
}

fn shown_mut(model: &mut Model) -> Option<&mut Popup> {
    let revision = model.composer.revision();
    model.writing.popup.as_mut().filter(|popup| popup.revision() == revision)
}

/// Makes the list for the word at the cursor.
pub fn refresh(model: &mut Model) {
    let items = items(model);
    let start = items.first().map(|item| start_of(model, &item.range));
    if start.is_none() || model.writing.unwanted != start {
        model.writing.unwanted = None;
        model.writing.popup = Popup::new(items, model.composer.revision());
    } else {
        model.writing.popup = None;
    }
}

/// A key while the list is shown; false if it is not for the list.
pub fn key(model: &mut Model, key: KeyEvent) -> bool {
    let Some(popup) = shown_mut(model) else { return false };
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return false;
    }
    match key.code {
        KeyCode::Tab if popup.items().len() == 1 => {
            popup.next();
            return accept(model);
        }
        KeyCode::Tab => popup.next(),
        KeyCode::BackTab => popup.previous(),
        // Who chose and goes on to the next word has accepted.
        KeyCode::Char(' ') => return accept_with_space(model),
        _ => return false,
    }
    true
}

/// Selects the next row or the one before; false if there is no list.
pub fn step(model: &mut Model, forward: bool) -> bool {
    let Some(popup) = shown_mut(model) else { return false };
    if forward {
        popup.next();
    } else {
        popup.previous();
    }
    true
}

fn accept_with_space(model: &mut Model) -> bool {
    let accepted = accept(model);
    if accepted && !model.composer.cursor_line().0.ends_with(' ') {
        model.composer.type_char(' ');
    }
    accepted
}

/// Puts the selected row in the place of the word; false if nothing is selected.
pub fn accept(model: &mut Model) -> bool {
    let Some(chosen) = shown(model).and_then(Popup::chosen).cloned() else { return false };
    let start = start_of(model, &chosen.range);
    model.composer.replace_back_to(start, &chosen.text);
    model.writing.popup = None;
    refresh(model);
    compose::follow_cursor(model);
    true
}

/// Closes the list for this word; false if there is none.
pub fn close(model: &mut Model) -> bool {
    let Some(range) = shown(model).and_then(|popup| popup.items().first()).map(|item| item.range.clone())
    else {
        return false;
    };
    model.writing.unwanted = Some(start_of(model, &range));
    model.writing.popup = None;
    true
}

fn start_of(model: &Model, range: &Range<usize>) -> (usize, usize) {
    let (line, _) = model.composer.cursor();
    (line, model.composer.lines()[line][..range.start].chars().count())
}

/// What may be meant, the best first.
fn items(model: &Model) -> Vec<Completion> {
    let (line, cursor) = model.composer.cursor_line();
    let before = &line[..cursor];
    if model.composer.lines().len() == 1 && before.starts_with('/') && !before.starts_with("//") {
        let items = complete::complete(model, line, cursor).into_iter();
        // The next word begins at once.
        return items.map(|item| Completion { text: item.text + " ", ..item }).collect();
    }
    let start = before.rfind(char::is_whitespace).map_or(0, |at| at + space_len(&before[at..]));
    let start = start + before[start..].len()
        - before[start..].trim_start_matches(['(', '[', '{', '"', '\'', '+']).len();
    let word = &before[start..];
    if word.len() > WORD_LEN_MAX {
        return Vec::new();
    }
    let range = start..cursor;
    match word.chars().next() {
        Some('@') => people(model, &word[1..], &range),
        Some('#') => channels(model, &word[1..], &range),
        Some(':') if word.len() > CODE_MIN && word[1..].chars().all(emoji::in_code) => {
            emoji_items(&word[1..], &range)
        }
        _ => Vec::new(),
    }
}

fn space_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

fn people(model: &Model, letters: &str, range: &Range<usize>) -> Vec<Completion> {
    let members = model.current().and_then(|channel| channel.members.as_ref());
    let all: Vec<&AccountName> = match members {
        Some(members) => members.iter().collect(),
        None => model.presence.keys().collect(),
    };
    let me = model.account.as_ref().map(|account| &account.name);
    let all = all.into_iter().filter(|name| Some(*name) != me).map(|name| {
        let here = model.is_connected(name);
        let state = if here { "connected" } else { "disconnected" };
        (name.to_string(), format!("@{name}"), state.to_owned(), u32::from(here))
    });
    best(letters, range, all, |name| format!("@{name} "))
}

fn channels(model: &Model, letters: &str, range: &Range<usize>) -> Vec<Completion> {
    let joined = model.channels.iter().map(|channel| (channel.info.name.to_string(), "joined", 1));
    let others = model.available().map(|info| (info.name.to_string(), "not joined", 0));
    let all = joined
        .chain(others)
        .map(|(name, state, rank)| (name.clone(), format!("#{name}"), state.to_owned(), rank));
    best(letters, range, all, |name| format!("#{name} "))
}

fn emoji_items(letters: &str, range: &Range<usize>) -> Vec<Completion> {
    let found = emoji::search(letters, ROWS_MAX).into_iter();
    let items = found.map(|(code, emoji)| Completion {
        range: range.clone(),
        text: emoji.to_owned(),
        // Behind the code: terminals differ in how wide they draw emoji, and what stands behind one may move.
        label: format!(":{code}:"),
        detail: emoji.to_owned(),
    });
    items.collect()
}

/// Those whose name fits the letters: name, label, detail, and a rank that goes before how well it fits.
fn best(
    letters: &str,
    range: &Range<usize>,
    all: impl Iterator<Item = (String, String, String, u32)>,
    inserted: impl Fn(&str) -> String,
) -> Vec<Completion> {
    let mut search = Search::new(letters);
    let mut fitting: Vec<_> = all
        .filter_map(|(name, label, detail, rank)| Some((rank, search.fit(&name)?.score, name, label, detail)))
        .collect();
    fitting.sort_by_key(|(rank, score, ..)| Reverse((*rank, *score)));
    let items = fitting.into_iter().take(ROWS_MAX).map(|(_, _, name, label, detail)| Completion {
        range: range.clone(),
        text: inserted(&name),
        label: text::harmless(&label).into_owned(),
        detail: text::harmless(&detail).into_owned(),
    });
    items.collect()
}
