//! What can be typed in the plain mode: the registry's commands, and those that a screen has keys and rows for.
//!
//! Owns the names, the usage and the words of help. What a row shares with the registry of actions it takes from there.
//!
//! Invariant: no name means two things.

use crate::action::{self, ActionId as Id};

/// Names a command of the plain mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table has a title for each")]
pub enum Verb {
    Say,
    Reply,
    Edit,
    Delete,
    React,
    Unreact,
    Retry,
    Discard,
    History,
    Thread,
    Pins,
    Pin,
    Unpin,
    Search,
    More,
    Unread,
    Next,
    Inbox,
    Read,
    Join,
    Leave,
    Create,
    List,
    Sessions,
    Topic,
    Notify,
    Mute,
    Unmute,
    Who,
    Profile,
    Typing,
    Invite,
    Connections,
    Register,
    Login,
    Logout,
    Reconnect,
    Help,
    Quit,
}

/// One command.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub verb: Verb,
    /// Without the slash.
    pub name: &'static str,
    /// Other names, besides those of the registry.
    aliases: &'static [&'static str],
    /// Its arguments, empty if it takes none.
    pub usage: &'static str,
    /// The same action on the screen.
    action: Option<Id>,
    /// What it does; empty where the registry says it.
    title: &'static str,
    /// In a channel it is a command only behind a slash: its words could as well be a message.
    pub needs_slash: bool,
}

impl Row {
    /// What it does, for people.
    pub fn title(&self) -> &'static str {
        self.action.filter(|_| self.title.is_empty()).map_or(self.title, |id| id.action().title)
    }

    /// All of its names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let registered = self.action.and_then(|id| id.action().slash);
        let registered = registered
            .into_iter()
            .flat_map(|slash| std::iter::once(slash.name).chain(slash.aliases.iter().copied()));
        let others = self.aliases.iter().copied().chain(registered).filter(|name| *name != self.name);
        std::iter::once(self.name).chain(others)
    }

    /// As one types it: `reply N TEXT`, `/search WORDS`.
    pub fn typed(&self) -> String {
        let slash = if self.needs_slash { "/" } else { "" };
        format!("{slash}{} {}", self.name, self.usage).trim_end().to_owned()
    }
}

const fn own(verb: Verb, name: &'static str, usage: &'static str, title: &'static str) -> Row {
    Row { verb, name, aliases: &[], usage, action: None, title, needs_slash: false }
}

const fn of(id: Id, verb: Verb, name: &'static str, usage: &'static str) -> Row {
    Row { verb, name, aliases: &[], usage, action: Some(id), title: "", needs_slash: false }
}

impl Row {
    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn free(mut self) -> Self {
        self.needs_slash = true;
        self
    }

    const fn saying(mut self, title: &'static str) -> Self {
        self.title = title;
        self
    }
}

/// All of them, in the order of the help.
pub static ROWS: &[Row] = &[
    own(Verb::Say, "say", "TEXT", "say something; `say <<END` takes lines up to one that is END")
        .or(&["chat"]),
    own(Verb::Reply, "reply", "N TEXT", "answer message N; <<END takes lines, as for say"),
    own(
        Verb::Edit,
        "edit",
        "N TEXT",
        "change your message N; /edit TEXT changes your last; <<END takes lines",
    ),
    own(Verb::Delete, "delete", "N", "take your message N back"),
    own(Verb::React, "react", "N EMOJI", "react to message N with an emoji, or its :name:"),
    own(Verb::Unreact, "unreact", "N EMOJI", "take that back"),
    of(Id::Retry, Verb::Retry, "retry", ""),
    of(Id::Discard, Verb::Discard, "discard", ""),
    of(Id::History, Verb::History, "history", "[COUNT]")
        .saying("write the last 20 messages, or COUNT of them"),
    own(Verb::Thread, "thread", "N", "write message N and the answers to it"),
    own(Verb::Pins, "pins", "", "write the pinned messages"),
    own(Verb::Pin, "pin", "N", "pin message N (for hosts of the channel and admins)"),
    own(Verb::Unpin, "unpin", "N", "unpin it (for hosts of the channel and admins)"),
    own(
        Verb::Search,
        "search",
        "WORDS",
        "search all channels, newest first; \"a phrase\", from:NAME, in:CHANNEL, in:here narrow it",
    )
    .free(),
    own(Verb::More, "more", "", "write what was found before that"),
    own(Verb::Unread, "unread", "", "list the channels with unread messages"),
    own(Verb::Next, "next", "", "go to the next channel with unread messages, and write them"),
    own(Verb::Inbox, "inbox", "", "write the unread messages that name you"),
    own(Verb::Read, "read", "[all]", "mark the channel as read, or all of them").or(&["markread"]),
    of(Id::Join, Verb::Join, "join", "CHANNEL").or(&["switch", "swap"]),
    of(Id::Leave, Verb::Leave, "leave", "[CHANNEL]"),
    of(Id::Create, Verb::Create, "create", "CHANNEL"),
    of(Id::List, Verb::List, "list", "channels|users"),
    of(Id::Sessions, Verb::Sessions, "sessions", ""),
    own(
        Verb::Topic,
        "topic",
        "[TEXT]",
        "write the channel's topic; /topic TEXT sets it, /topic \"\" clears it",
    ),
    own(
        Verb::Notify,
        "notify",
        "all|mentions|none",
        "what of the channel is written while you are in another",
    ),
    own(Verb::Mute, "mute", "", "the same as notify none"),
    own(Verb::Unmute, "unmute", "", "the same as notify all"),
    of(Id::Who, Verb::Who, "who", ""),
    own(Verb::Profile, "profile", "NAME", "who somebody is").or(&["whois"]).free(),
    own(Verb::Typing, "typing", "on|off", "tell who is writing something, or do not"),
    of(Id::Invite, Verb::Invite, "invite", ""),
    of(Id::Connections, Verb::Connections, "connections", ""),
    own(Verb::Register, "new", "NAME", "make an account; the line behind it is its password")
        .or(&["register"]),
    own(Verb::Login, "login", "NAME", "sign in; the line behind it is the password"),
    of(Id::Logout, Verb::Logout, "logout", ""),
    of(Id::ConnectNow, Verb::Reconnect, "reconnect", ""),
    of(Id::Help, Verb::Help, "help", "[COMMAND]").saying("this help, or all about one command"),
    of(Id::Quit, Verb::Quit, "quit", ""),
];

/// The command of a name.
pub fn by_name(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.names().any(|known| known == name))
}

/// What to say where there is no such command.
pub fn unknown(name: &str) -> String {
    if action::by_command(name).is_some() {
        return format!("/{name} is for the full screen; help lists what there is here");
    }
    match action::closest(name, ROWS.iter().flat_map(Row::names)) {
        Some(known) => format!("no command /{name}; did you mean {known}?"),
        None => format!("no command /{name}; help lists all, // at the start sends a slash"),
    }
}

/// All of it, or what is known of one command.
pub fn help(about: Option<&Row>) -> Vec<String> {
    let Some(row) = about else {
        let widest = ROWS.iter().map(|row| row.typed().len()).max().unwrap_or(0);
        let mut lines = vec![
            "commands; other text is said in the channel. N is a message's number, or the word last.".to_owned(),
            "A slash may stand before any of them, and must where one is shown; // at the start sends a slash."
                .to_owned(),
        ];
        lines.extend(ROWS.iter().map(|row| format!("  {:widest$}  {}", row.typed(), row.title())));
        return lines;
    };
    let others: Vec<&str> = row.names().skip(1).collect();
    let mut lines = vec![format!("{}: {}", row.typed(), row.title())];
    if !others.is_empty() {
        lines.push(format!("  also: {}", others.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_means_two_things_and_each_has_words() {
        let mut names = BTreeSet::new();
        for row in ROWS {
            assert!(!row.title().is_empty(), "{}", row.name);
            for name in row.names() {
                assert!(names.insert(name), "{name} twice");
            }
        }
        assert_eq!(ROWS.len(), Verb::Quit as usize + 1, "a command has no row");
    }

    #[test]
    fn what_is_shared_with_the_screen_is_said_in_its_words() {
        let join = by_name("connect").expect("the registry's alias");
        assert_eq!((join.verb, join.title()), (Verb::Join, Id::Join.action().title));
        assert_eq!(by_name("participants").map(|row| row.verb), Some(Verb::Who));
        assert!(unknown("theme").contains("full screen"), "{}", unknown("theme"));
        assert!(unknown("serach").contains("search"), "{}", unknown("serach"));
    }

    #[test]
    fn help_has_every_command_and_the_whole_of_one() {
        let all = help(None).join("\n");
        assert!(ROWS.iter().all(|row| all.contains(&row.typed()) && all.contains(row.title())), "{all}");
        let one = help(by_name("join"));
        assert_eq!(one[0], "join CHANNEL: join a channel and show it");
        assert!(one[1].contains("connect") && one[1].contains("swap"), "{one:?}");
    }
}
