//! Finding what was said by its words.

use mechat_protocol::request::Query;
use mechat_protocol::{Amendment, Body, ChannelId, Content, Seq, UnixMillis};
use mechat_relay::storage::{Found, Search, Storage, Write};

use crate::setting::{AT, Person, all, append, channel_of, new_seq, one, person, text};

/// A message of its own time, so that there is one order of all.
fn say(channel: ChannelId, who: &Person, number: u32, words: &str) -> Write {
    match append(channel, who, Some(number.into()), text(words)) {
        Write::Append { channel, sender, sender_name, nonce, body, moderates, .. } => {
            let at = UnixMillis(AT.0 + i64::from(number));
            Write::Append { channel, sender, sender_name, nonce, at, body, moderates }
        }
        other => panic!("{other:?}"),
    }
}

fn search(words: &str, channels: &[ChannelId]) -> Search {
    let query = Query::new(words.into()).expect("a query");
    Search { query, channels: channels.to_vec(), after: None, limit: 100 }
}

async fn page(storage: &dyn Storage, search: Search) -> (Vec<(ChannelId, Seq)>, Option<u64>) {
    match storage.search(search).await.expect("storage works") {
        Found::Page(entries, next) => (entries.iter().map(|e| (e.channel, e.seq)).collect(), next),
        Found::Behind => panic!("the index follows by itself"),
    }
}

async fn found(storage: &dyn Storage, words: &str, channel: ChannelId) -> Vec<u64> {
    let (places, next) = page(storage, search(words, &[channel])).await;
    assert_eq!(next, None);
    places.into_iter().map(|(_, seq)| seq.0).collect()
}

pub(crate) async fn every_word_must_be_in_it_the_newest_come_first(storage: &dyn Storage) {
    let (ann, bob) = (person(storage, "Ann").await, person(storage, "bob").await);
    let lobby = channel_of(storage, "lobby", &[&ann, &bob]).await;
    let batch = vec![
        say(lobby, &ann, 1, "We deployed the relay; all green."),
        say(lobby, &bob, 2, "Green all over? DEPLOYING again"),
        say(lobby, &ann, 3, "un été à la plage, ÉTÉ"),
        say(lobby, &bob, 4, "世界 and \u{1b}[31m red"),
    ];
    all(storage, batch).await;
    for (query, expected) in [
        ("deploy", vec![4, 3]),
        ("deploy ", vec![]),
        ("deployed GREEN", vec![3]),
        ("\"all green\"", vec![3]),
        ("\"green all\"", vec![4]),
        ("\"all green", vec![3]),
        ("ete", vec![5]),
        ("Été plage", vec![5]),
        ("世界", vec![6]),
        ("世", vec![6]),
        ("all from:ANN", vec![3]),
        ("from:bob", vec![6, 4]),
        ("from:bob from:ann", vec![]),
        ("from:nobody all", vec![]),
        ("from:-%- all", vec![]),
        ("all nowhere", vec![]),
        ("\u{1b}[31m", vec![6]),
    ] {
        assert_eq!(found(storage, query, lobby).await, expected, "{query:?}");
    }
}

pub(crate) async fn no_query_is_a_command(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let lobby = channel_of(storage, "lobby", &[&ann]).await;
    one(storage, say(lobby, &ann, 1, "alpha beta OR near text")).await;
    for query in [
        "alpha OR zeta",
        "alpha* zeta",
        "NEAR(alpha zeta)",
        "text:zeta",
        "alpha NOT beta",
        "^zeta",
        "(zeta",
        "zeta)",
        "alpha + zeta",
        "{text} : zeta",
        "';DROP TABLE words;--",
        "\"",
        "\"\"",
        "* - :",
        "zeta\0alpha",
    ] {
        assert_eq!(found(storage, query, lobby).await, [0; 0], "{query:?}");
    }
    assert_eq!(found(storage, "alpha OR ", lobby).await, [2], "a word like others");
}

pub(crate) async fn only_the_channels_that_are_asked_for_are_searched(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let here = channel_of(storage, "here", &[&ann]).await;
    let there = channel_of(storage, "there", &[&ann]).await;
    let batch = vec![say(here, &ann, 1, "word"), say(there, &ann, 2, "word"), say(here, &ann, 3, "word")];
    all(storage, batch).await;
    assert_eq!(found(storage, "word", here).await, [3, 2]);
    assert_eq!(found(storage, "word", there).await, [2]);
    let both = page(storage, search("word", &[here, there])).await.0;
    assert_eq!(both, [(here, Seq(3)), (there, Seq(2)), (here, Seq(2))]);
    assert_eq!(page(storage, search("word", &[])).await.0, []);
    assert_eq!(page(storage, search("word", &[ChannelId(99)])).await.0, []);
}

pub(crate) async fn pages_follow_each_other_without_gap_or_repeat(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let lobby = channel_of(storage, "lobby", &[&ann]).await;
    // Many in the same millisecond too.
    let batch = (0..25).map(|n| match say(lobby, &ann, n, "word") {
        Write::Append { channel, sender, sender_name, nonce, body, moderates, .. } => {
            let at = UnixMillis(AT.0 + i64::from(n / 10));
            Write::Append { channel, sender, sender_name, nonce, at, body, moderates }
        }
        other => panic!("{other:?}"),
    });
    let said: Vec<Seq> = all(storage, batch.collect()).await.iter().map(new_seq).collect();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (places, next) = page(storage, Search { after, limit: 7, ..search("word", &[lobby]) }).await;
        seen.extend(places.iter().map(|(_, seq)| *seq));
        assert!(places.len() == 7 || next.is_none());
        let Some(next) = next else { break };
        assert!(next < 1 << 53, "a number that every language can hold");
        after = Some(next);
    }
    assert_eq!(seen, said.into_iter().rev().collect::<Vec<_>>());
}

pub(crate) async fn what_is_found_is_what_is_said_now(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let lobby = channel_of(storage, "lobby", &[&ann]).await;
    all(storage, vec![say(lobby, &ann, 1, "before"), say(lobby, &ann, 2, "other")]).await;
    assert_eq!(found(storage, "before", lobby).await, [2]);
    let amend = |nonce, amendment| append(lobby, &ann, Some(nonce), Body::Amended { amendment });
    let content = Content::text("after").expect("a text");
    one(storage, amend(3, Amendment::Edit { seq: Seq(2), content })).await;
    assert_eq!(found(storage, "before", lobby).await, [0; 0]);
    assert_eq!(found(storage, "after", lobby).await, [2]);
    one(storage, amend(4, Amendment::Delete { seq: Seq(2) })).await;
    assert_eq!(found(storage, "after", lobby).await, [0; 0]);
    let words = format!("other {}", "x".repeat(16_000));
    for number in 10..15 {
        one(storage, say(lobby, &ann, number, &words)).await;
    }
    let (places, next) = page(storage, search("other", &[lobby])).await;
    assert!(places.len() < 5 && next.is_some(), "a page is cut by bytes: {places:?}");
}
