//! Trials: a chain of real servers under a small write load and seeded faults must end in sync.
//!
//! A seed decides everything: configuration, faults, chance in the world. What fails is replayed by
//! its seed, and shrunk to the faults that it needs.

pub mod failover;
mod follower;
mod setting;
pub mod traitor;
mod weather;

use std::fmt;
use std::sync::Arc;

use super::chaos::{self, Fault};
use super::check::Oracle;
use super::{SimWorld, shrink};
use crate::base::rng::Dice;
use crate::machine::{Endpoint, Machine, Millis};
use crate::resp::command;
use crate::server::{Config, Server};
use crate::world::{Birth, ClientId, NodeId, NodeSpec, World, WorldEvent};

/// Servers of the chain.
const NODES: usize = 5;

/// Faults happen within this time.
const FAULTS_MS: Millis = 40_000;

/// Most faults of a trial.
const FAULTS_MAX: u64 = 20;

/// Between two writes.
const WRITE_MS: Millis = 50;

/// Between two comparisons of data.
const COMPARE_MS: Millis = 1000;

/// All links must be up so long after the last fault, besides `repl-timeout`, and all offsets equal
/// [`SYNC_MS`] after that.
const LINKS_MS: Millis = 5000;

/// See [`LINKS_MS`].
const SYNC_MS: Millis = 10_000;

/// A trial that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Repeats it.
    pub seed: u64,
    /// The world that the seed makes.
    pub setting: String,
    /// What was wrong.
    pub what: String,
    /// The faults without which it does not fail.
    pub faults: Vec<(Millis, Fault)>,
    /// What happened under them, as far as it is told.
    pub story: Vec<String>,
}

/// Characters that tell kinds of failures apart.
const KIND_CHARS: usize = 40;

/// Most lines of a story that are shown.
const STORY_LINES_MAX: usize = 60;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}\n  {}", self.seed, self.what, self.setting)?;
        for (at, fault) in &self.faults {
            writeln!(f, "  {at:>6} ms  {fault}")?;
        }
        for line in &self.story[self.story.len().saturating_sub(STORY_LINES_MAX)..] {
            writeln!(f, "  | {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// One trial. A failing one is repeated until its faults are few.
pub fn chain_trial(seed: u64) -> Result<(), Failure> {
    let setting = format!("a chain of {NODES}, each follows the one before");
    judge(seed, &setting, &faults_of(seed), |faults| run(seed, faults))
}

/// Runs a trial under its faults, and under ever fewer of them if it fails.
fn judge(
    seed: u64,
    setting: &str,
    faults: &[(Millis, Fault)],
    run: impl Fn(&[(Millis, Fault)]) -> Result<u64, String>,
) -> Result<(), Failure> {
    let Err(what) = run(faults) else { return Ok(()) };
    let kind = kind_of(&what);
    let fails_so = |fewer: &[_]| run(fewer).is_err_and(|other| kind_of(&other) == kind);
    let faults = shrink::shrink(faults, fails_so);
    let what = run(&faults).err().unwrap_or(what);
    Err(Failure { seed, setting: setting.to_owned(), what, faults, story: Vec::new() })
}

/// What two failures for one reason have in common: the first words, without numbers.
fn kind_of(what: &str) -> String {
    what.chars().filter(|c| !c.is_ascii_digit()).take(KIND_CHARS).collect()
}

/// The faults of a seed, by time.
pub fn faults_of(seed: u64) -> Vec<(Millis, Fault)> {
    let count = 1 + Dice::new(seed).below(FAULTS_MAX) as usize;
    chaos::generate(seed, NODES, count, FAULTS_MS)
}

/// Runs a seed's chain under the given faults. Answers the hash of all that happened, or what was
/// wrong.
pub fn run(seed: u64, faults: &[(Millis, Fault)]) -> Result<u64, String> {
    let mut chain = Chain::new(seed);
    for (at, fault) in faults {
        chain.pass(*at)?;
        chaos::apply(&mut chain.world, fault).map_err(|error| error.to_string())?;
    }
    chain.pass(FAULTS_MS)?;
    for fault in chaos::mend(NODES) {
        chaos::apply(&mut chain.world, &fault).map_err(|error| error.to_string())?;
    }
    chain.writes = false;
    chain.settle()?;
    Ok(chain.world.trace_hash())
}

struct Chain {
    world: SimWorld,
    oracle: Oracle,
    nodes: Vec<NodeId>,
    repl_timeout_ms: Millis,
    dice: Dice,
    writer: Option<ClientId>,
    writes: bool,
    written: u64,
    next_compare: Millis,
}

impl Chain {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut world = SimWorld::new(dice.bits());
        let oracle = Oracle::new();
        let config = config(&mut dice);
        let mut nodes: Vec<NodeId> = Vec::new();
        for index in 0..NODES {
            let mut config = config.clone();
            config.replicaof =
                nodes.last().map(|primary| Endpoint::new("127.0.0.1", world.port(*primary)));
            let watcher = oracle.clone();
            let build = Arc::new(move |birth: Birth| -> Box<dyn Machine> {
                watcher.watch(Server::new(config.clone(), birth.port, birth.seed), birth.port)
            });
            let spec = NodeSpec { name: index.to_string(), port: 0, dir: None, build };
            // A simulated world has a port for each.
            if let Ok(node) = world.add(spec)
                && world.start(node).is_ok()
            {
                nodes.push(node);
            }
        }
        Self {
            world,
            oracle,
            nodes,
            repl_timeout_ms: config.repl_timeout * 1000,
            dice,
            writer: None,
            writes: true,
            written: 0,
            next_compare: 0,
        }
    }

    /// Lets time pass, with writes to the primary.
    fn pass(&mut self, until: Millis) -> Result<(), String> {
        while self.world.now().mono < until {
            let step = (self.world.now().mono + WRITE_MS).min(until);
            if self.writes {
                self.write();
            }
            while let Some(event) = self.world.poll(step) {
                match event {
                    WorldEvent::Exited { node, exit } => {
                        return Err(format!("node {} ended: {exit:?}", node.0));
                    }
                    WorldEvent::ClientClosed { .. } => self.writer = None,
                    _ => {}
                }
            }
            if self.next_compare <= step {
                self.next_compare = step + COMPARE_MS;
                self.oracle.compare_data();
            }
            if let Some(violation) = self.oracle.violation() {
                return Err(format!("at {step} ms: {violation}"));
            }
        }
        Ok(())
    }

    fn write(&mut self) {
        let Some(&primary) = self.nodes.first() else { return };
        let writer = *self.writer.get_or_insert_with(|| self.world.connect(primary));
        self.written += 1;
        let key = format!("k{}", self.dice.below(50));
        let value = format!("{}:{}", self.written, "v".repeat(self.dice.below(200) as usize));
        self.world.send(writer, command(&["SET", &key, &value]));
    }

    /// Waits for the chain to be in sync.
    fn settle(&mut self) -> Result<(), String> {
        let begin = self.world.now().mono;
        let limit = begin + LINKS_MS + self.repl_timeout_ms + SYNC_MS;
        loop {
            let now = self.world.now().mono;
            match self.oracle.in_sync(&self.world, &self.nodes) {
                Ok(()) => break,
                Err(what) if now >= limit => {
                    return Err(format!(
                        "not in sync {} ms after all was mended: {what}",
                        now - begin
                    ));
                }
                Err(_) => self.pass(now + 100)?,
            }
        }
        self.oracle.compare_data();
        self.oracle.violation().map_or(Ok(()), Err)
    }
}

/// One of the ways to configure a chain.
fn config(dice: &mut Dice) -> Config {
    let mut pick = |choices: &[u64]| choices[dice.below(choices.len() as u64) as usize];
    Config {
        save: if pick(&[0, 1]) == 1 { vec![(pick(&[1, 5]), 1)] } else { Vec::new() },
        repl_diskless_sync: pick(&[0, 1]) == 1,
        repl_diskless_sync_delay: pick(&[0, 0, 1]),
        repl_backlog_size: pick(&[16 << 10, 1 << 20]) as usize,
        repl_timeout: pick(&[3, 10]),
        repl_ping_replica_period: pick(&[1, 2]),
        rdb_key_save_delay: pick(&[0, 0, 2000]),
        key_load_delay: pick(&[0, 0, 2000]),
        repl_backlog_ttl: pick(&[3600, 2]),
        ..Config::default()
    }
}
