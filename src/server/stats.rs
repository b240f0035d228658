//! What a node counts about itself, for INFO.

use super::histogram::Histogram;
use super::table::{self, Command};
use std::collections::BTreeMap;

/// Counters since the start or the last CONFIG RESETSTAT.
#[derive(Debug)]
pub struct Stats {
    /// Per command, by [`Command::index`].
    pub commands: Vec<CommandStats>,
    /// Error replies by their code.
    pub errors: BTreeMap<String, u64>,
    /// `total_commands_processed`
    pub commands_total: u64,
    /// `total_net_input_bytes`
    pub input_bytes: u64,
    /// `total_net_output_bytes`
    pub output_bytes: u64,
    /// `rejected_connections`
    pub rejected_connections: u64,
    /// `keyspace_hits`
    pub hits: u64,
    /// `keyspace_misses`
    pub misses: u64,
    /// `expired_keys`
    pub expired_keys: u64,
    /// `rdb_changes_since_last_save`
    pub unsaved_changes: u64,
    /// `sync_full`
    pub sync_full: u64,
    /// `sync_partial_ok`
    pub sync_partial_ok: u64,
    /// `sync_partial_err`
    pub sync_partial_err: u64,
    /// `total_net_repl_input_bytes`
    pub repl_input_bytes: u64,
    /// `total_net_repl_output_bytes`
    pub repl_output_bytes: u64,
    /// `total_reads_processed`
    pub reads: u64,
    /// `total_writes_processed`
    pub writes: u64,
    /// How long commands took, by [`Command::index`]; `None` for those that never ran.
    pub latencies: Vec<Option<Box<Histogram>>>,
}

/// Counters of one command (`# Commandstats`).
#[derive(Debug, Clone, Copy, Default)]
pub struct CommandStats {
    /// Times it ran.
    pub calls: u64,
    /// Microseconds it took in all.
    pub micros: u64,
    /// Times it was refused before it ran.
    pub rejected: u64,
    /// Times it ran and answered an error.
    pub failed: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            commands: vec![CommandStats::default(); table::all().len()],
            errors: BTreeMap::new(),
            commands_total: 0,
            input_bytes: 0,
            output_bytes: 0,
            rejected_connections: 0,
            hits: 0,
            misses: 0,
            expired_keys: 0,
            unsaved_changes: 0,
            sync_full: 0,
            sync_partial_ok: 0,
            sync_partial_err: 0,
            repl_input_bytes: 0,
            repl_output_bytes: 0,
            reads: 0,
            writes: 0,
            latencies: vec![None; table::all().len()],
        }
    }
}

impl Stats {
    /// A command ran.
    pub fn count(&mut self, command: &Command, micros: u64, failed: bool) {
        self.commands_total += 1;
        let stats = &mut self.commands[command.index];
        stats.calls += 1;
        stats.micros += micros;
        stats.failed += u64::from(failed);
    }

    /// An error was answered.
    pub fn count_error(&mut self, code: &str) {
        match self.errors.get_mut(code) {
            Some(count) => *count += 1,
            None => drop(self.errors.insert(code.to_owned(), 1)),
        }
    }
}
