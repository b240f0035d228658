//! Jobs of a simulated node: each goes on step by step in virtual time.
//!
//! What a step costs is a rough model of a disk and a codec of some 100 MB/s, plus the delays per
//! key that the machine asks for.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::Disk;
use crate::machine::{
    CHUNK_WINDOW_BYTES, Job, JobEvent, JobOutcome, Millis, SaveTarget, ScriptEnd,
};
use crate::persist::Encoder;
use crate::persist::rdb::Decoder;

/// Keys encoded in one step.
const STEP_KEYS_MAX: usize = 512;

/// Bytes read from a file in one step.
const STEP_BYTES_MAX: usize = 64 * 1024;

/// A step with a delay per key takes about this long.
const STEP_MS: u64 = 10;

/// What a key is taken for, when a load waits after each.
const BYTES_PER_KEY: usize = 50;

/// Bytes that pass in a millisecond.
const BYTES_PER_MS: u64 = 100_000;

/// A job under way.
#[derive(Debug)]
pub(super) struct Running {
    work: Work,
    /// The file that it writes.
    temporary: Option<String>,
    key_delay_us: u64,
    /// Chunk bytes that the machine has not used up.
    unacked_bytes: usize,
    /// Whether a step is planned; if not, the job waits for the machine.
    pub(super) planned: bool,
    /// Milliseconds that the last step took.
    pub(super) cost_ms: Millis,
    /// Keys and bytes so far.
    keys: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Work {
    Save {
        encoder: Box<Encoder>,
    },
    Load {
        decoder: Box<Decoder>,
        input: Source,
    },
    Read {
        data: Arc<Vec<u8>>,
        at: usize,
    },
    Sync {
        name: String,
        len: usize,
    },
    /// Nothing is left but perhaps the last news.
    Over(Option<JobEvent>),
}

#[derive(Debug)]
enum Source {
    File { data: Arc<Vec<u8>>, at: usize },
    Stream { fed: VecDeque<Bytes>, ended: bool },
}

/// What came of a step.
pub(super) enum Step {
    /// News for the machine, and the job goes on.
    Next(JobEvent),
    /// The machine must feed or acknowledge first.
    Wait,
    /// The last news.
    Over(JobEvent),
}

impl Running {
    pub(super) fn new(job: Job, disk: &mut Disk) -> Self {
        let (work, temporary, key_delay_us) = match job {
            Job::Save { snapshot, form, meta, target, key_delay_us } => {
                let encoder = Box::new(Encoder::new(snapshot, meta, form));
                let temporary = match target {
                    SaveTarget::File(name) => Some(name),
                    SaveTarget::Chunks => None,
                };
                (Work::Save { encoder }, temporary, key_delay_us)
            }
            Job::LoadFile { name, options } => {
                let work = match disk.open(&name) {
                    Some(data) => Work::Load {
                        decoder: Box::new(Decoder::with(&options)),
                        input: Source::File { data, at: 0 },
                    },
                    None => Work::Over(Some(JobEvent::Done(JobOutcome::NoFile))),
                };
                (work, None, options.key_delay_us)
            }
            Job::Discard(_) => (Work::Over(Some(JobEvent::Done(JobOutcome::Discarded))), None, 0),
            Job::LoadStream { copy_to, options } => {
                let input = Source::Stream { fed: VecDeque::new(), ended: false };
                let decoder = Box::new(Decoder::with(&options));
                (Work::Load { decoder, input }, copy_to, options.key_delay_us)
            }
            // No program runs in a simulated world; each is taken to have done its work.
            Job::RunScript { .. } => {
                let end = JobOutcome::Script(ScriptEnd::Exited(0));
                (Work::Over(Some(JobEvent::Done(end))), None, 0)
            }
            Job::ReadFile { name } => {
                let work = disk.open(&name).map_or_else(
                    || Work::Over(Some(JobEvent::Done(JobOutcome::NoFile))),
                    |data| Work::Read { data, at: 0 },
                );
                (work, None, 0)
            }
            Job::SyncLog { name } => {
                let len = disk.read(&name).map_or(0, <[u8]>::len);
                (Work::Sync { name, len }, None, 0)
            }
        };
        if let Some(name) = &temporary {
            disk.create(name);
        }
        Self {
            work,
            temporary,
            key_delay_us,
            unacked_bytes: 0,
            planned: false,
            cost_ms: 0,
            keys: 0,
            bytes: 0,
        }
    }

    /// Gives input to a job that reads a stream.
    pub(super) fn feed(&mut self, data: Bytes) {
        if let Work::Load { input: Source::Stream { fed, .. }, .. } = &mut self.work {
            fed.push_back(data);
        }
    }

    /// Ends that input.
    pub(super) fn end_input(&mut self) {
        if let Work::Load { input: Source::Stream { ended, .. }, .. } = &mut self.work {
            *ended = true;
        }
    }

    /// Takes back so many chunk bytes.
    pub(super) fn acknowledge(&mut self, bytes: usize) {
        self.unacked_bytes = self.unacked_bytes.saturating_sub(bytes);
    }

    /// Removes the file that a job was writing.
    pub(super) fn discard(&self, disk: &mut Disk) {
        if let Some(name) = &self.temporary {
            disk.remove(name);
        }
    }

    /// Goes on for one step.
    pub(super) fn step(&mut self, disk: &mut Disk) -> Step {
        let (keys, bytes) = (self.keys, self.bytes);
        let step = match &mut self.work {
            Work::Over(last) => return last.take().map_or(Step::Wait, Step::Over),
            Work::Save { .. } | Work::Read { .. } if self.unacked_bytes >= CHUNK_WINDOW_BYTES => {
                return Step::Wait;
            }
            Work::Save { .. } => self.save(disk),
            Work::Read { .. } => self.read(),
            Work::Load { .. } => self.load(disk),
            Work::Sync { name, len } => {
                disk.sync_to(name, *len);
                self.over(JobEvent::Done(JobOutcome::Synced))
            }
        };
        match &step {
            Step::Next(JobEvent::Chunk(chunk)) => self.unacked_bytes += chunk.len(),
            Step::Over(JobEvent::Failed(_)) => self.discard(disk),
            Step::Over(_) => self.temporary.iter().for_each(|name| disk.sync(name)),
            Step::Next(_) | Step::Wait => {}
        }
        let delays_us = (self.keys - keys) * self.key_delay_us;
        self.cost_ms = (self.bytes - bytes) / BYTES_PER_MS + delays_us / 1000;
        step
    }

    fn save(&mut self, disk: &mut Disk) -> Step {
        let keys_max = self.per_step(1, STEP_KEYS_MAX);
        let Work::Save { encoder } = &mut self.work else { return Step::Wait };
        let chunk = encoder.next_chunk(keys_max);
        (self.keys, self.bytes) = (encoder.keys(), encoder.bytes());
        match (chunk, &self.temporary) {
            (Some(chunk), None) => Step::Next(JobEvent::Chunk(chunk)),
            (Some(chunk), Some(name)) => match disk.append(name, &chunk) {
                Ok(()) => Step::Next(self.progress(None)),
                Err(reason) => self.over(JobEvent::Failed(reason)),
            },
            (None, _) => self.over(JobEvent::Done(JobOutcome::Saved { bytes: self.bytes })),
        }
    }

    fn read(&mut self) -> Step {
        let Work::Read { data, at } = &mut self.work else { return Step::Wait };
        let chunk = Bytes::copy_from_slice(&data[*at..data.len().min(*at + STEP_BYTES_MAX)]);
        if chunk.is_empty() {
            return self.over(JobEvent::Done(JobOutcome::Read { bytes: self.bytes }));
        }
        *at += chunk.len();
        self.bytes += chunk.len() as u64;
        Step::Next(JobEvent::Chunk(chunk))
    }

    fn load(&mut self, disk: &mut Disk) -> Step {
        let bytes_max = self.per_step(BYTES_PER_KEY, STEP_BYTES_MAX);
        let Work::Load { decoder, input } = &mut self.work else { return Step::Wait };
        let (piece, total) = match input.next(bytes_max) {
            Next::Piece(piece, total) => (piece, total),
            Next::Later => return Step::Wait,
            Next::End => return self.loaded(),
        };
        if let Some(name) = &self.temporary
            && let Err(reason) = disk.append(name, &piece)
        {
            return self.over(JobEvent::Failed(reason));
        }
        if let Err(error) = decoder.feed(&piece) {
            return self.over(JobEvent::Failed(error.to_string()));
        }
        self.keys = decoder.keys();
        self.bytes += piece.len() as u64;
        Step::Next(self.progress(total))
    }

    /// The input of a load is complete.
    fn loaded(&mut self) -> Step {
        let Work::Load { decoder, .. } = std::mem::replace(&mut self.work, Work::Over(None)) else {
            return Step::Wait;
        };
        Step::Over(match decoder.finish() {
            Ok(loaded) => JobEvent::Done(JobOutcome::Loaded(Box::new(loaded))),
            Err(error) => JobEvent::Failed(error.to_string()),
        })
    }

    fn over(&mut self, last: JobEvent) -> Step {
        self.work = Work::Over(None);
        Step::Over(last)
    }

    fn progress(&self, bytes_total: Option<u64>) -> JobEvent {
        JobEvent::Progress { bytes: self.bytes, bytes_total, keys: self.keys }
    }

    /// How much a step takes on, if each key is so much and is waited for.
    fn per_step(&self, per_key: usize, max: usize) -> usize {
        match (STEP_MS * 1000).checked_div(self.key_delay_us) {
            Some(keys) => (keys as usize).saturating_mul(per_key).clamp(per_key, max),
            None => max,
        }
    }
}

enum Next {
    Piece(Bytes, Option<u64>),
    Later,
    End,
}

impl Source {
    fn next(&mut self, bytes_max: usize) -> Next {
        match self {
            Self::File { data, at } => {
                let piece = &data[*at..data.len().min(*at + bytes_max)];
                *at += piece.len();
                if piece.is_empty() {
                    return Next::End;
                }
                Next::Piece(Bytes::copy_from_slice(piece), Some(data.len() as u64))
            }
            Self::Stream { fed, ended } => match fed.pop_front() {
                Some(mut data) => {
                    if data.len() > bytes_max {
                        fed.push_front(data.split_off(bytes_max));
                    }
                    Next::Piece(data, None)
                }
                None if *ended => Next::End,
                None => Next::Later,
            },
        }
    }
}
