//! Floor 7: the simulated world. The machines that `live` runs on threads and sockets run here in
//! virtual time, on a network and on disks that exist in memory only. Everything that happens is
//! an event in one queue, ordered by time and then by the order in which it was decided, and every
//! chance is thrown by dice with one seed: equal seeds and equal orders give equal runs, to the
//! byte ([`SimWorld::trace_hash`]).
//!
//! # Time
//!
//! Only [`World::poll`] lets time pass, in leaps from event to event. Steps of machines take no
//! time, unless they stall. Jobs take the time that they might take.
//!
//! # Network
//!
//! Links take 0 or 1 ms, beside their policy. Bytes mostly arrive as they were sent; what several
//! sends left is read in one piece, as from a socket; and now and then the dice split a send or a
//! read anywhere. Full buffers stop their senders, see `network.rs`.
//!
//! # Disk
//!
//! Each node has a flat map of names to files, which outlives it. A power loss cuts each file to
//! what was fsynced, and forgets files that never were: nothing becomes durable by itself, as it
//! does after half a minute on a real system. A disk may be full ([`SimWorld::fill_disk`]).
//! `NodeSpec::dir` is not looked at.
//!
//! # Chaos
//!
//! [`chaos`] throws faults, [`check`] watches servers for what must never happen, [`trial`] puts both
//! together for a seed, [`shrink`] finds the few faults that matter.

pub mod chaos;
pub mod check;
mod disk;
mod job;
mod network;
mod node;
mod orders;
mod queue;
pub mod shrink;
mod trace;
pub mod trial;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use self::disk::Disk;
use self::network::{End, Network, Parcel, SideId};
use self::node::{News, Node, NodeConn, Process};
use self::queue::{Event, Queue};
use self::trace::Trace;
use self::turn::{HOST, REFUSED, panic_text};
use crate::base::rng::Dice;
use crate::machine::{ConnId, Endpoint, Millis, NodeView, Now};
use crate::world::{
    Birth, ClientId, Exit, LinkPolicy, NodeId, NodeSpec, World, WorldError, WorldEvent,
};

/// The wall clock when a simulated world begins: 2025-01-01 00:00:00 UTC, in microseconds.
const EPOCH_US: u64 = 1_735_689_600_000_000;

/// Nodes without a port of their own get one from here on.
const FIRST_FREE_PORT: u16 = 20_001;

/// A world in virtual time.
pub struct SimWorld {
    queue: Queue,
    network: Network,
    nodes: Vec<Node>,
    clients: BTreeMap<ClientId, SideId>,
    clients_made: u64,
    reports: VecDeque<WorldEvent>,
    trace: Trace,
    /// Seeds of machines.
    births: Dice,
    /// How long jobs take.
    dice: Dice,
}

impl SimWorld {
    /// An empty world at time 0. Its seed decides everything that is left to chance in it.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        Self {
            queue: Queue::default(),
            network: Network::new(dice.split()),
            nodes: Vec::new(),
            clients: BTreeMap::new(),
            clients_made: 0,
            reports: VecDeque::new(),
            trace: Trace::new(),
            births: dice.split(),
            dice,
        }
    }

    /// A hash of all that was delivered to nodes and clients so far, and when.
    pub fn trace_hash(&self) -> u64 {
        self.trace.value()
    }

    /// The content of a file on a node's disk.
    pub fn file(&self, node: NodeId, name: &str) -> Option<&[u8]> {
        self.nodes[node.0].disk.read(name)
    }

    /// Fills a node's disk, so that nothing can be written to it, or makes room.
    pub fn fill_disk(&mut self, node: NodeId, is_full: bool) {
        self.nodes[node.0].disk.set_full(is_full);
    }

    /// Whether a node's disk is full.
    pub fn is_disk_full(&self, node: NodeId) -> bool {
        self.nodes[node.0].disk.is_full()
    }

    fn clock(&self) -> Now {
        let mono = self.queue.now();
        Now { mono, wall_us: EPOCH_US + mono * 1000 }
    }

    /// Something comes to the end of its way.
    fn on_arrive(&mut self, from: SideId) {
        let to = from.other();
        while let Some(parcel) = self.network.pop_due(from, self.queue.now()) {
            match (parcel, self.network.end(to)) {
                (Parcel::Call, _) => self.on_call(to),
                (Parcel::Answer, End::Node(node, conn)) => {
                    self.inform(node, News::Dialled { conn });
                }
                (Parcel::Data(data), End::Node(node, conn)) => {
                    if self.network.keep_readable(from, data) {
                        self.inform(node, News::Readable { conn });
                    }
                }
                (Parcel::Data(data), End::Client(client)) => {
                    self.trace.client(self.queue.now(), client, &data);
                    self.reports.push_back(WorldEvent::ClientReceived { client, data });
                    self.pump(from);
                }
                (Parcel::Data(_), _) => self.pump(from),
                (Parcel::Refusal, end) => self.on_end(to, end, REFUSED),
                (Parcel::Fin, end) => self.on_end(to, end, ""),
                (Parcel::Answer, _) => {}
            }
        }
    }

    /// A call arrives: the kernel of a living node takes it, even if the node is paused.
    fn on_call(&mut self, side: SideId) {
        let Some(node) = self.network.callee(side) else { return };
        let Some(process) = self.process(node) else {
            return self.network.answer(side, None, &mut self.queue);
        };
        process.accepted += 1;
        let conn = ConnId::accepted(process.accepted);
        process.conns.insert(conn, NodeConn { side, told_unsent: 0, is_unread: false });
        let peer = Endpoint::new(HOST, side.caller_port());
        self.inform(node, News::Accepted { conn, peer });
        self.network.answer(side, Some(End::Node(node, conn)), &mut self.queue);
    }

    /// The end of a connection arrives at one of its ends.
    fn on_end(&mut self, side: SideId, end: End, reason: &'static str) {
        match end {
            End::Node(node, conn) => self.inform(node, News::Closed { conn, reason }),
            End::Client(client) => {
                self.network.forget(side);
                self.clients.remove(&client);
                self.trace.client(self.queue.now(), client, reason.as_bytes());
                let reason = reason.to_owned();
                self.reports.push_back(WorldEvent::ClientClosed { client, reason });
            }
            End::Awaiting | End::Gone => self.network.forget(side),
        }
    }
}

impl World for SimWorld {
    fn now(&self) -> Now {
        self.clock()
    }

    fn add(&mut self, spec: NodeSpec) -> Result<NodeId, WorldError> {
        let taken = |port| self.nodes.iter().any(|node| node.port == port);
        let port = match spec.port {
            0 => (FIRST_FREE_PORT..=u16::MAX).find(|port| !taken(*port)).unwrap_or_default(),
            port => port,
        };
        if taken(port) {
            return Err(WorldError::PortInUse { node: spec.name, port });
        }
        self.nodes.push(Node { spec, port, disk: Disk::default(), lives: 0, process: None });
        Ok(NodeId(self.nodes.len() - 1))
    }

    fn port(&self, node: NodeId) -> u16 {
        self.nodes[node.0].port
    }

    fn start(&mut self, node: NodeId) -> Result<(), WorldError> {
        let place = &mut self.nodes[node.0];
        if place.process.is_some() {
            return Ok(());
        }
        place.lives += 1;
        let birth = Birth { port: place.port, seed: self.births.bits() };
        match catch_unwind(AssertUnwindSafe(|| (place.spec.build)(birth))) {
            Ok(machine) => {
                place.process = Some(Process::new(machine, place.lives));
                self.wake(node, 0);
            }
            Err(panic) => {
                let exit = Exit::Crashed(panic_text(&*panic));
                self.reports.push_back(WorldEvent::Exited { node, exit });
            }
        }
        Ok(())
    }

    fn kill(&mut self, node: NodeId) {
        self.end_process(node, false);
    }

    fn power_loss(&mut self, node: NodeId) {
        self.end_process(node, false);
        self.nodes[node.0].disk.lose_power();
    }

    fn pause(&mut self, node: NodeId) {
        let now = self.queue.now();
        if let Some(process) = self.process(node) {
            process.paused.get_or_insert(now);
            process.was_frozen = true;
        }
    }

    fn resume(&mut self, node: NodeId) {
        if let Some(process) = self.process(node)
            && process.paused.take().is_some()
        {
            self.wake(node, 0);
        }
    }

    fn stop(&mut self, node: NodeId) {
        self.inform(node, News::Stop);
    }

    fn set_link(&mut self, from: NodeId, to: NodeId, policy: LinkPolicy) {
        self.network.set_link(from, to, policy, &mut self.queue);
    }

    fn reset_link(&mut self, a: NodeId, b: NodeId) {
        for end in self.network.reset(a, b) {
            if let End::Node(node, conn) = end {
                self.inform(node, News::Closed { conn, reason: "Connection reset by peer" });
            }
        }
    }

    fn held_bytes(&self, from: NodeId, to: NodeId) -> u64 {
        self.network.flight_bytes(from, to)
    }

    fn connect(&mut self, node: NodeId) -> ClientId {
        self.clients_made += 1;
        let client = ClientId(self.clients_made);
        let side = self.network.call(End::Client(client), node, &mut self.queue);
        self.clients.insert(client, side);
        client
    }

    fn send(&mut self, client: ClientId, data: Bytes) {
        if let Some(side) = self.clients.get(&client).copied() {
            self.network.enqueue(side, data);
            self.pump(side);
        }
    }

    fn disconnect(&mut self, client: ClientId) {
        if let Some(side) = self.clients.remove(&client) {
            self.network.close(side, true, &mut self.queue);
        }
    }

    fn view(&self, node: NodeId) -> Option<Arc<NodeView>> {
        let process = self.nodes.get(node.0)?.process.as_ref()?;
        let mut now = self.clock();
        if let Some(paused_at) = process.paused {
            now = Now { mono: paused_at, wall_us: EPOCH_US + paused_at * 1000 };
        }
        Some(Arc::new(process.machine.view(now)))
    }

    fn ask_data(&mut self, node: NodeId) {
        let now = self.clock();
        if let Some(process) = self.process(node) {
            let data = process.machine.data(now).map(Box::new);
            self.reports.push_back(WorldEvent::Data { node, data });
        }
    }

    fn poll(&mut self, until: Millis) -> Option<WorldEvent> {
        loop {
            if let Some(report) = self.reports.pop_front() {
                return Some(report);
            }
            match self.queue.pop(until)? {
                Event::Wake(node) => self.on_wake(node),
                Event::Arrive(side) => self.on_arrive(side),
                Event::JobStep { node, life, job } => self.on_job_step(node, life, job),
            }
        }
    }
}
