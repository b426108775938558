//! Commands that are typed: from the registry's names to what they do.
//!
//! Invariant: what was typed stays in the composer, or comes back to it, until it was understood and not refused.

use mechat_client::Command;
use mechat_protocol::request::ChannelKind;
use mechat_protocol::{ChannelId, ChannelName, Content};

use super::{
    Effect, about, act, channels, chosen, compose, editor, finder, listing, reading, scroll, start, unread,
};
use crate::action::{self, ActionId as Id};
use crate::model::channel::RowKey;
use crate::model::overlay::{LinkUse, Panel};
use crate::model::{Composer, Link, Model, Outgoing, Overlay, Sending};
use crate::theme::{PALETTES, palette};

/// Runs what stands behind the slash. It stays in the composer if it is not understood, and comes back if the relay refuses it.
pub fn typed(model: &mut Model, command: &str) -> Vec<Effect> {
    let (name, arguments) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let arguments = arguments.trim();
    let Some(found) = action::by_command(&name.to_lowercase()) else {
        let hint = action::closest_command(name).map_or_else(
            || "/help lists all; // at the start sends a slash".to_owned(),
            |known| format!("did you mean /{known}?"),
        );
        model.complain(format!("no command /{name}; {hint}"));
        return Vec::new();
    };
    if !arguments.is_empty() && found.slash.is_some_and(|slash| slash.arguments.is_empty()) {
        model.complain(format!("/{name} takes nothing behind it; // at the start sends a slash"));
        return Vec::new();
    }
    let (typed, text) = (model.current, model.composer.text());
    compose::sent(model);
    let effects = run(model, found.id, arguments);
    let refused = model.notice.as_ref().is_some_and(|notice| notice.tone == crate::model::Tone::Error);
    if refused && model.composer.is_empty() && model.current == typed {
        model.composer = Composer::with_text(&text);
    }
    let asks = effects.iter().any(|effect| matches!(effect, Effect::Client(_)));
    model.asked = (asks && !refused).then_some(text);
    effects
}

/// The relay refused what was asked for: the command comes back, unless something else is written by now.
pub fn refused(model: &mut Model) {
    if let Some(text) = model.asked.take()
        && model.composer.is_empty()
    {
        model.composer = Composer::with_text(&text);
    }
}

/// Performs a command.
pub fn run(model: &mut Model, id: Id, arguments: &str) -> Vec<Effect> {
    match id {
        Id::Join => with_name(model, id, arguments, channels::join_or_show),
        Id::Create => with_name(model, id, arguments, create),
        Id::Leave => leave(model, arguments),
        Id::Switch => with_name(model, id, arguments, switch),
        Id::List => list(model, arguments),
        Id::Sessions => panel(model, Panel::Sessions, Some(Command::ListChannels)),
        Id::Who => who(model),
        Id::History => history(model, arguments),
        Id::ToggleBare => reading::toggle_bare(model),
        Id::ToggleSpoilers => reading::toggle_spoilers(model),
        Id::MarkAllRead => unread::mark_all_read(model),
        Id::Retry => retry(model),
        Id::Discard => discard(model),
        Id::Invite => panel(model, Panel::Invite, None),
        Id::Connections => connections(model),
        Id::Logout => vec![Effect::Client(Command::Logout)],
        Id::Reply => chosen::reply(model),
        Id::Select => chosen::select(model),
        Id::Change => chosen::change(model),
        Id::Delete => chosen::delete(model),
        Id::React => chosen::react(model, arguments),
        Id::TogglePin => chosen::toggle_pin(model),
        Id::CopyText => chosen::copy_text(model),
        Id::CopyLink => chosen::link(model, LinkUse::Copy),
        Id::OpenLink => chosen::link(model, LinkUse::Open),
        Id::ToQuoted => chosen::to_quoted(model),
        Id::Thread => chosen::thread(model),
        Id::Search => listing::search(model, arguments, false),
        Id::SearchAll => listing::search(model, arguments, true),
        Id::Pins => listing::pins(model),
        Id::Inbox => about::inbox(model),
        Id::Topic => about::topic(model, arguments),
        Id::Mute => about::mute(model),
        Id::Notify => about::notify(model, arguments),
        Id::Profile => about::profile(model, arguments),
        Id::Editor => editor::open(model),
        Id::Help => act::open_help(model, arguments.trim_start_matches('/')),
        Id::Themes => theme(model, arguments),
        Id::Configuration => panel(model, Panel::Configuration, None),
        Id::Reload => vec![Effect::ReadConfig { always: true }],
        Id::ConnectNow => start::connect_now(model),
        Id::Quit => act::leave(model),
        // Those without a command never come from one.
        _ => Vec::new(),
    }
}

fn with_name(
    model: &mut Model,
    id: Id,
    arguments: &str,
    run: fn(&mut Model, ChannelName) -> Vec<Effect>,
) -> Vec<Effect> {
    if arguments.is_empty() {
        model.complain(format!("a name is missing: {}", id.action().slash_text()));
        return Vec::new();
    }
    match ChannelName::new(arguments) {
        Ok(name) => run(model, name),
        Err(broken) => {
            model.complain(broken.rule);
            Vec::new()
        }
    }
}

fn create(model: &mut Model, name: ChannelName) -> Vec<Effect> {
    model.wanted = Some(name.clone());
    vec![Effect::Client(Command::CreateChannel { name, kind: ChannelKind::Public })]
}

fn leave(model: &mut Model, arguments: &str) -> Vec<Effect> {
    let channel = if arguments.is_empty() {
        model.current().map(|channel| channel.info.channel)
    } else {
        ChannelName::new(arguments).ok().and_then(|name| id_of(model, &name))
    };
    if let Some(channel) = channel {
        let mut effects = vec![Effect::Client(Command::Leave(channel))];
        effects.extend(channels::on_purpose(model, channel, true));
        effects
    } else {
        model.complain("you are in no such channel; the pane on the left has those you are in");
        Vec::new()
    }
}

fn id_of(model: &Model, name: &ChannelName) -> Option<ChannelId> {
    model.channel_named(name).map(|channel| channel.info.channel)
}

#[expect(clippy::needless_pass_by_value, reason = "the form that all commands with a name share")]
fn switch(model: &mut Model, name: ChannelName) -> Vec<Effect> {
    if let Some(channel) = id_of(model, &name) {
        channels::show(model, channel)
    } else {
        model.complain(format!("you are not in #{name}; /join #{name} joins it"));
        Vec::new()
    }
}

fn list(model: &mut Model, what: &str) -> Vec<Effect> {
    match what {
        "channels" | "" => panel(model, Panel::Channels, Some(Command::ListChannels)),
        "users" | "participants" => panel(model, Panel::Users, Some(Command::ListParticipants(None))),
        other => {
            model.complain(format!("`{other}` cannot be listed: /list channels, or /list users"));
            Vec::new()
        }
    }
}

fn who(model: &mut Model) -> Vec<Effect> {
    let channel = model.current;
    if channel.is_none() {
        return list(model, "users");
    }
    panel(model, Panel::Who, Some(Command::ListParticipants(channel)))
}

fn connections(model: &mut Model) -> Vec<Effect> {
    if model.account.as_ref().is_some_and(|account| account.admin) {
        return panel(model, Panel::Connections, Some(Command::ListConnections));
    }
    model.complain("only an admin of the relay may list connections");
    Vec::new()
}

fn panel(model: &mut Model, panel: Panel, ask: Option<Command>) -> Vec<Effect> {
    model.overlay = Some(Overlay::Panel(panel, 0));
    ask.map(Effect::Client).into_iter().collect()
}

fn theme(model: &mut Model, name: &str) -> Vec<Effect> {
    if name.is_empty() {
        return finder::open_themes(model);
    }
    if let Some(palette) = palette::named(&name.to_lowercase()) {
        return finder::keep_theme(model, palette);
    }
    let names: Vec<&str> = PALETTES.iter().map(|palette| palette.name).collect();
    let hint = match action::closest(name, names.iter().copied()) {
        Some(guess) => format!("did you mean {guess}?"),
        None => format!("there are {}", names.join(", ")),
    };
    model.complain(format!("no theme {name}; {hint}"));
    Vec::new()
}

/// Says so where there is nothing older: a key that does nothing looks broken.
fn history(model: &mut Model, count: &str) -> Vec<Effect> {
    let count = if count.is_empty() { Ok(0) } else { count.parse::<u16>() };
    let Ok(count) = count else {
        model.complain("/history takes a number of lines from 1 to 65535, or nothing");
        return Vec::new();
    };
    if let Some(channel) = model.current()
        && channel.at_start
        && scroll::is_at_top(model, channel)
    {
        let words = format!("nothing is older: this is the beginning of #{}", channel.info.name);
        model.inform(words);
        return Vec::new();
    }
    match count {
        0 => scroll::to_top(model),
        count => scroll::by_lines(model, -isize::try_from(count).unwrap_or(isize::MAX)),
    }
}

/// Sends the chosen refused message of the channel again, or the oldest, as a new one: the relay kept nothing of it.
fn retry(model: &mut Model) -> Vec<Effect> {
    match take_failed(model) {
        Some(message) => compose::send(model, message.content, message.in_reply_to),
        None if matches!(model.link, Link::Up | Link::Idle) => {
            model.inform("no message failed here");
            Vec::new()
        }
        None => start::connect_now(model),
    }
}

/// Drops the chosen refused message of the channel, or the oldest; its words can still be had with ↑.
fn discard(model: &mut Model) -> Vec<Effect> {
    match take_failed(model).map(|message| message.content) {
        Some(Content::Text { text }) => {
            model.writing.past(model.current).push(text.as_str());
            model.inform("dropped; Ctrl-↑ has its words");
        }
        Some(_) => model.inform("dropped"),
        None => model.inform("no message failed here"),
    }
    Vec::new()
}

fn take_failed(model: &mut Model) -> Option<Outgoing> {
    let chosen = model.reading.chosen;
    let outbox = &mut model.current_mut()?.outbox;
    let failed = |message: &Outgoing| matches!(message.sending, Sending::Failed(_));
    let is_chosen = |message: &Outgoing| chosen == Some(RowKey::Outgoing(message.nonce));
    let at = outbox.iter().position(|message| failed(message) && is_chosen(message));
    let at = at.or_else(|| outbox.iter().position(failed))?;
    Some(outbox.remove(at))
}
