//! What may lie over the screen: one thing at a time, closed with Esc.

use std::rc::Rc;

use mechat_protocol::Seq;

use super::listing::{Listed, Listing};
use super::{LineEdit, Pasted};
use crate::theme::Theme;

/// What lies over the screen.
#[derive(Debug)]
pub enum Overlay {
    /// Text to read: what, and the first visible line.
    Panel(Panel, usize),
    /// Something is looked for.
    Finder(Finder),
    /// Keys and commands: those that have the words, and the first visible line.
    Help(LineEdit, usize),
    /// A long paste: what shall become of it?
    Paste(Pasted),
}

/// A list from which one thing is chosen by a few of its letters.
#[derive(Debug)]
pub struct Finder {
    /// What is looked for.
    pub kind: FinderKind,
    /// The letters.
    pub filter: LineEdit,
    /// The chosen row.
    pub selected: usize,
}

/// What is looked for.
#[derive(Debug)]
pub enum FinderKind {
    /// A channel or a person.
    Switcher,
    /// Anything one can do.
    Palette,
    /// A theme, each shown at once; the one before comes back when none is chosen.
    Themes(Theme),
    /// What to do with the chosen message.
    Actions,
    /// What to react with to a message.
    Emoji(Seq),
    /// Links of a message, and what shall become of the one that is taken.
    Links(Vec<Rc<str>>, LinkUse),
    /// Messages from anywhere.
    Listing(Listing),
    /// Channels with something unread.
    Inbox,
}

/// What becomes of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkUse {
    /// The system opens it.
    Open,
    /// The terminal's clipboard gets it.
    Copy,
}

impl Finder {
    /// Nothing typed yet.
    pub fn new(kind: FinderKind) -> Self {
        Self { kind, filter: LineEdit::default(), selected: 0 }
    }

    /// Whether the letters are a question, and do not narrow what is there.
    pub const fn searches(&self) -> bool {
        matches!(&self.kind, FinderKind::Listing(Listing { what: Listed::Found { .. }, .. }))
    }
}

/// What a panel shows; its lines are made from the model when it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    /// All channels, in words.
    Channels,
    /// All channels, in the form of the session list.
    Sessions,
    /// Everyone on the relay.
    Users,
    /// The members of the current channel.
    Who,
    /// Connections and sessions.
    Connections,
    /// The invite link.
    Invite,
    /// Who somebody is.
    Profile,
    /// Where the configuration is, and what is wrong in it.
    Configuration,
}
