//! Whatever can be asked of a value, and some of what can be done to it.

use replab::machine::ConnId;
use replab::resp::Answer;

use super::bench::Bench;

/// What is asked of any value.
const ANY: &[&str] = &[
    "OBJECT ENCODING KEY",
    "MEMORY USAGE KEY",
    "PTTL KEY",
    "DEBUG OBJECT KEY",
    "DEBUG DIGEST-VALUE KEY",
    "SORT KEY ALPHA LIMIT 0 5",
];

const STRING: &[&str] = &[
    "GET KEY",
    "GETRANGE KEY 1 -2",
    "BITCOUNT KEY 1 -1",
    "BITPOS KEY 0",
    "BITFIELD_RO KEY GET u7 3",
    "PFCOUNT KEY",
    "PFMERGE merged KEY",
    "PFADD KEY x y",
    "LCS KEY KEY LEN",
    "INCR KEY",
    "APPEND KEY x",
    "SETRANGE KEY 1 y",
];

const LIST: &[&str] = &[
    "LRANGE KEY 0 -1",
    "LINDEX KEY 1",
    "LINDEX KEY -2",
    "LPOS KEY a RANK -1",
    "LINSERT KEY BEFORE a new",
    "LSET KEY 0 7",
    "LREM KEY 0 a",
    "LPUSH KEY x",
    "RPUSH KEY 1",
    "RPOPLPUSH KEY KEY",
    "LTRIM KEY 1 -2",
    "LPOP KEY 2",
];

const SET: &[&str] = &[
    "SMEMBERS KEY",
    "SSCAN KEY 0 COUNT 3",
    "SISMEMBER KEY a",
    "SRANDMEMBER KEY -3",
    "SINTERSTORE copy KEY KEY",
    "SADD KEY 1 a -9000000000 b",
    "SREM KEY 1 2",
    "SPOP KEY 2",
];

const HASH: &[&str] = &[
    "HGETALL KEY",
    "HSCAN KEY 0 COUNT 3",
    "HGET KEY field",
    "HRANDFIELD KEY -3 WITHVALUES",
    "HINCRBY KEY number 1",
    "HINCRBYFLOAT KEY number 0.5",
    "HSET KEY field new a b",
    "HDEL KEY number name",
];

const ZSET: &[&str] = &[
    "ZRANGE KEY 0 -1 WITHSCORES",
    "ZRANGE KEY (1 inf BYSCORE LIMIT 1 2",
    "ZRANGE KEY [b + BYLEX",
    "ZREVRANGE KEY 0 2",
    "ZRANK KEY b",
    "ZCOUNT KEY -inf 2",
    "ZLEXCOUNT KEY - +",
    "ZSCAN KEY 0 COUNT 3",
    "ZRANDMEMBER KEY -3 WITHSCORES",
    "GEOPOS KEY palermo a",
    "GEOHASH KEY palermo a",
    "GEOSEARCH KEY FROMLONLAT 15 37 BYRADIUS 900 km ASC WITHDIST",
    "ZUNIONSTORE copy 2 KEY KEY",
    "ZADD KEY 1 new 5 b",
    "ZINCRBY KEY -1 a",
    "ZREM KEY c",
    "ZREMRANGEBYSCORE KEY 2 3",
    "ZPOPMIN KEY 1",
    "ZPOPMAX KEY 1",
];

const STREAM: &[&str] = &[
    "XLEN KEY",
    "XRANGE KEY - +",
    "XREVRANGE KEY + - COUNT 2",
    "XREAD COUNT 3 STREAMS KEY 1-1",
    "XINFO STREAM KEY",
    "XINFO STREAM KEY FULL COUNT 2",
    "XINFO GROUPS KEY",
    "XINFO CONSUMERS KEY group",
    "XPENDING KEY group",
    "XPENDING KEY group - + 10",
    "XADD KEY * field new",
    "XADD KEY * other fields too",
    "XREADGROUP GROUP group three STREAMS KEY >",
    "XREADGROUP GROUP group one STREAMS KEY 0",
    "XCLAIM KEY group three 0 1-1 5-1",
    "XAUTOCLAIM KEY group three 0 0 COUNT 3",
    "XACK KEY group 5-1",
    "XGROUP DELCONSUMER KEY group one",
    "XGROUP SETID KEY group $",
    "XGROUP CREATE KEY more 0",
    "XSETID KEY 9999999999999-1",
    "XDEL KEY 5-1",
    "XTRIM KEY MAXLEN ~ 3",
    "XTRIM KEY MAXLEN 2",
    "XTRIM KEY MINID 6",
    "XGROUP DESTROY KEY group",
];

/// Uses all that there is.
pub fn use_all(bench: &mut Bench) {
    let conn = bench.connect();
    for db in databases(bench, conn) {
        bench.ask(conn, &[vec![b"SELECT", &db]]);
        let Answer::Array(keys) = one(bench, conn, &[b"KEYS", b"*"]) else { panic!("no keys") };
        for key in keys {
            let Answer::Bulk(key) = key else { panic!("no key: {key}") };
            use_key(bench, conn, &key);
        }
    }
    save_and_load(bench);
}

/// All that there is can be saved and loaded.
pub fn save_and_load(bench: &mut Bench) {
    let conn = bench.connect();
    let [reload, digest]: [&[&[u8]]; 2] = [&[b"DEBUG", b"RELOAD"], &[b"DEBUG", b"DIGEST"]];
    // What has expired is still there before the first time.
    let lines = [reload, digest, reload, digest].map(<[_]>::to_vec);
    let answers = bench.ask(conn, &lines);
    assert_eq!(answers[1], answers[3], "saved and loaded: {} {}", answers[0], answers[2]);
    assert!(answers[2].error().is_none(), "{}", answers[2]);
}

/// The numbers of databases that hold anything.
fn databases(bench: &mut Bench, conn: ConnId) -> Vec<Vec<u8>> {
    let info = one(bench, conn, &[b"INFO", b"keyspace"]).to_string();
    let numbers = info.split("db").skip(1).filter_map(|db| db.split_once(':'));
    numbers.map(|(number, _)| number.as_bytes().to_vec()).collect()
}

fn use_key(bench: &mut Bench, conn: ConnId, key: &[u8]) {
    let kind = one(bench, conn, &[b"TYPE", key]).to_string();
    copy_by_payload(bench, conn, key);
    let uses = match kind.as_str() {
        "string" => STRING,
        "list" => LIST,
        "set" => SET,
        "hash" => HASH,
        "zset" => ZSET,
        "stream" => STREAM,
        other => panic!("a value of type {other}"),
    };
    let words = |line: &'static str| {
        let word = |word: &'static str| if word == "KEY" { key } else { word.as_bytes() };
        line.split(' ').map(word).collect::<Vec<_>>()
    };
    let lines: Vec<_> = ANY.iter().chain(uses).chain(ANY).map(|line| words(line)).collect();
    bench.ask(conn, &lines);
}

/// What DUMP gives RESTORE takes, and it is the same value.
fn copy_by_payload(bench: &mut Bench, conn: ConnId, key: &[u8]) {
    const COPY: &[u8] = b"a copy";
    let Answer::Bulk(payload) = one(bench, conn, &[b"DUMP", key]) else {
        panic!("no payload of {}", key.escape_ascii())
    };
    let answers = bench.ask(
        conn,
        &[
            vec![b"RESTORE", COPY, b"0", &payload, b"REPLACE"],
            vec![b"PERSIST", key],
            vec![b"DEBUG", b"DIGEST-VALUE", key, COPY],
            vec![b"DEL", COPY],
        ],
    );
    let Answer::Array(digests) = &answers[2] else { panic!("no digests") };
    assert_eq!(digests[0], digests[1], "{} and its copy: {}", key.escape_ascii(), answers[0]);
}

fn one(bench: &mut Bench, conn: ConnId, words: &[&[u8]]) -> Answer {
    bench.ask(conn, &[words.to_vec()]).remove(0)
}
