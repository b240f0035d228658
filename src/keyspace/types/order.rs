//! Members in the order of their scores.

use std::cmp::Ordering;
use std::ops::Range;

use super::rope::Rope;
use crate::keyspace::Blob;

/// Members in order: by score, equal scores by the bytes of the member. Scores are never NaN.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    members: Rope<(Blob, f64)>,
}

impl Order {
    /// Adds a member, which must not be there.
    pub fn insert(&mut self, score: f64, member: Blob) {
        self.members.insert(self.rank(score, &member), (member, score));
    }

    /// Removes a member with its score, if it is there.
    pub fn remove(&mut self, score: f64, member: &[u8]) {
        let rank = self.rank(score, member);
        if self.members.get(rank).is_some_and(|(found, _)| *found == *member) {
            self.members.remove(rank);
        }
    }

    /// How many members there are before the first of which `is_before` does not hold. It must
    /// hold of none after that.
    pub fn count_before(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        self.members.partition_point(|(member, score)| is_before(*score, member))
    }

    /// The place of a member with its score.
    pub fn rank(&self, score: f64, member: &[u8]) -> usize {
        self.count_before(|s, m| is_before(s, m, score, member))
    }

    /// The members at these places.
    pub fn range(&self, range: Range<usize>) -> Vec<(&Blob, f64)> {
        self.members.range(range).map(|(member, score)| (member, *score)).collect()
    }

    /// Bytes of the nodes, without what members hold on the heap: they share that with the table.
    pub fn table_bytes(&self) -> usize {
        self.members.table_bytes()
    }
}

fn is_before(score: f64, member: &[u8], other_score: f64, other_member: &[u8]) -> bool {
    match score.partial_cmp(&other_score) {
        Some(Ordering::Equal) | None => member < other_member,
        Some(order) => order == Ordering::Less,
    }
}
