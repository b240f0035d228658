//! Floor 2: the data.

/// All databases of a node.
#[derive(Debug, Default)]
pub struct Keyspace {}

/// The data as it was at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {}
