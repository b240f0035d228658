//! A hundred primaries watched by three Sentinels fail at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use replab::machine::{Endpoint, Fact, Machine};
use replab::sentinel::{self, Sentinel};
use replab::server::{Config, Server};
use replab::sim::SimWorld;
use replab::world::{Birth, NodeId, NodeSpec, World, WorldEvent};

const PRIMARIES: usize = 100;

/// `down-after-milliseconds`
const D: u64 = 1000;

/// What a Sentinel did about each primary: when it stood for election, when it switched.
#[derive(Default)]
struct Deeds {
    tries: BTreeMap<String, Vec<u64>>,
    switches: BTreeMap<(NodeId, String), Vec<u64>>,
}

fn add(world: &mut SimWorld, build: replab::world::Factory) -> NodeId {
    let spec = NodeSpec { name: String::new(), port: 0, dir: None, build };
    let node = world.add(spec).expect("a port");
    world.start(node).expect("starts");
    node
}

fn server(world: &mut SimWorld, primary: Option<NodeId>) -> NodeId {
    let config = Config {
        save: Vec::new(),
        repl_diskless_sync_delay: 0,
        replicaof: primary.map(|node| Endpoint::new("127.0.0.1", world.port(node))),
        ..Config::default()
    };
    let build = Arc::new(move |birth: Birth| {
        Box::new(Server::new(config.clone(), birth.port, birth.seed)) as Box<dyn Machine>
    });
    add(world, build)
}

fn sentinel(world: &mut SimWorld, primaries: &[NodeId]) -> NodeId {
    let mut text = String::new();
    for (index, node) in primaries.iter().enumerate() {
        let port = world.port(*node);
        text.push_str(&format!(
            "sentinel monitor m{index} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds m{index} {D}\n"
        ));
    }
    let config = sentinel::Config::parse(&text).expect("a good file");
    let build = Arc::new(move |birth: Birth| {
        Box::new(Sentinel::new(config.clone(), birth.port, birth.seed)) as Box<dyn Machine>
    });
    add(world, build)
}

fn run(world: &mut SimWorld, ms: u64) -> Deeds {
    let mut deeds = Deeds::default();
    let until = world.now().mono + ms;
    while let Some(event) = world.poll(until) {
        let at = world.now().mono;
        match event {
            WorldEvent::Fact { node, fact: Fact::Sentinel { event, monitor, .. } } => {
                let name = monitor.unwrap_or_default();
                match event {
                    "+try-failover" => deeds.tries.entry(name).or_default().push(at),
                    "+switch-master" => {
                        deeds.switches.entry((node, name)).or_default().push(at);
                    }
                    _ => {}
                }
            }
            WorldEvent::Exited { node, exit } => panic!("{node:?} ended: {exit:?}"),
            _ => {}
        }
    }
    deeds
}

#[test]
fn a_hundred_primaries_killed_at_once_are_all_replaced_in_one_attempt_each() {
    let mut world = SimWorld::new(1);
    let primaries: Vec<_> = (0..PRIMARIES).map(|_| server(&mut world, None)).collect();
    for primary in &primaries {
        server(&mut world, Some(*primary));
    }
    let sentinels: Vec<_> = (0..3).map(|_| sentinel(&mut world, &primaries)).collect();
    // Replicas that came after the first INFO are known after the second.
    run(&mut world, 12_000);
    let killed = world.now().mono;
    for primary in primaries {
        world.kill(primary);
    }
    let deeds = run(&mut world, D + 2000);
    assert_eq!(deeds.switches.len(), PRIMARIES * sentinels.len());
    for ((node, name), at) in &deeds.switches {
        assert_eq!(at.len(), 1, "{name} at {node:?}");
        assert!(at[0] - killed <= D + 2000, "{name} at {node:?}: {} ms", at[0] - killed);
    }
    let retried: Vec<_> = deeds.tries.iter().filter(|(_, tries)| tries.len() > 1).collect();
    assert!(retried.is_empty(), "{retried:?}");
}
