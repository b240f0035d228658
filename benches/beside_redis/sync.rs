//! A full sync, and what a client of the primary feels meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use replab::resp::write_command;

use super::server::{Client, Kind, Outcome, Server};
use super::table::{self, Row};

const KEYS: usize = 1_000_000;
/// Requests in flight while keys are written.
const BATCH: usize = 1000;
/// Between two writes of the client that is stalled.
const PERIOD: Duration = Duration::from_millis(1);

/// What one full sync gave.
struct Synced {
    seconds: f64,
    stall_ms: f64,
    /// What all writes but one in a hundred took at most.
    slow_ms: f64,
    cpu_seconds: f64,
}

/// A million keys, again and again to a new replica.
pub fn full_sync(rounds: usize) -> Outcome<()> {
    let (ours, our_bytes) = filled(Kind::Ours)?;
    let (real, real_bytes) = filled(Kind::Real)?;
    table::title("a full sync of 1 000 000 small keys");
    let (mut our_runs, mut real_runs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        our_runs.push(sync(Kind::Ours, &ours)?);
        real_runs.push(sync(Kind::Real, &real)?);
    }
    let row = |name: &str, unit: &str, of: fn(&Synced) -> f64| {
        Row::new(name, unit, our_runs.iter().map(of).collect(), real_runs.iter().map(of).collect())
    };
    row("time", "s until loaded and online", |s| s.seconds).at_most(1.0).print();
    row("stall", "ms, worst of a write a millisecond", |s| s.stall_ms).at_most(1.0).print();
    row("slow writes", "ms, 99 % were faster", |s| s.slow_ms).at_most(1.0).print();
    row("processor", "s, of both ends", |s| s.cpu_seconds).print();
    Row::new("memory", "bytes/key", vec![our_bytes], vec![real_bytes]).print();
    Ok(())
}

/// A server with a million keys, and the memory that one takes.
fn filled(kind: Kind) -> Outcome<(Server, f64)> {
    let server = Server::start(kind)?;
    let mut client = server.client()?;
    let before = server.resident_bytes()?;
    for first in (0..KEYS).step_by(BATCH) {
        let mut requests = BytesMut::new();
        for n in first..first + BATCH {
            write_command(&mut requests, &["SET", &format!("key:{n:07}"), &format!("value:{n}")]);
        }
        client.send(&requests)?;
        for _ in 0..BATCH {
            client.answer()?;
        }
    }
    let bytes = (server.resident_bytes()? - before) as f64 / KEYS as f64;
    Ok((server, bytes))
}

fn sync(kind: Kind, primary: &Server) -> Outcome<Synced> {
    let replica = Server::start(kind)?;
    let mut client = replica.client()?;
    let cpu =
        || Ok::<_, Box<dyn std::error::Error>>(primary.cpu_seconds()? + replica.cpu_seconds()?);
    let cpu_before = cpu()?;
    let over = Arc::new(AtomicBool::new(false));
    let writer = thread::spawn({
        let (over, client) = (Arc::clone(&over), primary.client()?);
        move || writes(client, &over).map_err(|error| error.to_string())
    });
    let began = Instant::now();
    client.follow(primary)?;
    let synced = client.wait_until_up();
    let seconds = began.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    let mut took = writer.join().map_err(|_| "the writer crashed")??;
    synced?;
    took.sort_unstable();
    let from_top = |n: usize| took[took.len().saturating_sub(n + 1)].as_secs_f64() * 1e3;
    Ok(Synced {
        seconds,
        stall_ms: from_top(0),
        slow_ms: from_top(took.len() / 100),
        cpu_seconds: cpu()? - cpu_before,
    })
}

/// Writes once a millisecond until it is told that it is over, at least once. How long each took.
fn writes(mut client: Client, over: &AtomicBool) -> Outcome<Vec<Duration>> {
    let mut took = Vec::new();
    let mut n = 0;
    while took.is_empty() || !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        client.ask(&["SET", &format!("key:{n:07}"), "written"])?;
        took.push(began.elapsed());
        n = (n + 7919) % KEYS;
        thread::sleep(PERIOD.saturating_sub(began.elapsed()));
    }
    Ok(took)
}
