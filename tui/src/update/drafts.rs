//! Drafts: what was begun stays with its channel, and on disk.
//!
//! Owns when they are handed to the disk: shortly after a pause in typing, at once when the channel changes or the program ends or
//! stops. It never writes: [`Effect::SaveDrafts`] does, with all of an account's drafts, whole.
//!
//! Invariants: nothing is handed over before what an earlier run left was read; a draft comes back to the channel it was written
//! in and to no other; what the disk refuses stays here and is offered again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use mechat_protocol::{AccountName, ChannelId, RelayAddress, Seq};

use super::Effect;
use crate::model::writing::{DraftFile, Refused, Unsaved};
use crate::model::{Composer, Composing, Draft, Model, SavedDraft};

/// A pause in typing after which drafts are handed over.
const PAUSE: Duration = Duration::from_millis(300);
/// How long something may stay unsaved while typing goes on. Writing it takes the rest of the second that a crash may cost.
const UNSAVED_MAX: Duration = Duration::from_millis(800);
/// How long after a refusal the disk is tried again; doubled each time.
const AGAIN_MIN: Duration = Duration::from_secs(2);
/// At most this long.
const AGAIN_MAX: Duration = Duration::from_mins(1);

/// What tells whether an event changed a draft, or showed another channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    channel: Option<ChannelId>,
    /// Revision and length of the text, what it is about, and how many drafts there are elsewhere.
    draft: (u64, usize, Option<Seq>, usize),
}

/// How the drafts stand before an event.
pub(super) fn seen(model: &Model) -> Seen {
    let target = model.writing.composing.target().map(|(_, seq)| seq);
    let draft = (model.composer.revision(), model.composer.len(), target, model.drafts.len());
    Seen { channel: model.current, draft }
}

/// Asks for what an earlier run left, once the account is known.
fn ask(model: &mut Model) -> Option<Effect> {
    let (address, account) = owner(model)?;
    if model.writing.keeping.file != DraftFile::Unknown {
        return None;
    }
    model.writing.keeping.file = DraftFile::Asked;
    Some(Effect::LoadDrafts(address, account))
}

fn owner(model: &Model) -> Option<(RelayAddress, AccountName)> {
    Some((model.target.as_ref()?.address.clone(), model.account.as_ref()?.name.clone()))
}

/// What an earlier run left, and what is wrong with it.
pub fn loaded(
    model: &mut Model,
    address: RelayAddress,
    account: AccountName,
    drafts: Vec<SavedDraft>,
    damage: Option<String>,
) -> Vec<Effect> {
    let keeping = &mut model.writing.keeping;
    if keeping.file != DraftFile::Asked || owner(model) != Some((address, account)) {
        return Vec::new();
    }
    let keeping = &mut model.writing.keeping;
    keeping.file = DraftFile::Read;
    keeping.elsewhere = drafts;
    if let Some(damage) = damage {
        model.complain(damage);
    }
    Vec::new()
}

/// The disk took the drafts, or why not.
pub fn saved(model: &mut Model, outcome: Result<(), String>) -> Vec<Effect> {
    let keeping = &mut model.writing.keeping;
    let before = keeping.refused.take();
    match outcome {
        Ok(()) if before.is_some() => model.inform("what you write is on disk again"),
        Ok(()) => {}
        Err(reason) => {
            let times = before.map_or(0, |refused| refused.times);
            let wait = AGAIN_MAX.min(AGAIN_MIN * 2_u32.saturating_pow(times.min(8)));
            keeping.refused = Some(Refused { times: times + 1, again_at: model.now.steady + wait });
            keeping.handed_over = None;
            keeping.unsaved.get_or_insert(Unsaved { first: model.now.steady, last: model.now.steady });
            if times == 0 {
                model.complain(format!(
                    "drafts cannot be saved: {reason}. What you write stays here and is tried again; send it before you quit"
                ));
            }
        }
    }
    Vec::new()
}

/// What follows from an event for the drafts: some come back, some are handed over.
pub(super) fn settle(model: &mut Model, before: Seen, effects: &mut Vec<Effect>) {
    effects.extend(ask(model));
    bring_in(model);
    let now = model.now.steady;
    let after = seen(model);
    if before.draft != after.draft {
        let keeping = &mut model.writing.keeping;
        let first = keeping.unsaved.map_or(now, |unsaved| unsaved.first);
        keeping.unsaved = Some(Unsaved { first, last: now });
    }
    let ends = effects.iter().position(|effect| matches!(effect, Effect::Quit | Effect::Suspend));
    let due = due(model).is_some_and(|due| due <= now);
    if ends.is_some() || due || before.channel != after.channel {
        let save = flush(model);
        effects.splice(ends.unwrap_or(0)..ends.unwrap_or(0), save);
    }
}

/// When something is to be handed over, by the steady clock.
pub(super) fn due(model: &Model) -> Option<Duration> {
    let keeping = &model.writing.keeping;
    let unsaved = keeping.unsaved.filter(|_| keeping.file == DraftFile::Read)?;
    let due = (unsaved.last + PAUSE).min(unsaved.first + UNSAVED_MAX);
    Some(keeping.refused.map_or(due, |refused| due.max(refused.again_at)))
}

/// Hands over what is not on disk.
pub(super) fn flush(model: &mut Model) -> Option<Effect> {
    model.writing.keeping.unsaved.filter(|_| model.writing.keeping.file == DraftFile::Read)?;
    let (address, account) = owner(model)?;
    let drafts = all(model);
    let mut digest = DefaultHasher::new();
    drafts.hash(&mut digest);
    let digest = Some(digest.finish());
    let keeping = &mut model.writing.keeping;
    keeping.unsaved = None;
    if keeping.handed_over == digest {
        return None;
    }
    keeping.handed_over = digest;
    Some(Effect::SaveDrafts(address, account, drafts))
}

/// All drafts of the account.
fn all(model: &Model) -> Vec<SavedDraft> {
    let named = |channel: ChannelId| {
        let known = model.known.iter().find(|info| info.channel == channel);
        model.channel(channel).map(|channel| &channel.info).or(known).map(|info| info.name.clone())
    };
    let begun = model.current.map(|channel| (channel, present(model)));
    let away = model.drafts.iter().map(|(channel, draft)| (*channel, draft.clone()));
    let mut all = model.writing.keeping.elsewhere.clone();
    all.extend(
        away.chain(begun)
            .filter(|(_, draft)| !draft.is_empty())
            .filter_map(|(channel, draft)| Some(SavedDraft { channel, name: named(channel)?, draft })),
    );
    all
}

/// What is being written in the channel in view.
fn present(model: &Model) -> Draft {
    let composing = model.writing.composing.clone();
    let aside = model.writing.aside(model.current).map(Composer::text);
    match aside {
        // Only looked at.
        Some(text) if !model.composer.is_changed() => Draft { text, aside: String::new(), composing },
        aside => Draft { text: model.composer.text(), aside: aside.unwrap_or_default(), composing },
    }
}

/// Puts the text of the channel in view away: a text never follows the eye into another channel.
pub(super) fn put_away(model: &mut Model) {
    let Some(channel) = model.current else { return };
    let draft = present(model);
    model.writing.past(Some(channel)).settle();
    (model.composer, model.writing.composing) = (Composer::default(), Composing::New);
    model.writing.popup = None;
    if !draft.is_empty() {
        model.drafts.insert(channel, draft);
    }
}

/// Gives the channel in view its draft. What was typed while there was no channel stands behind it.
pub(super) fn bring_back(model: &mut Model) {
    let Some(channel) = model.current else { return };
    let Some(draft) = model.drafts.remove(&channel) else { return };
    let typed = model.composer.text();
    model.composer = Composer::with_text(&joined(&draft.text, &typed));
    model.writing.composing = draft.composing;
    if !draft.aside.is_empty() {
        model.writing.past(Some(channel)).push(&draft.aside);
    }
}

/// Two texts that both stay.
pub(super) fn joined(first: &str, second: &str) -> String {
    let between = if first.is_empty() || second.is_empty() { "" } else { "\n" };
    format!("{first}{between}{second}")
}

/// What an earlier run left comes back as soon as its channel is here.
fn bring_in(model: &mut Model) {
    let waiting = std::mem::take(&mut model.writing.keeping.elsewhere);
    for saved in waiting {
        match model.channel(saved.channel) {
            Some(channel) if channel.info.name == saved.name => {
                let epoch = channel.info.epoch;
                let mut draft = saved.draft;
                // Another log's messages have other places.
                if draft.composing.target().is_some_and(|(log, _)| log != epoch) {
                    draft.composing = Composing::New;
                }
                join(model, saved.channel, draft);
            }
            _ => model.writing.keeping.elsewhere.push(saved),
        }
    }
    if model
        .writing
        .composing
        .target()
        .is_some_and(|(log, _)| model.current().is_some_and(|channel| channel.info.epoch != log))
    {
        let before = std::mem::take(&mut model.writing.composing).into_before();
        model.writing.past(model.current).push(&before);
    }
}

/// Two clients, or two runs, may have begun something in the same channel: both texts stay.
fn join(model: &mut Model, channel: ChannelId, draft: Draft) {
    match model.drafts.get_mut(&channel) {
        Some(there) => there.text = joined(&draft.text, &there.text),
        None => _ = model.drafts.insert(channel, draft),
    }
    if model.current == Some(channel) {
        bring_back(model);
    }
}
