//! A few pairs of strings in one piece of memory, each string after its length: what a small hash
//! takes little more than its bytes with.

use std::ops::Range;

/// A length that says that four bytes with the real one follow.
const LONG: u8 = u8::MAX;

/// Pairs in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs(Vec<u8>);

impl Pairs {
    /// What belongs to a name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(held, _)| *held == name).map(|(_, value)| value)
    }

    /// Sets what belongs to a name. Whether the name is new.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> bool {
        let place = self.find(name);
        let mut pair = Vec::with_capacity(name.len() + value.len() + 2);
        put(&mut pair, name);
        put(&mut pair, value);
        if let Some(place) = &place {
            drop(self.0.splice(place.clone(), pair));
        } else {
            self.0.reserve_exact(pair.len());
            self.0.append(&mut pair);
        }
        place.is_none()
    }

    /// Removes a name with what belongs to it. Whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let place = self.find(name);
        if let Some(place) = &place {
            drop(self.0.drain(place.clone()));
        }
        place.is_some()
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0 }
    }

    /// Bytes of the pairs, with their lengths.
    pub fn len_bytes(&self) -> usize {
        self.0.len()
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Where the pair of a name is.
    fn find(&self, name: &[u8]) -> Option<Range<usize>> {
        let mut pairs = self.iter();
        loop {
            let start = self.0.len() - pairs.rest.len();
            let (held, _) = pairs.next()?;
            if held == name {
                return Some(start..self.0.len() - pairs.rest.len());
            }
        }
    }
}

fn put(out: &mut Vec<u8>, text: &[u8]) {
    match u8::try_from(text.len()) {
        Ok(len) if len != LONG => out.push(len),
        _ => {
            out.push(LONG);
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        }
    }
    out.extend_from_slice(text);
}

/// The first text, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    if len != LONG {
        return rest.split_at_checked(usize::from(len));
    }
    let (len, rest) = rest.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

/// The pairs from some place on.
pub(super) struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = split(self.rest)?;
        let (value, rest) = split(rest)?;
        self.rest = rest;
        Some((name, value))
    }
}
