//! The finder: switcher, palette and theme picker. Which rows there are, and what choosing one does.
//!
//! Invariant: the rows of a picture and those that a key or a click chooses from are the same, since both come from [`rows`].

use std::rc::Rc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mechat_protocol::{AccountName, ChannelId, ChannelName, Emoji, Seq};

use super::{Effect, about, act, channels, chosen, composing, keys, listing};
use crate::action::{ACTIONS, ActionId, Group};
use crate::emoji;
use crate::fuzzy::{Fit, Search};
use crate::model::overlay::{Finder, FinderKind, LinkUse};
use crate::model::{Composer, Model, Overlay};
use crate::text;
use crate::theme::{PALETTES, Palette, Theme};

/// What a row stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A channel, joined or not.
    Channel(ChannelName),
    /// Somebody.
    Person(AccountName),
    /// Something one can do.
    Action(ActionId),
    /// A theme.
    Theme(&'static Palette),
    /// A reaction to a message.
    Emoji(Seq, Emoji),
    /// A link, and what becomes of it.
    Link(Rc<str>, LinkUse),
    /// A message of a list.
    Message(ChannelId, Seq),
    /// The next page of a list.
    More,
}

/// A row, harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it stands for.
    pub choice: Choice,
    /// What the letters are looked for in.
    pub words: String,
    /// What stands at the right.
    pub note: String,
    /// Whether it calls for attention.
    pub calls: bool,
    /// Which characters of the words were meant.
    pub marks: Vec<u32>,
}

/// The rows that fit the letters: the best first, among equals in their own order.
pub fn rows(model: &Model) -> Vec<Row> {
    let Some(Overlay::Finder(finder)) = &model.overlay else { return Vec::new() };
    let letters = finder.filter.text().trim();
    let mut rows = all(model, &finder.kind);
    if finder.searches() {
        // The letters are the question, which the relay answers.
        return rows;
    }
    match letters.chars().next() {
        Some('#') => rows.retain(|row| matches!(row.choice, Choice::Channel(_))),
        Some('@') => rows.retain(|row| matches!(row.choice, Choice::Person(_))),
        Some(_) => {}
        None => return rows,
    }
    let mut search = Search::new(letters.trim_start_matches(['#', '@']));
    let mut fitting: Vec<(u32, Row)> = Vec::new();
    for mut row in rows.drain(..) {
        // What stands beside the words is found too: a command, a state, a title.
        if let Some(Fit { score, marks }) = search.fit(&format!("{} {}", row.words, row.note)) {
            let chars = u32::try_from(row.words.chars().count()).unwrap_or(u32::MAX);
            row.marks = marks.into_iter().filter(|mark| *mark < chars).collect();
            fitting.push((score, row));
        }
    }
    fitting.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    fitting.into_iter().map(|(_, row)| row).collect()
}

/// What there is before letters are typed.
pub fn all(model: &Model, kind: &FinderKind) -> Vec<Row> {
    match kind {
        FinderKind::Switcher => places(model),
        FinderKind::Palette => actions(model),
        FinderKind::Themes(_) => themes(),
        FinderKind::Actions => possible(model),
        FinderKind::Inbox => about::inbox_rows(model),
        FinderKind::Listing(list) => listing::rows(model, list),
        FinderKind::Emoji(seq) => emoji(model, *seq),
        FinderKind::Links(links, wanted) => self::links(links, *wanted),
    }
}

/// Channels with something unread, then those one was in last, then the others, those one could join, and people.
fn places(model: &Model) -> Vec<Row> {
    let me = model.account.as_ref().map(|account| &account.name);
    let mut joined: Vec<_> = model.channels.iter().collect();
    let visited = |id| model.recent.iter().position(|recent| *recent == id).unwrap_or(usize::MAX);
    joined.sort_by_key(|channel| {
        let here = Some(channel.info.channel) == model.current;
        (here, channel.badge().is_none(), visited(channel.info.channel))
    });
    let mut rows: Vec<Row> = joined
        .into_iter()
        .map(|channel| {
            let note = match channel.badge() {
                _ if Some(channel.info.channel) == model.current => "here".to_owned(),
                unread if unread.is_none() => String::new(),
                unread => format!("{unread} unread"),
            };
            let words = format!("#{}", text::harmless(channel.info.name.as_str()));
            let calls = !channel.badge().is_none();
            Row { choice: Choice::Channel(channel.info.name.clone()), words, note, calls, marks: Vec::new() }
        })
        .collect();
    rows.extend(model.available().map(|info| {
        let words = format!("#{}", text::harmless(info.name.as_str()));
        row(Choice::Channel(info.name.clone()), words, "join".to_owned())
    }));
    rows.extend(model.presence.keys().filter(|name| Some(*name) != me).map(|name| {
        let note = if model.is_connected(name) { "connected" } else { "disconnected" };
        row(Choice::Person(name.clone()), format!("@{}", text::harmless(name.as_str())), note.to_owned())
    }));
    rows
}

/// Everything that can be done from here, with its keys and its command.
fn actions(model: &Model) -> Vec<Row> {
    let useless = |id| match id {
        ActionId::Send | ActionId::Newline | ActionId::Dismiss => true,
        ActionId::NumberedChannel | ActionId::Palette => true,
        ActionId::SelectUp | ActionId::SelectDown | ActionId::Actions => true,
        ActionId::NormalMode | ActionId::InsertMode => !model.keymap().has_modes(),
        _ => false,
    };
    let mut wanted: Vec<_> = ACTIONS.iter().filter(|action| !useless(action.id)).collect();
    // Who looks for something to do is rarely writing.
    wanted.sort_by_key(|action| action.group == Group::Writing);
    wanted
        .into_iter()
        .map(|action| {
            let keys = model.keymap().first_key(action.id).unwrap_or_default();
            let command = action.slash.map_or_else(String::new, |slash| format!("/{}", slash.name));
            let note = [command, keys].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            row(Choice::Action(action.id), action.title.to_owned(), note.join("  "))
        })
        .collect()
}

fn possible(model: &Model) -> Vec<Row> {
    let rows = chosen::possible(model).into_iter();
    rows.map(|id| {
        // Of several keys, the last is the one for a chosen message.
        let keys = model.keymap().last_key(id).unwrap_or_default();
        row(Choice::Action(id), id.action().title.to_owned(), keys)
    })
    .collect()
}

/// What others reacted with and what one used before comes first.
fn emoji(model: &Model, seq: Seq) -> Vec<Row> {
    let there = composing::shown(model, seq).map(|post| post.reactions).unwrap_or_default();
    let there = there.into_iter().map(|reaction| reaction.emoji);
    let first = there.chain(model.reading.emoji.iter().cloned());
    let mut rows: Vec<Row> = Vec::new();
    let all = emoji::all().filter_map(|emoji| Emoji::new(emoji).ok());
    let mut seen = std::collections::BTreeSet::new();
    for emoji in first.chain(all) {
        if seen.insert(emoji.as_str().to_owned()) {
            let words = text::harmless(emoji.as_str()).into_owned();
            let note = emoji::codes(emoji.as_str());
            rows.push(row(Choice::Emoji(seq, emoji), words, note));
        }
    }
    rows
}

/// Each with a number, which finds it.
fn links(links: &[Rc<str>], wanted: LinkUse) -> Vec<Row> {
    let rows = links.iter().enumerate();
    rows.map(|(number, link)| {
        let words = format!("{}  {}", number + 1, text::harmless(link));
        row(Choice::Link(Rc::clone(link), wanted), words, String::new())
    })
    .collect()
}

fn themes() -> Vec<Row> {
    let rows = PALETTES.iter();
    rows.map(|palette| row(Choice::Theme(palette), palette.name.to_owned(), palette.title.to_owned()))
        .collect()
}

const fn row(choice: Choice, words: String, note: String) -> Row {
    Row { choice, words, note, calls: false, marks: Vec::new() }
}

/// Opens the switcher.
pub fn open_switcher(model: &mut Model) -> Vec<Effect> {
    open(model, FinderKind::Switcher)
}

/// Opens the palette.
pub fn open_palette(model: &mut Model) -> Vec<Effect> {
    open(model, FinderKind::Palette)
}

/// Opens the theme picker at the theme in use.
pub fn open_themes(model: &mut Model) -> Vec<Effect> {
    let at = PALETTES.iter().position(|palette| palette == model.theme.palette()).unwrap_or(0);
    let mut finder = Finder::new(FinderKind::Themes(model.theme.clone()));
    finder.selected = at;
    model.overlay = Some(Overlay::Finder(finder));
    Vec::new()
}

/// Opens a finder with nothing typed.
pub fn open(model: &mut Model, kind: FinderKind) -> Vec<Effect> {
    model.overlay = Some(Overlay::Finder(Finder::new(kind)));
    Vec::new()
}

/// A key in the finder.
pub fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => return cancel(model),
        KeyCode::Enter => return listing::asks(model).unwrap_or_else(|| choose(model)),
        KeyCode::Char('r') if control => return turn(model),
        KeyCode::Up | KeyCode::BackTab => step(model, -1),
        KeyCode::Down | KeyCode::Tab => step(model, 1),
        KeyCode::Char('p' | 'k') if control => step(model, -1),
        KeyCode::Char('n' | 'j') if control => step(model, 1),
        KeyCode::PageUp => step(model, -8),
        KeyCode::PageDown => step(model, 8),
        _ => {
            let Some(Overlay::Finder(finder)) = &mut model.overlay else { return Vec::new() };
            let before = finder.filter.text().len();
            keys::edit_line(&mut finder.filter, key);
            if finder.filter.text().len() != before {
                finder.selected = 0;
            }
        }
    }
    preview(model);
    Vec::new()
}

/// The key beside Enter: what else can be done with the row, or with the list.
fn turn(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Finder(Finder { kind: FinderKind::Inbox, selected, .. })) = &model.overlay else {
        return listing::turn(model);
    };
    if let Some(Row { choice: Choice::Channel(name), .. }) = rows(model).get(*selected)
        && let Some(id) = model.channel_named(name).map(|channel| channel.info.channel)
    {
        about::read_row(model, id);
        step(model, 0);
    }
    Vec::new()
}

/// A text was pasted into the letters.
pub fn paste(model: &mut Model, text: &str) {
    if let Some(Overlay::Finder(finder)) = &mut model.overlay {
        finder.filter.insert(text);
        finder.selected = 0;
    }
    preview(model);
}

/// Goes up or down the rows, not beyond them.
pub fn step(model: &mut Model, by: isize) {
    let last = rows(model).len().saturating_sub(1);
    if let Some(Overlay::Finder(finder)) = &mut model.overlay {
        finder.selected = finder.selected.min(last).saturating_add_signed(by).min(last);
    }
    preview(model);
}

/// Goes to a row.
pub fn select(model: &mut Model, row: usize) {
    if let Some(Overlay::Finder(finder)) = &mut model.overlay {
        finder.selected = row;
    }
    preview(model);
}

/// Closes it; what was shown for a look goes back.
pub fn cancel(model: &mut Model) -> Vec<Effect> {
    if let Some(Overlay::Finder(Finder { kind: FinderKind::Themes(before), .. })) = model.overlay.take() {
        model.theme = before;
    }
    Vec::new()
}

fn preview(model: &mut Model) {
    let Some(Overlay::Finder(Finder { kind: FinderKind::Themes(_), selected, .. })) = &model.overlay else {
        return;
    };
    if let Some(Row { choice: Choice::Theme(palette), .. }) = rows(model).get(*selected) {
        model.theme = Theme::of(palette, model.theme.depth());
    }
}

/// Does what the chosen row stands for.
pub fn choose(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Finder(finder)) = &model.overlay else { return Vec::new() };
    let Some(row) = rows(model).into_iter().nth(finder.selected) else { return Vec::new() };
    match row.choice {
        Choice::Channel(name) => {
            model.overlay = None;
            channels::join_or_show(model, name)
        }
        Choice::Person(name) => {
            model.overlay = None;
            model.composer.insert(&format!("@{name} "));
            Vec::new()
        }
        Choice::Action(id) => {
            model.overlay = None;
            run(model, id)
        }
        Choice::Theme(palette) => {
            model.overlay = None;
            keep_theme(model, palette)
        }
        Choice::Emoji(seq, emoji) => {
            model.overlay = None;
            chosen::react_with(model, seq, emoji)
        }
        Choice::Message(channel, seq) => listing::go_to(model, channel, seq),
        Choice::More => listing::more(model),
        Choice::Link(link, wanted) => {
            model.overlay = None;
            chosen::use_link(model, &link, wanted)
        }
    }
}

/// What needs an argument is begun in the composer, unless something is written there.
fn run(model: &mut Model, id: ActionId) -> Vec<Effect> {
    let needs = id.action().slash.filter(|slash| !slash.usage.is_empty() && !slash.usage.starts_with('['));
    match needs {
        Some(slash) if model.composer.is_empty() => {
            model.composer = Composer::with_text(&format!("/{} ", slash.name));
            Vec::new()
        }
        Some(slash) => {
            model.inform(format!(
                "/{} {} is typed: send or clear what you write first",
                slash.name, slash.usage
            ));
            Vec::new()
        }
        None => act::perform(model, id, 0),
    }
}

/// Takes a theme, and remembers it.
pub fn keep_theme(model: &mut Model, palette: &'static Palette) -> Vec<Effect> {
    model.preferences.picked = Some(palette);
    model.theme = Theme::of(palette, model.preferences.abilities.depth);
    match model.preferences.config.theme {
        Some(fixed) if fixed != palette => model.inform(format!(
            "{} until the program ends; theme = \"{}\" in {} comes back then",
            palette.name, fixed.name, model.preferences.file
        )),
        _ => model.inform(format!("theme {}", palette.name)),
    }
    vec![Effect::SaveLooks(model.looks())]
}
