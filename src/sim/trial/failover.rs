//! Trials: servers and Sentinels under seeded faults and a write load that follows the Sentinels
//! must never break a rule of [`agreement`], replace a primary in time that is lost while nothing
//! else is wrong among those who can do so ([`Loss`]), come to one primary once all is mended, and
//! replace it in time when it dies after that, with every write that was acknowledged meanwhile.
//! The Sentinels of some trials watch two primaries.

mod loss;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use self::loss::Loss;
use super::follower::{Follower, Ledger, number_in};
pub use super::setting::Setting;
use super::traitor::{Treason, corrupt};
use super::weather::Weather;
use super::{Failure, judge};
use crate::base::rng::Dice;
use crate::machine::{Fact, Input, Machine, Millis, NodeView, Now, Outbox, Output, Role};
use crate::resp::{Answer, command, read_answer};
use crate::sentinel::{self, Sentinel};
use crate::server::config::{ConfigFile, file};
use crate::server::{Config, Server};
use crate::sim::SimWorld;
use crate::sim::chaos::{self, Fault};
use crate::sim::check::Oracle;
use crate::sim::check::agreement::{self, Agreement};
use crate::world::{Birth, ClientId, Exit, Factory, NodeId, NodeSpec, World, WorldEvent};

/// Nothing is broken before: a Sentinel knows of a replica after the second INFO at the latest.
const WARM_UP_MS: Millis = 12_000;

/// Faults happen within this time.
const FAULTS_MS: Millis = 40_000;

/// Most faults of a trial.
const FAULTS_MAX: u64 = 16;

/// Most partitions of a trial.
const PARTITIONS_MAX: u64 = 3;

/// Most disks of Sentinels that are full for a while in a trial.
const FULL_DISKS_MAX: u64 = 2;

/// Between two writes.
const WRITE_MS: Millis = 50;

/// Between two comparisons of data.
const COMPARE_MS: Millis = 2000;

/// One primary must be agreed upon so long after all was mended.
const AGREED_MS: Millis = 20_000;

/// All must be in sync so long after that, besides `repl-timeout`.
const SYNC_MS: Millis = 15_000;

/// A Sentinel calls again at most so long after a node came back, and hears of it.
const RECONNECTED_MS: Millis = 1500;

/// How long writes are kept in a ledger before the primary dies.
const CALM_MS: Millis = 1000;

/// Besides `down-after-milliseconds`: when a dead primary must be replaced.
const REPLACED_MS: Millis = 1000;

/// One trial. A failing one is repeated until its faults are few.
pub fn failover_trial(seed: u64) -> Result<(), Failure> {
    let setting = Setting::of(seed);
    let known = judge(seed, &setting.to_string(), &faults_of(seed), |f| run(seed, &setting, f));
    known.map_err(|failure| Failure { story: tell(seed, &setting, &failure.faults).1, ..failure })
}

/// The faults of a seed, by time.
pub fn faults_of(seed: u64) -> Vec<(Millis, Fault)> {
    let setting = Setting::of(seed);
    let nodes = setting.nodes();
    let mut dice = Dice::new(seed);
    let count = 1 + dice.below(FAULTS_MAX) as usize;
    let mut faults = chaos::generate(dice.bits(), nodes, count, FAULTS_MS);
    for _ in 0..dice.below(PARTITIONS_MAX + 1) {
        let begin = dice.below(FAULTS_MS);
        let end = (begin + 1000 + dice.below(10_000)).min(FAULTS_MS);
        faults.extend(chaos::partition(&mut dice, nodes, begin, end));
    }
    for _ in 0..dice.below(FULL_DISKS_MAX + 1) {
        let first = setting.servers + setting.others;
        let node = NodeId(first + dice.below(setting.sentinels as u64) as usize);
        let begin = dice.below(FAULTS_MS);
        let end = (begin + 1000 + dice.below(10_000)).min(FAULTS_MS);
        faults.extend(chaos::full_disk(node, begin, end));
    }
    faults.sort_by_key(|(at, _)| *at);
    for (at, _) in &mut faults {
        *at += WARM_UP_MS;
    }
    faults
}

/// Runs a seed's world in a setting under the given faults. Answers the hash of all that happened,
/// or what was wrong.
pub fn run(seed: u64, setting: &Setting, faults: &[(Millis, Fault)]) -> Result<u64, String> {
    tell(seed, setting, faults).0
}

/// As [`run`], with what the Sentinels did.
pub fn tell(
    seed: u64,
    setting: &Setting,
    faults: &[(Millis, Fault)],
) -> (Result<u64, String>, Vec<String>) {
    match Trial::new(seed, setting.clone()) {
        Ok(mut trial) => (trial.run(faults), trial.story),
        Err(why) => (Err(why), Vec::new()),
    }
}

struct Trial {
    setting: Setting,
    world: SimWorld,
    oracle: Oracle,
    agreement: Agreement,
    weather: Weather,
    groups: Vec<Group>,
    sentinels: Vec<NodeId>,
    /// Primaries that were not replaced yet.
    losses: Vec<Loss>,
    dice: Dice,
    writes: bool,
    next_write: Millis,
    next_compare: Millis,
    /// Who reads what is there, and what it was answered.
    reader: Option<(ClientId, Vec<u8>)>,
    /// What Sentinels and servers did, one line each.
    story: Vec<String>,
}

/// A watched primary and its replicas.
struct Group {
    name: &'static str,
    servers: Vec<NodeId>,
    follower: Follower,
}

/// The redis.conf of each server, by port, as last rewritten.
type Files = Arc<Mutex<BTreeMap<u16, String>>>;

impl Trial {
    fn new(seed: u64, setting: Setting) -> Result<Self, String> {
        let mut dice = Dice::new(seed);
        let oracle = Oracle::new();
        // On the real program's clockwork, opinions about one primary are believed of the next.
        let quorum = if setting.slow > 0 { 1 } else { setting.quorum };
        let agreement = Agreement::new(quorum, setting.down_after, oracle.clone());
        let traitor = dice.bits() as usize;
        let mut trial = Self {
            world: SimWorld::new(dice.bits()),
            oracle,
            agreement,
            weather: Weather::new(setting.nodes()),
            groups: Vec::new(),
            sentinels: Vec::new(),
            losses: Vec::new(),
            writes: true,
            next_write: 0,
            next_compare: 0,
            reader: None,
            story: Vec::new(),
            dice,
            setting,
        };
        let treason = trial.setting.treason;
        let treason_of = |is_sentinel: bool, index: usize, of: usize| {
            treason.filter(|t| t.is_a_sentinels() == is_sentinel && traitor % of == index)
        };
        let text = server_file(&mut trial.dice, trial.setting.repl_timeout);
        let files = Files::default();
        let Setting { servers, others, sentinels, .. } = trial.setting;
        for (name, count) in [("mm", servers), ("nn", others)].into_iter().filter(|(_, n)| *n > 0) {
            let mut group: Vec<NodeId> = Vec::new();
            for index in 0..count {
                let primary = group.first().map(|node| trial.world.port(*node));
                // One traitor is enough.
                let treason = treason_of(false, index, count).filter(|_| name == "mm");
                let build = trial.server(&text, primary, &files, treason);
                let node = trial.add(build);
                group.extend(node);
            }
            for node in &group {
                trial.agreement.belongs(trial.world.port(*node), name);
            }
            let follower = Follower::new(name, trial.dice.split());
            trial.groups.push(Group { name, servers: group, follower });
        }
        for index in 0..sentinels {
            let treason = treason_of(true, index, sentinels);
            let build = trial.sentinel(index, treason)?;
            let node = trial.add(build);
            trial.sentinels.extend(node);
        }
        Ok(trial)
    }

    fn run(&mut self, faults: &[(Millis, Fault)]) -> Result<u64, String> {
        for together in faults.chunk_by(|(a, _), (b, _)| a == b) {
            self.pass(together[0].0)?;
            self.turn(together.iter().map(|(_, fault)| fault))?;
        }
        self.pass(WARM_UP_MS + FAULTS_MS)?;
        self.turn(&chaos::mend(self.setting.nodes()))?;
        // Those who stood still notice it.
        self.pass(WARM_UP_MS + FAULTS_MS + WRITE_MS)?;
        self.agree()?;
        self.rest()?;
        // Whom they called late, they may have deposed meanwhile.
        let primaries = self.agree()?;
        self.sync()?;
        // From now on, nothing that is acknowledged may be lost.
        self.groups.iter_mut().for_each(|group| group.follower.ledger.clear());
        self.pass(self.world.now().mono + CALM_MS)?;
        self.sync()?;
        self.replace(&primaries)?;
        Ok(self.world.trace_hash())
    }

    fn add(&mut self, build: Factory) -> Option<NodeId> {
        let spec = NodeSpec { name: String::new(), port: 0, dir: None, build };
        // A simulated world has a port for each.
        let node = self.world.add(spec).ok()?;
        self.world.start(node).ok()?;
        Some(node)
    }

    fn server(
        &self,
        text: &str,
        primary: Option<u16>,
        files: &Files,
        treason: Option<Treason>,
    ) -> Factory {
        let first = match primary {
            Some(port) => format!("{text}replicaof 127.0.0.1 {port}\n"),
            None => text.to_owned(),
        };
        let (oracle, files) = (self.oracle.clone(), files.clone());
        Arc::new(move |birth: Birth| {
            let known = files.lock().unwrap_or_else(PoisonError::into_inner);
            let text = known.get(&birth.port).unwrap_or(&first).clone();
            drop(known);
            let directives = file::parse(&text, &mut |_| Ok(Vec::new())).unwrap_or_default();
            let mut config = Config::from_directives(&directives).unwrap_or_default();
            config.file = Some(ConfigFile { name: "redis.conf".to_owned(), text });
            let server = Server::new(config, birth.port, birth.seed);
            let watched = oracle.watch(server, birth.port);
            let files = files.clone();
            let configured = Box::new(Configured { server: watched, port: birth.port, files });
            corrupt(configured, treason)
        })
    }

    fn sentinel(&self, index: usize, treason: Option<Treason>) -> Result<Factory, String> {
        let primary =
            |group: &Group| group.servers.first().map(|node| (group.name, self.world.port(*node)));
        let primaries: Vec<_> = self.groups.iter().filter_map(primary).collect();
        let config = sentinel::Config::parse(&self.setting.file(index, &primaries))
            .map_err(|error| error.to_string())?;
        let agreement = self.agreement.clone();
        let is_fair = index >= self.setting.slow;
        Ok(Arc::new(move |birth: Birth| {
            let sentinel = Box::new(Sentinel::new(config.clone(), birth.port, birth.seed));
            agreement.watch(corrupt(sentinel, treason), birth.port, is_fair)
        }))
    }

    /// Lets time pass.
    fn pass(&mut self, until: Millis) -> Result<(), String> {
        while self.world.now().mono < until {
            let now = self.world.now().mono;
            if self.next_write <= now {
                self.next_write = now + WRITE_MS;
                if self.writes {
                    for group in &mut self.groups {
                        group.follower.go_on(&mut self.world, &self.sentinels);
                    }
                }
            }
            let step = self.next_write.min(until);
            while let Some(event) = self.world.poll(step) {
                self.on_event(event)?;
            }
            if self.next_compare <= step {
                self.next_compare = step + COMPARE_MS;
                self.oracle.compare_data();
            }
            if let Some(violation) = self.violation() {
                return Err(format!("at {step} ms: {violation}"));
            }
            self.check_losses()?;
        }
        Ok(())
    }

    fn violation(&self) -> Option<String> {
        self.agreement.violation().or_else(|| self.oracle.violation())
    }

    fn on_event(&mut self, event: WorldEvent) -> Result<(), String> {
        match event {
            // It rather ends than say what it cannot keep.
            WorldEvent::Exited { node, exit: Exit::Code(1) }
                if self.sentinels.contains(&node) && self.world.is_disk_full(node) =>
            {
                self.weather.turn(self.world.now().mono, &[Fault::Kill(node)]);
            }
            WorldEvent::Exited { node, exit } => {
                return Err(format!("node {} ended: {exit:?}", node.0));
            }
            WorldEvent::ClientClosed { client, .. } => {
                for group in &mut self.groups {
                    group.follower.on_closed(&mut self.world, client);
                }
            }
            WorldEvent::ClientReceived { client, data } => {
                if let Some((_, answers)) = self.reader.as_mut().filter(|(it, _)| *it == client) {
                    answers.extend_from_slice(&data);
                }
                for Group { follower, servers, .. } in &mut self.groups {
                    follower.on_received(&mut self.world, client, &data, servers);
                }
            }
            WorldEvent::Fact { node, fact } => {
                let line = match fact {
                    Fact::Sentinel { event, text, sentence, .. } if event.contains("-abort") => {
                        format!("{event} {text}: {sentence}")
                    }
                    Fact::Sentinel { event, text, .. } => format!("{event} {text}"),
                    Fact::RoleChanged { role, follows: Some(whom) } => {
                        format!("is {} of {whom}", role.word())
                    }
                    Fact::RoleChanged { role, follows: None } => format!("is {}", role.word()),
                    _ => return Ok(()),
                };
                let at = self.world.now().mono;
                self.story.push(format!("{at:>6} ms  {} {line}", node.0));
            }
            _ => {}
        }
        Ok(())
    }

    /// Waits until all agree on one primary in each group.
    fn agree(&mut self) -> Result<Vec<NodeId>, String> {
        let Setting { slow, failover_timeout, .. } = self.setting;
        // The real program waits so long for a promotion that was undone.
        let slowness = if slow > 0 { failover_timeout } else { 0 };
        let limit = self.longest_tilt() + AGREED_MS + slowness;
        self.within("one primary", limit, |trial| {
            let of = |Group { name, servers, .. }: &Group| {
                trial.agreement.one_primary(&trial.world, name, servers, &trial.sentinels)
            };
            trial.groups.iter().map(of).collect()
        })
    }

    /// Waits until no Sentinel is in TILT, in which it decides nothing, and all are connected.
    fn rest(&mut self) -> Result<(), String> {
        let until = self.world.now().mono + self.longest_tilt();
        self.pass(until + RECONNECTED_MS)
    }

    /// How long TILT will last for the last Sentinel in it.
    fn longest_tilt(&self) -> Millis {
        let period = sentinel::Periods::default().tilt;
        let tilts = self.sentinels.iter().filter_map(|node| {
            let view = agreement::beliefs(&self.world, *node)?;
            view.tilt_ms
        });
        tilts.map(|since| period.saturating_sub(since)).max().unwrap_or(0)
    }

    /// Waits until all servers are in sync.
    fn sync(&mut self) -> Result<(), String> {
        self.writes = false;
        let limit = SYNC_MS + self.setting.repl_timeout;
        self.within("in sync", limit, |trial| {
            let mut groups = trial.groups.iter();
            groups.try_for_each(|group| trial.oracle.in_sync(&trial.world, &group.servers))
        })?;
        self.oracle.compare_data();
        self.writes = true;
        self.violation().map_or(Ok(()), Err)
    }

    /// Takes all primaries away that have replicas, and perhaps as many Sentinels as can be spared:
    /// other servers take over in time, and lost nothing.
    fn replace(&mut self, primaries: &[NodeId]) -> Result<(), String> {
        let spare = self.sentinels.len() - self.setting.quorum.max(self.sentinels.len() / 2 + 1);
        // On the real program's clockwork, an election may be lost again and again.
        if self.setting.slow == self.setting.sentinels {
            return Ok(());
        }
        let lost = self.dice.below(spare as u64 + 1) as usize;
        for node in self.sentinels.drain(..lost) {
            self.world.kill(node);
        }
        let paused = self.dice.chance(1, 3);
        let has_replicas = |(at, _): &(usize, NodeId)| self.groups[*at].servers.len() > 1;
        let replaced: Vec<_> = primaries.iter().copied().enumerate().filter(has_replicas).collect();
        for (_, old) in &replaced {
            if paused {
                self.world.pause(*old);
            } else {
                self.world.kill(*old);
            }
        }
        let kept: Vec<Ledger> =
            replaced.iter().map(|(at, _)| self.groups[*at].follower.ledger.clone()).collect();
        let limit = self.replacement_limit(paused);
        let new: Vec<NodeId> = self.within("other primaries", limit, |trial| {
            let of =
                |(at, old): &(usize, NodeId)| trial.replacement(*at, *old, trial.sentinels.iter());
            replaced.iter().map(of).collect()
        })?;
        new.iter().zip(&kept).try_for_each(|(server, kept)| self.check_kept(*server, kept))
    }

    /// A server has all that was acknowledged, or something newer.
    fn check_kept(&mut self, server: NodeId, kept: &Ledger) -> Result<(), String> {
        if kept.is_empty() {
            return Ok(());
        }
        let reader = self.world.connect(server);
        let words: Vec<&str> =
            std::iter::once("MGET").chain(kept.keys().map(String::as_str)).collect();
        self.world.send(reader, command(&words));
        self.reader = Some((reader, Vec::new()));
        let values = self.within("an answer of the new primary", SYNC_MS, |trial| {
            let answers = trial.reader.as_ref().map(|(_, answers)| answers.as_slice());
            match read_answer(answers.unwrap_or_default()) {
                Ok(Some((Answer::Array(values), _))) => Ok(values),
                other => Err(format!("{other:?}")),
            }
        })?;
        for ((key, number), value) in kept.iter().zip(values) {
            if number_in(&value).is_none_or(|found| found < *number) {
                return Err(format!(
                    "node {} lost write {number} of {key}, which was acknowledged while all was in \
                     sync: {value}",
                    server.0
                ));
            }
        }
        Ok(())
    }

    fn replacement_limit(&self, paused: bool) -> Millis {
        let Setting { down_after, failover_timeout, slow, .. } = self.setting;
        let freeze = if paused { down_after / 4 } else { 0 };
        // Those of the real program's clockwork notice later, and may stand and lose.
        let slowness = if slow > 0 { 4000 + 2 * failover_timeout } else { 0 };
        down_after + REPLACED_MS + freeze + slowness
    }

    /// The other server that all these Sentinels name in a group, if it is primary.
    fn replacement<'s>(
        &self,
        group: usize,
        old: NodeId,
        sentinels: impl Iterator<Item = &'s NodeId>,
    ) -> Result<NodeId, String> {
        let Group { name, servers, .. } = &self.groups[group];
        let mut named = None;
        for &node in sentinels {
            let view = agreement::beliefs(&self.world, node).unwrap_or_default();
            let Some(m) = agreement::monitor(&view, name) else {
                return Err("no monitor".to_owned());
            };
            let port = *named.get_or_insert(m.addr.port);
            if m.addr.port != port || port == self.world.port(old) {
                return Err(format!(
                    "Sentinel {} names {} (failover: {})",
                    node.0, m.addr, m.failover.state
                ));
            }
        }
        let is_primary = |node: &&NodeId| {
            let view = self.world.view(**node);
            named == Some(self.world.port(**node))
                && view.as_ref().and_then(|v| v.server()).is_some_and(|v| v.role == Role::Primary)
        };
        let new = servers.iter().find(is_primary);
        new.copied().ok_or_else(|| format!("{named:?} is no primary"))
    }

    fn within<T>(
        &mut self,
        what: &str,
        limit: Millis,
        holds: impl Fn(&Self) -> Result<T, String>,
    ) -> Result<T, String> {
        let begin = self.world.now().mono;
        loop {
            let now = self.world.now().mono;
            match holds(self) {
                Ok(value) => return Ok(value),
                Err(why) if now >= begin + limit => {
                    return Err(format!("at {now} ms, after {limit} ms not {what}: {why}"));
                }
                Err(_) => self.pass(now + WRITE_MS)?,
            }
        }
    }
}

/// A server whose redis.conf outlives it.
struct Configured {
    server: Box<dyn Machine>,
    port: u16,
    files: Files,
}

impl Machine for Configured {
    fn step(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        let mut own = Outbox::new();
        self.server.step(now, input, &mut own);
        for output in own.drain() {
            if let Output::Emit(Fact::ConfigRewritten { text, .. }) = &output {
                let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
                files.insert(self.port, text.clone());
            }
            out.push(output);
        }
    }

    fn deadline(&self) -> Option<Millis> {
        self.server.deadline()
    }

    fn view(&self, now: Now) -> NodeView {
        self.server.view(now)
    }
}

/// One of the ways to configure a server.
fn server_file(dice: &mut Dice, repl_timeout: Millis) -> String {
    let mut pick = |choices: &[&'static str]| choices[dice.below(choices.len() as u64) as usize];
    format!(
        "save {}\nrepl-diskless-sync {}\nrepl-diskless-sync-delay 0\nrepl-backlog-size {}\n\
         repl-timeout {}\nrepl-ping-replica-period {}\n",
        pick(&["\"\"", "1 1", "5 1"]),
        pick(&["yes", "no"]),
        pick(&["16384", "1048576"]),
        repl_timeout / 1000,
        pick(&["1", "2"]),
    )
}
