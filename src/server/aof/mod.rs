//! The log of commands (AOF): every change of the data, on disk before or soon after it is answered.
//!
//! # The parts
//!
//! * [`flush`]: what was fed during a turn is written at its end, before anything is sent, and
//!   made durable as `appendfsync` says.
//! * [`rewrite`]: a new base is made from a snapshot beside the node, while commands go to a new
//!   increment; the manifest is changed when the base is complete.
//! * [`load`]: at the start the files are read in order, and their commands run again.
//!
//! The log is fed by [`super::propagate`] alone, on primaries and replicas alike. `appendonly` can
//! be changed while the node runs: turned on, the log is *waiting* until a first rewrite is
//! complete, and what happens meanwhile goes to a temporary increment.
//!
//! # Differences from Redis
//!
//! * A rewrite and a full resync of replicas can run at the same time.
//! * A log that cannot be written is not rewritten (turned off and on again, it begins anew): what
//!   waits in memory would be in the new base and, once more, in the new increment.
//! * The manifest is read when it is needed. A node with `appendonly no` starts whatever it holds.
//! * A log in the old style (one file in `dir`) is moved into its directory when it was loaded, not
//!   before; a broken one stays where it is. A truncated file that is not the last is left as it is.
//! * `aof-rewrite-incremental-fsync` is not followed: a new base is synced once, by the job that
//!   writes it.

mod flush;
mod load;
mod rewrite;

use bytes::BytesMut;

use self::flush::Flush;
use self::load::Loading;
use self::rewrite::Rewrite;
use super::blocking::Blocked;
use super::cmd::InfoText;
use super::{Ask, Server};
use crate::command::CommandError;
use crate::machine::{LogLevel, Outbox};
use crate::persist::aof::Manifest;

/// The log of commands.
#[derive(Debug, Default)]
pub struct Aof {
    state: State,
    /// As it is on disk; `None` if it was not read yet.
    manifest: Option<Manifest>,
    /// The file that is written to.
    file: String,
    /// The database that the log is in; `None` forces a SELECT.
    pub(super) selected: Option<usize>,
    /// Seconds since the epoch of the last annotation.
    annotated_s: i64,
    /// What is not written yet.
    buffer: BytesMut,
    flush: Flush,
    rewrite: Rewrite,
    loading: Option<Loading>,
}

/// Whether there is a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Off,
    /// There will be one when the first rewrite is complete.
    Waiting,
    On,
}

impl Aof {
    /// Whether what happens is to be fed to the log.
    pub fn is_fed(&self) -> bool {
        match self.state {
            State::Off => false,
            State::Waiting => self.rewrite.has_snapshot(),
            State::On => true,
        }
    }

    /// Adds bytes to the log.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that are not written yet.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Adds the time, once a second (`aof-timestamp-enabled`).
    pub fn annotate(&mut self, wall_s: i64) {
        if wall_s > self.annotated_s {
            self.annotated_s = wall_s;
            self.feed(format!("#TS:{wall_s}\r\n").as_bytes());
        }
    }
}

impl Server {
    /// DEBUG LOADAOF: the data is what the log says, once more.
    pub(in crate::server) fn reload_log(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        if self.aof.state != State::On || self.is_rewriting() {
            return Err(CommandError::fixed("ERR There is no complete log to load"));
        }
        if self.propagation.is_open() {
            return Err(CommandError::fixed(
                "ERR DEBUG LOADAOF waits for files, and cannot do so inside MULTI",
            ));
        }
        self.force_write(out);
        self.lose_all_data(out);
        self.persistence.begin_loading();
        self.begin_log_load(out);
        self.block(ask.conn, Blocked::Loading);
        Ok(())
    }

    /// The log's part of `# Persistence`, before the other kinds of children.
    pub(super) fn info_log(&self, text: &mut InfoText) {
        let seconds = |since| (self.now.since(since) / 1000) as i64;
        let (rewrite, flush) = (&self.aof.rewrite, &self.aof.flush);
        let status = |ok| if ok { "ok" } else { "err" };
        text.field("aof_enabled", u8::from(self.aof.state != State::Off));
        text.field("aof_rewrite_in_progress", u8::from(self.is_rewriting()));
        text.field("aof_rewrite_scheduled", u8::from(rewrite.scheduled));
        text.field("aof_last_rewrite_time_sec", rewrite.last_duration_s);
        text.field("aof_current_rewrite_time_sec", rewrite.began.map_or(-1, seconds));
        text.field("aof_last_bgrewrite_status", status(rewrite.last_ok));
        text.field("aof_rewrites", rewrite.count);
        text.field("aof_rewrites_consecutive_failures", rewrite.failures_in_a_row);
        text.field("aof_last_write_status", status(flush.error().is_none()));
        text.zeros(&["aof_last_cow_size"]);
    }

    /// The log's part of `# Persistence` that is there only with `appendonly yes`.
    pub(super) fn info_log_sizes(&self, text: &mut InfoText) {
        if !self.config.appendonly {
            return;
        }
        let flush = &self.aof.flush;
        text.field("aof_current_size", flush.size);
        text.field("aof_base_size", flush.base_size);
        text.field("aof_pending_rewrite", u8::from(self.aof.rewrite.scheduled));
        text.field("aof_buffer_length", self.aof.buffered_bytes());
        text.field("aof_pending_bio_fsync", flush.pending());
        text.field("aof_delayed_fsync", flush.delayed);
    }

    /// `appendonly` was changed.
    pub(super) fn switch_log(&mut self, out: &mut Outbox) {
        match (self.config.appendonly, self.aof.state) {
            (true, State::Off) => self.start_log(out),
            (false, State::Waiting | State::On) => self.stop_log(out),
            (true, _) | (false, State::Off) => {}
        }
    }

    /// Begins a log, with a rewrite.
    pub(super) fn start_log(&mut self, out: &mut Outbox) {
        self.aof.state = State::Waiting;
        self.aof.flush.forget_errors();
        let scheduled = if self.is_saving() {
            Some(
                "AOF was enabled but there is already another background operation. An AOF \
                 background was scheduled to start when possible.",
            )
        } else if self.propagation.is_open() {
            Some(
                "AOF was enabled during a transaction. An AOF background was scheduled to start \
                 when possible.",
            )
        } else {
            None
        };
        if let Some(why) = scheduled {
            self.aof.rewrite.scheduled = true;
            out.log(LogLevel::Warning, why);
            return;
        }
        if self.is_rewriting() {
            out.log(
                LogLevel::Warning,
                "AOF was enabled but there is already an AOF rewriting in background. Stopping \
                 background AOF and starting a rewrite now.",
            );
            self.cancel_rewrite(out);
        }
        self.begin_rewrite(out);
    }

    /// Ends the log. Its files stay.
    pub(super) fn stop_log(&mut self, out: &mut Outbox) {
        self.sync_log_now(out);
        self.aof.state = State::Off;
        self.aof.rewrite.scheduled = false;
        self.cancel_rewrite(out);
        self.aof.buffer.clear();
        self.aof.selected = None;
        self.aof.file.clear();
    }

    /// The data was replaced by a primary's: the log begins anew.
    pub(super) fn restart_log(&mut self, out: &mut Outbox) {
        if self.aof.state != State::Off {
            self.stop_log(out);
        }
        if self.config.appendonly {
            self.start_log(out);
        }
    }

    /// Before the node ends: false if it must not, because the first log is not complete.
    pub(super) fn end_log(&mut self, force: bool, out: &mut Outbox) -> bool {
        if self.is_rewriting() {
            if self.aof.state == State::Waiting {
                if !force {
                    out.log(LogLevel::Warning, "Writing initial AOF, can't exit.");
                    return false;
                }
                out.log(LogLevel::Warning, "Writing initial AOF. Exit anyway.");
            }
            out.log(LogLevel::Warning, "There is a child saving an .aof. Killing it!");
            self.cancel_rewrite(out);
        }
        if self.aof.state != State::Off {
            out.log(LogLevel::Notice, "Calling fsync() on the AOF file.");
            self.sync_log_now(out);
        }
        true
    }

    /// A file of the log, as the world knows it.
    fn log_path(&self, name: &str) -> String {
        format!("{}/{name}", self.config.appenddirname)
    }

    fn manifest_path(&self) -> String {
        self.log_path(&format!("{}.manifest", self.config.appendfilename))
    }

    /// What is due ten times a second.
    pub(super) fn log_cron(&mut self, out: &mut Outbox) {
        if self.is_loading() || self.is_ending() {
            return;
        }
        self.rewrite_if_due(out);
        self.retry_write(out);
    }
}

#[cfg(test)]
mod tests;
