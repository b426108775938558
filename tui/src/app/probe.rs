//! Asking the terminal how wide it draws what terminals differ in.
//!
//! Owns writing the questions and waiting for the answers, a limited time and never on the thread that draws. What they mean
//! is [`text::policy`](crate::text::policy)'s. What is typed meanwhile is handed on as if nothing had been asked.
//!
//! A terminal that is slow or says nothing keeps the default; an answer that comes late is ignored by the terminal library.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use crate::text::Policy;
use crate::text::policy::{Answers, questions};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_millis(200);

/// A terminal that was asked; whoever reads it waits for the answers first.
#[derive(Debug)]
pub struct Probe(SyncSender<Policy>);

/// Where the answers come, for whoever draws.
pub type Told = Receiver<Policy>;

/// Asks, before the first picture covers the line; `None` if nobody is there to answer.
pub fn ask() -> io::Result<Option<(Probe, Told)>> {
    if !cfg!(unix) || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Ok(None);
    }
    let mut out = io::stdout();
    out.write_all(questions().as_bytes())?;
    out.flush()?;
    // One answer, and room for it.
    let (tell, told) = sync_channel(1);
    Ok(Some((Probe(tell), told)))
}

impl Probe {
    /// Waits for the answers and tells them. Returns what was typed meanwhile, and what makes the screen be drawn anew if it
    /// was drawn by another rule.
    pub fn answers(self) -> Vec<Event> {
        let deadline = Instant::now() + LIMIT;
        let mut answers = Answers::default();
        while !answers.are_complete() {
            match read_until(deadline) {
                Ok(Some(bytes)) => answers.take(&bytes),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "the terminal was not asked for its widths");
                    break;
                }
            }
        }
        let (policy, others) = answers.finish();
        let mut first = Vec::new();
        if let Some(policy) = policy.filter(|policy| *policy != Policy::default())
            && self.0.try_send(policy).is_ok()
            && let Ok((columns, rows)) = crossterm::terminal::size()
        {
            first.push(Event::Resize(columns, rows));
        }
        first.extend(events(&others));
        first
    }
}

/// What the terminal sends next; `None` at the deadline or at its end.
#[cfg(unix)]
fn read_until(deadline: Instant) -> io::Result<Option<Vec<u8>>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stdin = io::stdin();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, Some(&left)) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            // A resize interrupts the wait.
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut bytes = vec![0; 1_024];
    let len = rustix::io::read(&stdin, &mut bytes)?;
    bytes.truncate(len);
    Ok((len > 0).then_some(bytes))
}

/// Nobody was asked.
#[cfg(not(unix))]
fn read_until(_deadline: Instant) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

/// Bytes that were typed, as the terminal library would read them; sequences of keys that a start has no use for are dropped.
fn events(bytes: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(bytes);
    let mut events = Vec::new();
    let mut rest = &*text;
    while let Some(first) = rest.chars().next() {
        let (event, len) = match rest.strip_prefix('\u{1b}') {
            Some(behind) => escape(behind),
            None => (Some(key(first, KeyModifiers::NONE)), first.len_utf8()),
        };
        events.extend(event);
        rest = &rest[len..];
    }
    events
}

/// What an escape character and the text behind it say, and how many bytes they are.
fn escape(behind: &str) -> (Option<Event>, usize) {
    const PASTE: (&str, &str) = ("[200~", "\u{1b}[201~");
    if let Some(pasted) = behind.strip_prefix(PASTE.0) {
        let (text, end) = pasted.split_once(PASTE.1).map_or((pasted, 0), |(text, _)| (text, PASTE.1.len()));
        return (Some(Event::Paste(text.to_owned())), 1 + PASTE.0.len() + text.len() + end);
    }
    let plain = |code| Some(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    if let Some(function @ 'P'..='S') = behind.strip_prefix('O').and_then(|rest| rest.chars().next()) {
        let number = u8::try_from(function).unwrap_or_default() - b'P' + 1;
        return (plain(KeyCode::F(number)), 3);
    }
    let Some(sequence) = behind.strip_prefix('[') else {
        let Some(c) = behind.chars().next().filter(|c| !c.is_control()) else {
            return (plain(KeyCode::Esc), 1);
        };
        return (Some(key(c, KeyModifiers::ALT)), 1 + c.len_utf8());
    };
    let parameters =
        sequence.find(|c: char| !matches!(c, '0'..='9' | ';' | ':' | '?' | '<')).unwrap_or(sequence.len());
    let Some(last) = sequence[parameters..].chars().next() else { return (None, 1 + behind.len()) };
    let len = 2 + parameters + last.len_utf8();
    let event = match last {
        'A' => plain(KeyCode::Up),
        'B' => plain(KeyCode::Down),
        'C' => plain(KeyCode::Right),
        'D' => plain(KeyCode::Left),
        'H' => plain(KeyCode::Home),
        'F' => plain(KeyCode::End),
        'I' => Some(Event::FocusGained),
        'O' => Some(Event::FocusLost),
        '~' => numbered_key(&sequence[..parameters]).and_then(plain),
        'u' => unicode_key(&sequence[..parameters]),
        _ => None,
    };
    (event, len)
}

/// `NUMBER ~`: keys of the VT220 and the function keys of xterm.
fn numbered_key(number: &str) -> Option<KeyCode> {
    let code = match number.parse::<u8>().ok()? {
        1 | 7 => KeyCode::Home,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        number @ 11..=15 => KeyCode::F(number - 10),
        number @ 17..=21 => KeyCode::F(number - 11),
        number @ 23..=24 => KeyCode::F(number - 12),
        _ => return None,
    };
    Some(code)
}

/// `CODE ; MODIFIERS u`, of the kitty keyboard protocol.
fn unicode_key(parameters: &str) -> Option<Event> {
    let mut numbers = parameters.split(';').map(|number| number.split(':').next().unwrap_or_default());
    let c = char::from_u32(numbers.next()?.parse().ok()?)?;
    let bits = numbers.next().map_or(Some(1), |number| number.parse::<u8>().ok())?.saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)] {
        if bits & bit != 0 {
            modifiers |= modifier;
        }
    }
    Some(key(c, modifiers))
}

fn key(c: char, modifiers: KeyModifiers) -> Event {
    let (code, more) = match c {
        '\r' => (KeyCode::Enter, KeyModifiers::NONE),
        '\t' => (KeyCode::Tab, KeyModifiers::NONE),
        '\u{1b}' => (KeyCode::Esc, KeyModifiers::NONE),
        '\u{7f}' => (KeyCode::Backspace, KeyModifiers::NONE),
        '\u{1}'..='\u{1a}' => {
            (KeyCode::Char(char::from(b'`' + u8::try_from(c).unwrap_or_default())), KeyModifiers::CONTROL)
        }
        c => (KeyCode::Char(c), KeyModifiers::NONE),
    };
    Event::Key(KeyEvent::new(code, modifiers | more))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn what_is_typed_before_the_answers_is_not_lost() {
        let plain = KeyModifiers::NONE;
        assert_eq!(
            events("hé\r\u{3}\u{1b}[A\u{1b}x\u{7f}\u{1b}".as_bytes()),
            [
                pressed(KeyCode::Char('h'), plain),
                pressed(KeyCode::Char('é'), plain),
                pressed(KeyCode::Enter, plain),
                pressed(KeyCode::Char('c'), KeyModifiers::CONTROL),
                pressed(KeyCode::Up, plain),
                pressed(KeyCode::Char('x'), KeyModifiers::ALT),
                pressed(KeyCode::Backspace, plain),
                pressed(KeyCode::Esc, plain),
            ]
        );
    }

    #[test]
    fn a_paste_is_one_event_and_its_line_breaks_press_nothing() {
        assert_eq!(
            events(b"\x1b[200~a\rb\x1b[201~c"),
            [Event::Paste("a\rb".to_owned()), pressed(KeyCode::Char('c'), KeyModifiers::NONE)]
        );
        assert_eq!(events(b"\x1b[200~cut"), [Event::Paste("cut".to_owned())]);
    }

    #[test]
    fn keys_of_every_protocol_are_known_and_reports_are_dropped() {
        assert_eq!(
            events(b"\x1b[I\x1bOP\x1b[17~\x1b[6~\x1b[107;5u\x1b[13u\x1b[?62;4c\x1b[<0;3;4M"),
            [
                Event::FocusGained,
                pressed(KeyCode::F(1), KeyModifiers::NONE),
                pressed(KeyCode::F(6), KeyModifiers::NONE),
                pressed(KeyCode::PageDown, KeyModifiers::NONE),
                pressed(KeyCode::Char('k'), KeyModifiers::CONTROL),
                pressed(KeyCode::Enter, KeyModifiers::NONE)
            ]
        );
        assert_eq!(events(b"\x1b[12;"), []);
    }
}
