//! Replaying runs and shrinking faults.

use super::{dial, echo, listen, node, pass, say};
use crate::machine::Millis;
use crate::sim::{SimWorld, chaos, shrink};
use crate::world::{NodeId, World};

/// Chatter among three nodes under seeded faults; returns the trace.
fn chaotic_run(world_seed: u64, chaos_seed: u64) -> u64 {
    let mut world = SimWorld::new(world_seed);
    let (hub, _) = node(&mut world, 0, echo);
    let port = world.port(hub);
    let (left, _) = node(&mut world, port, dial);
    let (right, _) = node(&mut world, port, dial);
    let clients = [left, right].map(|node| world.connect(node));
    for (at, fault) in chaos::generate(chaos_seed, 3, 10, 20_000) {
        while world.now().mono < at {
            for client in clients {
                say(&mut world, client, "some words to and fro");
            }
            let step = (at - world.now().mono).min(100);
            pass(&mut world, step);
        }
        chaos::apply(&mut world, &fault).unwrap();
    }
    pass(&mut world, 1000);
    world.trace_hash()
}

#[test]
fn equal_seeds_give_equal_traces_and_other_seeds_other_ones() {
    for seed in 0..20 {
        assert_eq!(chaotic_run(seed, seed), chaotic_run(seed, seed));
        assert_ne!(chaotic_run(seed, seed), chaotic_run(seed + 1, seed));
        assert_ne!(chaotic_run(seed, seed), chaotic_run(seed, seed + 1));
    }
}

#[test]
fn a_failing_list_of_faults_shrinks_to_the_one_that_matters() {
    let faults = chaos::generate(9, 3, 20, 20_000);
    let restarts = |list: &[(Millis, chaos::Fault)]| {
        let mut world = SimWorld::new(1);
        for _ in 0..3 {
            node(&mut world, 0, listen);
        }
        for (at, fault) in list {
            while world.poll(*at).is_some() {}
            chaos::apply(&mut world, fault).unwrap();
        }
        world.nodes[0].lives > 1
    };
    assert!(restarts(&faults));
    let short = shrink::shrink(&faults, restarts);
    assert!(matches!(
        short[..],
        [
            (_, chaos::Fault::Kill(NodeId(0)) | chaos::Fault::PowerLoss(NodeId(0))),
            (_, chaos::Fault::Start(NodeId(0)))
        ]
    ));
}
