//! DEBUG RELOAD: the data goes through a snapshot and back.
//!
//! # Differences from Redis
//!
//! * Keys that NOFLUSH without MERGE would load twice, and a file that cannot be read, are an error,
//!   and not the end of the node.
//! * NOSAVE waits for a file, and so cannot be used inside MULTI.

use bytes::BytesMut;

use super::blocking::Blocked;
use super::jobs::Work;
use super::{Ask, Server};
use crate::command::CommandError;
use crate::keyspace::Keyspace;
use crate::machine::{ConnId, Job, JobOutcome, LogLevel, Outbox, Output};
use crate::persist::rdb::{Decoder, Encoder, RdbError};

/// A snapshot file being read again, and who waits for it.
#[derive(Debug)]
pub struct Reload {
    conn: ConnId,
    how: How,
}

#[derive(Debug, Clone, Copy, Default)]
struct How {
    /// NOSAVE: what is in the file is loaded, whatever is in memory.
    is_unsaved: bool,
    /// NOFLUSH: what is in memory stays.
    keeps: bool,
    /// MERGE: unless the file has it, too.
    merges: bool,
}

const FAILED: CommandError = CommandError::fixed("ERR Error trying to load the RDB dump");

impl Server {
    /// `DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]`
    pub(super) fn on_reload(
        &mut self,
        ask: &Ask<'_>,
        options: &[&[u8]],
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        let mut how = How::default();
        for option in options {
            match option.to_ascii_uppercase().as_slice() {
                b"NOSAVE" => how.is_unsaved = true,
                b"NOFLUSH" => how.keeps = true,
                b"MERGE" => how.merges = true,
                _ => {
                    return Err(CommandError::fixed(
                        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                    ));
                }
            }
        }
        if how.is_unsaved {
            return self.begin_reload(Reload { conn: ask.conn, how }, out);
        }
        self.save_and_reload(how, out)?;
        self.reply(ask).ok();
        Ok(())
    }

    /// Everybody waits, so that the file need not be read.
    fn save_and_reload(&mut self, how: How, out: &mut Outbox) -> Result<(), CommandError> {
        let mut encoder = Encoder::new(
            self.keyspace.snapshot(),
            self.replication_meta(),
            self.config.rdbcompression,
        );
        let mut decoder = Decoder::with(&self.options_of_own_file());
        let mut file = BytesMut::new();
        let fail = |error: RdbError| CommandError::new(format!("{}: {error}", FAILED.text()));
        while let Some(chunk) = encoder.next_chunk(usize::MAX) {
            decoder.feed(&chunk).map_err(fail)?;
            file.extend_from_slice(&chunk);
        }
        let loaded = decoder.finish().map_err(fail)?;
        out.push(Output::WriteFile { name: self.config.dbfilename.clone(), data: file.freeze() });
        self.take_in(loaded.keyspace, how, out)
    }

    fn begin_reload(&mut self, reload: Reload, out: &mut Outbox) -> Result<(), CommandError> {
        if self.propagation.is_open() {
            return Err(CommandError::fixed(
                "ERR DEBUG RELOAD NOSAVE waits for a file, and cannot do so inside MULTI",
            ));
        }
        if !reload.how.keeps {
            self.lose_all_data(out);
        }
        self.persistence.begin_loading();
        self.block(reload.conn, Blocked::Loading);
        let options = self.options_of_own_file();
        let name = self.config.dbfilename.clone();
        self.start_job(Work::Reload(reload), Job::LoadFile { name, options }, out);
        Ok(())
    }

    /// The file was read, or cannot be.
    pub(super) fn on_reloaded(
        &mut self,
        reload: &Reload,
        outcome: Result<JobOutcome, String>,
        out: &mut Outbox,
    ) {
        let result = match outcome {
            Ok(JobOutcome::Loaded(loaded)) => {
                self.persistence.keys_loaded = loaded.keys;
                self.persistence.keys_expired = loaded.expired.len() as u64;
                self.take_in(loaded.keyspace, reload.how, out)
            }
            Ok(_) => Err(FAILED),
            Err(reason) => {
                out.log(LogLevel::Warning, format!("DEBUG RELOAD failed: {reason}"));
                Err(FAILED)
            }
        };
        self.persistence.end_loading();
        self.unblock_with(reload.conn, &result);
        self.apply_what_waited(out);
        self.serve_those_who_came_first();
    }

    fn take_in(&mut self, file: Keyspace, how: How, out: &mut Outbox) -> Result<(), CommandError> {
        if !how.keeps {
            self.put_in_place(file, out);
        } else if !how.merges && self.shares_a_key_with(&file) {
            return Err(FAILED);
        } else {
            for (index, db) in file.iter().enumerate() {
                let ours = self.keyspace.db_mut(index);
                for (key, value, expiry) in db.iter() {
                    ours.set(key, value.clone());
                    ours.set_expiry(key, expiry);
                }
            }
        }
        out.log(LogLevel::Warning, "DB reloaded by DEBUG RELOAD");
        Ok(())
    }

    fn shares_a_key_with(&self, file: &Keyspace) -> bool {
        let mut both = file.iter().zip(self.keyspace.iter());
        both.any(|(theirs, ours)| theirs.iter().any(|(key, ..)| ours.contains(key)))
    }

    /// What is loaded once more begins with nothing.
    pub(super) fn lose_all_data(&mut self, out: &mut Outbox) {
        let empty = Keyspace::new(self.config.databases, self.dice.bits());
        self.put_in_place(empty, out);
    }

    fn put_in_place(&mut self, keyspace: Keyspace, out: &mut Outbox) {
        let old = std::mem::replace(&mut self.keyspace, keyspace);
        self.discard(old, out);
        self.spoil_flushed(None);
    }
}
