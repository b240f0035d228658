//! The snapshot file: loading it at the start, and writing it.
//!
//! # Differences from Redis
//!
//! * SAVE makes its client wait, not the whole node.
//! * `rdb-save-incremental-fsync` is not followed: a file is synced once, by the job that writes it.

use super::arranging::Change;
use super::blocking::Blocked;
use super::cmd::InfoText;
use super::jobs::Work;
use super::propagate::Receiver;
use super::{Ask, Server};
use crate::command::CommandError;
use crate::machine::{
    Fact, FileStep, Job, JobId, JobOutcome, LoadOptions, Loaded, LogLevel, Millis, Outbox, Output,
    ReplicationMeta, Role, SaveTarget, StreamHead,
};
use crate::resp::{Reply, command};

/// After a failed save, the next automatic one is this far away.
const RETRY_MS: Millis = 5000;

/// What a node knows about its snapshot file.
#[derive(Debug)]
pub struct Persistence {
    /// While the file is loaded at the start: bytes read, and in all if known.
    loading: Option<(u64, Option<u64>)>,
    /// The save under way.
    save: Option<Save>,
    /// A BGSAVE SCHEDULE that waits for its turn.
    scheduled: bool,
    /// `rdb_last_save_time`, seconds since the epoch.
    pub last_save_s: i64,
    /// Monotonic ms of the last try.
    last_try: Millis,
    /// `rdb_last_bgsave_status`
    pub last_ok: bool,
    /// `rdb_last_bgsave_time_sec`; -1 for never.
    pub last_duration_s: i64,
    /// `rdb_saves`
    pub saves: u64,
    /// `rdb_last_load_keys_loaded`
    pub keys_loaded: u64,
    /// `rdb_last_load_keys_expired`
    pub keys_expired: u64,
}

#[derive(Debug)]
struct Save {
    job: JobId,
    began: Millis,
    /// Changes that the snapshot does not hold are those made since.
    changes_before: u64,
}

/// A save whose file is written, and not yet in its place.
#[derive(Debug)]
pub struct Saved {
    save: Save,
    bytes: u64,
}

impl Default for Persistence {
    fn default() -> Self {
        Self {
            loading: None,
            save: None,
            scheduled: false,
            last_save_s: 0,
            last_try: 0,
            last_ok: true,
            last_duration_s: -1,
            saves: 0,
            keys_loaded: 0,
            keys_expired: 0,
        }
    }
}

impl Persistence {
    /// While the file is loaded at the start: bytes read, and in all if known.
    pub fn loading(&self) -> Option<(u64, Option<u64>)> {
        self.loading
    }

    /// What is on disk is looked for.
    pub fn begin_loading(&mut self) {
        self.loading = Some((0, None));
    }

    /// What was looked for is there, or is not.
    pub fn end_loading(&mut self) {
        self.loading = None;
    }

    /// Whether it is not known yet if there is anything to load. A node that starts empty must not
    /// answer LOADING in its first instants, so clients wait until this is over.
    pub fn is_beginning(&self) -> bool {
        self.loading == Some((0, None))
    }
}

impl Server {
    /// `# Persistence` of INFO.
    pub(super) fn info_persistence(&self, text: &mut InfoText) {
        let persistence = &self.persistence;
        let save_s =
            persistence.save.as_ref().map(|save| (self.now.since(save.began) / 1000) as i64);
        text.field("loading", u8::from(self.is_loading()));
        text.zeros(&["async_loading", "current_cow_peak", "current_cow_size"]);
        text.zeros(&["current_cow_size_age"]);
        text.field("current_fork_perc", "0.00");
        text.zeros(&["current_save_keys_processed", "current_save_keys_total"]);
        text.field("rdb_changes_since_last_save", self.stats.unsaved_changes);
        text.field("rdb_bgsave_in_progress", u8::from(save_s.is_some()));
        text.field("rdb_last_save_time", persistence.last_save_s);
        text.field("rdb_last_bgsave_status", if persistence.last_ok { "ok" } else { "err" });
        text.field("rdb_last_bgsave_time_sec", persistence.last_duration_s);
        text.field("rdb_current_bgsave_time_sec", save_s.unwrap_or(-1));
        text.field("rdb_saves", persistence.saves);
        text.zeros(&["rdb_last_cow_size"]);
        text.field("rdb_last_load_keys_expired", persistence.keys_expired);
        text.field("rdb_last_load_keys_loaded", persistence.keys_loaded);
        self.info_log(text);
        text.zeros(&["module_fork_in_progress", "module_fork_last_cow_size"]);
        self.info_log_sizes(text);
        if let Some((read, total)) = persistence.loading {
            text.field("loading_start_time", self.started.wall_s());
            text.field("loading_total_bytes", total.unwrap_or(0));
            text.field("loading_loaded_bytes", read);
        }
    }

    /// The node begins: it loads what it had.
    pub(super) fn start(&mut self, out: &mut Outbox) {
        self.started = self.now;
        self.next_cron = self.now.mono;
        self.persistence.last_save_s = self.now.wall_s();
        self.persistence.begin_loading();
        out.log(LogLevel::Notice, "Server initialized");
        if self.config.appendonly {
            self.begin_log_load(out);
            return;
        }
        let options = self.options_of_own_file();
        let name = self.config.dbfilename.clone();
        self.start_job(Work::LoadAtStart, Job::LoadFile { name, options }, out);
    }

    /// How a file of this node is loaded.
    pub(super) fn options_of_own_file(&mut self) -> LoadOptions {
        // A replica keeps what has expired: deleting is its primary's business.
        let expire_before = (!self.is_replica()).then(|| self.now.wall_ms());
        self.load_options(expire_before)
    }

    pub(super) fn is_loading(&self) -> bool {
        self.persistence.loading.is_some()
    }

    pub(super) fn on_load_progress(&mut self, bytes: u64, total: Option<u64>) {
        let was_beginning = self.persistence.is_beginning();
        self.persistence.loading = Some((bytes.max(1), total));
        if was_beginning {
            self.serve_those_who_came_first();
        }
    }

    /// Runs what clients asked for before it was known whether they must wait for the data.
    pub(super) fn serve_those_who_came_first(&mut self) {
        self.unblocked.extend(self.clients.ids(|client| !client.input.is_empty()));
    }

    pub(super) fn on_loaded_at_start(
        &mut self,
        outcome: Result<JobOutcome, String>,
        out: &mut Outbox,
    ) {
        match outcome {
            Ok(JobOutcome::Loaded(loaded)) => self.adopt_file(*loaded, out),
            Ok(_) => {}
            Err(reason) => {
                out.log(
                    LogLevel::Warning,
                    format!("Fatal error loading the DB: {reason}. Exiting."),
                );
                out.emit(Fact::LoadFailed { reason });
                out.push(Output::Exit { code: 1 });
                return;
            }
        }
        self.begin_to_serve(out);
    }

    /// What was on disk is loaded.
    pub(super) fn begin_to_serve(&mut self, out: &mut Outbox) {
        self.persistence.end_loading();
        let reloaders = self.clients.ids(|client| client.blocked == Some(Blocked::Loading));
        for conn in &reloaders {
            self.unblock(*conn, Reply::ok);
        }
        if !reloaders.is_empty() {
            self.apply_what_waited(out);
            return self.serve_those_who_came_first();
        }
        self.replication.alone_since = self.now.mono;
        let keys = self.keyspace.keys();
        out.log(LogLevel::Notice, "Ready to accept connections");
        out.emit(Fact::Ready { keys });
        if let Some(primary) = self.replication.follows().cloned() {
            out.emit(Fact::RoleChanged { role: Role::Replica, follows: Some(primary) });
        }
        self.replication_cron(out);
        self.serve_those_who_came_first();
    }

    fn adopt_file(&mut self, loaded: Loaded, out: &mut Outbox) {
        self.keyspace = loaded.keyspace;
        self.persistence.keys_loaded = loaded.keys;
        self.persistence.keys_expired = loaded.expired.len() as u64;
        let seconds = self.now.since(self.started.mono) as f64 / 1000.0;
        out.log(LogLevel::Notice, format!("DB loaded from disk: {seconds:.3} seconds"));
        if let Some(head) = loaded.stream {
            self.resume_history(&head, &loaded.expired, out);
        }
    }

    /// The file names the history that its data belongs to, so nobody needs a full resync.
    fn resume_history(
        &mut self,
        head: &StreamHead,
        expired: &[(usize, bytes::Bytes)],
        out: &mut Outbox,
    ) {
        let Some(replid) = crate::repl::ReplId::parse(head.replid.as_bytes()) else { return };
        let history = &mut self.replication.history;
        history.adopt_full(replid, head.offset);
        history.stream.open_backlog();
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.resumable = true;
            self.replication.selected = head.selected(self.config.databases);
            return;
        }
        self.shift_history(out);
        for (db, key) in expired {
            self.replication.select(*db);
            self.replication.feed(&command(&[self.config.lazy.expire(), key]));
        }
    }

    /// What goes into a snapshot's header.
    pub(super) fn replication_meta(&self) -> ReplicationMeta {
        let replication = &self.replication;
        let has_history = replication.feeds_anybody()
            && replication.upstream.as_ref().is_none_or(|u| u.resumable);
        ReplicationMeta {
            stream: has_history.then(|| StreamHead {
                replid: replication.history.replid().to_string(),
                offset: replication.offset(),
                // None is as good as the first: a SELECT comes before the next command. Real servers
                // do not go on from a file that says -1.
                selected_db: replication.selected.unwrap_or(0) as i64,
            }),
            ctime_s: self.now.wall_s(),
            used_memory_bytes: self.keyspace.memory_bytes(),
            is_aof_base: false,
        }
    }

    pub(super) fn is_saving(&self) -> bool {
        self.persistence.save.is_some()
    }

    /// Starts to write the snapshot file.
    pub(super) fn begin_save(&mut self, out: &mut Outbox) -> JobId {
        self.persistence.scheduled = false;
        self.persistence.last_try = self.now.mono;
        self.start_save_job(out)
    }

    /// Starts to write the snapshot file with which the node ends, instead of what it writes now.
    pub(super) fn begin_last_save(&mut self, out: &mut Outbox) -> JobId {
        if let Some(save) = self.persistence.save.take() {
            self.cancel_job(save.job, out);
            self.on_transfer_failed(save.job, out);
        }
        self.start_save_job(out)
    }

    fn start_save_job(&mut self, out: &mut Outbox) -> JobId {
        let name = self.temporary_file();
        let job = self.save_job(SaveTarget::File(name));
        let job = self.start_job(Work::Save, job, out);
        self.persistence.save =
            Some(Save { job, began: self.now.mono, changes_before: self.stats.unsaved_changes });
        job
    }

    fn temporary_file(&self) -> String {
        format!("temp-{}.rdb", self.run_id.get(..8).unwrap_or_default())
    }

    /// The snapshot file was written, or not.
    pub(super) fn on_saved(
        &mut self,
        job: JobId,
        outcome: Result<JobOutcome, String>,
        out: &mut Outbox,
    ) {
        let Some(save) = self.persistence.save.take_if(|save| save.job == job) else { return };
        match outcome {
            Ok(JobOutcome::Saved { bytes }) => {
                let (from, to) = (self.temporary_file(), self.config.dbfilename.clone());
                let place = vec![FileStep::Rename { from, to }];
                self.arrange(Change::Snapshot(Saved { save, bytes }), place, out);
            }
            Ok(_) => {}
            Err(reason) => self.fail_save(&save, &reason, out),
        }
    }

    /// The snapshot file was put in its place, or not.
    pub(super) fn on_snapshot_placed(
        &mut self,
        saved: Saved,
        result: Result<(), String>,
        out: &mut Outbox,
    ) {
        let Saved { save, bytes } = saved;
        if let Err(reason) = result {
            out.push(Output::Remove { name: self.temporary_file() });
            return self.fail_save(&save, &reason, out);
        }
        self.persistence.last_duration_s = (self.now.since(save.began) / 1000) as i64;
        self.stats.unsaved_changes -= save.changes_before.min(self.stats.unsaved_changes);
        self.persistence.last_save_s = self.now.wall_s();
        self.persistence.last_ok = true;
        self.persistence.saves += 1;
        out.log(LogLevel::Notice, "DB saved on disk");
        out.log(LogLevel::Notice, "Background saving terminated with success");
        out.emit(Fact::SaveDone { bytes });
        self.send_saved_file(save.job, bytes, out);
        self.answer_savers(&Ok(()));
        self.on_shutdown_save(save.job, true, out);
    }

    fn fail_save(&mut self, save: &Save, reason: &str, out: &mut Outbox) {
        self.persistence.last_duration_s = (self.now.since(save.began) / 1000) as i64;
        self.persistence.last_ok = false;
        out.log(LogLevel::Warning, format!("Background saving error: {reason}"));
        out.emit(Fact::SaveFailed { reason: reason.to_owned() });
        self.on_transfer_failed(save.job, out);
        self.answer_savers(&Err(CommandError::new(format!("ERR {reason}"))));
        self.on_shutdown_save(save.job, false, out);
    }

    /// Nobody needs the snapshot any more.
    pub(super) fn cancel_save(&mut self, job: JobId, out: &mut Outbox) {
        if self.persistence.save.take_if(|save| save.job == job).is_some() {
            self.cancel_job(job, out);
        }
    }

    /// Saves by the `save` points.
    pub(super) fn save_if_due(&mut self, out: &mut Outbox) {
        let (now, wall_s) = (self.now.mono, self.now.wall_s());
        let is_busy = self.is_saving() || self.is_rewriting() || self.is_loading();
        if is_busy || self.is_ending() {
            return;
        }
        if self.persistence.scheduled {
            self.begin_background_save(out);
            return;
        }
        let (changes, last_save) = (self.stats.unsaved_changes, self.persistence.last_save_s);
        let may_try =
            self.persistence.last_ok || self.now.since(self.persistence.last_try) > RETRY_MS;
        let due =
            self.config.save.iter().find(|(s, c)| {
                changes >= *c && wall_s - last_save > *s as i64 && may_try && now > 0
            });
        if let Some((seconds, least)) = due {
            out.log(LogLevel::Notice, format!("{least} changes in {seconds} seconds. Saving..."));
            self.begin_background_save(out);
        }
    }

    fn begin_background_save(&mut self, out: &mut Outbox) {
        out.log(LogLevel::Notice, "Background saving started");
        out.emit(Fact::SaveStarted { target: "disk".to_owned() });
        self.begin_save(out);
    }

    /// SAVE: its client waits until the file is written.
    pub(super) fn on_save(&mut self, ask: &Ask<'_>, out: &mut Outbox) -> Result<(), CommandError> {
        if self.is_saving() {
            return Err(CommandError::fixed("ERR Background save already in progress"));
        }
        out.emit(Fact::SaveStarted { target: "disk".to_owned() });
        self.begin_save(out);
        if let Some(client) = self.clients.get_mut(ask.conn) {
            client.blocked = Some(Blocked::Save);
        }
        Ok(())
    }

    /// `BGSAVE [SCHEDULE]`.
    pub(super) fn on_bgsave(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        match ask.args {
            [_] => {}
            [_, _] if ask.is(1, "schedule") => {}
            _ => return Err(CommandError::SYNTAX),
        }
        if self.is_saving() {
            return Err(CommandError::fixed("ERR Background save already in progress"));
        }
        if self.is_rewriting() {
            if ask.args.len() == 1 {
                return Err(CommandError::fixed(
                    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use \
                     BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
                ));
            }
            self.persistence.scheduled = true;
            self.reply(ask).simple("Background saving scheduled");
            return Ok(());
        }
        if self.propagation.is_open() {
            // Half of a block must not be in the file.
            self.persistence.scheduled = true;
        } else {
            self.begin_background_save(out);
        }
        self.reply(ask).simple("Background saving started");
        Ok(())
    }

    fn answer_savers(&mut self, result: &Result<(), CommandError>) {
        for conn in self.clients.ids(|c| c.blocked == Some(Blocked::Save)) {
            self.unblock_with(conn, result);
        }
    }

    /// MISCONF.
    pub(super) fn check_disk_error(&self) -> Result<(), CommandError> {
        self.check_save_error().and_then(|()| self.check_log_error())
    }

    fn check_save_error(&self) -> Result<(), CommandError> {
        let refuses = self.config.stop_writes_on_bgsave_error
            && !self.config.save.is_empty()
            && !self.persistence.last_ok
            && !self.is_replica();
        if refuses {
            return Err(CommandError::fixed(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
                 persist to disk. Commands that may modify the data set are disabled, because this \
                 instance is configured to report errors during writes if RDB snapshotting fails \
                 (stop-writes-on-bgsave-error option). Please check the Redis logs for details \
                 about the RDB error.",
            ));
        }
        Ok(())
    }
}
