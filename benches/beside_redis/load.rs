//! SET and GET under redis-benchmark.

use std::process::Command;

use super::server::{Kind, Outcome, Server};
use super::table::{self, Row};

/// Requests of one run, for each request in flight: about a second's worth.
const REQUESTS_PER_PIPELINE: usize = 60_000;
const CLIENTS: &str = "50";
const KEYS: &str = "100000";
const REPLICAS: usize = 2;

/// A server without replicas.
pub fn alone(rounds: usize) -> Outcome<()> {
    measure("50 clients", 0, rounds)
}

/// A server with two replicas of its own kind.
pub fn with_replicas(rounds: usize) -> Outcome<()> {
    measure("50 clients, two replicas", REPLICAS, rounds)
}

/// What one run of redis-benchmark gave.
struct Run {
    per_second: f64,
    cpu_us: f64,
}

struct Servers {
    primary: Server,
    _replicas: Vec<Server>,
}

fn start(kind: Kind, replicas: usize) -> Outcome<Servers> {
    let primary = Server::start(kind)?;
    let replicas =
        (0..replicas).map(|_| Server::replica_of(kind, &primary)).collect::<Result<_, _>>()?;
    Ok(Servers { primary, _replicas: replicas })
}

fn measure(title: &str, replicas: usize, rounds: usize) -> Outcome<()> {
    let (ours, real) = (start(Kind::Ours, replicas)?, start(Kind::Real, replicas)?);
    table::title(title);
    for (pipeline, wanted) in [(1, 0.9), (16, 1.0)] {
        for test in ["set", "get"] {
            let (mut our_runs, mut real_runs) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                our_runs.push(run(&ours.primary, test, pipeline)?);
                real_runs.push(run(&real.primary, test, pipeline)?);
            }
            let name = format!("{} -P {pipeline}", test.to_uppercase());
            let rates = |runs: &[Run]| runs.iter().map(|r| r.per_second).collect();
            Row::new(&name, "requests/s", rates(&our_runs), rates(&real_runs))
                .at_least(wanted)
                .print();
            let costs = |runs: &[Run]| runs.iter().map(|r| r.cpu_us).collect();
            Row::new("", "µs of processor/request", costs(&our_runs), costs(&real_runs)).print();
        }
    }
    Ok(())
}

fn run(server: &Server, test: &str, pipeline: usize) -> Outcome<Run> {
    let requests = REQUESTS_PER_PIPELINE * pipeline;
    let before = server.cpu_seconds()?;
    let output = Command::new("redis-benchmark")
        .args(["-p", &server.port.to_string(), "-c", CLIENTS, "-r", KEYS, "--csv", "-t", test])
        .args(["-n", &requests.to_string(), "-P", &pipeline.to_string()])
        .output()?;
    let cpu_us = (server.cpu_seconds()? - before) * 1e6 / requests as f64;
    let text = String::from_utf8(output.stdout)?;
    let row = text.lines().find(|line| line.starts_with(&format!("\"{}\"", test.to_uppercase())));
    let rate = row.and_then(|row| row.split(',').nth(1)).ok_or("redis-benchmark gave no figure")?;
    Ok(Run { per_second: rate.trim_matches('"').parse()?, cpu_us })
}
