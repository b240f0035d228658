//! Writing what was fed, and making it durable.
//!
//! With `always` the sync comes before the replies. With `everysec` a job syncs once a second; if
//! it is still at it when there is something to write, the write waits for it, two seconds at most.

use super::State;
use crate::command::{CommandError, flags};
use crate::machine::{ConnId, Durable, Fact, Job, JobOutcome, LogLevel, Millis, Outbox, Output};
use crate::server::Server;
use crate::server::client::{Client, ClientKind};
use crate::server::config::Fsync;
use crate::server::jobs::Work;
use crate::server::table::Command;

/// A write waits so long for a sync under way.
const POSTPONED_MS_MAX: Millis = 2000;

/// A write that failed is tried again this often.
const RETRY_MS: Millis = 1000;

/// Errors are logged this often.
const ERROR_LOG_MS: Millis = 30_000;

/// A replica that goes on without its log says so this often.
const WARNING_MS: Millis = 10_000;

/// What is known about the files of the log.
#[derive(Debug, Default)]
pub struct Flush {
    /// `aof_current_size`: bytes of the base and of all increments.
    pub size: u64,
    /// `aof_base_size`: the size after the last rewrite, or of the base at the start.
    pub base_size: u64,
    /// Bytes of the file that is written to.
    pub increment_size: u64,
    /// The size up to which a sync was done or began.
    pub synced_size: u64,
    /// `aof_delayed_fsync`
    pub delayed: u64,
    /// The second in which the last sync began.
    last_sync_s: u64,
    /// Syncs under way.
    syncs: usize,
    /// Since when a write waits for one.
    postponed_since: Option<Millis>,
    write_error: Option<String>,
    sync_error: Option<String>,
    retry_at: Millis,
    /// Whether what could not be written was given out again.
    is_retried: bool,
    next_error_log: Millis,
    next_warning: Millis,
}

impl Flush {
    /// Why writes are refused.
    pub fn error(&self) -> Option<&str> {
        self.write_error.as_deref().or(self.sync_error.as_deref())
    }

    /// Whether there is something in memory only that should be in the file.
    pub fn is_behind(&self) -> bool {
        self.write_error.is_some()
    }

    /// `aof_pending_bio_fsync`
    pub fn pending(&self) -> usize {
        self.syncs
    }

    /// A new log begins.
    pub fn forget_errors(&mut self) {
        (self.write_error, self.sync_error) = (None, None);
    }

    /// The log is as long as this, all of it taken for durable.
    pub fn begin_at(&mut self, size: u64, base_size: u64, increment_size: u64) {
        (self.size, self.base_size, self.increment_size) = (size, base_size, increment_size);
        self.synced_size = size;
    }
}

impl Server {
    /// Writes what was fed, and syncs if it is time.
    pub(in crate::server) fn flush_log(&mut self, out: &mut Outbox) {
        if self.aof.state == State::Off || self.aof.file.is_empty() {
            return;
        }
        self.note_retry(out);
        if self.aof.flush.write_error.is_none() && !self.is_write_postponed(out) {
            self.write_log(out);
        }
    }

    /// Writes what was fed without waiting for a sync under way.
    pub(super) fn force_write(&mut self, out: &mut Outbox) {
        if self.aof.state != State::Off && !self.aof.file.is_empty() {
            self.write_log(out);
        }
    }

    /// Whether the write waits for a sync under way.
    fn is_write_postponed(&mut self, out: &mut Outbox) -> bool {
        let flush = &mut self.aof.flush;
        let waits = self.config.appendfsync == Fsync::Everysec && flush.syncs > 0;
        if !waits || self.aof.buffer.is_empty() {
            flush.postponed_since = None;
            return false;
        }
        let since = *flush.postponed_since.get_or_insert(self.now.mono);
        if self.now.since(since) < POSTPONED_MS_MAX {
            return true;
        }
        flush.postponed_since = None;
        flush.delayed += 1;
        out.log(
            LogLevel::Notice,
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer \
             without waiting for fsync to complete, this may slow down Redis.",
        );
        false
    }

    fn write_log(&mut self, out: &mut Outbox) {
        let may_sync =
            !(self.config.no_appendfsync_on_rewrite && (self.is_rewriting() || self.is_saving()));
        let sync = may_sync && self.config.appendfsync == Fsync::Always;
        let data = self.aof.buffer.split().freeze();
        let flush = &mut self.aof.flush;
        flush.size += data.len() as u64;
        flush.increment_size += data.len() as u64;
        let is_unsynced = flush.synced_size != flush.size;
        if !data.is_empty() || (sync && is_unsynced) {
            let name = self.aof.file.clone();
            let sync = if sync { Durable::OrStop } else { Durable::No };
            out.push(Output::AppendLog { name, data, sync });
        }
        if sync {
            flush.synced_size = flush.size;
        } else if may_sync && is_unsynced && self.config.appendfsync == Fsync::Everysec {
            self.sync_if_due(out);
        }
    }

    fn sync_if_due(&mut self, out: &mut Outbox) {
        let second = self.now.mono / 1000;
        let flush = &mut self.aof.flush;
        if second <= flush.last_sync_s {
            return;
        }
        flush.last_sync_s = second;
        if flush.syncs == 0 {
            flush.synced_size = flush.size;
            self.sync_beside(out);
        }
    }

    /// Syncs the file that is written to beside the node.
    pub(super) fn sync_beside(&mut self, out: &mut Outbox) {
        self.aof.flush.syncs += 1;
        let job = Job::SyncLog { name: self.aof.file.clone() };
        self.start_job(Work::SyncLog, job, out);
    }

    /// Writes and syncs everything before anything else happens.
    pub(in crate::server) fn sync_log_now(&mut self, out: &mut Outbox) {
        if self.aof.state == State::Off || self.aof.file.is_empty() {
            return;
        }
        let data = self.aof.buffer.split().freeze();
        let flush = &mut self.aof.flush;
        flush.size += data.len() as u64;
        flush.increment_size += data.len() as u64;
        flush.synced_size = flush.size;
        let (name, sync) = (self.aof.file.clone(), Durable::IfPossible);
        out.push(Output::AppendLog { name, data, sync });
    }

    /// A sync beside the node is over.
    pub(in crate::server) fn on_log_synced(
        &mut self,
        outcome: Result<JobOutcome, String>,
        out: &mut Outbox,
    ) {
        let was_writable = self.aof.flush.error().is_none();
        let flush = &mut self.aof.flush;
        flush.syncs = flush.syncs.saturating_sub(1);
        flush.sync_error = outcome.err();
        if let Some(reason) = &flush.sync_error {
            out.log(LogLevel::Warning, format!("Fail to fsync the AOF file: {reason}"));
        }
        self.tell_log_state(was_writable, out);
    }

    /// The last append failed; what it did not write is written again later.
    pub(in crate::server) fn on_log_failed(
        &mut self,
        name: &str,
        reason: String,
        unwritten: &[u8],
        out: &mut Outbox,
    ) {
        if self.aof.state == State::Off || name != self.aof.file {
            return;
        }
        let (was_writable, now) = (self.aof.flush.error().is_none(), self.now.mono);
        let is_always = self.config.appendfsync == Fsync::Always;
        let flush = &mut self.aof.flush;
        if unwritten.is_empty() && is_always {
            let text = format!(
                "Can't persist AOF for fsync error when the AOF fsync policy is 'always': \
                 {reason}. Exiting..."
            );
            out.log(LogLevel::Warning, text);
            out.push(Output::Exit { code: 1 });
            return;
        }
        if now >= flush.next_error_log || is_always {
            flush.next_error_log = now + ERROR_LOG_MS;
            out.log(LogLevel::Warning, format!("Error writing to the AOF file: {reason}"));
        }
        if is_always {
            out.log(
                LogLevel::Warning,
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. \
                 Exiting...",
            );
            out.push(Output::Exit { code: 1 });
            return;
        }
        flush.size -= unwritten.len() as u64;
        flush.increment_size -= unwritten.len() as u64;
        flush.synced_size = flush.synced_size.min(flush.size);
        flush.write_error = Some(reason);
        flush.retry_at = now + RETRY_MS;
        flush.is_retried = false;
        let later = self.aof.buffer.split();
        self.aof.buffer.extend_from_slice(unwritten);
        self.aof.buffer.extend_from_slice(&later);
        self.tell_log_state(was_writable, out);
    }

    /// Tries to write again what could not be written.
    pub(super) fn retry_write(&mut self, out: &mut Outbox) {
        let flush = &mut self.aof.flush;
        if flush.write_error.is_some() && self.now.mono >= flush.retry_at {
            flush.is_retried = true;
            self.write_log(out);
        }
    }

    /// If nothing was heard of the last try, it went well.
    fn note_retry(&mut self, out: &mut Outbox) {
        if std::mem::take(&mut self.aof.flush.is_retried) {
            out.log(LogLevel::Warning, "AOF write error looks solved, Redis can write again.");
            self.aof.flush.write_error = None;
            self.tell_log_state(false, out);
        }
    }

    fn tell_log_state(&self, was_writable: bool, out: &mut Outbox) {
        let error = self.aof.flush.error();
        if was_writable != error.is_none() {
            let reason = error.unwrap_or_default().to_owned();
            out.emit(Fact::LogWritable { writable: error.is_none(), reason });
        }
    }

    /// A replica that cannot write its log must not go on as if it could, unless it is told to
    /// (`replica-ignore-disk-write-errors`): it ends with the next write of its primary. Returns
    /// whether it does.
    pub(in crate::server) fn is_ended_by_log(
        &mut self,
        conn: ConnId,
        command: &Command,
        out: &mut Outbox,
    ) -> bool {
        let from_primary = |c: &Client| c.kind == ClientKind::Primary;
        if self.check_log_error().is_ok()
            || !command.is(flags::WRITE)
            || !self.clients.get(conn).is_some_and(from_primary)
        {
            return false;
        }
        if !self.config.replica_ignore_disk_write_errors {
            out.log(LogLevel::Warning, "Replica was unable to write command to disk.");
            out.push(Output::Exit { code: 1 });
            return true;
        }
        if self.now.mono >= self.aof.flush.next_warning {
            self.aof.flush.next_warning = self.now.mono + WARNING_MS;
            out.log(
                LogLevel::Warning,
                "Replica is applying a command even though it is unable to write to disk.",
            );
        }
        false
    }

    /// MISCONF because of the log.
    pub(in crate::server) fn check_log_error(&self) -> Result<(), CommandError> {
        match self.aof.flush.error() {
            Some(reason) if self.aof.state != State::Off => {
                Err(CommandError::new(format!("MISCONF Errors writing to the AOF file: {reason}")))
            }
            _ => Ok(()),
        }
    }
}
