//! A long sequence: quick at every place, and copied in no time.
//!
//! It is a tree with its items in the leaves, where each inner node knows how many items are below
//! each child. Nodes are behind `Arc`: a copy is one more reference to the root, and a change copies
//! the nodes on its way down that somebody else refers to too. No piece of memory is larger than a
//! node, so growing never moves everything.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Items of a leaf at most.
const LEAF_MAX: usize = 128;
/// Children of an inner node at most.
const CHILDREN_MAX: usize = 64;

/// A sequence.
#[derive(Clone)]
pub(super) struct Rope<T> {
    root: Node<T>,
    len: usize,
}

enum Node<T> {
    Leaf(Arc<Vec<T>>),
    Inner(Arc<Vec<Child<T>>>),
}

/// A subtree, which is never empty.
struct Child<T> {
    node: Node<T>,
    /// Items below it.
    len: usize,
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(items) => Self::Leaf(Arc::clone(items)),
            Self::Inner(children) => Self::Inner(Arc::clone(children)),
        }
    }
}

impl<T> Clone for Child<T> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), len: self.len }
    }
}

impl<T> Default for Rope<T> {
    fn default() -> Self {
        Self { root: Node::Leaf(Arc::default()), len: 0 }
    }
}

impl<T> Rope<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    /// The item at an index.
    pub fn get(&self, index: usize) -> Option<&T> {
        let (items, at) = self.leaf(index);
        items.get(at)
    }

    /// The items before the first of which `is_before` does not hold. It must hold of none after.
    pub fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let (mut node, mut skipped) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(items) => return skipped + items.partition_point(is_before),
                Node::Inner(children) => {
                    let later = &children[1..];
                    let nth = later.partition_point(|c| c.node.first().is_some_and(&is_before));
                    skipped += children[..nth].iter().map(|child| child.len).sum::<usize>();
                    node = &children[nth].node;
                }
            }
        }
    }

    pub fn iter(&self) -> Iter<'_, T> {
        self.range(0..self.len)
    }

    /// The items of a range, which must be inside.
    pub fn range(&self, range: Range<usize>) -> Iter<'_, T> {
        Iter { rope: self, range, head: [].iter(), tail: [].iter() }
    }

    /// Bytes of the nodes, about.
    pub fn table_bytes(&self) -> usize {
        self.len * (size_of::<T>() + size_of::<Child<T>>() / LEAF_MAX)
    }

    /// The leaf of the item at an index, and its place there.
    fn leaf(&self, index: usize) -> (&[T], usize) {
        let (mut node, mut at) = (&self.root, index);
        loop {
            match node {
                Node::Leaf(items) => return (items, at),
                Node::Inner(children) => node = &children[descend(children, &mut at)].node,
            }
        }
    }
}

impl<T: Clone> Rope<T> {
    /// The item at an index, to be changed.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let (mut node, mut at) = (&mut self.root, index);
        loop {
            match node {
                Node::Leaf(items) if at < items.len() => return Arc::make_mut(items).get_mut(at),
                Node::Leaf(_) => return None,
                Node::Inner(children) => {
                    let nth = descend(children, &mut at);
                    node = &mut Arc::make_mut(children)[nth].node;
                }
            }
        }
    }

    pub fn push(&mut self, item: T) {
        self.insert(self.len, item);
    }

    /// Inserts before the item at an index, which may be the length.
    pub fn insert(&mut self, index: usize, item: T) {
        if let Some(right) = self.root.insert(index, item) {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Arc::default()));
            let children = [left, right].map(|node| Child { len: node.count(), node });
            self.root = Node::Inner(Arc::new(children.into()));
        }
        self.len += 1;
    }

    /// Removes the item at an index.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        if index >= self.len {
            return None;
        }
        let removed = self.root.remove(index);
        self.len -= 1;
        while let Node::Inner(children) = &self.root
            && let [only] = children.as_slice()
        {
            self.root = only.node.clone();
        }
        Some(removed)
    }

    /// Removes the item at an index; the last one takes its place.
    pub fn swap_remove(&mut self, index: usize) -> Option<T> {
        let last = self.remove(self.len.checked_sub(1)?)?;
        match self.get_mut(index) {
            Some(item) => Some(std::mem::replace(item, last)),
            None => Some(last),
        }
    }
}

impl<T> Node<T> {
    /// Items below it.
    fn count(&self) -> usize {
        match self {
            Self::Leaf(items) => items.len(),
            Self::Inner(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    fn first(&self) -> Option<&T> {
        match self {
            Self::Leaf(items) => items.first(),
            Self::Inner(children) => children.first()?.node.first(),
        }
    }

    /// Whether it is so empty that it could as well be part of a neighbour.
    fn is_sparse(&self) -> bool {
        match self {
            Self::Leaf(items) => items.len() < LEAF_MAX / 4,
            Self::Inner(children) => children.len() < CHILDREN_MAX / 4,
        }
    }
}

impl<T: Clone> Node<T> {
    /// Inserts an item; returns what must come after this node, if it had to be parted.
    fn insert(&mut self, at: usize, item: T) -> Option<Self> {
        match self {
            Self::Leaf(items) => {
                let right = insert_into(Arc::make_mut(items), at, item, LEAF_MAX);
                right.map(|items| Self::Leaf(Arc::new(items)))
            }
            Self::Inner(children) => {
                let children = Arc::make_mut(children);
                let mut at = at;
                let nth = descend(children, &mut at);
                children[nth].len += 1;
                let node = children[nth].node.insert(at, item)?;
                let len = node.count();
                children[nth].len -= len;
                let right = insert_into(children, nth + 1, Child { node, len }, CHILDREN_MAX);
                right.map(|children| Self::Inner(Arc::new(children)))
            }
        }
    }

    /// Removes the item at an index, which must be inside.
    fn remove(&mut self, at: usize) -> T {
        match self {
            Self::Leaf(items) => Arc::make_mut(items).remove(at),
            Self::Inner(children) => {
                let children = Arc::make_mut(children);
                let mut at = at;
                let nth = descend(children, &mut at);
                let removed = children[nth].node.remove(at);
                children[nth].len -= 1;
                if children[nth].len == 0 {
                    children.remove(nth);
                } else if children[nth].node.is_sparse() {
                    let left = nth.saturating_sub(1);
                    merge(children, left);
                }
                removed
            }
        }
    }

    /// Adds what is in the node after this one, if it all fits.
    fn absorb(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Leaf(items), Self::Leaf(more)) if items.len() + more.len() <= LEAF_MAX / 2 => {
                Arc::make_mut(items).extend_from_slice(more);
            }
            (Self::Inner(children), Self::Inner(more))
                if children.len() + more.len() <= CHILDREN_MAX / 2 =>
            {
                Arc::make_mut(children).extend_from_slice(more);
            }
            _ => return false,
        }
        true
    }
}

/// The child that an item is below, whose index becomes that below the child. One past the end is
/// below the last.
fn descend<T>(children: &[Child<T>], at: &mut usize) -> usize {
    let last = children.len() - 1;
    for (nth, child) in children[..last].iter().enumerate() {
        if *at < child.len {
            return nth;
        }
        *at -= child.len;
    }
    last
}

/// Inserts; returns the second part if that is more than fits into one. Growing at an end leaves
/// full nodes behind.
fn insert_into<E>(entries: &mut Vec<E>, at: usize, entry: E, max: usize) -> Option<Vec<E>> {
    let len = entries.len();
    if len < max {
        if len == entries.capacity() {
            entries.reserve_exact((len / 2).max(4).min(max - len));
        }
        entries.insert(at, entry);
        return None;
    }
    let middle = if at == 0 || at == len { at } else { len / 2 };
    let mut right = entries.split_off(middle);
    if at < middle || at == 0 {
        entries.insert(at, entry);
    } else {
        right.insert(at - middle, entry);
    }
    Some(right)
}

/// Puts a child and the next into one, if that fits.
fn merge<T: Clone>(children: &mut Vec<Child<T>>, left: usize) {
    if let Some([first, second]) = children.get_mut(left..left + 2)
        && first.node.absorb(&second.node)
    {
        first.len += second.len;
        children.remove(left + 1);
    }
}

/// Items of a range, from both ends.
pub(super) struct Iter<'a, T> {
    rope: &'a Rope<T>,
    /// What is still to come.
    range: Range<usize>,
    /// What is left of the leaf at the front, and of that at the back.
    head: std::slice::Iter<'a, T>,
    tail: std::slice::Iter<'a, T>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        let index = self.range.next()?;
        if self.head.as_slice().is_empty() {
            let (items, at) = self.rope.leaf(index);
            self.head = items.get(at..).unwrap_or_default().iter();
        }
        self.head.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl<T> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let index = self.range.next_back()?;
        if self.tail.as_slice().is_empty() {
            let (items, at) = self.rope.leaf(index);
            self.tail = items.get(..=at).unwrap_or_default().iter();
        }
        self.tail.next_back()
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

impl<T: Clone> FromIterator<T> for Rope<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut rope = Self::default();
        items.into_iter().for_each(|item| rope.push(item));
        rope
    }
}

impl<T: PartialEq> PartialEq for Rope<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: fmt::Debug> fmt::Debug for Rope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Dice;

    /// Every node but the root holds something, and no more than it may; counts are right.
    fn check<T>(node: &Node<T>) -> usize {
        match node {
            Node::Leaf(items) => {
                assert!(items.len() <= LEAF_MAX);
                items.len()
            }
            Node::Inner(children) => {
                assert!((1..=CHILDREN_MAX).contains(&children.len()));
                for child in children.iter() {
                    assert_eq!(check(&child.node), child.len);
                    assert!(child.len > 0);
                }
                node.count()
            }
        }
    }

    fn leaves<T>(node: &Node<T>) -> usize {
        match node {
            Node::Leaf(_) => 1,
            Node::Inner(children) => children.iter().map(|child| leaves(&child.node)).sum(),
        }
    }

    #[test]
    fn behaves_like_a_vector() {
        let mut dice = Dice::new(7);
        for shrinks in [false, true, false, true] {
            let (mut rope, mut model): (Rope<u64>, _) = (Rope::default(), Vec::new());
            for step in 0..30_000 {
                let n = dice.below(1000);
                let at = dice.below(model.len() as u64 + 1) as usize;
                let falls = shrinks && step > 15_000;
                match dice.below(if falls { 6 } else { 14 }) {
                    0 | 1 => {
                        let removed = (at < model.len()).then(|| model.remove(at));
                        assert_eq!(rope.remove(at), removed);
                    }
                    2 if at < model.len() => {
                        assert_eq!(rope.swap_remove(at), Some(model.swap_remove(at)));
                    }
                    3 if at < model.len() => {
                        *rope.get_mut(at).unwrap() = n;
                        model[at] = n;
                    }
                    _ if falls => assert_eq!(rope.get(at), model.get(at)),
                    4..8 => {
                        rope.push(n);
                        model.push(n);
                    }
                    _ => {
                        rope.insert(at, n);
                        model.insert(at, n);
                    }
                }
                if step % 500 == 0 {
                    assert_eq!(check(&rope.root), model.len());
                    assert!(rope.iter().eq(&model));
                    assert!(rope.iter().rev().eq(model.iter().rev()));
                    let end = at + dice.below((model.len() - at) as u64 + 1) as usize;
                    assert!(rope.range(at..end).eq(&model[at..end]));
                }
            }
        }
    }

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let rope: Rope<usize> = (0..10_000).collect();
        let mut copy = rope.clone();
        (0..10_000).step_by(3).for_each(|n| *copy.get_mut(n).unwrap() = 0);
        (0..500).for_each(|_| assert!(copy.remove(77).is_some()));
        copy.insert(5000, 1);
        assert!(rope.iter().copied().eq(0..10_000));
        assert_eq!(copy.len(), 9501);
    }

    #[test]
    fn finds_places_among_what_is_in_order() {
        let rope: Rope<usize> = (0..20_000).map(|n| n / 3 * 2).collect();
        for n in 0..13_400_usize {
            let expected = n.div_ceil(2) * 3;
            assert_eq!(rope.partition_point(|item| *item < n), expected.min(20_000), "{n}");
        }
        assert_eq!(Rope::<usize>::default().partition_point(|_| true), 0);
    }

    #[test]
    fn what_grows_at_an_end_is_dense_and_what_shrinks_gives_back() {
        let mut rope: Rope<usize> = (0..LEAF_MAX * 100).collect();
        assert_eq!(leaves(&rope.root), 100);
        let mut front = Rope::default();
        (0..LEAF_MAX * 100).for_each(|n| front.insert(0, n));
        assert_eq!(leaves(&front.root), 100);
        let mut dice = Dice::new(1);
        while rope.len() > LEAF_MAX * 4 {
            rope.remove(dice.below(rope.len() as u64) as usize);
        }
        assert!(leaves(&rope.root) < 30, "{}", leaves(&rope.root));
    }
}
