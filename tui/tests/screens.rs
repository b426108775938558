//! Every screen and every overlay as text, at every promised size.

mod stage;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use mechat_certs::TrustError;
use mechat_client::event::Link;
use mechat_client::{Event as ClientEvent, OutboxState, RequestKind};
use mechat_protocol::reply::{ConnectionRow, ConnectionState, ErrorReply};
use mechat_protocol::{Body, ChannelId, ErrorCode, Invite, UnixMillis};
use mechat_tui::model::{RelayBook, Tone};
use mechat_tui::update::Event;
use stage::{NOON, Stage, account, at_every_size, channel, entry, fingerprint, message, person, signed_in};

macro_rules! scenes {
    ($($name:ident: $scene:expr;)+) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(at_every_size($scene));
        })+
    };
}

fn saved_relays() -> RelayBook {
    let mut relays = RelayBook::default();
    relays.used(&"127.0.0.1:7667".parse().expect("address"), Some(&account("misha")));
    relays.used(&"chat.example.org".parse().expect("address"), None);
    relays
}

fn down(stage: &mut Stage) {
    stage.client(ClientEvent::Link(Link::Down {
        reason: "connection refused".into(),
        close: None,
        attempt: 3,
        retry_in: Duration::from_millis(4_200),
    }));
}

fn refused(stage: &mut Stage, request: RequestKind, code: ErrorCode) {
    let error = ErrorReply::new(None, code, "the relay's words");
    stage.client(ClientEvent::Refused { request, error });
}

fn busy_chat(size: (u16, u16)) -> Stage {
    let mut stage = Stage::in_chat(size);
    stage.live(message(1, 5, "vera", "Did you see this?\n\tlet x = 1;\nA second paragraph that is long enough to be wrapped in every window that anybody has, I should think."));
    stage.live(message(1, 6, "alexey", "日本語 👨‍👩‍👧‍👦 e\u{301}\u{1b}[31m \u{202e}abc"));
    stage.live(entry(1, 7, "vera", Body::Left));
    stage.live(message(2, 2, "polina", "over here"));
    stage.live(message(2, 3, "polina", "hello?"));
    stage.enter("on my way");
    stage.type_text("half a thou");
    stage
}

fn configured(size: (u16, u16), text: &str) -> Stage {
    let mut stage = Stage::in_chat(size);
    stage.configure(text);
    stage.model.notice = stage.model.notice.take().filter(|notice| notice.tone == Tone::Error);
    stage
}

scenes! {
    picker_empty: Stage::new;
    picker_with_relays: |size| Stage::with_relays(size, saved_relays());
    picker_refuses_nonsense: |size| {
        let mut stage = Stage::new(size);
        stage.enter("not a host!");
        stage
    };
    connecting_failed: |size| {
        let mut stage = Stage::new(size);
        stage.enter("chat.example.org");
        down(&mut stage);
        stage
    };
    trust_unknown: |size| {
        let mut stage = Stage::new(size);
        stage.enter("chat.example.org");
        stage.client(ClientEvent::Link(Link::Untrusted(TrustError::Unknown { seen: fingerprint(7) })));
        stage
    };
    trust_changed: |size| {
        let mut stage = Stage::new(size);
        stage.enter("chat.example.org");
        let error = TrustError::Changed { pinned: fingerprint(7), seen: fingerprint(9) };
        stage.client(ClientEvent::Link(Link::Untrusted(error)));
        stage
    };
    trust_not_as_invited: |size| {
        let mut stage = Stage::new(size);
        stage.enter("chat.example.org");
        let error = TrustError::NotAsInvited { expected: fingerprint(7), seen: fingerprint(9) };
        stage.client(ClientEvent::Link(Link::Untrusted(error)));
        stage
    };
    menu: Stage::at_menu;
    form_name_taken: |size| {
        let mut stage = Stage::at_menu(size);
        stage.key(KeyCode::Char('1')).enter("misha").enter("secret").enter("secret");
        refused(&mut stage, RequestKind::Register, ErrorCode::NameTaken);
        stage
    };
    form_wrong_password: |size| {
        let mut stage = Stage::at_menu(size);
        stage.key(KeyCode::Char('2')).enter("misha").enter("secret");
        refused(&mut stage, RequestKind::Login, ErrorCode::InvalidCredentials);
        stage
    };
    form_busy: |size| {
        let mut stage = Stage::at_menu(size);
        stage.key(KeyCode::Char('2')).enter("misha").enter("secret");
        stage
    };
    chat: busy_chat;
    chat_without_channel: |size| {
        let mut stage = Stage::at_menu(size);
        stage.client(ClientEvent::SignedIn(signed_in("misha")));
        stage.client(ClientEvent::Channels(vec![stage::info(3, "random", 7, 0, false)]));
        stage.client(ClientEvent::CaughtUp);
        stage
    };
    chat_offline_and_failed: |size| {
        let mut stage = Stage::in_chat(size);
        stage.enter("too much");
        let nonce = stage.last_nonce();
        let error = ErrorReply::new(None, ErrorCode::TooLarge, "a message has at most 16384 bytes");
        stage.outbox(nonce, 1, OutboxState::Failed(error));
        down(&mut stage);
        stage.enter("waits");
        stage
    };
    chat_scrolled_up: |size| {
        let mut stage = Stage::in_chat(size);
        for seq in 5..90 {
            stage.live(message(1, seq, "vera", &format!("message number {seq}")));
        }
        stage.key(KeyCode::PageUp);
        stage.live(message(1, 90, "alexey", "news"));
        stage
    };
    chat_new_divider: |size| {
        let mut stage = Stage::in_chat(size);
        stage.live(message(2, 2, "polina", "over here"));
        stage.chord(KeyModifiers::ALT, KeyCode::Char('2'));
        stage
    };
    chat_notice: |size| {
        let mut stage = Stage::in_chat(size);
        stage.enter("/conect missing");
        stage
    };
    chat_invite_banner: |size| {
        let mut stage = Stage::new(size);
        let invite = Invite {
            address: "192.168.1.5:7667".parse().expect("address"),
            channel: Some(channel("lobby")),
            fingerprint: Some(fingerprint(1)),
            code: None,
        };
        stage.feed(Event::Hosting(Ok(invite)));
        stage.client(ClientEvent::Link(Link::Up { fingerprint: fingerprint(1) }));
        stage.client(ClientEvent::Welcome(stage::welcome()));
        stage.client(ClientEvent::SignedIn(signed_in("misha")));
        stage.client(ClientEvent::Joined(stage::info(1, "lobby", 1, 0, true)));
        stage.client(ClientEvent::CaughtUp);
        stage
    };
    panes_toggled: |size| {
        let mut stage = Stage::in_chat(size);
        stage.key(KeyCode::F(3));
        stage
    };
    overlay_help: |size| {
        let mut stage = Stage::in_chat(size);
        stage.key(KeyCode::F(1));
        stage
    };
    overlay_switcher: |size| {
        let mut stage = Stage::in_chat(size);
        stage.chord(KeyModifiers::CONTROL, KeyCode::Char('k')).type_text("r");
        stage
    };
    overlay_switcher_by_itself: |size| {
        let mut stage = Stage::in_chat(size);
        stage.live(message(2, 2, "polina", "over here"));
        stage.chord(KeyModifiers::CONTROL, KeyCode::Char('k'));
        stage
    };
    overlay_palette: |size| {
        let mut stage = Stage::in_chat(size);
        stage.chord(KeyModifiers::CONTROL, KeyCode::Char('p'));
        stage
    };
    overlay_palette_searched: |size| {
        let mut stage = Stage::in_chat(size);
        stage.chord(KeyModifiers::CONTROL, KeyCode::Char('p')).type_text("chan");
        stage
    };
    overlay_themes: |size| {
        let mut stage = Stage::in_chat(size);
        stage.key(KeyCode::F(4)).key(KeyCode::Down);
        stage
    };
    overlay_help_searched: |size| {
        let mut stage = Stage::in_chat(size);
        stage.enter("/help join");
        stage
    };
    overlay_help_of_vim: |size| {
        let mut stage = configured(size, "preset = \"vim\"");
        stage.key(KeyCode::F(1)).type_text("reading");
        stage
    };
    overlay_configuration: |size| {
        let mut stage = configured(size, "theem = \"nord\"\n[keys]\npalette = \"Ctrl-K\"");
        stage.enter("/config");
        stage
    };
    configuration_refused: |size| configured(size, "theem = \"nord\"\n[keys]\npalette = \"Ctrl-K\"");
    which_key: |size| {
        let mut stage = Stage::in_chat(size);
        stage.chord(KeyModifiers::ALT, KeyCode::Char('w'));
        stage
    };
    which_key_of_emacs: |size| {
        let mut stage = configured(size, "preset = \"emacs\"");
        stage.chord(KeyModifiers::CONTROL, KeyCode::Char('x'));
        stage
    };
    vim_normal_mode: |size| {
        let mut stage = configured(size, "preset = \"vim\"");
        stage.type_text("half a thou").key(KeyCode::Esc);
        stage
    };
    in_ascii: |size| {
        let mut stage = configured(size, "ascii = true");
        stage.live(message(1, 5, "vera", "naïve │ 日本"));
        stage.chord(KeyModifiers::CONTROL, KeyCode::Char('k'));
        stage
    };
    panes_resized: |size| {
        let mut stage = Stage::in_chat(size);
        for _ in 0..3 {
            stage.chord(KeyModifiers::ALT, KeyCode::Char('w')).key(KeyCode::Right);
            stage.chord(KeyModifiers::ALT, KeyCode::Char('w')).key(KeyCode::Down);
        }
        stage
    };
    overlay_sessions: |size| {
        let mut stage = Stage::in_chat(size);
        stage.enter("/sessions");
        stage
    };
    overlay_channels: |size| {
        let mut stage = Stage::in_chat(size);
        stage.enter("/list channels");
        stage
    };
    overlay_who: |size| {
        let mut stage = Stage::in_chat(size);
        stage.enter("/who");
        stage
    };
    overlay_invite: |size| {
        let mut stage = Stage::in_chat(size);
        stage.enter("/invite");
        stage
    };
    overlay_connections: |size| {
        let mut stage = Stage::in_chat(size);
        stage.client(ClientEvent::SignedIn(mechat_client::SignedIn { admin: true, ..signed_in("misha") }));
        stage.enter("/connections");
        let row = |row, state, name: Option<&str>| ConnectionRow {
            row,
            state,
            account: name.map(account),
            session: None,
            address: "10.0.0.7:50123".into(),
            since_ms: UnixMillis(NOON),
        };
        stage.client(ClientEvent::Connections(vec![
            row(1, ConnectionState::Connected, Some("misha")),
            row(2, ConnectionState::Pending, None),
            row(3, ConnectionState::Disconnected, Some("polina")),
        ]));
        stage
    };
}

#[test]
fn a_terminal_that_is_too_small_is_told() {
    let mut stage = Stage::in_chat((80, 24));
    stage.resize((39, 12));
    assert!(stage.shows("terminal too small: 40×12 needed,"), "{}", stage.picture());
    assert!(stage.shows("39×12"), "{}", stage.picture());
    for size in [(1, 1), (5, 2), (200, 11)] {
        stage.resize(size);
        let _ = stage.picture();
    }
    stage.resize((40, 12));
    assert!(stage.shows("good morning"), "{}", stage.picture());
}

#[test]
fn people_are_shown_with_sign_and_word() {
    let stage = Stage::in_chat((120, 36));
    assert!(stage.shows("● alexey connected"), "{}", stage.picture());
    assert!(stage.shows("○ polina disconnected"), "{}", stage.picture());
    let mut stage = Stage::in_chat((80, 24));
    assert!(stage.shows("○ polina") && stage.shows("○ disconnected"), "the legend: {}", stage.picture());
    stage.client(ClientEvent::Presence(vec![person("polina", true)]));
    assert!(stage.shows("● polina"), "{}", stage.picture());
}

#[test]
fn remote_control_characters_never_reach_the_screen() {
    let stage = busy_chat((120, 36));
    let picture = stage.picture();
    assert!(picture.contains("␛[31m") && picture.contains("‹U+202E›abc"), "{picture}");
    assert!(
        !picture.chars().any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c))
    );
    let mut stage = Stage::at_menu((80, 24));
    let mut welcome = stage::welcome();
    welcome.motd = Some("\u{1b}]0;owned\u{7}hello".into());
    stage.client(ClientEvent::Welcome(welcome));
    assert!(stage.shows("␛]0;owned␇hello"), "{}", stage.picture());
}

#[test]
fn a_channel_that_is_not_known_shows_nothing() {
    let mut stage = Stage::in_chat((80, 24));
    stage.live(message(77, 1, "vera", "stray"));
    assert!(!stage.shows("stray"));
    stage.client(ClientEvent::Left(ChannelId(77)));
    assert!(stage.shows("good morning"));
}
