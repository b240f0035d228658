//! Floor 8: the lab. A topology file becomes nodes in a world; actions break and mend them; the
//! journal and [`LabView`] tell what happened.

pub mod action;
pub mod journal;
pub mod parse;
pub mod topology;
pub mod view;

pub use self::action::{Action, Direction, LinkRef};
pub use self::journal::{Entry, Event};
pub use self::view::LabView;
