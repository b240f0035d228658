//! Sentinels under faults: random ones, many at once, and hostile input.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "sentinel_faults/hostile.rs"]
mod hostile;
#[path = "sentinel_faults/hundred.rs"]
mod hundred;
#[path = "sentinel_faults/trials.rs"]
mod trials;
