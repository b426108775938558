//! Keys as values: one press with its modifiers, and several in a row, as people write them and as terminals send them.
//!
//! Owns the notation (`Ctrl-K`, `g g`, `Alt-W Left`), which is the same in the configuration, the help and the hints.
//!
//! Invariant: a chord is kept in one canonical form, so that two that a terminal cannot tell apart are equal.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Presses in one sequence at most: more than that nobody remembers.
pub const SEQUENCE_MAX: usize = 4;

/// One press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    modifiers: KeyModifiers,
    code: KeyCode,
}

/// Presses one after another; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sequence(Vec<Chord>);

/// Named keys: the name that is shown first, then others that are understood.
const NAMED: &[(KeyCode, &[&str])] = &[
    (KeyCode::Enter, &["Enter", "Return"]),
    (KeyCode::Esc, &["Esc", "Escape"]),
    (KeyCode::Tab, &["Tab"]),
    (KeyCode::BackTab, &["Shift-Tab", "BackTab"]),
    (KeyCode::Backspace, &["Backspace"]),
    (KeyCode::Delete, &["Del", "Delete"]),
    (KeyCode::Insert, &["Ins", "Insert"]),
    (KeyCode::Home, &["Home"]),
    (KeyCode::End, &["End"]),
    (KeyCode::PageUp, &["PgUp", "PageUp"]),
    (KeyCode::PageDown, &["PgDn", "PageDown"]),
    (KeyCode::Up, &["↑", "Up"]),
    (KeyCode::Down, &["↓", "Down"]),
    (KeyCode::Left, &["←", "Left"]),
    (KeyCode::Right, &["→", "Right"]),
    (KeyCode::Char(' '), &["Space"]),
];

const MODIFIERS: [(KeyModifiers, &str); 3] =
    [(KeyModifiers::CONTROL, "Ctrl-"), (KeyModifiers::ALT, "Alt-"), (KeyModifiers::SHIFT, "Shift-")];

impl Chord {
    /// What was pressed.
    pub fn of(key: &KeyEvent) -> Self {
        Self::canonical(key.modifiers, key.code)
    }

    /// A shifted character is another character already, and behind Ctrl or Alt terminals disagree about capitals.
    fn canonical(modifiers: KeyModifiers, code: KeyCode) -> Self {
        let mut modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let mut code = code;
        match code {
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                code = match c {
                    // One byte for all three, which the terminal library reads as the last of them.
                    '_' | '/' | '7' if modifiers.contains(KeyModifiers::CONTROL) => KeyCode::Char('_'),
                    _ if modifiers.is_empty() => code,
                    _ => KeyCode::Char(c.to_ascii_lowercase()),
                };
            }
            KeyCode::Tab if modifiers.contains(KeyModifiers::SHIFT) => {
                modifiers -= KeyModifiers::SHIFT;
                code = KeyCode::BackTab;
            }
            KeyCode::BackTab => modifiers -= KeyModifiers::SHIFT,
            _ => {}
        }
        Self { modifiers, code }
    }

    /// Whether it writes a character where one can write.
    pub fn is_printable(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && self.modifiers.is_empty()
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in MODIFIERS {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        if let Some((_, names)) = NAMED.iter().find(|(code, _)| *code == self.code) {
            return f.write_str(names[0]);
        }
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => write!(f, "{c}"),
            KeyCode::Char(c) => write!(f, "{}", c.to_ascii_uppercase()),
            KeyCode::F(number) => write!(f, "F{number}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// A text that names no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchKey(pub String);

impl FromStr for Chord {
    type Err = NoSuchKey;

    fn from_str(text: &str) -> Result<Self, NoSuchKey> {
        let (mut modifiers, mut rest) = (KeyModifiers::NONE, text);
        while let Some((modifier, name)) = MODIFIERS.iter().find(|(_, name)| starts_with(rest, name)) {
            // `Shift-Tab` is a key of its own, which the canonical form knows.
            modifiers |= *modifier;
            rest = &rest[name.len()..];
        }
        let named = NAMED.iter().find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(rest)));
        let mut chars = rest.chars();
        let code = match (named, chars.next(), chars.as_str()) {
            (Some((code, _)), _, _) => *code,
            (None, Some('F' | 'f'), number) if !number.is_empty() => match number.parse::<u8>() {
                Ok(number @ 1..=24) => KeyCode::F(number),
                _ => return Err(NoSuchKey(text.to_owned())),
            },
            (None, Some(c), "") if !c.is_control() => KeyCode::Char(c),
            _ => return Err(NoSuchKey(text.to_owned())),
        };
        Ok(Self::canonical(modifiers, code))
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    // The dash alone may be the key: `Ctrl--`.
    text.len() > prefix.len()
        && text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

impl Sequence {
    /// The presses.
    pub fn chords(&self) -> &[Chord] {
        &self.0
    }
}

impl FromStr for Sequence {
    type Err = NoSuchKey;

    fn from_str(text: &str) -> Result<Self, NoSuchKey> {
        let chords = text.split_whitespace().map(str::parse).collect::<Result<Vec<Chord>, _>>()?;
        if chords.is_empty() || chords.len() > SEQUENCE_MAX {
            return Err(NoSuchKey(text.to_owned()));
        }
        Ok(Self(chords))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(&self.0))
    }
}

/// Presses as people read them.
pub fn words(chords: &[Chord]) -> String {
    chords.iter().map(Chord::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(text: &str) -> Chord {
        text.parse().expect(text)
    }

    #[test]
    fn what_is_shown_is_understood() {
        for text in [
            "Ctrl-K",
            "Alt-1",
            "F12",
            "PgUp",
            "↑",
            "Ctrl-Alt-Del",
            "Shift-Tab",
            "g",
            "G",
            "?",
            "Space",
            "Ctrl--",
        ] {
            assert_eq!(chord(text).to_string(), text);
        }
        for (text, shown) in
            [("ctrl-k", "Ctrl-K"), ("Shift-g", "g"), ("up", "↑"), ("ESCAPE", "Esc"), ("f1", "F1"), ("f", "f")]
        {
            assert_eq!(chord(text).to_string(), shown, "{text}");
        }
        assert_eq!("Ctrl-x  Ctrl-S".parse::<Sequence>().expect("two").to_string(), "Ctrl-X Ctrl-S");
        for text in ["", "Ctrl-", "Hyper-X", "F0", "F25", "gg", "a b c d e"] {
            assert!(text.parse::<Sequence>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_terminals_send_is_what_is_meant() {
        let key = |code, modifiers| Chord::of(&KeyEvent::new(code, modifiers));
        assert_eq!(key(KeyCode::Char('K'), KeyModifiers::CONTROL | KeyModifiers::SHIFT), chord("Ctrl-K"));
        assert_eq!(key(KeyCode::Char('?'), KeyModifiers::SHIFT), chord("?"));
        assert_eq!(key(KeyCode::Char('G'), KeyModifiers::SHIFT), chord("G"));
        assert_ne!(key(KeyCode::Char('g'), KeyModifiers::NONE), chord("G"));
        assert_eq!(key(KeyCode::BackTab, KeyModifiers::SHIFT), chord("Shift-Tab"));
        assert_eq!(key(KeyCode::Tab, KeyModifiers::SHIFT), chord("Shift-Tab"));
        assert!(chord("g").is_printable() && !chord("Alt-G").is_printable() && !chord("F1").is_printable());
    }
}
