//! The one door to the replication stream: what a node's own commands did, as bytes.
//!
//! A *unit* is what must reach a replica all or nothing: one command, a MULTI block, a script. What
//! happens in a unit is collected here and leaves when the unit ends, wrapped in MULTI and EXEC if
//! it is more than one command; except deletions of expired keys that SCAN or RANDOMKEY came
//! across, which have nothing to do with each other. A SELECT goes before whenever the stream is in
//! another database.

use bytes::BytesMut;

use super::Server;
use crate::command::Replicate;
use crate::keyspace::Blob;
use crate::machine::Now;
use crate::resp::write_command;

/// What the current unit has done so far.
#[derive(Debug, Default)]
pub struct Propagation {
    /// The unit's commands, encoded one after the other.
    bytes: BytesMut,
    /// Database and end (in `bytes`) of each. No database: the command may run in any.
    commands: Vec<(Option<usize>, usize)>,
    /// Whether a MULTI block or a script is being run.
    open: bool,
    /// Whether the unit's commands need not arrive together.
    is_loose: bool,
    /// The time at which the unit began.
    began: Option<Now>,
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

    /// Whether a MULTI block is being run: nothing may block its client.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Milliseconds since the epoch that every command of the unit sees.
    pub fn unit_time(&self, now: Now) -> i64 {
        self.began.unwrap_or(now).wall_ms()
    }

    fn add<W: AsRef<[u8]>>(&mut self, db: Option<usize>, words: &[W]) {
        write_command(&mut self.bytes, words);
        self.commands.push((db, self.bytes.len()));
    }
}

impl Server {
    /// Takes over what a command on data did: statistics, watched keys, and the stream.
    pub(super) fn settle(&mut self, db: usize, words: &[&[u8]]) {
        let effect = &mut self.effect;
        self.stats.hits += effect.hits;
        self.stats.misses += effect.misses;
        self.stats.expired_keys += effect.expired.len() as u64;
        self.stats.unsaved_changes += effect.changes;
        if !effect.touched.is_empty() || effect.flushed.is_some() {
            self.spoil_watchers();
        }
        if self.is_replica() || !self.replication.feeds_anybody() {
            return;
        }
        let effect = &self.effect;
        for (db, key) in &effect.expired {
            self.propagation.add(Some(*db), &[b"DEL".as_slice(), key]);
        }
        if effect.changes > 0 {
            match &effect.replicate {
                Replicate::AsAsked => self.propagation.add(Some(db), words),
                Replicate::Instead(commands) => {
                    for (db, words) in commands {
                        self.propagation.add(Some(*db), words);
                    }
                }
            }
        }
    }

    /// Replicates a command that is no effect of data (PUBLISH), in the current unit.
    pub(super) fn replicate<W: AsRef<[u8]>>(&mut self, db: Option<usize>, words: &[W]) {
        if !self.is_replica() && self.replication.feeds_anybody() {
            self.propagation.add(db, words);
        }
    }

    /// Deletes keys whose time has come, each a unit of its own.
    pub(super) fn replicate_deletion(&mut self, db: usize, key: &Blob) {
        self.touch_watched(db, key);
        self.replicate(Some(db), &[b"DEL".as_slice(), key]);
        self.end_unit();
    }

    /// Lets the unit out, unless it goes on.
    pub(super) fn end_unit(&mut self) {
        if self.propagation.open || self.propagation.commands.is_empty() {
            return;
        }
        let unit = &mut self.propagation;
        let is_block = unit.commands.len() > 1 && !unit.is_loose;
        let mut start = 0;
        let mut begun = false;
        for (db, end) in unit.commands.drain(..) {
            if let Some(db) = db {
                self.replication.select(db);
            }
            if is_block && !begun {
                self.replication.feed(b"*1\r\n$5\r\nMULTI\r\n");
                begun = true;
            }
            self.replication.feed(&unit.bytes[start..end]);
            start = end;
        }
        if is_block {
            self.replication.feed(b"*1\r\n$4\r\nEXEC\r\n");
        }
        unit.bytes.clear();
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
