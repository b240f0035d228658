//! Somebody who writes all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use replab::base::rng::Dice;
use replab::resp::Answer;

use super::{Client, Node, eventually};

/// Keys of each kind that are written.
const KEYS: u64 = 300;
/// Databases that are written.
const DATABASES: u64 = 3;
/// Least time to live of keys that expire while a test looks, and of those that do not.
const EXPIRE_SOON_MS: u64 = 20;
const EXPIRE_LATE_MS: u64 = 3_600_000;

/// Writes of every kind as long as it lives.
pub struct Writer {
    written: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    /// To the same node.
    witness: Client,
}

impl Writer {
    /// Begins to write.
    pub fn on(node: &Node) -> Self {
        Self::expiring(node, EXPIRE_SOON_MS)
    }

    /// Begins to write nothing that would make a node write by itself, later, when it expires.
    pub fn lasting(node: &Node) -> Self {
        Self::expiring(node, EXPIRE_LATE_MS)
    }

    fn expiring(node: &Node, soon_ms: u64) -> Self {
        let (written, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, over, mut client) = (Arc::clone(&written), Arc::clone(&is_over), node.client());
        let thread = std::thread::spawn(move || {
            let mut dice = Dice::new(u64::from(client.local_port()));
            while !over.load(Ordering::SeqCst) {
                let write = write(&mut dice, soon_ms);
                let answer = client.call(&write);
                let is_refusal = matches!(&answer, Answer::Error(text)
                    if !["ERR no such key", "ERR value is not", "ERR source and destination"].iter().any(|e| text.starts_with(e)));
                assert!(!is_refusal, "{write:?}: {answer:?}");
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { written, is_over, thread, witness: node.client() }
    }

    /// Waits until more has been written.
    pub fn go_on(&self) {
        let goal = self.written.load(Ordering::SeqCst) + 300;
        eventually("writes", || {
            assert!(!self.thread.is_finished(), "the writer is refused");
            self.written.load(Ordering::SeqCst) >= goal
        });
    }

    /// Writes no more, and waits until nothing that was written is about to expire: a real server
    /// may take minutes to come across what has expired, and its data change whenever it does.
    pub fn end(mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().expect("no refusal");
        eventually("no key that expires soon", || {
            (0..DATABASES).all(|db| {
                self.witness.ok(&["SELECT", &db.to_string()]);
                (0..KEYS).all(|key| {
                    // Being asked for it, a primary deletes what has expired.
                    let left = self.witness.call(&["PTTL", &format!("live:{key}")]);
                    !matches!(left, Answer::Int(0..60_000))
                })
            })
        });
    }
}

/// The next command.
fn write(dice: &mut Dice, soon_ms: u64) -> Vec<String> {
    let mut n = |below: u64| dice.below(below);
    let (key, other) = (format!("live:{}", n(KEYS)), format!("live:{}", n(KEYS)));
    let (value, soon) = (format!("value {}", n(1000)), soon_ms + n(400));
    let later = EXPIRE_LATE_MS + n(1000);
    let line = match n(26) {
        0..5 => return vec!["SET".into(), key, value],
        5 => format!("SET {key} {soon} PX {soon}"),
        6 => format!("SET {key} a PX {later} NX"),
        7 => format!("SET {key} b KEEPTTL"),
        8 => format!("SET {key} c XX GET"),
        9 => format!("SETEX {key} 7000 d"),
        10 => format!("PEXPIRE {key} {soon}"),
        11 => format!("PEXPIRE {key} {later} NX"),
        12 => format!("PERSIST {key}"),
        13 => format!("APPEND {key} xyz"),
        14 => format!("INCR count:{}", n(KEYS)),
        15 => format!("INCRBYFLOAT float:{} 0.1", n(KEYS)),
        16 => format!("RENAME {key} {other}"),
        17 => format!("COPY {key} {other} REPLACE"),
        18 => format!("MOVE {key} {}", n(DATABASES)),
        19 => format!("GETDEL {key}"),
        20 => format!("GETEX {key} PX {later}"),
        21 => format!("MSET {key} m {other} n"),
        22 => format!("DEL {key} {other}"),
        23 => format!("SETRANGE {key} 5 hello"),
        _ => format!("SELECT {}", n(DATABASES)),
    };
    line.split(' ').map(str::to_owned).collect()
}
