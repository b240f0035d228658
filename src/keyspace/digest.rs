//! `DEBUG DIGEST`: 40 hex characters that are equal for equal data, computed as Redis does, so that
//! ours and a real server's can be compared.

use sha1::{Digest as _, Sha1};

use super::types::StreamId;
use super::{Db, Keyspace, Kind, Value};
use crate::base::{number, text};

/// 160 bits under construction.
#[derive(Clone, Copy)]
struct Digest([u8; 20]);

impl Digest {
    /// Adds data so that order does not matter.
    fn add(&mut self, data: &[u8]) {
        let hash: [u8; 20] = Sha1::digest(data).into();
        for (mine, other) in self.0.iter_mut().zip(hash) {
            *mine ^= other;
        }
    }

    fn hex(self) -> String {
        text::hex(&self.0)
    }

    /// Adds data so that order matters.
    fn mix(&mut self, data: &[u8]) {
        self.add(data);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds several pieces as one, so that their order matters but not that of the wholes.
    fn add_mixed(&mut self, pieces: &[&[u8]]) {
        let mut whole = Self([0; 20]);
        pieces.iter().for_each(|piece| whole.mix(piece));
        self.add(&whole.0);
    }
}

/// The digest of all data. Keys whose time has passed but that still exist count.
pub fn digest(data: &Keyspace) -> String {
    let mut total = Digest([0; 20]);
    for (index, db) in data.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        total.mix(&(index as u32).to_be_bytes());
        add_db(&mut total, db);
    }
    total.hex()
}

/// The digest of one value (`DEBUG DIGEST-VALUE`): all zeros if there is none.
pub fn value_digest(value: Option<&Value>, expires: bool) -> String {
    let mut one = Digest([0; 20]);
    if let Some(value) = value {
        mix_value(&mut one, value);
        if expires {
            one.add(b"!!expire!!");
        }
    }
    one.hex()
}

fn add_db(total: &mut Digest, db: &Db) {
    for (key, value, expiry) in db.iter() {
        let mut one = Digest([0; 20]);
        one.mix(key);
        mix_value(&mut one, value);
        if expiry.is_some() {
            one.add(b"!!expire!!");
        }
        total.add(&one.0);
    }
}

fn mix_value(digest: &mut Digest, value: &Value) {
    let type_number: u32 = match value.kind() {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::Zset => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    };
    digest.mix(&type_number.to_be_bytes());
    match value {
        Value::Str(bytes) | Value::Raw(bytes) => digest.mix(bytes),
        Value::Int(n) => digest.mix(number::text_i64(*n).as_bytes()),
        Value::List(list) => list.iter().for_each(|item| digest.mix(item)),
        Value::Hash(hash) => {
            for (field, value) in hash.iter() {
                digest.add_mixed(&[field, value]);
            }
        }
        Value::Zset(zset) => {
            for (member, score) in zset.iter() {
                digest.add_mixed(&[member, number::text_f64(score).as_bytes()]);
            }
        }
        Value::Set(set) => set.iter().for_each(|member| digest.add(member)),
        Value::Stream(stream) => {
            for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                for (field, value) in entry.pairs() {
                    digest.mix(&field);
                    digest.mix(&value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Blob;
    use crate::keyspace::types::{Collection, End, Hash, List, Set, Zset};

    #[test]
    fn is_that_of_a_real_server_with_the_same_data() {
        let blob = |text: &str| Blob::from(text.as_bytes());
        let mut data = Keyspace::default();
        let db = data.db_mut(0);
        db.set(b"l", ["a", "b", "c"].map(blob).into_iter().collect::<List>().into_value());
        let fields = [("f", "v"), ("g", "w")].map(|(f, v)| (blob(f), blob(v)));
        db.set(b"h", fields.into_iter().collect::<Hash>().into_value());
        db.set(b"s", ["1", "2", "x"].map(blob).into_iter().collect::<Set>().into_value());
        let scores = [("a", 0.1), ("b", 2.0), ("c", -0.0), ("d", 1e20)];
        let members = scores.into_iter().map(|(member, score)| (blob(member), score));
        db.set(b"z", members.collect::<Zset>().into_value());
        db.set(b"k", Value::from("v"));
        db.set(b"i", Value::from("12"));
        db.set_expiry(b"i", Some(1));
        let mut list = List::default();
        list.push(End::Left, blob("1"));
        data.db_mut(3).set(b"l", list.into_value());
        assert_eq!(digest(&data), "4b8addb4d2b174a1e6dfe7de95e33c30c6bb3a0c");
    }
}
