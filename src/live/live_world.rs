//! The live world: nodes as threads, one more thread for the network between them.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::clients;
use super::clock::Clock;
use super::control::Death;
use super::crash;
use super::fabric::Fabric;
use super::listen::{Host, Port};
use super::run::{Launch, Post, Run};
use crate::base::rng::Dice;
use crate::machine::{Millis, NodeView, Now, Signal};
use crate::world::{Birth, ClientId, LinkPolicy, NodeId, NodeSpec, World, WorldError, WorldEvent};

/// Nodes on this computer. Dropping it ends them all and waits for their threads.
pub struct LiveWorld {
    clock: Clock,
    dice: Dice,
    nodes: Vec<Place>,
    runs: u64,
    fabric: Arc<Fabric>,
    runtime: tokio::runtime::Handle,
    network: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    clients: HashMap<ClientId, UnboundedSender<Bytes>>,
    clients_made: u64,
    post: mpsc::Sender<Post>,
    events: mpsc::Receiver<Post>,
}

/// A node, running or not.
struct Place {
    spec: NodeSpec,
    port: Arc<Port>,
    dir: PathBuf,
    /// Removed with the world.
    _temporary: Option<tempfile::TempDir>,
    /// The present or the last run.
    run: Option<Run>,
}

/// Makes a world's `poll` return with [`WorldEvent::Nudge`], from any thread.
#[derive(Debug, Clone)]
pub struct Nudge(mpsc::Sender<Post>);

impl Nudge {
    /// Nudges. Nothing happens if the world is gone.
    pub fn nudge(&self) {
        drop(self.0.send((0, WorldEvent::Nudge)));
    }
}

impl LiveWorld {
    /// An empty world. The seed gives each node its dice.
    pub fn new(seed: u64) -> io::Result<Self> {
        crash::install();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("replab-network".to_owned()).spawn(move || {
            drop(runtime.block_on(ended));
            runtime.shutdown_background();
        })?;
        let (post, events) = mpsc::channel();
        Ok(Self {
            clock: Clock::new(),
            dice: Dice::new(seed),
            nodes: Vec::new(),
            runs: 0,
            fabric: Arc::new(Fabric::new(handle.clone())),
            runtime: handle,
            network: Some((end, thread)),
            clients: HashMap::new(),
            clients_made: 0,
            post,
            events,
        })
    }

    /// A handle that makes `poll` return.
    pub fn nudge(&self) -> Nudge {
        Nudge(self.post.clone())
    }

    /// The directory of a node's files.
    pub fn dir(&self, node: NodeId) -> PathBuf {
        self.nodes[node.0].dir.clone()
    }

    fn end(&self, node: NodeId, death: Death) {
        let place = &self.nodes[node.0];
        if let Some(run) = place.run.as_ref().filter(|run| run.control.is_alive()) {
            run.control.kill(death);
            place.port.close();
        }
    }

    fn with_run(&self, node: NodeId, order: impl FnOnce(&Run)) {
        if let Some(run) = &self.nodes[node.0].run {
            order(run);
        }
    }

    /// Whether an event is still news: ends of killed runs and words of closed clients are not.
    fn is_news(&mut self, run: u64, event: &WorldEvent) -> bool {
        match event {
            WorldEvent::Exited { node, .. } => {
                self.nodes[node.0].run.as_ref().is_some_and(|present| present.number == run)
            }
            WorldEvent::ClientReceived { client, .. } => self.clients.contains_key(client),
            WorldEvent::ClientClosed { client, .. } => self.clients.remove(client).is_some(),
            WorldEvent::Fact { .. }
            | WorldEvent::Log { .. }
            | WorldEvent::Data { .. }
            | WorldEvent::Nudge => true,
        }
    }
}

impl World for LiveWorld {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn add(&mut self, spec: NodeSpec) -> Result<NodeId, WorldError> {
        let port = Port::reserve(&[Host::LOCAL], spec.port, |_, _| {})
            .map_err(|error| refused(&spec, "reserving its port", error))?;
        let (dir, temporary) =
            directory(&spec).map_err(|error| refused(&spec, "making its directory", error))?;
        let node = NodeId(self.nodes.len());
        self.fabric.add(port.number(), node);
        let port = Arc::new(port);
        self.nodes.push(Place { spec, port, dir, _temporary: temporary, run: None });
        Ok(node)
    }

    fn port(&self, node: NodeId) -> u16 {
        self.nodes[node.0].port.number()
    }

    fn start(&mut self, node: NodeId) -> Result<(), WorldError> {
        let place = &mut self.nodes[node.0];
        if place.run.as_ref().is_some_and(|run| run.control.is_alive()) {
            return Ok(());
        }
        self.runs += 1;
        let birth = Birth { port: place.port.number(), seed: self.dice.bits() };
        let build = Arc::clone(&place.spec.build);
        let fabric = Arc::clone(&self.fabric);
        let run = Run::start(Launch {
            id: node,
            name: place.spec.name.clone(),
            number: self.runs,
            build: Box::new(move || build(birth)),
            port: Arc::clone(&place.port),
            unix: None,
            dir: place.dir.clone(),
            clock: self.clock,
            dial: Box::new(move |to| fabric.dial(node, to)),
            post: self.post.clone(),
            after: place.run.take().map(Run::into_thread),
        });
        place.run = Some(run.map_err(|error| refused(&place.spec, "starting it", error))?);
        Ok(())
    }

    fn kill(&mut self, node: NodeId) {
        self.end(node, Death::Kill);
    }

    fn power_loss(&mut self, node: NodeId) {
        self.end(node, Death::PowerLoss);
    }

    fn pause(&mut self, node: NodeId) {
        self.with_run(node, |run| run.control.pause(true));
    }

    fn resume(&mut self, node: NodeId) {
        self.with_run(node, |run| run.control.pause(false));
    }

    fn stop(&mut self, node: NodeId) {
        self.with_run(node, |run| run.control.stop(Signal::Terminate));
    }

    fn set_link(&mut self, from: NodeId, to: NodeId, policy: LinkPolicy) {
        self.fabric.set(from, to, policy);
    }

    fn reset_link(&mut self, a: NodeId, b: NodeId) {
        self.fabric.reset(a, b);
    }

    fn held_bytes(&self, from: NodeId, to: NodeId) -> u64 {
        self.fabric.held_bytes(from, to)
    }

    fn connect(&mut self, node: NodeId) -> ClientId {
        self.clients_made += 1;
        let id = ClientId(self.clients_made);
        let (orders, ordered) = unbounded_channel();
        self.clients.insert(id, orders);
        let port = self.port(node);
        self.runtime.spawn(clients::client(id, port, ordered, self.post.clone()));
        id
    }

    fn send(&mut self, client: ClientId, data: Bytes) {
        if let Some(orders) = self.clients.get(&client) {
            drop(orders.send(data));
        }
    }

    fn disconnect(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    fn view(&self, node: NodeId) -> Option<Arc<NodeView>> {
        self.nodes[node.0].run.as_ref().and_then(Run::view)
    }

    fn ask_data(&mut self, node: NodeId) {
        self.with_run(node, |run| run.control.ask_data());
    }

    fn poll(&mut self, until: Millis) -> Option<WorldEvent> {
        let until = self.clock.instant(until);
        loop {
            let wait = until.saturating_duration_since(Instant::now());
            let (run, event) = self.events.recv_timeout(wait).ok()?;
            if self.is_news(run, &event) {
                return Some(event);
            }
        }
    }
}

impl Drop for LiveWorld {
    fn drop(&mut self) {
        for at in 0..self.nodes.len() {
            self.end(NodeId(at), Death::Kill);
        }
        for run in self.nodes.iter_mut().filter_map(|place| place.run.take()) {
            drop(run.into_thread().join());
        }
        self.clients.clear();
        if let Some((end, thread)) = self.network.take() {
            drop(end);
            drop(thread.join());
        }
    }
}

/// A node's directory, and what removes it with the world if it is a temporary one.
fn directory(spec: &NodeSpec) -> io::Result<(PathBuf, Option<tempfile::TempDir>)> {
    if let Some(dir) = &spec.dir {
        std::fs::create_dir_all(dir)?;
        return Ok((dir.clone(), None));
    }
    let temporary = tempfile::Builder::new().prefix("replab-").tempdir()?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

fn refused(spec: &NodeSpec, what: &str, source: io::Error) -> WorldError {
    if source.kind() == io::ErrorKind::AddrInUse {
        WorldError::PortInUse { node: spec.name.clone(), port: spec.port }
    } else {
        WorldError::Io { node: spec.name.clone(), what: what.to_owned(), source }
    }
}
