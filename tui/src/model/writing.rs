//! What belongs to writing beside the text itself: what it will be, what was cut, what was sent, and how far the drafts are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use mechat_protocol::{AccountName, ChannelId};

use super::composer::{Kills, Place};
use super::{Composer, Composing, Past, Popup, SavedDraft};

/// What belongs to writing beside the text itself.
#[derive(Debug, Default)]
pub struct Writing {
    /// What becomes of the text.
    pub composing: Composing,
    /// What was cut. It goes along from channel to channel.
    pub kills: Kills,
    /// What may be meant by the word at the cursor.
    pub popup: Option<Popup>,
    /// The beginning of the word for which that is not wanted.
    pub unwanted: Option<Place>,
    /// Where others were last told that one is writing, and when, by the steady clock.
    pub told: Option<(ChannelId, Duration)>,
    /// Who is writing, by channel.
    pub typists: BTreeMap<ChannelId, Typists>,
    /// The drafts' way to the disk.
    pub keeping: Keeping,
    /// What was sent from each channel's composer, and from the one of no channel.
    past: BTreeMap<Option<ChannelId>, Past>,
}

impl Writing {
    /// What was sent from a channel's composer.
    pub fn past(&mut self, channel: Option<ChannelId>) -> &mut Past {
        self.past.entry(channel).or_default()
    }

    /// What was put aside in a channel to look at what was sent.
    pub fn aside(&self, channel: Option<ChannelId>) -> Option<&Composer> {
        self.past.get(&channel).and_then(Past::kept)
    }

    /// Forgets all that belongs to an account. What was cut goes too: it may be from a private channel.
    pub fn forget_account(&mut self) {
        *self = Self::default();
    }
}

/// Who is writing in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typists {
    /// The latest first.
    pub accounts: Vec<AccountName>,
    /// Until when that holds, by the steady clock.
    pub until: Duration,
}

/// The drafts' way to the disk.
#[derive(Debug, Default)]
pub struct Keeping {
    /// Whether the file was read: before that, nothing is written over it.
    pub file: DraftFile,
    /// Drafts of channels that are not here, or not yet. They stay in the file as they are.
    pub elsewhere: Vec<SavedDraft>,
    /// What changed since it was last handed over.
    pub unsaved: Option<Unsaved>,
    /// A digest of what was handed over last.
    pub handed_over: Option<u64>,
    /// How often in a row the disk refused, and when it is tried again.
    pub refused: Option<Refused>,
}

/// Whether the file of the account's drafts was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DraftFile {
    /// Not asked for.
    #[default]
    Unknown,
    /// Asked for.
    Asked,
    /// Read; from here on it is ours to write.
    Read,
}

/// Since when something is not on disk, by the steady clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsaved {
    /// The first change.
    pub first: Duration,
    /// The last one.
    pub last: Duration,
}

/// The disk did not take the drafts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How often in a row.
    pub times: u32,
    /// When it is tried again, by the steady clock.
    pub again_at: Duration,
}
