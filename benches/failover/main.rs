//! Failovers of ours beside those of redis-sentinel over redis-server, both on PATH:
//! `cargo bench --bench failover -- [WHAT] [NAME=NUMBER]…`
//!
//! A fleet is a primary, two replicas and three Sentinels of one kind, each a process; its primary
//! is killed again and again. The two kinds take turns, so that a neighbour's noise meets both.
//!
//! | WHAT | measures | wanted |
//! |---|---|---|
//! | `time` | from SIGKILL to `+switch-master`, and to the first acknowledged write | D + 100 ms (p50), D + 250 ms (p99); writes D + 300 ms (p99) |
//! | `split` | the same when all three Sentinels voted for themselves at first, counted from then | 2 s |
//! | `double` | kills after which a second failover followed, or a healthy primary was thought down | none |
//!
//! Without WHAT it is `time` and `split`. Numbers: `kills` (30; of `split` a tenth), `down-after`
//! (D, 1000 ms). `ours` or `redis` measures one kind only.

#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a figure that cannot be taken ends the benchmark"
)]

#[allow(dead_code, unused_imports, reason = "a benchmark uses its part of the tests' kit")]
#[path = "../../tests/kit/mod.rs"]
mod kit;

mod double;
mod split;
mod table;
mod time;
mod writer;

use std::process::ExitCode;
use std::time::Duration;

use kit::Kind;

/// What was asked for.
struct Order {
    kinds: Vec<Kind>,
    kills: usize,
    down_after: Duration,
}

fn main() -> ExitCode {
    let mut order = Order { kinds: Vec::new(), kills: 30, down_after: Duration::from_millis(1000) };
    let mut measures: Vec<fn(&Order)> = Vec::new();
    // Cargo adds its own flags.
    for word in std::env::args().skip(1).filter(|word| !word.starts_with("--")) {
        let number = word.split_once('=').and_then(|(name, n)| Some((name, n.parse().ok()?)));
        match (word.as_str(), number) {
            ("time", _) => measures.push(time::measure),
            ("split", _) => measures.push(split::measure),
            ("double", _) => measures.push(double::count),
            ("ours", _) => order.kinds.push(Kind::Ours),
            ("redis", _) => order.kinds.push(Kind::Real),
            (_, Some(("kills", kills @ 1..))) => order.kills = kills as usize,
            (_, Some(("down-after", ms @ 1..))) => order.down_after = Duration::from_millis(ms),
            _ => {
                eprintln!(
                    "`{word}`: choose from time, split, double, ours, redis, kills=N, down-after=MS"
                );
                return ExitCode::from(2);
            }
        }
    }
    if measures.is_empty() {
        measures = vec![time::measure, split::measure];
    }
    if order.kinds.is_empty() {
        order.kinds = vec![Kind::Ours, Kind::Real];
    }
    table::conditions(&order);
    for measure in measures {
        measure(&order);
    }
    ExitCode::SUCCESS
}
