//! WAIT: a client waits until replicas have its writes.

use super::blocking::Blocked;
use super::{Ask, Server};
use crate::base::number::parse_i64;
use crate::command::CommandError;
use crate::machine::{ConnId, Millis, Outbox};

impl Server {
    /// `WAIT replicas milliseconds`.
    pub(super) fn on_wait(&mut self, ask: &Ask<'_>) -> Result<(), CommandError> {
        if self.is_replica() {
            return Err(CommandError::fixed(
                "ERR WAIT cannot be used with replica instances. Please also note that since Redis \
                 4.0 if a replica is configured to be writable (which is not the default) writes to \
                 replicas are just local and are not propagated.",
            ));
        }
        let needed = parse_i64(ask.arg(1)).ok_or(CommandError::NOT_AN_INTEGER)?;
        let timeout = parse_i64(ask.arg(2))
            .ok_or(CommandError::fixed("ERR timeout is not an integer or out of range"))?;
        let timeout =
            u64::try_from(timeout).map_err(|_| CommandError::fixed("ERR timeout is negative"))?;
        let needed = usize::try_from(needed).unwrap_or(0);
        let Some(client) = self.clients.get_mut(ask.conn) else { return Ok(()) };
        let offset = client.write_offset;
        let in_transaction = client.transaction.is_some();
        let reached = self.replicas_at(offset);
        if reached >= needed || in_transaction || self.propagation.is_open() {
            self.reply(ask).count(reached);
            return Ok(());
        }
        let until = (timeout > 0).then(|| self.now.mono + timeout);
        if let Some(client) = self.clients.get_mut(ask.conn) {
            client.blocked = Some(Blocked::Replicas { needed, offset, until });
        }
        self.replication.wants_acks = true;
        Ok(())
    }

    /// An acknowledgement came: answers those who have waited for it.
    pub(super) fn answer_waiters(&mut self) {
        self.answer_waiters_that(|_, reached, needed, _| reached >= needed);
    }

    /// Answers those whose time is over.
    pub(super) fn time_out_waiters(&mut self) {
        self.answer_waiters_that(|now, _, _, until| until.is_some_and(|until| until <= now));
    }

    fn answer_waiters_that(&mut self, done: impl Fn(Millis, usize, usize, Option<Millis>) -> bool) {
        for conn in self.clients.ids(|c| matches!(c.blocked, Some(Blocked::Replicas { .. }))) {
            let Some(client) = self.clients.get(conn) else { continue };
            let Some(Blocked::Replicas { needed, offset, until }) = client.blocked else {
                continue;
            };
            let reached = self.replicas_at(offset);
            if done(self.now.mono, reached, needed, until) {
                if let Some(client) = self.clients.get_mut(conn) {
                    client.reply.count(reached);
                }
                self.unblock(conn);
            }
        }
    }

    /// When the first wait is over.
    pub(super) fn next_waiter(&self) -> Option<Millis> {
        self.clients.earliest(|client| match client.blocked {
            Some(Blocked::Replicas { until, .. }) => until,
            _ => None,
        })
    }

    /// The node changed its role: what clients wait for cannot come any more.
    pub(super) fn unblock_waiters_of_old_role(&mut self) {
        for conn in self.clients.ids(|c| matches!(c.blocked, Some(Blocked::Replicas { .. }))) {
            if let Some(client) = self.clients.get_mut(conn) {
                client.reply.error(
                    "UNBLOCKED force unblock from blocking operation, instance state changed \
                     (master -> replica?)",
                );
                client.closing = true;
            }
            self.unblock(conn);
        }
    }

    /// A client's wait is over: its reply is written.
    pub(super) fn unblock(&mut self, conn: ConnId) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.blocked = None;
            self.clients.mark(conn);
            self.unblocked.push(conn);
        }
    }

    /// Runs what clients asked for while they waited.
    pub(super) fn run_unblocked(&mut self, out: &mut Outbox) {
        for conn in std::mem::take(&mut self.unblocked) {
            self.feed(conn, &[], out);
        }
    }
}
