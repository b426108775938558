//! Whatever is pressed and whatever comes, at whatever size: nothing panics, and what must hold holds.

mod stage;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEventKind};
use mechat_certs::TrustError;
use mechat_client::event::{Link, SignedOut};
use mechat_client::{Event as ClientEvent, OutboxState, RequestKind};
use mechat_protocol::reply::ErrorReply;
use mechat_protocol::{Body, ChannelId, Content, ErrorCode};
use mechat_tui::update::Event;
use stage::{
    Stage, account, entry, fingerprint, info, message, nonce, older, person, said, signed_in, welcome,
};

/// Steele and Vigna's `SplitMix64`: a seed names a run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = self.roll(from.len() as u64);
        from[usize::try_from(index).expect("an index")]
    }
}

const TEXTS: [&str; 8] = [
    "hello",
    "日本語 wide",
    "👨‍👩‍👧‍👦👍🏽🇩🇪",
    "\u{1b}[31m\u{202e}x\u{7}",
    "a\nb\n\nc\td",
    "https://example.org/a/very/long/link/that/does/not/fit/into/any/narrow/window/at/all?x=1",
    "e\u{301}e\u{301}\u{301}\u{301}",
    "/join random",
];

const CODES: [KeyCode; 17] = [
    KeyCode::F(4),
    KeyCode::Enter,
    KeyCode::Esc,
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::Left,
    KeyCode::Right,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::Tab,
    KeyCode::BackTab,
    KeyCode::Backspace,
    KeyCode::Delete,
    KeyCode::F(1),
    KeyCode::F(3),
];

const LETTERS: [char; 18] =
    ['a', 'k', 'j', 'y', 'n', '1', '2', '3', '/', '?', '日', 'u', 'w', '#', 'g', 'x', 'p', 'i'];

fn press(stage: &mut Stage, dice: &mut Dice) {
    let modifiers = dice.pick(&[
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
        KeyModifiers::SHIFT,
    ]);
    let code = if dice.roll(2) == 0 { dice.pick(&CODES) } else { KeyCode::Char(dice.pick(&LETTERS)) };
    stage.chord(modifiers, code);
}

fn point(stage: &mut Stage, dice: &mut Dice) {
    let kind = dice.pick(&[
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Drag(MouseButton::Left),
        MouseEventKind::Up(MouseButton::Left),
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
    ]);
    let (columns, rows) = stage.model.size;
    let x = u16::try_from(dice.roll(u64::from(columns) + 2)).expect("small");
    let y = u16::try_from(dice.roll(u64::from(rows) + 2)).expect("small");
    stage.mouse(kind, x, y);
}

fn relay_says(stage: &mut Stage, dice: &mut Dice, seqs: &mut [u64; 4]) {
    let id = dice.roll(4);
    let at = usize::try_from(id).expect("an index");
    let name = dice.pick(&["misha", "vera", "polina", "太郎"]);
    match dice.roll(18) {
        0 => stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) })),
        1 => stage.client(ClientEvent::Welcome(welcome())),
        2 => stage.client(ClientEvent::SignedIn(signed_in(dice.pick(&["misha", "misha", "misha", "vera"])))),
        3 => {
            stage.client(ClientEvent::SignedOut(dice.pick(&[SignedOut::LoggedOut, SignedOut::TokenRefused])))
        }
        4 => stage.client(ClientEvent::Link(Link::Down {
            reason: dice.pick(&TEXTS).into(),
            close: None,
            attempt: 1,
            retry_in: Duration::from_millis(dice.roll(9_000)),
        })),
        5 => stage.client(ClientEvent::Left(ChannelId(id))),
        6 => stage.client(ClientEvent::Reset(ChannelId(id))),
        7 => {
            let first = dice.roll(40);
            let entries =
                (first..first + dice.roll(30)).map(|seq| message(id, seq, name, dice.pick(&TEXTS))).collect();
            stage.client(older(ChannelId(id), entries, dice.roll(2) == 0))
        }
        8 => stage.client(ClientEvent::Participants {
            channel: Some(ChannelId(id)),
            participants: vec![person(name, true), person("ivan", false)],
        }),
        9 => stage.client(ClientEvent::Channels(vec![info(id, "random", 3, 9, dice.roll(2) == 0)])),
        10 | 11 => stage.client(ClientEvent::Joined(info(
            id,
            dice.pick(&["lobby", "rust", "random", "страна"]),
            2,
            seqs[at],
            true,
        ))),
        12 => {
            let state = OutboxState::Pending(said(Content::text("mine").expect("a text")));
            stage.outbox(u128::from(dice.roll(4_000)), id, state)
        }
        13 => stage.outbox(
            u128::from(dice.roll(4_000)),
            id,
            OutboxState::Failed(ErrorReply::new(None, ErrorCode::Forbidden, dice.pick(&TEXTS))),
        ),
        14 => {
            let request = dice.pick(&[
                RequestKind::Register,
                RequestKind::Login,
                RequestKind::Join,
                RequestKind::ReadHistory,
            ]);
            let code =
                dice.pick(&[ErrorCode::NameTaken, ErrorCode::InvalidCredentials, ErrorCode::NoSuchChannel]);
            stage.client(ClientEvent::Refused {
                request,
                error: ErrorReply::new(None, code, dice.pick(&TEXTS)),
            })
        }
        15 => stage.client(ClientEvent::Link(Link::Untrusted(TrustError::Unknown { seen: fingerprint(3) }))),
        _ => {
            seqs[at] += 1;
            somebody_acts(stage, dice, id, seqs[at], name)
        }
    };
}

fn somebody_acts<'a>(stage: &'a mut Stage, dice: &mut Dice, id: u64, seq: u64, name: &str) -> &'a mut Stage {
    let mut entry = match dice.roll(6) {
        0 => entry(id, seq, name, Body::Joined),
        1 => entry(id, seq, name, Body::Left),
        _ => message(id, seq, name, dice.pick(&TEXTS)),
    };
    entry.nonce = Some(nonce(u128::from(dice.roll(4_000))));
    stage.live(entry)
}

fn index(seed: u64) -> usize {
    usize::try_from(seed % 3).expect("an index")
}

fn check(stage: &Stage, seed: u64, step: u64) {
    let picture = stage.picture();
    let harmless = |c: char| c == '\n' || !(c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(picture.chars().all(harmless), "seed {seed} step {step}: {picture:?}");
    for channel in &stage.model.channels {
        let ascending = channel.entries.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        assert!(ascending, "seed {seed} step {step}");
    }
    let joined = stage.model.current.is_none_or(|id| stage.model.channel(id).is_some());
    assert!(joined, "seed {seed} step {step}: the channel in view is a joined one");
}

#[test]
fn nothing_panics_and_the_invariants_hold() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mut stage = if seed % 3 == 0 { Stage::new((80, 24)) } else { Stage::in_chat((80, 24)) };
        stage.configure(
            ["", "preset = \"vim\"\nascii = true", "preset = \"emacs\"\ntheme = \"nord\""][index(seed)],
        );
        let mut seqs = [4_u64; 4];
        for step in 0..400 {
            match dice.roll(10) {
                0 => {
                    let columns = u16::try_from(1 + dice.roll(210)).expect("small");
                    let rows = u16::try_from(1 + dice.roll(60)).expect("small");
                    stage.resize((columns, rows));
                }
                1 => {
                    let text = dice.pick(&TEXTS);
                    stage.feed(Event::Paste(text.into()));
                }
                2..=5 => relay_says(&mut stage, &mut dice, &mut seqs),
                6 => {
                    stage.wait(Duration::from_millis(dice.roll(3_000)));
                }
                7 => point(&mut stage, &mut dice),
                _ => press(&mut stage, &mut dice),
            }
            stage.take();
            check(&stage, seed, step);
        }
    }
    let _ = account("vera");
}
