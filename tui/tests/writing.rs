//! Writing: what is typed stays where it was typed until it is sent, and is sent once, where it was meant.

mod stage;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use mechat_client::{Event as ClientEvent, OutboxState};
use mechat_protocol::reply::ErrorReply;
use mechat_protocol::{AccountName, ChannelId, Content, ErrorCode, RelayAddress, Seq};
use mechat_tui::model::{Composing, Draft, SavedDraft};
use mechat_tui::update::{self, Effect, Event};
use stage::{Stage, account, at_every_size, channel, info, message};

const SIZE: (u16, u16) = (80, 24);

fn owner() -> (RelayAddress, AccountName) {
    ("chat.example.org".parse().expect("an address"), account("misha"))
}

/// In the chat, with what an earlier run left.
fn with_drafts(drafts: Vec<SavedDraft>) -> Stage {
    let mut stage = Stage::in_chat(SIZE);
    load(&mut stage, drafts);
    stage
}

fn load(stage: &mut Stage, drafts: Vec<SavedDraft>) {
    let (address, account) = owner();
    stage.feed(Event::DraftsLoaded { address, account, drafts, damage: None });
}

fn saved(id: u64, name: &str, text: &str) -> SavedDraft {
    let draft = Draft { text: text.to_owned(), ..Draft::default() };
    SavedDraft { channel: ChannelId(id), name: channel(name), draft }
}

/// The texts of the last drafts that were handed to the disk, by channel.
fn handed_over(stage: &mut Stage) -> Option<Vec<(u64, String)>> {
    let mut saves = stage.take().into_iter().filter_map(|effect| match effect {
        Effect::SaveDrafts(address, account, drafts) => {
            assert_eq!((address, account), owner());
            let mut texts: Vec<_> =
                drafts.into_iter().map(|saved| (saved.channel.0, saved.draft.text)).collect();
            texts.sort();
            Some(texts)
        }
        _ => None,
    });
    saves.next_back()
}

fn at(id: u64, text: &str) -> (u64, String) {
    (id, text.to_owned())
}

/// Plays the shell's part: lets time pass until the model wants to be woken, and wakes it.
fn pause(stage: &mut Stage) {
    let wake = update::wake_at(&stage.model).expect("something is to be done");
    let time = wake.saturating_sub(stage.model.now.steady);
    stage.wait(time);
}

#[test]
fn a_draft_is_on_disk_after_a_pause_and_within_a_second_of_typing_on() {
    let mut stage = with_drafts(Vec::new());
    assert_eq!(update::wake_at(&stage.model), None, "nothing ticks while nothing is written");
    stage.type_text("hel");
    assert_eq!(handed_over(&mut stage), None, "not at each key");
    pause(&mut stage);
    assert_eq!(handed_over(&mut stage), Some(vec![at(1, "hel")]));
    assert_eq!(update::wake_at(&stage.model), None);
    let mut waited = Duration::ZERO;
    while handed_over(&mut stage).is_none() {
        stage.type_text("o").wait(Duration::from_millis(100));
        waited += Duration::from_millis(100);
        assert!(waited < Duration::from_secs(1), "a crash loses at most a second");
    }
}

#[test]
fn a_draft_is_on_disk_before_the_program_ends_stops_or_shows_another_channel() {
    type Leave = fn(&mut Stage);
    let leave: [Leave; 4] = [
        |stage| _ = stage.feed(Event::Terminate),
        |stage| _ = stage.chord(KeyModifiers::CONTROL, KeyCode::Char('q')),
        |stage| _ = stage.chord(KeyModifiers::CONTROL, KeyCode::Char('z')),
        |stage| _ = stage.chord(KeyModifiers::ALT, KeyCode::Down),
    ];
    for (number, leave) in leave.iter().enumerate() {
        let mut stage = with_drafts(Vec::new());
        stage.type_text("half a").take();
        leave(&mut stage);
        let first = stage.effects.first().cloned();
        assert!(matches!(first, Some(Effect::SaveDrafts(..))), "{number}: {first:?}");
        assert_eq!(handed_over(&mut stage), Some(vec![at(1, "half a")]), "{number}");
    }
}

#[test]
fn a_draft_is_gone_from_the_disk_once_it_is_sent() {
    let mut stage = with_drafts(vec![saved(1, "lobby", "from yesterday")]);
    assert!(stage.shows("› from yesterday"), "{}", stage.picture());
    pause(&mut stage);
    stage.take();
    stage.key(KeyCode::Enter);
    assert!(stage.commands().iter().any(|command| command.contains("from yesterday")));
    pause(&mut stage);
    assert_eq!(handed_over(&mut stage), Some(Vec::new()));
}

#[test]
fn a_draft_comes_back_to_its_own_channel_and_to_no_other() {
    let mut stage = with_drafts(vec![
        saved(2, "rust", "about rust"),
        saved(3, "random", "not joined"),
        saved(1, "elsewhere", "another relay's channel of the same number"),
    ]);
    assert!(stage.model.composer.is_empty());
    stage.chord(KeyModifiers::ALT, KeyCode::Down);
    assert_eq!(stage.model.composer.text(), "about rust");
    stage.type_text("!");
    pause(&mut stage);
    let kept = handed_over(&mut stage).expect("handed over");
    assert_eq!(kept.len(), 3, "what is for elsewhere stays on disk: {kept:?}");
    stage.client(ClientEvent::Joined(info(3, "random", 3, 0, true)));
    stage.chord(KeyModifiers::ALT, KeyCode::Up);
    assert_eq!(stage.model.composer.text(), "not joined");
}

#[test]
fn nothing_is_written_over_drafts_that_were_not_read_yet() {
    let mut stage = Stage::in_chat(SIZE);
    stage.type_text("typed early");
    stage.wait(Duration::from_secs(5)).feed(Event::Terminate);
    assert_eq!(handed_over(&mut stage), None);
    load(&mut stage, vec![saved(1, "lobby", "from yesterday")]);
    assert_eq!(stage.model.composer.text(), "from yesterday\ntyped early", "neither is lost");
}

#[test]
fn a_full_disk_is_told_once_and_tried_until_it_is_well() {
    let mut stage = with_drafts(Vec::new());
    stage.type_text("precious");
    let mut tries = 0;
    while tries < 4 {
        pause(&mut stage);
        if handed_over(&mut stage) == Some(vec![at(1, "precious")]) {
            tries += 1;
            stage.feed(Event::DraftsSaved(Err("no space left on device".to_owned())));
            assert_eq!(stage.shows("no space"), tries == 1, "{}", stage.picture());
            stage.key(KeyCode::Esc);
        }
    }
    assert_eq!(stage.model.composer.text(), "precious");
    pause(&mut stage);
    stage.feed(Event::DraftsSaved(Ok(())));
    assert!(stage.shows("on disk again"), "{}", stage.picture());
    assert_eq!(update::wake_at(&stage.model), None);
}

#[test]
fn logging_out_keeps_the_draft_for_the_next_time() {
    let mut stage = with_drafts(Vec::new());
    stage.type_text("half").take();
    stage.client(ClientEvent::SignedOut(mechat_client::SignedOut::LoggedOut));
    assert_eq!(handed_over(&mut stage), Some(vec![at(1, "half")]));
    assert!(stage.model.composer.is_empty());
    stage.client(ClientEvent::SignedIn(stage::signed_in("misha")));
    assert!(stage.take().iter().any(|effect| matches!(effect, Effect::LoadDrafts(..))));
}

#[test]
fn what_was_sent_is_had_again_with_the_draft_kept() {
    let mut stage = with_drafts(Vec::new());
    stage.enter("one").enter("/who").key(KeyCode::Esc).type_text("half");
    let control = KeyModifiers::CONTROL;
    for (key, text) in
        [(KeyCode::Up, "/who"), (KeyCode::Up, "one"), (KeyCode::Up, "one"), (KeyCode::Down, "/who")]
    {
        stage.chord(control, key);
        assert_eq!(stage.model.composer.text(), text);
    }
    stage.feed(Event::Terminate);
    assert_eq!(handed_over(&mut stage), Some(vec![at(1, "half")]), "what is only looked at is no draft");
    stage.key(KeyCode::Up).take();
    stage.key(KeyCode::Enter);
    assert!(stage.commands().iter().any(|command| command.contains("one")));
    assert_eq!(stage.model.composer.text(), "half", "the draft comes back behind what was sent again");
    stage.chord(control, KeyCode::Up).type_text("x").chord(KeyModifiers::ALT, KeyCode::Down);
    stage.chord(KeyModifiers::ALT, KeyCode::Up);
    assert_eq!(stage.model.composer.text(), "onex", "what was changed stays");
    stage.chord(control, KeyCode::Up);
    assert_eq!(stage.model.composer.text(), "half", "and what was aside is behind it");
}

#[test]
fn the_cursor_goes_up_and_down_by_the_rows_that_are_seen() {
    let mut stage = Stage::in_chat((40, 12));
    let words = "aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii jjjj";
    stage.type_text(words);
    stage.key(KeyCode::Up);
    assert!(stage.model.composer.cursor().1 < 40, "a row up, not a line");
    let column = stage.model.composer.cursor().1;
    stage.key(KeyCode::Down);
    assert_eq!(stage.model.composer.cursor(), (0, words.len()));
    stage.key(KeyCode::Up);
    assert_eq!(stage.model.composer.cursor(), (0, column), "the same cell");
}

#[test]
fn a_long_text_scrolls_by_itself_in_a_third_of_the_screen() {
    let mut stage = Stage::in_chat(SIZE);
    let text: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
    stage.model.composer.insert(&text.join("\n"));
    stage.key(KeyCode::End);
    assert!(
        stage.shows("line 29") && stage.shows("line 24") && !stage.shows("line 20"),
        "{}",
        stage.picture()
    );
    assert!(stage.shows("↑ line"), "there is more above: {}", stage.picture());
    for _ in 0..3 {
        stage.key(KeyCode::Up);
    }
    assert!(stage.shows("line 29"), "the cursor moves before the text does: {}", stage.picture());
    stage.chord(KeyModifiers::ALT, KeyCode::Char('<'));
    assert!(stage.shows("› line 0") && stage.shows("↓ line"), "{}", stage.picture());
    assert!(stage.shows("good morning"), "the messages keep their room: {}", stage.picture());
}

/// What the client was told to say.
fn said(stage: &mut Stage) -> Vec<String> {
    let said = stage.take().into_iter().filter_map(|effect| match effect {
        Effect::Client(mechat_client::Command::Say { content: Content::Text { text }, .. }) => {
            Some(text.as_str().to_owned())
        }
        _ => None,
    });
    said.collect()
}

/// nchat #187, profanity #156 #694.
#[test]
fn a_paste_is_never_sent_as_many_messages() {
    let mut stage = Stage::in_chat(SIZE);
    stage.feed(Event::Paste("one\r\ntwo\rthree\n/quit\n".to_owned()));
    assert_eq!(said(&mut stage), Vec::<String>::new());
    stage.key(KeyCode::Enter);
    assert_eq!(said(&mut stage), ["one\ntwo\nthree\n/quit"]);
}

#[test]
fn a_long_paste_is_asked_about_and_goes_where_it_is_told() {
    let text = "fn main() {}\n".repeat(40);
    let pasted = || {
        let mut stage = Stage::in_chat(SIZE);
        stage.type_text("see:").feed(Event::Paste(text.clone()));
        assert!(stage.shows("40 lines, 520 bytes") && stage.shows("34 lines more"), "{}", stage.picture());
        stage.take();
        stage
    };
    let mut stage = pasted();
    stage.key(KeyCode::Char('s'));
    assert_eq!(said(&mut stage), [text.trim_end()]);
    assert_eq!(stage.model.composer.text(), "see:", "what was being written stays");
    let mut stage = pasted();
    stage.key(KeyCode::Enter);
    assert_eq!((stage.model.composer.text(), said(&mut stage).len()), (format!("see:{text}"), 0));
    let mut stage = pasted();
    stage.feed(Event::Paste("more".to_owned()));
    stage.key(KeyCode::Char('x')).key(KeyCode::Enter);
    assert_eq!(stage.model.composer.text(), format!("see:{text}more"), "a paste in two pieces is one");
    let mut stage = pasted();
    stage.key(KeyCode::Esc);
    assert_eq!((stage.model.composer.text().as_str(), said(&mut stage).len()), ("see:", 0));
}

#[test]
fn a_mebibyte_stays_in_the_composer_and_says_how_much_too_long_it_is() {
    for text in ["x".repeat(1_048_576), "日本語 and words\n".repeat(10_000), "\n".repeat(100_000)] {
        let mut stage = Stage::in_chat(SIZE);
        stage.feed(Event::Paste(text.clone()));
        stage.key(KeyCode::Char('s'));
        assert!(said(&mut stage).is_empty() && stage.model.composer.text() == text);
        stage.key(KeyCode::Esc).key(KeyCode::Enter);
        assert!(said(&mut stage).is_empty() && stage.model.composer.text() == text);
        if text.trim().is_empty() {
            continue;
        }
        assert!(stage.shows("too long by"), "{}", stage.picture());
        stage.type_text("y").key(KeyCode::Backspace).key(KeyCode::Up).key(KeyCode::Left);
        let _ = stage.picture();
        assert_eq!(stage.model.composer.len(), text.len());
    }
}

#[test]
fn people_are_offered_with_those_who_are_here_first() {
    let mut stage = Stage::in_chat(SIZE);
    stage.type_text("hi @");
    let picture = stage.picture();
    let (vera, polina) = (picture.find("@vera  "), picture.find("@polina  "));
    assert!(vera.expect("here") < polina.expect("away"), "{picture}");
    stage.type_text("ve").key(KeyCode::Tab);
    assert_eq!(stage.model.composer.text(), "hi @vera ", "a single one is taken at once");
    stage.type_text("(@p").key(KeyCode::Tab).type_text(":");
    assert_eq!(stage.model.composer.text(), "hi @vera (@polina :", "behind a bracket too");
}

#[test]
fn a_list_never_takes_enter_unless_something_was_selected() {
    let mut stage = Stage::in_chat(SIZE);
    stage.type_text("see #r");
    assert!(stage.shows("#rust") && stage.shows("#random  not joined"), "{}", stage.picture());
    stage.key(KeyCode::Enter);
    assert_eq!(said(&mut stage), ["see #r"]);
    stage.type_text("see #r").key(KeyCode::Down).key(KeyCode::Down).key(KeyCode::Up);
    assert!(stage.shows("▸ #rust"), "{}", stage.picture());
    stage.key(KeyCode::Enter);
    assert_eq!((stage.model.composer.text().as_str(), said(&mut stage).len()), ("see #rust ", 0));
    stage.key(KeyCode::Enter);
    assert_eq!(said(&mut stage), ["see #rust "]);
}

#[test]
fn a_list_that_is_not_wanted_stays_closed_for_the_word() {
    let mut stage = Stage::in_chat(SIZE);
    stage.type_text("a @v").key(KeyCode::Esc).type_text("e");
    assert!(!stage.shows("@vera  "), "{}", stage.picture());
    stage.type_text(" @v");
    assert!(stage.shows("@vera  "), "another word: {}", stage.picture());
    stage.key(KeyCode::Left);
    assert!(!stage.shows("@vera  "), "the cursor is elsewhere: {}", stage.picture());
    stage.chord(KeyModifiers::ALT, KeyCode::Down);
    assert!(!stage.shows("@vera  "), "another channel: {}", stage.picture());
}

#[test]
fn short_codes_are_offered_and_replaced_and_code_is_left_alone() {
    let mut stage = Stage::in_chat(SIZE);
    stage.type_text(":)").type_text(" :tad");
    assert!(stage.shows(":tada:") && stage.shows("🎉"), "{}", stage.picture());
    stage.key(KeyCode::Down).type_text(" ");
    assert_eq!(stage.model.composer.text(), ":) 🎉 ");
    stage.key(KeyCode::Enter);
    stage.enter("typed :+1: and `:+1:`");
    assert!(said(&mut stage).contains(&"typed 👍 and `:+1:`".to_owned()));
}

#[test]
fn commands_are_offered_at_the_beginning_only() {
    let mut stage = Stage::in_chat(SIZE);
    stage.type_text("/jo");
    assert!(stage.shows("/join "), "{}", stage.picture());
    stage.key(KeyCode::Tab);
    if stage.model.composer.text() == "/jo" {
        stage.key(KeyCode::Enter);
    }
    assert_eq!(stage.model.composer.text(), "/join ");
    let mut stage = Stage::in_chat(SIZE);
    stage.type_text("//jo");
    assert!(!stage.shows("/join"), "{}", stage.picture());
}

/// In the chat, where misha said the last but one thing.
fn in_talk() -> Stage {
    let mut stage = with_drafts(Vec::new());
    stage.live(message(1, 5, "misha", "helo all")).live(message(1, 6, "vera", "hello misha")).take();
    stage
}

#[test]
fn up_in_an_empty_composer_edits_the_last_own_message() {
    let mut stage = in_talk();
    stage.key(KeyCode::Up);
    assert_eq!(stage.model.composer.text(), "helo all");
    assert!(stage.shows("edits your message"), "{}", stage.picture());
    for _ in 0.."o all".len() {
        stage.key(KeyCode::Left);
    }
    stage.type_text("l").take();
    stage.key(KeyCode::Enter);
    let commands = stage.commands().concat();
    assert!(
        commands.contains("Amend") && commands.contains("seq: Seq(5)") && commands.contains("hello all"),
        "{commands}"
    );
    assert!(stage.model.composer.is_empty() && stage.model.writing.composing == Composing::New);
    stage.key(KeyCode::Up);
    assert_eq!(stage.model.composer.text(), "hello all", "the new words are known at once");
    stage.key(KeyCode::Enter);
    assert!(stage.commands().concat().is_empty(), "the same words are no change");
}

#[test]
fn an_edit_that_is_given_up_gives_the_draft_back_and_loses_no_word() {
    let mut stage = in_talk();
    stage.type_text("half");
    assert!(update::composing::edit(&mut stage.model, Seq(5)));
    stage.type_text(", you").key(KeyCode::Esc);
    assert_eq!(
        (stage.model.composer.text().as_str(), &stage.model.writing.composing),
        ("half", &Composing::New)
    );
    stage.chord(KeyModifiers::CONTROL, KeyCode::Up);
    assert_eq!(stage.model.composer.text(), "helo all, you");
    assert!(!update::composing::edit(&mut stage.model, Seq(6)), "somebody else's");
}

#[test]
fn an_edit_that_was_refused_keeps_its_words() {
    let mut stage = in_talk();
    stage.key(KeyCode::Up).type_text("!").key(KeyCode::Enter);
    let refused = OutboxState::Failed(ErrorReply::new(None, ErrorCode::NoSuchMessage, "it was deleted"));
    let number = stage.last_nonce();
    stage.outbox(number, 1, refused);
    assert!(stage.shows("the message was not edited: it was deleted"), "{}", stage.picture());
    stage.chord(KeyModifiers::CONTROL, KeyCode::Up);
    assert_eq!(stage.model.composer.text(), "helo all!");
}

#[test]
fn an_answer_names_its_message_and_a_switch_in_between_keeps_it() {
    let mut stage = in_talk();
    stage.chord(KeyModifiers::ALT, KeyCode::Char('q')).type_text("hi");
    assert!(stage.shows("answers @vera: hello misha"), "{}", stage.picture());
    stage.chord(KeyModifiers::ALT, KeyCode::Down);
    assert!(!stage.shows("answers"), "{}", stage.picture());
    stage.chord(KeyModifiers::ALT, KeyCode::Up).take();
    stage.key(KeyCode::Enter);
    let commands = stage.commands().concat();
    assert!(commands.contains("in_reply_to: Some(Seq(6))"), "{commands}");
    stage.enter("on");
    assert!(stage.commands().concat().contains("in_reply_to: None"), "one answer, then messages again");
}

#[test]
fn an_answer_comes_back_after_a_restart_but_not_into_another_log() {
    for (epoch, answers) in [(1, true), (2, false)] {
        let mut draft = saved(1, "lobby", "hi");
        draft.draft.composing = Composing::Reply { epoch: mechat_protocol::Epoch(epoch), seq: Seq(2) };
        let stage = with_drafts(vec![draft]);
        assert_eq!(stage.shows("answers @alexey"), answers, "{}", stage.picture());
        assert_eq!(stage.model.composer.text(), "hi");
    }
}

#[test]
fn a_plus_and_an_emoji_react_and_again_take_it_back() {
    let mut stage = in_talk();
    stage.enter("+:tada:");
    let commands = stage.commands().concat();
    assert!(
        commands.contains("React") && commands.contains("seq: Seq(6)") && commands.contains("on: true"),
        "{commands}"
    );
    stage.enter("+:tada:");
    assert!(stage.commands().concat().contains("on: false"));
    stage.enter("+:no_such_code:");
    assert_eq!(said(&mut stage), ["+:no_such_code:"]);
}

fn told(stage: &mut Stage) -> usize {
    let typing = |effect: &Effect| matches!(effect, Effect::Client(mechat_client::Command::Typing(_)));
    stage.take().iter().filter(|effect| typing(effect)).count()
}

#[test]
fn others_are_told_of_typing_once_in_five_seconds_and_never_of_commands() {
    let mut stage = in_talk();
    stage.type_text("hel");
    assert_eq!(told(&mut stage), 1);
    stage.wait(Duration::from_millis(4_900)).type_text("l");
    assert_eq!(told(&mut stage), 0);
    stage.wait(Duration::from_millis(200)).type_text("o");
    assert_eq!(told(&mut stage), 1);
    stage.chord(KeyModifiers::ALT, KeyCode::Down).type_text("x");
    assert_eq!(told(&mut stage), 1, "another channel");
    let mut stage = in_talk();
    stage.type_text("/join x");
    assert_eq!(told(&mut stage), 0);
}

#[test]
fn who_is_typing_is_shown_until_they_say_it_or_for_eight_seconds() {
    let typing = |stage: &mut Stage, names: &[&str]| {
        let accounts = names.iter().map(|name| account(name)).collect();
        stage.client(ClientEvent::Typing { channel: ChannelId(1), accounts });
    };
    let mut stage = in_talk();
    typing(&mut stage, &["misha"]);
    assert!(!stage.shows("typing"), "not oneself: {}", stage.picture());
    typing(&mut stage, &["vera", "misha", "polina"]);
    assert!(stage.shows("vera and polina are typing…"), "{}", stage.picture());
    stage.live(message(1, 7, "vera", "there"));
    assert!(stage.shows("polina is typing…"), "{}", stage.picture());
    stage.wait(Duration::from_millis(7_900));
    assert!(stage.shows("polina is typing…"), "{}", stage.picture());
    pause(&mut stage);
    assert!(!stage.shows("typing"), "{}", stage.picture());
    assert_eq!(update::wake_at(&stage.model), None);
}

#[test]
fn the_rest_of_the_room_is_told_when_it_is_little_and_what_is_too_long_is_not_sent() {
    let mut stage = in_talk();
    stage.model.composer.insert(&"x".repeat(16_000));
    assert!(stage.shows("384 bytes left"), "{}", stage.picture());
    stage.model.composer.insert(&"x".repeat(400));
    assert!(stage.shows("16 bytes too long, at most 16384"), "{}", stage.picture());
    stage.key(KeyCode::Enter);
    assert!(said(&mut stage).is_empty() && stage.model.composer.len() == 16_400);
    assert!(stage.shows("too long by 16 bytes"), "{}", stage.picture());
}

#[test]
fn a_failed_message_is_sent_again_as_the_answer_it_was_or_dropped_with_its_words_kept() {
    let mut stage = in_talk();
    stage.chord(KeyModifiers::ALT, KeyCode::Char('q')).type_text("hi").key(KeyCode::Enter).take();
    let failed = || OutboxState::Failed(ErrorReply::new(None, ErrorCode::Forbidden, "you are muted"));
    let number = stage.last_nonce();
    stage.outbox(number, 1, failed());
    assert!(stage.shows("you are muted"), "{}", stage.picture());
    stage.enter("/retry");
    let commands = stage.commands().concat();
    assert!(commands.contains("in_reply_to: Some") && commands.contains("hi"), "{commands}");
    let number = stage.last_nonce();
    stage.outbox(number, 1, failed()).enter("/discard");
    assert!(!stage.shows("you are muted"), "{}", stage.picture());
    stage.chord(KeyModifiers::CONTROL, KeyCode::Up);
    let first = stage.model.composer.text();
    stage.chord(KeyModifiers::CONTROL, KeyCode::Up);
    assert!(first == "hi" || stage.model.composer.text() == "hi", "its words can be had");
}

macro_rules! scenes {
    ($($name:ident: $scene:expr;)+) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(at_every_size($scene));
        })+
    };
}

fn talking(size: (u16, u16)) -> Stage {
    let mut stage = Stage::in_chat(size);
    stage.live(message(1, 5, "misha", "helo all")).live(message(1, 6, "vera", "hello misha"));
    stage
}

scenes! {
    composer_of_many_rows: |size| {
        let mut stage = talking(size);
        let text = "A draft with words that wrap where words end, 日本語 and 👨‍👩‍👧‍👦 among them.\n\n".repeat(6);
        stage.model.composer.insert(&text);
        stage.key(KeyCode::Up);
        stage
    };
    composer_completes_people: |size| {
        let mut stage = talking(size);
        stage.type_text("as @").key(KeyCode::Down).key(KeyCode::Down);
        stage
    };
    composer_completes_commands: |size| {
        let mut stage = talking(size);
        stage.type_text("/s").key(KeyCode::Tab);
        stage
    };
    composer_completes_emoji: |size| {
        let mut stage = talking(size);
        stage.type_text(":par");
        stage
    };
    composer_answers: |size| {
        let mut stage = talking(size);
        stage.chord(KeyModifiers::ALT, KeyCode::Char('q')).type_text("there you are");
        stage.client(ClientEvent::Typing { channel: ChannelId(1), accounts: vec![account("vera")] });
        stage
    };
    composer_edits: |size| {
        let mut stage = talking(size);
        stage.key(KeyCode::Up);
        stage
    };
    composer_is_too_long: |size| {
        let mut stage = talking(size);
        stage.model.composer.insert(&"words and ".repeat(1_640));
        stage.key(KeyCode::Enter);
        stage
    };
    paste_is_asked_about: |size| {
        let mut stage = talking(size);
        stage.feed(Event::Paste("fn main() {\n\tprintln!(\"\u{1b}[31mhello\");\n}\n".repeat(8)));
        stage
    };
    paste_is_too_long_for_a_message: |size| {
        let mut stage = talking(size);
        stage.feed(Event::Paste("x".repeat(1_048_576)));
        stage
    };
}
