//! Everything one can do, once: name, title, keys, slash command, and where it applies.
//!
//! Owns the registry from which keymap, help, palette, hints and commands are made. It never performs an action:
//! [`crate::update`] does.
//!
//! Invariants: an action stands here once; its name and each of its commands belong to it alone; in a preset a key means one
//! thing in a place.

pub mod chord;
pub mod keymap;
pub mod preset;
mod table;

pub use chord::{Chord, Sequence};
pub use keymap::{Context, Found, Keymap, Mode, Place, Preset};
pub use table::ACTIONS;

/// Names an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the registry has a title for each")]
pub enum ActionId {
    Send,
    Newline,
    Reply,
    Editor,
    Dismiss,
    CursorLeft,
    CursorRight,
    CursorUp,
    CursorDown,
    WordLeft,
    WordRight,
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    DeleteBack,
    DeleteForward,
    KillWordBack,
    KillWordForward,
    KillToStart,
    KillToEnd,
    Yank,
    YankOlder,
    Undo,
    Redo,
    SaidBefore,
    SaidAfter,
    ScrollUp,
    ScrollDown,
    LineUp,
    LineDown,
    ScrollTop,
    ScrollEnd,
    Palette,
    Switcher,
    NextChannel,
    PreviousChannel,
    NextUnread,
    FirstUnread,
    NextMention,
    MarkAllRead,
    NumberedChannel,
    ToggleChannels,
    ToggleParticipants,
    ToggleBare,
    ToggleSpoilers,
    WidenChannels,
    NarrowChannels,
    WidenParticipants,
    NarrowParticipants,
    ResetPanes,
    Themes,
    NormalMode,
    InsertMode,
    Help,
    Configuration,
    Reload,
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
    Select,
    SelectUp,
    SelectDown,
    Actions,
    Change,
    Delete,
    React,
    TogglePin,
    CopyText,
    CopyLink,
    OpenLink,
    ToQuoted,
    Thread,
    Search,
    SearchAll,
    Pins,
    Inbox,
    Topic,
    Mute,
    Notify,
    Profile,
    Invite,
    Connections,
    Logout,
}

/// What belongs together in help and palette, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each has a title")]
pub enum Group {
    Writing,
    Reading,
    Messages,
    Channels,
    People,
    Looks,
    Program,
    Editing,
}

impl Group {
    /// In the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Writing,
        Self::Reading,
        Self::Messages,
        Self::Channels,
        Self::People,
        Self::Looks,
        Self::Program,
        Self::Editing,
    ];

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Writing => "Writing",
            Self::Editing => "Editing the text",
            Self::Reading => "Reading",
            Self::Messages => "Doing something with a message",
            Self::Channels => "Channels",
            Self::People => "People",
            Self::Looks => "Looks and panes",
            Self::Program => "Program",
        }
    }
}

/// What a command's argument names, so that it can be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Any channel one knows of.
    Channel,
    /// A channel one is in.
    Joined,
    /// Somebody.
    Person,
    /// A command.
    Command,
    /// A theme.
    Theme,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number.
    Count,
    /// Whatever one writes.
    Text,
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
    /// What they are. A command without any refuses whatever stands behind it.
    pub arguments: &'static [Argument],
}

/// One thing that one can do.
#[derive(Debug)]
pub struct Action {
    /// Its name in the program.
    pub id: ActionId,
    /// Its name in the configuration; never changes.
    pub name: &'static str,
    /// What it does, for people.
    pub title: &'static str,
    /// What it belongs to.
    pub group: Group,
    /// Its keys in the default preset, in the configuration's notation.
    pub keys: &'static [&'static str],
    /// Where they work.
    pub place: Place,
    /// How it is typed.
    pub slash: Option<Slash>,
}

impl Action {
    /// Its command as people type it; empty if there is none.
    pub fn slash_text(&self) -> String {
        self.slash.map_or_else(String::new, |slash| {
            format!("/{} {}", slash.name, slash.usage).trim_end().to_owned()
        })
    }
}

impl ActionId {
    /// Its row in the registry.
    ///
    /// # Panics
    /// Never: a test sees that every action has its row.
    pub fn action(self) -> &'static Action {
        let found = ACTIONS.iter().find(|action| action.id == self);
        found.expect("a test sees that every action has its row")
    }
}

/// The action of a command, by name or alias.
pub fn by_command(name: &str) -> Option<&'static Action> {
    let is = |slash: Slash| slash.name == name || slash.aliases.contains(&name);
    ACTIONS.iter().find(|action| action.slash.is_some_and(is))
}

/// The action that the configuration calls so.
pub fn by_name(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// The command that was probably meant.
pub fn closest_command(name: &str) -> Option<&'static str> {
    let slashes = ACTIONS.iter().filter_map(|action| action.slash);
    closest(name, slashes.flat_map(|slash| std::iter::once(slash.name).chain(slash.aliases.iter().copied())))
}

/// Of what is known, what was probably meant.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|known| (distance(name, known), known));
    let (distance, best) = distances.min_by_key(|(distance, _)| *distance)?;
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
    fn no_name_and_no_command_has_two_meanings() {
        let (mut ids, mut names, mut commands) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for action in ACTIONS {
            assert!(ids.insert(action.id), "{:?} twice", action.id);
            assert!(names.insert(action.name), "{} twice", action.name);
            let Some(slash) = action.slash else { continue };
            assert_eq!(slash.usage.is_empty(), slash.arguments.is_empty(), "/{}", slash.name);
            for name in std::iter::once(&slash.name).chain(slash.aliases) {
                assert!(commands.insert(*name), "/{name} twice");
            }
        }
        // The last of the enum: a variant without a row would make the two numbers differ.
        assert_eq!(ids.len(), ActionId::Logout as usize + 1, "an action has no row");
    }

    #[test]
    fn names_are_fit_for_a_configuration() {
        for action in ACTIONS {
            assert!(action.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", action.name);
        }
    }

    #[test]
    fn guesses_what_was_meant() {
        assert_eq!(closest_command("jion"), Some("join"));
        assert_eq!(closest_command("conect"), Some("connect"));
        assert_eq!(closest_command("histroy"), Some("history"));
        assert_eq!(closest_command("etc"), None);
        assert_eq!(closest_command("zzzzzz"), None);
    }
}
