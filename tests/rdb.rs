//! RDB against the real redis-server: each loads what the other writes, and both digests agree.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, unused_imports, reason = "each file of tests uses its part of the kit")]
mod kit;

use kit::Kind::Real;
use kit::Node;
use replab::keyspace::{Keyspace, Value, digest};
use replab::machine::{ReplicationMeta, StreamHead};
use replab::persist::rdb::{Decoder, Encoder};
use replab::resp::Answer;

/// Strings around every bound of an encoding, by name.
fn strings() -> Vec<(String, Vec<u8>)> {
    let integers = [0, -1, 127, 128, -129, 32768, -32769, 1 << 31, i64::MAX, i64::MIN];
    let integers = integers.map(|n: i64| n.to_string().into_bytes());
    let lengths = [0, 1, 63, 64, 16383, 16384, 100_000];
    let even = lengths.map(|length| vec![b'x'; length]);
    let uneven = lengths.map(|length| (0..length).map(|i| (i * i % 251) as u8).collect());
    let odd = ["007", "-0", "+1", " 1", "1.5"].map(|text| text.as_bytes().to_vec());
    let all = integers.into_iter().chain(even).chain(uneven).chain(odd);
    all.enumerate().map(|(n, value)| (format!("key:{n}"), value)).collect()
}

fn far_future(n: usize) -> i64 {
    4_000_000_000_000 + n as i64
}

#[test]
fn the_real_server_loads_what_is_encoded() {
    let mut data = Keyspace::default();
    for (n, (key, value)) in strings().iter().enumerate() {
        data.db_mut(0).set(key.as_bytes(), Value::string(value));
        data.db_mut(5).set(key.as_bytes(), Value::string(value));
        data.db_mut(5).set_expiry(key.as_bytes(), (n % 2 == 0).then(|| far_future(n)));
    }
    let stream = StreamHead { replid: "a1".repeat(20), offset: 1234, selected_db: 5 };
    let meta = ReplicationMeta { stream: Some(stream), ..ReplicationMeta::default() };
    let mut encoder = Encoder::new(data.snapshot(), meta, true);
    let mut rdb = Vec::new();
    while let Some(chunk) = encoder.next_chunk(usize::MAX) {
        rdb.extend_from_slice(&chunk);
    }

    let real = Node::start_with(Real, &[], Some(&rdb));
    let mut client = real.client();
    assert_eq!(client.text(&["DEBUG", "DIGEST"]), digest(&data));
    client.ok(&["SELECT", "5"]);
    assert_eq!(client.call(&["DBSIZE"]), Answer::Int(data.db(5).len() as i64));
    assert_eq!(client.call(&["PEXPIRETIME", "key:2"]), Answer::Int(far_future(2)));
    assert_eq!(client.call(&["PEXPIRETIME", "key:3"]), Answer::Int(-1));
}

#[test]
fn what_the_real_server_saves_is_decoded() {
    for policy in ["noeviction", "allkeys-lru", "allkeys-lfu"] {
        let real = Node::start(Real, &[("maxmemory-policy", policy)]);
        let mut client = real.client();
        let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
        assert_eq!(client.text(&["FUNCTION", "LOAD", library]), "lib");
        for (n, (key, value)) in strings().iter().enumerate() {
            client.ok(&["SELECT", "0"]);
            client.ok(&[b"SET", key.as_bytes(), value]);
            client.ok(&["SELECT", "15"]);
            let at = far_future(n).to_string();
            client.ok(&[b"SET", key.as_bytes(), value, b"PXAT", at.as_bytes()]);
        }
        client.ok(&["SAVE"]);

        let mut decoder = Decoder::new(Some(0));
        for piece in std::fs::read(real.dir().join("dump.rdb")).unwrap().chunks(777) {
            decoder.feed(piece).unwrap();
        }
        let loaded = decoder.finish().unwrap();
        assert_eq!(client.text(&["DEBUG", "DIGEST"]), digest(&loaded.keyspace));
        assert_eq!(loaded.keys, 2 * strings().len() as u64);
        for (n, (key, _)) in strings().iter().enumerate() {
            assert_eq!(loaded.keyspace.db(15).expiry(key.as_bytes()), Some(far_future(n)));
        }
    }
}
