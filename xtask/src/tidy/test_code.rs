//! Which code is only for tests.
//!
//! Owns telling it from code that users run: by the file's place, by `#[cfg(test)]` in front of a module's name, and by
//! attributes inside a file. Code that runs in both counts as code that users run.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Meta};

/// Whether the path itself says so: integration tests, benches, examples, and `tests.rs` beside a module.
pub(crate) fn is_test_path(path: &str) -> bool {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    stem.split('/').any(|part| matches!(part, "tests" | "benches" | "examples"))
}

/// The stems of files that `path` declares for tests alone: `#[cfg(test)] mod name;`.
pub(crate) fn declared_for_tests(path: &str, syntax: &syn::File) -> HashSet<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let (directory, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let directory = if matches!(name, "lib" | "main" | "mod") { directory } else { stem };
    let modules = syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_for_tests(&module.attrs) => {
            Some(&module.ident)
        }
        _ => None,
    });
    modules.map(|name| format!("{directory}/{name}")).collect()
}

/// Whether the file at `path` is one of the declared ones, or below one.
pub(crate) fn is_declared(path: &str, declared: &HashSet<String>) -> bool {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    declared.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/")))
}

/// The lines that only tests run.
pub(crate) fn test_lines(syntax: &syn::File) -> Vec<RangeInclusive<usize>> {
    let mut finder = Finder { lines: Vec::new() };
    finder.visit_file(syntax);
    finder.lines
}

struct Finder {
    lines: Vec<RangeInclusive<usize>>,
}

impl Finder {
    fn look(&mut self, attributes: &[Attribute], span: proc_macro2::Span) {
        if is_for_tests(attributes) {
            self.lines.push(span.start().line..=span.end().line);
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.look(attributes_of(item), item.span());
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.look(&function.attrs, function.span());
        visit::visit_impl_item_fn(self, function);
    }
}

fn attributes_of(item: &syn::Item) -> &[Attribute] {
    match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[test]`, `#[anything::test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`; not `any(test, …)` and not `not(test)`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        path.segments.last().is_some_and(|last| last.ident == "test")
            || path.is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|meta| demands_test(&meta))
    })
}

fn demands_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => {
            type List = syn::punctuated::Punctuated<Meta, syn::Token![,]>;
            list.parse_args_with(List::parse_terminated).is_ok_and(|all| all.iter().any(demands_test))
        }
        Meta::List(_) | Meta::NameValue(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> syn::File {
        syn::parse_file(text).expect("Rust")
    }

    #[test]
    fn a_place_for_tests_is_known() {
        for (path, test) in [
            ("relay/tests/serve.rs", true),
            ("relay/tests/serve/main.rs", true),
            ("bench/benches/codec.rs", true),
            ("certs/src/password/tests.rs", true),
            ("relay/src/driver.rs", false),
            ("relay/src/testing.rs", false),
        ] {
            assert_eq!(is_test_path(path), test, "{path}");
        }
    }

    #[test]
    fn a_module_that_is_declared_for_tests_is_known_with_all_below_it() {
        let syntax = parse("mod real;\n#[cfg(test)]\nmod model;\n#[cfg(not(test))]\nmod other;\n");
        let declared = declared_for_tests("hub/src/lib.rs", &syntax);
        for (path, test) in [
            ("hub/src/model.rs", true),
            ("hub/src/model/deep.rs", true),
            ("hub/src/model/mod.rs", true),
            ("hub/src/models.rs", false),
            ("hub/src/real.rs", false),
            ("hub/src/other.rs", false),
        ] {
            assert_eq!(is_declared(path, &declared), test, "{path}");
        }
        let declared = declared_for_tests("hub/src/hub.rs", &syntax);
        assert!(is_declared("hub/src/hub/model.rs", &declared));
    }

    #[test]
    fn attributes_mark_lines() {
        let text = "fn a() {}\n#[test]\nfn b() {\n}\n#[tokio::test(start_paused = true)]\nasync fn c() {}\n\
                    #[cfg(all(test, unix))]\nmod d {\n}\nimpl E {\n    #[cfg(test)]\n    fn f() {}\n}\n\
                    #[cfg(any(test, unix))]\nfn g() {}\n#[cfg(not(test))]\nfn h() {}\n";
        assert_eq!(test_lines(&parse(text)), [2..=4, 5..=6, 7..=9, 11..=12]);
    }
}
