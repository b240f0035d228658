//! Lists: elements in a [`Rope`], quick at both ends and at every index.

use super::rope::Rope;
use crate::keyspace::Blob;
use crate::keyspace::value::blob_heap_bytes;

/// A list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct List {
    items: Rope<Blob>,
    /// Bytes that the elements hold beside the tree.
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
        self.len() == 0
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, item: Blob) {
        self.heap_bytes += blob_heap_bytes(&item);
        match end {
            End::Left => self.items.insert(0, item),
            End::Right => self.items.push(item),
        }
    }

    /// Takes the element at an end.
    pub fn pop(&mut self, end: End) -> Option<Blob> {
        let item = match end {
            End::Left => self.items.remove(0),
            End::Right => self.items.remove(self.len().checked_sub(1)?),
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
        let equal = self.items.iter().enumerate().filter(|(_, i)| **i == *item).map(|(at, _)| at);
        let mut places: Vec<usize> = match end {
            End::Left => equal.take(max).collect(),
            End::Right => equal.rev().take(max).collect(),
        };
        places.sort_unstable();
        // From the back, so that the others stay where they are.
        for place in places.iter().rev() {
            let removed = self.items.remove(*place);
            self.heap_bytes -= removed.as_ref().map_or(0, blob_heap_bytes);
        }
        places.len()
    }

    /// Keeps only the elements of a range, which must be inside the list.
    pub fn keep(&mut self, range: std::ops::Range<usize>) {
        let goes = self.len() - range.len();
        if goes <= range.len() {
            (range.end..self.len()).for_each(|_| drop(self.pop(End::Right)));
            (0..range.start).for_each(|_| drop(self.pop(End::Left)));
        } else {
            *self = self.range(range).cloned().collect();
        }
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
        size_of::<Self>() + self.items.table_bytes() + self.heap_bytes
    }

    /// The word of OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }
}

impl FromIterator<Blob> for List {
    fn from_iter<I: IntoIterator<Item = Blob>>(items: I) -> Self {
        let items: Rope<_> = items.into_iter().collect();
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
