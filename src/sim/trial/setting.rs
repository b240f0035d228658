//! What a seed decides of a trial's world: how many watch how many, and how.

use std::fmt;

use super::traitor::Treason;
use crate::base::rng::Dice;
use crate::machine::Millis;

/// How the world of a seed is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Servers: nodes 0 and up. The first is the primary in the beginning.
    pub servers: usize,
    /// Servers of a second primary, the first of them: the nodes after those. None, if there is no
    /// second one.
    pub others: usize,
    /// Sentinels: the nodes after them.
    pub sentinels: usize,
    /// Sentinels that must agree that a primary is down.
    pub quorum: usize,
    /// `down-after-milliseconds`
    pub down_after: Millis,
    /// `failover-timeout`, ms.
    pub failover_timeout: Millis,
    /// `parallel-syncs`
    pub parallel_syncs: u64,
    /// Sentinels with `sentinel-timing redis`, the first ones.
    pub slow: usize,
    /// `repl-timeout`, ms.
    pub repl_timeout: Millis,
    /// What one node does wrong.
    pub treason: Option<Treason>,
}

impl Setting {
    /// The setting of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5e7);
        let mut pick = |choices: &[u64]| choices[dice.below(choices.len() as u64) as usize];
        let servers = pick(&[1, 2, 3, 3, 3, 4, 5]) as usize;
        let sentinels = pick(&[3, 3, 3, 4, 5, 5]) as usize;
        let majority = sentinels / 2 + 1;
        let quorum = match pick(&[0, 1, 2, 3, 4, 5]) {
            0 => 1,
            1 => sentinels,
            2 => 2,
            _ => majority,
        };
        let slow = match pick(&[0, 1, 2, 3, 4, 5, 6, 7]) {
            0 => sentinels,
            1 => 1 + pick(&[0, 1]) as usize,
            _ => 0,
        };
        Self {
            servers,
            sentinels,
            quorum,
            down_after: pick(&[300, 500, 950, 1000, 2000]),
            failover_timeout: pick(&[3000, 10_000, 60_000]),
            parallel_syncs: pick(&[1, 1, 2]),
            slow,
            repl_timeout: pick(&[3000, 10_000]),
            others: pick(&[0, 0, 0, 0, 0, 0, 2, 3]) as usize,
            treason: None,
        }
    }

    /// All of them.
    pub(super) fn nodes(&self) -> usize {
        self.servers + self.others + self.sentinels
    }

    /// The sentinel.conf of a Sentinel; the primaries by name and port.
    pub(super) fn file(&self, index: usize, primaries: &[(&str, u16)]) -> String {
        let Self { quorum, down_after, failover_timeout, parallel_syncs, .. } = self;
        let timing = if index < self.slow { "redis" } else { "fast" };
        let watch = |(name, port): &(&str, u16)| {
            format!(
                "sentinel monitor {name} 127.0.0.1 {port} {quorum}\n\
                 sentinel down-after-milliseconds {name} {down_after}\n\
                 sentinel failover-timeout {name} {failover_timeout}\n\
                 sentinel parallel-syncs {name} {parallel_syncs}\n"
            )
        };
        let watched: String = primaries.iter().map(watch).collect();
        format!("sentinel-timing {timing}\n{watched}")
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { servers, others, sentinels, quorum, down_after, failover_timeout, slow, .. } =
            self;
        write!(f, "servers 0-{}", servers - 1)?;
        if *others > 0 {
            write!(f, " and {servers}-{}", servers + others - 1)?;
        }
        write!(
            f,
            ", Sentinels {}-{} with quorum {quorum}, down-after {down_after} ms, \
             failover-timeout {failover_timeout} ms, {slow} of {sentinels} with redis timing",
            servers + others,
            self.nodes() - 1
        )
    }
}
