//! Unread marks, against what people complain of most: a count that is wrong, a mark that comes back, a divider that jumps.
//!
//! Each test is named after what must not happen here.

mod stage;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use mechat_client::event::Link;
use mechat_client::{Command, Event as ClientEvent};
use mechat_protocol::reply::{ChannelInfo, Marks};
use mechat_protocol::request::Level;
use mechat_protocol::{Amendment, Body, ChannelId, Content, Emoji, Entry, Epoch, Seq};
use mechat_tui::update::{self, Effect, Event};
use stage::{Stage, account, entry, info, message, nonce, older, signed_in, welcome};

const LOBBY: ChannelId = ChannelId(1);
const RUST: ChannelId = ChannelId(2);

/// Read up to an entry, as the relay has it.
fn marked(id: u64, name: &str, head: u64, read: u64, level: Level) -> ChannelInfo {
    ChannelInfo { marks: Some(Marks { read: Seq(read), level }), ..info(id, name, 3, head, true) }
}

fn marks(stage: &mut Stage, channel: ChannelId, read: u64) {
    let marks = Marks { read: Seq(read), level: Level::All };
    stage.client(ClientEvent::Marks { channel, marks });
}

/// In #lobby, all of which is read, and #rust, of which the first two are.
fn stage() -> Stage {
    let mut stage = Stage::at_menu((80, 24));
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    for (id, name, head, read) in [(1, "lobby", 4, 4), (2, "rust", 6, 2)] {
        stage.client(ClientEvent::Joined(marked(id, name, head, read, Level::All)));
        let entries = (1..=head).map(|seq| message(id, seq, "vera", &format!("m{seq}"))).collect();
        stage.client(ClientEvent::Appended { channel: ChannelId(id), entries, live: false });
    }
    stage.client(ClientEvent::CaughtUp);
    stage.wait(Duration::from_secs(1)).take();
    stage
}

/// Messages that count as unread.
fn unread(stage: &Stage, channel: ChannelId) -> String {
    stage.model.channel(channel).expect("joined").badge().to_string()
}

/// What the relay is told.
fn told(stage: &mut Stage) -> Vec<(u64, u64)> {
    let marks = stage.take().into_iter().filter_map(|effect| match effect {
        Effect::Client(Command::Mark { channel, read: Some(read), .. }) => Some((channel.0, read.0)),
        _ => None,
    });
    marks.collect()
}

fn to_rust(stage: &mut Stage) {
    stage.chord(KeyModifiers::ALT, KeyCode::Char('2'));
}

#[test]
fn what_is_unread_is_counted_from_the_relays_mark_and_not_from_when_one_came() {
    let stage = stage();
    assert_eq!((unread(&stage, LOBBY), unread(&stage, RUST)), ("0".into(), "4".into()));
    assert!(stage.shows("#rust") && stage.shows("4 unread elsewhere"), "{}", stage.picture());
}

#[test]
fn what_was_read_on_another_device_does_not_stay_unread_here() {
    let mut stage = stage();
    marks(&mut stage, RUST, 5);
    assert_eq!(unread(&stage, RUST), "1");
    marks(&mut stage, RUST, 3);
    assert_eq!(unread(&stage, RUST), "1", "an older word changes nothing");
    marks(&mut stage, RUST, 6);
    assert_eq!(unread(&stage, RUST), "0");
    stage.wait(Duration::from_secs(1));
    assert!(told(&mut stage).is_empty(), "the relay knows");
}

#[test]
fn a_terminal_without_focus_reads_nothing() {
    let mut stage = stage();
    stage.feed(Event::Focus(false)).live(message(1, 5, "vera", "psst"));
    stage.wait(Duration::from_secs(9));
    assert_eq!((unread(&stage, LOBBY), told(&mut stage)), ("1".into(), vec![]));
    stage.feed(Event::Focus(true)).wait(Duration::from_secs(1));
    assert_eq!((unread(&stage, LOBBY), told(&mut stage)), ("0".into(), vec![(1, 5)]));
    assert!(stage.shows("── new"), "one sees where it began: {}", stage.picture());
}

#[test]
fn who_reads_further_up_has_not_read_what_came_below() {
    let mut stage = stage();
    for seq in 5..=60 {
        stage.live(message(1, seq, "vera", "x"));
    }
    stage.key(KeyCode::PageUp).wait(Duration::from_secs(1)).take();
    stage.live(message(1, 61, "vera", "psst")).wait(Duration::from_secs(9));
    assert_eq!((unread(&stage, LOBBY), told(&mut stage)), ("1".into(), vec![]));
    stage.chord(KeyModifiers::CONTROL, KeyCode::End).wait(Duration::from_secs(1));
    assert_eq!((unread(&stage, LOBBY), told(&mut stage)), ("0".into(), vec![(1, 61)]));
}

#[test]
fn what_comes_under_a_panel_is_not_read() {
    let mut stage = stage();
    stage.key(KeyCode::F(1)).live(message(1, 5, "vera", "psst")).wait(Duration::from_secs(9));
    assert_eq!((unread(&stage, LOBBY), told(&mut stage)), ("1".into(), vec![]));
    stage.key(KeyCode::Esc).wait(Duration::from_secs(1));
    assert_eq!(told(&mut stage), [(1, 5)]);
}

#[test]
fn a_screen_too_small_to_read_reads_nothing() {
    let mut stage = stage();
    stage.resize((1, 1)).live(message(1, 5, "vera", "psst")).wait(Duration::from_secs(9));
    assert_eq!((unread(&stage, LOBBY), told(&mut stage)), ("1".into(), vec![]));
}

#[test]
fn a_restart_brings_back_what_was_unread_and_nothing_else() {
    let before = stage();
    let cached = |id: ChannelId| {
        let channel = before.model.channel(id).expect("joined");
        mechat_client::cache::CachedChannel {
            info: ChannelInfo {
                marks: Some(Marks { read: channel.read(), level: Level::All }),
                ..channel.info.clone()
            },
            stands: channel.stands,
            unread: mechat_client::Unread::new(channel.read(), channel.read().next()),
            newest: channel.entries.clone(),
            at_start: true,
        }
    };
    let mut channel = mechat_tui::model::Channel::cached(cached(LOBBY));
    assert_eq!(channel.unread().to_string(), "0");
    // The relay has not heard of the last that was read: it is said again, and does not become unread.
    channel.follow_info(marked(1, "lobby", 4, 1, Level::All));
    assert_eq!((channel.unread().to_string(), channel.read(), channel.marked), ("0".into(), Seq(4), Seq(1)));
}

#[test]
fn a_reconnection_neither_brings_back_nor_forgets_what_is_unread() {
    let mut stage = stage();
    let reason = "cut".to_owned();
    let down = Link::Down { reason, close: None, attempt: 1, retry_in: Duration::from_secs(1) };
    stage.client(ClientEvent::Link(down));
    stage.client(ClientEvent::Link(Link::Up { fingerprint: stage::fingerprint(1) }));
    stage.client(ClientEvent::Welcome(welcome()));
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    stage.client(ClientEvent::Channels(vec![
        marked(1, "lobby", 4, 4, Level::All),
        marked(2, "rust", 7, 2, Level::All),
    ]));
    stage.live(message(2, 7, "vera", "while away"));
    assert_eq!((unread(&stage, LOBBY), unread(&stage, RUST)), ("0".into(), "5".into()));
}

#[test]
fn own_messages_joins_and_edits_do_not_count() {
    let mut stage = stage();
    marks(&mut stage, RUST, 6);
    let amended = |seq, amendment| entry(2, seq, "vera", Body::Amended { amendment });
    let content = Content::text("other words").expect("a text");
    let emoji = Emoji::new("👍").expect("an emoji");
    for entry in [
        message(2, 7, "misha", "mine, from another device"),
        entry(2, 8, "ivan", Body::Joined),
        entry(2, 9, "ivan", Body::Left),
        amended(10, Amendment::Edit { seq: Seq(5), content }),
        amended(11, Amendment::React { seq: Seq(5), emoji, on: true }),
        amended(12, Amendment::Pin { seq: Seq(5), on: true }),
    ] {
        stage.live(entry);
    }
    assert_eq!(unread(&stage, RUST), "0");
    stage.live(message(2, 13, "vera", "this does"));
    assert_eq!(unread(&stage, RUST), "1");
    stage.live(amended(14, Amendment::Delete { seq: Seq(13) }));
    assert_eq!(unread(&stage, RUST), "0", "there is nothing to read there any more");
}

#[test]
fn a_muted_channel_does_not_call() {
    let mut stage = stage();
    let count = |stage: &mut Stage, level| {
        let marks = Marks { read: Seq(2), level };
        stage.client(ClientEvent::Marks { channel: RUST, marks });
        (unread(stage, RUST), stage.model.unread_elsewhere())
    };
    stage.live(message(2, 7, "vera", "hello @Misha!"));
    assert_eq!(count(&mut stage, Level::All), ("5".into(), 5));
    assert_eq!(count(&mut stage, Level::Mentions), ("1".into(), 1));
    assert_eq!(count(&mut stage, Level::None), ("0".into(), 0));
    stage.chord(KeyModifiers::ALT, KeyCode::Char('a'));
    assert!(stage.shows("nothing is unread elsewhere"), "{}", stage.picture());
}

#[test]
fn the_relay_is_told_once_for_many_messages_and_before_the_end() {
    let mut stage = stage();
    for seq in 5..=40 {
        stage.live(message(1, seq, "vera", "x")).wait(Duration::from_millis(10));
    }
    assert!(told(&mut stage).is_empty(), "not message by message");
    let wake = update::wake_at(&stage.model).expect("it is going to be told");
    stage.wait(wake.saturating_sub(stage.model.now.steady));
    assert_eq!(told(&mut stage), [(1, 40)]);
    assert_eq!(update::wake_at(&stage.model), None, "an idle client sleeps");
    stage.live(message(1, 41, "vera", "x")).take();
    stage.chord(KeyModifiers::CONTROL, KeyCode::Char('q'));
    let effects = stage.take();
    assert!(
        matches!(&effects[..], [Effect::Client(Command::Mark { read: Some(Seq(41)), .. }), Effect::Quit]),
        "{effects:?}"
    );
}

#[test]
fn the_line_stays_where_it_is_until_one_leaves() {
    let mut stage = stage();
    to_rust(&mut stage);
    let line = |stage: &Stage| {
        let picture = stage.picture();
        let lines: Vec<&str> = picture.lines().collect();
        let at = lines.iter().position(|line| line.contains("── new"));
        // Its head stands between the line and the message.
        at.map(|at| lines[at + 1..at + 3].concat())
    };
    assert!(line(&stage).is_some_and(|below| below.contains("m3")), "{}", stage.picture());
    stage.wait(Duration::from_secs(1));
    assert_eq!((unread(&stage, RUST), told(&mut stage)), ("0".into(), vec![(2, 6)]));
    stage.live(message(2, 7, "vera", "m7"));
    marks(&mut stage, RUST, 7);
    stage.key(KeyCode::F(1)).key(KeyCode::Esc);
    assert!(line(&stage).is_some_and(|below| below.contains("m3")), "{}", stage.picture());
    stage.chord(KeyModifiers::ALT, KeyCode::Char('1'));
    to_rust(&mut stage);
    assert_eq!(line(&stage), None, "{}", stage.picture());
}

#[test]
fn what_is_not_loaded_is_not_counted_as_none() {
    let mut stage = stage();
    stage.client(ClientEvent::Joined(marked(3, "tall", 900, 100, Level::All)));
    let entries = (801..=900).map(|seq| message(3, seq, "vera", "x")).collect();
    stage.client(ClientEvent::Appended { channel: ChannelId(3), entries, live: false });
    assert_eq!(unread(&stage, ChannelId(3)), "100+");
    let page = (701..=800).map(|seq| message(3, seq, "vera", "x")).collect();
    stage.client(older(ChannelId(3), page, true));
    assert_eq!(unread(&stage, ChannelId(3)), "200+");
    stage.client(ClientEvent::Joined(marked(3, "tall", 900, 850, Level::All)));
    assert_eq!(unread(&stage, ChannelId(3)), "50");
}

#[test]
fn another_life_of_the_log_begins_with_the_relays_mark_for_it() {
    let mut stage = stage();
    stage.client(ClientEvent::Joined(ChannelInfo { epoch: Epoch(2), ..marked(2, "rust", 3, 1, Level::All) }));
    stage.client(ClientEvent::Reset(RUST));
    let entries: Vec<Entry> =
        (1..=3).map(|seq| Entry { epoch: Epoch(2), ..message(2, seq, "vera", "x") }).collect();
    stage.client(ClientEvent::Appended { channel: RUST, entries, live: false });
    assert_eq!(unread(&stage, RUST), "2");
}

#[test]
fn what_was_skipped_is_told_and_counted_as_more() {
    let mut stage = stage();
    stage.client(ClientEvent::Skipped { channel: RUST, from: Seq(7), to: Seq(9_000) });
    assert!(stage.shows("#rust: 8994 entries were missed"), "{}", stage.picture());
    let entries = (9_001..=9_002).map(|seq| message(2, seq, "vera", "late")).collect();
    stage.client(ClientEvent::Appended { channel: RUST, entries, live: true });
    assert_eq!(unread(&stage, RUST), "2+");
    to_rust(&mut stage);
    assert!(
        stage.shows("late") && !stage.shows("m6"),
        "what was before may have changed: {}",
        stage.picture()
    );
}

#[test]
fn the_ways_to_what_is_unread() {
    let mut stage = stage();
    stage.chord(KeyModifiers::ALT, KeyCode::Char('a'));
    assert_eq!(stage.model.current, Some(RUST));
    stage.chord(KeyModifiers::ALT, KeyCode::Char('a'));
    assert!(stage.shows("nothing is unread elsewhere"));

    for seq in 5..=200 {
        let text = if seq == 20 { "look, @misha" } else { "x" };
        stage.live(message(1, seq, "vera", text));
    }
    assert_eq!(unread(&stage, LOBBY), "196");
    assert!(stage.shows("@196"), "a mention is marked by more than a colour: {}", stage.picture());
    stage.chord(KeyModifiers::ALT, KeyCode::Char('m'));
    assert_eq!(stage.model.current, Some(LOBBY));
    assert!(stage.shows("look, @misha"), "{}", stage.picture());
    assert_eq!(unread(&stage, LOBBY), "196", "what is below the view is not read");
    stage.chord(KeyModifiers::ALT, KeyCode::Char('u'));
    assert!(stage.shows("── new"), "{}", stage.picture());
    stage.enter("/markread").wait(Duration::from_secs(1));
    assert_eq!((unread(&stage, LOBBY), told(&mut stage)), ("0".into(), vec![(1, 200), (2, 6)]));
    stage.chord(KeyModifiers::ALT, KeyCode::Char('m'));
    assert!(stage.shows("nobody has named you"), "{}", stage.picture());
}

#[test]
fn an_own_message_on_its_way_is_no_reason_to_count() {
    let mut stage = stage();
    stage.enter("mine");
    let mut own = message(1, 5, "misha", "mine");
    own.nonce = Some(nonce(stage.last_nonce()));
    stage.feed(Event::Focus(false)).live(own);
    assert_eq!(unread(&stage, LOBBY), "0");
    assert_eq!(stage.model.account.as_ref().map(|account| account.name.clone()), Some(account("misha")));
}
