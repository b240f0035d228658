//! Servers in a simulated world, clients that ask them, and the oracle that watches.

use std::collections::HashMap;
use std::sync::Arc;

use replab::machine::{Endpoint, Fact, FullSyncReason, Machine, ServerView};
use replab::resp::{command, read_answer};
use replab::server::{Config, Server};
use replab::sim::SimWorld;
use replab::sim::check::Oracle;
use replab::world::{Birth, ClientId, LinkPolicy, NodeId, NodeSpec, World, WorldEvent};

pub struct Lab {
    pub world: SimWorld,
    pub facts: Vec<(NodeId, Fact)>,
    pub exits: Vec<NodeId>,
    oracle: Oracle,
    received: HashMap<ClientId, Vec<u8>>,
    clients: HashMap<NodeId, ClientId>,
}

impl Lab {
    pub fn new(seed: u64) -> Self {
        Self {
            world: SimWorld::new(seed),
            facts: Vec::new(),
            exits: Vec::new(),
            oracle: Oracle::new(),
            received: HashMap::new(),
            clients: HashMap::new(),
        }
    }

    /// A started server: quick to begin a full sync and without a snapshot file, unless `change`
    /// says otherwise.
    pub fn server(&mut self, primary: Option<NodeId>, change: impl Fn(&mut Config)) -> NodeId {
        let mut config = Config {
            repl_diskless_sync_delay: 0,
            save: Vec::new(),
            replicaof: primary.map(|node| Endpoint::new("127.0.0.1", self.world.port(node))),
            ..Config::default()
        };
        change(&mut config);
        let oracle = self.oracle.clone();
        let build = Arc::new(move |birth: Birth| -> Box<dyn Machine> {
            oracle.watch(Server::new(config.clone(), birth.port, birth.seed), birth.port)
        });
        let spec = NodeSpec { name: String::new(), port: 0, dir: None, build };
        let node = self.world.add(spec).unwrap();
        self.start(node);
        node
    }

    /// Starts a node and waits until it has loaded what it had.
    pub fn start(&mut self, node: NodeId) {
        let known = self.facts.len();
        self.world.start(node).unwrap();
        let is_ready =
            |fact: &(NodeId, Fact)| fact.0 == node && matches!(fact.1, Fact::Ready { .. });
        for _ in 0..60_000 {
            if self.facts[known..].iter().any(is_ready) {
                return;
            }
            self.run(1);
        }
        panic!("not ready within a minute");
    }

    pub fn view(&self, node: NodeId) -> ServerView {
        let view = self.world.view(node).expect("the node runs");
        view.server().expect("a data node").clone()
    }

    pub fn run(&mut self, ms: u64) {
        let until = self.world.now().mono + ms;
        while let Some(event) = self.world.poll(until) {
            match event {
                WorldEvent::ClientReceived { client, data } => {
                    self.received.entry(client).or_default().extend_from_slice(&data);
                }
                WorldEvent::ClientClosed { client, .. } => {
                    self.clients.retain(|_, known| *known != client);
                }
                WorldEvent::Fact { node, fact } => self.facts.push((node, fact)),
                WorldEvent::Exited { node, .. } => self.exits.push(node),
                _ => {}
            }
        }
        assert_eq!(self.oracle.violation(), None);
    }

    /// Lets time pass until something holds.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..1200 {
            if holds(self) {
                return;
            }
            self.run(50);
        }
        panic!("not within a minute: {what}; {:#?}", self.facts);
    }

    /// Lets time pass until these nodes are one tree in sync.
    pub fn sync(&mut self, nodes: &[NodeId]) {
        for _ in 0..1200 {
            if self.oracle.in_sync(&self.world, nodes).is_ok() {
                return self.oracle.compare_data();
            }
            self.run(50);
        }
        let why = self.oracle.in_sync(&self.world, nodes);
        panic!("not in sync within a minute: {why:?}; {:#?}", self.facts);
    }

    /// Sends a line of words over the lab's connection to a node.
    pub fn say(&mut self, node: NodeId, line: &str) -> ClientId {
        let world = &mut self.world;
        let client = *self.clients.entry(node).or_insert_with(|| world.connect(node));
        world.send(client, command(&line.split(' ').collect::<Vec<_>>()));
        client
    }

    /// The next answer that came for a client, as redis-cli prints it.
    pub fn answer(&mut self, client: ClientId) -> Option<String> {
        let data = self.received.entry(client).or_default();
        let (answer, taken) = read_answer(data).expect("well-formed")?;
        data.drain(..taken);
        Some(answer.to_string())
    }

    /// Sends a line of words and waits for the answer.
    pub fn ask(&mut self, node: NodeId, line: &str) -> String {
        let client = self.say(node, line);
        for _ in 0..60_000 {
            if let Some(answer) = self.answer(client) {
                return answer;
            }
            self.run(1);
        }
        panic!("no answer to {line}");
    }

    /// So many writes of so many bytes each.
    pub fn fill(&mut self, node: NodeId, writes: usize, bytes: usize) {
        for index in 0..writes {
            let line = format!("SET key{index} {}", "x".repeat(bytes));
            assert_eq!(self.ask(node, &line), "OK");
        }
    }

    pub fn cut(&mut self, a: NodeId, b: NodeId) {
        self.link(a, b, LinkPolicy { cut: true, ..LinkPolicy::default() });
    }

    pub fn heal(&mut self, a: NodeId, b: NodeId) {
        self.link(a, b, LinkPolicy::default());
    }

    pub fn link(&mut self, a: NodeId, b: NodeId, policy: LinkPolicy) {
        self.world.set_link(a, b, policy);
        self.world.set_link(b, a, policy);
    }

    pub fn follow(&mut self, node: NodeId, primary: NodeId) {
        let port = self.world.port(primary);
        assert_eq!(self.ask(node, &format!("REPLICAOF 127.0.0.1 {port}")), "OK");
    }

    /// Full and partial syncs served by a node in its present life.
    pub fn served(&self, node: NodeId) -> (u64, u64) {
        let view = self.view(node);
        (view.sync_full, view.sync_partial_ok)
    }

    /// Why a node served its last full sync.
    pub fn last_reason(&self, node: NodeId) -> FullSyncReason {
        let mut reasons = self.facts.iter().rev().filter_map(|(at, fact)| match fact {
            Fact::FullSyncServed { reason, .. } if *at == node => Some(reason.clone()),
            _ => None,
        });
        reasons.next().expect("a full sync")
    }

    /// Whether the last partial sync that a node served was asked for by the previous name.
    pub fn last_was_by_previous_id(&self, node: NodeId) -> bool {
        let mut partial = self.facts.iter().rev().filter_map(|(at, fact)| match fact {
            Fact::PartialSyncServed { by_previous_id, .. } if *at == node => Some(*by_previous_id),
            _ => None,
        });
        partial.next().expect("a partial sync")
    }
}

pub fn plain(_: &mut Config) {}

/// Saves on shutdown and by itself after a second.
pub fn saving(config: &mut Config) {
    config.save = vec![(1, 1)];
}
