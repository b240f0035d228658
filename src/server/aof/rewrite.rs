//! Making the log shorter: a new base from a snapshot, beside the node.
//!
//! A rewrite goes through the stages of [`Stage`]. Until its base is complete the manifest names the
//! old base and both increments, so that a crash at any point loses nothing.

use bytes::Bytes;

use super::State;
use crate::command::CommandError;
use crate::machine::{
    Fact, FileStep, Job, JobId, JobOutcome, LogLevel, Millis, Outbox, Output, SaveForm, SaveTarget,
};
use crate::persist::aof::{Manifest, ManifestError};
use crate::server::arranging::Change;
use crate::server::jobs::Work;
use crate::server::{Ask, Server};

/// So many failures in a row make the next try wait.
const FAILURES_MAX: u64 = 3;

/// The longest wait after failures.
const DELAY_MIN_MAX: u64 = 60;

/// The increment of a log whose first base is being made.
const FIRST_INCREMENT: &str = "temp-appendonly.aof.incr";

/// The rewrite under way, and how the earlier ones went.
#[derive(Debug)]
pub struct Rewrite {
    stage: Stage,
    /// `aof_rewrite_scheduled`: one is due as soon as nothing is in its way.
    pub scheduled: bool,
    /// Monotonic ms.
    pub began: Option<Millis>,
    /// `aof_last_rewrite_time_sec`; -1 for never.
    pub last_duration_s: i64,
    /// `aof_last_bgrewrite_status`
    pub last_ok: bool,
    /// `aof_rewrites`
    pub count: u64,
    /// `aof_rewrites_consecutive_failures`
    pub failures_in_a_row: u64,
    /// Minutes of the last wait after failures, and when it is over.
    delay_min: u64,
    delayed_until: Option<Millis>,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    None,
    /// The manifest is being read.
    Reading { job: JobId, text: Vec<u8> },
    /// A new increment is being made, and is then named by this manifest.
    Opening { manifest: Option<Manifest>, file: String },
    /// The base is being written.
    Writing { job: JobId },
    /// The base is being put in its place, named by this manifest.
    Placing { manifest: Manifest, bytes: u64, file: Option<String> },
}

impl Default for Rewrite {
    fn default() -> Self {
        Self {
            stage: Stage::None,
            scheduled: false,
            began: None,
            last_duration_s: -1,
            last_ok: true,
            count: 0,
            failures_in_a_row: 0,
            delay_min: 0,
            delayed_until: None,
        }
    }
}

impl Rewrite {
    /// Whether the data of the new base is settled: what happens from now on is not in it.
    pub fn has_snapshot(&self) -> bool {
        matches!(self.stage, Stage::Writing { .. } | Stage::Placing { .. })
    }
}

impl Server {
    pub(in crate::server) fn is_rewriting(&self) -> bool {
        !matches!(self.aof.rewrite.stage, Stage::None)
    }

    /// BGREWRITEAOF.
    pub(in crate::server) fn on_bgrewriteaof(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        if self.is_rewriting() {
            return Err(CommandError::fixed(
                "ERR Background append only file rewriting already in progress",
            ));
        }
        if self.is_saving() || self.propagation.is_open() {
            self.aof.rewrite.scheduled = true;
            self.aof.rewrite.failures_in_a_row = 0;
            self.reply(ask).simple("Background append only file rewriting scheduled");
            return Ok(());
        }
        if self.aof.flush.is_behind() {
            out.log(LogLevel::Warning, "Can't rewrite an AOF that cannot be written");
            return Err(CommandError::fixed(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for \
                 more information.",
            ));
        }
        self.begin_rewrite(out);
        self.reply(ask).simple("Background append only file rewriting started");
        Ok(())
    }

    /// Starts what was scheduled, and what the log's growth asks for.
    pub(super) fn rewrite_if_due(&mut self, out: &mut Outbox) {
        if self.is_rewriting() || self.is_saving() || self.aof.flush.is_behind() {
            return;
        }
        if self.aof.rewrite.scheduled && !self.is_rewrite_delayed(out) {
            self.begin_rewrite(out);
            return;
        }
        let (size, base) = (self.aof.flush.size, self.aof.flush.base_size.max(1));
        let percentage = self.config.auto_aof_rewrite_percentage;
        let is_large = size > self.config.auto_aof_rewrite_min_size;
        if self.aof.state != State::On || percentage == 0 || !is_large {
            return;
        }
        let growth = (size.saturating_mul(100) / base).saturating_sub(100);
        if growth >= percentage && !self.is_rewrite_delayed(out) {
            out.log(
                LogLevel::Notice,
                format!("Starting automatic rewriting of AOF on {growth}% growth"),
            );
            self.begin_rewrite(out);
        }
    }

    /// Whether failures in a row make the next rewrite wait: a minute, then twice as long each time.
    fn is_rewrite_delayed(&mut self, out: &mut Outbox) -> bool {
        let (rewrite, now) = (&mut self.aof.rewrite, self.now.mono);
        if rewrite.failures_in_a_row < FAILURES_MAX {
            (rewrite.delay_min, rewrite.delayed_until) = (0, None);
            return false;
        }
        if let Some(until) = rewrite.delayed_until {
            if now < until {
                return true;
            }
            rewrite.delayed_until = None;
            return false;
        }
        rewrite.delay_min = (rewrite.delay_min * 2).clamp(1, DELAY_MIN_MAX);
        rewrite.delayed_until = Some(now + rewrite.delay_min * 60_000);
        out.log(
            LogLevel::Warning,
            format!(
                "Background AOF rewrite has repeatedly failed and triggered the limit, will retry \
                 in {} minutes",
                rewrite.delay_min
            ),
        );
        true
    }

    /// Begins a rewrite.
    pub(super) fn begin_rewrite(&mut self, out: &mut Outbox) {
        self.aof.rewrite.scheduled = false;
        self.aof.rewrite.began = Some(self.now.mono);
        if self.aof.manifest.is_some() {
            return self.open_increment(out);
        }
        let job = Job::ReadFile { name: self.manifest_path() };
        let job = self.start_job(Work::ReadManifest, job, out);
        self.aof.rewrite.stage = Stage::Reading { job, text: Vec::new() };
    }

    /// A piece of the manifest.
    pub(in crate::server) fn on_manifest_chunk(&mut self, data: &[u8]) {
        if let Stage::Reading { text, .. } = &mut self.aof.rewrite.stage {
            text.extend_from_slice(data);
        }
    }

    /// The manifest was read.
    pub(in crate::server) fn on_manifest_read(
        &mut self,
        outcome: Result<JobOutcome, String>,
        out: &mut Outbox,
    ) {
        let Stage::Reading { text, .. } = std::mem::take(&mut self.aof.rewrite.stage) else {
            return;
        };
        let manifest = match outcome {
            Ok(JobOutcome::NoFile) => Ok(Manifest::default()),
            Ok(_) => Manifest::parse(&text).map_err(|error| {
                log_manifest_error(&error, out);
                error.to_string()
            }),
            Err(reason) => Err(reason),
        };
        match manifest {
            Ok(manifest) => {
                self.aof.manifest = Some(manifest);
                if self.propagation.is_open() {
                    // A script runs, and the base would hold half of it.
                    self.settle_rewrite();
                    self.aof.rewrite.scheduled = true;
                } else {
                    self.open_increment(out);
                }
            }
            Err(reason) => self.fail_rewrite(&reason, out),
        }
    }

    /// From here on commands go to a new file.
    fn open_increment(&mut self, out: &mut Outbox) {
        let Some(mut manifest) = self.aof.manifest.clone() else { return };
        let empty = |name: &str| FileStep::Write { name: name.to_owned(), data: Bytes::new() };
        match self.aof.state {
            State::Off => self.begin_base(out),
            State::Waiting => {
                let file = self.log_path(FIRST_INCREMENT);
                log_creation(FIRST_INCREMENT, out);
                self.arrange(Change::Log, vec![empty(&file)], out);
                self.aof.rewrite.stage = Stage::Opening { manifest: None, file };
            }
            State::On => {
                self.force_write(out);
                let name = manifest.add_increment(&self.config.appendfilename);
                let file = self.log_path(&name);
                log_creation(&name, out);
                let data = manifest.format().into();
                let named = FileStep::Write { name: self.manifest_path(), data };
                self.arrange(Change::Log, vec![empty(&file), named], out);
                self.aof.rewrite.stage = Stage::Opening { manifest: Some(manifest), file };
            }
        }
    }

    fn begin_base(&mut self, out: &mut Outbox) {
        let job = self.base_job();
        let job = self.start_job(Work::RewriteLog, job, out);
        self.aof.rewrite.count += 1;
        self.aof.rewrite.stage = Stage::Writing { job };
        out.log(
            LogLevel::Notice,
            format!("Background append only file rewriting started by job {}", job.0),
        );
        out.emit(Fact::LogRewriteStarted);
    }

    fn base_job(&self) -> Job {
        let mut meta = self.replication_meta();
        (meta.stream, meta.is_aof_base) = (None, true);
        Job::Save {
            snapshot: self.keyspace.snapshot(),
            form: if self.config.aof_use_rdb_preamble {
                SaveForm::Rdb { compress: self.config.rdbcompression }
            } else {
                SaveForm::Commands
            },
            meta,
            target: SaveTarget::File(self.temporary_base()),
            key_delay_us: self.config.rdb_key_save_delay,
        }
    }

    fn temporary_base(&self) -> String {
        format!("temp-rewriteaof-bg-{}.aof", self.run_id.get(..8).unwrap_or_default())
    }

    /// `rdb` or `aof`, as the next base will be.
    pub(super) fn base_extension(&self) -> &'static str {
        if self.config.aof_use_rdb_preamble { "rdb" } else { "aof" }
    }

    /// The base was written, or not.
    pub(in crate::server) fn on_base_written(
        &mut self,
        outcome: Result<JobOutcome, String>,
        out: &mut Outbox,
    ) {
        let bytes = match outcome {
            Ok(JobOutcome::Saved { bytes }) => bytes,
            Ok(_) => return,
            Err(reason) => {
                out.log(LogLevel::Warning, "Background AOF rewrite terminated with error");
                return self.fail_rewrite(&reason, out);
            }
        };
        out.log(LogLevel::Notice, "Background AOF rewrite terminated with success");
        let Some(mut manifest) = self.aof.manifest.clone() else { return };
        let filename = self.config.appendfilename.clone();
        let base = manifest.add_base(&filename, self.base_extension());
        let to = self.log_path(&base);
        let mut steps = vec![FileStep::Rename { from: self.temporary_base(), to }];
        let mut file = None;
        if self.aof.state == State::Waiting {
            let to = self.log_path(&manifest.add_increment(&filename));
            steps.push(FileStep::Rename { from: self.aof.file.clone(), to: to.clone() });
            file = Some(to);
        }
        manifest.retire_increments(usize::from(self.aof.state != State::Off));
        let data = manifest.format().into();
        steps.push(FileStep::Write { name: self.manifest_path(), data });
        self.force_write(out);
        self.arrange(Change::Log, steps, out);
        self.aof.rewrite.stage = Stage::Placing { manifest, bytes, file };
    }

    /// The log's files were put in order, or not.
    pub(in crate::server) fn on_log_arranged(
        &mut self,
        result: Result<(), String>,
        out: &mut Outbox,
    ) {
        if self.aof.loading.is_some() {
            return self.on_log_opened(result, out);
        }
        match (std::mem::take(&mut self.aof.rewrite.stage), result) {
            (Stage::Opening { .. } | Stage::Placing { .. }, Err(reason)) => {
                out.log(LogLevel::Warning, format!("Can't open the append-only file {reason}"));
                self.fail_rewrite(&reason, out);
            }
            (Stage::Opening { .. }, Ok(())) if self.aof.flush.is_behind() => {
                self.fail_rewrite("the old increment cannot be written", out);
            }
            (stage @ Stage::Opening { .. }, Ok(()))
                if self.aof.state == State::On && !self.aof.buffer.is_empty() =>
            {
                // Fed after the order was given, so it is in the base: it belongs to the old file.
                // No step is left; the answer says whether it got there.
                self.aof.rewrite.stage = stage;
                self.force_write(out);
                self.arrange(Change::Log, Vec::new(), out);
            }
            (Stage::Opening { manifest, file }, Ok(())) => {
                if self.aof.state == State::On {
                    self.sync_beside(out);
                }
                self.aof.file = file;
                self.aof.selected = None;
                self.aof.flush.increment_size = 0;
                if manifest.is_some() {
                    self.aof.manifest = manifest;
                }
                self.begin_base(out);
            }
            (Stage::Placing { manifest, bytes, file }, Ok(())) => {
                self.aof.manifest = Some(manifest);
                self.end_rewrite(bytes, file, out);
            }
            (stage, _) => self.aof.rewrite.stage = stage,
        }
    }

    fn end_rewrite(&mut self, bytes: u64, file: Option<String>, out: &mut Outbox) {
        if let Some(file) = file {
            self.aof.file = file;
        }
        let flush = &mut self.aof.flush;
        if self.aof.state != State::Off {
            let size = bytes + flush.increment_size;
            // What is not synced yet stays so.
            let unsynced = flush.size.saturating_sub(flush.synced_size).min(flush.increment_size);
            flush.begin_at(size, size, flush.increment_size);
            flush.synced_size = size - unsynced;
        }
        self.log_placing(out);
        self.delete_history(out);
        self.settle_rewrite();
        self.aof.rewrite.last_ok = true;
        self.aof.rewrite.failures_in_a_row = 0;
        out.log(LogLevel::Notice, "Background AOF rewrite finished successfully");
        out.emit(Fact::LogRewritten { bytes });
        if self.aof.state == State::Waiting {
            self.aof.state = State::On;
        }
    }

    fn log_placing(&self, out: &mut Outbox) {
        let Some(manifest) = &self.aof.manifest else { return };
        let temporary = self.temporary_base();
        if let Some(base) = &manifest.base {
            let (to, text) = (&base.name, "Successfully renamed the temporary AOF base file");
            out.log(LogLevel::Notice, format!("{text} {temporary} into {to}"));
        }
        if let (State::Waiting, Some(last)) = (self.aof.state, manifest.increments.last()) {
            let (to, text) = (&last.name, "Successfully renamed the temporary AOF incr file");
            out.log(LogLevel::Notice, format!("{text} {FIRST_INCREMENT} into {to}"));
        }
    }

    /// Deletes what a rewrite has replaced (unless `aof-disable-auto-gc`).
    pub(super) fn delete_history(&mut self, out: &mut Outbox) {
        let path = self.manifest_path();
        let dir = self.config.appenddirname.clone();
        let Some(manifest) = &mut self.aof.manifest else { return };
        if manifest.history.is_empty() || self.config.aof_disable_auto_gc {
            return;
        }
        for part in manifest.history.drain(..) {
            let name = format!("{dir}/{}", part.name);
            out.log(
                LogLevel::Notice,
                format!("Removing the history file {} in the background", part.name),
            );
            out.push(Output::Remove { name });
        }
        out.push(Output::WriteFile { name: path, data: manifest.format().into() });
    }

    fn fail_rewrite(&mut self, reason: &str, out: &mut Outbox) {
        out.push(Output::Remove { name: self.temporary_base() });
        self.settle_rewrite();
        self.aof.rewrite.last_ok = false;
        self.aof.rewrite.failures_in_a_row += 1;
        out.emit(Fact::LogRewriteFailed { reason: reason.to_owned() });
        if self.aof.state == State::Waiting {
            self.drop_first_increment(out);
            self.aof.rewrite.scheduled = true;
        }
    }

    /// Ends a rewrite that nobody wants any more.
    pub(super) fn cancel_rewrite(&mut self, out: &mut Outbox) {
        match std::mem::take(&mut self.aof.rewrite.stage) {
            Stage::None => return,
            Stage::Reading { job, .. } | Stage::Writing { job } => self.cancel_job(job, out),
            Stage::Opening { .. } | Stage::Placing { .. } => {}
        }
        self.settle_rewrite();
        self.drop_first_increment(out);
    }

    fn settle_rewrite(&mut self) {
        let rewrite = &mut self.aof.rewrite;
        rewrite.stage = Stage::None;
        if let Some(began) = rewrite.began.take() {
            rewrite.last_duration_s = (self.now.since(began) / 1000) as i64;
        }
    }

    /// What was fed since the snapshot of a first base that will not be.
    fn drop_first_increment(&mut self, out: &mut Outbox) {
        let name = self.log_path(FIRST_INCREMENT);
        if self.aof.file == name {
            self.aof.buffer.clear();
            self.aof.file.clear();
            out.push(Output::Remove { name });
        }
    }
}

fn log_creation(name: &str, out: &mut Outbox) {
    let text = format!("Creating AOF incr file {name} on background rewrite");
    out.log(LogLevel::Notice, text);
}

/// What a real server says of a manifest that it cannot follow.
pub(super) fn log_manifest_error(error: &ManifestError, out: &mut Outbox) {
    out.log(LogLevel::Warning, "\n*** FATAL AOF MANIFEST FILE ERROR ***");
    if let Some((number, line)) = &error.line {
        out.log(LogLevel::Warning, format!("Reading the manifest file, at line {number}"));
        out.log(LogLevel::Warning, format!(">>> '{line}'"));
    }
    out.log(LogLevel::Warning, error.reason);
}
