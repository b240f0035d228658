//! Random faults.

use replab::sim::trial::{chain_trial, faults_of, run};

/// Seeds tried on every run; `SIM_SEEDS=1000` tries more.
const SEEDS: u64 = 100;

#[test]
fn chains_under_random_faults_end_in_sync() {
    let seeds = std::env::var("SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let threads: Vec<_> = (0..2)
        .map(|part| {
            std::thread::spawn(move || {
                let seeds = (part..seeds).step_by(2);
                seeds.filter_map(|seed| chain_trial(seed).err()).collect::<Vec<_>>()
            })
        })
        .collect();
    let failures: Vec<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(texts.is_empty(), "{}", texts.join("\n"));
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..3 {
        let faults = faults_of(seed);
        assert_eq!(run(seed, &faults), run(seed, &faults));
        assert_ne!(run(seed, &faults), run(seed + 1, &faults));
    }
}
