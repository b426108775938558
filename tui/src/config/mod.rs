//! What the user asks for in `config.toml`: keys, looks, notifications, times.
//!
//! Owns the meaning of the file. It never reads it: [`crate::app`] does. A file with a mistake changes nothing at all, and every
//! mistake names its line, the rule, what is valid, and what was probably meant.

mod keys;
mod reader;

use crate::action::{Keymap, Preset};
use crate::theme::{PALETTES, Palette, palette};
use reader::Reader;

/// Bytes of the file at most.
pub const FILE_LEN_MAX: u64 = 256 * 1_024;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The keys.
    pub keymap: Keymap,
    /// The theme; `None` takes the one that was picked last, or what suits the terminal.
    pub theme: Option<&'static Palette>,
    /// Frames and marks in ASCII; `None` asks the locale.
    pub ascii: Option<bool>,
    /// Whether the program listens to the mouse. Shift leaves it to the terminal in any case.
    pub mouse: bool,
    /// What to be told of.
    pub notifications: Notifications,
    /// How times are written.
    pub time: Time,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keymap: Keymap::default(),
            theme: None,
            ascii: None,
            mouse: true,
            notifications: Notifications::default(),
            time: Time::default(),
        }
    }
}

/// What to be told of while one looks elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Notifications {
    /// Messages that name one.
    pub mentions: bool,
    /// Messages to one alone.
    pub direct: bool,
    /// Channels all of whose messages count, folded.
    pub channels: Vec<String>,
    /// When to be silent.
    pub quiet_hours: Option<QuietHours>,
    /// The terminal's bell.
    pub bell: bool,
    /// The desktop's own notifications.
    pub desktop: bool,
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            mentions: true,
            direct: true,
            channels: Vec::new(),
            quiet_hours: None,
            bell: true,
            desktop: true,
        }
    }
}

/// From one time of day to another, which may be on the next day. Minutes since midnight, local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// The first minute.
    pub from: u16,
    /// The first minute behind; less than `from` where it is on the next day.
    pub until: u16,
}

impl QuietHours {
    /// Whether a minute of the day is one of them.
    pub const fn contains(self, minute: u16) -> bool {
        if self.from <= self.until {
            self.from <= minute && minute < self.until
        } else {
            minute >= self.from || minute < self.until
        }
    }

    /// `22:00-07:30`.
    fn parse(text: &str) -> Option<Self> {
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let (from, until) = text.split_once('-')?;
        let hours = Self { from: minute(from)?, until: minute(until)? };
        (hours.from != hours.until).then_some(hours)
    }
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Afternoons begin again at one.
    pub twelve_hours: bool,
    /// Seconds are left out.
    pub without_seconds: bool,
}

/// A mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// What is wrong, what is valid, and perhaps what was meant.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

const TOP: &[&str] = &["preset", "theme", "ascii", "mouse", "keys", "notifications", "time"];
const NOTIFICATIONS: &[&str] = &["mentions", "direct", "channels", "quiet-hours", "bell", "desktop"];
const TIME: &[&str] = &["clock", "seconds"];

/// Understands a file, or says everything that is wrong in it.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let mut reader = Reader::new(text);
    let Some(top) = reader.document() else { return Err(reader.problems()) };
    let mut config = Config::default();
    reader.only(&top, TOP, "");
    let presets = Preset::ALL.map(Preset::name);
    let preset = reader.word(&top, "preset", &presets).map_or(Preset::Default, |at| Preset::ALL[at]);
    let themes: Vec<&str> = std::iter::once("auto").chain(PALETTES.iter().map(|theme| theme.name)).collect();
    config.theme = reader.word(&top, "theme", &themes).and_then(|at| palette::named(themes[at]));
    config.ascii = reader.boolean(&top, "ascii");
    config.mouse = reader.boolean(&top, "mouse").unwrap_or(true);
    config.keymap = keys::read(&mut reader, &top, preset);
    notifications(&mut reader, &top, &mut config.notifications);
    if let Some(table) = reader.table(&top, "time") {
        reader.only(&table, TIME, "time.");
        config.time.twelve_hours = reader.word(&table, "clock", &["24h", "12h"]) == Some(1);
        config.time.without_seconds = reader.boolean(&table, "seconds") == Some(false);
    }
    let problems = reader.problems();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn notifications<'i>(reader: &mut Reader<'i>, top: &reader::Table<'i>, wanted: &mut Notifications) {
    let Some(table) = reader.table(top, "notifications") else { return };
    reader.only(&table, NOTIFICATIONS, "notifications.");
    let mut set = |key, place: &mut bool| {
        if let Some(value) = reader.boolean(&table, key) {
            *place = value;
        }
    };
    set("mentions", &mut wanted.mentions);
    set("direct", &mut wanted.direct);
    set("bell", &mut wanted.bell);
    set("desktop", &mut wanted.desktop);
    for (line, name) in reader.texts(&table, "channels").unwrap_or_default() {
        match mechat_protocol::ChannelName::new(&name) {
            Ok(name) => wanted.channels.push(name.key().folded),
            Err(broken) => reader.complain(line, format!("channels: {}", broken.rule)),
        }
    }
    if let Some((line, text)) = reader.text(&table, "quiet-hours") {
        match QuietHours::parse(&text) {
            Some(hours) => wanted.quiet_hours = Some(hours),
            None => reader.complain(
                line,
                format!(
                    "quiet-hours is `{text}`; valid is a time of day to another, such as \"22:00-07:00\""
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse(text).expect_err(text).iter().map(Problem::to_string).collect()
    }

    #[test]
    fn nothing_asked_is_the_default() {
        assert_eq!(parse(""), Ok(Config::default()));
        assert_eq!(parse("# only a word\n[keys]\n[time]"), Ok(Config::default()));
    }

    #[test]
    fn everything_can_be_asked_for() {
        let text = r##"
            preset = "emacs"
            theme = "nord"
            ascii = true
            mouse = false
            [keys]
            help = ["F1", "Ctrl-X ?"]
            redraw = []
            [notifications]
            mentions = false
            channels = ["#Rust"]
            quiet-hours = "22:00-07:30"
            desktop = false
            [time]
            clock = "12h"
            seconds = false
        "##;
        let config = parse(text).expect("valid");
        assert_eq!(config.theme.map(|theme| theme.name), Some("nord"));
        assert_eq!((config.ascii, config.mouse), (Some(true), false));
        assert_eq!(config.keymap.keys_text(crate::action::ActionId::Help), "F1, Ctrl-X ?");
        assert_eq!(config.keymap.keys_text(crate::action::ActionId::Redraw), "");
        assert_eq!(config.notifications.channels, ["rust"]);
        assert!(
            !config.notifications.mentions && config.notifications.direct && !config.notifications.desktop
        );
        assert_eq!(config.notifications.quiet_hours, Some(QuietHours { from: 1_320, until: 450 }));
        assert_eq!(config.time, Time { twelve_hours: true, without_seconds: true });
        assert_eq!(parse("theme = \"auto\"").map(|config| config.theme), Ok(None));
    }

    #[test]
    fn a_mistake_names_line_key_rule_and_guess() {
        for (text, expected) in [
            ("\ntheem = \"nord\"", "line 2: unknown key `theem`; did you mean `theme`?"),
            (
                "colour = 1",
                "line 1: unknown key `colour`; valid are preset, theme, ascii, mouse, keys, notifications, time",
            ),
            ("theme = \"nrod\"", "line 1: theme is \"nrod\"; did you mean \"nord\"?"),
            ("preset = \"nano\"", "line 1: preset is \"nano\"; valid are \"default\", \"vim\", \"emacs\""),
            ("mouse = \"no\"", "line 1: mouse is a string; valid are true and false"),
            ("keys = 3", "line 1: keys is an integer; valid is a table, [keys]"),
            ("[keys]\npalete = \"Ctrl-P\"", "line 2: unknown action `palete`; did you mean `palette`?"),
            (
                "[keys]\n\nhelp = \"Hyper-H\"",
                "line 3: help: there is no key `Hyper-H`; keys are written like Ctrl-K, Alt-Enter, F1, g g",
            ),
            ("[keys]\nhelp = 1", "line 2: help is an integer; valid is a string, or a list of strings"),
            (
                "[notifications]\nquiet-hours = \"25:00-1:00\"",
                "line 2: quiet-hours is `25:00-1:00`; valid is a time of day to another, such as \"22:00-07:00\"",
            ),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_says_where() {
        let found = problems("theme = \"nord\"\nmouse = = 1");
        assert!(found[0].starts_with("line 2: "), "{found:?}");
    }

    #[test]
    fn every_mistake_is_told_and_two_meanings_name_both() {
        let found = problems("mous = true\n[keys]\npalette = \"Ctrl-K\"\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            found[1],
            "line 3: Ctrl-K means both `palette` (line 3) and `switcher` (preset default); give one of them another key, or none: switcher = []"
        );
        parse("[keys]\npalette = \"Ctrl-K\"\nswitcher = []").expect("no longer two");
    }

    #[test]
    fn quiet_hours_go_over_midnight() {
        let hours = QuietHours::parse("22:00-07:00").expect("hours");
        assert!(
            hours.contains(23 * 60)
                && hours.contains(0)
                && !hours.contains(7 * 60)
                && !hours.contains(12 * 60)
        );
        let hours = QuietHours::parse("09:00-17:00").expect("hours");
        assert!(hours.contains(9 * 60) && !hours.contains(17 * 60));
    }
}
