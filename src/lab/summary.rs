//! What a run of the lab comes to, in a few numbers.

use super::outside::{self, Outsider, Watcher};
use super::run::Lab;
use super::view::{FailoverState, NodeRow, NodeStatus, PhaseTime};
use crate::machine::{Endpoint, Millis};
use crate::world::World;

/// The last line of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Milliseconds since the lab began.
    pub t_ms: Millis,
    /// Writes acknowledged.
    pub acked: u64,
    /// Writes answered with an error.
    pub refused: u64,
    /// Writes that got no answer.
    pub unanswered: u64,
    /// Acknowledged writes that the present primary does not have.
    pub lost: u64,
    /// Some of them, as sentences.
    pub lost_examples: Vec<String>,
    /// Why the last audit could not be finished.
    pub audit_error: Option<String>,
    /// Failovers, oldest first.
    pub failovers: Vec<FailoverSummary>,
    /// Full resyncs served.
    pub full_syncs: u64,
    /// Partial resyncs served.
    pub partial_syncs: u64,
    /// Each node at the end.
    pub nodes: Vec<NodeSummary>,
    /// Servers outside the lab that its nodes feed or follow at the end.
    pub outside: Vec<OutsiderSummary>,
    /// Addresses of the Sentinels outside that watch its primaries, else what is known of their ids.
    pub outside_sentinels: Vec<String>,
    /// Expectations met.
    pub met: usize,
    /// Expectations not met, each with what was true instead.
    pub failed: Vec<String>,
}

/// A failover, with nodes by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverSummary {
    /// The monitor.
    pub monitor: String,
    /// The primary that was replaced.
    pub from: Option<String>,
    /// The replica that was promoted.
    pub to: Option<String>,
    /// The Sentinel that led.
    pub leader: Option<String>,
    /// Its epoch.
    pub epoch: Option<u64>,
    /// When it began, in milliseconds of lab time.
    pub began_ms: Millis,
    /// What began it.
    pub cause: String,
    /// How it stands.
    pub state: FailoverState,
    /// Where the time went.
    pub phases: [PhaseTime; 5],
    /// Acknowledged writes that the new primary does not have, once looked for.
    pub lost: Option<u64>,
    /// Keys of a few of them.
    pub lost_keys: Vec<String>,
}

impl FailoverSummary {
    /// Who was replaced by whom, led by whom, and whether it came to its end.
    pub fn headline(&self) -> String {
        let Self { monitor, from, to, leader, epoch, cause, .. } = self;
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
        let (from, to, leader) = (name(from), name(to), name(leader));
        let epoch = epoch.map_or("-".to_owned(), |epoch| epoch.to_string());
        let end = match &self.state {
            FailoverState::Running => ", not at its end".to_owned(),
            FailoverState::Complete => String::new(),
            FailoverState::Aborted(event) => format!(", given up: {event}"),
        };
        format!(
            "failover {monitor}: {from} ({cause}) -> {to}, led by {leader} in epoch {epoch}{end}"
        )
    }

    /// A name, what it took and the least that it could take, in milliseconds, for each phase and
    /// in all.
    pub fn times(&self) -> Vec<(&'static str, Option<Millis>, Millis)> {
        let phases =
            self.phases.iter().map(|time| (time.phase.word(), time.took_ms, time.least_ms));
        let total = self.phases.iter().filter_map(|phase| phase.took_ms).sum();
        let least = self.phases.iter().map(|phase| phase.least_ms).sum();
        phases.chain([("total", Some(total), least)]).collect()
    }

    /// What it cost, once that was looked for.
    pub fn losses(&self) -> Option<String> {
        Some(match self.lost? {
            0 => "no acknowledged write lost".to_owned(),
            lost => format!("{lost} acknowledged writes lost: {}", self.lost_keys.join(", ")),
        })
    }
}

/// A node at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSummary {
    /// Its name.
    pub name: String,
    /// "running", "paused" or "dead".
    pub status: &'static str,
    /// "primary" or "replica", where it ever said so.
    pub role: Option<&'static str>,
    /// The last byte of the stream produced or applied.
    pub offset: Option<u64>,
    /// Keys in all databases.
    pub keys: Option<u64>,
}

/// A server outside the lab at the end of a run, as its nodes know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsiderSummary {
    /// Where it is; without a port, 0.
    pub address: Endpoint,
    /// The node that feeds it, or did until a moment ago.
    pub follows: Option<String>,
    /// That link: Redis's word, or `lost`.
    pub link: Option<&'static str>,
    /// The offset that it acknowledged last.
    pub acked: Option<u64>,
    /// The nodes that follow it.
    pub feeds: Vec<String>,
}

impl OutsiderSummary {
    /// Whom it follows and feeds, in words.
    pub fn standing(&self) -> String {
        let follows = self.follows.as_ref().map(|node| {
            let (link, acked) = (self.link.unwrap_or("-"), self.acked.unwrap_or(0));
            format!("replica of {node}, {link}, acknowledged {acked}")
        });
        let feeds = (!self.feeds.is_empty()).then(|| format!("feeds {}", self.feeds.join(", ")));
        follows.into_iter().chain(feeds).collect::<Vec<_>>().join(", ")
    }

    fn of(outsider: &Outsider, nodes: &[NodeRow]) -> Self {
        let name = |at: usize| nodes[at].name.clone();
        Self {
            address: outsider.address.clone(),
            follows: outsider.fed.as_ref().map(|fed| name(fed.by)),
            link: outsider.link(),
            acked: outsider.fed.as_ref().map(|fed| fed.seen.acked),
            feeds: outsider.feeds.iter().copied().map(name).collect(),
        }
    }
}

impl<W: World> Lab<W> {
    /// The numbers of the run until now; losses are those of the last audit.
    pub fn summary(&mut self) -> Summary {
        let view = self.view();
        let name = |node: Option<usize>| node.map(|node| view.nodes[node].name.clone());
        let failovers = view.failovers.iter().map(|report| FailoverSummary {
            monitor: report.monitor.clone(),
            from: name(report.from),
            to: name(report.to),
            leader: name(report.leader),
            epoch: report.epoch,
            began_ms: report.began_ms,
            cause: report.cause.clone(),
            state: report.state.clone(),
            phases: report.phases,
            lost: report.lost,
            lost_keys: report.lost_keys.clone(),
        });
        let nodes = view.nodes.iter().map(|node| {
            let server = node.view.as_ref().and_then(|view| view.server());
            NodeSummary {
                name: node.name.clone(),
                status: match node.status {
                    NodeStatus::Running => "running",
                    NodeStatus::Paused(_) => "paused",
                    NodeStatus::Dead(..) => "dead",
                },
                role: server.map(|server| server.role.word()),
                offset: server.map(|server| server.offset),
                keys: server.map(|server| server.keys),
            }
        });
        let outside = view.outside.iter().map(|found| OutsiderSummary::of(found, &view.nodes));
        let outside_sentinels = outside::sentinels(&view.nodes);
        Summary {
            t_ms: view.now_ms,
            acked: view.workload.acked,
            refused: view.workload.refused,
            unanswered: view.workload.unanswered,
            lost: view.workload.lost,
            lost_examples: self.audited().examples.clone(),
            audit_error: self.audited().error.clone(),
            failovers: failovers.collect(),
            full_syncs: view.full_syncs,
            partial_syncs: view.partial_syncs,
            nodes: nodes.collect(),
            outside: outside.collect(),
            outside_sentinels: outside_sentinels.iter().map(Watcher::name).collect(),
            met: self.met(),
            failed: self.failed().to_vec(),
        }
    }
}
