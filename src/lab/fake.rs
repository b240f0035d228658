//! A world for the lab's own tests: virtual time, and nodes that know five commands and whose
//! replication is instantaneous wherever the links let it be.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::client::command;
use super::nodes::Build;
use super::reply::Reply;
use super::run::Lab;
use super::topology::{ServerSpec, Topology};
use crate::keyspace::{Keyspace, Value};
use crate::machine::{
    Endpoint, Input, LinkState, Machine, Millis, NodeData, NodeView, Now, Outbox, PrimaryLinkView,
    ReplicaView, Role, ServerView,
};
use crate::world::{
    Birth, ClientId, Exit, LinkPolicy, NodeId, NodeSpec, World, WorldError, WorldEvent,
};

const LATENCY_MS: Millis = 1;

type Directives = Arc<Mutex<BTreeMap<u16, Vec<(String, String)>>>>;

#[derive(Default)]
pub(crate) struct FakeWorld {
    clock: Millis,
    nodes: Vec<FakeNode>,
    clients: BTreeMap<u64, usize>,
    events: VecDeque<(Millis, WorldEvent)>,
    policies: BTreeMap<(usize, usize), LinkPolicy>,
    born: Directives,
    /// Every write is refused with this.
    pub refuses: Option<String>,
}

struct FakeNode {
    spec: NodeSpec,
    port: u16,
    state: State,
    data: Arc<BTreeMap<String, String>>,
    offset: u64,
    /// What it streamed, or got by the stream.
    stream: Vec<u8>,
    primary: Option<u16>,
    link_up: bool,
    unread: Vec<(ClientId, Bytes)>,
}

#[derive(PartialEq)]
enum State {
    Running,
    Paused,
    Dead,
}

/// A machine is made at each start, as in any world, only to see its directives.
struct Dummy;

impl Machine for Dummy {
    fn step(&mut self, _: Now, _: Input<'_>, _: &mut Outbox) {}

    fn deadline(&self) -> Option<Millis> {
        None
    }

    fn view(&self, _: Now) -> NodeView {
        NodeView::Server(Box::default())
    }
}

/// A lab of `(name, whom it follows)`.
pub(crate) fn lab(servers: &[(&str, Option<&str>)]) -> Lab<FakeWorld> {
    lab_of(&topology(servers))
}

pub(crate) fn topology(servers: &[(&str, Option<&str>)]) -> Topology {
    let servers = servers.iter().map(|(name, primary)| ServerSpec {
        name: (*name).to_owned(),
        replicaof: primary.map(str::to_owned),
        ..ServerSpec::default()
    });
    Topology { servers: servers.collect(), ..Topology::default() }
}

pub(crate) fn lab_of(topology: &Topology) -> Lab<FakeWorld> {
    let world = FakeWorld::default();
    let born = Arc::clone(&world.born);
    let build: Build = Arc::new(move |_, directives: &[(String, String)], birth: Birth| {
        born.lock().unwrap().insert(birth.port, directives.to_vec());
        Box::new(Dummy) as Box<dyn Machine>
    });
    Lab::new(world, topology, &build).unwrap()
}

/// Lets a lab live for so long.
pub(crate) fn live(lab: &mut Lab<FakeWorld>, ms: Millis) {
    let until = lab.now_ms() + ms;
    while lab.now_ms() < until {
        lab.turn(until);
    }
}

impl FakeWorld {
    pub fn directives(&self, port: u16) -> Vec<(String, String)> {
        self.born.lock().unwrap()[&port].clone()
    }

    pub fn exit(&mut self, node: usize, exit: Exit) {
        self.end(node);
        self.later(WorldEvent::Exited { node: NodeId(node), exit });
    }

    fn later(&mut self, event: WorldEvent) {
        self.events.push_back((self.clock + LATENCY_MS, event));
    }

    fn end(&mut self, node: usize) {
        self.nodes[node].state = State::Dead;
        self.nodes[node].data = Arc::default();
        self.nodes[node].offset = 0;
        self.nodes[node].stream = Vec::new();
        let gone: Vec<u64> =
            self.clients.iter().filter(|(_, at)| **at == node).map(|(c, _)| *c).collect();
        for client in gone {
            self.clients.remove(&client);
            let reason = "Connection reset by peer".to_owned();
            self.later(WorldEvent::ClientClosed { client: ClientId(client), reason });
        }
        self.replicate();
    }

    /// Every replica that can reach its primary becomes its copy.
    fn replicate(&mut self) {
        for _ in 0..self.nodes.len() {
            for at in 0..self.nodes.len() {
                let primary = self.nodes[at].primary;
                let Some(of) = self.nodes.iter().position(|n| Some(n.port) == primary) else {
                    continue;
                };
                let cut = |pair| self.policies.get(&pair).is_some_and(|p| p.cut);
                let runs = |at: usize| self.nodes[at].state == State::Running;
                let up = runs(at) && runs(of) && !cut((at, of)) && !cut((of, at));
                self.nodes[at].link_up = up;
                if up {
                    self.nodes[at].data = Arc::clone(&self.nodes[of].data);
                    self.nodes[at].offset = self.nodes[of].offset;
                    self.nodes[at].stream = self.nodes[of].stream.clone();
                }
            }
        }
    }

    fn obey(&mut self, node: usize, words: &[String]) -> String {
        let node = &mut self.nodes[node];
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["SET", ..] if self.refuses.is_some() => {
                format!("-{}\r\n", self.refuses.clone().unwrap_or_default())
            }
            ["SET", ..] if node.primary.is_some() => "-READONLY no\r\n".to_owned(),
            ["SET", key, value] => {
                Arc::make_mut(&mut node.data).insert(key.to_owned(), value.to_owned());
                node.stream.extend_from_slice(&command(["SET", key, value]));
                node.offset = node.stream.len() as u64;
                "+OK\r\n".to_owned()
            }
            ["GET", key] => match node.data.get(key) {
                Some(value) => format!("${}\r\n{value}\r\n", value.len()),
                None => "$-1\r\n".to_owned(),
            },
            ["REPLICAOF", "NO", "ONE"] => {
                node.primary = None;
                "+OK\r\n".to_owned()
            }
            ["REPLICAOF", _, port] => {
                node.primary = port.parse().ok();
                "+OK\r\n".to_owned()
            }
            ["AUTH", _] => "+OK\r\n".to_owned(),
            _ => format!("-ERR unknown command '{}'\r\n", words[0]),
        }
    }

    fn read(&mut self, client: ClientId, data: &[u8]) {
        let Some(node) = self.clients.get(&client.0).copied() else { return };
        let (Reply::Array(words), len) = Reply::decode(data).unwrap().unwrap() else { panic!() };
        let rest = &data[len..];
        let words: Vec<String> = words
            .into_iter()
            .map(|word| match word {
                Reply::Bulk(word) => String::from_utf8(word).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        let reply = self.obey(node, &words);
        if words[0] != "GET" {
            self.replicate();
        }
        self.later(WorldEvent::ClientReceived { client, data: reply.into() });
        if !rest.is_empty() {
            self.read(client, rest);
        }
    }
}

impl World for FakeWorld {
    fn now(&self) -> Now {
        Now { mono: self.clock, wall_us: 0 }
    }

    fn add(&mut self, spec: NodeSpec) -> Result<NodeId, WorldError> {
        let port = if spec.port == 0 { 7_000 + self.nodes.len() as u16 } else { spec.port };
        self.nodes.push(FakeNode {
            spec,
            port,
            state: State::Dead,
            data: Arc::default(),
            offset: 0,
            stream: Vec::new(),
            primary: None,
            link_up: false,
            unread: Vec::new(),
        });
        Ok(NodeId(self.nodes.len() - 1))
    }

    fn port(&self, node: NodeId) -> u16 {
        self.nodes[node.0].port
    }

    fn start(&mut self, node: NodeId) -> Result<(), WorldError> {
        let port = self.nodes[node.0].port;
        (self.nodes[node.0].spec.build)(Birth { port, seed: 0 });
        let directives = self.directives(port);
        let primary = directives.iter().find(|(name, _)| name == "replicaof");
        self.nodes[node.0].primary =
            primary.and_then(|(_, address)| address.split(' ').nth(1)?.parse().ok());
        self.nodes[node.0].state = State::Running;
        self.replicate();
        Ok(())
    }

    fn kill(&mut self, node: NodeId) {
        self.end(node.0);
    }

    fn power_loss(&mut self, node: NodeId) {
        self.end(node.0);
    }

    fn pause(&mut self, node: NodeId) {
        self.nodes[node.0].state = State::Paused;
    }

    fn resume(&mut self, node: NodeId) {
        self.nodes[node.0].state = State::Running;
        for (client, data) in std::mem::take(&mut self.nodes[node.0].unread) {
            self.read(client, &data);
        }
        self.replicate();
    }

    fn stop(&mut self, node: NodeId) {
        self.exit(node.0, Exit::Code(0));
    }

    fn set_link(&mut self, from: NodeId, to: NodeId, policy: LinkPolicy) {
        self.policies.insert((from.0, to.0), policy);
        self.replicate();
    }

    fn reset_link(&mut self, _: NodeId, _: NodeId) {}

    fn held_bytes(&self, _: NodeId, _: NodeId) -> u64 {
        0
    }

    fn connect(&mut self, node: NodeId) -> ClientId {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let client = ClientId(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        if self.nodes[node.0].state == State::Dead {
            self.later(WorldEvent::ClientClosed { client, reason: "Connection refused".into() });
        } else {
            self.clients.insert(client.0, node.0);
        }
        client
    }

    fn send(&mut self, client: ClientId, data: Bytes) {
        match self.clients.get(&client.0).copied() {
            Some(node) if self.nodes[node].state == State::Paused => {
                self.nodes[node].unread.push((client, data));
            }
            Some(_) => self.read(client, &data),
            None => {}
        }
    }

    fn disconnect(&mut self, client: ClientId) {
        self.clients.remove(&client.0);
    }

    fn view(&self, node: NodeId) -> Option<Arc<NodeView>> {
        let node = &self.nodes[node.0];
        let primary = node.primary.map(|port| PrimaryLinkView {
            host: "127.0.0.1".to_owned(),
            port,
            state: if node.link_up { LinkState::Connected } else { LinkState::Connect },
            io_age_ms: None,
            down_ms: None,
            transfer: None,
        });
        let followers = self.nodes.iter().filter(|n| n.primary == Some(node.port) && n.link_up);
        let replicas = followers.map(|replica| ReplicaView {
            ip: Endpoint::new("127.0.0.1", replica.port).host,
            port: replica.port,
            state: crate::machine::ReplicaState::Online,
            acked: replica.offset,
            ack_age_ms: 40,
            unsent_bytes: 0,
        });
        let view = ServerView {
            role: if primary.is_some() { Role::Replica } else { Role::Primary },
            replid: format!("history of {}", node.primary.unwrap_or(node.port)),
            offset: node.offset,
            keys: node.data.len() as u64,
            replicas: replicas.collect(),
            primary,
            ..ServerView::default()
        };
        (node.state != State::Dead).then(|| Arc::new(NodeView::Server(Box::new(view))))
    }

    fn ask_data(&mut self, node: NodeId) {
        let place = &self.nodes[node.0];
        if place.state == State::Dead {
            return;
        }
        let mut keyspace = Keyspace::default();
        for (key, value) in &*place.data {
            keyspace.db_mut(0).set(key.as_bytes(), Value::from(value.as_str()));
        }
        let data = NodeData {
            snapshot: keyspace.snapshot(),
            wall_ms: 0,
            replid: format!("history of {}", place.primary.unwrap_or(place.port)),
            previous: None,
            offset: place.offset,
            tail: vec![place.stream.clone().into()],
        };
        self.later(WorldEvent::Data { node, data: Some(Box::new(data)) });
    }

    fn poll(&mut self, until: Millis) -> Option<WorldEvent> {
        match self.events.front() {
            Some((at, _)) if *at <= until.max(self.clock) => {
                let (at, event) = self.events.pop_front()?;
                self.clock = self.clock.max(at);
                Some(event)
            }
            _ => {
                self.clock = self.clock.max(until);
                None
            }
        }
    }
}
