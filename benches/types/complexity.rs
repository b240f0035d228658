//! How commands slow down as a value grows.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use replab::resp::write_command;

use super::commands::{FAMILIES, Family, Growth, Probe};
use super::load::{self, Words};
use super::server::{Client, Kind, Outcome, Server};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Requests that are in flight together, and timed together.
const BATCH: usize = 100;
/// Both servers take turns for so long with a command, but for [`ROUNDS_MIN`] at least.
const BUDGET: Duration = Duration::from_millis(300);
const ROUNDS_MIN: usize = 3;
const ROUNDS_MAX: usize = 60;
/// A value that no longer fits into the processor's caches is slower whatever is done with it: so
/// much growth says nothing.
const OF_CACHES: f64 = 5.0;

/// Prints a table for each type.
pub fn measure(types: &[&str]) -> Outcome<()> {
    println!(
        "µs per command, the fastest of alternating batches of {BATCH} requests in flight; growth \
         from 10^3 to 10^6 elements.\nNOT: it grows more than documented, {OF_CACHES} times for \
         caches put aside."
    );
    FAMILIES
        .iter()
        .filter(|family| types.is_empty() || types.contains(&family.name))
        .try_for_each(measure_family)
}

fn measure_family(family: &Family) -> Outcome<()> {
    println!(
        "\n{:<16}{:<9}{:<7}{:>9}{:>9}{:>9}{:>9}{:>9}",
        family.name, "", "", "10^3", "10^4", "10^5", "10^6", "growth"
    );
    let mut times = vec![[Vec::new(), Vec::new()]; family.probes.len()];
    for size in SIZES {
        let servers = [Server::start(Kind::Ours)?, Server::start(Kind::Real)?];
        let mut clients = [servers[0].client()?, servers[1].client()?];
        for client in &mut clients {
            fill(client, family, size)?;
        }
        for (probe, times) in family.probes.iter().zip(&mut times) {
            let fastest = race(&mut clients, probe, size)?;
            times.iter_mut().zip(fastest).for_each(|(times, time)| times.push(time));
        }
    }
    for (probe, [ours, real]) in family.probes.iter().zip(&times) {
        print(probe.name, probe.documented, "ours", ours);
        print("", probe.documented, "redis", real);
    }
    Ok(())
}

fn fill(client: &mut Client, family: &Family, size: usize) -> Outcome<()> {
    load::fill(client, size, family.add)?;
    if family.name == "zset" {
        // With equal scores, for ranges of names.
        load::fill(client, size, |n| load::words(&format!("ZADD lex 0 element{n:07}")))?;
    }
    Ok(())
}

/// Microseconds that a request takes either server at best.
fn race(clients: &mut [Client; 2], probe: &Probe, size: usize) -> Outcome<[f64; 2]> {
    let mut fastest = [Duration::MAX; 2];
    let mut asked = 0;
    // What takes long is not asked a hundred times.
    let mut batch = 1;
    let mut began = Instant::now();
    for round in 0..ROUNDS_MAX {
        for (client, fastest) in clients.iter_mut().zip(&mut fastest) {
            let took = time(client, probe, size, asked..asked + batch)?;
            *fastest = (*fastest).min(took / batch as u32);
        }
        asked += batch;
        if round == ROUNDS_MIN && fastest.iter().max() < Some(&Duration::from_millis(1)) {
            (batch, fastest, began) = (BATCH, [Duration::MAX; 2], Instant::now());
        } else if round >= ROUNDS_MIN && began.elapsed() > BUDGET {
            break;
        }
    }
    Ok(fastest.map(|time| time.as_secs_f64() * 1e6))
}

/// How long these requests take together; then they are undone.
fn time(
    client: &mut Client,
    probe: &Probe,
    size: usize,
    nths: std::ops::Range<usize>,
) -> Outcome<Duration> {
    let mut bytes = BytesMut::new();
    nths.clone().for_each(|n| write_command(&mut bytes, &(probe.request)(n, size)));
    let began = Instant::now();
    load::send_bytes(client, &bytes, nths.len())?;
    let took = began.elapsed();
    if let Some(undo) = probe.undo {
        let requests: Vec<Words> = nths.map(|n| undo(n, size)).collect();
        load::send(client, &requests)?;
    }
    Ok(took)
}

fn print(name: &str, documented: Growth, whose: &str, times: &[f64]) {
    let (first, last) = (times[0], times[times.len() - 1]);
    let sizes = SIZES[SIZES.len() - 1] as f64 / SIZES[0] as f64;
    let (word, allowed) = match documented {
        Growth::Constant => ("O(1)", 1.0),
        Growth::Log => ("O(log N)", (SIZES[SIZES.len() - 1] as f64).ln() / (SIZES[0] as f64).ln()),
        Growth::Linear => ("O(N)", sizes),
    };
    let word = if name.is_empty() { "" } else { word };
    let growth = last / first;
    let verdict = if growth > allowed * OF_CACHES { "  NOT" } else { "" };
    let times: String = times.iter().map(|time| format!("{time:>9.2}")).collect();
    println!("  {name:<14}{word:<9}{whose:<7}{times}{growth:>9.1}{verdict}");
}
