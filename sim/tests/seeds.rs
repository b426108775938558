//! Runs by seed: the same seed is the same run, a whole tree breaks nothing, and a broken promise is found.

use mechat_sim::{Counts, Detail, Mutation, hunt, run};

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..6 {
        let (one, again) = (run(seed, None, Detail::Hash), run(seed, None, Detail::Hash));
        assert_eq!((one.hash, one.counts), (again.hash, again.counts), "seed {seed}");
        assert_ne!(one.hash, run(seed + 1, None, Detail::Hash).hash, "another seed is another run");
    }
}

#[test]
fn what_is_noted_changes_nothing() {
    let run_of = |detail| run(6, None, detail);
    let (silent, last, all) = (run_of(Detail::Nothing), run_of(Detail::LastLines), run_of(Detail::AllLines));
    assert_eq!((silent.counts, last.counts), (all.counts, all.counts));
    assert_eq!(last.hash, all.hash);
    assert!(silent.lines.is_empty());
    assert!(last.lines.len() < all.lines.len() && all.lines.ends_with(&last.lines));
}

#[test]
fn some_seeds_find_nothing_and_are_not_idle() {
    let hunt = hunt(0, 30, None);
    assert!(hunt.found.is_none(), "{:?}", hunt.found);
    let Counts { faults, acks, applied, lags, relays, .. } = hunt.counts;
    assert!(faults > 100 && acks > 1_000 && applied > acks, "{:?}", hunt.counts);
    assert!(lags > 20 && relays > 40, "{:?}", hunt.counts);
}

/// The name of the invariant that is seen broken.
fn found(mutation: Mutation) -> &'static str {
    let hunt = hunt(0, 2_000, Some(mutation));
    hunt.found
        .unwrap_or_else(|| panic!("{} was not found in {} seeds", mutation.name(), hunt.runs))
        .violation
        .invariant
}

#[test]
fn an_ack_before_the_commit_is_found() {
    assert!(found(Mutation::AckBeforeCommit).starts_with("I1"));
}

#[test]
fn a_storage_that_knows_no_nonce_is_found() {
    assert!(found(Mutation::SkipDedup).starts_with("I2"));
}

#[test]
fn a_feed_that_starts_behind_the_heads_is_found() {
    assert!(found(Mutation::DropSpliceLock).starts_with("I4"));
}

#[test]
fn entries_dropped_without_a_word_are_found() {
    assert!(found(Mutation::DropLagged).starts_with("I4"));
}

#[test]
fn a_feed_that_does_not_end_is_found() {
    let invariant = found(Mutation::SkipUnsubscribe);
    assert!(["only members get entries", "nothing leaks"].contains(&invariant), "{invariant}");
}

#[test]
fn a_gap_that_is_skipped_in_silence_is_found() {
    assert_eq!(found(Mutation::HideSkipped), "I3: entries follow one another");
}

#[test]
fn an_amendment_that_leaves_its_message_as_it_was_is_found() {
    assert!(found(Mutation::SkipAmend).starts_with("I3"));
}

#[cfg(feature = "mutations")]
#[test]
fn a_client_that_passes_over_gaps_is_found() {
    assert!(found(Mutation::SkipGapCheck).starts_with("I3"));
}
