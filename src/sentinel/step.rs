//! What a Sentinel does about one watched primary whenever something may have changed: it looks
//! after the links and judges who is down, and, unless in TILT, it acts.

use super::common::Common;
use super::failover::Failover;
use super::instance::{Node, Peer, Reconf, Replica};
use super::link::{Expect, LinkId, Part};
use super::monitor::{Monitor, Settings};
use super::timing::{Alarm, Timing, impatience, redial_delay};
use crate::machine::{Endpoint, Millis, Role};

/// Rounds within one turn after which the rest is left to the next.
const ROUNDS_MAX: usize = 16;

/// How often a node is asked for INFO while something about it is awaited, ms.
const INFO_PERIOD_BUSY: Millis = 1000;

/// A hello channel silent for so many hello periods is connected anew.
const SILENT_PERIODS: Millis = 3;

impl Common {
    /// Looks after one watched primary, and notes when to do so again.
    pub fn attend(&mut self, m: &mut Monitor) {
        for _ in 0..ROUNDS_MAX {
            self.alarm = Alarm::new(self.now.mono);
            self.watch_primary(m);
            if !self.tilt.is_on() {
                self.act(m);
            }
            self.watch_others(m);
            if !self.alarm.rang || self.globals.timing == Timing::Redis {
                break;
            }
        }
        m.wake = self.alarm.next;
    }

    /// Keeps in touch with the primary.
    fn watch_primary(&mut self, m: &mut Monitor) {
        self.tend_node(&m.settings, &mut m.primary.node, self.periods.info);
        self.judge_primary(m);
    }

    /// Keeps in touch with replicas and Sentinels. It comes last, as in the real program: what was
    /// just decided may be a reason to ask them for news.
    fn watch_others(&mut self, m: &mut Monitor) {
        let busy = m.primary.odown.is_some() || m.failover.is_on();
        let Monitor { settings, replicas, peers, failover, .. } = m;
        for replica in replicas.values_mut() {
            let period = self.replica_info_period(replica, failover, busy);
            self.tend_node(settings, &mut replica.node, period);
        }
        for peer in peers.values_mut() {
            self.tend_peer(settings, peer);
        }
        self.send_hellos(m);
        self.judge_replicas(m);
        self.judge_peers(m);
    }

    /// Decides and acts.
    fn act(&mut self, m: &mut Monitor) {
        self.judge_objectively(m);
        self.consider_failover(m);
        self.advance_failover(m);
        self.ask_peers(m);
    }

    fn tend_node(&mut self, settings: &Settings, node: &mut Node, period: Millis) {
        self.reconnect(node.link, settings.down_after);
        self.ping(node.link, settings);
        let now = self.now.mono;
        let Some(link) = self.links.get(node.link) else { return };
        if !link.has_room() || link.awaits(&Expect::Info) {
            return;
        }
        let wanted = if node.is_fresh() { None } else { node.info_wanted_since };
        let due = match (node.info_asked, wanted) {
            (Some(asked), Some(wanted)) if asked >= wanted => asked + 100,
            (_, Some(_)) | (None, _) => now,
            (Some(asked), None) => asked + period,
        };
        if self.alarm.is_due(due) {
            node.info_asked = Some(now);
            self.links.send(node.link, Part::Command, &[settings.command("INFO")], Expect::Info);
        }
    }

    /// How often a replica is asked for INFO.
    fn replica_info_period(&self, replica: &Replica, failover: &Failover, busy: bool) -> Millis {
        let now = self.now.mono;
        if self.is_fast() {
            let awaited_since = match (failover, replica.reconf) {
                (Failover::Promoting { chosen, since, .. }, _) if *chosen == replica.node.addr => {
                    Some(*since)
                }
                (_, Reconf::Sent(at) | Reconf::InProgress(at)) => Some(at),
                _ => None,
            };
            if let Some(since) = awaited_since {
                return impatience(now.saturating_sub(since));
            }
            if replica.node.reported == Role::Primary {
                return INFO_PERIOD_BUSY.min(self.periods.info);
            }
        }
        let is_busy = busy || (replica.node.info.is_some() && !replica.link_up);
        if is_busy { INFO_PERIOD_BUSY.min(self.periods.info) } else { self.periods.info }
    }

    fn tend_peer(&mut self, settings: &Settings, peer: &mut Peer) {
        self.reconnect(peer.link, settings.down_after);
        let plain = Settings::new(1);
        self.ping(peer.link, &Settings { down_after: settings.down_after, ..plain });
    }

    /// Connects what is not connected, and hangs up on what has been silent for too long.
    fn reconnect(&mut self, id: LinkId, down_after: Millis) {
        let now = self.now.mono;
        let Some(link) = self.links.get_mut(id) else { return };
        if link.to.port == 0 {
            link.owed_since.get_or_insert(now);
            return;
        }
        let is_old = |tried: Option<Millis>, age| tried.is_some_and(|at| now - at > age);
        let silent = |at: Millis, for_ms| now.saturating_sub(at) > for_ms;
        let command_stuck = is_old(link.command.tried, self.periods.min_link_age)
            && link.owed_since.is_some_and(|at| silent(at, down_after / 2))
            && silent(link.any_reply, down_after / 2);
        let pubsub_stuck = link.pubsub.as_ref().is_some_and(|line| {
            is_old(line.tried, self.periods.min_link_age)
                && silent(line.heard, SILENT_PERIODS * self.periods.publish)
        });
        if command_stuck {
            self.links.close(id, Part::Command, &mut self.out);
        }
        if pubsub_stuck {
            self.links.close(id, Part::Pubsub, &mut self.out);
        }
        for part in [Part::Command, Part::Pubsub] {
            let Some(down) = self.links.get(id).and_then(|link| link.down_line(part)) else {
                continue;
            };
            let delay = redial_delay(self.globals.timing, down.failures);
            let due = down.tried.map_or(now, |tried| tried + delay);
            if self.alarm.is_due(due) {
                self.links.dial(id, part, now, &mut self.out);
            }
        }
    }

    fn ping(&mut self, id: LinkId, settings: &Settings) {
        let Some(link) = self.links.get(id) else { return };
        if !link.has_room() {
            return;
        }
        let period = match self.globals.timing {
            Timing::Fast => (settings.down_after / 4).clamp(50, self.periods.ping.max(50)),
            Timing::Redis => settings.down_after.min(self.periods.ping),
        };
        let sent = link.ping_sent.unwrap_or(0);
        if self.alarm.is_due((link.any_reply + period).max(sent + period / 2)) {
            self.send_ping(id, settings);
        }
    }

    /// Sends PING; its answer is owed from now on.
    pub fn send_ping(&mut self, id: LinkId, settings: &Settings) {
        let now = self.now.mono;
        if self.links.send(id, Part::Command, &[settings.command("PING")], Expect::Ping)
            && let Some(link) = self.links.get_mut(id)
        {
            link.ping_sent = Some(now);
            link.owed_since.get_or_insert(now);
        }
    }

    /// Asks the other Sentinels whether they think that the primary is down, and for their votes
    /// once this one stands.
    fn ask_peers(&mut self, m: &mut Monitor) {
        let now = self.now.mono;
        let Some(down_since) = m.primary.node.sdown else { return };
        let standing = m.failover.election();
        let addr = m.primary.node.addr.clone();
        for peer in m.peers.values_mut() {
            let expect = Expect::Opinion { about: m.name.clone(), addr: addr.clone() };
            let Some(link) = self.links.get(peer.link).filter(|link| link.has_room()) else {
                continue;
            };
            let waits = link.awaits(&expect);
            let due = match (peer.asked, peer.opinion) {
                (None, _) => now,
                (Some(asked), _) if waits => asked + self.periods.ask,
                (Some(asked), Some((false, _))) if self.is_fast() => {
                    asked + impatience(now - down_since).max(25)
                }
                (Some(asked), _) => asked + self.periods.ask,
            };
            if self.alarm.is_due(due) {
                peer.asked = Some(now);
                let (epoch, id) = match standing {
                    Some(epoch) => (epoch, self.my_id.as_str()),
                    None => (self.current_epoch, "*"),
                };
                let words = question(&addr, epoch, id);
                self.links.send(peer.link, Part::Command, &words, expect);
            }
        }
    }
}

fn question(addr: &Endpoint, epoch: u64, id: &str) -> [String; 6] {
    [
        "SENTINEL".to_owned(),
        "is-master-down-by-addr".to_owned(),
        addr.host.clone(),
        addr.port.to_string(),
        epoch.to_string(),
        id.to_owned(),
    ]
}
