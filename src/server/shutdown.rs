//! Ending in order: SHUTDOWN, SIGTERM, SIGINT. Writes are paused, replicas may catch up, the log and
//! the snapshot are completed.

use super::blocking::{Blocked, PauseReason};
use super::scripting::BUSY;
use super::{Ask, Server};
use crate::command::CommandError;
use crate::machine::{Fact, JobId, LogLevel, Millis, Outbox, Output, Signal};

/// An orderly end under way.
#[derive(Debug)]
pub struct Shutdown {
    /// Replicas may catch up until then.
    until: Millis,
    save: bool,
    force: bool,
    /// The save before the end, once it runs.
    job: Option<JobId>,
}

impl Server {
    /// Whether an orderly end is under way.
    pub(super) fn is_ending(&self) -> bool {
        self.shutdown.is_some()
    }

    /// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]`.
    pub(super) fn on_shutdown(
        &mut self,
        ask: &Ask<'_>,
        out: &mut Outbox,
    ) -> Result<(), CommandError> {
        let has = |word| (1..ask.args.len()).any(|i| ask.is(i, word));
        let known = ["nosave", "save", "now", "force", "abort"];
        let all_known = (1..ask.args.len()).all(|i| known.iter().any(|word| ask.is(i, word)));
        let is_abort = has("abort");
        let is_more = known.iter().any(|word| *word != "abort" && has(word));
        if !all_known || (has("save") && has("nosave")) || (is_abort && is_more) {
            return Err(CommandError::SYNTAX);
        }
        if is_abort {
            if self.shutdown.take().is_none() {
                return Err(CommandError::fixed("ERR No shutdown in progress."));
            }
            out.log(LogLevel::Notice, "Shutdown manually aborted.");
            self.give_up_shutdown();
            self.reply(ask).ok();
            return Ok(());
        }
        if self.scripting.is_running() && !has("nosave") {
            return Err(BUSY);
        }
        let save = has("save") || (!has("nosave") && !self.config.save.is_empty());
        let wait_ms = if has("now") { 0 } else { self.config.shutdown_timeout * 1000 };
        self.block(ask.conn, Blocked::Shutdown);
        self.begin_shutdown_with("SHUTDOWN", save, has("force"), wait_ms, out);
        Ok(())
    }

    /// An orderly end, as `shutdown-on-sigterm` and `shutdown-on-sigint` want it.
    pub(super) fn on_signal(&mut self, signal: Signal, out: &mut Outbox) {
        let cause = signal.name();
        out.log(LogLevel::Warning, format!("Received {cause} scheduling shutdown..."));
        let flags = match signal {
            Signal::Terminate => &self.config.shutdown_on_sigterm,
            Signal::Interrupt => &self.config.shutdown_on_sigint,
        };
        let has = |flag| flags.split(' ').any(|word| word == flag);
        let save = has("save") || (!has("nosave") && !self.config.save.is_empty());
        let wait_ms = if has("now") { 0 } else { self.config.shutdown_timeout * 1000 };
        self.begin_shutdown_with(cause, save, has("force"), wait_ms, out);
    }

    fn begin_shutdown_with(
        &mut self,
        cause: &str,
        save: bool,
        force: bool,
        wait_ms: Millis,
        out: &mut Outbox,
    ) {
        if self.shutdown.is_some() {
            return;
        }
        out.log(LogLevel::Warning, "User requested shutdown...");
        out.emit(Fact::ShuttingDown { cause: cause.to_owned() });
        self.pause_writes(Millis::MAX, PauseReason::Shutdown);
        // Asked of those that are behind only: the question is itself a part of the stream.
        self.replication.wants_acks |= !self.have_replicas_caught_up();
        let until = self.now.mono + wait_ms;
        self.shutdown = Some(Shutdown { until, save, force, job: None });
        self.tend_shutdown(out);
    }

    /// Whether the last snapshot is being written: what enters the stream now is not in it, and no
    /// replica that has it could go on from that file.
    pub(super) fn is_stream_over(&self) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| shutdown.job.is_some())
    }

    fn have_replicas_caught_up(&self) -> bool {
        let offset = self.replication.offset();
        self.replication.replicas.values().all(|r| !r.is_online() || r.has_applied(offset))
    }

    /// Goes on with an orderly end: replicas have caught up, or had their time.
    pub(super) fn tend_shutdown(&mut self, out: &mut Outbox) {
        let Some(shutdown) = &self.shutdown else { return };
        let is_time = self.have_replicas_caught_up() || self.now.mono >= shutdown.until;
        if shutdown.job.is_some() || !is_time {
            return;
        }
        let (save, force) = (shutdown.save, shutdown.force);
        if save && self.propagation.is_open() {
            // A script runs, and the snapshot would hold half of it.
            return;
        }
        if !self.end_log(force, out) {
            return self.refuse_shutdown();
        }
        if !save || self.is_loading() {
            self.finish_shutdown(out);
            return;
        }
        out.log(LogLevel::Notice, "Saving the final RDB snapshot before exiting.");
        let job = self.begin_last_save(out);
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.job = Some(job);
        }
    }

    pub(super) fn on_shutdown_save(&mut self, job: JobId, saved: bool, out: &mut Outbox) {
        let Some(shutdown) = &self.shutdown else { return };
        if shutdown.job != Some(job) {
            return;
        }
        if saved || shutdown.force {
            self.finish_shutdown(out);
            return;
        }
        out.log(LogLevel::Warning, "Error trying to save the DB, can't exit.");
        self.refuse_shutdown();
    }

    fn refuse_shutdown(&mut self) {
        self.shutdown = None;
        self.give_up_shutdown();
    }

    /// The node goes on: who wanted its end is told.
    fn give_up_shutdown(&mut self) {
        self.unpause(PauseReason::Shutdown);
        let error = CommandError::fixed("ERR Errors trying to SHUTDOWN. Check logs.");
        for conn in self.clients.ids(|client| client.blocked == Some(Blocked::Shutdown)) {
            self.unblock_with(conn, &Err(error.clone()));
        }
    }

    fn finish_shutdown(&mut self, out: &mut Outbox) {
        self.sync_log_now(out);
        out.log(LogLevel::Warning, "Redis is now ready to exit, bye bye...");
        out.push(Output::Exit { code: 0 });
    }
}

#[cfg(test)]
mod tests {
    use crate::machine::{Input, JobEvent, JobId, JobOutcome, Output};
    use crate::server::testing::Bench;

    fn exits(bench: &Bench) -> bool {
        bench.outputs.iter().any(|output| matches!(output, Output::Exit { code: 0 }))
    }

    fn save_ends(bench: &mut Bench) {
        let started = bench.outputs.iter().rev().find_map(|output| match output {
            Output::StartJob { id, .. } => Some(*id),
            _ => None,
        });
        let event = JobEvent::Done(JobOutcome::Saved { bytes: 10 });
        bench.step(Input::Job { id: started.unwrap_or(JobId(0)), event });
    }

    const ERROR: &str = "-ERR Errors trying to SHUTDOWN. Check logs.\r\n";

    #[test]
    fn who_wants_the_end_waits_for_it() {
        let mut bench = Bench::new(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        assert_eq!(bench.send(one, b"SHUTDOWN\r\nPING\r\n"), "");
        assert_eq!(bench.send(other, b"SHUTDOWN\r\n"), "");
        assert!(!exits(&bench));
        save_ends(&mut bench);
        assert!(exits(&bench));
        assert_eq!(bench.received(one), "");
    }

    #[test]
    fn all_who_wanted_the_end_are_told_that_it_was_called_off() {
        let mut bench = Bench::new(&[]);
        let (one, two, other) = (bench.connect(), bench.connect(), bench.connect());
        bench.send(one, b"SHUTDOWN\r\nPING\r\n");
        bench.send(two, b"SHUTDOWN\r\n");
        assert_eq!(bench.ask(other, "SHUTDOWN ABORT"), "OK");
        assert_eq!(bench.received(one), format!("{ERROR}+PONG\r\n"));
        assert_eq!(bench.received(two), ERROR);
    }

    #[test]
    fn a_snapshot_that_is_not_in_its_place_is_no_reason_to_end() {
        let mut bench = Bench::new(&[]);
        let one = bench.connect();
        bench.files_fail = true;
        bench.send(one, b"SHUTDOWN\r\n");
        save_ends(&mut bench);
        assert!(!exits(&bench));
        assert_eq!(bench.received(one), ERROR);
        bench.send(one, b"SAVE\r\n");
        save_ends(&mut bench);
        assert_eq!(bench.received(one), "-ERR file: Is a directory\r\n");
    }
}
