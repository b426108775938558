//! The clients of people: MeChat's beside WeeChat, in the same terminal, through the same day.
//!
//! Owns the table; [`crate::tui`] measures.

use std::time::{Duration, Instant};

use crate::pinning::Pinning;
use crate::rows::Setting;
use crate::table::{self, Table, median};
use crate::tui::client::Client;
use crate::tui::samples::Samples;
use crate::tui::{self, Figure, Figures, What};

const MIB: u64 = 1_048_576;
/// Below this, hundredths of a second are 0.00.
const NO_TIME: Duration = Duration::from_millis(5);
const NOT_MEASURED: &str = "not measured";

/// What MeChat promises of a figure, and of which number of it.
#[derive(Debug, Clone, Copy)]
enum Bound {
    /// Nothing: it is there to compare.
    None,
    /// The middle time, in milliseconds.
    Median(u64),
    /// The 99th percentile, in milliseconds.
    P99(u64),
    /// Nothing, when it is written in hundredths of a second.
    NoTime,
    /// MiB.
    Memory(u64),
}

/// The rows of the table: what, how it is called, what is promised.
const ROWS: [(What, &str, Bound); 16] = [
    (What::BareStart, "start to painted, nowhere to go, ms", Bound::None),
    (What::StartShown, "start to first full picture, 100,000 said before, ms", Bound::Median(25)),
    (What::StartPainted, "the same, until nothing comes any more, ms", Bound::None),
    (What::Key, "key to echo, ms", Bound::None),
    (What::KeyInTalk, "key to echo, 200 messages/s arriving, ms", Bound::P99(3)),
    (What::IdleCpu, "CPU of 10 s idle, s", Bound::NoTime),
    (What::RssIdle, "RSS, just come in, MiB", Bound::None),
    (What::RssMany, "RSS, 100,000 messages arrived, MiB", Bound::Memory(45)),
    (What::RssManyPaged, "the same, 300 pages back, MiB", Bound::Memory(45)),
    (What::DiskMany, "on disk, 100,000 messages arrived, MiB", Bound::None),
    (What::ResizeMany, "resize to redrawn, 100,000 messages, ms", Bound::Median(16)),
    (What::PageMany, "PgUp to drawn, 100,000 messages, ms", Bound::Median(2)),
    (What::RssMost, "RSS, 1,000,000 messages arrived, MiB", Bound::Memory(60)),
    (What::RssMostPaged, "the same, 300 pages back, MiB", Bound::Memory(60)),
    (What::ResizeMost, "resize to redrawn, 1,000,000 messages, ms", Bound::Median(16)),
    (What::PageMost, "PgUp to drawn, 1,000,000 messages, ms", Bound::Median(2)),
];

/// Measures both, one after the other; whether all was measured that there is.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    // Terminals are read by threads that wait, which a task must not.
    tokio::task::spawn_blocking(move || compare(setting)).await?
}

/// A column: a client, what it came to, and what could not be measured.
struct Column {
    name: String,
    figures: Figures,
    missing: Vec<String>,
}

fn compare(setting: Setting) -> anyhow::Result<bool> {
    let new = |name: &str| Column { name: name.to_owned(), figures: Figures::default(), missing: Vec::new() };
    let (mut mechat, mut weechat) = (new("MeChat"), new("WeeChat"));
    let mut whole = true;
    for _ in 0..setting.runs {
        whole &= measure(&mut mechat, &Client::mechat()?, setting.pinning);
        match Client::weechat(setting.pinning) {
            Ok(client) => whole &= measure(&mut weechat, &client, setting.pinning),
            Err(error) => weechat.missing.push(format!("{error:#}")),
        }
    }
    print(&mechat, &weechat);
    Ok(whole)
}

/// One run of one client. A course that breaks off leaves what it has measured.
fn measure(column: &mut Column, client: &Client, pinning: Pinning) -> bool {
    column.name.clone_from(&client.name);
    column.missing.extend(client.asks.clone());
    let began = Instant::now();
    let outcome = tui::measure(client, pinning, &mut column.figures);
    // A run takes minutes, and the table comes after all of them.
    table::say(&format!("{}: one run in {} s", client.name, began.elapsed().as_secs()));
    if let Err(error) = &outcome {
        column.missing.push(format!("{error:#}"));
    }
    outcome.is_ok()
}

fn print(mechat: &Column, weechat: &Column) {
    let (our_name, their_name) =
        (format!("{}: median / p99", mechat.name), format!("{}: median / p99", weechat.name));
    let mut table = Table::new(&["figure", &our_name, &their_name, "samples", "promised of MeChat", "kept"]);
    for (what, title, bound) in ROWS {
        let ours = mechat.figures.get(what);
        table.row(vec![
            title.to_owned(),
            cell(what, ours),
            cell(what, weechat.figures.get(what)),
            ours.map_or_else(String::new, |figure| table::count(samples(figure) as u64)),
            bound.describe(),
            ours.map_or("", |figure| bound.verdict(figure)).to_owned(),
        ]);
    }
    table.print("The client in a terminal of 120×36");
    for column in [mechat, weechat] {
        for reason in &column.missing {
            table::say(&format!("{} is not measured to the end: {reason}", column.name));
        }
    }
}

fn cell(what: What, figure: Option<&Figure>) -> String {
    match figure {
        None => NOT_MEASURED.to_owned(),
        Some(Figure::Bytes(bytes)) => table::mebibytes(median(bytes.iter().copied())),
        Some(Figure::Times(times)) if what == What::IdleCpu => at(times, 500)
            .map_or_else(|| NOT_MEASURED.to_owned(), |time| format!("{:.4}", time.as_secs_f64())),
        Some(Figure::Times(times)) => match (at(times, 500), at(times, 990)) {
            (Some(middle), Some(late)) => format!("{} / {}", table::millis(middle), table::millis(late)),
            _ => NOT_MEASURED.to_owned(),
        },
    }
}

fn at(times: &Samples, per_mille: usize) -> Option<Duration> {
    times.per_mille(per_mille)
}

fn samples(figure: &Figure) -> usize {
    match figure {
        Figure::Times(times) => times.len(),
        Figure::Bytes(bytes) => bytes.len(),
    }
}

impl Bound {
    fn describe(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Median(ms) => format!("median ≤ {ms}"),
            Self::P99(ms) => format!("p99 ≤ {ms}"),
            Self::NoTime => "0.00 (< 0.005)".to_owned(),
            Self::Memory(mib) => format!("≤ {mib}"),
        }
    }

    fn verdict(self, figure: &Figure) -> &'static str {
        let within = |time: Option<Duration>, ms| time.is_some_and(|time| time <= Duration::from_millis(ms));
        let kept = match (self, figure) {
            (Self::None, _) => return "",
            (Self::Median(ms), Figure::Times(times)) => within(at(times, 500), ms),
            (Self::P99(ms), Figure::Times(times)) => within(at(times, 990), ms),
            (Self::NoTime, Figure::Times(times)) => at(times, 1_000).is_some_and(|time| time < NO_TIME),
            (Self::Memory(mib), Figure::Bytes(bytes)) => bytes.iter().all(|bytes| *bytes <= mib * MIB),
            (Self::Memory(_), Figure::Times(_)) | (_, Figure::Bytes(_)) => false,
        };
        if kept { "yes" } else { "NO" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ms: impl IntoIterator<Item = u64>) -> Figure {
        let mut samples = Samples::default();
        ms.into_iter().for_each(|ms| samples.record(Duration::from_millis(ms)));
        Figure::Times(samples)
    }

    #[test]
    fn a_promise_is_held_against_the_number_it_is_about() {
        let mostly = times((0..100).map(|n| if n < 98 { 1 } else { 50 }));
        assert_eq!(Bound::Median(2).verdict(&mostly), "yes");
        assert_eq!(Bound::P99(3).verdict(&mostly), "NO");
        assert_eq!(Bound::NoTime.verdict(&times([1, 5])), "NO", "one run that was not idle is enough");
        assert_eq!(Bound::NoTime.verdict(&times([0, 4])), "yes");
        assert_eq!(Bound::Memory(45).verdict(&Figure::Bytes(vec![45 * MIB])), "yes");
        assert_eq!(Bound::Memory(45).verdict(&Figure::Bytes(vec![1, 45 * MIB + 1])), "NO");
        assert_eq!(Bound::Memory(45).verdict(&mostly), "NO", "a figure of another kind keeps no promise");
        assert_eq!(Bound::None.verdict(&mostly), "");
    }

    #[test]
    fn what_was_not_measured_says_so_and_is_no_zero() {
        assert_eq!(cell(What::Key, None), "not measured");
        assert_eq!(cell(What::Key, Some(&times([]))), "not measured");
        assert_eq!(cell(What::Key, Some(&times([1, 2, 3]))), "2.00 / 3.00");
        assert_eq!(cell(What::IdleCpu, Some(&times([1]))), "0.0010");
        assert_eq!(cell(What::RssIdle, Some(&Figure::Bytes(vec![MIB, 3 * MIB, 2 * MIB]))), "2.0");
    }
}
