//! Voting: at most one vote for each primary in each epoch, saved before it is told.
//!
//! A candidate counts votes of *its* epoch, not of whatever epoch is current by then: when many
//! primaries fail at once, other elections must not spoil this one.

use super::common::Common;
use super::event::Event;
use super::failover::Failover;
use super::monitor::Monitor;

/// Our last vote for a primary. After a restart only its epoch is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vote {
    /// For whom.
    pub leader: Option<String>,
    /// In which epoch.
    pub epoch: u64,
}

/// The votes of one election, as far as they are known here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Votes for this Sentinel.
    pub ours: u64,
    /// The most voted other Sentinel and its votes.
    pub other: Option<(String, u64)>,
}

/// Elections make epochs grow by one. An epoch that is so much beyond the highest known is none:
/// who followed it would leave no room for elections, or none that others follow.
const EPOCH_LEAP_MAX: u64 = 1 << 32;

impl Common {
    /// Whether an epoch that somebody tells can have been reached.
    pub fn is_credible(&self, epoch: u64) -> bool {
        epoch.saturating_sub(self.current_epoch) <= EPOCH_LEAP_MAX && epoch < i64::MAX as u64
    }

    /// Somebody asks for our vote. Adopts the epoch if it is newer, and votes if it has not yet.
    pub fn on_vote_request(&mut self, m: &mut Monitor, candidate: &str, epoch: u64) {
        self.adopt_epoch(epoch);
        // The real program also wants `current epoch <= epoch`, which lets the election of one
        // primary spoil that of another. What must hold is one vote per primary and epoch.
        if epoch <= m.vote.epoch || epoch <= m.config_epoch {
            return;
        }
        if candidate != self.my_id && m.failover.is_past_promotion_order() {
            return;
        }
        m.vote = Vote { leader: Some(candidate.to_owned()), epoch };
        m.elections += 1;
        self.unsaved = true;
        let needed = m.votes_needed();
        let who = self.short_name(candidate);
        self.event(Event::VoteForLeader, m, &format!("{candidate} {epoch}"), || {
            format!("It voted for {who} in epoch {epoch}; {needed} votes are needed to lead.")
        });
        if candidate != self.my_id {
            self.stand_down(m);
            m.no_failover_before = self.now.mono + self.patience(m);
            m.delay_logged = false;
        }
    }

    /// Another Sentinel wants to lead in a newer epoch: leaves it to it, as long as nothing was
    /// done yet.
    fn stand_down(&mut self, m: &mut Monitor) {
        match m.failover {
            Failover::Poised { .. } => m.failover = Failover::Idle,
            Failover::Waiting { forced: false, .. }
            | Failover::Selecting { forced: false, .. }
            | Failover::Ordering { forced: false, .. }
                if self.is_fast() =>
            {
                self.abort_failover(m, Event::AbortNotElected, "another Sentinel stands");
            }
            _ => {}
        }
    }

    /// Adopts a newer epoch.
    pub fn adopt_epoch(&mut self, epoch: u64) {
        if epoch > self.current_epoch {
            self.current_epoch = epoch;
            self.unsaved = true;
            self.event_alone(Event::NewEpoch, &epoch.to_string(), || {
                format!(
                    "The highest known epoch is {epoch} now; votes count within one epoch only."
                )
            });
        }
    }

    /// Counts the votes of one epoch, our own among them.
    pub fn tally(&self, m: &Monitor, epoch: u64) -> Tally {
        let own = (m.vote.epoch == epoch).then_some(m.vote.leader.as_ref()).flatten();
        let told = m.peers.values().filter_map(|peer| match &peer.vote {
            Some((leader, at)) if *at == epoch => Some(leader),
            _ => None,
        });
        tally_of(&self.my_id, own.into_iter().chain(told))
    }
}

fn tally_of<'a>(me: &str, votes: impl Iterator<Item = &'a String>) -> Tally {
    let mut count = std::collections::BTreeMap::<&str, u64>::new();
    for leader in votes {
        *count.entry(leader).or_default() += 1;
    }
    let ours = count.remove(me).unwrap_or(0);
    let other = count.into_iter().max_by_key(|(_, votes)| *votes);
    Tally { ours, other: other.map(|(id, votes)| (id.to_owned(), votes)) }
}

#[cfg(test)]
mod tests {
    use super::tally_of;

    #[test]
    fn votes_are_counted_by_candidate() {
        let votes = ["me", "a", "b", "a", "me", "a"].map(str::to_owned);
        let tally = tally_of("me", votes.iter());
        assert_eq!((tally.ours, tally.other), (2, Some(("a".to_owned(), 3))));
        assert_eq!(tally_of("me", [].iter()).ours, 0);
    }
}
