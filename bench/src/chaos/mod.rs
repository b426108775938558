//! The promise under `kill -9`: senders with outboxes on disk against the relay's own program, which is killed again and again, and
//! some of the senders with it; then everything that was told and seen is held against the log.
//!
//! Owns the killing and the waiting. [`sender`] talks, [`check`] judges.
//!
//! Invariants: the moments of the kills are drawn from a seed that is printed; between two kills of the relay a number of messages is
//! acknowledged, so that a run that did nothing cannot pass.

mod check;
mod notes;
mod process;
mod relay;
pub(crate) mod sender;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::table::{self, Table, count};
use check::{Findings, Log};
use process::{Crowd, Said};
use relay::Relay;

/// How long nothing may happen before the run is given up. Not a performance bound.
const PATIENCE: Duration = Duration::from_mins(2);
/// A kill comes so long after its share of acks, at most.
const SUSPENSE_MS: u64 = 250;

/// What to do to the relay.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ChaosArguments {
    /// How often the relay is killed.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Messages that are acknowledged between two kills, at least.
    #[arg(long, default_value_t = 5_000)]
    acks: u64,
    /// Senders, each an account with an outbox of its own.
    #[arg(long, default_value_t = 50)]
    senders: u16,
    /// Processes that they are spread over.
    #[arg(long, default_value_t = 5)]
    processes: u16,
    /// Messages that each sender keeps unacknowledged.
    #[arg(long, default_value_t = 256)]
    window: usize,
    /// After so many kills of the relay a process of senders is killed as well.
    #[arg(long, default_value_t = 5)]
    crash_every: u32,
    /// Draws the moments of the kills; a random one if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// The relay's program; the one beside this if absent.
    #[arg(long)]
    relay: Option<PathBuf>,
}

/// Runs it; whether every promise was kept.
pub(crate) async fn run(arguments: ChaosArguments) -> anyhow::Result<bool> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    table::say(&format!("seed {seed}"));
    let directory = tempfile::Builder::new().prefix("mechat-chaos-").tempdir().context("a directory")?;
    let program = match &arguments.relay {
        Some(program) => program.clone(),
        None => {
            std::env::current_exe()?.with_file_name(format!("mechat-relay{}", std::env::consts::EXE_SUFFIX))
        }
    };
    let mut run = Run::start(&arguments, &program, directory.path(), seed)?;
    let began = Instant::now();
    let ended = run.play().await;
    let took = began.elapsed();
    let Run { mut relay, crowd, crashes, kills, .. } = run;
    let totals = crowd.end();
    relay.kill()?;
    let findings =
        Log::export(&program, &directory.path().join("relay"))?.check(note_files(directory.path())?)?;
    report(&findings, &totals, kills, crashes, took);
    if let Err(error) = &ended {
        table::say(&format!("NOT ENDED WELL: {error:#}"));
    }
    let good = ended.is_ok() && findings.is_clean();
    if !good {
        table::say(&format!("everything is kept in {}", directory.keep().display()));
    }
    Ok(good)
}

/// What is running.
struct Run<'a> {
    arguments: &'a ChaosArguments,
    relay: Relay,
    crowd: Crowd,
    dice: StdRng,
    kills: u32,
    crashes: u32,
}

impl<'a> Run<'a> {
    fn start(
        arguments: &'a ChaosArguments,
        program: &Path,
        directory: &Path,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let relay = Relay::start(program, &directory.join("relay"))?;
        let place = directory.join("senders");
        std::fs::create_dir_all(&place)?;
        let crowd = Crowd::start(arguments, &relay, &place)?;
        Ok(Self { arguments, relay, crowd, dice: StdRng::seed_from_u64(seed), kills: 0, crashes: 0 })
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        self.crowd.until_all(Said::Ready, PATIENCE).await.context("the senders did not get ready")?;
        while self.kills < self.arguments.kills {
            self.crowd
                .until_acks(self.arguments.acks, PATIENCE)
                .await
                .context("nothing is acknowledged any more")?;
            let suspense = Duration::from_millis(self.dice.gen_range(0..SUSPENSE_MS));
            tokio::time::sleep(suspense).await;
            self.kill()?;
        }
        self.crowd
            .until_acks(self.arguments.acks, PATIENCE)
            .await
            .context("nothing is acknowledged any more")?;
        self.crowd.order("stop")?;
        self.crowd
            .until_all(Said::Drained, PATIENCE)
            .await
            .context("not all that was kept was acknowledged")?;
        self.crowd.order("finish")?;
        self.crowd.until_all(Said::Ended, PATIENCE).await.context("not all that is in the log was seen")
    }

    /// The relay, and now and then a process of senders in whatever it is doing, before, with or behind it.
    fn kill(&mut self) -> anyhow::Result<()> {
        self.kills += 1;
        let crash = self.arguments.crash_every > 0 && self.kills.is_multiple_of(self.arguments.crash_every);
        let victim = crash.then(|| self.dice.gen_range(0..self.arguments.processes));
        let before = self.dice.gen_bool(0.5);
        if let (Some(victim), true) = (victim, before) {
            self.crowd.crash(victim)?;
        }
        self.relay.kill()?;
        if let (Some(victim), false) = (victim, before) {
            self.crowd.crash(victim)?;
        }
        self.crashes += u32::from(crash);
        self.relay.restart()?;
        if self.kills.is_multiple_of(10) {
            table::say(&format!("{} kills, {} acks", self.kills, count(self.crowd.acks())));
        }
        Ok(())
    }
}

/// The notes of every life.
fn note_files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory.join("senders"))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "notes"))
        .collect())
}

fn report(findings: &Findings, totals: &process::Totals, kills: u32, crashes: u32, took: Duration) {
    let columns = [
        "kills",
        "senders killed",
        "entries",
        "acks",
        "views",
        "lost",
        "repeated",
        "reordered",
        "gaps",
        "refused",
        "resent",
        "s",
    ];
    let mut table = Table::new(&columns);
    let Findings { entries, acks, views, lost, repeated, reordered, gaps, refused } = findings;
    let found = [entries, acks, views, lost, repeated, reordered, gaps, refused, &totals.resent];
    let mut row = vec![kills.to_string(), crashes.to_string()];
    row.extend(found.map(|number| count(*number)));
    row.push(format!("{:.1}", took.as_secs_f64()));
    table.row(row);
    table.print("Chaos");
}
