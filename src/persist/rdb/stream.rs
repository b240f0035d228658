//! Streams in snapshots.
//!
//! ```text
//! blocks { id(16 bytes) listpack }*
//! length last-id(2 lengths) [first-id(2) max-deleted-id(2) entries-added]
//! groups { name last-id(2) [entries-read]
//!          pending { id(16 raw bytes) delivered(ms, 8 bytes) deliveries }*
//!          consumers { name seen(ms, 8 bytes) [active(ms, 8 bytes)] pending { id(16 raw) }* }* }*
//! ```
//!
//! What is in the first two pairs of brackets came with 7.0 (type 19), `active` with 7.2 (type 21).
//! An unknown `entries-read` is all ones.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};

use super::error::Reason;
use super::input::{Reader, Stop};
use super::output::{put_length, put_string};
use crate::keyspace::Blob;
use crate::keyspace::types::stream::{Group, Pending};
use crate::keyspace::types::{Stream, StreamId};

/// As 7.0 writes it.
pub(super) fn put(out: &mut BytesMut, stream: &Stream) {
    let blocks = stream.blocks();
    put_length(out, blocks.len());
    for (first, bytes) in blocks {
        put_string(out, &first.to_bytes());
        put_string(out, bytes);
    }
    put_length(out, stream.len());
    put_id(out, stream.last_id);
    put_id(out, stream.first_id());
    put_id(out, stream.max_deleted_id);
    put_length(out, stream.entries_added as usize);
    let groups = stream.groups();
    put_length(out, groups.len());
    for (name, group) in groups {
        put_string(out, name);
        put_group(out, group);
    }
}

fn put_group(out: &mut BytesMut, group: &Group) {
    put_id(out, group.last_id);
    put_length(out, group.entries_read.unwrap_or(u64::MAX) as usize);
    put_length(out, group.pending().len());
    for (id, pending) in group.pending() {
        out.extend_from_slice(&id.to_bytes());
        out.put_i64_le(pending.delivered_at);
        put_length(out, pending.deliveries as usize);
    }
    put_length(out, group.consumers().len());
    for (name, consumer) in group.consumers() {
        put_string(out, name);
        out.put_i64_le(consumer.seen_at);
        put_length(out, consumer.pending().len());
        consumer.pending().iter().for_each(|id| out.extend_from_slice(&id.to_bytes()));
    }
}

fn put_id(out: &mut BytesMut, id: StreamId) {
    put_length(out, id.ms as usize);
    put_length(out, id.seq as usize);
}

/// Which Redis wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Before7_0,
    Of7_0,
    Since7_2,
}

/// A stream of which not all parts have been read.
#[derive(Debug, PartialEq)]
pub(super) struct StreamParts {
    form: Form,
    stream: Stream,
    place: Place,
    groups_left: u64,
    group: Option<(Blob, Group)>,
    /// Pending entries of the group of which no consumer has come: delivered when, how often.
    unowned: BTreeMap<StreamId, (i64, u64)>,
    consumers_left: u64,
    consumer: Blob,
}

/// What the next part is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    BlockCount,
    Blocks { left: u64 },
    Totals,
    Group,
    Pending { left: u64 },
    ConsumerCount,
    Consumer,
    Owned { left: u64 },
    End,
}

impl StreamParts {
    pub fn new(form: Form) -> Self {
        Self {
            form,
            stream: Stream::default(),
            place: Place::BlockCount,
            groups_left: 0,
            group: None,
            unowned: BTreeMap::new(),
            consumers_left: 0,
            consumer: Blob::new(),
        }
    }

    /// The stream, all of whose parts have been read.
    pub fn into_stream(self) -> Stream {
        self.stream
    }

    /// Reads the next part and returns whether it was the last.
    pub fn read_part(&mut self, reader: &mut Reader<'_>) -> Result<bool, Stop> {
        self.place = match self.place {
            Place::BlockCount => Place::Blocks { left: reader.length()? },
            Place::Blocks { left } => {
                self.read_block(reader)?;
                Place::Blocks { left: left - 1 }
            }
            Place::Totals => {
                self.read_totals(reader)?;
                Place::Group
            }
            Place::Group => Place::Pending { left: self.read_group(reader)? },
            Place::Pending { left } => {
                let (id, at) = (read_raw_id(reader)?, i64::from_le_bytes(reader.array()?));
                let deliveries = reader.length()?;
                self.unowned.insert(id, (at, deliveries));
                Place::Pending { left: left - 1 }
            }
            Place::ConsumerCount => {
                self.consumers_left = reader.length()?;
                Place::Consumer
            }
            Place::Consumer => Place::Owned { left: self.read_consumer(reader)? },
            Place::Owned { left } => {
                self.own(read_raw_id(reader)?)?;
                Place::Owned { left: left - 1 }
            }
            Place::End => Place::End,
        };
        self.skip_what_is_empty()?;
        Ok(self.place == Place::End)
    }

    fn skip_what_is_empty(&mut self) -> Result<(), Reason> {
        loop {
            self.place = match self.place {
                Place::Blocks { left: 0 } => Place::Totals,
                Place::Pending { left: 0 } => Place::ConsumerCount,
                Place::Owned { left: 0 } => Place::Consumer,
                Place::Consumer if self.consumers_left == 0 => {
                    self.end_group()?;
                    Place::Group
                }
                Place::Group if self.groups_left == 0 => Place::End,
                _ => return Ok(()),
            };
        }
    }

    fn read_block(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let (first, bytes) = (reader.string()?.into_bytes(), reader.string()?.into_bytes());
        let first = <[u8; 16]>::try_from(&*first).map_err(|_| corrupt("an ID is not 16 bytes"))?;
        let appended = self.stream.push_block(StreamId::of_bytes(first), bytes.into_owned());
        appended.map_err(|invalid| corrupt(invalid.0).into())
    }

    fn read_totals(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let (length, last_id) = (reader.length()?, read_id(reader)?);
        if length != self.stream.len() as u64 {
            return Err(corrupt("its length is not that of its blocks").into());
        }
        self.stream.last_id = last_id;
        if self.form == Form::Before7_0 {
            self.stream.entries_added = length;
        } else {
            read_id(reader)?;
            self.stream.max_deleted_id = read_id(reader)?;
            self.stream.entries_added = reader.length()?;
        }
        if last_id < self.stream.top_id() {
            return Err(corrupt("its last ID is below an entry's").into());
        }
        self.groups_left = reader.length()?;
        Ok(())
    }

    /// Begins a group and returns how many entries are pending in it.
    fn read_group(&mut self, reader: &mut Reader<'_>) -> Result<u64, Stop> {
        let (name, last_id) = (Blob::from(&*reader.string()?.into_bytes()), read_id(reader)?);
        let entries_read = if self.form == Form::Before7_0 {
            self.stream.entries_up_to(last_id)
        } else {
            Some(reader.length()?).filter(|read| *read != u64::MAX)
        };
        let pending = reader.length()?;
        self.group = Some((name, Group::new(last_id, entries_read)));
        self.groups_left -= 1;
        Ok(pending)
    }

    /// Begins a consumer and returns how many entries are pending with it.
    fn read_consumer(&mut self, reader: &mut Reader<'_>) -> Result<u64, Stop> {
        let name = Blob::from(&*reader.string()?.into_bytes());
        let seen_at = i64::from_le_bytes(reader.array()?);
        if self.form >= Form::Since7_2 {
            reader.array::<8>()?;
        }
        let pending = reader.length()?;
        if let Some((_, group)) = &mut self.group
            && !group.create_consumer(&name, seen_at)
        {
            return Err(Reason::DuplicateElement.into());
        }
        self.consumer = name;
        self.consumers_left -= 1;
        Ok(pending)
    }

    fn own(&mut self, id: StreamId) -> Result<(), Reason> {
        let unowned = self.unowned.remove(&id);
        let (delivered_at, deliveries) =
            unowned.ok_or(corrupt("a consumer's pending entry is not its group's"))?;
        if let Some((_, group)) = &mut self.group {
            group.assign(id, Pending { consumer: self.consumer.clone(), delivered_at, deliveries });
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), Reason> {
        if !self.unowned.is_empty() {
            return Err(corrupt("a pending entry is no consumer's"));
        }
        let Some((name, group)) = self.group.take() else { return Ok(()) };
        if self.stream.create_group(&name, group) { Ok(()) } else { Err(Reason::DuplicateElement) }
    }
}

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId::new(reader.length()?, reader.length()?))
}

fn read_raw_id(reader: &mut Reader<'_>) -> Result<StreamId, Stop> {
    reader.array().map(StreamId::of_bytes)
}

fn corrupt(fault: &'static str) -> Reason {
    Reason::Corrupt { structure: "stream", fault }
}
