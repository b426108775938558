//! How the user wants it: the configuration, what was picked on the screen, and what the terminal can do.
//!
//! Invariant: a configuration with a mistake is never in force; the mistakes are kept for reading.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Problem};
use crate::theme::ascii::Ascii;
use crate::theme::{Depth, Palette, Theme, palette};

/// Columns of a pane at least.
pub const PANE_WIDTH_MIN: u16 = 12;
/// Columns of a pane at most.
pub const PANE_WIDTH_MAX: u16 = 80;

/// Which panes are shown, and how wide; `None` leaves it to the width of the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Panes {
    /// The channels, left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<bool>,
    /// The participants, right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<bool>,
    /// Columns of the channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels_width: Option<u16>,
    /// Columns of the participants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants_width: Option<u16>,
}

/// What was picked on the screen and is remembered: `looks.toml` in the state directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Looks {
    /// A theme, by its name; one that is no longer known counts as none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// The panes.
    pub panes: Panes,
}

/// What the terminal can do, as far as one knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Colours.
    pub depth: Depth,
    /// Whether its background is dark; `None` if it did not say.
    pub dark: Option<bool>,
    /// Whether it shows more than ASCII.
    pub utf8: bool,
}

/// How the user wants it.
#[derive(Debug)]
pub struct Preferences {
    /// The configuration in force.
    pub config: Config,
    /// Where its file is.
    pub file: String,
    /// What is wrong in the file as it is now.
    pub problems: Vec<Problem>,
    /// The theme that was picked.
    pub picked: Option<&'static Palette>,
    /// What the terminal can do.
    pub abilities: Abilities,
}

impl Preferences {
    /// Nothing asked.
    pub fn new(depth: Depth) -> Self {
        Self {
            config: Config::default(),
            file: "config.toml".to_owned(),
            problems: Vec::new(),
            picked: None,
            abilities: Abilities { depth, dark: None, utf8: true },
        }
    }

    /// The theme: as the file says, else as picked, else dark or light as the terminal is, else its own colours, which suit both.
    pub fn theme(&self) -> Theme {
        let suits = match self.abilities.dark {
            Some(true) => "dark",
            Some(false) => "light",
            None => "terminal",
        };
        let chosen = self.config.theme.or(self.picked).or_else(|| palette::named(suits));
        Theme::of(chosen.unwrap_or(&crate::theme::PALETTES[0]), self.abilities.depth)
    }

    /// How far the screen keeps to ASCII.
    pub const fn ascii(&self) -> Ascii {
        match (self.config.ascii, self.abilities.utf8) {
            (Some(false), _) | (None, true) => Ascii::Off,
            (Some(true), true) => Ascii::Ornaments,
            (Some(true) | None, false) => Ascii::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_comes_before_the_pick_and_the_pick_before_the_guess() {
        let mut preferences = Preferences::new(Depth::True);
        let name = |preferences: &Preferences| preferences.theme().palette().name;
        assert_eq!(name(&preferences), "terminal");
        preferences.abilities.dark = Some(false);
        assert_eq!(name(&preferences), "light");
        preferences.picked = palette::named("nord");
        assert_eq!(name(&preferences), "nord");
        preferences.config.theme = palette::named("dracula");
        assert_eq!(name(&preferences), "dracula");
    }

    #[test]
    fn ascii_is_what_was_asked_or_what_the_locale_can() {
        let mut preferences = Preferences::new(Depth::None);
        assert_eq!(preferences.ascii(), Ascii::Off);
        preferences.config.ascii = Some(true);
        assert_eq!(preferences.ascii(), Ascii::Ornaments);
        preferences.abilities.utf8 = false;
        assert_eq!(preferences.ascii(), Ascii::All);
        preferences.config.ascii = Some(false);
        assert_eq!(preferences.ascii(), Ascii::Off);
    }

    #[test]
    fn looks_survive_a_restart() {
        let panes = Panes { channels: Some(false), participants_width: Some(30), ..Panes::default() };
        let looks = Looks { theme: Some("nord".into()), panes };
        let text = toml::to_string(&looks).expect("writes");
        assert_eq!(toml::from_str::<Looks>(&text).expect("reads"), looks);
        assert_eq!(toml::from_str::<Looks>("").expect("reads"), Looks::default());
    }
}
