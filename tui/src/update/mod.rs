//! What happens when something happens: `(&mut Model, Event) -> Vec<Effect>`, pure.
//!
//! Owns every change of the model. It never performs an effect, reads a clock or draws.
//!
//! Invariants: an event is one arm and one call; all effects of an event are performed before the next is fed.

pub mod about;
pub mod account;
pub mod act;
pub mod cache;
pub mod channels;
pub mod chosen;
pub mod complete;
pub mod compose;
pub mod composing;
pub mod drafts;
pub mod editor;
pub mod finder;
pub mod form;
pub mod keys;
pub mod link;
pub mod listing;
pub mod mouse;
pub mod paste;
pub mod popup;
pub mod preferences;
pub mod reading;
pub mod scroll;
pub mod slash;
pub mod start;
pub mod typing;
pub mod unread;

use std::rc::Rc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};
use mechat_client::{CacheEvent, Command, Event as ClientEvent};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, ChannelId, Invite, RelayAddress};

use crate::config::{Config, Problem};
use crate::model::{Cached, Hosting, Link, Looks, Model, Moment, RelayBook, Resume, SavedDraft, Target};

pub use start::begin;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// A text was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize(u16, u16),
    /// The terminal got or lost the focus.
    Focus(bool),
    /// The client says.
    Client(ClientEvent),
    /// The time that [`wake_at`] asked for has come.
    Timer,
    /// The keyring's answer; a relay and an account that are no longer asked for are ignored.
    TokenLoaded {
        /// Which relay.
        address: RelayAddress,
        /// Whose.
        account: AccountName,
        /// The token, if there is one.
        token: Option<Token>,
    },
    /// The keyring does not work.
    NoKeyring,
    /// The cache of the account's logs says.
    Cache(CacheEvent),
    /// What an earlier run left of an account's drafts, and what is wrong with it.
    DraftsLoaded {
        /// Which relay.
        address: RelayAddress,
        /// Whose.
        account: AccountName,
        /// In no order.
        drafts: Vec<SavedDraft>,
        /// What could not be read, for people.
        damage: Option<String>,
    },
    /// The drafts are on disk, or why not.
    DraftsSaved(Result<(), String>),
    /// The user's editor is done.
    Edited {
        /// Where the text was written.
        channel: Option<ChannelId>,
        /// The text, or why it stays as it was.
        outcome: Result<String, String>,
    },
    /// The relay in this process runs, or could not.
    Hosting(Result<Invite, String>),
    /// The configuration was read.
    Configured {
        /// What it asks for, or what is wrong in it.
        read: Result<Config, Vec<Problem>>,
        /// Whether the user asked for it.
        asked: bool,
    },
    /// The shell could not do something.
    Failed(String),
    /// The system wants the program to end.
    Terminate,
}

/// What the shell shall do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Start a client for this relay, instead of any other.
    Connect(Target),
    /// Stop the client.
    Disconnect,
    /// Hand a command to the client.
    Client(Command),
    /// Ask the keyring.
    LoadToken(RelayAddress, AccountName),
    /// Keep a token in the keyring.
    SaveToken(RelayAddress, AccountName, Token),
    /// Remove the token from the keyring.
    ForgetToken(RelayAddress, AccountName),
    /// Open the cache of an account's logs, instead of any other; answered in every case.
    OpenCache(RelayAddress, AccountName),
    /// Read a part of a log from the cache; answered in every case.
    ReadCache(ChannelId, HistoryRange),
    /// Remember the channel that is shown, for the next start.
    RememberShown(ChannelId),
    /// Write the list of relays.
    SaveRelays(RelayBook),
    /// Write what was picked on the screen.
    SaveLooks(Looks),
    /// Read the configuration if it changed; `always`: in any case. The answer is [`Event::Configured`].
    ReadConfig {
        /// Whether the user asked for it.
        always: bool,
    },
    /// Listen to the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Read the drafts of an account.
    LoadDrafts(RelayAddress, AccountName),
    /// Write the drafts of an account, all of them, instead of any before.
    SaveDrafts(RelayAddress, AccountName, Vec<SavedDraft>),
    /// Give the terminal to the user's editor; the answer is [`Event::Edited`].
    OpenEditor {
        /// Where the text is written.
        channel: Option<ChannelId>,
        /// The text.
        text: String,
    },
    /// Hand a text to the terminal's clipboard.
    Copy(String),
    /// Have the system open a link of a permitted scheme.
    Open(Rc<str>),
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back and stop until the shell continues us.
    Suspend,
    /// End the program.
    Quit,
}

/// Feeds one event.
pub fn update(model: &mut Model, event: Event, now: Moment) -> Vec<Effect> {
    model.now = now;
    typing::expire(model);
    let drafts_before = drafts::seen(model);
    let moves = matches!(event, Event::Key(_) | Event::Mouse(_));
    let mut effects = match event {
        Event::Key(key) => keys::key(model, key),
        Event::Paste(text) => keys::paste(model, &text),
        Event::Mouse(event) => mouse::mouse(model, event),
        Event::Resize(columns, rows) => resize(model, (columns, rows)),
        Event::Focus(focused) => focus(model, focused),
        Event::Client(event) => client(model, event),
        Event::Timer => Vec::new(),
        Event::TokenLoaded { address, account, token } => {
            account::token_loaded(model, &address, account, token)
        }
        Event::NoKeyring => account::no_keyring(model),
        Event::Cache(event) => cache::event(model, event),
        Event::DraftsLoaded { address, account, drafts, damage } => {
            drafts::loaded(model, address, account, drafts, damage)
        }
        Event::DraftsSaved(outcome) => drafts::saved(model, outcome),
        Event::Edited { channel, outcome } => editor::closed(model, channel, outcome),
        Event::Hosting(outcome) => start::hosting(model, outcome),
        Event::Configured { read, asked } => preferences::configured(model, read, asked),
        Event::Failed(text) => failed(model, text),
        Event::Terminate => quit(),
    };
    chosen::settle(model, moves);
    unread::settle(model, &mut effects);
    drafts::settle(model, drafts_before, &mut effects);
    effects
}

/// When something happens with time alone, by the steady clock.
pub fn wake_at(model: &Model) -> Option<Duration> {
    [countdown(model), model.mark_at, drafts::due(model), typing::due(model)].into_iter().flatten().min()
}

/// When the countdown to the next try shows another number.
fn countdown(model: &Model) -> Option<Duration> {
    match model.link {
        Link::Down { retry_at, .. } if retry_at > model.now.steady => {
            let left = retry_at.saturating_sub(model.now.steady);
            // It shows whole seconds, rounded up: it changes when a whole number is left.
            let into_second = Duration::from_nanos(u64::from(left.subsec_nanos()));
            let step = if into_second.is_zero() { Duration::from_secs(1) } else { into_second };
            Some(model.now.steady + step)
        }
        _ => None,
    }
}

fn client(model: &mut Model, event: ClientEvent) -> Vec<Effect> {
    match event {
        ClientEvent::Link(change) => link::changed(model, change),
        ClientEvent::Welcome(welcome) => link::welcome(model, welcome),
        ClientEvent::Registered(account) => account::registered(model, &account),
        ClientEvent::SignedIn(signed_in) => account::signed_in(model, &signed_in),
        ClientEvent::SignedOut(why) => account::signed_out(model, why),
        ClientEvent::Refused { request, error } => account::refused(model, request, &error),
        ClientEvent::Channels(known) => channels::listed(model, known),
        ClientEvent::Participants { channel, participants } => {
            channels::participants(model, channel, participants)
        }
        ClientEvent::Joined(info) => channels::joined(model, info),
        ClientEvent::Left(channel) => channels::left(model, channel),
        ClientEvent::Appended { channel, entries, live: _ } => channels::appended(model, channel, entries),
        ClientEvent::History { channel, range, entries, more } => {
            channels::history(model, channel, range, entries, more)
        }
        ClientEvent::Reset(channel) => channels::reset(model, channel),
        ClientEvent::Presence(changes) => channels::presence(model, changes),
        ClientEvent::Outbox { nonce, channel, state } => channels::outbox(model, nonce, channel, state),
        ClientEvent::OutboxFile(told) => channels::outbox_file(model, told),
        ClientEvent::Connections(rows) => channels::connections(model, rows),
        ClientEvent::Skipped { channel, from, to } => channels::skipped(model, channel, from, to),
        ClientEvent::CaughtUp => link::caught_up(model),
        ClientEvent::Marks { channel, marks } => channels::marks(model, channel, marks),
        ClientEvent::Typing { channel, accounts } => typing::told(model, channel, accounts),
        ClientEvent::Found { ticket, result } => listing::found(model, ticket, result),
        ClientEvent::Posts { ticket, result } => listing::posts(model, ticket, result),
        ClientEvent::Profile { ticket, result } => about::profiled(model, ticket, result),
        ClientEvent::Called { .. } => Vec::new(),
        ClientEvent::Stopped => link::stopped(model),
    }
}

fn resize(model: &mut Model, size: (u16, u16)) -> Vec<Effect> {
    model.size = size;
    Vec::new()
}

/// Who comes back may have changed the configuration meanwhile; looking only then costs nothing while nobody looks.
fn focus(model: &mut Model, focused: bool) -> Vec<Effect> {
    model.focused = focused;
    if focused { vec![Effect::ReadConfig { always: false }] } else { Vec::new() }
}

fn failed(model: &mut Model, text: String) -> Vec<Effect> {
    model.complain(text);
    Vec::new()
}

fn quit() -> Vec<Effect> {
    vec![Effect::Quit]
}

/// Chooses a relay: from here on the client connects by itself.
fn connect(model: &mut Model, target: Target) -> Vec<Effect> {
    let mut effects = forget_account(model);
    model.screen = crate::model::Screen::Connecting;
    model.link = Link::Connecting { attempt: 1 };
    (model.trust, model.welcome, model.notice) = (None, None, None);
    effects.push(Effect::Connect(target.clone()));
    model.resume = match model.relays.account_at(&target.address) {
        Some(account) => {
            let account = account.clone();
            effects.push(Effect::LoadToken(target.address.clone(), account.clone()));
            effects.push(Effect::OpenCache(target.address.clone(), account.clone()));
            model.cached = Cached::Opening(account.clone());
            Resume::Loading(account)
        }
        None => Resume::None,
    };
    model.target = Some(target);
    effects
}

/// Back to the start screen; a relay in this process has no other to go to.
fn back_to_start(model: &mut Model) -> Vec<Effect> {
    if model.hosting.is_some() {
        return Vec::new();
    }
    let mut effects = forget_account(model);
    model.screen = crate::model::Screen::Start(crate::model::Picker::default());
    model.link = Link::Idle;
    (model.trust, model.welcome, model.target, model.overlay) = (None, None, None, None);
    model.resume = Resume::None;
    effects.push(Effect::Disconnect);
    effects
}

/// Forgets all that belongs to an account; what it had begun goes to the disk first.
fn forget_account(model: &mut Model) -> Vec<Effect> {
    let save = drafts::flush(model);
    model.forget_account();
    save.into_iter().collect()
}

/// The link with which others join.
pub fn invite(model: &Model) -> Option<Invite> {
    if let Some(Hosting::Running(invite)) = &model.hosting {
        return Some(invite.clone());
    }
    let target = model.target.as_ref()?;
    let channel = model.current().map(|channel| channel.info.name.clone());
    Some(Invite { address: target.address.clone(), channel, fingerprint: model.fingerprint, code: None })
}
