//! The cache and the window over the log, against what people complain of: a start that waits for the network, a whole backlog in memory.

mod stage;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use mechat_client::cache::{CachedChannel, Snapshot};
use mechat_client::event::Link;
use mechat_client::{CacheEvent, Command, Event as ClientEvent, SignedOut, Unread};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::secret::Token;
use mechat_protocol::{ChannelId, Entry, Epoch, RelayAddress, Seq};
use mechat_tui::model::channel::{ENTRIES_HIDDEN, ENTRIES_MAX};
use mechat_tui::model::{Channel, RelayBook, Screen};
use mechat_tui::update::{Effect, Event, scroll};
use stage::{Stage, account, fingerprint, info, message, older, signed_in, welcome};

const TALL: ChannelId = ChannelId(4);
/// Entries of a page of the cache.
const PAGE: u64 = mechat_client::cache::PAGE_ENTRIES as u64;

fn relay() -> RelayAddress {
    "chat.example.org".parse().expect("address")
}

fn tall(seqs: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    seqs.map(|seq| message(4, seq, "vera", &format!("m{seq}"))).collect()
}

/// #tall up to an entry, and a channel with something unread.
fn snapshot(last: u64) -> Snapshot {
    let channel = |id, name, last: u64, read: u64, newest| CachedChannel {
        info: info(id, name, 3, last, true),
        stands: Some((Epoch(1), Seq(last))),
        unread: {
            let mut unread = Unread::new(Seq(read), Seq(read + 1));
            (read + 1..=last)
                .for_each(|seq| unread.push(&message(id, seq, "vera", "@misha"), &account("misha")));
            unread
        },
        newest,
        at_start: false,
    };
    let first = last.saturating_sub(PAGE) + 1;
    let channels =
        vec![channel(1, "lobby", 9, 7, Vec::new()), channel(4, "tall", last, last, tall(first..=last))];
    Snapshot { channels, shown: Some(TALL) }
}

fn opened(last: u64) -> Event {
    let snapshot = snapshot(last);
    Event::Cache(CacheEvent::Opened { relay: relay(), account: account("misha"), snapshot })
}

fn token() -> Event {
    let token = Token::new(vec![5; 32]).ok();
    Event::TokenLoaded { address: relay(), account: account("misha"), token }
}

/// A relay and an account of earlier days were chosen; nothing has answered.
fn started() -> Stage {
    let mut relays = RelayBook::default();
    relays.used(&relay(), Some(&account("misha")));
    let mut stage = Stage::with_relays((80, 24), relays);
    stage.key(KeyCode::Enter);
    stage
}

/// Painted from the cache up to an entry, and no network.
fn cached(last: u64) -> Stage {
    let mut stage = started();
    stage.feed(opened(last)).feed(token()).take();
    stage
}

fn channel(stage: &Stage) -> &Channel {
    stage.model.current().expect("in view")
}

/// The one part of a log that is asked for, and where.
fn asked(stage: &mut Stage) -> Option<(&'static str, HistoryRange)> {
    let mut asked = stage.take().into_iter().filter_map(|effect| match effect {
        Effect::ReadCache(_, range) => Some(("cache", range)),
        Effect::Client(Command::ReadHistory { range, .. }) => Some(("relay", range)),
        _ => None,
    });
    let first = asked.next();
    assert_eq!(asked.next(), None, "one at a time");
    first
}

/// Answers what is asked of a cache that has everything from 1 to `last`, until nothing is asked any more.
fn serve(stage: &mut Stage, last: u64) -> u64 {
    let mut pages = 0;
    loop {
        let ranges: Vec<HistoryRange> = stage
            .take()
            .into_iter()
            .filter_map(|effect| if let Effect::ReadCache(TALL, range) = effect { Some(range) } else { None })
            .collect();
        if ranges.is_empty() {
            return pages;
        }
        for range in ranges {
            pages += 1;
            let (from, to) = match range {
                HistoryRange::Before { seq } => (seq.0.saturating_sub(PAGE).max(1), seq.0 - 1),
                HistoryRange::After { seq } => (seq.0 + 1, last.min(seq.0 + PAGE)),
                HistoryRange::Latest => (last.saturating_sub(PAGE) + 1, last),
            };
            let more = if matches!(range, HistoryRange::After { .. }) { to < last } else { from > 1 };
            let page = CacheEvent::Page { channel: TALL, range, entries: tall(from..=to), more };
            stage.feed(Event::Cache(page));
        }
    }
}

#[test]
fn the_start_does_not_wait_for_the_network() {
    let mut stage = started();
    let effects = stage.take();
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::OpenCache(_, name) if *name == account("misha"))),
        "{effects:?}"
    );
    stage.feed(opened(300)).feed(token());
    assert!(stage.shows("m300") && stage.shows("#lobby"), "{}", stage.picture());
    assert!(stage.shows("@2") && stage.shows("connecting…"), "{}", stage.picture());
    let effects = stage.take();
    let known = effects.iter().find_map(|effect| match effect {
        Effect::Client(Command::Known { account, logs }) => Some((account.clone(), logs.len())),
        _ => None,
    });
    assert_eq!(known, Some((account("misha"), 2)), "{effects:?}");
    // What is written goes to the outbox, and has its row.
    stage.enter("typed offline");
    assert!(stage.shows("typed offline"), "{}", stage.picture());
    assert!(stage.commands()[0].starts_with("Say"));
    let reason = "no relay listens there".to_owned();
    let down = Link::Down { reason, close: None, attempt: 1, retry_in: Duration::from_secs(1) };
    stage.client(ClientEvent::Link(down));
    assert!(stage.shows("m300") && stage.shows("offline"), "{}", stage.picture());

    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    stage.client(ClientEvent::Welcome(welcome()));
    assert!(stage.shows("signing in…"), "{}", stage.picture());
    assert!(stage.commands().iter().any(|command| command.starts_with("Resume")));
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    assert!(stage.shows("catching up…"), "{}", stage.picture());
    stage.client(ClientEvent::Appended { channel: TALL, entries: tall(301..=302), live: true });
    stage.client(ClientEvent::CaughtUp);
    assert!(stage.shows("m302") && stage.shows("● online"), "{}", stage.picture());
}

#[test]
fn nothing_is_shown_of_an_account_whose_saved_session_is_not_there() {
    let hidden =
        |stage: &Stage| !stage.shows("m300") && !stage.shows("#tall") && stage.model.account.is_none();
    let no_token = Event::TokenLoaded { address: relay(), account: account("misha"), token: None };
    for answer in [no_token, Event::NoKeyring] {
        let mut stage = started();
        stage.feed(opened(300));
        assert!(hidden(&stage), "not before the keyring has answered: {}", stage.picture());
        stage.feed(answer);
        stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
        stage.client(ClientEvent::Welcome(welcome()));
        assert!(hidden(&stage) && stage.shows("[2] log in"), "{}", stage.picture());
        assert!(!stage.commands().iter().any(|command| command.starts_with("Known")));
        // With the password it is, and the session goes on from there.
        stage.client(ClientEvent::SignedIn(signed_in("misha")));
        assert!(stage.shows("m300"), "{}", stage.picture());
        assert!(stage.commands().iter().any(|command| command.starts_with("Known")));
    }
    let mut stage = started();
    stage.feed(opened(300)).take();
    stage.client(ClientEvent::SignedIn(signed_in("vera")));
    assert!(!stage.shows("m300"), "somebody else: {}", stage.picture());
    let effects = stage.take();
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::OpenCache(_, name) if *name == account("vera")))
    );
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Client(Command::Known { .. }))), "not yet");
}

#[test]
fn a_token_that_is_refused_covers_what_was_shown() {
    let mut stage = cached(300);
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    stage.client(ClientEvent::Welcome(welcome()));
    stage.client(ClientEvent::SignedOut(SignedOut::TokenRefused));
    assert!(matches!(stage.model.screen, Screen::Form(_)) && !stage.shows("m300"), "{}", stage.picture());
}

#[test]
fn a_cache_that_answers_late_or_is_empty_holds_nothing_up() {
    let mut stage = started();
    stage.feed(token());
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    stage.client(ClientEvent::Welcome(welcome()));
    assert!(stage.commands().iter().any(|command| command.starts_with("Resume")));
    stage.client(ClientEvent::SignedIn(signed_in("misha"))).take();
    let snapshot = Snapshot::default();
    stage.feed(Event::Cache(CacheEvent::Opened { relay: relay(), account: account("misha"), snapshot }));
    assert_eq!(stage.commands(), ["Known { account: @misha, logs: [] }"], "the session waits for this");
    stage.feed(Event::Cache(CacheEvent::Fails("no space left".into())));
    assert!(stage.shows("not kept on this machine"), "{}", stage.picture());
}

#[test]
fn scrolling_up_asks_the_cache_first_and_the_relay_where_it_ends() {
    let mut stage = cached(300);
    stage.key(KeyCode::PageUp);
    assert_eq!(asked(&mut stage), None, "within the window nothing is read");
    for _ in 0..30 {
        stage.key(KeyCode::PageUp);
    }
    let range = HistoryRange::Before { seq: Seq(101) };
    assert_eq!(asked(&mut stage), Some(("cache", range)));
    stage.feed(Event::Cache(CacheEvent::Page { channel: TALL, range, entries: tall(51..=100), more: true }));
    assert_eq!(channel(&stage).entries[0].seq, Seq(51));
    for _ in 0..10 {
        stage.key(KeyCode::PageUp);
    }
    let range = HistoryRange::Before { seq: Seq(51) };
    assert_eq!(asked(&mut stage), Some(("cache", range)));
    stage.feed(Event::Cache(CacheEvent::Page { channel: TALL, range, entries: Vec::new(), more: true }));
    assert_eq!(asked(&mut stage), Some(("relay", range)));
    stage.client(older(TALL, tall(1..=50), false));
    for _ in 0..10 {
        stage.key(KeyCode::PageUp);
    }
    assert!(stage.shows("beginning of #tall") && asked(&mut stage).is_none(), "{}", stage.picture());
}

#[test]
fn a_jump_shows_the_entry_with_what_is_around_it_and_the_end_is_one_key_away() {
    const LAST: u64 = 1_000_000;
    let mut stage = cached(LAST);
    let effects = scroll::to_entry(&mut stage.model, Seq(5_000));
    stage.effects.extend(effects);
    assert!(stage.shows("m1000000"), "what is in view stays until the other is there");
    assert!(serve(&mut stage, LAST) <= 4);
    assert!(stage.shows("m5000") && stage.shows("m4995"), "with context above: {}", stage.picture());
    assert!(stage.shows("older messages"), "{}", stage.picture());
    let seen = |stage: &Stage| channel(stage).entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>();
    assert!(seen(&stage).windows(2).all(|pair| pair[0] + 1 == pair[1]), "no hole");
    // Down from there one comes to what follows, and never past what is not loaded.
    for _ in 0..40 {
        stage.key(KeyCode::PageDown);
        serve(&mut stage, LAST);
    }
    assert!(!stage.shows("m5000") && stage.shows("m5") && !stage.model.is_watching(), "{}", stage.picture());
    assert!(seen(&stage).windows(2).all(|pair| pair[0] + 1 == pair[1]), "no hole");
    // What comes meanwhile is counted, and not shown as if it followed.
    stage.client(ClientEvent::Appended { channel: TALL, entries: tall(LAST + 1..=LAST + 1), live: true });
    assert!(stage.shows("1 new message"), "{}", stage.picture());
    assert!(seen(&stage).windows(2).all(|pair| pair[0] + 1 == pair[1]), "no hole");
    stage.chord(KeyModifiers::CONTROL, KeyCode::End);
    serve(&mut stage, LAST + 1);
    assert!(stage.shows("m1000001") && stage.model.is_watching(), "{}", stage.picture());
    assert_eq!(channel(&stage).unread().to_string(), "0");
}

#[test]
fn an_entry_that_comes_while_the_end_is_being_read_is_not_missed() {
    const LAST: u64 = 5_000;
    let mut stage = cached(LAST);
    let effects = scroll::to_entry(&mut stage.model, Seq(10));
    stage.effects.extend(effects);
    serve(&mut stage, LAST);
    stage.chord(KeyModifiers::CONTROL, KeyCode::End);
    stage.client(ClientEvent::Appended { channel: TALL, entries: tall(LAST + 1..=LAST + 3), live: true });
    serve(&mut stage, LAST + 3);
    assert!(stage.shows("m5003"), "{}", stage.picture());
    let entries = &channel(&stage).entries;
    assert!(entries.windows(2).all(|pair| pair[0].seq.next() == pair[1].seq));
}

#[test]
fn a_million_messages_cost_no_more_than_the_window_wherever_one_reads() {
    const LAST: u64 = 1_000_000;
    let mut stage = cached(LAST);
    let bound = ENTRIES_MAX + mechat_client::cache::PAGE_ENTRIES;
    for _ in 0..600 {
        stage.key(KeyCode::PageUp);
        serve(&mut stage, LAST);
        assert!(channel(&stage).entries.len() <= bound, "{}", channel(&stage).entries.len());
    }
    let top = channel(&stage).entries[0].seq;
    assert!(top < Seq(LAST - 8_000), "{top}");
    for seq in 1..=6_000 {
        stage.client(ClientEvent::Appended {
            channel: TALL,
            entries: tall(LAST + seq..=LAST + seq),
            live: true,
        });
    }
    assert!(channel(&stage).entries.len() <= bound);
    let mut pages = 0;
    while !channel(&stage).shows_newest() && pages < 2_000 {
        stage.key(KeyCode::PageDown);
        serve(&mut stage, LAST + 6_000);
        assert!(channel(&stage).entries.len() <= bound);
        pages += 1;
    }
    assert!(stage.shows("m1006000"), "{pages} pages down: {}", stage.picture());
}

#[test]
fn a_channel_that_nobody_looks_at_keeps_little_and_is_filled_when_it_is_shown() {
    const LAST: u64 = 3_000;
    let mut stage = cached(300);
    stage.client(ClientEvent::Appended { channel: TALL, entries: tall(301..=LAST), live: false });
    stage.chord(KeyModifiers::ALT, KeyCode::Char('1'));
    let effects = stage.take();
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::RememberShown(ChannelId(1)))),
        "{effects:?}"
    );
    assert!(
        effects.iter().any(|effect| matches!(
            effect,
            Effect::ReadCache(ChannelId(1), HistoryRange::Before { seq: Seq(10) })
        )),
        "its entries are on disk: {effects:?}"
    );
    let hidden = |stage: &Stage| stage.model.channel(TALL).expect("joined").entries.len();
    assert!(hidden(&stage) <= ENTRIES_HIDDEN);
    for seq in LAST + 1..=LAST + 3_000 {
        stage.client(ClientEvent::Appended { channel: TALL, entries: tall(seq..=seq), live: true });
    }
    assert!(hidden(&stage) <= 2 * ENTRIES_HIDDEN);
    stage.chord(KeyModifiers::ALT, KeyCode::Char('2'));
    assert!(stage.shows("m6000"), "{}", stage.picture());
}

#[test]
fn a_read_that_fails_is_told_and_can_be_tried_again() {
    let mut stage = cached(300);
    for _ in 0..30 {
        stage.key(KeyCode::PageUp);
    }
    let (_, range) = asked(&mut stage).expect("older ones");
    stage.feed(Event::Cache(CacheEvent::Page { channel: TALL, range, entries: Vec::new(), more: true }));
    assert_eq!(asked(&mut stage), Some(("relay", range)));
    let error = mechat_protocol::reply::ErrorReply::new(None, mechat_protocol::ErrorCode::Busy, "not now");
    stage.client(ClientEvent::Refused { request: mechat_client::RequestKind::ReadHistory, error });
    assert!(stage.shows("older messages could not be read: not now"), "{}", stage.picture());
    stage.key(KeyCode::PageUp);
    assert_eq!(asked(&mut stage), Some(("cache", range)));
}
