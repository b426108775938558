//! Reading: what messages look like, how they are grouped, where they lead, and what of it is done again.

mod stage;

use mechat_protocol::{
    Amendment, Body, ChannelId, Content, Emoji, Entry, Post, Reaction, Seq, Topic, UnixMillis,
};
use mechat_tui::app::output;
use mechat_tui::model::channel::RowKey;
use mechat_tui::theme::Theme;
use mechat_tui::update::{reading, scroll};
use mechat_tui::view::{self, layout, timeline};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use stage::{NOON, Stage, account, at_every_size, entry};

/// A message in its present state, so many seconds after noon.
fn post(seq: u64, sender: &str, text: &str, seconds: i64, change: impl FnOnce(&mut Post)) -> Entry {
    let mut post = Post::new(Content::text(text).expect("a text"), None);
    change(&mut post);
    let at_ms = UnixMillis(NOON + seconds * 1_000);
    Entry { at_ms, ..entry(1, seq, sender, Body::Message(post)) }
}

fn said(seq: u64, sender: &str, text: &str, seconds: i64) -> Entry {
    post(seq, sender, text, seconds, |_| {})
}

fn reaction(emoji: &str, by: &[&str]) -> Reaction {
    Reaction {
        emoji: Emoji::new(emoji).expect("an emoji"),
        by: by.iter().map(|name| account(name)).collect(),
    }
}

fn amended(seq: u64, sender: &str, amendment: Amendment) -> Entry {
    entry(1, seq, sender, Body::Amended { amendment })
}

fn everything(size: (u16, u16)) -> Stage {
    let mut stage = Stage::in_chat(size);
    let topic = Topic::new("Release on Friday".into()).expect("a topic");
    for entry in [
        said(
            5,
            "vera",
            "**Release** notes: *soon*, ~~today~~, see `cargo dist` and https://example.org/releases/v1",
            240,
        ),
        said(
            6,
            "vera",
            "- one\n- two, which is long enough to be wrapped below its own beginning here\n> quoted\n> twice",
            250,
        ),
        post(7, "misha", "agreed, @vera: ask @misha in #rust", 300, |post| {
            post.in_reply_to = Some(Seq(5));
            post.edited_ms = Some(UnixMillis(NOON));
            post.pinned = true;
            post.reactions = vec![reaction("👍", &["vera", "misha"]), reaction("🎉", &["alexey"])];
        }),
        said(
            8,
            "alexey",
            "```rust\nfn main() {\n    println!(\"hi\"); // 1\n}\n```\nthe end is ||near||",
            320,
        ),
        entry(1, 9, "alexey", Body::Removed { by: account("vera") }),
        amended(10, "vera", Amendment::SetTopic { topic }),
        amended(11, "vera", Amendment::Delete { seq: Seq(9) }),
    ] {
        stage.live(entry);
    }
    stage
}

fn drawn(stage: &Stage) -> Buffer {
    let (columns, rows) = stage.model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a backend");
    terminal.draw(|frame| view::view(&stage.model, frame)).expect("draws");
    terminal.backend().buffer().clone()
}

#[test]
fn messages_of_every_kind() {
    insta::assert_snapshot!(at_every_size(everything));
}

#[test]
fn messages_alone() {
    insta::assert_snapshot!(at_every_size(|size| {
        let mut stage = everything(size);
        reading::toggle_bare(&mut stage.model);
        stage
    }));
}

#[test]
fn a_head_stands_once_for_what_somebody_says_within_five_minutes() {
    let mut stage = Stage::in_chat((80, 24));
    let heads = |stage: &Stage, name: &str| {
        stage
            .picture()
            .lines()
            .filter(|line| line.contains("] ") && line.contains(&format!("] {name} ")))
            .count()
    };
    for (seq, sender, seconds) in [(5, "vera", 600), (6, "vera", 899), (7, "polina", 900), (8, "vera", 901)] {
        stage.live(said(seq, sender, "words", seconds));
    }
    assert_eq!(heads(&stage, "vera"), 2, "somebody spoke in between: {}", stage.picture());
    stage.live(said(9, "vera", "later", 901 + 300));
    assert_eq!(heads(&stage, "vera"), 3, "five minutes have passed: {}", stage.picture());
    stage.live(entry(1, 10, "ivan", Body::Joined));
    stage.live(said(11, "vera", "hello ivan", 1_202));
    assert_eq!(heads(&stage, "vera"), 4, "something happened in between: {}", stage.picture());
    stage.live(amended(12, "vera", Amendment::Pin { seq: Seq(5), on: true }));
    stage.live(said(13, "vera", "and more", 1_203));
    assert_eq!(heads(&stage, "vera"), 4, "what has no lines parts nothing: {}", stage.picture());
}

#[test]
fn what_changes_another_row_has_no_lines_and_scrolling_passes_it() {
    let mut stage = Stage::in_chat((80, 24));
    for seq in 5..200 {
        let entry = match seq % 4 {
            0 => said(seq, "vera", &format!("number {seq}"), 600),
            _ => amended(seq, "polina", Amendment::Pin { seq: Seq(5), on: seq % 2 == 0 }),
        };
        stage.live(entry);
    }
    let channel = stage.model.current().expect("a channel");
    assert_eq!(
        timeline::height(&stage.model, channel, channel.row_index(RowKey::Entry(Seq(9))).expect("a row")),
        0
    );
    let first_line = |stage: &Stage| {
        let channel = stage.model.current().expect("a channel");
        timeline::shown(&stage.model, channel)[0].line.to_string()
    };
    let mut lines = vec![first_line(&stage)];
    while !lines.last().is_some_and(|line| line.contains("beginning") || line.contains("PgUp loads")) {
        scroll::by_lines(&mut stage.model, -1);
        lines.push(first_line(&stage));
        assert!(lines.len() < 100, "each step moves by one line: {lines:?}");
    }
    assert!(lines.windows(2).all(|pair| pair[0] != pair[1]), "no step stands still: {lines:?}");
    let mut back = vec![first_line(&stage)];
    while back.len() < lines.len() {
        scroll::by_lines(&mut stage.model, 1);
        back.push(first_line(&stage));
    }
    back.reverse();
    assert_eq!(back, lines, "the same lines on the way back");
}

#[test]
fn the_new_line_stands_before_the_first_row_that_is_seen() {
    let mut stage = Stage::in_chat((80, 24));
    stage.live(said(5, "vera", "read", 600));
    stage.live(amended(6, "vera", Amendment::Pin { seq: Seq(5), on: true }));
    stage.live(said(7, "vera", "unread", 700));
    stage.model.current_mut().expect("a channel").divider = Some(Seq(5));
    let picture = stage.picture();
    let place = |text: &str| picture.find(text).unwrap_or_else(|| panic!("{text}: {picture}"));
    assert!(place("  read") < place("── new") && place("── new") < place("  unread"), "{picture}");
    assert_eq!(picture.matches("── new").count(), 1);
}

/// gurk #316, #324, #381: what was chosen was another row than the one on the screen, after separators.
#[test]
fn a_line_of_the_screen_belongs_to_the_row_it_shows_whatever_separates_rows() {
    let mut stage = Stage::in_chat((80, 24));
    stage.live(said(5, "vera", "today", 600));
    stage.live(said(6, "vera", "tomorrow", 90_000));
    stage.live(said(7, "polina", "two\nlines", 90_100));
    stage.model.current_mut().expect("a channel").divider = Some(Seq(6));
    let picture = stage.picture();
    let row_of = |text: &str| {
        let y = picture
            .lines()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{text}: {picture}"));
        timeline::row_at(&stage.model, u16::try_from(y).expect("small"))
    };
    assert_eq!(row_of("  today"), Some(RowKey::Entry(Seq(5))));
    assert_eq!(row_of("── Saturday"), None, "a separator is nobody's");
    assert_eq!(row_of("  tomorrow"), Some(RowKey::Entry(Seq(6))));
    assert_eq!(row_of("── new"), None);
    assert_eq!(
        row_of("] polina"),
        Some(RowKey::Entry(Seq(7))),
        "the head belongs to the first message under it"
    );
    assert_eq!(row_of("  lines"), Some(RowKey::Entry(Seq(7))));
    assert_eq!(timeline::row_at(&stage.model, 0), None, "the title");
    assert_eq!(timeline::row_at(&stage.model, 23), None, "the status line");
}

#[test]
fn a_new_message_lays_out_no_other_row() {
    let mut stage = Stage::in_chat((120, 36));
    for seq in 5..500 {
        stage.live(said(
            seq,
            ["vera", "polina"][usize::from(seq % 3 == 0)],
            &format!("**number** {seq}"),
            600,
        ));
    }
    drawn(&stage);
    let laid = |stage: &Stage| stage.model.reading.rows.borrow().laid();
    let before = laid(&stage);
    drawn(&stage);
    drawn(&stage);
    assert_eq!(laid(&stage), before, "nothing has changed");
    stage.live(said(500, "vera", "one more", 601));
    drawn(&stage);
    assert_eq!(laid(&stage), before + 1, "only the new one");
    stage.live(amended(501, "polina", Amendment::Pin { seq: Seq(500), on: true }));
    drawn(&stage);
    assert!(laid(&stage) <= before + 2, "at most the one that changed");
    stage.model.theme = Theme::new(false);
    drawn(&stage);
    let after = laid(&stage);
    assert!((after - before) < 60, "another theme: what is near the view, not all 500: {}", after - before);
}

#[test]
fn what_is_kept_of_laid_out_rows_is_bounded() {
    let mut stage = Stage::in_chat((80, 24));
    for seq in 5..1_500 {
        stage.live(said(seq, "vera", "a\nb\nc\nd", 600 + i64::try_from(seq).expect("small") * 400));
    }
    for _ in 0..300 {
        scroll::page(&mut stage.model, -1);
        drawn(&stage);
    }
    let rows = stage.model.reading.rows.borrow();
    assert!(rows.laid() > 1_000, "{}", rows.laid());
    assert!(rows.lines() <= 2 * 2_048 + 64, "{}", rows.lines());
}

#[test]
fn a_spoiler_is_nowhere_on_the_screen_until_it_is_asked_for() {
    let mut stage = Stage::in_chat((80, 24));
    stage.live(said(5, "vera", "it was ||the butler||", 600));
    stage.live(post(6, "polina", "no!", 601, |post| post.in_reply_to = Some(Seq(5))));
    assert!(!stage.shows("butler") && stage.shows("it was ░░░ ░░░░░░"), "{}", stage.picture());
    reading::toggle_spoilers(&mut stage.model);
    assert!(stage.shows("it was the butler") && stage.shows("↪ vera: it was ░░░"), "{}", stage.picture());
    reading::toggle_spoilers(&mut stage.model);
    assert!(!stage.shows("butler"), "{}", stage.picture());
}

/// WeeChat #1252, nchat #187: an address that wraps could not be opened or copied.
#[test]
fn an_address_that_wraps_is_one_link_with_one_target() {
    let url = "https://example.org/a/very/long/path/that/does/not/fit/into/the/timeline/at/all?x=1&y=2";
    for size in [(40, 12), (80, 24), (120, 36)] {
        let mut stage = Stage::in_chat(size);
        stage.live(said(5, "vera", &format!("look: {url}, nice"), 600));
        let links = view::links(&stage.model);
        assert!(links.iter().all(|link| &*link.target == url), "{links:?}");
        let buffer = drawn(&stage);
        let mut text = String::new();
        for link in &links {
            text.extend((link.x..link.x + link.cells).map(|x| buffer[(x, link.y)].symbol().to_owned()));
        }
        assert_eq!(text, url, "its cells are the address, no more and no less, at {size:?}");
        let shown = output::apply(&links, &output::Shown::default(), &mut drawn(&stage));
        assert_eq!(shown.links.len(), url.len(), "each of them leads there");
    }
    let mut stage = Stage::in_chat((80, 24));
    stage.live(said(5, "vera", &format!("look: {url}, nice"), 600));
    reading::toggle_bare(&mut stage.model);
    assert!(stage.shows(&url[..60]), "alone it has the whole width: {}", stage.picture());
}

/// WeeChat #1861, nchat #9: emoji and joined sequences moved or broke the borders.
#[test]
fn emoji_of_every_kind_leave_the_borders_alone() {
    let nasty = "👨‍👩‍👧‍👦👍🏽🇩🇪❤\u{fe0f}🏴󠁧󠁢󠁥󠁮󠁧󠁿👩🏿‍🚒☺\u{fe0f}✈\u{fe0f}1\u{fe0f}\u{20e3}";
    for size in [(80, 24), (120, 36), (200, 50)] {
        let mut stage = Stage::in_chat(size);
        stage.live(said(5, "vera", &nasty.repeat(20), 600));
        let parts = layout::chat(&stage.model);
        let buffer = drawn(&stage);
        let (left, right) = (parts.channels.expect("a pane"), parts.participants.expect("a pane"));
        for y in left.top()..left.bottom() {
            assert_eq!(buffer[(left.right(), y)].symbol(), "│", "{}", stage.picture());
            assert_eq!(buffer[(right.x - 2, y)].symbol(), "│", "{}", stage.picture());
        }
    }
}

#[test]
fn a_name_that_could_be_anothers_has_a_sign() {
    let mut stage = Stage::in_chat((80, 24));
    stage.live(said(5, "vera", "it is me", 600));
    assert!(!stage.shows("≈"));
    stage.live(said(6, "vеra", "no, me", 1_000));
    assert!(stage.shows("vеra≈"), "the second letter is Cyrillic: {}", stage.picture());
    assert!(stage.shows("vera≈"), "which is which is the reader's to find out: {}", stage.picture());
}

#[test]
fn the_row_of_a_message_on_its_way_does_not_jump_when_it_arrives() {
    let mut stage = Stage::in_chat((80, 24));
    stage.live(said(5, "misha", "first", 0));
    stage.enter("second");
    let place = |stage: &Stage| stage.picture().lines().position(|line| line.contains("  second"));
    let (before, name) = (place(&stage), stage.last_nonce());
    assert!(stage.shows("  second … sending"), "{}", stage.picture());
    let mut entry = said(6, "misha", "second", 1);
    entry.nonce = Some(stage::nonce(name));
    stage.live(entry);
    assert_eq!(place(&stage), before, "{}", stage.picture());
    assert_eq!(stage.model.channel(ChannelId(1)).expect("a channel").outbox.len(), 0);
}
