//! Who may know whom: the architecture, drawn by the crates' manifests.
//!
//! Owns the table of permitted edges and of crates from elsewhere that would undo a crate's purpose. A crate that is not
//! in the table is a finding, so that a new one is thought about.

use super::TextFile;
use super::finding::{Finding, Rule};
use super::manifest::{self, Dependency, Kind};

static EDGE: Rule = Rule {
    name: "crate-edge",
    valid: "the edges in xtask/src/tidy/edges.rs, drawn in ARCHITECTURE.md",
    hint: "move the code to the crate that may know both, or change the table and say in the commit why",
};

static BANNED: Rule = Rule {
    name: "banned-dependency",
    valid: "crates that leave each of ours what it is: the words, a mind, or hands",
    hint: "pass the value in as an argument, or do the work in the crate above",
};

static COMMENT: Rule = Rule {
    name: "dependency-comment",
    valid: "`name.workspace = true # what it is for`",
    hint: "say in a few words what this crate needs it for",
};

static MANIFEST: Rule =
    Rule { name: "manifest", valid: "TOML as cargo reads it", hint: "cargo says more about it" };

/// One of our crates.
struct Crate {
    name: &'static str,
    /// Of ours, what its code may know.
    knows: &'static [&'static str],
    /// Of ours, what its tests may know besides.
    tests_know: &'static [&'static str],
    /// From elsewhere, what its code must not know, and why.
    banned: &'static [(&'static str, &'static str)],
}

const NO_CLOCK: &str = "tokio brings clocks and sockets";
const NO_DICE: &str = "randomness is an argument here";
const NO_SOCKET: &str = "it never touches the network";
const NO_SCREEN: &str = "bots and tests use it without a terminal";

const CRATES: &[Crate] = &[
    Crate {
        name: "mechat-protocol",
        knows: &[],
        tests_know: &[],
        banned: &[("tokio", NO_CLOCK), ("rand", NO_DICE), ("getrandom", NO_DICE), ("rustls", NO_SOCKET)],
    },
    Crate {
        name: "mechat-certs",
        knows: &["mechat-protocol"],
        tests_know: &[],
        banned: &[("tokio", NO_CLOCK)],
    },
    Crate {
        name: "mechat-hub",
        knows: &["mechat-protocol"],
        tests_know: &[],
        banned: &[
            ("tokio", NO_CLOCK),
            ("tokio-util", NO_CLOCK),
            ("rand", NO_DICE),
            ("getrandom", NO_DICE),
            ("uuid", NO_DICE),
            ("rustls", NO_SOCKET),
        ],
    },
    Crate {
        name: "mechat-client",
        knows: &["mechat-protocol", "mechat-certs"],
        tests_know: &[],
        banned: &[("ratatui", NO_SCREEN), ("crossterm", NO_SCREEN)],
    },
    Crate {
        name: "mechat-relay",
        knows: &["mechat-hub", "mechat-protocol", "mechat-certs"],
        tests_know: &["mechat-client"],
        banned: &[("ratatui", NO_SCREEN), ("crossterm", NO_SCREEN)],
    },
    Crate {
        name: "mechat-tui",
        knows: &["mechat-client", "mechat-protocol", "mechat-certs", "mechat-relay"],
        tests_know: &[],
        banned: &[],
    },
    Crate {
        name: "mechat-sim",
        knows: &["mechat-hub", "mechat-client", "mechat-protocol"],
        tests_know: &[],
        banned: &[("tokio", NO_CLOCK)],
    },
    Crate {
        name: "mechat-bench",
        // The relay as a library, to fill its storage before it starts.
        knows: &["mechat-client", "mechat-protocol", "mechat-certs", "mechat-relay"],
        tests_know: &["mechat-hub"],
        banned: &[],
    },
    Crate { name: "xtask", knows: &[], tests_know: &[], banned: &[] },
];

/// Manifests of their own workspaces, which libFuzzer's build needs.
const OUTSIDE: &[&str] = &["fuzz/Cargo.toml"];

/// Findings of all manifests.
pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    let manifests =
        files.iter().filter(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"));
    manifests.filter(|file| !OUTSIDE.contains(&file.path.as_str())).flat_map(check_manifest).collect()
}

fn check_manifest(file: &TextFile) -> Vec<Finding> {
    let finding = |line, rule, fault| Finding { file: file.path.clone(), line, rule, fault };
    let (name, dependencies) = match manifest::read(&file.text) {
        Ok(Some(read)) => read,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![finding(1, &MANIFEST, error.message().to_owned())],
    };
    let Some(known) = CRATES.iter().find(|known| known.name == name) else {
        return vec![finding(1, &EDGE, format!("the crate `{name}` has no row in the table"))];
    };
    let mut findings = Vec::new();
    for dependency in dependencies {
        if let Some((rule, fault)) = known.objection(&dependency) {
            findings.push(finding(dependency.line, rule, fault));
        }
    }
    for line in manifest::dependency_lines(&file.text).filter(|line| !has_comment(line.text)) {
        let key = line.key.unwrap_or_default();
        findings.push(finding(line.number, &COMMENT, format!("nothing says what `{key}` is for")));
    }
    findings
}

impl Crate {
    fn objection(&self, dependency: &Dependency) -> Option<(&'static Rule, String)> {
        let package = dependency.package.as_str();
        if CRATES.iter().any(|ours| ours.name == package) {
            let mut permitted = self.knows.to_vec();
            if dependency.kind == Kind::Dev {
                permitted.extend(self.tests_know);
            }
            let fault = || format!("{} must not know {package}", self.name);
            return (!permitted.contains(&package)).then(|| (&EDGE, fault()));
        }
        if dependency.kind == Kind::Dev {
            return None;
        }
        let (_, why) = self.banned.iter().find(|(banned, _)| *banned == package)?;
        Some((&BANNED, format!("{} must not use {package}: {why}", self.name)))
    }
}

/// Whether a `#` stands outside quotes with something after it.
fn has_comment(line: &str) -> bool {
    let mut quoted = false;
    let at = line.find(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    });
    at.is_some_and(|at| !line[at + 1..].trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, body: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n{body}");
        let file = TextFile { path: "x/Cargo.toml".to_owned(), text };
        check(&[file]).iter().map(|f| format!("{} {} {}", f.line, f.rule.name, f.fault)).collect()
    }

    #[test]
    fn a_permitted_edge_is_silent_and_any_other_is_not() {
        let hub = "mechat-hub.workspace = true # decisions\n";
        assert_eq!(findings("mechat-relay", &format!("[dependencies]\n{hub}")), [""; 0]);
        let edge = ["4 crate-edge mechat-client must not know mechat-hub"];
        for table in
            ["dependencies", "build-dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"]
        {
            assert_eq!(findings("mechat-client", &format!("[{table}]\n{hub}")), edge, "{table}");
        }
        let renamed = "h = { package = \"mechat-hub\", path = \"../hub\" } # decisions\n";
        assert_eq!(findings("mechat-client", &format!("[dependencies]\n{renamed}")), edge);
    }

    #[test]
    fn a_test_may_know_more() {
        let client = "mechat-client.workspace = true # end to end\n";
        assert_eq!(findings("mechat-relay", &format!("[dev-dependencies]\n{client}")), [""; 0]);
        assert_eq!(
            findings("mechat-relay", &format!("[dependencies]\n{client}")),
            ["4 crate-edge mechat-relay must not know mechat-client"]
        );
    }

    #[test]
    fn a_mind_keeps_clear_of_clocks_and_dice() {
        for (name, package) in [
            ("mechat-hub", "tokio"),
            ("mechat-hub", "rand"),
            ("mechat-hub", "uuid"),
            ("mechat-protocol", "tokio"),
            ("mechat-protocol", "rand"),
            ("mechat-client", "ratatui"),
            ("mechat-client", "crossterm"),
        ] {
            let line = format!("{package} = \"1\" # why not\n");
            let found = findings(name, &format!("[dependencies]\n{line}"));
            assert!(
                found.len() == 1 && found[0].starts_with("4 banned-dependency"),
                "{name} {package}: {found:?}"
            );
            assert_eq!(findings(name, &format!("[dev-dependencies]\n{line}")), [""; 0]);
        }
        assert_eq!(findings("mechat-relay", "[dependencies]\ntokio = \"1\" # runtime\n"), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_row_and_a_manifest_that_is_none_are_found() {
        assert_eq!(
            findings("mechat-new", ""),
            ["1 crate-edge the crate `mechat-new` has no row in the table"]
        );
        let file = TextFile { path: "Cargo.toml".to_owned(), text: "[package".to_owned() };
        assert_eq!(check(&[file]).len(), 1);
    }

    #[test]
    fn every_dependency_says_what_it_is_for() {
        let body = "[dependencies]\nbytes.workspace = true\nserde = { version = \"#1\" }\ntoml = \"1\" #\nsyn = \"2\" # shape\n";
        assert_eq!(
            findings("xtask", body),
            [
                "4 dependency-comment nothing says what `bytes` is for",
                "5 dependency-comment nothing says what `serde` is for",
                "6 dependency-comment nothing says what `toml` is for"
            ]
        );
    }

    #[test]
    fn the_table_draws_no_circle() {
        for (place, one) in CRATES.iter().enumerate() {
            for known in one.knows {
                let above = CRATES[..place].iter().any(|other| other.name == *known);
                assert!(above, "{} knows {known}, which stands below it", one.name);
            }
        }
    }
}
