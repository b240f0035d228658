//! Kills that had more than one failover.

use super::Order;
use super::kit::{Aftermath, Fleet, Plan};
use super::table::word;

/// Kills primaries and prints after how many kills a second failover followed.
pub fn count(order: &Order) {
    for kind in &order.kinds {
        let mut fleet = Fleet::start(Plan::new(*kind, order.down_after));
        let aftermaths: Vec<_> =
            (0..order.kills).map(|_| Aftermath::of_a_kill(&mut fleet)).collect();
        let doubled = aftermaths.iter().filter(|after| after.promotions > 1).count();
        let alarms = aftermaths.iter().filter(|after| after.false_alarms > 0).count();
        println!(
            "  {:<7}{} kills: after {doubled} a second failover, after {alarms} a healthy new \
             primary thought down",
            word(*kind),
            aftermaths.len()
        );
    }
}
