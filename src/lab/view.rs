//! The latest picture of the whole lab, for the screen and the reports. Truth (what the lab knows)
//! stands beside belief (each node's own view).

use std::sync::Arc;

use super::journal::Entry;
use super::look::Counts;
use super::outside::Outsider;
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
    /// Servers, then Sentinels, each in the order of the file.
    pub nodes: Vec<NodeRow>,
    /// Servers outside the lab that nodes of the lab feed or follow.
    pub outside: Vec<Outsider>,
    /// The primaries that Sentinels watch, by the file.
    pub monitors: Vec<MonitorRow>,
    /// Failovers, oldest first; the last may still be going on.
    pub failovers: Vec<FailoverReport>,
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
    /// Whether somebody holds the script.
    pub is_held: bool,
    /// What the last `diff` action found.
    pub compared: Option<Counts>,
    /// What `undo` would do, as text.
    pub undo: Option<String>,
}

/// A node as the lab knows it.
#[derive(Debug, Clone)]
pub struct NodeRow {
    /// Name.
    pub name: String,
    /// What it is, by the file.
    pub kind: NodeKind,
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
    /// What came of the lab's looks at it.
    pub seen: Seen,
}

/// What the lab saw of a node by asking it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The answer to the last `redis` action, on one line; none while it is awaited.
    pub reply: Option<String>,
    /// What the last `stream` action found, on one line; none while it is awaited.
    pub streamed: Option<String>,
    /// Snapshots that it began since the lab began.
    pub snapshots: u64,
    /// Where the last one went: `disk` or `sockets`.
    pub last_snapshot: Option<&'static str>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum NodeKind {
    /// Holds data.
    #[default]
    Server,
    /// Watches those that do.
    Sentinel,
}

impl NodeKind {
    /// The word of our reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Sentinel => "sentinel",
        }
    }

    /// Several of them, in a sentence.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Server => "servers",
            Self::Sentinel => "Sentinels",
        }
    }
}

/// A primary that Sentinels watch, as the file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorRow {
    /// Its name among the Sentinels: `mymaster`.
    pub name: String,
    /// Sentinels that must agree that it is down.
    pub quorum: u64,
    /// `down-after-milliseconds`
    pub down_after_ms: Millis,
    /// The primary at first, as an index into `nodes`.
    pub primary: usize,
    /// The Sentinels that watch it, as indexes into `nodes`.
    pub sentinels: Vec<usize>,
}

/// A failover, from the fault to the last Sentinel that heard of it, as the lab saw it. All times
/// are milliseconds of lab time, all indexes are into `nodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverReport {
    /// The monitor's name.
    pub monitor: String,
    /// The epoch, once a leader has one.
    pub epoch: Option<u64>,
    /// The primary that was replaced.
    pub from: Option<usize>,
    /// The replica that was promoted, once chosen.
    pub to: Option<usize>,
    /// The Sentinel that leads, once elected.
    pub leader: Option<usize>,
    /// When it began: the fault, if the lab did one to the primary; else the first Sentinel's
    /// doubt or order.
    pub began_ms: Millis,
    /// What began it: "killed", "paused", "cut", …
    pub cause: String,
    /// Where the time went, in the order of [`Phase`].
    pub phases: [PhaseTime; 5],
    /// How it stands.
    pub state: FailoverState,
    /// Acknowledged writes that the new primary does not have, once looked for.
    pub lost: Option<u64>,
    /// Keys of a few of them.
    pub lost_keys: Vec<String>,
}

impl FailoverReport {
    /// Milliseconds from the fault to the last Sentinel told, once it is complete.
    pub fn total_ms(&self) -> Option<Millis> {
        let took = self.phases.iter().map(|phase| phase.took_ms);
        took.sum::<Option<Millis>>().filter(|_| self.state == FailoverState::Complete)
    }

    /// The least that all of it could take.
    pub fn least_ms(&self) -> Millis {
        self.phases.iter().map(|phase| phase.least_ms).sum()
    }
}

/// A part of a failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From the fault to the first `+sdown`.
    Detect,
    /// To `+odown` at the Sentinel that leads.
    Agree,
    /// To `+elected-leader`.
    Elect,
    /// To `+promoted-slave`.
    Promote,
    /// To `+switch-master` at the last Sentinel that can be told.
    Tell,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Detect, Self::Agree, Self::Elect, Self::Promote, Self::Tell];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Agree => "agree",
            Self::Elect => "elect",
            Self::Promote => "promote",
            Self::Tell => "tell",
        }
    }

    /// Its name in JSON.
    pub fn field(self) -> &'static str {
        match self {
            Self::Detect => "detect_ms",
            Self::Agree => "agree_ms",
            Self::Elect => "elect_ms",
            Self::Promote => "promote_ms",
            Self::Tell => "tell_ms",
        }
    }
}

/// How long a part of a failover took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseTime {
    /// Which part.
    pub phase: Phase,
    /// Milliseconds, once it is over.
    pub took_ms: Option<Millis>,
    /// The least that it can take with these links and `down-after-milliseconds`, in
    /// milliseconds: down-after to detect, then the link delays of the messages it needs.
    pub least_ms: Millis,
}

/// How a failover stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailoverState {
    /// Going on.
    Running,
    /// Every Sentinel that can be told sends clients to the new primary.
    Complete,
    /// Given up, with Redis's event: `-failover-abort-no-good-slave`.
    Aborted(String),
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
