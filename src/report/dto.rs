//! The objects of the JSON report.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::lab::view::{FailoverState, NodeKind, PhaseTime};
use crate::lab::{Entry, FailoverSummary, OutsiderSummary, Summary};
use crate::machine::{Field, Millis};

/// One row of the journal.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    t_ms: Millis,
    node: Option<&'a str>,
    fact: &'a str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl<'a> From<&'a Entry> for Row<'a> {
    fn from(entry: &'a Entry) -> Self {
        let fields = entry.event.fields().into_iter();
        Self {
            t_ms: entry.t_ms,
            node: entry.node.as_deref(),
            fact: entry.event.name(),
            fields: fields.map(|(name, field)| (name.to_owned(), value(field))).collect(),
        }
    }
}

fn value(field: Field) -> Value {
    match field {
        Field::Number(number) => number.into(),
        Field::Text(text) => text.into(),
        Field::Flag(flag) => flag.into(),
        Field::None => Value::Null,
    }
}

/// The first line.
#[derive(Serialize)]
pub(super) struct Ready<'a> {
    pub t_ms: Millis,
    pub node: Option<&'a str>,
    pub fact: &'static str,
    pub nodes: Vec<Address<'a>>,
}

/// Where a node listens.
#[derive(Serialize)]
pub(super) struct Address<'a> {
    name: &'a str,
    kind: &'static str,
    host: &'static str,
    port: u16,
}

impl<'a> Address<'a> {
    pub fn of(name: &'a str, kind: NodeKind, port: u16) -> Self {
        Self { name, kind: kind.word(), host: "127.0.0.1", port }
    }
}

/// The last line.
#[derive(Serialize)]
pub(super) struct End<'a> {
    t_ms: Millis,
    node: Option<&'a str>,
    fact: &'static str,
    acked: u64,
    refused: u64,
    unanswered: u64,
    lost: u64,
    lost_examples: &'a [String],
    audit_error: Option<&'a str>,
    failovers: Vec<EndFailover<'a>>,
    full_syncs: u64,
    partial_syncs: u64,
    nodes: Vec<EndNode<'a>>,
    outside: Vec<EndOutsider<'a>>,
    outside_sentinels: &'a [String],
    met: usize,
    failed: &'a [String],
}

#[derive(Serialize)]
struct EndFailover<'a> {
    monitor: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    leader: Option<&'a str>,
    epoch: Option<u64>,
    began_ms: Millis,
    cause: &'a str,
    /// "running", "complete", or Redis's event that gave it up.
    state: &'a str,
    /// Milliseconds of each phase, and the least of each.
    took_ms: Map<String, Value>,
    least_ms: Map<String, Value>,
    lost: Option<u64>,
    lost_keys: &'a [String],
}

impl<'a> From<&'a FailoverSummary> for EndFailover<'a> {
    fn from(failover: &'a FailoverSummary) -> Self {
        let phases = |read: fn(&PhaseTime) -> Value| {
            let phases = failover.phases.iter();
            phases.map(|phase| (phase.phase.word().to_owned(), read(phase))).collect()
        };
        Self {
            monitor: &failover.monitor,
            from: failover.from.as_deref(),
            to: failover.to.as_deref(),
            leader: failover.leader.as_deref(),
            epoch: failover.epoch,
            began_ms: failover.began_ms,
            cause: &failover.cause,
            state: match &failover.state {
                FailoverState::Running => "running",
                FailoverState::Complete => "complete",
                FailoverState::Aborted(event) => event,
            },
            took_ms: phases(|phase| phase.took_ms.into()),
            least_ms: phases(|phase| phase.least_ms.into()),
            lost: failover.lost,
            lost_keys: &failover.lost_keys,
        }
    }
}

#[derive(Serialize)]
struct EndNode<'a> {
    name: &'a str,
    status: &'a str,
    role: Option<&'a str>,
    offset: Option<u64>,
    keys: Option<u64>,
}

#[derive(Serialize)]
struct EndOutsider<'a> {
    host: &'a str,
    port: u16,
    follows: Option<&'a str>,
    link: Option<&'a str>,
    acked: Option<u64>,
    feeds: &'a [String],
}

impl<'a> From<&'a OutsiderSummary> for EndOutsider<'a> {
    fn from(outsider: &'a OutsiderSummary) -> Self {
        Self {
            host: &outsider.address.host,
            port: outsider.address.port,
            follows: outsider.follows.as_deref(),
            link: outsider.link,
            acked: outsider.acked,
            feeds: &outsider.feeds,
        }
    }
}

impl<'a> From<&'a Summary> for End<'a> {
    fn from(summary: &'a Summary) -> Self {
        let nodes = summary.nodes.iter().map(|node| EndNode {
            name: &node.name,
            status: node.status,
            role: node.role,
            offset: node.offset,
            keys: node.keys,
        });
        Self {
            t_ms: summary.t_ms,
            node: None,
            fact: "summary",
            acked: summary.acked,
            refused: summary.refused,
            unanswered: summary.unanswered,
            lost: summary.lost,
            lost_examples: &summary.lost_examples,
            audit_error: summary.audit_error.as_deref(),
            failovers: summary.failovers.iter().map(EndFailover::from).collect(),
            full_syncs: summary.full_syncs,
            partial_syncs: summary.partial_syncs,
            nodes: nodes.collect(),
            outside: summary.outside.iter().map(EndOutsider::from).collect(),
            outside_sentinels: &summary.outside_sentinels,
            met: summary.met,
            failed: &summary.failed,
        }
    }
}
