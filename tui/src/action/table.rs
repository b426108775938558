//! The registry's rows, in the order of the help.

use super::{Action, ActionId as Id, Argument, Group, Place, Slash};
use Group::{Channels, Looks, People, Program, Reading, Writing};
use Place::{Anywhere, Chat, Normal};

const fn action(
    id: Id,
    name: &'static str,
    group: Group,
    place: Place,
    keys: &'static [&'static str],
    title: &'static str,
) -> Action {
    Action { id, name, title, group, keys, place, slash: None }
}

impl Action {
    const fn typed(
        mut self,
        name: &'static str,
        aliases: &'static [&'static str],
        usage: &'static str,
        arguments: &'static [Argument],
    ) -> Self {
        self.slash = Some(Slash { name, aliases, usage, arguments });
        self
    }
}

/// All actions.
pub static ACTIONS: &[Action] = &[
    action(Id::Send, "send", Writing, Chat, &["Enter"], "send the message, or run the command"),
    action(Id::Newline, "newline", Writing, Chat, &["Alt-Enter", "Shift-Enter", "Ctrl-J"], "break the line"),
    action(Id::Reply, "reply", Writing, Chat, &["Alt-R"], "answer the newest message").typed(
        "reply",
        &[],
        "",
        &[],
    ),
    action(Id::Editor, "editor", Writing, Chat, &["Alt-E"], "write in your own editor").typed(
        "edit",
        &[],
        "",
        &[],
    ),
    action(Id::Dismiss, "dismiss", Writing, Chat, &["Esc"], "close the notice; back to the newest message"),
    action(Id::NormalMode, "normal-mode", Writing, Chat, &[], "from writing to reading (vim preset)"),
    action(Id::InsertMode, "insert-mode", Writing, Normal, &[], "from reading to writing (vim preset)"),
    action(Id::Retry, "retry", Writing, Chat, &[], "send a failed message again").typed(
        "retry",
        &[],
        "",
        &[],
    ),
    action(Id::Discard, "discard", Writing, Chat, &[], "drop a failed message").typed(
        "discard",
        &[],
        "",
        &[],
    ),
    action(Id::ScrollUp, "page-up", Reading, Chat, &["PgUp"], "a page up"),
    action(Id::ScrollDown, "page-down", Reading, Chat, &["PgDn"], "a page down"),
    action(Id::LineUp, "line-up", Reading, Chat, &["Ctrl-Up"], "a line up"),
    action(Id::LineDown, "line-down", Reading, Chat, &["Ctrl-Down"], "a line down"),
    action(
        Id::ScrollTop,
        "oldest",
        Reading,
        Chat,
        &["Ctrl-Home", "empty:Home"],
        "to the oldest loaded message",
    ),
    action(Id::ScrollEnd, "newest", Reading, Chat, &["Ctrl-End", "empty:End"], "to the newest message"),
    action(Id::History, "history", Reading, Chat, &[], "read older messages").typed(
        "history",
        &[],
        "[N]",
        &[Argument::Count],
    ),
    action(Id::ToggleSpoilers, "spoilers", Reading, Chat, &["F7"], "show or cover spoilers").typed(
        "spoilers",
        &[],
        "",
        &[],
    ),
    action(
        Id::Switcher,
        "switcher",
        Channels,
        Chat,
        &["Ctrl-K"],
        "find a channel or a person by a few letters",
    ),
    action(Id::NextUnread, "next-unread", Channels, Chat, &["Alt-A"], "next channel with something unread"),
    action(Id::FirstUnread, "first-unread", Reading, Chat, &["Alt-U"], "to the first unread message"),
    action(
        Id::NextMention,
        "next-mention",
        Channels,
        Chat,
        &["Alt-M"],
        "to the next unread message that names you",
    ),
    action(Id::MarkAllRead, "mark-all-read", Channels, Chat, &[], "mark everything as read").typed(
        "markread",
        &[],
        "",
        &[],
    ),
    action(Id::NextChannel, "next-channel", Channels, Chat, &["Alt-Down"], "next channel"),
    action(Id::PreviousChannel, "previous-channel", Channels, Chat, &["Alt-Up"], "previous channel"),
    action(
        Id::NumberedChannel,
        "numbered-channel",
        Channels,
        Chat,
        &["Alt-1", "Alt-2", "Alt-3", "Alt-4", "Alt-5", "Alt-6", "Alt-7", "Alt-8", "Alt-9"],
        "channel by its place",
    ),
    action(Id::Join, "join", Channels, Chat, &[], "join a channel and show it").typed(
        "join",
        &["connect"],
        "#CHANNEL",
        &[Argument::Channel],
    ),
    action(Id::Create, "create", Channels, Chat, &[], "make a channel; you are its host").typed(
        "create",
        &["host"],
        "#CHANNEL",
        &[Argument::Text],
    ),
    action(Id::Leave, "leave", Channels, Chat, &[], "leave the channel").typed(
        "leave",
        &["disconnect", "part"],
        "[#CHANNEL]",
        &[Argument::Joined],
    ),
    action(Id::Switch, "switch", Channels, Chat, &[], "show a channel you are in").typed(
        "switch",
        &["swap"],
        "#CHANNEL",
        &[Argument::Joined],
    ),
    action(Id::List, "list", Channels, Chat, &[], "list what there is").typed(
        "list",
        &[],
        "channels|users",
        &[Argument::Word(&["channels", "users"])],
    ),
    action(Id::Sessions, "sessions", Channels, Chat, &[], "list the channels with size, age and host").typed(
        "sessions",
        &[],
        "",
        &[],
    ),
    action(Id::Who, "who", People, Chat, &[], "list the participants of the channel").typed(
        "who",
        &["participants"],
        "",
        &[],
    ),
    action(Id::Invite, "invite", People, Chat, &[], "show the link with which others join").typed(
        "invite",
        &[],
        "",
        &[],
    ),
    action(Id::Connections, "connections", People, Chat, &[], "list connections and sessions (for admins)")
        .typed("connections", &[], "", &[]),
    action(
        Id::ToggleChannels,
        "toggle-channels",
        Looks,
        Chat,
        &["F2", "Alt-W c"],
        "show or hide the channels",
    ),
    action(
        Id::ToggleParticipants,
        "toggle-people",
        Looks,
        Chat,
        &["F3", "Alt-W p"],
        "show or hide the participants",
    ),
    action(Id::ToggleBare, "bare", Looks, Chat, &["F8"], "messages alone, to copy them with the mouse")
        .typed("bare", &[], "", &[]),
    action(Id::WidenChannels, "widen-channels", Looks, Chat, &["Alt-W Right"], "more room for the channels"),
    action(Id::NarrowChannels, "narrow-channels", Looks, Chat, &["Alt-W Left"], "less room for the channels"),
    action(
        Id::WidenParticipants,
        "widen-people",
        Looks,
        Chat,
        &["Alt-W Up"],
        "more room for the participants",
    ),
    action(
        Id::NarrowParticipants,
        "narrow-people",
        Looks,
        Chat,
        &["Alt-W Down"],
        "less room for the participants",
    ),
    action(Id::ResetPanes, "reset-panes", Looks, Chat, &["Alt-W 0"], "panes as the width of the screen asks"),
    action(Id::Themes, "themes", Looks, Chat, &["F4"], "choose a theme, with a look at each").typed(
        "theme",
        &["themes"],
        "[THEME]",
        &[Argument::Theme],
    ),
    action(Id::Redraw, "redraw", Looks, Anywhere, &["Ctrl-L"], "draw the screen anew"),
    action(Id::Palette, "palette", Program, Chat, &["Ctrl-P"], "find anything one can do by a few letters"),
    action(Id::Help, "help", Program, Anywhere, &["F1", "?"], "this help; type to search it").typed(
        "help",
        &["commands"],
        "[COMMAND]",
        &[Argument::Command],
    ),
    action(Id::ConnectNow, "reconnect", Program, Anywhere, &["F5"], "connect now instead of waiting").typed(
        "reconnect",
        &[],
        "",
        &[],
    ),
    action(
        Id::Configuration,
        "configuration",
        Program,
        Chat,
        &[],
        "show where the configuration is, and what is wrong in it",
    )
    .typed("config", &[], "", &[]),
    action(Id::Reload, "reload", Program, Chat, &[], "read the configuration again").typed(
        "reload",
        &[],
        "",
        &[],
    ),
    action(Id::Logout, "logout", Program, Chat, &[], "log out, keep the connection").typed(
        "logout",
        &[],
        "",
        &[],
    ),
    action(Id::Suspend, "suspend", Program, Anywhere, &["Ctrl-Z"], "suspend; the shell's fg comes back"),
    action(Id::Interrupt, "interrupt", Program, Anywhere, &["Ctrl-C"], "quit, when pressed twice"),
    action(Id::Quit, "quit", Program, Anywhere, &["Ctrl-Q"], "quit").typed("quit", &["exit"], "", &[]),
];
