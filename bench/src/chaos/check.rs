//! The checker: what senders were told, what they saw, and what is in the log, held against each other when all is over.
//!
//! It knows nothing of how any of it came about. It keeps 16 bytes for each entry and an index of nonces, and reads the notes once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use mechat_protocol::{ChannelId, Nonce, Seq};
use serde::Deserialize;

use super::notes::{self, Kind, NO_NONCE, Note};

/// What was found. Everything but `entries`, `acks` and `views` should be zero.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Entries of all logs.
    pub(crate) entries: u64,
    /// Messages that a sender was told are in the log, each once.
    pub(crate) acks: u64,
    /// Pieces of logs, from a first entry on without a gap, that somebody saw.
    pub(crate) views: u64,
    /// Acknowledged or kept on disk, and not in the log; or seen there and gone.
    pub(crate) lost: u64,
    /// In the log twice, or handed on twice.
    pub(crate) repeated: u64,
    /// Two messages of one sender in the log the other way round; or an entry handed on that differs from the log's.
    pub(crate) reordered: u64,
    /// Missing numbers in the log, or between two entries that were handed on, or at the end of a view.
    pub(crate) gaps: u64,
    /// Refused for good, though nothing was wrong with them.
    pub(crate) refused: u64,
}

impl Findings {
    /// Whether all promises were kept.
    pub(crate) const fn is_clean(&self) -> bool {
        self.lost + self.repeated + self.reordered + self.gaps + self.refused == 0
    }
}

/// The log as it is in the end.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Nonces by seq, from 1; what has none stands as `NO_NONCE`.
    channels: HashMap<ChannelId, Vec<Nonce>>,
    places: HashMap<Nonce, (ChannelId, Seq)>,
    /// The last nonce of each sender in each channel.
    newest: HashMap<(ChannelId, String), Nonce>,
    findings: Findings,
}

/// A line of `mechat-relay export`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    entry: Exported,
}

#[derive(Debug, Deserialize)]
struct Exported {
    channel: ChannelId,
    seq: Seq,
    sender: String,
    nonce: Option<Nonce>,
}

impl Log {
    /// Reads the log of a relay that has ended, through its own program.
    pub(crate) fn export(program: &Path, directory: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(["export", "--data-dir"])
            .arg(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the export")?;
        let mut log = Self::default();
        let output = child.stdout.take().context("the export's output")?;
        for line in BufReader::new(output).lines() {
            log.line(&line?)?;
        }
        anyhow::ensure!(child.wait()?.success(), "the export failed");
        Ok(log)
    }

    /// Takes a line.
    fn line(&mut self, line: &str) -> anyhow::Result<()> {
        let Line { entry } =
            serde_json::from_str(line).with_context(|| format!("a line of the export: {line}"))?;
        self.entry(entry);
        Ok(())
    }

    fn entry(&mut self, entry: Exported) {
        let Exported { channel, seq, sender, nonce } = entry;
        let entries = self.channels.entry(channel).or_default();
        let expected = entries.len() as u64 + 1;
        if seq.0 != expected {
            self.findings.gaps += seq.0.abs_diff(expected);
            entries.resize(usize::try_from(seq.0).unwrap_or(usize::MAX).saturating_sub(1), NO_NONCE);
        }
        entries.push(nonce.unwrap_or(NO_NONCE));
        self.findings.entries += 1;
        let Some(nonce) = nonce else { return };
        if self.places.insert(nonce, (channel, seq)).is_some() {
            self.findings.repeated += 1;
        }
        // A sender's nonces grow with time, across its crashes too.
        let newest = self.newest.entry((channel, sender)).or_insert(nonce);
        if nonce < *newest {
            self.findings.reordered += 1;
        }
        *newest = nonce.max(*newest);
    }

    fn at(&self, channel: ChannelId, seq: Seq) -> Option<Nonce> {
        let index = usize::try_from(seq.0.checked_sub(1)?).ok()?;
        self.channels.get(&channel)?.get(index).copied()
    }

    /// Holds notes against the log. Each file is one life of a process.
    pub(crate) fn check(
        mut self,
        files: impl IntoIterator<Item = impl AsRef<Path>>,
    ) -> anyhow::Result<Findings> {
        let mut findings = std::mem::take(&mut self.findings);
        let mut acked: HashMap<ChannelId, Vec<bool>> = HashMap::new();
        for file in files {
            // Where each sender stood in each channel in this life.
            let mut views: HashMap<(u16, ChannelId), Seq> = HashMap::new();
            let file = file.as_ref();
            notes::read(file, |note| self.note(note, &mut views, &mut acked, &mut findings))
                .with_context(|| format!("the notes in {}", file.display()))?;
        }
        findings.acks = acked.values().flatten().filter(|acked| **acked).count() as u64;
        Ok(findings)
    }

    fn note(
        &self,
        note: Note,
        views: &mut HashMap<(u16, ChannelId), Seq>,
        acked: &mut HashMap<ChannelId, Vec<bool>>,
        findings: &mut Findings,
    ) {
        let Note { kind, sender, channel, seq, nonce } = note;
        match kind {
            Kind::Kept => findings.lost += u64::from(!self.places.contains_key(&nonce)),
            Kind::Failed => findings.refused += 1,
            Kind::Acked if self.at(channel, seq) == Some(nonce) => {
                let len = self.channels.get(&channel).map_or(0, Vec::len);
                let acked = acked.entry(channel).or_insert_with(|| vec![false; len]);
                if let Some(acked) = usize::try_from(seq.0 - 1).ok().and_then(|index| acked.get_mut(index)) {
                    *acked = true;
                }
            }
            Kind::Acked => findings.lost += 1,
            Kind::Applied => {
                match self.at(channel, seq) {
                    Some(logged) => findings.reordered += u64::from(logged != nonce),
                    None => findings.lost += 1,
                }
                match views.insert((sender, channel), seq) {
                    None => findings.views += 1,
                    Some(last) if seq <= last => findings.repeated += 1,
                    Some(last) => findings.gaps += seq.0 - last.0 - 1,
                }
            }
            Kind::Reset => drop(views.remove(&(sender, channel))),
            Kind::Whole => {
                let end = self.channels.get(&channel).map_or(0, |entries| entries.len() as u64);
                let last = views.get(&(sender, channel)).map_or(0, |last| last.0);
                findings.gaps += u64::from(last != end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::chaos::notes::Notes;

    const DEN: ChannelId = ChannelId(3);

    fn nonce(n: u128) -> Nonce {
        Nonce(Uuid::from_u128(n))
    }

    /// A log of one sender's messages under these nonces.
    fn log(nonces: &[u128]) -> Log {
        let mut log = Log::default();
        for (index, n) in nonces.iter().enumerate() {
            let line = serde_json::json!({ "channel_name": "den", "entry": {
                "channel": 3, "epoch": 1, "seq": index + 1, "at_ms": 0, "sender": "ann",
                "nonce": nonce(*n), "body": { "kind": "joined" } } });
            log.line(&line.to_string()).expect("a line");
        }
        log
    }

    fn note(kind: Kind, seq: u64, n: u128) -> Note {
        Note { kind, sender: 300, channel: DEN, seq: Seq(seq), nonce: nonce(n) }
    }

    fn findings(log: Log, lives: &[&[Note]]) -> Findings {
        let directory = tempfile::tempdir().expect("a directory");
        let files: Vec<_> = (0..lives.len()).map(|n| directory.path().join(n.to_string())).collect();
        for (file, life) in files.iter().zip(lives) {
            let mut notes = Notes::create(file).expect("a file");
            for note in *life {
                notes.add(note).expect("written");
            }
            notes.flush().expect("written");
        }
        log.check(files).expect("read")
    }

    #[test]
    fn what_is_as_promised_is_clean() {
        let told = [note(Kind::Kept, 0, 10), note(Kind::Acked, 1, 10), note(Kind::Acked, 1, 10)];
        let seen = [note(Kind::Applied, 2, 11), note(Kind::Applied, 3, 12), note(Kind::Whole, 3, 0)];
        let found = findings(log(&[10, 11, 12]), &[&told, &seen, &seen[..1]]);
        assert_eq!(found, Findings { entries: 3, acks: 1, views: 2, ..Findings::default() });
        assert!(found.is_clean());
    }

    #[test]
    fn each_broken_promise_is_found() {
        let found = |log: Log, life: &[Note]| {
            let found = findings(log, &[life]);
            assert!(!found.is_clean(), "{found:?}");
            (found.lost, found.repeated, found.reordered, found.gaps, found.refused)
        };
        let good = || log(&[10, 11, 12]);
        assert_eq!(found(good(), &[note(Kind::Acked, 4, 13)]), (1, 0, 0, 0, 0), "acknowledged and gone");
        assert_eq!(found(good(), &[note(Kind::Acked, 2, 10)]), (1, 0, 0, 0, 0), "acknowledged elsewhere");
        assert_eq!(found(good(), &[note(Kind::Kept, 0, 13)]), (1, 0, 0, 0, 0), "kept and never said");
        assert_eq!(found(good(), &[note(Kind::Applied, 4, 13)]), (1, 0, 0, 0, 0), "seen and gone");
        assert_eq!(found(good(), &[note(Kind::Failed, 0, 10)]), (0, 0, 0, 0, 1));
        assert_eq!(found(log(&[10, 11, 10]), &[]), (0, 1, 1, 0, 0), "twice in the log");
        assert_eq!(found(log(&[11, 10]), &[]), (0, 0, 1, 0, 0), "the other way round");
        let twice = [note(Kind::Applied, 1, 10), note(Kind::Applied, 1, 10)];
        assert_eq!(found(good(), &twice), (0, 1, 0, 0, 0));
        let hole = [note(Kind::Applied, 1, 10), note(Kind::Applied, 3, 12)];
        assert_eq!(found(good(), &hole), (0, 0, 0, 1, 0));
        let other = [note(Kind::Applied, 1, 11)];
        assert_eq!(found(good(), &other), (0, 0, 1, 0, 0), "another entry than the log's");
        let short = [note(Kind::Applied, 1, 10), note(Kind::Whole, 3, 0)];
        assert_eq!(found(good(), &short), (0, 0, 0, 1, 0), "the end of the log never came");
        let again = [note(Kind::Applied, 3, 12), note(Kind::Reset, 0, 0), note(Kind::Applied, 1, 10)];
        assert!(findings(good(), &[&again]).is_clean(), "what is told as another log begins anew");
        let mut holed = good();
        holed.line(r#"{"entry":{"channel":3,"seq":6,"sender":"ann"}}"#).expect("a line");
        assert_eq!(found(holed, &[]), (0, 0, 0, 2, 0), "numbers are missing in the log");
    }
}
