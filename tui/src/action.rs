//! Everything one can do, once: title, keys, slash command, and where it applies.
//!
//! Owns the registry from which the keymap, the help and the commands are made. It never performs an action:
//! [`crate::update`] does.
//!
//! Invariants: a key means one thing in a place; a command's name or alias belongs to one action.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Names an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the registry has a title for each")]
pub enum ActionId {
    Send,
    Newline,
    ScrollUp,
    ScrollDown,
    ScrollTop,
    ScrollEnd,
    Switcher,
    NextChannel,
    PreviousChannel,
    NumberedChannel,
    ToggleChannels,
    ToggleParticipants,
    Help,
    ConnectNow,
    Redraw,
    Suspend,
    Interrupt,
    Quit,
    Join,
    Create,
    Leave,
    Switch,
    List,
    Sessions,
    Who,
    History,
    Retry,
    Discard,
    Invite,
    Connections,
    Logout,
}

/// Where an action's keys work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On every screen.
    Anywhere,
    /// In the chat.
    Chat,
    /// In the chat, while nothing is written.
    EmptyComposer,
}

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    modifiers: KeyModifiers,
    code: KeyCode,
}

/// A command that is typed.
#[derive(Debug, Clone, Copy)]
pub struct Slash {
    /// Without the slash.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Its arguments, empty if it takes none.
    pub usage: &'static str,
}

/// One thing that one can do.
#[derive(Debug)]
pub struct Action {
    /// Its name in the program.
    pub id: ActionId,
    /// What it does, for people.
    pub title: &'static str,
    /// Its keys.
    pub keys: &'static [Chord],
    /// Where they work.
    pub place: Place,
    /// How it is typed.
    pub slash: Option<Slash>,
}

const fn plain(code: KeyCode) -> Chord {
    Chord { modifiers: KeyModifiers::NONE, code }
}

const fn ctrl(code: KeyCode) -> Chord {
    Chord { modifiers: KeyModifiers::CONTROL, code }
}

const fn alt(code: KeyCode) -> Chord {
    Chord { modifiers: KeyModifiers::ALT, code }
}

const fn shift(code: KeyCode) -> Chord {
    Chord { modifiers: KeyModifiers::SHIFT, code }
}

#[expect(clippy::unnecessary_wraps, reason = "the table's column is optional")]
const fn slash(name: &'static str, aliases: &'static [&'static str], usage: &'static str) -> Option<Slash> {
    Some(Slash { name, aliases, usage })
}

const fn action(
    id: ActionId,
    title: &'static str,
    place: Place,
    keys: &'static [Chord],
    slash: Option<Slash>,
) -> Action {
    Action { id, title, keys, place, slash }
}

use ActionId as Id;
use KeyCode::{Char, Down, End, Enter, F, Home, PageDown, PageUp, Up};
use Place::{Anywhere, Chat, EmptyComposer};

/// All actions, in the order of the help.
pub static ACTIONS: &[Action] = &[
    action(Id::Send, "send the message, or run the command", Chat, &[plain(Enter)], None),
    action(Id::Newline, "break the line", Chat, &[alt(Enter), shift(Enter), ctrl(Char('j'))], None),
    action(Id::ScrollUp, "scroll up", Chat, &[plain(PageUp)], None),
    action(Id::ScrollDown, "scroll down", Chat, &[plain(PageDown)], None),
    action(Id::ScrollTop, "to the oldest loaded message", Chat, &[ctrl(Home)], None),
    action(Id::ScrollTop, "the same, while nothing is written", EmptyComposer, &[plain(Home)], None),
    action(Id::ScrollEnd, "to the newest message", Chat, &[ctrl(End)], None),
    action(Id::ScrollEnd, "the same, while nothing is written", EmptyComposer, &[plain(End)], None),
    action(Id::Switcher, "find a channel by part of its name", Chat, &[ctrl(Char('k'))], None),
    action(Id::NextChannel, "next channel", Chat, &[alt(Down)], None),
    action(Id::PreviousChannel, "previous channel", Chat, &[alt(Up)], None),
    action(
        Id::NumberedChannel,
        "channel by its place",
        Chat,
        &[
            alt(Char('1')),
            alt(Char('2')),
            alt(Char('3')),
            alt(Char('4')),
            alt(Char('5')),
            alt(Char('6')),
            alt(Char('7')),
            alt(Char('8')),
            alt(Char('9')),
        ],
        None,
    ),
    action(Id::ToggleChannels, "show or hide the channels", Chat, &[plain(F(2))], None),
    action(Id::ToggleParticipants, "show or hide the participants", Chat, &[plain(F(3))], None),
    action(Id::Join, "join a channel and show it", Chat, &[], slash("join", &["connect"], "NAME")),
    action(Id::Create, "make a channel; you are its host", Chat, &[], slash("create", &["host"], "NAME")),
    action(Id::Leave, "leave the channel", Chat, &[], slash("leave", &["disconnect", "part"], "[NAME]")),
    action(Id::Switch, "show a channel you are in", Chat, &[], slash("switch", &["swap"], "NAME")),
    action(Id::List, "list what there is", Chat, &[], slash("list", &[], "channels|users")),
    action(Id::Sessions, "list the channels with size, age and host", Chat, &[], slash("sessions", &[], "")),
    action(Id::Who, "list the participants of the channel", Chat, &[], slash("who", &["participants"], "")),
    action(Id::History, "read older messages", Chat, &[], slash("history", &[], "[N]")),
    action(Id::Retry, "send a failed message again", Chat, &[], slash("retry", &[], "")),
    action(Id::Discard, "drop a failed message", Chat, &[], slash("discard", &[], "")),
    action(Id::Invite, "show the link with which others join", Chat, &[], slash("invite", &[], "")),
    action(
        Id::Connections,
        "list connections and sessions (for admins)",
        Chat,
        &[],
        slash("connections", &[], ""),
    ),
    action(Id::Logout, "log out, keep the connection", Chat, &[], slash("logout", &[], "")),
    action(Id::Help, "this help", Anywhere, &[plain(F(1))], slash("help", &["commands"], "")),
    action(Id::Help, "the same, while nothing is written", EmptyComposer, &[plain(Char('?'))], None),
    action(
        Id::ConnectNow,
        "connect now instead of waiting",
        Anywhere,
        &[plain(F(5))],
        slash("reconnect", &[], ""),
    ),
    action(Id::Redraw, "draw the screen anew", Anywhere, &[ctrl(Char('l'))], None),
    action(Id::Suspend, "suspend; the shell's fg comes back", Anywhere, &[ctrl(Char('z'))], None),
    action(Id::Interrupt, "quit, when pressed twice", Anywhere, &[ctrl(Char('c'))], None),
    action(Id::Quit, "quit", Anywhere, &[ctrl(Char('q'))], slash("quit", &["exit"], "")),
];

impl Chord {
    fn matches(self, key: &KeyEvent) -> bool {
        let modifiers = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        match (self.code, key.code) {
            // A shifted character is another character already.
            (Char(own), Char(pressed)) if self.modifiers == KeyModifiers::NONE => {
                own == pressed && (modifiers - KeyModifiers::SHIFT).is_empty()
            }
            (Char(own), Char(pressed)) => {
                own == pressed.to_ascii_lowercase() && modifiers - KeyModifiers::SHIFT == self.modifiers
            }
            (own, pressed) => own == pressed && modifiers == self.modifiers,
        }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "Ctrl-"), (KeyModifiers::ALT, "Alt-"), (KeyModifiers::SHIFT, "Shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match self.code {
            Char(c) => write!(f, "{}", c.to_ascii_uppercase()),
            F(number) => write!(f, "F{number}"),
            PageUp => f.write_str("PgUp"),
            PageDown => f.write_str("PgDn"),
            Up => f.write_str("↑"),
            Down => f.write_str("↓"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Action {
    /// Its keys as people read them.
    pub fn keys_text(&self) -> String {
        match self.keys {
            [first, .., last] if self.keys.len() > 3 => format!("{first} … {last}"),
            keys => keys.iter().map(Chord::to_string).collect::<Vec<_>>().join(", "),
        }
    }

    /// Its command as people type it.
    pub fn slash_text(&self) -> String {
        self.slash.map_or_else(String::new, |slash| {
            format!("/{} {}", slash.name, slash.usage).trim_end().to_owned()
        })
    }
}

/// What a key means on a screen; `composing` is whether something is written.
pub fn by_key(key: &KeyEvent, in_chat: bool, composing: bool) -> Option<ActionId> {
    let applies = |place| match place {
        Anywhere => true,
        Chat => in_chat,
        EmptyComposer => in_chat && !composing,
    };
    let found = ACTIONS
        .iter()
        .find(|action| applies(action.place) && action.keys.iter().any(|chord| chord.matches(key)));
    found.map(|action| action.id)
}

/// The action of a command, by name or alias.
pub fn by_name(name: &str) -> Option<&'static Action> {
    ACTIONS
        .iter()
        .find(|action| action.slash.is_some_and(|slash| slash.name == name || slash.aliases.contains(&name)))
}

/// The command that was probably meant.
pub fn closest(name: &str) -> Option<&'static str> {
    let names = ACTIONS
        .iter()
        .filter_map(|action| action.slash)
        .flat_map(|slash| std::iter::once(slash.name).chain(slash.aliases.iter().copied()));
    let (distance, best) =
        names.map(|known| (distance(name, known), known)).min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && distance < best.len()).then_some(best)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(ca != cb);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *ca == b[j - 1] && a[i - 1] == *cb {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_key_and_no_command_has_two_meanings() {
        let mut names = BTreeSet::new();
        for slash in ACTIONS.iter().filter_map(|action| action.slash) {
            for name in std::iter::once(&slash.name).chain(slash.aliases) {
                assert!(names.insert(*name), "/{name} twice");
            }
        }
        let mut keys = BTreeSet::new();
        for chord in ACTIONS.iter().flat_map(|action| action.keys) {
            assert!(keys.insert(chord.to_string()), "{chord} twice");
        }
    }

    #[test]
    fn finds_the_action_of_a_key() {
        let key = |code, modifiers| KeyEvent::new(code, modifiers);
        assert_eq!(
            by_key(&key(Char('K'), KeyModifiers::CONTROL | KeyModifiers::SHIFT), true, true),
            Some(Id::Switcher)
        );
        assert_eq!(by_key(&key(Char('k'), KeyModifiers::CONTROL), false, false), None);
        assert_eq!(by_key(&key(Char('?'), KeyModifiers::SHIFT), true, false), Some(Id::Help));
        assert_eq!(by_key(&key(Char('?'), KeyModifiers::NONE), true, true), None);
        assert_eq!(by_key(&key(Enter, KeyModifiers::NONE), true, true), Some(Id::Send));
        assert_eq!(by_key(&key(Enter, KeyModifiers::ALT), true, true), Some(Id::Newline));
        assert_eq!(by_key(&key(Char('5'), KeyModifiers::ALT), true, true), Some(Id::NumberedChannel));
    }

    #[test]
    fn guesses_what_was_meant() {
        assert_eq!(closest("jion"), Some("join"));
        assert_eq!(closest("conect"), Some("connect"));
        assert_eq!(closest("histroy"), Some("history"));
        assert_eq!(closest("etc"), None);
        assert_eq!(closest("zzzzzz"), None);
    }
}
