//! The picture of a Sentinel for people.

use super::Sentinel;
use super::common::Common;
use super::monitor::Monitor;
use crate::machine::{FailoverView, MonitorView, Now, PeerBelief, ReplicaBelief, SentinelView};

impl Sentinel {
    /// What it believes now.
    pub(super) fn picture(&self, now: Now) -> SentinelView {
        SentinelView {
            id: self.common.my_id.clone(),
            current_epoch: self.common.current_epoch,
            tilt_ms: self.common.tilt.since().map(|at| now.since(at)),
            monitors: self.monitors.values().map(|m| self.common.picture(m, now)).collect(),
        }
    }
}

impl Common {
    fn picture(&self, m: &Monitor, now: Now) -> MonitorView {
        let link = self.links.get(m.primary.node.link);
        let (state, since) = m.failover.state();
        let epoch = m.failover.epoch();
        MonitorView {
            name: m.name.to_string(),
            addr: m.addr().clone(),
            watched: m.primary.node.addr.clone(),
            quorum: m.settings.quorum,
            votes_needed: m.votes_needed(),
            config_epoch: m.config_epoch,
            down_after_ms: m.settings.down_after,
            sdown_ms: m.primary.node.sdown.map(|at| now.since(at)),
            odown_ms: m.primary.odown.map(|at| now.since(at)),
            silent_ms: link.and_then(|link| link.owed_since).map(|at| now.since(at)),
            vote: m.vote.leader.clone().map(|leader| (leader, m.vote.epoch)),
            failover: FailoverView {
                state,
                state_ms: since.map_or(0, |at| now.since(at)),
                epoch,
                chosen: m.failover.chosen().cloned(),
                votes: epoch.map_or(0, |epoch| self.tally(m, epoch).ours),
            },
            replicas: m
                .replicas
                .values()
                .map(|replica| ReplicaBelief {
                    addr: replica.node.addr.clone(),
                    sdown_ms: replica.node.sdown.map(|at| now.since(at)),
                    claims: replica.node.reported,
                    link_up: replica.link_up,
                    offset: replica.offset,
                    priority: replica.priority,
                    excluded: self.exclusion(m, replica).map(|why| why.to_string()),
                })
                .collect(),
            peers: m
                .peers
                .values()
                .map(|peer| PeerBelief {
                    id: peer.id.clone(),
                    addr: peer.addr.clone(),
                    sdown_ms: peer.sdown.map(|at| now.since(at)),
                    says_down: peer.says_down(now.mono),
                    vote: peer.vote.clone(),
                    hello_age_ms: Some(now.since(peer.hello_heard)),
                })
                .collect(),
        }
    }
}
