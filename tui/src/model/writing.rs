//! What belongs to writing beside the text itself.

use std::collections::BTreeMap;

use mechat_protocol::ChannelId;

use super::composer::Kills;
use super::{Composer, Past};

/// What belongs to writing beside the text itself.
#[derive(Debug, Default)]
pub struct Writing {
    /// What was cut. It goes along from channel to channel.
    pub kills: Kills,
    /// What was sent from each channel's composer, and from the one of no channel.
    past: BTreeMap<Option<ChannelId>, Past>,
}

impl Writing {
    /// What was sent from a channel's composer.
    pub fn past(&mut self, channel: Option<ChannelId>) -> &mut Past {
        self.past.entry(channel).or_default()
    }

    /// One leaves a channel while looking at what was sent there: what was put aside comes back. If what was sent was changed, that
    /// stays, and ↑ has the other.
    pub fn leave(&mut self, channel: Option<ChannelId>, composer: &mut Composer) {
        let past = self.past(channel);
        match past.settle() {
            Some(kept) if !composer.is_changed() => *composer = kept,
            Some(kept) if !kept.is_empty() => past.push(&kept.text()),
            Some(_) | None => {}
        }
    }

    /// Forgets all that belongs to an account.
    pub fn forget_account(&mut self) {
        *self = Self::default();
    }
}
