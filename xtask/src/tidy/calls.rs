//! Calls that would undo a crate's purpose, found in its tokens.
//!
//! Owns the table of bans, each with its reason. Works on tokens rather than on syntax, so that it also sees inside
//! macros such as `select!`; what clippy can see for the whole workspace alike is in `clippy.toml` instead.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::TextFile;
use super::finding::{Finding, Rule};
use super::test_code;

static CALL: Rule = Rule {
    name: "banned-call",
    valid: "what the table in xtask/src/tidy/calls.rs leaves, which gives the reason for each ban",
    hint: "do as the reason says; if the ban is wrong, change the table and say in the commit why",
};

/// A sequence of tokens that must not stand in some code.
struct Ban {
    /// As one would write it.
    tokens: &'static str,
    /// Paths that it holds for, from the project's root; empty means everywhere.
    within: &'static [&'static str],
    /// Ends of paths that it does not hold for.
    except: &'static [&'static str],
    /// Whether a file may lift it by naming one of clippy's print lints in an attribute.
    lifted_by_print_lint: bool,
    /// Whether it holds for tests too.
    tests_too: bool,
    reason: &'static str,
}

const EVERYWHERE: Ban =
    Ban { tokens: "", within: &[], except: &[], lifted_by_print_lint: false, tests_too: false, reason: "" };

const PURE: &[&str] = &["protocol/src/", "hub/src/", "client/src/session"];
const BEHIND_THE_DRIVER: &[&str] = &["relay/src/storage", "relay/src/bus"];
const SILENT: &[&str] = &["protocol/src/", "certs/src/", "hub/src/", "client/src/"];

const NO_CLOCK: &str = "`now` is an argument here, or nothing can be replayed";
const NO_PANIC: &str = "return the error, or write `expect` with why it cannot be";
const DRIVER_ALONE: &str = "the driver alone translates between the hub and storage or bus";
const NO_PRINT: &str = "a library says what happens in its return values";
const SAID_ON_PURPOSE: &str =
    "a program prints on purpose: `#![expect(clippy::print_stdout, reason = …)]` in that file";

const BANS: &[Ban] = &[
    Ban { tokens: "SystemTime::now", within: PURE, tests_too: true, reason: NO_CLOCK, ..EVERYWHERE },
    Ban { tokens: "Instant::now", within: PURE, tests_too: true, reason: NO_CLOCK, ..EVERYWHERE },
    Ban {
        tokens: "thread::sleep",
        reason: "nothing that users wait for waits for time: wait for the event, or use the runtime's timer",
        ..EVERYWHERE
    },
    Ban {
        tokens: "process::exit",
        except: &["/main.rs"],
        tests_too: true,
        reason: "guards would not run, and the terminal would not be given back; return to `main`",
        ..EVERYWHERE
    },
    Ban { tokens: ".unwrap()", reason: NO_PANIC, ..EVERYWHERE },
    Ban {
        tokens: "mechat_hub",
        within: BEHIND_THE_DRIVER,
        tests_too: true,
        reason: DRIVER_ALONE,
        ..EVERYWHERE
    },
    Ban { tokens: "println!", within: SILENT, reason: NO_PRINT, ..EVERYWHERE },
    Ban { tokens: "eprintln!", within: SILENT, reason: NO_PRINT, ..EVERYWHERE },
    Ban { tokens: "println!", lifted_by_print_lint: true, reason: SAID_ON_PURPOSE, ..EVERYWHERE },
    Ban { tokens: "eprintln!", lifted_by_print_lint: true, reason: SAID_ON_PURPOSE, ..EVERYWHERE },
];

/// Findings of all Rust files. One that cannot be parsed is left to the rules on sources.
pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    let parsed: Vec<(&TextFile, syn::File)> = files
        .iter()
        .filter(|file| file.is_rust())
        .filter_map(|file| Some((file, syn::parse_file(&file.text).ok()?)))
        .collect();
    let mut for_tests = HashSet::new();
    for (file, syntax) in &parsed {
        for_tests.extend(test_code::declared_for_tests(&file.path, syntax));
    }
    let bans: Vec<(&Ban, Vec<Token>)> = BANS.iter().map(|ban| (ban, tokens_of(ban.tokens))).collect();
    parsed.iter().flat_map(|(file, syntax)| check_file(file, syntax, &for_tests, &bans)).collect()
}

fn check_file(
    file: &TextFile,
    syntax: &syn::File,
    for_tests: &HashSet<String>,
    bans: &[(&Ban, Vec<Token>)],
) -> Vec<Finding> {
    let tokens = tokens_of(&file.text);
    let all_test = test_code::is_test_path(&file.path) || test_code::is_declared(&file.path, for_tests);
    let test_lines = test_code::test_lines(syntax);
    let prints = contains(&tokens, "clippy::print_stdout") || contains(&tokens, "clippy::print_stderr");
    let mut findings = Vec::new();
    for (ban, pattern) in bans.iter().filter(|(ban, _)| ban.holds_for(&file.path)) {
        if ban.lifted_by_print_lint && prints {
            continue;
        }
        for line in lines_with(&tokens, pattern) {
            if ban.tests_too || !(all_test || is_in(&test_lines, line)) {
                let fault = format!("`{}`: {}", ban.tokens, ban.reason);
                findings.push(Finding { file: file.path.clone(), line, rule: &CALL, fault });
            }
        }
    }
    findings.dedup_by(|a, b| a.line == b.line && a.fault == b.fault);
    findings
}

impl Ban {
    fn holds_for(&self, path: &str) -> bool {
        let within = self.within.is_empty() || self.within.iter().any(|place| path.starts_with(place));
        let excepted = self.except.iter().any(|end| path.ends_with(end));
        // The other table in a silent crate says more.
        let doubled = self.lifted_by_print_lint && SILENT.iter().any(|place| path.starts_with(place));
        within && !excepted && !doubled
    }
}

fn is_in(ranges: &[RangeInclusive<usize>], line: usize) -> bool {
    ranges.iter().any(|range| range.contains(&line))
}

/// A word or a single character, and its line.
type Token = (String, usize);

fn tokens_of(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    if let Ok(stream) = text.parse::<TokenStream>() {
        flatten(stream, &mut tokens);
    }
    tokens
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push((open.to_owned(), line));
                flatten(group.stream(), tokens);
                tokens.push((close.to_owned(), group.span_close().start().line));
            }
            // What a string says is not code.
            TokenTree::Literal(_) => tokens.push(("literal".to_owned(), line)),
            TokenTree::Ident(_) | TokenTree::Punct(_) => tokens.push((tree.to_string(), line)),
        }
    }
}

fn lines_with(tokens: &[Token], pattern: &[Token]) -> Vec<usize> {
    let same = |window: &&[Token]| window.iter().zip(pattern).all(|(a, b)| a.0 == b.0);
    tokens.windows(pattern.len().max(1)).filter(same).map(|window| window[0].1).collect()
}

fn contains(tokens: &[Token], pattern: &str) -> bool {
    !lines_with(tokens, &tokens_of(pattern)).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        let tokens = |finding: &Finding| finding.fault.split('`').nth(1).unwrap_or_default().to_owned();
        check(&[file]).iter().map(|finding| (finding.line, tokens(finding))).collect()
    }

    fn line(number: usize, tokens: &str) -> Vec<(usize, String)> {
        vec![(number, tokens.to_owned())]
    }

    #[test]
    fn every_ban_can_be_broken() {
        for (path, text, tokens) in [
            ("protocol/src/a.rs", "let t = std::time::SystemTime::now();", "SystemTime::now"),
            ("hub/src/a.rs", "let t = Instant :: now();", "Instant::now"),
            ("client/src/session.rs", "let t = Instant::now();", "Instant::now"),
            ("relay/src/a.rs", "std::thread::sleep(x);", "thread::sleep"),
            ("tui/src/a.rs", "std::process::exit(1);", "process::exit"),
            ("tui/src/a.rs", "x\n        .unwrap();", ".unwrap()"),
            ("tui/src/a.rs", "select! { _ = x => y.unwrap() }", ".unwrap()"),
            ("relay/src/storage/sqlite.rs", "mechat_hub::go();", "mechat_hub"),
            ("relay/src/bus/local.rs", "use mechat_hub::Input;", "mechat_hub"),
            ("certs/src/a.rs", "println!();", "println!"),
            ("hub/src/a.rs", "eprintln!();", "eprintln!"),
            ("relay/src/a.rs", "println!();", "println!"),
            ("tui/src/a.rs", "eprintln!();", "eprintln!"),
        ] {
            let text = format!("fn f() {{\n{text}\n}}\n");
            let at = if text.contains("x\n") { 3 } else { 2 };
            assert_eq!(found(path, &text), line(at, tokens), "{path} {text}");
        }
    }

    #[test]
    fn what_the_bans_do_not_mean_is_silent() {
        for (path, text) in [
            ("relay/src/a.rs", "let t = Instant::now();"),
            ("relay/src/main.rs", "std::process::exit(1);"),
            ("relay/src/driver.rs", "mechat_hub::go();"),
            ("hub/src/a.rs", "let a = \"Instant::now\"; // Instant::now"),
            ("tui/src/a.rs", "x.unwrap_or(1); x.expect(\"why\");"),
            ("relay/src/main.rs", "#[expect(clippy::print_stdout, reason = \"why\")] { println!(); }"),
        ] {
            assert_eq!(found(path, &format!("fn f() {{\n{text}\n}}\n")), [], "{path} {text}");
        }
    }

    #[test]
    fn tests_may_unwrap_but_not_look_at_the_clock_of_a_mind() {
        let test = "#[test]\nfn f() {\n x.unwrap(); std::thread::sleep(y);\n}\n";
        assert_eq!(found("hub/src/a.rs", test), []);
        assert_eq!(found("relay/tests/a.rs", "fn f() { x.unwrap(); }\n"), []);
        assert_eq!(found("hub/src/a.rs", "#[test]\nfn f() { Instant::now(); }\n"), line(2, "Instant::now"));
        let beside = "fn f() { x.unwrap(); }\n#[cfg(test)]\nmod tests {\n fn g() { x.unwrap(); }\n}\n";
        assert_eq!(found("tui/src/a.rs", beside), line(1, ".unwrap()"));
    }

    #[test]
    fn a_silent_crate_cannot_lift_the_ban() {
        let text = "#![expect(clippy::print_stdout)]\nfn f() { println!(); }\n";
        assert_eq!(found("hub/src/a.rs", text), line(2, "println!"));
        assert_eq!(found("tui/src/a.rs", text), []);
    }

    #[test]
    fn a_module_declared_for_tests_elsewhere_is_a_test() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let model = file("hub/src/model.rs", "fn f() { x.unwrap(); }\n");
        assert_eq!(check(&[file("hub/src/lib.rs", "mod model;\n"), model.clone()]).len(), 1);
        assert_eq!(check(&[file("hub/src/lib.rs", "#[cfg(test)]\nmod model;\n"), model]).len(), 0);
    }
}
