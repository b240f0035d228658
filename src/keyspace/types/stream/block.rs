//! A block of entries: one listpack, in the form that Redis gives the nodes of a stream.
//!
//! ```text
//! live deleted fields field* 0  { flags ms seq [fields (field value)* | value*] elements }*
//! ```
//!
//! What comes first, the *master entry*, counts the entries that follow and holds the names of the
//! fields of the first. Later entries with the same fields have only their values. IDs are distances
//! from the first entry's, with which the block was begun. A deleted entry stays where it is, with
//! a flag, until none is left. `elements` is how many elements of the listpack the entry takes
//! beside itself.

use std::borrow::Cow;

use super::StreamId;
use crate::keyspace::listpack::{Element, HEADER_BYTES, Invalid, Listpack};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// A field and its value.
pub type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A block of entries.
#[derive(Debug, Clone)]
pub(super) struct Block {
    first: StreamId,
    /// The ID of the entry at the end, deleted or not.
    last: StreamId,
    live: usize,
    deleted: usize,
    pack: Listpack,
}

/// An entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: StreamId,
    block: &'a Block,
    place: Place,
}

impl PartialEq for Entry<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.pairs().eq(other.pairs())
    }
}

/// Where an entry is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Of the flags.
    flags: usize,
    is_deleted: bool,
    has_own_fields: bool,
    /// How many fields there are.
    fields: usize,
    /// Of the first field or value.
    body: usize,
}

impl Block {
    /// A block to begin with an entry of this ID and these fields, to be appended.
    pub fn begin(first: StreamId, pairs: &[[&[u8]; 2]]) -> Self {
        let mut pack = Listpack::default();
        for count in [0, 0, pairs.len()] {
            pack.push(Element::Int(count as i64));
        }
        pairs.iter().for_each(|[field, _]| pack.push(Element::of(field)));
        pack.push(Element::Int(0));
        Self { first, last: first, live: 0, deleted: 0, pack }
    }

    /// The block that these bytes are, if all of it is valid.
    pub fn of_bytes(first: StreamId, bytes: Vec<u8>) -> Result<Self, Invalid> {
        let pack = Listpack::of_bytes(bytes)?;
        let mut block = Self { first, last: first, live: 0, deleted: 0, pack };
        let invalid = Invalid("it has no valid master entry");
        let (live, at) = block.count_at(HEADER_BYTES).ok_or(invalid)?;
        let (deleted, _) = block.count_at(at).ok_or(invalid)?;
        let mut at = block.body().ok_or(invalid)?;
        let mut next = Some(first);
        while at != block.pack.end() {
            let (id, place, end) = block.read(at).ok_or(Invalid("an entry is not whole"))?;
            (block.last, at) = (id, end);
            if place.is_deleted {
                block.deleted += 1;
            } else if next.is_some_and(|next| next <= id) {
                block.live += 1;
                next = id.next();
            } else {
                return Err(Invalid("its IDs do not ascend"));
            }
        }
        if (live, deleted) != (block.live, block.deleted) || live + deleted == 0 {
            return Err(Invalid("it does not have the entries that it counts"));
        }
        Ok(block)
    }

    /// All bytes of it.
    pub fn as_bytes(&self) -> &[u8] {
        self.pack.as_bytes()
    }

    /// The ID with which it was begun.
    pub fn first(&self) -> StreamId {
        self.first
    }

    /// The ID of the entry at the end, deleted or not.
    pub fn last(&self) -> StreamId {
        self.last
    }

    /// How many entries are not deleted.
    pub fn live(&self) -> usize {
        self.live
    }

    /// How many entries there are, with deleted ones.
    pub fn entries_with_deleted(&self) -> usize {
        self.live + self.deleted
    }

    /// Gives back what is reserved for more entries.
    pub fn shrink(&mut self) {
        self.pack.shrink();
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.pack.heap_bytes()
    }

    /// Appends an entry, whose ID must be above all others.
    pub fn append(&mut self, id: StreamId, pairs: &[[&[u8]; 2]]) {
        let same_fields = self.has_fields(pairs);
        let pack = &mut self.pack;
        pack.push(Element::Int(if same_fields { SAME_FIELDS } else { 0 }));
        pack.push(Element::Int(id.ms.wrapping_sub(self.first.ms) as i64));
        pack.push(Element::Int(id.seq.wrapping_sub(self.first.seq) as i64));
        if !same_fields {
            pack.push(Element::Int(pairs.len() as i64));
        }
        for [field, value] in pairs {
            if !same_fields {
                pack.push(Element::of(field));
            }
            pack.push(Element::of(value));
        }
        pack.push(Element::Int(elements(same_fields, pairs.len()) as i64));
        self.last = id;
        self.live += 1;
        self.note_counts();
    }

    /// A block of the entries that are not deleted, if there are any.
    pub fn without_deleted(&self) -> Option<Self> {
        let mut block: Option<Self> = None;
        for entry in self.entries() {
            let pairs: Vec<_> = entry.pairs().collect();
            let pairs: Vec<_> = pairs.iter().map(|(field, value)| [&**field, &**value]).collect();
            block.get_or_insert_with(|| Self::begin(entry.id, &pairs)).append(entry.id, &pairs);
        }
        block
    }

    /// Marks entries as deleted, from the first on, as long as `is_to_go` holds of their IDs;
    /// returns how many.
    pub fn delete_while(&mut self, mut is_to_go: impl FnMut(StreamId) -> bool) -> usize {
        let places: Vec<_> = self
            .entries()
            .take_while(|entry| is_to_go(entry.id))
            .map(|entry| entry.place.flags)
            .collect();
        places.iter().for_each(|flags| self.mark_deleted(*flags));
        self.note_counts();
        places.len()
    }

    /// Marks an entry as deleted; returns whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(flags) = self.entries().find(|e| e.id == id).map(|entry| entry.place.flags) else {
            return false;
        };
        self.mark_deleted(flags);
        self.note_counts();
        true
    }

    /// The entries that are not deleted, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut at = self.body();
        std::iter::from_fn(move || {
            let (id, place, end) = self.read(at?)?;
            at = Some(end);
            Some(Entry { id, block: self, place })
        })
        .filter(|entry| !entry.place.is_deleted)
    }

    fn mark_deleted(&mut self, flags: usize) {
        if let Some((old, _)) = self.int_at(flags) {
            self.pack.replace(flags, old | DELETED);
            self.live -= 1;
            self.deleted += 1;
        }
    }

    fn note_counts(&mut self) {
        let Some((_, second)) = self.pack.get(HEADER_BYTES) else { return };
        self.pack.replace(second, self.deleted as i64);
        self.pack.replace(HEADER_BYTES, self.live as i64);
    }

    /// Whether these are the fields of the master entry.
    fn has_fields(&self, pairs: &[[&[u8]; 2]]) -> bool {
        let Some((count, mut at)) = self.field_names() else { return false };
        count == pairs.len()
            && pairs.iter().all(|[field, _]| {
                self.pack.get(at).is_some_and(|(name, next)| {
                    at = next;
                    name == Element::of(field)
                })
            })
    }

    /// How many fields the master entry has, and the position of the first.
    fn field_names(&self) -> Option<(usize, usize)> {
        let (_, at) = self.pack.get(HEADER_BYTES)?;
        let (_, at) = self.pack.get(at)?;
        self.count_at(at)
    }

    /// The position of the first entry.
    fn body(&self) -> Option<usize> {
        let (count, at) = self.field_names()?;
        let (terminator, at) = self.int_at(self.skip(at, count)?)?;
        (terminator == 0).then_some(at)
    }

    /// The entry at a position, and the position of the next.
    fn read(&self, at: usize) -> Option<(StreamId, Place, usize)> {
        let (flags, ms_at) = self.int_at(at)?;
        let (ms, seq_at) = self.int_at(ms_at)?;
        let (seq, body) = self.int_at(seq_at)?;
        let has_own_fields = flags & SAME_FIELDS == 0;
        let (fields, body) =
            if has_own_fields { self.count_at(body)? } else { (self.field_names()?.0, body) };
        let values = if has_own_fields { fields.checked_mul(2)? } else { fields };
        let (elements_noted, end) = self.count_at(self.skip(body, values)?)?;
        let id = StreamId {
            ms: self.first.ms.wrapping_add_signed(ms),
            seq: self.first.seq.wrapping_add_signed(seq),
        };
        let is_deleted = flags & DELETED != 0;
        let place = Place { flags: at, is_deleted, has_own_fields, fields, body };
        (elements_noted == elements(!has_own_fields, fields)).then_some((id, place, end))
    }

    fn skip(&self, at: usize, elements: usize) -> Option<usize> {
        (0..elements).try_fold(at, |at, _| self.pack.get(at).map(|(_, next)| next))
    }

    fn int_at(&self, at: usize) -> Option<(i64, usize)> {
        match self.pack.get(at)? {
            (Element::Int(n), next) => Some((n, next)),
            (Element::Str(_), _) => None,
        }
    }

    fn count_at(&self, at: usize) -> Option<(usize, usize)> {
        let (count, next) = self.int_at(at)?;
        Some((usize::try_from(count).ok()?, next))
    }
}

/// How many elements of the listpack an entry takes beside the number of them.
fn elements(same_fields: bool, fields: usize) -> usize {
    const FLAGS_AND_ID: usize = 3;
    FLAGS_AND_ID + if same_fields { fields } else { 1 + 2 * fields }
}

impl<'a> Entry<'a> {
    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.place.fields
    }

    /// Whether it has no fields; Redis makes no such entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its fields with their values.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'a>> + use<'a> {
        let pack = &self.block.pack;
        let next_of = |at: &mut usize| {
            let (element, next) = pack.get(*at)?;
            *at = next;
            Some(element.into_bytes())
        };
        let Place { has_own_fields, fields, mut body, .. } = self.place;
        let mut names = self.block.field_names().map_or(0, |(_, at)| at);
        (0..fields).map_while(move |_| {
            let field = next_of(if has_own_fields { &mut body } else { &mut names })?;
            Some((field, next_of(&mut body)?))
        })
    }
}
