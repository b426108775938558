//! Changing what was said, or what a channel is about.
//!
//! Who may is asked here; whether what is named is there, and whose it is, only the storage knows.
//!
//! Invariant: as with a message, the `ack` follows only on the storage's word that the entry is committed, and comes before its
//! broadcast; nobody reads an entry as it was after the amendment was told.

use mechat_protocol::limits::{PINS_MAX, REACTIONS_MAX};
use mechat_protocol::request::Amend;
use mechat_protocol::{AccountId, Amendment, Body, ChannelId, Content, ErrorCode, RuleBroken};

use crate::authorize::{Action, authorize, broken};
use crate::hub::{Hub, Waiting, WaitingFor, refuse};
use crate::input::{AmendRefusal, Amended};
use crate::talk::acknowledge;
use crate::{AppendDraft, ConnId, Effect, Effects, Now, StoreOp};

impl Hub {
    pub(crate) fn amend(
        &mut self,
        now: Now,
        conn: ConnId,
        amend: Amend,
        effects: &mut Effects,
    ) -> Result<(), RuleBroken> {
        let Amend { id, channel, nonce, amendment } = amend;
        let account = self.speaker(conn, channel)?;
        let rights = self.moderates(conn, account, channel);
        match &amendment {
            Amendment::Pin { .. } | Amendment::SetTopic { .. } => rights.clone()?,
            Amendment::Unknown | Amendment::Edit { content: Content::Unknown, .. } => {
                let rule = "this version knows amendments of kind `edit`, `delete`, `react`, `pin` and `set_topic`, \
                     and content of kind `text` and `data`";
                return Err(broken(ErrorCode::Unsupported, rule));
            }
            Amendment::Edit { .. } | Amendment::Delete { .. } | Amendment::React { .. } => {}
        }
        let draft = AppendDraft {
            nonce: Some(nonce),
            moderates: rights.is_ok(),
            ..self.draft(now, account, channel, Body::Amended { amendment })?
        };
        self.ask_storage(conn, id, account, WaitingFor::Send(channel), StoreOp::Append(draft), effects)
    }

    /// Whether the speaker keeps order in a channel. One whose host is the relay has only its admins.
    fn moderates(&self, conn: ConnId, account: AccountId, channel: ChannelId) -> Result<(), RuleBroken> {
        let host = self.channels.get(&channel).and_then(|channel| channel.record.host) == Some(account);
        authorize(self.actor(conn).0, Action::Moderate { host })
    }

    pub(crate) fn amended(&mut self, waiting: &Waiting, amended: Amended, effects: &mut Effects) {
        let Amended { entry, changed } = amended;
        self.committed(&entry);
        if let Body::Amended { amendment: Amendment::SetTopic { topic } } = &entry.body
            && let Some(channel) = self.channels.get_mut(&entry.channel)
        {
            channel.record.topic = topic.clone();
        }
        for entry in changed {
            self.news.amended(entry.channel, entry.seq);
            effects.push(Effect::Replace(entry));
        }
        acknowledge(waiting, &entry, effects);
        effects.push(Effect::Broadcast(entry));
    }
}

/// The storage found that it cannot be.
pub(crate) fn refuse_amendment(waiting: &Waiting, refusal: AmendRefusal, effects: &mut Effects) {
    let broken = match refusal {
        AmendRefusal::NoSuchMessage => {
            broken(ErrorCode::NoSuchMessage, "there is no such message in the channel, or it was deleted")
        }
        AmendRefusal::NotTheSenders => broken(
            ErrorCode::Forbidden,
            "only who said it may edit it; they, the channel's host and admins of the relay may delete it",
        ),
        AmendRefusal::TooManyReactions => {
            broken(ErrorCode::LimitReached, format!("a message has at most {REACTIONS_MAX} reactions"))
        }
        AmendRefusal::TooManyPins => broken(
            ErrorCode::LimitReached,
            format!("a channel has at most {PINS_MAX} pinned messages: unpin one first"),
        ),
    };
    refuse(waiting.conn, Some(waiting.id), broken, effects);
}
