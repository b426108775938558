//! How things look, by what they mean.
//!
//! Owns the roles and their styles: sixteen colours that the terminal's own palette decides, or none at all. It never carries
//! meaning alone: wherever a role matters, a word or a sign stands beside it.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of the screen means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Text to read.
    Text,
    /// Times, hints, people who are away.
    Quiet,
    /// Lines between panes.
    Rule,
    /// Titles and what one must not miss.
    Strong,
    /// The place one is at.
    Selected,
    /// Keys and links.
    Accent,
    /// It works, it is here.
    Good,
    /// It takes a while.
    Waiting,
    /// It does not work.
    Error,
    /// Unread.
    Unread,
    /// The bar at the bottom.
    Bar,
}

/// Styles by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    colour: bool,
}

/// Colours that are legible on dark and on light backgrounds and mean nothing else.
const NAME_COLOURS: [Color; 8] = [
    Color::Cyan,
    Color::Magenta,
    Color::Green,
    Color::Blue,
    Color::Yellow,
    Color::LightCyan,
    Color::LightMagenta,
    Color::LightBlue,
];

impl Theme {
    /// With the terminal's sixteen colours, or without any.
    pub const fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// As the environment asks: `NO_COLOR` set to anything but nothing turns colours off (no-color.org).
    pub fn from_environment(no_color: Option<&std::ffi::OsStr>) -> Self {
        Self::new(no_color.is_none_or(std::ffi::OsStr::is_empty))
    }

    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        let (colour, modifier) = match role {
            Role::Text => (None, Modifier::empty()),
            Role::Quiet | Role::Rule => (None, Modifier::DIM),
            Role::Strong => (None, Modifier::BOLD),
            Role::Selected | Role::Bar => (None, Modifier::REVERSED),
            Role::Accent => (Some(Color::Cyan), Modifier::BOLD),
            Role::Good => (Some(Color::Green), Modifier::empty()),
            Role::Waiting => (Some(Color::Yellow), Modifier::empty()),
            Role::Error => (Some(Color::Red), Modifier::BOLD),
            Role::Unread => (Some(Color::Yellow), Modifier::BOLD),
        };
        let style = Style::new().add_modifier(modifier);
        match colour {
            Some(colour) if self.colour => style.fg(colour),
            _ => style,
        }
    }

    /// The style of a person's name: always the same for the same person.
    pub fn name(self, name: &str) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if !self.colour {
            return style;
        }
        // FNV-1a: stable across runs and versions, unlike the standard hasher.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let index = usize::try_from((hash >> 32) % NAME_COLOURS.len() as u64).unwrap_or(0);
        style.fg(NAME_COLOURS[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_means_no_colour() {
        let theme = Theme::from_environment(Some("1".as_ref()));
        for role in [Role::Error, Role::Accent, Role::Unread, Role::Good, Role::Waiting, Role::Text] {
            assert_eq!(theme.style(role).fg, None);
        }
        assert_eq!(theme.name("polina").fg, None);
        assert!(Theme::from_environment(Some("".as_ref())).name("polina").fg.is_some());
        assert!(Theme::from_environment(None).style(Role::Error).fg.is_some());
    }

    #[test]
    fn a_name_keeps_its_colour_and_names_differ() {
        let theme = Theme::new(true);
        assert_eq!(theme.name("polina"), theme.name("polina"));
        let colours: Vec<_> = ["alexey", "misha", "polina", "vera", "ivan"].map(|n| theme.name(n).fg).into();
        assert!(colours.iter().any(|colour| *colour != colours[0]));
    }
}
