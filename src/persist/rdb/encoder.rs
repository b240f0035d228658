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

/// Keys that are looked up in the snapshot at once.
const BATCH_KEYS: usize = 1024;

/// Encodes a snapshot. Whoever drives it may pause between chunks as long as they like.
#[derive(Debug)]
pub struct Encoder {
    snapshot: Snapshot,
    place: Place,
    batch: std::vec::IntoIter<Entry>,
    out: BytesMut,
    /// Of the chunks given out.
    crc: Crc64,
    keys: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    key: Blob,
    value: Value,
    expiry: Option<i64>,
}

/// What comes after the batch.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A database from its beginning.
    Start { db: usize },
    /// The rest of a database.
    Middle { db: usize, cursor: u64 },
    /// Nothing.
    End,
}

impl Encoder {
    /// Encodes `snapshot`, with `meta` in the header.
    #[expect(clippy::needless_pass_by_value, reason = "a meta is made for one encoder")]
    pub fn new(snapshot: Snapshot, meta: ReplicationMeta) -> Self {
        let mut out = BytesMut::with_capacity(CHUNK_BYTES_MAX);
        put_header(&mut out, &meta);
        Self {
            snapshot,
            place: Place::Start { db: 0 },
            batch: Vec::new().into_iter(),
            out,
            crc: Crc64::new(),
            keys: 0,
            bytes: 0,
        }
    }

    /// The next bytes: about 64 KB, or fewer once they hold `keys_max` more keys (at least one).
    /// `None` when all has been given.
    pub fn next_chunk(&mut self, keys_max: usize) -> Option<Bytes> {
        let enough = self.keys.saturating_add(keys_max.max(1) as u64);
        while self.out.len() < CHUNK_BYTES_MAX && self.keys < enough {
            match (self.batch.next(), self.place) {
                (Some(entry), _) => self.put_entry(&entry),
                (None, Place::Start { db }) => self.start_db(db),
                (None, Place::Middle { db, cursor }) => self.look_up(db, cursor),
                (None, Place::End) => break,
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
        self.place = Place::Middle { db, cursor: 0 };
    }

    fn look_up(&mut self, db: usize, cursor: u64) {
        let mut batch = Vec::with_capacity(BATCH_KEYS);
        let next = self.snapshot.db(db).scan(cursor, BATCH_KEYS, |key, value, expiry| {
            batch.push(Entry { key: key.clone(), value: value.clone(), expiry });
        });
        self.batch = batch.into_iter();
        self.place = match next {
            0 => Place::Start { db: db + 1 },
            cursor => Place::Middle { db, cursor },
        };
    }

    fn put_entry(&mut self, entry: &Entry) {
        let out = &mut self.out;
        if let Some(at) = entry.expiry {
            out.put_u8(opcode::EXPIRY_MS);
            out.put_i64_le(at);
        }
        out.put_u8(type_of(&entry.value));
        put_string(out, &entry.key);
        put_value(out, &entry.value);
        self.keys += 1;
    }

    fn put_end(&mut self) {
        self.out.put_u8(opcode::EOF);
        let mut crc = self.crc.clone();
        crc.update(&self.out);
        self.out.put_u64_le(crc.value());
    }
}

fn type_of(value: &Value) -> u8 {
    match value {
        Value::Str(_) | Value::Int(_) => value_type::STRING,
        Value::List(_) => value_type::LIST,
        Value::Set(_) => value_type::SET,
        Value::Hash(_) => value_type::HASH,
        Value::Zset(_) => value_type::ZSET,
        Value::Stream(_) => value_type::STREAM,
    }
}

fn put_value(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Str(bytes) => put_string(out, bytes),
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
