//! What a key can hold.

use std::sync::Arc;

use super::Blob;
use super::types::{Collection, Hash, List, Packing, Set, Stream, Zset};
use crate::base::number;

/// A value. Collections are behind `Arc`, so that copying a segment copies no collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Str(Blob),
    /// A string that is the canonical text of a 64-bit integer.
    Int(i64),
    /// A string that was edited: however short, and even if it is the text of an integer, it stays
    /// as it is.
    Raw(Blob),
    /// A list.
    List(Arc<List>),
    /// A hash.
    Hash(Arc<Hash>),
    /// A set.
    Set(Arc<Set>),
    /// A sorted set.
    Zset(Arc<Zset>),
    /// A stream.
    Stream(Arc<Stream>),
}

/// The longest string that Redis keeps in one piece with its header.
const EMBSTR_BYTES_MAX: usize = 44;

/// The type of a value, as `TYPE` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `string`
    String,
    /// `list`
    List,
    /// `set`
    Set,
    /// `zset`
    Zset,
    /// `hash`
    Hash,
    /// `stream`
    Stream,
}

impl Kind {
    /// Redis's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Zset => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
        }
    }
}

impl Value {
    /// A string value; one that is the canonical text of an integer is kept as a number.
    pub fn string(bytes: &[u8]) -> Self {
        match number::parse_i64(bytes) {
            Some(n) => Self::Int(n),
            None => Self::Str(Blob::from(bytes)),
        }
    }

    /// [`Value::as_text`] without a second reference to the bytes.
    pub fn into_text(self) -> Option<Blob> {
        match self {
            Self::Str(bytes) | Self::Raw(bytes) => Some(bytes),
            _ => self.as_text(),
        }
    }

    /// The bytes of a string, whichever form it is kept in; `None` for other types.
    pub fn as_text(&self) -> Option<Blob> {
        match self {
            Self::Str(bytes) | Self::Raw(bytes) => Some(bytes.clone()),
            Self::Int(n) => Some(Blob::from(itoa::Buffer::new().format(*n).as_bytes())),
            _ => None,
        }
    }

    /// Spreads a collection that is too large to be kept in one piece.
    pub fn settle(&mut self, packing: &Packing) {
        fn settle<T: Collection>(shared: &mut Arc<T>, packing: &Packing) {
            if shared.outgrows(packing) {
                Arc::make_mut(shared).spread();
            }
        }
        match self {
            Self::Str(_) | Self::Int(_) | Self::Raw(_) => {}
            Self::List(list) => settle(list, packing),
            Self::Hash(hash) => settle(hash, packing),
            Self::Set(set) => settle(set, packing),
            Self::Zset(zset) => settle(zset, packing),
            Self::Stream(_) => {}
        }
    }

    /// How Redis would keep it: the word of OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Str(bytes) if bytes.len() <= EMBSTR_BYTES_MAX => "embstr",
            Self::Str(_) | Self::Raw(_) => "raw",
            Self::List(list) => list.encoding(),
            Self::Hash(hash) => hash.encoding(),
            Self::Set(set) => set.encoding(),
            Self::Zset(zset) => zset.encoding(),
            Self::Stream(stream) => stream.encoding(),
        }
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Str(_) | Self::Int(_) | Self::Raw(_) => Kind::String,
            Self::List(_) => Kind::List,
            Self::Hash(_) => Kind::Hash,
            Self::Set(_) => Kind::Set,
            Self::Zset(_) => Kind::Zset,
            Self::Stream(_) => Kind::Stream,
        }
    }

    /// Bytes held on the heap beside the value itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Str(bytes) | Self::Raw(bytes) => blob_heap_bytes(bytes),
            Self::Int(_) => 0,
            Self::List(list) => list.heap_bytes(),
            Self::Hash(hash) => hash.heap_bytes(),
            Self::Set(set) => set.heap_bytes(),
            Self::Zset(zset) => zset.heap_bytes(),
            Self::Stream(stream) => stream.heap_bytes(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text.as_bytes())
    }
}

/// Bytes that a byte string holds on the heap, with its header.
pub(super) fn blob_heap_bytes(bytes: &Blob) -> usize {
    if bytes.is_inline() { 0 } else { bytes.capacity() + 16 }
}
