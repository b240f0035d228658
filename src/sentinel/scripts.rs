//! Scripts that people have run on events: a bounded queue, a few at a time, tried again with
//! growing delays.

use std::collections::VecDeque;

use super::common::Common;
use super::event::Event;
use crate::machine::{Job, JobId, Millis, Output, ScriptEnd};

/// Scripts that wait; beyond this the oldest is dropped.
const QUEUE_MAX: usize = 256;
/// Scripts that run at once.
const RUNNING_MAX: usize = 16;
/// Tries in all.
const TRIES_MAX: u32 = 10;

/// A script to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its path.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Tries begun.
    pub tries: u32,
    /// Not before.
    pub at: Millis,
    /// While it runs: its job, and when it began.
    pub running: Option<(JobId, Millis)>,
}

/// All scripts.
#[derive(Debug, Default)]
pub struct Scripts {
    queue: VecDeque<Script>,
    next_job: u64,
}

impl Scripts {
    /// Adds a script.
    pub fn add(&mut self, path: String, args: Vec<String>) {
        if self.queue.len() >= QUEUE_MAX
            && let Some(oldest) = self.queue.iter().position(|script| script.running.is_none())
        {
            self.queue.remove(oldest);
        }
        self.queue.push_back(Script { path, args, tries: 0, at: 0, running: None });
    }

    /// All scripts, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Script> {
        self.queue.iter()
    }

    /// How many wait or run.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.queue.iter().filter(|script| script.running.is_some()).count()
    }

    /// When the next one that waits may run.
    pub fn next_at(&self) -> Option<Millis> {
        let waiting = self.queue.iter().filter(|script| script.running.is_none());
        if self.running() < RUNNING_MAX { waiting.map(|script| script.at).min() } else { None }
    }

    /// A job id that was never used.
    pub fn new_job(&mut self) -> JobId {
        self.next_job += 1;
        JobId(self.next_job)
    }
}

impl Common {
    /// Runs what may run now.
    pub fn run_scripts(&mut self) {
        let (now, limit_ms) = (self.now.mono, self.periods.script_runtime);
        while self.scripts.next_at().is_some_and(|at| at <= now) {
            let id = self.scripts.new_job();
            let due = |script: &&mut Script| script.running.is_none() && script.at <= now;
            let Some(script) = self.scripts.queue.iter_mut().find(due) else { return };
            script.running = Some((id, now));
            script.tries += 1;
            let (path, args) = (script.path.clone(), script.args.clone());
            self.out.push(Output::StartJob { id, job: Job::RunScript { path, args, limit_ms } });
        }
    }

    /// A script ended.
    pub fn on_script_end(&mut self, id: JobId, end: ScriptEnd) {
        let is_it = |script: &Script| script.running.is_some_and(|(job, _)| job == id);
        let Some(at) = self.scripts.queue.iter().position(is_it) else { return };
        let Some(mut script) = self.scripts.queue.remove(at) else { return };
        let (signal, code) = match end {
            ScriptEnd::Exited(code) => (0, code),
            ScriptEnd::Killed(signal) => (signal, 0),
            ScriptEnd::TimedOut => {
                let text = format!("{} {}", script.path, id.0);
                self.event_alone(Event::ScriptTimeout, &text, || {
                    "The script took too long and was killed.".to_owned()
                });
                (9, 0)
            }
        };
        let again = signal != 0 || code == 1;
        if again && script.tries < TRIES_MAX {
            script.running = None;
            script.at = self.now.mono + (self.periods.script_retry << (script.tries - 1));
            self.scripts.queue.push_back(script);
        } else if again || code >= 2 {
            let text = format!("{} {signal} {code}", script.path);
            self.event_alone(Event::ScriptError, &text, || {
                "The script failed and is not tried again.".to_owned()
            });
        }
    }
}
