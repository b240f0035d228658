//! Values that are collections. Each knows at any time how many bytes it holds, and by what name
//! OBJECT ENCODING calls the form that Redis would keep it in.
//!
//! | type | made of |
//! |---|---|
//! | list | a `rope`: a tree of pieces, shared between copies |
//! | set | a `dense` table: entries in a rope, their places in an `index` of many small tables |
//! | hash | a dense table; a small one is `pairs`, in one piece of memory |
//! | sorted set | a dense table of scores, and an `order`: the members in a rope by score |
//! | stream | blocks of a hundred entries, each one listpack |
//!
//! Whatever the size, a copy takes next to no time, and so does a change after it; and no change
//! moves everything, as a table that doubles does.

mod dense;
mod hash;
mod index;
mod list;
mod order;
mod packing;
mod pairs;
mod rope;
mod set;
pub mod stream;
mod zset;

pub use self::hash::Hash;
pub use self::list::{End, List};
pub use self::packing::Packing;
pub use self::set::Set;
pub use self::stream::{Stream, StreamId};
pub use self::zset::Zset;

use std::sync::Arc;

use super::{Kind, Value};

/// A type of value that holds elements. A key never holds an empty one.
pub trait Collection: Clone + Default {
    /// The type's name.
    const KIND: Kind;

    /// The collection in a value of this type.
    fn of(value: &Value) -> Option<&Arc<Self>>;

    /// The collection in a value of this type, to be changed; copied first if a snapshot shares it.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;

    /// A value that holds it.
    fn into_value(self) -> Value;

    /// How many elements there are.
    fn len(&self) -> usize;

    /// Whether it is kept in one piece, and too large for that.
    fn outgrows(&self, _packing: &Packing) -> bool {
        false
    }

    /// Is not kept in one piece any more.
    fn spread(&mut self) {}

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

macro_rules! collection {
    ($type:ident) => {
        super::collection!($type {});
    };
    ($type:ident, packed) => {
        super::collection!($type {
            fn outgrows(&self, packing: &crate::keyspace::types::Packing) -> bool {
                Self::outgrows(self, packing)
            }

            fn spread(&mut self) {
                Self::spread(self);
            }
        });
    };
    ($type:ident { $($packed:tt)* }) => {
        impl super::Collection for $type {
            const KIND: crate::keyspace::Kind = crate::keyspace::Kind::$type;

            fn of(value: &crate::keyspace::Value) -> Option<&std::sync::Arc<Self>> {
                match value {
                    crate::keyspace::Value::$type(shared) => Some(shared),
                    _ => None,
                }
            }

            fn of_mut(value: &mut crate::keyspace::Value) -> Option<&mut Self> {
                match value {
                    crate::keyspace::Value::$type(shared) => Some(std::sync::Arc::make_mut(shared)),
                    _ => None,
                }
            }

            fn into_value(self) -> crate::keyspace::Value {
                crate::keyspace::Value::$type(std::sync::Arc::new(self))
            }

            fn len(&self) -> usize {
                Self::len(self)
            }

            $($packed)*
        }
    };
}
use collection;
