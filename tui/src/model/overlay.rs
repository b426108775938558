//! What may lie over the screen: one thing at a time, closed with Esc.

use super::LineEdit;

/// What lies over the screen.
#[derive(Debug)]
pub enum Overlay {
    /// Text to read: what, and the first visible line.
    Panel(Panel, usize),
    /// The channel switcher.
    Switcher {
        /// Part of a name.
        filter: LineEdit,
        /// The chosen row.
        selected: usize,
    },
}

/// What a panel shows; its lines are made from the model when it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    /// Keys and commands.
    Help,
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
}
