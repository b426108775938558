//! Connections that come, go, fall silent, or meet another certificate.

use std::time::Duration;

use mechat_client::{Client, Command, Event, Link};
use mechat_protocol::codec::encode;
use mechat_protocol::event::Close;
use mechat_protocol::message::Message;
use mechat_protocol::reply::ConnectionState::{self, Connected, Disconnected, Pending};
use mechat_protocol::reply::{Presence, Welcome};
use mechat_protocol::request::{ListConnections, ListParticipants, Resume};
use mechat_protocol::{CloseCode, ErrorCode, RequestId, Retry};
use mechat_relay::Relay;
use tokio::io::AsyncWriteExt;

use crate::accounts::sign_in_probe;
use crate::harness::{Person, TestRelay, password, text_of};
use crate::probe::{Ended, Probe, hello};

async fn states(admin: &mut Person) -> Vec<(ConnectionState, Option<String>)> {
    let Message::Connections(page) = admin.call(ListConnections { id: RequestId(0), after: None }).await
    else {
        panic!()
    };
    let rows = page.connections.iter();
    rows.map(|row| (row.state, row.account.as_ref().map(ToString::to_string))).collect()
}

/// Asks until it is as expected: what a connection's end leads to takes its way through the relay.
async fn states_become(admin: &mut Person, expected: &[(ConnectionState, Option<&str>)]) {
    for _ in 0..200 {
        let now = states(admin).await;
        if now.iter().map(|(state, name)| (*state, name.as_deref())).eq(expected.iter().copied()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?} instead of {expected:?}", states(admin).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sees_each_session_once_and_pending_returns_to_none() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    states_become(&mut ann, &[(Connected, Some("ann"))]).await;
    let mut bob = relay.visitor().await;
    states_become(&mut ann, &[(Connected, Some("ann")), (Pending, None)]).await;
    bob.register("bob").await;
    states_become(&mut ann, &[(Connected, Some("ann")), (Connected, Some("bob"))]).await;
    let refused = bob.call(ListConnections { id: RequestId(0), after: None }).await;
    assert!(matches!(refused, Message::Error(error) if error.code == ErrorCode::Forbidden));
    bob.client.send(Command::Quit).await;
    states_become(&mut ann, &[(Connected, Some("ann")), (Disconnected, Some("bob"))]).await;
    let mut silent = Probe::connect(&relay).await;
    silent.send(&hello(1, 1)).await;
    states_become(&mut ann, &[(Connected, Some("ann")), (Disconnected, Some("bob")), (Pending, None)]).await;
    drop(silent);
    states_become(&mut ann, &[(Connected, Some("ann")), (Disconnected, Some("bob"))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_pending_connection_is_closed_after_thirty_seconds_and_hears_no_chat() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    let mut probe = Probe::greeted(&relay).await;
    ann.say(&lobby, "not for strangers").await;
    let Close { code, retry, .. } = probe.close().await;
    assert_eq!((code, retry), (CloseCode::PendingTimeout, Retry::Reconnect));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_welcome_states_what_counts() {
    let relay = TestRelay::start_with(|config| {
        config.motd = Some("be kind".into());
        config.participants_before_sign_in = true;
    })
    .await;
    drop(relay.person("ann").await);
    let mut probe = Probe::connect(&relay).await;
    let Message::Welcome(Welcome { version, limits, durability, motd, .. }) = probe.ask(hello(1, 1)).await
    else {
        panic!()
    };
    assert_eq!((version, limits.text_len_max, motd.as_deref()), (1, 16_384, Some("be kind")));
    assert_eq!(durability, mechat_protocol::reply::Durability::Fsync);
    let list = ListParticipants { id: RequestId(4), channel: None, after: None };
    let Message::Participants(page) = probe.ask(list).await else { panic!("the relay allows it") };
    assert_eq!(page.participants.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_starts_before_its_relay_connects_by_itself() {
    let mut relay = TestRelay::start().await;
    relay.stop().await;
    let config = mechat_client::Config {
        address: relay.address.clone(),
        pins: relay.pins(),
        invited: Some(relay.fingerprint),
        agent: "test".into(),
        outbox: None,
        resumes: false,
    };
    let (client, events) = Client::start(config);
    let mut early = Person { client, events };
    early
        .until(|event| match event {
            Event::Link(Link::Down { attempt: 2, reason, .. }) => {
                reason.contains("no relay listens").then_some(())
            }
            _ => None,
        })
        .await;
    relay.restart().await;
    early.until(|event| matches!(event, Event::Welcome(_)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_account_returns_from_a_new_address_and_leaves_no_ghost() {
    let relay = TestRelay::start_with(|config| config.listen = "0.0.0.0:0".parse().expect("address")).await;
    let mut ann = relay.person("ann").await;
    drop(relay.person("bob").await);
    let elsewhere = mechat_protocol::RelayAddress::new("127.0.0.2", relay.address.port()).expect("address");
    let mut bob = Person::visit(elsewhere, relay.fingerprint, &relay.pins()).await;
    bob.login("bob", crate::harness::password()).await;
    bob.until(|event| {
        matches!(event, Event::SignedIn(signed_in) if signed_in.account.as_str() == "bob").then_some(())
    })
    .await;
    states_become(
        &mut ann,
        &[(Connected, Some("ann")), (Disconnected, Some("bob")), (Connected, Some("bob"))],
    )
    .await;
    let list = ListParticipants { id: RequestId(0), channel: None, after: None };
    let Message::Participants(page) = ann.call(list).await else { panic!() };
    assert_eq!(page.participants.len(), 2, "one account, however many sessions");
    bob.login("bob", password()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_relay_says_so_and_is_gone_within_five_seconds() {
    let mut relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let mut stuck = sign_in_probe(&relay, "ann").await;
    let began = tokio::time::Instant::now();
    relay.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let close = ann.until(|event| match event {
        Event::Link(Link::Down { close, .. }) => Some(close),
        _ => None,
    });
    assert_eq!(
        close.await.map(|close| (close.code, close.retry)),
        Some((CloseCode::ShuttingDown, Retry::Reconnect))
    );
    let mut said = Vec::new();
    while let Ok(message) = stuck.receive().await {
        said.push(message.tag());
    }
    assert_eq!(said, ["go_away", "close"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_drops_nobody_and_a_changed_one_is_refused_by_those_who_pinned() {
    let mut relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    let other = tempfile::tempdir().expect("a directory");
    let renewed =
        mechat_certs::RelayIdentity::load_or_create(other.path(), &[]).expect("a certificate").fingerprint();
    for file in [mechat_certs::identity::CERTIFICATE_FILE, mechat_certs::identity::KEY_FILE] {
        std::fs::copy(other.path().join(file), relay.config.data_dir.join(file)).expect("copies");
    }
    relay.relay.as_ref().map(Relay::reload_handle).expect("running").reload();
    ann.say(&lobby, "still connected").await;
    let same = relay.fingerprint;
    relay.fingerprint = renewed;
    assert_eq!(Probe::connect(&relay).await.fingerprint(), Some(renewed));
    ann.until(|event| match event {
        Event::Appended { entries, .. } => {
            entries.iter().any(|entry| crate::harness::text_of(entry).is_some()).then_some(())
        }
        Event::Link(link) => panic!("the link moved: {link:?}"),
        _ => None,
    })
    .await;
    // Who pinned the old one is stopped, with both fingerprints.
    let config = mechat_client::Config {
        address: relay.address.clone(),
        pins: relay.pins(),
        invited: None,
        agent: "test".into(),
        outbox: None,
        resumes: false,
    };
    let (client, events) = Client::start(config);
    let mut again = Person { client, events };
    let error = again.until(|event| match event {
        Event::Link(Link::Untrusted(error)) => Some(error),
        _ => None,
    });
    assert_eq!(error.await, mechat_certs::TrustError::Changed { pinned: same, seen: renewed });
    again.client.send(Command::Trust(renewed)).await;
    again.client.send(Command::Quit).await;
    again
        .until(|event| match event {
            Event::Link(Link::Up { .. }) => panic!("a changed certificate was accepted"),
            Event::Stopped => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_certificate_is_shown_first_and_pinned_when_trusted() {
    let relay = TestRelay::start().await;
    let config = mechat_client::Config {
        address: relay.address.clone(),
        pins: relay.pins(),
        invited: None,
        agent: "test".into(),
        outbox: None,
        resumes: false,
    };
    let (client, events) = Client::start(config.clone());
    let mut stranger = Person { client, events };
    let error = stranger.until(|event| match event {
        Event::Link(Link::Untrusted(error)) => Some(error),
        Event::Welcome(_) => panic!("nothing is said before trust"),
        _ => None,
    });
    assert_eq!(error.await, mechat_certs::TrustError::Unknown { seen: relay.fingerprint });
    stranger.client.send(Command::Trust(relay.fingerprint)).await;
    stranger.until(|event| matches!(event, Event::Welcome(_)).then_some(())).await;
    let (client, events) = Client::start(config);
    let mut later = Person { client, events };
    later.until(|event| matches!(event, Event::Welcome(_)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_relay_says_so_and_lets_in_again_when_somebody_left() {
    let relay = TestRelay::start_with(|config| config.connections_max = 1).await;
    let first = Probe::greeted(&relay).await;
    let Close { code, retry, .. } = Probe::connect(&relay).await.close().await;
    assert_eq!((code, retry), (CloseCode::RelayFull, Retry::Later));
    drop(first);
    let let_in = async {
        loop {
            let mut probe = Probe::connect(&relay).await;
            // The place is given back as soon as the relay has seen the other go.
            if probe.stream.write_all(&encode(&hello(1, 1)).expect("fits")).await.is_ok()
                && matches!(probe.receive().await, Ok(Message::Welcome(_)))
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), let_in).await.expect("somebody is let in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_says_a_word_takes_no_place() {
    let relay = TestRelay::start_with(|config| config.connections_max = 1).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(
            tokio::net::TcpStream::connect((relay.address.host(), relay.address.port()))
                .await
                .expect("connects"),
        );
    }
    // It comes after all of them, and is greeted.
    Probe::greeted(&relay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_is_given_up_and_finds_out_why() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    let mut bob = relay.visitor().await;
    bob.client
        .send(Command::Register { account: "bob".parse().expect("a name"), password: password() })
        .await;
    let token = bob
        .until(|event| match event {
            Event::SignedIn(signed_in) => Some(signed_in.token),
            _ => None,
        })
        .await;
    bob.join("lobby").await;
    let mut stuck = Probe::connect_narrow(&relay).await;
    stuck.ask(hello(1, 1)).await;
    assert!(matches!(stuck.ask(Resume { id: RequestId(2), token }).await, Message::SignedIn(_)));
    // More than the sockets hold, and no faster than who reads can follow.
    for _ in 0..40 {
        for _ in 0..20 {
            ann.say(&lobby, &"x".repeat(16_000)).await;
        }
        let mut heard = 0;
        while heard < 20 {
            heard += ann.entries().await.iter().filter(|entry| text_of(entry).is_some()).count();
        }
    }
    ann.until(|event| match event {
        Event::Presence(changes) => changes
            .iter()
            .any(|change| change.account.as_str() == "bob" && change.presence == Presence::Disconnected)
            .then_some(()),
        _ => None,
    })
    .await;
    let last = loop {
        match stuck.receive().await {
            Ok(Message::Close(close)) => break close,
            Ok(_) => {}
            Err(ended) => panic!("{ended:?} without a close"),
        }
    };
    assert_eq!((last.code, last.retry), (CloseCode::SlowReader, Retry::Reconnect));
    assert_eq!(stuck.receive().await, Err(Ended), "nothing follows");
}
