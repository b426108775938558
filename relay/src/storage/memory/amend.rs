//! What amendments and marks change in memory.

use mechat_protocol::limits::PINS_MAX;
use mechat_protocol::reply::Marks;
use mechat_protocol::request::Level;
use mechat_protocol::{AccountId, Amendment, Body, Entry, Post, Seq};

use super::{Draft, StoredChannel};
use crate::storage::{Refusal, Written, amendments};

impl StoredChannel {
    /// An amendment of a member.
    pub(super) fn amend(&mut self, draft: Draft) -> Written {
        let moderates = draft.moderates;
        let entry = self.next(draft);
        let changed = match self.apply(&entry, moderates) {
            Ok(changed) => changed,
            Err(written) => return *written,
        };
        for entry in &changed {
            if let Some(kept) = self.entry_mut(entry.seq) {
                kept.clone_from(entry);
            }
        }
        self.push(&entry);
        Written::Amended(entry, changed)
    }

    /// Entries of before as they read from now on, or an outcome without an entry.
    fn apply(&mut self, by: &Entry, moderates: bool) -> Result<Vec<Entry>, Box<Written>> {
        let Body::Amended { amendment } = &by.body else { return Ok(Vec::new()) };
        if let Amendment::SetTopic { topic } = amendment {
            if self.row.topic != *topic {
                self.row.topic = topic.clone();
                return Ok(Vec::new());
            }
            // Who may set it is a member, and has an entry at least.
            let head = self.log.last().map_or(Written::NotAMember, |head| Written::Same(head.clone()));
            return Err(Box::new(head));
        }
        let target = amendment.target().and_then(|seq| self.entry(seq));
        let target = target.ok_or_else(|| refused(Refusal::NoSuchMessage))?.clone();
        let now = amendments::change(&target, by, moderates).map_err(refused)?;
        let Some(now) = now else { return Err(Box::new(Written::Same(target))) };
        let mut changed = vec![now];
        match amendment {
            Amendment::Edit { seq, .. } => drop(self.edits.insert((*seq, by.seq))),
            Amendment::Pin { on: true, .. } if self.pins.len() >= PINS_MAX => {
                return Err(refused(Refusal::TooManyPins));
            }
            Amendment::Pin { seq, on: true } => drop(self.pins.insert(*seq)),
            Amendment::Pin { seq, on: false } => drop(self.pins.remove(seq)),
            Amendment::Delete { seq } => {
                self.pins.remove(seq);
                changed.extend(self.forget_words(&target));
            }
            Amendment::React { .. } | Amendment::SetTopic { .. } | Amendment::Unknown => {}
        }
        Ok(changed)
    }

    /// A deleted message answers nothing, and its edits lose their words too: these as they are from now on.
    fn forget_words(&mut self, target: &Entry) -> Vec<Entry> {
        if let Body::Message(Post { in_reply_to: Some(named), .. }) = &target.body {
            self.replies.remove(&(*named, target.seq));
        }
        let of_it = (target.seq, Seq::ZERO)..=(target.seq, Seq(u64::MAX));
        let edits: Vec<(Seq, Seq)> = self.edits.range(of_it).copied().collect();
        for edit in &edits {
            self.edits.remove(edit);
        }
        edits.iter().filter_map(|(_, seq)| self.entry(*seq).map(amendments::without_words)).collect()
    }

    pub(super) fn mark(&mut self, account: AccountId, read: Option<Seq>, level: Option<Level>) -> Written {
        let head = self.row.head;
        let Some(marks) = self.members.get_mut(&account) else { return Written::NotAMember };
        let read = read.map_or(marks.read, |read| read.min(head).max(marks.read));
        *marks = Marks { read, level: level.unwrap_or(marks.level) };
        Written::Marked(*marks)
    }
}

fn refused(refusal: Refusal) -> Box<Written> {
    Box::new(Written::Refused(refusal))
}
