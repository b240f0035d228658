//! What a million elements take.

use std::thread;
use std::time::{Duration, Instant};

use super::load::{self, Words, scattered, words};
use super::server::{Kind, Outcome, Server};
use super::table::{self, Row};

const ELEMENTS: usize = 1_000_000;
const SMALL_HASHES: usize = 100_000;
/// How long the resident size must stay the same to be believed.
const SETTLED: Duration = Duration::from_millis(500);

struct Case {
    name: &'static str,
    unit: &'static str,
    count: usize,
    request: fn(usize) -> Words,
    /// Whether there is a limit, and not only a figure.
    is_judged: bool,
}

const fn case(name: &'static str, request: fn(usize) -> Words) -> Case {
    Case { name, unit: "bytes/element", count: ELEMENTS, request, is_judged: true }
}

const CASES: &[Case] = &[
    Case {
        unit: "bytes/key, values of 3 bytes",
        ..case("strings", |n| words(&format!("SET key:{n:07} xxx")))
    },
    case("hash", |n| words(&format!("HSET k field:{n:07} value:{n}"))),
    case("zset", |n| words(&format!("ZADD k {} member:{n:07}", scattered(n, 1 << 40)))),
    Case {
        unit: "bytes/element of 24 bytes",
        ..case("zset", |n| words(&format!("ZADD k {} member:{n:017}", scattered(n, 1 << 40))))
    },
    case("set", |n| words(&format!("SADD k member:{n:07}"))),
    case("list", |n| words(&format!("RPUSH k element:{n:06}"))),
    case("stream", |n| words(&format!("XADD k {}-1 field value:{n}", n + 1))),
    Case {
        unit: "bytes/key, of five fields",
        count: SMALL_HASHES,
        ..case("small hashes", |n| {
            words(&format!("HSET user:{n:06} name name{n} age 42 city Rome id {n} active yes"))
        })
    },
];

/// Prints one table.
pub fn measure(_: &[&str]) -> Outcome<()> {
    table::title("growth of the resident size, by VmRSS");
    for case in CASES {
        let ours = resident(Kind::Ours, case)?;
        let real = resident(Kind::Real, case)?;
        let row = Row::new(case.name, case.unit, vec![ours], vec![real]);
        if case.is_judged { row.at_most(1.0).print() } else { row.print() }
    }
    Ok(())
}

fn resident(kind: Kind, case: &Case) -> Outcome<f64> {
    let server = Server::start(kind)?;
    let mut client = server.client()?;
    client.ask(&["PING"])?;
    let before = settled(&server)?;
    load::fill(&mut client, case.count, case.request)?;
    Ok((settled(&server)? - before) as f64 / case.count as f64)
}

/// The resident size once it stays the same: what is freed goes back to the system a little later.
fn settled(server: &Server) -> Outcome<u64> {
    let (mut size, mut since) = (server.resident_bytes()?, Instant::now());
    while since.elapsed() < SETTLED {
        thread::sleep(SETTLED / 10);
        let now = server.resident_bytes()?;
        if now.abs_diff(size) > size / 1000 {
            (size, since) = (now, Instant::now());
        }
    }
    Ok(size)
}
