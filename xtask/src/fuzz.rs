//! Fuzzing: random bytes, led by coverage, against the targets in `fuzz/`.
//!
//! Owns what a run starts from: seeds and a dictionary, both made of the golden vectors, so that neither is
//! kept twice. It never judges; libFuzzer ends with an error when it finds something.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::report::Outcome;
use crate::tools::{answers, cargo, run as run_program};

/// Bytes of a frame's length, which not every target wants.
const PREFIX_LEN: usize = 4;

/// A program in `fuzz/fuzz_targets/` and what its first inputs are.
const TARGETS: &[(&str, Seeds)] =
    &[("decode", Seeds::Frames), ("scan", Seeds::Values), ("hub", Seeds::Nothing)];

/// What a target reads.
#[derive(Debug, Clone, Copy)]
enum Seeds {
    /// Whole frames.
    Frames,
    /// The values in them.
    Values,
    /// Steps of its own, which no golden vector holds.
    Nothing,
}

/// When a target has run for long enough. With neither it runs for a minute, with both it ends at the first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) seconds: Option<u64>,
    pub(crate) runs: Option<u64>,
}

impl Limit {
    /// As libFuzzer is told.
    fn arguments(self) -> Vec<String> {
        let seconds = self.seconds.or_else(|| self.runs.is_none().then_some(60));
        let seconds = seconds.map(|seconds| format!("-max_total_time={seconds}"));
        seconds.into_iter().chain(self.runs.map(|runs| format!("-runs={runs}"))).collect()
    }
}

/// Bytes that begin a value of MessagePack, beyond those that the dictionary's words begin with.
const MARKERS: &[&str] = &[
    "\\x80",
    "\\x81",
    "\\x8f",
    "\\x90",
    "\\x9f",
    "\\xa0",
    "\\xc0",
    "\\xc1",
    "\\xc2",
    "\\xc3",
    "\\xc4",
    "\\xc5",
    "\\xc6",
    "\\xc7",
    "\\xca",
    "\\xcb",
    "\\xcc",
    "\\xcd",
    "\\xce",
    "\\xcf",
    "\\xd0",
    "\\xd3",
    "\\xd4",
    "\\xd9",
    "\\xda",
    "\\xdb",
    "\\xdc",
    "\\xdd\\xff\\xff\\xff\\xff",
    "\\xde",
    "\\xdf\\xff\\xff\\xff\\xff",
    "\\xe0",
];

/// Runs one target, or all of them one after another, up to the limit each; whether none found anything.
pub(crate) fn run(root: &Path, limit: Limit, target: Option<&str>) -> anyhow::Result<bool> {
    let chosen: Vec<_> = TARGETS.iter().filter(|(name, _)| target.is_none_or(|t| t == *name)).collect();
    let names = TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    anyhow::ensure!(!chosen.is_empty(), "there is no such target; valid: {names}");
    if !answers(cargo(root, &["fuzz", "--version"])) {
        run_program(cargo(root, &["install", "--locked", "cargo-fuzz"]));
    }
    let goldens = goldens(root)?;
    let dictionary = root.join("fuzz/corpus/words.dict");
    let mut good = true;
    for (name, seeds) in chosen {
        let corpus = root.join("fuzz/corpus").join(name);
        sow(&corpus, &goldens, *seeds)?;
        fs::write(&dictionary, words(&goldens)).context("the dictionary")?;
        let words = format!("-dict={}", dictionary.display());
        let mut command = cargo(root, &["fuzz", "run", name, "--", &words, "-print_final_stats=1"]);
        command.args(limit.arguments());
        // The sanitizers' flags are still called unstable; this lets the project's own compiler take them.
        command.env("RUSTC_BOOTSTRAP", "1");
        good &= matches!(run_program(command), Outcome::Passed);
    }
    Ok(good)
}

/// Every golden vector: its file's stem and text.
fn goldens(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let directory = root.join("protocol/tests/golden");
    let mut paths: Vec<PathBuf> = fs::read_dir(&directory)
        .with_context(|| format!("the golden vectors in {}", directory.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    let read = |path: &PathBuf| -> anyhow::Result<_> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((stem, fs::read_to_string(path)?))
    };
    paths.iter().map(read).collect()
}

fn sow(corpus: &Path, goldens: &[(String, String)], seeds: Seeds) -> anyhow::Result<()> {
    fs::create_dir_all(corpus).with_context(|| format!("the directory {}", corpus.display()))?;
    for (name, text) in goldens {
        let frame = bytes_of(text).with_context(|| format!("{name}.hex holds no hexadecimal digits"))?;
        let seed = match seeds {
            Seeds::Frames => &frame[..],
            Seeds::Values => frame.get(PREFIX_LEN..).unwrap_or_default(),
            Seeds::Nothing => continue,
        };
        fs::write(corpus.join(name), seed).context("a seed")?;
    }
    Ok(())
}

/// The bytes of a golden vector; `#` begins a comment.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

/// libFuzzer's dictionary: the short strings of the goldens' comments as MessagePack, and what begins the other values.
fn words(goldens: &[(String, String)]) -> String {
    let comments = goldens.iter().flat_map(|(_, text)| text.lines()).filter(|line| line.starts_with("# {"));
    let strings = comments.flat_map(|line| line.split('"').skip(1).step_by(2));
    let words: BTreeSet<&str> =
        strings.filter(|word| word.len() < 32 && word.bytes().all(|b| b.is_ascii_graphic())).collect();
    let words = words.into_iter().map(|word| format!("\"\\x{:02x}{word}\"\n", 0xa0 + word.len()));
    words.chain(MARKERS.iter().map(|marker| format!("\"{marker}\"\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_words_come_from_a_golden_vector() {
        let text = "# ping: it\n# {\"ping\": {\"id\": 8, \"n\": \"two words\"}}\n00 00 00 0b\n81 a4\n70\n";
        assert_eq!(bytes_of(text), Some(vec![0, 0, 0, 11, 0x81, 0xa4, 0x70]));
        assert_eq!(bytes_of("xy\n"), None);
        let words = words(&[("ping".to_owned(), text.to_owned())]);
        assert!(words.starts_with("\"\\xa2id\"\n\"\\xa1n\"\n\"\\xa4ping\"\n\"\\x80\"\n"), "{words}");
    }

    const LIMIT: Limit = Limit { seconds: Some(1), runs: None };

    #[test]
    fn a_limit_is_of_time_or_of_runs_or_of_both() {
        assert_eq!(LIMIT.arguments(), ["-max_total_time=1"]);
        assert_eq!(Limit { seconds: None, runs: None }.arguments(), ["-max_total_time=60"]);
        assert_eq!(Limit { seconds: None, runs: Some(7) }.arguments(), ["-runs=7"]);
        assert_eq!(Limit { seconds: Some(2), runs: Some(7) }.arguments(), ["-max_total_time=2", "-runs=7"]);
    }

    #[test]
    fn a_target_that_is_not_there_is_refused_by_name() {
        let error = run(Path::new("."), LIMIT, Some("decoed")).expect_err("no such target").to_string();
        assert!(error.contains("decode, scan, hub"), "{error}");
    }
}
