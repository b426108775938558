//! No word in the tree betrays the machine it was written on.
//!
//! Owns the list of such words and the registries that lock files may name. Checks every text file, not only Rust.

use super::TextFile;
use super::finding::{Finding, Rule};

static MACHINE_PATH: Rule = Rule {
    name: "machine-path",
    valid: "paths from the project's root, from `~`, or from a temporary directory made at run time",
    hint: "write the path as someone else's machine would have it",
};

static REGISTRY: Rule = Rule {
    name: "registry-host",
    valid: "Cargo's own index in Cargo.lock, and no address at all in package-lock.json",
    hint: "make the lock file anew without a mirror configured, npm's with `omit-lockfile-registry-resolved`",
};

/// In two pieces each, or this file would break its own rule.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/")];

/// What precedes a URL in a lock file, and how the URL must go on, if there may be one.
const LOCK_FILES: &[(&str, &str, Option<&str>)] = &[
    ("Cargo.lock", "source = \"", Some("registry+https://github.com/rust-lang/")),
    ("package-lock.json", "\"resolved\": \"", None),
];

/// Findings of all text files.
pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    files.iter().flat_map(|file| machine_paths(file).into_iter().chain(registries(file))).collect()
}

fn machine_paths(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (text, line) in file.text.lines().zip(1..) {
        for path in MACHINE_PATHS.iter().filter(|path| names_path(text, path)) {
            let fault = format!("`{path}` is a place on one machine");
            findings.push(Finding { file: file.path.clone(), line, rule: &MACHINE_PATH, fault });
        }
    }
    findings
}

/// Whether `path` stands in the text as the beginning of a path, not in the middle of one.
fn names_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '*' | '}'))
    })
}

fn registries(file: &TextFile) -> Vec<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let Some((_, before, valid)) = LOCK_FILES.iter().find(|(lock, ..)| *lock == name) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (text, line) in file.text.lines().zip(1..) {
        let foreign = text
            .trim_start()
            .strip_prefix(before)
            .filter(|source| !valid.is_some_and(|valid| source.starts_with(valid)));
        if let Some(source) = foreign {
            let fault = format!("`{}` is not the public registry", source.trim_end_matches([',', '"']));
            findings.push(Finding { file: file.path.clone(), line, rule: &REGISTRY, fault });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        check(&[file]).iter().map(|finding| (finding.line, finding.rule.name)).collect()
    }

    #[test]
    fn a_machines_directories_are_found_wherever_a_path_begins() {
        for path in MACHINE_PATHS {
            for text in
                [format!("{path}x"), format!("\"{path}x\""), format!("a {path}"), format!("(file:{path}x)")]
            {
                assert_eq!(lines("docs/a.md", &format!("fine\n{text}\n")), [(2, "machine-path")], "{text}");
            }
            for text in [format!("certs{path}x"), format!("~{path}"), format!("https://example.org{path}")] {
                assert_eq!(lines("docs/a.md", &text), [], "{text}");
            }
        }
    }

    #[test]
    fn lock_files_name_no_registry_but_cargos_own_index() {
        let good = "source = \"registry+https://github.com/rust-lang/index\"\n";
        let bad = "name = \"x\"\nsource = \"registry+https://mirror.example/index\"\n";
        assert_eq!(lines("Cargo.lock", good), []);
        assert_eq!(lines("fuzz/Cargo.lock", bad), [(2, "registry-host")]);
        assert_eq!(lines("README.md", bad), []);
        let good = "  \"version\": \"1.0.0\",\n";
        let bad = "  \"resolved\": \"https://mirror.example/a/-/a-1.tgz\",\n";
        assert_eq!(
            lines("docs/examples/node/package-lock.json", &format!("{good}{bad}")),
            [(2, "registry-host")]
        );
    }
}
