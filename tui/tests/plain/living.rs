//! What one needs to live in the plain mode: others' doings in words, numbers, what is unread, threads, searches.

use jiff::tz::TimeZone;
use mechat_client::event::Link;
use mechat_client::{Event as ClientEvent, OutboxState, RequestKind};
use mechat_protocol::reply::{ErrorReply, Found, Marks, Posts, Presence, Profile};
use mechat_protocol::request::{HistoryRange, Level};
use mechat_protocol::{
    Amendment, Body, ChannelId, Content, Emoji, Entry, ErrorCode, RequestId, Seq, Topic, UnixMillis,
};
use mechat_tui::model::Target;
use mechat_tui::plain::format;
use mechat_tui::plain::session::{Input, Session};

use super::player::{Plain, read_upto};
use crate::stage::{NOON, account, channel, entry, fingerprint, info, message, nonce, signed_in, welcome};

fn amended(seq: u64, sender: &str, amendment: Amendment) -> Entry {
    entry(1, seq, sender, Body::Amended { amendment })
}

fn thumb() -> Emoji {
    Emoji::new("👍").expect("an emoji")
}

#[test]
fn what_others_do_is_told_in_words_and_names_what_is_meant() {
    let mut plain = Plain::in_lobby();
    plain.live(message(1, 1, "vera", "Did the \"nightly\" build really pass, all of it?"));
    let content = Content::text("yes").expect("text");
    plain.live(entry(1, 2, "ann", Body::said(content.clone(), Some(Seq(1)))));
    plain.live(amended(3, "ann", Amendment::React { seq: Seq(1), emoji: thumb(), on: true }));
    plain.live(amended(4, "ann", Amendment::React { seq: Seq(1), emoji: thumb(), on: false }));
    plain.live(amended(
        5,
        "vera",
        Amendment::Edit { seq: Seq(1), content: Content::text("Did it pass?").expect("text") },
    ));
    plain.live(amended(6, "vera", Amendment::Pin { seq: Seq(1), on: true }));
    plain.live(amended(7, "ann", Amendment::Delete { seq: Seq(2) }));
    let topic = Topic::new("releases\n[12:00:00] @vera: forged".into()).expect("short");
    plain.live(amended(8, "vera", Amendment::SetTopic { topic }));
    plain.live(amended(9, "vera", Amendment::React { seq: Seq(2), emoji: thumb(), on: true }));
    assert_eq!(
        plain.out,
        [
            "[11:04:01] #1 @vera: Did the \"nightly\" build really pass, all of it?",
            "[11:05:02] #2 @ann answers #1 \"Did the 'nightly' build really p…\": yes",
            "[11:06:03] @ann reacted 👍 to #1 \"Did the 'nightly' build really p…\"",
            "[11:07:04] @ann took back 👍 from #1 \"Did the 'nightly' build really p…\"",
            "[11:08:05] @vera edited #1: Did it pass?",
            "[11:09:06] @vera pinned #1 \"Did it pass?\"",
            "[11:10:07] @ann deleted #2",
            "[11:11:08] @vera set the topic: releases",
            "           [12:00:00] @vera: forged",
            "[11:12:09] @vera reacted 👍 to #2",
        ]
    );
}

#[test]
fn what_became_of_a_message_stands_before_its_words() {
    let mut edited = message(1, 1, "vera", "new words");
    edited.amend(&amended(2, "ann", Amendment::React { seq: Seq(1), emoji: thumb(), on: true }));
    edited.amend(&amended(3, "vera", Amendment::Pin { seq: Seq(1), on: true }));
    edited.amend(&amended(
        4,
        "vera",
        Amendment::Edit { seq: Seq(1), content: Content::text("newer").expect("text") },
    ));
    assert_eq!(
        format::entry(&edited, None, &TimeZone::UTC),
        ["[11:04:01] #1 @vera (edited, pinned, 👍 1): newer"]
    );
    edited.amend(&amended(5, "host", Amendment::Delete { seq: Seq(1) }));
    assert_eq!(
        format::entry(&edited, None, &TimeZone::UTC),
        ["[11:04:01] #1 @vera said something that @host deleted"]
    );
}

#[test]
fn messages_are_answered_changed_and_taken_back_by_number_or_as_the_last() {
    let mut plain = Plain::in_lobby();
    plain.live(message(1, 1, "misha", "mine")).live(message(1, 2, "vera", "hers"));
    plain.commands.clear();
    for (line, command) in [
        ("reply 2 yes", "in_reply_to: Some(Seq(2))"),
        ("reply last yes", "in_reply_to: Some(Seq(2))"),
        ("/edit better", "Edit { seq: Seq(1)"),
        ("edit 1 better", "Edit { seq: Seq(1)"),
        ("delete last", "Delete { seq: Seq(1) }"),
        ("react 2 :thumbs_up:", "React { seq: Seq(2), emoji: Emoji(\"👍\"), on: true }"),
        ("unreact last 👍", "React { seq: Seq(2), emoji: Emoji(\"👍\"), on: false }"),
        ("pin 2", "Pin { seq: Seq(2), on: true }"),
        ("/topic releases", "SetTopic { topic: Topic(\"releases\") }"),
    ] {
        plain.line(line);
        let (position, at) = (message(1, 2, "misha", "x").position(), UnixMillis(0));
        let state = OutboxState::Acked { position, at };
        plain.client(ClientEvent::Outbox { nonce: nonce(plain.nonces), channel: ChannelId(1), state });
        assert!(
            plain.commands.last().is_some_and(|last| last.contains(command)),
            "{line}: {:?}",
            plain.commands
        );
    }
    let before = plain.commands.len();
    plain.line("a new one").line("delete last");
    assert_eq!(plain.commands.len(), before + 1, "the last may be the one that is on its way");
    let mut empty = Plain::in_lobby();
    empty.line("/edit nothing was said");
    assert!(
        empty.commands.is_empty() && empty.err[0].contains("give the message's number"),
        "{:?}",
        empty.err
    );
}

#[test]
fn lines_become_one_message_and_none_of_them_a_command() {
    let mut plain = Plain::in_lobby();
    plain.line("say <<END").line("one").line("/quit").line("").line("END");
    assert_eq!(plain.commands.len(), 1, "{:?}", plain.commands);
    assert!(plain.commands[0].contains("\"one\\n/quit\\n\""), "{:?}", plain.commands);
    plain.live(message(1, 1, "vera", "x")).line("reply 1 <<.").line("a").line("b").line(".");
    assert!(plain.commands.last().is_some_and(|last| last.contains("a\\nb") && last.contains("Seq(1)")));
    let mut cut = Plain::in_lobby();
    cut.session = cut.session.scripted();
    cut.line("say <<END").line("half").feed(Input::End);
    assert!(cut.commands.is_empty() && cut.err[0].contains("no line is END"), "{:?}", cut.err);
    assert_eq!(cut.exit, Some(1));
}

#[test]
fn a_long_text_is_refused_whole() {
    let mut plain = Plain::in_lobby();
    plain.line("say <<END");
    for _ in 0..3 {
        plain.line(&"x".repeat(10_000));
    }
    plain.line("END");
    assert!(plain.commands.is_empty() && plain.err[0].contains("at most 16384 bytes"), "{:?}", plain.err);
    plain.line("next line");
    assert_eq!(plain.commands.len(), 1);
}

#[test]
fn what_is_read_is_what_was_written_where_one_is() {
    let mut plain = Plain::connected();
    plain.line("login misha").secret("pw").client(ClientEvent::SignedIn(signed_in("misha")));
    let [lobby, rust] =
        [read_upto(info(1, "lobby", 2, 4, true), 4), read_upto(info(2, "rust", 2, 9, true), 7)];
    plain.client(ClientEvent::Channels(vec![lobby, rust]));
    plain.client(ClientEvent::Appended {
        channel: ChannelId(2),
        entries: vec![message(2, 8, "vera", "missed"), message(2, 9, "vera", "for @misha")],
        live: false,
    });
    plain.client(ClientEvent::CaughtUp);
    assert!(plain.out.is_empty(), "not where one is: {:?}", plain.out);
    assert!(
        plain.err.contains(&"* #rust: 2 unread, 1 of them for you; next writes them".into()),
        "{:?}",
        plain.err
    );
    plain.commands.clear();
    plain.live(message(2, 10, "vera", "in passing"));
    assert_eq!(plain.out, ["[11:13:10] #10 @vera: in passing"]);
    assert!(plain.commands.is_empty(), "read only where one is: {:?}", plain.commands);
    plain.live(message(1, 5, "vera", "here"));
    assert_eq!(plain.commands, ["Mark { channel: ChannelId(1), read: Some(Seq(5)), level: None }"]);
    plain.out.clear();
    plain.line("unread").line("inbox");
    assert_eq!(
        plain.out,
        ["unread:", "    #rust: 3 unread, 1 of them for you", "inbox:", "    #rust #9 @vera: for @misha"]
    );
    plain.out.clear();
    plain.commands.clear();
    plain.line("connect rust");
    let page = (8..=10).map(|seq| message(2, seq, "vera", &format!("m{seq}"))).collect();
    plain.page(2, HistoryRange::After { seq: Seq(7) }, page);
    assert_eq!(plain.out, ["--- new ---", "[11:11:08] #8 @vera: m8", "[11:12:09] #9 @vera: m9"], "each once");
    assert_eq!(
        plain.commands.last().map(String::as_str),
        Some("Mark { channel: ChannelId(2), read: Some(Seq(10)), level: None }")
    );
    plain.line("unread");
    assert_eq!(plain.err.last().map(String::as_str), Some("* nothing is unread"));
}

#[test]
fn next_writes_what_is_unread_though_it_was_in_passing() {
    let mut plain = Plain::in_lobby();
    plain.client(ClientEvent::Joined(read_upto(info(2, "rust", 2, 7, true), 7)));
    plain.live(message(2, 8, "vera", "in passing"));
    plain.out.clear();
    plain.line("next").page(
        2,
        HistoryRange::After { seq: Seq(7) },
        vec![message(2, 8, "vera", "in passing")],
    );
    assert_eq!(plain.out, ["--- new ---", "[11:11:08] #8 @vera: in passing"]);
    assert_eq!(plain.err.last().map(String::as_str), Some("* in #rust"));
}

#[test]
fn a_long_backlog_is_written_from_where_it_is_bearable_and_the_rest_is_said() {
    let mut plain = Plain::connected();
    plain.line("login misha").secret("pw").client(ClientEvent::SignedIn(signed_in("misha")));
    plain.commands.clear();
    plain.client(ClientEvent::Channels(vec![read_upto(info(1, "lobby", 2, 5_000, true), 1)]));
    assert!(plain.commands[0].contains("After { seq: Seq(4000) }"), "{:?}", plain.commands);
    assert!(plain.err.iter().any(|line| line.contains("3999 entries before these")), "{:?}", plain.err);
}

#[test]
fn an_edit_that_the_backlog_shows_already_is_not_told_again() {
    let mut plain = Plain::connected();
    plain.line("login misha").secret("pw").client(ClientEvent::SignedIn(signed_in("misha")));
    plain.client(ClientEvent::Channels(vec![read_upto(info(1, "lobby", 2, 4, true), 1)]));
    let edit = |seq, target| {
        let content = Content::text("newer").expect("text");
        amended(seq, "vera", Amendment::Edit { seq: Seq(target), content })
    };
    let mut said = message(1, 2, "vera", "new");
    said.amend(&edit(3, 2));
    plain.page(1, HistoryRange::After { seq: Seq(1) }, vec![said, edit(3, 2), edit(4, 1)]);
    assert_eq!(
        plain.out,
        ["--- new ---", "[11:05:02] #2 @vera (edited): newer", "[11:07:04] @vera edited #1: newer"]
    );
    plain.live(message(1, 5, "vera", "on"));
    assert_eq!(plain.out.len(), 4, "nothing is missing in between: {:?}", plain.out);
}

#[test]
fn a_muted_channel_is_silent_from_elsewhere_and_one_for_mentions_tells_them() {
    for (level, told) in [("none", 0), ("mentions", 1), ("all", 2)] {
        let mut plain = Plain::in_lobby();
        plain.line(&format!("notify {level}"));
        assert!(plain.commands[0].contains("level: Some("), "{:?}", plain.commands);
        plain.line("connect rust").client(ClientEvent::Joined(info(2, "rust", 2, 0, true)));
        plain.live(message(1, 1, "vera", "hello")).live(message(1, 2, "vera", "hello @misha"));
        assert_eq!(plain.out.len(), told, "{level}: {:?}", plain.out);
        plain.line("connect lobby");
        if level != "all" {
            let page = vec![message(1, 1, "vera", "hello"), message(1, 2, "vera", "hello @misha")];
            plain.page(1, HistoryRange::After { seq: Seq(0) }, page);
        }
        assert_eq!(
            plain.out.iter().filter(|line| line.contains("hello")).count(),
            2,
            "each once: {:?}",
            plain.out
        );
    }
}

#[test]
fn what_is_searched_is_written_with_its_channel_and_goes_on_with_more() {
    let mut plain = Plain::in_lobby();
    plain.line("/search build from:vera");
    assert!(plain.commands[0].contains("Query(\"build from:vera\")"), "{:?}", plain.commands);
    let found = |next| Found { id: RequestId(0), entries: vec![message(1, 7, "vera", "the build")], next };
    plain.client(ClientEvent::Found { ticket: 9, result: Ok(found(None)) });
    assert!(plain.out.is_empty(), "an answer to something else");
    plain.client(ClientEvent::Found { ticket: 1, result: Ok(found(Some(5))) });
    assert_eq!(plain.out, ["#lobby 23-02-2024 [11:10:07] #7 @vera: the build"]);
    plain.line("more");
    assert!(plain.commands[1].contains("after: Some(5)"), "{:?}", plain.commands);
    let refusal = ErrorReply::new(None, ErrorCode::Busy, "try again in a moment");
    plain.client(ClientEvent::Found { ticket: 2, result: Err(refusal) });
    assert_eq!(
        plain.err.last().map(String::as_str),
        Some("error: the search was refused: try again in a moment")
    );
}

#[test]
fn a_thread_begins_with_its_message_and_pins_and_people_are_written() {
    let mut plain = Plain::in_lobby();
    plain.line("thread 3");
    plain.page(1, HistoryRange::After { seq: Seq(2) }, vec![message(1, 3, "vera", "well?")]);
    assert!(plain.commands.last().is_some_and(|last| last.contains("Replies { seq: Seq(3) }")));
    let answer = entry(1, 5, "ann", Body::said(Content::text("yes").expect("text"), Some(Seq(3))));
    let posts = Posts { id: RequestId(0), channel: ChannelId(1), entries: vec![answer], more: false };
    plain.client(ClientEvent::Posts { ticket: 1, result: Ok(posts) });
    assert_eq!(plain.out, ["[11:06:03] #3 @vera: well?", "[11:08:05] #5 @ann answers #3 \"well?\": yes"]);
    plain.line("thread 4").page(
        1,
        HistoryRange::After { seq: Seq(3) },
        vec![entry(1, 4, "vera", Body::Left)],
    );
    assert!(plain.err.last().is_some_and(|line| line.contains("#4 is no message")), "{:?}", plain.err);
    plain.line("pins");
    let none = Posts { id: RequestId(0), channel: ChannelId(1), entries: vec![], more: false };
    plain.client(ClientEvent::Posts { ticket: 2, result: Ok(none) });
    assert!(plain.err.last().is_some_and(|line| line.contains("nothing is pinned")), "{:?}", plain.err);
    plain.line("/profile vera");
    let profile = Profile {
        id: RequestId(0),
        account: account("vera"),
        registered_ms: UnixMillis(NOON),
        admin: true,
        presence: Presence::Connected,
    };
    plain.client(ClientEvent::Profile { ticket: 3, result: Ok(profile) });
    assert_eq!(
        plain.out.last().map(String::as_str),
        Some("@vera: connected, an admin of the relay, registered 23-02-2024, 11:03:00")
    );
}

#[test]
fn typing_is_told_only_if_it_is_asked_for() {
    let mut plain = Plain::in_lobby();
    let typing =
        || ClientEvent::Typing { channel: ChannelId(1), accounts: vec![account("vera"), account("misha")] };
    plain.client(typing());
    assert!(plain.err.is_empty());
    plain.line("typing on").client(typing());
    assert_eq!(plain.err.last().map(String::as_str), Some("* @vera is writing in #lobby"));
}

#[test]
fn what_failed_is_sent_again_or_dropped() {
    let mut plain = Plain::in_lobby();
    let fail = |plain: &mut Plain| {
        let error = ErrorReply::new(None, ErrorCode::TooLarge, "too fast");
        let state = OutboxState::Failed(error);
        let failed = nonce(plain.nonces);
        plain.client(ClientEvent::Outbox { nonce: failed, channel: ChannelId(1), state });
    };
    plain.line("important words");
    fail(&mut plain);
    assert!(plain.err[0].contains("too fast") && plain.err[0].contains("important words"), "{:?}", plain.err);
    plain.line("retry");
    assert!(
        plain.commands.len() == 2 && plain.commands[1].contains("important words"),
        "{:?}",
        plain.commands
    );
    fail(&mut plain);
    plain.line("discard").line("retry");
    assert_eq!(plain.err.last().map(String::as_str), Some("* nothing failed"));
    assert_eq!(plain.commands.len(), 2);
}

#[test]
fn what_the_keyring_has_signs_a_person_in_at_once_and_a_script_before_it_needs_it() {
    let token = || signed_in("misha").token;
    let mut person = Plain::new();
    person.session = person.session.remembering();
    person
        .client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }))
        .client(ClientEvent::Welcome(welcome()));
    assert!(person.commands.is_empty(), "the keyring is slower");
    person.feed(Input::Saved(Some(token())));
    assert!(person.commands[0].starts_with("Resume"), "{:?}", person.commands);
    person.client(ClientEvent::SignedIn(signed_in("misha")));
    assert!(person.kept[0].starts_with("Keep") && !person.kept[0].contains("canary"), "{:?}", person.kept);
    for (line, resumes) in [("connect lobby", true), ("login misha", false), ("new misha", false)] {
        let mut script = Plain::new();
        script.session = script.session.scripted().remembering();
        script.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
        script.client(ClientEvent::Welcome(welcome())).feed(Input::Saved(Some(token()))).line(line);
        assert_eq!(!script.commands.is_empty(), resumes, "{line}: {:?}", script.commands);
    }
    let mut locked = Plain::new();
    locked.session = locked.session.remembering();
    locked
        .client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }))
        .client(ClientEvent::Welcome(welcome()));
    locked.feed(Input::NoKeyring).feed(Input::NoKeyring);
    assert_eq!(locked.err.iter().filter(|line| line.contains("no keyring")).count(), 1, "{:?}", locked.err);
    assert!(locked.err.last().is_some_and(|line| line.contains("2 signs in")), "{:?}", locked.err);
}

#[test]
fn the_menu_has_its_numbers_until_one_is_signed_in() {
    let mut plain = Plain::connected();
    plain.line("1").line("misha").secret("pw");
    assert!(plain.commands[0].starts_with("Register"), "{:?}", plain.commands);
    let mut plain = Plain::connected();
    plain.line("3");
    assert_eq!(plain.commands, ["ListParticipants(None)"]);
    let mut plain = Plain::connected();
    plain.line("4");
    assert_eq!(plain.exit, Some(0));
    let mut plain = Plain::in_lobby();
    plain.line("1");
    assert!(plain.commands[0].starts_with("Say"), "{:?}", plain.commands);
    let mut plain = Plain::connected();
    plain.line("new misha").secret("pw");
    let taken = ErrorReply::new(None, ErrorCode::NameTaken, "misha is taken");
    plain.client(ClientEvent::Refused { request: RequestKind::Register, error: taken });
    assert!(plain.err.last().is_some_and(|line| line.contains("login NAME signs in")), "{:?}", plain.err);
}

#[test]
fn a_channel_that_was_left_is_not_joined_again_by_a_link_or_a_new_account() {
    let start = |left: &[&str]| {
        let mut plain = Plain::new();
        let mut target = Target::from("h:1".parse::<mechat_protocol::RelayAddress>().expect("address"));
        target.channel = Some(channel("lobby"));
        let left: Vec<_> = left.iter().map(|name| channel(name)).collect();
        plain.session = Session::new(target, TimeZone::UTC).having_left(account("misha"), &left);
        plain
            .client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }))
            .client(ClientEvent::Welcome(welcome()));
        plain.line("login misha").secret("pw").client(ClientEvent::SignedIn(signed_in("misha")));
        plain.commands.clear();
        plain.client(ClientEvent::Channels(vec![info(1, "lobby", 2, 0, false)]));
        plain
    };
    assert_eq!(start(&[]).commands, ["Join(#lobby)"]);
    let mut plain = start(&["Lobby"]);
    assert!(
        plain.commands.is_empty() && plain.err.iter().any(|line| line.contains("you left #lobby")),
        "{:?}",
        plain.err
    );
    plain.line("join lobby").client(ClientEvent::Joined(info(1, "lobby", 2, 1, true)));
    plain.kept.clear();
    plain.line("leave").client(ClientEvent::Left(ChannelId(1)));
    assert_eq!(plain.kept, ["Left(#lobby, true)"]);
}

#[test]
fn a_new_account_begins_where_people_meet() {
    let mut plain = Plain::connected();
    plain.line("new misha").secret("pw").client(ClientEvent::Registered(account("misha")));
    plain.client(ClientEvent::SignedIn(signed_in("misha")));
    plain.client(ClientEvent::Channels(vec![info(1, "lobby", 2, 0, false)]));
    assert_eq!(plain.commands.last().map(String::as_str), Some("Join(#lobby)"));
}

#[test]
fn emoji_are_named_for_ears_if_that_is_asked_for() {
    let mut plain = Plain::in_lobby();
    plain.session = plain.session.speaking();
    plain.live(message(1, 1, "vera", "done 🎉")).live(amended(
        2,
        "ann",
        Amendment::React { seq: Seq(1), emoji: thumb(), on: true },
    ));
    assert_eq!(
        plain.out,
        [
            "[11:04:01] #1 @vera: done :party_popper:",
            "[11:05:02] @ann reacted :thumbs_up: to #1 \"done :party_popper:\""
        ]
    );
}

#[test]
fn help_is_complete_and_an_unknown_command_gets_a_guess() {
    let mut plain = Plain::in_lobby();
    plain.line("help");
    for form in ["reply N TEXT", "/search WORDS", "notify all|mentions|none", "say <<END", "history [COUNT]"]
    {
        assert!(plain.err.iter().any(|line| line.contains(form)), "{form}: {:?}", plain.err);
    }
    plain.line("help react");
    assert!(plain.err.last().is_some_and(|line| line.starts_with("react N EMOJI: ")), "{:?}", plain.err);
    plain.line("/raect 1 👍");
    assert!(plain.err.last().is_some_and(|line| line.contains("did you mean react?")), "{:?}", plain.err);
}

#[test]
fn the_end_waits_until_the_relay_has_what_was_read() {
    let mut plain = Plain::in_lobby();
    plain.confirms = false;
    plain.live(message(1, 1, "vera", "hi")).live(message(1, 2, "vera", "there")).line("quit");
    let marks = |read| Marks { read: Seq(read), level: Level::All };
    plain.client(ClientEvent::Marks { channel: ChannelId(1), marks: marks(1) });
    assert_eq!(plain.exit, None, "the second is on its way behind the first");
    plain.client(ClientEvent::Marks { channel: ChannelId(1), marks: marks(2) });
    assert_eq!(plain.exit, Some(0));
    let mut cut = Plain::in_lobby();
    cut.confirms = false;
    cut.live(message(1, 1, "vera", "hi")).down().line("quit");
    assert_eq!(cut.exit, Some(0), "nobody is there to take it");
}
