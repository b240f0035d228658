//! Where the time of a failover goes: what the Sentinels report, beside what the lab knows to have
//! happened.
//!
//! # The least it can take
//!
//! Nobody may call a primary down before `down-after-milliseconds` are over. Then one question to
//! as many Sentinels as the quorum needs, one to as many as elect a leader, one order to the
//! replica with its answer, and one message to each Sentinel, straight or through a server: with
//! nothing but the links' delays
//! these are the least times of the phases. On a link without delay they are 0.

use std::collections::BTreeMap;

use super::faults::{Fault, Faults, Pair, describe};
use super::nodes::Node;
use super::view::{
    FailoverReport, FailoverState, MonitorRow, NodeKind, NodeStatus, Phase, PhaseTime,
};
use crate::machine::Millis;
use crate::world::LinkPolicy;

/// Failovers that are kept; what comes after them is only in the journal.
pub(super) const FAILOVERS_MAX: usize = 200;

/// A fault that ended is still the cause of a doubt that begins so many milliseconds later.
const CAUSE_AGE_MS_MAX: Millis = 5_000;

/// The cause of a failover that nobody's fault began.
const ORDERED: &str = "ordered";

/// The cause where the lab knows none.
const UNKNOWN: &str = "slow, and nobody broke it";

/// Why a failover was given up whose Sentinels are dead: they could not say it.
const DIED: &str = "died";

/// What the lab knows.
#[derive(Clone, Copy)]
pub(super) struct Truth<'a> {
    pub nodes: &'a [Node],
    pub faults: &'a Faults,
    pub monitors: &'a [MonitorRow],
    pub now: Millis,
}

/// All failovers, and what is going on now.
#[derive(Default)]
pub(super) struct Failovers {
    reports: Vec<FailoverReport>,
    /// By the monitor's name.
    watches: BTreeMap<String, Watch>,
    /// The newest epoch that each Sentinel opened or heard of.
    epochs: BTreeMap<usize, u64>,
}

/// What the Sentinels of a primary said since all of them last thought it well.
#[derive(Default)]
struct Watch {
    /// When somebody ordered a failover.
    ordered: Option<Millis>,
    /// Sentinels that doubt.
    doubting: BTreeMap<usize, Doubt>,
    /// When each one saw that enough of them do.
    agreed: BTreeMap<usize, Millis>,
    /// Sentinels that stood for election, and the epoch of the last.
    stood: BTreeMap<usize, Option<u64>>,
    /// The failover that goes on, or was given up.
    open: Option<Open>,
}

/// A Sentinel thinks that the primary is down.
struct Doubt {
    at: Millis,
    /// Since when there was a reason, and which.
    began: Millis,
    cause: String,
}

/// How a failover came about.
struct Origin {
    began: Millis,
    cause: String,
    /// When a Sentinel first doubted for that reason.
    doubted: Option<Millis>,
}

/// When what happened in the failover that goes on.
struct Open {
    report: usize,
    doubted: Option<Millis>,
    elected: Option<Millis>,
    promoted: Option<Millis>,
    told: BTreeMap<usize, Millis>,
}

impl Failovers {
    pub fn reports(&self) -> &[FailoverReport] {
        &self.reports
    }

    /// Somebody ordered a failover.
    pub fn order(&mut self, monitor: &str, now: Millis) {
        let watch = self.watches.entry(monitor.to_owned()).or_default();
        watch.ordered = Some(now);
    }

    /// The newest failover of this primary whose losses are not counted though it is complete, and
    /// the node on which they are to be counted.
    pub fn uncounted(&self, concerns: impl Fn(&FailoverReport) -> bool) -> Option<(usize, usize)> {
        let mut newest_first = self.reports.iter().enumerate().rev();
        let (at, report) = newest_first.find(|(_, report)| concerns(report))?;
        let is_due = report.state == FailoverState::Complete && report.lost.is_none();
        report.to.filter(|_| is_due).map(|to| (at, to))
    }

    /// The losses of a failover were counted.
    pub fn count(&mut self, report: usize, lost: u64, keys: Vec<String>) {
        if let Some(report) = self.reports.get_mut(report) {
            report.lost = Some(lost);
            report.lost_keys = keys;
        }
    }

    /// How many Sentinels stood for election since the primary seems down.
    pub fn stood(&self, monitor: &str) -> usize {
        self.watches.get(monitor).map_or(0, |watch| watch.stood.len())
    }

    /// A Sentinel opened or heard of an epoch.
    pub fn on_epoch(&mut self, node: usize, epoch: u64) {
        self.epochs.insert(node, epoch);
    }

    /// A Sentinel reports of a primary.
    pub fn on(&mut self, truth: Truth<'_>, node: usize, monitor: &str, event: &str, text: &str) {
        let Some(row) = truth.monitors.iter().find(|row| row.name == monitor) else { return };
        let now = truth.now;
        let watch = self.watches.entry(monitor.to_owned()).or_default();
        let about_primary = text.starts_with("master ");
        match event {
            "+sdown" if about_primary => self.doubt(truth, row, node, text),
            "-sdown" if about_primary => watch.trust(node),
            // It begins without an opinion.
            "+monitor" => watch.trust(node),
            "+reset-master" | "-monitor" => {
                watch.trust(node);
                self.abort(monitor, node, event);
            }
            "+odown" if about_primary => {
                watch.agreed.entry(node).or_insert(now);
            }
            "+try-failover" => {
                watch.stood.insert(node, self.epochs.get(&node).copied());
                self.open(truth, row, node, text);
            }
            "+elected-leader" => self.lead(now, monitor, node),
            "+selected-slave" | "+promoted-slave" => {
                self.choose(truth, monitor, text, event == "+promoted-slave");
            }
            "+switch-master" => self.tell(truth, monitor, node, text),
            _ if event.starts_with("-failover-abort") => self.abort(monitor, node, event),
            _ => {}
        }
    }

    /// Gives the reports that became complete.
    pub fn settle(&mut self, truth: Truth<'_>) -> Vec<FailoverReport> {
        let mut complete = Vec::new();
        for row in truth.monitors {
            let Some(watch) = self.watches.get_mut(&row.name) else { continue };
            let is_dead = |at: &usize| matches!(truth.nodes[*at].status, NodeStatus::Dead(..));
            watch.doubting.retain(|at, _| !is_dead(at));
            let Some(open) = &watch.open else { continue };
            let Some(report) = self.reports.get_mut(open.report) else { continue };
            report.phases = watch.phases(truth, row, report, open);
            if open.promoted.is_some() && open.is_told(truth, row, report) {
                report.state = FailoverState::Complete;
                complete.push(report.clone());
                let doubting = std::mem::take(&mut watch.doubting);
                *watch = Watch { doubting, ..Watch::default() };
            } else if report.state == FailoverState::Running
                && open.promoted.is_none()
                && watch.doubting.is_empty()
                && watch.stood.keys().all(is_dead)
            {
                report.state = FailoverState::Aborted(DIED.to_owned());
            }
        }
        complete
    }

    /// A Sentinel thinks that the primary is down. What was given up before is over.
    fn doubt(&mut self, truth: Truth<'_>, row: &MonitorRow, node: usize, text: &str) {
        let cause = primary_in(truth.nodes, text).and_then(|at| cause(truth, row, at, node));
        let (began, cause) = cause.unwrap_or_else(|| (truth.now, UNKNOWN.to_owned()));
        let Some(watch) = self.watches.get_mut(&row.name) else { return };
        let report = watch.open.as_ref().and_then(|open| self.reports.get(open.report));
        let goes_on = report.is_some_and(|report| report.state == FailoverState::Running);
        if watch.doubting.is_empty() && !goes_on {
            *watch = Watch::default();
        }
        watch.doubting.insert(node, Doubt { at: truth.now, began, cause });
    }

    /// A Sentinel stands for election: a failover begins, or a given-up one goes on.
    fn open(&mut self, truth: Truth<'_>, row: &MonitorRow, node: usize, text: &str) {
        let Some(watch) = self.watches.get_mut(&row.name) else { return };
        let ordered = watch.ordered.take().unwrap_or(truth.now);
        let origin = watch.doubt_of(node).unwrap_or_else(|| Origin {
            began: ordered,
            cause: ORDERED.to_owned(),
            doubted: None,
        });
        if let Some(open) = &mut watch.open
            && let Some(report) = self.reports.get_mut(open.report)
        {
            report.state = FailoverState::Running;
            if report.leader.is_none() {
                open.date(report, origin);
            }
            return;
        }
        if self.reports.len() == FAILOVERS_MAX {
            return;
        }
        let report = self.reports.len();
        let Origin { began: began_ms, cause, doubted } = origin;
        watch.open =
            Some(Open { report, doubted, elected: None, promoted: None, told: BTreeMap::new() });
        self.reports.push(FailoverReport {
            monitor: row.name.clone(),
            epoch: None,
            from: primary_in(truth.nodes, text),
            to: None,
            leader: None,
            began_ms,
            cause,
            phases: Phase::ALL.map(|phase| PhaseTime { phase, took_ms: None, least_ms: 0 }),
            state: FailoverState::Running,
            lost: None,
            lost_keys: Vec::new(),
        });
    }

    fn lead(&mut self, now: Millis, monitor: &str, node: usize) {
        let Some((watch, report)) = self.current(monitor) else { return };
        let origin = watch.doubt_of(node);
        if let Some(open) = &mut watch.open {
            open.elected = Some(now);
            if let Some(origin) = origin {
                open.date(report, origin);
            }
        }
        report.leader = Some(node);
        report.epoch = watch.stood.get(&node).copied().flatten();
        report.state = FailoverState::Running;
    }

    fn choose(&mut self, truth: Truth<'_>, monitor: &str, text: &str, is_promoted: bool) {
        let Some((watch, report)) = self.current(monitor) else { return };
        if let Some(open) = watch.open.as_mut().filter(|_| is_promoted) {
            open.promoted = Some(truth.now);
        }
        // `slave 127.0.0.1:6402 127.0.0.1 6402 @ …`
        report.to = port_at(truth.nodes, text.split(' ').nth(3));
    }

    fn tell(&mut self, truth: Truth<'_>, monitor: &str, node: usize, text: &str) {
        if let Some(watch) = self.watches.get_mut(monitor) {
            watch.doubting.remove(&node);
        }
        let Some((watch, report)) = self.current(monitor) else { return };
        // Somebody else may be told first, when the leader died on the way.
        if let Some(open) = &mut watch.open {
            open.promoted.get_or_insert(truth.now);
            open.told.insert(node, truth.now);
        }
        // `mymaster 127.0.0.1 6401 127.0.0.1 6402`
        report.to = port_at(truth.nodes, text.split(' ').nth(4)).or(report.to);
    }

    /// The Sentinel that led, or the only one that stood, gave up.
    fn abort(&mut self, monitor: &str, node: usize, event: &str) {
        let Some((_, report)) = self.current(monitor) else { return };
        if report.leader.is_none_or(|leader| leader == node) {
            report.leader = None;
            report.state = FailoverState::Aborted(event.to_owned());
        }
    }

    fn current(&mut self, monitor: &str) -> Option<(&mut Watch, &mut FailoverReport)> {
        let watch = self.watches.get_mut(monitor)?;
        let report = watch.open.as_ref()?.report;
        Some((watch, self.reports.get_mut(report)?))
    }
}

impl Watch {
    fn trust(&mut self, node: usize) {
        self.doubting.remove(&node);
        self.agreed.remove(&node);
    }

    /// Why this Sentinel doubts, and when the first did so for no older reason.
    fn doubt_of(&self, node: usize) -> Option<Origin> {
        let Doubt { began, cause, .. } = self.doubting.get(&node)?;
        let doubts = self.doubting.values().map(|doubt| doubt.at);
        let doubted = doubts.filter(|at| at >= began).min();
        Some(Origin { began: *began, cause: cause.clone(), doubted })
    }

    fn phases(
        &self,
        truth: Truth<'_>,
        row: &MonitorRow,
        report: &FailoverReport,
        open: &Open,
    ) -> [PhaseTime; 5] {
        let is_ordered = report.cause == ORDERED;
        let began = report.began_ms;
        let doubt = if is_ordered { Some(began) } else { open.doubted };
        let agreed = report.leader.and_then(|leader| self.agreed.get(&leader));
        let agreed = if is_ordered { Some(began) } else { agreed.copied() };
        let told = open.told.values().max().copied();
        let moments = [Some(began), doubt, agreed, open.elected, open.promoted, told];
        let took = |at: usize| Some(moments[at + 1]?.saturating_sub(moments[at]?));
        let least = least(truth, row, report, is_ordered);
        let mut at = 0;
        Phase::ALL.map(|phase| {
            at += 1;
            PhaseTime { phase, took_ms: took(at - 1), least_ms: least[at - 1] }
        })
    }
}

impl Open {
    fn date(&mut self, report: &mut FailoverReport, origin: Origin) {
        self.doubted = origin.doubted;
        (report.began_ms, report.cause) = (origin.began, origin.cause);
    }

    /// Whether every Sentinel that runs and hears the leader follows the new primary.
    fn is_told(&self, truth: Truth<'_>, row: &MonitorRow, report: &FailoverReport) -> bool {
        let is_cut = |a, b| truth.faults.policy((a, b)).cut || truth.faults.policy((b, a)).cut;
        let can_be_told = |at: usize| {
            truth.nodes[at].status == NodeStatus::Running
                && report.leader.is_none_or(|leader| !is_cut(leader, at))
        };
        row.sentinels.iter().all(|at| !can_be_told(*at) || self.told.contains_key(at))
    }
}

/// What the lab did to a primary before this Sentinel doubted, and when.
fn cause(
    truth: Truth<'_>,
    row: &MonitorRow,
    primary: usize,
    sentinel: usize,
) -> Option<(Millis, String)> {
    let node = &truth.nodes[primary];
    match &node.status {
        NodeStatus::Dead(since, why) => return Some((*since, why.clone())),
        NodeStatus::Paused(since) => return Some((*since, "paused".to_owned())),
        NodeStatus::Running => {}
    }
    let between =
        |(pair, _): &(Pair, &Fault)| *pair == (primary, sentinel) || *pair == (sentinel, primary);
    let faults = || truth.faults.iter().filter(between);
    let latest = |policy: LinkPolicy| policy.delay_ms + policy.jitter_ms;
    let round_trip: Millis = faults().map(|(_, fault)| latest(fault.policy)).sum();
    let is_enough = |policy: LinkPolicy| {
        policy.cut || policy.bytes_per_s > 0 || round_trip >= row.down_after_ms
    };
    let first = faults()
        .filter(|(_, fault)| is_enough(fault.policy))
        .map(|(_, fault)| (fault.since_ms, describe(&fault.policy)))
        .min();
    let lately = || {
        let oldest = truth.now.saturating_sub(row.down_after_ms + CAUSE_AGE_MS_MAX);
        node.last_fault.clone().filter(|(at, _)| *at >= oldest)
    };
    first.or_else(lately)
}

/// The least that each phase can take.
fn least(
    truth: Truth<'_>,
    row: &MonitorRow,
    report: &FailoverReport,
    is_ordered: bool,
) -> [Millis; 5] {
    let delay = |a: usize, b: usize| truth.faults.policy((a, b)).delay_ms;
    let Some(leader) = report.leader else {
        return [if is_ordered { 0 } else { row.down_after_ms }, 0, 0, 0, 0];
    };
    let others = || row.sentinels.iter().copied().filter(|at| *at != leader);
    let mut round_trips: Vec<Millis> =
        others().map(|other| delay(leader, other) + delay(other, leader)).collect();
    round_trips.sort_unstable();
    // With its own voice, a Sentinel needs the answers of one less.
    let answers = |voices: usize| {
        let needed = voices.saturating_sub(1).min(round_trips.len());
        needed.checked_sub(1).map_or(0, |last| round_trips[last])
    };
    let majority = row.sentinels.len() / 2 + 1;
    let (detect, agree, elect) = if is_ordered {
        (0, 0, 0)
    } else {
        let quorum = row.quorum as usize;
        (row.down_after_ms, answers(quorum), answers(majority.max(quorum)))
    };
    let promote = report.to.map_or(0, |to| delay(leader, to) + delay(to, leader));
    // A hello goes straight to the others, and through every server.
    let servers = || (0..truth.nodes.len()).filter(|at| truth.nodes[*at].kind == NodeKind::Server);
    let reaches = |other: usize| {
        let through = servers().map(|at| delay(leader, at) + delay(at, other)).min();
        through.into_iter().fold(delay(leader, other), Millis::min)
    };
    let tell = others().map(reaches).max().unwrap_or(0);
    [detect, agree, elect, promote, tell]
}

/// The node that `master NAME HOST PORT …` speaks of.
fn primary_in(nodes: &[Node], text: &str) -> Option<usize> {
    port_at(nodes, text.split(' ').nth(3))
}

fn port_at(nodes: &[Node], port: Option<&str>) -> Option<usize> {
    let port: u16 = port?.parse().ok()?;
    nodes.iter().position(|node| node.port == port)
}
