//! The cache: what is written, what is found again, what goes wrong.

use std::fs;
use std::sync::mpsc::Receiver;

use mechat_protocol::reply::Marks;
use mechat_protocol::request::{ChannelKind, Level};
use mechat_protocol::{Amendment, Body, ChannelName, Content, Post, Topic, UnixMillis};

use super::*;
use crate::unread::Count;

const DEN: ChannelId = ChannelId(7);

fn relay() -> RelayAddress {
    "h:1".parse().expect("address")
}

fn ann() -> AccountName {
    "ann".parse().expect("name")
}

fn info(id: u64, epoch: u32, read: u64) -> ChannelInfo {
    ChannelInfo {
        channel: ChannelId(id),
        name: ChannelName::new(&format!("den{id}")).expect("name"),
        kind: ChannelKind::Public,
        host: "bob".parse().expect("name"),
        created_ms: UnixMillis(0),
        members: 2,
        epoch: Epoch(epoch),
        head: Seq(0),
        joined: true,
        topic: Topic::default(),
        marks: Some(Marks { read: Seq(read), level: Level::All }),
    }
}

fn entry(epoch: u32, seq: u64, body: Body) -> Entry {
    Entry {
        channel: DEN,
        epoch: Epoch(epoch),
        seq: Seq(seq),
        at_ms: UnixMillis(0),
        sender: "bob".parse().expect("name"),
        nonce: None,
        body,
    }
}

fn said(seq: u64, text: &str) -> Entry {
    entry(1, seq, Body::Message(Post::new(Content::text(text).expect("text"), None)))
}

fn amended(seq: u64, amendment: Amendment) -> Entry {
    entry(1, seq, Body::Amended { amendment })
}

fn appended(entries: Vec<Entry>) -> Event {
    Event::Appended { channel: DEN, entries, live: true }
}

fn numbers(seqs: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    seqs.map(|seq| said(seq, &format!("m{seq}"))).collect()
}

/// A cache, and what it says.
struct Bench {
    cache: Cache,
    events: Receiver<CacheEvent>,
}

impl Bench {
    /// With what an earlier run left.
    fn open(directory: &std::path::Path) -> (Self, Snapshot) {
        let (tell, events) = sync_channel(64);
        let cache = Cache::start(directory.to_owned(), move |event| drop(tell.send(event)));
        let bench = Self { cache, events };
        let snapshot = bench.opened(&ann());
        (bench, snapshot)
    }

    /// A member of #den, which was read up to here.
    fn in_den(directory: &std::path::Path, read: u64) -> Self {
        let (bench, snapshot) = Self::open(directory);
        assert_eq!(snapshot, Snapshot::default());
        bench.follow(&[Event::Joined(info(7, 1, read))]);
        bench
    }

    fn opened(&self, account: &AccountName) -> Snapshot {
        assert!(self.cache.open(relay(), account.clone()));
        loop {
            match self.events.recv().expect("an answer") {
                CacheEvent::Opened { account: of, snapshot, .. } if of == *account => return snapshot,
                other => assert!(matches!(other, CacheEvent::Fails(_)), "{other:?}"),
            }
        }
    }

    fn follow(&self, events: &[Event]) -> &Self {
        for event in events {
            self.cache.follow(event);
        }
        self
    }

    fn page(&self, range: HistoryRange) -> (Vec<Entry>, bool) {
        assert!(self.cache.read(DEN, range));
        loop {
            if let CacheEvent::Page { entries, more, .. } = self.events.recv().expect("an answer") {
                return (entries, more);
            }
        }
    }

    fn seqs(&self, range: HistoryRange) -> (Vec<u64>, bool) {
        let (entries, more) = self.page(range);
        (entries.iter().map(|entry| entry.seq.0).collect(), more)
    }

    fn latest(&self) -> Vec<u64> {
        self.seqs(HistoryRange::Latest).0
    }

    fn end(self) {
        self.cache.finish().expect("a thread").join().expect("no panic");
    }
}

fn den(snapshot: &Snapshot) -> &CachedChannel {
    snapshot.channels.iter().find(|channel| channel.info.channel == DEN).expect("it is there")
}

fn path_in(directory: &std::path::Path) -> PathBuf {
    directory.join(crate::file_name::of_account(&relay(), &ann(), "cache"))
}

/// Everything on disk.
fn bytes_in(directory: &std::path::Path) -> Vec<u8> {
    let files = fs::read_dir(directory).expect("readable");
    files.flat_map(|file| fs::read(file.expect("a file").path()).expect("readable")).collect()
}

fn holds(directory: &std::path::Path, text: &str) -> bool {
    bytes_in(directory).windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn the_next_run_finds_what_was_handed_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::in_den(directory.path(), 2);
    bench.follow(&[
        Event::Joined(info(9, 1, 0)),
        appended(numbers(1..=3)),
        appended(vec![said(4, "hello @Ann")]),
    ]);
    bench.cache.shown(DEN);
    bench.end();
    let (bench, snapshot) = Bench::open(directory.path());
    assert_eq!((snapshot.channels.len(), snapshot.shown), (2, Some(DEN)));
    let den = den(&snapshot);
    assert_eq!((den.stands, den.at_start), (Some((Epoch(1), Seq(4))), true));
    assert_eq!(den.newest[3], said(4, "hello @Ann"));
    assert_eq!(den.unread.count(), Count { news: 2, mentions: 1, more: false });
    assert_eq!(snapshot.channels[1].stands, None);
    assert_eq!(bench.opened(&"bob".parse().expect("name")), Snapshot::default(), "each account by itself");
}

#[test]
fn pages_are_contiguous_with_what_was_asked_for_or_empty() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::in_den(directory.path(), 0);
    bench.follow(&[appended(numbers(1_000..=1_499))]);
    let page = PAGE_ENTRIES as u64;
    let before = |seq| bench.seqs(HistoryRange::Before { seq: Seq(seq) });
    let after = |seq| bench.seqs(HistoryRange::After { seq: Seq(seq) });
    assert_eq!(bench.seqs(HistoryRange::Latest), ((1_500 - page..=1_499).collect(), true));
    assert_eq!(before(1_050), ((1_000..1_050).collect(), true), "the relay has more");
    assert_eq!(before(1_500), ((1_500 - page..=1_499).collect(), true));
    assert_eq!(after(999), ((1_000..1_000 + page).collect(), true));
    assert_eq!(after(1_490), ((1_491..=1_499).collect(), false));
    for empty in [before(1_000), before(1_501), before(5), after(998), after(1_499), after(9_999)] {
        assert!(empty.0.is_empty(), "{empty:?}");
    }
    let older = Event::History {
        channel: DEN,
        range: HistoryRange::Before { seq: Seq(1_000) },
        entries: numbers(990..=1_005),
        more: false,
    };
    bench.follow(&[older]);
    assert_eq!(before(1_010), ((990..1_010).collect(), false), "nothing may be read before 990");
    let far = Event::History {
        channel: DEN,
        range: HistoryRange::Before { seq: Seq(51) },
        entries: numbers(40..=50),
        more: false,
    };
    bench.follow(&[far]);
    assert!(
        before(51).0.is_empty() && before(1_000).0.len() == 10,
        "a part that does not reach is not taken"
    );
}

#[test]
fn a_hole_is_never_hidden_in_what_is_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::in_den(directory.path(), 0);
    bench.follow(&[appended(numbers(1..=5)), appended(numbers(4..=6)), appended(numbers(2..=3))]);
    assert_eq!(bench.latest(), [1, 2, 3, 4, 5, 6], "a repeat changes nothing");
    // As when the queue had no room for 7.
    bench.follow(&[appended(numbers(8..=9))]);
    assert_eq!(bench.latest(), [8, 9]);
    bench
        .follow(&[Event::Skipped { channel: DEN, from: Seq(10), to: Seq(99) }, appended(numbers(100..=101))]);
    assert_eq!(bench.latest(), [100, 101], "what was skipped may have changed what was before it");
    bench.follow(&[appended(vec![entry(2, 1, Body::Joined)])]);
    assert_eq!(bench.page(HistoryRange::Latest).0[0].epoch, Epoch(2), "another life of the log");
    bench.follow(&[Event::Reset(DEN)]);
    assert!(bench.latest().is_empty());
    bench.follow(&[Event::Left(DEN), appended(numbers(1..=2))]);
    assert!(bench.latest().is_empty(), "of a channel that one is not in nothing is kept");
}

#[test]
fn what_was_amended_is_found_in_its_present_state_and_deleted_words_are_nowhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::in_den(directory.path(), 0);
    let canaries = ["canary-one", "canary-two", "canary-three"];
    bench.follow(&[appended(vec![said(1, canaries[0]), said(2, canaries[1]), said(3, canaries[2])])]);
    assert_eq!(bench.latest(), [1, 2, 3]);
    assert!(canaries.iter().all(|canary| holds(directory.path(), canary)));
    let content = Content::text("better words").expect("text");
    let topic = Topic::new("tea".into()).expect("short");
    bench.follow(&[appended(vec![
        amended(4, Amendment::Delete { seq: Seq(1) }),
        amended(5, Amendment::Edit { seq: Seq(2), content: content.clone() }),
        amended(6, Amendment::SetTopic { topic: topic.clone() }),
    ])]);
    let (entries, _) = bench.page(HistoryRange::Latest);
    assert!(matches!(&entries[0].body, Body::Removed { .. }));
    assert!(
        matches!(&entries[1].body, Body::Message(post) if post.content == content && post.edited_ms.is_some())
    );
    assert!(!holds(directory.path(), canaries[0]), "deleted");
    assert!(!holds(directory.path(), canaries[1]), "edited away");
    bench.end();
    let (bench, snapshot) = Bench::open(directory.path());
    assert_eq!(den(&snapshot).info.topic, topic);
    assert_eq!(den(&snapshot).unread.count().news, 2, "what was deleted is nothing to read");
    bench.follow(&[Event::Left(DEN)]);
    assert!(bench.latest().is_empty());
    assert!(!holds(directory.path(), canaries[2]), "left");
}

#[test]
fn how_far_was_read_is_merged_and_survives() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::in_den(directory.path(), 1);
    bench.follow(&[appended(numbers(1..=9))]);
    let read = |read| Command::Mark { channel: DEN, read: Some(Seq(read)), level: None };
    bench.cache.follow_command(&read(5));
    bench.cache.follow_command(&read(3));
    let marks = Marks { read: Seq(4), level: Level::Mentions };
    bench.follow(&[Event::Marks { channel: DEN, marks }, Event::Joined(info(7, 1, 2))]);
    bench.end();
    let (bench, snapshot) = Bench::open(directory.path());
    assert_eq!((den(&snapshot).unread.read(), den(&snapshot).unread.count().news), (Seq(5), 4));
    assert_eq!(den(&snapshot).info.marks.map(|marks| marks.read), Some(Seq(5)));
    bench.follow(&[Event::Joined(info(7, 2, 1))]);
    bench.end();
    let (_, snapshot) = Bench::open(directory.path());
    assert_eq!(den(&snapshot).unread.read(), Seq(1), "of another life of the log it means nothing");
    assert_eq!(den(&snapshot).stands, None);
}

#[test]
fn channels_that_were_left_elsewhere_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::in_den(directory.path(), 0);
    bench.follow(&[
        appended(numbers(1..=3)),
        Event::Channels(vec![info(8, 1, 0), ChannelInfo { joined: false, ..info(7, 1, 0) }]),
    ]);
    bench.end();
    let (_, snapshot) = Bench::open(directory.path());
    let ids: Vec<u64> = snapshot.channels.iter().map(|channel| channel.info.channel.0).collect();
    assert_eq!(ids, [8]);
}

#[test]
fn a_logout_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::in_den(directory.path(), 0);
    bench.follow(&[appended(vec![said(1, "canary")])]);
    assert_eq!(bench.latest(), [1]);
    bench.follow(&[
        appended(vec![said(2, "canary")]),
        Event::SignedOut(SignedOut::LoggedOut),
        appended(numbers(3..=4)),
    ]);
    assert!(bench.latest().is_empty());
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
    // A token that was refused is not a logout: after the password it goes on.
    let snapshot = bench.opened(&ann());
    assert_eq!(snapshot, Snapshot::default());
    bench.follow(&[
        Event::Joined(info(7, 1, 0)),
        appended(numbers(1..=2)),
        Event::SignedOut(SignedOut::TokenRefused),
    ]);
    assert_eq!(bench.latest(), [1, 2]);
}

#[test]
fn a_logout_that_finds_no_room_in_the_queue_erases_all_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::in_den(directory.path(), 0);
    bench.follow(&[appended(numbers(1..=2))]);
    assert_eq!(bench.latest(), [1, 2]);
    // What the handle does where the job does not fit.
    bench.cache.erase.store(true, Ordering::Release);
    bench.end();
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
}

#[test]
fn a_cache_that_is_damaged_or_of_another_version_is_begun_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let damages: [fn(&std::path::Path); 3] = [
        |path| {
            fs::write(path, "this is no database, and longer than a header of one would be")
                .expect("written");
        },
        |path| {
            let connection = rusqlite::Connection::open(path).expect("opens");
            connection.pragma_update(None, "user_version", 99).expect("set");
        },
        |path| {
            let connection = rusqlite::Connection::open(path).expect("opens");
            connection.execute("UPDATE channel SET info = x'c1'", []).expect("set");
        },
    ];
    for damage in damages {
        let (bench, _) = Bench::open(directory.path());
        bench.follow(&[Event::Joined(info(7, 1, 0)), appended(numbers(1..=3))]);
        bench.end();
        damage(&path_in(directory.path()));
        let (bench, snapshot) = Bench::open(directory.path());
        assert_eq!(snapshot, Snapshot::default());
        bench.follow(&[Event::Joined(info(7, 1, 0)), appended(numbers(4..=5))]);
        assert_eq!(bench.latest(), [4, 5], "and used");
        bench.follow(&[Event::SignedOut(SignedOut::LoggedOut)]);
        bench.end();
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_told_once_and_ends_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    fs::write(&file, "in the way").expect("written");
    let (tell, events) = sync_channel(64);
    let cache = Cache::start(file, move |event| drop(tell.send(event)));
    assert!(cache.open(relay(), ann()));
    let told = events.recv().expect("told");
    assert!(matches!(&told, CacheEvent::Fails(reason) if reason.contains("file")), "{told:?}");
    assert!(
        matches!(events.recv(), Ok(CacheEvent::Opened { snapshot, .. }) if snapshot == Snapshot::default())
    );
    cache.follow(&Event::Joined(info(7, 1, 0)));
    cache.follow(&appended(numbers(1..=3)));
    assert!(cache.read(DEN, HistoryRange::Latest));
    assert!(matches!(events.recv(), Ok(CacheEvent::Page { entries, more: true, .. }) if entries.is_empty()));
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let inner = directory.path().join("made");
    let bench = Bench::in_den(&inner, 0);
    bench.follow(&[appended(numbers(1..=3))]);
    assert_eq!(bench.latest(), [1, 2, 3]);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for file in fs::read_dir(&inner).expect("readable") {
        let path = file.expect("a file").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn two_clients_of_one_account_share_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Bench::in_den(directory.path(), 0);
    first.follow(&[appended(numbers(1..=3))]);
    assert_eq!(first.latest(), [1, 2, 3]);
    let (second, snapshot) = Bench::open(directory.path());
    assert_eq!(den(&snapshot).stands, Some((Epoch(1), Seq(3))));
    second.follow(&[appended(numbers(4..=6))]);
    assert_eq!(second.latest().len(), 6);
    first.follow(&[appended(numbers(4..=5)), appended(numbers(6..=7))]);
    assert_eq!(first.latest(), [1, 2, 3, 4, 5, 6, 7]);
}
