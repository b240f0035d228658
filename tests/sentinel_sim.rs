//! Sentinels and real servers in the simulated world: who agrees, who leads, who is promoted.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;

use replab::machine::{Fact, Machine, Role, SentinelView, ServerView};
use replab::resp::{Answer, command, read_answer};
use replab::sentinel::{self, Sentinel};
use replab::server::{Config, Server};
use replab::sim::SimWorld;
use replab::world::{Birth, ClientId, Exit, LinkPolicy, NodeId, NodeSpec, World, WorldEvent};

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
    ended: Vec<(NodeId, Exit)>,
}

impl Lab {
    fn new(seed: u64, servers: usize, sentinels: usize, more: &[&str]) -> Self {
        let mut lab = Self {
            world: SimWorld::new(seed),
            servers: Vec::new(),
            sentinels: Vec::new(),
            happened: Vec::new(),
            received: HashMap::new(),
            ended: Vec::new(),
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
        for line in more {
            text.extend([line, "\n"]);
        }
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
                WorldEvent::Exited { node, exit } if self.world.is_disk_full(node) => {
                    self.ended.push((node, exit));
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

#[test]
fn the_real_clockwork_switches_as_well_only_later() {
    let mut lab = Lab::new(3, 3, 3, &["sentinel-timing redis"]);
    let (alpha, killed) = (lab.servers[0], lab.now());
    lab.world.kill(alpha);
    let sentinels = lab.sentinels.clone();
    lab.until("all switched", 8000, |lab| lab.all_switched(&sentinels, alpha));
    assert!(lab.now() - killed > D + 250);
}

#[test]
fn a_frozen_primary_is_replaced_within_a_quarter_of_down_after_more() {
    let mut lab = Lab::new(4, 3, 3, &[]);
    let (alpha, frozen) = (lab.servers[0], lab.now());
    lab.world.pause(alpha);
    let sentinels = lab.sentinels.clone();
    lab.until("all switched", 5000, |lab| lab.all_switched(&sentinels, alpha));
    assert!(lab.now() - frozen <= D + D / 4 + 150, "{}", lab.now() - frozen);
}

#[test]
fn one_sentinel_of_three_decides_nothing() {
    let mut lab = Lab::new(5, 3, 3, &[]);
    let (alpha, s1, s2) = (lab.servers[0], lab.sentinels[1], lab.sentinels[2]);
    lab.world.kill(s1);
    lab.world.kill(s2);
    let killed = lab.now();
    lab.world.kill(alpha);
    lab.run(20_000);
    assert_eq!(lab.since(killed, "+odown").len(), 0);
    assert_eq!(lab.since(killed, "+switch-master").len(), 0);
    assert_eq!(lab.since(killed, "+sdown").len(), 3);
}

#[test]
fn a_quorum_that_is_no_majority_elects_nobody_and_tries_ever_more_seldom() {
    let mut lab = Lab::new(6, 3, 3, &[]);
    for node in lab.sentinels.clone() {
        let client = lab.world.connect(node);
        assert_eq!(lab.ask(client, &["SENTINEL", "SET", "mm", "quorum", "1"]).to_string(), "OK");
    }
    let (alpha, s1, s2) = (lab.servers[0], lab.sentinels[1], lab.sentinels[2]);
    lab.world.kill(s1);
    lab.world.kill(s2);
    let killed = lab.now();
    lab.world.kill(alpha);
    lab.run(30_000);
    let tries = lab.since(killed, "+try-failover").len();
    assert!((2..=12).contains(&tries), "{tries}");
    assert_eq!(lab.since(killed, "-failover-abort-not-elected").len(), tries);
    assert_eq!(lab.since(killed, "+switch-master").len(), 0);
}

#[test]
fn an_election_that_nobody_wins_is_repeated_within_two_seconds() {
    // Two of three live and cannot hear each other's votes at first: both stand, both lose.
    let mut lab = Lab::new(7, 3, 3, &[]);
    let (alpha, s) = (lab.servers[0], lab.sentinels.clone());
    lab.world.kill(s[2]);
    for node in &s[..2] {
        let client = lab.world.connect(*node);
        lab.ask(client, &["SENTINEL", "SET", "mm", "quorum", "1"]);
    }
    lab.cut(&s[..1], &s[1..2], true);
    let killed = lab.now();
    lab.world.kill(alpha);
    lab.until("both lost", 5000, |lab| lab.since(killed, "-failover-abort-not-elected").len() >= 2);
    let lost = lab.now();
    lab.cut(&s[..1], &s[1..2], false);
    lab.until("both switched", 2000, |lab| lab.all_switched(&s[..2], alpha));
    assert!(lab.now() - lost < 2000);
}

#[test]
fn a_sentinel_that_stood_still_is_in_tilt_and_decides_nothing() {
    let mut lab = Lab::new(8, 3, 3, &[]);
    let (alpha, s0) = (lab.servers[0], lab.sentinels[0]);
    lab.world.pause(s0);
    lab.run(4000);
    lab.world.resume(s0);
    lab.until("tilt", 500, |lab| !lab.since(0, "+tilt").is_empty());
    let killed = lab.now();
    lab.world.kill(alpha);
    let others = lab.sentinels[1..].to_vec();
    lab.until("the others switched", 3000, |lab| lab.all_switched(&others, alpha));
    assert!(lab.since(killed, "+try-failover").iter().all(|h| h.node != s0));
    lab.until("no tilt", 40_000, |lab| !lab.since(0, "-tilt").is_empty());
}

#[test]
fn two_failovers_in_a_row_take_no_longer_than_one() {
    let mut lab = Lab::new(9, 4, 3, &[]);
    let sentinels = lab.sentinels.clone();
    for _ in 0..2 {
        let primary = lab.at_port(lab.agreed(&sentinels).expect("agreed"));
        let killed = lab.now();
        lab.world.kill(primary);
        lab.until("all switched", 5000, |lab| lab.all_switched(&sentinels, primary));
        assert!(lab.now() - killed <= D + 150, "{}", lab.now() - killed);
        lab.run(3000);
    }
}

#[test]
fn an_old_primary_that_returns_becomes_a_replica() {
    let mut lab = Lab::new(10, 3, 3, &[]);
    let (alpha, sentinels) = (lab.servers[0], lab.sentinels.clone());
    lab.world.kill(alpha);
    lab.until("all switched", 5000, |lab| lab.all_switched(&sentinels, alpha));
    lab.world.start(alpha).expect("starts");
    lab.until("alpha follows", 25_000, |lab| {
        lab.data(alpha).is_some_and(|view| view.role == Role::Replica)
    });
    assert!(!lab.since(0, "+convert-to-slave").is_empty());
}

#[test]
fn a_minority_with_the_primary_keeps_its_belief_until_it_hears_of_the_newer_epoch() {
    let mut lab = Lab::new(11, 3, 3, &[]);
    let (alpha, s) = (lab.servers[0], lab.sentinels.clone());
    let minority = [alpha, s[0]];
    let majority = [lab.servers[1], lab.servers[2], s[1], s[2]];
    lab.cut(&minority, &majority, true);
    lab.until("the majority switched", 5000, |lab| lab.all_switched(&s[1..], alpha));
    lab.run(2000);
    let old = lab.world.port(alpha);
    assert_eq!(lab.agreed(&s[..1]), Some(old));
    lab.cut(&minority, &majority, false);
    lab.until("one configuration", 5000, |lab| lab.all_switched(&s, alpha));
    lab.until("one primary", 25_000, |lab| {
        lab.data(alpha).is_some_and(|view| view.role == Role::Replica)
    });
}

#[test]
fn an_epoch_has_one_vote_even_across_a_restart() {
    let mut lab = Lab::new(12, 2, 1, &[]);
    let (node, port) = (lab.sentinels[0], lab.world.port(lab.servers[0]).to_string());
    let ask = |lab: &mut Lab, id: &str| {
        let client = lab.world.connect(node);
        let words = ["SENTINEL", "is-master-down-by-addr", "127.0.0.1", &port, "5", id];
        lab.ask(client, &words).to_string()
    };
    let first = "1) (integer) 0\n2) \"abc\"\n3) (integer) 5";
    assert_eq!(ask(&mut lab, "abc"), first);
    assert_eq!(ask(&mut lab, "xyz"), first);
    lab.world.power_loss(node);
    lab.world.start(node).expect("starts");
    assert_eq!(ask(&mut lab, "xyz"), "1) (integer) 0\n2) \"*\"\n3) (integer) 5");
}

#[test]
fn a_forced_failover_needs_no_votes_and_everybody_follows() {
    let mut lab = Lab::new(13, 3, 3, &[]);
    let (alpha, s) = (lab.servers[0], lab.sentinels.clone());
    let client = lab.world.connect(s[0]);
    assert_eq!(lab.ask(client, &["SENTINEL", "FAILOVER", "mm"]).to_string(), "OK");
    lab.until("all switched", 3000, |lab| lab.all_switched(&s, alpha));
    lab.until("alpha follows", 25_000, |lab| {
        lab.data(alpha).is_some_and(|view| view.role == Role::Replica)
    });
}

#[test]
fn hostile_hellos_change_nothing() {
    let mut lab = Lab::new(14, 2, 3, &[]);
    let (node, primary) = (lab.sentinels[0], lab.world.port(lab.servers[0]));
    let id = lab.beliefs(node).expect("runs").id;
    let other = "f".repeat(40);
    let client = lab.world.connect(node);
    for text in [
        "nonsense".to_owned(),
        format!("127.0.0.1,1,{id},9,mm,127.0.0.1,1,99"),
        format!("127.0.0.1,0,{other},9,mm,127.0.0.1,1,99"),
        format!("127.0.0.1,1,{other},-9,mm,127.0.0.1,1,99"),
        format!("127.0.0.1,1,{other},9,nn,127.0.0.1,1,99"),
        format!("127.0.0.1,1,{other},9,mm,127.0.0.1,{primary},18446744073709551615"),
        "\u{0}\r\n,,,,,,,".to_owned(),
    ] {
        let answer = lab.ask(client, &["PUBLISH", "__sentinel__:hello", &text]);
        assert_eq!(answer.to_string(), "(integer) 1");
    }
    let view = lab.beliefs(node).expect("runs");
    assert_eq!((view.current_epoch, view.monitors[0].peers.len()), (0, 2));
    assert_eq!(view.monitors[0].watched.port, primary);
    assert!(!lab.since(0, "-hello-refused").is_empty());
}

#[test]
fn a_vote_that_cannot_be_saved_is_not_given() {
    let mut lab = Lab::new(16, 1, 1, &[]);
    let (node, primary) = (lab.sentinels[0], lab.world.port(lab.servers[0]).to_string());
    let [anna, berta] = ["a", "b"].map(|letter| letter.repeat(40));
    let vote = |id| ["SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", primary.as_str(), "7", id];
    lab.world.fill_disk(node, true);
    let client = lab.world.connect(node);
    lab.world.send(client, command(&vote(anna.as_str())));
    lab.run(100);
    assert_eq!((lab.received.get(&client), &lab.ended), (None, &vec![(node, Exit::Code(1))]));
    lab.world.fill_disk(node, false);
    lab.world.start(node).expect("starts");
    let client = lab.world.connect(node);
    let answer = lab.ask(client, &vote(berta.as_str()));
    assert!(answer.to_string().contains(&berta), "{answer}");
}

#[test]
fn a_sentinel_that_moved_has_moved_for_all_primaries() {
    let mut lab = Lab::new(15, 2, 1, &["sentinel monitor nn 127.0.0.1 1 1"]);
    let (node, primary) = (lab.sentinels[0], lab.world.port(lab.servers[0]));
    let client = lab.world.connect(node);
    let id = "f".repeat(40);
    for (name, port) in [("mm", 1001), ("nn", 1001), ("mm", 1002)] {
        let hello = format!("127.0.0.1,{port},{id},0,{name},127.0.0.1,{primary},0");
        lab.ask(client, &["PUBLISH", "__sentinel__:hello", &hello]);
    }
    let texts = |event| lab.since(0, event).into_iter().map(|h| h.text).collect::<Vec<_>>();
    let at = format!("mm 127.0.0.1 {primary}");
    assert_eq!(
        texts("+sentinel-address-switch"),
        [format!("master {at} ip 127.0.0.1 port 1002 for {id}")]
    );
    assert_eq!(
        texts("+sentinel-address-update"),
        [format!("sentinel {id} 127.0.0.1 1002 @ {at} 1 additional matching instances")]
    );
    let monitors = lab.beliefs(node).expect("runs").monitors;
    assert!(monitors.iter().all(|m| m.peers[0].addr.port == 1002), "{monitors:?}");
    let peers = lab.ask(client, &["SENTINEL", "SENTINELS", "nn"]);
    let Answer::Array(peers) = peers else { panic!("{peers}") };
    let Some(Answer::Array(fields)) = peers.first() else { panic!("{peers:?}") };
    let bulk = |text: &str| Answer::Bulk(text.into());
    let at = fields.iter().position(|field| *field == bulk("link-refcount")).expect("a field");
    assert_eq!(fields[at + 1], bulk("2"), "both primaries use the link");
}

/// Kills the primary of a lab at some moment. How many replicas were promoted since, and how often
/// a Sentinel switched.
fn after_a_kill(seed: u64, down_after: u64, more: &[&str], late_ms: u64) -> (usize, usize) {
    let down_after = format!("sentinel down-after-milliseconds mm {down_after}");
    let timeout = "sentinel failover-timeout mm 3000";
    let mut lab = Lab::new(seed, 3, 3, &[&[&down_after, timeout], more].concat());
    let all = [lab.servers.clone(), lab.sentinels.clone()].concat();
    for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to))) {
        let policy = LinkPolicy { delay_ms: late_ms, jitter_ms: late_ms, ..LinkPolicy::default() };
        lab.world.set_link(from, to, policy);
    }
    lab.run(1000 + seed * 37 % 1000);
    let (alpha, killed) = (lab.servers[0], lab.now());
    lab.world.kill(alpha);
    lab.run(9000);
    (lab.since(killed, "+promoted-slave").len(), lab.since(killed, "+switch-master").len())
}

#[test]
fn no_seed_deposes_a_healthy_primary() {
    // A share of the 10 000 that it was tried with.
    let seeds = std::env::var("FAILOVER_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    for seed in 100..100 + seeds {
        let down_after = [500, 950, 1000, 1050, 2000][seed as usize % 5];
        let late_ms = [0, 0, 1, 5][seed as usize / 5 % 4];
        assert_eq!(after_a_kill(seed, down_after, &[], late_ms), (1, 3), "seed {seed}");
    }
}

#[test]
fn the_real_clockwork_sometimes_deposes_a_healthy_primary() {
    let promotions = |seed| after_a_kill(seed, 950, &["sentinel-timing redis"], 0).0;
    let deposed = (0..20).filter(|seed| promotions(*seed) > 1).count();
    assert!(deposed > 5, "{deposed} of 20");
}
