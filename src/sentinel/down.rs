//! Who is down: subjectively (SDOWN, this Sentinel's own opinion), and objectively (ODOWN, enough
//! Sentinels share it).
//!
//! An answer counts only for the address that it was given about, and only for a while.

use super::common::Common;
use super::event::{About, Event};
use super::instance::{Node, Peer, Replica};
use super::link::LinkId;
use super::monitor::Monitor;
use crate::machine::{Millis, Role};

/// A primary that says it is a replica is down once it said so for `down-after-milliseconds` and
/// so much more, ms.
const WRONG_ROLE_GRACE: Millis = 20_000;

impl Common {
    /// Whether a link has owed an answer for longer than it may.
    fn is_silent(&mut self, link: LinkId, down_after: Millis) -> bool {
        let Some(link) = self.links.get(link) else { return false };
        match link.owed_since {
            Some(since) => self.alarm.has_come(since + down_after + 1),
            None => false,
        }
    }

    /// Judges the primary.
    pub fn judge_primary(&mut self, m: &mut Monitor) {
        let down_after = m.settings.down_after;
        let node = &m.primary.node;
        let silent = self.is_silent(node.link, down_after);
        let wrong_role = node.reported == Role::Replica
            && self.alarm.has_come(node.reported_since + down_after + WRONG_ROLE_GRACE + 1);
        let rebooted = m
            .primary
            .rebooted
            .is_some_and(|at| self.alarm.has_come(at + m.settings.reboot_down_after + 1));
        let down = silent || wrong_role || rebooted;
        let change = self.change_of(&mut m.primary.node, down);
        let why = if silent {
            format!("It has not answered for {down_after} ms; only this Sentinel thinks so yet.")
        } else if wrong_role {
            "It has said for too long that it is a replica.".to_owned()
        } else {
            "It restarted and does not serve for too long.".to_owned()
        };
        match change {
            Some(true) => {
                self.event_about(Event::Sdown, m, About::Primary, "", || why);
                self.want_news_of_replicas(m);
            }
            Some(false) => {
                self.event_about(Event::NotSdown, m, About::Primary, "", answers_again);
                if self.is_fast() {
                    // What was tried in vain is over: its next failure is another one.
                    m.no_failover_before = self.now.mono;
                    m.elections = 0;
                }
            }
            None => {}
        }
    }

    /// Judges the replicas.
    pub fn judge_replicas(&mut self, m: &mut Monitor) {
        let down_after = m.settings.down_after;
        let is_new = |replica: &&Replica| {
            self.is_silent(replica.node.link, down_after) != replica.node.sdown.is_some()
        };
        let addrs: Vec<_> =
            m.replicas.values().filter(is_new).map(|replica| replica.node.addr.clone()).collect();
        for addr in addrs {
            let Some(replica) = m.replicas.get_mut(&addr) else { continue };
            let down = replica.node.sdown.is_none();
            match self.change_of(&mut replica.node, down) {
                Some(true) => {
                    self.event_about(Event::Sdown, m, About::Replica(&addr), "", || {
                        format!("This replica has not answered for {down_after} ms.")
                    });
                }
                Some(false) => {
                    let about = About::Replica(&addr);
                    self.event_about(Event::NotSdown, m, about, "", answers_again);
                }
                None => {}
            }
        }
    }

    /// Judges the other Sentinels.
    pub fn judge_peers(&mut self, m: &mut Monitor) {
        let down_after = m.settings.down_after;
        let is_new = |peer: &&Peer| self.is_silent(peer.link, down_after) != peer.sdown.is_some();
        let ids: Vec<_> = m.peers.values().filter(is_new).map(|peer| peer.id.clone()).collect();
        for id in ids {
            let Some(peer) = m.peers.get_mut(&id) else { continue };
            let down = peer.sdown.is_none();
            peer.sdown = down.then_some(self.now.mono);
            let addr = peer.addr.clone();
            let about = About::Peer(&id, &addr);
            if down {
                self.event_about(Event::Sdown, m, about, "", || {
                    format!("This Sentinel has not answered for {down_after} ms; it still counts as a voter.")
                });
            } else {
                self.event_about(Event::NotSdown, m, about, "", answers_again);
            }
        }
    }

    /// Notes whether a node is down; says so if that is new.
    fn change_of(&mut self, node: &mut Node, down: bool) -> Option<bool> {
        if down == node.sdown.is_some() {
            return None;
        }
        node.sdown = down.then_some(self.now.mono);
        node.last_sdown_change = self.now.mono;
        if !down && let Some(link) = self.links.get_mut(node.link) {
            link.script_kill_sent = false;
        }
        Some(down)
    }

    /// The next choice among the replicas shall rest on what they say from now on.
    pub fn want_news_of_replicas(&mut self, m: &mut Monitor) {
        if self.is_fast() {
            for replica in m.replicas.values_mut() {
                replica.node.info_wanted_since = Some(self.now.mono);
            }
        }
    }

    /// Judges whether enough Sentinels think that the primary is down.
    pub fn judge_objectively(&mut self, m: &mut Monitor) {
        let now = self.now.mono;
        let agree = 1 + m.peers.values().filter(|peer| peer.says_down(now)).count() as u64;
        let quorum = m.settings.quorum;
        let down = m.primary.node.sdown.is_some() && agree >= quorum;
        match (down, m.primary.odown) {
            (true, None) => {
                m.primary.odown = Some(now);
                let extra = format!("#quorum {agree}/{quorum}");
                self.event_about(Event::Odown, m, About::Primary, &extra, || {
                    format!("{agree} Sentinels agree that it is down, {quorum} are needed: a failover may start.")
                });
            }
            (false, Some(_)) => {
                m.primary.odown = None;
                self.event_about(Event::NotOdown, m, About::Primary, "", || {
                    "Too few Sentinels think now that it is down.".to_owned()
                });
            }
            _ => {}
        }
    }
}

fn answers_again() -> String {
    "It answers again.".to_owned()
}
