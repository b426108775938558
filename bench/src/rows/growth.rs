//! What grows with members, channels and history, and what must not.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mechat_protocol::message::Message;
use mechat_protocol::request::{HistoryRange, ReadHistory};
use mechat_protocol::{RequestId, Seq};

use crate::crowd::{Phase, Times};
use crate::follower::Tally;
use crate::histogram::Histogram;
use crate::link::{Link, Way};
use crate::people;
use crate::population::Population;
use crate::rows::Setting;
use crate::rows::fanout;
use crate::server::{Kind, Server};
use crate::table::{self, Table, median};

/// Each is ten times the one before.
const MEMBERS: [u64; 3] = [10, 100, 1_000];
const CHANNELS: [u64; 3] = [10, 100, 1_000];
const HISTORY: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Members of the rows in which channels or history grow.
const FIXED_MEMBERS: u64 = 100;
/// Members of each channel while channels grow: a message goes to as many, and everybody is in ever more channels.
const MEMBERS_EACH: u64 = 10;
/// Publishers at once, whatever grows.
const PUBLISHERS: usize = 8;
const WINDOW: usize = 8;
/// Pages that are read, one after another.
const PAGES: u64 = 200;
const PAGE_ENTRIES: u16 = 100;
/// The shorter of the two histories on SQLite, a hundredth of the longer.
const SHORTER: u64 = 100;

/// Measures all.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    let mut table = Table::new(&[
        "what grows",
        "to",
        "CPU s per million",
        "RSS MiB",
        "p99 ms",
        "lost/repeated/reordered",
    ]);
    let mut clean = true;
    let members = MEMBERS.map(|members| ("members", members, Population::spread(members, 1)));
    let channels = CHANNELS.map(|channels| {
        let per_account = channels * MEMBERS_EACH / FIXED_MEMBERS;
        ("channels", channels, Population { per_account, ..Population::spread(FIXED_MEMBERS, channels) })
    });
    let history = HISTORY
        .map(|history| ("history", history, Population { history, ..Population::spread(FIXED_MEMBERS, 1) }));
    for (what, to, population) in members.into_iter().chain(channels).chain(history) {
        let (mut phases, mut tally) = (Vec::new(), Tally::default());
        for _ in 0..setting.runs {
            let load = (PUBLISHERS, WINDOW);
            let (phase, faults) = fanout::measure_with(Kind::Memory, &population, load, setting).await?;
            phases.push(phase);
            tally.add(&faults);
        }
        clean &= tally.is_clean();
        table.row(vec![
            what.into(),
            table::count(to),
            format!("{:.3}", median(phases.iter().map(Phase::cpu_per_million))),
            table::mebibytes(median(phases.iter().map(|phase| phase.rss))),
            table::millis(median(phases.iter().map(|phase| phase.delivery.p99))),
            table::faults(&tally),
        ]);
    }
    table.print("Growth: 8 publishers with windows of 8, memory storage");
    long_log(setting).await?;
    Ok(clean)
}

/// Start-up and pages of a short and a long log.
async fn long_log(setting: Setting) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        "entries on SQLite",
        "prepared in s",
        "database MiB",
        "start-up ms",
        "latest page p50 ms",
        "p99 ms",
        "middle page p50 ms",
        "p99 ms",
        "RSS MiB",
    ]);
    for history in [setting.entries / SHORTER, setting.entries] {
        table.row(read_log(setting, history).await?);
    }
    table.print("Growth: a long log");
    Ok(())
}

async fn read_log(setting: Setting, history: u64) -> anyhow::Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let population = Population { history, ..Population::spread(1, 1) };
    let start = || {
        let began = Instant::now();
        let server = Server::start(Kind::Sqlite, directory.path(), &population, setting.pinning, None)?;
        anyhow::Ok((server, began.elapsed()))
    };
    let (server, prepared) = start()?;
    drop(server);
    let mut starts = Vec::new();
    for _ in 0..setting.runs {
        // Killed, so that the next one recovers what there is to recover.
        starts.push(start()?.1);
    }
    let (server, started) = start()?;
    starts.push(started);
    let mut link = Way::to(server.address, server.fingerprint)?.connect(0).await?;
    link.greet().await?;
    link.resume(people::token(0)).await?;
    let latest = pages(&mut link, HistoryRange::Latest, history).await?;
    let middle = pages(&mut link, HistoryRange::Before { seq: Seq(history / 2) }, history).await?;
    Ok(vec![
        table::count(history),
        format!("{:.1}", prepared.as_secs_f64()),
        table::mebibytes(database_len(directory.path())?),
        table::millis(median(starts)),
        table::millis(latest.p50),
        table::millis(latest.p99),
        table::millis(middle.p50),
        table::millis(middle.p99),
        table::mebibytes(server.usage()?.rss),
    ])
}

/// Bytes of the database and of what is still in its write-ahead log.
fn database_len(directory: &Path) -> anyhow::Result<u64> {
    let mut len = 0;
    for file in ["mechat.db", "mechat.db-wal"] {
        let path = directory.join(file);
        len += if path.exists() { std::fs::metadata(path)?.len() } else { 0 };
    }
    Ok(len)
}

/// Reads many pages, each from the reply before; from `range` on towards the start.
async fn pages(link: &mut Link, mut range: HistoryRange, history: u64) -> anyhow::Result<Times> {
    let channel = link.join(&[people::channel(0)]).await?[0].channel;
    let repeats = matches!(range, HistoryRange::Latest);
    let mut times = Histogram::default();
    for _ in 0..PAGES {
        let began = Instant::now();
        link.send(&[ReadHistory { id: RequestId(7), channel, range, limit: PAGE_ENTRIES }.into()]).await?;
        let Message::History(page) = link.receive().await? else { anyhow::bail!("`history` was due") };
        times.record(nanoseconds(began.elapsed()));
        let first = page.entries.first().context("a page of a long log has entries")?.seq;
        let whole = page.entries.len() == usize::from(PAGE_ENTRIES);
        ensure!(whole || history < PAGES * u64::from(PAGE_ENTRIES), "a page of a long log is full");
        if !repeats && first > Seq(1) {
            range = HistoryRange::Before { seq: first };
        }
    }
    Ok(Times::of(&times))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
