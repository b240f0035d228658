//! A snapshot as RDB, chunk by chunk.

use bytes::{BufMut, Bytes, BytesMut};

use super::format::{MAGIC, REDIS_VERSION, VERSION_WRITTEN, opcode, value_type};
use super::output::{put_integer, put_length, put_string};
use super::stream;
use crate::base::crc64::Crc64;
use crate::keyspace::{Blob, Snapshot, Value};
use crate::machine::ReplicationMeta;

/// A chunk is at most this long.
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Encodes a snapshot. Whoever drives it may pause between chunks as long as they like.
#[derive(Debug)]
pub struct Encoder {
    snapshot: Snapshot,
    place: Place,
    out: BytesMut,
    /// Of the chunks given out.
    crc: Crc64,
    keys: u64,
    bytes: u64,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A database from its beginning.
    Start { db: usize },
    /// The rest of a database, from a key of a part on.
    Middle { db: usize, part: usize, key: usize },
    /// Nothing.
    End,
}

impl Encoder {
    /// Encodes `snapshot`, with `meta` in the header.
    #[expect(clippy::needless_pass_by_value, reason = "a meta is made for one encoder")]
    pub fn new(snapshot: Snapshot, meta: ReplicationMeta) -> Self {
        let mut out = BytesMut::with_capacity(CHUNK_BYTES_MAX);
        put_header(&mut out, &meta);
        Self { snapshot, place: Place::Start { db: 0 }, out, crc: Crc64::new(), keys: 0, bytes: 0 }
    }

    /// The next bytes: about 64 KB, or fewer once they hold `keys_max` more keys (at least one).
    /// `None` when all has been given.
    pub fn next_chunk(&mut self, keys_max: usize) -> Option<Bytes> {
        let enough = self.keys.saturating_add(keys_max.max(1) as u64);
        while self.out.len() < CHUNK_BYTES_MAX && self.keys < enough {
            match self.place {
                Place::Start { db } => self.start_db(db),
                Place::Middle { db, part, key } => self.put_keys(db, part, key, enough),
                Place::End => break,
            }
        }
        if self.out.is_empty() {
            return None;
        }
        let chunk = self.out.split_to(self.out.len().min(CHUNK_BYTES_MAX)).freeze();
        self.crc.update(&chunk);
        self.bytes += chunk.len() as u64;
        Some(chunk)
    }

    /// Keys encoded so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Bytes given out so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn start_db(&mut self, db: usize) {
        if db == self.snapshot.databases() {
            self.put_end();
            self.place = Place::End;
            return;
        }
        let data = self.snapshot.db(db);
        if data.is_empty() {
            self.place = Place::Start { db: db + 1 };
            return;
        }
        self.out.put_u8(opcode::SELECT_DB);
        put_length(&mut self.out, db);
        self.out.put_u8(opcode::RESIZE_DB);
        put_length(&mut self.out, data.len());
        put_length(&mut self.out, data.expiring_len());
        self.place = Place::Middle { db, part: 0, key: 0 };
    }

    /// Puts keys of a part, as many as the chunk takes, and lets go of the part after the last.
    fn put_keys(&mut self, db: usize, part: usize, mut key: usize, enough: u64) {
        let mut entries = self.snapshot.db(db).part(part).skip(key);
        while self.out.len() < CHUNK_BYTES_MAX && self.keys < enough {
            let Some((name, value, expiry)) = entries.next() else {
                drop(entries);
                self.snapshot.let_go_of(db, part);
                self.place = if part + 1 < self.snapshot.db(db).parts() {
                    Place::Middle { db, part: part + 1, key: 0 }
                } else {
                    Place::Start { db: db + 1 }
                };
                return;
            };
            put_entry(&mut self.out, name, value, expiry);
            self.keys += 1;
            key += 1;
        }
        self.place = Place::Middle { db, part, key };
    }

    fn put_end(&mut self) {
        self.out.put_u8(opcode::EOF);
        let mut crc = self.crc.clone();
        crc.update(&self.out);
        self.out.put_u64_le(crc.value());
    }
}

fn put_entry(out: &mut BytesMut, key: &Blob, value: &Value, expiry: Option<i64>) {
    if let Some(at) = expiry {
        out.put_u8(opcode::EXPIRY_MS);
        out.put_i64_le(at);
    }
    out.put_u8(type_of(value));
    put_string(out, key);
    put_value(out, value);
}

/// Bytes that a value takes in a snapshot, without its type and key.
pub fn serialized_len(value: &Value) -> usize {
    let mut out = BytesMut::new();
    put_value(&mut out, value);
    out.len()
}

pub(super) fn type_of(value: &Value) -> u8 {
    match value {
        Value::Str(_) | Value::Int(_) | Value::Raw(_) => value_type::STRING,
        Value::List(_) => value_type::LIST,
        Value::Set(_) => value_type::SET,
        Value::Hash(_) => value_type::HASH,
        Value::Zset(_) => value_type::ZSET,
        Value::Stream(_) => value_type::STREAM,
    }
}

pub(super) fn put_value(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Str(bytes) | Value::Raw(bytes) => put_string(out, bytes),
        Value::Int(n) => put_integer(out, *n),
        Value::List(list) => {
            put_length(out, list.len());
            list.iter().for_each(|item| put_string(out, item));
        }
        Value::Set(set) => {
            put_length(out, set.len());
            set.iter().for_each(|member| put_string(out, member));
        }
        Value::Hash(hash) => {
            put_length(out, hash.len());
            for (field, value) in hash.iter() {
                put_string(out, field);
                put_string(out, value);
            }
        }
        Value::Zset(zset) => {
            put_length(out, zset.len());
            // Highest first, as Redis writes them: a reader then adds each at its list's head.
            for (member, score) in zset.in_order().into_iter().rev() {
                put_string(out, member);
                out.put_f64_le(score);
            }
        }
        Value::Stream(stream) => stream::put(out, stream),
    }
}

fn put_header(out: &mut BytesMut, meta: &ReplicationMeta) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(format!("{VERSION_WRITTEN:04}").as_bytes());
    put_aux(out, "redis-ver", REDIS_VERSION);
    put_aux(out, "redis-bits", "64");
    put_aux(out, "ctime", &meta.ctime_s.to_string());
    put_aux(out, "used-mem", &meta.used_memory_bytes.to_string());
    if let Some(stream) = &meta.stream {
        put_aux(out, "repl-stream-db", &stream.selected_db.to_string());
        put_aux(out, "repl-id", &stream.replid);
        put_aux(out, "repl-offset", &stream.offset.to_string());
    }
    put_aux(out, "aof-base", if meta.is_aof_base { "1" } else { "0" });
}

fn put_aux(out: &mut BytesMut, name: &str, value: &str) {
    out.put_u8(opcode::AUX);
    put_string(out, name.as_bytes());
    put_string(out, value.as_bytes());
}
