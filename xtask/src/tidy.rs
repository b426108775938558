//! The house rules that neither the compiler nor clippy knows.
//!
//! Owns the list of files and the order of the rules; each rule is a pure function from text to findings, in a
//! module of its own. It never changes a file.
//!
//! Invariant: what cannot be read or parsed is a finding or an error, never passed over.

mod calls;
mod edges;
mod finding;
mod manifest;
mod sources;
mod test_code;
mod words;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use finding::Finding;

/// One file of the project. The path is from its root, with `/` on every system.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }
}

/// Checks the tree at `root`; the findings are in order of file and line.
pub(crate) fn run(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = read_all(root)?;
    let mut findings = check(&files);
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(findings)
}

fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = words::check(files);
    findings.extend(edges::check(files));
    findings.extend(sources::check(files));
    findings.extend(calls::check(files));
    findings
}

fn read_all(root: &Path) -> anyhow::Result<Vec<TextFile>> {
    let mut files = Vec::new();
    for path in tracked(root)? {
        let bytes = match fs::read(root.join(&path)) {
            Ok(bytes) => bytes,
            // Deleted, but git was not told yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
        };
        // Pictures and golden vectors are no text and say nothing.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path, text });
        }
    }
    Ok(files)
}

/// What git tracks or would track, so that a new file is checked before it is committed.
fn tracked(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("tidy asks git which files are the project's; git cannot be started")?;
    anyhow::ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    let mut paths: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_rule_is_asked() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let findings = check(&[
            file("notes.md", concat!("see /ho", "me/someone\n")),
            file("hub/Cargo.toml", "[package]\nname = \"mechat-hub\"\n[dependencies]\ntokio = \"1\" # no\n"),
            file("hub/src/lib.rs", "fn a() { Instant::now(); }\n"),
        ]);
        let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule.name).collect();
        rules.sort_unstable();
        assert_eq!(rules, ["banned-call", "banned-dependency", "machine-path", "module-header"]);
    }

    #[test]
    fn the_projects_own_files_are_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let files = read_all(&root).expect("readable");
        for path in ["Cargo.toml", "xtask/src/tidy.rs"] {
            assert!(files.iter().any(|file| file.path == path), "{path}");
        }
    }
}
