//! What became of each step, as a table.
//!
//! Owns the words and the layout. It never runs anything.

use std::fmt;
use std::time::Duration;

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was checked and is well.
    Passed,
    /// All is well, but something was done otherwise than intended; the text says what.
    Degraded(String),
    /// Nothing was checked; the text says why.
    Skipped(String),
    /// Something is wrong; the text says what.
    Failed(String),
}

/// A step that is over.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) step: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

/// All steps, in order.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
}

impl Report {
    /// Whether nothing failed. What was skipped is not held against the tree, but shown.
    pub(crate) fn good(&self) -> bool {
        !self.lines.iter().any(|line| matches!(line.outcome, Outcome::Failed(_)))
    }
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Degraded(_) => "ok, BUT",
            Self::Skipped(_) => "SKIPPED",
            Self::Failed(_) => "FAILED",
        }
    }

    fn remark(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Degraded(text) | Self::Skipped(text) | Self::Failed(text) => text,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!(
            "{:<14} {:<8} {:>7.1} s  {}",
            self.step,
            self.outcome.word(),
            self.took.as_secs_f64(),
            self.outcome.remark()
        );
        f.write_str(text.trim_end())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        let total: Duration = self.lines.iter().map(|line| line.took).sum();
        let verdict = if self.good() { "ok" } else { "FAILED" };
        write!(f, "{:<14} {verdict:<8} {:>7.1} s", "all", total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: &'static str, outcome: Outcome) -> Line {
        Line { step, outcome, took: Duration::from_millis(1250) }
    }

    #[test]
    fn one_failure_is_a_failure_and_a_skipped_step_shows() {
        let mut report = Report { lines: vec![line("format", Outcome::Passed)] };
        report.lines.push(line("deny", Outcome::Skipped("not installed".to_owned())));
        assert!(report.good());
        report.lines.push(line("tests", Outcome::Failed("exit status: 1".to_owned())));
        assert!(!report.good());
        assert_eq!(
            report.to_string(),
            "format         ok           1.2 s\n\
             deny           SKIPPED      1.2 s  not installed\n\
             tests          FAILED       1.2 s  exit status: 1\n\
             all            FAILED       3.8 s"
        );
    }
}
