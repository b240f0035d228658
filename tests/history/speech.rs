//! Random writes of every kind.

use replab::base::rng::Dice;
use replab::resp::write_command;

/// Databases that are written.
pub const DATABASES: u64 = 4;
/// Keys of each type.
const KEYS: u64 = 40;

/// The words of one command.
pub type Line = Vec<Vec<u8>>;

/// Writes in which words in capitals and braces stand for something random: `K` a key's number, `V`
/// a value, `B` a long one, `F` a field or member, `N` a small number, `S` a score, `I` the ID of a
/// stream's entry, `D` a database, `T` a time to live in milliseconds that no test outlasts.
const WRITES: &[&str] = &[
    // Strings, and bits in them.
    "SET string:{K} {V}",
    "SET string:{K} {B}",
    "SET string:{K} {N} PX {T}",
    "SET string:{K} {V} XX KEEPTTL GET",
    "SETNX string:{K} {V}",
    "PSETEX string:{K} {T} {V}",
    "GETSET string:{K} {V}",
    "GETDEL string:{K}",
    "GETEX string:{K} PX {T}",
    "GETEX string:{K} PERSIST",
    "MSET string:{K} {V} string:{K} {B}",
    "MSETNX string:{K} {V} string:{K} {V}",
    "APPEND string:{K} {V}",
    "SETRANGE string:{K} {N} {V}",
    "INCR count:{K}",
    "DECRBY count:{K} {N}",
    "INCRBYFLOAT count:{K} 0.1",
    "SETBIT bits:{K} {N} 1",
    "SETBIT bits:{K} {N} 0",
    "BITFIELD bits:{K} INCRBY u5 {N} 7 OVERFLOW SAT SET i8 #{N} -3",
    "BITOP XOR bits:{K} bits:{K} bits:{K}",
    "BITOP NOT bits:{K} bits:{K}",
    "PFADD sketch:{K} {V} {F} {V} {B}",
    "PFCOUNT sketch:{K} sketch:{K}",
    "PFCOUNT sketch:{K}",
    "PFMERGE sketch:{K} sketch:{K} sketch:{K}",
    // Lists.
    "RPUSH list:{K} {V} {V} {N}",
    "LPUSH list:{K} {V} {B}",
    "RPUSHX list:{K} {F}",
    "LINSERT list:{K} BEFORE {F} {V}",
    "LSET list:{K} 0 {V}",
    "LREM list:{K} -1 {F}",
    "LTRIM list:{K} 1 -2",
    "LPOP list:{K}",
    "RPOP list:{K} 2",
    "LMOVE list:{K} list:{K} LEFT RIGHT",
    "RPOPLPUSH list:{K} list:{K}",
    "LMPOP 2 list:{K} list:{K} RIGHT COUNT 2",
    "BLPOP list:{K} 0.001",
    "BLMOVE list:{K} list:{K} RIGHT LEFT 0.001",
    "SORT list:{K} ALPHA DESC STORE list:{K}",
    // Hashes.
    "HSET hash:{K} {F} {V}",
    "HSET hash:{K} {F} {B} {F} {N}",
    "HSETNX hash:{K} {F} {V}",
    "HDEL hash:{K} {F} {F}",
    "HINCRBY hash:{K} number {N}",
    "HINCRBYFLOAT hash:{K} number 0.3",
    // Sets.
    "SADD set:{K} {F} {F} {V}",
    "SADD set:{K} {B}",
    "SADD numbers:{K} {N} {N} -{N}",
    "SREM set:{K} {F}",
    "SREM numbers:{K} {N}",
    "SPOP set:{K}",
    "SPOP numbers:{K} 3",
    "SMOVE set:{K} set:{K} {F}",
    "SUNIONSTORE set:{K} set:{K} set:{K}",
    "SINTERSTORE set:{K} set:{K} set:{K}",
    "SDIFFSTORE numbers:{K} numbers:{K} numbers:{K}",
    // Sorted sets, and places in them.
    "ZADD zset:{K} {S} {F} {S} {F}",
    "ZADD zset:{K} {S} {B}",
    "ZADD zset:{K} GT CH {S} {F}",
    "ZADD zset:{K} XX INCR {S} {F}",
    "ZINCRBY zset:{K} {S} {F}",
    "ZREM zset:{K} {F}",
    "ZPOPMIN zset:{K}",
    "ZPOPMAX zset:{K} 2",
    "ZMPOP 2 zset:{K} zset:{K} MIN",
    "BZPOPMIN zset:{K} 0.001",
    "ZREMRANGEBYRANK zset:{K} 3 4",
    "ZREMRANGEBYSCORE zset:{K} {S} {S}",
    "ZUNIONSTORE zset:{K} 2 zset:{K} zset:{K} WEIGHTS 1 0.5",
    "ZINTERSTORE zset:{K} 2 zset:{K} zset:{K} AGGREGATE MAX",
    "ZDIFFSTORE zset:{K} 2 zset:{K} zset:{K}",
    "ZRANGESTORE zset:{K} zset:{K} 0 8",
    "GEOADD geo:{K} 13.{N} 38.{N} {F}",
    "GEOSEARCHSTORE geo:{K} geo:{K} FROMLONLAT 13 38 BYRADIUS 50 km COUNT 5",
    // Streams.
    "XADD stream:{K} * {F} {V} {F} {N}",
    "XADD stream:{K} * {F} {V} {F} {N}",
    "XADD stream:{K} MAXLEN ~ 30 * {F} {B}",
    "XADD stream:{K} MAXLEN 12 * {F} {V}",
    "XADD stream:{K} NOMKSTREAM * {F} {V}",
    "XADD stream:{K} {I} {F} {V}",
    "XDEL stream:{K} {I} {I}",
    "XTRIM stream:{K} MAXLEN 9",
    "XTRIM stream:{K} MINID ~ {I}",
    "XGROUP CREATE stream:{K} group:{N} 0 MKSTREAM",
    "XGROUP CREATE stream:{K} other $ MKSTREAM ENTRIESREAD 2",
    "XGROUP CREATE stream:{K} other 0",
    "XGROUP CREATECONSUMER stream:{K} other idle",
    "XGROUP DELCONSUMER stream:{K} other one",
    "XGROUP SETID stream:{K} other 0",
    "XGROUP DESTROY stream:{K} group:{N}",
    "XREADGROUP GROUP other one COUNT 3 STREAMS stream:{K} >",
    "XREADGROUP GROUP other two COUNT 2 STREAMS stream:{K} >",
    "XREADGROUP GROUP other two NOACK COUNT 2 STREAMS stream:{K} >",
    "XACK stream:{K} other {I}",
    "XCLAIM stream:{K} other three 0 {I} {I}",
    "XAUTOCLAIM stream:{K} other two 0 0 COUNT 2",
    "XSETID stream:{K} 99999999999999-0",
    // Any.
    "DEL string:{K} list:{K} zset:{K}",
    "UNLINK hash:{K} set:{K}",
    "RENAME hash:{K} hash:{K}",
    "RENAME stream:{K} stream:{K}",
    "RENAMENX zset:{K} zset:{K}",
    "COPY stream:{K} stream:{K} REPLACE",
    "COPY list:{K} list:{K} DB {D} REPLACE",
    "MOVE hash:{K} {D}",
    "PEXPIRE hash:{K} {T}",
    "PEXPIRE list:{K} {T} NX",
    "PEXPIRE zset:{K} {T} GT",
    "EXPIREAT stream:{K} 4000000000",
    "EXPIRE string:{K} -1",
    "PERSIST hash:{K}",
    "SET soon:{K} {V} PX {N}",
    "PEXPIRE soon:{K} {N} LT",
    "GET soon:{K}",
];

/// Writes that come seldom: most of what was there is gone after them.
const UPHEAVALS: &[&str] = &["FLUSHDB", "SWAPDB {D} {D}", "FLUSHDB ASYNC"];

/// Scripts that write.
const SCRIPTS: &[&str] = &[
    "redis.call('SET', KEYS[1], ARGV[1]); return redis.call('INCRBY', KEYS[2], 3)",
    "for i = 1, 3 do redis.call('RPUSH', KEYS[3], ARGV[1] .. i) end",
    "local t = redis.call('SPOP', KEYS[4]); if t then redis.call('SADD', KEYS[4], 'x' .. t) end",
    "redis.call('PEXPIRE', KEYS[1], 5000000); redis.pcall('HSET', KEYS[3], 'a', 'b')",
];

/// Whoever writes. Equal seeds write the same.
pub struct Speech(Dice);

impl Speech {
    pub fn new(seed: u64) -> Self {
        Self(Dice::new(seed))
    }

    /// The next few commands: one, or a block.
    pub fn next(&mut self) -> Vec<Line> {
        match self.0.below(1000) {
            0..2 => vec![self.of(UPHEAVALS)],
            2..30 => vec![self.fill("SELECT {D}")],
            30..60 => vec![self.script()],
            60..90 => {
                let inside = (0..=self.0.below(6)).map(|_| self.of(WRITES)).collect();
                let end = if self.0.chance(1, 8) { "DISCARD" } else { "EXEC" };
                [vec![self.fill("MULTI")], inside, vec![self.fill(end)]].concat()
            }
            _ => vec![self.of(WRITES)],
        }
    }

    /// Chance of its own kind: a number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }

    fn script(&mut self) -> Line {
        let script = SCRIPTS[self.0.below(SCRIPTS.len() as u64) as usize];
        let keys = self.fill("4 string:{K} count:{K} list:{K} set:{K} {V}");
        [vec![b"EVAL".to_vec(), script.as_bytes().to_vec()], keys].concat()
    }

    fn of(&mut self, templates: &[&str]) -> Line {
        let template = templates[self.0.below(templates.len() as u64) as usize];
        self.fill(template)
    }

    fn fill(&mut self, template: &str) -> Line {
        template.split(' ').map(|word| self.word(word)).collect()
    }

    fn word(&mut self, template: &str) -> Vec<u8> {
        let Some((before, rest)) = template.split_once('{') else {
            return template.as_bytes().to_vec();
        };
        let (name, after) = rest.split_once('}').expect("a closing brace");
        let value = self.value(name);
        [before.as_bytes(), &value, after.as_bytes()].concat()
    }

    fn value(&mut self, name: &str) -> Vec<u8> {
        let dice = &mut self.0;
        match name {
            "K" => dice.below(KEYS).to_string(),
            "D" => dice.below(DATABASES).to_string(),
            "F" => format!("f{}", dice.below(30)),
            "N" => dice.below(100).to_string(),
            "T" => (10_000_000 + dice.below(10_000_000)).to_string(),
            "I" => format!("{}-{}", dice.below(2_000_000_000_000), dice.below(3)),
            "S" => {
                // No negative zero: a set that was large once keeps it, and a snapshot of it does not.
                let scores = ["0", "1", "2", "2.5", "-3", "0.1", "1e20", "-1e-7", "17"];
                scores[dice.below(scores.len() as u64) as usize].to_owned()
            }
            "V" => match dice.below(4) {
                0 => dice.bits().to_string(),
                1 => format!("-{}", dice.below(70_000)),
                2 => "v".repeat(dice.below(90) as usize),
                _ => return dice.bits().to_le_bytes().to_vec(),
            },
            "B" => "long ".repeat(1 << dice.below(10)),
            other => panic!("no such word: {other}"),
        }
        .into_bytes()
    }
}

/// Commands as they are sent.
pub fn sent(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    lines.iter().for_each(|line| write_command(&mut bytes, line));
    bytes
}
