//! How long a message takes when there is room: 200 members, 50 messages a second.

use std::time::Duration;

use crate::crowd::{Crowd, Entrance, Offer, Phase, Times};
use crate::follower::Tally;
use crate::link::Way;
use crate::population::Population;
use crate::rows::Setting;
use crate::server::{Kind, Server};
use crate::table::{self, Table, median};

const MEMBERS: u64 = 200;
const SENDERS: usize = 8;
const TEXT_LEN: usize = 100;
/// 50 a second.
const INTERVAL: Duration = Duration::from_millis(20);
/// Phases of load that this one is as long as: a 99.9th percentile needs many.
const LONGER: u32 = 3;

/// Measures the reference, then the relay on each storage.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    let mut table = Table::new(&[
        "server",
        "delivery p50 ms",
        "p99 ms",
        "p99.9 ms",
        "ack p50 ms",
        "p99 ms",
        "p99.9 ms",
        "deliveries/s",
        "lost/repeated/reordered",
    ]);
    let kinds = [Kind::Reference, Kind::Memory, Kind::Sqlite];
    let mut phases = [const { Vec::new() }; 3];
    let mut tallies = [Tally::default(); 3];
    for _ in 0..setting.runs {
        for (n, kind) in kinds.into_iter().enumerate() {
            let (phase, tally) = measure(kind, setting).await?;
            phases[n].push(phase);
            tallies[n].add(&tally);
        }
    }
    for (n, kind) in kinds.into_iter().enumerate() {
        let times = |of: fn(&Phase) -> Times| {
            let middle = |at: fn(&Times) -> Duration| {
                table::millis(median(phases[n].iter().map(|phase| at(&of(phase)))))
            };
            [middle(|times| times.p50), middle(|times| times.p99), middle(|times| times.p999)]
        };
        let mut cells = vec![kind.name().to_owned()];
        cells.extend(times(|phase| phase.delivery));
        cells.extend(times(|phase| phase.ack));
        cells.push(table::rounded(median(phases[n].iter().map(Phase::rate))));
        cells.push(table::faults(&tallies[n]));
        table.row(cells);
    }
    table.print("Latency: 200 members, 50 messages of 100 bytes a second");
    Ok(tallies.iter().all(Tally::is_clean))
}

async fn measure(kind: Kind, setting: Setting) -> anyhow::Result<(Phase, Tally)> {
    let directory = tempfile::tempdir()?;
    let population = Population::spread(MEMBERS, 1);
    let server = Server::start(kind, directory.path(), &population, setting.pinning, None)?;
    let way = Way::to(server.address, server.fingerprint)?;
    let mut crowd = Crowd::new();
    crowd.enter(&way, &population, 0..MEMBERS, Entrance::default()).await?;
    crowd.publish(SENDERS, TEXT_LEN, 0)?;
    let offer = Offer { first: 0, senders: SENDERS, interval: INTERVAL };
    crowd.offer(&server, offer, setting.time / LONGER).await?;
    let phase = crowd.offer(&server, offer, setting.time * LONGER).await?;
    Ok((phase, crowd.audit()))
}
