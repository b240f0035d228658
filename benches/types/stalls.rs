//! What one huge value does to everybody: its first change after a snapshot, and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::load::{self, Words, scattered, words};
use super::server::{Client, Kind, Outcome, Server};
use super::table::{self, Row};

const ELEMENTS: usize = 1_000_000;
/// Writes while a snapshot is made.
const WRITES: usize = 2000;
/// After a deletion somebody else is looked at for so long.
const AFTERMATH: Duration = Duration::from_millis(500);

struct Huge {
    name: &'static str,
    add: fn(usize) -> Words,
    change: fn(usize) -> Words,
}

const HUGE: &[Huge] = &[
    Huge {
        name: "hash",
        add: |n| words(&format!("HSET k field:{n:07} a-value-that-is-rather-long:{n}")),
        change: |n| words(&format!("HSET k field:{:07} changed", scattered(n, ELEMENTS))),
    },
    Huge {
        name: "zset",
        add: |n| words(&format!("ZADD k {} member:{n:07}", scattered(n, 1 << 40))),
        change: |n| words(&format!("ZADD k {n} member:{:07}", scattered(n, ELEMENTS))),
    },
    Huge {
        name: "set",
        add: |n| words(&format!("SADD k member:{n:07}")),
        change: |n| words(&format!("SADD k new:{n:07}")),
    },
    Huge {
        name: "list",
        add: |n| words(&format!("RPUSH k element:{n:06}")),
        change: |n| words(&format!("LSET k {} changed", scattered(n, 100))),
    },
    Huge {
        name: "stream",
        add: |n| words(&format!("XADD k {}-1 field value:{n}", n + 1)),
        change: |_| words("XADD k * field changed"),
    },
];

/// What was felt, in milliseconds.
struct Felt {
    /// By the first write after BGSAVE.
    first: f64,
    worst: f64,
    /// By others, of each of [`ENDS`].
    ends: Vec<f64>,
}

/// Ways to end a value. What others feel after UNLINK counts too.
const ENDS: [&[&str]; 4] = [&["DEL", "k"], &["UNLINK", "k"], &["FLUSHALL"], &["FLUSHALL", "ASYNC"]];

/// Prints one table for each type.
pub fn measure(_: &[&str]) -> Outcome<()> {
    for huge in HUGE {
        table::title(&format!("a {} of 1 000 000, ms", huge.name));
        let (ours, real) = (feel(Kind::Ours, huge)?, feel(Kind::Real, huge)?);
        let row = |name: &str, ours, real| {
            Row::new(name, "", vec![ours], vec![real]).at_most(1.0).print();
        };
        row("first write in BGSAVE", ours.first, real.first);
        row("worst write in BGSAVE", ours.worst, real.worst);
        for ((words, ours), real) in ENDS.iter().zip(ours.ends).zip(real.ends) {
            row(&format!("{}, others", words.join(" ")), ours, real);
        }
    }
    Ok(())
}

fn feel(kind: Kind, huge: &Huge) -> Outcome<Felt> {
    let server = Server::start(kind)?;
    let mut client = server.client()?;
    load::fill(&mut client, ELEMENTS, huge.add)?;
    // What is read between two writes must not stand in the way of the first.
    client.ask(&["BGSAVE"])?;
    let mut took = Vec::new();
    for n in 0..WRITES {
        let change = (huge.change)(n);
        let began = Instant::now();
        client.ask(&change.iter().map(String::as_str).collect::<Vec<_>>())?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    wait_for_save(&mut client)?;
    let first = took[0];
    let worst = took.iter().copied().fold(0.0, f64::max);
    let mut ends = Vec::new();
    for end in ENDS {
        if client.ask(&["EXISTS", "k"])? == replab::resp::Answer::Int(0) {
            load::fill(&mut client, ELEMENTS, huge.add)?;
        }
        ends.push(felt_by_others(&server, &mut client, end)?);
    }
    Ok(Felt { first, worst, ends })
}

/// The longest that a PING takes while and after this is done.
fn felt_by_others(server: &Server, client: &mut Client, end: &[&str]) -> Outcome<f64> {
    let over = Arc::new(AtomicBool::new(false));
    let other = thread::spawn({
        let (over, other) = (Arc::clone(&over), server.client()?);
        move || pings(other, &over).map_err(|error| error.to_string())
    });
    thread::sleep(Duration::from_millis(20));
    client.ask(end)?;
    thread::sleep(AFTERMATH);
    over.store(true, Ordering::Relaxed);
    Ok(other.join().map_err(|_| "the other client crashed")??)
}

fn pings(mut client: Client, over: &AtomicBool) -> Outcome<f64> {
    let mut worst = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        client.ask(&["PING"])?;
        worst = worst.max(began.elapsed());
        thread::sleep(Duration::from_micros(200));
    }
    Ok(worst.as_secs_f64() * 1e3)
}

fn wait_for_save(client: &mut Client) -> Outcome<()> {
    loop {
        if let replab::resp::Answer::Bulk(info) = client.ask(&["INFO", "persistence"])?
            && String::from_utf8_lossy(&info).contains("rdb_bgsave_in_progress:0")
        {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
}
