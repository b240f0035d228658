//! A hash table whose entries lie one after the other: the ground of hashes, sets and sorted sets.
//!
//! Entries have indices `0..len`, which makes drawing one at random cheap, and walking too: a walk
//! goes from the last entry to the first, and its cursor is how many are left. A removal moves the
//! last entry to the gap, so only ever down. What a walk has not reached yet stays below its cursor
//! and is reached, whatever happens between two steps.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use crate::keyspace::Blob;
use crate::keyspace::value::blob_heap_bytes;

const HASHER: FixedState = FixedState::with_seed(0);

/// What an entry may carry.
pub trait Payload: Clone {
    /// Bytes that it holds on the heap.
    fn heap_bytes(&self) -> usize;
}

impl Payload for () {
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Payload for f64 {
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Payload for Blob {
    fn heap_bytes(&self) -> usize {
        blob_heap_bytes(self)
    }
}

/// A map from byte strings.
#[derive(Debug, Clone)]
pub(super) struct Dense<V> {
    entries: Vec<(Blob, V)>,
    /// Indices of entries, by the hash of their names.
    index: HashTable<u32>,
    /// Bytes that names and payloads hold beside the tables.
    heap_bytes: usize,
}

impl<V> Default for Dense<V> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: HashTable::new(), heap_bytes: 0 }
    }
}

impl<V: PartialEq> PartialEq for Dense<V> {
    /// Equal if they hold the same, in whatever order.
    fn eq(&self, other: &Self) -> bool {
        let held = |name: &Blob| other.find(name).map(|at| &other.entries[at].1);
        self.entries.len() == other.entries.len()
            && self.entries.iter().all(|(name, value)| held(name) == Some(value))
    }
}

impl<V> Dense<V> {
    fn find(&self, name: &[u8]) -> Option<usize> {
        let is_it = |at: &u32| self.entries[*at as usize].0 == *name;
        self.index.find(hash(name), is_it).map(|at| *at as usize)
    }
}

impl<V: Payload> Dense<V> {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn contains(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    pub fn get(&self, name: &[u8]) -> Option<&V> {
        self.find(name).map(|at| &self.entries[at].1)
    }

    /// The entry at an index.
    pub fn at(&self, index: usize) -> Option<&(Blob, V)> {
        self.entries.get(index)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, (Blob, V)> {
        self.entries.iter()
    }

    /// Adds an entry or replaces what it carries; returns what it carried.
    pub fn insert(&mut self, name: Blob, value: V) -> Option<V> {
        let entries = &mut self.entries;
        let is_it = |at: &u32| entries[*at as usize].0 == name;
        let rehash = |at: &u32| hash(&entries[*at as usize].0);
        self.heap_bytes += value.heap_bytes();
        match self.index.entry(hash(&name), is_it, rehash) {
            Slot::Occupied(at) => {
                let held = &mut entries[*at.get() as usize].1;
                self.heap_bytes -= held.heap_bytes();
                Some(std::mem::replace(held, value))
            }
            Slot::Vacant(slot) => {
                slot.insert(entries.len() as u32);
                self.heap_bytes += blob_heap_bytes(&name);
                entries.push((name, value));
                None
            }
        }
    }

    /// Removes an entry. Keeping the others in order takes time in proportion to their number.
    pub fn remove(&mut self, name: &[u8], keep_order: bool) -> Option<(Blob, V)> {
        let entries = &self.entries;
        let is_it = |at: &u32| entries[*at as usize].0 == *name;
        let (at, _) = self.index.find_entry(hash(name), is_it).ok()?.remove();
        let last = self.entries.len() as u32 - 1;
        let removed = if keep_order {
            self.index.iter_mut().filter(|other| **other > at).for_each(|other| *other -= 1);
            self.entries.remove(at as usize)
        } else {
            let moved = hash(&self.entries[last as usize].0);
            if let Some(index) = self.index.find_mut(moved, |other| *other == last) {
                *index = at;
            }
            self.entries.swap_remove(at as usize)
        };
        self.heap_bytes -= blob_heap_bytes(&removed.0) + removed.1.heap_bytes();
        Some(removed)
    }

    /// The next `count` entries of a walk, and its next cursor: 0 begins one, and 0 ends it.
    pub fn walk(&self, cursor: u64, count: usize) -> (impl Iterator<Item = &(Blob, V)>, u64) {
        let len = self.entries.len();
        let left = if cursor == 0 { len } else { len.min(cursor as usize) };
        let rest = left.saturating_sub(count);
        (self.entries[rest..left].iter().rev(), rest as u64)
    }

    pub fn heap_bytes(&self) -> usize {
        let tables =
            self.entries.capacity() * size_of::<(Blob, V)>() + self.index.allocation_size();
        tables + self.heap_bytes
    }
}

fn hash(name: &[u8]) -> u64 {
    HASHER.hash_one(name)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::base::rng::Dice;

    fn name(n: u64) -> Blob {
        Blob::from(
            format!("a name that may be {} long {n}", "very ".repeat(n as usize % 4)).as_bytes(),
        )
    }

    #[test]
    fn behaves_like_a_map_and_knows_its_bytes() {
        let mut dice = Dice::new(9);
        let (mut dense, mut model) = (Dense::default(), BTreeMap::new());
        for _ in 0..20_000 {
            let (name, value) = (name(dice.below(200)), name(dice.below(50)));
            match dice.below(3) {
                0 => {
                    let removed = dense.remove(&name, dice.chance(1, 2));
                    assert_eq!(removed, model.remove_entry(&name));
                }
                _ => {
                    assert_eq!(
                        dense.insert(name.clone(), value.clone()),
                        model.insert(name, value)
                    );
                }
            }
            assert_eq!(dense.len(), model.len());
        }
        let bytes: usize = model.iter().map(|(n, v)| blob_heap_bytes(n) + blob_heap_bytes(v)).sum();
        assert_eq!(dense.heap_bytes, bytes);
        for n in 0..200 {
            assert_eq!(dense.get(&name(n)), model.get(&name(n)));
        }
    }

    #[test]
    fn order_is_kept_when_asked_for() {
        let mut dense = Dense::default();
        for n in 0..10 {
            dense.insert(name(n), ());
        }
        dense.remove(&name(3), true);
        let names: Vec<_> = dense.iter().map(|(name, ())| name.clone()).collect();
        assert_eq!(names, [0, 1, 2, 4, 5, 6, 7, 8, 9].map(name));
    }

    #[test]
    fn a_walk_reaches_every_entry_that_stays_while_others_come_and_go() {
        let mut dice = Dice::new(2);
        let mut dense = Dense::default();
        for n in 0..1000 {
            dense.insert(name(n), ());
        }
        let (mut seen, mut cursor) = (BTreeSet::new(), 0);
        loop {
            let (entries, next) = dense.walk(cursor, 10);
            seen.extend(entries.map(|(name, ())| name.clone()));
            cursor = next;
            if cursor == 0 {
                break;
            }
            // The even ones stay.
            dense.remove(&name(dice.below(500) * 2 + 1), false);
            dense.insert(name(1000 + dice.below(1000)), ());
        }
        assert!((0..500).all(|n| seen.contains(&name(n * 2))));
    }
}
