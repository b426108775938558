//! What the vim and emacs presets change: the keys of an action, instead of those in the registry.

use super::ActionId as Id;

/// A row: an action and all its keys.
pub type Row = (Id, &'static [&'static str]);

/// Two modes: one reads with single letters, and writes after `i`.
pub static VIM: &[Row] = &[
    (Id::NormalMode, &["Esc"]),
    (Id::InsertMode, &["normal:i", "normal:a", "normal:o"]),
    (Id::Dismiss, &["normal:Esc", "chosen:Esc"]),
    (Id::Select, &["Ctrl-S", "normal:v"]),
    (Id::Search, &["Ctrl-R", "normal:/"]),
    (Id::Pins, &["Alt-P", "normal:g p"]),
    (Id::LineUp, &["Shift-Up", "normal:k", "normal:Up"]),
    (Id::LineDown, &["Shift-Down", "normal:j", "normal:Down"]),
    (Id::ScrollUp, &["PgUp", "normal:Ctrl-U", "normal:Ctrl-B"]),
    (Id::ScrollDown, &["PgDn", "normal:Ctrl-D", "normal:Ctrl-F"]),
    (Id::ScrollTop, &["Ctrl-Home", "empty:Home", "normal:g g"]),
    (Id::ScrollEnd, &["Ctrl-End", "empty:End", "normal:G"]),
    (Id::NextChannel, &["Alt-Down", "normal:g t"]),
    (Id::PreviousChannel, &["Alt-Up", "normal:g T"]),
    (Id::NextUnread, &["Alt-A", "normal:g u"]),
    (Id::FirstUnread, &["Alt-U", "normal:g n"]),
    (Id::NextMention, &["Alt-M", "normal:g m"]),
    (Id::Switcher, &["Ctrl-K", "normal:Space b"]),
    (Id::Palette, &["Ctrl-P", "normal::"]),
    (Id::Themes, &["F4", "normal:Space t"]),
    (Id::ToggleChannels, &["F2", "Alt-W c", "normal:Space c"]),
    (Id::ToggleParticipants, &["F3", "Alt-W p", "normal:Space p"]),
    (Id::Help, &["F1", "normal:?", "empty:?"]),
    (Id::Quit, &["Ctrl-Q", "normal:Z Z"]),
];

/// The composer keeps its motions; what takes them in the default preset moves behind Ctrl-X and Alt.
pub static EMACS: &[Row] = &[
    (Id::CursorLeft, &["Left", "Ctrl-B"]),
    (Id::CursorUp, &["Up", "Ctrl-P"]),
    (Id::CursorDown, &["Down", "Ctrl-N"]),
    (Id::LineStart, &["Home", "Ctrl-A"]),
    (Id::TextStart, &[]),
    (Id::TextEnd, &[]),
    (Id::DeleteBack, &["Backspace"]),
    (Id::KillToEnd, &["Ctrl-K"]),
    (Id::Dismiss, &["Esc", "Ctrl-G"]),
    (Id::Select, &["Ctrl-X s"]),
    (Id::Search, &["Ctrl-S"]),
    (Id::ScrollUp, &["PgUp", "Alt-V"]),
    (Id::ScrollDown, &["PgDn", "Ctrl-V"]),
    (Id::ScrollTop, &["Ctrl-Home", "empty:Home", "Alt-<"]),
    (Id::ScrollEnd, &["Ctrl-End", "empty:End", "Alt->"]),
    (Id::Switcher, &["Ctrl-X b"]),
    (Id::NextChannel, &["Alt-Down", "Ctrl-X Right"]),
    (Id::PreviousChannel, &["Alt-Up", "Ctrl-X Left"]),
    (Id::NextUnread, &["Ctrl-X u"]),
    (Id::FirstUnread, &["Ctrl-X n"]),
    (Id::NextMention, &["Ctrl-X m"]),
    (Id::Palette, &["Alt-X"]),
    (Id::Themes, &["F4", "Ctrl-X t"]),
    (Id::ToggleChannels, &["F2", "Ctrl-X c"]),
    (Id::ToggleParticipants, &["F3", "Ctrl-X p"]),
    (Id::WidenChannels, &["Ctrl-X }"]),
    (Id::NarrowChannels, &["Ctrl-X {"]),
    (Id::WidenParticipants, &["Ctrl-X ^"]),
    (Id::NarrowParticipants, &["Ctrl-X _"]),
    (Id::ResetPanes, &["Ctrl-X +"]),
    (Id::Leave, &["Ctrl-X k"]),
    (Id::Help, &["F1", "Ctrl-H"]),
    (Id::Quit, &["Ctrl-X Ctrl-C", "Ctrl-Q"]),
];
