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

use bytes::BufMut;

use super::error::Reason;
use super::input::{Reader, Stop};
use super::output::Writer;
use crate::keyspace::Blob;
use crate::keyspace::types::stream::{Group, Pending};
use crate::keyspace::types::{Stream, StreamId};

/// As 7.0 writes it.
pub(super) fn put(out: &mut Writer, stream: &Stream) {
    let blocks = stream.blocks();
    out.length(blocks.len());
    for (first, bytes) in blocks {
        out.string(&first.to_bytes());
        out.string(bytes);
    }
    out.length(stream.len());
    put_id(out, stream.last_id);
    put_id(out, stream.first_id());
    put_id(out, stream.max_deleted_id);
    out.length(stream.entries_added as usize);
    let groups = stream.groups();
    out.length(groups.len());
    for (name, group) in groups {
        out.string(name);
        put_group(out, group);
    }
}

fn put_group(out: &mut Writer, group: &Group) {
    put_id(out, group.last_id);
    out.length(group.entries_read.unwrap_or(u64::MAX) as usize);
    out.length(group.pending().len());
    for (id, pending) in group.pending() {
        out.bytes.extend_from_slice(&id.to_bytes());
        out.bytes.put_i64_le(pending.delivered_at);
        out.length(pending.deliveries as usize);
    }
    out.length(group.consumers().len());
    for (name, consumer) in group.consumers() {
        out.string(name);
        out.bytes.put_i64_le(consumer.seen_at);
        out.length(consumer.pending().len());
        consumer.pending().iter().for_each(|id| out.bytes.extend_from_slice(&id.to_bytes()));
    }
}

fn put_id(out: &mut Writer, id: StreamId) {
    out.length(id.ms as usize);
    out.length(id.seq as usize);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::types::stream::BlockMax;

    fn read(bytes: &[u8], form: Form) -> Result<Stream, Stop> {
        let (mut parts, mut reader) = (StreamParts::new(form), Reader::new(bytes, 0));
        while !parts.read_part(&mut reader)? {}
        assert_eq!(reader.at(), bytes.len());
        Ok(parts.into_stream())
    }

    fn fault(bytes: &[u8]) -> String {
        match read(bytes, Form::Of7_0).expect_err("must be refused") {
            Stop::Bad(reason) => reason.to_string(),
            Stop::Short(_) => "cut".to_owned(),
        }
    }

    fn id(ms: u64) -> StreamId {
        StreamId::new(ms, 0)
    }

    /// Two blocks, a deleted entry, a group of two consumers and one of none.
    fn stream() -> Stream {
        let mut stream = Stream::default();
        for ms in 1..=5 {
            let max = BlockMax { bytes: 0, entries: 3 };
            stream.push(id(ms), &[[b"field", b"1"], [b"other", b"two"]], max);
        }
        stream.delete(id(2));
        let mut group = Group::new(id(4), None);
        group.create_consumer(b"a", 1 << 40);
        group.create_consumer(b"b", 5);
        for (ms, consumer) in [(1, "a"), (3, "b"), (4, "a")] {
            let consumer = Blob::from(consumer.as_bytes());
            group.assign(id(ms), Pending { consumer, delivered_at: 7, deliveries: ms * 100 });
        }
        stream.create_group(b"g", group);
        stream.create_group(b"h", Group::new(id(9), Some(1 << 33)));
        stream
    }

    fn written(stream: &Stream) -> Vec<u8> {
        let mut out = Writer::default();
        put(&mut out, stream);
        out.bytes.to_vec()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = written(&stream());
        assert_eq!(read(&bytes, Form::Of7_0), Ok(stream()));
        for length in 0..bytes.len() {
            assert!(matches!(read(&bytes[..length], Form::Of7_0), Err(Stop::Short(_))), "{length}");
        }
        assert_eq!(read(&written(&Stream::default()), Form::Of7_0), Ok(Stream::default()));
    }

    #[test]
    fn every_changed_bit_is_refused_or_read_and_never_panics() {
        let bytes = written(&stream());
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[index] ^= 1 << bit;
                let (mut parts, mut reader) =
                    (StreamParts::new(Form::Of7_0), Reader::new(&bytes, 0));
                while parts.read_part(&mut reader) == Ok(false) {}
            }
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let bare = [0; 10];
        let with_group = |group: &[u8]| [&bare[..9], b"\x01", group].concat();
        assert_eq!(fault(b"\x01\x01x\x00"), "corrupt stream: an ID is not 16 bytes");
        let empty_block = [b"\x01\x10", &[0; 16][..], b"\x07\x07\0\0\0\0\0\xff"].concat();
        assert_eq!(fault(&empty_block), "corrupt stream: it has no valid master entry");
        assert_eq!(
            fault(b"\x00\x05\x00\x00"),
            "corrupt stream: its length is not that of its blocks"
        );
        let unowned = [b"\x01g\0\0\0\x01", &[0; 16][..], &[0; 8], b"\x01\x00"].concat();
        assert_eq!(
            fault(&with_group(&unowned)),
            "corrupt stream: a pending entry is no consumer's"
        );
        let unknown = [b"\x01g\0\0\0\0\x01\x01c", &[0; 8][..], b"\x01", &[0; 16]].concat();
        let text = "corrupt stream: a consumer's pending entry is not its group's";
        assert_eq!(fault(&with_group(&unknown)), text);
        let twice = [b"\x01g\0\0\0\0\x02\x01c", &[0; 8][..], b"\x00\x01c", &[0; 8], b"\x00"];
        assert_eq!(fault(&with_group(&twice.concat())), "an element comes twice");
        let groups = [&bare[..9], b"\x02", b"\x01g\0\0\0\0\0", b"\x01g\0\0\0\0\0"].concat();
        assert_eq!(fault(&groups), "an element comes twice");
    }
}
