//! Floor 6: what a lab can do to nodes and to the network between them, whichever world they live
//! in. `live` has threads, sockets, files and real time; `sim` has a virtual clock, network and
//! disk, all seeded. The lab above is written once, against [`World`].
//!
//! # Links
//!
//! The network is a third party: every byte between two nodes passes a link that neither of them
//! owns. A link is directed, has one [`LinkPolicy`], and keeps its socket while it is cut: a cut
//! lets no byte, no end of stream and no connection attempt across, and when it heals, what was
//! held arrives, as TCP would deliver it. Buffers are bounded, so a cut link really fills its
//! sender's output buffer. Clients from outside, and the lab's own clients, pass no link.
//!
//! # Death and pause
//!
//! A kill is SIGKILL: peers see the close at once (unless the link is cut). A pause is SIGSTOP: the
//! node's sockets stay, its kernel accepts connections and buffers bytes, nothing is answered.
//! Power loss is a kill that also undoes what was written but not fsynced.

pub mod link;

use std::sync::Arc;

use bytes::Bytes;

pub use self::link::LinkPolicy;
use crate::machine::{Fact, LogLevel, Machine, Millis, NodeData, NodeView, Now};

/// A node of a world, in the order they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// A connection of the lab itself to a node (workload, console), as an outside client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// Makes a node's machine, at its first start and at every restart.
pub type Factory = Arc<dyn Fn(Birth) -> Box<dyn Machine> + Send + Sync>;

/// What a world tells a machine that is being built.
#[derive(Debug, Clone)]
pub struct Birth {
    /// The port the node listens on.
    pub port: u16,
    /// Seed of the machine's dice; another one at each start.
    pub seed: u64,
}

/// What a world needs to know of a node.
#[derive(Clone)]
pub struct NodeSpec {
    /// Name in the lab.
    pub name: String,
    /// Port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// Directory for its files; `None` for one that goes when the lab ends.
    pub dir: Option<std::path::PathBuf>,
    /// Makes its machine.
    pub build: Factory,
}

/// Why a node could not be added or started.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The port is taken.
    #[error("{node} wants port {port}, which is in use")]
    PortInUse {
        /// The node's name.
        node: String,
        /// The port.
        port: u16,
    },
    /// The operating system refused something.
    #[error("{node}: {what}: {source}")]
    Io {
        /// The node's name.
        node: String,
        /// What was tried.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// How a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It ended itself with this code.
    Code(i32),
    /// It panicked, with this message.
    Crashed(String),
}

/// What happens in a world.
#[derive(Debug)]
pub enum WorldEvent {
    /// A node reports a fact.
    Fact {
        /// The node.
        node: NodeId,
        /// What happened.
        fact: Fact,
    },
    /// A node logs a line.
    Log {
        /// The node.
        node: NodeId,
        /// How loud.
        level: LogLevel,
        /// The line.
        text: String,
    },
    /// A node ended without being killed.
    Exited {
        /// The node.
        node: NodeId,
        /// How.
        exit: Exit,
    },
    /// The answer to [`World::ask_data`].
    Data {
        /// The node.
        node: NodeId,
        /// Its data; none if it holds none.
        data: Option<Box<NodeData>>,
    },
    /// Bytes arrived at one of the lab's clients.
    ClientReceived {
        /// The client.
        client: ClientId,
        /// The bytes.
        data: Bytes,
    },
    /// One of the lab's clients lost (or never got) its connection.
    ClientClosed {
        /// The client.
        client: ClientId,
        /// Why, in the system's words.
        reason: String,
    },
    /// Somebody asked [`World::poll`] to return, so that new orders are looked at.
    Nudge,
}

/// A world of nodes. All calls return at once, except `poll`.
pub trait World {
    /// The time.
    fn now(&self) -> Now;

    /// Adds a node (reserving its port), not yet started.
    fn add(&mut self, spec: NodeSpec) -> Result<NodeId, WorldError>;

    /// The port of a node, as reserved.
    fn port(&self, node: NodeId) -> u16;

    /// Starts or restarts a node that is not running, from its specification and its directory.
    fn start(&mut self, node: NodeId) -> Result<(), WorldError>;

    /// SIGKILL.
    fn kill(&mut self, node: NodeId);

    /// SIGKILL and the loss of whatever was not fsynced.
    fn power_loss(&mut self, node: NodeId);

    /// SIGSTOP.
    fn pause(&mut self, node: NodeId);

    /// SIGCONT.
    fn resume(&mut self, node: NodeId);

    /// SIGTERM: the node ends in its own time.
    fn stop(&mut self, node: NodeId);

    /// Sets the policy of a directed link, for present and future connections between the two
    /// nodes (whoever dialled).
    fn set_link(&mut self, from: NodeId, to: NodeId, policy: LinkPolicy);

    /// Resets every connection between two nodes, as a firewall that forgot its state would.
    fn reset_link(&mut self, a: NodeId, b: NodeId);

    /// Bytes held back on a directed link.
    fn held_bytes(&self, from: NodeId, to: NodeId) -> u64;

    /// Opens a client connection. It can be sent on at once; failure is an event.
    fn connect(&mut self, node: NodeId) -> ClientId;

    /// Sends on a client connection; ignored if it is gone.
    fn send(&mut self, client: ClientId, data: Bytes);

    /// Closes a client connection; nothing more is heard of it.
    fn disconnect(&mut self, client: ClientId);

    /// The newest picture of a node. A dead one has none, or its last: what it had at the end.
    fn view(&self, node: NodeId) -> Option<Arc<NodeView>>;

    /// Asks a node for its data as it is now. Answered by [`WorldEvent::Data`], when the node's
    /// [`World::view`] is as new. A paused node answers too. A dead one, and one that dies before,
    /// never does.
    fn ask_data(&mut self, node: NodeId);

    /// The next event, or `None` when the time `until` (monotonic ms) has come first.
    fn poll(&mut self, until: Millis) -> Option<WorldEvent>;
}
