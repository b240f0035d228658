//! When Redis keeps a value in one piece.

use super::stream::BlockMax;

/// Up to what size Redis keeps a collection in one piece, a listpack or an intset. A larger one is
/// spread over a table, and never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// `hash-max-listpack-entries`
    pub hash_fields_max: usize,
    /// `hash-max-listpack-value`, bytes of a field or a value.
    pub hash_bytes_max: usize,
    /// `set-max-intset-entries`
    pub set_integers_max: usize,
    /// `zset-max-listpack-entries`
    pub zset_members_max: usize,
    /// `zset-max-listpack-value`, bytes of a member.
    pub zset_bytes_max: usize,
    /// `stream-node-max-bytes`, `stream-node-max-entries`: of a block of a stream.
    pub stream_block_max: BlockMax,
    /// `hll-sparse-max-bytes`: a longer HyperLogLog is dense.
    pub hll_sparse_bytes_max: usize,
}

impl Default for Packing {
    fn default() -> Self {
        Self {
            hash_fields_max: 512,
            hash_bytes_max: 64,
            set_integers_max: 512,
            zset_members_max: 128,
            zset_bytes_max: 64,
            stream_block_max: BlockMax::default(),
            hll_sparse_bytes_max: 3000,
        }
    }
}
