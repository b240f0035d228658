//! Commands on the whole server, by group.

mod connection;
mod monitor;

use super::table::ServerRun;
use crate::command::Spec;

/// All rows of this floor, by group.
pub(super) fn tables() -> [&'static [Spec<ServerRun>]; 1] {
    [connection::COMMANDS]
}
