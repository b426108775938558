//! What an amendment does to the message that it names: the same in every storage.
//!
//! Owns the decision; where entries are kept, and who may moderate, others know.

use mechat_protocol::limits::REACTIONS_MAX;
use mechat_protocol::{Amendment, Body, Content, Entry};

use super::Refusal;

/// The message as it is from now on; `None` if it is so already.
pub(super) fn change(target: &Entry, by: &Entry, moderates: bool) -> Result<Option<Entry>, Refusal> {
    let (Body::Message(post), Body::Amended { amendment }) = (&target.body, &by.body) else {
        return Err(Refusal::NoSuchMessage);
    };
    let own = target.sender == by.sender;
    let permitted = match amendment {
        Amendment::Edit { .. } => own,
        Amendment::Delete { .. } => own || moderates,
        _ => true,
    };
    if !permitted {
        return Err(Refusal::NotTheSenders);
    }
    let mut now = target.clone();
    if !now.amend(by) {
        return Ok(None);
    }
    let is_full = post.reaction_count() >= REACTIONS_MAX;
    if is_full && matches!(amendment, Amendment::React { on: true, .. }) {
        return Err(Refusal::TooManyReactions);
    }
    Ok(Some(now))
}

/// What is left of an edit when its message is deleted: that there was one. Whoever applies it also applies the deletion that
/// follows.
pub(super) fn without_words(edit: &Entry) -> Entry {
    let mut edit = edit.clone();
    if let Body::Amended { amendment: Amendment::Edit { content, .. } } = &mut edit.body {
        *content = Content::Unknown;
    }
    edit
}
