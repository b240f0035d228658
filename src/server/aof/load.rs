//! Reading the log at the start.
//!
//! The files are read beside the node in chunks, and played by the node itself: a snapshot becomes
//! its data, commands are run on it. A block is run when its EXEC is there.

use bytes::Bytes;

use super::rewrite::log_manifest_error;
use super::{Aof, State};
use crate::base::number;
use crate::command::{Call, ExpiryRule};
use crate::keyspace::Blob;
use crate::machine::{
    ConnId, Fact, FileStep, Job, JobId, JobOutcome, LogLevel, Millis, Outbox, Output,
};
use crate::persist::aof::{AofError, Entry, Fault, Manifest, Part, Reader};
use crate::persist::rdb::{Decoder, Encoder};
use crate::resp::Reply;
use crate::server::arranging::Change;
use crate::server::jobs::Work;
use crate::server::table::Run;
use crate::server::{Ask, Server};

/// With `key-load-delay`, so much delay is waited for at once, in microseconds.
const DELAY_US_MIN: u64 = 10_000;

/// Asks for what the log says; nobody hears the answers.
const PLAYER: ConnId = ConnId::dialled(0);

/// The log being read.
#[derive(Debug)]
pub struct Loading {
    step: Step,
    /// What is still to be read after the present file, the next one last.
    later: Vec<File>,
    /// Bytes of all files that were read, of the base, and of the last increment.
    bytes: u64,
    base_bytes: u64,
    last_bytes: u64,
    /// What must be done to the files before the log can be written.
    repairs: Vec<FileStep>,
    pace: Pace,
}

/// Waiting after keys and commands, as `key-load-delay` asks for.
#[derive(Debug, Default)]
struct Pace {
    /// When to go on; `None` for at once.
    resume_at: Option<Millis>,
    /// What is not waited for yet.
    owed_us: u64,
}

impl Pace {
    fn owe(&mut self, delay_us: u64, now: Millis) {
        self.owed_us += delay_us;
        if self.owed_us >= DELAY_US_MIN {
            self.resume_at = Some(now + self.owed_us / 1000);
            self.owed_us = 0;
        }
    }

    fn is_waiting(&mut self, now: Millis) -> bool {
        self.resume_at = self.resume_at.filter(|at| *at > now);
        self.resume_at.is_some()
    }
}

#[derive(Debug)]
enum Step {
    /// The manifest, so far.
    Manifest(Vec<u8>),
    /// A file.
    File(Box<Play>),
    /// All was read; the files are being made ready to be written.
    Opening,
}

/// A file to be read.
#[derive(Debug, Clone)]
struct File {
    /// Its name, without a directory.
    name: String,
    path: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Base,
    Increment,
    /// The one file of a log in the old style, not yet in the directory. It may not be there.
    Old,
}

/// A file being played.
#[derive(Debug)]
struct Play {
    file: File,
    job: JobId,
    reader: Reader,
    began: Millis,
    db: usize,
    /// The commands of an open block.
    block: Option<Vec<Vec<Blob>>>,
    /// Chunk bytes that were not acknowledged.
    untaken: usize,
    /// Whether all of it has arrived.
    is_whole: bool,
}

impl Aof {
    /// When the next piece is due, if a delay is being waited for.
    pub fn resume_at(&self) -> Option<Millis> {
        self.loading.as_ref()?.pace.resume_at
    }
}

impl Server {
    /// Begins to read the log.
    pub(in crate::server) fn begin_log_load(&mut self, out: &mut Outbox) {
        let job = Job::ReadFile { name: self.manifest_path() };
        self.start_job(Work::LoadLog, job, out);
        self.aof.loading = Some(Loading {
            step: Step::Manifest(Vec::new()),
            later: Vec::new(),
            bytes: 0,
            base_bytes: 0,
            last_bytes: 0,
            repairs: Vec::new(),
            pace: Pace::default(),
        });
    }

    /// A chunk of the file being read.
    pub(in crate::server) fn on_log_chunk(&mut self, id: JobId, data: &[u8], out: &mut Outbox) {
        let Some(loading) = &mut self.aof.loading else { return };
        match &mut loading.step {
            Step::Manifest(text) => {
                text.extend_from_slice(data);
                out.push(Output::AckJob { id, bytes: data.len() });
            }
            Step::File(play) => {
                play.reader.feed(data);
                play.untaken += data.len();
                let read = loading.bytes + play.reader.len();
                self.on_load_progress(read, Some(read));
                self.play(out);
            }
            Step::Opening => {}
        }
    }

    /// A file was read to its end, or cannot be read.
    pub(in crate::server) fn on_log_read(
        &mut self,
        outcome: Result<JobOutcome, String>,
        out: &mut Outbox,
    ) {
        let Some(loading) = &mut self.aof.loading else { return };
        let is_missing = matches!(outcome, Ok(JobOutcome::NoFile));
        match &mut loading.step {
            Step::Manifest(text) => {
                let text = std::mem::take(text);
                if let Err(reason) = outcome {
                    let text = format!("Fatal error: can't open the AOF manifest file: {reason}");
                    return self.refuse_log(text, out);
                }
                self.on_manifest_loaded(&text, is_missing, out);
            }
            Step::File(play) => match outcome {
                Err(reason) => {
                    let name = &play.file.name;
                    let text = format!(
                        "Unrecoverable error reading the append only file {name}: {reason}"
                    );
                    self.refuse_log(text, out);
                }
                Ok(_) if is_missing => {
                    let file = play.file.clone();
                    self.on_file_missing(&file, out);
                }
                Ok(_) => {
                    play.is_whole = true;
                    self.play(out);
                }
            },
            Step::Opening => {}
        }
    }

    fn on_manifest_loaded(&mut self, text: &[u8], is_missing: bool, out: &mut Outbox) {
        let manifest = if is_missing { Ok(Manifest::default()) } else { Manifest::parse(text) };
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(error) => {
                log_manifest_error(&error, out);
                return self.stop_loading(error.to_string(), out);
            }
        };
        let mut files: Vec<File> = manifest
            .parts()
            .map(|part| File {
                name: part.name.clone(),
                path: self.log_path(&part.name),
                kind: if manifest.base.as_ref() == Some(part) {
                    Kind::Base
                } else {
                    Kind::Increment
                },
            })
            .collect();
        if manifest.is_empty() {
            files.push(self.old_file());
        }
        self.aof.manifest = Some(manifest);
        files.reverse();
        if let Some(loading) = &mut self.aof.loading {
            loading.later = files;
        }
        self.read_next_file(out);
    }

    /// The one file of a log in the old style.
    fn old_file(&self) -> File {
        let name = self.config.appendfilename.clone();
        File { path: name.clone(), name, kind: Kind::Old }
    }

    fn read_next_file(&mut self, out: &mut Outbox) {
        let next = self.aof.loading.as_mut().and_then(|loading| loading.later.pop());
        let Some(file) = next else { return self.open_log(out) };
        let job = Job::ReadFile { name: file.path.clone() };
        let job = self.start_job(Work::LoadLog, job, out);
        // Deleting what has expired is decided by the commands that follow, or by the cron.
        let decoder = Decoder::with(&self.load_options(None));
        let play = Play {
            file,
            job,
            reader: Reader::new(decoder),
            began: self.now.mono,
            db: 0,
            block: None,
            untaken: 0,
            is_whole: false,
        };
        if let Some(loading) = &mut self.aof.loading {
            loading.step = Step::File(Box::new(play));
        }
    }

    fn on_file_missing(&mut self, file: &File, out: &mut Outbox) {
        let manifest = self.aof.manifest.get_or_insert_default();
        let is_only_base = manifest.increments.is_empty() && file.kind == Kind::Base;
        if is_only_base && file.name == self.config.appendfilename {
            // A migration that did not come to its end: the file was not moved.
            *manifest = Manifest::default();
            let old = self.old_file();
            if let Some(loading) = &mut self.aof.loading {
                loading.later = vec![old];
            }
            return self.read_next_file(out);
        }
        if file.kind == Kind::Old {
            return self.read_next_file(out);
        }
        let text = format!(
            "Unable to obtain the AOF file {} length. stat: No such file or directory",
            file.name
        );
        self.refuse_log(text, out);
    }

    /// Runs what has arrived.
    pub(in crate::server) fn play(&mut self, out: &mut Outbox) {
        let Some(mut loading) = self.aof.loading.take() else { return };
        let played = match &mut loading.step {
            Step::File(play) => self.play_file(play, &mut loading.pace, out),
            Step::Manifest(_) | Step::Opening => Ok(false),
        };
        self.aof.loading = Some(loading);
        match played {
            Ok(true) => self.end_file(out),
            Ok(false) => {}
            Err(text) => self.refuse_log(text, out),
        }
    }

    /// Runs what has arrived of a file; true at its end. An error is what the log shall say.
    fn play_file(
        &mut self,
        play: &mut Play,
        pace: &mut Pace,
        out: &mut Outbox,
    ) -> Result<bool, String> {
        let delay_us = self.config.key_load_delay;
        loop {
            if pace.is_waiting(self.now.mono) {
                return Ok(false);
            }
            let entry = match play.reader.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) => return Err(unreadable(&play.file.name, &error)),
            };
            match entry {
                Entry::Note(_) => {}
                Entry::Snapshot(loaded) => {
                    let keys = loaded.keys;
                    out.log(LogLevel::Notice, "Reading RDB base file on AOF loading...");
                    out.log(
                        LogLevel::Notice,
                        format!("Done loading RDB, keys loaded: {keys}, keys expired: 0."),
                    );
                    self.keyspace = loaded.keyspace;
                    self.persistence.keys_loaded = loaded.keys;
                    pace.owe(loaded.keys * delay_us, self.now.mono);
                }
                Entry::Command(words) => {
                    pace.owe(delay_us, self.now.mono);
                    self.take_command(&words, &mut play.db, &mut play.block, out).map_err(
                        |name| {
                            let file = &play.file.name;
                            format!("Unknown command '{name}' reading the append only file {file}")
                        },
                    )?;
                }
            }
        }
        if play.untaken > 0 {
            let bytes = std::mem::take(&mut play.untaken);
            out.push(Output::AckJob { id: play.job, bytes });
        }
        Ok(play.is_whole)
    }

    /// Runs a command of the log, or keeps it until its block is complete. The error names a command
    /// that is not known.
    fn take_command(
        &mut self,
        words: &[&[u8]],
        db: &mut usize,
        block: &mut Option<Vec<Vec<Blob>>>,
        out: &mut Outbox,
    ) -> Result<(), String> {
        let name = words.first().copied().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"multi") {
            block.get_or_insert_default();
            return Ok(());
        }
        if name.eq_ignore_ascii_case(b"exec") {
            for words in block.take().unwrap_or_default() {
                self.run_logged(&crate::server::dispatch::slices(&words), db, out)?;
            }
            return Ok(());
        }
        match block {
            Some(block) => {
                block.push(words.iter().map(|word| Blob::from(*word)).collect());
                Ok(())
            }
            None => self.run_logged(words, db, out),
        }
    }

    fn run_logged(
        &mut self,
        words: &[&[u8]],
        db: &mut usize,
        out: &mut Outbox,
    ) -> Result<(), String> {
        let name = words.first().copied().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"select") {
            let selected = words.get(1).and_then(|word| number::parse_i64(word));
            let selected = selected.and_then(|n| usize::try_from(n).ok());
            *db = selected.filter(|n| *n < self.config.databases).unwrap_or(*db);
            return Ok(());
        }
        let unknown = |_| String::from_utf8_lossy(name).into_owned();
        match self.config.renames.find(words).map_err(unknown)?.run {
            Run::Data(run) => {
                let mut reply = Reply::default();
                self.effect.reset();
                let _ = run(&mut Call {
                    args: words,
                    db: *db,
                    keyspace: &mut self.keyspace,
                    now_ms: self.now.wall_ms(),
                    reply: &mut reply,
                    effect: &mut self.effect,
                    dice: &mut self.dice,
                    expiry: ExpiryRule::Ignore,
                    may_wait: false,
                    in_script: false,
                    ready: None,
                    bulk_bytes_max: u64::MAX,
                    packing: &self.config.packing,
                    compress: self.config.rdbcompression,
                    lazy: self.config.lazy,
                });
            }
            Run::Server(run) => {
                let _ = run(self, &Ask { conn: PLAYER, args: words }, out);
                self.nobody.truncate(0);
            }
        }
        Ok(())
    }

    /// All of a file was played.
    fn end_file(&mut self, out: &mut Outbox) {
        let Some(loading) = &mut self.aof.loading else { return };
        let Step::File(play) = &loading.step else { return };
        let (file, began) = (play.file.clone(), play.began);
        let (good, len) = (play.reader.good(), play.reader.len());
        let finished = play.reader.finish();
        let is_last = loading.later.is_empty();
        if let Err(error) = finished {
            if !matches!(error.fault, Fault::Short | Fault::OpenBlock) {
                return self.refuse_log(unreadable(&file.name, &error), out);
            }
            if error.fault == Fault::OpenBlock {
                let text =
                    format!("Revert incomplete MULTI/EXEC transaction in AOF file {}", file.name);
                out.log(LogLevel::Warning, text);
            }
            if !self.config.aof_load_truncated {
                return self.refuse_log(unexpected_end(&file.name), out);
            }
            if !is_last {
                let text = "Fatal error: the truncated file is not the last file".to_owned();
                return self.refuse_log(text, out);
            }
            self.cut_log(&file, good, len, out);
        }
        let Some(loading) = &mut self.aof.loading else { return };
        loading.bytes += good;
        if file.kind == Kind::Increment {
            loading.last_bytes = good;
        } else {
            loading.base_bytes = good;
        }
        let kind = if file.kind == Kind::Increment { "incr" } else { "base" };
        let seconds = self.now.since(began) as f64 / 1000.0;
        out.log(
            LogLevel::Notice,
            format!("DB loaded from {kind} file {}: {seconds:.3} seconds", file.name),
        );
        if file.kind == Kind::Old {
            self.adopt_old_file(file, out);
        }
        self.read_next_file(out);
    }

    fn cut_log(&mut self, file: &File, good: u64, len: u64, out: &mut Outbox) {
        let name = &file.name;
        for text in [
            format!("!!! Warning: short read while loading the AOF file {name}!!!"),
            format!("!!! Truncating the AOF {name} at offset {good} !!!"),
            format!("AOF {name} loaded anyway because aof-load-truncated is enabled"),
        ] {
            out.log(LogLevel::Warning, text);
        }
        out.emit(Fact::LogCut { name: name.clone(), offset: good, cut: len - good });
        if let Some(loading) = &mut self.aof.loading {
            loading.repairs.push(FileStep::Truncate { name: file.path.clone(), len: good });
        }
    }

    /// A log in the old style becomes the base of a new one. The manifest comes first: with it, a
    /// file that was not moved yet is found.
    fn adopt_old_file(&mut self, file: File, out: &mut Outbox) {
        let manifest = Manifest::adopt(&file.name);
        let data = manifest.format().into();
        let (name, to) = (self.manifest_path(), self.log_path(&file.name));
        if let Some(loading) = &mut self.aof.loading {
            loading.repairs.push(FileStep::Write { name, data });
            loading.repairs.push(FileStep::Rename { from: file.path, to });
        }
        out.log(
            LogLevel::Notice,
            format!(
                "Successfully migrated an old-style AOF file ({}) into the AOF directory ({}).",
                file.name, self.config.appenddirname
            ),
        );
        self.aof.manifest = Some(manifest);
    }

    /// All was read: makes the files ready to be written.
    fn open_log(&mut self, out: &mut Outbox) {
        let mut manifest = self.aof.manifest.clone().unwrap_or_default();
        let filename = self.config.appendfilename.clone();
        let Some(loading) = &mut self.aof.loading else { return };
        loading.step = Step::Opening;
        let mut steps = std::mem::take(&mut loading.repairs);
        if manifest.is_empty() {
            let name = manifest.add_base(&filename, self.base_extension());
            let text = format!("Creating AOF base file {name} on server start");
            out.log(LogLevel::Notice, text);
            let data = self.empty_base();
            steps.push(FileStep::Write { name: self.log_path(&name), data });
        } else {
            let seconds = self.now.since(self.started.mono) as f64 / 1000.0;
            let text = format!("DB loaded from append only file: {seconds:.3} seconds");
            out.log(LogLevel::Notice, text);
        }
        let file = if let Some(Part { name, .. }) = manifest.increments.last() {
            let text = format!("Opening AOF incr file {name} on server start");
            out.log(LogLevel::Notice, text);
            self.log_path(name)
        } else {
            let name = manifest.add_increment(&filename);
            let text = format!("Creating AOF incr file {name} on server start");
            out.log(LogLevel::Notice, text);
            let path = self.log_path(&name);
            steps.push(FileStep::Write { name: path.clone(), data: Bytes::new() });
            let data = manifest.format().into();
            steps.push(FileStep::Write { name: self.manifest_path(), data });
            path
        };
        (self.aof.manifest, self.aof.file) = (Some(manifest), file);
        self.arrange(Change::Log, steps, out);
    }

    /// The files are ready, or cannot be.
    pub(super) fn on_log_opened(&mut self, result: Result<(), String>, out: &mut Outbox) {
        if let Err(reason) = result {
            return self.refuse_log(format!("Can't open the append-only file {reason}"), out);
        }
        let Some(loading) = self.aof.loading.take() else { return };
        self.aof.flush.begin_at(loading.bytes, loading.base_bytes, loading.last_bytes);
        self.aof.state = State::On;
        self.delete_history(out);
        self.begin_to_serve(out);
    }

    /// The base of a log that begins with no data.
    fn empty_base(&self) -> Bytes {
        if !self.config.aof_use_rdb_preamble {
            return Bytes::new();
        }
        let mut meta = self.replication_meta();
        (meta.stream, meta.is_aof_base) = (None, true);
        let mut encoder = Encoder::new(self.keyspace.snapshot(), meta, false);
        std::iter::from_fn(|| encoder.next_chunk(usize::MAX)).flatten().collect()
    }

    /// The log cannot be followed: the node does not start.
    fn refuse_log(&mut self, text: String, out: &mut Outbox) {
        out.log(LogLevel::Warning, text.clone());
        self.stop_loading(text, out);
    }

    fn stop_loading(&mut self, reason: String, out: &mut Outbox) {
        self.aof.loading = None;
        out.emit(Fact::LoadFailed { reason });
        out.push(Output::Exit { code: 1 });
    }
}

fn unexpected_end(name: &str) -> String {
    format!(
        "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of \
         your AOF file, then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you \
         can set the 'aof-load-truncated' configuration option to yes and restart the server."
    )
}

fn unreadable(name: &str, error: &AofError) -> String {
    match &error.fault {
        Fault::Snapshot(error) => {
            format!("Error reading the RDB base file {name}, AOF loading aborted ({error})")
        }
        _ => format!(
            "Bad file format reading the append only file {name}: make a backup of your AOF file, \
             then use ./redis-check-aof --fix <filename.manifest> ({error})"
        ),
    }
}
