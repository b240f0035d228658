//! One database: segments by hash, with expiry times and SCAN in hash order.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::segment::Segment;
use super::value::blob_heap_bytes;
use super::{Blob, Value};
use crate::base::rng::Dice;

/// Segments of a database that holds anything.
const SEGMENTS: usize = 1 << SEGMENT_BITS;
const SEGMENT_BITS: u32 = 10;

/// A key's place in the order of SCAN has this many bits. The segment's number is on top.
const PLACE_BITS: u32 = 48;

/// The bit above those that choose a segment. hashbrown uses the lowest bits of a hash to choose a
/// bucket and the highest seven to tell keys apart, so the segment's bits are in the middle.
const SEGMENT_TOP_BIT: u32 = 42;

/// One database.
#[derive(Clone)]
pub struct Db {
    /// Empty until the first key is stored, then [`SEGMENTS`] long.
    segments: Vec<Arc<Segment>>,
    hasher: FixedState,
    seed: u64,
    len: usize,
    expiring: usize,
    /// Bytes of the segments' tables.
    table_bytes: usize,
    /// Bytes that keys and values hold beside the tables.
    heap_bytes: usize,
    /// Where [`Db::due`] goes on.
    due_cursor: usize,
    /// Seconds since the epoch; 0 in one that is being loaded.
    now_s: u32,
    /// When it was loaded: what was not used since then counts as used at that time.
    loaded_s: u32,
}

impl Db {
    /// An empty database.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            segments: Vec::new(),
            hasher: FixedState::with_seed(seed),
            seed,
            len: 0,
            expiring: 0,
            table_bytes: 0,
            heap_bytes: 0,
            due_cursor: 0,
            now_s: 0,
            loaded_s: 0,
        }
    }

    /// An empty database with the same seed.
    pub(super) fn empty_like(other: &Self) -> Self {
        Self { now_s: other.now_s, loaded_s: other.loaded_s, ..Self::new(other.seed) }
    }

    /// Lets it know the time (seconds since the epoch).
    pub(super) fn set_time(&mut self, now_s: u32) {
        if self.now_s == 0 {
            self.loaded_s = now_s;
        }
        self.now_s = now_s;
    }

    /// The value of a key, expired or not.
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        let hash = self.hash(key);
        self.segment(hash)?.get(hash, key)
    }

    /// The value of a key and when it expires (ms since the epoch), in one look.
    pub fn get_with_expiry(&self, key: &[u8]) -> Option<(&Value, Option<i64>)> {
        let hash = self.hash(key);
        self.segment(hash)?.get_with_expiry(hash, key)
    }

    /// [`Db::get_with_expiry`], which is a use of the key.
    pub fn look_up(&self, key: &[u8]) -> Option<(&Value, Option<i64>)> {
        let hash = self.hash(key);
        self.segment(hash)?.look_up(hash, key, self.now_s)
    }

    /// How many seconds ago a key was last used.
    pub fn idle_s(&self, key: &[u8]) -> Option<u32> {
        let hash = self.hash(key);
        let used_at = self.segment(hash)?.used_at(hash, key)?;
        let used_at = if used_at == 0 { self.loaded_s } else { used_at };
        Some(self.now_s.saturating_sub(used_at))
    }

    /// A key was last used so many seconds ago. Does nothing if there is no such key.
    pub fn set_idle(&self, key: &[u8], idle_s: u32) {
        let hash = self.hash(key);
        if let Some(segment) = self.segment(hash) {
            segment.look_up(hash, key, self.now_s.saturating_sub(idle_s).max(1));
        }
    }

    /// When a key expires (ms since the epoch), if it does.
    pub fn expiry(&self, key: &[u8]) -> Option<i64> {
        let hash = self.hash(key);
        self.segment(hash)?.expiry(hash, key)
    }

    /// Whether there is such a key, expired or not.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// Stores a value and returns the one it replaces. An expiry time stays as it is.
    pub fn set(&mut self, key: &[u8], value: Value) -> Option<Value> {
        let hash = self.hash(key);
        let added = value.heap_bytes();
        let (hasher, now_s) = (self.hasher.clone(), self.now_s);
        let old = self.change(hash, |s| s.set(hash, key, value, now_s, |k| hash_of(&hasher, k)));
        self.heap_bytes += added;
        if let Some(old) = &old {
            self.heap_bytes -= old.heap_bytes();
        } else {
            self.len += 1;
            self.heap_bytes += key_heap_bytes(key);
        }
        old
    }

    /// Changes a value in place.
    pub fn update<R>(&mut self, key: &[u8], change: impl FnOnce(&mut Value) -> R) -> Option<R> {
        let hash = self.hash(key);
        self.segment(hash)?.get(hash, key)?;
        let (result, before, after) = self.change(hash, |segment| {
            let value = segment.get_mut(hash, key)?;
            let before = value.heap_bytes();
            Some((change(value), before, value.heap_bytes()))
        })?;
        self.heap_bytes = self.heap_bytes - before + after;
        Some(result)
    }

    /// Removes a key and returns its value and expiry time.
    pub fn remove(&mut self, key: &[u8]) -> Option<(Value, Option<i64>)> {
        let hash = self.hash(key);
        self.segment(hash)?.get(hash, key)?;
        let hasher = self.hasher.clone();
        let (value, expiry) =
            self.change(hash, |s| s.remove(hash, key, |k| hash_of(&hasher, k)))?;
        self.len -= 1;
        self.expiring -= usize::from(expiry.is_some());
        self.heap_bytes -= value.heap_bytes() + key_heap_bytes(key);
        Some((value, expiry))
    }

    /// Sets or clears the expiry time of a key and returns the previous one. Does nothing if there
    /// is no such key.
    pub fn set_expiry(&mut self, key: &[u8], at: Option<i64>) -> Option<i64> {
        let hash = self.hash(key);
        let (_, old) = self.segment(hash)?.get_with_expiry(hash, key)?;
        if at != old {
            self.change(hash, |segment| segment.set_expiry(hash, key, at));
            self.expiring = self.expiring + usize::from(at.is_some()) - usize::from(old.is_some());
        }
        old
    }

    /// Up to `max` keys whose expiry time is before `now_ms`. Looks only at segments that may hold
    /// one, and goes round, so that calling it again and again finds them all.
    pub fn due(&mut self, now_ms: i64, max: usize) -> Vec<Blob> {
        let mut due = Vec::new();
        if self.expiring == 0 {
            return due;
        }
        for _ in 0..self.segments.len() {
            let index = self.due_cursor;
            if self.segments[index].may_be_due(now_ms) {
                self.change_segment(index, |segment| segment.due(now_ms, max, &mut due));
                if due.len() >= max {
                    break;
                }
            }
            self.due_cursor = (index + 1) % self.segments.len();
        }
        due
    }

    /// No key expires before this (ms since the epoch); `None` if no key expires at all.
    pub fn earliest_expiry(&self) -> Option<i64> {
        if self.expiring == 0 {
            return None;
        }
        self.segments.iter().map(|s| s.earliest()).min()
    }

    /// Calls `visit` for about `count` keys from `cursor` on, and returns where to go on: 0 at the
    /// end. A walk starts with 0.
    pub fn scan(
        &self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(&Blob, &Value, Option<i64>),
    ) -> u64 {
        let Some(mut index) = self.first_segment(cursor) else { return 0 };
        let (mut cursor, mut left) = (cursor, count.max(1));
        while index < self.segments.len() {
            let mut here: Vec<_> = self.segments[index]
                .iter()
                .map(|(entry, expiry)| (place(self.hash(&entry.key)), entry, expiry))
                .filter(|(place, ..)| *place >= cursor)
                .collect();
            here.sort_unstable_by_key(|(place, ..)| *place);
            let mut last = None;
            for (place, entry, expiry) in here {
                // Keys in one place are never parted, or the cursor could not tell them apart.
                if left == 0 && last != Some(place) {
                    return place;
                }
                visit(&entry.key, &entry.value, expiry);
                last = Some(place);
                left = left.saturating_sub(1);
            }
            index += 1;
            cursor = 0;
        }
        0
    }

    /// A random key, each about as likely as any other.
    pub fn random_key(&self, dice: &mut Dice) -> Option<&Blob> {
        let mut nth = dice.below(self.len as u64) as usize;
        for segment in &self.segments {
            if nth < segment.len() {
                return segment.key_at(nth);
            }
            nth -= segment.len();
        }
        None
    }

    /// All keys with values and expiry times, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&Blob, &Value, Option<i64>)> {
        (0..self.parts()).flat_map(|part| self.part(part))
    }

    /// How many parts the database has. A write copies the part it changes if a snapshot still
    /// refers to it.
    pub fn parts(&self) -> usize {
        self.segments.len()
    }

    /// The keys of a part, which is below [`Db::parts`]. Skipping some takes no time.
    pub fn part(&self, part: usize) -> impl Iterator<Item = (&Blob, &Value, Option<i64>)> {
        self.segments[part].iter().map(|(entry, expiry)| (&entry.key, &entry.value, expiry))
    }

    /// A snapshot's reader is done with a part, which it need not hold any longer.
    pub(super) fn let_go_of(&mut self, part: usize) {
        let segment = std::mem::take(&mut self.segments[part]);
        self.table_bytes -= segment.table_bytes();
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::empty_like(self);
    }

    /// Keys, expired ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys with an expiry time.
    pub fn expiring_len(&self) -> usize {
        self.expiring
    }

    /// Bytes accounted to this database: tables, keys and values.
    pub fn memory_bytes(&self) -> usize {
        self.table_bytes + self.heap_bytes
    }

    /// Of these, the tables.
    pub fn table_bytes(&self) -> usize {
        self.table_bytes
    }

    fn hash(&self, key: &[u8]) -> u64 {
        hash_of(&self.hasher, key)
    }

    fn segment(&self, hash: u64) -> Option<&Segment> {
        self.segments.get(segment_index(hash)).map(|s| &**s)
    }

    /// Changes the segment of a hash, which is there from the first change on.
    fn change<R>(&mut self, hash: u64, change: impl FnOnce(&mut Segment) -> R) -> R {
        if self.segments.is_empty() {
            let empty = Arc::new(Segment::default());
            self.segments = vec![empty; SEGMENTS];
        }
        self.change_segment(segment_index(hash), change)
    }

    fn change_segment<R>(&mut self, index: usize, change: impl FnOnce(&mut Segment) -> R) -> R {
        let segment = &mut self.segments[index];
        let before = segment.table_bytes();
        let result = change(Arc::make_mut(segment));
        self.table_bytes = self.table_bytes - before + segment.table_bytes();
        result
    }

    fn first_segment(&self, cursor: u64) -> Option<usize> {
        let index = (cursor >> (PLACE_BITS - SEGMENT_BITS)) as usize;
        (index < self.segments.len()).then_some(index)
    }
}

/// Data may be large: only the counts are shown.
impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({} keys, {} with an expiry)", self.len, self.expiring)
    }
}

fn hash_of(hasher: &FixedState, key: &[u8]) -> u64 {
    hasher.hash_one(key)
}

fn segment_index(hash: u64) -> usize {
    (place(hash) >> (PLACE_BITS - SEGMENT_BITS)) as usize
}

/// A hash's place in the order of SCAN: its bits turned so that the segment's are on top.
fn place(hash: u64) -> u64 {
    hash.rotate_left(64 - SEGMENT_TOP_BIT) >> (64 - PLACE_BITS)
}

fn key_heap_bytes(key: &[u8]) -> usize {
    blob_heap_bytes(&Blob::from(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Db, Dice, Value};

    fn filled(keys: usize) -> Db {
        let mut db = Db::new(1);
        for i in 0..keys {
            db.set(format!("key:{i}").as_bytes(), Value::Int(i as i64));
        }
        db
    }

    #[test]
    fn behaves_like_a_map() {
        let mut db = Db::new(1);
        let mut model = BTreeMap::new();
        let mut dice = Dice::new(5);
        for _ in 0..20_000 {
            let key = format!("{}", dice.below(300)).into_bytes();
            match dice.below(4) {
                0 => assert_eq!(db.remove(&key), model.remove(&key),),
                1 => {
                    let at = Some(dice.below(1000) as i64);
                    if let Some((_, expiry)) = model.get_mut(&key) {
                        assert_eq!(db.set_expiry(&key, at), *expiry);
                        *expiry = at;
                    } else {
                        assert_eq!(db.set_expiry(&key, at), None);
                    }
                }
                _ => {
                    let value = Value::Int(dice.below(1 << 40) as i64);
                    db.set(&key, value.clone());
                    model.entry(key.clone()).or_insert((Value::Int(0), None)).0 = value;
                }
            }
            assert_eq!(db.len(), model.len());
            let expected = model.get(&key).map(|(v, at)| (v, *at));
            assert_eq!(db.get_with_expiry(&key), expected);
        }
        assert_eq!(db.expiring_len(), model.values().filter(|(_, at)| at.is_some()).count());
    }

    #[test]
    fn a_walk_returns_every_key_that_stays_exactly_once_while_others_come_and_go() {
        let mut db = filled(5000);
        let mut seen = BTreeMap::new();
        let mut cursor = 0;
        let mut step = 0;
        loop {
            cursor = db.scan(cursor, 10, |key, _, _| *seen.entry(key.clone()).or_insert(0) += 1);
            db.set(format!("new:{step}").as_bytes(), Value::Int(0));
            db.remove(format!("key:{}", 4000 + step % 1000).as_bytes());
            step += 1;
            if cursor == 0 {
                break;
            }
        }
        for i in 0..4000 {
            assert_eq!(seen.get(format!("key:{i}").as_bytes()), Some(&1), "key:{i}");
        }
    }

    #[test]
    fn finds_the_keys_that_are_due_and_no_others() {
        let mut db = filled(1000);
        for i in 0..1000 {
            db.set_expiry(format!("key:{i}").as_bytes(), Some(i));
        }
        assert_eq!(db.earliest_expiry(), Some(0));
        let mut gone = 0;
        loop {
            let due = db.due(300, 7);
            if due.is_empty() {
                break;
            }
            for key in due {
                assert!(db.remove(&key).is_some_and(|(_, at)| at < Some(300)));
                gone += 1;
            }
        }
        assert_eq!((gone, db.len()), (300, 700));
        assert!(db.earliest_expiry() >= Some(300));
    }

    #[test]
    fn memory_returns_to_the_tables_when_all_is_removed() {
        let mut db = Db::new(1);
        let long = "x".repeat(500);
        for i in 0..100 {
            db.set(format!("a rather long key number {i}").as_bytes(), Value::from(&*long));
        }
        assert!(db.memory_bytes() > 50_000);
        for i in 0..100 {
            db.remove(format!("a rather long key number {i}").as_bytes());
        }
        assert_eq!(db.heap_bytes, 0);
        let tables: usize = db.segments.iter().map(|s| s.table_bytes()).sum();
        assert_eq!(db.memory_bytes(), tables);
    }

    #[test]
    fn random_keys_reach_everything() {
        let db = filled(20);
        let mut dice = Dice::new(3);
        let seen: std::collections::BTreeSet<_> =
            (0..500).filter_map(|_| db.random_key(&mut dice).cloned()).collect();
        assert_eq!(seen.len(), 20);
        assert_eq!(Db::new(1).random_key(&mut dice), None);
    }
}
