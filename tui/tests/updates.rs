//! Events in, effects and pictures out.

mod stage;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use mechat_certs::TrustError;
use mechat_client::event::{Link, SignedOut};
use mechat_client::{Command, Event as ClientEvent, OutboxFile, OutboxState, RequestKind};
use mechat_protocol::reply::ErrorReply;
use mechat_protocol::secret::Token;
use mechat_protocol::{Body, ChannelId, ErrorCode, Seq, UnixMillis};
use mechat_tui::model::{RelayBook, Screen, Target};
use mechat_tui::update::{self, Effect, Event};
use stage::{
    Stage, account, channel, entry, fingerprint, info, message, nonce, older, person, said, signed_in,
    welcome,
};

fn error(code: ErrorCode) -> ErrorReply {
    ErrorReply::new(None, code, "the relay's words")
}

fn refused(stage: &mut Stage, request: RequestKind, code: ErrorCode) {
    stage.client(ClientEvent::Refused { request, error: error(code) });
}

fn down(stage: &mut Stage, retry_in: u64) {
    let retry_in = Duration::from_millis(retry_in);
    let reason = "connection refused".to_owned();
    stage.client(ClientEvent::Link(Link::Down { reason, close: None, attempt: 1, retry_in }));
}

fn saved() -> RelayBook {
    let mut relays = RelayBook::default();
    relays.used(&"chat.example.org".parse().expect("address"), Some(&account("misha")));
    relays
}

#[test]
fn a_typed_relay_is_connected_to_and_listed_once_it_answers() {
    let mut stage = Stage::new((80, 24));
    stage.enter("chat.example.org");
    assert!(matches!(stage.take().as_slice(), [Effect::Connect(target)] if target.address.port() == 7667));
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    assert!(matches!(stage.take().as_slice(), [Effect::SaveRelays(book)] if book.relays.len() == 1));
    stage.client(ClientEvent::Welcome(welcome()));
    assert!(stage.shows("[1] register") && stage.shows("[4] quit"), "{}", stage.picture());
}

#[test]
fn an_invite_link_joins_its_channel_in_one_step() {
    let mut stage = Stage::new((80, 24));
    let link = format!("mechat://h:1/workshop?fp={}", fingerprint(3));
    stage.feed(Event::Paste(link)).key(KeyCode::Enter);
    let effects = stage.take();
    assert!(matches!(&effects[..], [Effect::Connect(target)] if target.invited == Some(fingerprint(3))));
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(3) }));
    stage.client(ClientEvent::Welcome(welcome()));
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    assert!(stage.commands().iter().any(|command| command.contains("Join(#workshop)")));
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    assert!(!stage.commands().iter().any(|command| command.contains("Join")), "once is enough");
}

#[test]
fn the_countdown_wakes_once_a_second_and_never_when_idle() {
    let mut stage = Stage::new((80, 24));
    assert_eq!(update::wake_at(&stage.model), None);
    stage.enter("h");
    down(&mut stage, 2_300);
    assert!(stage.shows("Next try in 3 s"), "{}", stage.picture());
    let wake = update::wake_at(&stage.model).expect("a countdown");
    assert_eq!(wake, stage.model.now.steady + Duration::from_millis(300));
    stage.wait(Duration::from_millis(300));
    assert!(stage.shows("Next try in 2 s"), "{}", stage.picture());
    stage.wait(Duration::from_secs(2));
    assert_eq!(update::wake_at(&stage.model), None);
    stage.take();
    stage.key(KeyCode::Enter);
    assert!(matches!(stage.take().as_slice(), [Effect::Client(Command::ConnectNow)]));
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    assert_eq!(update::wake_at(&stage.model), None);
}

#[test]
fn only_an_unknown_certificate_can_be_accepted() {
    let ask = |error| {
        let mut stage = Stage::new((80, 24));
        stage.enter("h");
        stage.take();
        stage.client(ClientEvent::Link(Link::Untrusted(error)));
        stage
    };
    let seen = fingerprint(9);
    let mut stage = ask(TrustError::Unknown { seen });
    stage.key(KeyCode::Char('y'));
    assert!(matches!(stage.take().as_slice(), [Effect::Client(Command::Trust(f))] if *f == seen));
    for error in [
        TrustError::Changed { pinned: fingerprint(7), seen },
        TrustError::NotAsInvited { expected: fingerprint(7), seen },
    ] {
        let mut stage = ask(error);
        for key in ['y', 'Y', 'a', ' '] {
            stage.key(KeyCode::Char(key));
        }
        stage.key(KeyCode::Enter);
        assert!(stage.take().is_empty(), "{error}");
        assert!(stage.shows("shown now:"));
        stage.key(KeyCode::Esc);
        assert!(matches!(stage.take().as_slice(), [Effect::Disconnect]));
        assert!(matches!(stage.model.screen, Screen::Start(_)));
    }
}

#[test]
fn a_changed_certificate_is_readable_on_the_smallest_screen() {
    let mut stage = Stage::new((40, 12));
    stage.enter("h");
    let error = TrustError::Changed { pinned: fingerprint(7), seen: fingerprint(60) };
    stage.client(ClientEvent::Link(Link::Untrusted(error)));
    let mut seen = stage.picture();
    for _ in 0..30 {
        assert!(stage.shows("[Esc] back"), "{}", stage.picture());
        stage.key(KeyCode::Down);
        seen.push_str(&stage.picture());
    }
    for part in ["STOP", "0708090a-0b0c0d0e", "3c3d3e3f-40414243", "config/mechat/pins"] {
        assert!(seen.contains(part), "{part}");
    }
}

#[test]
fn the_menu_takes_digits_arrows_and_enter() {
    for (keys, screen) in [
        (vec![KeyCode::Char('1')], "Again"),
        (vec![KeyCode::Enter], "Again"),
        (vec![KeyCode::Down, KeyCode::Enter], "Log in"),
        (vec![KeyCode::Char('3')], "this relay lists its"),
    ] {
        let mut stage = Stage::at_menu((80, 24));
        for key in keys {
            stage.key(key);
        }
        assert!(stage.shows(screen), "{screen}: {}", stage.picture());
    }
    let mut stage = Stage::at_menu((80, 24));
    stage.take();
    stage.key(KeyCode::Char('4'));
    assert!(matches!(stage.take().as_slice(), [Effect::Quit]));
}

#[test]
fn participants_before_sign_in_are_shown_where_the_relay_allows_it() {
    let mut stage = Stage::at_menu((80, 24));
    stage.client(ClientEvent::Welcome(mechat_protocol::reply::Welcome {
        participants_before_sign_in: true,
        ..welcome()
    }));
    stage.take();
    stage.key(KeyCode::Char('3'));
    assert_eq!(stage.commands(), ["ListParticipants(None)"]);
    let participants = vec![person("alexey", true), person("polina", false)];
    stage.client(ClientEvent::Participants { channel: None, participants });
    assert!(
        stage.shows("[alexey] *connected") && stage.shows("[polina] *disconnected"),
        "{}",
        stage.picture()
    );
}

#[test]
fn a_password_is_never_shown_and_never_in_debug() {
    let mut stage = Stage::at_menu((80, 24));
    stage.key(KeyCode::Char('1')).enter("misha").enter("canary-pw");
    stage.type_text("canary-pw");
    assert!(stage.shows("•••••••••") && !stage.shows("canary"), "{}", stage.picture());
    assert!(!format!("{:?}", stage.model).contains("canary"));
    stage.key(KeyCode::Enter);
    assert!(!format!("{:?} {:?}", stage.model, stage.effects).contains("canary"));
    assert!(stage.shows("one moment"));
    assert!(stage.commands().iter().any(|command| command.starts_with("Register")));
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    assert!(!format!("{:?}", stage.effects).contains("canary-token"));
}

#[test]
fn differing_passwords_and_bad_names_are_told_beside_the_field() {
    let mut stage = Stage::at_menu((80, 24));
    stage.take();
    stage.key(KeyCode::Char('1')).enter("misha").enter("one").enter("two");
    assert!(stage.shows("the passwords differ"), "{}", stage.picture());
    let mut stage = Stage::at_menu((80, 24));
    stage.take();
    stage.key(KeyCode::Char('2')).enter("a b").enter("pw");
    assert!(stage.shows("letters, digits"), "{}", stage.picture());
    assert!(stage.take().is_empty());
}

#[test]
fn a_taken_name_offers_the_login_with_the_name_filled_in() {
    let mut stage = Stage::at_menu((80, 24));
    stage.key(KeyCode::Char('1')).enter("misha").enter("pw").enter("pw");
    refused(&mut stage, RequestKind::Register, ErrorCode::NameTaken);
    stage.take();
    stage.key(KeyCode::Enter);
    assert!(stage.shows("Log in") && stage.shows("misha") && !stage.shows("•"), "{}", stage.picture());
    stage.enter("pw");
    assert!(
        matches!(stage.take().as_slice(), [Effect::Client(Command::Login { account, .. })] if account.as_str() == "misha")
    );
}

#[test]
fn a_wrong_password_keeps_the_name_and_clears_the_password() {
    let mut stage = Stage::at_menu((80, 24));
    stage.key(KeyCode::Char('2')).enter("misha").enter("wrong");
    refused(&mut stage, RequestKind::Login, ErrorCode::InvalidCredentials);
    assert!(stage.shows("the name or the password is wrong; try again") && stage.shows("misha"));
    assert!(!stage.shows("•"), "{}", stage.picture());
    stage.take();
    stage.enter("right");
    assert!(matches!(stage.take().as_slice(), [Effect::Client(Command::Login { .. })]));
}

#[test]
fn a_link_lost_during_sign_in_ends_the_wait() {
    let mut stage = Stage::at_menu((80, 24));
    stage.key(KeyCode::Char('2')).enter("misha").enter("pw");
    down(&mut stage, 1_000);
    assert!(stage.shows("the connection was lost") && !stage.shows("one moment"), "{}", stage.picture());
}

#[test]
fn a_saved_session_is_resumed_without_a_question() {
    let mut stage = Stage::with_relays((80, 24), saved());
    stage.key(KeyCode::Enter);
    let effects = stage.take();
    assert!(
        matches!(&effects[..], [Effect::Connect(_), Effect::LoadToken(_, name), Effect::OpenCache(..)] if name.as_str() == "misha")
    );
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    stage.client(ClientEvent::Welcome(welcome()));
    stage.take();
    let token = Token::new(vec![5; 32]).expect("a token");
    let address = "chat.example.org".parse().expect("address");
    stage.feed(Event::TokenLoaded { address, account: account("misha"), token: Some(token) });
    assert_eq!(stage.commands(), ["Resume(Token(<32 bytes>))"]);
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    assert!(
        stage.take().iter().any(|effect| matches!(effect, Effect::SaveToken(..))),
        "each sign-in replaces it"
    );
}

#[test]
fn a_refused_token_is_forgotten_and_the_password_asked_for() {
    let mut stage = Stage::with_relays((80, 24), saved());
    stage.key(KeyCode::Enter);
    let address = "chat.example.org".parse().expect("address");
    let token = Token::new(vec![5; 32]).ok();
    stage.feed(Event::TokenLoaded { address, account: account("misha"), token });
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    stage.client(ClientEvent::Welcome(welcome()));
    stage.take();
    stage.client(ClientEvent::SignedOut(SignedOut::TokenRefused));
    assert!(matches!(stage.take().as_slice(), [Effect::ForgetToken(_, name)] if name.as_str() == "misha"));
    assert!(stage.shows("Log in") && stage.shows("misha"), "{}", stage.picture());
}

#[test]
fn a_missing_keyring_is_told_where_one_signs_in_and_holds_up_nothing() {
    let mut stage = Stage::with_relays((80, 24), saved());
    stage.key(KeyCode::Enter);
    stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
    stage.client(ClientEvent::Welcome(welcome()));
    stage.feed(Event::NoKeyring);
    assert!(stage.shows("no keyring here") && stage.shows("[2] log in"), "{}", stage.picture());
    stage.key(KeyCode::Char('2')).feed(Event::NoKeyring);
    assert!(stage.shows("no keyring here") && stage.shows("Password"), "{}", stage.picture());
    stage.feed(Event::Failed("something else".into()));
    stage.client(ClientEvent::SignedIn(signed_in("misha")));
    stage.feed(Event::NoKeyring);
    assert!(!stage.shows("no keyring here") && stage.shows("something else"), "it hides nothing in the chat");
}

#[test]
fn logout_keeps_the_connection_and_forgets_the_token() {
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("/logout");
    assert_eq!(stage.commands(), ["Logout"]);
    stage.client(ClientEvent::SignedOut(SignedOut::LoggedOut));
    assert!(matches!(stage.take().as_slice(), [Effect::ForgetToken(..)]), "and nothing that disconnects");
    assert!(stage.shows("[2] log in") && stage.shows("online, not signed in"), "{}", stage.picture());
    stage.client(ClientEvent::SignedIn(signed_in("vera")));
    assert!(!stage.shows("good morning"), "another account sees nothing of the first");
}

#[test]
fn what_was_said_shows_at_once_and_never_twice() {
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("hello");
    let name = stage.last_nonce();
    assert!(stage.shows("misha") && stage.shows("  hello … sending"), "{}", stage.picture());
    let sent = stage.commands();
    assert!(sent.len() == 1 && sent[0].starts_with("Say"), "{sent:?}");
    let content = mechat_protocol::Content::text("hello").expect("text");
    stage.outbox(name, 1, OutboxState::Pending(said(content.clone())));
    let mut entry = message(1, 5, "misha", "hello");
    entry.nonce = Some(nonce(name));
    let position = entry.position();
    stage.live(entry.clone());
    stage.outbox(name, 1, OutboxState::Acked { position, at: UnixMillis(0) });
    stage.live(entry);
    stage.outbox(name, 1, OutboxState::Pending(said(content)));
    assert_eq!(stage.picture().matches("  hello").count(), 1, "{}", stage.picture());
    assert!(!stage.shows("sending"));
}

#[test]
fn an_own_amendment_shows_at_once_and_what_is_refused_is_as_before() {
    let mut stage = Stage::in_chat((80, 24));
    stage.live(message(1, 5, "misha", "helo"));
    let edit = |seq: u64, words: &str| {
        let content = mechat_protocol::Content::text(words).expect("text");
        mechat_protocol::Amendment::Edit { seq: Seq(seq), content }
    };
    let pending = |seq, words| OutboxState::Pending(mechat_client::Utterance::Amendment(edit(seq, words)));
    stage.outbox(901, 1, pending(5, "hello"));
    assert!(stage.shows("  hello") && !stage.shows("helo"), "{}", stage.picture());
    stage.outbox(901, 1, OutboxState::Failed(error(ErrorCode::NoSuchMessage)));
    assert!(
        stage.shows("helo") && stage.shows("the message was not edited: the relay"),
        "{}",
        stage.picture()
    );
    stage.outbox(902, 1, pending(5, "hullo"));
    let mut entry = entry(1, 6, "misha", Body::Amended { amendment: edit(5, "hullo") });
    entry.nonce = Some(nonce(902));
    stage.live(entry);
    let channel = stage.model.current().expect("in view");
    assert!(channel.amending.is_empty() && stage.shows("  hullo"), "{}", stage.picture());
    // One that changes nothing has no entry of its own, and is done with its ack.
    stage.outbox(903, 1, pending(5, "hullo"));
    let position = message(1, 5, "misha", "x").position();
    stage.outbox(903, 1, OutboxState::Acked { position, at: UnixMillis(0) });
    assert!(stage.model.current().is_some_and(|channel| channel.amending.is_empty()));
}

#[test]
fn a_message_of_somebody_else_with_the_same_nonce_is_another_message() {
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("mine");
    let mut entry = message(1, 5, "vera", "theirs");
    entry.nonce = Some(nonce(stage.last_nonce()));
    stage.live(entry);
    assert!(stage.shows("  mine") && stage.shows("  theirs"), "{}", stage.picture());
}

#[test]
fn what_an_earlier_run_left_has_a_row_until_its_entry_is_known_however_old_that_is() {
    let mut stage = Stage::in_chat((80, 24));
    let content = mechat_protocol::Content::text("from yesterday").expect("text");
    let place = |seq| mechat_protocol::Position { seq: Seq(seq), ..message(1, 1, "misha", "x").position() };
    let acked = |seq| OutboxState::Acked { position: place(seq), at: UnixMillis(0) };
    stage.live(message(1, 50, "vera", "today"));
    stage.outbox(901, 1, OutboxState::Pending(said(content.clone())));
    assert!(stage.shows("  from yesterday"), "{}", stage.picture());
    stage.outbox(901, 1, acked(3));
    assert!(!stage.shows("from yesterday"), "its entry is far above: {}", stage.picture());
    stage.outbox(902, 1, OutboxState::Pending(said(content)));
    stage.outbox(902, 1, acked(51));
    assert!(stage.shows("  from yesterday"), "its entry is still to come");
    let mut entry = message(1, 51, "misha", "from yesterday");
    entry.nonce = Some(nonce(902));
    stage.live(entry);
    assert_eq!(stage.picture().matches("from yesterday").count(), 1, "{}", stage.picture());
}

#[test]
fn a_message_for_a_channel_that_was_left_gives_its_words_back_when_it_fails() {
    let mut stage = Stage::in_chat((80, 24));
    let content = mechat_protocol::Content::text("too late").expect("text");
    stage.outbox(901, 99, OutboxState::Pending(said(content)));
    assert!(!stage.shows("too late"));
    stage.outbox(901, 99, OutboxState::Failed(error(ErrorCode::NotAMember)));
    assert!(stage.shows("not sent: too late (the relay's words)"), "{}", stage.picture());
    stage.enter("on its way");
    let name = stage.last_nonce();
    stage.client(ClientEvent::Left(ChannelId(1)));
    stage.outbox(name, 1, OutboxState::Failed(error(ErrorCode::NotAMember)));
    assert!(stage.shows("not sent: on its way"), "{}", stage.picture());
}

#[test]
fn a_disk_that_does_not_keep_the_outbox_is_told() {
    let mut stage = Stage::in_chat((120, 36));
    let told = |told| ClientEvent::OutboxFile(told);
    stage.client(told(OutboxFile::NotKept { reason: "no space".into() }));
    assert!(stage.shows("not on disk until it is sent"), "{}", stage.picture());
    stage.client(told(OutboxFile::Whole));
    assert!(stage.shows("on disk again"), "{}", stage.picture());
    stage.client(told(OutboxFile::Damaged { what: "half a record".into() }));
    assert!(stage.shows("half a record"), "{}", stage.picture());
}

#[test]
fn a_failed_message_says_why_and_can_be_sent_again_or_dropped() {
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("first").enter("second");
    let second = stage.last_nonce();
    for name in [second - 7, second] {
        stage.outbox(name, 1, OutboxState::Failed(error(ErrorCode::Forbidden)));
    }
    assert_eq!(stage.picture().matches("✗ failed").count(), 2, "{}", stage.picture());
    stage.take();
    stage.enter("/retry");
    let sent = stage.commands();
    assert!(sent.len() == 1 && sent[0].contains("first"), "{sent:?}");
    stage.enter("/discard");
    assert!(!stage.shows("✗ failed") && !stage.shows("second"), "{}", stage.picture());
}

#[test]
fn while_offline_messages_wait_and_say_so() {
    let mut stage = Stage::in_chat((80, 24));
    down(&mut stage, 4_000);
    stage.take();
    stage.enter("later");
    assert_eq!(stage.commands().len(), 1, "the client keeps it");
    assert!(stage.shows("… waiting") && stage.shows("offline, retry in 4 s"), "{}", stage.picture());
}

#[test]
fn a_pasted_text_is_one_message_and_control_keys_break_lines() {
    let mut stage = Stage::in_chat((80, 24));
    stage.feed(Event::Paste("one\r\ntwo\nthree".into()));
    assert!(stage.commands().is_empty(), "a paste sends nothing");
    stage.chord(KeyModifiers::ALT, KeyCode::Enter).chord(KeyModifiers::CONTROL, KeyCode::Char('j'));
    stage.type_text("four").key(KeyCode::Enter);
    let sent = stage.commands();
    assert!(sent.len() == 1 && sent[0].contains(r"one\ntwo\nthree\n\nfour"), "{sent:?}");
}

#[test]
fn slashes() {
    for (typed, outcome) in [
        ("//etc/hosts", r#"Text("/etc/hosts")"#),
        ("/join missing", "Join(#missing)"),
        ("/connect missing", "Join(#missing)"),
        ("/create new", "CreateChannel { name: #new"),
        ("/host new", "CreateChannel { name: #new"),
        ("/leave", "Leave(ChannelId(1))"),
        ("/disconnect", "Leave(ChannelId(1))"),
        ("/list channels", "ListChannels"),
        ("/list users", "ListParticipants(None)"),
        ("/sessions", "ListChannels"),
        ("/who", "ListParticipants(Some(ChannelId(1)))"),
        ("/logout", "Logout"),
    ] {
        let mut stage = Stage::in_chat((80, 24));
        stage.enter(typed);
        let commands = stage.commands();
        assert!(commands.len() == 1 && commands[0].contains(outcome), "{typed}: {commands:?}");
        assert!(stage.model.composer.is_empty(), "{typed}");
    }
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("/quit");
    assert!(matches!(stage.take().as_slice(), [Effect::Quit]));
}

#[test]
fn what_is_no_command_is_told_and_stays() {
    for (typed, told) in [
        ("/conect x", "no command /conect; did you mean /connect?"),
        ("/usr/bin", "no command /usr/bin; /help lists all"),
        ("/join", "a name is missing: /join #CHANNEL"),
        ("/quit now", "/quit takes nothing behind it; // at the start sends a slash"),
        ("/theme nrod", "no theme nrod; did you mean nord?"),
        ("/join a b", "letters, digits"),
        ("/list planets", "/list channels, or /list users"),
        ("/switch elsewhere", "you are not in #elsewhere; /join #elsewhere joins it"),
        ("/connections", "only an admin"),
        ("/history many", "takes a number"),
    ] {
        let mut stage = Stage::in_chat((120, 36));
        stage.enter(typed);
        assert!(stage.shows(told), "{typed}: {}", stage.picture());
        assert!(stage.commands().is_empty(), "{typed}");
        assert_eq!(stage.model.composer.text(), typed, "nothing that was written is lost");
    }
}

#[test]
fn a_missing_channel_is_told_and_nothing_is_made() {
    let mut stage = Stage::in_chat((120, 36));
    stage.enter("/connect missing");
    stage.take();
    refused(&mut stage, RequestKind::Join, ErrorCode::NoSuchChannel);
    assert!(stage.shows("no channel #missing; /list channels shows what there is"), "{}", stage.picture());
    assert_eq!(stage.model.composer.text(), "/connect missing", "what was typed comes back");
    assert!(stage.take().is_empty());
}

#[test]
fn a_joined_channel_is_shown_and_asked_who_is_in_it() {
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("/join random");
    stage.take();
    stage.client(ClientEvent::Joined(info(3, "random", 8, 12, true)));
    assert_eq!(stage.model.current, Some(ChannelId(3)));
    assert_eq!(stage.commands(), ["ListParticipants(Some(ChannelId(3)))"]);
    stage.client(ClientEvent::Left(ChannelId(3)));
    assert!(stage.model.channel(ChannelId(3)).is_none());
    assert!(stage.model.current.is_some(), "another channel is shown");
}

#[test]
fn drafts_stay_with_their_channel() {
    let mut stage = Stage::in_chat((80, 24));
    stage.type_text("for the lobby");
    stage.chord(KeyModifiers::ALT, KeyCode::Down);
    assert!(stage.model.composer.is_empty(), "never into another channel");
    stage.type_text("for rust").chord(KeyModifiers::ALT, KeyCode::Char('1'));
    assert_eq!(stage.model.composer.text(), "for the lobby");
    stage.chord(KeyModifiers::CONTROL, KeyCode::Char('k')).type_text("rus").key(KeyCode::Enter);
    assert_eq!(stage.model.composer.text(), "for rust");
    stage.client(ClientEvent::Left(ChannelId(2)));
    assert_eq!(stage.model.composer.text(), "for the lobby");
    stage.client(ClientEvent::Joined(info(2, "rust", 2, 1, true)));
    stage.chord(KeyModifiers::ALT, KeyCode::Char('2'));
    assert_eq!(stage.model.composer.text(), "for rust");
}

#[test]
fn unread_counts_what_others_said_unseen() {
    let mut stage = Stage::in_chat((80, 24));
    assert_eq!(stage.model.unread_elsewhere(), 0, "the backlog is no news");
    stage.live(message(2, 2, "polina", "one")).live(message(2, 3, "misha", "mine, elsewhere"));
    stage.live(entry(2, 4, "vera", Body::Joined)).live(message(2, 5, "polina", "two"));
    assert_eq!(stage.model.unread_elsewhere(), 2);
    assert!(stage.shows("2 unread elsewhere"));
    stage.chord(KeyModifiers::ALT, KeyCode::Char('2'));
    assert_eq!(stage.model.unread_elsewhere(), 0);
    assert!(stage.shows("── new"), "{}", stage.picture());
    stage.chord(KeyModifiers::ALT, KeyCode::Char('1')).chord(KeyModifiers::ALT, KeyCode::Char('2'));
    assert!(!stage.shows("── new"), "seen and left: {}", stage.picture());
}

#[test]
fn nothing_is_read_without_focus_under_a_panel_or_below_the_view() {
    let unread = |stage: &Stage| stage.model.current().map(|channel| channel.unread().news);
    let mut stage = Stage::in_chat((80, 24));
    stage.feed(Event::Focus(false)).live(message(1, 5, "vera", "psst"));
    assert_eq!(unread(&stage), Some(1));
    stage.feed(Event::Focus(true));
    assert_eq!(unread(&stage), Some(0));
    stage.key(KeyCode::F(1)).live(message(1, 6, "vera", "psst"));
    assert_eq!(unread(&stage), Some(1));
    stage.key(KeyCode::Esc);
    assert_eq!(unread(&stage), Some(0));
}

#[test]
fn the_view_stays_where_one_reads() {
    let mut stage = Stage::in_chat((80, 24));
    for seq in 5..200 {
        stage.live(message(
            1,
            seq,
            "vera",
            &format!("number {seq} {}", "long ".repeat(usize::try_from(seq % 17).expect("small"))),
        ));
    }
    stage.key(KeyCode::PageUp).key(KeyCode::PageUp);
    let timeline = |stage: &Stage| -> Vec<String> {
        let picture = stage.picture();
        picture.lines().skip(1).take(20).map(|line| line.chars().skip(15).take(48).collect()).collect()
    };
    let before = timeline(&stage);
    stage.live(message(1, 200, "alexey", "news"));
    assert_eq!(timeline(&stage), before, "what arrives below moves nothing");
    assert!(stage.shows("↓ 1 new message"), "{}", stage.picture());
    stage.resize((120, 36)).resize((80, 24));
    assert_eq!(timeline(&stage), before, "nor does a resize and back");
    for _ in 0..60 {
        stage.key(KeyCode::PageDown);
    }
    assert!(stage.shows("  news") && !stage.shows("new message"), "{}", stage.picture());
}

#[test]
fn up_and_down_visit_every_line() {
    let mut stage = Stage::in_chat((80, 24));
    for seq in 5..60 {
        stage.live(message(
            1,
            seq,
            "vera",
            &format!("m{seq} {}", "word ".repeat(usize::try_from(seq % 30).expect("small"))),
        ));
    }
    let bottom = stage.picture();
    let mut seen = bottom.clone();
    for _ in 0..400 {
        stage.key(KeyCode::Up);
        seen.push_str(&stage.picture());
    }
    assert!(stage.shows("beginning of #lobby"), "{}", stage.picture());
    for seq in 5..60 {
        assert!(seen.contains(&format!("m{seq} ")), "m{seq}");
    }
    for _ in 0..400 {
        stage.key(KeyCode::Down);
    }
    assert_eq!(stage.picture(), bottom);
}

#[test]
fn older_messages_are_asked_for_once_and_joined_without_a_gap() {
    let mut stage = Stage::in_chat((80, 24));
    stage.client(ClientEvent::Joined(info(4, "tall", 2, 300, true)));
    let entries = (250..=300).map(|seq| message(4, seq, "vera", &format!("m{seq}"))).collect();
    stage.client(ClientEvent::Appended { channel: ChannelId(4), entries, live: false });
    stage.enter("/switch tall");
    stage.take();
    for _ in 0..6 {
        stage.key(KeyCode::PageUp);
    }
    let asked = stage.commands();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("Before { seq: Seq(250) }"), "{asked:?}");
    assert!(stage.shows("loading older…"), "{}", stage.picture());
    let far: Vec<_> = (100..=120).map(|seq| message(4, seq, "vera", "far")).collect();
    stage.client(older(ChannelId(4), far, true));
    let known = |stage: &Stage| stage.model.channel(ChannelId(4)).map(|channel| channel.entries.len());
    assert_eq!(known(&stage), Some(51), "a page that does not fit would hide a gap");
    let page: Vec<_> = (200..=260).map(|seq| message(4, seq, "vera", &format!("m{seq}"))).collect();
    stage.client(older(ChannelId(4), page, true));
    assert_eq!(known(&stage), Some(101), "overlapping entries once");
    let channel = stage.model.channel(ChannelId(4)).expect("joined");
    assert!(channel.entries.windows(2).all(|pair| pair[0].seq.next() == pair[1].seq));
    assert!(!channel.at_start);
    stage.key(KeyCode::Home);
    assert!(stage.commands()[0].contains("Seq(200)"));
    let page: Vec<_> = (1..200).map(|seq| message(4, seq, "vera", &format!("m{seq}"))).collect();
    stage.client(older(ChannelId(4), page, false));
    stage.key(KeyCode::Home);
    assert!(stage.shows("beginning of #tall") && stage.shows("m1"), "{}", stage.picture());
    assert!(stage.commands().is_empty());
}

#[test]
fn memory_is_bounded_while_one_watches() {
    let mut stage = Stage::in_chat((80, 24));
    let entries = (5..10_000).map(|seq| message(1, seq, "vera", "x")).collect();
    stage.client(ClientEvent::Appended { channel: ChannelId(1), entries, live: true });
    let channel = stage.model.channel(ChannelId(1)).expect("joined");
    assert!(channel.entries.len() <= mechat_tui::model::channel::ENTRIES_MAX);
    assert_eq!(channel.last_seq(), Seq(9_999));
    assert!(!channel.at_start, "older ones can be read again");
}

#[test]
fn members_follow_the_log_and_presence() {
    let mut stage = Stage::in_chat((120, 36));
    stage.live(entry(1, 5, "ivan", Body::Joined)).client(ClientEvent::Presence(vec![person("ivan", true)]));
    assert!(stage.shows("● ivan connected") && stage.shows("@ivan Joined"), "{}", stage.picture());
    stage.live(entry(1, 6, "ivan", Body::Left));
    assert!(!stage.shows("● ivan") && stage.shows("@ivan Left"), "{}", stage.picture());
}

#[test]
fn a_reset_log_is_forgotten_and_read_anew() {
    let mut stage = Stage::in_chat((80, 24));
    stage.client(ClientEvent::Reset(ChannelId(1)));
    assert!(!stage.shows("good morning") && stage.shows("restored"), "{}", stage.picture());
    stage.client(ClientEvent::Appended {
        channel: ChannelId(1),
        entries: vec![message(1, 1, "vera", "again")],
        live: false,
    });
    assert!(stage.shows("  again"));
}

#[test]
fn quitting_the_chat_takes_ctrl_q_or_ctrl_c_twice() {
    let mut stage = Stage::in_chat((80, 24));
    let ctrl_c = |stage: &mut Stage| {
        stage.chord(KeyModifiers::CONTROL, KeyCode::Char('c'));
        stage.take().iter().any(|effect| matches!(effect, Effect::Quit))
    };
    assert!(!ctrl_c(&mut stage));
    stage.type_text("x");
    assert!(!ctrl_c(&mut stage), "another key means stay");
    assert!(ctrl_c(&mut stage));
    stage.chord(KeyModifiers::CONTROL, KeyCode::Char('q'));
    assert!(matches!(stage.take().as_slice(), [Effect::Quit]));
    let mut stage = Stage::new((80, 24));
    assert!(ctrl_c(&mut stage), "at the start once is enough");
    let mut stage = Stage::in_chat((80, 24));
    stage.feed(Event::Terminate);
    assert!(matches!(stage.take().as_slice(), [Effect::Quit]));
}

#[test]
fn what_is_not_sent_yet_is_told_before_quitting() {
    let mut stage = Stage::in_chat((120, 36));
    down(&mut stage, 9_000);
    stage.enter("important").take();
    stage.chord(KeyModifiers::CONTROL, KeyCode::Char('q'));
    assert!(stage.take().is_empty() && stage.shows("1 message is not sent yet"), "{}", stage.picture());
    stage.chord(KeyModifiers::CONTROL, KeyCode::Char('q'));
    assert!(matches!(stage.take().as_slice(), [Effect::Quit]));
    let mut stage = Stage::in_chat((120, 36));
    stage.enter("important").enter("/quit");
    assert!(stage.shows("not sent yet"), "{}", stage.picture());
    stage.take();
    stage.chord(KeyModifiers::CONTROL, KeyCode::Char('q'));
    assert!(matches!(stage.take().as_slice(), [Effect::Quit]));
}

#[test]
fn hosting_connects_to_itself_with_its_fingerprint() {
    let mut stage = Stage::new((80, 24));
    let invite: mechat_protocol::Invite =
        format!("mechat://192.168.1.5:4000/lobby?fp={}", fingerprint(1)).parse().expect("a link");
    stage.feed(Event::Hosting(Ok(invite)));
    let expected = Target {
        address: "127.0.0.1:4000".parse().expect("address"),
        invited: Some(fingerprint(1)),
        channel: Some(channel("lobby")),
    };
    assert!(matches!(stage.take().as_slice(), [Effect::Connect(target)] if *target == expected));
    let mut stage = Stage::new((80, 24));
    stage.feed(Event::Hosting(Err("the port is busy".into())));
    assert!(stage.take().is_empty());
}

#[test]
fn a_fresh_account_finds_the_lobby() {
    let mut stage = Stage::at_menu((80, 24));
    stage.client(ClientEvent::Registered(account("misha"))).client(ClientEvent::SignedIn(signed_in("misha")));
    stage.take();
    stage.client(ClientEvent::Channels(vec![info(1, "lobby", 1, 1, false), info(2, "rust", 1, 1, false)]));
    assert_eq!(stage.commands(), ["Join(#lobby)"]);
    stage.client(ClientEvent::Channels(vec![info(1, "lobby", 1, 1, false)]));
    assert!(stage.commands().is_empty(), "once: whoever leaves it has left it");
}
