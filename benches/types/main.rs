//! The types of values, ours beside the redis-server on PATH:
//! `cargo bench --bench types -- [WHAT] [TYPE…]`.
//!
//! | WHAT | measures | wanted |
//! |---|---|---|
//! | `complexity` | time per command with 10^3 to 10^6 elements | grows as documented |
//! | `memory` | resident bytes per element of a million | no more than Redis's |
//! | `stalls` | what changing, saving and freeing a million elements at once does to others | no more than Redis's |
//!
//! Without WHAT it is all three; TYPE (`list`, `hash`, `set`, `zset`, `stream`, `string`) chooses
//! among what `complexity` measures.

mod commands;
mod complexity;
mod load;
mod memory;
#[path = "../beside_redis/process.rs"]
mod process;
#[allow(dead_code, reason = "replicas are the business of the other benchmark")]
#[path = "../beside_redis/server.rs"]
mod server;
mod stalls;
#[allow(dead_code, reason = "rates are the business of the other benchmark")]
#[path = "../beside_redis/table.rs"]
mod table;

use std::process::ExitCode;

use server::Outcome;

/// One comparison, of these types or of all.
type Measure = fn(&[&str]) -> Outcome<()>;

fn main() -> ExitCode {
    // Cargo adds its own flags.
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with("--")).collect();
    let measures: [(&str, Measure); 3] = [
        ("complexity", complexity::measure),
        ("memory", memory::measure),
        ("stalls", stalls::measure),
    ];
    let (chosen, types): (Vec<&str>, Vec<&str>) = words
        .iter()
        .map(String::as_str)
        .partition(|word| measures.iter().any(|(name, _)| name == word));
    let is_type = |word: &&str| commands::FAMILIES.iter().any(|family| family.name == *word);
    if let Some(unknown) = types.iter().find(|word| !is_type(word)) {
        let types: Vec<_> = commands::FAMILIES.iter().map(|family| family.name).collect();
        eprintln!(
            "nothing is called `{unknown}`: choose from complexity, memory, stalls, {}",
            types.join(", ")
        );
        return ExitCode::from(2);
    }
    for (name, measure) in measures {
        if !chosen.is_empty() && !chosen.contains(&name) {
            continue;
        }
        if let Err(error) = measure(&types) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
