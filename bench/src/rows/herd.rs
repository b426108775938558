//! Everybody comes back at once: the relay is killed and started again on the same database and port.
//!
//! Clients wait as real ones do, resume by their tokens and read every channel from where they were. Then, apart from
//! that, how fast a relay serves those who were away for long.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mechat_client::backoff;
use mechat_protocol::secret::Token;
use rand::RngCore;
use tokio::task::JoinSet;

use crate::crowd::{Crowd, Entrance, float};
use crate::follower::Tally;
use crate::link::{Link, Way};
use crate::population::Population;
use crate::rows::Setting;
use crate::server::{Kind, Server, Usage};
use crate::table::{self, Table, median};

const CLIENTS: u64 = 5_000;
const CHANNELS: u64 = 500;
const CHANNELS_EACH: u64 = 10;
const PUBLISHERS: usize = 50;
const TEXT_LEN: usize = 100;
/// Clients of the catch-up, and the entries that each has missed.
const AWAY: u64 = 100;
const MISSED: u64 = 10_000;
/// A connection that takes longer is given up, as a real client does.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How often it is looked whether every connection of the old process has ended.
const NOTICE_INTERVAL: Duration = Duration::from_millis(5);
/// A herd that is not whole by then never will be.
const HERD_LIMIT: Duration = Duration::from_mins(3);

/// One run.
struct Run {
    signed_in: Duration,
    whole: Duration,
    attempts: u64,
    steady: Usage,
    back: Usage,
    tally: Tally,
}

/// Measures the herd, then the catch-up.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    let mut runs = Vec::new();
    for _ in 0..setting.runs {
        runs.push(herd(setting).await?);
    }
    let mut tally = Tally::default();
    for run in &runs {
        tally.add(&run.tally);
    }
    let middle = |of: fn(&Run) -> f64| median(runs.iter().map(of));
    let mut table = Table::new(&[
        "all signed in after s",
        "all whole after s",
        "attempts",
        "server CPU s",
        "RSS steady MiB",
        "RSS peak MiB",
        "x steady",
        "lost/repeated/reordered",
    ]);
    table.row(vec![
        format!("{:.1}", middle(|run| run.signed_in.as_secs_f64())),
        format!("{:.1}", middle(|run| run.whole.as_secs_f64())),
        table::rounded(middle(|run| float(run.attempts))),
        format!("{:.1}", middle(|run| run.back.cpu.as_secs_f64())),
        table::mebibytes(median(runs.iter().map(|run| run.steady.rss))),
        table::mebibytes(median(runs.iter().map(|run| run.back.rss_peak))),
        format!("{:.2}", middle(|run| float(run.back.rss_peak) / float(run.steady.rss))),
        table::faults(&tally),
    ]);
    table.print("Herd: 5,000 clients in 10 channels each, relay killed and started again on SQLite");
    Ok(catch_up(setting).await? && tally.is_clean())
}

async fn herd(setting: Setting) -> anyhow::Result<Run> {
    let directory = tempfile::tempdir()?;
    let population = Population {
        channels: CHANNELS,
        per_account: CHANNELS_EACH,
        ..Population::spread(CLIENTS, CHANNELS)
    };
    let server = Server::start(Kind::Sqlite, directory.path(), &population, setting.pinning, None)?;
    let (address, way) = (server.address, Way::to(server.address, server.fingerprint)?);
    let mut crowd = Crowd::new();
    crowd.enter(&way, &population, 0..CLIENTS, Entrance::default()).await?;
    crowd.publish(PUBLISHERS, TEXT_LEN, 4)?;
    crowd.flood(&server, setting.time).await?;
    let steady = server.usage()?;
    server.kill()?;
    let began = Instant::now();
    let server = Server::start(Kind::Sqlite, directory.path(), &population, setting.pinning, Some(address))?;
    let everybody_noticed = async {
        while crowd.board.closed.get() < CLIENTS {
            tokio::time::sleep(NOTICE_INTERVAL).await;
        }
    };
    tokio::time::timeout(HERD_LIMIT, everybody_noticed).await.context("some connections did not end")?;
    let attempts = Rc::new(Cell::new(0));
    let signed_in = come_back(&mut crowd, &way, &attempts, began).await?;
    ensure!(crowd.board.settled().await, "some members are not whole again");
    let (whole, back) = (began.elapsed(), server.usage()?);
    // Everybody is there and hears everything.
    crowd.ping();
    crowd.flood(&server, setting.time / 4).await?;
    Ok(Run { signed_in, whole, attempts: attempts.get(), steady, back, tally: crowd.audit() })
}

/// Every member connects again; how long after `began` the last one is signed in.
async fn come_back(
    crowd: &mut Crowd,
    way: &Way,
    attempts: &Rc<Cell<u64>>,
    began: Instant,
) -> anyhow::Result<Duration> {
    let mut coming = JoinSet::new();
    for (number, token) in (0..).zip(crowd.tokens.clone()) {
        let (way, attempts) = (way.clone(), Rc::clone(attempts));
        coming.spawn_local(async move { (number, resume(&way, number, &token, &attempts).await) });
    }
    let mut signed_in = Duration::ZERO;
    while let Some(came) = tokio::time::timeout(HERD_LIMIT, coming.join_next()).await? {
        let (number, (link, token)) = came.context("a returning client")?;
        signed_in = began.elapsed();
        let index = usize::try_from(number)?;
        let member = Rc::clone(&crowd.members[index]);
        crowd.tokens[index] = token;
        member.catch_up();
        crowd.rerun(member, link);
    }
    Ok(signed_in)
}

/// Tries until it is in, as a real client does whose link broke.
async fn resume(way: &Way, number: u64, token: &Token, attempts: &Cell<u64>) -> (Link, Token) {
    for failures in 1.. {
        tokio::time::sleep(backoff::delay(failures, rand::thread_rng().next_u64())).await;
        attempts.set(attempts.get() + 1);
        let attempt = async {
            let mut link = way.connect(number).await?;
            link.greet().await?;
            let token = link.resume(token.clone()).await?;
            anyhow::Ok((link, token))
        };
        if let Ok(Ok(came)) = tokio::time::timeout(CONNECT_LIMIT, attempt).await {
            return came;
        }
    }
    unreachable!("it tries for ever")
}

async fn catch_up(setting: Setting) -> anyhow::Result<bool> {
    let mut table = Table::new(&[
        "clients",
        "entries each",
        "seconds",
        "entries/s",
        "MB/s",
        "server CPU s per million entries",
        "lost/repeated/reordered",
    ]);
    let (mut phases, mut tally) = (Vec::new(), Tally::default());
    for _ in 0..setting.runs {
        let directory = tempfile::tempdir()?;
        let population = Population { history: MISSED, ..Population::spread(AWAY, 1) };
        let server = Server::start(Kind::Sqlite, directory.path(), &population, setting.pinning, None)?;
        let way = Way::to(server.address, server.fingerprint)?;
        let mut crowd = Crowd::new();
        let entrance = Entrance { from_start: true, ..Entrance::default() };
        crowd.enter(&way, &population, 0..AWAY, entrance).await?;
        crowd.members.iter().for_each(|member| member.catch_up());
        // Nobody publishes: it ends when nobody has anything left to read.
        let phase = crowd.flood(&server, Duration::ZERO).await?;
        phases.push((phase, crowd.board.page_bytes.get()));
        tally.add(&crowd.audit());
    }
    let middle = |of: fn(&(crate::crowd::Phase, u64)) -> f64| median(phases.iter().map(of));
    table.row(vec![
        table::count(AWAY),
        table::count(MISSED + AWAY),
        format!("{:.2}", middle(|(phase, _)| phase.wall.as_secs_f64())),
        table::rounded(middle(|(phase, _)| phase.rate())),
        format!("{:.1}", middle(|(phase, bytes)| float(*bytes) / 1e6 / phase.wall.as_secs_f64())),
        format!("{:.2}", middle(|(phase, _)| phase.cpu_per_million())),
        table::faults(&tally),
    ]);
    table.print("Catch-up: clients that were away read a long log from SQLite, a page at a time each");
    Ok(tally.is_clean())
}
