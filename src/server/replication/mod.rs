//! Replication: this node's history, the replicas it feeds, and the primary it follows.
//!
//! Everything that only computes is in [`crate::repl`]; here it meets clients, jobs and data.
//!
//! * [`upstream`]: the link to the primary: calling it, taking its snapshot, applying its stream.
//! * [`downstream`]: replicas: PSYNC, feeding the stream, limits, acknowledgements.
//! * [`transfer`]: snapshots for replicas, through a file or straight onto their connections.
//! * [`role`]: becoming a replica, becoming a primary.
//! * [`failover`]: handing the role over (FAILOVER).
//!
//! # Differences from Redis
//!
//! * A replica goes on serving its old data while a snapshot arrives and loads, whatever
//!   `repl-diskless-load` says; it never answers LOADING because of a full resync. What the directive
//!   decides is whether the snapshot is left on disk.
//! * Sub-replicas are told to start over when the new data is in place, not when it starts to load.

mod downstream;
mod failover;
mod info;
mod role;
mod transfer;
mod upstream;

use std::collections::BTreeMap;

use self::failover::Failover;
pub use self::transfer::Sending;
use self::transfer::Transfer;
use self::upstream::Upstream;
use super::{Config, Server};
use crate::base::rng::Dice;
use crate::machine::{ConnId, Endpoint, LastSync, Millis, Outbox, SyncKind};
use crate::repl::{History, Replica, Stream};

/// The node's place in a replication tree.
#[derive(Debug)]
pub struct Replication {
    pub(super) history: History,
    /// The database that the stream is in; `None` forces a SELECT.
    pub(super) selected: Option<usize>,
    /// Those that follow this node, by their connection, in the order they came.
    pub(super) replicas: BTreeMap<ConnId, Replica>,
    /// The snapshot being made or sent for replicas.
    transfer: Option<Transfer>,
    /// The link to the primary, if this node is a replica.
    pub(super) upstream: Option<Upstream>,
    pub(super) failover: Failover,
    /// Somebody waits for acknowledgements: ask for them at the end of the turn.
    pub(super) wants_acks: bool,
    /// Replicas that are heard often enough for `min-replicas-to-write`.
    pub(super) good_replicas: usize,
    /// How this node last synchronised with its primary, and when.
    last_sync: Option<(SyncKind, Millis)>,
    /// Since when nobody follows, for `repl-backlog-ttl`.
    pub(super) alone_since: Millis,
    next_ping: Millis,
    next_second: Millis,
    dialled: u64,
}

impl Replication {
    pub(super) fn new(config: &Config, dice: &mut Dice) -> Self {
        Self {
            history: History::new(dice, Stream::new(config.repl_backlog_size)),
            selected: None,
            replicas: BTreeMap::new(),
            transfer: None,
            upstream: config.replicaof.clone().map(|primary| Upstream::new(primary, false)),
            failover: Failover::None,
            wants_acks: false,
            good_replicas: 0,
            last_sync: None,
            alone_since: 0,
            next_ping: 0,
            next_second: 0,
            dialled: 0,
        }
    }

    /// The primary, if this node is a replica.
    pub fn follows(&self) -> Option<&Endpoint> {
        self.upstream.as_ref().map(|upstream| &upstream.primary)
    }

    /// `master_repl_offset`
    pub fn offset(&self) -> u64 {
        self.history.offset()
    }

    /// Whether what this node does goes anywhere.
    pub fn feeds_anybody(&self) -> bool {
        self.history.stream.is_open()
    }

    /// Adds bytes to the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.history.stream.append(bytes);
    }

    /// How this node last synchronised with its primary.
    pub(super) fn last_sync(&self, now: Millis) -> Option<LastSync> {
        self.last_sync.map(|(kind, at)| LastSync { kind, age_ms: now.saturating_sub(at) })
    }

    fn next_dial(&mut self) -> ConnId {
        self.dialled += 1;
        ConnId::dialled(self.dialled)
    }
}

impl Server {
    /// What is due in replication, ten times a second.
    pub(super) fn replication_cron(&mut self, out: &mut Outbox) {
        if self.is_loading() {
            return;
        }
        self.tend_upstream(out);
        self.watch_receivers();
        self.tend_replicas(out);
        self.tend_failover(out);
    }
}

#[cfg(test)]
mod tests;
