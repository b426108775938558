//! A channel that was left on purpose stays left, whatever leads there by itself.

mod stage;

use mechat_client::Event as ClientEvent;
use mechat_client::event::Link;
use mechat_protocol::{ChannelId, RelayAddress};
use mechat_tui::model::{RelayBook, Target};
use mechat_tui::update::{self, Effect};
use stage::{Stage, account, channel, fingerprint, info, signed_in, welcome};

const HOST: &str = "chat.example.org";

fn address() -> RelayAddress {
    HOST.parse().expect("address")
}

fn saved(stage: &Stage) -> Option<&RelayBook> {
    stage.effects.iter().rev().find_map(|effect| match effect {
        Effect::SaveRelays(book) => Some(book),
        _ => None,
    })
}

/// Started by a link to #lobby, as misha, with what was remembered.
fn by_link(book: RelayBook) -> Stage {
    let mut stage = Stage::with_relays((80, 24), book);
    let mut target = Target::from(address());
    target.channel = Some(channel("lobby"));
    stage.effects = update::begin(&mut stage.model, target);
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    stage.client(ClientEvent::Welcome(welcome()));
    stage.effects.clear();
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    stage
}

fn joins(stage: &Stage) -> bool {
    stage.effects.iter().any(|effect| format!("{effect:?}").contains("Join("))
}

#[test]
fn a_link_does_not_undo_an_explicit_leave() {
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("/leave");
    let book = saved(&stage).expect("it is kept").clone();
    assert!(book.has_left(&address(), &account("misha"), &channel("lobby")));
    let mut stage = by_link(book);
    assert!(!joins(&stage));
    assert!(stage.model.notice.as_ref().is_some_and(|notice| notice.text.contains("you left #lobby")));
    stage.effects.clear();
    stage.enter("/join lobby");
    assert!(joins(&stage));
    stage.client(ClientEvent::Joined(info(1, "lobby", 2, 1, true)));
    let book = saved(&stage).expect("it is kept").clone();
    assert!(joins(&by_link(book)), "who came back is led there again");
}

#[test]
fn a_leave_by_another_device_or_of_another_account_is_nothing_to_remember() {
    let mut stage = Stage::in_chat((80, 24));
    stage.client(ClientEvent::Left(ChannelId(1)));
    assert!(saved(&stage).is_none());
    let mut book = RelayBook::default();
    book.used(&address(), Some(&account("vera")));
    book.left(&address(), &channel("lobby"), true);
    assert!(joins(&by_link(book)), "misha left nothing");
}
