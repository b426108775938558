//! Pastes of terminals that do not say so.
//!
//! Owns telling typed keys from keys that come faster than anybody types: an Enter among those is held back for a moment, and if more
//! follows, it is a line break of one paste. It is pure: the time of each key is an argument.
//!
//! Invariants: no key is lost or changes its place; nothing but Enter is ever held back, and that no longer than `HELD_MAX`; once
//! the terminal has marked a paste as one, keys are keys.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Time between two keys of a burst, at most.
const GAP_MAX: Duration = Duration::from_millis(5);
/// How long an Enter at the end of a burst waits for what follows.
const HELD_MAX: Duration = Duration::from_millis(20);

/// The keys of the last moments.
#[derive(Debug, Default)]
pub struct Burst {
    /// When the last key came.
    last: Option<Duration>,
    /// An Enter that waits, and when it came.
    held: Option<(Duration, KeyEvent)>,
    /// Whether a line break of this burst was one of a paste.
    pasting: bool,
    /// Whether the terminal marks pastes.
    marked: bool,
}

impl Burst {
    /// Takes what the terminal said at a time; yields what it means, in order.
    pub fn feed(&mut self, at: Duration, event: Event) -> Vec<Event> {
        let mut meant = self.due(at);
        let Event::Key(key) = event else {
            self.marked |= matches!(event, Event::Paste(_));
            meant.extend(self.held.take().map(|(_, key)| Event::Key(key)));
            meant.push(event);
            return meant;
        };
        if key.kind == KeyEventKind::Release {
            meant.push(event);
            return meant;
        }
        let follows = self.last.is_some_and(|last| at.saturating_sub(last) <= GAP_MAX);
        self.last = Some(at);
        if !follows {
            self.pasting = false;
        }
        let typed = typed(&key);
        if let Some((_, held)) = self.held.take() {
            self.pasting |= follows && typed;
            meant.push(if self.pasting { line_break() } else { Event::Key(held) });
        }
        if typed && key.code == KeyCode::Enter && follows && !self.marked {
            self.held = Some((at, key));
        } else {
            meant.push(Event::Key(key));
        }
        meant
    }

    /// When an Enter has waited long enough.
    pub fn deadline(&self) -> Option<Duration> {
        self.held.map(|(at, _)| at + HELD_MAX)
    }

    /// What an Enter means that has waited long enough: the end of a paste of several lines sends nothing.
    pub fn due(&mut self, now: Duration) -> Vec<Event> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        let held = self.held.take().map(|(_, key)| if self.pasting { line_break() } else { Event::Key(key) });
        self.pasting = false;
        held.into_iter().collect()
    }
}

fn line_break() -> Event {
    Event::Paste("\n".to_owned())
}

/// Whether a key is one that a paste consists of.
fn typed(key: &KeyEvent) -> bool {
    let plain = (key.modifiers - KeyModifiers::SHIFT).is_empty();
    plain && matches!(key.code, KeyCode::Char(_) | KeyCode::Enter | KeyCode::Tab)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds characters so many microseconds apart; yields what they mean as a text: `⏎` sends, `␊` breaks the line.
    fn fed(burst: &mut Burst, text: &str, apart_us: u64) -> String {
        let mut at = burst.last.unwrap_or_default() + Duration::from_secs(1);
        let mut meant = Vec::new();
        for c in text.chars() {
            let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
            meant.extend(burst.feed(at, Event::Key(KeyEvent::new(code, KeyModifiers::NONE))));
            at += Duration::from_micros(apart_us);
        }
        meant.extend(burst.due(at + HELD_MAX));
        meant.iter().map(shown).collect()
    }

    fn shown(event: &Event) -> String {
        match event {
            Event::Key(key) if key.code == KeyCode::Enter => "⏎".to_owned(),
            Event::Key(KeyEvent { code: KeyCode::Char(c), .. }) => c.to_string(),
            Event::Paste(text) if text == "\n" => "␊".to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_paste_that_the_terminal_does_not_mark_sends_nothing() {
        for (text, apart_us, meant) in [
            ("one\ntwo\nthree", 100, "one␊two␊three"),
            ("one\ntwo\n", 100, "one␊two␊"),
            ("one\n\n\ntwo", 0, "one␊␊␊two"),
            ("hello\n", 100, "hello⏎"),
            ("hello\nyou\n", 50_000, "hello⏎you⏎"),
            ("\n", 0, "⏎"),
        ] {
            assert_eq!(fed(&mut Burst::default(), text, apart_us), meant, "{text:?} {apart_us}");
        }
    }

    #[test]
    fn an_enter_is_held_no_longer_than_a_moment() {
        let mut burst = Burst::default();
        let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(burst.feed(Duration::ZERO, key(KeyCode::Char('x'))).len(), 1);
        assert_eq!(burst.feed(Duration::from_millis(1), key(KeyCode::Enter)).len(), 0);
        let deadline = burst.deadline().expect("held");
        assert!(burst.due(deadline.saturating_sub(Duration::from_micros(1))).is_empty());
        assert_eq!(burst.due(deadline).iter().map(shown).collect::<String>(), "⏎");
        assert_eq!(burst.deadline(), None);
    }

    #[test]
    fn what_comes_between_keeps_its_place() {
        let mut burst = Burst::default();
        let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        burst.feed(Duration::ZERO, key(KeyCode::Char('x')));
        burst.feed(Duration::ZERO, key(KeyCode::Enter));
        let meant = burst.feed(Duration::ZERO, Event::Resize(1, 1));
        assert!(matches!(meant.as_slice(), [Event::Key(_), Event::Resize(1, 1)]), "{meant:?}");
        burst.feed(Duration::ZERO, key(KeyCode::Enter));
        let meant = burst.feed(Duration::ZERO, key(KeyCode::F(1)));
        assert!(
            matches!(meant.as_slice(), [Event::Key(_), Event::Key(_)]),
            "an action is no paste: {meant:?}"
        );
    }

    #[test]
    fn a_terminal_that_marks_pastes_is_believed() {
        let mut burst = Burst::default();
        burst.feed(Duration::ZERO, Event::Paste("x\ny".to_owned()));
        assert_eq!(fed(&mut burst, "a\nb\n", 0), "a⏎b⏎");
    }
}
