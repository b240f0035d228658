//! Hashes: fields with values.

use super::Packing;
use super::dense::Dense;
use crate::keyspace::Blob;

/// A hash. Fields are in the order of their insertion as long as Redis would pack them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hash {
    fields: Dense<Blob>,
    /// Bytes of the longest field or value that there ever was.
    longest: usize,
    spread: bool,
}

super::collection!(Hash, packed);

impl Hash {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<&Blob> {
        self.fields.get(field)
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.fields.contains(field)
    }

    /// Sets a field and returns its previous value.
    pub fn insert(&mut self, field: Blob, value: Blob) -> Option<Blob> {
        self.longest = self.longest.max(field.len()).max(value.len());
        self.fields.insert(field, value)
    }

    /// Removes a field and returns its value.
    pub fn remove(&mut self, field: &[u8]) -> Option<Blob> {
        self.fields.remove(field, !self.spread).map(|(_, value)| value)
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Blob, &Blob)> {
        self.fields.iter().map(|(field, value)| (field, value))
    }

    /// The field at an index below the length, for random choices.
    pub fn at(&self, index: usize) -> Option<(&Blob, &Blob)> {
        self.fields.at(index).map(|(field, value)| (field, value))
    }

    /// The next `count` fields of a walk, and its next cursor: 0 begins one, and 0 ends it. One
    /// that Redis would pack is walked in a single step.
    pub fn walk(&self, cursor: u64, count: usize) -> (Vec<(&Blob, &Blob)>, u64) {
        if !self.spread {
            return (self.iter().collect(), 0);
        }
        let (fields, next) = self.fields.walk(cursor, count);
        (fields.map(|(field, value)| (field, value)).collect(), next)
    }

    pub(super) fn outgrows(&self, packing: &Packing) -> bool {
        !self.spread
            && (self.len() > packing.hash_fields_max || self.longest > packing.hash_bytes_max)
    }

    pub(super) fn spread(&mut self) {
        self.spread = true;
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.fields.heap_bytes()
    }

    /// The word of OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        if self.spread { "hashtable" } else { "listpack" }
    }
}

impl FromIterator<(Blob, Blob)> for Hash {
    fn from_iter<I: IntoIterator<Item = (Blob, Blob)>>(fields: I) -> Self {
        let mut hash = Self::default();
        for (field, value) in fields {
            hash.insert(field, value);
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(n: usize) -> (Blob, Blob) {
        (Blob::from(n.to_string().as_bytes()), Blob::from(b"v".as_slice()))
    }

    #[test]
    fn a_hash_is_spread_when_it_grows_and_stays_so() {
        let mut hash: Hash = (0..512).map(numbered).collect();
        assert!(!hash.outgrows(&Packing::default()));
        hash.insert(numbered(512).0, Blob::new());
        assert!(hash.outgrows(&Packing::default()));
        hash.spread();
        assert_eq!(hash.encoding(), "hashtable");
        (0..512).for_each(|n| assert!(hash.remove(&numbered(n).0).is_some()));
        assert_eq!((hash.len(), hash.encoding()), (1, "hashtable"));
        let long: Hash = [(Blob::new(), Blob::from([b'x'; 65].as_slice()))].into_iter().collect();
        assert!(long.outgrows(&Packing::default()));
    }

    #[test]
    fn a_packed_hash_keeps_the_order_of_its_fields() {
        let mut hash: Hash = (0..10).map(numbered).collect();
        hash.remove(b"3");
        hash.insert(numbered(3).0, Blob::new());
        let fields: Vec<_> = hash.iter().map(|(field, _)| field.clone()).collect();
        assert_eq!(fields, [0, 1, 2, 4, 5, 6, 7, 8, 9, 3].map(|n| numbered(n).0));
    }
}
