//! Failovers of ours, process by process: each kill has one, and no healthy primary is deposed.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use std::time::Duration;

use kit::{Aftermath, Fleet, Kind, Plan};

/// Kills for each `down-after-milliseconds`; `cargo bench --bench failover -- double` does more.
const KILLS: usize = 3;

#[track_caller]
fn each_kill_has_one_failover(down_after_ms: u64) {
    let mut fleet = Fleet::start(Plan::new(Kind::Ours, Duration::from_millis(down_after_ms)));
    for _ in 0..KILLS {
        let aftermath = Aftermath::of_a_kill(&mut fleet);
        assert_eq!(aftermath.promotions, 1, "{aftermath:?}");
    }
}

#[test]
fn each_kill_has_one_failover_at_950_ms() {
    each_kill_has_one_failover(950);
}

#[test]
fn each_kill_has_one_failover_at_1000_ms() {
    each_kill_has_one_failover(1000);
}
