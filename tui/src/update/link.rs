//! The link: what the client says about the connection.

use mechat_client::event::Link as Change;

use super::{Effect, account};
use crate::model::{Link, Model, Resume, Screen, Trust};

/// The link changed.
pub fn changed(model: &mut Model, change: Change) -> Vec<Effect> {
    match change {
        Change::Connecting { attempt } => connecting(model, attempt),
        Change::Up { fingerprint } => up(model, fingerprint),
        Change::Down { reason, close, attempt, retry_in } => {
            let reason = close.map_or(reason, |close| close.reason);
            down(model, Link::Down { reason, attempt, retry_at: model.now.steady + retry_in })
        }
        Change::Untrusted(error) => {
            model.trust = Some(Trust { error, shown: true, top: 0 });
            down(model, Link::Untrusted)
        }
        Change::Failed { reason } => down(model, Link::Failed { reason }),
    }
}

/// The relay said hello.
pub fn welcome(model: &mut Model, welcome: mechat_protocol::reply::Welcome) -> Vec<Effect> {
    model.welcome = Some(welcome);
    account::advance(model)
}

/// The client stopped without being told to.
pub fn stopped(model: &mut Model) -> Vec<Effect> {
    if matches!(model.link, Link::Failed { .. } | Link::Idle | Link::Untrusted) {
        return Vec::new();
    }
    down(model, Link::Failed { reason: "the client stopped".to_owned() })
}

/// Everything that was missed is here.
pub fn caught_up(model: &mut Model) -> Vec<Effect> {
    model.caught_up = true;
    Vec::new()
}

fn connecting(model: &mut Model, attempt: u32) -> Vec<Effect> {
    model.link = Link::Connecting { attempt };
    Vec::new()
}

fn up(model: &mut Model, fingerprint: mechat_protocol::Fingerprint) -> Vec<Effect> {
    model.link = Link::Up;
    model.fingerprint = Some(fingerprint);
    model.trust = None;
    let Some(target) = &model.target else { return Vec::new() };
    if model.hosting.is_some()
        || model.relays.relays.first().is_some_and(|first| first.address == target.address)
    {
        return Vec::new();
    }
    model.relays.used(&target.address, None);
    vec![Effect::SaveRelays(model.relays.clone())]
}

/// What was being asked will not be answered any more.
fn down(model: &mut Model, link: Link) -> Vec<Effect> {
    (model.link, model.caught_up) = (link, false);
    if let Resume::Sent(account, token) = &model.resume {
        model.resume = Resume::Ready(account.clone(), token.clone());
    }
    for channel in &mut model.channels {
        channel.stop_loading();
    }
    if let Screen::Form(form) = &mut model.screen
        && form.busy
    {
        let field = form.fields().last().copied().unwrap_or(form.focus);
        form.refuse(field, "the connection was lost before the relay answered; press Enter to try again");
    }
    Vec::new()
}
