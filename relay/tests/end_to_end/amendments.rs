//! What changes after it was said reaches open clients, history and who comes later: over the wire, from both storages.

use mechat_protocol::message::Message;
use mechat_protocol::reply::{ChannelInfo, Marks, Presence};
use mechat_protocol::request::{
    Amend, HistoryRange, Join, Level, ListChannels, ListPosts, Mark, Query, ReadHistory, ReadProfile, Search,
    Selection, Send, SetTyping,
};
use mechat_protocol::{
    Amendment, Body, ChannelId, ChannelName, Content, Emoji, Entry, ErrorCode, Nonce, RequestId, Seq, Topic,
};
use mechat_relay::storage::selection::StorageChoice;
use uuid::Uuid;

use crate::accounts::sign_in_probe;
use crate::harness::TestRelay;
use crate::probe::Probe;

const ID: RequestId = RequestId(7);

fn text(text: &str) -> Content {
    Content::text(text).expect("a text")
}

async fn join(probe: &mut Probe) -> ChannelInfo {
    match probe.ask(Join { id: ID, name: ChannelName::new("lobby").expect("a name") }).await {
        Message::Joined(joined) => joined.channel,
        other => panic!("{other:?}"),
    }
}

/// Says something; its seq.
async fn say(probe: &mut Probe, channel: ChannelId, words: &str, to: Option<Seq>) -> Seq {
    let nonce = Nonce(Uuid::now_v7());
    match probe.ask(Send { id: ID, channel, nonce, content: text(words), in_reply_to: to }).await {
        Message::Ack(ack) => ack.position.seq,
        other => panic!("{other:?}"),
    }
}

/// Amends something; the seq of its entry, or why not.
async fn amend(probe: &mut Probe, channel: ChannelId, amendment: Amendment) -> Result<Seq, ErrorCode> {
    match probe.ask(Amend { id: ID, channel, nonce: Nonce(Uuid::now_v7()), amendment }).await {
        Message::Ack(ack) => Ok(ack.position.seq),
        Message::Error(error) => Err(error.code),
        other => panic!("{other:?}"),
    }
}

/// The next entry that is pushed.
async fn heard(probe: &mut Probe) -> Entry {
    loop {
        if let Message::Entry(entry) = probe.receive().await.expect("the connection lives") {
            return entry;
        }
    }
}

async fn history(probe: &mut Probe, channel: ChannelId) -> Vec<Entry> {
    let range = HistoryRange::After { seq: Seq::ZERO };
    match probe.ask(ReadHistory { id: ID, channel, range, limit: 100 }).await {
        Message::History(page) => page.entries,
        other => panic!("{other:?}"),
    }
}

async fn search(probe: &mut Probe, words: &str) -> Vec<Seq> {
    let query = Query::new(words.into()).expect("a query");
    match probe.ask(Search { id: ID, query, channel: None, after: None, limit: 10 }).await {
        Message::Found(found) => found.entries.iter().map(|entry| entry.seq).collect(),
        other => panic!("{other:?}"),
    }
}

async fn posts(probe: &mut Probe, channel: ChannelId, which: Selection) -> Vec<Seq> {
    match probe.ask(ListPosts { id: ID, channel, which, after: None }).await {
        Message::Posts(posts) => posts.entries.iter().map(|entry| entry.seq).collect(),
        other => panic!("{other:?}"),
    }
}

async fn own_channel(probe: &mut Probe, channel: ChannelId) -> ChannelInfo {
    let Message::Channels(page) = probe.ask(ListChannels { id: ID, after: None }).await else { panic!() };
    page.channels.into_iter().find(|info| info.channel == channel).expect("listed")
}

fn react(seq: Seq, on: bool) -> Amendment {
    Amendment::React { seq, emoji: Emoji::new("👍").expect("an emoji"), on }
}

/// Ann, who is an admin, and Bob, in the lobby.
async fn two(relay: &TestRelay) -> (Probe, Probe, ChannelId) {
    drop((relay.person("ann").await, relay.person("bob").await));
    let (mut ann, mut bob) = (sign_in_probe(relay, "ann").await, sign_in_probe(relay, "bob").await);
    let lobby = join(&mut ann).await.channel;
    join(&mut bob).await;
    (ann, bob, lobby)
}

/// As a client does that listens.
fn apply(applied: &mut Vec<Entry>, entry: &Entry) {
    if let Body::Amended { amendment } = &entry.body {
        for target in applied.iter_mut().filter(|kept| Some(kept.seq) == amendment.target()) {
            target.amend(entry);
        }
    }
    if applied.last().is_none_or(|last| last.seq < entry.seq) {
        applied.push(entry.clone());
    }
}

/// Row by row what people do, as both of them and who comes later see it.
async fn everything_reaches_everyone(relay: &mut TestRelay, survives: bool) {
    let (mut ann, mut bob, lobby) = two(relay).await;
    let first = say(&mut bob, lobby, "helo wrold", None).await;
    let answer = say(&mut ann, lobby, "what?", Some(first)).await;
    let edit = Amendment::Edit { seq: first, content: text("hello world") };
    assert_eq!(amend(&mut ann, lobby, edit.clone()).await, Err(ErrorCode::Forbidden));
    let place = amend(&mut bob, lobby, edit.clone()).await.expect("his own");
    assert_eq!(amend(&mut bob, lobby, edit.clone()).await, Ok(first), "the same again is no entry");
    amend(&mut ann, lobby, react(first, true)).await.expect("a member");
    amend(&mut ann, lobby, Amendment::Pin { seq: first, on: true }).await.expect("an admin");
    let topic = Topic::new("all of it".into()).expect("short");
    amend(&mut ann, lobby, Amendment::SetTopic { topic }).await.expect("an admin");
    let unpin = Amendment::Pin { seq: first, on: false };
    assert_eq!(amend(&mut bob, lobby, unpin).await, Err(ErrorCode::Forbidden));
    let secret = say(&mut bob, lobby, "correct horse", None).await;
    amend(&mut ann, lobby, Amendment::Delete { seq: secret }).await.expect("an admin");
    assert_eq!(amend(&mut bob, lobby, react(secret, true)).await, Err(ErrorCode::NoSuchMessage));

    // Who listened all the time applied what was pushed; who reads later, pages: both have the same.
    let mut applied: Vec<Entry> = history(&mut bob, lobby).await[..2].to_vec();
    let mut cleo = {
        drop(relay.person("cleo").await);
        sign_in_probe(relay, "cleo").await
    };
    let head = join(&mut cleo).await.head;
    let mut listener = sign_in_probe(relay, "bob").await;
    let seen = history(&mut cleo, lobby).await;
    for entry in &seen {
        apply(&mut applied, entry);
    }
    assert_eq!(applied, seen, "to apply it again changes nothing");
    assert_eq!(seen.len() as u64, head.0);
    let Body::Message(post) = &seen[usize::try_from(first.0).expect("small") - 1].body else {
        panic!("a message")
    };
    assert_eq!((&post.content, post.pinned, post.reaction_count()), (&text("hello world"), true, 1));
    assert!(post.edited_ms.is_some());
    let removed = &seen[usize::try_from(secret.0).expect("small") - 1].body;
    assert_eq!(*removed, Body::Removed { by: "ann".parse().expect("a name") });
    assert!(!format!("{seen:?}").contains("horse"), "from memory or from disk");
    assert_eq!(seen[usize::try_from(place.0).expect("small") - 1].body, Body::Amended { amendment: edit });

    assert_eq!(search(&mut cleo, "hello wor").await, [first]);
    assert_eq!(search(&mut cleo, "helo").await, []);
    assert_eq!(search(&mut cleo, "horse").await, []);
    assert_eq!(search(&mut cleo, "from:ann").await, [answer]);
    assert_eq!(posts(&mut cleo, lobby, Selection::Pinned).await, [first]);
    assert_eq!(posts(&mut cleo, lobby, Selection::Replies { seq: first }).await, [answer]);
    assert_eq!(own_channel(&mut cleo, lobby).await.topic.as_str(), "all of it");

    // Live: the next amendment is pushed as what was done.
    amend(&mut ann, lobby, react(first, false)).await.expect("her own");
    assert_eq!(heard(&mut listener).await.body, Body::Amended { amendment: react(first, false) });

    if survives {
        relay.restart().await;
        let mut later = sign_in_probe(relay, "cleo").await;
        let after = history(&mut later, lobby).await;
        assert_eq!(after.len(), seen.len() + 1);
        assert!(!format!("{after:?}").contains("horse"));
        assert_eq!(own_channel(&mut later, lobby).await.topic.as_str(), "all of it");
        assert_eq!(search(&mut later, "hello").await, [first]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_deletions_reactions_pins_and_topics_reach_clients_and_history() {
    let mut relay = TestRelay::start().await;
    everything_reaches_everyone(&mut relay, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_without_a_disk() {
    let mut relay = TestRelay::start_with(|config| config.storage = StorageChoice::Memory).await;
    everything_reaches_everyone(&mut relay, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_are_shared_by_devices_and_survive() {
    let mut relay = TestRelay::start().await;
    let (mut ann, mut bob, lobby) = two(&relay).await;
    let mut phone = sign_in_probe(&relay, "bob").await;
    let said = say(&mut ann, lobby, "news", None).await;
    let mark = Mark { id: ID, channel: lobby, read: Some(Seq(99)), level: Some(Level::None) };
    let marks = Marks { read: said, level: Level::None };
    match bob.ask(mark).await {
        Message::Marked(marked) => assert_eq!((marked.channel, marked.marks), (lobby, marks)),
        other => panic!("{other:?}"),
    }
    loop {
        match phone.receive().await.expect("the connection lives") {
            Message::Marks(changed) => break assert_eq!((changed.channel, changed.marks), (lobby, marks)),
            Message::Entry(_) | Message::Presence(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(own_channel(&mut phone, lobby).await.marks, Some(marks));
    assert_ne!(own_channel(&mut ann, lobby).await.marks, Some(marks), "everyone has their own");
    relay.restart().await;
    let mut later = sign_in_probe(&relay, "bob").await;
    assert_eq!(own_channel(&mut later, lobby).await.marks, Some(marks));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_told_who_types_and_anybody_who_somebody_is() {
    let relay = TestRelay::start().await;
    let (mut ann, mut bob, lobby) = two(&relay).await;
    assert!(matches!(ann.ask(SetTyping { id: ID, channel: lobby }).await, Message::Done(_)));
    loop {
        match bob.receive().await.expect("the connection lives") {
            Message::Typing(typing) => {
                let names: Vec<&str> =
                    typing.accounts.iter().map(mechat_protocol::AccountName::as_str).collect();
                break assert_eq!((typing.channel, names), (lobby, vec!["ann"]));
            }
            Message::Entry(_) | Message::Presence(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let account = "ANN".parse().expect("a name");
    let Message::Profile(profile) = bob.ask(ReadProfile { id: ID, account }).await else {
        panic!("a profile")
    };
    assert_eq!(
        (profile.account.as_str(), profile.admin, profile.presence),
        ("ann", true, Presence::Connected)
    );
    assert!(profile.registered_ms.0 > 1_700_000_000_000);
}
