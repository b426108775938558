//! What one delivery costs the server when publishers keep their windows full: the relay next to the reference, in turns.

use crate::crowd::{Crowd, Entrance, Phase};
use crate::follower::Tally;
use crate::link::Way;
use crate::population::Population;
use crate::rows::Setting;
use crate::server::{Kind, Server};
use crate::table::{self, Table, median};

/// Bytes of a text.
const TEXT_LEN: usize = 100;
/// The part of a phase that goes before it, unmeasured.
const WARM_UP: u32 = 4;

/// One line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// All members.
    pub(crate) members: u64,
    /// Channels, each with its share of them.
    pub(crate) channels: u64,
    /// How many of the members publish.
    pub(crate) publishers: usize,
    /// Messages that each may have without ack.
    pub(crate) window: usize,
}

const CASES: &[Case] = &[
    Case { members: 50, channels: 1, publishers: 8, window: 256 },
    Case { members: 200, channels: 1, publishers: 8, window: 256 },
    Case { members: 1_000, channels: 1, publishers: 8, window: 256 },
    Case { members: 200, channels: 1, publishers: 8, window: 8 },
    Case { members: 1_000, channels: 100, publishers: 100, window: 32 },
];

/// Measures all cases.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    let mut table = Table::new(&[
        "members x channels, publishers x window",
        "server",
        "CPU s per million",
        "x ref",
        "deliveries/s",
        "p50 ms",
        "p99 ms",
        "x ref",
        "ack p99 ms",
        "generator CPU %",
        "lost/repeated/reordered",
    ]);
    let mut clean = true;
    for case in CASES {
        let (mut reference, mut relay) = (Runs::default(), Runs::default());
        for _ in 0..setting.runs {
            reference.add(measure(Kind::Reference, *case, setting).await?);
            relay.add(measure(Kind::Memory, *case, setting).await?);
        }
        clean &= reference.tally.is_clean() && relay.tally.is_clean();
        table.row(reference.row(*case, Kind::Reference, &reference));
        table.row(relay.row(*case, Kind::Memory, &reference));
    }
    table.print("Fan-out: 100-byte texts, memory storage");
    Ok(clean)
}

/// One run of one case.
pub(crate) async fn measure(kind: Kind, case: Case, setting: Setting) -> anyhow::Result<(Phase, Tally)> {
    let population = Population::spread(case.members, case.channels);
    measure_with(kind, &population, (case.publishers, case.window), setting).await
}

/// The same with any population, and so many publishers with windows of so many.
pub(crate) async fn measure_with(
    kind: Kind,
    population: &Population,
    (publishers, window): (usize, usize),
    setting: Setting,
) -> anyhow::Result<(Phase, Tally)> {
    let directory = tempfile::tempdir()?;
    let server = Server::start(kind, directory.path(), population, setting.pinning, None)?;
    let way = Way::to(server.address, server.fingerprint)?;
    let mut crowd = Crowd::new();
    crowd.enter(&way, population, 0..population.sessions, Entrance::default()).await?;
    crowd.publish(publishers, TEXT_LEN, window)?;
    crowd.flood(&server, setting.time / WARM_UP).await?;
    let phase = crowd.flood(&server, setting.time).await?;
    Ok((phase, crowd.audit()))
}

/// The runs of one server.
#[derive(Default)]
struct Runs {
    phases: Vec<Phase>,
    tally: Tally,
}

impl Runs {
    fn add(&mut self, (phase, tally): (Phase, Tally)) {
        self.phases.push(phase);
        self.tally.add(&tally);
    }

    fn median<T: PartialOrd + Copy + Default>(&self, of: impl Fn(&Phase) -> T) -> T {
        median(self.phases.iter().map(of))
    }

    fn row(&self, case: Case, kind: Kind, reference: &Self) -> Vec<String> {
        let cpu = self.median(Phase::cpu_per_million);
        let p99 = self.median(|phase| phase.delivery.p99);
        let busy = self.median(|phase| phase.generator_cpu.as_secs_f64() / phase.wall.as_secs_f64());
        let ratio = |own: f64, other: f64| match kind {
            Kind::Reference => String::new(),
            _ => format!("{:.2}", own / other),
        };
        vec![
            format!("{} x {}, {} x {}", case.members, case.channels, case.publishers, case.window),
            kind.name().into(),
            format!("{cpu:.3}"),
            ratio(cpu, reference.median(Phase::cpu_per_million)),
            table::rounded(self.median(Phase::rate)),
            table::millis(self.median(|phase| phase.delivery.p50)),
            table::millis(p99),
            ratio(p99.as_secs_f64(), reference.median(|phase| phase.delivery.p99).as_secs_f64()),
            table::millis(self.median(|phase| phase.ack.p99)),
            table::rounded(busy * 100.0),
            table::faults(&self.tally),
        ]
    }
}
