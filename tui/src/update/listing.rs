//! Lists of messages from anywhere: searching, pins, threads. What the relay is asked, and what becomes of its answer.
//!
//! Invariants: an answer reaches only the list that waits for it; without a connection, what is loaded is listed, and that is said.

use std::collections::{BTreeMap, BTreeSet};

use mechat_client::Command;
use mechat_protocol::reply::{ErrorReply, Found, Posts};
use mechat_protocol::request::{Query, Selection};
use mechat_protocol::{Body, ChannelId, Content, Entry, Seq};

use super::finder::{Choice, Row};
use super::{Effect, channels, chosen, composing};
use crate::markup::Markup;
use crate::model::channel::RowKey;
use crate::model::listing::{Answer, Listed, Listing, Next};
use crate::model::overlay::{Finder, FinderKind};
use crate::model::{LineEdit, Link, Model, Overlay};
use crate::text;
use crate::timefmt;

/// Characters before the first found word that are shown with it.
const BEFORE_FOUND: usize = 16;
/// Answers that lead to answers are followed up to a thread's first message so often.
const ROOT_STEPS: usize = 64;

/// Opens the search, in the channel in view or everywhere; words are looked for at once.
pub fn search(model: &mut Model, words: &str, everywhere: bool) -> Vec<Effect> {
    let channel = model.current.filter(|_| !everywhere);
    let effects = open(model, Listed::Found { words: words.to_owned(), channel });
    if let Some(Overlay::Finder(finder)) = &mut model.overlay {
        finder.filter = LineEdit::new(words);
    }
    effects
}

/// Opens what is pinned in the channel in view.
pub fn pins(model: &mut Model) -> Vec<Effect> {
    let Some(channel) = model.current else { return Vec::new() };
    open(model, Listed::Pins(channel))
}

/// Opens the thread of a message of the channel in view.
pub fn thread(model: &mut Model, seq: Seq) -> Vec<Effect> {
    let Some(channel) = model.current else { return Vec::new() };
    let root = root(model, seq);
    open(model, Listed::Thread(channel, root))
}

/// The first message of the thread, as far as it is loaded.
fn root(model: &Model, seq: Seq) -> Seq {
    let mut seq = seq;
    for _ in 0..ROOT_STEPS {
        match composing::shown(model, seq).and_then(|post| post.in_reply_to) {
            Some(before) => seq = before,
            None => break,
        }
    }
    seq
}

fn open(model: &mut Model, what: Listed) -> Vec<Effect> {
    let (ticket, answer) = (0, Answer::Unasked);
    let listing = Listing { ticket, what, entries: Vec::new(), answer, next: None };
    model.overlay = Some(Overlay::Finder(Finder::new(FinderKind::Listing(listing))));
    ask(model)
}

fn listing(model: &mut Model) -> Option<&mut Listing> {
    match &mut model.overlay {
        Some(Overlay::Finder(Finder { kind: FinderKind::Listing(listing), .. })) => Some(listing),
        _ => None,
    }
}

/// Asks for the list anew.
fn ask(model: &mut Model) -> Vec<Effect> {
    let online = model.link == Link::Up && model.signed_in;
    model.tickets += 1;
    let ticket = model.tickets;
    let Some(what) = listing(model).map(|listing| listing.what.clone()) else { return Vec::new() };
    let loaded = loaded(model, &what);
    let Some(listing) = listing(model) else { return Vec::new() };
    (listing.ticket, listing.entries, listing.next) = (ticket, loaded, None);
    listing.answer = Answer::Offline;
    let command = match what {
        Listed::Found { words, .. } if words.trim().is_empty() => {
            listing.entries.clear();
            listing.answer = Answer::Unasked;
            return Vec::new();
        }
        _ if !online => return Vec::new(),
        Listed::Found { words, channel } => match Query::new(words) {
            Ok(query) => {
                listing.entries.clear();
                Command::Search { ticket, query, channel, after: None }
            }
            Err(broken) => {
                listing.answer = Answer::Refused(broken.rule);
                return Vec::new();
            }
        },
        Listed::Pins(channel) => {
            Command::ListPosts { ticket, channel, which: Selection::Pinned, after: None }
        }
        Listed::Thread(channel, seq) => {
            Command::ListPosts { ticket, channel, which: Selection::Replies { seq }, after: None }
        }
    };
    listing.answer = Answer::Waiting;
    vec![Effect::Client(command)]
}

/// What of the list is loaded here: newest first what was found, the rest in its order.
fn loaded(model: &Model, what: &Listed) -> Vec<Entry> {
    let me = model.account.as_ref().map(|account| &account.name);
    let of = |id: Option<ChannelId>| {
        let channels =
            model.channels.iter().filter(move |channel| id.is_none_or(|id| channel.info.channel == id));
        channels
            .flat_map(|channel| channel.entries.iter().map(|entry| channel.amended(entry, me).into_owned()))
    };
    match what {
        Listed::Found { words, channel } => {
            let wanted = wanted(words);
            let has = |entry: &Entry| {
                let said = said(entry).to_lowercase();
                matches!(entry.body, Body::Message(_)) && wanted.iter().all(|word| said.contains(word))
            };
            let mut found: Vec<Entry> = of(*channel).filter(has).collect();
            found.sort_by_key(|entry| std::cmp::Reverse(entry.at_ms.0));
            found
        }
        Listed::Pins(channel) => {
            let pinned = |entry: &Entry| matches!(&entry.body, Body::Message(post) if post.pinned);
            of(Some(*channel)).filter(pinned).collect()
        }
        Listed::Thread(channel, root) => {
            let within = |entry: &Entry| {
                let answers = |post: &mechat_protocol::Post| post.in_reply_to == Some(*root);
                entry.seq == *root || matches!(&entry.body, Body::Message(post) if answers(post))
            };
            of(Some(*channel)).filter(within).collect()
        }
    }
}

/// The next page of what was found, of pins or of answers.
pub fn more(model: &mut Model) -> Vec<Effect> {
    let Some(listing) = listing(model) else { return Vec::new() };
    let Some(next) = listing.next.take() else { return Vec::new() };
    let ticket = listing.ticket;
    listing.answer = Answer::Waiting;
    let command = match (listing.what.clone(), next) {
        (Listed::Found { words, channel }, Next::Found(after)) => match Query::new(words) {
            Ok(query) => Command::Search { ticket, query, channel, after: Some(after) },
            Err(_) => return Vec::new(),
        },
        (Listed::Pins(channel), Next::After(seq)) => {
            Command::ListPosts { ticket, channel, which: Selection::Pinned, after: Some(seq) }
        }
        (Listed::Thread(channel, root), Next::After(seq)) => {
            Command::ListPosts { ticket, channel, which: Selection::Replies { seq: root }, after: Some(seq) }
        }
        _ => return Vec::new(),
    };
    vec![Effect::Client(command)]
}

/// The relay found something, or says why not.
pub fn found(model: &mut Model, ticket: u64, result: Result<Found, ErrorReply>) -> Vec<Effect> {
    let page = result.map(|found| (found.entries, found.next.map(Next::Found)));
    answered(model, ticket, page);
    Vec::new()
}

/// Some of a channel's messages came, or the reason why not.
pub fn posts(model: &mut Model, ticket: u64, result: Result<Posts, ErrorReply>) -> Vec<Effect> {
    let page = result.map(|posts| {
        let last = posts.entries.last().map(|entry| entry.seq).filter(|_| posts.more);
        (posts.entries, last.map(Next::After))
    });
    answered(model, ticket, page);
    Vec::new()
}

fn answered(model: &mut Model, ticket: u64, page: Result<(Vec<Entry>, Option<Next>), ErrorReply>) {
    let Some(listing) = listing(model).filter(|listing| listing.ticket == ticket) else { return };
    match page {
        Ok((entries, next)) => {
            let known: BTreeSet<(u64, Seq)> =
                entries.iter().map(|entry| (entry.channel.0, entry.seq)).collect();
            // What is loaded already gives way to the relay's word.
            listing.entries.retain(|entry| !known.contains(&(entry.channel.0, entry.seq)));
            listing.entries.extend(entries);
            if !matches!(listing.what, Listed::Found { .. }) {
                listing.entries.sort_by_key(|entry| entry.seq);
            }
            (listing.next, listing.answer) = (next, Answer::Here);
        }
        Err(error) => listing.answer = Answer::Refused(error.message),
    }
}

/// Enter in the letters of a search: other words are looked for, else the row is meant. Yields whether it was a question.
pub fn asks(model: &mut Model) -> Option<Vec<Effect>> {
    let Some(Overlay::Finder(Finder { kind: FinderKind::Listing(listing), filter, selected })) =
        &mut model.overlay
    else {
        return None;
    };
    let Listed::Found { words, .. } = &mut listing.what else { return None };
    if words == filter.text() && listing.answer != Answer::Unasked {
        return None;
    }
    filter.text().clone_into(words);
    *selected = 0;
    Some(ask(model))
}

/// The key beside Enter: a search changes between the channel and everywhere, a thread is answered.
pub fn turn(model: &mut Model) -> Vec<Effect> {
    let current = model.current;
    let Some(listing) = listing(model) else { return Vec::new() };
    match &mut listing.what {
        Listed::Found { channel, .. } => {
            *channel = if channel.is_some() { None } else { current };
            ask(model)
        }
        Listed::Thread(channel, root) => {
            let (channel, root) = (*channel, *root);
            model.overlay = None;
            let effects = channels::show(model, channel);
            chosen::leave(model);
            composing::reply(model, root);
            effects
        }
        Listed::Pins(_) => Vec::new(),
    }
}

/// Goes to a message of a list, in its channel.
pub fn go_to(model: &mut Model, channel: ChannelId, seq: Seq) -> Vec<Effect> {
    if model.channel(channel).is_none() {
        model.complain("you are no longer in the channel of this message");
        return Vec::new();
    }
    model.overlay = None;
    let mut effects = channels::show(model, channel);
    effects.extend(chosen::go_to(model, seq));
    effects
}

/// The rows of a list.
pub fn rows(model: &Model, listing: &Listing) -> Vec<Row> {
    let mut entries: Vec<Entry> = listing.entries.clone();
    let wanted = match &listing.what {
        Listed::Found { words, .. } => wanted(words),
        what => {
            // What comes, changes or goes while one looks is seen at once.
            let merged = entries.into_iter().chain(loaded(model, what)).map(|entry| (entry.seq, entry));
            entries = merged.collect::<BTreeMap<Seq, Entry>>().into_values().collect();
            entries.retain(|entry| still_there(model, what, entry));
            Vec::new()
        }
    };
    let mut rows: Vec<Row> = entries.iter().map(|entry| row(model, listing, entry, &wanted)).collect();
    if listing.next.is_some() {
        let words = "more…".to_owned();
        rows.push(Row { choice: Choice::More, words, note: String::new(), calls: false, marks: Vec::new() });
    }
    rows
}

fn still_there(model: &Model, what: &Listed, entry: &Entry) -> bool {
    let Listed::Pins(channel) = what else { return true };
    let Some(channel) = model.channel(*channel) else { return true };
    let me = model.account.as_ref().map(|account| &account.name);
    let row = channel.row_index(RowKey::Entry(entry.seq)).and_then(|row| channel.entries.get(row));
    row.is_none_or(|entry| matches!(&channel.amended(entry, me).body, Body::Message(post) if post.pinned))
}

fn row(model: &Model, listing: &Listing, entry: &Entry, wanted: &[String]) -> Row {
    let name = model.known.iter().find(|info| info.channel == entry.channel);
    let channel = match (&listing.what, name) {
        (Listed::Found { channel: None, .. }, Some(info)) => {
            format!("#{} ", text::harmless(info.name.as_str()))
        }
        _ => String::new(),
    };
    let sender = text::harmless(entry.sender.as_str()).into_owned();
    let (said, marks) = excerpt(&said(entry), wanted);
    let before = format!("{channel}@{sender}: ");
    let shift = u32::try_from(before.chars().count()).unwrap_or(0);
    Row {
        choice: Choice::Message(entry.channel, entry.seq),
        words: format!("{before}{said}"),
        note: timefmt::created(entry.at_ms, &model.zone),
        calls: false,
        marks: marks.into_iter().map(|mark| mark + shift).collect(),
    }
}

/// What a message says, in one line, spoilers covered.
pub fn said(entry: &Entry) -> String {
    match &entry.body {
        Body::Message(post) => match &post.content {
            Content::Text { text } => Markup::parse(text.as_str(), None).in_one_line(),
            Content::Data { .. } | Content::Unknown => "a message without words".to_owned(),
        },
        _ => "message deleted".to_owned(),
    }
}

fn wanted(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_lowercase).collect()
}

/// The line from a little before the first word that was looked for, and the places of all of them in it.
fn excerpt(line: &str, wanted: &[String]) -> (String, Vec<u32>) {
    let mut chars: Vec<char> = line.chars().collect();
    // One character for one, so that the places are those of the line.
    let mut lower: Vec<char> = chars.iter().map(|c| c.to_lowercase().next().unwrap_or(*c)).collect();
    let place = |lower: &[char], word: &[char], from: usize| {
        (from..lower.len()).find(|at| lower[*at..].starts_with(word))
    };
    let wanted: Vec<Vec<char>> = wanted.iter().map(|word| word.chars().collect()).collect();
    let first = wanted.iter().filter_map(|word| place(&lower, word, 0)).min().unwrap_or(0);
    if first > 2 * BEFORE_FOUND {
        let cut = first - BEFORE_FOUND;
        chars.drain(..cut);
        lower.drain(..cut);
        chars.insert(0, '…');
        lower.insert(0, '…');
    }
    let mut marks = BTreeSet::new();
    for word in &wanted {
        let mut from = 0;
        while let Some(at) = place(&lower, word, from) {
            marks.extend((at..at + word.len()).filter_map(|at| u32::try_from(at).ok()));
            from = at + word.len().max(1);
        }
    }
    (chars.into_iter().collect(), marks.into_iter().collect())
}
