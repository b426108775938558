//! What a typed line means.
//!
//! A leading slash makes it a command for sure. Without one it is a command only if it is complete as one: `list of things`
//! is a message, `list channels` is not. What takes free words needs the slash in a channel, so that no message is lost to it.

use mechat_protocol::request::{Level, Query};
use mechat_protocol::{AccountName, ChannelName, Emoji, Seq, Topic};

use super::speak;
use super::verbs::{self, Row, Verb};

/// Messages that `history` shows without a number.
const HISTORY_DEFAULT: usize = 20;
/// Messages that it shows at most: they are collected before the first is written.
pub const HISTORY_MAX: usize = 10_000;

/// A message that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// By its number.
    Number(Seq),
    /// The last of one's own, or of all, as the command asks.
    Last,
}

/// What is done with words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saying {
    /// They are said.
    New,
    /// They answer a message.
    Reply(Which),
    /// They replace those of an own message.
    Edit(Which),
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// This.
    Text(String),
    /// The lines up to one that is this.
    Until(String),
}

/// Where to search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In every channel that one is in.
    Everywhere,
    /// In the current one.
    Here,
    /// In this one.
    In(ChannelName),
}

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
    /// Leave the channel, or another one.
    Disconnect(Option<ChannelName>),
    /// Make a channel.
    Create(ChannelName),
    /// Say something.
    Say(Saying, Words),
    /// Take a message back.
    Delete(Which),
    /// React to a message, or no longer.
    React {
        /// Which.
        which: Which,
        /// With what.
        emoji: Emoji,
        /// Whether.
        on: bool,
    },
    /// Pin a message, or unpin it.
    Pin {
        /// Which.
        which: Which,
        /// Whether.
        on: bool,
    },
    /// Show the pinned messages.
    Pins,
    /// Show a message and its answers.
    Thread(Which),
    /// Search.
    Search(Query, Scope),
    /// Show the next page of what was found.
    More,
    /// Show the topic, or set it.
    Topic(Option<Topic>),
    /// Of what to be told.
    Notify(Level),
    /// List what is unread.
    Unread,
    /// Go to the next unread message.
    Next,
    /// Show the unread mentions.
    Inbox,
    /// Mark the channel as read, or all.
    Read {
        /// All of them.
        all: bool,
    },
    /// Show who somebody is.
    Profile(AccountName),
    /// Tell who is writing.
    Typing(bool),
    /// Send what failed again.
    Retry,
    /// Drop what failed.
    Discard,
    /// Show the link.
    Invite,
    /// Show so many earlier messages.
    History(usize),
    /// List connections.
    Connections,
    /// Connect now.
    Reconnect,
    /// Say what there is.
    Help(Option<&'static str>),
    /// End.
    Quit,
}

impl Plain {
    /// Whether it changes a channel by itself. Which message is the last depends on what is still on its way.
    pub const fn names_its_place(&self) -> bool {
        match self {
            Self::Say(Saying::New, _) | Self::Topic(Some(_)) => true,
            Self::Say(Saying::Reply(which) | Saying::Edit(which), _)
            | Self::Delete(which)
            | Self::React { which, .. }
            | Self::Pin { which, .. } => matches!(which, Which::Number(_)),
            _ => false,
        }
    }
}

/// Reads a line. An error says what is wrong with what was surely meant as a command, or could only be one.
pub fn parse(line: &str, in_channel: bool) -> Result<Option<Plain>, String> {
    let trimmed = line.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    let said = |text: String| Ok(Some(Plain::Say(Saying::New, Words::Text(text))));
    if let Some(literal) = trimmed.strip_prefix("//") {
        return said(format!("/{literal}"));
    }
    let (explicit, words) = trimmed.strip_prefix('/').map_or((false, trimmed), |words| (true, words));
    let (name, arguments) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    let (name, arguments) = (name.to_lowercase(), arguments.trim());
    let row = verbs::by_name(&name);
    let sure = explicit || !in_channel;
    match row.filter(|row| sure || may_be_bare(row, arguments)).map(|row| command(row, arguments, sure)) {
        Some(Ok(command)) => Ok(Some(command)),
        Some(Err(error)) if sure => Err(error),
        None if explicit => Err(verbs::unknown(&name)),
        None if !in_channel => {
            Err(format!("`{name}` is no command, and there is no channel to say it in; help lists all"))
        }
        Some(Err(_)) | None => said(line.to_owned()),
    }
}

/// Words that could as well be a message are one, unless a slash says otherwise.
fn may_be_bare(row: &Row, arguments: &str) -> bool {
    !row.needs_slash && (row.verb != Verb::Topic || arguments.is_empty())
}

fn command(row: &'static Row, arguments: &str, sure: bool) -> Result<Plain, String> {
    let bare = |command| match arguments {
        "" => Ok(command),
        _ => Err(format!("{} takes nothing behind it", row.name)),
    };
    match row.verb {
        Verb::Register => account(row, arguments).map(Plain::Register),
        Verb::Login => account(row, arguments).map(Plain::Login),
        Verb::Profile => account(row, arguments).map(Plain::Profile),
        Verb::Logout => bare(Plain::Logout),
        Verb::Sessions => bare(Plain::Sessions),
        Verb::Who => bare(Plain::Participants),
        Verb::Pins => bare(Plain::Pins),
        Verb::More => bare(Plain::More),
        Verb::Unread => bare(Plain::Unread),
        Verb::Next => bare(Plain::Next),
        Verb::Inbox => bare(Plain::Inbox),
        Verb::Mute => bare(Plain::Notify(Level::None)),
        Verb::Unmute => bare(Plain::Notify(Level::All)),
        Verb::Retry => bare(Plain::Retry),
        Verb::Discard => bare(Plain::Discard),
        Verb::Invite => bare(Plain::Invite),
        Verb::Connections => bare(Plain::Connections),
        Verb::Reconnect => bare(Plain::Reconnect),
        Verb::Quit => bare(Plain::Quit),
        Verb::List => Ok(one_of(row, arguments, &[("channels", Plain::Sessions), ("users", Plain::Users)])?),
        Verb::Read => {
            one_of(row, arguments, &[("", Plain::Read { all: false }), ("all", Plain::Read { all: true })])
        }
        Verb::Notify => {
            let levels = [("all", Level::All), ("mentions", Level::Mentions), ("none", Level::None)];
            one_of(row, arguments, &levels.map(|(word, level)| (word, Plain::Notify(level))))
        }
        Verb::Typing => one_of(row, arguments, &[("on", Plain::Typing(true)), ("off", Plain::Typing(false))]),
        Verb::Join => channel(row, arguments).map(Plain::Connect),
        Verb::Create => channel(row, arguments).map(Plain::Create),
        Verb::Leave if arguments.is_empty() => Ok(Plain::Disconnect(None)),
        Verb::Leave => channel(row, arguments).map(|name| Plain::Disconnect(Some(name))),
        Verb::Say => words(row, arguments).map(|words| Plain::Say(Saying::New, words)),
        Verb::Reply => {
            let (which, text) = message(row, arguments)?;
            Ok(Plain::Say(Saying::Reply(which), words(row, text)?))
        }
        Verb::Edit => edit(row, arguments, sure),
        Verb::Delete => only_message(row, arguments).map(Plain::Delete),
        Verb::Thread => only_message(row, arguments).map(Plain::Thread),
        Verb::Pin => only_message(row, arguments).map(|which| Plain::Pin { which, on: true }),
        Verb::Unpin => only_message(row, arguments).map(|which| Plain::Pin { which, on: false }),
        Verb::React => react(row, arguments, true),
        Verb::Unreact => react(row, arguments, false),
        Verb::Search => search(row, arguments),
        Verb::Topic => topic(arguments),
        Verb::History => history(arguments),
        Verb::Help => help(arguments),
    }
}

fn missing(row: &Row) -> String {
    format!("something is missing: {}", row.typed())
}

fn account(row: &Row, arguments: &str) -> Result<AccountName, String> {
    if arguments.is_empty() {
        return Err(missing(row));
    }
    AccountName::new(arguments).map_err(|broken| broken.rule)
}

fn channel(row: &Row, arguments: &str) -> Result<ChannelName, String> {
    if arguments.is_empty() {
        return Err(missing(row));
    }
    // The session list shows names with @.
    ChannelName::new(arguments.strip_prefix('@').unwrap_or(arguments)).map_err(|broken| broken.rule)
}

fn one_of(row: &Row, argument: &str, choices: &[(&str, Plain)]) -> Result<Plain, String> {
    let found = choices.iter().find(|(word, _)| *word == argument.to_lowercase());
    found.map(|(_, command)| command.clone()).ok_or_else(|| {
        let given = if argument.is_empty() { "nothing".to_owned() } else { format!("`{argument}`") };
        format!("{given} is not among {} {}", row.name, row.usage)
    })
}

/// `41`, `#41`, `last`, and what stands behind it.
fn message<'a>(row: &Row, arguments: &'a str) -> Result<(Which, &'a str), String> {
    let (first, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let which = which(first).ok_or_else(|| {
        format!(
            "{} takes a message's number as it stands before the name, or the word last: {}",
            row.name,
            row.typed()
        )
    })?;
    Ok((which, rest.trim_start()))
}

fn which(word: &str) -> Option<Which> {
    if word.eq_ignore_ascii_case("last") {
        return Some(Which::Last);
    }
    let number: u64 = word.strip_prefix('#').unwrap_or(word).parse().ok()?;
    (number > 0).then_some(Which::Number(Seq(number)))
}

fn only_message(row: &Row, arguments: &str) -> Result<Which, String> {
    match message(row, arguments)? {
        (which, "") => Ok(which),
        _ => Err(format!("{} takes one number and nothing behind it", row.name)),
    }
}

fn words(row: &Row, text: &str) -> Result<Words, String> {
    if let Some(end) = text.strip_prefix("<<") {
        let one_word = !end.is_empty() && !end.contains(char::is_whitespace);
        let rule = "behind << stands one word, and the text ends before a line that is that word";
        return one_word.then(|| Words::Until(end.to_owned())).ok_or_else(|| rule.to_owned());
    }
    if text.is_empty() { Err(missing(row)) } else { Ok(Words::Text(text.to_owned())) }
}

/// Without a number it is the last own message; only behind a slash, since the words could be a message.
fn edit(row: &Row, arguments: &str, sure: bool) -> Result<Plain, String> {
    let (which, text) = match message(row, arguments) {
        Ok((which, text)) if !text.is_empty() => (which, text),
        Err(_) if sure => (Which::Last, arguments),
        Ok(_) => return Err(missing(row)),
        Err(error) => return Err(error),
    };
    Ok(Plain::Say(Saying::Edit(which), words(row, text)?))
}

fn react(row: &Row, arguments: &str, on: bool) -> Result<Plain, String> {
    let (which, text) = message(row, arguments)?;
    if text.is_empty() {
        return Err(missing(row));
    }
    let emoji = speak::emoji(text).map_err(|hint| format!("{}: {hint}", row.name))?;
    Ok(Plain::React { which, emoji, on })
}

/// `in:` may stand anywhere, as `from:` may; the relay knows only the latter.
fn search(row: &Row, arguments: &str) -> Result<Plain, String> {
    let (mut scope, mut kept) = (Scope::Everywhere, Vec::new());
    for word in arguments.split_whitespace() {
        match word.strip_prefix("in:") {
            Some("here") => scope = Scope::Here,
            Some(name) if !name.is_empty() => {
                scope = Scope::In(ChannelName::new(name).map_err(|broken| broken.rule)?);
            }
            _ => kept.push(word),
        }
    }
    if kept.is_empty() {
        return Err(missing(row));
    }
    Ok(Plain::Search(Query::new(kept.join(" ")).map_err(|broken| broken.rule)?, scope))
}

fn topic(text: &str) -> Result<Plain, String> {
    if text.is_empty() {
        return Ok(Plain::Topic(None));
    }
    let text = if text == "\"\"" { "" } else { text };
    Topic::new(text.to_owned()).map(|topic| Plain::Topic(Some(topic))).map_err(|broken| broken.rule)
}

fn history(arguments: &str) -> Result<Plain, String> {
    if arguments.is_empty() {
        return Ok(Plain::History(HISTORY_DEFAULT));
    }
    match arguments.parse() {
        Ok(count) if (1..=HISTORY_MAX).contains(&count) => Ok(Plain::History(count)),
        _ => Err(format!("history takes a number from 1 to {HISTORY_MAX}, or nothing")),
    }
}

fn help(about: &str) -> Result<Plain, String> {
    if about.is_empty() {
        return Ok(Plain::Help(None));
    }
    let name = about.trim_start_matches('/').to_lowercase();
    let row = verbs::by_name(&name).ok_or_else(|| verbs::unknown(&name))?;
    Ok(Plain::Help(Some(row.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Plain {
        Plain::Say(Saying::New, Words::Text(text.into()))
    }

    fn number(seq: u64) -> Which {
        Which::Number(Seq(seq))
    }

    #[test]
    fn commands_with_and_without_slash() {
        let name = |text| AccountName::new(text).expect("name");
        let channel = |text| ChannelName::new(text).expect("name");
        let thumb = Emoji::new("👍").expect("an emoji");
        for (line, command) in [
            ("new misha", Plain::Register(name("misha"))),
            ("/register misha", Plain::Register(name("misha"))),
            ("login @misha", Plain::Login(name("misha"))),
            ("list channels", Plain::Sessions),
            ("/list users", Plain::Users),
            ("connect #lobby", Plain::Connect(channel("lobby"))),
            ("join @lobby", Plain::Connect(channel("lobby"))),
            ("swap lobby", Plain::Connect(channel("lobby"))),
            ("leave", Plain::Disconnect(None)),
            ("history", Plain::History(HISTORY_DEFAULT)),
            ("history 250", Plain::History(250)),
            ("chat  a: b", said("a: b")),
            ("//etc", said("/etc")),
            (
                "reply 41 yes, please",
                Plain::Say(Saying::Reply(number(41)), Words::Text("yes, please".into())),
            ),
            ("reply last yes", Plain::Say(Saying::Reply(Which::Last), Words::Text("yes".into()))),
            ("edit #41 new", Plain::Say(Saying::Edit(number(41)), Words::Text("new".into()))),
            ("say <<END", Plain::Say(Saying::New, Words::Until("END".into()))),
            ("reply 7 <<.", Plain::Say(Saying::Reply(number(7)), Words::Until(".".into()))),
            ("delete 41", Plain::Delete(number(41))),
            ("react 41 :+1:", Plain::React { which: number(41), emoji: thumb.clone(), on: true }),
            ("unreact 41 👍", Plain::React { which: number(41), emoji: thumb, on: false }),
            ("unpin 3", Plain::Pin { which: number(3), on: false }),
            ("notify mentions", Plain::Notify(Level::Mentions)),
            ("mute", Plain::Notify(Level::None)),
            ("topic", Plain::Topic(None)),
            ("read all", Plain::Read { all: true }),
            ("typing on", Plain::Typing(true)),
            ("help connect", Plain::Help(Some("join"))),
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
        for text in [
            "list of things",
            "quit smoking",
            "history is long",
            "hello",
            "connect the dots please",
            "reply to all",
            "delete everything",
            "pin it",
            "react quickly",
            "notify me",
            "help me",
            "read this",
        ] {
            assert_eq!(parse(text, true), Ok(Some(said(text))), "{text}");
            assert!(parse(text, false).is_err(), "{text}");
            assert!(parse(&format!("/{text}"), true).is_err(), "{text}");
        }
    }

    #[test]
    fn free_words_are_a_command_behind_a_slash_and_a_message_without() {
        for text in ["search party at nine", "topic of the day", "profile pictures", "edit it please"] {
            assert_eq!(parse(text, true), Ok(Some(said(text))), "{text}");
            let command = parse(&format!("/{text}"), true);
            assert!(matches!(&command, Ok(Some(command)) if *command != said(text)), "{command:?}");
        }
        let found = parse("/search in:here from:ann \"the build\"", true);
        let query = Query::new("from:ann \"the build\"".into()).expect("a query");
        assert_eq!(found, Ok(Some(Plain::Search(query, Scope::Here))));
        assert_eq!(parse("/topic \"\"", true), Ok(Some(Plain::Topic(Some(Topic::default())))));
    }

    #[test]
    fn an_error_says_the_form() {
        for (line, hint) in [
            ("/reply 41", "reply N TEXT"),
            ("/reply yes", "reply N TEXT"),
            ("/delete 0", "delete N"),
            ("/delete 41 42", "one number"),
            ("/react 41", "react N EMOJI"),
            ("/react 41 :no_such_emoji:", "no emoji"),
            ("/notify loud", "all|mentions|none"),
            ("/search in:here", "/search WORDS"),
            ("/say <<two words", "one word"),
            ("/history 0", "from 1 to"),
            ("/help frobnicate", "no command"),
        ] {
            let error = parse(line, true).expect_err(line);
            assert!(error.contains(hint), "{line}: {error}");
        }
    }
}
