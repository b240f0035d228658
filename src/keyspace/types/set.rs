//! Sets.

use super::Packing;
use super::dense::Dense;
use crate::base::number;
use crate::keyspace::Blob;

/// A set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Set {
    members: Dense<()>,
    /// It is so too once it holds what is no integer.
    spread: bool,
}

super::collection!(Set, packed);

impl Set {
    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is a member.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.members.contains(member)
    }

    /// Adds a member and returns whether it is new.
    pub fn insert(&mut self, member: Blob) -> bool {
        self.spread = self.spread || number::parse_i64(&member).is_none();
        self.members.insert(member, ()).is_none()
    }

    /// Removes a member and returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.members.remove(member, false).is_some()
    }

    /// All members, in no particular order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Blob> {
        self.members.iter().map(|(member, ())| member)
    }

    /// All members; those of what Redis would keep as an intset by their size.
    pub fn in_order(&self) -> Vec<&Blob> {
        let mut members: Vec<_> = self.iter().collect();
        if !self.spread {
            members.sort_by_cached_key(|member| number::parse_i64(member));
        }
        members
    }

    /// The member at an index below the length, for random choices.
    pub fn at(&self, index: usize) -> Option<&Blob> {
        self.members.at(index).map(|(member, ())| member)
    }

    /// The next `count` members of a walk, and its next cursor: 0 begins one, and 0 ends it. A set
    /// that Redis would keep as an intset is walked in a single step.
    pub fn walk(&self, cursor: u64, count: usize) -> (Vec<&Blob>, u64) {
        if !self.spread {
            return (self.in_order(), 0);
        }
        let (members, next) = self.members.walk(cursor, count);
        (members.map(|(member, ())| member).collect(), next)
    }

    pub(super) fn outgrows(&self, packing: &Packing) -> bool {
        !self.spread && self.len() > packing.set_integers_max
    }

    pub(super) fn spread(&mut self) {
        self.spread = true;
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.members.heap_bytes()
    }

    /// The word of OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        if self.spread { "hashtable" } else { "intset" }
    }
}

impl FromIterator<Blob> for Set {
    fn from_iter<I: IntoIterator<Item = Blob>>(members: I) -> Self {
        let mut set = Self::default();
        for member in members {
            set.insert(member);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: impl IntoIterator<Item = i64>) -> Set {
        members.into_iter().map(|n| Blob::from(n.to_string().as_bytes())).collect()
    }

    #[test]
    fn a_set_of_integers_is_in_order_until_it_is_spread() {
        let mut set = of([10, -3, 9]);
        assert_eq!(set.encoding(), "intset");
        assert!(set.in_order().iter().map(|member| &member[..]).eq([&b"-3"[..], b"9", b"10"]));
        set.insert(Blob::from("x".as_bytes()));
        assert_eq!(set.encoding(), "hashtable");
        set.remove(b"x");
        assert_eq!(set.encoding(), "hashtable");
        assert!(!of(0..512).outgrows(&Packing::default()));
        assert!(of(0..513).outgrows(&Packing::default()));
    }
}
