//! Messages that are found otherwise than by their place: pinned ones, replies, and what is searched for.

use mechat_protocol::limits::PAGE_LEN_MAX;
use mechat_protocol::request::Selection;
use mechat_protocol::{Body, Content, Entry, Post, Seq};

use super::{State, StoredChannel};
use crate::storage::query::{Terms, first_number};
use crate::storage::selection::{self, encoded_len_max};
use crate::storage::{Found, LogPart, Search};

/// Entries that one search looks through, the newest first: there is no index here.
const LOOKED_AT_MAX: usize = 20_000;

impl StoredChannel {
    pub(super) fn posts(&self, which: Selection, after: Seq, limit: usize) -> LogPart {
        let seqs: Vec<Seq> = match which {
            Selection::Pinned => self.pins.range(after.next()..).copied().collect(),
            Selection::Replies { seq } => {
                let of_it = (seq, after.next())..=(seq, Seq(u64::MAX));
                self.replies.range(of_it).map(|(_, reply)| *reply).collect()
            }
        };
        selection::oldest(seqs.into_iter().filter_map(|seq| self.entry(seq).cloned()), limit)
    }
}

impl State {
    /// Looks through the channels, each from its end, as far as that is permitted.
    pub(super) fn find(&mut self, search: &Search) -> Found {
        let terms = Terms::of(&search.query);
        if terms.is_empty() {
            return Found::Page(Vec::new(), None);
        }
        let mut looked_at = 0;
        let mut fitting: Vec<Entry> = Vec::new();
        for channel in &search.channels {
            let Some(channel) = self.channel(*channel) else { continue };
            for entry in channel.log.iter().rev().take(LOOKED_AT_MAX - looked_at) {
                looked_at += 1;
                if fits(&terms, entry) {
                    fitting.push(entry.clone());
                }
            }
        }
        fitting.sort_by_key(|entry| (entry.at_ms, entry.channel, entry.seq));
        let mut number = 0;
        let mut numbered = |entry: Entry| {
            number = first_number(entry.at_ms).max(number + 1);
            (number, entry)
        };
        let numbered: Vec<(u64, Entry)> = fitting.into_iter().map(&mut numbered).collect();
        let before = search.after.unwrap_or(u64::MAX);
        let (mut entries, mut len, mut last) = (Vec::new(), 0, None);
        for (number, entry) in numbered.into_iter().rev().filter(|(number, _)| *number < before) {
            len += encoded_len_max(&entry);
            if entries.len() == search.limit || (len > PAGE_LEN_MAX && !entries.is_empty()) {
                return Found::Page(entries, last);
            }
            entries.push(entry);
            last = Some(number);
        }
        Found::Page(entries, None)
    }
}

fn fits(terms: &Terms, entry: &Entry) -> bool {
    let Body::Message(Post { content: Content::Text { text }, .. }) = &entry.body else { return false };
    let sender = || entry.sender.key().folded;
    terms.from.iter().all(|wanted| *wanted == sender()) && terms.fit(text.as_str())
}
