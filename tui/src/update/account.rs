//! Signing in and out.

use mechat_client::{Command, RequestKind, SignedIn, SignedOut};
use mechat_protocol::reply::ErrorReply;
use mechat_protocol::secret::Token;
use mechat_protocol::{AccountName, ErrorCode, RelayAddress};

use super::{Effect, cache, channels, preferences, slash};
use crate::model::{Account, Cached, Field, Form, FormKind, Link, Model, Resume, Screen};

/// Goes on as soon as both the relay and the keyring have answered.
pub fn advance(model: &mut Model) -> Vec<Effect> {
    let waits = model.signed_in || model.welcome.is_none() || model.link != Link::Up;
    if waits || !matches!(model.screen, Screen::Connecting | Screen::Chat) {
        return Vec::new();
    }
    match std::mem::replace(&mut model.resume, Resume::None) {
        Resume::None => {
            let last = model.target.as_ref().and_then(|target| model.relays.account_at(&target.address));
            model.screen = Screen::Menu(usize::from(last.is_some()));
            Vec::new()
        }
        Resume::Ready(account, token) => {
            model.resume = Resume::Sent(account, token.clone());
            vec![Effect::Client(Command::Resume(token))]
        }
        pending @ (Resume::Loading(_) | Resume::Sent(..)) => {
            model.resume = pending;
            Vec::new()
        }
    }
}

/// The keyring answered.
pub fn token_loaded(
    model: &mut Model,
    address: &RelayAddress,
    account: AccountName,
    token: Option<Token>,
) -> Vec<Effect> {
    let asked = model.target.as_ref().is_some_and(|target| target.address == *address)
        && model.resume == Resume::Loading(account.clone());
    if !asked {
        return Vec::new();
    }
    model.resume = token.map_or(Resume::None, |token| Resume::Ready(account, token));
    let mut effects = cache::adopt(model);
    effects.extend(advance(model));
    effects
}

/// There is no keyring, or it does not answer.
pub fn no_keyring(model: &mut Model) -> Vec<Effect> {
    model.no_keyring = true;
    if matches!(model.resume, Resume::Loading(_)) {
        model.resume = Resume::None;
    }
    advance(model)
}

/// An account was made.
pub fn registered(model: &mut Model, _account: &AccountName) -> Vec<Effect> {
    model.fresh_account = true;
    Vec::new()
}

/// Signed in, for the first time or again after the link was lost.
pub fn signed_in(model: &mut Model, signed_in: &SignedIn) -> Vec<Effect> {
    let account = Account::from(signed_in);
    let mut effects = Vec::new();
    if model.account.as_ref().is_some_and(|before| before.name != account.name) {
        effects = super::forget_account(model);
    }
    let first_time = !std::mem::replace(&mut model.signed_in, true);
    if first_time && model.notice.is_none() {
        // On the way here it may have been told where nobody looked.
        preferences::remind(model);
    }
    let name = account.name.clone();
    (model.account, model.resume) = (Some(account), Resume::None);
    model.screen = Screen::Chat;
    for channel in &mut model.channels {
        channel.members = None;
    }
    let Some(target) = &mut model.target else { return Vec::new() };
    let address = target.address.clone();
    effects.push(Effect::SaveToken(address.clone(), name.clone(), signed_in.token.clone()));
    effects.extend(own_cache(model, &name));
    let Some(target) = &mut model.target else { return effects };
    if first_time && let Some(channel) = target.channel.take() {
        effects.extend(channels::follow_link(model, channel));
    }
    if let Some(channel) = model.current {
        effects.push(Effect::Client(Command::ListParticipants(Some(channel))));
    }
    if model.relays.account_at(&address) != Some(&name) {
        model.relays.used(&address, Some(&name));
        effects.push(Effect::SaveRelays(model.relays.clone()));
    }
    effects
}

/// The session waits for how far the account's logs are known.
fn own_cache(model: &mut Model, name: &AccountName) -> Vec<Effect> {
    match &model.cached {
        Cached::Open(open) | Cached::Opening(open) if open == name => Vec::new(),
        Cached::Ready(open, _) if open == name => cache::adopt(model),
        _ => cache::open(model, name),
    }
}

/// No longer signed in.
pub fn signed_out(model: &mut Model, why: SignedOut) -> Vec<Effect> {
    let resumed = match std::mem::replace(&mut model.resume, Resume::None) {
        Resume::Sent(account, _) | Resume::Ready(account, _) => Some(account),
        Resume::None | Resume::Loading(_) => None,
    };
    let account = model.account.as_ref().map(|account| account.name.clone()).or(resumed);
    let mut effects = Vec::new();
    if let (Some(target), Some(account)) = (&model.target, &account) {
        effects.push(Effect::ForgetToken(target.address.clone(), account.clone()));
    }
    match why {
        SignedOut::LoggedOut => {
            let unsent: usize = model.channels.iter().map(|channel| channel.outbox.len()).sum();
            effects.extend(super::forget_account(model));
            model.overlay = None;
            model.screen = Screen::Menu(1);
            match unsent {
                0 => model.inform("logged out; still connected"),
                _ => model.complain(format!("logged out; messages that were not sent: {unsent}")),
            }
        }
        SignedOut::TokenRefused => ask_password(model, account.as_ref()),
    }
    effects
}

/// What was written and read stays, for when the same account signs in again.
fn ask_password(model: &mut Model, account: Option<&AccountName>) {
    let name = account.map_or_else(String::new, AccountName::to_string);
    let mut form = Form::new(FormKind::Login, &name);
    form.error = Some((form.focus, "the saved session has ended: please sign in again".to_owned()));
    model.overlay = None;
    model.screen = Screen::Form(form);
}

/// A request was refused.
pub fn refused(model: &mut Model, request: RequestKind, error: &ErrorReply) -> Vec<Effect> {
    match request {
        RequestKind::Register | RequestKind::Login => sign_in_refused(model, error),
        RequestKind::Resume => return resume_refused(model, error),
        RequestKind::Join => join_refused(model, error),
        RequestKind::ReadHistory => {
            for channel in &mut model.channels {
                channel.stop_loading();
            }
            model.complain(format!("older messages could not be read: {}", error.message));
        }
        RequestKind::CreateChannel if error.code == ErrorCode::ChannelExists => {
            let name = model.wanted.take().map_or_else(String::new, |name| format!(" #{name}"));
            model.complain(format!("a channel{name} exists already; /join{name} joins it"));
        }
        _ => model.complain(error.message.clone()),
    }
    if !matches!(
        request,
        RequestKind::Register | RequestKind::Login | RequestKind::Say | RequestKind::ReadHistory
    ) {
        slash::refused(model);
    }
    Vec::new()
}

fn join_refused(model: &mut Model, error: &ErrorReply) {
    let name = model.wanted.take();
    match (error.code, name) {
        (ErrorCode::NoSuchChannel, Some(name)) => {
            model.complain(format!(
                "no channel #{name}; /list channels shows what there is, /create #{name} makes it"
            ));
        }
        _ => model.complain(error.message.clone()),
    }
}

fn resume_refused(model: &mut Model, error: &ErrorReply) -> Vec<Effect> {
    match error.code {
        // The client was faster.
        ErrorCode::AlreadyAuthenticated => Vec::new(),
        ErrorCode::InvalidToken => signed_out(model, SignedOut::TokenRefused),
        _ => {
            model.resume = Resume::None;
            model.complain(error.message.clone());
            advance(model)
        }
    }
}

fn sign_in_refused(model: &mut Model, error: &ErrorReply) {
    let Screen::Form(form) = &mut model.screen else {
        model.complain(error.message.clone());
        return;
    };
    match (form.kind, error.code) {
        (FormKind::Register, ErrorCode::NameTaken) => {
            form.taken = true;
            let text = format!("{} is taken: take another name, or log in if it is yours", form.name.text());
            form.refuse(Field::Name, text);
            form.focus = Field::LogInInstead;
        }
        (_, ErrorCode::InvalidCredentials) => {
            form.password.clear();
            form.refuse(Field::Password, "the name or the password is wrong; try again");
        }
        (_, ErrorCode::InvalidName | ErrorCode::NameTooSimilar) => {
            form.refuse(Field::Name, error.message.clone());
        }
        _ => {
            let last = form.fields().last().copied().unwrap_or(Field::Password);
            let wait = error.retry_after_ms.map(|ms| format!(" (wait {} s)", ms.div_ceil(1_000)));
            form.refuse(last, format!("{}{}", error.message, wait.unwrap_or_default()));
        }
    }
}
