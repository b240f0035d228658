//! Consumer groups: how far a group has read, and what it was given and has not acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use super::StreamId;
use crate::keyspace::Blob;
use crate::keyspace::value::blob_heap_bytes;

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The last entry that was delivered.
    pub last_id: StreamId,
    /// How many entries were delivered, of all that the stream ever had, if that is known.
    pub entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: BTreeMap<Blob, Consumer>,
}

/// An entry that was delivered and has not been acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// To whom.
    pub consumer: Blob,
    /// When for the last time, in ms since the epoch.
    pub delivered_at: i64,
    /// How often.
    pub deliveries: u64,
}

/// A consumer of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// When it last asked for something, in ms since the epoch.
    pub seen_at: i64,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// The IDs of its pending entries.
    pub fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}

impl Group {
    /// A group that goes on after `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Self { last_id, entries_read, pending: BTreeMap::new(), consumers: BTreeMap::new() }
    }

    /// All pending entries, in order.
    pub fn pending(&self) -> &BTreeMap<StreamId, Pending> {
        &self.pending
    }

    /// All consumers by their names, in order.
    pub fn consumers(&self) -> &BTreeMap<Blob, Consumer> {
        &self.consumers
    }

    /// Adds a consumer and returns whether it is new.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> bool {
        if self.consumers.contains_key(name) {
            return false;
        }
        let consumer = Consumer { seen_at: now_ms, pending: BTreeSet::new() };
        self.consumers.insert(Blob::from(name), consumer);
        true
    }

    /// Notes that a consumer asked for something, whether it is new or not.
    pub fn see_consumer(&mut self, name: &[u8], now_ms: i64) {
        match self.consumers.get_mut(name) {
            Some(consumer) => consumer.seen_at = now_ms,
            None => drop(self.create_consumer(name, now_ms)),
        }
    }

    /// Removes a consumer with its pending entries.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<Consumer> {
        let removed = self.consumers.remove(name)?;
        removed.pending.iter().for_each(|id| drop(self.pending.remove(id)));
        Some(removed)
    }

    /// Notes that an entry is pending with a consumer, whoever had it, and whether there is such a
    /// consumer: if not, nothing changes.
    pub fn assign(&mut self, id: StreamId, pending: Pending) -> bool {
        let Some(consumer) = self.consumers.get_mut(&pending.consumer) else { return false };
        consumer.pending.insert(id);
        let owner = pending.consumer.clone();
        if let Some(old) = self.pending.insert(id, pending)
            && old.consumer != owner
            && let Some(loser) = self.consumers.get_mut(&old.consumer)
        {
            loser.pending.remove(&id);
        }
        true
    }

    /// Notes that a pending entry was delivered once more, to whom it was before.
    pub fn deliver_again(&mut self, id: StreamId, now_ms: i64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.delivered_at = now_ms;
            pending.deliveries = pending.deliveries.wrapping_add(1);
        }
    }

    /// Notes that an entry is not pending any more; returns what was noted of it.
    pub fn release(&mut self, id: StreamId) -> Option<Pending> {
        let released = self.pending.remove(&id)?;
        if let Some(consumer) = self.consumers.get_mut(&released.consumer) {
            consumer.pending.remove(&id);
        }
        Some(released)
    }

    /// Bytes held, as far as they can be told without counting.
    pub(super) fn heap_bytes(&self) -> usize {
        /// A tree's nodes are seldom full, and have a few words of their own.
        fn in_tree<T>(count: usize) -> usize {
            count * size_of::<T>() * 3 / 2
        }
        let names: usize = self.consumers.keys().map(blob_heap_bytes).sum();
        size_of::<Self>()
            + in_tree::<(Blob, Consumer)>(self.consumers.len())
            + in_tree::<(StreamId, Pending)>(self.pending.len())
            + in_tree::<StreamId>(self.pending.len())
            + names
    }
}
