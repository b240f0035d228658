//! A snapshot as the commands that make it (`aof-use-rdb-preamble no`), chunk by chunk.

use bytes::{Bytes, BytesMut};

use crate::base::number::{text_f64, text_i64};
use crate::keyspace::types::stream::Group;
use crate::keyspace::types::{Stream, StreamId};
use crate::keyspace::{Blob, Snapshot, Value};
use crate::resp::write_command;

/// A chunk is about this long.
const CHUNK_BYTES: usize = 64 << 10;

/// Keys that are looked up in the snapshot at once.
const BATCH_KEYS: usize = 1024;

/// Elements that one command adds to a collection.
const COMMAND_ELEMENTS: usize = 64;

/// Encodes a snapshot. Whoever drives it may pause between chunks as long as they like.
#[derive(Debug)]
pub struct Encoder {
    snapshot: Snapshot,
    db: usize,
    /// Where the database goes on; `None` before its beginning.
    cursor: Option<u64>,
    batch: std::vec::IntoIter<(Blob, Value, Option<i64>)>,
    out: BytesMut,
    keys: u64,
    bytes: u64,
}

impl Encoder {
    /// Encodes `snapshot`.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            db: 0,
            cursor: None,
            batch: Vec::new().into_iter(),
            out: BytesMut::new(),
            keys: 0,
            bytes: 0,
        }
    }

    /// The next bytes, up to `keys_max` more keys (at least one). `None` when all has been given.
    pub fn next_chunk(&mut self, keys_max: usize) -> Option<Bytes> {
        let enough = self.keys.saturating_add(keys_max.max(1) as u64);
        while self.out.len() < CHUNK_BYTES && self.keys < enough {
            if let Some((key, value, expiry)) = self.batch.next() {
                self.put(&key, &value, expiry);
            } else if !self.look_up() {
                break;
            }
        }
        self.bytes += self.out.len() as u64;
        Some(self.out.split().freeze()).filter(|chunk| !chunk.is_empty())
    }

    /// Keys encoded so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Bytes given out so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fetches the next keys; false if there are none.
    fn look_up(&mut self) -> bool {
        if self.db == self.snapshot.databases() {
            return false;
        }
        let data = self.snapshot.db(self.db);
        if self.cursor.is_none() && !data.is_empty() {
            write_command(&mut self.out, &[b"SELECT".to_vec(), self.db.to_string().into_bytes()]);
        }
        let mut batch = Vec::with_capacity(BATCH_KEYS.min(data.len()));
        let next = data.scan(self.cursor.unwrap_or(0), BATCH_KEYS, |key, value, expiry| {
            batch.push((key.clone(), value.clone(), expiry));
        });
        self.batch = batch.into_iter();
        (self.db, self.cursor) =
            if next == 0 { (self.db + 1, None) } else { (self.db, Some(next)) };
        true
    }

    fn put(&mut self, key: &[u8], value: &Value, expiry: Option<i64>) {
        match value {
            Value::Str(text) | Value::Raw(text) => {
                write_command(&mut self.out, &[b"SET", key, text]);
            }
            Value::Int(n) => write_command(&mut self.out, &[b"SET", key, text_i64(*n).as_bytes()]),
            Value::List(list) => self.put_elements("RPUSH", key, list.iter().map(one)),
            Value::Set(set) => self.put_elements("SADD", key, set.iter().map(one)),
            Value::Hash(hash) => {
                let pairs = hash.iter().map(|(field, value)| vec![field.to_vec(), value.to_vec()]);
                self.put_elements("HMSET", key, pairs);
            }
            Value::Zset(zset) => {
                let pairs = zset.in_order().into_iter();
                let pairs =
                    pairs.map(|(member, x)| vec![text_f64(x).into_bytes(), member.to_vec()]);
                self.put_elements("ZADD", key, pairs);
            }
            Value::Stream(stream) => self.put_stream(key, stream),
        }
        if let Some(at) = expiry {
            write_command(&mut self.out, &[b"PEXPIREAT", key, text_i64(at).as_bytes()]);
        }
        self.keys += 1;
    }

    fn put_stream(&mut self, key: &[u8], stream: &Stream) {
        for entry in stream.range(StreamId::MIN, StreamId::MAX) {
            let mut words = vec![b"XADD".to_vec(), key.to_vec(), entry.id.to_string().into_bytes()];
            words.extend(entry.pairs().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]));
            write_command(&mut self.out, &words);
        }
        let last = stream.last_id.to_string();
        if stream.is_empty() {
            // Only an entry makes a stream; this one goes at once.
            let id = stream.last_id.max(StreamId::new(0, 1)).to_string();
            self.put_words(&[b"XADD", key, b"MAXLEN", b"0", id.as_bytes(), b"x", b"y"]);
        }
        let (added, deleted) =
            (stream.entries_added.to_string(), stream.max_deleted_id.to_string());
        let added = [b"ENTRIESADDED".as_slice(), added.as_bytes()];
        let deleted = [b"MAXDELETEDID".as_slice(), deleted.as_bytes()];
        self.put_words(&[&[b"XSETID", key, last.as_bytes()], &added[..], &deleted[..]].concat());
        for (name, group) in stream.groups() {
            self.put_group(key, name, group);
        }
    }

    fn put_group(&mut self, key: &[u8], name: &[u8], group: &Group) {
        let last = group.last_id.to_string();
        let read = group.entries_read.map_or_else(|| "-1".to_owned(), |read| read.to_string());
        let create = [b"XGROUP".as_slice(), b"CREATE", key, name, last.as_bytes()];
        self.put_words(&[&create[..], &[b"ENTRIESREAD", read.as_bytes()]].concat());
        for (consumer, state) in group.consumers() {
            if state.pending().is_empty() {
                self.put_words(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer]);
            }
        }
        for (id, pending) in group.pending() {
            let (id, at) = (id.to_string(), pending.delivered_at.to_string());
            let count = pending.deliveries.to_string();
            let claim = [b"XCLAIM".as_slice(), key, name, &pending.consumer, b"0", id.as_bytes()];
            let state = [b"TIME".as_slice(), at.as_bytes(), b"RETRYCOUNT", count.as_bytes()];
            self.put_words(&[&claim[..], &state[..], &[b"JUSTID".as_slice(), b"FORCE"]].concat());
        }
    }

    fn put_words(&mut self, words: &[&[u8]]) {
        write_command(&mut self.out, words);
    }

    fn put_elements(
        &mut self,
        name: &str,
        key: &[u8],
        elements: impl Iterator<Item = Vec<Vec<u8>>>,
    ) {
        let begin = || vec![name.as_bytes().to_vec(), key.to_vec()];
        let (mut words, mut count) = (begin(), 0);
        for element in elements {
            words.extend(element);
            count += 1;
            if count == COMMAND_ELEMENTS {
                write_command(&mut self.out, &words);
                (words, count) = (begin(), 0);
            }
        }
        if count > 0 {
            write_command(&mut self.out, &words);
        }
    }
}

fn one(element: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
    vec![element.as_ref().to_vec()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Keyspace;
    use crate::keyspace::types::{Hash, List, Set, Zset};

    /// The commands for these keys, each in one line.
    fn commands(data: &Keyspace, keys_max: usize) -> Vec<String> {
        let mut encoder = Encoder::new(data.snapshot());
        let mut reader = super::super::Reader::new(crate::persist::rdb::Decoder::new(None));
        let mut lines = Vec::new();
        while let Some(chunk) = encoder.next_chunk(keys_max) {
            reader.feed(&chunk);
            while let Some(super::super::Entry::Command(words)) = reader.next().unwrap() {
                lines.push(String::from_utf8_lossy(&words.join(&b' ')).into_owned());
            }
        }
        assert_eq!(encoder.keys(), data.keys());
        lines.sort();
        lines
    }

    #[test]
    fn every_type_becomes_the_commands_that_make_it() {
        let mut data = Keyspace::default();
        let db = data.db_mut(0);
        let text = |text: &str| Blob::from(text.as_bytes());
        db.set(b"s", Value::from("text"));
        db.set(b"n", Value::Int(-5));
        db.set(b"l", Value::List([text("b"), text("a")].into_iter().collect::<List>().into()));
        db.set(b"u", Value::Set([text("m")].into_iter().collect::<Set>().into()));
        db.set(b"h", Value::Hash([(text("f"), text("v"))].into_iter().collect::<Hash>().into()));
        db.set(b"z", Value::Zset([(text("m"), 1.5)].into_iter().collect::<Zset>().into()));
        db.set_expiry(b"n", Some(1_700_000_000_000));
        data.db_mut(9).set(b"far", Value::from("x"));
        for keys_max in [1, 3, 100] {
            assert_eq!(
                commands(&data, keys_max),
                [
                    "HMSET h f v",
                    "PEXPIREAT n 1700000000000",
                    "RPUSH l b a",
                    "SADD u m",
                    "SELECT 0",
                    "SELECT 9",
                    "SET far x",
                    "SET n -5",
                    "SET s text",
                    "ZADD z 1.5 m",
                ]
            );
        }
    }

    #[test]
    fn long_collections_take_several_commands() {
        let mut data = Keyspace::default();
        let list: List = (0..130).map(|n| Blob::from(n.to_string().as_bytes())).collect();
        data.db_mut(0).set(b"l", Value::List(list.into()));
        let lengths: Vec<_> =
            commands(&data, 9).iter().map(|line| line.split(' ').count() - 2).collect();
        assert_eq!(lengths, [64, 2, 64, 0]);
    }
}
