//! Pages of a log.

use mechat_protocol::codec::encode;
use mechat_protocol::limits::{NAME_CHARS_MAX, PAGE_ENTRIES_MAX, PAGE_LEN_MAX, TEXT_LEN_MAX};
use mechat_protocol::reply::HistoryPage;
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{ChannelId, Entry, Epoch, RequestId, Seq};
use mechat_relay::storage::{LogPart, Storage};

use crate::setting::{Person, all, append, channel, channel_of, one, person, say, text};

/// A channel with ten entries, of which the first is a join.
async fn ten(storage: &dyn Storage) -> ChannelId {
    let ann = person(storage, "ann").await;
    let lobby = channel_of(storage, "lobby", &[&ann]).await;
    all(storage, (2..=10).map(|nonce| say(lobby, &ann, nonce)).collect()).await;
    // A neighbour's entries must not show.
    let other = channel_of(storage, "other", &[&ann]).await;
    all(storage, (11..=30).map(|nonce| say(other, &ann, nonce)).collect()).await;
    lobby
}

async fn read(storage: &dyn Storage, channel: ChannelId, range: HistoryRange, limit: usize) -> LogPart {
    let part = storage.read_log(channel, range, limit).await.expect("storage works");
    assert!(part.entries.iter().all(|entry| entry.channel == channel));
    part
}

/// First and last seq, and whether there is more.
async fn span(
    storage: &dyn Storage,
    channel: ChannelId,
    range: HistoryRange,
    limit: usize,
) -> (Option<(u64, u64)>, bool) {
    let part = read(storage, channel, range, limit).await;
    let seqs: Vec<u64> = part.entries.iter().map(|entry| entry.seq.0).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "ascending and contiguous: {seqs:?}");
    (seqs.first().copied().zip(seqs.last().copied()), part.more)
}

pub(crate) async fn the_latest_page_ends_at_the_head(storage: &dyn Storage) {
    let lobby = ten(storage).await;
    for (limit, expected) in [
        (1, (Some((10, 10)), true)),
        (9, (Some((2, 10)), true)),
        (10, (Some((1, 10)), false)),
        (100, (Some((1, 10)), false)),
    ] {
        assert_eq!(span(storage, lobby, HistoryRange::Latest, limit).await, expected, "{limit}");
    }
}

pub(crate) async fn the_page_before_ends_below_its_seq(storage: &dyn Storage) {
    let lobby = ten(storage).await;
    for (seq, limit, expected) in [
        (11, 100, (Some((1, 10)), false)),
        (10, 3, (Some((7, 9)), true)),
        (4, 3, (Some((1, 3)), false)),
        (4, 2, (Some((2, 3)), true)),
        (2, 1, (Some((1, 1)), false)),
        (u64::MAX, 2, (Some((9, 10)), true)),
    ] {
        let range = HistoryRange::Before { seq: Seq(seq) };
        assert_eq!(span(storage, lobby, range, limit).await, expected, "before {seq}, {limit}");
    }
}

pub(crate) async fn the_page_after_begins_above_its_seq(storage: &dyn Storage) {
    let lobby = ten(storage).await;
    for (seq, limit, expected) in [
        (0, 100, (Some((1, 10)), false)),
        (0, 10, (Some((1, 10)), false)),
        (0, 4, (Some((1, 4)), true)),
        (7, 2, (Some((8, 9)), true)),
        (7, 3, (Some((8, 10)), false)),
        (9, 1, (Some((10, 10)), false)),
    ] {
        let range = HistoryRange::After { seq: Seq(seq) };
        assert_eq!(span(storage, lobby, range, limit).await, expected, "after {seq}, {limit}");
    }
}

pub(crate) async fn beyond_either_end_there_is_nothing(storage: &dyn Storage) {
    let lobby = ten(storage).await;
    let empty = channel(storage, "empty").await;
    let (before, after) =
        (|seq| HistoryRange::Before { seq: Seq(seq) }, |seq| HistoryRange::After { seq: Seq(seq) });
    for (channel, range) in [
        (lobby, before(0)),
        (lobby, before(1)),
        (lobby, after(10)),
        (lobby, after(11)),
        (lobby, after(u64::MAX)),
        (empty, HistoryRange::Latest),
        (empty, before(5)),
        (empty, after(0)),
        (ChannelId(99), HistoryRange::Latest),
    ] {
        assert_eq!(span(storage, channel, range, 100).await, (None, false), "{channel} {range:?}");
    }
}

/// Bytes of a page as a relay would send it; panics if it does not fit in a frame.
fn page_len(entries: &[Entry]) -> usize {
    let page = HistoryPage {
        id: RequestId(u32::MAX),
        channel: ChannelId(u64::MAX),
        epoch: Epoch(u32::MAX),
        head: Seq(u64::MAX),
        entries: entries.to_vec(),
        more: true,
    };
    encode(&page.into()).expect("a page fits in a frame").len()
}

/// Somebody whose name takes as many bytes as a name can.
async fn longest_name(storage: &dyn Storage) -> Person {
    person(storage, &"\u{20000}".repeat(NAME_CHARS_MAX)).await
}

pub(crate) async fn a_page_is_cut_by_bytes_and_fits_in_a_frame(storage: &dyn Storage) {
    let long = longest_name(storage).await;
    assert_eq!(long.name.as_str().len(), 4 * NAME_CHARS_MAX);
    let large = channel_of(storage, "large", &[&long]).await;
    let small = channel_of(storage, "small", &[&long]).await;
    let words = "x".repeat(TEXT_LEN_MAX);
    for nonce in 1..=8 {
        one(storage, append(large, &long, Some(nonce), text(&words))).await;
    }
    let batch = (100..400).map(|nonce| append(small, &long, Some(nonce), text("x"))).collect();
    all(storage, batch).await;
    // The join is small, and so left out.
    for range in
        [HistoryRange::Latest, HistoryRange::After { seq: Seq(1) }, HistoryRange::Before { seq: Seq(9) }]
    {
        let part = read(storage, large, range, PAGE_ENTRIES_MAX).await;
        assert!((1..8).contains(&part.entries.len()) && part.more, "{} of {range:?}", part.entries.len());
        assert!(page_len(&part.entries) <= PAGE_LEN_MAX + 512);
        assert_eq!(read(storage, large, range, 1).await.entries.len(), 1, "one entry always fits");
    }
    for range in [HistoryRange::Latest, HistoryRange::After { seq: Seq(0) }] {
        let part = read(storage, small, range, PAGE_ENTRIES_MAX).await;
        assert!(part.entries.len() > 50, "a page is not wasted: {}", part.entries.len());
        page_len(&part.entries);
    }
}

pub(crate) async fn walking_meets_every_entry_once(storage: &dyn Storage) {
    let ann = person(storage, "ann").await;
    let lobby = channel_of(storage, "lobby", &[&ann]).await;
    let lens = [1, TEXT_LEN_MAX, 9_000, 40, 12_000].into_iter().cycle();
    for (nonce, len) in (2..=60).zip(lens) {
        one(storage, append(lobby, &ann, Some(nonce), text(&"x".repeat(len)))).await;
    }
    let (mut up, mut down) = (Vec::new(), Vec::new());
    loop {
        let seq = Seq(up.last().copied().unwrap_or(0));
        let part = read(storage, lobby, HistoryRange::After { seq }, 7).await;
        up.extend(part.entries.iter().map(|entry| entry.seq.0));
        if !part.more {
            break;
        }
    }
    let mut range = HistoryRange::Latest;
    loop {
        let part = read(storage, lobby, range, 7).await;
        down.extend(part.entries.iter().rev().map(|entry| entry.seq.0));
        range = HistoryRange::Before { seq: part.entries[0].seq };
        if !part.more {
            break;
        }
    }
    assert_eq!(up, (1..=60).collect::<Vec<_>>());
    assert_eq!(down, (1..=60).rev().collect::<Vec<_>>());
}
