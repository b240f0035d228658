//! What followed one kill of a primary: whether one failover was all.

use std::time::Duration;

use super::{Fleet, Heard};

/// What followed a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aftermath {
    /// Replicas promoted, one after the other.
    pub promotions: usize,
    /// Times that a Sentinel thought that a healthy primary is down.
    pub false_alarms: usize,
}

impl Aftermath {
    /// Kills the primary, watches for long enough, and repairs the fleet.
    ///
    /// A false alarm comes at the earliest when the real program has switched, up to 1.5 s after
    /// `down-after-milliseconds`, and that time has passed again; then follow votes and a promotion.
    pub fn of_a_kill(fleet: &mut Fleet) -> Self {
        let (at, killed) = fleet.kill_primary();
        std::thread::sleep(2 * fleet.plan.down_after + Duration::from_secs(4));
        let heard = fleet.heard_since(at);
        let count = |fits: &dyn Fn(&&Heard) -> bool| heard.iter().filter(fits).count();
        let names_killed = format!(" {killed}");
        let aftermath = Self {
            promotions: count(&|h| h.event == "+promoted-slave"),
            false_alarms: count(&|h| {
                h.event == "+sdown"
                    && h.text.starts_with("master ")
                    && !h.text.ends_with(&names_killed)
            }),
        };
        fleet.restore(killed);
        aftermath
    }
}
