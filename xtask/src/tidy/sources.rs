//! The shape of source files: what opens them, what they are called, how long they and their functions are.
//!
//! Owns those limits. Tests are held to them too: somebody has to read them.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, Signature};

use super::TextFile;
use super::finding::{Finding, Rule};

/// Lines of a function, from `fn` to the closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines of a file, tests included.
const FILE_LINES_MAX: usize = 800;

static HEADER: Rule = Rule {
    name: "module-header",
    valid: "the first line of a Rust file is `//! …`: what the module owns, what it never does, its invariants",
    hint: "say it in two or three sentences; if you cannot, the module wants another cut",
};

static FILE_NAME: Rule = Rule {
    name: "file-name",
    valid: "a file is named after the one concept it holds, with the field's word",
    hint: "ask of each function in it what it is about, and move it there",
};

static FILE_LENGTH: Rule = Rule {
    name: "file-length",
    valid: "a file has at most 800 lines; past 400 it earns a question",
    hint: "split it where two concepts meet",
};

static FUNCTION_LENGTH: Rule = Rule {
    name: "function-length",
    valid: "a function has at most 70 lines from `fn` to its brace; aim at 40",
    hint: "give each phase, or the body of each long arm, a function of its own",
};

static PARSES: Rule = Rule {
    name: "syntax",
    valid: "Rust that can be parsed, so that the rules can be checked",
    hint: "`cargo check` says more; if it is content, the parser that tidy uses is too old",
};

const NO_CONCEPTS: &[&str] = &["util", "utils", "helper", "helpers", "common", "base", "manager", "misc"];

/// Findings of all Rust files.
pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    files.iter().filter(|file| file.is_rust()).flat_map(check_file).collect()
}

fn check_file(file: &TextFile) -> Vec<Finding> {
    let finding = |line, rule, fault| Finding { file: file.path.clone(), line, rule, fault };
    let mut findings = Vec::new();
    if !file.text.trim_start_matches('\u{feff}').starts_with("//!") {
        findings.push(finding(1, &HEADER, "nothing says what this module is".to_owned()));
    }
    let name = |part: &str| NO_CONCEPTS.contains(&part.strip_suffix(".rs").unwrap_or(part));
    if let Some(part) = file.path.split('/').find(|part| name(part)) {
        findings.push(finding(1, &FILE_NAME, format!("`{part}` names no concept")));
    }
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.push(finding(FILE_LINES_MAX + 1, &FILE_LENGTH, format!("this file has {lines} lines")));
    }
    match syn::parse_file(&file.text) {
        Ok(syntax) => findings.extend(
            long_functions(&syntax).into_iter().map(|(line, fault)| finding(line, &FUNCTION_LENGTH, fault)),
        ),
        Err(error) => findings.push(finding(error.span().start().line, &PARSES, error.to_string())),
    }
    findings
}

fn long_functions(syntax: &syn::File) -> Vec<(usize, String)> {
    let mut measure = Measure { long: Vec::new() };
    measure.visit_file(syntax);
    measure.long
}

struct Measure {
    long: Vec<(usize, String)>,
}

impl Measure {
    fn look(&mut self, signature: &Signature, body: &Block) {
        let (first, last) = (signature.span().start().line, body.span().end().line);
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            self.long.push((first, format!("`{}` has {lines} lines", signature.ident)));
        }
    }
}

impl<'ast> Visit<'ast> for Measure {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.look(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.look(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.look(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        check(&[file]).iter().map(|finding| (finding.line, finding.rule.name)).collect()
    }

    /// A function of so many lines, attributes and documentation not counted.
    fn function(lines: usize) -> String {
        format!("/// Documentation.\n#[inline]\nfn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_module_says_what_it_is() {
        assert_eq!(findings("hub/src/a.rs", "//! Owns a.\nfn a() {}\n"), []);
        for text in ["fn a() {}\n", "// Owns a.\n", "\n//! Late.\n", "/// Of a.\nfn a() {}\n", ""] {
            assert_eq!(findings("hub/src/a.rs", text), [(1, "module-header")], "{text:?}");
        }
        assert_eq!(findings("README.md", "no Rust"), []);
    }

    #[test]
    fn a_name_says_what_is_inside() {
        assert_eq!(findings("hub/src/utils.rs", "//! Owns a.\n"), [(1, "file-name")]);
        assert_eq!(findings("hub/src/common/a.rs", "//! Owns a.\n"), [(1, "file-name")]);
        assert_eq!(findings("hub/src/database.rs", "//! Owns a.\n"), []);
    }

    #[test]
    fn a_function_fits_a_screen() {
        let good = format!("//! Owns f.\n{}", function(FUNCTION_LINES_MAX));
        assert_eq!(findings("hub/src/a.rs", &good), []);
        let long = function(FUNCTION_LINES_MAX + 1);
        for text in [
            format!("//! Owns f.\n{long}"),
            format!("//! Owns f.\nimpl A {{ {long} }}"),
            format!("//! Owns f.\ntrait A {{ {long} }}"),
            format!("//! Owns f.\nmod a {{ {long} }}"),
        ] {
            assert_eq!(findings("hub/src/a.rs", &text), [(4, "function-length")], "{text}");
        }
    }

    #[test]
    fn a_file_ends_at_eight_hundred_lines() {
        let lines = |n| format!("//! Owns a lot.\n{}", "// more\n".repeat(n - 1));
        assert_eq!(findings("hub/src/a.rs", &lines(FILE_LINES_MAX)), []);
        assert_eq!(findings("hub/src/a.rs", &lines(FILE_LINES_MAX + 1)), [(801, "file-length")]);
    }

    #[test]
    fn what_cannot_be_parsed_is_not_passed_over() {
        assert_eq!(findings("hub/src/a.rs", "//! Owns a.\nfn a( {}\n"), [(2, "syntax")]);
    }
}
