//! The real client in a real pseudo-terminal against a real relay: keys in, screen out, relay killed under it.

#![cfg(unix)]

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

mod program;

use program::{CLIENT, Relay};

/// How long anything may take before the test is given up. Not a performance bound.
const PATIENCE: Duration = Duration::from_secs(40);

/// A client in a terminal of its own.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
}

/// What the program wrote.
struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("not zero")
}

impl Terminal {
    fn open(home: &Path, arguments: &[&str]) -> Self {
        Self::run(CLIENT, home, arguments)
    }

    fn run(program: &str, home: &Path, arguments: &[&str]) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.env_clear();
        for (key, value) in [
            ("HOME", home.to_str().expect("utf-8")),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            ("EDITOR", "~/editor"),
            (IN_A_TERMINAL, "yes"),
        ] {
            command.env(key, value);
        }
        command.args(arguments);
        let child = pty.slave.spawn_command(command).expect("the client starts");
        let mut output = pty.master.try_clone_reader().expect("a reader");
        let parser = vt100::Parser::new(cells(24), cells(80), 0);
        let seen = Arc::new(Mutex::new(Seen { parser, raw: Vec::new() }));
        let writing = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(len @ 1..) = output.read(&mut bytes) {
                let mut seen = writing.lock().unwrap_or_else(PoisonError::into_inner);
                seen.parser.process(&bytes[..len]);
                seen.raw.extend(&bytes[..len]);
            }
        });
        Self { keyboard: pty.master.take_writer().expect("a writer"), master: pty.master, child, seen }
    }

    fn keys(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("typed");
        self.keyboard.flush().expect("typed");
    }

    fn screen(&self) -> String {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).parser.screen().contents()
    }

    /// Waits until the screen is as wanted.
    fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "{what} did not come:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .parser
            .screen_mut()
            .set_size(cells(rows), cells(cols));
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("resized");
    }

    fn register(&mut self, name: &str) {
        self.shows("register");
        self.keys("1");
        self.shows("Again");
        self.keys(&format!("{name}\tcorrect horse\tcorrect horse\r"));
        let screen = self.shows(&format!("@{name}"));
        assert!(!screen.contains("correct horse"), "a password is never shown:\n{screen}");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.process_id().expect("running").to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
    }

    /// Waits for the end and checks that the terminal was given back.
    fn ended(&mut self) -> u32 {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("asked") {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.until("the alternate screen is left", |_| {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            // A reader that is behind has seen it neither taken nor given back.
            let left = seen.raw.windows(8).any(|window| window == b"\x1b[?1049l");
            left && !seen.parser.screen().alternate_screen() && !seen.parser.screen().hide_cursor()
        });
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!seen.parser.screen().bracketed_paste(), "bracketed paste is off again");
        let mouse = seen.parser.screen().mouse_protocol_mode();
        assert_eq!(mouse, vt100::MouseProtocolMode::None, "the mouse is the terminal's again");
        status.exit_code()
    }
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a home"))
    }

    fn of(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        path
    }
}

#[test]
fn two_people_chat_and_their_relay_is_killed_under_them() {
    let home = Home::new();
    let mut relay = Relay::start(&home.of("relay"));
    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.register("ann");
    ann.shows("#lobby");
    let mut bob = Terminal::open(&home.of("bob"), &[&relay.invite]);
    bob.register("bob");
    ann.shows("@bob Joined");
    ann.keys("hello from ann\r");
    bob.shows("  hello from ann");
    bob.keys("hello from bob\r");
    ann.shows("  hello from bob");

    relay.kill();
    for person in [&ann, &bob] {
        person.until("offline", |screen| screen.contains("offline"));
    }
    ann.keys("said while it was gone\r");
    ann.shows("said while it was gone");
    relay.restart();
    for person in [&ann, &bob] {
        let screen = person.until("online again", |screen| {
            screen.contains("online") && screen.contains("said while it was gone")
        });
        assert_eq!(screen.matches("said while it was gone").count(), 1, "once:\n{screen}");
        assert!(screen.contains("hello from ann") && screen.contains("hello from bob"), "{screen}");
    }
    bob.keys("\x11");
    assert_eq!(bob.ended(), 0);
    // At 80 columns a mark stands for the word; the legend below says which is which.
    ann.until("bob disconnected", |screen| screen.contains("○ bob") && screen.contains("○ disconnected"));
    relay.kill();
    ann.until("offline", |screen| screen.contains("offline"));
    let began = Instant::now();
    ann.keys("\x11");
    assert_eq!(ann.ended(), 0);
    assert!(began.elapsed() < Duration::from_secs(5), "a lost relay does not hold it");
}

/// Whether the files of the client's outbox hold a text.
fn is_in_outbox(home: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(home.join(".local/state/mechat/outbox")).into_iter().flatten().flatten();
    let mut contents = files.filter_map(|file| std::fs::read(file.path()).ok());
    contents.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn what_was_said_offline_survives_kill_9_and_is_shown_once() {
    const TEXT: &str = "said before the crash";
    let home = Home::new();
    let mut relay = Relay::start(&home.of("relay"));
    let mut bob = Terminal::open(&home.of("bob"), &[&relay.invite]);
    bob.register("bob");
    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.register("ann");
    bob.shows("@ann Joined");
    relay.kill();
    ann.until("offline", |screen| screen.contains("offline"));
    ann.keys(&format!("{TEXT}\r"));
    ann.until("the message is on disk", |_| is_in_outbox(&home.of("ann"), TEXT));
    ann.signal("-KILL");
    ann.child.wait().expect("killed");

    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.shows("no relay listens there");
    relay.restart();
    ann.shows("[2] log in");
    ann.keys("2");
    ann.shows("Password");
    ann.keys("correct horse\r");
    for person in [&ann, &bob] {
        let screen = person.until("the message", |screen| screen.contains(&format!("  {TEXT}")));
        assert_eq!(screen.matches(TEXT).count(), 1, "once:\n{screen}");
    }
    bob.keys("seen\r");
    let screen = ann.shows("  seen");
    assert_eq!(screen.matches(TEXT).count(), 1, "still once:\n{screen}");
    ann.until("the outbox is empty", |_| !is_in_outbox(&home.of("ann"), TEXT));
}

#[test]
fn a_draft_survives_kill_9_and_is_sent_once_where_it_was_written() {
    const TEXT: &str = "half a thought";
    let home = Home::new();
    let relay = Relay::start(&home.of("relay"));
    let drafts = || {
        let files = std::fs::read_dir(home.of("ann").join(".local/state/mechat/drafts"));
        let paths = files.into_iter().flatten().flatten().map(|file| file.path());
        // Not one that is half way to its place.
        let mut whole = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        whole.any(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(TEXT)))
    };
    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.register("ann");
    ann.shows("#lobby");
    ann.keys(TEXT);
    ann.until("the draft is on disk", |_| drafts());
    ann.signal("-KILL");
    ann.child.wait().expect("killed");

    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.shows("[2] log in");
    ann.keys("2");
    ann.shows("Password");
    ann.keys("correct horse\r");
    ann.shows(&format!("› {TEXT}"));
    ann.keys("\r");
    ann.until("the message", |screen| screen.contains(&format!("  {TEXT}")) && !screen.contains("› half"));
    ann.until("the draft is gone", |_| !drafts());
}

#[test]
fn the_users_editor_gets_the_terminal_and_the_text_and_gives_both_back() {
    let home = Home::new();
    let relay = Relay::start(&home.of("relay"));
    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.register("ann");
    ann.shows("#lobby");
    ann.keys("a draft");
    ann.shows("› a draft");
    ann.keys("\x1be");
    ann.until("what is missing is told", |screen| {
        screen.contains("is not there") && screen.contains("› a draft")
    });

    let editor = home.of("ann").join("editor");
    // It ignores Ctrl-C, as editors do, and reads a line as the terminal gives it to programs that are not ours.
    let script = "#!/bin/sh\ntrap '' INT\necho in the editor with $(cat \"$1\")\nread line\necho \"$line\" >> \"$1\"\n";
    std::fs::write(&editor, script).expect("written");
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("made runnable");
    ann.keys("\x1be");
    ann.until("the editor", |screen| {
        screen.contains("in the editor with a draft") && !screen.contains("#lobby")
    });
    ann.keys("\x03and mere\x7fly this\r");
    ann.until("the text", |screen| screen.contains("› a draft") && screen.contains("and merly this"));
    ann.keys("!\r");
    ann.until("the message, and that the relay has it", |screen| {
        let sent = screen.contains("and merly this!") && !screen.contains("› a draft");
        sent && !screen.contains("sending")
    });
    ann.keys("\x11");
    assert_eq!(ann.ended(), 0);
}

#[test]
fn one_command_hosts_a_relay_and_its_link_as_it_stands_on_the_screen_lets_a_guest_in() {
    let home = Home::new();
    let mut host = Terminal::open(&home.of("host"), &["host", "--listen", "127.0.0.1:0"]);
    host.register("ann");
    let screen = host.until("the link", |screen| screen.contains("mechat://") && screen.contains("#lobby"));
    // Copied with the mouse: the lines of the banner, line break and all.
    let from = screen.find("mechat://").expect("a link");
    let link = &screen[from..from + screen[from..].find("──").expect("the end of the banner")];
    let mut guest = Terminal::open(&home.of("guest"), &[link.trim_end()]);
    guest.register("bob");
    host.shows("@bob Joined");
    // Under load the host learns of it before the guest does.
    guest.shows("#lobby · ");
    guest.keys("hello host\r");
    host.shows("  hello host");
    host.keys("hello guest\r");
    guest.shows("  hello guest");
    host.keys("\x11");
    assert_eq!(host.ended(), 0);
    guest.until("the relay is gone", |screen| screen.contains("offline"));
}

#[test]
fn a_client_that_starts_first_says_so_and_connects_by_itself() {
    let home = Home::new();
    let mut relay = Relay::start(&home.of("relay"));
    relay.kill();
    let early = Terminal::open(&home.of("ann"), &[&relay.invite]);
    early.shows("no relay listens there");
    relay.restart();
    early.shows("[1] register");
}

#[test]
fn an_unknown_certificate_is_asked_about_once_and_a_changed_one_is_refused() {
    let home = Home::new();
    let mut relay = Relay::start(&home.of("relay"));
    let address = relay.address.clone();
    let fingerprint = relay.invite.split_once("fp=").expect("a fingerprint").1.to_owned();
    let mut ann = Terminal::open(&home.of("ann"), &["--relay", &address]);
    let screen = ann.until("the question", |screen| screen.contains(&fingerprint[..8]));
    assert!(fingerprint.split('-').all(|group| screen.contains(group)), "the whole fingerprint:\n{screen}");
    ann.keys("y");
    ann.shows("[1] register");
    ann.keys("\x11");
    ann.ended();
    relay.kill();
    for file in
        std::fs::read_dir(home.of("relay").join(".local/share/mechat-relay")).expect("the data directory")
    {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    relay.restart();
    let renewed = relay.invite.split_once("fp=").expect("a fingerprint").1.to_owned();
    let mut ann = Terminal::open(&home.of("ann"), &["--relay", &address]);
    let screen = ann.until("both fingerprints", |screen| {
        screen.contains(&fingerprint[..8]) && screen.contains(&renewed[..8])
    });
    ann.keys("y");
    ann.keys("\r");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!ann.screen().contains("register"), "no key accepts it:\n{screen}");
    ann.signal("-TERM");
    ann.ended();
}

#[test]
fn the_terminal_is_given_back_whatever_ends_the_client() {
    let home = Home::new();
    for signal in ["-TERM", "-HUP", "-INT"] {
        let mut client = Terminal::open(&home.of("ann"), &[]);
        client.shows("MeChat");
        client.signal(signal);
        client.ended();
    }
}

/// Not a test by itself: what the next one runs in a terminal of its own.
#[test]
fn panics_with_the_screen_taken() {
    if std::env::var_os(IN_A_TERMINAL).is_some() {
        let _panicked = mechat_tui::app::terminal::Panicked::watch();
        let _screen = mechat_tui::app::terminal::Screen::take().expect("a terminal");
        panic!("as planned");
    }
}

/// Set for what runs in a terminal of its own.
const IN_A_TERMINAL: &str = "MECHAT_TEST_IN_A_TERMINAL";

#[test]
fn the_terminal_is_given_back_by_a_panic_and_its_message_can_be_read() {
    let home = Home::new();
    let this = std::env::current_exe().expect("this program");
    let this = this.to_str().expect("utf-8");
    let mut child =
        Terminal::run(this, &home.of("ann"), &["--exact", "panics_with_the_screen_taken", "--nocapture"]);
    child.ended();
    child.shows("as planned");
}

#[test]
fn it_says_when_the_terminal_is_too_small_and_comes_back() {
    let home = Home::new();
    let relay = Relay::start(&home.of("relay"));
    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.register("ann");
    ann.keys("a draft");
    ann.shows("a draft");
    ann.resize(8, 30);
    ann.shows("40×12");
    ann.resize(1, 1);
    ann.resize(12, 40);
    ann.until("the draft", |screen| screen.contains("a draft") && screen.contains("online"));
    ann.resize(50, 200);
    ann.shows("● ann connected");
}

#[test]
fn a_configuration_is_read_again_when_one_comes_back_and_a_bad_one_changes_nothing() {
    let home = Home::new();
    let data = home.of("ann");
    let file = data.join("config.toml");
    std::fs::write(&file, "theem = \"nord\"").expect("written");
    let mut ann = Terminal::open(&data, &["--data-dir", data.to_str().expect("utf-8")]);
    ann.shows("did you mean `theme`?");
    let mouse = |client: &Terminal| {
        let seen = client.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.parser.screen().mouse_protocol_mode()
    };
    assert_ne!(mouse(&ann), vt100::MouseProtocolMode::None, "the defaults hold");
    std::fs::write(&file, "mouse = false\n[keys]\nhelp = \"F6\"").expect("written");
    ann.keys("\x1b[O\x1b[I");
    ann.shows("is in force");
    ann.until("no mouse", |_| mouse(&ann) == vt100::MouseProtocolMode::None);
    ann.shows("F6 help");
    ann.keys("\x1b[17~");
    ann.shows("type to search");
    ann.signal("-TERM");
    ann.ended();
}

#[test]
fn a_press_of_the_mouse_does_what_stands_there_and_a_theme_is_kept_for_the_next_start() {
    let home = Home::new();
    let relay = Relay::start(&home.of("relay"));
    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.register("ann");
    let at = |client: &Terminal, text: &str| {
        let screen = client.shows(text);
        let found = screen.lines().enumerate().find_map(|(row, line)| Some((line.find(text)?, row, line)));
        let (column, row, line) = found.expect("it is shown");
        (line[..column].chars().count() + 1, row + 1)
    };
    let (column, row) = at(&ann, "F1 help");
    ann.keys(&format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m"));
    ann.shows("type to search");
    ann.keys("\x1b[<0;1;24M\x1b[<0;1;24m");
    ann.until("the help is closed", |screen| !screen.contains("type to search"));
    ann.keys("/theme nord\r");
    ann.shows("theme nord");
    ann.keys("\x11");
    assert_eq!(ann.ended(), 0);
    let ann = Terminal::open(&home.of("ann"), &[]);
    ann.shows("MeChat");
    let seen = ann.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let cell = seen.parser.screen().cell(0, 0).expect("a cell").bgcolor();
    assert_ne!(cell, vt100::Color::Default, "nord has a background");
}

#[test]
fn an_address_that_wraps_reaches_the_terminal_as_one_link() {
    let home = Home::new();
    let relay = Relay::start(&home.of("relay"));
    let mut ann = Terminal::open(&home.of("ann"), &[&relay.invite]);
    ann.register("ann");
    ann.shows("#lobby · ");
    let url = "https://example.org/a/path/that/is/longer/than/the/timeline/of/a/small/terminal";
    ann.keys(&format!("{url}\r"));
    ann.until("it is said", |screen| {
        let said = screen.contains("/of/a/small/terminal") && screen.contains("write a message");
        said && !screen.contains("… sending")
    });
    let raw = ann.seen.lock().unwrap_or_else(PoisonError::into_inner).raw.clone();
    let raw = String::from_utf8_lossy(&raw);
    let openings: Vec<&str> =
        raw.match_indices("\x1b]8;id=").filter_map(|(at, _)| raw[at..].split("\x1b\\").next()).collect();
    assert!(!openings.is_empty() && openings.iter().all(|opening| opening.ends_with(&format!(";{url}"))));
    assert!(openings.windows(2).all(|pair| pair[0] == pair[1]), "one id: {openings:?}");
    ann.keys("\x11");
    assert_eq!(ann.ended(), 0);
}

#[test]
fn a_terminal_that_draws_ambiguous_characters_wide_gets_lines_that_are_not() {
    let home = Home::new();
    let mut ann = Terminal::open(&home.of("ann"), &[]);
    ann.until("the questions", |_| {
        let seen = ann.seen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&seen.raw).matches("\x1b[6n").count() == 5
    });
    // The first sample took two cells, and so did the others.
    ann.keys(&"\x1b[1;3R".repeat(5));
    ann.until("lines in ASCII", |screen| screen.contains("No relay yet") && !screen.contains('│'));
    ann.signal("-TERM");
    ann.ended();
}
