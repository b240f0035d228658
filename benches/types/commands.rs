//! What is measured of each type: how a value of some size comes about, and its main commands.

use super::load::{Words, scattered, words};

/// How the time of a command grows with the number of elements, as its page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// O(1)
    Constant,
    /// O(log N)
    Log,
    /// O(N)
    Linear,
}

/// A command with the value `k` of some size.
pub struct Probe {
    pub name: &'static str,
    pub documented: Growth,
    /// The `n`th request to a value of `size` elements.
    pub request: fn(n: usize, size: usize) -> Words,
    /// What makes up for it, if it changed the size.
    pub undo: Option<fn(n: usize, size: usize) -> Words>,
}

/// The commands of a type.
pub struct Family {
    pub name: &'static str,
    /// The request that adds the `n`th element.
    pub add: fn(n: usize) -> Words,
    pub probes: &'static [Probe],
}

use Growth::{Constant, Linear, Log};

const fn probe(
    name: &'static str,
    documented: Growth,
    request: fn(usize, usize) -> Words,
) -> Probe {
    Probe { name, documented, request, undo: None }
}

impl Probe {
    const fn undo(mut self, undo: fn(usize, usize) -> Words) -> Self {
        self.undo = Some(undo);
        self
    }
}

/// The name of an element.
fn name(n: usize) -> String {
    format!("element{n:07}")
}

/// A request with the name of an element that is there.
fn with_name(command: &str, n: usize, size: usize) -> Words {
    words(&format!("{command} k {}", name(scattered(n, size))))
}

/// A request with the name of an element that is not there.
fn with_new(command: &str, n: usize) -> Words {
    words(&format!("{command} k new{n:07}"))
}

/// The score of an element: all different, in no order.
fn score(n: usize) -> usize {
    scattered(n, 1 << 40)
}

pub const FAMILIES: &[Family] = &[
    Family {
        name: "string",
        add: |n| words(&format!("SET {} xxx", name(n))),
        probes: &[
            probe("SET", Constant, |n, size| {
                words(&format!("SET {} yyy", name(scattered(n, size))))
            }),
            probe("GET", Constant, |n, size| words(&format!("GET {}", name(scattered(n, size))))),
            probe("SET, new", Constant, |n, _| words(&format!("SET new{n:07} xxx")))
                .undo(|n, _| words(&format!("DEL new{n:07}"))),
        ],
    },
    Family {
        name: "list",
        add: |n| words(&format!("RPUSH k {}", name(n))),
        probes: &[
            probe("LPUSH", Constant, |n, _| with_new("LPUSH", n)).undo(|_, _| words("LPOP k")),
            probe("RPUSH", Constant, |n, _| with_new("RPUSH", n)).undo(|_, _| words("RPOP k")),
            probe("LPOP", Constant, |_, _| words("LPOP k")).undo(|n, _| with_new("LPUSH", n)),
            probe("LINDEX", Linear, |n, size| words(&format!("LINDEX k {}", scattered(n, size)))),
            probe("LINSERT", Linear, |n, size| {
                words(&format!("LINSERT k BEFORE {} new{n:07}", name(size / 2)))
            })
            .undo(|n, _| words(&format!("LREM k 1 new{n:07}"))),
            probe("LRANGE of 10", Linear, |n, size| {
                let start = scattered(n, size - 10);
                words(&format!("LRANGE k {start} {}", start + 9))
            }),
            probe("LSET", Linear, |n, size| words(&format!("LSET k {} x", scattered(n, size)))),
        ],
    },
    Family {
        name: "hash",
        add: |n| words(&format!("HSET k {} {n}", name(n))),
        probes: &[
            probe("HSET", Constant, |n, size| [with_name("HSET", n, size), words("7")].concat()),
            probe("HSET, new", Constant, |n, _| [with_new("HSET", n), words("7")].concat())
                .undo(|n, _| with_new("HDEL", n)),
            probe("HGET", Constant, |n, size| with_name("HGET", n, size)),
            probe("HDEL", Constant, |n, size| words(&format!("HDEL k {}", name(n % size))))
                .undo(|n, size| words(&format!("HSET k {} 1", name(n % size)))),
            probe("HINCRBY", Constant, |n, size| {
                [with_name("HINCRBY", n, size), words("1")].concat()
            }),
            probe("HRANDFIELD", Constant, |_, _| words("HRANDFIELD k")),
            probe("HSCAN", Constant, |_, _| words("HSCAN k 0 COUNT 10")),
        ],
    },
    Family {
        name: "set",
        add: |n| words(&format!("SADD k {}", name(n))),
        probes: &[
            probe("SADD, new", Constant, |n, _| with_new("SADD", n))
                .undo(|n, _| with_new("SREM", n)),
            probe("SREM", Constant, |n, size| words(&format!("SREM k {}", name(n % size))))
                .undo(|n, size| words(&format!("SADD k {}", name(n % size)))),
            probe("SISMEMBER", Constant, |n, size| with_name("SISMEMBER", n, size)),
            probe("SPOP", Constant, |_, _| words("SPOP k")).undo(|n, _| with_new("SADD", n)),
            probe("SRANDMEMBER", Constant, |_, _| words("SRANDMEMBER k")),
            probe("SSCAN", Constant, |_, _| words("SSCAN k 0 COUNT 10")),
        ],
    },
    Family {
        name: "zset",
        add: |n| words(&format!("ZADD k {} {}", score(n), name(n))),
        probes: &[
            probe("ZADD", Log, |n, size| {
                words(&format!("ZADD k {} {}", score(n + 1), name(scattered(n, size))))
            }),
            probe("ZADD, new", Log, |n, _| words(&format!("ZADD k {} new{n:07}", score(n))))
                .undo(|n, _| with_new("ZREM", n)),
            probe("ZREM", Log, |n, size| words(&format!("ZREM k {}", name(n % size))))
                .undo(|n, size| words(&format!("ZADD k {} {}", score(n), name(n % size)))),
            probe("ZINCRBY", Log, |n, size| {
                words(&format!("ZINCRBY k {} {}", score(n), name(scattered(n, size))))
            }),
            probe("ZSCORE", Constant, |n, size| with_name("ZSCORE", n, size)),
            probe("ZRANK", Log, |n, size| with_name("ZRANK", n, size)),
            probe("ZRANGE of 10", Log, |n, size| {
                let start = scattered(n, size - 10);
                words(&format!("ZRANGE k {start} {}", start + 9))
            }),
            probe("by score", Log, |n, _| {
                words(&format!("ZRANGE k {} +inf BYSCORE LIMIT 0 10", score(n)))
            }),
            probe("by lex", Log, |n, size| {
                words(&format!("ZRANGE lex [{} + BYLEX LIMIT 0 10", name(scattered(n, size))))
            }),
            probe("ZCOUNT", Log, |n, _| {
                let from = score(n);
                words(&format!("ZCOUNT k {from} {}", from + (1 << 39)))
            }),
            probe("ZPOPMIN", Log, |_, _| words("ZPOPMIN k"))
                .undo(|n, _| words(&format!("ZADD k {} new{n:07}", score(n)))),
        ],
    },
    Family {
        name: "stream",
        add: |n| words(&format!("XADD k {}-1 field value", n + 1)),
        probes: &[
            probe("XADD", Constant, |n, size| {
                words(&format!("XADD k {}-1 field value", size + n + 1))
            }),
            probe("XRANGE of 10", Constant, |n, size| {
                words(&format!("XRANGE k {} + COUNT 10", scattered(n, size) + 1))
            }),
            probe("XDEL", Constant, |n, _| words(&format!("XDEL k {}-1", n + 1))),
        ],
    },
];
