//! `docs/PROTOCOL.md` against the code: whoever writes a client from the page writes a right one.
//!
//! Owns the comparison of tags, fields, codes, limits and examples. What the page says in sentences it cannot check.

use std::collections::HashMap;
use std::path::Path;

use mechat_protocol::codec::{Incoming, decode};
use mechat_protocol::limits::FRAME_PREFIX_LEN;
use mechat_protocol::message::Sender;
use mechat_protocol::{CloseCode, ErrorCode, Message, Retry};

mod notation;

use notation::{from_hex, notation};

const LIMITS: &str = include_str!("../src/limits.rs");

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md");
    std::fs::read_to_string(path).expect("the page is there").replace("\r\n", "\n")
}

/// The text under a heading, up to the next one of the same or a higher rank.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("the page has no `{heading}`"));
    let text = &page[start + heading.len() + 2..];
    let ranks = ["\n## ", "\n### "];
    let end = ranks.iter().filter_map(|rank| text.find(rank)).min();
    &text[..end.unwrap_or(text.len())]
}

/// The rows of the tables in a text, as trimmed cells without backticks.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    text.lines().filter(|line| line.starts_with('|')).map(cells).collect()
}

/// The blocks of a language in a text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let opened = text.split(&fence[..]).skip(1);
    opened.map(|rest| rest.split("```").next().expect("split gives a first piece")).collect()
}

fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The value of every golden vector, in notation without spaces, under its file's stem.
fn goldens() -> HashMap<String, (String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let frame = from_hex(&std::fs::read_to_string(&path).expect("readable"));
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (stem, (without_spaces(&notation(&frame[FRAME_PREFIX_LEN..])), frame))
    };
    std::fs::read_dir(directory).expect("readable").map(read).collect()
}

/// Whether an example says what a golden vector says; `…` stands for digits that are left out.
fn says(example: &str, golden: &str) -> bool {
    let mut rest = golden;
    let example = without_spaces(example);
    let mut parts = example.split('…');
    let Some(after) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = after;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        if !rest[..at].bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// The keys that stand directly in a message, from its notation.
fn fields(golden: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut keys) = (0, None, Vec::new());
    let mut last = "";
    for (at, c) in golden.char_indices() {
        match (c, quoted) {
            ('"', None) => quoted = Some(at + 1),
            ('"', Some(start)) => {
                last = &golden[start..at];
                quoted = None;
            }
            (_, Some(_)) => {}
            ('{' | '[', None) => depth += 1,
            ('}' | ']', None) => depth -= 1,
            (':', None) if depth == 2 => keys.push(last),
            _ => {}
        }
    }
    keys
}

#[test]
fn every_tag_has_its_section_with_sender_fields_and_example() {
    let (page, goldens) = (page(), goldens());
    for (tag, sender) in Message::TAGS {
        let section = section(&page, &format!("### `{tag}`"));
        let from = match sender {
            Sender::Client => "From the client. Answered by `",
            Sender::Relay => "From the relay. ",
        };
        assert!(section.trim_start().starts_with(from), "`{tag}` is {from}");
        let documented: Vec<String> = rows(section).iter().skip(2).map(|row| row[0].clone()).collect();
        let samples: Vec<_> =
            goldens.iter().filter(|(name, _)| name.split('-').next() == Some(tag)).collect();
        for (name, (golden, _)) in &samples {
            for field in fields(golden) {
                assert!(documented.iter().any(|known| known == field), "`{tag}`: `{field}` of {name}");
            }
        }
        for field in documented {
            let said = samples.iter().any(|(_, (golden, _))| fields(golden).contains(&&field[..]));
            assert!(said, "`{tag}` has no field `{field}` in any sample");
        }
        let examples = blocks(section, "msgpack");
        assert!(examples.iter().any(|example| says(example, &goldens[*tag].0)), "`{tag}` has no example");
        for example in examples {
            assert!(samples.iter().any(|(_, (golden, _))| says(example, golden)), "`{tag}`: {example}");
        }
    }
    let sections = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    for tag in sections {
        assert!(Message::sender_of(tag).is_some(), "`{tag}` is documented and does not exist");
    }
}

#[test]
fn every_request_names_the_reply_that_exists() {
    let page = page();
    for (tag, _) in Message::TAGS.iter().filter(|(_, sender)| *sender == Sender::Client) {
        let section = section(&page, &format!("### `{tag}`"));
        let (_, after) = section.split_once("Answered by `").expect("checked above");
        let reply = after.split('`').next().expect("split gives a first piece");
        assert_eq!(Message::sender_of(reply), Some(Sender::Relay), "`{tag}` is answered by `{reply}`");
        let replys = section_of_reply(&page, reply);
        assert!(replys.contains(&format!("`{tag}`")), "`{reply}` does not say that it answers `{tag}`");
    }
}

fn section_of_reply<'a>(page: &'a str, reply: &str) -> &'a str {
    section(page, &format!("### `{reply}`"))
}

#[test]
fn quoted_bytes_are_golden_vectors() {
    let (page, goldens) = (page(), goldens());
    let examples = blocks(&page, "hex");
    assert!(examples.len() >= 10, "only {} examples in bytes", examples.len());
    for example in examples {
        let mut bytes = &from_hex(example)[..];
        while let Some((prefix, rest)) = bytes.split_first_chunk::<FRAME_PREFIX_LEN>() {
            let len = usize::try_from(u32::from_be_bytes(*prefix)).expect("short");
            let (frame, after) = bytes.split_at(FRAME_PREFIX_LEN + len);
            assert!(goldens.values().any(|(_, golden)| golden == frame), "{example}");
            let read = |peer| matches!(decode(&rest[..len], peer), Incoming::Message(_));
            assert!(read(Sender::Client) || read(Sender::Relay), "{example}");
            bytes = after;
        }
        assert!(bytes.is_empty(), "{example}");
    }
}

/// Compares the table of a section with the codes of the code.
fn compare_codes(heading: &str, codes: &[(&str, Retry)]) {
    let page = page();
    let rows = rows(section(&page, heading));
    let documented: Vec<&Vec<String>> =
        rows.iter().filter(|row| row.len() == 4 && row[0] != "code").collect();
    for (code, retry) in codes {
        let row = documented.iter().find(|row| row[0] == *code);
        let row = row.unwrap_or_else(|| panic!("{heading}: no row for `{code}`"));
        assert_eq!(row[1], retry_text(*retry), "{heading}: `{code}`");
    }
    let known = |row: &&&Vec<String>| !row[0].starts_with('-');
    assert_eq!(documented.iter().filter(known).count(), codes.len(), "{heading}: a code that does not exist");
}

fn retry_text(retry: Retry) -> &'static str {
    match retry {
        Retry::Never => "never",
        Retry::Later => "later",
        Retry::Reconnect => "reconnect",
        Retry::SignIn => "sign_in",
        Retry::Unknown => panic!("no code of this version has it"),
    }
}

#[test]
fn every_code_stands_there_with_its_retry_class() {
    let errors: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.as_str(), code.retry())).collect();
    compare_codes("## 15. Errors", &errors);
    let closes: Vec<_> = CloseCode::ALL.iter().map(|code| (code.as_str(), code.retry())).collect();
    compare_codes("## 16. Closes", &closes);
}

#[test]
fn every_limit_stands_there_with_its_value() {
    let page = page();
    let documented = rows(section(&page, "## 14. Limits"));
    let mut known = HashMap::new();
    for line in LIMITS.lines() {
        let Some((name, value)) = line.strip_prefix("pub const ").and_then(|line| line.split_once(": "))
        else {
            continue;
        };
        let value = value.split(" = ").nth(1).expect("a constant has a value").trim_end_matches(';');
        known.insert(name, product(value, &known));
    }
    assert!(known.len() > 30, "the constants are no longer found");
    for (name, value) in &known {
        let row = documented.iter().find(|row| row[0] == *name);
        let row = row.unwrap_or_else(|| panic!("no row for `{name}`"));
        assert_eq!(row[1], value.to_string(), "`{name}`");
    }
    for row in documented.iter().skip(2) {
        assert!(known.contains_key(&row[0][..]), "`{}` does not exist", row[0]);
    }
}

/// The value of numbers and constants joined by `*`.
fn product(text: &str, known: &HashMap<&str, u64>) -> u64 {
    let factor = |word: &str| known.get(word).copied().or_else(|| word.replace('_', "").parse().ok());
    text.split(" * ").map(|word| factor(word).unwrap_or_else(|| panic!("what is {word}?"))).product()
}
