//! Clients that wait: for replicas (WAIT), or because writes are paused.

use super::Server;
use super::table::Command;
use crate::machine::{ConnId, Millis, Outbox};

/// What a client waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// WAIT: so many replicas to acknowledge an offset.
    Replicas {
        /// How many.
        needed: usize,
        /// The offset.
        offset: u64,
        /// Monotonic ms at which it is answered anyway.
        until: Option<Millis>,
    },
    /// SAVE: the snapshot file to be written.
    Save,
    /// CLIENT PAUSE or FAILOVER: this request is run when the pause ends.
    Paused {
        /// The request, encoded.
        request: Vec<u8>,
    },
}

impl Server {
    /// Keeps a command for later if clients are paused.
    pub(super) fn postpone(
        &mut self,
        _conn: ConnId,
        _command: &'static Command,
        _words: &[&[u8]],
    ) -> bool {
        false
    }

    pub(super) fn pause_for_failover(&mut self) {}
    pub(super) fn unpause_after_failover(&mut self, _out: &mut Outbox) {}
    pub(super) fn pause_for_shutdown(&mut self) {}
    pub(super) fn unpause_after_shutdown(&mut self, _out: &mut Outbox) {}
}
