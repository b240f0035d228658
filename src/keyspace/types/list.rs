//! Lists: a ring of elements, quick at both ends and at every index.

use std::collections::VecDeque;

use crate::keyspace::Blob;
use crate::keyspace::value::blob_heap_bytes;

/// A list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct List {
    items: VecDeque<Blob>,
    /// Bytes that the elements hold beside the ring.
    heap_bytes: usize,
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

super::collection!(List);

impl List {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, item: Blob) {
        self.heap_bytes += blob_heap_bytes(&item);
        match end {
            End::Left => self.items.push_front(item),
            End::Right => self.items.push_back(item),
        }
    }

    /// Takes the element at an end.
    pub fn pop(&mut self, end: End) -> Option<Blob> {
        let item = match end {
            End::Left => self.items.pop_front(),
            End::Right => self.items.pop_back(),
        }?;
        self.heap_bytes -= blob_heap_bytes(&item);
        Some(item)
    }

    /// The element at an index from the head.
    pub fn get(&self, index: usize) -> Option<&Blob> {
        self.items.get(index)
    }

    /// Replaces the element at an index and returns it; `None` if there is none.
    pub fn replace(&mut self, index: usize, item: Blob) -> Option<Blob> {
        let place = self.items.get_mut(index)?;
        self.heap_bytes += blob_heap_bytes(&item);
        let old = std::mem::replace(place, item);
        self.heap_bytes -= blob_heap_bytes(&old);
        Some(old)
    }

    /// Inserts before the element at `index`, which may be the length.
    pub fn insert(&mut self, index: usize, item: Blob) {
        self.heap_bytes += blob_heap_bytes(&item);
        self.items.insert(index, item);
    }

    /// Removes elements equal to `item`: the first `max` seen from `end`.
    pub fn remove_equal(&mut self, item: &[u8], end: End, max: usize) -> usize {
        let equal = self.items.iter().filter(|i| **i == *item).count();
        let removed = equal.min(max);
        // Seen from the head, those to go are the first ones or the last ones.
        let (first, last) = match end {
            End::Left => (0, removed),
            End::Right => (equal - removed, equal),
        };
        let mut nth = 0;
        let mut freed = 0;
        self.items.retain(|i| {
            let goes = *i == *item && {
                nth += 1;
                (first..last).contains(&(nth - 1))
            };
            freed += if goes { blob_heap_bytes(i) } else { 0 };
            !goes
        });
        self.heap_bytes -= freed;
        removed
    }

    /// Keeps only the elements of a range, which must be inside the list.
    pub fn keep(&mut self, range: std::ops::Range<usize>) {
        let after = self.items.drain(range.end..);
        let freed: usize = after.map(|i| blob_heap_bytes(&i)).sum();
        let before = self.items.drain(..range.start);
        let freed = freed + before.map(|i| blob_heap_bytes(&i)).sum::<usize>();
        self.heap_bytes -= freed;
    }

    /// The elements from the head to the tail.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Blob> + ExactSizeIterator {
        self.items.iter()
    }

    /// The elements of a range, which must be inside the list.
    pub fn range(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = &Blob> {
        self.items.range(range)
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.items.capacity() * size_of::<Blob>() + self.heap_bytes
    }

    /// The word of OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }
}

impl FromIterator<Blob> for List {
    fn from_iter<I: IntoIterator<Item = Blob>>(items: I) -> Self {
        let items: VecDeque<_> = items.into_iter().collect();
        let heap_bytes = items.iter().map(blob_heap_bytes).sum();
        Self { items, heap_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Dice;

    #[test]
    fn behaves_like_a_vector_and_knows_its_bytes() {
        let mut dice = Dice::new(4);
        let (mut list, mut model) = (List::default(), Vec::<Blob>::new());
        for _ in 0..5000 {
            let item = Blob::from("0123456789".repeat(dice.below(4) as usize).as_bytes());
            let at = dice.below(model.len() as u64 + 1) as usize;
            let end = if dice.chance(1, 2) { End::Left } else { End::Right };
            match dice.below(8) {
                0 => assert_eq!(
                    list.pop(end),
                    match end {
                        End::Left if model.is_empty() => None,
                        End::Left => Some(model.remove(0)),
                        End::Right => model.pop(),
                    }
                ),
                1 if at < model.len() => {
                    let old = std::mem::replace(&mut model[at], item.clone());
                    assert_eq!(list.replace(at, item), Some(old));
                }
                2 => {
                    list.insert(at, item.clone());
                    model.insert(at, item);
                }
                3 => {
                    let max = dice.below(3) as usize;
                    let mut removed = 0;
                    while removed < max
                        && let Some(i) = match end {
                            End::Left => model.iter().position(|i| *i == item),
                            End::Right => model.iter().rposition(|i| *i == item),
                        }
                    {
                        model.remove(i);
                        removed += 1;
                    }
                    assert_eq!(list.remove_equal(&item, end, max), removed);
                }
                4 if dice.chance(1, 20) => {
                    let to = at + dice.below((model.len() - at) as u64 + 1) as usize;
                    list.keep(at..to);
                    model = model[at..to].to_vec();
                }
                _ => {
                    list.push(end, item.clone());
                    model.insert(if end == End::Left { 0 } else { model.len() }, item);
                }
            }
            assert!(list.iter().eq(&model));
            assert_eq!(list.get(at), model.get(at));
            assert_eq!(list.heap_bytes, model.iter().map(blob_heap_bytes).sum::<usize>());
        }
    }
}
