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
    /// CONFIG REWRITE, and who asked for it.
    Config(ConfigFile, Rewriter),
}

/// Who asked for CONFIG REWRITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewriter {
    /// A client that waits for it.
    Waits(ConnId),
    /// A block, in whose answer there is an OK so many bytes from the start.
    Block(ConnId, usize),
}

/// The changes given out and not answered.
#[derive(Debug, Default)]
pub struct Changes(VecDeque<Change>);

impl Changes {
    /// Something in an answer to a client became longer: what comes later in it is further on.
    pub(super) fn shift(&mut self, client: ConnId, from: usize, bytes: usize) {
        for change in &mut self.0 {
            if let Change::Config(_, Rewriter::Block(conn, at)) = change
                && *conn == client
                && *at > from
            {
                *at += bytes;
            }
        }
    }
}

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
            Some(Change::Config(file, by)) => self.on_config_written(file, by, result, out),
            None => {}
        }
    }
}
