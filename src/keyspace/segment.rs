//! A segment: the part of a database that is copied as one when it is written to while a snapshot
//! still refers to it.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::{Blob, Value};

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: Blob,
    pub value: Value,
}

/// A key that expires, and when (ms since the epoch).
#[derive(Debug, Clone)]
struct Expiry {
    key: Blob,
    at: i64,
}

/// A small hash table of keys, with the expiry times of some of them. Every method takes the key's
/// hash from the database, which knows the seed.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    entries: HashTable<Entry>,
    expiries: HashTable<Expiry>,
    /// No key expires before this; a lower bound, made exact when [`Segment::due`] looks.
    earliest: i64,
}

impl Default for Segment {
    fn default() -> Self {
        Self { entries: HashTable::new(), expiries: HashTable::new(), earliest: i64::MAX }
    }
}

impl Segment {
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.entries.find(hash, |e| e.key == *key)
    }

    pub fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut Value> {
        self.entries.find_mut(hash, |e| e.key == *key).map(|e| &mut e.value)
    }

    /// Stores a value and returns the one it replaces. The expiry time stays.
    pub fn set(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Value,
        rehash: impl Fn(&[u8]) -> u64,
    ) -> Option<Value> {
        match self.entries.entry(hash, |e| e.key == *key, |e| rehash(&e.key)) {
            Slot::Occupied(mut slot) => Some(std::mem::replace(&mut slot.get_mut().value, value)),
            Slot::Vacant(slot) => {
                slot.insert(Entry { key: Blob::from(key), value });
                None
            }
        }
    }

    pub fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Value> {
        let slot = self.entries.find_entry(hash, |e| e.key == *key).ok()?;
        Some(slot.remove().0.value)
    }

    pub fn expiry(&self, hash: u64, key: &[u8]) -> Option<i64> {
        if self.expiries.is_empty() {
            return None;
        }
        self.expiries.find(hash, |e| e.key == *key).map(|e| e.at)
    }

    /// Sets an expiry time and returns whether there was none before.
    pub fn set_expiry(
        &mut self,
        hash: u64,
        key: &[u8],
        at: i64,
        rehash: impl Fn(&[u8]) -> u64,
    ) -> bool {
        self.earliest = self.earliest.min(at);
        match self.expiries.entry(hash, |e| e.key == *key, |e| rehash(&e.key)) {
            Slot::Occupied(mut slot) => {
                slot.get_mut().at = at;
                false
            }
            Slot::Vacant(slot) => {
                slot.insert(Expiry { key: Blob::from(key), at });
                true
            }
        }
    }

    pub fn clear_expiry(&mut self, hash: u64, key: &[u8]) -> Option<i64> {
        if self.expiries.is_empty() {
            return None;
        }
        let slot = self.expiries.find_entry(hash, |e| e.key == *key).ok()?;
        Some(slot.remove().0.at)
    }

    /// Whether a key may be due.
    pub fn may_be_due(&self, now_ms: i64) -> bool {
        self.earliest < now_ms
    }

    /// Adds keys whose time has come to `due` until that holds `max`.
    pub fn due(&mut self, now_ms: i64, max: usize, due: &mut Vec<Blob>) {
        let mut earliest = i64::MAX;
        for expiry in &self.expiries {
            if expiry.at < now_ms && due.len() < max {
                due.push(expiry.key.clone());
            }
            earliest = earliest.min(expiry.at);
        }
        self.earliest = earliest;
    }

    /// A lower bound of the next expiry time.
    pub fn earliest(&self) -> i64 {
        self.earliest
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Bytes of the tables themselves, without what keys and values hold on the heap.
    pub fn table_bytes(&self) -> usize {
        self.entries.allocation_size() + self.expiries.allocation_size()
    }
}
