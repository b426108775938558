//! The driver's side and the connections' side together, without a task or a socket.

use std::task::{Context, Waker};

use mechat_protocol::codec::{Incoming, decode};
use mechat_protocol::limits::{OUTBOUND_LEN_MAX, RING_LEN_MAX};
use mechat_protocol::message::Sender;
use mechat_protocol::page::EncodedEntries;
use mechat_protocol::reply::Presence::{self, Connected, Disconnected};
use mechat_protocol::reply::{Marks, Participant, Pong};
use mechat_protocol::{Body, Content, Epoch, Post, RequestId, UnixMillis};

use super::topic::frames_of;
use super::*;

/// A fan-out with connections, each of which is signed in and follows channels 1 and 2.
struct Stage {
    fanout: Fanout,
    outbounds: Vec<Arc<Outbound>>,
}

impl Stage {
    fn new(connections: u64) -> Self {
        let mut stage = Self { fanout: Fanout::default(), outbounds: Vec::new() };
        for conn in (0..connections).map(ConnId) {
            let outbound = Outbound::new(conn, stage.fanout.presence());
            stage.fanout.add(conn, Arc::clone(&outbound));
            stage.fanout.set_signed_in(conn, true);
            stage.fanout.subscribe(conn, ChannelId(1));
            stage.fanout.subscribe(conn, ChannelId(2));
            stage.outbounds.push(outbound);
        }
        stage
    }

    fn say(&mut self, channel: u64, seq: u64, len: usize) {
        self.fanout.broadcast(entry(channel, seq, len));
        self.fanout.publish_all();
    }

    fn announce(&mut self, name: &str, presence: Presence) {
        self.fanout.announce(&changes(name, presence));
    }

    /// All that a connection would write now.
    fn drained(&self, index: usize) -> Vec<Message> {
        let outbound = &self.outbounds[index];
        let mut frames = Vec::new();
        while look(outbound).outgoing {
            outbound.drain(&mut frames);
        }
        let decoded = |frame: &[u8]| match decode(&frame[4..], Sender::Relay) {
            Incoming::Message(message) => message,
            Incoming::Refused(refusal) => panic!("{refusal:?}"),
        };
        frames_of(&frames.concat()).map(decoded).collect()
    }
}

fn look(outbound: &Outbound) -> Look {
    outbound.look(&Context::from_waker(Waker::noop()))
}

fn entry(channel: u64, seq: u64, len: usize) -> Entry {
    Entry {
        channel: ChannelId(channel),
        epoch: Epoch(1),
        seq: Seq(seq),
        at_ms: UnixMillis(0),
        sender: "ann".parse().expect("name"),
        nonce: None,
        body: Body::said(Content::text("x".repeat(len)).expect("text"), None),
    }
}

fn changes(name: &str, presence: Presence) -> PresenceChanged {
    PresenceChanged { changes: vec![Participant { account: name.parse().expect("name"), presence }] }
}

fn entries(messages: &[Message]) -> Vec<(u64, u64)> {
    messages
        .iter()
        .map(|message| match message {
            Message::Entry(entry) => (entry.channel.0, entry.seq.0),
            Message::Lagged(lagged) => (lagged.channel.0, 1_000_000 + lagged.head.0),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn everyone_who_follows_gets_every_entry_in_order() {
    let mut stage = Stage::new(3);
    stage.say(1, 1, 10);
    assert_eq!(entries(&stage.drained(0)), [(1, 1)]);
    stage.say(1, 2, 10);
    stage.say(2, 1, 10);
    stage.say(1, 3, 10);
    assert_eq!(entries(&stage.drained(0)), [(1, 2), (1, 3), (2, 1)]);
    assert_eq!(entries(&stage.drained(1)), [(1, 1), (1, 2), (1, 3), (2, 1)]);
    assert!(!look(&stage.outbounds[0]).outgoing, "nothing twice");
}

#[test]
fn a_slow_reader_is_told_of_the_gap_and_others_are_untouched() {
    let mut stage = Stage::new(2);
    stage.say(2, 1, 10);
    let count = (2 * RING_LEN_MAX / 16_000) as u64;
    let mut read = Vec::new();
    for seq in 1..=count {
        stage.say(1, seq, 16_000);
        read.extend(entries(&stage.drained(1)));
    }
    assert_eq!(read.len() as u64, count + 1, "who reads misses nothing");
    assert_eq!(
        entries(&stage.drained(0)),
        [(2, 1), (1, 1_000_000 + count)],
        "one gap, told once, up to the newest; the other channel is whole"
    );
    stage.say(1, count + 1, 10);
    assert_eq!(entries(&stage.drained(0)), [(1, count + 1)], "it goes on behind the gap");
}

#[test]
fn a_reader_that_is_behind_but_within_the_ring_misses_nothing() {
    let mut stage = Stage::new(1);
    let count = (RING_LEN_MAX / 2 / 16_000) as u64;
    for seq in 1..=count {
        stage.say(1, seq, 16_000);
    }
    let all: Vec<_> = (1..=count).map(|seq| (1, seq)).collect();
    assert_eq!(entries(&stage.drained(0)), all);
}

#[test]
fn who_unsubscribes_gets_nothing_more_or_the_last_entry_still() {
    let mut stage = Stage::new(3);
    // One is behind, one has everything, one is to get the last entry.
    stage.say(1, 1, 10);
    stage.drained(1);
    stage.fanout.unsubscribe(ConnId(0), ChannelId(1), None);
    stage.fanout.unsubscribe(ConnId(1), ChannelId(1), None);
    stage.fanout.broadcast(entry(1, 2, 10));
    stage.fanout.unsubscribe(ConnId(2), ChannelId(1), Some(Seq(2)));
    stage.say(1, 3, 10);
    assert_eq!(entries(&stage.drained(0)), []);
    assert_eq!(entries(&stage.drained(1)), []);
    assert_eq!(entries(&stage.drained(2)), [(1, 1), (1, 2)]);
    stage.fanout.subscribe(ConnId(0), ChannelId(1));
    stage.say(1, 4, 10);
    assert_eq!(entries(&stage.drained(0)), [(1, 4)], "it follows again, from there on");
}

#[test]
fn the_last_entry_may_stand_in_the_middle_of_what_is_published_together() {
    let mut stage = Stage::new(1);
    stage.say(1, 1, 10);
    for seq in 2..=4 {
        stage.fanout.broadcast(entry(1, seq, 10));
    }
    stage.fanout.publish_all();
    // Published behind its back, as when another device left meanwhile.
    stage.fanout.unsubscribe(ConnId(0), ChannelId(1), Some(Seq(3)));
    assert_eq!(entries(&stage.drained(0)), [(1, 1), (1, 2), (1, 3)]);
}

/// The texts of entries, as they arrive or stand in a page.
fn texts(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| match &entry.body {
            Body::Message(Post { content: Content::Text { text }, .. }) => text.as_str().to_owned(),
            Body::Removed { by } => format!("removed by {by}"),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn pushed(messages: Vec<Message>) -> Vec<Entry> {
    messages
        .into_iter()
        .map(|message| match message {
            Message::Entry(entry) => entry,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn who_is_behind_or_asks_later_gets_nothing_of_what_was_deleted() {
    let mut stage = Stage::new(1);
    stage.say(1, 1, 5);
    for seq in 2..=4 {
        stage.fanout.broadcast(entry(1, seq, 3));
    }
    let removed =
        |seq| Entry { body: Body::Removed { by: "ann".parse().expect("name") }, ..entry(1, seq, 1) };
    stage.fanout.replace(removed(3));
    stage.fanout.replace(removed(1));
    let expected = ["removed by ann", "xxx", "removed by ann", "xxx"];
    let page = stage.fanout.recent(ChannelId(1), HistoryRange::Latest, 10).expect("all of it");
    assert_eq!(
        page.entries,
        EncodedEntries::of(&[removed(1), entry(1, 2, 3), removed(3), entry(1, 4, 3)]).expect("fits")
    );
    assert_eq!(texts(&pushed(stage.drained(0))), expected);
    stage.fanout.replace(removed(9));
    stage.say(1, 5, 4);
    assert_eq!(texts(&pushed(stage.drained(0))), ["xxxx"], "what is not there is not replaced");
}

#[test]
fn entries_that_grow_count_as_they_are() {
    let mut stage = Stage::new(1);
    let count = (RING_LEN_MAX / 16_000) as u64;
    for seq in 1..=count {
        stage.say(1, seq, 10);
    }
    for seq in 1..=count {
        stage.fanout.replace(entry(1, seq, 16_000));
    }
    let before = stage.fanout.held.amount.len;
    assert!(before > 16_000 * (RING_LEN_MAX / 16_000), "{before}");
    stage.say(1, count + 1, 16_000);
    stage.say(1, count + 2, 16_000);
    assert!(
        stage.fanout.held.amount.len <= RING_LEN_MAX,
        "the oldest went: {}",
        stage.fanout.held.amount.len
    );
    let Message::Lagged(lagged) = &stage.drained(0)[0] else { panic!("a gap is told") };
    assert_eq!(lagged.head, Seq(count + 2));
}

fn typing(names: &[&str]) -> Typing {
    Typing { channel: ChannelId(1), accounts: names.iter().map(|name| name.parse().expect("name")).collect() }
}

fn typists(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| match message {
            Message::Typing(typing) => {
                typing.accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            Message::Entry(entry) => entry.seq.to_string(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn of_those_who_type_only_the_latest_is_told_and_behind_the_entries() {
    let mut stage = Stage::new(2);
    // Nothing was said since the relay started, though the log is long.
    stage.fanout.typing(&typing(&["ann"]));
    assert_eq!(typists(&stage.drained(0)), ["ann"]);
    assert!(!look(&stage.outbounds[0]).outgoing, "once");
    stage.fanout.typing(&typing(&["bob", "ann"]));
    stage.say(1, 41, 10);
    stage.fanout.typing(&typing(&["bob"]));
    assert_eq!(typists(&stage.drained(0)), ["41", "bob"]);
    assert_eq!(
        typists(&stage.drained(1)),
        ["41", "bob"],
        "who was behind all the time too: no gap, nothing old"
    );
    stage.say(1, 42, 10);
    assert_eq!(typists(&stage.drained(0)), ["42"]);
}

#[test]
fn who_typed_is_not_told_when_it_is_over_nor_to_who_comes_or_goes() {
    let mut stage = Stage::new(3);
    stage.fanout.typing(&typing(&["ann"]));
    assert_eq!(typists(&stage.drained(0)), ["ann"]);
    stage.fanout.typing(&typing(&[]));
    assert_eq!(typists(&stage.drained(1)), [""; 0], "who reads late is not told what is over");
    stage.fanout.typing(&typing(&["bob"]));
    stage.fanout.broadcast(entry(1, 1, 10));
    stage.fanout.unsubscribe(ConnId(1), ChannelId(1), Some(Seq(1)));
    assert_eq!(typists(&stage.drained(1)), ["1"], "who leaves gets its last entry alone");
    stage.fanout.subscribe(ConnId(1), ChannelId(1));
    assert_eq!(typists(&stage.drained(1)), [""; 0], "who comes is told the next");
    stage.fanout.unsubscribe(ConnId(2), ChannelId(1), None);
    stage.fanout.typing(&typing(&["cleo"]));
    assert_eq!(typists(&stage.drained(2)), [""; 0]);
    assert_eq!(typists(&stage.drained(1)), ["cleo"]);
}

#[test]
fn of_marks_the_latest_of_each_channel_is_told() {
    let mut stage = Stage::new(1);
    let mark = |stage: &mut Stage, channel, read| {
        let marks = Marks { read: Seq(read), ..Marks::default() };
        stage.fanout.marks_changed(ConnId(0), &MarksChanged { channel: ChannelId(channel), marks });
    };
    for read in 1..=1_000 {
        mark(&mut stage, 1, read);
        mark(&mut stage, 2, read);
    }
    let told = |stage: &Stage| -> Vec<(u64, u64)> {
        let read = |message: &Message| match message {
            Message::Marks(changed) => (changed.channel.0, changed.marks.read.0),
            other => panic!("{other:?}"),
        };
        stage.drained(0).iter().map(read).collect()
    };
    assert_eq!(told(&stage), [(1, 1_000), (2, 1_000)]);
    mark(&mut stage, 1, 1_001);
    stage.fanout.unsubscribe(ConnId(0), ChannelId(1), None);
    assert_eq!(told(&stage), [], "nothing of a channel that was left");
    mark(&mut stage, 2, 1_002);
    stage.fanout.set_signed_in(ConnId(0), false);
    assert_eq!(told(&stage), [], "nor after the account");
}

#[test]
fn replies_come_first_and_a_close_last() {
    let mut stage = Stage::new(1);
    stage.say(1, 1, 10);
    stage.fanout.send(ConnId(0), &Pong { id: RequestId(7) }.into());
    stage.fanout.close(ConnId(0), &Close::new(CloseCode::Bye, "bye"));
    stage.say(1, 2, 10);
    stage.fanout.send(ConnId(0), &Pong { id: RequestId(8) }.into());
    stage.fanout.close(ConnId(0), &Close::new(CloseCode::Bye, "again"));
    let messages = stage.drained(0);
    assert!(
        matches!(&messages[..], [Message::Pong(_), Message::Entry(_), Message::Close(close)] if close.reason == "bye"),
        "{messages:?}"
    );
    assert_eq!(look(&stage.outbounds[0]).ended, Some(Ending::Whole));
}

#[test]
fn whose_session_was_revoked_is_told_why_and_nothing_that_others_said() {
    let mut stage = Stage::new(1);
    stage.say(1, 1, 10);
    stage.announce("ann", Connected);
    stage.fanout.send(ConnId(0), &Pong { id: RequestId(7) }.into());
    stage.fanout.close(ConnId(0), &Close::new(CloseCode::SessionRevoked, "logged out"));
    let messages = stage.drained(0);
    assert!(matches!(&messages[..], [Message::Pong(_), Message::Close(_)]), "{messages:?}");
}

#[test]
fn replies_that_nobody_reads_stop_further_requests() {
    let mut stage = Stage::new(1);
    assert!(look(&stage.outbounds[0]).room);
    let frame = encode(&Pong { id: RequestId(1) }.into()).expect("fits").len();
    for _ in 0..=OUTBOUND_LEN_MAX / frame {
        stage.fanout.send(ConnId(0), &Pong { id: RequestId(1) }.into());
    }
    assert!(!look(&stage.outbounds[0]).room);
    stage.drained(0);
    assert!(look(&stage.outbounds[0]).room);
}

#[test]
fn a_slow_reader_is_told_the_latest_presence_of_each_person_once() {
    let mut stage = Stage::new(2);
    let mut told = Vec::new();
    for _ in 0..1_000 {
        stage.announce("ann", Connected);
        told.extend(stage.drained(1));
    }
    stage.announce("bob", Disconnected);
    stage.announce("ann", Disconnected);
    assert_eq!(told.len(), 1_000, "who reads is told everything");
    let late = stage.drained(0);
    let expected = PresenceChanged {
        changes: [changes("bob", Disconnected).changes, changes("ann", Disconnected).changes].concat(),
    };
    assert_eq!(late, [Message::Presence(expected)]);
    stage.fanout.set_signed_in(ConnId(0), false);
    stage.announce("ann", Connected);
    assert_eq!(stage.drained(0), [], "who signed out is told nothing");
}

#[test]
fn who_is_gone_leaves_nothing_behind() {
    let mut stage = Stage::new(2);
    stage.say(1, 1, 10);
    for conn in [ConnId(0), ConnId(1)] {
        for channel in [ChannelId(1), ChannelId(2)] {
            stage.fanout.unsubscribe(conn, channel, None);
        }
        stage.fanout.remove(conn);
    }
    assert!(stage.fanout.connections.is_empty());
    assert!(stage.fanout.channels.values().all(|followed| followed.followers.is_empty()));
    for outbound in &stage.outbounds {
        assert_eq!(Arc::strong_count(outbound), 1, "nobody else knows the way to a connection that is gone");
    }
}

#[test]
fn all_rings_together_are_bounded_and_so_is_what_is_known_of_them() {
    let mut stage = Stage::new(1);
    for channel in 3..100 {
        stage.fanout.subscribe(ConnId(0), ChannelId(channel));
    }
    for seq in 1..=40 {
        for channel in 3..100 {
            stage.say(channel, seq, 16_000);
            assert!(stage.fanout.held.amount.len <= RINGS_LEN_MAX);
        }
    }
    assert!(stage.fanout.held.amount.len > RINGS_LEN_MAX / 2, "they are used");
    let lagged = entries(&stage.drained(0));
    assert!(lagged.iter().all(|(_, seq)| *seq > 0) && !lagged.is_empty());
    for seq in 1..=10_000 {
        stage.say(1, seq, 4_000);
    }
    assert!(stage.fanout.held.batches.len() <= 2 * stage.fanout.held.amount.batches + SWEEP_MIN + 1);
}

/// The page that a storage would give of entries 1 to `head`, each of about `len` bytes.
fn expected(range: HistoryRange, limit: usize, head: u64) -> (Vec<u64>, bool) {
    let limit = limit as u64;
    match range {
        HistoryRange::After { seq } => {
            let last = head.min(seq.0 + limit);
            ((seq.0 + 1..=last).collect(), last < head)
        }
        HistoryRange::Before { .. } | HistoryRange::Latest => {
            let end = if let HistoryRange::Before { seq } = range { seq.0.min(head + 1) } else { head + 1 };
            let first = end.saturating_sub(limit).max(1);
            ((first..end).collect(), first > 1)
        }
    }
}

fn read(stage: &mut Stage, range: HistoryRange, limit: usize) -> Option<(Vec<u64>, bool)> {
    let HistoryRead { entries, more } = stage.fanout.recent(ChannelId(1), range, limit)?;
    let (id, channel, epoch, head) = (RequestId(1), ChannelId(1), Epoch(1), Seq(0));
    let mut frame = Vec::new();
    EncodedPage { id, channel, epoch, head, entries, more }.encode_into(&mut frame).expect("fits");
    match decode(&frame[4..], Sender::Relay) {
        Incoming::Message(Message::History(page)) => {
            Some((page.entries.iter().map(|entry| entry.seq.0).collect(), more))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn recent_pages_are_those_that_the_storage_would_give() {
    let mut stage = Stage::new(1);
    assert_eq!(read(&mut stage, HistoryRange::Latest, 10), None, "nothing was said since the start");
    for seq in 1..=50 {
        stage.fanout.broadcast(entry(1, seq, 10));
        if seq % 7 == 0 {
            stage.fanout.publish_all();
        }
        for limit in [1, 3, 100] {
            let mut ranges = vec![HistoryRange::Latest];
            for at in (1..=seq + 1).map(Seq) {
                ranges.push(HistoryRange::Before { seq: at.next() });
                ranges.push(HistoryRange::After { seq: Seq(at.0 - 1) });
            }
            for range in ranges {
                let expected = expected(range, limit, seq);
                assert_eq!(read(&mut stage, range, limit), Some(expected), "{range:?} {limit} of {seq}");
            }
        }
    }
}

#[test]
fn a_page_that_memory_does_not_hold_wholly_is_not_given() {
    let mut stage = Stage::new(1);
    for seq in 100..=150 {
        stage.say(1, seq, 10);
    }
    assert_eq!(read(&mut stage, HistoryRange::After { seq: Seq(98) }, 10), None);
    assert!(read(&mut stage, HistoryRange::After { seq: Seq(99) }, 10).is_some());
    assert!(read(&mut stage, HistoryRange::Latest, 51).is_some());
    assert_eq!(read(&mut stage, HistoryRange::Latest, 52), None, "what is before it is not known");
    assert_eq!(read(&mut stage, HistoryRange::Before { seq: Seq(100) }, 1), None);
    assert!(read(&mut stage, HistoryRange::Before { seq: Seq(101) }, 1).is_some());
}

#[test]
fn a_recent_page_is_cut_by_bytes() {
    let mut stage = Stage::new(1);
    for seq in 1..=20 {
        stage.say(1, seq, 16_000);
    }
    assert_eq!(read(&mut stage, HistoryRange::Latest, 100), Some((vec![18, 19, 20], true)));
    assert_eq!(read(&mut stage, HistoryRange::After { seq: Seq(4) }, 100), Some((vec![5, 6, 7], true)));
}

/// Says so much that who does not read is waited for; the readers read each entry.
fn fill(stage: &mut Stage, readers: std::ops::Range<usize>, seqs: std::ops::Range<u64>) {
    for seq in seqs {
        stage.say(1, seq, 16_000);
        readers.clone().for_each(|index| drop(stage.drained(index)));
    }
}

/// Asks as the driver does while somebody waits. Returns for how much of this time that would be.
async fn held(stage: &mut Stage, time: Duration) -> Duration {
    let (end, step, mut held) = (Instant::now() + time, Duration::from_millis(1), Duration::ZERO);
    while Instant::now() < end {
        if stage.fanout.is_pressed(ChannelId(1), Instant::now()) {
            held += step;
        }
        tokio::time::advance(step).await;
    }
    held
}

#[tokio::test(start_paused = true)]
async fn members_who_read_are_given_time_and_those_who_do_not_are_not() {
    let mut stage = Stage::new(32);
    let is_pressed = |stage: &mut Stage| stage.fanout.is_pressed(ChannelId(1), Instant::now());
    fill(&mut stage, 0..32, 1..3);
    fill(&mut stage, 0..30, 3..21);
    assert!(!is_pressed(&mut stage), "two of many keep nobody waiting");
    fill(&mut stage, 0..24, 21..41);
    assert!(is_pressed(&mut stage), "eight who read are behind");
    tokio::time::advance(PATIENCE / 2).await;
    assert!(is_pressed(&mut stage), "and may yet read");
    (24..32).for_each(|index| drop(stage.drained(index)));
    assert!(!is_pressed(&mut stage), "those who read have everything");
    fill(&mut stage, 0..32, 41..43);
    fill(&mut stage, 0..24, 43..63);
    assert!(is_pressed(&mut stage), "eight are behind again");
    tokio::time::advance(2 * READING_WINDOW).await;
    assert!(!is_pressed(&mut stage), "and do not read");
    fill(&mut stage, 0..20, 63..83);
    assert!(is_pressed(&mut stage), "four more are behind");
    (20..32).for_each(|index| drop(stage.drained(index)));
    stage.say(1, 83, 10);
    assert!(!is_pressed(&mut stage), "a little does not count");
}

#[tokio::test(start_paused = true)]
async fn one_member_of_few_who_does_not_read_holds_nobody() {
    for members in [3, 8, 16] {
        let mut stage = Stage::new(members);
        let all = usize::try_from(members).expect("few");
        for first in [1, 101] {
            // Now and then it reads what there is, and counts as one who reads.
            stage.drained(0);
            fill(&mut stage, 0..all, first..first + 2);
            fill(&mut stage, 1..all, first + 2..first + 100);
            assert_eq!(held(&mut stage, PATIENCE_WINDOW).await, Duration::ZERO, "{members} members");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn members_who_read_only_that_they_lag_are_not_waited_for() {
    let mut stage = Stage::new(8);
    for round in 0..4 {
        fill(&mut stage, 4..8, 100 * round + 1..100 * round + 101);
        assert_eq!(held(&mut stage, PATIENCE_WINDOW).await, Duration::ZERO, "round {round}");
        let told = entries(&stage.drained(0));
        (1..4).for_each(|index| drop(stage.drained(index)));
        assert_eq!(told, [(1, 1_000_000 + 100 * (round + 1))], "it lagged");
    }
}

#[tokio::test(start_paused = true)]
async fn members_who_read_just_when_they_must_hold_nobody_for_more_than_half_of_the_time() {
    let mut stage = Stage::new(8);
    let (mut waited, rounds) = (Duration::ZERO, 20);
    for round in 0..rounds {
        // All of them have everything, and count; then half of them stop.
        fill(&mut stage, 0..8, 100 * round + 1..100 * round + 4);
        fill(&mut stage, 4..8, 100 * round + 4..100 * round + 24);
        waited += held(&mut stage, PATIENCE_WINDOW).await;
    }
    let all = PATIENCE_WINDOW * u32::try_from(rounds).expect("few");
    assert!(waited <= all * 3 / 5, "held for {waited:?} of {all:?}");
    assert!(waited >= all / 4, "they are waited for: {waited:?}");
}

#[test]
fn who_leaves_and_joins_again_while_behind_has_one_cursor() {
    let mut stage = Stage::new(1);
    stage.say(1, 1, 10);
    stage.say(1, 2, 10);
    // The leave is the account's own from another device: entry 2 is the last it gets.
    stage.fanout.unsubscribe(ConnId(0), ChannelId(1), Some(Seq(2)));
    stage.fanout.subscribe(ConnId(0), ChannelId(1));
    stage.say(1, 3, 10);
    stage.say(1, 4, 10);
    assert_eq!(entries(&stage.drained(0)), [(1, 1_000_004)], "the log tells it what it missed, once");
    stage.say(1, 5, 10);
    stage.fanout.unsubscribe(ConnId(0), ChannelId(1), Some(Seq(5)));
    stage.say(1, 6, 10);
    assert_eq!(entries(&stage.drained(0)), [(1, 5)], "and after the second leave nothing more");
}

#[test]
fn a_small_channel_does_not_keep_the_room_that_a_large_one_needed() {
    let mut stage = Stage::new(2_000);
    for channel in 3..100 {
        stage.fanout.subscribe(ConnId(0), ChannelId(channel));
    }
    for channel in (1..100).chain(3..100) {
        stage.announce("ann", Connected);
        stage.say(channel, 1, 10);
        for index in 0..2_000 {
            stage.drained(index);
        }
    }
    let room: usize = (3..100).map(|n| stage.fanout.channels[&ChannelId(n)].topic.parked_room()).sum();
    assert!(room < 97 * 256, "{room}");
}
