//! Exact lines, and the order of things.

use std::time::Duration;

use jiff::tz::TimeZone;
use mechat_certs::TrustError;
use mechat_client::event::Link;
use mechat_client::{Event as ClientEvent, OutboxState, RequestKind};
use mechat_protocol::reply::{ConnectionRow, ConnectionState, ErrorReply};
use mechat_protocol::request::HistoryRange;
use mechat_protocol::{Body, ChannelId, Content, ErrorCode, Seq, UnixMillis};
use mechat_tui::plain::format;
use mechat_tui::plain::session::{Input, Wants};

use super::player::{Plain, read_upto};
use crate::stage::{NOON, account, entry, fingerprint, info, message, nonce, person, signed_in, welcome};

#[test]
fn the_session_list_has_exactly_this_form() {
    let mut session = info(1, "name", 32, 0, true);
    session.host = account("some_user");
    assert_eq!(
        format::sessions(&[session], &TimeZone::UTC),
        ["Sessions:", "[*] @name participants: [32], created: [23-02-2024, 11:03:00], host: @some_user"]
    );
}

#[test]
fn the_participants_have_exactly_this_form() {
    let people = [person("alexey", true), person("misha", true), person("polina", false)];
    assert_eq!(
        format::participants(&people),
        ["participants:", "    [alexey] *connected", "    [misha]  *connected", "    [polina] *disconnected"]
    );
    let wide = [person("太郎", true), person("bob", false)];
    assert_eq!(format::participants(&wide)[1..], ["    [太郎] *connected", "    [bob]  *disconnected"]);
}

#[test]
fn entries_have_exactly_this_form() {
    let at = |mut entry: mechat_protocol::Entry| {
        entry.at_ms = UnixMillis(NOON - 11 * 3_600_000 - 180_000 + 12 * 3_600_000);
        format::entry(&entry, None, &TimeZone::UTC)
    };
    assert_eq!(at(entry(1, 1, "participantName", Body::Joined)), ["[12:00:00] @participantName Joined"]);
    assert_eq!(at(entry(1, 1, "participantName", Body::Left)), ["[12:00:00] @participantName Left"]);
    assert_eq!(at(message(1, 1, "vera", "a: b")), ["[12:00:00] #1 @vera: a: b"]);
    assert_eq!(
        at(message(1, 1, "vera", "one\r\n[12:00:00] @misha: two\u{1b}[2J\u{202e}")),
        ["[12:00:00] #1 @vera: one", "           [12:00:00] @misha: two␛[2J‹U+202E›"],
        "no text passes for another line"
    );
}

#[test]
fn connections_are_listed_with_their_state() {
    let row = ConnectionRow {
        row: 7,
        state: ConnectionState::Pending,
        account: None,
        session: None,
        address: "10.0.0.7:1".into(),
        since_ms: UnixMillis(NOON),
    };
    let lines = format::connections(&[row], &TimeZone::UTC);
    assert_eq!(lines, ["connections:", "       7  Pending       -  10.0.0.7:1  since 23-02-2024, 11:03:00"]);
}

#[test]
fn a_script_needs_no_waiting() {
    let mut plain = Plain::new();
    plain.line("new misha");
    assert_eq!(plain.session.wants(), Wants::Nothing, "held until there is a relay");
    assert!(plain.commands.is_empty());
    plain
        .client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }))
        .client(ClientEvent::Welcome(welcome()));
    assert_eq!(plain.session.wants(), Wants::Secret);
    assert_eq!(plain.err.last().map(String::as_str), Some("password for @misha: "));
    plain.secret("canary").line("connect lobby");
    assert_eq!(plain.commands.len(), 1);
    assert!(plain.commands[0].starts_with("Register") && !plain.commands[0].contains("canary"));
    assert!(!format!("{:?}", plain.session).contains("canary"));
    plain.client(ClientEvent::Registered(account("misha"))).client(ClientEvent::SignedIn(signed_in("misha")));
    assert_eq!(plain.commands.len(), 1, "the channels are still to come");
    plain.client(ClientEvent::Channels(vec![]));
    assert_eq!(plain.commands[1], "Join(#lobby)");
    plain.line("hello");
    assert_eq!(plain.commands.len(), 2, "whether it is said depends on the join");
    plain.client(ClientEvent::Joined(info(1, "lobby", 1, 1, true)));
    assert!(plain.commands[2].starts_with("Say"), "{:?}", plain.commands);
    assert!(plain.out.is_empty(), "nothing but facts: {:?}", plain.out);
}

#[test]
fn a_line_after_the_login_finds_the_channels_one_is_in_and_what_is_new_there() {
    let mut plain = Plain::connected();
    plain.line("login misha").secret("pw").line("history");
    plain.client(ClientEvent::SignedIn(signed_in("misha")));
    plain.commands.clear();
    plain.client(ClientEvent::Channels(vec![read_upto(info(1, "lobby", 2, 8, true), 6)]));
    plain.client(ClientEvent::Joined(read_upto(info(1, "lobby", 2, 8, true), 6)));
    assert_eq!(plain.err.iter().filter(|line| *line == "* in #lobby").count(), 1, "{:?}", plain.err);
    assert_eq!(plain.commands.len(), 1, "history waits for what is new: {:?}", plain.commands);
    // What the client reads by itself is of no use here: it may begin too late.
    plain.appended(message(1, 7, "vera", "missed"), false);
    plain.page(
        1,
        HistoryRange::After { seq: Seq(6) },
        vec![message(1, 7, "vera", "missed"), entry(1, 8, "vera", Body::Left)],
    );
    assert_eq!(plain.out, ["--- new ---", "[11:10:07] #7 @vera: missed"]);
    assert!(plain.commands.iter().any(|command| command.contains("Latest")), "{:?}", plain.commands);
    assert!(
        plain.commands.iter().any(|command| command.starts_with("Mark") && command.contains("Some(Seq(8))"))
    );
}

#[test]
fn a_refused_request_lets_the_next_line_through() {
    let mut plain = Plain::in_lobby();
    plain.line("connect missing").line("list channels");
    let error = ErrorReply::new(None, ErrorCode::NoSuchChannel, "no such channel");
    plain.client(ClientEvent::Refused { request: RequestKind::Join, error });
    assert_eq!(
        plain.err,
        ["error: no channel #missing; list channels shows what there is, create missing makes it"]
    );
    assert_eq!(plain.commands, ["Join(#missing)", "ListChannels"]);
}

#[test]
fn comings_and_goings_of_others_are_told_live_and_once() {
    let mut plain = Plain::in_lobby();
    plain.appended(entry(1, 1, "misha", Body::Joined), true);
    plain.appended(entry(1, 2, "vera", Body::Joined), true);
    plain.appended(message(1, 3, "vera", "hi"), true);
    plain.appended(message(1, 3, "vera", "hi"), true);
    plain.appended(entry(1, 4, "vera", Body::Left), true);
    assert_eq!(plain.out, ["[11:05:02] @vera Joined", "[11:06:03] #3 @vera: hi", "[11:07:04] @vera Left"]);
}

#[test]
fn what_was_missed_comes_once_and_what_was_before_the_join_does_not() {
    let mut plain = Plain::in_lobby();
    plain.appended(message(1, 1, "vera", "missed"), false).down();
    plain.appended(message(1, 1, "vera", "missed"), false).appended(message(1, 2, "vera", "later"), false);
    assert_eq!(plain.out, ["[11:04:01] #1 @vera: missed", "[11:05:02] #2 @vera: later"]);
    let mut plain = Plain::in_lobby();
    plain.line("connect rust").client(ClientEvent::Joined(info(2, "rust", 2, 9, true)));
    plain.appended(message(2, 8, "vera", "old"), false).appended(message(2, 10, "vera", "new"), true);
    assert_eq!(plain.out, ["[11:13:10] #10 @vera: new"]);
    plain.appended(message(1, 1, "vera", "elsewhere"), true);
    assert_eq!(plain.err.last().map(String::as_str), Some("* in #lobby:"));
}

#[test]
fn history_is_collected_over_pages_and_written_in_order() {
    let mut plain = Plain::in_lobby();
    plain.line("history 250");
    let page = |from: u64, to: u64, more| ClientEvent::History {
        channel: ChannelId(1),
        range: HistoryRange::Latest,
        entries: (from..=to).map(|seq| message(1, seq, "vera", &format!("m{seq}"))).collect(),
        more,
    };
    plain.client(page(301, 400, true)).client(page(201, 300, true)).client(page(101, 200, true));
    assert_eq!(
        plain
            .commands
            .iter()
            .map(|command| command.contains("Latest") || command.contains("Seq("))
            .collect::<Vec<_>>(),
        [true, true, true]
    );
    assert!(plain.commands[1].contains("Seq(301)") && plain.commands[2].contains("Seq(201)"));
    let said: Vec<&str> = plain.out.iter().filter_map(|line| line.rsplit(' ').next()).collect();
    let expected: Vec<String> = (151..=400).map(|seq| format!("m{seq}")).collect();
    assert_eq!(said, expected);
}

#[test]
fn the_end_waits_for_acknowledgements_and_not_for_ever() {
    let acked = |plain: &mut Plain, number: u128| {
        let position = message(1, 1, "misha", "x").position();
        let state = OutboxState::Acked { position, at: UnixMillis(0) };
        plain.client(ClientEvent::Outbox { nonce: nonce(number), channel: ChannelId(1), state });
    };
    let mut plain = Plain::in_lobby();
    plain.line("one");
    let first = plain.nonces;
    plain.feed(Input::End);
    assert_eq!(plain.exit, None);
    acked(&mut plain, first);
    assert_eq!(plain.exit, None, "its line is still to be written");
    let mut own = message(1, 1, "misha", "one");
    own.nonce = Some(nonce(first));
    plain.appended(own, true);
    assert_eq!((plain.exit, plain.out.len()), (Some(0), 1));
    let mut plain = Plain::in_lobby();
    plain.line("one").feed(Input::End).feed(Input::Deadline);
    assert_eq!(plain.exit, Some(1));
    assert!(plain.err.iter().any(|line| line.contains("not acknowledged")), "{:?}", plain.err);
    let mut plain = Plain::in_lobby();
    plain.feed(Input::End);
    assert_eq!(plain.exit, Some(0));
}

#[test]
fn quit_works_whatever_the_link_does() {
    let mut plain = Plain::new();
    plain.down().line("quit");
    assert_eq!(plain.exit, Some(0));
    assert_eq!(plain.err, ["* not connected: connection reset; next attempt in 1 s"]);
}

#[test]
fn quit_lets_what_was_said_go_out_and_tells_what_could_not() {
    let mut plain = Plain::in_lobby();
    plain.line("bye");
    let mut own = message(1, 1, "misha", "bye");
    own.nonce = Some(nonce(plain.nonces));
    plain.line("quit");
    assert!(plain.exit.is_none() && plain.session.end_limit() < Some(Duration::from_secs(1)));
    plain.appended(own, true);
    assert_eq!(plain.exit, Some(0));
    let mut plain = Plain::in_lobby();
    plain.down().line("bye").line("quit");
    assert_eq!(plain.exit, Some(1));
    assert!(
        plain.err.iter().any(|line| line.contains("1 of the messages were not acknowledged")),
        "{:?}",
        plain.err
    );
}

#[test]
fn a_lost_link_is_told_and_messages_wait_in_the_outbox() {
    let mut plain = Plain::in_lobby();
    plain.down();
    assert_eq!(plain.err, ["* connection lost: connection reset; next attempt in 1 s"]);
    plain.line("still here");
    let mut own = message(1, 1, "misha", "still here");
    own.nonce = Some(nonce(plain.nonces));
    plain.line("list channels");
    assert_eq!(plain.commands.len(), 1, "said at once, listed later: {:?}", plain.commands);
    plain
        .client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }))
        .client(ClientEvent::Welcome(welcome()));
    assert_eq!(plain.commands.len(), 1, "not before one is signed in again");
    plain.client(ClientEvent::SignedIn(signed_in("misha")));
    assert_eq!(plain.commands.len(), 1, "nor before what was said is in the log");
    plain.appended(own, true);
    assert_eq!(plain.commands[1], "ListChannels");
}

#[test]
fn trust_is_asked_and_a_changed_certificate_is_no_question() {
    let mut plain = Plain::new();
    plain.client(ClientEvent::Link(Link::Untrusted(TrustError::Unknown { seen: fingerprint(7) })));
    assert!(plain.err.iter().any(|line| line.contains(&fingerprint(7).to_string())), "{:?}", plain.err);
    plain.line("maybe").line("y");
    assert!(plain.commands.len() == 1 && plain.commands[0].starts_with("Trust("), "{:?}", plain.commands);
    let mut plain = Plain::new();
    plain.client(ClientEvent::Link(Link::Untrusted(TrustError::Unknown { seen: fingerprint(7) })));
    plain.feed(Input::End);
    assert_eq!(plain.exit, Some(1));
    let mut plain = Plain::new();
    let error = TrustError::Changed { pinned: fingerprint(7), seen: fingerprint(9) };
    plain.client(ClientEvent::Link(Link::Untrusted(error)));
    assert_eq!(plain.exit, Some(1));
}

#[test]
fn data_is_named_not_written() {
    let content = Content::Data {
        media_type: mechat_protocol::content::MediaType::new("image/png".into()).expect("a type"),
        bytes: mechat_protocol::content::Data::new(vec![0, 255]).expect("short"),
    };
    let line = format::entry(&entry(1, 1, "vera", Body::said(content, None)), None, &TimeZone::UTC);
    assert_eq!(line, ["[11:04:01] #1 @vera: ‹image/png, 2 bytes›"]);
}

#[test]
fn what_was_meant_for_a_channel_that_is_not_there_goes_to_no_other() {
    let mut plain = Plain::in_lobby();
    plain.line("connect missing").line("important");
    let error = ErrorReply::new(None, ErrorCode::NoSuchChannel, "no such channel");
    plain.client(ClientEvent::Refused { request: RequestKind::Join, error });
    assert_eq!(plain.commands, ["Join(#missing)"], "nothing is said in #lobby");
    assert!(plain.err.last().is_some_and(|line| line.starts_with("error: ")), "{:?}", plain.err);
}

#[test]
fn a_script_learns_of_an_error_by_the_exit_code_and_a_person_does_not_need_it() {
    for (scripted, code) in [(true, 1), (false, 0)] {
        let mut plain = Plain::in_lobby();
        if scripted {
            plain.session = plain.session.scripted();
        }
        plain.line("nonsense with arguments in no channel").line("/frobnicate").feed(Input::End);
        let nonce_of_message = nonce(plain.nonces - 2);
        let error = ErrorReply::new(None, ErrorCode::NotAMember, "no");
        let failed = OutboxState::Failed(error);
        plain.client(ClientEvent::Outbox { nonce: nonce_of_message, channel: ChannelId(1), state: failed });
        assert_eq!(plain.exit, Some(code), "{:?}", plain.err);
    }
}

#[test]
fn what_an_earlier_run_left_is_told_and_waited_for() {
    let mut plain = Plain::in_lobby();
    let content = Content::text("from yesterday").expect("text");
    let outbox = |state| ClientEvent::Outbox { nonce: nonce(900), channel: ChannelId(1), state };
    plain.client(outbox(OutboxState::Pending(mechat_client::Utterance::Message {
        content,
        in_reply_to: None,
    })));
    assert_eq!(plain.err, ["* still to be sent: from yesterday"]);
    plain.feed(Input::End);
    assert_eq!(plain.exit, None, "not before it is acknowledged");
    let mut own = message(1, 1, "misha", "from yesterday");
    own.nonce = Some(nonce(900));
    plain.client(outbox(OutboxState::Acked { position: own.position(), at: UnixMillis(0) }));
    plain.appended(own, true);
    assert_eq!(plain.exit, Some(0));
}

#[test]
fn a_script_does_not_wait_for_a_relay_for_ever() {
    let mut plain = Plain::new();
    plain.session = plain.session.scripted();
    let down = |attempt| {
        let reason = "no relay listens there".to_owned();
        ClientEvent::Link(Link::Down { reason, close: None, attempt, retry_in: Duration::from_secs(1) })
    };
    plain.client(down(9));
    assert_eq!(plain.exit, None);
    plain.client(down(10));
    assert_eq!(plain.exit, Some(1));
}
