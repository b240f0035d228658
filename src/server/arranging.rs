//! Changes of files that the node must know the outcome of: each is answered by the world, in the
//! order in which they were given out, before anything else happens.

use std::collections::VecDeque;

use super::Server;
use super::config::ConfigFile;
use super::persistence::Saved;
use crate::machine::{ConnId, FileStep, Outbox, Output};

/// What files are changed for.
#[derive(Debug)]
pub enum Change {
    /// The log of commands.
    Log,
    /// A snapshot that was written is put in its place.
    Snapshot(Saved),
    /// CONFIG REWRITE, and who waits for it; nobody, if it was one of several commands.
    Config(ConfigFile, Option<ConnId>),
}

/// The changes given out and not answered.
#[derive(Debug, Default)]
pub struct Changes(VecDeque<Change>);

impl Server {
    /// Changes files, each durably before the next.
    pub(super) fn arrange(&mut self, change: Change, steps: Vec<FileStep>, out: &mut Outbox) {
        self.changes.0.push_back(change);
        out.push(Output::Arrange(steps));
    }

    /// Files were changed, or not.
    pub(super) fn on_arranged(&mut self, result: Result<(), String>, out: &mut Outbox) {
        match self.changes.0.pop_front() {
            Some(Change::Log) => self.on_log_arranged(result, out),
            Some(Change::Snapshot(saved)) => self.on_snapshot_placed(saved, result, out),
            Some(Change::Config(file, conn)) => self.on_config_written(file, conn, result, out),
            None => {}
        }
    }
}
