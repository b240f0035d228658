//! Clients that are closed: those that do not read what they asked for, and idle ones.

use super::client::{Client, ClientKind};
use super::{Server, cmd};
use crate::machine::{ConnId, LogLevel, Outbox};

/// Reply bytes that a client may leave unread before it has authenticated.
const UNAUTHENTICATED_OUTPUT_BYTES_MAX: usize = 1024;

impl Server {
    /// Closes ordinary clients that are idle for `timeout`, or over a soft limit for too long.
    pub(super) fn clients_cron(&mut self, out: &mut Outbox) {
        let timeout_ms = self.config.timeout.saturating_mul(1000);
        let now = self.now;
        let idle = |c: &Client| {
            timeout_ms > 0
                && c.kind == ClientKind::Normal
                && c.blocked.is_none()
                && !c.is_subscriber()
                && !c.monitor
                && now.since(c.active) > timeout_ms
        };
        for conn in self.clients.ids(idle) {
            out.log(LogLevel::Verbose, "Closing idle client");
            self.drop_client(conn, out);
        }
        for conn in self.clients.ids(|c| c.soft_limit_since.is_some()) {
            self.check_output(conn, out);
        }
    }

    /// Closes a replica that asked for something: a reply would be in the middle of its stream.
    /// Returns whether it did.
    pub(super) fn check_replica_output(&mut self, conn: ConnId, out: &mut Outbox) -> bool {
        let Some(client) = self.clients.get(conn) else { return false };
        if client.kind != ClientKind::Replica || client.reply.is_empty() {
            return false;
        }
        let command = client.last_command.unwrap_or("<unknown>");
        let line = cmd::client_line(client, self.now);
        out.log(
            LogLevel::Warning,
            format!("Replica generated a reply to command '{command}', disconnecting it: {line}"),
        );
        self.drop_client(conn, out);
        true
    }

    /// Closes an ordinary client whose unread output is beyond the limit of its class
    /// (`client-output-buffer-limit`). Returns whether it did.
    pub(super) fn check_output(&mut self, conn: ConnId, out: &mut Outbox) -> bool {
        let now = self.now;
        let Some(client) = self.clients.get_mut(conn) else { return false };
        if client.kind != ClientKind::Normal {
            return false;
        }
        let limit = if client.is_subscriber() {
            self.config.pubsub_buffer_limit
        } else {
            self.config.normal_buffer_limit
        };
        let bytes = client.unsent_bytes + client.reply.len();
        let beyond = |limit: u64| limit > 0 && bytes as u64 >= limit;
        if beyond(limit.soft_bytes) {
            client.soft_limit_since.get_or_insert(now.mono);
        } else {
            client.soft_limit_since = None;
        }
        let too_long = client
            .soft_limit_since
            .is_some_and(|since| now.since(since) > limit.soft_seconds.saturating_mul(1000));
        // What has not been handed to the world is no sign of a client that does not read.
        let stranger = client.must_log_in(&self.config.user)
            && client.unsent_bytes > UNAUTHENTICATED_OUTPUT_BYTES_MAX;
        if !beyond(limit.hard_bytes) && !too_long && !stranger {
            return false;
        }
        let line = cmd::client_line(client, now);
        out.log(
            LogLevel::Warning,
            format!(
                "Client {line} scheduled to be closed ASAP for overcoming of output buffer limits."
            ),
        );
        self.drop_client(conn, out);
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::{ConnId, Input, Output};
    use crate::server::testing::Bench;

    fn is_closed(bench: &Bench, conn: ConnId) -> bool {
        bench.outputs.iter().any(|o| matches!(o, Output::Close { conn: c, .. } if *c == conn))
    }

    #[test]
    fn idle_clients_are_closed_after_the_timeout() {
        let mut bench = Bench::new(&[("timeout", "2")]);
        let (idle, busy, subscriber) = (bench.connect(), bench.connect(), bench.connect());
        bench.ask(subscriber, "SUBSCRIBE a");
        bench.advance(1500);
        bench.ask(busy, "PING");
        bench.advance(1000);
        assert!(is_closed(&bench, idle));
        assert!(!is_closed(&bench, busy) && !is_closed(&bench, subscriber));
    }

    #[test]
    fn a_client_that_does_not_read_is_closed_at_the_hard_limit_or_after_a_while_at_the_soft_one() {
        let mut bench =
            Bench::new(&[("client-output-buffer-limit", "normal 1000 500 2 pubsub 100 0 0")]);
        let (hard, soft, listener) = (bench.connect(), bench.connect(), bench.connect());
        bench.ask(listener, "SUBSCRIBE a");
        bench.step(Input::Unsent { conn: hard, bytes: 1000 });
        assert!(is_closed(&bench, hard));
        bench.step(Input::Unsent { conn: soft, bytes: 600 });
        bench.step(Input::Unsent { conn: listener, bytes: 100 });
        assert!(is_closed(&bench, listener));
        bench.advance(1500);
        assert!(!is_closed(&bench, soft));
        bench.advance(1000);
        assert!(is_closed(&bench, soft));
        let logged = bench.outputs.iter().any(|o| matches!(o, Output::Log { text, .. }
            if text.starts_with("Client id=1 addr=127.0.0.1:50000")
                && text.ends_with("scheduled to be closed ASAP for overcoming of output buffer limits.")));
        assert!(logged);
    }

    #[test]
    fn a_stranger_may_leave_little_unread() {
        let mut bench = Bench::new(&[("requirepass", "x")]);
        let conn = bench.connect();
        bench.step(Input::Unsent { conn, bytes: 1025 });
        assert!(is_closed(&bench, conn));
    }
}
