//! A crate's manifest, as far as the rules look into it.
//!
//! Owns finding the dependencies with their kind and line. It never judges them.

use toml::{Table, Value};

/// What a dependency is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Code that users run, or that builds it.
    Normal,
    /// Tests, benches and examples.
    Dev,
}

/// One dependency of one crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package's name, also where the crate is renamed.
    pub(crate) package: String,
    pub(crate) kind: Kind,
    /// Where its key stands, from 1; the first line where it cannot be found.
    pub(crate) line: usize,
}

/// A crate's name and dependencies; none for a manifest without a package (the workspace's own).
pub(crate) fn read(text: &str) -> Result<Option<(String, Vec<Dependency>)>, toml::de::Error> {
    let manifest: Table = text.parse()?;
    let Some(name) = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str)
    else {
        return Ok(None);
    };
    let mut dependencies = in_tables(&manifest, text);
    for target in manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values) {
        dependencies.extend(target.as_table().into_iter().flat_map(|tables| in_tables(tables, text)));
    }
    Ok(Some((name.to_owned(), dependencies)))
}

const TABLES: &[(&str, Kind)] =
    &[("dependencies", Kind::Normal), ("build-dependencies", Kind::Normal), ("dev-dependencies", Kind::Dev)];

fn in_tables(tables: &Table, text: &str) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for (table, kind) in TABLES {
        for (key, value) in tables.get(*table).and_then(Value::as_table).into_iter().flatten() {
            let package = value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
            dependencies.push(Dependency { package, kind: *kind, line: line_of(text, table, key) });
        }
    }
    dependencies
}

fn line_of(text: &str, table: &str, key: &str) -> usize {
    let found = lines(text).find(|line| line.table.ends_with(table) && line.key == Some(key));
    found.map_or(1, |line| line.number)
}

/// A line of a dependency table that begins a dependency.
#[derive(Debug)]
pub(crate) struct DependencyLine<'a> {
    /// The heading it stands under, without brackets.
    table: &'a str,
    /// The dependency's name; none on other lines.
    pub(crate) key: Option<&'a str>,
    /// From 1.
    pub(crate) number: usize,
    /// All of it.
    pub(crate) text: &'a str,
}

/// The lines of the manifest that begin a dependency.
pub(crate) fn dependency_lines(text: &str) -> impl Iterator<Item = DependencyLine<'_>> {
    lines(text).filter(|line| line.key.is_some())
}

fn lines(text: &str) -> impl Iterator<Item = DependencyLine<'_>> {
    let mut table = "";
    text.lines().zip(1..).map(move |(text, number)| {
        let trimmed = text.trim();
        let mut key = None;
        if let Some(heading) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            table = heading.0.trim_matches(['[', ']']);
            // `[dependencies.name]` is a dependency of many lines.
            if let Some((outer, name)) = table.rsplit_once('.').filter(|(outer, _)| is_dependencies(outer)) {
                return DependencyLine { table: outer, key: Some(name), number, text };
            }
        } else if is_dependencies(table) && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '"')
        {
            key = trimmed.split(['=', '.', ' ']).next().map(|key| key.trim_matches('"'));
        }
        DependencyLine { table, key, number, text }
    })
}

fn is_dependencies(table: &str) -> bool {
    let last = table.rsplit('.').next().unwrap_or_default();
    TABLES.iter().any(|(name, _)| *name == last) && !table.starts_with("workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"[package]
name = "mechat-x"

[dependencies]
bytes.workspace = true # frames
own = { package = "mechat-hub", path = "../hub" }
many = { version = "1", features = [
    "a",
] }

[target.'cfg(unix)'.dependencies]
nix = "0.30"

[dev-dependencies.tempfile]
version = "3"

[features]
default = []
"#;

    #[test]
    fn finds_each_kind_with_its_line() {
        let (name, mut found) = read(MANIFEST).expect("TOML").expect("a package");
        assert_eq!(name, "mechat-x");
        found.sort_by_key(|dependency| dependency.line);
        let found: Vec<_> = found.iter().map(|d| (d.package.as_str(), d.kind, d.line)).collect();
        let normal = Kind::Normal;
        assert_eq!(
            found,
            [
                ("bytes", normal, 5),
                ("mechat-hub", normal, 6),
                ("many", normal, 7),
                ("nix", normal, 12),
                ("tempfile", Kind::Dev, 14)
            ]
        );
        let lines: Vec<_> = dependency_lines(MANIFEST).map(|line| (line.number, line.key)).collect();
        let keys = [(5, "bytes"), (6, "own"), (7, "many"), (12, "nix"), (14, "tempfile")];
        assert_eq!(lines, keys.map(|(line, key)| (line, Some(key))));
    }

    #[test]
    fn the_workspaces_own_manifest_has_no_crate() {
        let text = "[workspace]\nmembers = []\n[workspace.dependencies]\nbytes = \"1\"\n";
        assert_eq!(read(text), Ok(None));
        assert_eq!(dependency_lines(text).count(), 0);
        assert!(read("[package").is_err());
    }
}
