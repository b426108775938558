//! Golden vectors: the bytes of every message, frozen.
//!
//! A change of these bytes is a change of the protocol: other programs speak it. To make one on purpose, run the
//! tests with `MECHAT_FREEZE=1` and look at what git shows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mechat_protocol::Message;
use mechat_protocol::codec::{Incoming, decode, encode};
use mechat_protocol::limits::FRAME_PREFIX_LEN;

mod notation;
mod samples;

use notation::{from_hex, notation};
use samples::samples;

/// Bytes on one line of a file.
const LINE_LEN: usize = 24;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn shown(name: &str, frame: &[u8]) -> String {
    let (prefix, value) = frame.split_at(FRAME_PREFIX_LEN);
    let mut text = format!(
        "# {name}: the length of the value, then the value\n# {}\n{}\n",
        notation(value),
        hex(prefix)
    );
    for line in value.chunks(LINE_LEN) {
        writeln!(text, "{}", hex(line)).expect("text");
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_tag_has_a_sample() {
    let samples = samples();
    for (tag, _) in Message::TAGS {
        assert!(samples.iter().any(|(name, _)| name == tag), "`{tag}` has no sample");
    }
    for (name, message) in &samples {
        assert_eq!(name.split('-').next(), Some(message.tag()), "the sample's name begins with its tag");
    }
}

#[test]
fn the_bytes_are_what_they_were() {
    let freeze = std::env::var_os("MECHAT_FREEZE").is_some();
    let mut names = BTreeSet::new();
    for (name, message) in samples() {
        let path = directory().join(format!("{name}.hex"));
        assert!(names.insert(format!("{name}.hex")), "two samples are called {name}");
        let frame = encode(&message).expect("a sample fits in a frame");
        if freeze {
            std::fs::write(&path, shown(name, &frame)).expect("writable");
        }
        let frozen = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected: Vec<&str> = frozen.lines().collect();
        let written = shown(name, &frame);
        assert_eq!(written.lines().collect::<Vec<_>>(), expected, "{name} is written otherwise than it was");
        let bytes = from_hex(&frozen);
        let sender = Message::sender_of(message.tag()).expect("a tag");
        assert_eq!(
            decode(&bytes[FRAME_PREFIX_LEN..], sender),
            Incoming::Message(message),
            "{name} is read otherwise"
        );
    }
    let entries = std::fs::read_dir(directory()).expect("readable");
    let files = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    assert_eq!(files.collect::<BTreeSet<_>>(), names, "a frozen message without its sample");
}
