//! The journal: low-rate typed facts with sequence, time and node.

use std::collections::VecDeque;
use std::sync::Arc;

use super::action::Action;
use super::look::DiffSummary;
use super::view::PhaseTime;
use crate::machine::{Fact, Millis};

/// One row of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Counts up from 1 without gaps.
    pub seq: u64,
    /// Milliseconds since the lab began.
    pub t_ms: Millis,
    /// The node it is about, by name; `None` for the lab as a whole.
    pub node: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What a row tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A node reports.
    Node(Fact),
    /// Every node listens and the replication links are up.
    Ready,
    /// Somebody did something. `by` is "key", "palette", "step", "stdin" or "lab".
    Did {
        /// What.
        action: Action,
        /// Who.
        by: &'static str,
    },
    /// An action could not be done.
    Refused {
        /// The action as text.
        action: String,
        /// Why, and what would be accepted.
        reason: String,
    },
    /// A step's `say`.
    Said(String),
    /// A node of the lab started.
    Started {
        /// Its port.
        port: u16,
    },
    /// A node was killed, or lost power.
    Killed {
        /// Whether what was not fsynced is gone too.
        power_loss: bool,
    },
    /// A node ended by itself.
    Exited {
        /// Exit code.
        code: i32,
    },
    /// A node crashed; the lab goes on.
    Crashed {
        /// The panic's message.
        message: String,
    },
    /// A node was frozen.
    Paused,
    /// A node runs again.
    Resumed,
    /// The faults on a link changed; described as text ("cut", "delay 50ms", "clear").
    LinkChanged {
        /// From which node.
        from: String,
        /// To which node.
        to: String,
        /// The new state.
        state: String,
    },
    /// The answer to a `redis` action, as redis-cli prints it.
    Reply {
        /// The command as text.
        command: String,
        /// The reply, several lines possibly.
        reply: String,
        /// Whether the reply is an error.
        is_error: bool,
    },
    /// What went down a node's replication stream since it was last told.
    Streamed {
        /// What the lab asked the node meanwhile.
        asked: Vec<String>,
        /// The offset from which it is told.
        from: u64,
        /// The last byte of it.
        to: u64,
        /// The commands.
        streamed: Vec<String>,
        /// Commands before these.
        more: u64,
    },
    /// Two nodes were compared.
    Compared(Box<DiffSummary>),
    /// The keys of a node.
    Keys {
        /// How many fit.
        count: u64,
        /// The first ones.
        keys: Vec<String>,
    },
    /// A warning of what will come of an order.
    Warned(String),
    /// A failover came to its end.
    FailedOver {
        /// The monitor.
        monitor: String,
        /// The primary that was replaced.
        from: String,
        /// The new one.
        to: String,
        /// The Sentinel that led.
        leader: String,
        /// Its epoch.
        epoch: u64,
        /// What began it.
        cause: String,
        /// Where the time went.
        phases: [PhaseTime; 5],
    },
    /// The acknowledged writes were looked for on a new primary.
    LossesCounted {
        /// Keys that were read.
        checked: u64,
        /// Keys that hold nothing, or an older write than the last one acknowledged.
        lost: u64,
        /// A few of them, as sentences.
        examples: Vec<String>,
    },
    /// The workload's writes changed their fate: accepted, refused with this error, or unanswered.
    Workload {
        /// "ok", an error's first line, or "no answer".
        state: String,
    },
    /// An expectation was met.
    Met {
        /// The claim as text.
        claim: String,
        /// How long it took.
        after_ms: Millis,
    },
    /// An expectation was not met in time.
    Failed {
        /// The claim as text.
        claim: String,
        /// What was true instead.
        instead: String,
    },
}

/// Rows that a journal keeps; older ones go.
pub const JOURNAL_FACTS_MAX: usize = 10_000;

/// The rows, newest last.
#[derive(Debug, Default)]
pub struct Journal {
    rows: VecDeque<Arc<Entry>>,
    last_seq: u64,
}

impl Journal {
    pub(super) fn push(&mut self, t_ms: Millis, node: Option<String>, event: Event) {
        if self.rows.len() == JOURNAL_FACTS_MAX {
            self.rows.pop_front();
        }
        self.last_seq += 1;
        self.rows.push_back(Arc::new(Entry { seq: self.last_seq, t_ms, node, event }));
    }

    /// The sequence number of the newest row, 0 if there is none.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The rows after a sequence number, as far as they are still kept.
    pub fn after(&self, seq: u64) -> Vec<Arc<Entry>> {
        self.newest(self.last_seq.saturating_sub(seq) as usize)
    }

    /// The newest rows, oldest first.
    pub fn newest(&self, rows: usize) -> Vec<Arc<Entry>> {
        self.rows.range(self.rows.len().saturating_sub(rows)..).cloned().collect()
    }
}
