//! Whole topologies of real servers in the simulated world. An oracle watches every step of every
//! test: see `replab::sim::check`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "sim/lab.rs"]
mod lab;
#[path = "sim/logs.rs"]
mod logs;
#[path = "sim/partial.rs"]
mod partial;
#[path = "sim/roles.rs"]
mod roles;
#[path = "sim/saves.rs"]
mod saves;
#[path = "sim/snapshots.rs"]
mod snapshots;
#[path = "sim/trials.rs"]
mod trials;
#[path = "sim/waits.rs"]
mod waits;
