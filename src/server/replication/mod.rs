//! Replication: this node's history, its replicas, and its primary.

use super::client::Client;
use super::{Config, Server};
use crate::base::rng::Dice;
use crate::command::CommandError;
use crate::machine::{ConnId, Endpoint, Fact, JobEvent, JobId, Outbox, Output};
use crate::repl::{History, Stream};

/// The node's place in a replication tree.
#[derive(Debug)]
pub struct Replication {
    history: History,
    follows: Option<Endpoint>,
    /// The database that the stream is in; `None` forces a SELECT.
    selected: Option<usize>,
}

impl Replication {
    pub(super) fn new(config: &Config, dice: &mut Dice) -> Self {
        Self {
            history: History::new(dice, Stream::new(config.repl_backlog_size)),
            follows: config.replicaof.clone(),
            selected: None,
        }
    }

    /// The primary, if this node is a replica.
    pub fn follows(&self) -> Option<&Endpoint> {
        self.follows.as_ref()
    }

    /// `master_repl_offset`
    pub fn offset(&self) -> u64 {
        self.history.offset()
    }

    /// Whether what this node does goes anywhere.
    pub fn feeds_anybody(&self) -> bool {
        self.history.stream.backlog().is_some()
    }

    /// Puts the stream into a database.
    pub fn select(&mut self, db: usize) {
        if self.selected != Some(db) {
            self.selected = Some(db);
            let words = [b"SELECT".to_vec(), db.to_string().into_bytes()];
            self.history.stream.append(&crate::resp::command(&words));
        }
    }

    /// The stream, for tests that read what goes to replicas.
    #[cfg(test)]
    pub(super) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.history.stream
    }

    /// Adds bytes to the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.history.stream.append(bytes);
    }
}

impl Server {
    pub(super) fn start(&mut self, out: &mut Outbox) {
        self.started = self.now;
        self.next_cron = self.now.mono;
        out.emit(Fact::Ready { keys: 0 });
    }

    pub(super) fn on_dialled(&mut self, _conn: ConnId, _local: Endpoint, _out: &mut Outbox) {}

    pub(super) fn on_link_received(
        &mut self,
        _conn: ConnId,
        _data: &[u8],
        _out: &mut Outbox,
    ) -> bool {
        false
    }

    pub(super) fn on_link_closed(
        &mut self,
        _conn: ConnId,
        _reason: &str,
        _out: &mut Outbox,
    ) -> bool {
        false
    }

    pub(super) fn on_peer_gone(&mut self, _client: &Client, _reason: &str, _out: &mut Outbox) {}

    pub(super) fn on_job(&mut self, _id: JobId, _event: JobEvent, _out: &mut Outbox) {}

    pub(super) fn on_empty_request(&mut self, _conn: ConnId) {}

    pub(super) fn replication_cron(&mut self, _out: &mut Outbox) {}

    pub(super) fn feed_replicas(&mut self, _out: &mut Outbox) {}

    /// Replica without a link that serves no stale data.
    pub(super) fn is_stale(&self) -> bool {
        false
    }

    pub(super) fn is_loading(&self) -> bool {
        false
    }

    pub(super) fn check_good_replicas(&self) -> Result<(), CommandError> {
        Ok(())
    }

    pub(super) fn check_save_error(&self) -> Result<(), CommandError> {
        Ok(())
    }

    pub(super) fn begin_shutdown(&mut self, cause: &str, out: &mut Outbox) {
        out.emit(Fact::ShuttingDown { cause: cause.to_owned() });
        out.push(Output::Exit { code: 0 });
    }
}
