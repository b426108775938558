//! What a process does while it does nothing: the processor time of its threads, to the nanosecond.
//!
//! The ticks in `/proc/PID/stat` are too coarse for this: one that falls due in between looks like ten milliseconds of work.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};

/// Nanoseconds that each thread of a process has run (`schedstat`, proc(5)). Linux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunTimes(BTreeMap<String, u64>);

impl RunTimes {
    /// Until now.
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let tasks = format!("/proc/{process}/task");
        let mut times = BTreeMap::new();
        for thread in fs::read_dir(&tasks).with_context(|| format!("{tasks}: read on Linux only"))? {
            let path = thread?.path().join("schedstat");
            let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
            times.insert(path.display().to_string(), run_time(&text)?);
        }
        Ok(Self(times))
    }

    /// Processor time since `before`. A thread that ended meanwhile took its count with it: that is an error, not less time.
    pub(crate) fn since(&self, before: &Self) -> anyhow::Result<Duration> {
        let ended = before.0.keys().find(|thread| !self.0.contains_key(*thread));
        ensure!(ended.is_none(), "a thread ended while the process was watched: {ended:?}");
        let ns =
            self.0.iter().map(|(thread, ns)| ns.saturating_sub(before.0.get(thread).copied().unwrap_or(0)));
        Ok(Duration::from_nanos(ns.sum()))
    }
}

/// The first of the three numbers.
fn run_time(text: &str) -> anyhow::Result<u64> {
    let first = text.split_whitespace().next();
    first.and_then(|ns| ns.parse().ok()).with_context(|| format!("`{text}` is no schedstat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(threads: &[(&str, u64)]) -> RunTimes {
        RunTimes(threads.iter().map(|(thread, ns)| ((*thread).to_owned(), *ns)).collect())
    }

    #[test]
    fn new_threads_count_whole_and_ended_ones_are_an_error() {
        let before = times(&[("a", 100), ("b", 50)]);
        let after = times(&[("a", 130), ("b", 50), ("c", 7)]);
        assert_eq!(after.since(&before).expect("none ended"), Duration::from_nanos(37));
        assert!(before.since(&after).expect_err("c ended").to_string().contains("\"c\""));
        assert!(run_time("").is_err() && run_time("12 3 4\n").is_ok_and(|ns| ns == 12));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_shows() {
        let run_times = || RunTimes::of(std::process::id()).expect("read");
        let work = || {
            let before = run_times();
            let worked = (0..20_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
            (worked, run_times().since(&before).ok())
        };
        // Other tests' threads may end meanwhile; then there is no figure, and no wrong one either.
        let (worked, time) =
            (0..100).map(|_| work()).find(|(_, time)| time.is_some()).expect("a quiet moment");
        assert!(time > Some(Duration::ZERO), "{worked}");
    }
}
