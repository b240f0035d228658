//! Commands on the whole server, by group.

mod connection;
mod monitor;
mod persistence;
mod replication;

use super::table::ServerRun;
use crate::command::Spec;

/// All rows of this floor, by group.
pub(super) fn tables() -> [&'static [Spec<ServerRun>]; 3] {
    [connection::COMMANDS, replication::COMMANDS, persistence::COMMANDS]
}
