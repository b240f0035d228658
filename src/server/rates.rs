//! Rates per second, from samples that the cron takes.

use std::collections::VecDeque;

use super::Server;
use crate::machine::Millis;

/// Samples that a rate is the mean of.
const SAMPLES: usize = 16;

/// What INFO shows as `instantaneous_*`, and the peak of memory.
#[derive(Debug, Default)]
pub struct Rates {
    /// Commands.
    pub commands: Rate,
    /// Bytes from clients.
    pub input: Rate,
    /// Bytes to clients.
    pub output: Rate,
    /// Bytes of the stream from the primary.
    pub repl_input: Rate,
    /// Bytes of the stream to replicas.
    pub repl_output: Rate,
    /// The most memory that was in use at any sample.
    pub memory_peak_bytes: u64,
}

/// A counter's growth per second.
#[derive(Debug, Default)]
pub struct Rate {
    last: Option<(Millis, u64)>,
    samples: VecDeque<u64>,
}

impl Rate {
    /// The counter is at `count` now.
    pub fn sample(&mut self, now: Millis, count: u64) {
        if let Some((then, before)) = self.last
            && now > then
        {
            if self.samples.len() == SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back(count.saturating_sub(before) * 1000 / (now - then));
        }
        self.last = Some((now, count));
    }

    /// The mean of the samples.
    pub fn per_second(&self) -> u64 {
        self.samples.iter().sum::<u64>() / SAMPLES as u64
    }
}

impl Server {
    /// Takes a sample of every counter.
    pub(super) fn sample_rates(&mut self) {
        let used = self.memory_bytes();
        let (now, stats, rates) = (self.now.mono, &self.stats, &mut self.rates);
        rates.commands.sample(now, stats.commands_total);
        rates.input.sample(now, stats.input_bytes);
        rates.output.sample(now, stats.output_bytes);
        rates.repl_input.sample(now, stats.repl_input_bytes);
        rates.repl_output.sample(now, stats.repl_output_bytes);
        rates.memory_peak_bytes = rates.memory_peak_bytes.max(used);
    }

    /// CONFIG RESETSTAT.
    pub(super) fn reset_stats(&mut self) {
        let unsaved_changes = self.stats.unsaved_changes;
        self.stats = super::Stats { unsaved_changes, ..super::Stats::default() };
        self.rates = Rates::default();
        self.clients.accepted_total = 0;
    }
}
