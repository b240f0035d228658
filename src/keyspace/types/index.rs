//! Places by hash: where the entry of a name is.
//!
//! Many small tables instead of a large one, chosen by some bits of the hash. As entries are added,
//! one table after the other is parted in two (linear hashing), so that no single insertion moves
//! everything, and a change after a copy copies one table.

use std::sync::Arc;

use hashbrown::HashTable;

/// How many places a table holds on average when the next one is parted.
const TABLE_MEAN: usize = 448;

/// hashbrown uses the lowest bits of a hash and the highest seven; these are in between.
const TABLE_BIT: u32 = 30;

/// Places by hash.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    tables: Vec<Arc<HashTable<u32>>>,
    len: usize,
}

impl Index {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place of this hash that is the one sought.
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        let table = self.tables.get(table_of(hash, self.tables.len()))?;
        table.find(hash, |place| is_it(*place as usize)).map(|place| *place as usize)
    }

    /// Adds a place of this hash. `hash_at` tells the hash of any place that is there.
    pub fn insert(&mut self, hash: u64, place: usize, hash_at: impl Fn(usize) -> u64) {
        if self.len >= self.tables.len() * TABLE_MEAN {
            self.part(&hash_at);
        }
        let nth = table_of(hash, self.tables.len());
        let table = Arc::make_mut(&mut self.tables[nth]);
        table.insert_unique(hash, place as u32, |place| hash_at(*place as usize));
        self.len += 1;
    }

    /// Removes the place of this hash that is the one sought, and returns it.
    pub fn remove(&mut self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let nth = table_of(hash, self.tables.len());
        let table = Arc::make_mut(self.tables.get_mut(nth)?);
        let found = table.find_entry(hash, |place| is_it(*place as usize)).ok()?;
        self.len -= 1;
        Some(found.remove().0 as usize)
    }

    /// What was at a place is at another one now.
    pub fn moved(&mut self, hash: u64, from: usize, to: usize) {
        let nth = table_of(hash, self.tables.len());
        let table = self.tables.get_mut(nth).map(Arc::make_mut);
        if let Some(place) = table.and_then(|t| t.find_mut(hash, |place| *place as usize == from)) {
            *place = to as u32;
        }
    }

    /// Everything after a place has moved up by one.
    pub fn close_gap(&mut self, gap: usize) {
        for table in &mut self.tables {
            let after = Arc::make_mut(table).iter_mut().filter(|place| **place as usize > gap);
            after.for_each(|place| *place -= 1);
        }
    }

    /// Bytes of the tables, about.
    pub fn table_bytes(&self) -> usize {
        let first = self.tables.first().map_or(0, |table| table.allocation_size());
        self.tables.len() * (first + size_of::<HashTable<u32>>())
    }

    /// Adds a table, and moves to it what belongs there now.
    fn part(&mut self, hash_at: &impl Fn(usize) -> u64) {
        let new = self.tables.len();
        self.tables.push(Arc::default());
        let Some(power) = new.checked_ilog2() else { return };
        let tables = new + 1;
        let table = Arc::make_mut(&mut self.tables[new - (1 << power)]);
        let goes = |place: &mut u32| table_of(hash_at(*place as usize), tables) == new;
        let going: Vec<u32> = table.extract_if(goes).collect();
        let rehash = |place: &u32| hash_at(*place as usize);
        table.shrink_to_fit(rehash);
        let table = Arc::make_mut(&mut self.tables[new]);
        table.reserve(going.len(), rehash);
        for place in going {
            table.insert_unique(rehash(&place), place, rehash);
        }
    }
}

/// Which of so many tables a hash belongs to: the tables that are not there yet are still part of
/// those that are half as far.
fn table_of(hash: u64, tables: usize) -> usize {
    let bits = (hash >> TABLE_BIT) as usize;
    let all = tables.next_power_of_two();
    let nth = bits & (all - 1);
    if nth < tables { nth } else { nth - all / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Dice;

    /// Hashes by place.
    fn hashes(count: usize) -> Vec<u64> {
        let mut dice = Dice::new(8);
        (0..count).map(|_| dice.bits()).collect()
    }

    fn filled(hashes: &[u64]) -> Index {
        let mut index = Index::default();
        for (place, hash) in hashes.iter().enumerate() {
            index.insert(*hash, place, |place| hashes[place]);
        }
        index
    }

    #[test]
    fn places_are_found_while_tables_are_parted() {
        let hashes = hashes(20_000);
        let mut index = Index::default();
        for (place, hash) in hashes.iter().enumerate() {
            index.insert(*hash, place, |place| hashes[place]);
            let old = place / 2;
            assert_eq!(index.find(hashes[old], |found| found == old), Some(old));
        }
        assert_eq!(index.find(hashes[0] ^ 1, |found| hashes[found] == hashes[0] ^ 1), None);
        for (place, hash) in hashes.iter().enumerate().step_by(2) {
            assert_eq!(index.remove(*hash, |found| found == place), Some(place));
        }
        let found = |place: usize| index.find(hashes[place], |found| found == place).is_some();
        assert!((0..hashes.len()).all(|place| found(place) == (place % 2 == 1)));
    }

    #[test]
    fn no_table_is_large_and_a_change_copies_one() {
        let hashes = hashes(20_000);
        let index = filled(&hashes);
        assert!(index.tables.iter().all(|table| table.len() < TABLE_MEAN * 3));
        let mut copy = index.clone();
        copy.moved(hashes[7], 7, 20_000);
        assert_eq!(index.find(hashes[7], |found| found == 7), Some(7));
        let shared = index.tables.iter().zip(&copy.tables).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), index.tables.len() - 1);
    }
}
