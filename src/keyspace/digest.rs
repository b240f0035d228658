//! `DEBUG DIGEST`: 40 hex characters that are equal for equal data, computed as Redis does, so that
//! ours and a real server's can be compared.

use sha1::{Digest as _, Sha1};

use super::{Db, Keyspace, Kind, Value};
use crate::base::number;

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
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Adds data so that order matters.
    fn mix(&mut self, data: &[u8]) {
        self.add(data);
        self.0 = Sha1::digest(self.0).into();
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
        Value::Str(bytes) => digest.mix(bytes),
        Value::Int(n) => digest.mix(number::text_i64(*n).as_bytes()),
        Value::List(list) => list.iter().for_each(|item| digest.mix(item)),
    }
}
