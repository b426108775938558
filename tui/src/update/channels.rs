//! Channels, entries and people: what the client tells about them, and moving between channels.

use mechat_client::{Command, OutboxFile, OutboxState, Utterance};
use mechat_protocol::reply::{ChannelInfo, ConnectionRow, Marks, Participant};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{Amendment, ChannelId, ChannelName, Content, Entry, Nonce, Seq};

use super::{Effect, chosen, composing, drafts, scroll, typing};
use crate::model::channel::{Amending, ENTRIES_HIDDEN, Seek};
use crate::model::{Cached, Channel, Model, Outgoing, Scroll, Sending};

/// The channel where people meet first.
const LOBBY: &str = "lobby";

/// Shows a joined channel: its draft comes back, the one left keeps its own.
pub fn show(model: &mut Model, id: ChannelId) -> Vec<Effect> {
    if model.current == Some(id) {
        return Vec::new();
    }
    drafts::put_away(model);
    if let Some(left) = model.current_mut() {
        left.hide();
    }
    if let Some(left) = model.current {
        model.recent.retain(|recent| *recent != left);
        model.recent.insert(0, left);
    }
    let may_ask = model.signed_in;
    let Some(channel) = model.channel_mut(id) else { return Vec::new() };
    let ask = channel.members.is_none() && may_ask;
    channel.divider = has_unread(channel).then(|| channel.read());
    model.current = Some(id);
    chosen::leave(model);
    drafts::bring_back(model);
    let mut effects = Vec::new();
    if ask {
        effects.push(Effect::Client(Command::ListParticipants(Some(id))));
    }
    if matches!(model.cached, Cached::Open(_)) {
        effects.push(Effect::RememberShown(id));
    }
    effects.extend(scroll::fill(model));
    effects
}

fn has_unread(channel: &Channel) -> bool {
    !channel.unread().is_none()
}

/// Where a channel of this name stands among the joined ones.
pub fn place_of(model: &Model, name: &ChannelName) -> usize {
    let key = name.key().folded;
    model.channels.partition_point(|channel| channel.info.name.key().folded < key)
}

/// Shows a channel, joining it first if need be.
pub fn join_or_show(model: &mut Model, name: ChannelName) -> Vec<Effect> {
    if let Some(channel) = model.channel_named(&name).map(|channel| channel.info.channel) {
        show(model, channel)
    } else {
        model.wanted = Some(name.clone());
        vec![Effect::Client(Command::Join(name))]
    }
}

/// All channels one may know of. Those that were left elsewhere go.
pub fn listed(model: &mut Model, known: Vec<ChannelInfo>) -> Vec<Effect> {
    let left: Vec<ChannelId> = known.iter().filter(|info| !info.joined).map(|info| info.channel).collect();
    model.known = known;
    let mut effects: Vec<Effect> = left.into_iter().flat_map(|channel| self::left(model, channel)).collect();
    if std::mem::take(&mut model.fresh_account) && model.channels.is_empty() && model.wanted.is_none() {
        let lobby = model.known.iter().find(|info| info.name.as_str() == LOBBY).map(|info| info.name.clone());
        let lobby = lobby.filter(|name| !stays_out_of(model, name));
        effects.extend(lobby.map(|name| join_or_show(model, name)).unwrap_or_default());
    }
    effects
}

/// One is a member of a channel, from now or since before.
pub fn joined(model: &mut Model, info: ChannelInfo) -> Vec<Effect> {
    let id = info.channel;
    let key = info.name.key().folded;
    let wanted = model.wanted.as_ref().is_some_and(|name| name.key().folded == key);
    if wanted {
        (model.wanted, model.asked) = (None, None);
    }
    match model.known.iter_mut().find(|known| known.channel == id) {
        Some(known) => *known = info.clone(),
        None => model.known.push(info.clone()),
    }
    let place = place_of(model, &info.name);
    if let Some(channel) = model.channel_mut(id) {
        channel.follow_info(info);
    } else {
        let mut channel = Channel::new(info);
        let back = model.adrift.extract_if(.., |_, (of, _)| *of == id);
        channel.outbox.extend(back.map(|(_, (_, message))| message));
        model.channels.insert(place, channel);
    }
    let mut effects = if wanted { on_purpose(model, id, false) } else { Vec::new() };
    if wanted || model.current.is_none() {
        effects.extend(show(model, id));
    }
    effects
}

/// The user leaves a channel, or joins it: that is kept, and a link or a new account does not undo it.
pub fn on_purpose(model: &mut Model, id: ChannelId, left: bool) -> Vec<Effect> {
    let name = model.channel(id).map(|channel| channel.info.name.clone());
    let address = model.target.as_ref().map(|target| target.address.clone());
    match (name, address) {
        (Some(name), Some(address)) if model.signed_in && model.relays.left(&address, &name, left) => {
            vec![Effect::SaveRelays(model.relays.clone())]
        }
        _ => Vec::new(),
    }
}

/// Whether the user left a channel of this name on purpose.
fn stays_out_of(model: &Model, name: &ChannelName) -> bool {
    let (Some(account), Some(target)) = (&model.account, &model.target) else { return false };
    model.relays.has_left(&target.address, &account.name, name)
}

/// Joins where a link leads, unless the user left that channel.
pub fn follow_link(model: &mut Model, name: ChannelName) -> Vec<Effect> {
    if stays_out_of(model, &name) {
        model.inform(format!("you left #{name}; /join #{name} goes back"));
        return Vec::new();
    }
    model.wanted = Some(name.clone());
    vec![Effect::Client(Command::Join(name))]
}

/// One is no longer a member. What was being written there comes back with the channel.
pub fn left(model: &mut Model, id: ChannelId) -> Vec<Effect> {
    let Some(at) = model.channels.iter().position(|channel| channel.info.channel == id) else {
        return Vec::new();
    };
    if model.current == Some(id) {
        drafts::put_away(model);
    }
    model.recent.retain(|recent| *recent != id);
    let channel = model.channels.remove(at);
    let name = channel.info.name;
    let unsent = channel.outbox.into_iter().filter(|message| message.sending == Sending::Pending);
    model.adrift.extend(unsent.map(|message| (message.nonce, (id, message))));
    if let Some(known) = model.known.iter_mut().find(|known| known.channel == id) {
        known.joined = false;
        known.members = known.members.saturating_sub(1);
    }
    let mut effects = Vec::new();
    if model.current == Some(id) {
        model.current = None;
        let next = model.channels.get(at).or(model.channels.last()).map(|channel| channel.info.channel);
        effects = next.map_or_else(Vec::new, |next| show(model, next));
    }
    model.inform(format!("left #{name}"));
    effects
}

/// Entries at the end of a channel.
pub fn appended(model: &mut Model, id: ChannelId, entries: Vec<Entry>) -> Vec<Effect> {
    let me = model.account.as_ref().map(|account| account.name.clone());
    typing::said(model, id, &entries);
    let watched = model.current == Some(id) && model.is_watching();
    let current = model.current == Some(id);
    let Some(channel) = model.channel_mut(id) else { return Vec::new() };
    let had_unread = has_unread(channel);
    channel.append(entries, me.as_ref());
    if !watched && !had_unread && has_unread(channel) {
        channel.divider = Some(channel.read());
    }
    if current || channel.scroll != Scroll::Bottom {
        channel.trim();
    } else if channel.entries.len() > 2 * ENTRIES_HIDDEN {
        channel.hide();
    }
    Vec::new()
}

/// A part of a channel's log that was asked for.
pub fn history(
    model: &mut Model,
    id: ChannelId,
    range: HistoryRange,
    entries: Vec<Entry>,
    more: bool,
) -> Vec<Effect> {
    let me = model.account.as_ref().map(|account| account.name.clone());
    let Some(channel) = model.channel_mut(id) else { return Vec::new() };
    let sought = channel.seek;
    channel.take_page(range, entries, more, me.as_ref());
    let arrived = channel.seek != sought;
    channel.trim();
    if model.current != Some(id) {
        return Vec::new();
    }
    match sought {
        Some(Seek::Entry(_)) if arrived => scroll::around(model),
        _ => {
            scroll::settle(model);
            scroll::fill(model)
        }
    }
}

/// More was missed than is read by itself: the user is told, and what is shown begins anew.
pub fn skipped(model: &mut Model, id: ChannelId, from: Seq, to: Seq) -> Vec<Effect> {
    let Some(channel) = model.channel_mut(id) else { return Vec::new() };
    channel.skip();
    let name = channel.info.name.clone();
    let count = to.0.saturating_sub(from.0).saturating_add(1);
    model.inform(format!("#{name}: {count} entries were missed and not loaded; scroll up to read them"));
    Vec::new()
}

/// How far was read, here or on another device.
pub fn marks(model: &mut Model, id: ChannelId, marks: Marks) -> Vec<Effect> {
    if let Some(channel) = model.channel_mut(id) {
        channel.follow_marks(marks);
    }
    Vec::new()
}

/// A channel's log is another one.
pub fn reset(model: &mut Model, id: ChannelId) -> Vec<Effect> {
    let Some(channel) = model.channel_mut(id) else { return Vec::new() };
    channel.reset();
    let name = channel.info.name.clone();
    model.inform(format!("the relay restored #{name} from an earlier state; its messages are read anew"));
    Vec::new()
}

/// Who is in a channel, or on the relay.
pub fn participants(model: &mut Model, id: Option<ChannelId>, people: Vec<Participant>) -> Vec<Effect> {
    model.presence.extend(people.iter().map(|person| (person.account.clone(), person.presence)));
    match id {
        None => model.everyone = people,
        Some(id) => {
            if let Some(channel) = model.channel_mut(id) {
                channel.members = Some(people.into_iter().map(|person| person.account).collect());
            }
        }
    }
    Vec::new()
}

/// People came or went.
pub fn presence(model: &mut Model, changes: Vec<Participant>) -> Vec<Effect> {
    for change in changes {
        if let Some(known) = model.everyone.iter_mut().find(|known| known.account == change.account) {
            known.presence = change.presence;
        }
        model.presence.insert(change.account, change.presence);
    }
    Vec::new()
}

/// An own message or amendment moved.
pub fn outbox(model: &mut Model, nonce: Nonce, id: ChannelId, state: OutboxState) -> Vec<Effect> {
    let Some(channel) = model.channel_mut(id) else { return adrift(model, id, nonce, state) };
    if channel.amending.iter().any(|change| change.nonce == nonce) {
        return amending(model, id, nonce, state);
    }
    let waiting = channel.outbox.iter_mut().find(|message| message.nonce == nonce);
    match (state, waiting) {
        (OutboxState::Pending(_), Some(message)) => message.sending = Sending::Pending,
        (OutboxState::Pending(what), None) => {
            let known = channel.entries.iter().rev().any(|entry| entry.nonce == Some(nonce));
            match what {
                _ if known => {}
                Utterance::Message { content, in_reply_to } => {
                    let (sending, acked) = (Sending::Pending, None);
                    channel.outbox.push(Outgoing { nonce, content, in_reply_to, sending, acked });
                }
                Utterance::Amendment(amendment) => {
                    channel.amending.push(Amending { nonce, amendment, acked: None });
                }
            }
        }
        (OutboxState::Failed(error), Some(message)) => message.sending = Sending::Failed(error),
        // The row waits for its entry, which may have come already.
        (OutboxState::Acked { position, .. }, Some(message)) => {
            message.acked = Some(position.seq);
            channel.drop_acked();
        }
        (OutboxState::Acked { .. } | OutboxState::Failed(_), None) => {}
    }
    Vec::new()
}

/// An own amendment moved: what is refused is as it was before.
fn amending(model: &mut Model, id: ChannelId, nonce: Nonce, state: OutboxState) -> Vec<Effect> {
    let Some(channel) = model.channel_mut(id) else { return Vec::new() };
    match state {
        OutboxState::Pending(_) => {}
        OutboxState::Acked { position, .. } => {
            let waiting = channel.amending.iter_mut().filter(|change| change.nonce == nonce);
            waiting.for_each(|change| change.acked = Some(position.seq));
            channel.drop_acked();
        }
        OutboxState::Failed(error) => {
            let tried = channel.amending.iter().find(|change| change.nonce == nonce);
            let tried = tried.map_or("nothing was changed", |change| not_done(&change.amendment));
            let words = if composing::refused(model, id, nonce) { "; Ctrl-↑ has your words" } else { "" };
            model.complain(format!("{tried}: {}{words}", error.message));
        }
    }
    Vec::new()
}

/// What was tried and is not so.
const fn not_done(amendment: &Amendment) -> &'static str {
    match amendment {
        Amendment::Edit { .. } => "the message was not edited",
        Amendment::Delete { .. } => "the message was not deleted",
        Amendment::React { on: true, .. } => "the reaction was not taken",
        Amendment::React { on: false, .. } => "the reaction was not taken back",
        Amendment::Pin { on: true, .. } => "the message was not pinned",
        Amendment::Pin { on: false, .. } => "the message was not unpinned",
        Amendment::SetTopic { .. } => "the topic was not changed",
        Amendment::Unknown => "nothing was changed",
    }
}

/// An own message for a channel that one is not in has no row before one is; if it fails, its words are shown here and nowhere else.
fn adrift(model: &mut Model, id: ChannelId, nonce: Nonce, state: OutboxState) -> Vec<Effect> {
    match state {
        OutboxState::Pending(Utterance::Message { content, in_reply_to }) => {
            let (sending, acked) = (Sending::Pending, None);
            let message = Outgoing { nonce, content, in_reply_to, sending, acked };
            model.adrift.insert(nonce, (id, message));
        }
        OutboxState::Pending(Utterance::Amendment(_)) => {}
        OutboxState::Acked { .. } => drop(model.adrift.remove(&nonce)),
        OutboxState::Failed(error) => {
            if let Some((_, message)) = model.adrift.remove(&nonce) {
                model.complain(format!("not sent: {} ({})", words(&message.content), error.message));
            }
        }
    }
    Vec::new()
}

fn words(content: &Content) -> &str {
    match content {
        Content::Text { text } => text.as_str(),
        Content::Data { media_type, .. } => media_type.as_str(),
        Content::Unknown => "something",
    }
}

/// The outbox on disk fails, or is well again.
pub fn outbox_file(model: &mut Model, told: OutboxFile) -> Vec<Effect> {
    match &told {
        OutboxFile::NotKept { .. } => model.outbox_fails = true,
        OutboxFile::Whole => model.outbox_fails = false,
        OutboxFile::Damaged { .. } => {}
    }
    match told {
        OutboxFile::NotKept { reason } => model.complain(format!(
            "what you write is not on disk until it is sent: do not close this client while a message is pending ({reason})"
        )),
        OutboxFile::Whole => model.inform("what you write is on disk again"),
        OutboxFile::Damaged { what } => model.complain(what),
    }
    Vec::new()
}

/// Connections and sessions.
pub fn connections(model: &mut Model, rows: Vec<ConnectionRow>) -> Vec<Effect> {
    model.connections = rows;
    Vec::new()
}
