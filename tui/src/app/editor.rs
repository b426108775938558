//! The user's own editor on what is being written.
//!
//! Owns the file that it edits, which is for its owner alone and goes when the editor is done, and how its ending is read. It never
//! touches the terminal: whoever runs it has given that away before.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Which editor is wanted: the first of these variables that says something.
const VARIABLES: [&str; 2] = ["VISUAL", "EDITOR"];
/// The editor where nobody says anything.
const FALLBACK: &str = if cfg!(windows) { "notepad" } else { "vi" };
/// With which a shell says that there is no such program.
const NOT_FOUND: i32 = 127;

/// Runs the editor on a text and waits for it; the text as it was left, or why the one before stays.
pub fn edit(text: &str) -> Result<String, String> {
    let editor = wanted(|variable| std::env::var(variable).ok());
    let file = tempfile::Builder::new().prefix("mechat-").suffix(".md").tempfile();
    let mut file = file.map_err(|error| format!("no file for the editor: {error}"))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
    written.map_err(|error| format!("no file for the editor: {error}"))?;
    // Editors put another file in the place of this one: it is read by its name.
    let path = file.into_temp_path();
    let status = command(&editor, &path).status();
    outcome(&editor, status)?;
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(as_written(&text)),
        Err(error) => {
            let kept =
                path.keep().map_or_else(|_| String::new(), |path| format!("; it is in {}", path.display()));
            Err(format!("what the editor wrote cannot be read: {error}{kept}"))
        }
    }
}

fn wanted(variable: impl Fn(&str) -> Option<String>) -> String {
    let said = VARIABLES.iter().filter_map(|name| variable(name)).find(|said| !said.trim().is_empty());
    said.unwrap_or_else(|| FALLBACK.to_owned())
}

/// The variables hold words for a shell, such as `code --wait`. Ctrl-C is the editor's: the shell around it lives on, as this program
/// does.
#[cfg(unix)]
fn command(editor: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("trap : INT; {editor} \"$1\"")).arg("sh").arg(path);
    command
}

/// The program and its arguments, by spaces.
#[cfg(not(unix))]
fn command(editor: &str, path: &Path) -> Command {
    let mut words = editor.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(FALLBACK));
    command.args(words).arg(path);
    command
}

fn outcome(editor: &str, status: std::io::Result<ExitStatus>) -> Result<(), String> {
    let hint = "your text stays as it was; EDITOR names the editor that is run";
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if status.code() == Some(NOT_FOUND) => {
            Err(format!("the editor `{editor}` is not there; {hint}"))
        }
        Ok(status) => Err(format!("the editor `{editor}` failed ({status}); {hint}")),
        Err(error) => Err(format!("the editor `{editor}` cannot be run: {error}; {hint}")),
    }
}

/// Editors end the last line; a message does not.
fn as_written(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_says_something_is_obeyed() {
        let wanted = |visual: Option<&str>, editor: Option<&str>| {
            super::wanted(|name| if name == "VISUAL" { visual } else { editor }.map(str::to_owned))
        };
        assert_eq!(wanted(Some("code --wait"), Some("vim")), "code --wait");
        assert_eq!(wanted(Some(" "), Some("vim")), "vim");
        assert_eq!(wanted(None, None), FALLBACK);
    }

    #[test]
    fn the_break_of_the_last_line_is_the_editors() {
        for (left, text) in
            [("a\n", "a"), ("a", "a"), ("a\r\nb\r\n", "a\nb"), ("a\n\n", "a\n"), ("\n", ""), ("", "")]
        {
            assert_eq!(as_written(left), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_editor_that_is_missing_or_fails_is_named() {
        let run = |editor: &str| outcome(editor, command(editor, Path::new("/dev/null")).status());
        assert_eq!(run("true"), Ok(()));
        assert!(run("exit 3; true").expect_err("failed").contains("exit status: 3"));
        let missing = run("2>/dev/null no-such-editor-anywhere").expect_err("missing");
        assert!(missing.contains("is not there") && missing.contains("stays as it was"), "{missing}");
    }
}
