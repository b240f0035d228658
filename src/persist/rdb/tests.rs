//! What encoder and decoder promise together.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Decoder, Encoder, RdbError, Reason};
use crate::keyspace::types::Zset;
use crate::keyspace::{Blob, Keyspace, Value, digest};
use crate::machine::{Loaded, ReplicationMeta, StreamHead};

fn encode(data: &Keyspace, keys_max: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(data.snapshot(), meta(), true);
    let mut bytes = Vec::new();
    while let Some(chunk) = encoder.next_chunk(keys_max) {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!((encoder.keys(), encoder.bytes()), (data.keys(), bytes.len() as u64));
    bytes
}

fn decode(bytes: &[u8]) -> Result<Loaded, RdbError> {
    decode_pieces([bytes])
}

fn decode_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Loaded, RdbError> {
    let mut decoder = Decoder::new(None);
    for piece in pieces {
        decoder.feed(piece)?;
    }
    decoder.finish()
}

fn meta() -> ReplicationMeta {
    let stream = StreamHead { replid: "0123456789".repeat(4), offset: 1 << 40, selected_db: 3 };
    ReplicationMeta {
        stream: Some(stream),
        ctime_s: 1_700_000_000,
        used_memory_bytes: 1 << 20,
        is_aof_base: false,
    }
}

fn small() -> Keyspace {
    let mut data = Keyspace::default();
    data.db_mut(0).set(b"k", Value::from("v"));
    data.db_mut(0).set(b"12", Value::from("-70000"));
    data.db_mut(9).set(b"soon", Value::from("x"));
    data.db_mut(9).set_expiry(b"soon", Some(1_700_000_000_123));
    data
}

/// Magic, `body`, the end, no checksum.
fn unsummed(body: &[u8]) -> Vec<u8> {
    [b"REDIS0011", body, b"\xff", &[0; 8]].concat()
}

fn reason(bytes: &[u8]) -> Reason {
    decode(bytes).expect_err("must be refused").reason
}

#[test]
fn golden_vectors_are_read() {
    let empty = b"REDIS0010\xff\xa9\xfd\x37\xfe\x89\xa7\x7e\xeb";
    assert_eq!(decode(empty).unwrap().keys, 0);
    let k_is_v = b"\xfe\x00\xfb\x01\x00\x00\x01k\x01v\xff";
    for (version, crc) in [
        (b"REDIS0010", b"\xbf\xc6\x84\xba\xad\x6c\xa1\x03"),
        (b"REDIS0011", b"\x82\x0b\x95\x88\x5e\x25\x63\x13"),
    ] {
        let loaded = decode(&[version, &k_is_v[..], crc].concat()).unwrap();
        assert_eq!(loaded.keyspace.db(0).get(b"k"), Some(&Value::from("v")));
        assert_eq!((loaded.keys, loaded.stream), (1, None));
    }
}

#[test]
fn a_sorted_set_tells_zeros_apart_only_if_it_is_too_large_for_one_piece() {
    for (members, is_negative) in [(10, false), (1000, true)] {
        let mut zset = Zset::unpacked();
        for n in 0..members {
            zset.insert(Blob::from(n.to_string().as_bytes()), -0.0);
        }
        let mut data = Keyspace::default();
        data.db_mut(0).set(b"z", Value::Zset(Arc::new(zset)));
        let loaded = decode(&encode(&data, usize::MAX)).unwrap().keyspace;
        let Some(Value::Zset(zset)) = loaded.db(0).get(b"z") else { panic!("no sorted set") };
        let score = zset.score(b"7").unwrap();
        assert_eq!((score, score.is_sign_negative()), (0.0, is_negative));
    }
}

#[test]
fn keys_expiry_times_and_the_replication_state_come_back() {
    let data = small();
    let loaded = decode(&encode(&data, usize::MAX)).unwrap();
    assert_eq!(digest(&loaded.keyspace), digest(&data));
    assert_eq!(loaded.keyspace.db(9).expiry(b"soon"), Some(1_700_000_000_123));
    assert_eq!(loaded.stream, meta().stream);
    assert_eq!(loaded.keys, 3);
}

#[test]
fn expired_keys_are_left_out_and_listed_if_asked_for() {
    let bytes = encode(&small(), usize::MAX);
    for (before, expired) in [(1_700_000_000_123, 0), (1_700_000_000_124, 1)] {
        let mut decoder = Decoder::new(Some(before));
        decoder.feed(&bytes).unwrap();
        let loaded = decoder.finish().unwrap();
        assert_eq!((loaded.expired.len(), loaded.keys), (expired, 3 - expired as u64));
        assert!(loaded.expired.iter().all(|(db, key)| (*db, &key[..]) == (9, b"soon")));
    }
}

#[test]
fn a_chunk_ends_after_the_keys_asked_for_or_64_kb() {
    let mut data = Keyspace::default();
    for n in 0..100 {
        data.db_mut(0).set(format!("key:{n}").as_bytes(), Value::from(&*"x".repeat(3000)));
    }
    let mut encoder = Encoder::new(data.snapshot(), meta(), true);
    for keys in 1..=100 {
        encoder.next_chunk(1).unwrap();
        assert_eq!(encoder.keys(), keys);
    }
    let mut encoder = Encoder::new(data.snapshot(), meta(), true);
    while let Some(chunk) = encoder.next_chunk(usize::MAX) {
        assert!(chunk.len() <= 64 << 10);
    }
    let whole = encode(&data, usize::MAX);
    assert_eq!(encode(&data, 1), whole);
}

#[test]
fn a_value_longer_than_a_chunk_comes_back_from_any_pieces() {
    let mut data = Keyspace::default();
    data.db_mut(0).set(b"long", Value::from(&*"long ".repeat(100_000)));
    data.db_mut(0).set(b"short", Value::from("short"));
    let bytes = encode(&data, usize::MAX);
    for size in [1, 1000, bytes.len()] {
        let loaded = decode_pieces(bytes.chunks(size)).unwrap();
        assert_eq!(digest(&loaded.keyspace), digest(&data));
    }
}

#[test]
fn every_cut_is_an_error_at_the_cut() {
    let bytes = encode(&small(), usize::MAX);
    for length in 0..bytes.len() {
        let error = decode(&bytes[..length]).expect_err("cut");
        assert_eq!(error, RdbError { offset: length as u64, reason: Reason::Truncated });
    }
}

#[test]
fn every_changed_byte_is_an_error() {
    let bytes = encode(&small(), usize::MAX);
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[index] ^= 1 << bit;
            assert!(decode(&bytes).is_err(), "byte {index}, bit {bit}");
        }
    }
}

#[test]
fn a_missing_checksum_is_accepted_and_a_wrong_one_is_not() {
    let mut bytes = unsummed(b"\xfe\x00\x00\x01k\x01v");
    assert_eq!(decode(&bytes).unwrap().keys, 1);
    *bytes.last_mut().unwrap() = 1;
    assert!(matches!(reason(&bytes), Reason::Checksum { .. }));
    assert_eq!(decode(b"REDIS0004\x00\x01k\x01v\xff").unwrap().keys, 1);
}

#[test]
fn all_opcodes_are_read_over_or_refused_by_name() {
    let body = b"\xfa\x0avalkey-ver\x058.0.0\xf5\x04code\xf4\x01\x02\x03\xfe\x02\xfb\x80\xff\xff\xff\xff\x00\
        \xfd\x00\x00\x00\x01\xf8\x05\xf9\x07\x00\x01k\x01v";
    let loaded = decode(&unsummed(body)).unwrap();
    assert_eq!(loaded.keyspace.db(2).expiry(b"k"), Some((1 << 24) * 1000));
    let error = decode(&unsummed(b"\xf7\x00")).unwrap_err();
    assert_eq!(error.to_string(), "at byte 10: type 247 (module data) is not supported yet");
    assert_eq!(reason(&unsummed(b"\x63\x01k")), Reason::Type(0x63));
}

#[test]
fn what_cannot_be_loaded_whole_is_refused() {
    assert_eq!(reason(b"RUBIS0010\xff"), Reason::Magic);
    assert_eq!(reason(b"REDIS00x1\xff"), Reason::Magic);
    assert_eq!(reason(b"REDIS0012\xff"), Reason::Version(12));
    assert_eq!(reason(b"REDIS0000\xff"), Reason::Version(0));
    assert_eq!(reason(&unsummed(b"\xfe\x10")), Reason::Database { db: 16, databases: 16 });
    assert_eq!(reason(&unsummed(b"\x00\x01k\x01v\x00\x01k\x01w")), Reason::DuplicateKey);
    assert_eq!(reason(&[&unsummed(b"")[..], b"x"].concat()), Reason::Trailing);
}

#[test]
fn what_the_keyspace_cannot_hold_is_refused_by_name() {
    let refused = |body: &[u8]| decode(&unsummed(body)).expect_err("must be refused").to_string();
    assert_eq!(refused(b"\x09\x01k"), "at byte 10: type 9 (zipmap) is not supported yet");
}

#[test]
fn an_empty_collection_is_no_key() {
    let body = [&b"\xfc"[..], &[1; 8], b"\x01\x01k\x00", b"\x00\x01l\x01v"].concat();
    let loaded = decode(&unsummed(&body)).unwrap();
    assert_eq!((loaded.keys, loaded.keyspace.db(0).expiry(b"l")), (1, None));
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::new(None);
    decoder.feed(&encode(&small(), usize::MAX)).unwrap();
    let error = decoder.feed(b"x").expect_err("the RDB has ended");
    assert_eq!(decoder.feed(b""), Err(error.clone()));
    assert_eq!(decoder.finish().map(|loaded| loaded.keys), Err(error));
}

#[test]
fn a_hostile_length_waits_for_its_bytes_and_reserves_nothing() {
    let body = b"REDIS0011\x00\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(reason(body), Reason::Truncated);
    let packed = b"REDIS0011\x00\x01k\xc3\x02\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x00a";
    assert_eq!(reason(packed), Reason::Lzf);
}

proptest! {
    #[test]
    fn whatever_is_encoded_is_decoded_from_any_pieces(
        entries in prop::collection::vec((0..16usize, key(), key(), prop::option::of(0..i64::MAX)), 0..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        keys_max in 1..40usize,
    ) {
        let mut data = Keyspace::new(16, 7);
        for (db, key, value, expiry) in &entries {
            data.db_mut(*db).set(key, Value::string(value));
            data.db_mut(*db).set_expiry(key, *expiry);
        }
        let bytes = encode(&data, keys_max);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let loaded = decode_pieces(cuts.windows(2).map(|w| &bytes[w[0]..w[1]])).unwrap();
        prop_assert_eq!(digest(&loaded.keyspace), digest(&data));
        for (db, key, ..) in &entries {
            let (db, was) = (loaded.keyspace.db(*db), data.db(*db));
            prop_assert_eq!(db.get_with_expiry(key), was.get_with_expiry(key));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&unsummed(&body));
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-300..300i64).prop_map(|n| n.to_string().into_bytes()),
    ]
}
