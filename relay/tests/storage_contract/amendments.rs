//! Changing what was said: the message, its place, and what is left of its words.

use mechat_protocol::limits::{PINS_MAX, REACTIONS_MAX};
use mechat_protocol::request::{HistoryRange, Selection};
use mechat_protocol::{Amendment, Body, ChannelId, Content, Emoji, Entry, Seq, Topic};
use mechat_relay::storage::{Refusal, Storage, Write, Written};

use crate::setting::{
    Person, all, append, channel_of, contents, leave, new, new_seq, one, person, row, say, text,
};

fn amend(channel: ChannelId, who: &Person, nonce: u128, amendment: Amendment) -> Write {
    append(channel, who, Some(nonce), Body::Amended { amendment })
}

/// By somebody who keeps order.
fn moderate(channel: ChannelId, who: &Person, nonce: u128, amendment: Amendment) -> Write {
    match amend(channel, who, nonce, amendment) {
        Write::Append { channel, sender, sender_name, nonce, at, body, .. } => {
            Write::Append { channel, sender, sender_name, nonce, at, body, moderates: true }
        }
        other => panic!("{other:?}"),
    }
}

fn edit(seq: Seq, text: &str) -> Amendment {
    Amendment::Edit { seq, content: Content::text(text).expect("a text") }
}

fn react(seq: Seq, emoji: &str, on: bool) -> Amendment {
    Amendment::React { seq, emoji: Emoji::new(emoji).expect("an emoji"), on }
}

fn topic(text: &str) -> Amendment {
    Amendment::SetTopic { topic: Topic::new(text.into()).expect("short") }
}

fn answer(channel: ChannelId, who: &Person, nonce: u128, to: Seq) -> Write {
    let content = Content::text(format!("answer {nonce}")).expect("a text");
    append(channel, who, Some(nonce), Body::said(content, Some(to)))
}

fn amended(written: Written) -> (Entry, Vec<Entry>) {
    match written {
        Written::Amended(entry, changed) => (entry, changed),
        other => panic!("no amendment: {other:?}"),
    }
}

async fn log(storage: &dyn Storage, channel: ChannelId) -> Vec<Entry> {
    storage.read_log(channel, HistoryRange::Latest, 100).await.expect("storage works").entries
}

async fn posts(storage: &dyn Storage, channel: ChannelId, which: Selection) -> Vec<Seq> {
    let part = storage.read_posts(channel, which, Seq::ZERO, 100).await.expect("storage works");
    part.entries.iter().map(|entry| entry.seq).collect()
}

/// Ann and Bob in a channel, in which Ann said something as its third entry.
async fn said(storage: &dyn Storage) -> (Person, Person, ChannelId, Seq) {
    let (ann, bob) = (person(storage, "ann").await, person(storage, "bob").await);
    let lobby = channel_of(storage, "lobby", &[&ann, &bob]).await;
    let said = new(one(storage, append(lobby, &ann, Some(1), text("helo"))).await);
    (ann, bob, lobby, said.seq)
}

pub(crate) async fn an_amendment_is_an_entry_and_changes_what_it_names(storage: &dyn Storage) {
    let (ann, bob, lobby, seq) = said(storage).await;
    let batch = vec![
        amend(lobby, &ann, 2, edit(seq, "hello")),
        amend(lobby, &bob, 3, react(seq, "👍", true)),
        moderate(lobby, &bob, 4, Amendment::Pin { seq, on: true }),
    ];
    let mut message = log(storage, lobby).await.pop().expect("said");
    for (number, written) in (4..).zip(all(storage, batch).await) {
        let (entry, changed) = amended(written);
        assert_eq!(entry.seq, Seq(number));
        assert!(message.amend(&entry), "{entry:?}");
        assert_eq!(changed, [message.clone()]);
        assert_eq!(log(storage, lobby).await.len(), 6);
    }
    let kept = log(storage, lobby).await;
    assert_eq!(kept[2], message, "pages show the present state");
    assert_eq!(row(storage, lobby).await.head, Seq(6));
    let Body::Message(post) = &kept[2].body else { panic!("a message") };
    assert_eq!((post.edited_ms, post.pinned, post.reaction_count()), (Some(crate::setting::AT), true, 1));
}

pub(crate) async fn what_is_so_already_is_no_entry(storage: &dyn Storage) {
    let (ann, bob, lobby, seq) = said(storage).await;
    amended(one(storage, amend(lobby, &bob, 2, react(seq, "👍", true))).await);
    amended(one(storage, moderate(lobby, &ann, 3, topic("news"))).await);
    let before = log(storage, lobby).await;
    let message = before[2].clone();
    for (nonce, amendment) in
        [(4, react(seq, "👍", true)), (5, react(seq, "🎉", false)), (6, Amendment::Pin { seq, on: false })]
    {
        let same = one(storage, moderate(lobby, &bob, nonce, amendment)).await;
        assert_eq!(same, Written::Same(message.clone()));
    }
    let same = one(storage, amend(lobby, &ann, 7, edit(seq, "helo"))).await;
    assert_eq!(same, Written::Same(message));
    let same = one(storage, moderate(lobby, &ann, 8, topic("news"))).await;
    assert_eq!(same, Written::Same(before[4].clone()), "the newest entry stands for the channel");
    assert_eq!(log(storage, lobby).await, before);
}

pub(crate) async fn an_amendments_nonce_names_one_entry_for_good(storage: &dyn Storage) {
    let (ann, _, lobby, seq) = said(storage).await;
    let first = amended(one(storage, amend(lobby, &ann, 2, edit(seq, "hello"))).await).0;
    let deleted = one(storage, amend(lobby, &ann, 3, Amendment::Delete { seq })).await;
    amended(deleted);
    let again = all(storage, vec![amend(lobby, &ann, 2, edit(seq, "hello")), say(lobby, &ann, 3)]).await;
    let places: Vec<Seq> = again
        .into_iter()
        .map(|written| match written {
            Written::Known(entry) => entry.seq,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(places, [first.seq, Seq(5)], "though its message is deleted meanwhile");
    one(storage, leave(lobby, &ann)).await;
    let known = one(storage, amend(lobby, &ann, 2, edit(seq, "hello"))).await;
    assert!(matches!(known, Written::Known(entry) if entry.seq == first.seq), "and who resends it has left");
}

pub(crate) async fn only_a_message_that_stands_is_amended(storage: &dyn Storage) {
    let (ann, _, lobby, seq) = said(storage).await;
    let elsewhere = channel_of(storage, "elsewhere", &[&ann]).await;
    amended(one(storage, amend(lobby, &ann, 2, Amendment::Delete { seq })).await);
    let head = row(storage, lobby).await.head;
    let refused = Written::Refused(Refusal::NoSuchMessage);
    for (nonce, (channel, named)) in
        (3..).zip([(lobby, Seq(1)), (lobby, Seq(99)), (lobby, Seq::ZERO), (lobby, seq), (elsewhere, seq)])
    {
        for amendment in [edit(named, "x"), Amendment::Delete { seq: named }, react(named, "👍", true)] {
            assert_eq!(one(storage, moderate(channel, &ann, nonce, amendment)).await, refused, "{named}");
        }
    }
    assert_eq!(row(storage, lobby).await.head, head, "what is refused consumes no seq");
    assert_eq!(one(storage, amend(ChannelId(99), &ann, 9, edit(seq, "x"))).await, Written::NoSuchChannel);
}

pub(crate) async fn only_their_sender_edits_and_who_keeps_order_deletes(storage: &dyn Storage) {
    let (_, bob, lobby, seq) = said(storage).await;
    let refused = Written::Refused(Refusal::NotTheSenders);
    assert_eq!(one(storage, amend(lobby, &bob, 2, edit(seq, "mine"))).await, refused);
    assert_eq!(
        one(storage, moderate(lobby, &bob, 3, edit(seq, "mine"))).await,
        refused,
        "nobody edits for others"
    );
    assert_eq!(one(storage, amend(lobby, &bob, 4, Amendment::Delete { seq })).await, refused);
    let eve = person(storage, "eve").await;
    let stranger = one(storage, amend(lobby, &eve, 5, react(seq, "👍", true))).await;
    assert_eq!(stranger, Written::NotAMember);
    let (_, changed) = amended(one(storage, moderate(lobby, &bob, 6, Amendment::Delete { seq })).await);
    assert_eq!(changed[0].body, Body::Removed { by: bob.name });
}

pub(crate) async fn a_deletion_takes_the_words_of_every_edit_with_it(storage: &dyn Storage) {
    let (ann, bob, lobby, seq) = said(storage).await;
    let other = new(one(storage, say(lobby, &ann, 20)).await).seq;
    let batch = vec![
        amend(lobby, &ann, 2, edit(seq, "first secret")),
        amend(lobby, &ann, 3, edit(other, "kept")),
        amend(lobby, &ann, 4, edit(seq, "second secret")),
        moderate(lobby, &bob, 5, Amendment::Pin { seq, on: true }),
        moderate(lobby, &bob, 6, Amendment::Delete { seq }),
    ];
    let mut written = all(storage, batch).await;
    let (_, changed) = amended(written.pop().expect("five"));
    assert_eq!(changed.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [seq, Seq(5), Seq(7)]);
    let kept = log(storage, lobby).await;
    let shown = format!("{kept:?}");
    assert!(!shown.contains("secret") && shown.contains("kept"), "{shown}");
    for entry in changed {
        assert_eq!(kept[usize::try_from(entry.seq.0).expect("small") - 1], entry, "as it was told");
    }
    assert_eq!(posts(storage, lobby, Selection::Pinned).await, [], "nor is it pinned");
}

pub(crate) async fn so_many_reactions_and_pins_and_no_more(storage: &dyn Storage) {
    let (ann, bob, lobby, seq) = said(storage).await;
    let reactions =
        (0..REACTIONS_MAX).map(|n| amend(lobby, &ann, 100 + n as u128, react(seq, &format!("e{n}"), true)));
    for written in all(storage, reactions.collect()).await {
        amended(written);
    }
    let full = Written::Refused(Refusal::TooManyReactions);
    assert_eq!(one(storage, amend(lobby, &bob, 2, react(seq, "e0", true))).await, full);
    let again = one(storage, amend(lobby, &ann, 3, react(seq, "e0", true))).await;
    assert!(matches!(again, Written::Same(_)), "what is there is there: {again:?}");
    amended(one(storage, amend(lobby, &ann, 4, react(seq, "e0", false))).await);
    amended(one(storage, amend(lobby, &bob, 5, react(seq, "e0", true))).await);

    let said = (0..=PINS_MAX).map(|n| say(lobby, &ann, 1_000 + n as u128)).collect();
    let said: Vec<Seq> = all(storage, said).await.iter().map(new_seq).collect();
    let pin = |n: usize, seq: Seq, on| moderate(lobby, &ann, 2_000 + n as u128, Amendment::Pin { seq, on });
    for (n, seq) in said[..PINS_MAX].iter().enumerate() {
        amended(one(storage, pin(n, *seq, true)).await);
    }
    let full = Written::Refused(Refusal::TooManyPins);
    assert_eq!(one(storage, pin(500, said[PINS_MAX], true)).await, full);
    assert!(matches!(one(storage, pin(501, said[0], true)).await, Written::Same(_)));
    amended(one(storage, pin(502, said[0], false)).await);
    amended(one(storage, pin(503, said[PINS_MAX], true)).await);
    let last = log(storage, lobby).await.pop().expect("entries");
    assert!(matches!(last.body, Body::Amended { amendment: Amendment::Pin { on: true, .. } }));
}

pub(crate) async fn a_topic_is_the_channels_until_the_next(storage: &dyn Storage) {
    let (ann, _, lobby, _) = said(storage).await;
    assert!(row(storage, lobby).await.topic.is_empty());
    for (nonce, words) in [(2, "one"), (3, "two"), (4, "")] {
        let (_, changed) = amended(one(storage, moderate(lobby, &ann, nonce, topic(words))).await);
        assert_eq!(changed, []);
        assert_eq!(row(storage, lobby).await.topic.as_str(), words);
    }
    assert_eq!(contents(storage).await.channels.len(), 1);
}

pub(crate) async fn pinned_messages_and_replies_are_listed_in_order(storage: &dyn Storage) {
    let (ann, bob, lobby, seq) = said(storage).await;
    let other = new(one(storage, say(lobby, &bob, 2)).await).seq;
    let answers: Vec<Seq> = all(storage, (10..15).map(|nonce| answer(lobby, &ann, nonce, seq)).collect())
        .await
        .iter()
        .map(new_seq)
        .collect();
    new(one(storage, answer(lobby, &ann, 20, other)).await);
    let replies = Selection::Replies { seq };
    assert_eq!(posts(storage, lobby, replies).await, answers);
    let part = storage.read_posts(lobby, replies, answers[1], 2).await.expect("storage works");
    assert_eq!(part.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), answers[2..4]);
    assert!(part.more);
    let part = storage.read_posts(lobby, replies, answers[2], 2).await.expect("storage works");
    assert!(!part.more, "exactly as many as asked for");
    amended(one(storage, amend(lobby, &ann, 30, Amendment::Delete { seq: answers[0] })).await);
    assert_eq!(posts(storage, lobby, replies).await, answers[1..], "a deleted message answers nothing");
    amended(one(storage, amend(lobby, &ann, 31, Amendment::Delete { seq })).await);
    assert_eq!(posts(storage, lobby, replies).await, answers[1..], "answers to it stay");

    for (nonce, seq) in (40..).zip([answers[3], other, answers[1]]) {
        amended(one(storage, moderate(lobby, &ann, nonce, Amendment::Pin { seq, on: true })).await);
    }
    assert_eq!(posts(storage, lobby, Selection::Pinned).await, [other, answers[1], answers[3]]);
    let unpin = moderate(lobby, &ann, 50, Amendment::Pin { seq: other, on: false });
    amended(one(storage, unpin).await);
    assert_eq!(posts(storage, lobby, Selection::Pinned).await, [answers[1], answers[3]]);
    assert_eq!(posts(storage, ChannelId(99), Selection::Pinned).await, []);
}
