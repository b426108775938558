//! Channels, members, history: who gets what, and in which order.

use std::time::Duration;

use mechat_client::{Client, Command, Event, RequestKind};
use mechat_protocol::message::Message;
use mechat_protocol::reply::{ChannelInfo, Presence};
use mechat_protocol::request::{
    ChannelKind, HistoryRange, ListChannels, ListParticipants, ReadHistory, Send,
};
use mechat_protocol::{Body, ChannelName, Content, Entry, ErrorCode, Nonce, RequestId, Seq};

use crate::accounts::sign_in_probe;
use crate::harness::{Person, TestRelay, text_of};

fn name(text: &str) -> ChannelName {
    ChannelName::new(text).expect("a name")
}

async fn create(person: &mut Person, channel: &str) -> ChannelInfo {
    person.client.send(Command::CreateChannel { name: name(channel), kind: ChannelKind::Public }).await;
    person
        .until(|event| match event {
            Event::Joined(info) if info.name.as_str() == channel => Some(info),
            _ => None,
        })
        .await
}

async fn read(person: &mut Person, channel: &ChannelInfo, range: HistoryRange) -> (Vec<Entry>, bool) {
    let request = ReadHistory { id: RequestId(0), channel: channel.channel, range, limit: 100 };
    match person.call(request).await {
        Message::History(page) => (page.entries, page.more),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_maker_is_the_host_and_a_missing_channel_is_refused_without_making_it() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let den = create(&mut ann, "Den").await;
    assert_eq!((den.host.as_str(), den.members, den.head), ("ann", 1, Seq(1)));
    ann.client.send(Command::CreateChannel { name: name("dEN"), kind: ChannelKind::Public }).await;
    let refused = ann.until(|event| match event {
        Event::Refused { request: RequestKind::CreateChannel, error } => Some(error.code),
        _ => None,
    });
    assert_eq!(refused.await, ErrorCode::ChannelExists);
    ann.client.send(Command::Join(name("nowhere"))).await;
    let refused = ann.until(|event| match event {
        Event::Refused { request: RequestKind::Join, error } => Some(error),
        _ => None,
    });
    let error = refused.await;
    assert_eq!(error.code, ErrorCode::NoSuchChannel);
    assert!(error.message.contains("list_channels"), "a hint: {}", error.message);
    let Message::Channels(page) = ann.call(ListChannels { id: RequestId(0), after: None }).await else {
        panic!()
    };
    let rows: Vec<_> = page.channels.iter().map(|c| (c.name.as_str(), c.host.as_str(), c.members)).collect();
    assert_eq!(rows, [("Den", "ann", 1), ("lobby", "relay", 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_and_leaves_reach_each_other_member_once_and_after_leaving_nothing_comes() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    ann.entries().await;
    drop(relay.person("bob").await);
    // A bare peer sees everything the relay sends, without a client's care for order and repeats.
    let mut bob = sign_in_probe(&relay, "bob").await;
    bob.ask(mechat_protocol::request::Join { id: RequestId(1), name: name("lobby") }).await;
    bob.ask(mechat_protocol::request::Leave { id: RequestId(2), channel: lobby.channel }).await;
    ann.say(&lobby, "between").await;
    bob.ask(mechat_protocol::request::Join { id: RequestId(3), name: name("lobby") }).await;
    bob.ask(mechat_protocol::request::Leave { id: RequestId(4), channel: lobby.channel }).await;
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.extend(ann.entries().await);
    }
    let said: Vec<_> = seen
        .iter()
        .map(|entry| {
            (entry.seq.0, entry.sender.as_str(), entry.body == Body::Joined, entry.body == Body::Left)
        })
        .collect();
    assert_eq!(said[0], (2, "bob", true, false));
    assert_eq!(said[1], (3, "bob", false, true));
    assert_eq!(said.iter().filter(|(_, sender, ..)| *sender == "bob").count(), 4, "each once: {said:?}");

    for n in 0..1_000 {
        ann.say(&lobby, &n.to_string()).await;
    }
    while seen.iter().filter_map(text_of).count() < 1_001 {
        seen.extend(ann.entries().await);
    }
    bob.send(&mechat_protocol::request::Ping { id: RequestId(9) }.into()).await;
    loop {
        match bob.receive().await.expect("the connection lives") {
            Message::Entry(entry) => assert_eq!(entry.body, Body::Joined, "only its own joins: {entry:?}"),
            Message::Pong(_) => break,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_once_to_members_in_one_order_and_never_to_others() {
    let relay = TestRelay::start().await;
    let (mut ann, mut bob) = (relay.person("ann").await, relay.person("bob").await);
    let den = create(&mut ann, "den").await;
    bob.join("den").await;
    let mut eve = relay.person("eve").await;
    let (first, second) = (Client::nonce(), Client::nonce());
    for _ in 0..3 {
        for nonce in [first, second] {
            let send = Send {
                id: RequestId(0),
                channel: den.channel,
                nonce,
                content: Content::text(nonce.0.to_string()).expect("text"),
                in_reply_to: None,
            };
            match ann.call(send).await {
                Message::Ack(ack) => assert_eq!(
                    ack.position.seq.0,
                    if nonce == first { 3 } else { 4 },
                    "a resend gets the first seq"
                ),
                other => panic!("{other:?}"),
            }
        }
    }
    for sender in [&ann, &bob] {
        for n in 0..100 {
            sender.say(&den, &n.to_string()).await;
        }
    }
    let mut logs = Vec::new();
    for person in [&mut ann, &mut bob] {
        let mut seen: Vec<Entry> = Vec::new();
        while seen.last().is_none_or(|entry| entry.seq < Seq(204)) {
            seen.extend(person.entries().await);
        }
        // Ann's first two were passed over while she waited for the acks.
        seen.retain(|entry| entry.seq > Seq(4));
        logs.push(seen);
    }
    assert_eq!(logs[0], logs[1], "one order");
    assert_eq!(
        logs[0].iter().map(|entry| entry.seq.0).collect::<Vec<_>>(),
        (5..=204).collect::<Vec<_>>(),
        "each once"
    );
    let refused = eve
        .call(ReadHistory { id: RequestId(0), channel: den.channel, range: HistoryRange::Latest, limit: 10 })
        .await;
    assert!(matches!(refused, Message::Error(error) if error.code == ErrorCode::NotAMember));
    let send = Send {
        id: RequestId(0),
        channel: den.channel,
        nonce: Client::nonce(),
        content: Content::text("hi").expect("text"),
        in_reply_to: None,
    };
    assert!(matches!(eve.call(send).await, Message::Error(error) if error.code == ErrorCode::NotAMember));
    while let Ok(event) = eve.events.try_recv() {
        assert!(!matches!(event, Event::Appended { .. }), "not a member: {event:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_pages_hold_everything_in_order() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    for n in 2..=250 {
        ann.say(&lobby, &n.to_string()).await;
    }
    let mut seen = Vec::new();
    while seen.len() < 250 {
        seen.extend(ann.entries().await);
    }
    let (mut pages, mut before) = (Vec::new(), Seq(u64::MAX));
    loop {
        let (page, more) = read(&mut ann, &lobby, HistoryRange::Before { seq: before }).await;
        before = page[0].seq;
        pages.splice(0..0, page);
        if !more {
            break;
        }
    }
    assert_eq!(pages, seen);
    let (page, more) = read(&mut ann, &lobby, HistoryRange::After { seq: Seq(249) }).await;
    assert_eq!((page.len(), more), (1, false));
    // Long texts: a page is cut by bytes, and still nothing is missing.
    for _ in 0..8 {
        ann.say(&lobby, &"é".repeat(8_192)).await;
    }
    let mut long = 0;
    while long < 8 {
        long += ann.entries().await.len();
    }
    let (page, more) = read(&mut ann, &lobby, HistoryRange::After { seq: Seq(250) }).await;
    assert!(more && page.len() < 8 && page[0].seq == Seq(251), "{}", page.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn participants_are_listed_with_their_state_also_after_a_restart() {
    let mut relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let mut bob = relay.person("bob").await;
    let lobby = ann.join("lobby").await;
    bob.join("lobby").await;
    bob.client.send(Command::Quit).await;
    ann.until(|event| match event {
        Event::Presence(changes) => changes
            .iter()
            .any(|c| c.account.as_str() == "bob" && c.presence == Presence::Disconnected)
            .then_some(()),
        _ => None,
    })
    .await;
    for _ in 0..2 {
        let list = ListParticipants { id: RequestId(0), channel: Some(lobby.channel), after: None };
        let Message::Participants(page) = ann.call(list).await else { panic!() };
        let rows: Vec<_> = page.participants.iter().map(|p| (p.account.as_str(), p.presence)).collect();
        assert_eq!(rows, [("ann", Presence::Connected), ("bob", Presence::Disconnected)]);
        relay.restart().await;
        ann.until(|event| matches!(event, Event::SignedIn(_)).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_listings_come_in_pages() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    for n in 0..205 {
        ann.client
            .send(Command::CreateChannel { name: name(&format!("room{n:03}")), kind: ChannelKind::Public })
            .await;
    }
    let mut joined = 0;
    while joined < 205 {
        joined += ann.until(|event| matches!(event, Event::Joined(_)).then_some(1)).await;
    }
    ann.client.send(Command::ListChannels).await;
    let channels = ann.until(|event| match event {
        Event::Channels(channels) => Some(channels),
        _ => None,
    });
    let names: Vec<String> = channels.await.iter().map(|channel| channel.name.to_string()).collect();
    assert_eq!(names.len(), 206);
    assert!(names.is_sorted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_member_delays_nobody_and_misses_nothing() {
    let relay = TestRelay::start().await;
    let mut ann = relay.person("ann").await;
    let lobby = ann.join("lobby").await;
    let mut slow = relay.person("slow").await;
    slow.join("lobby").await;
    // The client stops reading from the relay when its user stops taking events.
    let text = "x".repeat(8_000);
    for _ in 0..1_500 {
        ann.say(&lobby, &text).await;
    }
    let mut last = Seq::ZERO;
    while last < Seq(1_502) {
        last = ann.entries().await.last().map_or(last, |entry| entry.seq);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut next: Option<Seq> = None;
    while next.is_none_or(|next| next <= Seq(1_502)) {
        for entry in slow.entries().await {
            assert!(next.is_none_or(|next| next == entry.seq), "no gap, no repeat: {next:?} {:?}", entry.seq);
            next = Some(entry.seq.next());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_belongs_to_its_sender() {
    let relay = TestRelay::start().await;
    let (mut ann, mut bob) = (relay.person("ann").await, relay.person("bob").await);
    let lobby = ann.join("lobby").await;
    bob.join("lobby").await;
    let nonce = Nonce(uuid::Uuid::now_v7());
    let mut seqs = Vec::new();
    for person in [&mut ann, &mut bob] {
        let send = Send {
            id: RequestId(0),
            channel: lobby.channel,
            nonce,
            content: Content::text("x").expect("text"),
            in_reply_to: None,
        };
        let Message::Ack(ack) = person.call(send).await else { panic!() };
        seqs.push(ack.position.seq.0);
    }
    assert_eq!(seqs, [3, 4]);
}
