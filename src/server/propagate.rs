//! The one door to the replication stream: what a node's own commands did, as bytes.
//!
//! A *unit* is what must reach a replica all or nothing: one command, a MULTI block, a script. What
//! happens in a unit is collected here and leaves when the unit ends, wrapped in MULTI and EXEC if
//! it is more than one command. A SELECT goes before whenever the stream is in another database.

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
        if !effect.touched.is_empty() || effect.flushed.is_some() || effect.swapped.is_some() {
            self.spoil_watchers();
            self.note_ready();
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
        let is_block = unit.commands.len() > 1;
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
