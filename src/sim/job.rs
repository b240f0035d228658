//! Jobs of a simulated node: each goes on step by step in virtual time.
//!
//! What a step costs is a rough model of a disk and a codec of some 100 MB/s, plus the delays per
//! key that the machine asks for.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::Disk;
use crate::machine::{CHUNK_WINDOW_BYTES, Job, JobEvent, JobOutcome, Millis, SaveTarget};
use crate::persist::rdb::{Decoder, Encoder};

/// Keys encoded in one step.
const STEP_KEYS_MAX: usize = 512;

/// Bytes read from a file in one step.
const STEP_BYTES_MAX: usize = 64 * 1024;

/// A step with a delay per key takes about this long.
const STEP_MS: u64 = 10;

/// Bytes that pass in a millisecond.
const BYTES_PER_MS: u64 = 100_000;

/// A job under way.
#[derive(Debug)]
pub(super) struct Running {
    work: Work,
    key_delay_us: u64,
    /// Chunk bytes that the machine has not used up.
    unacked_bytes: usize,
    /// Whether a step is planned; if not, the job waits for the machine.
    pub(super) planned: bool,
    /// The same at the last step.
    keys: u64,
    bytes: u64,
}

#[derive(Debug)]
enum Work {
    Save {
        encoder: Box<Encoder>,
        target: SaveTarget,
    },
    Load {
        decoder: Box<Decoder>,
        input: Source,
    },
    Read {
        data: Arc<Vec<u8>>,
        at: usize,
    },
    /// Over before it began.
    Moot(Option<JobEvent>),
}

#[derive(Debug)]
enum Source {
    File { data: Arc<Vec<u8>>, at: usize },
    Stream { fed: VecDeque<Bytes>, ended: bool, copy_to: Option<String> },
}

/// What came of a step.
pub(super) enum Step {
    /// News for the machine, and milliseconds until the next step.
    Next(JobEvent, Millis),
    /// The machine must feed or acknowledge first.
    Wait,
    /// The last news.
    Over(JobEvent),
}

impl Running {
    pub(super) fn new(job: Job, disk: &mut Disk) -> Self {
        let mut key_delay = 0;
        let work = match job {
            Job::Save { snapshot, meta, target, key_delay_us } => {
                key_delay = key_delay_us;
                if let SaveTarget::File(name) = &target {
                    disk.create(name);
                }
                Work::Save { encoder: Box::new(Encoder::new(snapshot, meta)), target }
            }
            Job::LoadFile { name, expire_before, key_delay_us } => {
                key_delay = key_delay_us;
                match disk.open(&name) {
                    Some(data) => Work::Load {
                        decoder: Box::new(Decoder::new(expire_before)),
                        input: Source::File { data, at: 0 },
                    },
                    None => Work::Moot(Some(JobEvent::Done(JobOutcome::NoFile))),
                }
            }
            Job::LoadStream { copy_to, key_delay_us } => {
                key_delay = key_delay_us;
                if let Some(name) = &copy_to {
                    disk.create(name);
                }
                let input = Source::Stream { fed: VecDeque::new(), ended: false, copy_to };
                Work::Load { decoder: Box::new(Decoder::new(None)), input }
            }
            Job::ReadFile { name } => match disk.open(&name) {
                Some(data) => Work::Read { data, at: 0 },
                None => {
                    Work::Moot(Some(JobEvent::Failed(format!("{name}: No such file or directory"))))
                }
            },
        };
        Self { work, key_delay_us: key_delay, unacked_bytes: 0, planned: false, keys: 0, bytes: 0 }
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

    /// Removes the file that an unfinished job was writing.
    pub(super) fn discard(self, disk: &mut Disk) {
        match self.work {
            Work::Save { target: SaveTarget::File(name), .. }
            | Work::Load { input: Source::Stream { copy_to: Some(name), .. }, .. } => {
                disk.remove(&name);
            }
            _ => {}
        }
    }

    /// Goes on for one step.
    pub(super) fn step(&mut self, disk: &mut Disk) -> Step {
        let (keys, bytes) = (self.keys, self.bytes);
        let event = match &mut self.work {
            Work::Moot(event) => return event.take().map_or(Step::Wait, Step::Over),
            Work::Save { .. } | Work::Read { .. } if self.unacked_bytes >= CHUNK_WINDOW_BYTES => {
                return Step::Wait;
            }
            Work::Save { .. } => self.save(disk),
            Work::Read { .. } => self.read(),
            Work::Load { .. } => self.load(disk),
        };
        match event {
            Ok(Some(event)) => {
                if let JobEvent::Chunk(chunk) = &event {
                    self.unacked_bytes += chunk.len();
                }
                let cost_us = (self.keys - keys) * self.key_delay_us;
                Step::Next(event, (self.bytes - bytes) / BYTES_PER_MS + cost_us / 1000)
            }
            Ok(None) => Step::Wait,
            Err(last) => Step::Over(last),
        }
    }

    fn save(&mut self, disk: &mut Disk) -> Result<Option<JobEvent>, JobEvent> {
        let keys_max = self.keys_per_step();
        let Work::Save { encoder, target } = &mut self.work else { return Ok(None) };
        let chunk = encoder.next_chunk(keys_max);
        (self.keys, self.bytes) = (encoder.keys(), encoder.bytes());
        match (chunk, target) {
            (Some(chunk), SaveTarget::Chunks) => Ok(Some(JobEvent::Chunk(chunk))),
            (Some(chunk), SaveTarget::File(name)) => {
                disk.append(name, &chunk);
                Ok(Some(self.progress(None)))
            }
            (None, target) => {
                if let SaveTarget::File(name) = target {
                    disk.sync(name);
                }
                Err(JobEvent::Done(JobOutcome::Saved { bytes: self.bytes }))
            }
        }
    }

    fn read(&mut self) -> Result<Option<JobEvent>, JobEvent> {
        let Work::Read { data, at } = &mut self.work else { return Ok(None) };
        let piece = &data[*at..data.len().min(*at + STEP_BYTES_MAX)];
        if piece.is_empty() {
            return Err(JobEvent::Done(JobOutcome::Read { bytes: data.len() as u64 }));
        }
        let chunk = Bytes::copy_from_slice(piece);
        *at += chunk.len();
        self.bytes = *at as u64;
        Ok(Some(JobEvent::Chunk(chunk)))
    }

    fn load(&mut self, disk: &mut Disk) -> Result<Option<JobEvent>, JobEvent> {
        let step_bytes = self.bytes_per_step();
        let Work::Load { decoder, input } = &mut self.work else { return Ok(None) };
        let (piece, total) = match input.next(step_bytes, disk) {
            Next::Piece(piece, total) => (piece, total),
            Next::Later => return Ok(None),
            Next::End => return Err(self.loaded(disk)),
        };
        if let Err(error) = decoder.feed(&piece) {
            return Err(self.refused(&error.to_string(), disk));
        }
        self.keys = decoder.keys();
        self.bytes += piece.len() as u64;
        Ok(Some(self.progress(total)))
    }

    /// The input is complete: the last news of a load.
    fn loaded(&mut self, disk: &mut Disk) -> JobEvent {
        let Work::Load { decoder, input } = std::mem::replace(&mut self.work, Work::Moot(None))
        else {
            return JobEvent::Failed("not a load".to_owned());
        };
        let copy = if let Source::Stream { copy_to, .. } = input { copy_to } else { None };
        match (decoder.finish(), copy) {
            (Ok(loaded), copy) => {
                if let Some(name) = copy {
                    disk.sync(&name);
                }
                JobEvent::Done(JobOutcome::Loaded(Box::new(loaded)))
            }
            (Err(error), copy) => {
                if let Some(name) = copy {
                    disk.remove(&name);
                }
                JobEvent::Failed(error.to_string())
            }
        }
    }

    fn refused(&mut self, reason: &str, disk: &mut Disk) -> JobEvent {
        if let Work::Load { input: Source::Stream { copy_to: Some(name), .. }, .. } = &self.work {
            disk.remove(name);
        }
        JobEvent::Failed(reason.to_owned())
    }

    fn progress(&self, bytes_total: Option<u64>) -> JobEvent {
        JobEvent::Progress { bytes: self.bytes, bytes_total, keys: self.keys }
    }

    fn keys_per_step(&self) -> usize {
        match (STEP_MS * 1000).checked_div(self.key_delay_us) {
            Some(keys) => (keys as usize).clamp(1, STEP_KEYS_MAX),
            None => STEP_KEYS_MAX,
        }
    }

    /// Keys are of some 50 bytes, for the purpose of waiting after each.
    fn bytes_per_step(&self) -> usize {
        match (STEP_MS * 1000).checked_div(self.key_delay_us) {
            Some(keys) => (keys as usize * 50).clamp(50, STEP_BYTES_MAX),
            None => STEP_BYTES_MAX,
        }
    }
}

enum Next {
    Piece(Bytes, Option<u64>),
    Later,
    End,
}

impl Source {
    fn next(&mut self, bytes_max: usize, disk: &mut Disk) -> Next {
        match self {
            Self::File { data, at } => {
                let piece = &data[*at..data.len().min(*at + bytes_max)];
                *at += piece.len();
                if piece.is_empty() {
                    return Next::End;
                }
                Next::Piece(Bytes::copy_from_slice(piece), Some(data.len() as u64))
            }
            Self::Stream { fed, ended, copy_to } => match fed.pop_front() {
                Some(mut data) => {
                    if data.len() > bytes_max {
                        fed.push_front(data.split_off(bytes_max));
                    }
                    if let Some(name) = copy_to {
                        disk.append(name, &data);
                    }
                    Next::Piece(data, None)
                }
                None if *ended => Next::End,
                None => Next::Later,
            },
        }
    }
}
