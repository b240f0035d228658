//! A hash table whose entries lie one after the other: the ground of hashes, sets and sorted sets.
//!
//! Entries have indices `0..len`, which makes drawing one at random cheap, and walking too: a walk
//! goes from the last entry to the first, and its cursor is how many are left. A removal moves the
//! last entry to the gap, so only ever down. What a walk has not reached yet stays below its cursor
//! and is reached, whatever happens between two steps.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::index::Index;
use super::rope::{self, Rope};
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

/// A map from byte strings. Copying one takes little time, whatever its size.
#[derive(Debug, Clone)]
pub(super) struct Dense<V> {
    entries: Rope<(Blob, V)>,
    /// Indices of entries, by the hash of their names; empty while there are only a few.
    index: Index,
    /// Bytes that names and payloads hold beside the tables.
    heap_bytes: usize,
}

/// Entries in order.
pub(super) type Iter<'a, V> = rope::Iter<'a, (Blob, V)>;

/// So many entries are found by looking at all.
const UNINDEXED_MAX: usize = 8;

impl<V> Default for Dense<V> {
    fn default() -> Self {
        Self { entries: Rope::default(), index: Index::default(), heap_bytes: 0 }
    }
}

impl<V: PartialEq> PartialEq for Dense<V> {
    /// Equal if they hold the same, in whatever order.
    fn eq(&self, other: &Self) -> bool {
        let held = |name: &Blob| other.find(name).and_then(|at| Some(&other.entries.get(at)?.1));
        self.entries.len() == other.entries.len()
            && self.entries.iter().all(|(name, value)| held(name) == Some(value))
    }
}

impl<V> Dense<V> {
    fn find(&self, name: &[u8]) -> Option<usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|(held, _)| *held == *name);
        }
        self.index.find(hash(name), |at| self.has(at, name))
    }

    fn has(&self, at: usize, name: &[u8]) -> bool {
        self.entries.get(at).is_some_and(|(held, _)| *held == *name)
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
        self.entries.get(self.find(name)?).map(|(_, value)| value)
    }

    /// The entry at an index.
    pub fn at(&self, index: usize) -> Option<&(Blob, V)> {
        self.entries.get(index)
    }

    pub fn iter(&self) -> Iter<'_, V> {
        self.entries.iter()
    }

    /// Adds an entry or replaces what it carries; returns what it carried.
    pub fn insert(&mut self, name: Blob, value: V) -> Option<V> {
        self.heap_bytes += value.heap_bytes();
        if let Some((_, held)) = self.find(&name).and_then(|at| self.entries.get_mut(at)) {
            self.heap_bytes -= held.heap_bytes();
            return Some(std::mem::replace(held, value));
        }
        self.heap_bytes += blob_heap_bytes(&name);
        let at = self.entries.len();
        self.entries.push((name, value));
        let hash_at = |at| self.entries.get(at).map_or(0, |(name, _)| hash(name));
        if !self.index.is_empty() {
            self.index.insert(hash_at(at), at, hash_at);
        } else if at >= UNINDEXED_MAX {
            (0..=at).for_each(|at| self.index.insert(hash_at(at), at, hash_at));
        }
        None
    }

    /// Removes an entry. Keeping the others in order takes time in proportion to their number.
    pub fn remove(&mut self, name: &[u8], keep_order: bool) -> Option<(Blob, V)> {
        let at = self.find(name)?;
        let last = self.entries.len() - 1;
        if !self.index.is_empty() {
            let entries = &self.entries;
            let hash_at = |at| entries.get(at).map_or(0, |(name, _)| hash(name));
            self.index.remove(hash(name), |other| other == at);
            if keep_order {
                self.index.close_gap(at);
            } else if at != last {
                self.index.moved(hash_at(last), last, at);
            }
        }
        let removed =
            if keep_order { self.entries.remove(at) } else { self.entries.swap_remove(at) }?;
        if self.entries.len() <= UNINDEXED_MAX / 2 {
            self.index = Index::default();
        }
        self.heap_bytes -= blob_heap_bytes(&removed.0) + removed.1.heap_bytes();
        Some(removed)
    }

    /// The next `count` entries of a walk, and its next cursor: 0 begins one, and 0 ends it.
    pub fn walk(&self, cursor: u64, count: usize) -> (impl Iterator<Item = &(Blob, V)>, u64) {
        let len = self.entries.len();
        let left = if cursor == 0 { len } else { len.min(cursor as usize) };
        let rest = left.saturating_sub(count);
        (self.entries.range(rest..left).rev(), rest as u64)
    }

    pub fn heap_bytes(&self) -> usize {
        self.entries.table_bytes() + self.index.table_bytes() + self.heap_bytes
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
