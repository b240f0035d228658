//! Keys that clients of a writable replica (`replica-read-only no`) gave an expiry time: no primary
//! will send their DEL, so the replica deletes them itself.

use std::collections::BTreeSet;

use super::Server;
use crate::command::event::Event;
use crate::keyspace::Blob;

/// The keys, by database.
pub(super) type Expiries = BTreeSet<(usize, Blob)>;

impl Server {
    /// Whether clients of this replica may write.
    pub(super) fn takes_local_writes(&self) -> bool {
        self.is_replica() && !self.config.replica_read_only
    }

    /// Remembers what the command that just ran left with an expiry time.
    pub(super) fn note_local_expiries(&mut self) {
        for (db, key) in &self.effect.touched {
            if self.keyspace.db(*db).expiry(key).is_some() {
                self.local_expiries.insert((*db, key.clone()));
            }
        }
    }

    /// Deletes those whose time has come, and forgets those that do not expire any more.
    pub(super) fn expire_local_keys(&mut self) {
        let now_ms = self.now.wall_ms();
        for (db, key) in std::mem::take(&mut self.local_expiries) {
            match self.keyspace.db(db).expiry(&key) {
                None => {}
                Some(at) if at >= now_ms => {
                    self.local_expiries.insert((db, key));
                }
                Some(_) => {
                    self.keyspace.db_mut(db).remove(&key);
                    self.stats.expired_keys += 1;
                    self.tell_expired(&Event { db, name: "expired", key });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    #[test]
    fn a_writable_replica_deletes_what_its_own_clients_let_expire() {
        let mut bench = Bench::new(&[("replicaof", "127.0.0.1 1"), ("replica-read-only", "no")]);
        let client = bench.connect();
        bench.ask(client, "SET mine x PX 50");
        bench.ask(client, "SET kept x PX 50");
        bench.ask(client, "PERSIST kept");
        bench.advance(300);
        assert_eq!(bench.server.keyspace.keys(), 1);
        assert!(bench.server.keyspace.db(0).contains(b"kept"));
    }

    #[test]
    fn what_the_primary_lets_expire_waits_for_its_del() {
        let mut bench = Bench::new(&[("replica-read-only", "no")]);
        let client = bench.connect();
        bench.ask(client, "SET theirs x PX 50");
        bench.ask(client, "REPLICAOF 127.0.0.1 1");
        bench.advance(300);
        assert_eq!(bench.server.keyspace.keys(), 1);
    }
}
