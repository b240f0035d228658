//! A node's data, lent to people: what the key browser and the comparison of two nodes read.

use bytes::Bytes;

use crate::keyspace::Snapshot;

/// The data of a node and the place in its history that it stands for, both of one moment.
#[derive(Debug, Clone)]
pub struct NodeData {
    /// The data: a reference, which costs the node microseconds however much there is.
    pub snapshot: Snapshot,
    /// Milliseconds since the epoch by the node's clock.
    pub wall_ms: i64,
    /// The replication ID.
    pub replid: String,
    /// The previous one and the first offset that it does not cover, if it still counts.
    pub previous: Option<(String, u64)>,
    /// The last byte of the stream produced or applied: all before it is in the data.
    pub offset: u64,
    /// The tail of the stream that the backlog holds, up to `offset`.
    pub tail: Vec<Bytes>,
}

impl NodeData {
    /// Whether what is known by a replication ID and an offset is a part of this history.
    pub fn continues(&self, replid: &str, offset: u64) -> bool {
        let by_previous = |(id, until): &(String, u64)| id == replid && offset < *until;
        (self.replid == replid && offset <= self.offset)
            || self.previous.as_ref().is_some_and(by_previous)
    }

    /// The bytes of the stream after an offset, if they are still held.
    pub fn stream_after(&self, offset: u64) -> Option<Vec<u8>> {
        let wanted = usize::try_from(self.offset.checked_sub(offset)?).ok()?;
        let held: usize = self.tail.iter().map(Bytes::len).sum();
        let mut skipped = held.checked_sub(wanted)?;
        let mut stream = Vec::with_capacity(wanted);
        for piece in &self.tail {
            let skip = skipped.min(piece.len());
            skipped -= skip;
            stream.extend_from_slice(&piece[skip..]);
        }
        Some(stream)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::NodeData;
    use crate::keyspace::Snapshot;

    fn data() -> NodeData {
        NodeData {
            snapshot: Snapshot::default(),
            wall_ms: 0,
            replid: "new".to_owned(),
            previous: Some(("old".to_owned(), 90)),
            offset: 100,
            tail: vec![Bytes::from_static(b"abc"), Bytes::from_static(b"defg")],
        }
    }

    #[test]
    fn the_stream_after_an_offset_is_whole_or_not_there() {
        assert_eq!(data().stream_after(100).as_deref(), Some(&b""[..]));
        assert_eq!(data().stream_after(95).as_deref(), Some(&b"cdefg"[..]));
        assert_eq!(data().stream_after(93).as_deref(), Some(&b"abcdefg"[..]));
        assert_eq!(data().stream_after(92), None, "no longer held");
        assert_eq!(data().stream_after(101), None, "not produced yet");
    }

    #[test]
    fn the_previous_name_counts_for_what_was_shared() {
        assert!(data().continues("new", 100) && !data().continues("new", 101));
        assert!(data().continues("old", 89) && !data().continues("old", 90));
        assert!(!data().continues("other", 0));
    }
}
