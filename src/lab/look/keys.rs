//! The keys of a node, as they were when it lent its data: filtered, in an order, a page at a time.

use super::peek::{self, Elements};
use crate::base::glob;
use crate::keyspace::{Blob, Snapshot, Value};
use crate::machine::{Millis, NodeData};

/// An order of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// By database and name.
    #[default]
    Name,
    /// The largest first.
    Size,
    /// What expires first, first; what never does, last.
    Ttl,
    /// By type.
    Type,
}

impl Sort {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Name => Self::Size,
            Self::Size => Self::Ttl,
            Self::Ttl => Self::Type,
            Self::Type => Self::Name,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Ttl => "TTL",
            Self::Type => "type",
        }
    }

    fn rank(self, key: &Blob, value: &Value, expiry: Option<i64>) -> i64 {
        match self {
            Self::Name => 0,
            Self::Size => -(size(key, value) as i64),
            Self::Ttl => expiry.unwrap_or(i64::MAX),
            Self::Type => value.kind() as i64,
        }
    }
}

/// The keys of a node. A row is looked up when it is shown, so a page costs the same however many
/// keys there are.
#[derive(Debug)]
pub struct Listing {
    /// The node.
    pub node: String,
    /// When it lent its data, in lab time.
    pub at_ms: Millis,
    /// The offset that the data stands for.
    pub offset: u64,
    /// Keys in all, whatever the pattern.
    pub keys: u64,
    /// The glob; empty for all.
    pub pattern: String,
    /// The order.
    pub sort: Sort,
    wall_ms: i64,
    snapshot: Snapshot,
    rows: Vec<(usize, Blob)>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: String,
    /// Its type, as TYPE names it.
    pub kind: &'static str,
    /// As OBJECT ENCODING names it.
    pub encoding: &'static str,
    /// Bytes of the key and its value.
    pub bytes: u64,
    /// Elements of a collection.
    pub elements: Option<usize>,
    /// Milliseconds that it had to live when the data was lent; none if it does not expire.
    pub ttl_ms: Option<i64>,
    /// The value on one line.
    pub peek: String,
}

impl Listing {
    pub(super) fn of(
        node: String,
        data: NodeData,
        pattern: String,
        sort: Sort,
        at_ms: Millis,
    ) -> Self {
        let NodeData { snapshot, wall_ms, offset, .. } = data;
        let is_wanted =
            |key: &Blob| pattern.is_empty() || glob::matches(pattern.as_bytes(), key.as_slice());
        let mut ranked: Vec<(i64, usize, Blob)> = Vec::new();
        for db in 0..snapshot.databases() {
            let keys = snapshot.db(db).iter().filter(|(key, ..)| is_wanted(key));
            ranked.extend(
                keys.map(|(key, value, expiry)| (sort.rank(key, value, expiry), db, key.clone())),
            );
        }
        ranked.sort_unstable_by(|a, b| {
            (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| a.2.as_slice().cmp(b.2.as_slice()))
        });
        let keys = snapshot.keys();
        let rows = ranked.into_iter().map(|(_, db, key)| (db, key)).collect();
        Self { node, at_ms, offset, keys, pattern, sort, wall_ms, snapshot, rows }
    }

    /// Keys that fit the pattern.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The key at a place below [`Listing::len`].
    pub fn row(&self, at: usize) -> Option<KeyRow> {
        let (db, key) = self.rows.get(at)?;
        let (value, expiry) = self.snapshot.db(*db).get_with_expiry(key)?;
        Some(KeyRow {
            db: *db,
            key: peek::text(key, KEY_BYTES_MAX),
            kind: value.kind().word(),
            encoding: value.encoding(),
            bytes: size(key, value),
            elements: peek::count(value),
            ttl_ms: expiry.map(|at| at - self.wall_ms),
            peek: peek::line(value),
        })
    }

    /// The first elements of the value of the key at a place.
    pub fn elements(&self, at: usize, max: usize) -> Option<Elements> {
        let (db, key) = self.rows.get(at)?;
        Some(peek::elements(self.snapshot.db(*db).get(key)?, max))
    }

    /// Where a key is that has the same name as one of an older listing.
    pub fn place_of(&self, older: &Self, at: usize) -> Option<usize> {
        let wanted = older.rows.get(at)?;
        match self.sort {
            Sort::Name => {
                let order = |(db, key): &(usize, Blob)| {
                    db.cmp(&wanted.0).then_with(|| key.as_slice().cmp(wanted.1.as_slice()))
                };
                self.rows.binary_search_by(order).ok()
            }
            _ => None,
        }
    }
}

/// Bytes of a key that are shown.
pub(super) const KEY_BYTES_MAX: usize = 200;

fn size(key: &Blob, value: &Value) -> u64 {
    let value_bytes = size_of::<Value>() + value.heap_bytes();
    (size_of::<Blob>() + key.len() + value_bytes) as u64
}

#[cfg(test)]
mod tests {
    use super::{Listing, Sort};
    use crate::keyspace::{Keyspace, Value};
    use crate::machine::NodeData;

    fn listing(pattern: &str, sort: Sort) -> Listing {
        let mut keyspace = Keyspace::default();
        for (db, key, value) in
            [(0, "b", "1"), (0, "a", &*"x".repeat(100)), (1, "a", "2"), (0, "user:7", "seven")]
        {
            keyspace.db_mut(db).set(key.as_bytes(), Value::from(value));
        }
        keyspace.db_mut(0).set_expiry(b"b", Some(1_500));
        let data = NodeData {
            snapshot: keyspace.snapshot(),
            wall_ms: 1_000,
            replid: String::new(),
            previous: None,
            offset: 7,
            tail: Vec::new(),
        };
        Listing::of("alpha".to_owned(), data, pattern.to_owned(), sort, 0)
    }

    fn names(listing: &Listing) -> Vec<String> {
        let name = |at| listing.row(at).map(|row| format!("{}:{}", row.db, row.key));
        (0..listing.len()).filter_map(name).collect()
    }

    #[test]
    fn keys_come_in_the_order_asked_for() {
        assert_eq!(names(&listing("", Sort::Name)), ["0:a", "0:b", "0:user:7", "1:a"]);
        assert_eq!(names(&listing("", Sort::Size))[0], "0:a", "the largest");
        assert_eq!(names(&listing("", Sort::Ttl))[0], "0:b", "the only one that expires");
    }

    #[test]
    fn a_glob_chooses_keys_and_the_count_of_all_stays() {
        let some = listing("user:*", Sort::Name);
        assert_eq!((names(&some), some.keys), (vec!["0:user:7".to_owned()], 4));
        assert!(listing("nothing", Sort::Name).is_empty());
    }

    #[test]
    fn a_row_says_what_the_key_holds() {
        let row = listing("b", Sort::Name).row(0).unwrap();
        assert_eq!((row.kind, row.encoding, row.peek.as_str()), ("string", "int", "1"));
        assert_eq!((row.ttl_ms, row.elements), (Some(500), None));
        assert_eq!(listing("b", Sort::Name).row(1), None);
    }

    #[test]
    fn a_key_is_found_again_in_a_newer_listing() {
        let (old, new) = (listing("", Sort::Name), listing("?", Sort::Name));
        assert_eq!(new.place_of(&old, 3), Some(2));
        assert_eq!(new.place_of(&old, 2), None, "it is not in there");
    }
}
