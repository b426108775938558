//! The configuration and what was picked on the screen, as files; and what the environment says of the terminal.
//!
//! Owns `config.toml`, which it only reads, and `looks.toml`, which it writes. It never decides what they mean: [`crate::config`] does.
//!
//! Invariant: the file is looked at only when somebody comes back or asks, so that an idle client does nothing.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;
use std::time::SystemTime;

use super::files::{self, Places};
use crate::config::{self, Config, FILE_LEN_MAX, Problem};
use crate::model::Model;
use crate::model::preferences::Abilities;
use crate::theme::depth::{self, Depth, Environment};
use crate::theme::palette;
use crate::update::preferences;

/// What tells one state of a file from another without reading it; `None`: there is no file.
type Stamp = Option<(SystemTime, u64)>;

/// The configuration's file, and the state of it that was read last.
#[derive(Debug)]
pub struct Settings {
    path: PathBuf,
    read: Stamp,
}

impl Settings {
    /// Nothing was read yet.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, read: None }
    }

    /// What the file asks for, if it changed since it was last read, or in any case. No file asks for nothing.
    pub fn read(&mut self, always: bool) -> Option<Result<Config, Vec<Problem>>> {
        let stamp = fs::metadata(&self.path).ok().and_then(|file| Some((file.modified().ok()?, file.len())));
        if stamp == self.read && !always {
            return None;
        }
        self.read = stamp;
        Some(
            self.text().map_err(|text| vec![Problem { line: 1, text }]).and_then(|text| config::parse(&text)),
        )
    }

    fn text(&self) -> Result<String, String> {
        let mut text = String::new();
        let read =
            fs::File::open(&self.path).and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_string(&mut text));
        match read {
            Ok(_) if text.len() as u64 > FILE_LEN_MAX => {
                Err(format!("it has more than {FILE_LEN_MAX} bytes"))
            }
            Ok(_) => Ok(text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(format!("it cannot be read: {error}")),
        }
    }
}

/// What the terminal can do, as its environment says.
pub fn abilities() -> Abilities {
    let get = std::env::var_os;
    let (no_color, colorterm, term, colorfgbg) =
        (get("NO_COLOR"), get("COLORTERM"), get("TERM"), get("COLORFGBG"));
    let locales = ["LC_ALL", "LC_CTYPE", "LANG"].map(get);
    let locale = locales.iter().flatten().find(|value| !value.is_empty());
    let environment = Environment {
        no_color: no_color.as_deref(),
        colorterm: colorterm.as_deref(),
        term: term.as_deref(),
        windows: cfg!(windows),
        colorfgbg: colorfgbg.as_deref(),
        locale: locale.map(std::ffi::OsString::as_os_str),
    };
    Abilities {
        depth: Depth::of(&environment),
        dark: depth::is_dark(&environment),
        utf8: depth::is_utf8(&environment),
    }
}

/// Puts in force what the files say, before the first picture.
pub fn apply(model: &mut Model, places: &Places, abilities: Abilities) -> Settings {
    model.preferences.abilities = abilities;
    model.preferences.file = places.config_file().display().to_string();
    match files::load_looks(places) {
        Ok(looks) => {
            model.panes = looks.panes;
            model.preferences.picked = looks.theme.as_deref().and_then(palette::named);
        }
        Err(error) => model.complain(format!("{error:#}; panes and theme begin anew")),
    }
    let mut settings = Settings::new(places.config_file());
    match settings.read(true) {
        Some(Ok(config)) => preferences::take(model, config),
        Some(Err(problems)) => {
            model.theme = model.preferences.theme();
            preferences::refuse(model, problems);
        }
        None => {}
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_again_only_when_it_changed_or_somebody_asks() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.toml");
        let mut settings = Settings::new(path.clone());
        assert_eq!(settings.read(true), Some(Ok(Config::default())), "no file asks for nothing");
        assert_eq!(settings.read(false), None);
        fs::write(&path, "mouse = false").expect("writes");
        let config = settings.read(false).expect("it is there now").expect("valid");
        assert!(!config.mouse);
        assert_eq!(settings.read(false), None);
        fs::write(&path, "mouse = maybe").expect("writes");
        assert!(settings.read(false).expect("longer than before").is_err());
        fs::remove_file(&path).expect("removes");
        assert_eq!(settings.read(false), Some(Ok(Config::default())));
    }

    #[test]
    fn a_file_that_is_no_text_or_far_too_long_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.toml");
        fs::write(&path, b"\xff\xfe").expect("writes");
        assert!(Settings::new(path.clone()).read(true).expect("asked").is_err());
        fs::write(&path, "#".repeat(300_000)).expect("writes");
        let problems = Settings::new(path).read(true).expect("asked").expect_err("too long");
        assert!(problems[0].text.contains("more than"), "{problems:?}");
    }
}
