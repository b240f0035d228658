//! Streams: entries in the order of their IDs, and groups of consumers that share them.
//!
//! # Blocks
//!
//! Entries lie in blocks of up to a hundred, each one listpack in the very form that Redis gives the
//! nodes of its radix tree, so that approximate trimming cuts at the same entries, and a snapshot is
//! the blocks as they are. A block is found by bisection, an entry in it by walking. Blocks are
//! behind `Arc`: the first write after a snapshot copies the list of blocks and the one block that
//! it changes.
//!
//! # Groups
//!
//! A group is one value: the first delivery after a snapshot copies the group with all that is
//! pending in it.
//!
//! # Counting what was read
//!
//! The lag of a group is known while no entry after its last ID was deleted: entries ever added less
//! entries read. [`Stream::entries_up_to`] finds that number again at the ends of the stream.
//!
//! # Differences from Redis
//!
//! If the last ID was set back, deleted entries with higher IDs are forgotten when the next entry is
//! added. Redis lets it follow them, out of order.

mod block;
mod group;
mod id;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use self::block::{Entry, Pair};
pub use self::group::{Consumer, Group, Pending};
pub use self::id::StreamId;

use self::block::Block;
use crate::keyspace::listpack::Invalid;
use crate::keyspace::value::blob_heap_bytes;
use crate::keyspace::{Blob, Kind, Value};

/// A stream.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    blocks: VecDeque<Arc<Block>>,
    len: usize,
    /// Of the entry that was added last, whether it is still there or not.
    pub last_id: StreamId,
    /// The highest ID of an entry that was deleted by name.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    groups: BTreeMap<Blob, Arc<Group>>,
    /// Bytes that blocks and groups hold.
    heap_bytes: usize,
}

/// How large a block may become before the next entry begins a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockMax {
    /// `stream-node-max-bytes`; 0 for no such limit.
    pub bytes: usize,
    /// `stream-node-max-entries`; 0 for no such limit.
    pub entries: usize,
}

impl Default for BlockMax {
    fn default() -> Self {
        Self { bytes: 4096, entries: 100 }
    }
}

/// The most bytes that the fields and values of an entry may have together.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;

/// What trimming leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// So many entries, the newest.
    Newest(u64),
    /// Those from this ID on.
    From(StreamId),
}

/// How exactly trimming is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trimming {
    /// To the entry.
    Exact,
    /// By whole blocks, as long as not more than so many entries go; 0 for any number.
    Blocks {
        /// How many may go.
        entries_max: u64,
    },
}

impl super::Collection for Stream {
    const KIND: Kind = Kind::Stream;

    fn of(value: &Value) -> Option<&Arc<Self>> {
        match value {
            Value::Stream(shared) => Some(shared),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Stream(shared) => Some(Arc::make_mut(shared)),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Stream(Arc::new(self))
    }

    fn len(&self) -> usize {
        self.len
    }

    /// A stream without entries still knows its last ID and its groups: its key stays.
    fn is_empty(&self) -> bool {
        false
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        let counts = |stream: &Self| (stream.last_id, stream.max_deleted_id, stream.entries_added);
        counts(self) == counts(other)
            && self.groups == other.groups
            && self
                .range(StreamId::MIN, StreamId::MAX)
                .eq(other.range(StreamId::MIN, StreamId::MAX))
    }
}

impl Stream {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ID of the first entry; zeros if there is none.
    pub fn first_id(&self) -> StreamId {
        self.range(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The ID of the last entry that is there; zeros if there is none.
    pub fn top_id(&self) -> StreamId {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The entries from one ID to another, both included.
    pub fn range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let start = self.block_of(from).unwrap_or(0);
        let blocks = self.blocks.range(start..).take_while(move |block| block.first() <= to);
        blocks
            .flat_map(|block| block.entries())
            .skip_while(move |entry| entry.id < from)
            .take_while(move |entry| entry.id <= to)
    }

    /// [`Stream::range`], the last one first.
    pub fn range_back(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let end = self.block_of(to).map_or(0, |last| last + 1);
        let blocks = self.blocks.range(..end).rev().take_while(move |block| block.last() >= from);
        blocks
            .flat_map(|block| block.entries().collect::<Vec<_>>().into_iter().rev())
            .skip_while(move |entry| entry.id > to)
            .take_while(move |entry| entry.id >= from)
    }

    /// An entry.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// Appends an entry, whose ID must be above the last one.
    pub fn push(&mut self, id: StreamId, pairs: &[[&[u8]; 2]], max: BlockMax) {
        let bytes: usize = pairs.iter().flatten().map(|text| text.len()).sum();
        let bytes_max = if max.bytes == 0 { ENTRY_BYTES_MAX } else { max.bytes };
        let entries_max = if max.entries == 0 { usize::MAX } else { max.entries };
        self.forget_from(id);
        let has_room = self.blocks.back().is_some_and(|block| {
            block.as_bytes().len() + bytes < bytes_max.min(ENTRY_BYTES_MAX)
                && block.entries_with_deleted() < entries_max
        });
        if !has_room {
            if let Some(full) = self.blocks.len().checked_sub(1) {
                self.change(full, Block::shrink);
            }
            let block = Block::begin(id, pairs);
            self.heap_bytes += block.heap_bytes();
            self.blocks.push_back(Arc::new(block));
        }
        self.change(self.blocks.len() - 1, |block| block.append(id, pairs));
        self.len += 1;
        self.last_id = id;
        self.entries_added = self.entries_added.wrapping_add(1);
    }

    /// Forgets deleted entries at the end that one of this ID cannot follow: the last ID was set
    /// back.
    fn forget_from(&mut self, id: StreamId) {
        while let Some(block) = self.blocks.pop_back_if(|block| block.last() >= id) {
            self.heap_bytes -= block.heap_bytes();
            if let Some(live) = block.without_deleted() {
                self.heap_bytes += live.heap_bytes();
                self.blocks.push_back(Arc::new(live));
            }
        }
    }

    /// Deletes an entry and returns whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(index) = self.block_of(id) else { return false };
        // Looked for first, so that in vain nothing is copied.
        let was_there = self.get(id).is_some() && self.change(index, |block| block.delete(id));
        if was_there {
            self.len -= 1;
            self.max_deleted_id = self.max_deleted_id.max(id);
            if self.blocks[index].live() == 0 {
                self.remove_block(index);
            }
        }
        was_there
    }

    /// Deletes the oldest entries and returns how many.
    pub fn trim(&mut self, keep: Keep, trimming: Trimming) -> usize {
        let before = self.len;
        while let Some(block) = self.blocks.front() {
            let live = block.live();
            if let Keep::Newest(max) = keep
                && self.len as u64 <= max
            {
                break;
            }
            if let Trimming::Blocks { entries_max } = trimming
                && entries_max != 0
                && (before - self.len + live) as u64 > entries_max
            {
                break;
            }
            let goes_whole = match keep {
                Keep::Newest(max) => (self.len - live) as u64 >= max,
                Keep::From(id) => block.last() < id,
            };
            if goes_whole {
                self.len -= live;
                self.remove_block(0);
            } else {
                if trimming == Trimming::Exact {
                    self.trim_first_block(keep);
                }
                break;
            }
        }
        before - self.len
    }

    fn trim_first_block(&mut self, keep: Keep) {
        let mut left = self.len;
        let is_to_go = |id| match keep {
            Keep::Newest(max) => {
                let goes = left as u64 > max;
                left -= usize::from(goes);
                goes
            }
            Keep::From(first) => id < first,
        };
        self.len -= self.change(0, |block| block.delete_while(is_to_go));
    }

    /// The blocks in order, for snapshots: with what ID each was begun, and its bytes.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = (StreamId, &[u8])> {
        self.blocks.iter().map(|block| (block.first(), block.as_bytes()))
    }

    /// Appends a block of a snapshot, which counts its entries as neither added nor last.
    pub fn push_block(&mut self, first: StreamId, bytes: Vec<u8>) -> Result<(), Invalid> {
        let block = Block::of_bytes(first, bytes)?;
        let is_after = |before: &Arc<Block>| before.first() < first && self.top_id() < first;
        if !self.blocks.back().is_none_or(is_after) {
            return Err(Invalid("its first ID is not above those before it"));
        }
        self.len += block.live();
        self.heap_bytes += block.heap_bytes();
        self.blocks.push_back(Arc::new(block));
        Ok(())
    }

    /// How many nodes the radix tree has in which Redis keeps the blocks.
    pub fn tree_nodes(&self) -> usize {
        let keys: Vec<_> = self.blocks.iter().map(|block| block.first().to_bytes()).collect();
        tree_nodes(&keys, 0)
    }

    /// Whether an entry at or after this ID was deleted by name, and not only ones before all
    /// that are left.
    pub fn has_gap_after(&self, id: StreamId) -> bool {
        self.len > 0
            && self.max_deleted_id != StreamId::MIN
            && self.max_deleted_id >= self.first_id()
            && self.max_deleted_id >= id
    }

    /// How many entries were ever added up to this ID, where that can be told.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        let first = self.first_id();
        if self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= first || id > first {
            return None;
        }
        let before_first = self.entries_added.wrapping_sub(self.len as u64);
        Some(before_first.wrapping_add(u64::from(id == first)))
    }

    /// How many entries a group has not been given, where that can be told.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = group.entries_read.filter(|_| !self.has_gap_after(group.last_id));
        let read = read.or_else(|| self.entries_up_to(group.last_id))?;
        Some(self.entries_added.wrapping_sub(read) as i64)
    }

    /// All groups by their names, in order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&Blob, &Group)> {
        self.groups.iter().map(|(name, group)| (name, &**group))
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// Adds a group; returns whether there was none of this name, for otherwise nothing changes.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        let name = Blob::from(name);
        self.heap_bytes += group.heap_bytes() + blob_heap_bytes(&name);
        self.groups.insert(name, Arc::new(group));
        true
    }

    /// Removes a group and returns whether it was there.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Some((name, group)) = self.groups.remove_entry(name) else { return false };
        self.heap_bytes -= group.heap_bytes() + blob_heap_bytes(&name);
        true
    }

    /// Changes a group, if it is there.
    pub fn edit_group<R>(
        &mut self,
        name: &[u8],
        change: impl FnOnce(&mut Group) -> R,
    ) -> Option<R> {
        let group = Arc::make_mut(self.groups.get_mut(name)?);
        self.heap_bytes -= group.heap_bytes();
        let result = change(group);
        self.heap_bytes += group.heap_bytes();
        Some(result)
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.blocks.capacity() * size_of::<Arc<Block>>() + self.heap_bytes
    }

    /// The word of OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// The index of the only block that may hold an entry of this ID.
    fn block_of(&self, id: StreamId) -> Option<usize> {
        self.blocks.partition_point(|block| block.first() <= id).checked_sub(1)
    }

    fn change<R>(&mut self, index: usize, change: impl FnOnce(&mut Block) -> R) -> R {
        // A copy reserves less than what it is a copy of.
        self.heap_bytes -= self.blocks[index].heap_bytes();
        let block = Arc::make_mut(&mut self.blocks[index]);
        let result = change(block);
        self.heap_bytes += block.heap_bytes();
        result
    }

    fn remove_block(&mut self, index: usize) {
        if let Some(block) = self.blocks.remove(index) {
            self.heap_bytes -= block.heap_bytes();
        }
    }
}

/// The nodes of a compressed radix tree that holds these keys, which are sorted and agree in their
/// first `depth` bytes: a leaf for each, one where keys part, one for what they share before.
fn tree_nodes(keys: &[[u8; 16]], depth: usize) -> usize {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return 1 };
    let shared = first[depth..].iter().zip(&last[depth..]).take_while(|(a, b)| a == b).count();
    let parts_at = depth + shared;
    let before = usize::from(shared > 0);
    if parts_at == first.len() {
        return before + 1;
    }
    let branches = keys.chunk_by(|a, b| a[parts_at] == b[parts_at]);
    before + 1 + branches.map(|branch| tree_nodes(branch, parts_at + 1)).sum::<usize>()
}

#[cfg(test)]
mod tests;
