//! One member in ten stops reading: what the others feel, what it costs the server, and how the stuck ones come back.
//!
//! The same load twice, once with everybody reading. Those who will stop share a second channel with long texts, which fills what the
//! system holds for a connection within a second or two; the others do not see these.

use std::time::{Duration, Instant};

use mechat_protocol::limits::TEXT_LEN_MAX;

use crate::crowd::{Crowd, Entrance, Offer, Phase, float};
use crate::follower::Tally;
use crate::link::Way;
use crate::population::Population;
use crate::publisher::Publisher;
use crate::rows::Setting;
use crate::server::{Kind, Server};
use crate::table::{self, Table, median};

const MEMBERS: u64 = 1_000;
/// Members 1 to so many stop reading; member 0 says what fills their queues.
const STUCK: usize = 100;
const SENDERS: usize = 8;
const TEXT_LEN: usize = 100;
/// 100 short texts a second to everybody.
const INTERVAL: Duration = Duration::from_millis(10);
/// 80 texts of 16 KiB a second to those who stop.
const LONG_INTERVAL: Duration = Duration::from_micros(12_500);
/// Bytes of the system's receive buffer of those who stop, so that the server notices soon.
const RECEIVE_LEN: u32 = 65_536;
/// Phases of load that this one is as long as, and shorter than what closes a stuck peer.
const LONGER: u32 = 2;

/// One run.
struct Run {
    reading: Phase,
    stuck: Phase,
    /// Bytes that the server grew by for each stuck peer, beyond what it grew by under the same load before.
    each: f64,
    /// From reading again until nothing was missing.
    whole_after: Duration,
    tally: Tally,
    closed: u64,
}

/// Measures the relay; the reference would wait for the stuck ones.
pub(crate) async fn run(setting: Setting) -> anyhow::Result<bool> {
    let mut runs = Vec::new();
    for _ in 0..setting.runs {
        runs.push(measure(setting).await?);
    }
    let mut tally = Tally::default();
    for run in &runs {
        tally.add(&run.tally);
    }
    let mut table = Table::new(&[
        "1,000 members",
        "others' p50 ms",
        "p99 ms",
        "x reading",
        "KiB for each stuck",
        "whole again after s",
        "closed",
        "lost/repeated/reordered",
    ]);
    let middle = |of: fn(&Run) -> f64| median(runs.iter().map(of));
    let times = |of: fn(&Run) -> Duration| table::millis(median(runs.iter().map(of)));
    table.row(vec![
        "all read".into(),
        times(|run| run.reading.delivery.p50),
        times(|run| run.reading.delivery.p99),
    ]);
    table.row(vec![
        "100 stopped reading".into(),
        times(|run| run.stuck.delivery.p50),
        times(|run| run.stuck.delivery.p99),
        format!(
            "{:.2}",
            middle(|run| run.stuck.delivery.p99.as_secs_f64() / run.reading.delivery.p99.as_secs_f64())
        ),
        format!("{:.0}", middle(|run| run.each / 1_024.0)),
        format!("{:.2}", middle(|run| run.whole_after.as_secs_f64())),
        table::count(runs.iter().map(|run| run.closed).sum()),
        table::faults(&tally),
    ]);
    table.print("Stuck readers: memory storage");
    if tally.lagged == 0 {
        table::say("NOT STUCK: nobody lagged, so this measured nothing; lengthen the phases with --seconds");
    }
    Ok(tally.is_clean() && tally.lagged > 0)
}

async fn measure(setting: Setting) -> anyhow::Result<Run> {
    let directory = tempfile::tempdir()?;
    let population = Population { besides: STUCK as u64 + 1, ..Population::spread(MEMBERS, 1) };
    let server = Server::start(Kind::Memory, directory.path(), &population, setting.pinning, None)?;
    let way = Way::to(server.address, server.fingerprint)?;
    let mut crowd = Crowd::new();
    let narrow = Entrance { receive: Some(RECEIVE_LEN), ..Entrance::default() };
    crowd.enter(&way, &population, 0..population.besides, narrow).await?;
    crowd.enter(&way, &population, population.besides..MEMBERS, Entrance::default()).await?;
    let (apart, others) = crowd.members.split_at(STUCK + 1);
    for member in apart {
        member.leave_untimed();
    }
    apart[0].publish(Publisher::new(apart[0].channels()[1], TEXT_LEN_MAX, 0)?);
    for sender in &others[..SENDERS] {
        sender.publish(Publisher::new(sender.channels()[0], TEXT_LEN, 0)?);
    }
    let offers = [
        Offer { first: STUCK + 1, senders: SENDERS, interval: INTERVAL },
        Offer { first: 0, senders: 1, interval: LONG_INTERVAL },
    ];
    crowd.offer_all(&server, offers, setting.time / 2).await?;
    let before = server.usage()?.rss;
    let reading = crowd.offer_all(&server, offers, setting.time * LONGER).await?;
    crowd.board.settled().await;
    let between = server.usage()?.rss;
    apart[1..].iter().for_each(|member| member.set_reading(false));
    let stuck = crowd.offer_all(&server, offers, setting.time * LONGER).await?;
    let grown = float(server.usage()?.rss.saturating_sub(between));
    let expected = float(between.saturating_sub(before));
    let began = Instant::now();
    apart[1..].iter().for_each(|member| member.set_reading(true));
    crowd.board.settled().await;
    Ok(Run {
        reading,
        stuck,
        each: (grown - expected).max(0.0) / float(STUCK as u64),
        whole_after: began.elapsed(),
        closed: crowd.board.closed.get(),
        tally: crowd.audit(),
    })
}
