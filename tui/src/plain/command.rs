//! What a typed line means.
//!
//! A leading slash makes it a command for sure. Without one it is a command only if it is complete as one: `list of things`
//! is a message, `list channels` is not.

use mechat_protocol::{AccountName, ChannelName};

/// Entries that `history` shows without a number.
const HISTORY_DEFAULT: usize = 20;

/// A command, its arguments checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    /// Make an account.
    Register(AccountName),
    /// Sign in.
    Login(AccountName),
    /// End the session.
    Logout,
    /// List all channels.
    Sessions,
    /// List everyone on the relay.
    Users,
    /// List the members of the channel.
    Participants,
    /// Join a channel, or go back to it.
    Connect(ChannelName),
    /// Leave the channel.
    Disconnect,
    /// Make a channel.
    Create(ChannelName),
    /// Say something.
    Chat(String),
    /// Show so many earlier messages.
    History(usize),
    /// List connections.
    Connections,
    /// Say what there is.
    Help,
    /// End.
    Quit,
}

/// Every command with its arguments.
pub const USAGE: &[(&str, &str)] = &[
    ("new", "NAME"),
    ("register", "NAME"),
    ("login", "NAME"),
    ("logout", ""),
    ("list", "channels|users"),
    ("sessions", ""),
    ("participants", ""),
    ("connect", "NAME"),
    ("join", "NAME"),
    ("disconnect", ""),
    ("leave", ""),
    ("create", "NAME"),
    ("chat", "TEXT"),
    ("history", "[N]"),
    ("connections", ""),
    ("help", ""),
    ("quit", ""),
];

/// Reads a line. An error says what is wrong with what was surely meant as a command, or could only be one.
pub fn parse(line: &str, in_channel: bool) -> Result<Option<Plain>, String> {
    let trimmed = line.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    if let Some(literal) = trimmed.strip_prefix("//") {
        return Ok(Some(Plain::Chat(format!("/{literal}"))));
    }
    let (explicit, words) = trimmed.strip_prefix('/').map_or((false, trimmed), |words| (true, words));
    let (name, arguments) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    let arguments = arguments.trim();
    match command(&name.to_lowercase(), arguments) {
        Some(Ok(command)) => Ok(Some(command)),
        Some(Err(error)) if explicit || !in_channel => Err(error),
        None if explicit => Err(format!("no command /{name}; help lists all, // at the start sends a slash")),
        None if !in_channel => {
            Err(format!("`{name}` is no command, and there is no channel to say it in; help lists all"))
        }
        Some(Err(_)) | None => Ok(Some(Plain::Chat(line.to_owned()))),
    }
}

fn command(name: &str, arguments: &str) -> Option<Result<Plain, String>> {
    Some(match name {
        "new" | "register" => account(name, arguments).map(Plain::Register),
        "login" => account(name, arguments).map(Plain::Login),
        "logout" => bare(name, arguments, Plain::Logout),
        "list" => list(arguments),
        "sessions" => bare(name, arguments, Plain::Sessions),
        "participants" | "who" => bare(name, arguments, Plain::Participants),
        "connect" | "join" => channel(name, arguments).map(Plain::Connect),
        "disconnect" | "leave" => bare(name, arguments, Plain::Disconnect),
        "create" | "host" => channel(name, arguments).map(Plain::Create),
        "chat" if arguments.is_empty() => Err("chat takes a text: chat TEXT".to_owned()),
        "chat" => Ok(Plain::Chat(arguments.to_owned())),
        "history" => history(arguments),
        "connections" => bare(name, arguments, Plain::Connections),
        "help" => bare(name, arguments, Plain::Help),
        "quit" | "exit" => bare(name, arguments, Plain::Quit),
        _ => return None,
    })
}

fn bare(name: &str, arguments: &str, command: Plain) -> Result<Plain, String> {
    if arguments.is_empty() { Ok(command) } else { Err(format!("{name} takes nothing behind it")) }
}

fn account(name: &str, arguments: &str) -> Result<AccountName, String> {
    if arguments.is_empty() {
        return Err(format!("{name} takes a name: {name} NAME"));
    }
    AccountName::new(arguments).map_err(|broken| broken.rule)
}

fn channel(name: &str, arguments: &str) -> Result<ChannelName, String> {
    if arguments.is_empty() {
        return Err(format!("{name} takes a name: {name} NAME"));
    }
    // The session list shows names with @.
    ChannelName::new(arguments.strip_prefix('@').unwrap_or(arguments)).map_err(|broken| broken.rule)
}

fn list(arguments: &str) -> Result<Plain, String> {
    match arguments {
        "channels" => Ok(Plain::Sessions),
        "users" => Ok(Plain::Users),
        _ => Err("list takes what to list: list channels, or list users".to_owned()),
    }
}

fn history(arguments: &str) -> Result<Plain, String> {
    match arguments {
        "" => Ok(Plain::History(HISTORY_DEFAULT)),
        count => match count.parse() {
            Ok(count) if count > 0 => Ok(Plain::History(count)),
            _ => Err("history takes a number from 1 up, or nothing".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_with_and_without_slash() {
        let name = |text| AccountName::new(text).expect("name");
        let channel = |text| ChannelName::new(text).expect("name");
        for (line, command) in [
            ("new misha", Plain::Register(name("misha"))),
            ("/register misha", Plain::Register(name("misha"))),
            ("login @misha", Plain::Login(name("misha"))),
            ("list channels", Plain::Sessions),
            ("/list users", Plain::Users),
            ("connect #lobby", Plain::Connect(channel("lobby"))),
            ("join @lobby", Plain::Connect(channel("lobby"))),
            ("history", Plain::History(HISTORY_DEFAULT)),
            ("history 250", Plain::History(250)),
            ("chat  a: b", Plain::Chat("a: b".into())),
            ("//etc", Plain::Chat("/etc".into())),
            ("QUIT", Plain::Quit),
        ] {
            for in_channel in [true, false] {
                assert_eq!(parse(line, in_channel), Ok(Some(command.clone())), "{line}");
            }
        }
        assert_eq!(parse("  ", true), Ok(None));
    }

    #[test]
    fn what_is_no_complete_command_is_said() {
        for text in ["list of things", "quit smoking", "history is long", "hello", "connect the dots please"]
        {
            assert_eq!(parse(text, true), Ok(Some(Plain::Chat(text.into()))), "{text}");
            assert!(parse(text, false).is_err(), "{text}");
            assert!(parse(&format!("/{text}"), true).is_err(), "{text}");
        }
    }
}
