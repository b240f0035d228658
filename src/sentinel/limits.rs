//! Clients that do not read what they asked for are closed.

use super::Sentinel;
use super::client::Client;
use super::cmd::client_line;
use crate::machine::{Closing, ConnId, LogLevel, Millis, Output};

/// Bytes that a client may leave unread: the real program's limit for subscribers, the hard one of
/// `client-output-buffer-limit pubsub 32mb 8mb 60`.
const OUTPUT_BYTES_MAX: usize = 32 << 20;

/// Bytes that it may leave unread for [`SOFT_MS`].
const OUTPUT_BYTES_SOFT: usize = 8 << 20;

/// See [`OUTPUT_BYTES_SOFT`].
const SOFT_MS: Millis = 60_000;

/// Bytes that a client may leave unread before it has authenticated.
const UNAUTHENTICATED_OUTPUT_BYTES_MAX: usize = 1024;

impl Sentinel {
    /// So much of what a client was sent has not left yet.
    pub(super) fn on_unsent(&mut self, conn: ConnId, bytes: usize) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.unsent_bytes = bytes;
            self.check_output(conn);
        }
    }

    /// Closes clients that were over the soft limit for too long.
    pub(super) fn check_outputs(&mut self) {
        let slow = |(conn, client): (ConnId, &Client)| client.slow_since.map(|_| conn);
        let slow: Vec<ConnId> = self.clients.all().filter_map(slow).collect();
        for conn in slow {
            self.check_output(conn);
        }
    }

    /// Closes a client that has left too much unread.
    pub(super) fn check_output(&mut self, conn: ConnId) {
        let now = self.common.now;
        let Some(client) = self.clients.get_mut(conn) else { return };
        let bytes = client.unsent_bytes + client.reply.len();
        if bytes >= OUTPUT_BYTES_SOFT {
            client.slow_since.get_or_insert(now.mono);
        } else {
            client.slow_since = None;
        }
        let too_long = client.slow_since.is_some_and(|since| now.since(since) > SOFT_MS);
        // What has not been handed to the world is no sign of a client that does not read.
        let stranger =
            !client.authenticated && client.unsent_bytes > UNAUTHENTICATED_OUTPUT_BYTES_MAX;
        if bytes < OUTPUT_BYTES_MAX && !too_long && !stranger {
            return;
        }
        let line = client_line(client, now);
        self.common.out.log(
            LogLevel::Warning,
            format!(
                "Client {line} scheduled to be closed ASAP for overcoming of output buffer limits."
            ),
        );
        self.clients.remove(conn);
        self.common.out.push(Output::Close { conn, how: Closing::Now });
    }
}

#[cfg(test)]
mod tests {
    use super::{OUTPUT_BYTES_MAX, OUTPUT_BYTES_SOFT, SOFT_MS};
    use crate::machine::Input;
    use crate::sentinel::testing::{Bench, CLIENT};

    impl Bench {
        fn unsent(&mut self, bytes: usize) {
            self.step(Input::Unsent { conn: CLIENT, bytes });
            self.step(Input::Turn);
        }
    }

    #[test]
    fn who_reads_nothing_is_closed_at_the_limit_or_after_a_minute_near_it() {
        let mut bench = Bench::new("");
        bench.unsent(OUTPUT_BYTES_MAX - 1);
        assert!(!bench.is_closed);
        bench.unsent(OUTPUT_BYTES_MAX);
        assert!(bench.is_closed);

        let mut bench = Bench::new("");
        bench.unsent(OUTPUT_BYTES_SOFT);
        bench.now += SOFT_MS;
        bench.step(Input::Turn);
        assert!(!bench.is_closed);
        bench.now += 1;
        bench.step(Input::Turn);
        assert!(bench.is_closed);
    }

    #[test]
    fn what_one_pipeline_asks_for_counts_before_it_is_sent() {
        let mut bench = Bench::new("");
        let echo = format!("PING {}\r\n", "x".repeat(60_000));
        let mut answered = 0;
        while !bench.is_closed && answered < OUTPUT_BYTES_MAX {
            bench.step(Input::Received { conn: CLIENT, data: echo.as_bytes() });
            answered += 60_000;
        }
        assert!(bench.is_closed);
        assert!(answered + 100_000 > OUTPUT_BYTES_MAX, "closed after {answered} bytes");
    }

    #[test]
    fn a_stranger_may_leave_little_unread() {
        for (file, is_closed) in [("requirepass secret\n", true), ("", false)] {
            let mut bench = Bench::new(file);
            bench.unsent(1025);
            assert_eq!(bench.is_closed, is_closed, "{file}");
        }
    }
}
