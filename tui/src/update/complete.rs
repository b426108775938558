//! What can follow a slash: commands and their arguments, for a list under the cursor. Pure; whoever shows it decides when.

use std::ops::Range;

use crate::action::{self, ACTIONS, Argument};
use crate::fuzzy::Search;
use crate::model::Model;
use crate::model::popup::Completion;
use crate::text;
use crate::theme::PALETTES;

/// Rows at most.
const ROWS_MAX: usize = 64;

/// What may be meant at a byte of a text that begins with a slash, the best first; nothing for any other text.
pub fn complete(model: &Model, text: &str, cursor: usize) -> Vec<Completion> {
    let Some(before) = text.get(..cursor) else { return Vec::new() };
    if !text.starts_with('/') || text.starts_with("//") || text.contains('\n') {
        return Vec::new();
    }
    let Some((name, arguments)) = before[1..].split_once(char::is_whitespace) else {
        return commands(&before[1..], 0..cursor);
    };
    let Some(slash) = action::by_command(&name.to_lowercase()).and_then(|action| action.slash) else {
        return Vec::new();
    };
    let start = arguments.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let number = arguments[..start].split_whitespace().count();
    let Some(argument) = slash.arguments.get(number) else { return Vec::new() };
    let word = &arguments[start..];
    best(word.trim_start_matches(['#', '@', '/']), cursor - word.len()..cursor, candidates(model, *argument))
}

/// A candidate: what is inserted, what it is.
type Candidate = (String, String);

fn commands(word: &str, range: Range<usize>) -> Vec<Completion> {
    let all = ACTIONS.iter().filter_map(|action| Some((action, action.slash?)));
    let candidates = all.map(|(action, slash)| {
        let usage = if slash.usage.is_empty() { String::new() } else { format!("{}  ", slash.usage) };
        (format!("/{}", slash.name), format!("{usage}{}", action.title))
    });
    best(word, range, candidates.collect())
}

fn candidates(model: &Model, argument: Argument) -> Vec<Candidate> {
    let channel = |name: &mechat_protocol::ChannelName| format!("#{name}");
    let joined = || model.channels.iter().map(|found| (channel(&found.info.name), "joined".to_owned()));
    match argument {
        Argument::Joined => joined().collect(),
        Argument::Channel => {
            let others = model.available().map(|info| (channel(&info.name), "to join".to_owned()));
            others.chain(joined()).collect()
        }
        Argument::Person => model
            .presence
            .keys()
            .map(|name| {
                let state = if model.is_connected(name) { "connected" } else { "disconnected" };
                (format!("@{name}"), state.to_owned())
            })
            .collect(),
        Argument::Command => {
            let slashes = ACTIONS.iter().filter_map(|action| Some((action.slash?.name, action.title)));
            slashes.map(|(name, title)| (name.to_owned(), title.to_owned())).collect()
        }
        Argument::Theme => {
            let themes = PALETTES.iter();
            themes.map(|palette| (palette.name.to_owned(), palette.title.to_owned())).collect()
        }
        Argument::Word(words) => words.iter().map(|word| ((*word).to_owned(), String::new())).collect(),
        Argument::Count | Argument::Text => Vec::new(),
    }
}

fn best(word: &str, range: Range<usize>, candidates: Vec<Candidate>) -> Vec<Completion> {
    let mut search = Search::new(word);
    let scored = candidates.into_iter().filter_map(|(text, detail)| {
        let fit = search.fit(&text)?;
        Some((fit.score, text, detail))
    });
    let mut scored: Vec<_> = scored.collect();
    scored.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    let shown = scored.into_iter().take(ROWS_MAX).map(|(_, text, detail)| Completion {
        range: range.clone(),
        label: text::harmless(&text).into_owned(),
        detail,
        text,
    });
    shown.collect()
}
