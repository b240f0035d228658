//! The built-in workload: writes at a set rate, and a ledger of what was acknowledged. It writes
//! to one node, or, as a client of Sentinel, to whichever node is the primary.
//!
//! Write number `n` is `SET w:(n mod keys) n`, the number padded to the value's length, so that a
//! later look at a key tells whether it holds this write, a later one, or an older one: only the
//! last of these is a loss. At most [`WRITES_UNANSWERED_MAX`] writes wait for an answer; a
//! workload that cannot write does not catch up afterwards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::client::{Connection, command};
use super::nodes::Node;
use super::reply::Reply;
use super::seek::Seeker;
use super::topology::WorkloadSpec;
use super::view::{FailoverReport, MonitorRow, NodeStatus, WorkloadView};
use crate::machine::Millis;
use crate::world::{ClientId, World};

/// Writes that may wait for an answer.
pub const WRITES_UNANSWERED_MAX: usize = 256;

/// A write that waits longer than this shows as "no answer", in milliseconds.
const NO_ANSWER_MS: Millis = 1_000;

/// Milliseconds between two attempts to connect.
const RECONNECT_MS: Millis = 100;

/// The acknowledged writes: the last number of each key.
pub(super) type Ledger = BTreeMap<u64, u64>;

/// One of them: the key's number, and the write's.
pub(super) type Owed = (u64, u64);

/// Where a workload writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// To this node, whatever it is.
    Node(usize),
    /// To the primary of that name, as these Sentinels say.
    Monitor(String, Vec<usize>),
}

/// The workload.
pub(super) struct Workload {
    per_second: u32,
    target: Option<usize>,
    /// Looks for the target, where that is a watched primary.
    seeker: Option<Seeker>,
    /// Whether the node said by ROLE that it is a primary, where that is asked.
    is_verified: bool,
    keys: u64,
    value_bytes: usize,
    connection: Option<Connection>,
    connect_at: Millis,
    in_flight: VecDeque<Write>,
    next_number: u64,
    pace: Pace,
    ledger: Ledger,
    acked: u64,
    refused: u64,
    given_up: u64,
    last_error: Option<String>,
    /// The fate of the last write, as the journal has it.
    fate: String,
    /// Keys whose last acknowledged write was missing at the last audit.
    missing: BTreeSet<u64>,
    /// Writes that failovers lost, which are no longer in the ledger.
    lost_for_good: u64,
}

struct Write {
    number: u64,
    sent_at: Millis,
}

/// Writes sent since a moment.
#[derive(Default)]
struct Pace {
    since: Millis,
    sent: u64,
}

impl Workload {
    /// `destination` is where it writes.
    pub fn new(spec: Option<&WorkloadSpec>, destination: Option<Destination>) -> Self {
        let (target, seeker) = match destination {
            Some(Destination::Node(node)) => (Some(node), None),
            Some(Destination::Monitor(name, sentinels)) => {
                (None, Some(Seeker::new(&name, &sentinels, 0)))
            }
            None => (None, None),
        };
        Self {
            per_second: spec.map_or(0, |spec| spec.writes_per_second),
            target,
            seeker,
            is_verified: false,
            keys: spec.map_or(1_000, |spec| spec.keys.max(1)),
            value_bytes: spec.map_or(16, |spec| spec.value_bytes),
            connection: None,
            connect_at: 0,
            in_flight: VecDeque::new(),
            next_number: 1,
            pace: Pace::default(),
            ledger: Ledger::new(),
            acked: 0,
            refused: 0,
            given_up: 0,
            last_error: None,
            fate: String::new(),
            missing: BTreeSet::new(),
            lost_for_good: 0,
        }
    }

    /// Starts the clock of the rate.
    pub fn begin(&mut self, now: Millis) {
        self.pace = Pace { since: now, sent: 0 };
    }

    pub fn target(&self) -> Option<usize> {
        self.target
    }

    /// Whether its writes went to the primary that this failover replaced.
    pub fn is_about(&self, failover: &FailoverReport) -> bool {
        match &self.seeker {
            Some(seeker) => seeker.monitor() == failover.monitor,
            None => self.target == failover.from,
        }
    }

    /// Whether it writes to this node now, unless it was told to write elsewhere, or not at all.
    pub fn has_arrived_at(&self, node: usize) -> bool {
        let arrived = self.target == Some(node) && self.connection.is_some() && self.is_verified;
        arrived || self.seeker.is_none() || self.per_second == 0
    }

    fn is_ready_to_write(&self) -> bool {
        self.is_verified || self.seeker.is_none()
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn is_settled(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Notes what an audit found missing.
    pub fn found_missing(&mut self, writes: &[Owed]) {
        self.missing = writes.iter().map(|(key, _)| *key).collect();
    }

    /// Notes what a failover lost: it is gone for good, and not looked for again. What was
    /// acknowledged of the same keys since is still owed.
    pub fn lost_by_failover(&mut self, writes: &[Owed]) {
        for (key, number) in writes {
            if self.ledger.get(key) == Some(number) {
                self.ledger.remove(key);
            }
            self.missing.remove(key);
        }
        self.lost_for_good += writes.len() as u64;
    }

    /// Begins a new ledger: what comes is written to other data.
    pub fn owe_nothing(&mut self) {
        self.ledger.clear();
        self.missing.clear();
    }

    pub fn is(&self, client: ClientId) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is(client))
            || self.seeker.as_ref().is_some_and(|seeker| seeker.is(client))
    }

    /// Sets the rate, and moves the workload where a destination is given.
    pub fn set(
        &mut self,
        world: &mut impl World,
        per_second: u32,
        destination: Option<Destination>,
        now: Millis,
    ) {
        self.per_second = per_second;
        self.begin(now);
        let Some(destination) = destination.filter(|wanted| !self.goes_to(wanted)) else { return };
        if let Some(seeker) = self.seeker.take() {
            seeker.close(world);
        }
        // Whether the node is a primary is asked at the beginning of a connection.
        self.disconnect(world);
        self.connect_at = now;
        match destination {
            Destination::Node(node) => self.target = Some(node),
            Destination::Monitor(name, sentinels) => {
                self.seeker = Some(Seeker::new(&name, &sentinels, now));
            }
        }
    }

    fn goes_to(&self, wanted: &Destination) -> bool {
        match (wanted, &self.seeker) {
            (Destination::Node(node), None) => self.target == Some(*node),
            (Destination::Monitor(name, _), Some(seeker)) => seeker.monitor() == name,
            _ => false,
        }
    }

    fn move_to(&mut self, world: &mut impl World, node: usize, now: Millis) {
        if self.target != Some(node) {
            self.disconnect(world);
            self.target = Some(node);
            self.connect_at = now;
        }
    }

    fn disconnect(&mut self, world: &mut impl World) {
        self.give_up();
        if let Some(connection) = self.connection.take() {
            connection.close(world);
        }
    }

    /// Sends what is due.
    pub fn turn(&mut self, world: &mut impl World, nodes: &[Node], now: Millis) {
        if self.per_second == 0 {
            return;
        }
        let is_late = self.oldest_is_late_at().is_some_and(|at| at <= now);
        if let Some(seeker) = &mut self.seeker {
            if is_late {
                seeker.ask(now + NO_ANSWER_MS);
            }
            seeker.turn(world, nodes, now);
        }
        if let Some(target) = self.target {
            self.connect(world, &nodes[target], now);
        }
        let room = WRITES_UNANSWERED_MAX - self.in_flight.len();
        let due = self.pace.due(self.per_second, now);
        let is_ready = self.is_ready_to_write();
        let Some(connection) = self.connection.as_ref().filter(|_| room > 0 && is_ready) else {
            self.pace = Pace { since: now, sent: 0 };
            return;
        };
        let mut batch = Vec::new();
        for _ in 0..due.min(room as u64) {
            let number = self.next_number;
            let digits = number.to_string();
            let value = "0".repeat(self.value_bytes.saturating_sub(digits.len())) + &digits;
            let key = format!("w:{}", number % self.keys);
            batch.extend_from_slice(&command(["SET", &key, &value]));
            self.next_number += 1;
            self.pace.sent += 1;
            self.in_flight.push_back(Write { number, sent_at: now });
        }
        if !batch.is_empty() {
            connection.send(world, batch.into());
        }
    }

    /// Connects where there is no connection. A client of Sentinel asks before it tries again.
    fn connect(&mut self, world: &mut impl World, target: &Node, now: Millis) {
        if self.connection.is_some() || now < self.connect_at {
            return;
        }
        self.connect_at = now + RECONNECT_MS;
        if matches!(target.status, NodeStatus::Dead(..)) {
            if let Some(seeker) = &mut self.seeker {
                seeker.ask(now + RECONNECT_MS);
            }
            return;
        }
        let connection = Connection::open(world, target);
        if self.seeker.is_some() {
            connection.send(world, command(["ROLE"]));
            self.is_verified = false;
        }
        self.connection = Some(connection);
    }

    /// When the next turn is due.
    pub fn next_turn(&self, now: Millis) -> Option<Millis> {
        if self.per_second == 0 {
            return None;
        }
        let seeker = self.seeker.as_ref();
        let sought = seeker.and_then(Seeker::next_turn).map(|at| at.max(now + 1));
        let own = match self.target {
            None => None,
            Some(_) if self.connection.is_none() => Some(self.connect_at.max(now + 1)),
            Some(_) if !self.is_ready_to_write() => None,
            Some(_) if self.in_flight.len() < WRITES_UNANSWERED_MAX => {
                Some(self.pace.next(self.per_second))
            }
            Some(_) => self.oldest_is_late_at().filter(|at| *at > now),
        };
        [sought, own].into_iter().flatten().min()
    }

    fn oldest_is_late_at(&self) -> Option<Millis> {
        self.in_flight.front().map(|write| write.sent_at + NO_ANSWER_MS)
    }

    /// Takes what came: answers to writes, or from a Sentinel where to write. `nodes` tells which
    /// node has a port.
    pub fn received(
        &mut self,
        world: &mut impl World,
        nodes: &[Node],
        client: ClientId,
        data: &[u8],
        now: Millis,
    ) {
        if let Some(seeker) = self.seeker.as_mut().filter(|seeker| seeker.is(client)) {
            let port = seeker.received(world, client, data, now);
            if let Some(node) = nodes.iter().position(|node| Some(node.port) == port) {
                self.move_to(world, node, now);
            }
            return;
        }
        let Some(connection) = &mut self.connection else { return };
        let replies = connection.received(data);
        let mut is_in_the_wrong_place = false;
        for reply in replies {
            if self.seeker.is_some() && !self.is_verified {
                self.is_verified = is_primary(&reply);
                is_in_the_wrong_place |= !self.is_verified;
                self.begin(now);
                continue;
            }
            let Some(write) = self.in_flight.pop_front() else { continue };
            match reply.error() {
                None => {
                    self.acked += 1;
                    self.ledger.insert(write.number % self.keys, write.number);
                    "ok".clone_into(&mut self.fate);
                }
                Some(error) => {
                    self.refused += 1;
                    error.lines().next().unwrap_or_default().clone_into(&mut self.fate);
                    self.last_error = Some(self.fate.clone());
                    is_in_the_wrong_place |= error.starts_with("READONLY");
                }
            }
        }
        if is_in_the_wrong_place && let Some(seeker) = &mut self.seeker {
            seeker.ask(now);
            self.connect_at = now + RECONNECT_MS;
            self.disconnect(world);
        }
    }

    /// A connection is gone: whether its unanswered writes were done, nobody knows.
    pub fn closed(&mut self, world: &mut impl World, client: ClientId, now: Millis) {
        if let Some(seeker) = &mut self.seeker {
            if seeker.is(client) {
                return seeker.closed(world, client, now);
            }
            seeker.ask(now);
        }
        self.connection = None;
        self.give_up();
        "no answer".clone_into(&mut self.fate);
    }

    fn give_up(&mut self) {
        self.given_up += self.in_flight.len() as u64;
        self.in_flight.clear();
    }

    /// The fate of writes now: "ok", an error's first line, "no answer", or "" before the first.
    pub fn fate(&self, now: Millis) -> &str {
        let late = self.oldest_is_late_at().is_some_and(|at| at <= now);
        if late { "no answer" } else { &self.fate }
    }

    pub fn view(&self, nodes: &[Node], now: Millis) -> WorkloadView {
        let late = self.in_flight.iter().take_while(|write| write.sent_at + NO_ANSWER_MS <= now);
        WorkloadView {
            per_second: self.per_second,
            target: self.target.map(|target| nodes[target].name.clone()),
            acked: self.acked,
            refused: self.refused,
            unanswered: self.given_up + late.count() as u64,
            lost: self.lost_for_good + self.missing.len() as u64,
            last_error: self.last_error.clone(),
        }
    }
}

/// Whether an answer to ROLE is a primary's.
fn is_primary(reply: &Reply) -> bool {
    let Reply::Array(parts) = reply else { return false };
    matches!(parts.first(), Some(Reply::Bulk(role)) if role == b"master")
}

/// Where a workload of the file writes: `named` in the file, or the first monitor's primary, or
/// the first primary.
pub(super) fn destination(
    spec: Option<&WorkloadSpec>,
    nodes: &[Node],
    monitors: &[MonitorRow],
    primary: Option<usize>,
) -> Option<Destination> {
    let place = |name: &String| nodes.iter().position(|node| node.name == *name);
    let named = spec.and_then(|spec| spec.target.as_ref());
    if let Some(node) = named.and_then(place) {
        return Some(Destination::Node(node));
    }
    let is_meant = |row: &&MonitorRow| named.is_none_or(|name| row.name == *name);
    let Some(row) = monitors.iter().find(is_meant) else { return primary.map(Destination::Node) };
    let asked: Vec<usize> =
        spec.iter().flat_map(|spec| &spec.sentinels).filter_map(place).collect();
    let asked = if asked.is_empty() { row.sentinels.clone() } else { asked };
    Some(Destination::Monitor(row.name.clone(), asked))
}

impl Pace {
    fn due(&self, per_second: u32, now: Millis) -> u64 {
        (now.saturating_sub(self.since) * u64::from(per_second) / 1_000).saturating_sub(self.sent)
    }

    fn next(&self, per_second: u32) -> Millis {
        self.since + ((self.sent + 1) * 1_000).div_ceil(u64::from(per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{FakeWorld, lab_of, live, topology};
    use super::super::run::Lab;
    use super::*;
    use crate::lab::{Event, parse};

    fn writing(per_second: u32) -> Lab<FakeWorld> {
        let mut topology = topology(&[("alpha", None), ("bravo", Some("alpha"))]);
        topology.workload = Some(WorkloadSpec {
            writes_per_second: per_second,
            keys: 50,
            ..WorkloadSpec::default()
        });
        lab_of(&topology)
    }

    fn act(lab: &mut Lab<FakeWorld>, text: &str) {
        lab.act(&parse::action(text).unwrap(), "key");
    }

    fn fates(lab: &Lab<FakeWorld>) -> Vec<String> {
        let rows = lab.journal().newest(1_000);
        let states = rows.iter().filter_map(|row| match &row.event {
            Event::Workload { state } => Some(state.clone()),
            _ => None,
        });
        states.collect()
    }

    #[test]
    fn writes_are_acknowledged_at_the_rate_that_was_asked_for() {
        let mut lab = writing(200);
        live(&mut lab, 2_000);
        let view = lab.view().workload;
        assert!((390..=400).contains(&view.acked), "{view:?}");
        assert_eq!((view.refused, view.unanswered, view.target.as_deref()), (0, 0, Some("alpha")));
        assert_eq!(lab.view().nodes[1].view.as_ref().unwrap().server().unwrap().keys, 50);
        assert_eq!(fates(&lab), ["ok"]);
        act(&mut lab, "write off");
        live(&mut lab, 10);
        let acked = lab.view().workload.acked;
        live(&mut lab, 1_000);
        assert_eq!(lab.view().workload.acked, acked);
    }

    #[test]
    fn a_refused_write_is_counted_apart_and_its_error_told_once() {
        let mut lab = writing(100);
        live(&mut lab, 500);
        lab.world_mut().refuses = Some("NOREPLICAS Not enough good replicas to write.".into());
        live(&mut lab, 1_000);
        lab.world_mut().refuses = None;
        live(&mut lab, 500);
        let view = lab.view().workload;
        assert!((95..=105).contains(&view.refused), "{view:?}");
        assert_eq!(fates(&lab), ["ok", "NOREPLICAS Not enough good replicas to write.", "ok"]);
        assert!(view.last_error.unwrap().starts_with("NOREPLICAS"));
    }

    #[test]
    fn a_silent_node_gets_no_more_than_the_window_and_nothing_is_caught_up() {
        let mut lab = writing(1_000);
        live(&mut lab, 100);
        let before = lab.view().workload.acked;
        act(&mut lab, "pause alpha");
        live(&mut lab, 5_000);
        assert!(lab.view().workload.acked <= before + 1);
        assert_eq!(fates(&lab), ["ok", "no answer"]);
        act(&mut lab, "resume alpha");
        live(&mut lab, 10);
        let caught_up = lab.view().workload.acked - before;
        assert!(caught_up <= WRITES_UNANSWERED_MAX as u64 + 10, "{caught_up}");
    }

    #[test]
    fn writes_without_an_answer_are_neither_acknowledged_nor_refused() {
        let mut lab = writing(1_000);
        act(&mut lab, "pause alpha");
        live(&mut lab, 100);
        act(&mut lab, "resume alpha");
        live(&mut lab, 100);
        act(&mut lab, "pause alpha");
        live(&mut lab, 50);
        act(&mut lab, "kill alpha");
        live(&mut lab, 500);
        let view = lab.view().workload;
        assert!((45..=55).contains(&view.unanswered), "{view:?}");
        assert_eq!((view.refused, fates(&lab).last().unwrap().as_str()), (0, "no answer"));
        act(&mut lab, "restart alpha");
        live(&mut lab, 300);
        assert!(lab.view().workload.acked > view.acked);
        assert_eq!(fates(&lab), ["ok", "no answer", "ok"]);
    }

    #[test]
    fn the_workload_can_be_moved() {
        let mut lab = writing(100);
        live(&mut lab, 100);
        act(&mut lab, "promote bravo");
        act(&mut lab, "write 100/s bravo");
        live(&mut lab, 500);
        assert_eq!(lab.view().workload.target.as_deref(), Some("bravo"));
        assert_eq!(fates(&lab), ["ok"]);
        let offset = |lab: &mut Lab<FakeWorld>, at: usize| {
            lab.view().nodes[at].view.as_ref().unwrap().server().unwrap().offset
        };
        assert!(offset(&mut lab, 1) > offset(&mut lab, 0));
    }

    #[test]
    fn a_client_of_sentinel_asks_the_node_it_wrote_to_before_it_writes_on() {
        let mut lab = writing(100);
        live(&mut lab, 100);
        let (now, monitor) = (lab.now_ms(), Destination::Monitor("mymaster".to_owned(), vec![]));
        lab.workload.set(&mut lab.world, 100, Some(monitor.clone()), now);
        assert!(lab.workload.connection.is_none(), "ROLE is asked on a new connection");
        assert!(lab.workload.goes_to(&monitor) && !lab.workload.is_ready_to_write());
    }

    #[test]
    fn what_was_written_to_other_data_is_not_looked_for() {
        let mut topology = topology(&[("alpha", None), ("bravo", Some("alpha")), ("other", None)]);
        topology.workload = Some(WorkloadSpec {
            writes_per_second: 100,
            target: Some("alpha".to_owned()),
            ..WorkloadSpec::default()
        });
        let mut lab = lab_of(&topology);
        live(&mut lab, 1_000);
        act(&mut lab, "write 100/s bravo");
        assert!(lab.workload.ledger().len() > 90, "a replica has the same data");
        act(&mut lab, "write 100/s other");
        assert!(lab.workload.ledger().is_empty());
    }

    #[test]
    fn a_failover_loses_no_write_that_came_after_it() {
        let mut workload = Workload::new(None, None);
        workload.ledger.extend([(1, 11), (2, 12), (3, 13)]);
        workload.found_missing(&[(1, 11), (3, 13)]);
        workload.ledger.insert(2, 22);
        workload.lost_by_failover(&[(1, 11), (2, 12)]);
        assert_eq!(workload.ledger, [(2, 22), (3, 13)].into());
        assert_eq!(workload.view(&[], 0).lost, 3, "two for good, and one that is missing");
    }

    #[test]
    fn a_value_can_be_larger_than_any_number() {
        let mut topology = topology(&[("alpha", None)]);
        topology.workload = Some(WorkloadSpec {
            writes_per_second: 10,
            keys: 1,
            value_bytes: 100_000,
            ..WorkloadSpec::default()
        });
        let mut lab = lab_of(&topology);
        live(&mut lab, 500);
        assert!(lab.view().workload.acked > 0);
    }

    #[test]
    fn the_pace_is_the_rate_and_each_write_is_due_when_the_clock_says_so() {
        let mut pace = Pace { since: 1_000, sent: 0 };
        for per_second in [1, 3, 7, 200, 1_000, 5_000] {
            pace.sent = 0;
            while pace.next(per_second) < 3_000 {
                let at = pace.next(per_second);
                let due = pace.due(per_second, at);
                assert!(due > 0, "{per_second}/s at {at}");
                pace.sent += due;
            }
            assert!(
                pace.sent <= u64::from(per_second) * 2
                    && pace.sent + 5 >= u64::from(per_second) * 2
            );
        }
    }
}
