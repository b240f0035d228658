//! Clients that wait: for replicas (WAIT), or because commands are paused.
//!
//! A request that must wait for the end of a pause is not taken from the client's input, so that it
//! is simply read again when the pause ends.

use super::Server;
use super::client::ClientKind;
use super::table::Command;
use crate::command::flags;
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
    /// DEBUG LOADAOF: the log to be read.
    Loading,
    /// CLIENT PAUSE or FAILOVER: its next request is run when the pause ends.
    Paused,
}

/// Who paused. Each has a pause of its own; commands wait for the last one to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// CLIENT PAUSE.
    Client,
    /// FAILOVER.
    Failover,
    /// SHUTDOWN, until the replicas have caught up.
    Shutdown,
}

/// Which commands wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseKind {
    /// Those that may change data or be replicated.
    Writes,
    /// All.
    All,
}

/// The pauses in force, by [`PauseReason`].
#[derive(Debug, Default)]
pub struct Pauses([Option<(PauseKind, Millis)>; 3]);

impl Pauses {
    fn kind(&self) -> Option<PauseKind> {
        self.0.iter().flatten().map(|(kind, _)| *kind).max()
    }

    /// When the next one ends by itself.
    pub fn next_end(&self) -> Option<Millis> {
        self.0.iter().flatten().map(|(_, until)| *until).min()
    }
}

impl Server {
    /// Commands that may write wait until `until` (monotonic ms) or [`Server::unpause`].
    pub fn pause_writes(&mut self, until: Millis, reason: PauseReason) {
        self.pause(reason, PauseKind::Writes, until);
    }

    /// Commands of this kind wait. A pause of the same reason is only ever made longer and wider.
    pub(super) fn pause(&mut self, reason: PauseReason, kind: PauseKind, until: Millis) {
        let slot = &mut self.pauses.0[reason as usize];
        *slot = Some(slot.map_or((kind, until), |(k, u)| (k.max(kind), u.max(until))));
    }

    /// Ends a pause; what waited for it runs now unless another pause holds it.
    pub fn unpause(&mut self, reason: PauseReason, out: &mut Outbox) {
        if self.pauses.0[reason as usize].take().is_some() {
            self.resume_paused(out);
        }
    }

    /// Whether commands that may write wait.
    pub fn writes_paused(&self) -> bool {
        self.pauses.kind().is_some()
    }

    /// Ends the pauses whose time has come.
    pub(super) fn end_pauses(&mut self, out: &mut Outbox) {
        let now = self.now.mono;
        let mut ended = false;
        for slot in &mut self.pauses.0 {
            ended |= slot.take_if(|(_, until)| *until <= now).is_some();
        }
        if ended {
            self.resume_paused(out);
        }
    }

    fn resume_paused(&mut self, out: &mut Outbox) {
        for conn in self.clients.ids(|c| c.blocked == Some(Blocked::Paused)) {
            if let Some(client) = self.clients.get_mut(conn) {
                client.blocked = None;
                self.feed(conn, &[], out);
            }
        }
    }

    /// Whether a request must wait for the end of a pause. Replicas and the primary never do.
    pub(super) fn postpone(&mut self, conn: ConnId, command: &'static Command) -> bool {
        let Some(kind) = self.pauses.kind() else { return false };
        let Some(client) = self.clients.get_mut(conn) else { return false };
        let mut flags = command.flags;
        if command.name == "exec" {
            flags |= client
                .transaction
                .as_ref()
                .map_or(0, super::transaction::Transaction::flags_of_any);
        }
        let may_write = flags & (flags::WRITE | flags::MAY_REPLICATE) != 0;
        if client.kind != ClientKind::Normal || (kind == PauseKind::Writes && !may_write) {
            return false;
        }
        client.blocked = Some(Blocked::Paused);
        true
    }

    /// CLIENT UNBLOCK: answers a client that waits as if its time had run out, or with an error.
    /// Returns whether it waited for something that can be ended so.
    pub(super) fn unblock_early(
        &mut self,
        conn: ConnId,
        with_error: bool,
        out: &mut Outbox,
    ) -> bool {
        let waits = |c: &super::Client| matches!(c.blocked, Some(Blocked::Replicas { .. }));
        if !self.clients.get(conn).is_some_and(waits) {
            return false;
        }
        if !with_error {
            self.time_out(conn, out);
            return true;
        }
        if let Some(client) = self.clients.get_mut(conn) {
            client.blocked = None;
            client.reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
        }
        self.clients.mark(conn);
        self.feed(conn, &[], out);
        true
    }

    /// The time of a client that waits has run out: brings that forward.
    fn time_out(&mut self, conn: ConnId, _out: &mut Outbox) {
        let now = self.now.mono;
        if let Some(client) = self.clients.get_mut(conn)
            && let Some(Blocked::Replicas { until, .. }) = &mut client.blocked
        {
            *until = Some(now);
        }
    }
}
