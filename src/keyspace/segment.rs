//! A segment: the part of a database that is copied as one when it is written to while a snapshot
//! still refers to it.
//!
//! Its entries lie one after the other without gaps, and a small table of indices finds them: a
//! copy reads and writes little, and a table that has just grown wastes four bytes a key and not
//! forty. When keys expire lies beside them, and nowhere while none does.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::{Blob, Value};

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: Blob,
    pub value: Value,
}

/// When an entry was last used (seconds since the epoch). Reading a shared segment sets it too.
#[derive(Debug)]
struct Stamp(AtomicU32);

impl Stamp {
    fn new(at_s: u32) -> Self {
        Self(AtomicU32::new(at_s))
    }

    fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    fn set(&self, at_s: u32) {
        // Most keys that are used were used in the same second: nothing is written then.
        if self.get() != at_s {
            self.0.store(at_s, Relaxed);
        }
    }
}

impl Clone for Stamp {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

/// Stands for no expiry time: a key cannot have expired that long ago.
const NEVER: i64 = i64::MIN;

/// A small hash table of keys, with the expiry times of some of them. Every method takes the key's
/// hash from the database, which knows the seed.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    entries: Vec<Entry>,
    /// Places among the entries, by the hash of the key there.
    index: HashTable<u32>,
    /// When the entry at the same place was last used.
    used: Vec<Stamp>,
    /// When the entry at the same place expires (ms since the epoch), or [`NEVER`]. Empty until the
    /// first expiry time is set.
    expiries: Vec<i64>,
    /// No key expires before this; a lower bound, made exact when [`Segment::due`] looks.
    earliest: i64,
}

impl Default for Segment {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: HashTable::new(),
            used: Vec::new(),
            expiries: Vec::new(),
            earliest: i64::MAX,
        }
    }
}

impl Segment {
    fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.index.find(hash, |at| self.entries[*at as usize].key == *key).map(|at| *at as usize)
    }

    fn expiry_at(&self, place: usize) -> Option<i64> {
        self.expiries.get(place).copied().filter(|at| *at != NEVER)
    }

    pub fn get(&self, hash: u64, key: &[u8]) -> Option<&Value> {
        self.find(hash, key).map(|place| &self.entries[place].value)
    }

    /// A value and when it expires.
    pub fn get_with_expiry(&self, hash: u64, key: &[u8]) -> Option<(&Value, Option<i64>)> {
        let place = self.find(hash, key)?;
        Some((&self.entries[place].value, self.expiry_at(place)))
    }

    /// [`Segment::get_with_expiry`], which is a use of the key.
    pub fn look_up(&self, hash: u64, key: &[u8], now_s: u32) -> Option<(&Value, Option<i64>)> {
        let place = self.find(hash, key)?;
        self.used[place].set(now_s);
        Some((&self.entries[place].value, self.expiry_at(place)))
    }

    /// When a key was last used.
    pub fn used_at(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.find(hash, key).map(|place| self.used[place].get())
    }

    pub fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut Value> {
        let place = self.find(hash, key)?;
        Some(&mut self.entries[place].value)
    }

    /// Stores a value and returns the one it replaces. The expiry time stays.
    pub fn set(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Value,
        now_s: u32,
        rehash: impl Fn(&[u8]) -> u64,
    ) -> Option<Value> {
        let entries = &mut self.entries;
        let is_it = |at: &u32| entries[*at as usize].key == *key;
        let rehash = |at: &u32| rehash(&entries[*at as usize].key);
        match self.index.entry(hash, is_it, rehash) {
            Slot::Occupied(at) => {
                let place = *at.get() as usize;
                self.used[place].set(now_s);
                Some(std::mem::replace(&mut entries[place].value, value))
            }
            Slot::Vacant(slot) => {
                slot.insert(entries.len() as u32);
                if entries.len() == entries.capacity() {
                    entries.reserve_exact(growth(entries.len()));
                    self.used.reserve_exact(growth(entries.len()));
                }
                self.used.push(Stamp::new(now_s));
                entries.push(Entry { key: Blob::from(key), value });
                if !self.expiries.is_empty() {
                    self.expiries.push(NEVER);
                }
                None
            }
        }
    }

    /// Removes a key and returns its value and expiry time. The last entry moves to its place.
    pub fn remove(
        &mut self,
        hash: u64,
        key: &[u8],
        rehash: impl Fn(&[u8]) -> u64,
    ) -> Option<(Value, Option<i64>)> {
        let entries = &mut self.entries;
        let is_it = |at: &u32| entries[*at as usize].key == *key;
        let (place, _) = self.index.find_entry(hash, is_it).ok()?.remove();
        let last = entries.len() as u32 - 1;
        if place != last {
            let hash = rehash(&entries[last as usize].key);
            if let Some(moved) = self.index.find_mut(hash, |at| *at == last) {
                *moved = place;
            }
        }
        let expiry = self.expiry_at(place as usize);
        let removed = self.entries.swap_remove(place as usize);
        self.used.swap_remove(place as usize);
        if !self.expiries.is_empty() {
            self.expiries.swap_remove(place as usize);
        }
        Some((removed.value, expiry))
    }

    pub fn expiry(&self, hash: u64, key: &[u8]) -> Option<i64> {
        if self.expiries.is_empty() {
            return None;
        }
        self.expiry_at(self.find(hash, key)?)
    }

    /// Sets or clears the expiry time of a key that is there, and returns the previous one.
    pub fn set_expiry(&mut self, hash: u64, key: &[u8], at: Option<i64>) -> Option<i64> {
        let place = self.find(hash, key)?;
        let old = self.expiry_at(place);
        if at.is_some() && self.expiries.is_empty() {
            self.expiries = vec![NEVER; self.entries.len()];
        }
        if let Some(expiry) = self.expiries.get_mut(place) {
            *expiry = at.map_or(NEVER, |at| at.max(NEVER + 1));
            self.earliest = self.earliest.min(at.unwrap_or(i64::MAX));
        }
        old
    }

    /// Whether a key may be due.
    pub fn may_be_due(&self, now_ms: i64) -> bool {
        self.earliest < now_ms
    }

    /// Adds keys whose time has come to `due` until that holds `max`.
    pub fn due(&mut self, now_ms: i64, max: usize, due: &mut Vec<Blob>) {
        let mut earliest = i64::MAX;
        for (entry, at) in self.entries.iter().zip(&self.expiries) {
            if *at == NEVER {
                continue;
            }
            if *at < now_ms && due.len() < max {
                due.push(entry.key.clone());
            }
            earliest = earliest.min(*at);
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

    /// The key at a place below [`Segment::len`].
    pub fn key_at(&self, place: usize) -> Option<&Blob> {
        self.entries.get(place).map(|entry| &entry.key)
    }

    /// All entries, and when they expire.
    pub fn iter(&self) -> impl Iterator<Item = (&Entry, Option<i64>)> {
        self.entries.iter().enumerate().map(|(place, entry)| (entry, self.expiry_at(place)))
    }

    /// Bytes of the tables themselves, without what keys and values hold on the heap.
    pub fn table_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.index.allocation_size()
            + self.used.capacity() * size_of::<Stamp>()
            + self.expiries.capacity() * size_of::<i64>()
    }
}

/// How many entries room is made for when there is none: an eighth more, since doubling would leave
/// a third of all memory unused.
fn growth(len: usize) -> usize {
    (len / 8).max(4)
}
