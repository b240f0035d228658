//! Floor 3: codecs of what a node keeps on disk. To come.

pub mod rdb;
