//! Whatever comes from outside is read or refused: it does not panic, does not take a second, does
//! not take more memory than twice its bytes and 16 MiB, and what was accepted can be used.
//!
//! Inputs are real files and real talk, changed by seeded dice (`fuzz/shape.rs`, `fuzz/mutate.rs`).
//! `REPLAB_FUZZ_TARGET` names one target, `REPLAB_FUZZ_CASES` says how many cases of each,
//! `REPLAB_FUZZ_SEED` which others than those of every run, and `REPLAB_FUZZ_CASE` replays one.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "fuzz/bench.rs"]
mod bench;
#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/found.rs"]
mod found;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/run.rs"]
mod run;
#[path = "kit/setting.rs"]
mod setting;
#[path = "fuzz/shape.rs"]
mod shape;
#[path = "fuzz/targets.rs"]
mod targets;
#[path = "fuzz/uses.rs"]
mod uses;

use std::time::Instant;

use self::setting::setting;

#[test]
fn whatever_comes_is_read_or_refused() {
    let seed = setting("REPLAB_FUZZ_SEED").unwrap_or(1);
    let count = setting("REPLAB_FUZZ_CASES").unwrap_or(300);
    let cases = setting("REPLAB_FUZZ_CASE").map_or(0..count, |case| case..case + 1);
    let wanted = std::env::var("REPLAB_FUZZ_TARGET").ok();
    let mut targets = targets::all();
    targets.retain(|target| wanted.as_ref().is_none_or(|wanted| *wanted == target.name));
    assert!(!targets.is_empty(), "there is no target {wanted:?}");
    let mut failures = Vec::new();
    for target in &targets {
        let began = Instant::now();
        let (figures, failed) = run::run(target, seed, cases.clone());
        println!("{:>14} in {:>6.1?}: {figures:?}", target.name, began.elapsed());
        failures.extend(failed);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_nobody_changed_is_accepted() {
    for target in targets::all() {
        for seed in &target.seeds {
            assert!((target.read)(seed), "{}: b\"{}\"", target.name, seed.escape_ascii());
        }
    }
}

#[test]
fn what_was_found_once_stays_mended() {
    let targets = targets::all();
    for (name, input) in found::inputs() {
        let target = targets.iter().find(|target| target.name == name).expect("a target");
        let failure = run::failure(target, &input);
        assert_eq!(failure, None, "{name}: b\"{}\"", input[..input.len().min(200)].escape_ascii());
    }
}
