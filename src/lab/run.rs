//! The running lab: nodes in a world, what they report, and what becomes due by itself.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use super::audit::{Audit, Audited, Purpose};
use super::client::Console;
use super::failovers::Failovers;
use super::faults::{Faults, Undo};
use super::journal::{Event, Journal};
use super::look::{Counts, Look, Taken, Tap};
use super::nodes::{self, Build, NOT_STARTED, Node};
use super::outside::Outsider;
use super::sentinels::SplitVote;
use super::steps::Steps;
use super::topology::Topology;
use super::view::{MonitorRow, NodeKind, NodeStatus};
use super::workload::{Workload, destination};
use crate::machine::{Fact, LogLevel, Millis};
use crate::world::{ClientId, Exit, NodeId, World, WorldError, WorldEvent};

/// Log lines that wait to be drained; older ones go.
const LOG_LINES_MAX: usize = 4_096;

/// Sentinels that do not know each other after so many milliseconds are not waited for.
const ACQUAINTANCE_MS_MAX: Millis = 12_000;

/// World events handled before the lab looks at its own timers again.
const EVENTS_PER_TURN_MAX: usize = 256;

/// A line of a node's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The node.
    pub node: String,
    /// How loud.
    pub level: LogLevel,
    /// The line.
    pub text: String,
}

/// A lab in a world. Times are milliseconds since the lab began.
pub struct Lab<W: World> {
    pub(super) world: W,
    pub(super) began: Millis,
    pub(super) title: String,
    pub(super) about: String,
    pub(super) nodes: Vec<Node>,
    pub(super) outside: Vec<Outsider>,
    pub(super) monitors: Vec<MonitorRow>,
    pub(super) failovers: Failovers,
    pub(super) split: Option<SplitVote>,
    /// Losses of failovers are not counted before.
    pub(super) count_after: Millis,
    pub(super) consoles: Vec<Console>,
    /// What was told of each node's stream.
    pub(super) taps: Vec<Tap>,
    /// Who waits for the data of nodes.
    pub(super) looks: Vec<Look>,
    /// What nodes lent, not yet drained.
    pub(super) taken: Vec<Taken>,
    /// What the last `diff` found; nothing while it compares.
    pub(super) compared: Option<Counts>,
    pub(super) faults: Faults,
    pub(super) undo: Vec<Undo>,
    pub(super) workload: Workload,
    /// The fate of the workload's writes, as last told.
    fate: String,
    pub(super) audit: Option<Audit>,
    /// Whether an audit was asked for while another one was under way.
    audit_is_asked: bool,
    audited: Audited,
    pub(super) audited_at: Option<Millis>,
    pub(super) steps: Steps,
    pub(super) journal: Journal,
    logs: VecDeque<LogLine>,
    /// When the servers were linked, and the Sentinels started.
    linked_at: Option<Millis>,
    pub(super) ready_at: Option<Millis>,
    pub(super) sampled_at: Millis,
    pub(super) full_syncs: u64,
    pub(super) partial_syncs: u64,
    pub(super) has_quit: bool,
}

impl<W: World> Lab<W> {
    /// Adds the topology's nodes to a world, sets its links and starts the servers in order. The
    /// Sentinels start when the replicas have found their primaries, so that they find all of them.
    pub fn new(mut world: W, topology: &Topology, build: &Build) -> Result<Self, WorldError> {
        let began = world.now().mono;
        let nodes = nodes::add(&mut world, topology, build)?;
        let primary = topology.servers.iter().position(|server| server.replicaof.is_none());
        let monitors = nodes::monitors(topology, &nodes);
        let destination = destination(topology.workload.as_ref(), &nodes, &monitors, primary);
        let mut lab = Self {
            began,
            title: topology.title.clone(),
            about: topology.about.clone(),
            outside: Vec::new(),
            consoles: nodes.iter().map(|_| Console::default()).collect(),
            taps: nodes.iter().map(|_| Tap::default()).collect(),
            looks: Vec::new(),
            taken: Vec::new(),
            compared: None,
            faults: Faults::default(),
            undo: Vec::new(),
            workload: Workload::new(topology.workload.as_ref(), destination),
            monitors,
            failovers: Failovers::default(),
            split: None,
            count_after: 0,
            fate: String::new(),
            audit: None,
            audit_is_asked: false,
            audited: Audited::default(),
            audited_at: None,
            steps: Steps::new(topology.steps.clone()),
            journal: Journal::default(),
            logs: VecDeque::new(),
            linked_at: None,
            ready_at: None,
            sampled_at: 0,
            full_syncs: 0,
            partial_syncs: 0,
            has_quit: false,
            nodes,
            world,
        };
        for link in &topology.links {
            lab.set_from_the_start(&link.link, link.policy);
        }
        for node in 0..lab.nodes.len() {
            if lab.nodes[node].kind == NodeKind::Server {
                lab.start(node)?;
            }
        }
        Ok(lab)
    }

    /// Milliseconds since the lab began.
    pub fn now_ms(&self) -> Millis {
        self.world.now().mono - self.began
    }

    /// Whether every node has listened and every link was up, once.
    pub fn is_ready(&self) -> bool {
        self.ready_at.is_some()
    }

    /// When the lab became ready.
    pub fn ready_at_ms(&self) -> Option<Millis> {
        self.ready_at
    }

    /// Whether somebody said `quit`.
    pub fn has_quit(&self) -> bool {
        self.has_quit
    }

    /// Lets the lab live until something happened or the time `until_ms` has come, whichever is
    /// first. Returns at once where something is due now.
    pub fn turn(&mut self, until_ms: Millis) {
        self.due();
        let mut until = self.began + self.next_due().min(until_ms);
        for _ in 0..EVENTS_PER_TURN_MAX {
            let Some(event) = self.world.poll(until) else { break };
            self.on_event(event);
            until = self.world.now().mono;
        }
        self.due();
    }

    /// Takes the log lines that came since the last call.
    pub fn drain_logs(&mut self) -> Vec<LogLine> {
        self.logs.drain(..).collect()
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Begins to look for every acknowledged write on the present primary.
    pub fn audit(&mut self) {
        if self.audit.is_some() {
            self.audit_is_asked = true;
            return;
        }
        self.audit_is_asked = false;
        let now = self.now_ms();
        self.refresh();
        if self.workload.ledger().is_empty() {
            self.audited_at = Some(now);
            self.audited = Audited::default();
            return;
        }
        let Some(primary) = self.present_primary() else {
            self.audited_at = Some(now);
            let error = Some("no primary runs".to_owned());
            self.audited = Audited { error, ..Audited::default() };
            return;
        };
        let (node, ledger) = (&self.nodes[primary], self.workload.ledger());
        let audit = Audit::start(&mut self.world, node, ledger, now, Purpose::Asked);
        self.audit = Some(audit);
    }

    /// Whether an audit is under way.
    pub fn is_auditing(&self) -> bool {
        self.audit.is_some() || self.audit_is_asked
    }

    /// What the last audit found.
    pub fn audited(&self) -> &Audited {
        &self.audited
    }

    /// Ends the workload.
    pub fn stop_writing(&mut self) {
        let now = self.now_ms();
        self.workload.set(&mut self.world, 0, None, now);
    }

    /// Whether every write of the workload has its answer.
    pub fn writes_are_settled(&self) -> bool {
        self.workload.is_settled()
    }

    /// Notes that a text could not be carried out.
    pub fn refuse(&mut self, action: &str, reason: &str) {
        let (action, reason) = (action.to_owned(), reason.to_owned());
        self.note(None, Event::Refused { action, reason });
    }

    /// Notes that a line of a script could not be carried out: the run has failed.
    pub fn fail(&mut self, line: &str, reason: &str) {
        self.refuse(line, reason);
        self.count_as_failed(line, reason);
    }

    pub(super) fn note(&mut self, node: Option<String>, event: Event) {
        let now = self.now_ms();
        self.journal.push(now, node, event);
    }

    pub(super) fn note_of(&mut self, node: usize, event: Event) {
        self.note(Some(self.nodes[node].name.clone()), event);
    }

    /// Starts a node that is dead.
    pub(super) fn start(&mut self, node: usize) -> Result<(), WorldError> {
        self.nodes[node].wakes_at = None;
        self.world.start(self.nodes[node].id)?;
        self.nodes[node].status = NodeStatus::Running;
        self.nodes[node].view = None;
        self.note_of(node, Event::Started { port: self.nodes[node].port });
        Ok(())
    }

    /// A node is dead from now on, and comes back if its topology says so.
    pub(super) fn died(&mut self, node: usize, cause: &str) {
        let now = self.now_ms();
        self.give_up_looks(node);
        let node = &mut self.nodes[node];
        node.view = node.view.take().map(|last| Arc::new(last.of_the_dead()));
        node.is_asked_to_end = false;
        node.status = NodeStatus::Dead(now, cause.to_owned());
        node.last_fault = Some((now, cause.to_owned()));
        node.wakes_at = node.auto_restart.map(|after| now + after);
    }

    fn due(&mut self) {
        let now = self.now_ms();
        self.refresh();
        let healed = self.faults.expire(now);
        self.apply(healed);
        self.wake(now);
        self.become_ready(now);
        if self.is_ready() {
            self.workload.turn(&mut self.world, &self.nodes, now);
        }
        self.tell_fate(now);
        self.end_split_vote(now);
        self.end_audit(now);
        self.settle_failovers(now);
        self.advance();
    }

    fn end_audit(&mut self, now: Millis) {
        let Some(audit) = self.audit.take_if(|audit| audit.finished(now)) else { return };
        let purpose = audit.purpose;
        let (audited, lost) = audit.into_audited(&mut self.world);
        match purpose {
            Purpose::Asked => {
                self.workload.found_missing(&lost);
                self.audited = audited;
                self.audited_at = Some(now);
            }
            Purpose::Failover(report) => self.count_losses(report, &audited, &lost),
        }
        if self.audit_is_asked {
            self.audit();
        }
    }

    fn next_due(&self) -> Millis {
        let wakes = self.nodes.iter().filter_map(|node| node.wakes_at).min();
        let workload = self.is_ready().then(|| self.workload.next_turn(self.now_ms())).flatten();
        let audit = self.audit.as_ref().map(Audit::gives_up_at);
        [wakes, workload, audit, self.faults.next_end_ms(), self.next_look()]
            .into_iter()
            .flatten()
            .fold(self.next_sample(), Millis::min)
    }

    /// Starts and resumes the nodes whose time has come.
    fn wake(&mut self, now: Millis) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].wakes_at.is_none_or(|at| at > now) {
                continue;
            }
            self.nodes[node].wakes_at = None;
            match self.nodes[node].status {
                NodeStatus::Dead(..) => self.start_or_refuse(node),
                NodeStatus::Paused(_) => self.resume(node),
                NodeStatus::Running => {}
            }
        }
    }

    pub(super) fn start_or_refuse(&mut self, node: usize) {
        if let Err(error) = self.start(node) {
            let action = format!("restart {}", self.nodes[node].name);
            self.note_of(node, Event::Refused { action, reason: error.to_string() });
        }
    }

    fn become_ready(&mut self, now: Millis) {
        if self.ready_at.is_some() || (self.linked_at.is_none() && !self.links_are_up()) {
            return;
        }
        let linked_at = *self.linked_at.get_or_insert(now);
        for node in 0..self.nodes.len() {
            let waits =
                matches!(&self.nodes[node].status, NodeStatus::Dead(_, why) if why == NOT_STARTED);
            if waits {
                self.start_or_refuse(node);
            }
        }
        let is_late = now >= linked_at + ACQUAINTANCE_MS_MAX;
        if is_late || self.sentinels_know_each_other() {
            self.ready_at = Some(now);
            self.workload.begin(now);
            self.begin_taps();
            self.begin_steps(now);
            self.note(None, Event::Ready);
        }
    }

    fn tell_fate(&mut self, now: Millis) {
        let fate = self.workload.fate(now);
        if fate != self.fate {
            self.fate = fate.to_owned();
            let node = self.workload.target().map(|target| self.nodes[target].name.clone());
            self.note(node, Event::Workload { state: self.fate.clone() });
        }
    }

    fn on_event(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Fact { node, fact } => self.on_fact(node, fact),
            WorldEvent::Log { node, level, text } => {
                if self.logs.len() == LOG_LINES_MAX {
                    self.logs.pop_front();
                }
                let node = self.place(node).map(|at| self.nodes[at].name.clone());
                self.logs.push_back(LogLine { node: node.unwrap_or_default(), level, text });
            }
            WorldEvent::Exited { node, exit } => self.on_exit(node, exit),
            WorldEvent::Data { node, data } => self.on_data(node, data.map(|data| *data)),
            WorldEvent::ClientReceived { client, data } => self.on_received(client, &data),
            WorldEvent::ClientClosed { client, reason } => self.on_closed(client, &reason),
            WorldEvent::Nudge => {}
        }
    }

    fn on_received(&mut self, client: ClientId, data: &[u8]) {
        if self.workload.is(client) {
            let now = self.now_ms();
            self.workload.received(&mut self.world, &self.nodes, client, data, now);
            self.tell_fate(now);
        } else if let Some(audit) = self.audit.as_mut().filter(|audit| audit.is(client)) {
            audit.received(&mut self.world, data);
        } else if let Some(at) = self.consoles.iter().position(|console| console.is(client)) {
            for reply in self.consoles[at].received(data) {
                self.note_of(at, reply);
            }
        }
    }

    fn on_closed(&mut self, client: ClientId, reason: &str) {
        if self.workload.is(client) {
            let now = self.now_ms();
            self.workload.closed(&mut self.world, client, now);
        } else if let Some(audit) = self.audit.as_mut().filter(|audit| audit.is(client)) {
            audit.closed(reason);
        } else if let Some(at) = self.consoles.iter().position(|console| console.is(client)) {
            for reply in self.consoles[at].closed(reason) {
                self.note_of(at, reply);
            }
        }
    }

    fn on_fact(&mut self, node: NodeId, fact: Fact) {
        match fact {
            Fact::FullSyncServed { .. } => self.full_syncs += 1,
            Fact::PartialSyncServed { .. } => self.partial_syncs += 1,
            _ => {}
        }
        if let Some(at) = self.place(node) {
            if let Fact::ConfigRewritten { text, .. } = &fact {
                let rewritten = &self.nodes[at].rewritten;
                *rewritten.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
            }
            if let Fact::SaveStarted { target } = &fact {
                let disk = target == "disk";
                self.nodes[at].snapshots += 1;
                self.nodes[at].last_snapshot = Some(if disk { "disk" } else { "sockets" });
            }
            self.account(at, &fact);
            self.note_of(at, Event::Node(fact));
        }
    }

    fn on_exit(&mut self, node: NodeId, exit: Exit) {
        let Some(at) = self.place(node) else { return };
        let (cause, event) = match exit {
            Exit::Code(code) => (format!("exit code {code}"), Event::Exited { code }),
            Exit::Crashed(message) => (format!("crashed: {message}"), Event::Crashed { message }),
        };
        self.note_of(at, event);
        if self.nodes[at].is_asked_to_end {
            self.remember(Undo::Start(at));
        }
        self.died(at, &cause);
    }

    /// The place of a node of the world.
    pub(super) fn place(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{lab, lab_of, live, topology};
    use super::*;
    use crate::lab::Action;

    #[test]
    fn a_replica_may_stand_before_its_primary_in_the_file() {
        let mut lab = lab(&[("charlie", Some("bravo")), ("bravo", Some("alpha")), ("alpha", None)]);
        live(&mut lab, 100);
        assert!(lab.is_ready());
        let ports: Vec<u16> = lab.nodes().map(|(_, _, port)| port).collect();
        let given = |at: usize| lab.world.directives(ports[at]);
        let replicaof = |port: u16| vec![("replicaof".to_owned(), format!("127.0.0.1 {port}"))];
        assert_eq!(given(0), replicaof(ports[1]));
        assert_eq!(given(1), replicaof(ports[2]));
        assert_eq!(given(2), []);
        let follows: Vec<_> = lab.view().nodes.iter().map(|node| node.follows).collect();
        assert_eq!(follows, [Some(1), Some(2), None]);
    }

    #[test]
    fn an_address_outside_the_lab_is_followed_but_not_waited_for() {
        let mut lab = lab(&[("alpha", Some("10.0.0.9:6379"))]);
        live(&mut lab, 50);
        let directives = lab.world.directives(lab.nodes[0].port);
        assert_eq!(directives[0].1, "10.0.0.9 6379");
        assert!(lab.is_ready());
    }

    #[test]
    fn a_node_comes_back_by_itself_after_its_delay_however_it_ended() {
        let mut topology = topology(&[("alpha", None)]);
        topology.servers[0].auto_restart = Some(300);
        let mut lab = lab_of(&topology);
        lab.act(&Action::Kill { node: "alpha".into() }, "key");
        live(&mut lab, 299);
        assert_eq!(lab.nodes[0].status, NodeStatus::Dead(0, "killed".into()));
        live(&mut lab, 2);
        assert_eq!(lab.nodes[0].status, NodeStatus::Running);
        lab.world.exit(0, Exit::Crashed("index out of bounds".into()));
        live(&mut lab, 100);
        assert!(matches!(&lab.nodes[0].status, NodeStatus::Dead(_, why) if why.contains("index")));
        live(&mut lab, 300);
        assert_eq!(lab.nodes[0].status, NodeStatus::Running);
    }

    #[test]
    fn a_crash_is_a_row_of_the_journal_and_the_lab_goes_on() {
        let mut lab = lab(&[("alpha", None), ("bravo", Some("alpha"))]);
        lab.world.exit(0, Exit::Crashed("boom".into()));
        live(&mut lab, 50);
        let rows = lab.journal().newest(100);
        let crash = rows.iter().find(|row| row.event == Event::Crashed { message: "boom".into() });
        assert_eq!(crash.and_then(|row| row.node.as_deref()), Some("alpha"));
        assert_eq!(lab.nodes[1].status, NodeStatus::Running);
    }
}
