//! A snapshot as RDB, chunk by chunk.

use bytes::{BufMut, Bytes};

use super::format::{MAGIC, REDIS_VERSION, VERSION_WRITTEN, opcode, value_type};
use super::output::Writer;
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
    out: Writer,
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
    /// Encodes `snapshot`, with `meta` in the header. With `compress`, long strings are packed
    /// (directive `rdbcompression`).
    #[expect(clippy::needless_pass_by_value, reason = "a meta is made for one encoder")]
    pub fn new(snapshot: Snapshot, meta: ReplicationMeta, compress: bool) -> Self {
        let mut out = Writer::new(compress);
        out.bytes.reserve(CHUNK_BYTES_MAX);
        put_header(&mut out, &meta);
        Self { snapshot, place: Place::Start { db: 0 }, out, crc: Crc64::new(), keys: 0, bytes: 0 }
    }

    /// The next bytes: about 64 KB, or fewer once they hold `keys_max` more keys (at least one).
    /// `None` when all has been given.
    pub fn next_chunk(&mut self, keys_max: usize) -> Option<Bytes> {
        let enough = self.keys.saturating_add(keys_max.max(1) as u64);
        while self.out.bytes.len() < CHUNK_BYTES_MAX && self.keys < enough {
            match self.place {
                Place::Start { db } => self.start_db(db),
                Place::Middle { db, part, key } => self.put_keys(db, part, key, enough),
                Place::End => break,
            }
        }
        if self.out.bytes.is_empty() {
            return None;
        }
        let chunk = self.out.bytes.split_to(self.out.bytes.len().min(CHUNK_BYTES_MAX)).freeze();
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
        self.out.bytes.put_u8(opcode::SELECT_DB);
        self.out.length(db);
        self.out.bytes.put_u8(opcode::RESIZE_DB);
        self.out.length(data.len());
        self.out.length(data.expiring_len());
        self.place = Place::Middle { db, part: 0, key: 0 };
    }

    /// Puts keys of a part, as many as the chunk takes, and lets go of the part after the last.
    fn put_keys(&mut self, db: usize, part: usize, mut key: usize, enough: u64) {
        let mut entries = self.snapshot.db(db).part(part).skip(key);
        while self.out.bytes.len() < CHUNK_BYTES_MAX && self.keys < enough {
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
        self.out.bytes.put_u8(opcode::EOF);
        let mut crc = self.crc.clone();
        crc.update(&self.out.bytes);
        self.out.bytes.put_u64_le(crc.value());
    }
}

fn put_entry(out: &mut Writer, key: &Blob, value: &Value, expiry: Option<i64>) {
    if let Some(at) = expiry {
        out.bytes.put_u8(opcode::EXPIRY_MS);
        out.bytes.put_i64_le(at);
    }
    out.bytes.put_u8(type_of(value));
    out.string(key);
    put_value(out, value);
}

/// Bytes that a value takes in a snapshot, without its type and key.
pub fn serialized_len(value: &Value, compress: bool) -> usize {
    let mut out = Writer::new(compress);
    put_value(&mut out, value);
    out.bytes.len()
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

pub(super) fn put_value(out: &mut Writer, value: &Value) {
    match value {
        Value::Str(bytes) | Value::Raw(bytes) => out.string(bytes),
        Value::Int(n) => out.integer(*n),
        Value::List(list) => {
            out.length(list.len());
            list.iter().for_each(|item| out.string(item));
        }
        Value::Set(set) => {
            out.length(set.len());
            set.iter().for_each(|member| out.string(member));
        }
        Value::Hash(hash) => {
            out.length(hash.len());
            for (field, value) in hash.iter() {
                out.string(field);
                out.string(value);
            }
        }
        Value::Zset(zset) => {
            out.length(zset.len());
            // Highest first, as Redis writes them: a reader then adds each at its list's head.
            for (member, score) in zset.in_order().into_iter().rev() {
                out.string(member);
                out.bytes.put_f64_le(score);
            }
        }
        Value::Stream(stream) => stream::put(out, stream),
    }
}

fn put_header(out: &mut Writer, meta: &ReplicationMeta) {
    out.bytes.extend_from_slice(MAGIC);
    out.bytes.extend_from_slice(format!("{VERSION_WRITTEN:04}").as_bytes());
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

fn put_aux(out: &mut Writer, name: &str, value: &str) {
    out.bytes.put_u8(opcode::AUX);
    out.string(name.as_bytes());
    out.string(value.as_bytes());
}
