//! Claims: what can be expected of nodes, of watched primaries and of the lab, and whether it is
//! true of a picture.

mod sentinel;

pub use self::sentinel::{MONITOR_FIELDS, SENTINEL_FIELDS, check_is_clear};
use super::action::{Claim, Comparison, Condition};
use super::look::Counts;
use super::parse::{did_you_mean, duration, is_name, size};
use super::view::{LabView, NodeKind, NodeStatus};
use super::{outside, picture};
use crate::base::glob;
use crate::machine::{LinkState, NodeView, ServerView, SyncKind};

/// A field that a claim can speak of.
#[derive(Debug, Clone, Copy)]
pub struct FieldRow {
    /// Its name.
    pub name: &'static str,
    /// What it is compared with.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
    read: fn(&LabView, usize) -> Value,
}

/// What a field is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of these words.
    Words(&'static [&'static str]),
    /// Any one word.
    Text,
    /// A number, or a size such as `16kb`.
    Number,
    /// A number of milliseconds, or a duration such as `2s`.
    Age,
    /// A number, or the name of a node whose same field is meant.
    NumberOrNode,
    /// A text, or the name of a node whose same field is meant.
    TextOrNode,
    /// A glob that a whole text fits. Of a text that is awaited nothing is true.
    Glob,
}

impl Kind {
    /// Something that it accepts.
    pub fn example(self) -> &'static str {
        match self {
            Self::Words(words) => words.first().copied().unwrap_or_default(),
            Self::Text | Self::TextOrNode => "alpha",
            Self::Number => "100",
            Self::Age => "2s",
            Self::NumberOrNode => "alpha",
            Self::Glob => "*DEL*",
        }
    }

    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Words(words) => words.contains(&value),
            Self::Text | Self::TextOrNode => !value.is_empty(),
            Self::Glob => true,
            Self::Number => size(value).is_some(),
            Self::Age => duration(value).or_else(|| size(value)).is_some(),
            Self::NumberOrNode => size(value).is_some() || is_name(value),
        }
    }

    fn is_ordered(self) -> bool {
        matches!(self, Self::Number | Self::Age | Self::NumberOrNode)
    }

    /// What is accepted, in words.
    pub fn accepted(self) -> String {
        match self {
            Self::Words(words) => format!("one of {}", words.join(", ")),
            Self::Text => "a word".to_owned(),
            Self::Number => "a number, for example 100 or 16kb".to_owned(),
            Self::Age => "a duration, for example 500ms or 2s".to_owned(),
            Self::NumberOrNode => "a number, or the name of a node".to_owned(),
            Self::TextOrNode => "a text, or the name of a node".to_owned(),
            Self::Glob => "a text, in which * stands for any and ? for one character".to_owned(),
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(u64),
    /// It has none now, as a primary has no link to a primary.
    None,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Option<u64>> for Value {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::None, Self::Number)
    }
}

/// The fields of a server.
pub const NODE_FIELDS: &[FieldRow] = &[
    FieldRow {
        name: "role",
        kind: Kind::Words(&["primary", "replica"]),
        doc: "what the node says it is",
        read: |lab, i| of(lab, i, |view| view.role.word().into()),
    },
    FieldRow {
        name: "link",
        kind: Kind::Words(&["up", "down", "none"]),
        doc: "its link to its primary, as it sees it; none for a primary",
        read: link,
    },
    status(),
    FieldRow {
        name: "primary",
        kind: Kind::Text,
        doc: "the node it follows, or host:port outside the lab; none for a primary",
        read: primary,
    },
    FieldRow {
        name: "keys",
        kind: Kind::Number,
        doc: "keys in all databases",
        read: |lab, i| of(lab, i, |view| Value::Number(view.keys)),
    },
    FieldRow {
        name: "offset",
        kind: Kind::NumberOrNode,
        doc: "the last byte of the stream produced or applied",
        read: |lab, i| of(lab, i, |view| Value::Number(view.offset)),
    },
    FieldRow {
        name: "behind",
        kind: Kind::Number,
        doc: "bytes behind the head of its chain",
        read: |lab, i| picture::behind(&lab.nodes, i).into(),
    },
    FieldRow {
        name: "ack-age",
        kind: Kind::Age,
        doc: "time since it last acknowledged, as its primary sees it",
        read: |lab, i| picture::seen_by_primary(&lab.nodes, i).map(|seen| seen.ack_age_ms).into(),
    },
    FieldRow {
        name: "replid",
        kind: Kind::TextOrNode,
        doc: "its replication ID",
        read: |lab, i| of(lab, i, |view| view.replid.as_str().into()),
    },
    FieldRow {
        name: "full-syncs",
        kind: Kind::Number,
        doc: "full resyncs it served since it started",
        read: |lab, i| of(lab, i, |view| Value::Number(view.sync_full)),
    },
    FieldRow {
        name: "partial-syncs",
        kind: Kind::Number,
        doc: "partial resyncs it served since it started",
        read: |lab, i| of(lab, i, |view| Value::Number(view.sync_partial_ok)),
    },
    FieldRow {
        name: "last-sync",
        kind: Kind::Words(&["full", "partial", "none"]),
        doc: "how it last synchronised with its primary",
        read: |lab, i| {
            of(lab, i, |view| match view.last_sync.as_ref().map(|sync| sync.kind) {
                Some(SyncKind::Full) => "full".into(),
                Some(SyncKind::Partial) => "partial".into(),
                None => Value::None,
            })
        },
    },
    FieldRow {
        name: "connected-replicas",
        kind: Kind::Number,
        doc: "replicas it feeds",
        read: |lab, i| of(lab, i, |view| Value::Number(view.replicas.len() as u64)),
    },
    FieldRow {
        name: "outside-replicas",
        kind: Kind::Number,
        doc: "replicas outside the lab that it feeds",
        read: |lab, i| {
            let fed = lab.outside.iter().filter_map(|outsider| outsider.fed.as_ref());
            let fed = fed.filter(|fed| fed.by == i && fed.lost_ms.is_none());
            Value::Number(fed.count() as u64)
        },
    },
    FieldRow {
        name: "outside-sentinels",
        kind: Kind::Number,
        doc: "Sentinels outside the lab that are connected to it",
        read: |lab, i| Value::Number(outside::connected_to(&lab.nodes, i).len() as u64),
    },
    FieldRow {
        name: "good-replicas",
        kind: Kind::Number,
        doc: "replicas that count for min-replicas-to-write",
        read: |lab, i| of(lab, i, |view| view.good_replicas.map(|(good, _)| good as u64).into()),
    },
    FieldRow {
        name: "reply",
        kind: Kind::Glob,
        doc: "the answer to the last `redis` action, as a glob: `reply=OK`, `reply=(nil)`, `reply=NOREPLICAS*`",
        read: |lab, i| lab.nodes[i].seen.reply.clone().map_or(Value::None, Value::Text),
    },
    FieldRow {
        name: "streamed",
        kind: Kind::Glob,
        doc: "what the last `stream` action found, as a glob: `streamed=*SREM?colours*`",
        read: |lab, i| lab.nodes[i].seen.streamed.clone().map_or(Value::None, Value::Text),
    },
    FieldRow {
        name: "snapshots",
        kind: Kind::Number,
        doc: "snapshots (RDB) that it began since the lab began",
        read: |lab, i| Value::Number(lab.nodes[i].seen.snapshots),
    },
    FieldRow {
        name: "last-snapshot",
        kind: Kind::Words(&["disk", "sockets", "none"]),
        doc: "where its last snapshot went: to a file, or right into the sockets of replicas",
        read: |lab, i| lab.nodes[i].seen.last_snapshot.map_or(Value::None, Into::into),
    },
];

/// The fields of the lab.
pub const LAB_FIELDS: &[FieldRow] = &[
    FieldRow {
        name: "acked",
        kind: Kind::Number,
        doc: "writes of the workload that were acknowledged",
        read: |lab, _| Value::Number(lab.workload.acked),
    },
    FieldRow {
        name: "refused",
        kind: Kind::Number,
        doc: "writes of the workload that were answered with an error",
        read: |lab, _| Value::Number(lab.workload.refused),
    },
    FieldRow {
        name: "lost",
        kind: Kind::Number,
        doc: "acknowledged writes that the present primary does not have",
        read: |lab, _| Value::Number(lab.workload.lost),
    },
    FieldRow {
        name: "last-error",
        kind: Kind::Text,
        doc: "first word of the last error that the workload was given",
        read: |lab, _| {
            let word = lab.workload.last_error.as_ref().and_then(|e| e.split_whitespace().next());
            word.map_or(Value::None, Into::into)
        },
    },
    FieldRow {
        name: "full-syncs",
        kind: Kind::Number,
        doc: "full resyncs served since the lab began",
        read: |lab, _| Value::Number(lab.full_syncs),
    },
    FieldRow {
        name: "partial-syncs",
        kind: Kind::Number,
        doc: "partial resyncs served since the lab began",
        read: |lab, _| Value::Number(lab.partial_syncs),
    },
    FieldRow {
        name: "converged",
        kind: Kind::Words(&["yes", "no"]),
        doc: "whether every running replica of a running primary has its link up and its offset",
        read: |lab, _| if picture::is_converged(&lab.nodes) { "yes".into() } else { "no".into() },
    },
    compared("differing", "keys in which the nodes of the last `diff` differ", |lab, _| {
        found(lab, Counts::differing)
    }),
    compared("not-arrived", "of these, what has not arrived yet", |lab, _| {
        found(lab, |counts| counts.not_arrived)
    }),
    compared("expired", "of these, what expired and waits for its deletion", |lab, _| {
        found(lab, |counts| counts.expired)
    }),
    compared("local", "of these, what was written on the replica itself", |lab, _| {
        found(lab, |counts| counts.local)
    }),
];

/// A count of the last `diff`.
const fn compared(
    name: &'static str,
    doc: &'static str,
    read: fn(&LabView, usize) -> Value,
) -> FieldRow {
    FieldRow { name, kind: Kind::Number, doc, read }
}

fn found(lab: &LabView, count: impl FnOnce(&Counts) -> u64) -> Value {
    lab.compared.as_ref().map(count).into()
}

/// A field of every node.
const fn status() -> FieldRow {
    FieldRow {
        name: "status",
        kind: Kind::Words(&["running", "paused", "dead"]),
        doc: "what the lab did to it",
        read: |lab, i| match lab.nodes[i].status {
            NodeStatus::Running => "running".into(),
            NodeStatus::Paused(_) => "paused".into(),
            NodeStatus::Dead(..) => "dead".into(),
        },
    }
}

/// The picture of a node. Of one that is dead, nothing is true: it has data, but answers for none.
fn alive(lab: &LabView, node: usize) -> Option<&NodeView> {
    let row = &lab.nodes[node];
    row.view.as_deref().filter(|_| !matches!(row.status, NodeStatus::Dead(..)))
}

fn of(lab: &LabView, node: usize, read: impl FnOnce(&ServerView) -> Value) -> Value {
    alive(lab, node).and_then(NodeView::server).map_or(Value::None, read)
}

fn primary(lab: &LabView, node: usize) -> Value {
    match lab.nodes[node].follows {
        Some(primary) => lab.nodes[primary].name.as_str().into(),
        None => of(lab, node, |view| match &view.primary {
            Some(link) => Value::Text(format!("{}:{}", link.host, link.port)),
            None => Value::None,
        }),
    }
}

fn link(lab: &LabView, node: usize) -> Value {
    of(lab, node, |view| match &view.primary {
        None => Value::None,
        Some(link) if link.state == LinkState::Connected => "up".into(),
        Some(_) => "down".into(),
    })
}

/// What is wrong with a condition.
pub(super) struct Wrong {
    pub part: Part,
    pub message: String,
    pub help: String,
}

/// Which part of a condition.
pub(super) enum Part {
    Field,
    Comparison,
    Value,
}

/// What a claim speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Lab,
    Server,
    Sentinel,
    Monitor,
}

impl Subject {
    /// What a name may mean while nobody knows which names there are.
    pub fn possible(name: &str) -> &'static [Self] {
        if name == "lab" { &[Self::Lab] } else { &[Self::Server, Self::Sentinel, Self::Monitor] }
    }

    /// What a name means in a lab, and its place among its like.
    pub fn of(name: &str, lab: &LabView) -> Result<(Self, usize), String> {
        if name == "lab" {
            return Ok((Self::Lab, 0));
        }
        if let Some(node) = picture::index(&lab.nodes, name) {
            return Ok((lab.nodes[node].kind.into(), node));
        }
        let monitor = lab.monitors.iter().position(|monitor| monitor.name == name);
        monitor.map(|at| (Self::Monitor, at)).ok_or(format!("there is no node `{name}`"))
    }

    /// What can be asked of it.
    pub fn fields(self) -> &'static [FieldRow] {
        match self {
            Self::Lab => LAB_FIELDS,
            Self::Server => NODE_FIELDS,
            Self::Sentinel => SENTINEL_FIELDS,
            Self::Monitor => MONITOR_FIELDS,
        }
    }

    fn row(self, field: &str) -> Option<&'static FieldRow> {
        self.fields().iter().find(|row| row.name == field)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Lab => "the lab",
            Self::Server => "a server",
            Self::Sentinel => "a Sentinel",
            Self::Monitor => "a watched primary",
        }
    }
}

impl From<NodeKind> for Subject {
    fn from(kind: NodeKind) -> Self {
        match kind {
            NodeKind::Server => Self::Server,
            NodeKind::Sentinel => Self::Sentinel,
        }
    }
}

/// Whether a condition can be asked of one of these; if not, what is wrong with it for the one
/// that it fits best.
pub(super) fn check(subjects: &[Subject], condition: &Condition) -> Result<(), Wrong> {
    let Condition { field, comparison, value } = condition;
    let rows: Vec<&FieldRow> = subjects.iter().filter_map(|subject| subject.row(field)).collect();
    let Some(row) = rows.iter().find(|row| row.kind.accepts(value)).or(rows.first()) else {
        let names = || subjects.iter().flat_map(|subject| subject.fields()).map(|row| row.name);
        let owner = if let [subject] = subjects { subject.word() } else { "a node" };
        let help = did_you_mean(field, names()).map_or_else(
            || {
                let list = |subject: &Subject| {
                    let names: Vec<_> = subject.fields().iter().map(|row| row.name).collect();
                    format!("fields of {} are {}", subject.word(), names.join(", "))
                };
                subjects.iter().map(list).collect::<Vec<_>>().join("; ")
            },
            |name| format!("did you mean `{name}`?"),
        );
        let message = format!("{owner} has no field `{field}`");
        return Err(Wrong { part: Part::Field, message, help });
    };
    if !row.kind.is_ordered() && !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        let message = format!("`{field}` has no order");
        return Err(Wrong { part: Part::Comparison, message, help: "= or !=".to_owned() });
    }
    if !row.kind.accepts(value) {
        let message = format!("`{field}` cannot be `{value}`");
        return Err(Wrong { part: Part::Value, message, help: row.kind.accepted() });
    }
    Ok(())
}

/// Whether a claim is true of a picture; if not, what is true instead.
pub fn holds(claim: &Claim, lab: &LabView) -> Result<(), String> {
    let (subject, at) = Subject::of(&claim.subject, lab)?;
    let mut instead = Vec::new();
    for condition in &claim.conditions {
        let Some(row) = subject.row(&condition.field) else {
            return Err(format!("{} has no field `{}`", subject.word(), condition.field));
        };
        if subject == Subject::Sentinel {
            sentinel::check_is_clear_of(&condition.field, lab, at)?;
        }
        let actual = (row.read)(lab, at);
        let is_so = match (row.kind, &actual) {
            (Kind::Glob, Value::Text(text)) => {
                let fits = glob::matches(condition.value.as_bytes(), text.as_bytes());
                fits == (condition.comparison == Comparison::Equal)
            }
            (Kind::Glob, _) => false,
            _ => compare(&actual, condition.comparison, &meant(row, condition, lab)),
        };
        if !is_so {
            instead.push(format!("{} is {actual}", row.name));
        }
    }
    if instead.is_empty() { Ok(()) } else { Err(instead.join(", ")) }
}

/// The value that a condition compares with.
fn meant(row: &FieldRow, condition: &Condition, lab: &LabView) -> Value {
    let word = condition.value.as_str();
    let named = match row.kind {
        Kind::NumberOrNode | Kind::TextOrNode => picture::index(&lab.nodes, word),
        _ => None,
    };
    match row.kind {
        _ if named.is_some() => named.map_or(Value::None, |node| (row.read)(lab, node)),
        Kind::Age => duration(word).or_else(|| size(word)).into(),
        Kind::Number | Kind::NumberOrNode => size(word).into(),
        _ if word == "none" => Value::None,
        _ => word.into(),
    }
}

/// Nothing is neither less nor more than a number.
fn compare(actual: &Value, comparison: Comparison, meant: &Value) -> bool {
    let order = match (actual, meant) {
        (Value::Number(actual), Value::Number(meant)) => Some(actual.cmp(meant)),
        _ => None,
    };
    match comparison {
        Comparison::Equal => actual == meant,
        Comparison::NotEqual => actual != meant,
        Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::AtMost => order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::AtLeast => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{lab, live};
    use super::*;
    use crate::lab::{Action, parse};

    #[test]
    fn every_field_can_be_asked_and_answers_what_is_true() {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha")), ("charlie", Some("bravo"))]);
        live(&mut lab, 50);
        lab.act(&parse::action("redis alpha SET k v").unwrap(), "key");
        live(&mut lab, 10);
        let view = lab.view();
        let holds = |text: &str| holds(&parse::claim(text).unwrap(), &view);
        for claim in [
            "alpha role=primary link=none status=running primary=none keys=1 offset>=1 behind=0",
            "alpha connected-replicas=1 last-sync=none full-syncs=0",
            "bravo role=replica link=up primary=alpha offset=alpha replid=alpha ack-age<=1s",
            "charlie primary=bravo primary!=alpha offset=27 behind<1kb",
            "lab acked=0 refused=0 last-error=none converged=yes full-syncs=0 partial-syncs=0",
        ] {
            assert_eq!(holds(claim), Ok(()), "{claim}");
        }
        assert_eq!(holds("alpha good-replicas>=0"), Err("good-replicas is none".into()));
        assert_eq!(
            holds("bravo link=down keys=1 offset>50"),
            Err("link is up, offset is 27".into())
        );
        assert_eq!(holds("zulu link=down"), Err("there is no node `zulu`".into()));
    }

    #[test]
    fn a_lab_has_converged_when_every_chain_that_runs_agrees() {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha")), ("charlie", Some("bravo"))]);
        live(&mut lab, 50);
        let mut converged = |action: &str| {
            let action: Action = parse::action(action).unwrap();
            lab.act(&action, "key");
            live(&mut lab, 10);
            picture::is_converged(&lab.view().nodes)
        };
        assert!(converged("redis alpha SET k v"));
        assert!(!converged("cut alpha bravo"));
        assert!(!converged("redis alpha SET k w"));
        assert!(converged("heal"));
        assert!(converged("kill bravo"), "charlie cannot follow a dead node");
        assert!(converged("restart bravo"));
    }
}
