//! How many messages a second become durable, next to what bare SQLite does with batches of that size on the same disk.
//!
//! Each sender is alone in a channel, so that this measures keeping and not telling.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;

use crate::crowd::{Crowd, Entrance, Offer, Phase, float};
use crate::follower::Tally;
use crate::link::Way;
use crate::pinning::SERVER_CORE;
use crate::population::Population;
use crate::rows::Setting;
use crate::server::{self, Kind, Server};
use crate::table::{self, Table, median};

const TEXT_LEN: usize = 100;
/// Senders that each wait for the ack of one message before the next.
const SENDERS: &[u64] = &[1, 16, 128];
/// Of a steady rate: so many senders, and the time between two messages, for 2,000 a second.
const STEADY_SENDERS: u64 = 16;
const STEADY_INTERVAL: Duration = Duration::from_micros(500);
/// The part of a phase that goes before it, unmeasured.
const WARM_UP: u32 = 4;

/// Measures every number of senders, then a steady rate.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    let mut table = Table::new(&[
        "senders",
        "acks/s",
        "ack p50 ms",
        "ack p99 ms",
        "bare SQLite rows/s",
        "of bare %",
        "server CPU ms per 1,000",
        "lost/repeated/reordered",
    ]);
    let mut clean = true;
    for senders in SENDERS.iter().map(|senders| Some(*senders)).chain([None]) {
        let (mut phases, mut bare, mut tally) = (Vec::new(), Vec::new(), Tally::default());
        for _ in 0..setting.runs {
            let (phase, faults) = measure(senders, setting).await?;
            phases.push(phase);
            tally.add(&faults);
            if let Some(batch) = senders {
                bare.push(bare_rate(batch, setting)?);
            }
        }
        clean &= tally.is_clean();
        table.row(cells(senders, &phases, &bare, &tally));
    }
    table.print("Durable: 100-byte texts on SQLite with synchronous=FULL");
    Ok(clean)
}

fn cells(senders: Option<u64>, phases: &[Phase], bare: &[f64], tally: &Tally) -> Vec<String> {
    let rate = median(phases.iter().map(|phase| float(phase.acks) / phase.wall.as_secs_f64()));
    let cpu = median(phases.iter().map(|phase| phase.server_cpu.as_secs_f64() * 1e6 / float(phase.acks)));
    let bare_rate = median(bare.iter().copied());
    let beside = |text: String| if bare.is_empty() { String::new() } else { text };
    vec![
        senders.map_or_else(|| "16, 2,000/s offered".into(), table::count),
        table::rounded(rate),
        table::millis(median(phases.iter().map(|phase| phase.ack.p50))),
        table::millis(median(phases.iter().map(|phase| phase.ack.p99))),
        beside(table::rounded(bare_rate)),
        beside(table::rounded(100.0 * rate / bare_rate)),
        format!("{cpu:.1}"),
        table::faults(tally),
    ]
}

async fn measure(senders: Option<u64>, setting: Setting) -> anyhow::Result<(Phase, Tally)> {
    let directory = tempfile::tempdir()?;
    let number = senders.unwrap_or(STEADY_SENDERS);
    let population = Population::spread(number, number);
    let server = Server::start(Kind::Sqlite, directory.path(), &population, setting.pinning, None)?;
    let way = Way::to(server.address, server.fingerprint)?;
    let mut crowd = Crowd::new();
    crowd.enter(&way, &population, 0..number, Entrance::default()).await?;
    let each = usize::try_from(number)?;
    crowd.publish(each, TEXT_LEN, 1)?;
    let phase = if senders.is_some() {
        crowd.flood(&server, setting.time / WARM_UP).await?;
        crowd.flood(&server, setting.time).await?
    } else {
        let offer = Offer { first: 0, senders: each, interval: STEADY_INTERVAL };
        crowd.offer(&server, offer, setting.time / WARM_UP).await?;
        crowd.offer(&server, offer, setting.time).await?
    };
    Ok((phase, crowd.audit()))
}

/// Rows a second of bare SQLite, in a process of its own on the server's core.
fn bare_rate(batch: u64, setting: Setting) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let mut command = setting.pinning.command(SERVER_CORE, server::program()?);
    command.arg("bare-sqlite").arg("--directory").arg(directory.path());
    command.arg(format!("--batch={batch}")).arg(format!("--millis={}", setting.time.as_millis()));
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("bare SQLite")?;
    anyhow::ensure!(output.status.success(), "bare SQLite: {}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().parse().context("bare SQLite's rate")
}
