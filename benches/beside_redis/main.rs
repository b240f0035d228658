//! Ours beside the redis-server on PATH: `cargo bench --bench beside_redis -- [WHAT] [ROUNDS]`.
//!
//! Each server is a process of its own. The two kinds take turns, and every figure is the median of
//! the rounds, so that a neighbour's noise meets both. Processor time is read from `/proc`: where
//! the machine is busy it tells more than throughput does.
//!
//! | WHAT | measures | wanted |
//! |---|---|---|
//! | `alone` | SET and GET of 50 clients, one and sixteen requests in flight | 0.9 and 1.0 of Redis's rate |
//! | `replicas` | the same with two replicas attached | the same |
//! | `sync` | a full sync of a million small keys, and what a client feels meanwhile | no more than Redis's |

mod load;
mod process;
mod server;
mod sync;
mod table;

use std::process::ExitCode;

const ROUNDS_DEFAULT: usize = 5;

/// One comparison, in so many rounds.
type Measure = fn(usize) -> server::Outcome<()>;

fn main() -> ExitCode {
    // Cargo adds its own flags.
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with("--")).collect();
    let rounds = words.iter().find_map(|w| w.parse().ok()).unwrap_or(ROUNDS_DEFAULT);
    let chosen: Vec<&str> =
        words.iter().map(String::as_str).filter(|w| w.parse::<usize>().is_err()).collect();
    let measures: [(&str, Measure); 3] =
        [("alone", load::alone), ("replicas", load::with_replicas), ("sync", sync::full_sync)];
    if let Some(unknown) = chosen.iter().find(|w| measures.iter().all(|(name, _)| name != *w)) {
        eprintln!("nothing is called `{unknown}`: choose from alone, replicas, sync");
        return ExitCode::from(2);
    }
    table::conditions(rounds);
    for (name, measure) in measures {
        if !chosen.is_empty() && !chosen.contains(&name) {
            continue;
        }
        if let Err(error) = measure(rounds) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
