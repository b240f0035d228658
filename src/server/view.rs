//! The picture of the node for people.

use super::Server;
use crate::machine::{Now, Role, ServerView};

impl Server {
    /// The node as it is now.
    pub(super) fn picture(&self, _now: Now) -> ServerView {
        ServerView {
            role: if self.is_replica() { Role::Replica } else { Role::Primary },
            keys: self.keyspace.keys(),
            expires: self.keyspace.expiring_keys(),
            memory_bytes: self.keyspace.memory_bytes(),
            clients: self.clients.len(),
            commands_total: self.stats.commands_total,
            unsaved_changes: self.stats.unsaved_changes,
            data_version: self.keyspace.version(),
            ..ServerView::default()
        }
    }
}
