//! The audit: every acknowledged write is looked for on the present primary.

use super::client::{Connection, command};
use super::nodes::Node;
use super::reply::Reply;
use super::workload::{Ledger, Owed};
use crate::machine::Millis;
use crate::world::{ClientId, World};

/// Reads that may wait for an answer.
const READS_UNANSWERED_MAX: usize = 512;

/// An audit that takes longer is given up, in milliseconds.
const AUDIT_MS_MAX: Millis = 5_000;

/// Losses that are told one by one.
const EXAMPLES_MAX: usize = 10;

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audited {
    /// Keys that were read.
    pub checked: u64,
    /// Keys that hold nothing, or an older write than the last one acknowledged.
    pub lost: u64,
    /// Some of them: `w:7: write 1207 was acknowledged, 1150 is there`.
    pub examples: Vec<String>,
    /// Why it could not be finished.
    pub error: Option<String>,
}

/// An audit under way.
pub(super) struct Audit {
    connection: Connection,
    owed: Vec<Owed>,
    asked: usize,
    gives_up_at: Millis,
    audited: Audited,
    lost: Vec<Owed>,
    pub purpose: Purpose,
}

/// Why an audit is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody wants to know what is lost now.
    Asked,
    /// This failover came to its end.
    Failover(usize),
}

impl Audit {
    pub fn start(
        world: &mut impl World,
        primary: &Node,
        ledger: &Ledger,
        now: Millis,
        purpose: Purpose,
    ) -> Self {
        let mut audit = Self {
            connection: Connection::open(world, primary),
            owed: ledger.iter().map(|(key, number)| (*key, *number)).collect(),
            asked: 0,
            gives_up_at: now + AUDIT_MS_MAX,
            audited: Audited::default(),
            lost: Vec::new(),
            purpose,
        };
        audit.ask(world);
        audit
    }

    pub fn is(&self, client: ClientId) -> bool {
        self.connection.is(client)
    }

    pub fn gives_up_at(&self) -> Millis {
        self.gives_up_at
    }

    pub fn received(&mut self, world: &mut impl World, data: &[u8]) {
        for reply in self.connection.received(data) {
            self.judge(&reply);
        }
        self.ask(world);
    }

    fn ask(&mut self, world: &mut impl World) {
        let until = (self.audited.checked as usize + READS_UNANSWERED_MAX).min(self.owed.len());
        let keys = self.owed[self.asked..until].iter().map(|(key, _)| format!("w:{key}"));
        let batch: Vec<u8> = keys.flat_map(|key| command(["GET", &key])).collect();
        if !batch.is_empty() {
            self.connection.send(world, batch.into());
        }
        self.asked = until;
    }

    fn judge(&mut self, reply: &Reply) {
        let Some((key, acked)) = self.owed.get(self.audited.checked as usize) else { return };
        self.audited.checked += 1;
        let found = match reply {
            Reply::Bulk(value) => std::str::from_utf8(value).ok().and_then(|v| v.parse().ok()),
            Reply::Error(error) => {
                self.audited.error.get_or_insert_with(|| error.clone());
                return;
            }
            _ => None,
        };
        if found.is_some_and(|found: u64| found >= *acked) {
            return;
        }
        self.audited.lost += 1;
        self.lost.push((*key, *acked));
        if self.audited.examples.len() < EXAMPLES_MAX {
            let there = found.map_or("nothing".to_owned(), |found| found.to_string());
            let example = format!("w:{key}: write {acked} was acknowledged, {there} is there");
            self.audited.examples.push(example);
        }
    }

    /// Ends the audit if everything is read, it cannot be, or it takes too long.
    pub fn finished(&self, now: Millis) -> bool {
        self.audited.checked as usize == self.owed.len()
            || self.audited.error.is_some()
            || now >= self.gives_up_at
    }

    pub fn closed(&mut self, reason: &str) {
        self.audited.error = Some(format!("the connection was lost: {reason}"));
    }

    /// What was found, and the writes that are lost.
    pub fn into_audited(mut self, world: &mut impl World) -> (Audited, Vec<Owed>) {
        self.connection.close(world);
        if (self.audited.checked as usize) < self.owed.len() && self.audited.error.is_none() {
            self.audited.error = Some("the primary did not answer in time".to_owned());
        }
        (self.audited, self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{FakeWorld, lab_of, live, topology};
    use super::super::run::Lab;
    use super::super::topology::WorkloadSpec;
    use crate::lab::parse;

    fn written() -> Lab<FakeWorld> {
        let mut topology = topology(&[("alpha", None), ("bravo", Some("alpha"))]);
        let (writes_per_second, keys, value_bytes) = (1_000, 600, 8);
        topology.workload =
            Some(WorkloadSpec { writes_per_second, keys, value_bytes, ..WorkloadSpec::default() });
        let mut lab = lab_of(&topology);
        live(&mut lab, 700);
        lab
    }

    fn act(lab: &mut Lab<FakeWorld>, text: &str) {
        lab.act(&parse::action(text).unwrap(), "key");
    }

    fn audit(lab: &mut Lab<FakeWorld>) {
        lab.stop_writing();
        live(lab, 10);
        lab.audit();
        live(lab, 6_000);
        assert!(!lab.is_auditing());
    }

    #[test]
    fn nothing_is_lost_while_the_primary_has_it_all() {
        let mut lab = written();
        audit(&mut lab);
        assert_eq!((lab.audited().checked, lab.audited().lost), (600, 0));
        assert_eq!(lab.audited().error, None);
    }

    #[test]
    fn what_the_promoted_replica_never_got_is_lost() {
        let mut lab = written();
        act(&mut lab, "cut alpha bravo");
        live(&mut lab, 100);
        act(&mut lab, "kill alpha");
        act(&mut lab, "promote bravo");
        live(&mut lab, 10);
        audit(&mut lab);
        let audited = lab.audited().clone();
        assert!((95..=105).contains(&audited.lost), "{audited:?}");
        assert_eq!(audited.examples.len(), 10);
        assert!(audited.examples[0].contains("was acknowledged"), "{audited:?}");
        assert_eq!(lab.view().workload.lost, audited.lost);
    }

    #[test]
    fn a_primary_that_came_back_empty_has_lost_every_key() {
        let mut lab = written();
        act(&mut lab, "restart alpha");
        live(&mut lab, 10);
        lab.stop_writing();
        audit(&mut lab);
        let audited = lab.audited();
        assert!(audited.lost > 580, "{audited:?}");
        assert!(audited.examples.iter().any(|example| example.ends_with("nothing is there")));
    }

    #[test]
    fn without_a_running_primary_the_audit_says_so() {
        let mut lab = written();
        act(&mut lab, "kill alpha");
        audit(&mut lab);
        assert_eq!(lab.audited().error.as_deref(), Some("no primary runs"));
    }

    #[test]
    fn a_primary_that_freezes_is_not_waited_for_for_ever() {
        let mut lab = written();
        lab.stop_writing();
        live(&mut lab, 10);
        lab.audit();
        act(&mut lab, "pause alpha");
        live(&mut lab, 6_000);
        assert!(!lab.is_auditing());
    }
}
