//! What the lab does with Sentinels besides what it does with any node: orders to them, and the
//! account of their failovers.

use super::action::Action;
use super::audit::{Audit, Audited, Purpose};
use super::failovers::Truth;
use super::faults::{Aspect, Pair, Undo};
use super::journal::Event;
use super::parse::did_you_mean;
use super::run::Lab;
use super::view::{FailoverReport, MonitorRow, NodeKind, NodeStatus};
use super::workload::{Destination, Owed};
use crate::machine::{Fact, Millis, Role};
use crate::world::{LinkPolicy, World};

/// Examples of lost keys that a failover's report keeps.
const LOST_KEYS_MAX: usize = 5;

/// How late Sentinels hear each other while their votes are split, in milliseconds: later than
/// the last of them stands.
const SPLIT_DELAY_MS: Millis = 400;

/// Milliseconds until losses are counted again that could not be.
const COUNT_AGAIN_MS: Millis = 500;

/// A split vote that did not come about is given up so long after `down-after-milliseconds`.
const SPLIT_MS_MAX: Millis = 5_000;

/// A vote that is being split.
pub(super) struct SplitVote {
    monitor: String,
    /// How many Sentinels shall stand.
    candidates: usize,
    /// The links between them, slow until it gives up.
    links: Vec<Pair>,
    gives_up_at: Millis,
}

impl<W: World> Lab<W> {
    /// The watched primary of that name.
    pub(super) fn monitor(&self, name: &str) -> Option<&MonitorRow> {
        self.monitors.iter().find(|row| row.name == name)
    }

    fn find_monitor(&self, name: &str) -> Result<MonitorRow, String> {
        let names = || self.monitors.iter().map(|row| row.name.as_str());
        self.monitor(name).cloned().ok_or_else(|| {
            let list = names().collect::<Vec<_>>().join(", ");
            let help = match (did_you_mean(name, names()), list.as_str()) {
                (Some(known), _) => format!("did you mean `{known}`?"),
                (None, "") => "this lab has no Sentinels".to_owned(),
                (None, list) => format!("they watch {list}"),
            };
            format!("no Sentinel watches a primary `{name}`; {help}")
        })
    }

    /// Where a workload goes that is sent to this name.
    pub(super) fn destination(&self, name: &str) -> Result<Destination, String> {
        match self.monitor(name) {
            Some(row) => Ok(Destination::Monitor(name.to_owned(), row.sentinels.clone())),
            None => match self.find(name)? {
                node if self.nodes[node].kind == NodeKind::Server => Ok(Destination::Node(node)),
                _ => Err(format!("{name} is a Sentinel and takes no writes")),
            },
        }
    }

    /// Whether a node, or a monitor's primary, has the same data as where the workload writes now:
    /// whether one chain of the topology holds both.
    pub(super) fn is_of_the_same_data(&self, to: &Destination) -> bool {
        let head = |mut node: usize| {
            while let Some(primary) = self.nodes[node].follows_at_first {
                node = primary;
            }
            node
        };
        let there = match to {
            Destination::Node(node) => Some(*node),
            Destination::Monitor(name, _) => self.monitor(name).map(|row| row.primary),
        };
        self.workload.target().map(head) == there.map(head)
    }

    pub(super) fn sentinel_order(
        &mut self,
        action: &Action,
        by: &'static str,
    ) -> Result<(), String> {
        let (name, words) = match action {
            Action::Failover { monitor } => (monitor, "FAILOVER"),
            Action::SentinelReset { monitor } => (monitor, "RESET"),
            Action::CkQuorum { monitor } => (monitor, "CKQUORUM"),
            Action::SplitVote { monitor } => return self.split_vote(action, by, monitor),
            _ => return Ok(()),
        };
        let row = self.find_monitor(name)?;
        let runs = |at: &usize| self.nodes[*at].status == NodeStatus::Running;
        let mut asked: Vec<usize> = row.sentinels.iter().copied().filter(runs).collect();
        if let Action::Failover { .. } = action {
            // One is enough, and two would be in each other's way.
            asked.truncate(1);
        }
        if asked.is_empty() {
            return Err(format!("no Sentinel of {name} runs"));
        }
        if let Action::Failover { .. } = action {
            let now = self.now_ms();
            self.failovers.order(name, now);
        }
        self.did(action, by);
        for at in asked {
            let words = ["SENTINEL", words, name].map(str::to_owned).to_vec();
            self.consoles[at].ask(&mut self.world, &self.nodes[at], words);
        }
        Ok(())
    }

    /// With the primary dead and the others late to hear, every Sentinel stands, and votes for
    /// itself, before it is asked for its vote.
    fn split_vote(&mut self, action: &Action, by: &'static str, name: &str) -> Result<(), String> {
        let row = self.find_monitor(name)?;
        if let Some(SplitVote { monitor, .. }) = &self.split {
            return Err(format!("the vote about {monitor} is still being split"));
        }
        let runs = |at: &usize| self.nodes[*at].status == NodeStatus::Running;
        let running: Vec<usize> = row.sentinels.iter().copied().filter(runs).collect();
        let Some(primary) = self.believed_primary(&row) else {
            return Err(format!("no Sentinel of {name} knows a primary of this lab"));
        };
        if running.len() < 2 {
            return Err("a vote is split among two Sentinels at least".to_owned());
        }
        if self.nodes[primary].status != NodeStatus::Running {
            return Err(format!(
                "{} does not run, and the vote may be over; it must be split before",
                self.nodes[primary].name
            ));
        }
        self.did(action, by);
        let now = self.now_ms();
        let others = |a: usize| running.iter().filter(move |b| **b != a).map(move |b| (a, *b));
        let pairs: Vec<Pair> = running.iter().flat_map(|a| others(*a)).collect();
        let gives_up_at = now + row.down_after_ms + SPLIT_MS_MAX;
        let late = LinkPolicy { delay_ms: SPLIT_DELAY_MS, ..LinkPolicy::default() };
        let set = |pair: &Pair| self.faults.set(*pair, Aspect::Delay, late, now, Some(gives_up_at));
        let changes: Vec<_> = pairs.iter().filter_map(set).collect();
        self.apply(changes);
        self.kill(primary, false);
        self.remember(Undo::Start(primary));
        let (monitor, candidates) = (name.to_owned(), running.len());
        self.split = Some(SplitVote { monitor, candidates, links: pairs, gives_up_at });
        Ok(())
    }

    /// Heals the links as soon as everybody stood, or it did not come to that.
    pub(super) fn end_split_vote(&mut self, now: Millis) {
        let stood = |split: &SplitVote| self.failovers.stood(&split.monitor) >= split.candidates;
        let Some(split) = self.split.take_if(|split| stood(split) || now >= split.gives_up_at)
        else {
            return;
        };
        let heal = |pair: &Pair| self.faults.end(*pair, Aspect::Delay, split.gives_up_at, now);
        let changes: Vec<_> = split.links.iter().filter_map(heal).collect();
        self.apply(changes);
    }

    /// The node to which the first running Sentinel sends clients.
    fn believed_primary(&self, row: &MonitorRow) -> Option<usize> {
        let mut running =
            row.sentinels.iter().filter(|at| self.nodes[**at].status == NodeStatus::Running);
        running.find_map(|at| {
            let view = self.nodes[*at].view.as_ref()?.sentinel()?;
            let belief = view.monitors.iter().find(|belief| belief.name == row.name)?;
            self.nodes.iter().position(|node| node.port == belief.addr.port)
        })
    }

    /// A replica that was promoted behind the Sentinels' backs.
    pub(super) fn warn_of_sentinels(&mut self, name: &str) {
        let Ok(node) = self.find(name) else { return };
        let view = self.nodes[node].view.as_ref().and_then(|view| view.server());
        if !view.is_some_and(|view| view.role == Role::Replica) {
            return;
        }
        let port = self.nodes[node].port;
        let watched = self.monitors.iter().find(|row| {
            row.sentinels.iter().any(|at| {
                let view = self.nodes[*at].view.as_ref().and_then(|view| view.sentinel());
                let belief =
                    view.and_then(|view| view.monitors.iter().find(|b| b.name == row.name));
                belief.is_some_and(|b| b.replicas.iter().any(|known| known.addr.port == port))
            })
        });
        if let Some(row) = watched {
            let text = format!(
                "Sentinels watch {name}, and make it a replica again within seconds; what it is \
                 given to write until then is lost. `failover {}` has them promote one.",
                row.name
            );
            self.note(Some(name.to_owned()), Event::Warned(text));
        }
    }

    /// A Sentinel's report goes into the account.
    pub(super) fn account(&mut self, node: usize, fact: &Fact) {
        let Fact::Sentinel { event, text, monitor, .. } = fact else { return };
        if let ("+new-epoch", Ok(epoch)) = (*event, text.parse()) {
            self.failovers.on_epoch(node, epoch);
        }
        let Some(monitor) = monitor else { return };
        let now = self.now_ms();
        let truth =
            Truth { nodes: &self.nodes, faults: &self.faults, monitors: &self.monitors, now };
        self.failovers.on(truth, node, monitor, event, text);
    }

    /// Tells the failovers that are complete, and has their losses counted.
    pub(super) fn settle_failovers(&mut self, now: Millis) {
        let truth =
            Truth { nodes: &self.nodes, faults: &self.faults, monitors: &self.monitors, now };
        for report in self.failovers.settle(truth) {
            let event = self.told(&report);
            self.note(None, event);
        }
        if self.audit.is_some() || now < self.count_after {
            return;
        }
        let (workload, running) = (&self.workload, NodeStatus::Running);
        let concerns = |report: &FailoverReport| workload.is_about(report);
        let Some((report, to)) = self.failovers.uncounted(concerns) else { return };
        if workload.ledger().is_empty() {
            return self.failovers.count(report, 0, Vec::new());
        }
        if self.nodes[to].status != running || !workload.has_arrived_at(to) {
            return;
        }
        let purpose = Purpose::Failover(report);
        let ledger = self.workload.ledger();
        self.audit = Some(Audit::start(&mut self.world, &self.nodes[to], ledger, now, purpose));
    }

    fn told(&self, report: &FailoverReport) -> Event {
        let name = |node: Option<usize>| {
            node.map_or("outside the lab".to_owned(), |node| self.nodes[node].name.clone())
        };
        Event::FailedOver {
            monitor: report.monitor.clone(),
            from: name(report.from),
            to: name(report.to),
            leader: name(report.leader),
            epoch: report.epoch.unwrap_or(0),
            cause: report.cause.clone(),
            phases: report.phases,
        }
    }

    /// What a failover lost is told, and lost for good.
    pub(super) fn count_losses(&mut self, report: usize, audited: &Audited, lost: &[Owed]) {
        if audited.error.is_some() {
            self.count_after = self.now_ms() + COUNT_AGAIN_MS;
            return;
        }
        let keys = lost.iter().take(LOST_KEYS_MAX).map(|(key, _)| format!("w:{key}")).collect();
        self.failovers.count(report, audited.lost, keys);
        self.workload.lost_by_failover(lost);
        let examples = audited.examples.iter().take(LOST_KEYS_MAX).cloned().collect();
        let (checked, lost) = (audited.checked, audited.lost);
        self.note(None, Event::LossesCounted { checked, lost, examples });
    }
}
