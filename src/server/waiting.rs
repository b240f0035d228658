//! WAIT: a client waits until replicas have its writes.

use super::blocking::Blocked;
use super::{Ask, Server};
use crate::base::number::parse_i64;
use crate::command::CommandError;

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
        self.block(ask.conn, Blocked::Replicas { needed, offset, until });
        self.replication.wants_acks = true;
        Ok(())
    }

    /// An acknowledgement came: answers those who have waited for it.
    pub(super) fn answer_waiters(&mut self) {
        for conn in self.waits.for_replicas() {
            let Some(client) = self.clients.get(conn) else { continue };
            let Some(Blocked::Replicas { needed, offset, .. }) = client.blocked else { continue };
            let reached = self.replicas_at(offset);
            if reached >= needed {
                self.unblock(conn, |reply| reply.count(reached));
            }
        }
    }
}
