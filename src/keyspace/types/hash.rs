//! Hashes: fields with values.

use super::Packing;
use super::dense::{self, Dense};
use super::pairs::{self, Pairs};
use crate::keyspace::Blob;

/// A hash. Fields are in the order of their insertion as long as Redis would pack them.
#[derive(Debug, Clone, Default)]
pub struct Hash {
    fields: Fields,
    /// Bytes of the longest field or value that there ever was.
    longest: u32,
    spread: bool,
}

/// A field and its value.
type Field<'a> = (&'a [u8], &'a [u8]);

/// A small hash is packed here too, but to a size of our own: Redis's may be set to any.
#[derive(Debug, Clone)]
enum Fields {
    Packed(Pairs),
    Table(Box<Dense<Blob>>),
}

/// Beyond so many bytes, looking at all fields takes longer than a table does.
const PACKED_BYTES_MAX: usize = 1024;

super::collection!(Hash, packed);

impl Default for Fields {
    fn default() -> Self {
        Self::Packed(Pairs::default())
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        let mut fields = self.iter();
        self.len() == other.len() && fields.all(|(field, value)| other.get(field) == Some(value))
    }
}

impl Hash {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        match &self.fields {
            Fields::Packed(pairs) => pairs.iter().count(),
            Fields::Table(table) => table.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match &self.fields {
            Fields::Packed(pairs) => pairs.get(field),
            Fields::Table(table) => table.get(field).map(|value| &value[..]),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Sets a field. Whether it is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.note_lengths(field, value);
        match &mut self.fields {
            Fields::Packed(pairs) => {
                let is_new = pairs.insert(field, value);
                if pairs.len_bytes() > PACKED_BYTES_MAX {
                    self.unpack();
                }
                is_new
            }
            Fields::Table(table) => table.insert(Blob::from(field), Blob::from(value)).is_none(),
        }
    }

    /// Removes a field. Whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.fields {
            Fields::Packed(pairs) => pairs.remove(field),
            Fields::Table(table) => table.remove(field, !self.spread).is_some(),
        }
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        match &self.fields {
            Fields::Packed(pairs) => Iter::Packed(pairs.iter()),
            Fields::Table(table) => Iter::Table(table.iter()),
        }
    }

    /// The field at an index below the length, for random choices.
    pub fn at(&self, index: usize) -> Option<Field<'_>> {
        match &self.fields {
            Fields::Packed(pairs) => pairs.iter().nth(index),
            Fields::Table(table) => table.at(index).map(texts),
        }
    }

    /// The next `count` fields of a walk, and its next cursor: 0 begins one, and 0 ends it. One
    /// that Redis would pack is walked in a single step.
    pub fn walk(&self, cursor: u64, count: usize) -> (Vec<Field<'_>>, u64) {
        match &self.fields {
            Fields::Table(table) if self.spread => {
                let (fields, next) = table.walk(cursor, count);
                (fields.map(texts).collect(), next)
            }
            _ => (self.iter().collect(), 0),
        }
    }

    pub(super) fn outgrows(&self, packing: &Packing) -> bool {
        !self.spread
            && (self.len() > packing.hash_fields_max
                || self.longest as usize > packing.hash_bytes_max)
    }

    pub(super) fn spread(&mut self) {
        self.unpack();
        self.spread = true;
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.fields {
                Fields::Packed(pairs) => pairs.heap_bytes(),
                Fields::Table(table) => size_of::<Dense<Blob>>() + table.heap_bytes(),
            }
    }

    /// The word of OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        if self.spread { "hashtable" } else { "listpack" }
    }

    fn note_lengths(&mut self, field: &[u8], value: &[u8]) {
        self.longest = self.longest.max(field.len().max(value.len()) as u32);
    }

    fn unpack(&mut self) {
        if let Fields::Packed(pairs) = &self.fields {
            let mut table = Dense::default();
            for (field, value) in pairs.iter() {
                table.insert(Blob::from(field), Blob::from(value));
            }
            self.fields = Fields::Table(Box::new(table));
        }
    }
}

fn texts((field, value): &(Blob, Blob)) -> Field<'_> {
    (field, value)
}

/// Fields with their values.
enum Iter<'a> {
    Packed(pairs::Iter<'a>),
    Table(dense::Iter<'a, Blob>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Packed(pairs) => pairs.next(),
            Self::Table(entries) => entries.next().map(texts),
        }
    }
}

impl FromIterator<(Blob, Blob)> for Hash {
    fn from_iter<I: IntoIterator<Item = (Blob, Blob)>>(fields: I) -> Self {
        let mut hash = Self::default();
        for (field, value) in fields {
            hash.note_lengths(&field, &value);
            match &mut hash.fields {
                Fields::Table(table) => drop(table.insert(field, value)),
                Fields::Packed(_) => drop(hash.insert(&field, &value)),
            }
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::rng::Dice;

    fn numbered(n: usize) -> (Blob, Blob) {
        (Blob::from(n.to_string().as_bytes()), Blob::from(b"v".as_slice()))
    }

    #[test]
    fn behaves_like_a_map_whatever_its_form() {
        let mut dice = Dice::new(3);
        for (names, spreads) in [(6, false), (6, true), (80, false)] {
            let (mut hash, mut model) = (Hash::default(), BTreeMap::new());
            if spreads {
                hash.spread();
            }
            for _ in 0..4000 {
                let field = dice.below(names).to_string().into_bytes();
                let value = vec![b'x'; dice.below(20) as usize * dice.below(20) as usize];
                if dice.chance(1, 3) {
                    assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                } else {
                    assert_eq!(hash.insert(&field, &value), model.insert(field, value).is_none());
                }
                let fields: BTreeMap<_, _> = hash.iter().collect();
                assert!(fields.into_iter().eq(model.iter().map(|(f, v)| (&f[..], &v[..]))));
                assert_eq!(hash.len(), model.len());
                assert!((0..model.len()).all(|at| hash.at(at).is_some()));
            }
        }
    }

    #[test]
    fn a_small_hash_takes_little_more_than_its_bytes() {
        let hash: Hash = (0..10).map(numbered).collect();
        assert_eq!(hash.heap_bytes(), size_of::<Hash>() + 10 * (2 + 2));
        assert!(size_of::<Hash>() <= 32);
    }

    #[test]
    fn a_hash_is_spread_when_it_grows_and_stays_so() {
        let mut hash: Hash = (0..512).map(numbered).collect();
        assert!(!hash.outgrows(&Packing::default()));
        hash.insert(&numbered(512).0, b"");
        assert!(hash.outgrows(&Packing::default()));
        hash.spread();
        assert_eq!(hash.encoding(), "hashtable");
        (0..512).for_each(|n| assert!(hash.remove(&numbered(n).0)));
        assert_eq!((hash.len(), hash.encoding()), (1, "hashtable"));
        let long: Hash = [(Blob::new(), Blob::from([b'x'; 65].as_slice()))].into_iter().collect();
        assert!(long.outgrows(&Packing::default()));
    }

    #[test]
    fn a_packed_hash_keeps_the_order_of_its_fields() {
        for fields in [10, 400] {
            let mut hash: Hash = (0..fields).map(numbered).collect();
            hash.remove(b"3");
            hash.insert(b"3", b"");
            hash.insert(b"5", b"another");
            let order = (0..fields).filter(|n| *n != 3).chain([3]);
            let found: Vec<_> = hash.iter().map(|(field, _)| field.to_vec()).collect();
            assert!(order.map(|n| n.to_string().into_bytes()).eq(found));
        }
    }
}
