//! What a connection costs in memory that is signed in, in a channel, and silent: before and after long frames both ways.

use std::time::Duration;

use mechat_protocol::limits::TEXT_LEN_MAX;
use mechat_protocol::request::Send;
use mechat_protocol::{ChannelId, Content, Nonce, RequestId, codec};
use uuid::Uuid;

use crate::crowd::{Crowd, Entrance, float};
use crate::follower::Tally;
use crate::link::Way;
use crate::population::Population;
use crate::rows::Setting;
use crate::server::{Kind, Server};
use crate::table::{self, Table, median};

/// Connections when memory is read.
const STEPS: [u64; 2] = [2_000, 10_000];
/// Frames of the longest text that everybody gets, and that everybody sends.
const BURST: usize = 4;
/// Members that send theirs at the same time.
const AT_ONCE: usize = 32;
/// How long a server has for giving memory back, and for telling who came.
const REST: Duration = Duration::from_secs(4);
/// A channel that nobody is in: what is said there is read, refused and told to nobody.
const NOWHERE: ChannelId = ChannelId(u32::MAX as u64);

/// KiB of one connection at each step and after the burst.
type Costs = [f64; 3];

/// Measures the reference and the relay.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    let mut table = Table::new(&[
        "server",
        "KiB each at 2,000",
        "KiB each at 10,000",
        "KiB each after 16 KB frames both ways",
        "lost/repeated/reordered",
    ]);
    let mut clean = true;
    for kind in [Kind::Reference, Kind::Memory] {
        let (mut costs, mut tally) = (Vec::new(), Tally::default());
        for _ in 0..setting.runs {
            let (cost, faults) = measure(kind, setting).await?;
            costs.push(cost);
            tally.add(&faults);
        }
        clean &= tally.is_clean();
        let cell = |step: usize| format!("{:.1}", median(costs.iter().map(|cost: &Costs| cost[step])));
        table.row(vec![kind.name().into(), cell(0), cell(1), cell(2), table::faults(&tally)]);
    }
    table.print("Idle: resident memory of the server for each connection");
    Ok(clean)
}

async fn measure(kind: Kind, setting: Setting) -> anyhow::Result<(Costs, Tally)> {
    let directory = tempfile::tempdir()?;
    let population = Population::spread(STEPS[1], 1);
    let server = Server::start(kind, directory.path(), &population, setting.pinning, None)?;
    let way = Way::to(server.address, server.fingerprint)?;
    let empty = server.usage()?.rss;
    let each = |count: u64| -> anyhow::Result<f64> {
        Ok(float(server.usage()?.rss.saturating_sub(empty)) / float(count) / 1_024.0)
    };
    let mut crowd = Crowd::new();
    let mut costs = Costs::default();
    for (step, count) in STEPS.into_iter().enumerate() {
        let here = crowd.members.len() as u64;
        crowd.enter(&way, &population, here..count, Entrance::default()).await?;
        crowd.ping();
        tokio::time::sleep(REST).await;
        costs[step] = each(count)?;
    }
    burst(&crowd).await?;
    tokio::time::sleep(REST).await;
    costs[2] = each(STEPS[1])?;
    anyhow::ensure!(crowd.board.closed.get() == 0, "{} connections ended", crowd.board.closed.get());
    Ok((costs, crowd.audit()))
}

/// Everybody gets long frames and sends some.
async fn burst(crowd: &Crowd) -> anyhow::Result<()> {
    crowd.publish(1, TEXT_LEN_MAX, 0)?;
    for _ in 0..BURST {
        crowd.members[0].say();
        crowd.board.settled().await;
        crowd.ping();
    }
    let long = Send {
        id: RequestId(8),
        channel: NOWHERE,
        nonce: Nonce(Uuid::max()),
        content: Content::text("y".repeat(TEXT_LEN_MAX))?,
        in_reply_to: None,
    };
    let frames = codec::encode(&long.into())?.repeat(BURST);
    // A few at a time: what is measured is what stays, not what ten thousand need at once.
    for some in crowd.members.chunks(AT_ONCE) {
        for member in some {
            member.send(&frames);
        }
        crowd.board.sent.set(crowd.board.sent.get() + (some.len() * BURST) as u64);
        crowd.board.settled().await;
    }
    let (mut tally, expected) = (crowd.board.tally.get(), (crowd.members.len() * BURST) as u64);
    anyhow::ensure!(tally.refused == expected, "{} of {expected} were refused", tally.refused);
    // Refused on purpose.
    tally.refused = 0;
    crowd.board.sent.set(crowd.board.sent.get() - expected);
    crowd.board.tally.set(tally);
    Ok(())
}
