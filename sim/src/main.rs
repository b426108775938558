//! The program: hunts over seeds, replays one, or shows that each mutation is found.
#![expect(clippy::print_stdout, reason = "this program's results are for people to read")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use mechat_sim::{Counts, Detail, Mutation, Run, hunt, run};

/// MeChat in simulation: by seed, against a reference model.
#[derive(Debug, Parser)]
#[command(name = "mechat-sim", disable_version_flag = true)]
struct Arguments {
    /// How many seeds are run.
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    seeds: u64,
    /// Replays this seed alone and prints its trace.
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The first seed of a hunt.
    #[arg(long, default_value_t = 0, value_name = "S")]
    first: u64,
    /// Breaks a promise on purpose.
    #[arg(long, value_name = "NAME")]
    mutation: Option<Mutation>,
    /// Breaks each promise on purpose in turn; fails unless each is found within the seeds.
    #[arg(long, conflicts_with = "mutation")]
    mutations: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let good = match arguments.seed {
        Some(seed) => replay(seed, arguments.mutation),
        None if arguments.mutations => {
            let missed = Mutation::ALL.iter().filter(|mutation| !is_found(**mutation, &arguments)).count();
            missed == 0
        }
        None => finds_nothing(&arguments),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64, mutation: Option<Mutation>) -> bool {
    let run = run(seed, mutation, Detail::AllLines);
    show(seed, &run);
    run.violation.is_none()
}

fn show(seed: u64, run: &Run) {
    for line in &run.lines {
        println!("{line}");
    }
    match &run.violation {
        Some(violation) => {
            println!("seed {seed}, step {}: broken: {}", run.counts.steps, violation.invariant);
            println!("  {}", violation.seen);
        }
        None => println!("seed {seed}: nothing found; trace {:016x}; {:?}", run.hash, run.counts),
    }
}

fn finds_nothing(arguments: &Arguments) -> bool {
    let began = Instant::now();
    let hunt = hunt(arguments.first, arguments.seeds, arguments.mutation);
    tell(hunt.runs, &hunt.counts, began);
    let Some(found) = hunt.found else {
        println!("nothing found");
        return true;
    };
    show(found.seed, &run(found.seed, arguments.mutation, Detail::LastLines));
    println!("replay: cargo xtask sim --seed {}", found.seed);
    false
}

fn is_found(mutation: Mutation, arguments: &Arguments) -> bool {
    let hunt = hunt(arguments.first, arguments.seeds, Some(mutation));
    let name = mutation.name();
    let line = hunt.found.as_ref().map_or_else(
        || format!("NOT FOUND in {} seeds", hunt.runs),
        |found| format!("found at seed {}: {}", found.seed, found.violation.invariant),
    );
    println!("{name:<20} {line}");
    hunt.found.is_some()
}

fn tell(runs: u64, counts: &Counts, began: Instant) {
    let Counts { steps, faults, said, entries, acks, applied, lags, relays } = counts;
    println!(
        "{runs} seeds in {:.1} s: {steps} steps, {faults} faults, {relays} relays",
        began.elapsed().as_secs_f64()
    );
    println!("{said} said, {entries} committed, {acks} acknowledged, {applied} applied, {lags} lags");
}
