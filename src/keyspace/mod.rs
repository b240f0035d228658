//! Floor 2: the data of a node, and pictures of it that cost next to nothing.
//!
//! # A snapshot is a reference
//!
//! A database is a fixed number of *segments*, each a small hash table behind an `Arc`; a key's hash
//! says which one it lives in. A [`Snapshot`] clones the pointers, which takes microseconds whatever
//! the size of the data. Afterwards the first write to a segment copies that segment (about a
//! thousandth of the keys), later writes to it are as cheap as ever. BGSAVE, a full resync and the
//! key browser all read one snapshot type, on another thread, while the node serves.
//!
//! A collection is one value, but the large ones are trees whose nodes are shared ([`types`]): the
//! first write to a huge one after a snapshot copies some nodes, not a million elements.
//!
//! # Expiry
//!
//! The keyspace stores expiry times and finds keys that are due ([`Db::due`]); it never decides that
//! a key is gone. Whether an overdue key is deleted (a primary) or only hidden (a replica) is the
//! server's business.
//!
//! # Cursors
//!
//! SCAN walks keys in the order of their hash, which does not change while a table grows or
//! shrinks. So a cursor is simply the place in that order where the next call goes on, a key that
//! stays is returned exactly once, and no state is kept between calls.
//!
//! # Differences from Redis
//!
//! * A string of up to 44 bytes is `embstr` also after APPEND and SETRANGE: Redis says `raw` then.
//! * A SCAN cursor is a number below 2^48 that grows, and no key that stays is returned twice.

mod db;
mod digest;
pub mod listpack;
mod segment;
pub mod types;
mod value;

pub use ecow::EcoBytes as Blob;

pub use self::db::Db;
pub use self::digest::{digest, value_digest};
pub use self::value::{Kind, Value};

/// Directive `databases`: how many there are unless configured otherwise.
pub const DATABASES_DEFAULT: usize = 16;

/// All databases of a node.
#[derive(Debug, Clone)]
pub struct Keyspace {
    dbs: Vec<Db>,
    version: u64,
    now_s: u32,
}

/// The data as it was at one moment. Cloning one is cheap.
#[derive(Debug, Clone)]
pub struct Snapshot {
    dbs: Vec<Db>,
}

impl Keyspace {
    /// `databases` empty databases whose hash tables are seeded with `seed`, so that nobody outside
    /// can guess which keys collide, and a run can be replayed.
    pub fn new(databases: usize, seed: u64) -> Self {
        Self { dbs: (0..databases).map(|_| Db::new(seed)).collect(), version: 0, now_s: 0 }
    }

    /// Lets the data know the time (seconds since the epoch), by which it knows how long keys are
    /// idle.
    pub fn set_time(&mut self, now_s: u32) {
        if self.now_s != now_s {
            self.now_s = now_s;
            self.dbs.iter_mut().for_each(|db| db.set_time(now_s));
        }
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    /// A database. `index` must be below [`Keyspace::databases`].
    pub fn db(&self, index: usize) -> &Db {
        &self.dbs[index]
    }

    /// A database, to be changed. `index` must be below [`Keyspace::databases`].
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        self.version += 1;
        &mut self.dbs[index]
    }

    /// All databases in order.
    pub fn iter(&self) -> impl Iterator<Item = &Db> {
        self.dbs.iter()
    }

    /// Exchanges two databases. Both indices must be below [`Keyspace::databases`].
    pub fn swap(&mut self, a: usize, b: usize) {
        self.version += 1;
        self.dbs.swap(a, b);
    }

    /// Empties every database and returns what was in them, so that the owner can let go of it
    /// where that does not stall anybody.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let empty = Self {
            dbs: self.dbs.iter().map(Db::empty_like).collect(),
            version: self.version + 1,
            now_s: self.now_s,
        };
        std::mem::replace(self, empty)
    }

    /// Keys in all databases.
    pub fn keys(&self) -> u64 {
        self.dbs.iter().map(|db| db.len() as u64).sum()
    }

    /// Keys with an expiry time in all databases.
    pub fn expiring_keys(&self) -> u64 {
        self.dbs.iter().map(|db| db.expiring_len() as u64).sum()
    }

    /// Bytes accounted to the data.
    pub fn memory_bytes(&self) -> u64 {
        self.dbs.iter().map(|db| db.memory_bytes() as u64).sum()
    }

    /// Grows whenever the data may have changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The data as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { dbs: self.dbs.clone() }
    }
}

impl Snapshot {
    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    /// A database. `index` must be below [`Snapshot::databases`].
    pub fn db(&self, index: usize) -> &Db {
        &self.dbs[index]
    }

    /// Keys in all databases.
    pub fn keys(&self) -> u64 {
        self.dbs.iter().map(|db| db.len() as u64).sum()
    }

    /// Lets go of a part ([`Db::part`]) that has been read: the node's next write to it then copies
    /// nothing.
    pub fn let_go_of(&mut self, db: usize, part: usize) {
        self.dbs[db].let_go_of(part);
    }
}

impl Default for Keyspace {
    fn default() -> Self {
        Self::new(DATABASES_DEFAULT, 0)
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Keyspace::default().snapshot()
    }
}

#[cfg(test)]
mod tests {
    use super::{Keyspace, Value};

    #[test]
    fn a_snapshot_does_not_see_later_writes() {
        let mut data = Keyspace::default();
        data.db_mut(0).set(b"k", Value::from("old"));
        let snapshot = data.snapshot();
        data.db_mut(0).set(b"k", Value::from("new"));
        data.db_mut(0).set(b"l", Value::from("new"));
        data.db_mut(3).set(b"m", Value::from("new"));
        assert_eq!(snapshot.db(0).get(b"k"), Some(&Value::from("old")));
        assert_eq!(snapshot.keys(), 1);
        assert_eq!(data.keys(), 3);
    }

    #[test]
    fn take_leaves_empty_databases_and_returns_the_data() {
        let mut data = Keyspace::default();
        data.db_mut(2).set(b"k", Value::from("v"));
        let old = data.take();
        assert_eq!((old.keys(), data.keys(), data.databases()), (1, 0, old.databases()));
        assert_eq!(data.memory_bytes(), 0);
    }
}
