//! MULTI, EXEC, DISCARD, WATCH.

use super::Server;
use super::table::Command;
use crate::machine::ConnId;

/// An open MULTI block.
#[derive(Debug, Default)]
pub struct Transaction {
    spoiled: bool,
}

impl Transaction {
    /// A queued command was refused: EXEC will refuse the block.
    pub fn spoil(&mut self) {
        self.spoiled = true;
    }
}

impl Server {
    /// Queues a command if its client is inside MULTI.
    pub(super) fn queue(
        &mut self,
        _conn: ConnId,
        _command: &'static Command,
        _words: &[&[u8]],
    ) -> bool {
        false
    }

    /// The last command on data touched keys: who watches one of them cannot EXEC.
    pub(super) fn spoil_watchers(&mut self) {}

    /// All data was replaced.
    pub(super) fn spoil_all_watchers(&mut self) {}
}
