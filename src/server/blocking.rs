//! Clients that wait: for replicas (WAIT), for keys (BLPOP and its kind), or because commands are
//! paused.
//!
//! Whose wait ends by itself is kept in the order of those ends, so that neither the machine's
//! deadline nor its coming looks at all clients.
//!
//! A request that must wait for the end of a pause is not taken from the client's input, so that it
//! is simply read again when the pause ends.

use std::collections::BTreeSet;

use super::Server;
use super::awaited::KeyWait;
use super::client::ClientKind;
use super::table::Command;
use crate::command::{CommandError, flags};
use crate::machine::{ConnId, Millis, Outbox};
use crate::resp::Reply;

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
    /// BLPOP and its kind: a key to have what it is after.
    Keys(Box<KeyWait>),
    /// SAVE: the snapshot file to be written.
    Save,
    /// CONFIG REWRITE: the file to be written.
    Rewrite,
    /// SHUTDOWN: the node to end, or not to.
    Shutdown,
    /// EVAL: the script to end.
    Script,
    /// DEBUG LOADAOF, DEBUG RELOAD: the log or the snapshot to be read.
    Loading,
    /// CLIENT PAUSE or FAILOVER: its next request is run when the pause ends.
    Paused,
}

impl Blocked {
    /// When the wait ends by itself.
    fn until(&self) -> Option<Millis> {
        match self {
            Self::Replicas { until, .. } => *until,
            Self::Keys(wait) => wait.until,
            _ => None,
        }
    }

    /// Whether somebody else may end it before what it waits for has come.
    fn may_end_early(&self) -> bool {
        matches!(self, Self::Replicas { .. } | Self::Keys(_))
    }
}

/// Who waits, in the orders in which waits end.
#[derive(Debug, Default)]
pub struct Waits {
    /// Those who do not wait for ever, by when their time is over.
    until: BTreeSet<(Millis, ConnId)>,
    /// Those who wait for replicas.
    for_replicas: BTreeSet<ConnId>,
}

impl Waits {
    /// When the first wait ends by itself.
    pub fn next_end(&self) -> Option<Millis> {
        self.until.first().map(|(until, _)| *until)
    }

    /// How many do not wait for ever.
    pub fn limited(&self) -> usize {
        self.until.len()
    }

    /// Those who wait for replicas.
    pub fn for_replicas(&self) -> Vec<ConnId> {
        self.for_replicas.iter().copied().collect()
    }
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

/// The pauses in force.
#[derive(Debug, Default)]
pub struct Pauses {
    /// By [`PauseReason`].
    by: [Option<(PauseKind, Millis)>; 3],
    /// Whose next request waits for their end, in the order in which those arrived.
    postponed: Vec<ConnId>,
}

impl Pauses {
    fn kind(&self) -> Option<PauseKind> {
        self.by.iter().flatten().map(|(kind, _)| *kind).max()
    }

    /// Whether commands that may write wait, if no more. Then nothing expires either.
    pub fn is_on(&self) -> bool {
        self.kind().is_some()
    }

    /// When the next one ends by itself.
    pub fn next_end(&self) -> Option<Millis> {
        self.by.iter().flatten().map(|(_, until)| *until).min()
    }
}

impl Server {
    /// Commands that may write wait until `until` (monotonic ms) or [`Server::unpause`].
    pub fn pause_writes(&mut self, until: Millis, reason: PauseReason) {
        self.pause(reason, PauseKind::Writes, until);
    }

    /// Commands of this kind wait. A pause of the same reason is only ever made longer and wider.
    pub(super) fn pause(&mut self, reason: PauseReason, kind: PauseKind, until: Millis) {
        let slot = &mut self.pauses.by[reason as usize];
        *slot = Some(slot.map_or((kind, until), |(k, u)| (k.max(kind), u.max(until))));
    }

    /// Ends a pause; what waited for it runs at the end of the turn unless another pause holds it.
    pub fn unpause(&mut self, reason: PauseReason) {
        if self.pauses.by[reason as usize].take().is_some() {
            self.resume_postponed();
        }
    }

    /// Ends the pauses whose time has come.
    pub(super) fn end_pauses(&mut self) {
        let now = self.now.mono;
        let mut ended = false;
        for slot in &mut self.pauses.by {
            ended |= slot.take_if(|(_, until)| *until <= now).is_some();
        }
        if ended {
            self.resume_postponed();
        }
    }

    fn resume_postponed(&mut self) {
        for conn in std::mem::take(&mut self.pauses.postponed) {
            if let Some(client) = self.clients.get_mut(conn)
                && client.blocked.take_if(|b| *b == Blocked::Paused).is_some()
            {
                self.unblocked.push(conn);
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
        self.pauses.postponed.push(conn);
        true
    }

    /// A client waits from now on; its further requests wait with it.
    pub(super) fn block(&mut self, conn: ConnId, blocked: Blocked) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        if let Some(until) = blocked.until() {
            self.waits.until.insert((until, conn));
        }
        match &blocked {
            Blocked::Replicas { .. } => {
                self.waits.for_replicas.insert(conn);
            }
            Blocked::Keys(wait) => self.awaited.add(conn, wait),
            _ => {}
        }
        client.blocked = Some(blocked);
        self.track_touched();
    }

    /// A client's wait is over, and this is the reply to what it waited with.
    pub(super) fn unblock(&mut self, conn: ConnId, answer: impl FnOnce(&mut Reply)) {
        let Some(client) = self.clients.get_mut(conn) else { return };
        let before = client.reply.len();
        answer(&mut client.reply);
        client.hush(before);
        if let Some(blocked) = client.blocked.take() {
            self.forget_wait(conn, &blocked);
        }
        self.clients.mark(conn);
        self.unblocked.push(conn);
    }

    /// The wait of a client for the end of its command is over.
    pub(super) fn unblock_with(&mut self, conn: ConnId, result: &Result<(), CommandError>) {
        if let Err(error) = result {
            self.stats.count_error(error.code());
        }
        self.unblock(conn, |reply| match result {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error.text()),
        });
    }

    /// A client waits no longer, or is gone.
    pub(super) fn forget_wait(&mut self, conn: ConnId, blocked: &Blocked) {
        if let Some(until) = blocked.until() {
            self.waits.until.remove(&(until, conn));
        }
        match blocked {
            Blocked::Replicas { .. } => {
                self.waits.for_replicas.remove(&conn);
            }
            Blocked::Keys(wait) => self.awaited.remove(wait),
            _ => {}
        }
        self.track_touched();
    }

    /// Runs what clients asked for while they waited, and what that makes others run.
    pub(super) fn run_unblocked(&mut self, out: &mut Outbox) {
        while !self.unblocked.is_empty() {
            for conn in std::mem::take(&mut self.unblocked) {
                self.feed(conn, &[], out);
            }
        }
    }

    /// Answers those whose time is over.
    pub(super) fn end_waits(&mut self) {
        while let Some((until, conn)) = self.waits.until.first().copied()
            && until <= self.now.mono
        {
            self.waits.until.remove(&(until, conn));
            self.time_out(conn);
        }
    }

    /// A client has waited long enough: it is told how far its wait has come.
    fn time_out(&mut self, conn: ConnId) {
        match self.clients.get(conn).and_then(|client| client.blocked.as_ref()) {
            Some(Blocked::Replicas { offset, .. }) => {
                let reached = self.replicas_at(*offset);
                self.unblock(conn, |reply| reply.count(reached));
            }
            Some(Blocked::Keys(_)) => self.unblock(conn, Reply::null_array),
            _ => {}
        }
    }

    /// CLIENT UNBLOCK: answers a client that waits as if its time had run out, or with an error.
    /// Returns whether it waited for something that can be ended so.
    pub(super) fn unblock_early(&mut self, conn: ConnId, with_error: bool) -> bool {
        let waits = |c: &super::Client| c.blocked.as_ref().is_some_and(Blocked::may_end_early);
        if !self.clients.get(conn).is_some_and(waits) {
            return false;
        }
        if with_error {
            self.unblock_with_error(conn, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        } else {
            self.time_out(conn);
        }
        true
    }

    /// The node changed its role: what clients wait for cannot come any more.
    pub(super) fn unblock_waiters_of_old_role(&mut self) {
        let waits = |c: &super::Client| c.blocked.as_ref().is_some_and(Blocked::may_end_early);
        for conn in self.clients.ids(waits) {
            self.unblock_with_error(
                conn,
                "UNBLOCKED force unblock from blocking operation, instance state changed (master \
                 -> replica?)",
            );
            if let Some(client) = self.clients.get_mut(conn) {
                client.closing = true;
            }
        }
    }

    fn unblock_with_error(&mut self, conn: ConnId, text: &'static str) {
        self.stats.count_error("UNBLOCKED");
        self.unblock(conn, |reply| reply.error(text));
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn what_a_pause_held_back_runs_in_the_order_of_its_arrival() {
        let mut bench = Bench::new(&[]);
        let (first, second, me) = (bench.connect(), bench.connect(), bench.connect());
        bench.ask(me, "CLIENT PAUSE 500 WRITE");
        bench.send(second, b"APPEND k b\r\n");
        bench.send(first, b"APPEND k a\r\n");
        bench.advance(600);
        assert_eq!(bench.ask(me, "GET k"), "\"ba\"");
    }

    #[test]
    fn what_a_pause_held_back_does_not_run_inside_of_a_block() {
        let mut bench = Bench::new(&[]);
        let (writer, me) = (bench.connect(), bench.connect());
        bench.ask(me, "CLIENT PAUSE 100000 WRITE");
        bench.send(writer, b"SET k v\r\n");
        let block = b"MULTI\r\nCLIENT UNPAUSE\r\nGET k\r\nEXEC\r\n";
        let answers = bench.send(me, block);
        assert!(answers.ends_with(b"*2\r\n+OK\r\n$-1\r\n"), "{answers:?}");
        assert_eq!(bench.received(writer), "+OK\r\n");
    }

    #[test]
    fn nothing_expires_during_a_pause() {
        let mut bench = Bench::new(&[]);
        let me = bench.connect();
        bench.ask(me, "SET k v PX 100");
        bench.ask(me, "CLIENT PAUSE 1000 WRITE");
        bench.advance(500);
        assert_eq!(bench.ask(me, "GET k"), "(nil)");
        assert!(bench.server.keyspace.db(0).contains(b"k"));
        bench.advance(1000);
        assert!(!bench.server.keyspace.db(0).contains(b"k"));
    }

    #[test]
    fn who_is_let_go_by_who_was_let_go_does_not_wait_for_the_next_turn() {
        let mut bench = Bench::new(&[]);
        let (one, two, me) = (bench.connect(), bench.connect(), bench.connect());
        bench.send(one, b"BLPOP a 0\r\nRPUSH b 1\r\n");
        bench.send(two, b"BLPOP b 0\r\nSET k v\r\n");
        bench.ask(me, "RPUSH a 1");
        assert_eq!(bench.ask(me, "GET k"), "\"v\"");
    }
}
