//! What a node holds, in a form that can be compared, and data to begin with.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use replab::keyspace::digest;
use replab::persist::rdb::Decoder;

use super::{Client, Kind, Node};

/// A whole dataset.
#[derive(Default, PartialEq, Eq)]
pub struct Data {
    /// As DEBUG DIGEST computes it: keys, values, and which keys expire.
    pub digest: String,
    /// When they expire.
    pub expiries: BTreeMap<(usize, Vec<u8>), i64>,
    /// How many keys there are.
    pub keys: u64,
}

impl Data {
    /// Some keys that expire here and not there, or at another time, or the other way round.
    pub fn expiries_beside(&self, other: &Self) -> Vec<String> {
        let lacking = |a: &Self, b: &Self| {
            let of_a = a.expiries.iter().filter(|(key, at)| b.expiries.get(*key) != Some(at));
            let shown = of_a.map(|((db, key), at)| format!("{db} {} {at}", key.escape_ascii()));
            shown.take(5).collect::<Vec<_>>()
        };
        [lacking(self, other), vec!["and".to_owned()], lacking(other, self)].concat()
    }

    /// What a snapshot holds.
    pub fn of_rdb(rdb: &[u8]) -> Self {
        let mut decoder = Decoder::new(None);
        decoder.feed(rdb).expect("a sound RDB");
        let data = decoder.finish().expect("a whole RDB").keyspace;
        let expiries = data.iter().enumerate().flat_map(|(db, keys)| {
            keys.iter().filter_map(move |(key, _, at)| Some(((db, key.to_vec()), at?)))
        });
        Self { digest: digest(&data), expiries: expiries.collect(), keys: data.keys() }
    }
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys, {} expire, {}", self.keys, self.expiries.len(), self.digest)
    }
}

/// Snapshots to begin with.
pub static FEW_KEYS: LazyLock<Vec<u8>> = LazyLock::new(|| snapshot_of(4000));
pub static MANY_KEYS: LazyLock<Vec<u8>> = LazyLock::new(|| snapshot_of(100_000));

/// So many keys, a quarter of which expire, as a real server writes them.
fn snapshot_of(keys: usize) -> Vec<u8> {
    let node = Node::start(Kind::Real, &[]);
    let mut client = node.client();
    client.ok(&["DEBUG", "POPULATE", &keys.to_string(), "key", "20"]);
    let script = "for i = 0, tonumber(ARGV[1]) - 1, 4 do \
                  redis.call('PEXPIREAT', 'key:' .. i, ARGV[2] + i) end";
    let day_ms = 86_400_000;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let first_expiry = now_ms.as_millis() as i64 + day_ms;
    client.call(&["EVAL", script, "0", &keys.to_string(), &first_expiry.to_string()]);
    client.ok(&["SAVE"]);
    std::fs::read(node.dir().join("dump.rdb")).expect("a dump")
}

/// What a node holds, as it tells replicas of the oldest kind.
pub fn fetch(client: &mut Client) -> Data {
    client.send(b"SYNC\r\n");
    let header = loop {
        let line = client.line();
        if !line.is_empty() {
            break line;
        }
    };
    let length = header.strip_prefix('$').unwrap_or_else(|| panic!("SYNC: {header}"));
    Data::of_rdb(&client.bytes(length.parse().expect("a length")))
}
