//! The main path over real TLS: register, log in, join, talk, come back.

use crate::harness::{Person, TestRelay, password, text_of};
use mechat_client::{Event, Link};
use mechat_protocol::Body;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_chat_and_find_everything_after_a_restart() {
    let mut relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    assert_eq!(ann.entries().await[0].body, Body::Joined);
    let mut bob = relay.person("bob").await;
    bob.join("lobby").await;
    let joined = ann.entries().await;
    assert_eq!((joined[0].sender.as_str(), &joined[0].body), ("bob", &Body::Joined));

    ann.say(&lobby, "hello").await;
    let heard = bob.until(|event| match event {
        Event::Appended { entries, .. } => entries.into_iter().find(|entry| text_of(entry) == Some("hello")),
        _ => None,
    });
    assert_eq!(heard.await.sender.as_str(), "ann");

    relay.restart().await;
    for person in [&mut ann, &mut bob] {
        person
            .until(|event| matches!(event, Event::SignedIn(signed_in) if signed_in.resumed).then_some(()))
            .await;
    }
    bob.say(&lobby, "still here").await;
    let heard = ann.until(|event| match event {
        Event::Appended { entries, .. } => {
            entries.into_iter().find(|entry| text_of(entry) == Some("still here"))
        }
        _ => None,
    });
    assert_eq!(heard.await.seq.0, 4, "two joins, two messages, nothing twice");

    let mut later = Person::visit(relay.address.clone(), relay.fingerprint, &relay.pins()).await;
    later.login("Ann", password()).await;
    let backlog = later.entries().await;
    assert_eq!(backlog.iter().filter_map(text_of).collect::<Vec<_>>(), ["hello", "still here"]);
    relay.stop().await;
    ann.until(|event| matches!(event, Event::Link(Link::Down { .. })).then_some(())).await;
}
