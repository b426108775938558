//! How many colours a terminal has, as far as its environment says.
//!
//! It never asks the terminal: the first picture does not wait for an answer.

use std::ffi::OsStr;

/// Colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: bold, dim and reversed only.
    None,
    /// The sixteen of the user's own palette.
    Sixteen,
    /// Those, and 240 fixed ones.
    Few,
    /// Any.
    True,
}

/// What the environment says of the terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Environment<'a> {
    /// `NO_COLOR`: anything but nothing turns colours off (no-color.org).
    pub no_color: Option<&'a OsStr>,
    /// `COLORTERM`: `truecolor` or `24bit`.
    pub colorterm: Option<&'a OsStr>,
    /// `TERM`.
    pub term: Option<&'a OsStr>,
    /// `TMUX`: tmux passes true colour on only where it is told to, which it says in `COLORTERM`.
    pub windows: bool,
    /// `COLORFGBG`: `15;0` is light on dark.
    pub colorfgbg: Option<&'a OsStr>,
    /// The locale that holds: the first of `LC_ALL`, `LC_CTYPE`, `LANG` that says something.
    pub locale: Option<&'a OsStr>,
}

impl Depth {
    /// As the environment says; sixteen where it says nothing.
    pub fn of(environment: &Environment<'_>) -> Self {
        if environment.no_color.is_some_and(|value| !value.is_empty()) {
            return Self::None;
        }
        let text = |value: Option<&OsStr>| value.and_then(OsStr::to_str).unwrap_or("").to_ascii_lowercase();
        let (colorterm, term) = (text(environment.colorterm), text(environment.term));
        match term.as_str() {
            "dumb" | "vt100" | "vt102" | "vt220" | "xterm-mono" | "ansi-m" => Self::None,
            _ if matches!(colorterm.as_str(), "truecolor" | "24bit") => Self::True,
            _ if term.ends_with("-direct") || term.ends_with("-truecolor") => Self::True,
            "xterm-kitty" | "xterm-ghostty" | "alacritty" | "foot" | "foot-extra" | "wezterm" => Self::True,
            _ if term.contains("256color") => Self::Few,
            // The console there draws any colour, and has no TERM.
            "" if environment.windows => Self::True,
            _ => Self::Sixteen,
        }
    }
}

/// Whether the background is dark, where the terminal tells by itself.
pub fn is_dark(environment: &Environment<'_>) -> Option<bool> {
    let value = environment.colorfgbg?.to_str()?;
    let background: u8 = value.rsplit(';').next()?.parse().ok()?;
    (background < 16).then_some(!matches!(background, 7 | 9..=15))
}

/// Whether the locale can write more than ASCII; where there is none, terminals of today can.
pub fn is_utf8(environment: &Environment<'_>) -> bool {
    let Some(locale) = environment.locale.and_then(OsStr::to_str).filter(|value| !value.is_empty()) else {
        return true;
    };
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Depth {
        let environment = Environment {
            no_color: no_color.map(OsStr::new),
            colorterm: colorterm.map(OsStr::new),
            term: term.map(OsStr::new),
            ..Environment::default()
        };
        Depth::of(&environment)
    }

    #[test]
    fn the_environment_says_how_many_colours_there_are() {
        for (no_color, colorterm, term, expected) in [
            (Some("1"), Some("truecolor"), Some("xterm-256color"), Depth::None),
            (Some(""), Some("truecolor"), Some("xterm-256color"), Depth::True),
            (None, Some("24bit"), Some("screen"), Depth::True),
            (None, None, Some("xterm-256color"), Depth::Few),
            (None, None, Some("tmux-256color"), Depth::Few),
            (None, None, Some("xterm-kitty"), Depth::True),
            (None, None, Some("xterm-direct"), Depth::True),
            (None, None, Some("linux"), Depth::Sixteen),
            (None, None, Some("screen"), Depth::Sixteen),
            (None, None, None, Depth::Sixteen),
            (None, Some("truecolor"), Some("dumb"), Depth::None),
        ] {
            assert_eq!(depth(no_color, colorterm, term), expected, "{no_color:?} {colorterm:?} {term:?}");
        }
    }

    #[test]
    fn background_and_locale_are_believed_only_where_they_speak() {
        let with = |colorfgbg: Option<&str>| {
            is_dark(&Environment { colorfgbg: colorfgbg.map(OsStr::new), ..Environment::default() })
        };
        assert_eq!(with(Some("15;0")), Some(true));
        assert_eq!(with(Some("0;default;15")), Some(false));
        assert_eq!(with(Some("12;8")), Some(true));
        assert_eq!((with(Some("x")), with(None)), (None, None));
        let utf8 = |locale: Option<&str>| {
            is_utf8(&Environment { locale: locale.map(OsStr::new), ..Environment::default() })
        };
        assert!(utf8(Some("de_DE.UTF-8")) && utf8(Some("C.utf8")) && utf8(None) && utf8(Some("")));
        assert!(!utf8(Some("C")) && !utf8(Some("POSIX")) && !utf8(Some("ru_RU.KOI8-R")));
    }
}
