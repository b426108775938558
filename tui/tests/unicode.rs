//! Random Unicode at random sizes under random keys: nothing panics, nothing is drawn outside its pane, and no control byte of
//! anybody reaches the terminal.

mod stage;

use std::cell::RefCell;
use std::rc::Rc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mechat_protocol::{Body, ChannelId, Content, Emoji, Post, Reaction, Seq, Topic};
use mechat_tui::app::output::{self, Linked, Shown};
use mechat_tui::text::Policy;
use mechat_tui::text::policy::SAMPLES;
use mechat_tui::update::Event;
use mechat_tui::view::{self, layout};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::{Backend as _, TestBackend};
use ratatui::buffer::Buffer;
use stage::{Stage, account, entry};

/// A piece of text that has broken somebody's client.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z ]{1,12}",
        any::<char>().prop_map(String::from),
        // C0, DEL, C1.
        prop::char::ranges(vec!['\0'..='\u{1f}', '\u{7f}'..='\u{9f}'].into()).prop_map(String::from),
        // Marks, joiners, selectors, direction, tags.
        prop::char::ranges(
            vec![
                '\u{300}'..='\u{36f}',
                '\u{200b}'..='\u{200f}',
                '\u{202a}'..='\u{202e}',
                '\u{2060}'..='\u{206f}',
                '\u{fe00}'..='\u{fe0f}',
                '\u{e0020}'..='\u{e007f}',
                '\u{1f1e6}'..='\u{1f1ff}',
                '\u{1f3fb}'..='\u{1f3ff}',
                '\u{1f600}'..='\u{1f64f}',
                '\u{5d0}'..='\u{5ea}',
                '\u{621}'..='\u{64a}',
                '\u{900}'..='\u{97f}',
                '\u{1100}'..='\u{11ff}',
                '\u{ff61}'..='\u{ff9f}',
                '\u{2500}'..='\u{257f}',
            ]
            .into()
        )
        .prop_map(String::from),
        Just("👨‍👩‍👧‍👦".to_owned()),
        Just("🏴󠁧󠁢󠁥󠁮󠁧󠁿".to_owned()),
        Just("❤\u{fe0f}".to_owned()),
        Just("e\u{301}".repeat(30)),
        Just("x".repeat(300)),
        Just("日".repeat(90)),
        Just("\u{1b}[2J\u{1b}[31m".to_owned()),
        Just("\u{1b}]8;;https://evil\u{7}\u{1b}]0;title\u{1b}\\".to_owned()),
        Just("\u{1b}P+q\u{1b}\\\u{9c}".to_owned()),
        Just("https://example.org/a_b/\u{202e}x".to_owned()),
        Just("||**`".to_owned()),
        Just("\n> - 1. ".to_owned()),
        Just("\n```\n".to_owned()),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Message { sender: usize, text: String, reply: Option<u64>, emoji: Option<String>, edited: bool },
    Topic(String),
    Motd(String),
    Typed(String),
    Pasted(String),
    Key(KeyEvent),
    Resize(u16, u16),
}

const SENDERS: [&str; 6] = ["vera", "misha", "太郎", "מיכל", "Полина", "n1_.-x"];

fn key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        prop::sample::select(vec![
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Left,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::Tab,
            KeyCode::Backspace,
            KeyCode::F(1),
            KeyCode::F(2),
            KeyCode::F(3),
            KeyCode::F(4),
            KeyCode::F(7),
            KeyCode::F(8),
        ]),
        any::<char>().prop_map(KeyCode::Char),
    ];
    let modifiers = prop::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
        KeyModifiers::SHIFT,
    ]);
    (code, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..SENDERS.len(), nasty(), prop::option::of(1..60_u64), prop::option::of(nasty()), any::<bool>())
            .prop_map(|(sender, text, reply, emoji, edited)| Step::Message { sender, text, reply, emoji, edited }),
        1 => nasty().prop_map(Step::Topic),
        1 => nasty().prop_map(Step::Motd),
        2 => nasty().prop_map(Step::Typed),
        1 => nasty().prop_map(Step::Pasted),
        4 => key().prop_map(Step::Key),
        3 => (1_u16..=220, 1_u16..=60).prop_map(|(columns, rows)| Step::Resize(columns, rows)),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(ambiguous_wide, joins, flags, tones, presentation)| Policy {
            ambiguous_wide,
            joins,
            flags,
            tones,
            presentation,
        },
    )
}

fn take(stage: &mut Stage, seq: &mut u64, step: Step) {
    match step {
        Step::Message { sender, text, reply, emoji, edited } => {
            *seq += 1;
            let Ok(content) = Content::text(text) else { return };
            let mut post = Post::new(content, reply.map(Seq));
            post.edited_ms = edited.then_some(stage.model.now.wall);
            post.pinned = edited;
            if let Some(Ok(emoji)) = emoji.map(|emoji| Emoji::new(&emoji.chars().take(4).collect::<String>()))
            {
                post.reactions = vec![Reaction { emoji, by: vec![account("vera")] }];
            }
            stage.live(entry(1, *seq, SENDERS[sender], Body::Message(post)));
        }
        Step::Topic(text) => {
            if let (Ok(topic), Some(channel)) = (Topic::new(text), stage.model.channel_mut(ChannelId(1))) {
                channel.info.topic = topic;
            }
        }
        Step::Motd(text) => {
            if let Some(welcome) = &mut stage.model.welcome {
                welcome.motd = Some(text);
            }
        }
        Step::Typed(text) => {
            stage.type_text(&text);
        }
        Step::Pasted(text) => {
            stage.feed(Event::Paste(text));
        }
        Step::Key(key) => {
            stage.feed(Event::Key(key));
        }
        Step::Resize(columns, rows) => {
            stage.resize((columns, rows));
        }
    }
    stage.take();
}

fn drawn(stage: &Stage) -> Buffer {
    let (columns, rows) = stage.model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a backend");
    terminal.draw(|frame| view::view(&stage.model, frame)).expect("draws");
    terminal.backend().buffer().clone()
}

/// The bytes that a terminal would get for a whole picture.
fn bytes(stage: &Stage, buffer: &mut Buffer) -> Vec<u8> {
    let shown = output::apply(&view::links(&stage.model), &Shown::default(), buffer);
    let mut bytes = Vec::new();
    let mut backend = Linked::new(&mut bytes, Rc::new(RefCell::new(shown)));
    backend.draw(Buffer::empty(buffer.area).diff(buffer).into_iter()).expect("draws");
    bytes
}

/// What is left of the bytes without the sequences that we write ourselves: cursor, colours, links.
fn without_own_sequences(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let mut rest = text.as_str();
    let mut left = String::new();
    while let Some(at) = rest.find('\u{1b}') {
        left.push_str(&rest[..at]);
        let sequence = &rest[at..];
        let end = if let Some(link) = sequence.strip_prefix("\u{1b}]8;") {
            let end = link.find("\u{1b}\\").expect("a link's sequence ends");
            assert!(link[..end].bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", &link[..end]);
            "\u{1b}]8;".len() + end + 2
        } else {
            let parameters = sequence.strip_prefix("\u{1b}[").expect("a control sequence");
            let end = parameters.find(|c: char| !matches!(c, '0'..='9' | ';')).expect("its end");
            assert!(
                matches!(parameters.as_bytes()[end], b'H' | b'm'),
                "only cursor and colours: {sequence:.20?}"
            );
            end + 3
        };
        rest = &sequence[end..];
    }
    left + rest
}

/// Between the panes stand their lines in every row; and nothing beside them.
fn borders_are_intact(stage: &Stage, symbol: impl Fn(u16, u16) -> String, rule: &str, gaps: bool) {
    let parts = layout::chat(&stage.model);
    let covered = stage.model.overlay.is_some() || stage.model.trust.is_some();
    if layout::is_narrow(stage.model.size) || !layout::fits(stage.model.size) || covered {
        return;
    }
    let left = parts.channels.map(|area| (area, area.right(), vec![area.right() + 1]));
    let right = parts.participants.map(|area| (area, area.x - 2, vec![area.x - 3, area.x - 1]));
    for (area, x, beside) in [left, right].into_iter().flatten() {
        for y in area.top()..area.bottom() {
            assert_eq!(symbol(x, y), rule, "column {x}, row {y} of {:?}", stage.model.size);
            for gap in beside.iter().filter(|_| gaps) {
                let between = symbol(*gap, y);
                assert!(between.trim().is_empty(), "{between:?} in column {gap}, row {y}");
            }
        }
    }
}

fn terminal(columns: u16, rows: u16) -> vt100::Parser {
    let size = |n: u16| std::num::NonZeroU16::new(n).expect("not zero");
    vt100::Parser::new(size(rows), size(columns), 0)
}

/// What that other program does, as it answers our own questions.
fn its_policy() -> Policy {
    let widths = SAMPLES.map(|sample| {
        let mut parser = terminal(80, 24);
        parser.process(sample.as_bytes());
        parser.screen().cursor_position().1
    });
    Policy::from_widths(widths)
}

fn check(stage: &Stage) {
    let mut buffer = drawn(stage);
    let wide = Policy::in_force().ambiguous_wide;
    let symbol = |x: u16, y: u16| buffer[(x, y)].symbol().trim_end_matches('\u{200e}').to_owned();
    borders_are_intact(stage, symbol, if wide { "|" } else { "│" }, true);
    let bytes = bytes(stage, &mut buffer);
    let left = without_own_sequences(&bytes);
    let bad = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!left.contains(bad), "{left:?}");
    if wide {
        return;
    }
    // Another program's idea of widths: the lines stand whatever we believe of it, and nothing spills once it was asked.
    let (columns, rows) = stage.model.size;
    let mut parser = terminal(columns, rows);
    parser.process(&bytes);
    let seen = |x: u16, y: u16| {
        let cell = parser.screen().cell(y, x).expect("a cell");
        cell.contents().trim_end_matches('\u{200e}').to_owned()
    };
    borders_are_intact(stage, seen, "│", Policy::in_force() == its_policy());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_unicode_at_random_sizes_under_random_keys(
        policy in policy(),
        whose in 0..3,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let policy = match whose {
            0 => Policy::default(),
            1 => its_policy(),
            _ => policy,
        };
        policy.put_in_force();
        let mut stage = Stage::in_chat((80, 24));
        let mut seq = 4;
        for step in steps {
            take(&mut stage, &mut seq, step);
            check(&stage);
        }
    }
}

/// Every character that means anything, by itself, on the screen: it keeps to its cells and has no effect.
#[test]
fn every_character_keeps_to_its_place() {
    let mut stage = Stage::in_chat((200, 50));
    let all: Vec<char> =
        ('\0'..='\u{2ffff}').chain('\u{e0000}'..='\u{e0fff}').filter(|c| *c != '\n').collect();
    for (number, part) in all.chunks(1_200).enumerate() {
        let text: String = part.iter().flat_map(|c| [*c, ' ']).collect();
        let seq = 5 + u64::try_from(number).expect("small");
        let content = Content::text(text).expect("a text");
        stage.live(entry(1, seq, "vera", Body::said(content, None)));
        check(&stage);
    }
}

/// The other program draws each member of a family: once it was asked, so do we, and nothing spills.
#[test]
fn a_terminal_that_was_asked_is_drawn_by_its_own_rule() {
    let policy = its_policy();
    assert_ne!(policy, Policy::default(), "the other program composes no families");
    policy.put_in_force();
    for shift in 0..8 {
        let mut stage = Stage::in_chat((80, 24));
        let text = format!("{}{}", "x".repeat(shift), "👨‍👩‍👧‍👦".repeat(40));
        stage.live(entry(1, 5, "vera", Body::said(Content::text(text).expect("a text"), None)));
        check(&stage);
    }
}
