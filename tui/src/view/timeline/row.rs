//! One row: a message with its head, quote, remarks and reactions, or what happened.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use mechat_protocol::{AccountName, Amendment, Body, Content, Entry, Post, Seq, UnixMillis};
use ratatui::text::{Line, Span};

use super::cache::{LaidRow, RowLink};
use super::words;
use crate::markup::Markup;
use crate::model::{Channel, Link, Model, Outgoing, Sending};
use crate::text::{self, names};
use crate::theme::Role;
use crate::timefmt;
use crate::view::look;

/// Columns below which times are short.
const LONG_TIMES_MIN: usize = 44;
/// Cells by which what is said stands in from who said it.
const INDENT: usize = 2;
/// Messages that follow one another within this time share their head, in milliseconds.
const GROUP_MS: i64 = 5 * 60 * 1_000;
/// Rows that are looked at for the one before; more changes in between begin a new group.
const BEFORE_MAX: usize = 64;

/// What the rows of a channel are made with.
pub(super) struct Maker<'a> {
    pub(super) model: &'a Model,
    pub(super) channel: &'a Channel,
    pub(super) width: usize,
}

/// What is said, wherever it came from.
struct Said<'a> {
    sender: &'a AccountName,
    at: UnixMillis,
    content: &'a Content,
    /// What stands behind the words.
    remarks: Vec<&'static str>,
}

/// Who said what stands before, and when.
pub(super) struct Before<'a> {
    pub(super) seq: Option<Seq>,
    pub(super) at: UnixMillis,
    speaker: Option<&'a AccountName>,
}

impl Before<'_> {
    /// Whether what is said now goes on under the same head.
    pub(super) fn is_continued_by(&self, sender: &AccountName, at: UnixMillis) -> bool {
        let pause = at.0.saturating_sub(self.at.0);
        self.speaker == Some(sender) && (0..GROUP_MS).contains(&pause)
    }
}

/// Whether an entry has lines of its own: what changes another one has none.
pub(super) fn is_shown(entry: &Entry) -> bool {
    !matches!(
        &entry.body,
        Body::Amended {
            amendment: Amendment::Edit { .. }
                | Amendment::Delete { .. }
                | Amendment::React { .. }
                | Amendment::Pin { .. }
        }
    )
}

impl<'a> Maker<'a> {
    /// What stands before a row.
    pub(super) fn before(&self, row: usize) -> Option<Before<'a>> {
        let earlier = row.saturating_sub(BEFORE_MAX)..row;
        for row in earlier.rev() {
            match self.channel.entries.get(row) {
                Some(entry) if !is_shown(entry) => {}
                Some(entry) => {
                    let said = matches!(entry.body, Body::Message(_) | Body::Removed { .. });
                    let speaker = said.then_some(&entry.sender);
                    return Some(Before { seq: Some(entry.seq), at: entry.at_ms, speaker });
                }
                None => {
                    let message = self.channel.outbox.get(row - self.channel.entries.len())?;
                    let speaker = self.model.account.as_ref().map(|account| &account.name);
                    let at = self.said_at(message);
                    return Some(Before { seq: None, at, speaker });
                }
            }
        }
        None
    }

    /// When an own message was said: its name tells (UUIDv7), or else it was just now; never before what it follows.
    pub(super) fn said_at(&self, message: &Outgoing) -> UnixMillis {
        let millis = message.nonce.0.get_timestamp().and_then(|time| {
            let (seconds, nanos) = time.to_unix();
            i64::try_from(seconds).ok()?.checked_mul(1_000)?.checked_add(i64::from(nanos / 1_000_000))
        });
        let newest = self.channel.entries.last().map_or(UnixMillis(0), |entry| entry.at_ms);
        millis.map_or(self.model.now.wall, UnixMillis).max(newest)
    }

    /// A number that changes with whatever an entry's lines are made of.
    pub(super) fn entry_state(&self, entry: &Entry, continues: bool) -> u64 {
        let mut state = DefaultHasher::new();
        (continues, entry.at_ms.0, self.is_doubtful(&entry.sender)).hash(&mut state);
        std::mem::discriminant(&entry.body).hash(&mut state);
        if let Body::Message(post) = &entry.body {
            (length(&post.content), post.edited_ms.map(|at| at.0), post.pinned).hash(&mut state);
            self.is_revealed(entry.seq).hash(&mut state);
            for reaction in &post.reactions {
                (&reaction.emoji, reaction.by.len(), self.is_mine(&reaction.by)).hash(&mut state);
            }
            post.in_reply_to.map(|seq| self.quoted(seq)).hash(&mut state);
        }
        state.finish()
    }

    /// The same of an own message on its way.
    pub(super) fn outgoing_state(&self, message: &Outgoing, continues: bool) -> u64 {
        let mut state = DefaultHasher::new();
        (continues, self.said_at(message).0, length(&message.content)).hash(&mut state);
        (self.model.link == Link::Up).hash(&mut state);
        if let Sending::Failed(error) = &message.sending {
            error.message.hash(&mut state);
        }
        state.finish()
    }

    /// The lines of an entry.
    pub(super) fn entry(&self, entry: &Entry, continues: bool) -> LaidRow {
        match &entry.body {
            Body::Message(post) => self.post(entry, post, continues),
            Body::Removed { by } => self.removed(entry, by, continues),
            Body::Joined => self.event(entry, "Joined"),
            Body::Left => self.event(entry, "Left"),
            Body::Amended { amendment: Amendment::SetTopic { topic } } if topic.is_empty() => {
                self.event(entry, "cleared the topic")
            }
            Body::Amended { amendment: Amendment::SetTopic { topic } } => {
                self.event(entry, &format!("set the topic: {}", text::harmless(topic.as_str())))
            }
            Body::Amended { amendment: Amendment::Unknown } | Body::Unknown => {
                self.event(entry, "did something that this version cannot show")
            }
            Body::Amended { .. } => LaidRow::default(),
        }
    }

    /// The lines of an own message on its way.
    pub(super) fn outgoing(&self, message: &Outgoing, continues: bool) -> LaidRow {
        let Some(account) = &self.model.account else { return LaidRow::default() };
        let state = match &message.sending {
            Sending::Pending if self.model.link == Link::Up => "… sending",
            Sending::Pending => "… waiting",
            Sending::Failed(_) => "✗ failed",
        };
        let at = self.said_at(message);
        let said = Said { sender: &account.name, at, content: &message.content, remarks: vec![state] };
        let mut row = LaidRow::default();
        self.say(&said, continues, false, &mut row);
        if let Sending::Failed(error) = &message.sending {
            let words = format!("✗ not sent: {}; /retry sends it again, /discard drops it", error.message);
            self.wrapped(&text::harmless(&words), Role::Error, &mut row);
        }
        row
    }

    fn post(&self, entry: &Entry, post: &Post, continues: bool) -> LaidRow {
        let mut row = LaidRow::default();
        if !continues {
            row.lines.push(self.head(&entry.sender, entry.at_ms));
        }
        if let Some(seq) = post.in_reply_to {
            let quoted = self.indented(&format!("↪ {}", self.quoted(seq)));
            row.lines.push(Line::styled(quoted, self.model.theme.style(Role::Quote)));
        }
        let mut remarks = Vec::new();
        if post.edited_ms.is_some() {
            remarks.push("(edited)");
        }
        if post.pinned {
            remarks.push("(pinned)");
        }
        let said = Said { sender: &entry.sender, at: entry.at_ms, content: &post.content, remarks };
        self.say(&said, true, self.is_revealed(entry.seq), &mut row);
        let reactions: Vec<String> = post
            .reactions
            .iter()
            .map(|reaction| {
                let words = format!("{} {}", text::harmless(reaction.emoji.as_str()), reaction.by.len());
                if self.is_mine(&reaction.by) { format!("[{words}]") } else { words }
            })
            .collect();
        if !reactions.is_empty() {
            self.wrapped(&reactions.join("  "), Role::Quiet, &mut row);
        }
        row
    }

    fn removed(&self, entry: &Entry, by: &AccountName, continues: bool) -> LaidRow {
        let mut row = LaidRow::default();
        if !continues {
            row.lines.push(self.head(&entry.sender, entry.at_ms));
        }
        let words = if *by == entry.sender {
            "message deleted".to_owned()
        } else {
            format!("message deleted by @{}", text::harmless(by.as_str()))
        };
        self.wrapped(&words, Role::Quiet, &mut row);
        row
    }

    /// `[12:00:00] @name Joined`: what happened, in one quiet line.
    fn event(&self, entry: &Entry, words: &str) -> LaidRow {
        let words = format!("{}@{} {words}", self.time(entry.at_ms), self.name(&entry.sender));
        let words = text::clip(&words, self.width).into_owned();
        LaidRow { lines: vec![Line::styled(words, self.model.theme.style(Role::Quiet))], links: Vec::new() }
    }

    /// `[12:00:00] name`: the head of a group.
    fn head(&self, sender: &AccountName, at: UnixMillis) -> Line<'static> {
        let time = self.time(at);
        let room = self.width.saturating_sub(text::width(&time)).max(1);
        let name = text::clip(&self.name(sender), room).into_owned();
        let theme = &self.model.theme;
        Line::from(vec![
            Span::styled(time, theme.style(Role::Quiet)),
            Span::styled(name, theme.name(sender.as_str())),
        ])
    }

    fn say(&self, said: &Said<'_>, continues: bool, revealed: bool, row: &mut LaidRow) {
        if !continues {
            row.lines.push(self.head(said.sender, said.at));
        }
        let me = self.model.account.as_ref().map(|account| &account.name);
        let mut markup = match said.content {
            Content::Text { text } => Markup::parse(text.as_str(), me),
            other => Markup::parse(&words(other), None),
        };
        for remark in &said.remarks {
            markup.remark(remark);
        }
        let indent = self.indent();
        let room = self.width.saturating_sub(indent).max(1);
        for laid in markup.layout(room, revealed, self.model.reading.bare) {
            let mut column = indent;
            let mut spans = Vec::with_capacity(laid.pieces.len() + 1);
            if indent > 0 {
                spans.push(Span::raw(" ".repeat(indent)));
            }
            for piece in laid.pieces {
                let cells = text::width(&piece.text);
                if let Some(target) = &piece.link {
                    let target = std::rc::Rc::clone(target);
                    row.links.push(RowLink { line: row.lines.len(), column, cells, target });
                }
                spans.push(look::span(&self.model.theme, &piece));
                column += cells;
            }
            row.lines.push(Line::from(spans));
        }
    }

    /// What a reply answers, in a few words.
    fn quoted(&self, seq: Seq) -> String {
        let entries = &self.channel.entries;
        let found = entries.binary_search_by_key(&seq, |entry| entry.seq).ok().map(|at| &entries[at]);
        match found.map(|entry| (&entry.sender, &entry.body)) {
            Some((sender, Body::Message(post))) => {
                let words = match &post.content {
                    Content::Text { text } => Markup::parse(text.as_str(), None).in_one_line(),
                    other => words(other).into_owned(),
                };
                format!("{}: {words}", self.name(sender))
            }
            Some((_, Body::Removed { .. })) => "a message that was deleted".to_owned(),
            _ => "an earlier message".to_owned(),
        }
    }

    /// Lines of one role under what is said.
    fn wrapped(&self, words: &str, role: Role, row: &mut LaidRow) {
        let room = self.width.saturating_sub(self.indent()).max(1);
        let style = self.model.theme.style(role);
        for piece in text::wrap(words, room, room) {
            row.lines.push(Line::styled(self.indented(piece), style));
        }
    }

    fn indented(&self, words: &str) -> String {
        text::clip(&format!("{}{words}", " ".repeat(self.indent())), self.width).into_owned()
    }

    fn indent(&self) -> usize {
        if self.model.reading.bare { 0 } else { INDENT.min(self.width / 8) }
    }

    fn time(&self, at: UnixMillis) -> String {
        let short = self.width < LONG_TIMES_MIN;
        let wanted = self.model.preferences.config.time;
        let clock = timefmt::message_clock(at, &self.model.zone, wanted, short);
        if short { format!("{clock} ") } else { format!("[{clock}] ") }
    }

    /// A name, with a sign if it could be taken for another's.
    fn name(&self, name: &AccountName) -> String {
        let sign = if self.is_doubtful(name) { names::DOUBTFUL } else { "" };
        format!("{}{sign}", text::harmless(name.as_str()))
    }

    fn is_doubtful(&self, name: &AccountName) -> bool {
        self.model.reading.names.borrow_mut().is_doubtful(name)
    }

    fn is_revealed(&self, seq: Seq) -> bool {
        self.model.reading.revealed.contains(&(self.channel.info.channel, seq))
    }

    fn is_mine(&self, by: &[AccountName]) -> bool {
        self.model.account.as_ref().is_some_and(|account| by.contains(&account.name))
    }
}

/// What tells one state of a content from the next: it changes only with an edit, which has its time besides.
fn length(content: &Content) -> usize {
    match content {
        Content::Text { text } => text.as_str().len(),
        Content::Data { bytes, .. } => bytes.as_bytes().len(),
        Content::Unknown => 0,
    }
}
