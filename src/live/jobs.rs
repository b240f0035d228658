//! Work beside a node, on plain threads: saving, loading, reading files.
//!
//! A job writes temporary files only; the node's own step renames them. A cancelled job leaves
//! no file and says nothing more.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::clock::words;
use super::crash;
use super::files::{Files, LogSync};
use super::ready::Ready;
use crate::keyspace::Keyspace;
use crate::machine::{CHUNK_WINDOW_BYTES, Job, JobEvent, JobId, JobOutcome, SaveTarget, ScriptEnd};
use crate::persist::Encoder;
use crate::persist::rdb::Decoder;

/// Keys encoded into one chunk, unless it is full before.
const KEYS_PER_CHUNK: usize = 4096;
/// How much nicer than nodes jobs are (see nice(1)).
#[cfg(target_os = "linux")]
const NICER_BY: i32 = 5;
/// The exit code of a program that could not be run, as a shell's child would end.
const SCRIPT_NOT_RUN: i32 = 2;
/// Time between two looks at a running program.
const SCRIPT_LOOK: Duration = Duration::from_millis(20);
/// Bytes read from a file at once.
const READ_BYTES: usize = 64 << 10;
/// Least time between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// Bytes after which there is a report in any case: some nodes wait for it.
const PROGRESS_BYTES: u64 = 4 << 20;

/// The jobs of one node.
pub(super) struct Jobs {
    running: HashMap<JobId, Running>,
    news: mpsc::Receiver<(JobId, JobEvent)>,
    post: mpsc::Sender<(JobId, JobEvent)>,
    ready: Arc<Ready>,
}

/// A job seen from its node.
struct Running {
    desk: Arc<Desk>,
    /// `None` if there was none to be had.
    thread: Option<JoinHandle<()>>,
}

impl Jobs {
    /// None yet; `ready` is woken with every news.
    pub(super) fn new(ready: Arc<Ready>) -> Self {
        let (post, news) = mpsc::channel();
        Self { running: HashMap::new(), news, post, ready }
    }

    /// Starts a job on a thread of its own.
    pub(super) fn start(&mut self, id: JobId, job: Job, files: &mut Files) {
        let task = Task::new(job, files);
        let desk = Arc::new(Desk { file: task.file().map(Path::to_owned), ..Desk::default() });
        let work = Work {
            id,
            desk: Arc::clone(&desk),
            post: self.post.clone(),
            ready: Arc::clone(&self.ready),
            keys_done: 0,
            overslept: Duration::ZERO,
            last_progress: Instant::now(),
            bytes_told: 0,
        };
        let name = format!("{}job", crash::THREAD_PREFIX);
        let spawned = thread::Builder::new().name(name).spawn(move || work.run(task));
        self.enter(id, desk, spawned);
    }

    /// Notes a job that was started. If it was not, it has failed.
    fn enter(&mut self, id: JobId, desk: Arc<Desk>, spawned: io::Result<JoinHandle<()>>) {
        let thread = spawned.map_err(|error| {
            drop(self.post.send((id, JobEvent::Failed(words(&error)))));
            self.ring();
        });
        self.running.insert(id, Running { desk, thread: thread.ok() });
    }

    /// Gives input to a job; `None` is its end.
    pub(super) fn feed(&self, id: JobId, data: Option<Bytes>) {
        self.at_desk(id, |state| match data {
            Some(data) => state.input.push_back(data),
            None => state.input_ended = true,
        });
    }

    /// Lets a job make more chunks.
    pub(super) fn ack(&self, id: JobId, bytes: usize) {
        self.at_desk(id, |state| state.unacked = state.unacked.saturating_sub(bytes));
    }

    /// Ends a job.
    pub(super) fn cancel(&mut self, id: JobId) {
        if let Some(job) = self.running.remove(&id) {
            job.desk.cancel();
        }
    }

    /// The next news of a job that was not cancelled.
    pub(super) fn next(&mut self) -> Option<(JobId, JobEvent)> {
        while let Ok((id, event)) = self.news.try_recv() {
            let is_last = matches!(event, JobEvent::Done(_) | JobEvent::Failed(_));
            let is_known = if is_last {
                self.running.remove(&id).is_some()
            } else {
                self.running.contains_key(&id)
            };
            if is_known {
                return Some((id, event));
            }
        }
        None
    }

    /// There may be more news.
    pub(super) fn ring(&self) {
        self.ready.wake_owner();
    }

    fn at_desk(&self, id: JobId, give: impl FnOnce(&mut DeskState)) {
        if let Some(job) = self.running.get(&id) {
            job.desk.order(give);
        }
    }
}

impl Drop for Jobs {
    /// Cancels all jobs and waits until they are gone.
    fn drop(&mut self) {
        for job in self.running.values() {
            job.desk.cancel();
        }
        for (_, job) in self.running.drain() {
            drop(job.thread.map(JoinHandle::join));
        }
    }
}

/// What a node lays on a job's desk.
#[derive(Default)]
struct Desk {
    state: Mutex<DeskState>,
    changed: Condvar,
    /// The file that the job writes.
    file: Option<PathBuf>,
}

#[derive(Default)]
struct DeskState {
    cancelled: bool,
    input: VecDeque<Bytes>,
    input_ended: bool,
    /// Bytes of chunks that the node did not acknowledge.
    unacked: usize,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, give: impl FnOnce(&mut DeskState)) {
        give(&mut self.lock());
        self.changed.notify_all();
    }

    /// Ends the job. Its file goes now, not when the job notices, so that another job may use the
    /// name.
    fn cancel(&self) {
        self.order(|state| {
            state.cancelled = true;
            self.remove_file();
        });
    }

    /// Creates the job's file, unless it was cancelled.
    fn create(&self, path: &Path) -> Result<File, Stopped> {
        let state = self.lock();
        if state.cancelled { Err(Stopped::Cancelled) } else { Ok(File::create(path)?) }
    }

    fn remove_file(&self) {
        if let Some(file) = &self.file {
            drop(std::fs::remove_file(file));
        }
    }

    fn wait_while(
        &self,
        condition: impl Fn(&DeskState) -> bool,
    ) -> Result<MutexGuard<'_, DeskState>, Stopped> {
        let state = self
            .changed
            .wait_while(self.lock(), |state| !state.cancelled && condition(state))
            .unwrap_or_else(PoisonError::into_inner);
        if state.cancelled { Err(Stopped::Cancelled) } else { Ok(state) }
    }
}

/// A job with its names turned into paths.
enum Task {
    SaveFile(Encoder, PathBuf, Duration),
    SaveChunks(Encoder, Duration),
    LoadFile(PathBuf, Decoder, Duration),
    LoadStream(Option<PathBuf>, Decoder, Duration),
    /// Opened already: what bears the name by now may not be what the node meant.
    ReadFile(io::Result<Option<File>>),
    SyncLog(io::Result<LogSync>),
    Discard(Keyspace),
    Script(String, Vec<String>, Duration),
}

impl Task {
    /// The file that is written.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::SaveFile(_, path, _) => Some(path),
            Self::LoadStream(copy_to, ..) => copy_to.as_deref(),
            _ => None,
        }
    }

    fn new(job: Job, files: &mut Files) -> Self {
        match job {
            Job::Save { snapshot, form, meta, target, key_delay_us } => {
                let delay = Duration::from_micros(key_delay_us);
                let encoder = Encoder::new(snapshot, meta, form);
                match target {
                    SaveTarget::File(name) => {
                        Self::SaveFile(encoder, files.loose_path(&name), delay)
                    }
                    SaveTarget::Chunks => Self::SaveChunks(encoder, delay),
                }
            }
            Job::LoadFile { name, options } => {
                let delay = Duration::from_micros(options.key_delay_us);
                Self::LoadFile(files.path(&name), Decoder::with(&options), delay)
            }
            Job::LoadStream { copy_to, options } => {
                let copy_to = copy_to.map(|name| files.loose_path(&name));
                let delay = Duration::from_micros(options.key_delay_us);
                Self::LoadStream(copy_to, Decoder::with(&options), delay)
            }
            Job::Discard(data) => Self::Discard(data),
            Job::RunScript { path, args, limit_ms } => {
                Self::Script(path, args, Duration::from_millis(limit_ms))
            }
            Job::ReadFile { name } => Self::ReadFile(open(&files.path(&name))),
            Job::SyncLog { name } => Self::SyncLog(files.log_sync(&name)),
        }
    }
}

/// Why a job ended without a result.
enum Stopped {
    Cancelled,
    Failed(String),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(words(&error))
    }
}

type Done = Result<JobOutcome, Stopped>;

/// A job at work.
struct Work {
    id: JobId,
    desk: Arc<Desk>,
    post: mpsc::Sender<(JobId, JobEvent)>,
    ready: Arc<Ready>,
    keys_done: u64,
    /// A thread wakes later than it wants to: by how much in all.
    overslept: Duration,
    last_progress: Instant,
    /// Bytes at the last report.
    bytes_told: u64,
}

impl Work {
    fn run(mut self, task: Task) {
        stand_back();
        let done = crash::catch(|| self.work(task));
        let state = self.desk.lock();
        if state.cancelled {
            return;
        }
        let event = match done {
            Ok(Ok(outcome)) => JobEvent::Done(outcome),
            Ok(Err(Stopped::Cancelled)) => return,
            Ok(Err(Stopped::Failed(reason))) | Err(reason) => {
                self.desk.remove_file();
                JobEvent::Failed(reason)
            }
        };
        drop(state);
        self.tell(event);
    }

    fn work(&mut self, task: Task) -> Done {
        match task {
            Task::SaveFile(encoder, path, delay) => self.save_file(encoder, &path, delay),
            Task::SaveChunks(encoder, delay) => self.save_chunks(encoder, delay),
            Task::LoadFile(path, decoder, delay) => self.load_file(&path, decoder, delay),
            Task::LoadStream(copy_to, decoder, delay) => {
                self.load_stream(copy_to.as_deref(), decoder, delay)
            }
            Task::ReadFile(opened) => self.read_file(opened?),
            Task::SyncLog(log) => {
                log?.run()?;
                Ok(JobOutcome::Synced)
            }
            Task::Script(path, args, limit) => self.run_script(&path, &args, limit),
            Task::Discard(data) => {
                drop(data);
                Ok(JobOutcome::Discarded)
            }
        }
    }

    /// Runs a program. It inherits the standard streams; all else is closed on exec.
    fn run_script(&mut self, path: &str, args: &[String], limit: Duration) -> Done {
        let began = Instant::now();
        let Ok(mut child) = Command::new(path).args(args).spawn() else {
            return Ok(JobOutcome::Script(ScriptEnd::Exited(SCRIPT_NOT_RUN)));
        };
        loop {
            if let Some(status) = child.try_wait()? {
                let end = match (status.code(), status.signal()) {
                    (Some(code), _) => ScriptEnd::Exited(code),
                    (None, signal) => ScriptEnd::Killed(signal.unwrap_or_default()),
                };
                return Ok(JobOutcome::Script(end));
            }
            let is_late = began.elapsed() >= limit;
            if is_late || self.desk.lock().cancelled {
                child.kill()?;
                child.wait()?;
                return if is_late {
                    Ok(JobOutcome::Script(ScriptEnd::TimedOut))
                } else {
                    Err(Stopped::Cancelled)
                };
            }
            thread::sleep(SCRIPT_LOOK);
        }
    }

    fn save_file(&mut self, mut encoder: Encoder, path: &Path, delay: Duration) -> Done {
        let mut file = self.desk.create(path)?;
        while let Some(chunk) = encoder.next_chunk(keys_per_chunk(delay)) {
            file.write_all(&chunk)?;
            self.advance(encoder.keys(), delay)?;
            self.progress(encoder.bytes(), None);
        }
        file.sync_all()?;
        Ok(JobOutcome::Saved { bytes: encoder.bytes() })
    }

    fn save_chunks(&mut self, mut encoder: Encoder, delay: Duration) -> Done {
        while let Some(chunk) = encoder.next_chunk(keys_per_chunk(delay)) {
            self.advance(encoder.keys(), delay)?;
            self.chunk(chunk)?;
        }
        Ok(JobOutcome::Saved { bytes: encoder.bytes() })
    }

    fn load_file(&mut self, path: &Path, mut decoder: Decoder, delay: Duration) -> Done {
        let Some(mut file) = open(path)? else { return Ok(JobOutcome::NoFile) };
        let total = file.metadata()?.len();
        let mut buffer = vec![0; READ_BYTES];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            decoder.feed(&buffer[..read]).map_err(|error| Stopped::Failed(error.to_string()))?;
            bytes += read as u64;
            self.advance(decoder.keys(), delay)?;
            self.progress(bytes, Some(total));
        }
        let loaded = decoder.finish().map_err(|error| Stopped::Failed(error.to_string()))?;
        Ok(JobOutcome::Loaded(Box::new(loaded)))
    }

    fn load_stream(
        &mut self,
        copy_to: Option<&Path>,
        mut decoder: Decoder,
        delay: Duration,
    ) -> Done {
        let mut copy = copy_to.map(|path| self.desk.create(path)).transpose()?;
        let mut bytes = 0;
        while let Some(data) = self.input()? {
            if let Some(copy) = &mut copy {
                copy.write_all(&data)?;
            }
            decoder.feed(&data).map_err(|error| Stopped::Failed(error.to_string()))?;
            bytes += data.len() as u64;
            self.advance(decoder.keys(), delay)?;
            self.progress(bytes, None);
        }
        let loaded = decoder.finish().map_err(|error| Stopped::Failed(error.to_string()))?;
        if let Some(copy) = copy {
            copy.sync_all()?;
        }
        Ok(JobOutcome::Loaded(Box::new(loaded)))
    }

    fn read_file(&mut self, opened: Option<File>) -> Done {
        let Some(mut file) = opened else { return Ok(JobOutcome::NoFile) };
        let mut bytes = 0;
        loop {
            let mut buffer = vec![0; READ_BYTES];
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(JobOutcome::Read { bytes });
            }
            buffer.truncate(read);
            bytes += read as u64;
            self.chunk(buffer.into())?;
        }
    }

    /// Gives a chunk to the node when the window allows it.
    fn chunk(&mut self, chunk: Bytes) -> Result<(), Stopped> {
        let mut state = self.desk.wait_while(|state| state.unacked >= CHUNK_WINDOW_BYTES)?;
        state.unacked += chunk.len();
        drop(state);
        self.tell(JobEvent::Chunk(chunk));
        Ok(())
    }

    /// The next input, `None` at its end.
    fn input(&mut self) -> Result<Option<Bytes>, Stopped> {
        let mut state =
            self.desk.wait_while(|state| state.input.is_empty() && !state.input_ended)?;
        Ok(state.input.pop_front())
    }

    /// Waits as long as the keys done since the last call ask for, lets nodes that have something to
    /// do go first, and looks for the end.
    fn advance(&mut self, keys: u64, delay: Duration) -> Result<(), Stopped> {
        let keys_now = keys.saturating_sub(self.keys_done);
        self.keys_done = keys;
        thread::yield_now();
        let wait = delay.saturating_mul(keys_now.try_into().unwrap_or(u32::MAX));
        let began = Instant::now();
        let state = self.desk.lock();
        let (state, _) = self
            .desk
            .changed
            .wait_timeout_while(state, wait.saturating_sub(self.overslept), |s| !s.cancelled)
            .unwrap_or_else(PoisonError::into_inner);
        self.overslept = (self.overslept + began.elapsed()).saturating_sub(wait);
        if state.cancelled { Err(Stopped::Cancelled) } else { Ok(()) }
    }

    fn progress(&mut self, bytes: u64, bytes_total: Option<u64>) {
        let is_far = bytes - self.bytes_told >= PROGRESS_BYTES;
        if is_far || self.last_progress.elapsed() >= PROGRESS_EVERY {
            (self.last_progress, self.bytes_told) = (Instant::now(), bytes);
            self.tell(JobEvent::Progress { bytes, bytes_total, keys: self.keys_done });
        }
    }

    fn tell(&self, event: JobEvent) {
        drop(self.post.send((self.id, event)));
        self.ready.wake_owner();
    }
}

/// Opens a file to be read, if there is one.
fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Gives this thread less of the processor than nodes get: a node that has something to do goes
/// first, whatever a job is at. Without this the worst stall of a client during a full resync is
/// twice as long on a busy computer.
fn stand_back() {
    // Elsewhere than on Linux this would be the whole process. A job that cannot is only less polite.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICER_BY);
}

/// With a delay after each key, keys are done one by one.
fn keys_per_chunk(delay: Duration) -> usize {
    if delay.is_zero() { KEYS_PER_CHUNK } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_gets_no_thread_has_failed() {
        let mut jobs = Jobs::new(Arc::default());
        let refused = io::Error::from(io::ErrorKind::WouldBlock);
        jobs.enter(JobId(1), Arc::default(), Err(refused));
        assert!(matches!(jobs.next(), Some((JobId(1), JobEvent::Failed(_)))));
        assert!(jobs.next().is_none());
    }
}
