//! What follows from a node's INFO: new replicas, promotions, replicas that must be put right.

use bytes::Bytes;

use super::common::Common;
use super::event::{About, Event};
use super::failover::Failover;
use super::info::Info;
use super::instance::{Node, Reconf};
use super::monitor::Monitor;
use crate::machine::{Endpoint, Millis, Role};

/// For so long must all be quiet before a replica that claims to be primary is corrected: hellos
/// about a failover that is not known here yet may be on their way.
const CALM_BEFORE_CONVERSION: Millis = 8000;

impl Common {
    /// The primary's INFO arrived.
    pub fn on_primary_info(&mut self, m: &mut Monitor, text: &[u8]) {
        let info = Info::parse(text, self.globals.resolve_hostnames);
        let rebooted = self.note_info(&mut m.primary.node, &info, text);
        if rebooted {
            if m.settings.reboot_down_after > 0 {
                m.primary.rebooted = Some(self.now.mono);
            }
            self.event_about(Event::Reboot, m, About::Primary, "", || {
                "It has a new run id: it was restarted.".to_owned()
            });
        }
        if info.role == Some(Role::Primary) {
            for addr in &info.replicas {
                self.add_replica(m, addr, "The primary named it as its replica.");
            }
        }
        self.note_role(m, None, info.role);
    }

    /// A replica's INFO arrived.
    pub fn on_replica_info(&mut self, m: &mut Monitor, addr: &Endpoint, text: &[u8]) {
        let info = Info::parse(text, self.globals.resolve_hostnames);
        let now = self.now.mono;
        let Some(replica) = m.replicas.get_mut(addr) else { return };
        let rebooted = self.note_info(&mut replica.node, &info, text);
        replica.link_up = info.link_up;
        replica.link_down = info.link_down;
        replica.priority = info.priority.unwrap_or(replica.priority);
        replica.offset = info.offset.unwrap_or(replica.offset);
        replica.announced = info.announced.unwrap_or(replica.announced);
        match (&info.follows, &replica.follows) {
            (Some(new), Some((old, _))) if new == old => {}
            (Some(new), _) => replica.follows = Some((new.clone(), now)),
            (None, _) => {}
        }
        if rebooted {
            self.event_about(Event::Reboot, m, About::Replica(addr), "", || {
                "It has a new run id: it was restarted.".to_owned()
            });
        }
        self.note_role(m, Some(addr), info.role);
        if !self.tilt.is_on() {
            self.act_on_replica(m, addr, info.role);
        }
    }

    /// Keeps what any node says. True if it was restarted.
    fn note_info(&mut self, node: &mut Node, info: &Info, text: &[u8]) -> bool {
        node.info = Some((self.now.mono, Bytes::copy_from_slice(text)));
        let Some(run_id) = &info.run_id else { return false };
        let old = node.run_id.replace(run_id.clone());
        old.is_some_and(|old| old != *run_id)
    }

    fn note_role(&mut self, m: &mut Monitor, addr: Option<&Endpoint>, role: Option<Role>) {
        let Some(role) = role else { return };
        let (node, ours) = match addr {
            None => (&mut m.primary.node, Role::Primary),
            Some(addr) => match m.replicas.get_mut(addr) {
                Some(replica) => (&mut replica.node, Role::Replica),
                None => return,
            },
        };
        if node.reported == role {
            return;
        }
        node.reported = role;
        node.reported_since = self.now.mono;
        let word = if role == Role::Primary { "master" } else { "slave" };
        let event = if role == ours { Event::RoleChange } else { Event::RoleUnexpected };
        let about = addr.map_or(About::Primary, About::Replica);
        self.event_about(event, m, about, &format!("new reported role is {word}"), || {
            format!("It says that it is a {} now.", role.word())
        });
    }

    fn act_on_replica(&mut self, m: &mut Monitor, addr: &Endpoint, role: Option<Role>) {
        match (&m.failover, role) {
            (Failover::Promoting { epoch, chosen, .. }, Some(Role::Primary)) if chosen == addr => {
                let epoch = *epoch;
                self.on_promotion_confirmed(m, epoch, addr.clone());
            }
            (Failover::Promoting { since, chosen, .. }, Some(Role::Replica))
                if chosen == addr && self.is_fast() =>
            {
                // Only what was asked after the order tells how it was followed.
                let asked = m.replicas.get(addr).and_then(|replica| replica.node.info_asked);
                if asked.is_some_and(|at| at >= *since) {
                    self.abort_failover(m, Event::AbortReplicaTimeout, "it is still a replica");
                }
            }
            (Failover::Reconfiguring { promoted, .. }, _) if promoted == addr => {}
            (Failover::Reconfiguring { promoted, .. }, Some(Role::Replica)) => {
                let promoted = promoted.clone();
                self.follow_reconfiguration(m, addr, &promoted);
            }
            (Failover::Idle | Failover::Poised { .. }, Some(role)) => {
                self.put_right(m, addr, role);
            }
            _ => {}
        }
    }

    fn follow_reconfiguration(&mut self, m: &mut Monitor, addr: &Endpoint, promoted: &Endpoint) {
        let Some(replica) = m.replicas.get_mut(addr) else { return };
        let follows = replica.follows.as_ref().is_some_and(|(whom, _)| whom == promoted);
        let up = replica.link_up;
        if let Reconf::Sent(at) = replica.reconf
            && follows
        {
            replica.reconf = Reconf::InProgress(at);
            self.event_about(Event::ReconfInProgress, m, About::Replica(addr), "", || {
                "It follows the new primary and synchronises.".to_owned()
            });
        }
        let Some(replica) = m.replicas.get_mut(addr) else { return };
        if let Reconf::InProgress(_) = replica.reconf
            && up
        {
            replica.reconf = Reconf::Done;
            self.event_about(Event::ReconfDone, m, About::Replica(addr), "", || {
                "Its link to the new primary is up.".to_owned()
            });
        }
    }

    /// A replica that claims to be primary, or follows somebody else, is told to follow our
    /// primary, once it is sure that no failover explains it.
    fn put_right(&mut self, m: &mut Monitor, addr: &Endpoint, role: Role) {
        let now = self.now.mono;
        let Some(replica) = m.replicas.get(addr) else { return };
        let (since, calm, event, why) = match (role, &replica.follows) {
            (Role::Primary, _) => (
                replica.node.reported_since,
                CALM_BEFORE_CONVERSION,
                Event::ConvertToReplica,
                "It claims to be primary, but is not.",
            ),
            (Role::Replica, Some((whom, since))) if *whom != m.primary.node.addr => (
                (*since).max(replica.node.reported_since),
                m.settings.failover_timeout,
                Event::FixReplica,
                "It follows somebody else.",
            ),
            _ => return,
        };
        let up_for = now.saturating_sub(replica.node.last_sdown_change);
        let quiet = replica.node.sdown.is_none() && up_for > calm;
        let link = replica.node.link;
        if !quiet || now.saturating_sub(since) <= calm || !self.looks_sane(m) {
            return;
        }
        let primary = m.primary.node.addr.clone();
        if self.links.get(link).is_some_and(|link| link.command.is_up()) {
            self.send_replicaof(m, link, Some(&primary));
            self.event_about(event, m, About::Replica(addr), "", || {
                format!("{why} It is told to follow {primary}.")
            });
        }
    }

    /// Whether our primary is what we think.
    fn looks_sane(&self, m: &Monitor) -> bool {
        let node = &m.primary.node;
        let info_max = 2 * self.periods.info;
        node.reported == Role::Primary
            && node.sdown.is_none()
            && m.primary.odown.is_none()
            && node.info_age(self.now.mono).is_some_and(|age| age < info_max)
    }
}
