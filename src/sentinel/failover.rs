//! The failover of one primary, as a machine whose states carry their data.
//!
//! ```text
//! Idle ─(ODOWN)→ Poised ─(turn came)→ Waiting ─(elected)→ Selecting ─(chosen)→ Ordering
//!                                        └ not elected: Idle                     │ SLAVEOF NO ONE
//! Idle ←(+switch-master)─ Reconfiguring ←(it says role:master)─ Promoting ←──────┘
//! ```
//!
//! A failover that was not forced and did nothing yet is given up as soon as the primary is no
//! longer objectively down; not so with the `redis` clockwork.

use super::common::Common;
use super::event::{About, Event};
use super::instance::Reconf;
use super::monitor::Monitor;
use super::timing::Timing;
use crate::machine::{Endpoint, Millis};

/// With fast timing, how long the winner of an election is waited for, ms: twice that after the
/// first, and twice as long after each further one that brings no new primary.
const ELECTED_PATIENCE: Millis = 1500;

/// Where a failover is. Times are when the state began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Failover {
    /// None is going on.
    #[default]
    Idle,
    /// About to stand, unless another Sentinel asks for a vote before.
    Poised {
        /// When to stand.
        at: Millis,
    },
    /// `wait_start`: votes are awaited.
    Waiting {
        /// The epoch of the election.
        epoch: u64,
        /// Began at.
        since: Millis,
        /// Ordered by a person: needs no votes.
        forced: bool,
        /// No longer waited for after.
        until: Millis,
    },
    /// `select_slave`: the best replica is looked for.
    Selecting {
        /// The epoch of the failover.
        epoch: u64,
        /// Began at.
        since: Millis,
        /// Ordered by a person.
        forced: bool,
    },
    /// `send_slaveof_noone`: the chosen one must be reached.
    Ordering {
        /// The epoch of the failover.
        epoch: u64,
        /// Began at.
        since: Millis,
        /// Ordered by a person.
        forced: bool,
        /// The replica to promote.
        chosen: Endpoint,
    },
    /// `wait_promotion`: it was told, and has not confirmed yet.
    Promoting {
        /// The epoch of the failover.
        epoch: u64,
        /// Began at.
        since: Millis,
        /// The replica to promote.
        chosen: Endpoint,
    },
    /// `reconf_slaves`: the others are told to follow it.
    Reconfiguring {
        /// The epoch of the failover.
        epoch: u64,
        /// Began at.
        since: Millis,
        /// The new primary.
        promoted: Endpoint,
    },
}

impl Failover {
    /// Whether one is going on, as clients see it.
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Idle | Self::Poised { .. })
    }

    /// Redis's word, and when the state began.
    pub fn state(&self) -> (&'static str, Option<Millis>) {
        match self {
            Self::Idle | Self::Poised { .. } => ("none", None),
            Self::Waiting { since, .. } => ("wait_start", Some(*since)),
            Self::Selecting { since, .. } => ("select_slave", Some(*since)),
            Self::Ordering { since, .. } => ("send_slaveof_noone", Some(*since)),
            Self::Promoting { since, .. } => ("wait_promotion", Some(*since)),
            Self::Reconfiguring { since, .. } => ("reconf_slaves", Some(*since)),
        }
    }

    /// Its epoch.
    pub fn epoch(&self) -> Option<u64> {
        match self {
            Self::Idle | Self::Poised { .. } => None,
            Self::Waiting { epoch, .. }
            | Self::Selecting { epoch, .. }
            | Self::Ordering { epoch, .. }
            | Self::Promoting { epoch, .. }
            | Self::Reconfiguring { epoch, .. } => Some(*epoch),
        }
    }

    /// The replica chosen or promoted.
    pub fn chosen(&self) -> Option<&Endpoint> {
        match self {
            Self::Ordering { chosen, .. } | Self::Promoting { chosen, .. } => Some(chosen),
            Self::Reconfiguring { promoted, .. } => Some(promoted),
            _ => None,
        }
    }

    /// The epoch of the election for which votes are wanted.
    pub fn election(&self) -> Option<u64> {
        match self {
            Self::Waiting { epoch, forced: false, .. } => Some(*epoch),
            _ => None,
        }
    }

    /// Whether a replica was told to become primary: there is no way back.
    pub fn is_past_promotion_order(&self) -> bool {
        matches!(self, Self::Promoting { .. } | Self::Reconfiguring { .. })
    }

    /// Whether a person ordered it.
    pub fn is_forced(&self) -> bool {
        matches!(
            self,
            Self::Waiting { forced: true, .. }
                | Self::Selecting { forced: true, .. }
                | Self::Ordering { forced: true, .. }
        )
    }

    fn may_be_recalled(&self) -> bool {
        match self {
            Self::Poised { .. } => true,
            Self::Waiting { forced, .. }
            | Self::Selecting { forced, .. }
            | Self::Ordering { forced, .. } => !forced,
            _ => false,
        }
    }
}

impl Common {
    /// The whole machine: one step of the failover, whichever state it is in.
    pub fn advance_failover(&mut self, m: &mut Monitor) {
        let may_be_recalled = m.failover.may_be_recalled() && !self.globals.timing.is_credulous();
        if m.primary.odown.is_none() && may_be_recalled {
            return self.recall(m);
        }
        match m.failover.clone() {
            Failover::Idle => {}
            Failover::Poised { at } => {
                if self.alarm.is_due(at) {
                    self.start_failover(m, false);
                }
            }
            Failover::Waiting { epoch, forced, until, .. } => {
                self.await_election(m, epoch, forced, until);
            }
            Failover::Selecting { epoch, since, forced } => self.select(m, epoch, since, forced),
            Failover::Ordering { epoch, since, forced: _, chosen } => {
                self.order_promotion(m, epoch, since, chosen);
            }
            Failover::Promoting { since, .. } => {
                if self.alarm.has_come(since + m.settings.failover_timeout + 1) {
                    self.abort_failover(m, Event::AbortReplicaTimeout, "it was not confirmed");
                }
            }
            Failover::Reconfiguring { since, promoted, .. } => {
                self.reconfigure(m, since, &promoted);
            }
        }
    }

    /// Prepares to stand if the primary is objectively down and the last attempt is long enough ago.
    pub fn consider_failover(&mut self, m: &mut Monitor) {
        if m.primary.odown.is_none() || m.failover != Failover::Idle {
            return;
        }
        let now = self.now.mono;
        if !self.alarm.has_come(m.no_failover_before) && !self.elected_one_is_dead(m) {
            if !m.delay_logged {
                m.delay_logged = true;
                let wait = m.no_failover_before - now;
                self.out.log(
                    crate::machine::LogLevel::Notice,
                    format!("Next failover delay: I will not start a failover before {wait} ms"),
                );
            }
            return;
        }
        let stagger = match self.globals.timing {
            Timing::Redis => 0,
            Timing::Fast => self.rank_among(m) * 10 + self.chance_ms(6),
        };
        m.failover = Failover::Poised { at: now + stagger };
    }

    /// Whether the Sentinel that got our last vote is down: nobody waits for what it promised.
    fn elected_one_is_dead(&self, m: &Monitor) -> bool {
        let elected = m.vote.leader.as_ref().and_then(|leader| m.peers.get(leader));
        self.is_fast() && elected.is_some_and(|peer| peer.sdown.is_some())
    }

    /// Stands for election in a new epoch.
    pub fn start_failover(&mut self, m: &mut Monitor, forced: bool) {
        let (now, epoch) = (self.now.mono, self.current_epoch.saturating_add(1));
        let timeout = match self.globals.timing {
            Timing::Redis => self.periods.election_timeout,
            Timing::Fast => (300 + self.chance_ms(300)).min(self.periods.election_timeout),
        };
        let until = now + timeout.min(m.settings.failover_timeout);
        m.failover = Failover::Waiting { epoch, since: now, forced, until };
        m.no_failover_before = now + self.chance_ms(1000) + 2 * m.settings.failover_timeout;
        m.delay_logged = false;
        self.adopt_epoch(epoch);
        let needed = m.votes_needed();
        self.event_about(Event::TryFailover, m, About::Primary, "", || {
            format!("It stands for election in epoch {epoch}; {needed} votes are needed.")
        });
        // Whatever they were asked before, now they are asked for their votes.
        m.peers.values_mut().for_each(|peer| peer.asked = None);
        let me = self.my_id.clone();
        self.on_vote_request(m, &me, epoch);
    }

    fn await_election(&mut self, m: &mut Monitor, epoch: u64, forced: bool, until: Millis) {
        let tally = self.tally(m, epoch);
        let (needed, ours) = (m.votes_needed(), tally.ours);
        if forced || ours >= needed {
            self.event_about(Event::ElectedLeader, m, About::Primary, "", || {
                if forced {
                    "It was told to fail over, so it needs no votes.".to_owned()
                } else {
                    format!("It got {ours} votes in epoch {epoch}; {needed} were needed.")
                }
            });
            if self.crash.after_election {
                self.crash();
            }
            self.want_news_of_replicas(m);
            m.failover = Failover::Selecting { epoch, since: self.now.mono, forced };
            self.event_about(Event::StateSelect, m, About::Primary, "", || {
                "It looks for the replica with the best priority and the most data.".to_owned()
            });
        } else if self.alarm.has_come(until) {
            let other_won = tally.other.is_some_and(|(_, votes)| votes >= needed);
            self.abort_failover(m, Event::AbortNotElected, "too few votes came in time");
            if self.is_fast() && !other_won {
                let wait = self.periods_until_retry(m);
                m.no_failover_before = m.no_failover_before.min(self.now.mono + wait);
            }
        }
    }

    /// How long after a lost election, which nobody else won, to stand again.
    fn periods_until_retry(&mut self, m: &Monitor) -> Millis {
        let longest = 2 * m.settings.failover_timeout;
        let base = (50 << m.elections.min(16)).min(longest);
        base + self.chance_ms(base)
    }

    /// How long whoever was elected is waited for before standing again.
    pub fn patience(&mut self, m: &Monitor) -> Millis {
        let longest = 2 * m.settings.failover_timeout;
        let wait = match self.globals.timing {
            Timing::Redis => longest,
            Timing::Fast => (ELECTED_PATIENCE << m.elections.min(16)).min(longest),
        };
        wait + self.chance_ms(1000)
    }

    fn select(&mut self, m: &mut Monitor, epoch: u64, since: Millis, forced: bool) {
        let waited = self.alarm.has_come(since + 100);
        if self.is_fast() && !self.replicas_are_fresh(m) && !waited {
            return;
        }
        let Some(chosen) = self.best_replica(m) else {
            let why = self.explain_choice(m, &m.primary.node.addr);
            return self.abort_failover(m, Event::AbortNoGoodReplica, why.trim());
        };
        let why = self.explain_choice(m, &chosen);
        let about = About::Replica(&chosen);
        self.event_about(Event::Selected, m, about, "", || why);
        self.event_about(Event::StateSendNoOne, m, about, "", || {
            "It is told next to follow nobody.".to_owned()
        });
        m.failover = Failover::Ordering { epoch, since: self.now.mono, forced, chosen };
    }

    fn order_promotion(&mut self, m: &mut Monitor, epoch: u64, since: Millis, chosen: Endpoint) {
        let Some(link) = m.replicas.get(&chosen).map(|replica| replica.node.link) else {
            return self.abort_failover(m, Event::AbortReplicaTimeout, "it is no longer known");
        };
        if !self.links.get(link).is_some_and(|link| link.command.is_up()) {
            if self.alarm.has_come(since + m.settings.failover_timeout + 1) {
                self.abort_failover(m, Event::AbortReplicaTimeout, "it could not be reached");
            }
            return;
        }
        self.send_replicaof(m, link, None);
        if self.is_fast()
            && let Some(replica) = m.replicas.get_mut(&chosen)
        {
            replica.node.info_asked = None;
        }
        self.event_about(Event::StateWaitPromotion, m, About::Replica(&chosen), "", || {
            "It was told to become primary; its next INFO must confirm that.".to_owned()
        });
        m.failover = Failover::Promoting { epoch, since: self.now.mono, chosen };
    }

    /// The chosen replica says that it is primary: from now on its address is the right one.
    pub fn on_promotion_confirmed(&mut self, m: &mut Monitor, epoch: u64, promoted: Endpoint) {
        m.config_epoch = epoch;
        self.unsaved = true;
        let about = About::Replica(&promoted);
        self.event_about(Event::Promoted, m, about, "", || {
            format!(
                "It takes writes now. Its configuration has epoch {epoch}, so it beats the old one."
            )
        });
        if self.crash.after_promotion {
            self.crash();
        }
        let from = m.primary.node.addr.clone();
        self.run_reconfig_script(m, "leader", &from, &promoted);
        m.failover = Failover::Reconfiguring { epoch, since: self.now.mono, promoted };
        self.event_about(Event::StateReconf, m, About::Primary, "", || {
            let at_once = m.settings.parallel_syncs;
            format!("The other replicas are told to follow it, {at_once} at a time.")
        });
        self.force_hellos(m);
    }

    fn reconfigure(&mut self, m: &mut Monitor, since: Millis, promoted: &Endpoint) {
        let now = self.now.mono;
        let others: Vec<_> = m.replicas.keys().filter(|addr| *addr != promoted).cloned().collect();
        for addr in &others {
            if let Some(replica) = m.replicas.get_mut(addr)
                && let Reconf::Sent(at) = replica.reconf
                && self.alarm.has_come(at + self.periods.reconf_timeout + 1)
            {
                replica.reconf = Reconf::Done;
                self.event_about(Event::ReconfSentTimeout, m, About::Replica(addr), "", || {
                    "It was told but does not follow; it is put right later.".to_owned()
                });
            }
        }
        let is_settled = |addr: &Endpoint| {
            m.replicas.get(addr).is_none_or(|r| r.reconf == Reconf::Done || r.node.sdown.is_some())
        };
        if others.iter().all(is_settled) {
            return self.end_failover(m, promoted);
        }
        if self.alarm.has_come(since + m.settings.failover_timeout + 1) {
            return self.end_failover_late(m, promoted, &others);
        }
        let under_way = |r: &&super::instance::Replica| {
            matches!(r.reconf, Reconf::Sent(_) | Reconf::InProgress(_))
        };
        let mut at_work = m.replicas.values().filter(under_way).count() as u64;
        for addr in &others {
            if at_work >= m.settings.parallel_syncs {
                break;
            }
            if self.tell_to_follow(m, addr, promoted, Event::ReconfSent) {
                at_work += 1;
                if let Some(replica) = m.replicas.get_mut(addr) {
                    replica.reconf = Reconf::Sent(now);
                }
            }
        }
    }

    /// Tells a replica that was not told yet, and can be reached, to follow the promoted one.
    fn tell_to_follow(
        &mut self,
        m: &mut Monitor,
        addr: &Endpoint,
        promoted: &Endpoint,
        event: Event,
    ) -> bool {
        let Some(replica) = m.replicas.get_mut(addr) else { return false };
        let link = replica.node.link;
        let reachable = self.links.get(link).is_some_and(|link| link.command.is_up());
        if replica.reconf != Reconf::No || replica.node.sdown.is_some() || !reachable {
            return false;
        }
        replica.node.info_asked = None;
        self.send_replicaof(m, link, Some(promoted));
        self.event_about(event, m, About::Replica(addr), "", || {
            format!("It is told to follow {promoted}.")
        });
        true
    }

    fn end_failover_late(&mut self, m: &mut Monitor, promoted: &Endpoint, others: &[Endpoint]) {
        self.event_about(Event::EndForTimeout, m, About::Primary, "", || {
            "Some replicas do not follow yet; they are put right later.".to_owned()
        });
        for addr in others {
            self.tell_to_follow(m, addr, promoted, Event::ReconfBestEffort);
        }
        self.end_failover(m, promoted);
    }

    fn end_failover(&mut self, m: &mut Monitor, promoted: &Endpoint) {
        self.event_about(Event::End, m, About::Primary, "", || {
            "Every replica that can be reached follows the new primary.".to_owned()
        });
        self.switch_primary(m, promoted.clone());
    }

    /// The primary answers again before anything was done.
    fn recall(&mut self, m: &mut Monitor) {
        if let Failover::Poised { .. } = m.failover {
            m.failover = Failover::Idle;
            return;
        }
        self.abort_failover(m, Event::AbortNotElected, "the primary answers again");
        m.no_failover_before = self.now.mono;
    }

    /// Gives up.
    pub fn abort_failover(&mut self, m: &mut Monitor, event: Event, why: &str) {
        self.event_about(event, m, About::Primary, "", || format!("It gives up: {why}."));
        m.failover = Failover::Idle;
        for replica in m.replicas.values_mut() {
            replica.reconf = Reconf::No;
        }
        if self.is_fast() {
            // Others, who may reach a replica that this Sentinel does not, go first.
            let wait = self.patience(m) + ELECTED_PATIENCE;
            m.no_failover_before = m.no_failover_before.min(self.now.mono + wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::Input;
    use crate::sentinel::testing::Bench;

    #[test]
    fn an_election_ends_at_the_latest_after_the_election_timeout() {
        let file = "sentinel monitor mm 127.0.0.1 6379 1\nsentinel known-replica mm 10.0.0.2 1\n\
                    sentinel down-after-milliseconds mm 100\n\
                    sentinel known-sentinel mm 10.0.0.3 1 ffffffffffffffffffffffffffffffffffffffff\n";
        let mut bench = Bench::new(file);
        bench.ask("SENTINEL DEBUG ELECTION-TIMEOUT 50");
        let mut at = |event: &str| {
            while !bench.sentences.iter().any(|(told, _)| *told == event) && bench.now < 20_000 {
                bench.now += 1;
                bench.step(Input::Tick);
                bench.step(Input::Turn);
            }
            bench.now
        };
        assert_eq!(at("+try-failover") + 50, at("-failover-abort-not-elected"));
    }
}
