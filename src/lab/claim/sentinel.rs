//! What can be expected of a Sentinel, and of a watched primary as all its Sentinels see it.

use super::{FieldRow, Kind, Value, alive, status};
use crate::lab::view::{FailoverReport, FailoverState, LabView, NodeStatus};
use crate::lab::{outside, picture};
use crate::machine::{MonitorView, NodeView, SentinelView};

/// What a Sentinel thinks of a primary, from best to worst.
const OPINIONS: &[&str] = &["ok", "sdown", "odown"];

/// Where a failover is, in Redis's words.
const STATES: &[&str] = &[
    "none",
    "wait_start",
    "select_slave",
    "send_slaveof_noone",
    "wait_promotion",
    "reconf_slaves",
];

/// Fields of a Sentinel that are about the primary it watches: it must watch only one.
const ABOUT_THE_PRIMARY: &[&str] =
    &["primary", "sees", "failover", "vote", "config-epoch", "knows-replicas", "knows-sentinels"];

/// The fields of a Sentinel.
pub const SENTINEL_FIELDS: &[FieldRow] = &[
    FieldRow { name: "status", ..status() },
    FieldRow {
        name: "primary",
        kind: Kind::Text,
        doc: "the node to which it sends clients",
        read: |lab, i| of(lab, i, |belief| primary(lab, belief)),
    },
    FieldRow {
        name: "sees",
        kind: Kind::Words(OPINIONS),
        doc: "what it thinks of the primary",
        read: |lab, i| of(lab, i, |belief| OPINIONS[opinion(belief)].into()),
    },
    FieldRow {
        name: "failover",
        kind: Kind::Words(STATES),
        doc: "where its failover is",
        read: |lab, i| of(lab, i, |belief| belief.failover.state.into()),
    },
    FieldRow {
        name: "vote",
        kind: Kind::Text,
        doc: "the Sentinel for which it voted last",
        read: |lab, i| {
            of(lab, i, |belief| match &belief.vote {
                Some((id, _)) => sentinel(lab, id),
                None => Value::None,
            })
        },
    },
    FieldRow {
        name: "epoch",
        kind: Kind::NumberOrNode,
        doc: "the highest epoch that it has heard of",
        read: |lab, i| own(lab, i).map(|view| view.current_epoch).into(),
    },
    FieldRow {
        name: "config-epoch",
        kind: Kind::NumberOrNode,
        doc: "the epoch of the configuration that it follows",
        read: |lab, i| of(lab, i, |belief| Value::Number(belief.config_epoch)),
    },
    FieldRow {
        name: "knows-replicas",
        kind: Kind::Number,
        doc: "replicas of the primary that it knows",
        read: |lab, i| of(lab, i, |belief| Value::Number(belief.replicas.len() as u64)),
    },
    FieldRow {
        name: "knows-sentinels",
        kind: Kind::Number,
        doc: "other Sentinels that it knows",
        read: |lab, i| of(lab, i, |belief| Value::Number(belief.peers.len() as u64)),
    },
    FieldRow {
        name: "tilt",
        kind: Kind::Words(&["yes", "no"]),
        doc: "whether it is in TILT and decides nothing",
        read: |lab, i| own(lab, i).map_or(Value::None, |view| yes_no(view.tilt_ms.is_some())),
    },
];

/// The fields of a watched primary.
pub const MONITOR_FIELDS: &[FieldRow] = &[
    FieldRow {
        name: "primary",
        kind: Kind::Text,
        doc: "the node to which all running Sentinels send clients; disputed if they differ",
        read: agreed_primary,
    },
    FieldRow {
        name: "agreed",
        kind: Kind::Words(&["yes", "no"]),
        doc: "whether all running Sentinels follow the same configuration",
        read: |lab, i| {
            let configurations: Vec<_> =
                beliefs(lab, i).map(|belief| (belief.config_epoch, &belief.addr)).collect();
            yes_no(configurations.windows(2).all(|pair| pair[0] == pair[1]))
        },
    },
    FieldRow {
        name: "sees",
        kind: Kind::Words(OPINIONS),
        doc: "the worst that a running Sentinel thinks of the primary",
        read: |lab, i| match beliefs(lab, i).map(opinion).max() {
            Some(worst) => OPINIONS[worst].into(),
            None => Value::None,
        },
    },
    FieldRow {
        name: "config-epoch",
        kind: Kind::Number,
        doc: "the highest epoch of a configuration that a running Sentinel follows",
        read: |lab, i| beliefs(lab, i).map(|belief| belief.config_epoch).max().into(),
    },
    FieldRow {
        name: "running-sentinels",
        kind: Kind::Number,
        doc: "Sentinels that watch it and run",
        read: |lab, i| Value::Number(beliefs(lab, i).count() as u64),
    },
    FieldRow {
        name: "outside-sentinels",
        kind: Kind::Number,
        doc: "Sentinels outside the lab that watch it too, as those of the lab believe",
        read: |lab, i| {
            let name = &lab.monitors[i].name;
            Value::Number(outside::heard_of(&lab.nodes, name).len() as u64)
        },
    },
    FieldRow {
        name: "failovers",
        kind: Kind::Number,
        doc: "failovers that came to their end",
        read: |lab, i| {
            let done = |report: &&FailoverReport| report.state == FailoverState::Complete;
            Value::Number(failovers(lab, i).filter(done).count() as u64)
        },
    },
    FieldRow {
        name: "aborted",
        kind: Kind::Text,
        doc: "why the last failover was given up, in Redis's word; none if it was not",
        read: |lab, i| match failovers(lab, i).last().map(|report| &report.state) {
            Some(FailoverState::Aborted(event)) => event.as_str().into(),
            _ => Value::None,
        },
    },
    FieldRow {
        name: "failover-time",
        kind: Kind::Age,
        doc: "what the last failover took, from the fault to the last Sentinel told",
        read: |lab, i| failovers(lab, i).last().and_then(FailoverReport::total_ms).into(),
    },
    FieldRow {
        name: "leader",
        kind: Kind::Text,
        doc: "the Sentinel that led the last failover",
        read: |lab, i| match failovers(lab, i).last().and_then(|report| report.leader) {
            Some(leader) => lab.nodes[leader].name.as_str().into(),
            None => Value::None,
        },
    },
    FieldRow {
        name: "lost",
        kind: Kind::Number,
        doc: "acknowledged writes that the last failover lost, once they were looked for",
        read: |lab, i| failovers(lab, i).last().and_then(|report| report.lost).into(),
    },
];

/// What a Sentinel that is not dead says of itself.
fn own(lab: &LabView, node: usize) -> Option<&SentinelView> {
    alive(lab, node).and_then(NodeView::sentinel)
}

fn picture_of(lab: &LabView, node: usize) -> Option<&SentinelView> {
    lab.nodes[node].view.as_ref().and_then(|view| view.sentinel())
}

fn of(lab: &LabView, node: usize, read: impl FnOnce(&MonitorView) -> Value) -> Value {
    own(lab, node).and_then(|view| view.monitors.first()).map_or(Value::None, read)
}

/// Whether a field of a Sentinel that watches these primaries is about one of them; if nobody can
/// know of which, what to say of it.
pub fn check_is_clear(field: &str, watched: &[&str]) -> Result<(), String> {
    match watched {
        [first, _, ..] if ABOUT_THE_PRIMARY.contains(&field) => Err(format!(
            "`{field}` is about one primary, and this Sentinel watches {}; ask of one of these, as \
             in `{first} sees=ok`",
            watched.join(", ")
        )),
        _ => Ok(()),
    }
}

/// As [`check_is_clear`], of a Sentinel of the lab.
pub(super) fn check_is_clear_of(field: &str, lab: &LabView, node: usize) -> Result<(), String> {
    let watched = lab.monitors.iter().filter(|row| row.sentinels.contains(&node));
    check_is_clear(field, &watched.map(|row| row.name.as_str()).collect::<Vec<_>>())
}

/// What the running Sentinels of a monitor believe of it.
fn beliefs(lab: &LabView, monitor: usize) -> impl Iterator<Item = &MonitorView> {
    let row = &lab.monitors[monitor];
    let runs = |at: &&usize| lab.nodes[**at].status == NodeStatus::Running;
    row.sentinels.iter().filter(runs).filter_map(|at| picture::belief(&lab.nodes, *at, &row.name))
}

fn failovers(lab: &LabView, monitor: usize) -> impl DoubleEndedIterator<Item = &FailoverReport> {
    let name = &lab.monitors[monitor].name;
    lab.failovers.iter().filter(move |report| report.monitor == *name)
}

fn opinion(belief: &MonitorView) -> usize {
    match (belief.sdown_ms, belief.odown_ms) {
        (_, Some(_)) => 2,
        (Some(_), None) => 1,
        (None, None) => 0,
    }
}

fn primary(lab: &LabView, belief: &MonitorView) -> Value {
    match picture::at(&lab.nodes, &belief.addr.host, belief.addr.port) {
        Some(node) => lab.nodes[node].name.as_str().into(),
        None => Value::Text(belief.addr.to_string()),
    }
}

fn agreed_primary(lab: &LabView, monitor: usize) -> Value {
    let mut primaries = beliefs(lab, monitor).map(|belief| primary(lab, belief));
    match primaries.next() {
        None => Value::None,
        Some(first) if primaries.all(|other| other == first) => first,
        Some(_) => "disputed".into(),
    }
}

fn sentinel(lab: &LabView, id: &str) -> Value {
    let is_it = |node: &usize| picture_of(lab, *node).is_some_and(|view| view.id == id);
    let node = (0..lab.nodes.len()).find(is_it);
    node.map_or_else(|| id.into(), |node| lab.nodes[node].name.as_str().into())
}

fn yes_no(is_so: bool) -> Value {
    if is_so { "yes".into() } else { "no".into() }
}
