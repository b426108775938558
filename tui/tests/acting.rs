//! Doing something with messages: choosing one, and everything that can be done with it.

mod stage;

use std::collections::BTreeSet;

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEventKind};
use mechat_client::event::Link;
use mechat_client::{Command, Event as ClientEvent, OutboxState};
use mechat_protocol::reply::{ErrorReply, Found, Posts, Presence, Profile};
use mechat_protocol::{
    Amendment, Body, ChannelId, Content, Emoji, Entry, ErrorCode, Nonce, RequestId, Seq, Topic,
};
use mechat_tui::model::channel::RowKey;
use mechat_tui::model::{Overlay, Scroll};
use mechat_tui::update::Effect;
use stage::{Stage, at_every_size, entry, message, older};

const CTRL: KeyModifiers = KeyModifiers::CONTROL;

fn chat(size: (u16, u16)) -> Stage {
    let mut stage = Stage::in_chat(size);
    stage.live(message(1, 5, "vera", "see https://example.org/one and https://example.org/two"));
    stage.live(message(1, 6, "misha", "on my way"));
    stage.live(reply(1, 7, "alexey", "which one?", 5));
    stage.live(message(1, 8, "vera", "the ||second|| one: https://example.org/two"));
    stage.take();
    stage
}

fn reply(id: u64, seq: u64, sender: &str, text: &str, to: u64) -> Entry {
    let content = Content::text(text).expect("a text");
    entry(id, seq, sender, Body::said(content, Some(Seq(to))))
}

fn selecting(size: (u16, u16)) -> Stage {
    let mut stage = chat(size);
    stage.chord(CTRL, KeyCode::Char('s'));
    stage
}

/// The chosen entry.
fn chosen(stage: &Stage) -> Option<u64> {
    match stage.model.reading.chosen? {
        RowKey::Entry(seq) => Some(seq.0),
        RowKey::Outgoing(_) => panic!("not in the log"),
    }
}

fn amendments(stage: &mut Stage) -> Vec<Amendment> {
    let amendments = stage.take().into_iter().filter_map(|effect| match effect {
        Effect::Client(Command::Amend { amendment, .. }) => Some(amendment),
        _ => None,
    });
    amendments.collect()
}

fn emoji(text: &str) -> Emoji {
    Emoji::new(text).expect("an emoji")
}

#[test]
fn gurk_316_324_381_the_choice_is_a_message_never_a_separator_and_stays_the_same_one() {
    let mut stage = selecting((80, 24));
    assert_eq!(chosen(&stage), Some(8), "the newest");
    stage.key(KeyCode::Up).key(KeyCode::Up).key(KeyCode::Up);
    assert_eq!(chosen(&stage), Some(5));
    stage.key(KeyCode::Up);
    assert_eq!(chosen(&stage), Some(2), "who joined is no message");
    stage.key(KeyCode::Up).key(KeyCode::Char('k'));
    assert_eq!(chosen(&stage), Some(2), "the beginning of the channel is none either");
    // A day passes, somebody comes, messages arrive: a date and a "new" line stand between the rows now.
    stage.feed(mechat_tui::update::Event::Focus(false));
    for seq in 9..60 {
        let mut entry = message(1, seq, "vera", &format!("message number {seq}"));
        entry.at_ms.0 += 86_400_000 * i64::try_from(seq / 10).expect("small");
        stage.live(entry);
    }
    assert_eq!(chosen(&stage), Some(2));
    assert!(stage.shows("good morning, everyone"), "it stays in view:\n{}", stage.picture());
    let mut seen = BTreeSet::new();
    for _ in 0..80 {
        stage.key(KeyCode::Down);
        let seq = chosen(&stage).expect("chosen");
        let channel = stage.model.current().expect("a channel");
        let row = channel.row_index(RowKey::Entry(Seq(seq))).expect("a row");
        assert!(matches!(channel.entries[row].body, Body::Message(_)), "{seq}");
        let shown = mechat_tui::view::timeline::shown(&stage.model, channel);
        assert!(shown.iter().any(|line| line.key == Some(RowKey::Entry(Seq(seq)))), "{seq} is in view");
        seen.insert(seq);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), (5..60).collect::<Vec<_>>(), "each once, none left out");
    stage.key(KeyCode::Char('y'));
    let copied = stage.take().into_iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text),
        _ => None,
    });
    assert_eq!(copied.as_deref(), Some("message number 59"), "what is done is done to the chosen one");
}

#[test]
fn what_is_loaded_above_moves_no_choice() {
    let mut stage = Stage::in_chat((80, 24));
    let id = ChannelId(3);
    stage.client(ClientEvent::Joined(stage::info(3, "long", 2, 300, true)));
    let page = |range: std::ops::Range<u64>| -> Vec<Entry> {
        range.map(|seq| message(3, seq, "vera", &format!("message number {seq}"))).collect()
    };
    stage.client(ClientEvent::Appended { channel: id, entries: page(280..301), live: false });
    stage.enter("/switch long").chord(CTRL, KeyCode::Char('s'));
    for _ in 0..25 {
        stage.key(KeyCode::Up);
    }
    assert_eq!(chosen(&stage), Some(280));
    stage.client(older(id, page(180..280), true));
    assert_eq!(chosen(&stage), Some(280));
    stage.key(KeyCode::Up);
    assert_eq!(chosen(&stage), Some(279));
}

#[test]
fn where_the_user_moves_the_view_the_choice_goes_with_it() {
    let mut stage = Stage::in_chat((80, 24));
    for seq in 5..90 {
        stage.live(message(1, seq, "vera", &format!("message number {seq}")));
    }
    stage.chord(CTRL, KeyCode::Char('s')).key(KeyCode::PageUp).key(KeyCode::PageUp);
    let seq = chosen(&stage).expect("chosen");
    assert!(seq < 80 && stage.shows(&format!("message number {seq}")), "{seq}:\n{}", stage.picture());
    stage.chord(CTRL, KeyCode::End);
    let seq = chosen(&stage).expect("chosen");
    assert!(seq >= 70 && stage.shows(&format!("message number {seq}")), "{seq}");
}

#[test]
fn an_own_message_stays_chosen_when_it_reaches_the_log() {
    let mut stage = chat((80, 24));
    stage.enter("just said").chord(CTRL, KeyCode::Char('s'));
    let said = stage.last_nonce() - 1;
    assert_eq!(stage.model.reading.chosen, Some(RowKey::Outgoing(stage::nonce(said))));
    stage.key(KeyCode::Char('r'));
    assert!(stage.shows("does not have this message yet"), "{}", stage.picture());
    let mut arrived = message(1, 9, "misha", "just said");
    arrived.nonce = Some(Nonce(stage::nonce(said).0));
    stage.live(arrived);
    assert_eq!(chosen(&stage), Some(9));
}

#[test]
fn letters_act_on_the_choice_and_are_not_written() {
    let mut stage = chat((80, 24));
    stage.type_text("half a thought").chord(CTRL, KeyCode::Char('s')).key(KeyCode::Char('z'));
    assert!(stage.shows("Esc goes back to writing"), "{}", stage.picture());
    stage.key(KeyCode::Esc).key(KeyCode::Esc).type_text("!");
    assert_eq!(stage.model.composer.text(), "half a thought!");
    assert_eq!(stage.model.reading.chosen, None);
}

#[test]
fn the_chosen_message_is_answered() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Up).key(KeyCode::Up).key(KeyCode::Char('r')).enter("good");
    let said = stage.take().into_iter().find_map(|effect| match effect {
        Effect::Client(Command::Say { in_reply_to, .. }) => in_reply_to,
        _ => None,
    });
    assert_eq!(said, Some(Seq(6)));
}

#[test]
fn own_messages_are_edited_and_those_of_others_are_not() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Char('e'));
    assert!(stage.shows("only your own messages"), "{}", stage.picture());
    stage.key(KeyCode::Up).key(KeyCode::Up).key(KeyCode::Char('e')).enter(", nearly there");
    let content = Content::text("on my way, nearly there").expect("a text");
    assert_eq!(amendments(&mut stage), [Amendment::Edit { seq: Seq(6), content }]);
    assert!(stage.shows("on my way, nearly there"), "at once:\n{}", stage.picture());
}

#[test]
fn deleting_asks_once_and_any_other_key_declines() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Char('d'));
    assert!(stage.shows("only the host of the channel"), "{}", stage.picture());
    stage.key(KeyCode::Up).key(KeyCode::Up).key(KeyCode::Char('d'));
    assert!(stage.shows("delete this message for everyone?"), "{}", stage.picture());
    stage.key(KeyCode::Up).key(KeyCode::Down).key(KeyCode::Char('d'));
    assert_eq!(amendments(&mut stage), [], "asked anew");
    stage.key(KeyCode::Char('d'));
    assert_eq!(amendments(&mut stage), [Amendment::Delete { seq: Seq(6) }]);
    assert!(stage.shows("message deleted") && !stage.shows("on my way"), "{}", stage.picture());
    // A refusal brings it back and names what was tried.
    let number = stage.last_nonce();
    let error = ErrorReply::new(None, ErrorCode::Forbidden, "only its sender may");
    stage.outbox(number, 1, OutboxState::Failed(error));
    assert!(stage.shows("on my way") && stage.shows("the message was not deleted"), "{}", stage.picture());
}

#[test]
fn an_admin_deletes_what_others_said() {
    let mut stage = selecting((80, 24));
    stage.model.account.as_mut().expect("signed in").admin = true;
    stage.key(KeyCode::Char('d')).key(KeyCode::Char('d'));
    assert_eq!(amendments(&mut stage), [Amendment::Delete { seq: Seq(8) }]);
}

#[test]
fn reactions_are_found_by_letters_come_first_when_used_and_are_taken_back() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Char('+')).enter("tada");
    let react = |on| Amendment::React { seq: Seq(8), emoji: emoji("🎉"), on };
    assert_eq!(amendments(&mut stage), [react(true)]);
    assert!(stage.shows("[🎉 1]"), "{}", stage.picture());
    stage.key(KeyCode::Char('+')).key(KeyCode::Enter);
    assert_eq!(amendments(&mut stage), [react(false)], "the one used last is the first row");
    assert!(!stage.shows("🎉"), "{}", stage.picture());
    stage.key(KeyCode::Esc).key(KeyCode::Esc).enter("/react :tada:");
    assert_eq!(amendments(&mut stage), [react(true)], "the newest of somebody else, while none is chosen");
    stage.enter("/react :nosuch:");
    assert!(stage.shows("no emoji :nosuch:"), "{}", stage.picture());
}

#[test]
fn a_message_is_pinned_and_unpinned() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Char('p'));
    assert_eq!(amendments(&mut stage), [Amendment::Pin { seq: Seq(8), on: true }]);
    assert!(stage.shows("(pinned)"), "{}", stage.picture());
    stage.key(KeyCode::Char('p'));
    assert_eq!(amendments(&mut stage), [Amendment::Pin { seq: Seq(8), on: false }]);
}

#[test]
fn words_are_copied_without_what_could_act_elsewhere() {
    let mut stage = chat((80, 24));
    stage.live(message(1, 9, "vera", "ls\u{1b}[201~\n\trm -rf\r\u{9b}"));
    stage.take();
    stage.enter("/copy");
    let copied = stage.take().into_iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text),
        _ => None,
    });
    assert_eq!(copied.as_deref(), Some("ls[201~\n\trm -rf"));
    assert!(stage.shows("OSC 52"), "{}", stage.picture());
}

#[test]
fn the_only_link_opens_and_several_are_offered_by_number() {
    let opened = |stage: &mut Stage| {
        stage.take().into_iter().find_map(|effect| match effect {
            Effect::Open(link) => Some(link.to_string()),
            _ => None,
        })
    };
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Char('o'));
    assert_eq!(opened(&mut stage).as_deref(), Some("https://example.org/two"));
    stage.key(KeyCode::Up).key(KeyCode::Char('o'));
    assert!(opened(&mut stage).is_none() && stage.shows("has no link"), "{}", stage.picture());
    stage.key(KeyCode::Up).key(KeyCode::Up).key(KeyCode::Char('o'));
    assert!(stage.shows("1  https://example.org/one"), "{}", stage.picture());
    stage.key(KeyCode::Char('2')).key(KeyCode::Enter);
    assert_eq!(opened(&mut stage).as_deref(), Some("https://example.org/two"));
    stage.key(KeyCode::Esc).key(KeyCode::Esc).click("https://example.org/one");
    assert_eq!(opened(&mut stage).as_deref(), Some("https://example.org/one"));
}

#[test]
fn the_answered_message_is_gone_to_wherever_it_is() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Char('q'));
    assert!(stage.shows("answers none"), "{}", stage.picture());
    stage.key(KeyCode::Up).key(KeyCode::Char('q'));
    assert_eq!(chosen(&stage), Some(5));
    let mut stage = Stage::in_chat((80, 24));
    stage.client(ClientEvent::Joined(stage::info(3, "long", 2, 300, true)));
    let entries =
        (280..300).map(|seq| message(3, seq, "vera", "later")).chain([reply(3, 300, "vera", "yes", 40)]);
    let entries: Vec<Entry> = entries.collect();
    stage.client(ClientEvent::Appended { channel: ChannelId(3), entries, live: false });
    stage.enter("/switch long").take();
    stage.chord(CTRL, KeyCode::Char('s')).key(KeyCode::Char('q'));
    let asked = stage.commands();
    assert!(asked.iter().any(|command| command.contains("After { seq: Seq(39) }")), "{asked:?}");
    let entries: Vec<Entry> = (40..140).map(|seq| message(3, seq, "vera", &format!("old {seq}"))).collect();
    let range = mechat_protocol::request::HistoryRange::After { seq: Seq(39) };
    stage.client(ClientEvent::History { channel: ChannelId(3), range, entries, more: true });
    assert_eq!(chosen(&stage), Some(40));
    assert!(stage.shows("old 40"), "{}", stage.picture());
}

#[test]
fn the_menu_lists_what_is_possible_and_the_mouse_reaches_it() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Enter);
    assert!(stage.shows("This message") && !stage.shows("other words"), "{}", stage.picture());
    stage.key(KeyCode::Esc).click("on my way").click("on my way");
    assert_eq!(chosen(&stage), Some(6));
    stage.click("other words");
    assert_eq!(stage.model.composer.text(), "on my way");
    let down = MouseEventKind::Down(MouseButton::Left);
    let (x, y) = stage.find("alexey Joined");
    stage.mouse(down, x, y);
    assert_eq!(stage.model.reading.chosen, None, "what happened is no message");
}

#[test]
fn the_chosen_failed_message_is_the_one_that_is_dropped() {
    let mut stage = chat((80, 24));
    for text in ["first", "second"] {
        stage.enter(text);
        let number = stage.last_nonce();
        let error = ErrorReply::new(None, ErrorCode::Forbidden, "you may not speak here");
        stage.outbox(number, 1, OutboxState::Failed(error));
    }
    stage.chord(CTRL, KeyCode::Char('s')).key(KeyCode::Enter);
    assert!(stage.shows("send a failed message again"), "{}", stage.picture());
    stage.key(KeyCode::Down).key(KeyCode::Enter);
    let left: Vec<_> = stage.model.current().expect("a channel").outbox.iter().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].content, Content::text("first").expect("a text"));
}

#[test]
fn another_channel_has_no_choice_and_every_preset_can_choose() {
    let mut stage = selecting((80, 24));
    stage.enter("").chord(KeyModifiers::ALT, KeyCode::Down);
    stage.key(KeyCode::Esc).chord(KeyModifiers::ALT, KeyCode::Down);
    assert_eq!(stage.model.reading.chosen, None);
    for (preset, modifiers, keys) in [("vim", CTRL, "s"), ("emacs", CTRL, "xs")] {
        let mut stage = chat((80, 24));
        stage.configure(&format!("preset = \"{preset}\""));
        let mut keys = keys.chars();
        stage.chord(modifiers, KeyCode::Char(keys.next().expect("a key")));
        keys.for_each(|key| {
            stage.key(KeyCode::Char(key));
        });
        assert_eq!(chosen(&stage), Some(8), "{preset}");
        stage.key(KeyCode::Char('k'));
        assert_eq!(chosen(&stage), Some(7), "{preset}");
        stage.key(KeyCode::Esc).key(KeyCode::Esc);
        assert_eq!(stage.model.reading.chosen, None, "{preset}");
    }
}

fn searching(size: (u16, u16)) -> Stage {
    let mut stage = chat(size);
    stage.enter("/search-all way");
    stage
}

fn found(stage: &mut Stage, ticket: u64, entries: Vec<Entry>, next: Option<u64>) {
    let found = Found { id: RequestId(1), entries, next };
    stage.client(ClientEvent::Found { ticket, result: Ok(found) });
}

fn results(size: (u16, u16)) -> Stage {
    let mut stage = searching(size);
    let far = format!("{} this is the way", "a long story ".repeat(8));
    let entries = vec![message(1, 6, "misha", "on my way"), message(2, 40, "polina", &far)];
    found(&mut stage, 1, entries, Some(7));
    stage
}

#[test]
fn what_the_relay_found_is_listed_paged_and_gone_to() {
    let mut stage = searching((80, 24));
    let asked = stage.commands();
    assert!(
        matches!(asked.as_slice(), [one] if one.contains("Search { ticket: 1, query: Query(\"way\"), channel: None"))
    );
    found(&mut stage, 99, vec![message(1, 2, "alexey", "of another question")], None);
    assert!(!stage.shows("of another question") && stage.shows("asking the relay"), "{}", stage.picture());
    let mut stage = results((80, 24));
    assert!(stage.shows("#lobby @misha: on my way") && stage.shows("this is the way"), "{}", stage.picture());
    stage.take();
    stage.key(KeyCode::Down).key(KeyCode::Down).key(KeyCode::Enter);
    let asked = stage.commands();
    assert!(matches!(asked.as_slice(), [one] if one.contains("after: Some(7)")), "{asked:?}");
    found(&mut stage, 1, vec![message(1, 2, "alexey", "the oldest way")], None);
    assert!(stage.shows("the oldest way") && !stage.shows("more…"), "{}", stage.picture());
    stage.key(KeyCode::Up).key(KeyCode::Enter);
    assert_eq!((stage.model.current, chosen(&stage)), (Some(ChannelId(2)), Some(40)), "{}", stage.picture());
    let asked = stage.take();
    let reads = |effect: &Effect| format!("{effect:?}").contains("After { seq: Seq(39) }");
    assert!(asked.iter().any(reads), "{asked:?}");
}

#[test]
fn other_words_are_asked_for_and_ctrl_r_turns_to_everywhere() {
    let mut stage = chat((80, 24));
    stage.chord(CTRL, KeyCode::Char('r'));
    assert!(stage.commands().is_empty() && stage.shows("type words and press Enter"), "{}", stage.picture());
    stage.enter("one");
    assert!(stage.commands().iter().any(|command| command.contains("channel: Some(ChannelId(1))")));
    stage.enter("x");
    assert!(stage.commands().iter().any(|command| command.contains("Query(\"onex\")")));
    stage.chord(CTRL, KeyCode::Char('r'));
    assert!(stage.commands().iter().any(|command| command.contains("channel: None")));
    let error = ErrorReply::new(None, ErrorCode::Forbidden, "not \u{1b}[31mhere");
    stage.client(ClientEvent::Found { ticket: 4, result: Err(error) });
    assert!(stage.shows("the relay refused") && stage.shows("not ") && !stage.shows("\u{1b}"));
}

#[test]
fn without_a_connection_what_is_loaded_is_searched_and_that_is_said() {
    let mut stage = chat((120, 36));
    stage.client(ClientEvent::Link(Link::Down {
        reason: "gone".into(),
        close: None,
        attempt: 1,
        retry_in: std::time::Duration::from_secs(4),
    }));
    stage.take();
    stage.enter("/search WAY on");
    assert!(stage.commands().is_empty());
    assert!(
        stage.shows("@misha: on my way") && stage.shows("offline: only what is loaded"),
        "{}",
        stage.picture()
    );
    stage.key(KeyCode::Enter);
    assert_eq!(chosen(&stage), Some(6));
}

#[test]
fn pins_are_listed_and_what_is_unpinned_meanwhile_goes() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Char('p')).chord(KeyModifiers::ALT, KeyCode::Char('p'));
    assert!(stage.shows("Pinned messages") && stage.shows("@vera: the ░░░░░░ one"), "{}", stage.picture());
    let seq = Seq(8);
    let by = |on| {
        entry(1, if on { 9 } else { 10 }, "polina", Body::Amended { amendment: Amendment::Pin { seq, on } })
    };
    stage.live(by(true)).live(by(false));
    stage.model.current_mut().expect("a channel").amending.clear();
    assert!(!stage.shows("@vera: the ░░░░░░ one"), "{}", stage.picture());
}

#[test]
fn a_thread_shows_root_and_answers_and_is_answered_at_its_root() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Up).take();
    stage.key(KeyCode::Char('t'));
    assert!(
        stage.commands().iter().any(|command| command.contains("Replies { seq: Seq(5) }")),
        "of its root"
    );
    let posts = Posts {
        id: RequestId(1),
        channel: ChannelId(1),
        entries: vec![reply(1, 3, "polina", "from long ago", 5)],
        more: false,
    };
    stage.client(ClientEvent::Posts { ticket: 1, result: Ok(posts) });
    stage.live(reply(1, 9, "polina", "and just now", 5));
    for text in ["@vera: see https", "@alexey: which one?", "from long ago", "and just now"] {
        assert!(stage.shows(text), "{text}:\n{}", stage.picture());
    }
    stage.take();
    stage.chord(CTRL, KeyCode::Char('r')).enter("neither");
    let said = stage.take().into_iter().find_map(|effect| match effect {
        Effect::Client(Command::Say { in_reply_to, .. }) => in_reply_to,
        _ => None,
    });
    assert_eq!(said, Some(Seq(5)));
}

#[test]
fn the_topic_is_shown_set_and_cleared() {
    let mut stage = chat((80, 24));
    stage.enter("/topic");
    assert!(stage.shows("has no topic"), "{}", stage.picture());
    stage.enter("/topic All about crabs").enter("/topic -");
    let set = |text: &str| Amendment::SetTopic { topic: Topic::new(text.into()).expect("a topic") };
    assert_eq!(amendments(&mut stage), [set("All about crabs"), set("")]);
    stage.live(entry(1, 9, "vera", Body::Amended { amendment: set("Crabs") }));
    assert!(stage.shows("#lobby · Crabs"), "{}", stage.picture());
}

#[test]
fn a_muted_channel_looks_so_and_does_not_count() {
    let mut stage = chat((80, 24));
    stage.enter("/mute");
    assert!(stage.commands().iter().any(|command| command.contains("level: Some(None)")));
    assert!(stage.shows("▸ #lobby  off"), "{}", stage.picture());
    stage.enter("/switch rust").live(message(1, 9, "vera", "hello"));
    assert!(!stage.shows("unread elsewhere"), "{}", stage.picture());
    stage.enter("/switch lobby").enter("/notify mentions").enter("/switch rust");
    stage.live(message(1, 10, "vera", "hello")).live(message(1, 11, "vera", "@misha hello"));
    assert!(stage.shows("1 unread elsewhere"), "{}", stage.picture());
    stage.enter("/notify loudly");
    assert!(stage.shows("/notify mentions, or"), "{}", stage.picture());
}

fn inbox(size: (u16, u16)) -> Stage {
    let mut stage = chat(size);
    stage.live(message(2, 2, "polina", "over here")).live(message(2, 3, "polina", "@misha, hello?"));
    stage.chord(KeyModifiers::ALT, KeyCode::Char('i'));
    stage
}

#[test]
fn the_inbox_shows_what_is_unread_and_marks_it_or_goes_there() {
    let mut stage = inbox((80, 24));
    assert!(stage.shows("2 unread, 1 naming you") && stage.shows("@misha, hello?"), "{}", stage.picture());
    stage.chord(CTRL, KeyCode::Char('r'));
    assert!(stage.shows("nothing is unread"), "{}", stage.picture());
    let mut stage = inbox((80, 24));
    stage.key(KeyCode::Enter);
    assert_eq!(stage.model.current, Some(ChannelId(2)));
}

#[test]
fn a_profile_is_of_the_sender_or_of_whom_one_names() {
    let mut stage = selecting((80, 24));
    stage.key(KeyCode::Char('u'));
    assert!(
        stage.commands().iter().any(|command| command.contains("ReadProfile") && command.contains("vera"))
    );
    let profile = Profile {
        id: RequestId(1),
        account: stage::account("vera"),
        registered_ms: mechat_protocol::UnixMillis(stage::NOON),
        admin: true,
        presence: Presence::Connected,
    };
    let ticket = stage.model.tickets;
    stage.client(ClientEvent::Profile { ticket, result: Ok(profile) });
    assert!(
        stage.shows("@vera, connected, admin of the relay") && stage.shows("seen in #lobby"),
        "{}",
        stage.picture()
    );
    stage.key(KeyCode::Esc).key(KeyCode::Esc).enter("/profile nobody");
    let error = ErrorReply::new(None, ErrorCode::Forbidden, "there is nobody of this name");
    let ticket = stage.model.tickets;
    stage.client(ClientEvent::Profile { ticket, result: Err(error) });
    assert!(stage.shows("the profile could not be read"), "{}", stage.picture());
}

macro_rules! scenes {
    ($($name:ident: $scene:expr;)+) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(at_every_size($scene));
        })+
    };
}

scenes! {
    a_message_is_chosen: selecting;
    the_actions_of_a_message: |size| {
        let mut stage = selecting(size);
        stage.key(KeyCode::Up).key(KeyCode::Up).key(KeyCode::Enter);
        stage
    };
    the_emoji_to_react_with: |size| {
        let mut stage = selecting(size);
        stage.key(KeyCode::Char('+')).type_text("heart");
        stage
    };
    what_was_found: results;
    the_inbox: inbox;
    a_thread: |size| {
        let mut stage = selecting(size);
        stage.key(KeyCode::Up).key(KeyCode::Char('t'));
        stage
    };
    the_links_of_a_message: |size| {
        let mut stage = selecting(size);
        stage.key(KeyCode::Up).key(KeyCode::Up).key(KeyCode::Up).key(KeyCode::Char('o'));
        assert!(matches!(stage.model.overlay, Some(Overlay::Finder(_))));
        assert_eq!(stage.model.current().map(|channel| channel.scroll == Scroll::Bottom), Some(size.1 > 12));
        stage
    };
}
