//! The one door to the replication stream and to the log (AOF): what commands did, as bytes.
//!
//! A *unit* is what must get there all or nothing: one command, a MULTI block, a script. What
//! happens in a unit is collected here and leaves when the unit ends, wrapped in MULTI and EXEC if
//! it is more than one command; except deletions of expired keys that SCAN or RANDOMKEY came
//! across, which have nothing to do with each other. A SELECT goes before whenever the receiver is
//! in another database.
//!
//! A replica's stream is its primary's, byte by byte; its log is fed here as that of a primary.

use bytes::BytesMut;

use super::Server;
use crate::command::Replicate;
use crate::keyspace::Blob;
use crate::machine::Now;
use crate::resp::{command, write_command};

/// What the current unit has done so far.
#[derive(Debug, Default)]
pub struct Propagation {
    /// The unit's commands, encoded one after the other.
    bytes: BytesMut,
    commands: Vec<Propagated>,
    /// Whether a MULTI block or a script is being run.
    open: bool,
    /// Whether the unit's commands need not arrive together.
    is_loose: bool,
    /// Who gets what the running script does (`redis.set_repl`); nothing said: everybody.
    restricted: Option<u8>,
    /// The time at which the unit began.
    began: Option<Now>,
}

/// A command of a unit.
#[derive(Debug)]
struct Propagated {
    /// `None`: it may run in any.
    db: Option<usize>,
    /// Where it ends in the unit's bytes.
    end: usize,
    receivers: Receivers,
}

/// Who gets a command.
#[derive(Debug, Clone, Copy)]
struct Receivers {
    stream: bool,
    log: bool,
}

/// A receiver of units.
pub(super) trait Receiver {
    /// The database that it is in; `None` forces a SELECT.
    fn selected(&mut self) -> &mut Option<usize>;

    /// Adds bytes.
    fn feed(&mut self, bytes: &[u8]);

    /// Puts it into a database.
    fn select(&mut self, db: usize) {
        if self.selected().replace(db) != Some(db) {
            self.feed(&command(&["SELECT", &db.to_string()]));
        }
    }
}

impl Receiver for super::Replication {
    fn selected(&mut self) -> &mut Option<usize> {
        &mut self.selected
    }

    fn feed(&mut self, bytes: &[u8]) {
        Self::feed(self, bytes);
    }
}

impl Receiver for super::aof::Aof {
    fn selected(&mut self) -> &mut Option<usize> {
        &mut self.selected
    }

    fn feed(&mut self, bytes: &[u8]) {
        Self::feed(self, bytes);
    }
}

impl Propagation {
    /// Begins a unit of several commands; they all see the same time.
    pub fn open(&mut self, now: Now) {
        self.open = true;
        self.began = Some(now);
    }

    /// The unit of several commands is over; [`Server::end_unit`] lets it out.
    pub fn close(&mut self) {
        self.open = false;
        self.began = None;
    }

    /// The command that is a unit of its own found what it deletes by chance: each deletion may
    /// reach a replica alone.
    pub fn loosen(&mut self, is_loose: bool) {
        self.is_loose = is_loose;
    }

    /// Only these get what follows: 1 is the log, 2 are the replicas.
    pub fn restrict(&mut self, to: Option<u8>) {
        self.restricted = to;
    }

    /// Whether a MULTI block is being run: nothing may block its client.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Milliseconds since the epoch that every command of the unit sees.
    pub fn unit_time(&self, now: Now) -> i64 {
        self.began.unwrap_or(now).wall_ms()
    }

    fn add<W: AsRef<[u8]>>(&mut self, receivers: Receivers, db: Option<usize>, words: &[W]) {
        write_command(&mut self.bytes, words);
        self.commands.push(Propagated { db, end: self.bytes.len(), receivers });
    }

    /// Gives the unit, as far as it is meant for it, to a receiver.
    fn give(&self, receiver: &mut impl Receiver, is_meant: fn(&Receivers) -> bool) {
        let count = self.commands.iter().filter(|c| is_meant(&c.receivers)).count();
        let is_block = count > 1 && !self.is_loose;
        let mut start = 0;
        let mut begun = false;
        for command in &self.commands {
            let bytes = &self.bytes[start..command.end];
            start = command.end;
            if !is_meant(&command.receivers) {
                continue;
            }
            if let Some(db) = command.db {
                receiver.select(db);
            }
            if is_block && !begun {
                receiver.feed(b"*1\r\n$5\r\nMULTI\r\n");
                begun = true;
            }
            receiver.feed(bytes);
        }
        if is_block {
            receiver.feed(b"*1\r\n$4\r\nEXEC\r\n");
        }
    }
}

impl Server {
    /// Takes over what a command on data did: statistics, watched keys, the stream and the log.
    pub(super) fn settle(&mut self, db: usize, words: &[&[u8]]) {
        let effect = &mut self.effect;
        self.stats.hits += effect.hits;
        self.stats.misses += effect.misses;
        self.stats.expired_keys += effect.expired.len() as u64;
        self.stats.unsaved_changes += effect.changes;
        if !effect.touched.is_empty() || effect.flushed.is_some() || effect.swapped.is_some() {
            if !effect.spares_watchers {
                self.spoil_watchers();
            }
            self.note_ready();
        }
        self.tell_events();
        let receivers = self.present_receivers();
        if !receivers.stream && !receivers.log {
            return;
        }
        let effect = &self.effect;
        for (db, key) in &effect.expired {
            self.propagation.add(receivers, Some(*db), &[self.config.lazy.expire(), key]);
        }
        if effect.changes > 0 {
            match &effect.replicate {
                Replicate::AsAsked => self.propagation.add(receivers, Some(db), words),
                Replicate::Instead(commands) => {
                    for (db, words) in commands {
                        self.propagation.add(receivers, Some(*db), words);
                    }
                }
            }
        }
    }

    /// Who gets what changes data now.
    fn present_receivers(&self) -> Receivers {
        let stream = !self.is_replica() && self.replication.feeds_anybody();
        let allowed = self.propagation.restricted.unwrap_or(3);
        Receivers { stream: stream && allowed & 2 != 0, log: self.aof.is_fed() && allowed & 1 != 0 }
    }

    /// Replicates a command that is no effect of data (PUBLISH), in the current unit. The log does
    /// not want it.
    pub(super) fn replicate<W: AsRef<[u8]>>(&mut self, db: Option<usize>, words: &[W]) {
        let receivers = Receivers { log: false, ..self.present_receivers() };
        if receivers.stream {
            self.propagation.add(receivers, db, words);
        }
    }

    /// Deletes keys whose time has come, each a unit of its own.
    pub(super) fn replicate_deletion(&mut self, db: usize, key: &Blob) {
        self.touch_watched(db, key);
        let receivers = self.present_receivers();
        if receivers.stream || receivers.log {
            self.propagation.add(receivers, Some(db), &[self.config.lazy.expire(), key]);
        }
        self.end_unit();
    }

    /// Lets the unit out, unless it goes on.
    pub(super) fn end_unit(&mut self) {
        if self.propagation.open || self.propagation.commands.is_empty() {
            return;
        }
        let unit = &self.propagation;
        unit.give(&mut self.replication, |to| to.stream);
        if unit.commands.iter().any(|command| command.receivers.log) {
            if self.config.aof_timestamp_enabled {
                self.aof.annotate(self.now.wall_s());
            }
            unit.give(&mut self.aof, |to| to.log);
        }
        self.propagation.commands.clear();
        self.propagation.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Bench;

    /// What goes to replicas when a request comes across several expired keys.
    fn streamed_by(requests: &str) -> String {
        let mut bench = Bench::new(&[]);
        let conn = bench.connect();
        bench.streamed(0);
        bench.server.active_expire = false;
        for key in ["a", "b"] {
            bench.ask(conn, &format!("SET {key} 1 PX 100"));
        }
        bench.advance(1000);
        let from = bench.server.replication.offset() + 1;
        bench.send(conn, requests.as_bytes());
        String::from_utf8_lossy(&bench.streamed(from)).replace("\r\n", " ")
    }

    #[test]
    fn deletions_that_a_command_comes_across_are_a_block_unless_it_looks_anywhere() {
        let del = |key: &str| format!("*2 $3 DEL $1 {key} ");
        let block = |inside: &str| format!("*1 $5 MULTI {inside}*1 $4 EXEC ");
        assert_eq!(streamed_by("MGET a b\r\n"), block(&(del("a") + &del("b"))));
        let scanned = streamed_by("SCAN 0\r\n");
        assert!([del("a") + &del("b"), del("b") + &del("a")].contains(&scanned), "{scanned}");
        let in_block = streamed_by("MULTI\r\nSCAN 0\r\nEXEC\r\n");
        assert_eq!(in_block.len(), block(&scanned).len(), "{in_block}");
    }
}
