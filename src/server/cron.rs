//! What happens with time: one cron ten times a second, and the end of every turn.

use super::Server;
use crate::command::event::Event;
use crate::machine::{Millis, Outbox};

/// Milliseconds between two crons.
const CRON_MS: Millis = 100;

/// Keys deleted by one cron because their time has come.
const EXPIRED_KEYS_MAX: usize = 1000;

impl Server {
    /// When the machine wants to be woken.
    pub(super) fn next_deadline(&self) -> Millis {
        if self.scripting.is_running() {
            // Time passes between the turns of a script, also where it is simulated.
            return self.now.mono + 1;
        }
        if !self.unblocked.is_empty() || !self.greedy.is_empty() {
            // The former were let go by the end of the turn itself.
            return self.now.mono;
        }
        let waiter = self.waits.next_end().unwrap_or(self.next_cron);
        let pause = self.pauses.next_end().unwrap_or(self.next_cron);
        let log = self.aof.resume_at().unwrap_or(self.next_cron);
        self.next_cron.min(waiter).min(pause).min(log)
    }

    /// The deadline has passed.
    pub(super) fn tick(&mut self, out: &mut Outbox) {
        self.play(out);
        self.tend_script(out);
        if self.scripting.is_running() {
            // The data holds half of a unit: no key may go, and no snapshot may be taken.
            return;
        }
        for conn in std::mem::take(&mut self.greedy) {
            self.feed(conn, &[], out);
        }
        self.end_waits();
        self.end_pauses();
        if self.now.mono < self.next_cron {
            return;
        }
        // A node that was frozen goes on with one cron, not with all that it missed.
        self.next_cron = self.now.mono + CRON_MS;
        if self.active_expire {
            self.expire_keys();
        }
        self.sample_rates();
        self.clients_cron(out);
        self.replication_cron(out);
        self.log_cron(out);
        self.save_if_due(out);
    }

    /// Nothing more can be read now.
    pub(super) fn end_turn(&mut self, out: &mut Outbox) {
        self.run_unblocked(out);
        self.tend_failover(out);
        self.tend_shutdown(out);
        self.flush_log(out);
        self.feed_replicas(out);
        self.pace_transfers(out);
        self.flush(out);
    }

    /// Deletes keys whose time has come. A replica waits for its primary to say so, but for its own;
    /// a pause keeps the data as it is.
    fn expire_keys(&mut self) {
        if self.is_loading() || self.pauses.is_on() {
            return;
        }
        if self.is_replica() {
            return self.expire_local_keys();
        }
        let now_ms = self.now.wall_ms();
        for db in 0..self.keyspace.databases() {
            if self.keyspace.db(db).earliest_expiry().is_none_or(|at| at >= now_ms) {
                continue;
            }
            for key in self.keyspace.db_mut(db).due(now_ms, EXPIRED_KEYS_MAX) {
                self.keyspace.db_mut(db).remove(&key);
                self.stats.expired_keys += 1;
                self.replicate_deletion(db, &key);
                self.tell_expired(&Event { db, name: "expired", key });
            }
        }
    }
}
