//! MONITOR and SLOWLOG: what others run.

use crate::machine::{ConnId, Outbox};
use crate::server::Server;
use crate::server::table::Command;

impl Server {
    /// Shows a command to those who asked to see all.
    pub(in crate::server) fn show_to_monitors(
        &mut self,
        _conn: ConnId,
        _command: &Command,
        _words: &[&[u8]],
        _out: &mut Outbox,
    ) {
    }

    /// Keeps a command that took long.
    pub(in crate::server) fn note_slow(
        &mut self,
        _conn: ConnId,
        _command: &Command,
        _words: &[&[u8]],
        _micros: u64,
    ) {
    }
}
