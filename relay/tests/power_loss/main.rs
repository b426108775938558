//! The power goes while the relay writes: whatever was acknowledged is there when it comes back.
//!
//! Owns the seeds: each is a life of a database through several losses of power, kills and restarts on the disk of `disk`, under
//! the relay's own storage and writer. A failure prints its seed; `MECHAT_SEED` runs that one alone, `MECHAT_SEEDS` how many
//! of them `power_loss_at_length` tries.

mod disk;
mod shim;
mod workload;

use std::path::Path;
use std::sync::Arc;

use mechat_relay::storage::{
    SqliteOptions, SqliteStorage, Storage, StorageError, StorageWriter, Synchronous, Write,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rusqlite::{Connection, OpenFlags};

use disk::{Disk, Plan, Refusal};
use shim::Mounted;
use workload::{Broken, Told};

const DATABASE: &str = "mechat.db";
/// Losses of power, kills and restarts in the life of one database.
const LIVES: usize = 4;
/// Seeds of the usual test run.
const SEEDS: u64 = 200;

/// What a seed came to.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    acks: usize,
    /// Lives that ended in the middle of something.
    interrupted: usize,
}

fn options(synchronous: Synchronous, random: &mut StdRng) -> SqliteOptions {
    let vfs = Some(shim::VFS.to_str().expect("UTF-8").to_owned());
    // Few pages, so that checkpoints are many.
    SqliteOptions { vfs, synchronous, checkpoint_pages: Some(random.gen_range(4..200)), no_index: true }
}

/// One database from its making on.
async fn life(seed: u64, synchronous: Synchronous) -> Result<Seen, Broken> {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut told, mut seen) = (Told::default(), Seen::default());
    let mut disk = Disk::new(random.r#gen());
    for _ in 0..LIVES {
        disk.set_plan(plan(&mut random));
        let mounted = Mounted::new(&disk);
        let options = options(synchronous, &mut random);
        let result = work(&mounted.path(DATABASE), &options, &mut told, &mut random).await;
        seen.interrupted += usize::from(result.is_err());
        let seed = random.r#gen();
        disk = if random.gen_bool(0.15) { disk.after_kill(seed) } else { disk.after_power_loss(seed) };
        recovered(&disk, &options, &told).await?;
    }
    seen.acks = told.acks();
    Ok(seen)
}

/// Mostly a cut, early or late.
fn plan(random: &mut StdRng) -> Plan {
    let operation = 1 << random.gen_range(1..11);
    let operation = random.gen_range(operation / 2..=operation);
    if random.gen_bool(0.8) { Plan::CutAt(operation) } else { Plan::Calm }
}

/// Opens, writes, and ends, well or not.
async fn work(
    path: &Path,
    options: &SqliteOptions,
    told: &mut Told,
    random: &mut StdRng,
) -> Result<(), StorageError> {
    let storage = Arc::new(SqliteStorage::open_with(path, options)?);
    let mut writer = StorageWriter::start(Arc::clone(&storage) as Arc<dyn Storage>);
    if storage.load().await?.channels.is_empty() {
        let first = told.first_writes();
        commit(&mut writer, first, told).await?;
    }
    for _ in 0..random.gen_range(1..30) {
        let writes = (0..random.gen_range(1..12)).map(|_| told.write(random)).collect();
        commit(&mut writer, writes, told).await?;
    }
    if random.gen_bool(0.5) {
        storage.close().await?;
    }
    Ok(())
}

/// Submits writes, and notes their answers.
async fn commit(
    writer: &mut StorageWriter<Write>,
    writes: Vec<Write>,
    told: &mut Told,
) -> Result<(), StorageError> {
    writer.submit(&mut writes.into_iter().map(|write| (write.clone(), write)).collect());
    while writer.outstanding() > 0 {
        for (write, written) in writer.committed().await? {
            told.answered(&write, written);
        }
    }
    Ok(())
}

/// Opens what the power left, on a copy, and holds it against what was told.
async fn recovered(disk: &Disk, options: &SqliteOptions, told: &Told) -> Result<(), Broken> {
    let copy = disk.after_kill(0);
    let mounted = Mounted::new(&copy);
    let path = mounted.path(DATABASE);
    let storage = SqliteStorage::open_with(&path, options).map_err(|error| Broken(error.to_string()))?;
    told.check(&storage).await?;
    storage.close().await.map_err(|error| Broken(error.to_string()))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(&path, flags, shim::VFS).expect("opens");
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(|error| Broken(error.to_string()))?;
    if verdict == "ok" { Ok(()) } else { Err(Broken(verdict)) }
}

/// Runs seeds, all or until the first that breaks a promise.
async fn find_loss(
    seeds: impl Iterator<Item = u64>,
    synchronous: Synchronous,
) -> Result<Seen, (u64, Broken)> {
    let mut total = Seen::default();
    for seed in seeds {
        let seen = life(seed, synchronous).await.map_err(|broken| (seed, broken))?;
        total.acks += seen.acks;
        total.interrupted += seen.interrupted;
    }
    Ok(total)
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("MECHAT_SEED") {
        Ok(seed) => vec![seed.parse().expect("MECHAT_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_loss_of_power() {
    let seeds = seeds(SEEDS);
    let some = seeds.len() as u64 == SEEDS;
    match find_loss(seeds.into_iter(), Synchronous::Full).await {
        Ok(seen) => {
            assert!(
                !some || (seen.acks > 20_000 && seen.interrupted > 200),
                "too little was tried: {seen:?}"
            );
        }
        Err((seed, Broken(why))) => panic!("MECHAT_SEED={seed}: {why}"),
    }
}

/// The same with as many seeds as one likes; `cargo xtask power-loss` runs it.
#[tokio::test]
#[ignore = "takes as long as one likes"]
#[expect(clippy::print_stderr, reason = "how much was tried is for whoever asked")]
async fn power_loss_at_length() {
    let count =
        std::env::var("MECHAT_SEEDS").map_or(1_000, |count| count.parse().expect("MECHAT_SEEDS is a number"));
    match find_loss(seeds(count).into_iter(), Synchronous::Full).await {
        Ok(Seen { acks, interrupted }) => {
            eprintln!("{count} seeds, {acks} acknowledged writes, {interrupted} cut in the middle, 0 lost");
        }
        Err((seed, Broken(why))) => panic!("MECHAT_SEED={seed}: {why}"),
    }
}

/// The disk is cruel enough to show what `synchronous=FULL` is for.
#[tokio::test]
async fn without_a_sync_for_each_commit_acknowledged_writes_are_lost() {
    let found = find_loss(0..SEEDS, Synchronous::Normal).await;
    let (_, Broken(why)) = found.expect_err("the disk loses what is not synced");
    assert!(why.contains("gone") || why.contains("lost"), "{why}");
}

/// No space, or a device that fails, once: nothing of that batch is acknowledged, nothing is tried again.
async fn failure(seed: u64, refusal: Refusal) -> Result<bool, Broken> {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut told, disk) = (Told::default(), Disk::new(random.r#gen()));
    let mounted = Mounted::new(&disk);
    let options = options(Synchronous::Full, &mut random);
    disk.set_plan(Plan::FailAt(random.gen_range(60..600), refusal));
    let storage =
        SqliteStorage::open_with(&mounted.path(DATABASE), &options).expect("opens before the failure");
    let storage = Arc::new(storage);
    let mut writer = StorageWriter::start(Arc::clone(&storage) as Arc<dyn Storage>);
    let first = told.first_writes();
    let mut failed = commit(&mut writer, first, &mut told).await.is_err();
    for _ in 0..60 {
        if !failed {
            let writes = (0..random.gen_range(1..12)).map(|_| told.write(&mut random)).collect();
            failed = commit(&mut writer, writes, &mut told).await.is_err();
        }
    }
    if failed {
        let before = disk.operations();
        let refused = storage.commit(vec![told.write(&mut random)]).await;
        assert!(refused.is_err(), "after a failure nothing is committed");
        storage.close().await.map_err(|error| Broken(error.to_string()))?;
        assert_eq!(
            disk.operations(),
            before,
            "nothing is written or synced after a failure, not even by the close"
        );
    }
    for (what, disk) in [("a kill", disk.after_kill(seed)), ("a loss of power", disk.after_power_loss(seed))]
    {
        let kept = recovered(&disk, &options, &told).await;
        kept.map_err(|Broken(why)| Broken(format!("after {what}: {why}")))?;
    }
    Ok(failed)
}

#[tokio::test]
async fn a_full_or_failing_disk_makes_no_false_acknowledgement() {
    for refusal in [Refusal::Full, Refusal::Io] {
        let mut failed = 0;
        for seed in seeds(SEEDS / 2) {
            match failure(seed, refusal).await {
                Ok(one_failed) => failed += u64::from(one_failed),
                Err(Broken(why)) => panic!("MECHAT_SEED={seed} {refusal:?}: {why}"),
            }
        }
        assert!(
            failed > SEEDS / 8 || std::env::var_os("MECHAT_SEED").is_some(),
            "only {failed} failures of {refusal:?}"
        );
    }
}
