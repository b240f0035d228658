//! Servers and Sentinels under random faults, and what the oracle says if one of them cheats.

use replab::sim::chaos::Fault;
use replab::sim::trial::failover::{Setting, failover_trial, faults_of, run};
use replab::sim::trial::traitor::Treason;
use replab::world::{LinkPolicy, NodeId};

/// Seeds tried on every run; `SIM_SEEDS=1000` tries more.
const SEEDS: u64 = 40;

#[test]
fn sentinels_under_random_faults_break_no_rule_and_replace_their_primary_in_time() {
    let seeds = std::env::var("SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let threads: Vec<_> = (0..2)
        .map(|part| {
            std::thread::spawn(move || {
                let seeds = (part..seeds).step_by(2);
                seeds.filter_map(|seed| failover_trial(seed).err()).collect::<Vec<_>>()
            })
        })
        .collect();
    let failures: Vec<_> = threads.into_iter().flat_map(|t| t.join().expect("ends")).collect();
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(texts.is_empty(), "{}", texts.join("\n"));
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..3 {
        let (setting, faults) = (Setting::of(seed), faults_of(seed));
        assert_eq!(run(seed, &setting, &faults), run(seed, &setting, &faults));
        assert_ne!(run(seed, &setting, &faults), run(seed + 1, &setting, &faults));
    }
}

/// The first complaint about a traitor, in trials that begin with a seed.
fn complaint(treason: Treason, seed: u64) -> String {
    for seed in seed..seed + 100 {
        let setting = Setting { treason: Some(treason), ..Setting::of(seed) };
        if let Err(what) = run(seed, &setting, &faults_of(seed)) {
            return what;
        }
    }
    panic!("nobody noticed {treason:?}");
}

#[test]
fn every_traitor_is_found_out() {
    for (treason, seed, expected) in [
        (Treason::VotesForAll, 106, "one vote per epoch"),
        (Treason::ForgetsVotes, 1, "before it is saved"),
        (Treason::ForgetsEpochs, 0, "before they are saved"),
        (Treason::TellsUnsaved, 15, "before they are saved"),
        (Treason::CriesWolf, 15, "one promotion per cause"),
        (Treason::StaysPrimary, 4, "not in sync"),
        (Treason::StaysReplica, 0, "not other primaries"),
    ] {
        let what = complaint(treason, seed);
        assert!(what.contains(expected), "{treason:?}: {what}");
    }
}

#[test]
fn a_primary_that_is_lost_in_the_midst_of_a_trial_is_missed() {
    let (begin, end) = (20_000, 40_000);
    let isle = NodeId(0);
    let killed = vec![(begin, Fault::Kill(isle)), (end, Fault::Start(isle))];
    let paused = vec![(begin, Fault::Pause(isle)), (end, Fault::Resume(isle))];
    let policy = LinkPolicy { cut: true, ..LinkPolicy::default() };
    let cut = |(from, to)| (begin, Fault::Link { from, to, policy });
    let ways = (1..5).map(NodeId).flat_map(|other| [(isle, other), (other, isle)]);
    let cut_off: Vec<_> = ways.map(cut).collect();
    let pair =
        Setting { servers: 2, others: 0, sentinels: 3, quorum: 2, slow: 0, ..Setting::of(0) };
    for faults in [killed, paused, cut_off] {
        // In some of these worlds the replica is the one that never becomes primary.
        let lazy = Setting { treason: Some(Treason::StaysReplica), ..pair.clone() };
        let complaints: Vec<_> =
            (0..8).filter_map(|seed| run(seed, &lazy, &faults).err()).collect();
        let missed = complaints.iter().filter(|what| what.contains("node 0, lost at 20000 ms"));
        assert!(missed.count() > 0, "{complaints:?}");
    }
}
