//! Keys that clients wait for (BLPOP and its kind).
//!
//! A command that finds nothing may ask to be run again when a key has what it is after
//! ([`crate::command::Wait`]). Every command that is not part of a larger unit, and every such unit,
//! is followed by those who waited for the keys that it made ready: key by key in the order in
//! which the keys became so, and for one key in the order in which its clients came. Each of them
//! is a unit of its own.
//!
//! # Differences from Redis
//!
//! Redis has a second form of each command for who waited; here the command itself is run again,
//! with only the key that became ready.

use std::collections::{BTreeMap, VecDeque};

use super::Server;
use super::blocking::Blocked;
use super::table::{Command, Run};
use crate::command::Wait;
use crate::keyspace::{Blob, Kind, Value};
use crate::machine::{ConnId, Millis};

/// What a client waits with.
#[derive(Debug, Clone)]
pub struct KeyWait {
    /// Counts up with every wait: its place among others for the same key.
    arrival: u64,
    /// The database of the keys.
    db: usize,
    keys: Vec<Blob>,
    kind: Kind,
    when_gone: bool,
    /// What is run when a key is ready.
    command: &'static Command,
    words: Vec<Blob>,
    /// Monotonic ms at which it is answered anyway.
    pub until: Option<Millis>,
}

impl PartialEq for KeyWait {
    fn eq(&self, other: &Self) -> bool {
        self.arrival == other.arrival
    }
}

impl Eq for KeyWait {}

/// One of those who wait for a key.
#[derive(Debug, Clone, Copy)]
struct Waiter {
    conn: ConnId,
    kind: Kind,
    when_gone: bool,
}

impl Waiter {
    /// Whether a key that holds this is worth a try.
    fn wants(self, held: Option<Kind>) -> bool {
        held == Some(self.kind) || self.when_gone
    }
}

/// Who waits for which key.
#[derive(Debug, Default)]
pub struct Awaited {
    /// By database and key, those who wait in the order of their arrival.
    waiters: BTreeMap<(usize, Blob), BTreeMap<u64, Waiter>>,
    /// Keys that became ready and whose clients were not served yet.
    ready: VecDeque<(usize, Blob)>,
    arrivals: u64,
}

impl Awaited {
    /// Whether nobody waits for any key.
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Adds a client.
    pub fn add(&mut self, conn: ConnId, wait: &KeyWait) {
        let waiter = Waiter { conn, kind: wait.kind, when_gone: wait.when_gone };
        for key in &wait.keys {
            let waiters = self.waiters.entry((wait.db, key.clone())).or_default();
            waiters.insert(wait.arrival, waiter);
        }
    }

    /// Removes one that waits no longer.
    pub fn remove(&mut self, wait: &KeyWait) {
        for key in &wait.keys {
            let slot = (wait.db, key.clone());
            if let Some(waiters) = self.waiters.get_mut(&slot) {
                waiters.remove(&wait.arrival);
                if waiters.is_empty() {
                    self.waiters.remove(&slot);
                }
            }
        }
    }

    /// A key holds this now: it is ready if anybody is after that.
    fn note(&mut self, slot: &(usize, Blob), held: Option<Kind>) {
        let waiters = self.waiters.get(slot);
        let is_wanted = waiters.is_some_and(|waiters| waiters.values().any(|w| w.wants(held)));
        if is_wanted && !self.ready.contains(slot) {
            self.ready.push_back(slot.clone());
        }
    }

    /// The keys of a database that are waited for.
    fn keys_in(&self, db: impl Fn(usize) -> bool) -> Vec<(usize, Blob)> {
        self.waiters.keys().filter(|(of, _)| db(*of)).cloned().collect()
    }

    /// The first of those who want what a key holds and came after `arrival`.
    fn next(
        &self,
        slot: &(usize, Blob),
        held: Option<Kind>,
        arrival: u64,
    ) -> Option<(u64, ConnId)> {
        let mut later = self.waiters.get(slot)?.range(arrival + 1..);
        later.find(|(_, waiter)| waiter.wants(held)).map(|(arrival, w)| (*arrival, w.conn))
    }
}

impl Server {
    /// A command found nothing and waits.
    pub(super) fn wait_for_keys(
        &mut self,
        conn: ConnId,
        command: &'static Command,
        words: &[&[u8]],
        wait: Wait,
    ) {
        let Some(db) = self.clients.get(conn).map(|client| client.db) else { return };
        self.awaited.arrivals += 1;
        let now = self.now.mono;
        let until = (wait.timeout_ms > 0).then(|| now.saturating_add(wait.timeout_ms));
        let words = wait.words.unwrap_or_else(|| words.iter().map(|w| Blob::from(*w)).collect());
        let wait = KeyWait {
            arrival: self.awaited.arrivals,
            db,
            keys: wait.keys,
            kind: wait.kind,
            when_gone: wait.when_gone,
            command,
            words,
            until,
        };
        self.block(conn, Blocked::Keys(Box::new(wait)));
    }

    /// The last command on data touched keys: some may be ready for those who wait.
    pub(super) fn note_ready(&mut self) {
        if self.awaited.is_empty() {
            return;
        }
        let mut slots = std::mem::take(&mut self.effect.touched);
        let in_order = slots.len();
        if let Some(db) = self.effect.flushed {
            slots.extend(self.awaited.keys_in(|of| db.is_none_or(|db| db == of)));
        }
        if let Some((a, b)) = self.effect.swapped {
            slots.extend(self.awaited.keys_in(|of| of == a || of == b));
        }
        for slot in &slots {
            let held = self.held_by(slot);
            self.awaited.note(slot, held);
        }
        slots.truncate(in_order);
        self.effect.touched = slots;
    }

    /// Serves those who waited for keys that are ready, and those for whom that makes others ready.
    pub(super) fn serve_waiters(&mut self) {
        while !self.propagation.is_open()
            && let Some(slot) = self.awaited.ready.pop_front()
        {
            let mut served = 0;
            while let Some((arrival, conn)) = self.awaited.next(&slot, self.held_by(&slot), served)
            {
                served = arrival;
                self.run_again(conn, &slot.1);
            }
        }
    }

    fn held_by(&self, (db, key): &(usize, Blob)) -> Option<Kind> {
        self.keyspace.db(*db).get(key).map(Value::kind)
    }

    /// Runs what a client waits with, now that a key is ready. It goes on waiting if that was not
    /// enough.
    fn run_again(&mut self, conn: ConnId, key: &Blob) {
        let Some(client) = self.clients.get(conn) else { return };
        let before = client.reply.len();
        let Some(Blocked::Keys(wait)) = client.blocked.clone() else { return };
        let Run::Data(run) = wait.command.run else { return };
        let words = super::dispatch::slices(&wait.words);
        let result = self.run_on_data(conn, run, &words, Some(key));
        self.end_unit();
        if result.is_ok() && self.effect.wait.is_some() {
            return;
        }
        if let Err(error) = &result {
            self.stats.commands[wait.command.index].failed += 1;
            self.reply_error(conn, error);
        }
        if let Some(client) = self.clients.get_mut(conn) {
            client.write_offset = self.replication.offset();
            client.hush(before);
        }
        self.unblock(conn, |_| {});
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::{Input, Output};
    use crate::server::testing::Bench;

    #[test]
    fn a_client_that_waits_can_be_let_go() {
        let mut bench = Bench::new(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        assert_eq!(bench.ask(one, "CLIENT ID"), "(integer) 1");
        for (unblock, answer) in [
            ("CLIENT UNBLOCK 1", "*-1\r\n"),
            ("CLIENT UNBLOCK 1 ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"),
        ] {
            assert_eq!(bench.ask(one, "BLPOP k 0"), "");
            assert!(bench.ask(other, "CLIENT LIST ID 1").contains(" flags=b "));
            assert!(bench.ask(other, "INFO clients").contains("blocked_clients:1"));
            assert_eq!(bench.ask(other, unblock), "(integer) 1");
            assert_eq!(bench.received(one), answer);
        }
        assert_eq!(bench.ask(other, "CLIENT UNBLOCK 1"), "(integer) 0");
        assert!(bench.server.awaited.is_empty());
    }

    #[test]
    fn what_a_client_asked_for_while_it_waited_is_run_afterwards() {
        let mut bench = Bench::new(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        assert_eq!(bench.send(one, b"BLPOP k 0\r\nLLEN k\r\n"), "");
        assert_eq!(bench.ask(other, "RPUSH k a b"), "(integer) 2");
        assert_eq!(bench.received(one), "*2\r\n$1\r\nk\r\n$1\r\na\r\n:1\r\n");
    }

    #[test]
    fn who_is_gone_takes_nothing() {
        let mut bench = Bench::new(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        bench.ask(one, "BLPOP k 10");
        bench.step(Input::Closed { conn: one, reason: String::new() });
        assert_eq!(bench.ask(other, "RPUSH k a"), "(integer) 1");
        assert_eq!(bench.ask(other, "LLEN k"), "(integer) 1");
        assert_eq!(bench.server.waits.next_end(), None);
    }

    #[test]
    fn the_machine_wakes_when_the_first_wait_ends() {
        let mut bench = Bench::new(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        bench.ask(one, "BLPOP k 0.033");
        bench.ask(other, "BLPOP k 0.022");
        bench.advance(21);
        assert_eq!(bench.received(other), "");
        bench.advance(1);
        assert_eq!(bench.received(other), "*-1\r\n");
        assert_eq!(bench.received(one), "");
        bench.advance(11);
        assert_eq!(bench.received(one), "*-1\r\n");
    }

    #[test]
    fn a_primary_that_becomes_a_replica_lets_everybody_go() {
        let mut bench = Bench::new(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        bench.ask(one, "BLPOP k 0");
        bench.ask(other, "REPLICAOF 127.0.0.1 7999");
        assert_eq!(
            bench.received(one),
            "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> \
             replica?)\r\n"
        );
        let closed = |o: &Output| matches!(o, Output::Close { conn, .. } if *conn == one);
        assert!(bench.outputs.iter().any(closed));
    }

    #[test]
    fn a_client_that_wants_no_replies_is_served_all_the_same() {
        let mut bench = Bench::new(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        bench.send(one, b"CLIENT REPLY OFF\r\nBLPOP k 0\r\n");
        bench.ask(other, "RPUSH k a");
        assert_eq!(bench.received(one), "");
        assert_eq!(bench.ask(other, "LLEN k"), "(integer) 0");
    }
}
