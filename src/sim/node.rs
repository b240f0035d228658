//! A simulated node: its specification, its disk and, while it lives, its process.

use std::collections::{BTreeMap, VecDeque};

use super::disk::Disk;
use super::job::Running;
use super::network::SideId;
use crate::machine::{ConnId, Endpoint, Input, JobEvent, JobId, Machine, Millis, Outbox, Output};
use crate::world::NodeSpec;

/// A node, alive or not.
pub(super) struct Node {
    pub(super) spec: NodeSpec,
    pub(super) port: u16,
    pub(super) disk: Disk,
    /// How often it was started.
    pub(super) lives: u64,
    pub(super) process: Option<Process>,
}

/// One life of a node.
pub(super) struct Process {
    pub(super) machine: Box<dyn Machine>,
    /// Which one, counted from 1.
    pub(super) life: u64,
    /// Since when it is paused.
    pub(super) paused: Option<Millis>,
    /// Whether it was paused or stalled since its last turn.
    pub(super) was_frozen: bool,
    /// It stalls until then.
    pub(super) busy_until: Millis,
    /// What it was not told yet.
    pub(super) inbox: VecDeque<News>,
    /// What it ordered and is not done yet, because it stalls.
    pub(super) orders: VecDeque<Output>,
    pub(super) outbox: Outbox,
    /// What became of its files, to be told before anything else.
    pub(super) of_files: VecDeque<Input<'static>>,
    /// Whether it was told something since the last turn.
    pub(super) owes_turn: bool,
    /// What the machine said last.
    pub(super) deadline: Option<Millis>,
    /// The next planned wake.
    pub(super) wake_at: Option<Millis>,
    pub(super) conns: BTreeMap<ConnId, NodeConn>,
    pub(super) accepted: u64,
    pub(super) jobs: BTreeMap<JobId, Running>,
}

/// A connection as its node keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeConn {
    pub(super) side: SideId,
    /// The unsent bytes that the machine knows of.
    pub(super) told_unsent: usize,
    /// The machine does not want what arrives now.
    pub(super) is_unread: bool,
}

/// An input as it waits for its turn.
#[derive(Debug)]
pub(super) enum News {
    Started,
    Stop,
    Accepted {
        conn: ConnId,
        peer: Endpoint,
    },
    Dialled {
        conn: ConnId,
    },
    /// There are bytes to read.
    Readable {
        conn: ConnId,
    },
    /// The number of unsent bytes may have changed.
    Unsent {
        conn: ConnId,
    },
    Closed {
        conn: ConnId,
        reason: &'static str,
    },
    Job {
        id: JobId,
        event: JobEvent,
    },
}

impl Process {
    pub(super) fn new(machine: Box<dyn Machine>, life: u64) -> Self {
        Self {
            machine,
            life,
            paused: None,
            was_frozen: false,
            busy_until: 0,
            inbox: VecDeque::from([News::Started]),
            orders: VecDeque::new(),
            outbox: Outbox::new(),
            of_files: VecDeque::new(),
            owes_turn: false,
            deadline: None,
            wake_at: None,
            conns: BTreeMap::new(),
            accepted: 0,
            jobs: BTreeMap::new(),
        }
    }

    /// Whether the process can do anything now.
    pub(super) fn is_frozen(&self, now: Millis) -> bool {
        self.paused.is_some() || self.busy_until > now
    }
}
