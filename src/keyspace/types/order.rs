//! Members in the order of their scores: a treap that knows how many nodes are below each node, so
//! that a place and what is at it are found in a number of steps that grows with the logarithm of
//! the size.
//!
//! A node's priority is the hash of its member, so the shape depends on what is held alone.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::FixedState;

use crate::keyspace::Blob;

/// No node.
const NIL: u32 = u32::MAX;

/// Other than that of the table beside, or a table's order would bend the tree.
const HASHER: FixedState = FixedState::with_seed(1);

#[derive(Debug, Clone)]
struct Node {
    score: f64,
    member: Blob,
    priority: u32,
    left: u32,
    right: u32,
    /// Nodes of the subtree, this one included.
    size: u32,
}

/// Members in order: by score, equal scores by the bytes of the member. Scores are never NaN.
#[derive(Debug, Clone)]
pub(super) struct Order {
    nodes: Vec<Node>,
    /// Nodes not in use.
    free: Vec<u32>,
    root: u32,
}

impl Default for Order {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NIL }
    }
}

impl Order {
    /// Adds a member, which must not be there.
    pub fn insert(&mut self, score: f64, member: Blob) {
        let (before, rest) = self.split(self.root, &mut |s, m| is_before(s, m, score, &member));
        let priority = HASHER.hash_one(&member[..]) as u32;
        let node = Node { score, member, priority, left: NIL, right: NIL, size: 1 };
        let new = if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = node;
            index
        } else {
            self.nodes.push(node);
            self.nodes.len() as u32 - 1
        };
        let before = self.join(before, new);
        self.root = self.join(before, rest);
    }

    /// Removes a member with its score, if it is there.
    pub fn remove(&mut self, score: f64, member: &[u8]) {
        let (before, rest) = self.split(self.root, &mut |s, m| is_before(s, m, score, member));
        let (it, after) = self.split(rest, &mut |s, m| !is_before(score, member, s, m));
        if it != NIL {
            self.nodes[it as usize].member = Blob::new();
            self.free.push(it);
        }
        self.root = self.join(before, after);
    }

    /// How many members there are before the first of which `is_before` does not hold. It must
    /// hold of none after that.
    pub fn count_before(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut at, mut count) = (self.root, 0);
        while let Some(node) = self.nodes.get(at as usize) {
            if is_before(node.score, &node.member) {
                count += self.size(node.left) + 1;
                at = node.right;
            } else {
                at = node.left;
            }
        }
        count
    }

    /// The place of a member with its score.
    pub fn rank(&self, score: f64, member: &[u8]) -> usize {
        self.count_before(|s, m| is_before(s, m, score, member))
    }

    /// The members at these places.
    pub fn range(&self, range: Range<usize>) -> Vec<(&Blob, f64)> {
        let mut found = Vec::with_capacity(range.len());
        self.collect(self.root, range.start, range.end, &mut found);
        found
    }

    fn collect<'a>(&'a self, at: u32, start: usize, end: usize, found: &mut Vec<(&'a Blob, f64)>) {
        let Some(node) = self.nodes.get(at as usize) else { return };
        let before = self.size(node.left);
        if start < before {
            self.collect(node.left, start, end.min(before), found);
        }
        if (start..end).contains(&before) {
            found.push((&node.member, node.score));
        }
        if end > before + 1 {
            let skipped = before + 1;
            self.collect(node.right, start.saturating_sub(skipped), end - skipped, found);
        }
    }

    /// Bytes of the nodes, without what members hold on the heap: they share that with the table.
    pub fn table_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * size_of::<u32>()
    }

    fn size(&self, at: u32) -> usize {
        self.nodes.get(at as usize).map_or(0, |node| node.size as usize)
    }

    /// Parts a subtree in the nodes of which `is_left` holds and the rest after them.
    fn split(&mut self, at: u32, is_left: &mut impl FnMut(f64, &[u8]) -> bool) -> (u32, u32) {
        let Some(node) = self.nodes.get(at as usize) else { return (NIL, NIL) };
        if is_left(node.score, &node.member) {
            let (left, right) = self.split(node.right, is_left);
            self.nodes[at as usize].right = left;
            self.recount(at);
            (at, right)
        } else {
            let (left, right) = self.split(node.left, is_left);
            self.nodes[at as usize].left = right;
            self.recount(at);
            (left, at)
        }
    }

    /// Joins two subtrees, all of the first before all of the second.
    fn join(&mut self, left: u32, right: u32) -> u32 {
        let (Some(l), Some(r)) = (self.nodes.get(left as usize), self.nodes.get(right as usize))
        else {
            return if left == NIL { right } else { left };
        };
        if l.priority >= r.priority {
            let joined = self.join(l.right, right);
            self.nodes[left as usize].right = joined;
            self.recount(left);
            left
        } else {
            let joined = self.join(left, r.left);
            self.nodes[right as usize].left = joined;
            self.recount(right);
            right
        }
    }

    fn recount(&mut self, at: u32) {
        let node = &self.nodes[at as usize];
        let size = self.size(node.left) + self.size(node.right) + 1;
        self.nodes[at as usize].size = size as u32;
    }
}

fn is_before(score: f64, member: &[u8], other_score: f64, other_member: &[u8]) -> bool {
    match score.partial_cmp(&other_score) {
        Some(Ordering::Equal) | None => member < other_member,
        Some(order) => order == Ordering::Less,
    }
}
