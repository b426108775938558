//! What can be told without asking anybody: the environment and the directories.

use std::io::IsTerminal as _;
use std::path::Path;

use super::Finding;
use crate::app::files::{self, Places};
use crate::view::layout;

/// What stands between the program and the terminal.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    #[default]
    Nothing,
    Tmux,
    Screen,
}

/// What the program was started with.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) terminal: bool,
    pub(super) size: Option<(u16, u16)>,
    pub(super) term: String,
    pub(super) colorterm: String,
    pub(super) no_color: bool,
    pub(super) locale: String,
    pub(super) through: Through,
}

impl Environment {
    pub(super) fn of_process() -> Self {
        let text = |name: &str| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(text).into_iter().find(|value| !value.is_empty());
        Self {
            terminal: is_terminal(),
            size: crossterm::terminal::size().ok().filter(|_| is_terminal()),
            term: text("TERM"),
            colorterm: text("COLORTERM"),
            no_color: !text("NO_COLOR").is_empty(),
            locale: locale.unwrap_or_default(),
            through: match (text("TMUX").is_empty(), text("STY").is_empty()) {
                (false, _) => Through::Tmux,
                (true, false) => Through::Screen,
                (true, true) => Through::Nothing,
            },
        }
    }
}

pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}

/// Size, colours, letters, and what lies between us and the terminal.
pub(super) fn terminal(environment: &Environment) -> Vec<Finding> {
    let mut findings = vec![place(environment), colours(environment), letters(environment)];
    findings.extend(match environment.through {
        Through::Nothing => None,
        Through::Tmux => Some(Finding::note(
            "inside tmux",
            "`set -g focus-events on` and `set -g set-clipboard on` let it pass on focus and clipboard",
        )),
        Through::Screen => Some(Finding::note(
            "inside GNU screen, which passes on neither links nor the clipboard",
            "tmux does",
        )),
    });
    findings
}

fn place(environment: &Environment) -> Finding {
    let (columns, rows) = layout::SIZE_MIN;
    match (environment.terminal, environment.size) {
        (false, _) => Finding::note("input and output are no terminal", "--plain works without one"),
        (true, Some(size)) if layout::fits(size) => {
            Finding::good(format!("{} columns, {} rows", size.0, size.1))
        }
        (true, Some(size)) => Finding::bad(
            format!("{} columns, {} rows: the full screen needs {columns} and {rows}", size.0, size.1),
            "make the window larger, or use --plain",
        ),
        (true, None) => {
            Finding::bad("the terminal does not tell its size", "`stty rows 24 columns 80` tells it")
        }
    }
}

fn colours(environment: &Environment) -> Finding {
    let term = &environment.term;
    if environment.no_color {
        return Finding::good("no colours, as NO_COLOR asks");
    }
    match &environment.colorterm[..] {
        "truecolor" | "24bit" => Finding::good("true colour"),
        _ if term.is_empty() || term == "dumb" => Finding::bad(
            format!("TERM is `{term}`: nothing is known of this terminal"),
            "set TERM, or use --plain",
        ),
        _ if term.contains("256color") => {
            Finding::note(format!("256 colours (TERM={term})"), "COLORTERM=truecolor, if the terminal can")
        }
        _ => Finding::note(format!("16 colours (TERM={term})"), "TERM=xterm-256color, if the terminal can"),
    }
}

fn letters(environment: &Environment) -> Finding {
    let locale = environment.locale.to_ascii_lowercase();
    if locale.contains("utf-8") || locale.contains("utf8") {
        return Finding::good(format!("UTF-8 ({})", environment.locale));
    }
    let name = if environment.locale.is_empty() { "unset" } else { &environment.locale };
    Finding::note(format!("the locale is {name}, not UTF-8"), "export LANG=C.UTF-8")
}

/// Nobody can ask a terminal whether it obeys OSC 52; what stands in between can be told.
pub(super) fn clipboard(environment: &Environment) -> Finding {
    match environment.through {
        Through::Tmux => {
            Finding::note("OSC 52 through tmux", "`set -g set-clipboard on` in tmux.conf lets it through")
        }
        Through::Screen => Finding::note("GNU screen does not pass OSC 52 on", "select with the mouse"),
        Through::Nothing => Finding::good("by OSC 52; whether the terminal obeys shows the first copy"),
    }
}

/// Whether what must be kept can be, and what is there can be read.
pub(super) fn files(places: &Places) -> Vec<Finding> {
    let mut findings: Vec<Finding> = places.directories().into_iter().map(writable).collect();
    findings.push(match files::load_relays(places) {
        Ok(book) => Finding::good(format!("{} known relays", book.relays.len())),
        Err(error) => Finding::bad(format!("{error:#}"), "mend it, or move it away to begin a new one"),
    });
    findings
}

/// Tries with a file that is gone again at once; a directory that is not there yet is made by who first needs it.
fn writable(directory: &Path) -> Finding {
    let shown = directory.display();
    let existing = directory.ancestors().find(|ancestor| ancestor.is_dir());
    let Some(existing) = existing else {
        return Finding::bad(
            format!("{shown} is in no directory that exists"),
            "--data-dir DIR names another",
        );
    };
    match tempfile::tempfile_in(existing) {
        Ok(_) => Finding::good(format!("{shown} can be written")),
        Err(error) => Finding::bad(
            format!("{shown} cannot be written: {error}"),
            "drafts and unsent messages are lost at the end of the program; --data-dir DIR names another place",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    fn good() -> Environment {
        Environment {
            terminal: true,
            size: Some((80, 24)),
            term: "xterm-256color".into(),
            colorterm: "truecolor".into(),
            locale: "de_DE.UTF-8".into(),
            ..Environment::default()
        }
    }

    fn grades(environment: &Environment) -> Vec<Grade> {
        terminal(environment).into_iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn a_good_terminal_has_nothing_to_be_told() {
        assert_eq!(grades(&good()), [Grade::Good; 3]);
        assert_eq!(clipboard(&good()).grade, Grade::Good);
    }

    #[test]
    fn each_shortcoming_is_told_with_what_helps() {
        let (small, dumb) = (Some((39, 24)), "dumb".to_owned());
        assert_eq!(grades(&Environment { size: small, ..good() })[0], Grade::Bad);
        assert_eq!(grades(&Environment { terminal: false, ..good() })[0], Grade::Note);
        let sixteen = Environment { term: "xterm".into(), colorterm: String::new(), ..good() };
        assert!(terminal(&sixteen)[1].what.starts_with("16 colours"));
        assert_eq!(grades(&Environment { term: dumb, colorterm: String::new(), ..good() })[1], Grade::Bad);
        assert_eq!(grades(&Environment { no_color: true, ..good() })[1], Grade::Good);
        assert_eq!(grades(&Environment { locale: "C".into(), ..good() })[2], Grade::Note);
        assert_eq!(grades(&Environment { through: Through::Tmux, ..good() }).len(), 4);
        assert_eq!(clipboard(&Environment { through: Through::Screen, ..good() }).grade, Grade::Note);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_told() {
        let directory = tempfile::tempdir().expect("directory");
        assert_eq!(writable(&directory.path().join("not/yet")).grade, Grade::Good);
        let file = directory.path().join("file");
        std::fs::write(&file, "").expect("writes");
        assert!(!directory.path().join("not").exists(), "nothing was made");
    }
}
