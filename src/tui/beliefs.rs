//! What the Sentinels believe, set against what the lab knows. No drawing.

use ratatui::style::Style;

use super::app::Ui;
use super::units::age;
use crate::lab::outside::Outsider;
use crate::lab::view::{NodeKind, NodeRow, NodeStatus};
use crate::lab::{Entry, Event, LabView};
use crate::machine::{Endpoint, Fact, Millis, MonitorView, Role, SentinelView};

/// How long an event is news, ms: a failover may be over before anybody could look.
const NEWS_MS: Millis = 10_000;

/// What one Sentinel believes of one watched primary.
#[derive(Debug, Clone, Copy)]
pub struct Belief<'a> {
    /// The Sentinel, as an index into the view's nodes.
    pub sentinel: usize,
    /// The Sentinel as the lab knows it.
    pub row: &'a NodeRow,
    /// All that it believes.
    pub own: &'a SentinelView,
    /// What it believes of this primary.
    pub monitor: &'a MonitorView,
}

impl Belief<'_> {
    /// Whether the Sentinel can say so now: a dead or frozen one keeps what it believed last.
    pub fn is_live(&self) -> bool {
        self.row.status == NodeStatus::Running
    }

    /// Whether it was elected, or told, to fail over and is at it.
    pub fn leads(&self) -> bool {
        self.is_live() && is_leading(self.monitor)
    }
}

/// Whether a Sentinel's failover of a primary is past its election.
pub fn is_leading(monitor: &MonitorView) -> bool {
    !matches!(monitor.failover.state, "" | "none" | "wait_start")
}

/// The Sentinels, as indexes into the view's nodes.
pub fn sentinels(view: &LabView) -> impl Iterator<Item = usize> {
    (0..view.nodes.len()).filter(|&at| view.nodes[at].kind == NodeKind::Sentinel)
}

/// The picture of a Sentinel, if the node is one and ever ran.
pub fn sentinel(row: &NodeRow) -> Option<&SentinelView> {
    row.view.as_ref().and_then(|view| view.sentinel())
}

/// Every belief, Sentinel by Sentinel.
pub fn all(view: &LabView) -> impl Iterator<Item = Belief<'_>> {
    sentinels(view).flat_map(|at| of(view, at))
}

/// What one Sentinel believes of each primary that it watches.
pub fn of(view: &LabView, at: usize) -> impl Iterator<Item = Belief<'_>> {
    let row = &view.nodes[at];
    sentinel(row).into_iter().flat_map(move |own| {
        own.monitors.iter().map(move |monitor| Belief { sentinel: at, row, own, monitor })
    })
}

/// What the Sentinels believe of the primary with this name.
pub fn of_monitor<'a>(view: &'a LabView, name: &'a str) -> impl Iterator<Item = Belief<'a>> {
    all(view).filter(move |belief| belief.monitor.name == name)
}

/// The node of the lab at an address.
pub fn node_at(view: &LabView, addr: &Endpoint) -> Option<usize> {
    view.nodes.iter().position(|row| row.port == addr.port)
}

/// A node's name, or the address where the lab has no node.
pub fn name_of(view: &LabView, addr: &Endpoint) -> String {
    node_at(view, addr).map_or_else(|| addr.to_string(), |at| view.nodes[at].name.clone())
}

/// The Sentinel with this id.
pub fn by_id(view: &LabView, id: &str) -> Option<usize> {
    sentinels(view).find(|&at| sentinel(&view.nodes[at]).is_some_and(|own| own.id == id))
}

/// The name of the monitored primary whose group a node belongs to, as the Sentinels know it.
pub fn monitor_of(view: &LabView, node: usize) -> Option<&str> {
    let port = view.nodes.get(node)?.port;
    let knows = |belief: &Belief<'_>| {
        let known = belief.monitor.replicas.iter().map(|replica| replica.addr.port);
        known.chain([belief.monitor.addr.port, belief.monitor.watched.port]).any(|p| p == port)
    };
    if view.nodes[node].kind == NodeKind::Sentinel {
        return of(view, node).next().map(|belief| belief.monitor.name.as_str());
    }
    all(view).find(knows).map(|belief| belief.monitor.name.as_str())
}

/// What the running Sentinels say of a primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opinions {
    /// How many think that it is down.
    pub sdown: usize,
    /// How many watch it, the dead ones among them.
    pub of: usize,
    /// Whether one of them has heard enough others to call it objectively down.
    pub odown: bool,
}

/// What the Sentinels say of a node that they watch; `None` if nobody doubts it.
pub fn opinions(view: &LabView, node: usize) -> Option<Opinions> {
    let port = view.nodes[node].port;
    let down = || {
        let live = all(view).filter(|belief| belief.is_live() && belief.monitor.sdown_ms.is_some());
        live.filter(move |belief| belief.monitor.watched.port == port)
    };
    let name = &down().next()?.monitor.name;
    Some(Opinions {
        sdown: down().count(),
        of: of_monitor(view, name).count(),
        odown: down().any(|belief| belief.monitor.odown_ms.is_some()),
    })
}

/// An election that is going on, or was a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// Its epoch.
    pub epoch: u64,
    /// Votes that a leader needs.
    pub needed: u64,
    /// Who voted, and for whom.
    pub ballots: Vec<(usize, usize)>,
    /// Who has enough of them.
    pub leader: Option<usize>,
}

impl Election {
    /// Votes for a candidate.
    pub fn votes(&self, candidate: usize) -> u64 {
        self.ballots.iter().filter(|(_, of)| *of == candidate).count() as u64
    }

    /// The candidates, the most voted for first.
    pub fn candidates(&self) -> Vec<usize> {
        let mut found: Vec<usize> = self.ballots.iter().map(|(_, of)| *of).collect();
        found.sort_unstable();
        found.dedup();
        found.sort_by_key(|candidate| std::cmp::Reverse(self.votes(*candidate)));
        found
    }
}

/// The newest election among the Sentinels that watch a primary, while it is news. A Sentinel
/// forgets its vote with the switch to the new primary, milliseconds later maybe; the journal does
/// not.
pub fn election(view: &LabView, monitor: &str) -> Option<Election> {
    let epoch = cast(view, monitor).next()?.2;
    let last = view.failovers.iter().rev().find(|failover| failover.monitor == monitor);
    if last.and_then(|last| last.epoch).is_some_and(|later| later > epoch) {
        return None; // A failover that was ordered needs no votes.
    }
    let mut ballots: Vec<(usize, usize)> = Vec::new();
    for (voter, candidate, _) in cast(view, monitor).filter(|vote| vote.2 == epoch) {
        if ballots.iter().all(|(known, _)| *known != voter) {
            ballots.push((voter, candidate));
        }
    }
    let needed = of_monitor(view, monitor).map(|belief| belief.monitor.votes_needed).max()?;
    let mut election = Election { epoch, needed, ballots, leader: None };
    let elected = |candidate: &usize| election.votes(*candidate) >= needed;
    election.leader = election.candidates().into_iter().find(elected);
    Some(election)
}

/// The votes of late, the newest first: who, for whom, in which epoch.
fn cast<'a>(view: &'a LabView, monitor: &'a str) -> impl Iterator<Item = (usize, usize, u64)> + 'a {
    news(view).filter_map(move |entry| {
        let Event::Node(Fact::Sentinel { event: "+vote-for-leader", text, monitor: of, .. }) =
            &entry.event
        else {
            return None;
        };
        let (id, epoch) = text.split_once(' ')?;
        let voter = view.nodes.iter().position(|row| entry.node.as_ref() == Some(&row.name))?;
        let of_this = of.as_deref() == Some(monitor);
        of_this.then_some(())?;
        Some((voter, by_id(view, id)?, epoch.parse().ok()?))
    })
}

/// The journal's rows of the last seconds, the newest first.
fn news(view: &LabView) -> impl Iterator<Item = &Entry> {
    let since = view.now_ms.saturating_sub(NEWS_MS);
    let rows = view.journal.iter().rev().map(|entry| &**entry);
    rows.take_while(move |entry| entry.t_ms >= since)
}

/// The Sentinel that fails a primary over, or did a moment ago.
pub fn leader(view: &LabView, monitor: &str) -> Option<usize> {
    let leads = of_monitor(view, monitor).find(Belief::leads).map(|belief| belief.sentinel);
    leads.or_else(|| {
        let last = view.failovers.iter().rev().find(|last| last.monitor == monitor)?;
        let took: Millis = last.phases.iter().filter_map(|time| time.took_ms).sum();
        last.leader.filter(|_| last.began_ms + took + NEWS_MS >= view.now_ms)
    })
}

/// Whether Sentinels agreed a moment ago that a node that does not run is down.
pub fn was_odown(view: &LabView, node: usize) -> bool {
    let row = &view.nodes[node];
    let port = format!(" {}", row.port);
    row.status != NodeStatus::Running
        && news(view).any(|entry| match &entry.event {
            Event::Node(Fact::Sentinel { event: "+odown", text, .. }) => {
                text.split(" #").next().is_some_and(|about| about.ends_with(&port))
            }
            _ => false,
        })
}

/// The running nodes of a monitored group that are primaries by their own account: one, if all is
/// well; none or two in the moments that failovers are about.
pub fn true_primaries(view: &LabView, monitor: &str) -> Vec<usize> {
    let in_group = |at: &usize| monitor_of(view, *at) == Some(monitor);
    (0..view.nodes.len()).filter(|at| is_true_primary(&view.nodes[*at])).filter(in_group).collect()
}

/// The server outside the lab to which the running Sentinels of a primary send clients, if nodes of
/// the lab follow it.
pub fn primary_outside<'a>(view: &'a LabView, monitor: &'a str) -> Option<&'a Outsider> {
    let live = of_monitor(view, monitor).filter(Belief::is_live);
    let addresses: Vec<&Endpoint> = live.map(|belief| &belief.monitor.addr).collect();
    let mut outside = view.outside.iter();
    outside.find(|known| !known.feeds.is_empty() && addresses.contains(&&known.address))
}

fn is_true_primary(row: &NodeRow) -> bool {
    row.status == NodeStatus::Running && role(row) == Some(Role::Primary)
}

fn role(row: &NodeRow) -> Option<Role> {
    row.view.as_ref()?.server().map(|server| server.role)
}

/// In what a Sentinel that runs is wrong about a primary, in a few words; `None` if it is right.
pub fn error_of(view: &LabView, belief: &Belief<'_>) -> Option<String> {
    let monitor = belief.monitor;
    let Some(at) = node_at(view, &monitor.addr) else {
        let is_known = view.outside.iter().any(|outsider| outsider.address == monitor.addr);
        return (!is_known).then(|| "no node is there".to_owned());
    };
    let row = &view.nodes[at];
    let thinks_up = monitor.sdown_ms.is_none();
    let others: Vec<&str> = true_primaries(view, &monitor.name)
        .into_iter()
        .filter(|other| *other != at)
        .map(|other| view.nodes[other].name.as_str())
        .collect();
    match (&row.status, role(row)) {
        _ if !belief.is_live() => None,
        (NodeStatus::Dead(..), _) if thinks_up => Some("it is dead".to_owned()),
        (NodeStatus::Paused(_), _) if thinks_up => Some("it is frozen".to_owned()),
        (NodeStatus::Running, Some(Role::Replica)) => Some("it is a replica".to_owned()),
        (NodeStatus::Running, _) if !thinks_up => Some("it runs".to_owned()),
        (NodeStatus::Running, _) => None,
        _ if !others.is_empty() => Some(format!("{} is primary", others.join(", "))),
        _ => None,
    }
}

/// `ok`, `sdown 1.2 s`, `ODOWN 0.4 s`, and how it looks.
pub fn down_state(monitor: &MonitorView, ui: &Ui) -> (String, Style) {
    let theme = ui.theme();
    match (monitor.odown_ms, monitor.sdown_ms) {
        (Some(ms), _) => (format!("ODOWN {}", age(ms)), theme.bad),
        (None, Some(ms)) => (format!("sdown {}", age(ms)), theme.warn),
        (None, None) => ("ok".to_owned(), theme.good),
    }
}

/// The states of a failover in Redis's words (`failover-state`), in their order.
pub const STATES: [&str; 5] =
    ["wait_start", "select_slave", "send_slaveof_noone", "wait_promotion", "reconf_slaves"];

/// How long a Sentinel's newest failover of a primary was in each of its [`STATES`]; `None` where
/// it did not come. The last that it came to still counts while the failover goes on.
pub fn times_in_states(view: &LabView, belief: &Belief<'_>) -> [Option<Millis>; 5] {
    let events = view.journal.iter().filter_map(|entry| match &entry.event {
        Event::Node(Fact::Sentinel { event, monitor, .. })
            if entry.node.as_ref() == Some(&belief.row.name)
                && monitor.as_ref() == Some(&belief.monitor.name) =>
        {
            Some((entry.t_ms, *event))
        }
        _ => None,
    });
    let (mut times, mut at) = ([None; 5], None);
    for (t_ms, event) in events {
        let next = match event {
            "+try-failover" => Some(0),
            "+failover-state-select-slave" => Some(1),
            "+failover-state-send-slaveof-noone" => Some(2),
            "+failover-state-wait-promotion" => Some(3),
            "+failover-state-reconf-slaves" => Some(4),
            "+failover-end" | "+failover-end-for-timeout" => None,
            event if event.starts_with("-failover-abort") => None,
            _ => continue,
        };
        if let Some((state, since)) = at {
            times[state] = Some(t_ms.saturating_sub(since));
        }
        if next == Some(0) {
            times = [None; 5];
        }
        at = next.map(|state: usize| (state, t_ms));
    }
    if let Some((state, since)) = at {
        times[state] = Some(view.now_ms.saturating_sub(since));
    }
    times
}
