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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::machine::{
        Fact, Input, Job, JobEvent, JobId, JobOutcome, Machine, Millis, Now, Outbox, Output,
        ScriptEnd,
    };
    use crate::sentinel::{Config, Sentinel};

    /// A Sentinel that runs a script for each primary that it begins to watch.
    struct Bench {
        sentinel: Sentinel,
        now: Millis,
        /// Scripts that run, and the name each was told.
        running: BTreeMap<JobId, String>,
        /// When a script was begun.
        begun: Vec<Millis>,
        /// Facts of scripts.
        told: Vec<String>,
    }

    impl Bench {
        fn new(primaries: usize) -> Self {
            let text: String = (0..primaries)
                .map(|n| {
                    format!(
                        "sentinel monitor m{n} 127.0.0.1 {} 1\n\
                         sentinel down-after-milliseconds m{n} 1000000000\n\
                         sentinel notification-script m{n} /bin/sh\n",
                        n + 1
                    )
                })
                .collect();
            let config = Config::parse(&text).expect("a good file");
            let mut bench = Self {
                sentinel: Sentinel::new(config, 26379, 1),
                now: 1000,
                running: BTreeMap::new(),
                begun: Vec::new(),
                told: Vec::new(),
            };
            bench.step(Input::Started);
            bench
        }

        fn step(&mut self, input: Input<'_>) {
            let now = Now { mono: self.now, wall_us: self.now * 1000 };
            let mut out = Outbox::new();
            self.sentinel.step(now, input, &mut out);
            self.sentinel.step(now, Input::Turn, &mut out);
            let mut next = None;
            for output in out.drain() {
                match output {
                    Output::StartJob { id, job: Job::RunScript { args, .. } } => {
                        self.begun.push(self.now);
                        self.running.insert(id, args[1].clone());
                    }
                    Output::StartJob { id, .. } => {
                        next = Some(Input::Job { id, event: JobEvent::Done(JobOutcome::NoFile) });
                    }
                    Output::Arrange(_) => next = Some(Input::Arranged(Ok(()))),
                    Output::Emit(Fact::Sentinel { event, text, .. })
                        if event.starts_with("-script") =>
                    {
                        self.told.push(format!("{event} {text}"));
                    }
                    _ => {}
                }
            }
            if let Some(next) = next {
                self.step(next);
            }
        }

        /// The oldest script that runs ends.
        fn end(&mut self, end: ScriptEnd) {
            let (id, _) = self.running.pop_first().expect("a script that runs");
            self.step(Input::Job { id, event: JobEvent::Done(JobOutcome::Script(end)) });
        }

        /// Waits until a script runs, or it is clear that none will.
        fn wait(&mut self) {
            let until = self.now + 20_000_000;
            while self.running.is_empty() && self.now < until {
                self.now = self.sentinel.deadline().expect("it is at work");
                self.step(Input::Tick);
            }
        }
    }

    /// Times at which a script that always ends like this is run, and what is told of it.
    fn runs(end: ScriptEnd) -> (Vec<Millis>, Vec<String>) {
        let mut bench = Bench::new(1);
        while !bench.running.is_empty() {
            bench.end(end);
            bench.wait();
        }
        let first = bench.begun[0];
        (bench.begun.iter().map(|at| at - first).collect(), bench.told)
    }

    /// Ten runs, each after a pause twice as long as the last.
    const TEN: [Millis; 10] =
        [0, 30_000, 90_000, 210_000, 450_000, 930_000, 1_890_000, 3_810_000, 7_650_000, 15_330_000];

    #[test]
    fn a_script_that_succeeds_is_run_once() {
        assert_eq!(runs(ScriptEnd::Exited(0)), (vec![0], vec![]));
    }

    #[test]
    fn exit_code_1_is_retried_ten_times_in_all_each_pause_twice_the_last() {
        let told = vec!["-script-error /bin/sh 0 1".to_owned()];
        assert_eq!(runs(ScriptEnd::Exited(1)), (TEN.to_vec(), told));
    }

    #[test]
    fn a_script_ended_by_a_signal_is_retried_as_often() {
        let told = vec!["-script-error /bin/sh 15 0".to_owned()];
        assert_eq!(runs(ScriptEnd::Killed(15)), (TEN.to_vec(), told));
    }

    #[test]
    fn a_script_that_takes_too_long_is_told_of_and_retried_as_often() {
        let (times, told) = runs(ScriptEnd::TimedOut);
        assert_eq!(times, TEN);
        assert_eq!(told.len(), 11);
        assert!(told[..10].iter().all(|text| text.starts_with("-script-timeout /bin/sh ")));
        assert_eq!(told[10], "-script-error /bin/sh 9 0");
    }

    #[test]
    fn exit_code_2_and_more_is_not_retried() {
        for code in [2, 3, 127, 255] {
            let told = vec![format!("-script-error /bin/sh 0 {code}")];
            assert_eq!(runs(ScriptEnd::Exited(code)), (vec![0], told));
        }
    }

    #[test]
    fn sixteen_run_at_once_and_the_next_begins_when_one_ends() {
        let mut bench = Bench::new(40);
        assert_eq!((bench.running.len(), bench.begun.len()), (16, 16));
        bench.end(ScriptEnd::Exited(0));
        assert_eq!((bench.running.len(), bench.begun.len()), (16, 17));
    }

    #[test]
    fn beyond_256_the_oldest_that_waits_is_dropped() {
        let mut bench = Bench::new(300);
        while !bench.running.is_empty() {
            bench.end(ScriptEnd::Exited(0));
        }
        assert_eq!(bench.begun.len(), 256);
    }
}
