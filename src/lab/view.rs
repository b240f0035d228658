//! The latest picture of the whole lab, for the screen and the reports. Truth (what the lab knows)
//! stands beside belief (each node's own view).

use std::sync::Arc;

use super::journal::Entry;
use crate::machine::{Millis, NodeView};
use crate::world::LinkPolicy;

/// A picture of the lab.
#[derive(Debug, Clone, Default)]
pub struct LabView {
    /// The topology's title.
    pub title: String,
    /// The topology's about.
    pub about: String,
    /// Milliseconds since the lab began.
    pub now_ms: Millis,
    /// Nodes in the order of the file.
    pub nodes: Vec<NodeRow>,
    /// Directed links that are not clear.
    pub faults: Vec<LinkFault>,
    /// The workload.
    pub workload: WorkloadView,
    /// Full resyncs that the nodes served since the lab began.
    pub full_syncs: u64,
    /// Partial resyncs that the nodes served since the lab began.
    pub partial_syncs: u64,
    /// The newest rows of the journal, oldest first.
    pub journal: Vec<Arc<Entry>>,
    /// The script's steps.
    pub steps: Vec<StepView>,
    /// What `undo` would do, as text.
    pub undo: Option<String>,
}

/// A node as the lab knows it.
#[derive(Debug, Clone)]
pub struct NodeRow {
    /// Name.
    pub name: String,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// What the lab knows.
    pub status: NodeStatus,
    /// What the node itself says; the last picture is kept while it is dead.
    pub view: Option<Arc<NodeView>>,
    /// The node it follows now, as an index into `nodes`, from its own state (or, while it is
    /// dead, from its last state).
    pub follows: Option<usize>,
    /// Offsets over the last minute, oldest first: bytes behind the head of its chain.
    pub behind_history: Vec<u64>,
}

/// The lab's truth about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStatus {
    /// Runs.
    Running,
    /// Is frozen, since (ms of lab time).
    Paused(Millis),
    /// Is dead, since (ms of lab time), with the cause.
    Dead(Millis, String),
}

/// A directed link with a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFault {
    /// Index into `nodes`.
    pub from: usize,
    /// Index into `nodes`.
    pub to: usize,
    /// What is wrong with it.
    pub policy: LinkPolicy,
    /// Since when (ms of lab time).
    pub since_ms: Millis,
    /// When it heals by itself (ms of lab time).
    pub heals_at_ms: Option<Millis>,
    /// Bytes held back.
    pub held_bytes: u64,
}

/// The built-in workload and its ledger.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadView {
    /// Writes per second asked for; 0 is off.
    pub per_second: u32,
    /// The node it writes to.
    pub target: Option<String>,
    /// Writes acknowledged.
    pub acked: u64,
    /// Writes answered with an error.
    pub refused: u64,
    /// Writes that got no answer.
    pub unanswered: u64,
    /// Acknowledged writes found missing on the present primary at the last audit.
    pub lost: u64,
    /// The last error, as the client saw it.
    pub last_error: Option<String>,
}

/// A step of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// The step as text.
    pub text: String,
    /// How it went.
    pub status: StepStatus,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// Not yet reached.
    Waiting,
    /// Being done, or waited for.
    Running,
    /// Done, or met.
    Passed,
    /// Not met in time.
    Failed,
}
