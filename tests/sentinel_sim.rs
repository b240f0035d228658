//! Sentinels and real servers in the simulated world: who agrees, who leads, who is promoted.

use std::collections::HashMap;
use std::sync::Arc;

use replab::machine::{Fact, Machine, Role, SentinelView, ServerView};
use replab::resp::{Answer, command, read_answer};
use replab::sentinel::{self, Sentinel};
use replab::server::{Config, Server};
use replab::sim::SimWorld;
use replab::world::{Birth, ClientId, LinkPolicy, NodeId, NodeSpec, World, WorldEvent};

/// `down-after-milliseconds` of most tests.
const D: u64 = 1000;

/// An event of a Sentinel: when, whose, and its words.
#[derive(Debug, Clone)]
struct Happened {
    at: u64,
    node: NodeId,
    event: String,
    text: String,
}

/// A primary, its replicas and the Sentinels that watch it.
struct Lab {
    world: SimWorld,
    servers: Vec<NodeId>,
    sentinels: Vec<NodeId>,
    happened: Vec<Happened>,
    received: HashMap<ClientId, Vec<u8>>,
}

impl Lab {
    fn new(seed: u64, servers: usize, sentinels: usize, more: &[&str]) -> Self {
        let mut lab = Self {
            world: SimWorld::new(seed),
            servers: Vec::new(),
            sentinels: Vec::new(),
            happened: Vec::new(),
            received: HashMap::new(),
        };
        for index in 0..servers {
            let node = lab.server(index);
            lab.servers.push(node);
        }
        let quorum = sentinels / 2 + 1;
        for index in 0..sentinels {
            let node = lab.sentinel(index, quorum, more);
            lab.sentinels.push(node);
        }
        lab.run(12_000);
        lab
    }

    fn server(&mut self, index: usize) -> NodeId {
        let mut directives = vec![("repl-diskless-sync-delay".to_owned(), "0".to_owned())];
        if let Some(primary) = self.servers.first() {
            let port = self.world.port(*primary);
            directives.push(("replicaof".to_owned(), format!("127.0.0.1 {port}")));
        }
        let config = Config::from_directives(&directives).expect("directives are right");
        let build = Arc::new(move |birth: Birth| {
            Box::new(Server::new(config.clone(), birth.port, birth.seed)) as Box<dyn Machine>
        });
        self.add(format!("n{index}"), build)
    }

    fn sentinel(&mut self, index: usize, quorum: usize, more: &[&str]) -> NodeId {
        let port = self.world.port(self.servers[0]);
        let mut text = format!(
            "sentinel monitor mm 127.0.0.1 {port} {quorum}\n\
             sentinel down-after-milliseconds mm {D}\nsentinel failover-timeout mm 60000\n"
        );
        more.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        let config = sentinel::Config::parse(&text).expect("a good file");
        let build = Arc::new(move |birth: Birth| {
            Box::new(Sentinel::new(config.clone(), birth.port, birth.seed)) as Box<dyn Machine>
        });
        self.add(format!("s{index}"), build)
    }

    fn add(&mut self, name: String, build: replab::world::Factory) -> NodeId {
        let node = self.world.add(NodeSpec { name, port: 0, dir: None, build }).expect("a port");
        self.world.start(node).expect("starts");
        node
    }

    fn run(&mut self, ms: u64) {
        let until = self.world.now().mono + ms;
        while let Some(event) = self.world.poll(until) {
            match event {
                WorldEvent::Fact { node, fact: Fact::Sentinel { event, text, .. } } => {
                    let at = self.world.now().mono;
                    self.happened.push(Happened { at, node, event: event.to_owned(), text });
                }
                WorldEvent::ClientReceived { client, data } => {
                    self.received.entry(client).or_default().extend_from_slice(&data);
                }
                WorldEvent::Exited { node, exit } => panic!("{node:?} ended: {exit:?}"),
                _ => {}
            }
        }
    }

    fn until(&mut self, what: &str, within: u64, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = self.world.now().mono + within;
        while !holds(self) {
            if self.world.now().mono >= deadline {
                self.tell();
                panic!("not within {within} ms: {what}");
            }
            self.run(10);
        }
    }

    fn tell(&self) {
        for h in &self.happened {
            eprintln!("{} {:?} {} {}", h.at, h.node, h.event, h.text);
        }
    }

    fn now(&self) -> u64 {
        self.world.now().mono
    }

    fn data(&self, node: NodeId) -> Option<ServerView> {
        self.world.view(node).and_then(|view| view.server().cloned())
    }

    fn beliefs(&self, node: NodeId) -> Option<SentinelView> {
        self.world.view(node).and_then(|view| view.sentinel().cloned())
    }

    /// Events of one kind since a time.
    fn since(&self, at: u64, event: &str) -> Vec<Happened> {
        self.happened.iter().filter(|h| h.at >= at && h.event == event).cloned().collect()
    }

    /// The port that all these Sentinels name, if they agree.
    fn agreed(&self, sentinels: &[NodeId]) -> Option<u16> {
        let mut ports = sentinels
            .iter()
            .map(|node| self.beliefs(*node).map(|view| view.monitors[0].watched.port));
        let first = ports.next()??;
        ports.all(|port| port == Some(first)).then_some(first)
    }

    fn all_switched(&self, sentinels: &[NodeId], from: NodeId) -> bool {
        self.agreed(sentinels).is_some_and(|port| port != self.world.port(from))
    }

    fn at_port(&self, port: u16) -> NodeId {
        let fits = |node: &&NodeId| self.world.port(**node) == port;
        *self.servers.iter().find(fits).expect("a server is there")
    }

    fn cut(&mut self, side: &[NodeId], other: &[NodeId], cut: bool) {
        for a in side {
            for b in other {
                let policy = LinkPolicy { cut, ..LinkPolicy::default() };
                self.world.set_link(*a, *b, policy);
                self.world.set_link(*b, *a, policy);
            }
        }
    }

    fn ask(&mut self, client: ClientId, words: &[&str]) -> Answer {
        self.world.send(client, command(words));
        for _ in 0..1000 {
            self.run(5);
            let data = self.received.entry(client).or_default();
            if let Some((answer, taken)) = read_answer(data).expect("well-formed") {
                data.drain(..taken);
                return answer;
            }
        }
        panic!("no answer to {words:?}");
    }
}

#[test]
fn sentinels_find_each_other_and_the_replicas() {
    let lab = Lab::new(1, 3, 3, &[]);
    for node in &lab.sentinels {
        let m = lab.beliefs(*node).expect("runs").monitors[0].clone();
        assert_eq!((m.replicas.len(), m.peers.len()), (2, 2));
        assert!(m.sdown_ms.is_none() && m.replicas.iter().all(|r| r.excluded.is_none()));
    }
}

#[test]
fn a_killed_primary_is_replaced_within_100_ms_after_down_after() {
    for seed in 0..20 {
        let mut lab = Lab::new(seed, 3, 3, &[]);
        let (alpha, killed) = (lab.servers[0], lab.now());
        lab.world.kill(alpha);
        let sentinels = lab.sentinels.clone();
        lab.until("all switched", 5000, |lab| lab.all_switched(&sentinels, alpha));
        let switches = lab.since(killed, "+switch-master");
        assert_eq!(switches.len(), 3, "seed {seed}");
        let last = switches.iter().map(|h| h.at - killed).max().expect("three");
        if last > D + 100 {
            lab.tell();
        }
        assert!(last <= D + 100, "seed {seed}: {last} ms");
        let promoted = lab.at_port(lab.agreed(&sentinels).expect("agreed"));
        assert_eq!(lab.data(promoted).expect("runs").role, Role::Primary);
    }
}
