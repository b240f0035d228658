//! The built-in workload: writes at a set rate to one node, and a ledger of what was acknowledged.
//!
//! Write number `n` is `SET w:(n mod keys) n`, the number padded to the value's length, so that a
//! later look at a key tells whether it holds this write, a later one, or an older one: only the
//! last of these is a loss. At most [`WRITES_UNANSWERED_MAX`] writes wait for an answer; a
//! workload that cannot write does not catch up afterwards.

use std::collections::{BTreeMap, VecDeque};

use super::client::{Connection, command};
use super::nodes::Node;
use super::topology::WorkloadSpec;
use super::view::{NodeStatus, WorkloadView};
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

/// The workload.
pub(super) struct Workload {
    per_second: u32,
    target: Option<usize>,
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
    pub lost: u64,
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
    /// `primary` is the node that is written to where the topology names none.
    pub fn new(spec: Option<&WorkloadSpec>, primary: Option<usize>, nodes: &[Node]) -> Self {
        let named = spec.and_then(|spec| spec.target.as_ref());
        let named = named.and_then(|name| nodes.iter().position(|node| node.name == *name));
        Self {
            per_second: spec.map_or(0, |spec| spec.writes_per_second),
            target: named.or(primary),
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
            lost: 0,
        }
    }

    /// Starts the clock of the rate.
    pub fn begin(&mut self, now: Millis) {
        self.pace = Pace { since: now, sent: 0 };
    }

    pub fn target(&self) -> Option<usize> {
        self.target
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn is_settled(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub fn is(&self, client: ClientId) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is(client))
    }

    /// Sets the rate, and moves the workload where a node is given.
    pub fn set(
        &mut self,
        world: &mut impl World,
        per_second: u32,
        node: Option<usize>,
        now: Millis,
    ) {
        self.per_second = per_second;
        self.begin(now);
        if node.is_some() && node != self.target {
            self.target = node;
            self.give_up();
            if let Some(connection) = self.connection.take() {
                connection.close(world);
            }
            self.connect_at = now;
        }
    }

    /// Sends what is due.
    pub fn turn(&mut self, world: &mut impl World, nodes: &[Node], now: Millis) {
        let Some(target) = self.target.filter(|_| self.per_second > 0) else { return };
        let is_dead = matches!(nodes[target].status, NodeStatus::Dead(..));
        if self.connection.is_none() && now >= self.connect_at && !is_dead {
            self.connect_at = now + RECONNECT_MS;
            self.connection = Some(Connection::open(world, &nodes[target]));
        }
        let room = WRITES_UNANSWERED_MAX - self.in_flight.len();
        let due = self.pace.due(self.per_second, now);
        let Some(connection) = self.connection.as_ref().filter(|_| room > 0) else {
            self.pace = Pace { since: now, sent: 0 };
            return;
        };
        let mut batch = Vec::new();
        for _ in 0..due.min(room as u64) {
            let number = self.next_number;
            let value = format!("{number:0width$}", width = self.value_bytes);
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

    /// When the next turn is due.
    pub fn next_turn(&self, now: Millis) -> Option<Millis> {
        self.target.filter(|_| self.per_second > 0)?;
        if self.connection.is_none() {
            return Some(self.connect_at.max(now + RECONNECT_MS));
        }
        if self.in_flight.len() < WRITES_UNANSWERED_MAX {
            return Some(self.pace.next(self.per_second));
        }
        self.oldest_is_late_at().filter(|at| *at > now)
    }

    fn oldest_is_late_at(&self) -> Option<Millis> {
        self.in_flight.front().map(|write| write.sent_at + NO_ANSWER_MS)
    }

    /// Takes answers.
    pub fn received(&mut self, data: &[u8]) {
        let Some(connection) = &mut self.connection else { return };
        for reply in connection.received(data) {
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
                }
            }
        }
    }

    /// The connection is gone: whether its unanswered writes were done, nobody knows.
    pub fn closed(&mut self) {
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
            lost: self.lost,
            last_error: self.last_error.clone(),
        }
    }
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
            target: None,
            keys: 50,
            value_bytes: 20,
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
