//! Which replica is promoted, and why the others are not.

use super::common::Common;
use super::instance::Replica;
use super::monitor::Monitor;
use crate::machine::{Endpoint, Millis};

/// Why a replica cannot be promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exclusion {
    /// This Sentinel thinks that it is down.
    #[error("it is down")]
    Down,
    /// A connection to it is missing.
    #[error("it is not connected")]
    Disconnected,
    /// Its last good answer to a PING is too old.
    #[error("its last good answer is {0} ms old")]
    Silent(Millis),
    /// Its priority is 0.
    #[error("its priority is 0")]
    PriorityZero,
    /// Its last INFO is too old, or it never gave one.
    #[error("its last INFO is too old")]
    StaleInfo,
    /// Its link to the primary was down for too long: its data is old.
    #[error("its link to the primary was already down for {0} ms")]
    LinkDown(Millis),
}

/// Good answers older than this do not count, ms.
const ANSWER_AGE_MAX: Millis = 5000;
/// INFO older than this does not count while the primary is down, ms.
const INFO_AGE_MAX: Millis = 5000;
/// And so much while it is up (a forced failover), ms.
const INFO_AGE_MAX_UP: Millis = 30_000;

impl Common {
    /// Why a replica cannot be promoted now; `None` if it can.
    pub fn exclusion(&self, m: &Monitor, replica: &Replica) -> Option<Exclusion> {
        let now = self.now.mono;
        let link = self.links.get(replica.node.link)?;
        let primary_down = m.primary.node.sdown;
        let info_max = if primary_down.is_some() { INFO_AGE_MAX } else { INFO_AGE_MAX_UP };
        let down_for = primary_down.map_or(0, |since| now.saturating_sub(since));
        if replica.node.sdown.is_some() {
            Some(Exclusion::Down)
        } else if !link.command.is_up() {
            Some(Exclusion::Disconnected)
        } else if now.saturating_sub(link.good_reply) > ANSWER_AGE_MAX {
            Some(Exclusion::Silent(now - link.good_reply))
        } else if replica.priority == 0 {
            Some(Exclusion::PriorityZero)
        } else if replica.node.info_age(now).is_none_or(|age| age > info_max) {
            Some(Exclusion::StaleInfo)
        } else if replica.link_down > down_for + 10 * m.settings.down_after {
            Some(Exclusion::LinkDown(replica.link_down))
        } else {
            None
        }
    }

    /// The replica to promote: lower priority first, then more data, then the smaller run id.
    pub fn best_replica(&self, m: &Monitor) -> Option<Endpoint> {
        let fit = m.replicas.values().filter(|replica| self.exclusion(m, replica).is_none());
        fit.min_by_key(|replica| rank(replica)).map(|replica| replica.node.addr.clone())
    }

    /// Whether every replica that can be reached has told its present state, which may make one
    /// fit that was not.
    pub fn replicas_are_fresh(&self, m: &Monitor) -> bool {
        let is_reached = |replica: &&Replica| {
            let why_not = self.exclusion(m, replica);
            !matches!(
                why_not,
                Some(Exclusion::Down | Exclusion::Disconnected | Exclusion::Silent(_))
            )
        };
        m.replicas.values().filter(is_reached).all(|replica| replica.node.is_fresh())
    }

    /// One sentence on each replica that was not chosen.
    pub fn explain_choice(&self, m: &Monitor, chosen: &Endpoint) -> String {
        let others = m.replicas.values().filter(|replica| replica.node.addr != *chosen);
        let mut sentence = match m.replicas.get(chosen) {
            Some(replica) => {
                format!("Priority {}, offset {}.", replica.priority, replica.offset)
            }
            None => String::new(),
        };
        for other in others {
            let why = match self.exclusion(m, other) {
                Some(exclusion) => exclusion.to_string(),
                None => format!("priority {}, offset {}", other.priority, other.offset),
            };
            sentence.push_str(&format!(" Not {}: {why}.", other.node.addr));
        }
        sentence
    }
}

/// Smaller is better.
fn rank(replica: &Replica) -> (u64, std::cmp::Reverse<u64>, bool, String) {
    let run_id = replica.node.run_id.as_ref().map(|id| id.to_ascii_lowercase());
    let unknown = run_id.is_none();
    (replica.priority, std::cmp::Reverse(replica.offset), unknown, run_id.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::rank;
    use crate::machine::Endpoint;
    use crate::sentinel::instance::Replica;
    use crate::sentinel::link::{Links, Whom};

    fn replica(priority: u64, offset: u64, run_id: Option<&str>) -> Replica {
        let addr = Endpoint::new("127.0.0.1", 1);
        let link = Links::default().add(Whom::Peer(String::new()), addr.clone(), 0);
        let mut replica = Replica::new(addr, link, 0);
        replica.priority = priority;
        replica.offset = offset;
        replica.node.run_id = run_id.map(str::to_owned);
        replica
    }

    #[test]
    fn priority_beats_data_beats_run_id_and_an_unknown_run_id_is_last() {
        let order = [
            replica(1, 5, None),
            replica(100, 9, None),
            replica(100, 8, Some("AA")),
            replica(100, 8, Some("ab")),
            replica(100, 8, None),
        ];
        for pair in order.windows(2) {
            assert!(rank(&pair[0]) < rank(&pair[1]), "{:?}", rank(&pair[1]));
        }
    }
}
