//! How long it takes to recover from an election that nobody won.

use std::time::Duration;

use super::Order;
use super::kit::{Fleet, Kind, Plan, Wire};
use super::table::{self, Row};

/// The Sentinels stop hearing each other so long before they think that the primary is down.
const DEAF_BEFORE: Duration = Duration::from_millis(200);

/// Provokes split votes and prints how long it took until all had switched.
///
/// One opinion is enough to stand, and while they decide to, no Sentinel hears from another: each
/// votes for itself. Then all is heard.
pub fn measure(order: &Order) {
    let plan = |kind| Plan { quorum: 1, is_wired: true, ..Plan::new(kind, order.down_after) };
    table::title("ms from a split vote to");
    for kind in &order.kinds {
        let mut fleet = Fleet::start(plan(*kind));
        let times = (0..order.kills.div_ceil(10)).map(|_| recovery(&mut fleet)).collect();
        let row = Row::new(*kind, "+switch-master of the last of them", times);
        match kind {
            Kind::Ours => row.at_most(99.0, 2000.0).print(),
            Kind::Real => row.print(),
        }
    }
}

fn recovery(fleet: &mut Fleet) -> f64 {
    let all = fleet.plan.sentinels;
    let (killed, old) = fleet.kill_primary();
    std::thread::sleep(fleet.plan.down_after.saturating_sub(DEAF_BEFORE));
    fleet.wires().iter().for_each(Wire::hold);
    let stood = fleet.await_event("+try-failover", all, killed);
    fleet.wires().iter().for_each(Wire::release);
    let split = stood.iter().map(|heard| heard.at).max().expect("all of them stood");
    let switches = fleet.await_event("+switch-master", all, split);
    let last = switches.iter().map(|heard| heard.at).max().expect("all of them switched");
    fleet.restore(old);
    (last - split).as_secs_f64() * 1e3
}
