//! Finding things: keys and their presets, palette, switcher, help, commands, the mouse, themes, panes, the configuration.

mod stage;

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEventKind};
use mechat_client::event::Link;
use mechat_client::{Event as ClientEvent, RequestKind};
use mechat_protocol::reply::ErrorReply;
use mechat_protocol::{Body, ChannelId, ErrorCode};
use mechat_tui::action::{ACTIONS, Keymap, Mode};
use mechat_tui::config;
use mechat_tui::model::{Overlay, RelayBook, Scroll};
use mechat_tui::theme::{PALETTES, palette};
use mechat_tui::update::complete::complete;
use mechat_tui::update::{Effect, Event, finder};
use stage::{Stage, entry, message};

const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;

fn long_chat() -> Stage {
    let mut stage = Stage::in_chat((80, 24));
    for seq in 5..90 {
        stage.live(message(1, seq, "vera", &format!("message number {seq}")));
    }
    stage
}

fn with(text: &str) -> Stage {
    let mut stage = Stage::in_chat((200, 50));
    stage.configure(text);
    assert!(stage.model.preferences.problems.is_empty(), "{:?}", stage.model.preferences.problems);
    stage.take();
    stage
}

#[test]
fn a_sequence_waits_shows_what_can_follow_and_types_nothing() {
    let mut stage = Stage::in_chat((80, 24));
    stage.chord(ALT, KeyCode::Char('w'));
    assert!(stage.shows("Alt-W …") && stage.shows("show or hide the channels"), "{}", stage.picture());
    stage.key(KeyCode::Char('c'));
    assert!(!stage.shows("To join") && stage.model.composer.is_empty(), "{}", stage.picture());
    stage.chord(ALT, KeyCode::Char('w')).key(KeyCode::Char('q'));
    assert!(stage.shows("Alt-W q means nothing") && stage.model.composer.is_empty(), "{}", stage.picture());
    stage.chord(ALT, KeyCode::Char('w')).key(KeyCode::Esc).key(KeyCode::Char('c'));
    assert_eq!(stage.model.composer.text(), "c");
}

#[test]
fn vim_reads_with_letters_and_writes_after_i() {
    let mut stage = with("preset = \"vim\"");
    stage.type_text("ggG").key(KeyCode::Esc).type_text("ggxq");
    assert_eq!((stage.model.mode, stage.model.composer.text().as_str()), (Mode::Normal, "ggG"));
    assert!(stage.shows("NORMAL"), "{}", stage.picture());
    stage.key(KeyCode::Char('i')).type_text("!");
    assert_eq!(stage.model.composer.text(), "ggG!");
    assert!(stage.shows("INSERT"));
    let mut stage = long_chat();
    stage.configure("preset = \"vim\"").key(KeyCode::Esc).type_text("gg");
    assert!(stage.shows("beginning of #lobby"), "{}", stage.picture());
    stage.key(KeyCode::Char('G'));
    assert!(stage.shows("message number 89"));
    stage.feed(Event::Paste("pasted".into()));
    assert_eq!((stage.model.mode, stage.model.composer.text().as_str()), (Mode::Insert, "pasted"));
}

#[test]
fn emacs_leaves_the_composer_its_motions() {
    let mut stage = with("preset = \"emacs\"");
    stage.type_text("one two").chord(CTRL, KeyCode::Char('a')).chord(CTRL, KeyCode::Char('k'));
    assert!(stage.model.composer.is_empty() && stage.model.overlay.is_none(), "Ctrl-K kills the line");
    stage.chord(CTRL, KeyCode::Char('x')).key(KeyCode::Char('b'));
    assert!(matches!(stage.model.overlay, Some(Overlay::Finder(_))));
    stage.key(KeyCode::Esc).chord(CTRL, KeyCode::Char('x')).chord(CTRL, KeyCode::Char('c'));
    assert!(matches!(stage.take().as_slice(), [.., Effect::Quit]));
}

#[test]
fn own_keys_hold_and_are_what_help_and_hints_show() {
    let mut stage = with("[keys]\nswitcher = \"Ctrl-G\"\nreload = \"Alt-R\"");
    stage.chord(CTRL, KeyCode::Char('k'));
    assert!(stage.model.overlay.is_none());
    stage.chord(ALT, KeyCode::Char('r'));
    assert!(matches!(stage.take().as_slice(), [Effect::ReadConfig { always: true }]));
    stage.resize((120, 36));
    assert!(stage.shows("Ctrl-G go to"), "{}", stage.picture());
    stage.key(KeyCode::F(1)).type_text("find a channel");
    assert!(stage.shows("Ctrl-G") && !stage.shows("Ctrl-K"), "{}", stage.picture());
}

#[test]
fn a_bad_configuration_changes_nothing_and_says_why() {
    let mut stage = with("theme = \"nord\"\n[keys]\nswitcher = \"Ctrl-G\"");
    stage.configure("theme = \"light\"\n[keys]\nswitcher = \"Hyper-K\"");
    assert!(stage.shows("line 3: switcher: there is no key"), "{}", stage.picture());
    assert_eq!(stage.model.theme.palette().name, "nord");
    stage.chord(CTRL, KeyCode::Char('g'));
    assert!(matches!(stage.model.overlay, Some(Overlay::Finder(_))), "the keys from before hold");
    stage.key(KeyCode::Esc).configure("theme = \"light\"");
    assert_eq!(stage.model.theme.palette().name, "light");
    assert!(stage.shows("is in force"), "{}", stage.picture());
}

#[test]
fn a_bad_configuration_is_told_after_the_way_to_the_chat_and_stays_in_sight() {
    let mut stage = Stage::new((80, 24));
    stage.configure("theem = 1");
    assert!(stage.shows("unknown key"), "{}", stage.picture());
    stage.enter("chat.example.org");
    stage.client(ClientEvent::Link(Link::Up { fingerprint: stage::fingerprint(1) }));
    stage.client(ClientEvent::Welcome(stage::welcome()));
    assert!(stage.shows("✗ config line 1"), "{}", stage.picture());
    stage.client(ClientEvent::SignedIn(stage::signed_in("misha")));
    assert!(stage.shows("unknown key"), "{}", stage.picture());
    stage.key(KeyCode::Esc).click("✗ config line 1");
    assert!(stage.shows("The configuration is"), "{}", stage.picture());
    stage.key(KeyCode::Esc).configure("theme = \"nord\"");
    assert!(!stage.shows("✗ config"), "{}", stage.picture());
}

#[test]
fn whoever_comes_back_may_have_changed_the_configuration() {
    let mut stage = Stage::in_chat((80, 24));
    stage.feed(Event::Focus(false));
    assert!(stage.take().is_empty());
    stage.feed(Event::Focus(true));
    assert!(matches!(stage.take().as_slice(), [Effect::ReadConfig { always: false }]));
    stage.model.notice = None;
    stage.configure("");
    assert!(stage.model.notice.is_none(), "what is as before is not told");
}

#[test]
fn the_switcher_puts_unread_first_then_the_last_visited() {
    let mut stage = Stage::in_chat((80, 24));
    for (id, name) in [(4, "alpha"), (5, "beta"), (6, "gamma")] {
        stage.client(ClientEvent::Joined(stage::info(id, name, 1, 0, true)));
        stage.client(ClientEvent::Appended {
            channel: ChannelId(id),
            entries: vec![entry(id, 1, "vera", Body::Joined)],
            live: false,
        });
    }
    stage.enter("/switch gamma").enter("/switch lobby");
    stage.live(message(5, 2, "vera", "psst"));
    stage.take();
    stage.chord(CTRL, KeyCode::Char('k'));
    let rows: Vec<String> = finder::rows(&stage.model).into_iter().map(|row| row.words).collect();
    assert_eq!(
        rows[..6],
        ["#beta", "#gamma", "#alpha", "#rust", "#lobby", "#random"].map(str::to_owned),
        "{rows:?}"
    );
    assert!(rows[6..].contains(&"@vera".to_owned()) && !rows.contains(&"@misha".to_owned()), "{rows:?}");
    stage.key(KeyCode::Enter);
    assert_eq!(stage.model.current, Some(ChannelId(5)));
}

#[test]
fn the_switcher_finds_people_and_channels_by_scattered_letters() {
    let mut stage = Stage::in_chat((80, 24));
    stage.chord(CTRL, KeyCode::Char('k')).type_text("rdm").key(KeyCode::Enter);
    assert!(stage.commands().iter().any(|command| command.contains("Join(#random)")));
    stage.chord(CTRL, KeyCode::Char('k')).type_text("@pol").key(KeyCode::Enter);
    assert_eq!(stage.model.composer.text(), "@polina ");
}

#[test]
fn the_palette_does_what_it_names_and_asks_for_what_is_missing() {
    let mut stage = Stage::in_chat((80, 24));
    stage.chord(CTRL, KeyCode::Char('p')).type_text("invite link").key(KeyCode::Enter);
    assert!(stage.shows("Others join in one step"), "{}", stage.picture());
    stage.key(KeyCode::Esc).chord(CTRL, KeyCode::Char('p')).type_text("join a channel").key(KeyCode::Enter);
    assert_eq!(stage.model.composer.text(), "/join ");
    stage.chord(CTRL, KeyCode::Char('p')).type_text("make a channel").key(KeyCode::Enter);
    assert_eq!(stage.model.composer.text(), "/join ", "what is being written stays");
    assert!(stage.shows("/create #CHANNEL is typed"), "{}", stage.picture());
}

#[test]
fn the_help_is_searched_by_typing() {
    let mut stage = Stage::in_chat((80, 24));
    stage.key(KeyCode::F(1)).type_text("leave");
    assert!(stage.shows("/leave [#CHANNEL]") && !stage.shows("PgUp"), "{}", stage.picture());
    stage.type_text("zzz");
    assert!(stage.shows("nothing has these words"));
    stage.key(KeyCode::Esc);
    assert!(stage.shows("Writing") && stage.model.overlay.is_some(), "Esc clears first");
    stage.key(KeyCode::Esc);
    assert!(stage.model.overlay.is_none());
}

#[test]
fn a_theme_is_shown_at_once_and_goes_back_unless_it_is_taken() {
    let mut stage = Stage::in_chat((80, 24));
    stage.model.preferences.abilities.depth = mechat_tui::theme::Depth::True;
    stage.model.theme = stage.model.preferences.theme();
    stage.key(KeyCode::F(4)).key(KeyCode::Down);
    assert_eq!(stage.model.theme.palette().name, "dark");
    stage.key(KeyCode::Esc);
    assert_eq!(stage.model.theme.palette().name, "terminal");
    assert!(stage.take().is_empty());
    stage.key(KeyCode::F(4)).type_text("nord").key(KeyCode::Enter);
    assert_eq!(stage.model.theme.palette().name, "nord");
    assert!(
        matches!(stage.take().as_slice(), [Effect::SaveLooks(looks)] if looks.theme.as_deref() == Some("nord"))
    );
    stage.enter("/theme dracula");
    assert_eq!(stage.model.preferences.picked, palette::named("dracula"));
}

#[test]
fn a_theme_that_the_file_names_says_that_it_comes_back() {
    let mut stage = with("theme = \"nord\"");
    stage.enter("/theme dracula");
    assert!(stage.shows("dracula until the program ends"), "{}", stage.picture());
}

#[test]
fn the_mouse_presses_what_it_sees() {
    let mut stage = Stage::in_chat((120, 36));
    stage.click("  #rust");
    assert_eq!(stage.model.current, Some(ChannelId(2)));
    stage.take();
    stage.click("#random");
    assert!(stage.commands().iter().any(|command| command.contains("Join(#random)")));
    stage.click("  #lobby").click("polina disconnected");
    assert_eq!(stage.model.composer.text(), "@polina ");
    stage.click("F1 help");
    assert!(matches!(stage.model.overlay, Some(Overlay::Help(..))), "{}", stage.picture());
    stage.mouse(MouseEventKind::Down(MouseButton::Left), 1, 1);
    assert!(stage.model.overlay.is_none(), "beside it closes it");
    stage.click("Ctrl-K go to").click("@vera");
    assert_eq!(stage.model.composer.text(), "@polina @vera ");
}

#[test]
fn the_mouse_chooses_a_relay_and_a_row_of_the_menu() {
    let mut relays = RelayBook::default();
    relays.used(&"127.0.0.1:7667".parse().expect("address"), None);
    relays.used(&"chat.example.org".parse().expect("address"), None);
    let mut stage = Stage::with_relays((80, 24), relays);
    stage.click("New relay").type_text("x").click("2. 127.0.0.1");
    assert!(
        matches!(stage.take().as_slice(), [Effect::Connect(target)] if target.address.to_string() == "127.0.0.1:7667")
    );
    let mut stage = Stage::at_menu((40, 12));
    stage.click("[2] log in");
    assert!(stage.shows("Password"), "{}", stage.picture());
}

#[test]
fn every_hint_of_the_status_line_is_where_it_is_drawn() {
    let mut stage = Stage::in_chat((200, 50));
    stage.live(message(2, 2, "polina", "over here"));
    for (words, opens) in [
        ("Ctrl-P do", "Everything one can do"),
        ("Ctrl-K go to", "Channels and people"),
        ("F1 help", "Search"),
    ] {
        stage.click(words);
        assert!(stage.shows(opens), "{words}: {}", stage.picture());
        stage.key(KeyCode::Esc);
    }
    let (x, y) = stage.find("F1 help");
    for x in [x - 1, x + 7] {
        stage.mouse(MouseEventKind::Down(MouseButton::Left), x, y);
        assert!(stage.shows("Search"), "from its first cell to its last: {}", stage.picture());
        stage.key(KeyCode::Esc);
    }
    stage.click("Alt-A next unread");
    assert_eq!(stage.model.current, Some(ChannelId(2)));
}

#[test]
fn the_wheel_scrolls_what_is_under_it() {
    let mut stage = long_chat();
    let over_messages = stage.find("message number 80");
    stage.mouse(MouseEventKind::ScrollUp, over_messages.0, over_messages.1);
    assert!(stage.model.current().is_some_and(|channel| channel.scroll != Scroll::Bottom));
    assert!(!stage.shows("message number 89"), "{}", stage.picture());
    stage.click("older messages");
    assert!(stage.shows("message number 89"), "the line below goes to the newest");
    stage.mouse(MouseEventKind::ScrollUp, 1, 1);
    assert!(stage.shows("message number 89"), "beside the messages it moves none");
}

#[test]
fn a_border_is_dragged_within_limits_and_remembered() {
    let mut stage = Stage::in_chat((120, 36));
    let border = stage.find("│ #lobby ·");
    stage.mouse(MouseEventKind::Down(MouseButton::Left), border.0, border.1);
    stage.mouse(MouseEventKind::Drag(MouseButton::Left), 30, 5);
    assert_eq!(stage.find("│ #lobby ·").0, 30, "{}", stage.picture());
    stage.mouse(MouseEventKind::Drag(MouseButton::Left), 1, 5);
    assert!(stage.find("│ #lobby ·").0 >= 12 && stage.shows("▸ #lobby"), "{}", stage.picture());
    stage.mouse(MouseEventKind::Drag(MouseButton::Left), 119, 5);
    assert!(stage.find("│ #lobby ·").0 < 60, "{}", stage.picture());
    stage.take();
    stage.mouse(MouseEventKind::Up(MouseButton::Left), 119, 5);
    assert!(
        matches!(stage.take().as_slice(), [Effect::SaveLooks(looks)] if looks.panes.channels_width.is_some())
    );
    let mut stage = Stage::in_chat((120, 36));
    let border = stage.find("│ Participants");
    stage.mouse(MouseEventKind::Down(MouseButton::Left), border.0, border.1);
    stage.mouse(MouseEventKind::Drag(MouseButton::Left), 100, 5);
    assert_eq!(stage.find("│ People").0, 100, "{}", stage.picture());
}

#[test]
fn panes_made_wide_give_way_on_a_small_screen() {
    let mut stage = Stage::in_chat((200, 50));
    for _ in 0..30 {
        stage.chord(ALT, KeyCode::Char('w')).key(KeyCode::Right);
        stage.chord(ALT, KeyCode::Char('w')).key(KeyCode::Up);
    }
    for size in [(200, 50), (120, 36), (80, 24), (70, 12), (40, 12)] {
        stage.resize(size);
        assert!(stage.shows("good morning"), "{size:?}: {}", stage.picture());
    }
    stage.resize((120, 36)).chord(ALT, KeyCode::Char('w')).key(KeyCode::Char('0'));
    assert_eq!(stage.picture(), Stage::in_chat((120, 36)).picture());
}

#[test]
fn history_with_nothing_older_says_so() {
    let mut stage = Stage::in_chat((120, 36));
    stage.enter("/history");
    assert!(stage.shows("nothing is older: this is the beginning of #lobby"), "{}", stage.picture());
    let mut stage = long_chat();
    stage.enter("/history");
    assert!(stage.shows("beginning of #lobby") && !stage.shows("nothing is older"), "{}", stage.picture());
    stage.enter("/history");
    assert!(stage.shows("nothing is older"));
}

#[test]
fn a_command_that_the_relay_refuses_comes_back_unless_one_writes_on() {
    let refused = || ClientEvent::Refused {
        request: RequestKind::CreateChannel,
        error: ErrorReply::new(None, ErrorCode::ChannelExists, "exists"),
    };
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("/create workshop").client(refused());
    assert_eq!(stage.model.composer.text(), "/create workshop");
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("/create workshop").type_text("hel").client(refused());
    assert_eq!(stage.model.composer.text(), "hel");
    let mut stage = Stage::in_chat((80, 24));
    stage.enter("/create workshop");
    stage.client(ClientEvent::Joined(stage::info(9, "workshop", 1, 0, true))).client(refused());
    assert!(stage.model.composer.is_empty(), "what was done does not come back");
}

#[test]
fn what_follows_a_slash_is_completed() {
    let stage = Stage::in_chat((80, 24));
    let texts = |text: &str| -> Vec<String> {
        complete(&stage.model, text, text.len()).into_iter().map(|found| found.text).collect()
    };
    assert_eq!(texts("/jo").first().map(String::as_str), Some("/join"));
    assert!(texts("/").len() > 10);
    assert_eq!(texts("/join #ra"), ["#random"]);
    assert_eq!(texts("/leave ru"), ["#rust"], "only those one is in");
    assert_eq!(texts("/theme drac"), ["dracula"]);
    assert_eq!(texts("/list u"), ["users"]);
    assert!(texts("/help /jo").contains(&"join".to_owned()));
    for text in ["hello /jo", "//jo", "/nothing x", "/who x", "/join a b"] {
        assert_eq!(texts(text), Vec::<String>::new(), "{text}");
    }
    let found = complete(&stage.model, "/join #ra now", 9);
    assert_eq!((found[0].range.clone(), found[0].text.as_str()), (6..9, "#random"));
    assert!(complete(&stage.model, "/жжж", 2).is_empty(), "not between the bytes of a letter");
}

#[test]
fn names_from_elsewhere_are_harmless_in_the_finder() {
    let mut stage = Stage::in_chat((80, 24));
    stage.chord(CTRL, KeyCode::Char('k'));
    stage.feed(Event::Paste("\u{1b}[31m\u{202e}".into()));
    assert!(!stage.picture().chars().any(|c| c == '\u{1b}' || c == '\u{202e}'), "{}", stage.picture());
}

const PAGE: &str = include_str!("../../docs/CONFIGURATION.md");

#[test]
fn the_page_of_the_configuration_names_every_action_and_theme() {
    let keymap = Keymap::default();
    let row = |action: &mechat_tui::action::Action| {
        format!(
            "| `{}` | {} | {} |",
            action.name,
            keymap.keys_text(action.id).replace('|', "\\|"),
            action.title
        )
    };
    let rows: Vec<String> = ACTIONS.iter().map(row).collect();
    let all = rows.iter().all(|row| PAGE.lines().any(|line| line == row));
    assert!(all, "the table of actions is now\n{}", rows.join("\n"));
    for palette in PALETTES {
        assert!(PAGE.contains(&format!("`{}`", palette.name)), "{}", palette.name);
    }
}

#[test]
fn the_example_on_the_page_is_valid_and_asks_for_what_is_the_default() {
    let example =
        PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let config = config::parse(example).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!((config.theme, config.mouse, config.time), (None, true, config::Time::default()));
    assert_eq!(config.notifications.channels, ["ops"]);
}
