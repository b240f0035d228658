//! Sorted sets: a table from members to scores, and the members in the order of their scores.

use std::ops::Range;

use super::Packing;
use super::dense::Dense;
use super::order::Order;
use crate::keyspace::Blob;

/// A sorted set. Scores are never NaN.
#[derive(Debug, Clone, Default)]
pub struct Zset {
    scores: Dense<f64>,
    order: Order,
    /// Bytes of the longest member that there ever was.
    longest: usize,
    spread: bool,
}

super::collection!(Zset, packed);

impl PartialEq for Zset {
    fn eq(&self, other: &Self) -> bool {
        self.scores == other.scores
    }
}

impl Zset {
    /// An empty one that is not in one piece, so that it tells zeros apart.
    pub fn unpacked() -> Self {
        Self { spread: true, ..Self::default() }
    }

    /// Puts it in one piece, if it is not too large for that.
    pub fn pack(&mut self, packing: &Packing) {
        self.spread = false;
        if self.outgrows(packing) {
            return self.spread();
        }
        let zeros = self.iter().filter(|(_, score)| *score == 0.0);
        let zeros: Vec<_> = zeros.map(|(member, _)| member.clone()).collect();
        for member in zeros {
            self.insert(member, 0.0);
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Adds a member or changes its score, which must not be NaN; returns the previous score.
    pub fn insert(&mut self, member: Blob, score: f64) -> Option<f64> {
        self.longest = self.longest.max(member.len());
        // Packed, a whole number is kept as an integer, and there is one zero only.
        let score = if self.spread { score } else { score + 0.0 };
        let old = self.scores.insert(member.clone(), score);
        if let Some(old) = old {
            self.order.remove(old, &member);
        }
        self.order.insert(score, member);
        old
    }

    /// Before a member is added that makes it too large for one piece: only one that is not in one
    /// piece keeps a negative zero.
    pub fn make_room(&mut self, member: &[u8], packing: &Packing) {
        self.spread |=
            self.len() >= packing.zset_members_max || member.len() > packing.zset_bytes_max;
    }

    /// Removes a member and returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let (_, score) = self.scores.remove(member, false)?;
        self.order.remove(score, member);
        Some(score)
    }

    /// The place of a member: how many are before it.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        self.score(member).map(|score| self.order.rank(score, member))
    }

    /// The members at these places with their scores, in order.
    pub fn range(&self, range: Range<usize>) -> Vec<(&Blob, f64)> {
        self.order.range(range)
    }

    /// How many members there are before the first of which `is_before` does not hold. It must
    /// hold of none after that.
    pub fn count_before(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        self.order.count_before(is_before)
    }

    /// All members with their scores, in no particular order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Blob, f64)> {
        self.scores.iter().map(|(member, score)| (member, *score))
    }

    /// All members with their scores, the lowest score first.
    pub fn in_order(&self) -> Vec<(&Blob, f64)> {
        self.range(0..self.len())
    }

    /// The member at an index below the length, in no particular order, for random choices.
    pub fn at(&self, index: usize) -> Option<(&Blob, f64)> {
        self.scores.at(index).map(|(member, score)| (member, *score))
    }

    /// The next `count` members of a walk, and its next cursor: 0 begins one, and 0 ends it. One
    /// that Redis would pack is walked in a single step, in order.
    pub fn walk(&self, cursor: u64, count: usize) -> (Vec<(&Blob, f64)>, u64) {
        if !self.spread {
            return (self.in_order(), 0);
        }
        let (members, next) = self.scores.walk(cursor, count);
        (members.map(|(member, score)| (member, *score)).collect(), next)
    }

    pub(super) fn outgrows(&self, packing: &Packing) -> bool {
        !self.spread
            && (self.len() > packing.zset_members_max || self.longest > packing.zset_bytes_max)
    }

    pub(super) fn spread(&mut self) {
        self.spread = true;
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.scores.heap_bytes() + self.order.table_bytes()
    }

    /// The word of OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        if self.spread { "skiplist" } else { "listpack" }
    }
}

impl FromIterator<(Blob, f64)> for Zset {
    /// Scores must not be NaN.
    fn from_iter<I: IntoIterator<Item = (Blob, f64)>>(members: I) -> Self {
        let mut zset = Self::default();
        zset.extend(members);
        zset
    }
}

impl Extend<(Blob, f64)> for Zset {
    /// Scores must not be NaN.
    fn extend<I: IntoIterator<Item = (Blob, f64)>>(&mut self, members: I) {
        for (member, score) in members {
            self.insert(member, score);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::rng::Dice;

    fn member(n: u64) -> Blob {
        Blob::from(format!("{n}").as_bytes())
    }

    /// The model's members in order.
    fn sorted(model: &BTreeMap<Blob, f64>) -> Vec<(&Blob, f64)> {
        let mut members: Vec<_> = model.iter().map(|(m, s)| (m, *s)).collect();
        members.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
        members
    }

    #[test]
    fn behaves_like_a_sorted_vector() {
        let mut dice = Dice::new(6);
        let (mut zset, mut model) = (Zset::default(), BTreeMap::new());
        for _ in 0..5000 {
            let (name, score) = (member(dice.below(150)), dice.below(40) as f64 - 20.0);
            match dice.below(3) {
                0 => assert_eq!(zset.remove(&name), model.remove(&name)),
                _ => {
                    assert_eq!(zset.insert(name.clone(), score), model.insert(name.clone(), score));
                }
            }
            let sorted = sorted(&model);
            assert_eq!(zset.in_order(), sorted);
            assert_eq!(zset.rank(&name), sorted.iter().position(|(m, _)| **m == name));
            let start = dice.below(sorted.len() as u64 + 1) as usize;
            let end = start + dice.below((sorted.len() - start) as u64 + 1) as usize;
            assert_eq!(zset.range(start..end), &sorted[start..end]);
            let before = sorted.iter().filter(|(_, s)| *s < score).count();
            assert_eq!(zset.count_before(|s, _| s < score), before);
            assert_eq!(zset.order.count_before(|_, _| true), zset.len());
        }
    }

    #[test]
    fn the_tree_stays_shallow_whatever_order_members_come_in() {
        let zset: Zset = (0..20_000).map(|n| (member(n), n as f64)).collect();
        let visits = std::cell::Cell::new(0);
        let rank = zset.count_before(|s, _| {
            visits.set(visits.get() + 1);
            s < 12_345.0
        });
        assert_eq!(rank, 12_345);
        assert!(visits.get() < 60, "{} steps", visits.get());
    }

    #[test]
    fn a_sorted_set_is_spread_when_it_grows_and_stays_so() {
        let mut zset: Zset = (0..128).map(|n| (member(n), 0.0)).collect();
        assert!(!zset.outgrows(&Packing::default()));
        zset.insert(member(128), 0.0);
        assert!(zset.outgrows(&Packing::default()));
        assert_eq!(zset.encoding(), "listpack");
        zset.spread();
        zset.remove(b"128");
        assert_eq!(zset.encoding(), "skiplist");
    }

    #[test]
    fn the_member_that_is_too_much_for_one_piece_may_have_a_negative_zero() {
        let packing = Packing { zset_members_max: 1, ..Packing::default() };
        let mut zset = Zset::default();
        for name in [1, 2] {
            let member = member(name);
            zset.make_room(&member, &packing);
            zset.insert(member, -0.0);
        }
        let is_negative = |name| zset.score(&member(name)).map(f64::is_sign_negative);
        assert_eq!([1, 2].map(is_negative), [Some(false), Some(true)]);
    }
}
